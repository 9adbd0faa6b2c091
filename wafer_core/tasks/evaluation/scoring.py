"""Score synthetic pictures of a class: ``score_synthetic``.

Every score comes with a *real-real baseline*, other real pictures of the class instead of the
synthetic ones, and a *between-class reference*, the nearest other class. Both, and the score that
is compared with them (``Score.same_counts``), are computed with equal sample sizes, because most
scores depend on the sample size.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from wafer_core.errors import DataError
from wafer_core.images import Picture
from wafer_core.json_fields import Fields
from wafer_core.messages import Message
from wafer_core.metrics import copies
from wafer_core.networks import features as feature_networks
from wafer_core.networks.features import Activations, FeatureNetwork
from wafer_core.progress import SILENT, Progress
from wafer_core.tasks.evaluation import comparison, sentences
from wafer_core.tasks.evaluation.class_agreement import Classes, agreement
from wafer_core.tasks.evaluation.comparison import EACH, FEWEST, Samples
from wafer_core.tasks.evaluation.scores import SCORES, Score

MOST = 2000, 300  # synthetic and real pictures that are used; more change the scores little
_FEATURES_SHARE = 0.6  # of the time, roughly
_PROBED, _NEAREST = 10, 3  # pictures of each other class to find the nearest; number of these


@dataclass(frozen=True)
class GenerationScores:
    """All scores of a set of synthetic pictures.

    Attributes:
        features: Key of the feature network; scores of two networks cannot be compared.
        title: Its title.
        weights: First digits of the SHA-256 of its weights.
        wafernet: SHA-256 of the weights of WaferNet, which class agreement depends on.
        counts: ``made``, ``training``, ``held_out``, and ``real``: the pictures compared with.
        reference: The real pictures compared with, as a phrase.
        scores: By name, in the order of ``SCORES``.
        sentence: Summary of all scores.
        seconds: Computing time.
    """

    features: str
    title: str
    weights: str
    wafernet: str
    counts: Mapping[str, int]
    reference: Message
    scores: Mapping[str, Score]
    sentence: Message
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "features": self.features,
            "title": self.title,
            "weights": self.weights,
            "wafernet": self.wafernet,
            "counts": dict(self.counts),
            "reference": self.reference.to_json(),
            "scores": {name: score.to_json() for name, score in self.scores.items()},
            "sentence": self.sentence.to_json(),
            "seconds": round(self.seconds, 2),
        }

    @classmethod
    def from_json(cls, value: object) -> GenerationScores:
        """Read what ``to_json`` gave, also of older versions.

        Raises:
            DataError: A value is missing or of the wrong type.
        """
        fields = Fields(value)
        found = fields.free("scores")
        if not set(found) & set(SCORES):
            raise DataError("it has no scores")
        name, counts = fields.text("features"), Fields(fields.free("counts", {}))
        weights = fields.text("weights", "")
        return cls(
            name,
            fields.text("title", name),
            weights,
            # older versions stored only the weights of the feature network
            fields.text("wafernet", weights if name == "wafernet" else ""),
            {key: counts.whole(key, low=0) for key in fields.free("counts", {})},
            fields.as_message("reference", Message("originals")),
            {key: Score.from_json(key, found[key]) for key in SCORES if key in found},
            fields.as_message("sentence", Message("")),
            fields.number("seconds", 0.0),
        )


def score_synthetic(
    synthetic: Sequence[Picture],
    training: Sequence[Picture],
    held_out: Sequence[Picture],
    others: Mapping[str, Sequence[Picture]],
    *,
    classes: Classes | None = None,
    features: str = "wafernet",
    weights: Path | None = None,
    device: torch.device | None = None,
    lots: Sequence[str | None] | None = None,
    seed: int = 0,
    on_progress: Progress = SILENT,
    most: tuple[int, int] = MOST,
) -> GenerationScores:
    """Score synthetic pictures of one class.

    Args:
        synthetic: Generated or augmented pictures.
        training: Originals that they were made from. They are compared with the held-out ones for
            the baseline, and searched for near copies. If empty, ``held_out`` is used for both.
        held_out: Originals that were not trained on. If there are fewer than ``FEWEST``, the
            training originals are used as well, and the summary says so.
        others: Originals of other classes, by name.
        classes: All classes for class agreement; ``None``: there are no other classes.
        features: A key of ``features.FEATURES``.
        weights: Weight file of a network that is not included.
        device: Where to compute; default: the CPU.
        lots: Of the held-out originals; a lot is not split between the halves of a baseline.
        seed: The same seed gives the same scores.
        on_progress: Called with the share that is done, 0 to 1; may raise to cancel.
        most: Synthetic and real pictures that are used at most.

    Returns:
        Every score; one that cannot be computed is ``None`` with a note, never NaN.

    Raises:
        ParameterError: The feature network is unknown.
        ModelError: Its weights are missing or not genuine.
    """
    began, given = time.perf_counter(), len(synthetic)
    extracting, classifying = on_progress.split(_FEATURES_SHARE, 1 - _FEATURES_SHARE)
    network = feature_networks.load(features, device or torch.device("cpu"), weights)
    rng = np.random.default_rng((seed, 11))
    enough = len(held_out) >= FEWEST
    real = list(held_out) if enough else [*training, *held_out]
    compared_with = sentences.reference_set(len(training), len(held_out), enough)
    second = list(training) if enough and len(training) >= FEWEST else []
    synthetic = _sample(synthetic, most[0], rng)
    kept = sorted(rng.permutation(len(real))[: most[1]])
    sizes = [len(synthetic), len(kept), min(len(second), EACH), EACH * min(len(others), _NEAREST)]
    parts = extracting.each(sizes)
    samples = Samples(
        network.extract(synthetic, parts[0]),
        network.extract([real[i] for i in kept], parts[1]),
        network.extract(_sample(second, EACH, rng), parts[2]) if second else None,
        [lots[i] for i in kept] if lots and enough else None,
        rng,
        seed,
    )
    names, nearest = _nearest_classes(samples, others, network, rng, parts[3])
    agreed = agreement(synthetic, classes, device=device, seed=seed, on_progress=classifying)
    found = (
        comparison.kid(samples, nearest),
        comparison.fid(samples, nearest),
        comparison.precision(samples, nearest),
        comparison.recall(samples, nearest),
        comparison.inception(samples, nearest),
        _copies(synthetic, training, real, second != [], others, names),
        agreed,
    )
    on_progress(1.0)
    with_sentences = {s.name: sentences.with_sentence(s, network.title) for s in found}
    return GenerationScores(
        features,
        network.title,
        network.identity[:8],
        feature_networks.wafernet_checksum(),
        {"made": given, "training": len(training), "held_out": len(held_out), "real": len(real)},
        compared_with,
        {name: with_sentences[name] for name in SCORES},
        sentences.summary(with_sentences, compared_with),
        time.perf_counter() - began,
    )


def _sample(pictures: Sequence[Picture], most: int, rng: np.random.Generator) -> list[Picture]:
    """All pictures, or ``most`` of them at random."""
    if len(pictures) <= most:
        return list(pictures)
    return [pictures[i] for i in rng.permutation(len(pictures))[:most]]


def _nearest_classes(
    samples: Samples,
    others: Mapping[str, Sequence[Picture]],
    network: FeatureNetwork,
    rng: np.random.Generator,
    on_progress: Progress,
) -> tuple[list[str], dict[str, Activations]]:
    """Other classes with enough pictures: all names, and the features of the nearest few."""
    need = max(samples.each, 1)
    usable = [name for name in others if len(others[name]) >= need]
    if not len(samples.real.features) or not usable:
        return usable, {}
    nearest = usable
    if len(usable) > _NEAREST:
        centre = samples.real.features.mean(0)
        probes = [
            network.extract(_sample(others[name], _PROBED, rng)).features.mean(0) for name in usable
        ]
        distances = [float(np.linalg.norm(probe - centre)) for probe in probes]
        nearest = [usable[i] for i in np.argsort(distances)[:_NEAREST]]
    parts = on_progress.each(len(nearest))
    return nearest, {
        name: network.extract(_sample(others[name], need, rng), part)
        for name, part in zip(nearest, parts, strict=True)
    }


def _copies(
    synthetic: Sequence[Picture],
    training: Sequence[Picture],
    real: Sequence[Picture],
    held_out: bool,
    others: Mapping[str, Sequence[Picture]],
    names: Sequence[str],
) -> Score:
    """Near copies of training originals in any rotation or reflection.

    Args:
        synthetic: The pictures.
        training: Originals that they were made from; empty: ``real`` is searched.
        real: Originals compared with.
        held_out: Whether ``real`` were not trained on: then their near copies are the baseline.
        others: Originals of other classes, by name.
        names: The classes to take the reference from.
    """
    sources = training or real
    counts = {"made": len(synthetic), "real": len(sources)}
    if not synthetic or not sources:
        return Score("copies", counts=counts, note=sentences.too_few("copies", 1, counts))
    orientations = copies.dihedral_vectors(sources)
    found = copies.nearest(copies.vectors(synthetic), orientations)
    among = None
    if len(sources) > 1:
        among = copies.nearest(orientations[0], orientations, exclude_self=True)
    fresh = copies.nearest(copies.vectors(real), orientations) if held_out else None
    compared = fresh or among
    of_classes = {
        name: copies.nearest(copies.vectors(others[name][:EACH]), orientations).share
        for name in names
    }
    return Score(
        "copies",
        found.share,
        None,
        found.share,
        compared.share if compared else None,
        *comparison.nearest_class(of_classes, "lower"),
        {**counts, "each": len(compared.distance) if compared else 0},
        {
            "copies": int(found.near_copies.sum()),
            "distance": float(np.median(found.distance)),
            "distance_among_originals": float(np.median(among.distance)) if among else None,
            "distance_of_held_out": float(np.median(fresh.distance)) if fresh else None,
            "threshold": copies.NEAR,
        },
    )
