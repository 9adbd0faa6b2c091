"""Fit the detector of unknown wafers for a trained classifier."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wafer_core.images import Picture
from wafer_core.messages import Message, message
from wafer_core.tasks.classification import unknown
from wafer_core.tasks.classification.classifier import Classifier
from wafer_core.tasks.classification.unknown import Floats, Labels, UnknownDetector

_MAX_PICTURES = 3000  # of each kind; more hardly change the statistics
_BATCH = 64


def fit_detector(
    classifier: Classifier,
    train: tuple[Sequence[Picture], Labels],
    validation: tuple[Sequence[Picture], Sequence[str]],
) -> UnknownDetector | None:
    """Statistics of training originals, and a threshold from validation originals.

    Args:
        classifier: Trained.
        train: N pictures and their class indices (N,).
        validation: M pictures and the lot of each; those without a lot have a name of their own.

    Returns:
        ``None`` without training or validation pictures.
    """
    pictures, labels = train
    others, lots = validation
    if not len(pictures) or not len(others):
        return None
    chosen = np.random.default_rng(0).permutation(len(pictures))[:_MAX_PICTURES]
    kept = np.random.default_rng(0).permutation(len(others))[:_MAX_PICTURES]
    features, _ = measure(classifier, [pictures[i] for i in chosen])
    seen = measure(classifier, [others[i] for i in kept])
    return unknown.fit(
        features, labels[chosen], (*seen, [lots[i] for i in kept]), len(classifier.class_names)
    )


def measure(classifier: Classifier, pictures: Sequence[Picture]) -> tuple[Floats, Floats]:
    """Features (N, F) and logits (N, C) of pictures."""
    parts = [
        classifier.features_and_logits(
            classifier.preparation.prepare(pictures[start : start + _BATCH])
        )
        for start in range(0, len(pictures), _BATCH)
    ]
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def notes(detector: UnknownDetector | None) -> list[Message]:
    """What a report says about the threshold; empty where the rate is kept or there is none."""
    if detector is None or detector.keeps_rate:
        return []
    return [
        message(
            "The validation wafers come from {units:,} lots. At least {least:,} are needed to "
            "keep false alarms of the verdict unknown at {rate:.0%}; the threshold is far from "
            "all of them.",
            units=detector.units,
            least=unknown.min_units(unknown.FALSE_ALARMS),
            rate=unknown.FALSE_ALARMS,
        )
    ]
