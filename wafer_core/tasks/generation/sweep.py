"""Pictures generated at several levels of one setting, each compared with the originals.

Classic DCGAN varies the threshold from which a die counts as failed, Auto the density of failed
dies. A level that is too low or too high is visible at once, and KID measures it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from wafer_core.images import Picture, die_counts, is_map, resize
from wafer_core.metrics.generation import squared_mmd
from wafer_core.networks import features

THRESHOLDS = tuple(range(40, 211, 10))
DENSITIES = (0.5, 0.7, 1.0, 1.4, 2.0)
_SHOWN, _SIDE = 8, 48  # pictures of a strip, and their side in pixels
_MOST_ORIGINALS = 300  # that are compared


@dataclass(frozen=True, eq=False)
class SweepLevel:
    """One level.

    Attributes:
        value: Of the setting.
        kid: Against the originals; lower is better, and about 0 is as realistic as real wafers.
        failed: Mean share of failed dies, 0 to 1; ``None`` if the pictures are not wafer maps.
        strip: Some of the pictures side by side.
    """

    value: float
    kid: float
    failed: float | None
    strip: Picture


@dataclass(frozen=True, eq=False)
class Sweep:
    """All levels of a setting in ascending order.

    Attributes:
        setting: A field of ``GenerationConfig``.
        levels: The levels.
        counts: Pictures per level, and originals.
    """

    setting: str
    levels: tuple[SweepLevel, ...]
    counts: tuple[int, int]

    @property
    def best(self) -> float:
        """The level with the lowest KID."""
        return min(self.levels, key=lambda level: level.kid).value

    def to_json(self) -> dict[str, Any]:
        """Plain values, without the pictures."""
        return {
            "setting": self.setting,
            "values": [level.value for level in self.levels],
            "kid": [round(level.kid, 5) for level in self.levels],
            "failed": [level.failed for level in self.levels],
            "best": self.best,
            "counts": list(self.counts),
            "features": "wafernet",
        }


def compare_levels(
    setting: str,
    generated: Mapping[float, Sequence[Picture]],
    originals: Sequence[Picture],
    device: torch.device,
) -> Sweep:
    """Compare the pictures of each level with the originals, by features of WaferNet.

    Args:
        setting: A field of ``GenerationConfig``.
        generated: Two or more pictures for each level.
        originals: Two or more. They may be training originals: the bias is the same for all levels.
        device: Where to compute.

    Raises:
        InputError: Too few pictures.
        ModelError: WaferNet's weights are missing.
    """
    network = features.load("wafernet", device)
    real = network.extract(originals[:_MOST_ORIGINALS]).features
    levels = []
    for value, pictures in sorted(generated.items()):
        kid = squared_mmd(network.extract(pictures).features, real)
        counts = [die_counts(picture) for picture in pictures]
        shares = [count.failed / count.dies for count in counts if count.dies]
        maps = all(is_map(picture) for picture in pictures)
        failed = round(float(np.mean(shares)), 5) if maps and shares else None
        levels.append(SweepLevel(float(value), kid, failed, strip(pictures)))
    count = min(len(pictures) for pictures in generated.values())
    return Sweep(setting, tuple(levels), (count, len(real)))


def strip(pictures: Sequence[Picture]) -> Picture:
    """The first eight pictures side by side, with a dark line between them."""
    some = [np.pad(resize(p, (_SIDE, _SIDE)), ((0, 0), (0, 2))) for p in pictures[:_SHOWN]]
    return np.concatenate(some, 1)
