"""Train a classifier and score it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.tables import Row
from benchmarks.wafers import FewShot, Labels
from wafer_core.images import Picture
from wafer_core.metrics import Evaluation, evaluate, intervals
from wafer_core.networks import registry
from wafer_core.simulator import PATTERNS
from wafer_core.tasks.classification.classifier import Classifier
from wafer_core.tasks.classification.config import TrainConfig
from wafer_core.tasks.classification.train import train
from wafer_core.tasks.classification.train_data import TrainData


def pretrained(weights: Path) -> Classifier:
    """The network of a pretraining; its ``config`` says which lots were left out."""
    return Classifier.load(weights.parent, name=weights.stem)


def use_weights(weights: Path) -> None:
    """Let trainings in this process start from these weights instead of those that ship."""
    registry.WEIGHTS = weights.parent
    object.__setattr__(registry.NETWORKS["wafernet"], "weights", weights.stem)


def fit(config: TrainConfig, data: TrainData, device: torch.device) -> tuple[Classifier, Row]:
    """Train; the classifier, and the size and time of the training."""
    start, cpu = time.perf_counter(), time.process_time()
    epochs = list(train(data, config, device))
    classifier = epochs[-1].best_classifier()
    return classifier, {
        "trained_on": len(data.train_pictures),
        "epochs": len(epochs),
        "epoch_seconds": float(np.mean([epoch.seconds for epoch in epochs])),
        "seconds": time.perf_counter() - start,
        "cpu_seconds": time.process_time() - cpu,
    }


def score(
    classifier: Classifier,
    pictures: Sequence[Picture],
    labels: Labels,
    names: Sequence[str] = PATTERNS,
) -> Evaluation:
    """Score on pictures whose labels are indices into ``names``."""
    probabilities = np.zeros((len(pictures), len(names)))
    columns = [names.index(name) for name in classifier.class_names]
    probabilities[:, columns] = classifier.predict_proba(pictures)
    return evaluate(labels, probabilities, names)


def score_row(found: Evaluation) -> Row:
    """The scores for a row of results."""
    return {
        "tested": found.count,
        "macro_f1": found.macro_f1,
        "accuracy": found.accuracy,
        "calibration_error": found.calibration_error,
        "interval": intervals(found.confusion).macro_f1,
        "f1": {name: each.f1 for name, each in found.per_class.items()},
    }


def fit_and_score(config: TrainConfig, drawn: FewShot, device: torch.device) -> dict[str, Any]:
    """A row of one training."""
    classifier, row = fit(config, drawn.data, device)
    found = score(classifier, drawn.pictures, drawn.labels, drawn.data.class_names)
    return {**row, **score_row(found)}
