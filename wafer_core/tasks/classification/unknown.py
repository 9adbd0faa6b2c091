"""Whether a wafer is unlike all training wafers: a score in feature space with a threshold.

Two scores, since they miss different classes. The Mahalanobis distance to the nearest class mean,
with a covariance that the classes share (Lee et al. 2018, arXiv:1807.03888), sees what lies far
from all classes; the largest logit (Hendrycks et al. 2022, arXiv:1911.11132) sees what no class
claims. Each is standardised by the validation wafers, and the two are added.

The threshold is split-conformal (Vovk et al. 2005) with the lots as units, because wafers of one
lot resemble each other: each lot counts once, with the mean p-value of its wafers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import safetensors
import safetensors.torch
import torch

from wafer_core import files
from wafer_core.errors import ModelError

FALSE_ALARMS = 0.02
NAME = "unknown.safetensors"
MAX_SCORE = 99.0  # of the detector; pictures that are no wafers have a higher one
_MIN_SPREAD = 1e-6
_MAX_BYTES = 64 * 2**20

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class UnknownDetector:
    """Statistics of the training wafers in feature space.

    Attributes:
        means: (C, F) class means.
        whitening: (F, F); distances are Euclidean after features are multiplied by it.
        centre: (2,) median of distance and negative largest logit on validation wafers.
        spread: (2,) their spread, a robust standard deviation.
        threshold: Scores above it are unknown.
        units: Lots (or wafers, without lots) that the threshold was set on.
    """

    means: Floats
    whitening: Floats
    centre: Floats
    spread: Floats
    threshold: float
    units: int

    @property
    def keeps_rate(self) -> bool:
        """Whether there are enough units to promise the false-alarm rate."""
        return self.units >= min_units(FALSE_ALARMS)

    def score(self, features: Floats, logits: Floats) -> Floats:
        """(N,) for features (N, F) and logits (N, C): the higher, the less like training."""
        raw = raw_scores(features, logits, self.means, self.whitening)
        total = ((raw - self.centre) / self.spread).sum(1)
        clipped: Floats = np.clip(total, -MAX_SCORE, MAX_SCORE)
        return clipped

    def save(self, folder: Path, name: str = NAME) -> None:
        """Store in a model's folder.

        Raises:
            StorageError: The disk is full or read-only.
        """
        tensors = {
            name: torch.from_numpy(np.ascontiguousarray(getattr(self, name)))
            for name in ("means", "whitening", "centre", "spread")
        }
        tensors["threshold"] = torch.tensor([self.threshold, self.units], dtype=torch.float64)
        files.write_bytes(folder / name, safetensors.torch.save(tensors))


def load(
    folder: Path, num_features: int, num_classes: int, name: str = NAME
) -> UnknownDetector | None:
    """Read the detector of a model; ``None`` if it has none.

    Raises:
        ModelError: Damaged, or it belongs to another model.
    """
    path = folder / name
    if not path.exists():
        return None
    F, C = num_features, num_classes
    shapes = {"means": (C, F), "whitening": (F, F), "centre": (2,), "spread": (2,)}
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ValueError
        tensors = safetensors.torch.load(path.read_bytes())
        values = {name: tensors[name].numpy() for name in (*shapes, "threshold")}
        threshold, units = values.pop("threshold").tolist()
        is_sound = all(
            values[name].shape == shape
            and values[name].dtype == np.float64
            and np.isfinite(values[name]).all()
            for name, shape in shapes.items()
        )
        if not is_sound or not (values["spread"] > 0).all() or math.isnan(threshold):
            raise ValueError
        return UnknownDetector(**values, threshold=float(threshold), units=int(units))
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        OverflowError,
        safetensors.SafetensorError,
    ) as exc:
        raise ModelError(
            "{path} is damaged or belongs to another model; delete it, or train again.",
            path=str(path),
        ) from exc


def fit(
    features: Floats,
    labels: Labels,
    validation: tuple[Floats, Floats, Sequence[str]],
    num_classes: int,
    within: Floats | None = None,
    false_alarms: float = FALSE_ALARMS,
) -> UnknownDetector:
    """Compute the statistics, and the threshold from other wafers.

    Args:
        features: (N, F) of the training originals.
        labels: (N,) class indices.
        validation: Features (M, F), logits (M, C) and M lots of validation originals; wafers
            without a lot each have a name of their own.
        num_classes: C; a class without a wafer gets the mean of all.
        within: (F, F) covariance within classes where it is known from pretraining.
        false_alarms: Share of known wafers that may be called unknown, 0 to 1.
    """
    means = np.stack(
        [
            features[labels == c].mean(0) if (labels == c).any() else features.mean(0)
            for c in range(num_classes)
        ]
    )
    covariance = shrunk_covariance(features - means[labels]) if within is None else within
    values, vectors = np.linalg.eigh(covariance)
    floor = max(float(values.mean()) * 1e-3, 1e-12)
    whitening = vectors / np.sqrt(np.maximum(values, floor))
    other, logits, lots = validation
    raw = raw_scores(other, logits, means, whitening)
    centre = np.median(raw, 0) if len(raw) else np.zeros(2)
    spread = np.ones(2)
    if len(raw):
        spread = np.maximum(1.4826 * np.median(abs(raw - centre), 0), _MIN_SPREAD)
    scores = ((raw - centre) / spread).sum(1)
    threshold, units = conformal_threshold(scores, lots, false_alarms)
    return UnknownDetector(means, whitening, centre, spread, threshold, units)


def raw_scores(features: Floats, logits: Floats, means: Floats, whitening: Floats) -> Floats:
    """(N, 2): distance to the nearest class mean, and the negative largest logit."""
    placed, centres = features @ whitening, means @ whitening
    squares = (placed**2).sum(1)[:, None] - 2 * placed @ centres.T + (centres**2).sum(1)
    distance = np.sqrt(np.maximum(squares.min(1), 0))
    return np.stack([distance, -logits.max(1)], 1)


def shrunk_covariance(centred: Floats) -> Floats:
    """Covariance (F, F) of centred rows (N, F), shrunk towards a multiple of the identity.

    The amount follows Ledoit and Wolf 2004 (doi 10.1016/S0047-259X(03)00096-4).
    """
    N, F = centred.shape
    covariance: Floats = centred.T @ centred / N
    mean = float(np.trace(covariance)) / F
    target = mean * np.eye(F)
    distance = float(((covariance - target) ** 2).sum()) / F
    squares = centred**2
    error = (float((squares.T @ squares).sum()) / N - float((covariance**2).sum())) / (N * F)
    share = 1.0 if distance <= 0 else min(max(error, 0.0), distance) / distance
    shrunk: Floats = share * target + (1 - share) * covariance
    return shrunk


def min_units(false_alarms: float) -> int:
    """How many units a split-conformal threshold needs: ⌈1 / α⌉ − 1."""
    return math.ceil(1 / false_alarms - 1e-9) - 1


def conformal_threshold(
    scores: Floats, lots: Sequence[str], false_alarms: float
) -> tuple[float, int]:
    """The smallest score above which at most a share of known wafers is expected.

    Args:
        scores: (M,) of validation originals.
        lots: The lot of each.
        false_alarms: α, 0 to 1.

    Returns:
        The threshold, and the number L of lots. With p(t) the mean over lots of the share of a
        lot's wafers that score above t, the threshold is the smallest score with
        (1 + L · p(t)) / (L + 1) ≤ α. Where L is too small for any, it is the largest score plus
        the range of all scores, which promises no rate.
    """
    names = sorted(set(lots))
    if not names:
        return MAX_SCORE, 0
    codes = np.searchsorted(np.array(names), np.array(lots))
    weights = 1 / np.bincount(codes)[codes]
    order = np.argsort(scores)
    above = weights.sum() - np.cumsum(weights[order])
    fits = (1 + above - 1e-9) / (len(names) + 1) <= false_alarms
    ordered = scores[order]
    if not fits.any():
        return float(ordered[-1] + max(ordered[-1] - ordered[0], 1.0)), len(names)
    return float(ordered[int(fits.argmax())]), len(names)
