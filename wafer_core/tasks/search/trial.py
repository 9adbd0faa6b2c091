"""How a trial of a search is trained and evaluated, and whether one is better than another.

With enough validation wafers, a trial is one training, evaluated on the validation split. With
fewer, a single split is too noisy: the training and validation splits are pooled and cut into three
folds (cross-validation), and the predictions of the three trainings are scored together. The test
split is never used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch

from wafer_core.errors import InputError
from wafer_core.images import Picture
from wafer_core.messages import Message, message
from wafer_core.metrics import evaluate
from wafer_core.metrics.folds import folds
from wafer_core.metrics.paired import Difference, Predictions, differences
from wafer_core.progress import SILENT, Progress
from wafer_core.tasks.classification.config import TrainConfig
from wafer_core.tasks.classification.train import train
from wafer_core.tasks.classification.train_data import TrainData

MIN_VALIDATION = 20  # validation wafers of each class; with fewer, one wafer is over five points
FOLDS = 3  # two of three folds hold about as many wafers as the training split
_CHECKPOINTS = 10  # in a training, at which its score is compared with that of other trials

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class SearchData:
    """The training and validation splits of a project.

    Attributes:
        class_names: C names.
        pictures: N originals of both splits.
        labels: (N,) class indices.
        groups: N group labels; pictures of a group (a lot, or rotated copies) stay together.
        is_validation: (N,) whether a picture is in the validation split.
        synthetic_pictures: Made from training originals and used for training only. They are not
            used with folds, where their original may be in the held-out fold.
        synthetic_labels: Their class indices.
        combinations: See ``TrainData``.
    """

    class_names: tuple[str, ...]
    pictures: Sequence[Picture]
    labels: Integers
    groups: Sequence[str]
    is_validation: npt.NDArray[np.bool_]
    synthetic_pictures: Sequence[Picture]
    synthetic_labels: Integers
    combinations: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def check(self) -> SearchData:
        """Return self if a search can run on it.

        Raises:
            InputError: Fewer than two classes can be evaluated.
        """
        counts = np.bincount(self.labels, minlength=len(self.class_names))
        if (usable := int((counts >= 2).sum())) < 2:
            raise InputError(
                "A search evaluates on wafers that were not used for training, so at least two "
                "classes need two wafers in the training and validation splits. Classes with "
                "enough wafers: {usable}. Add wafers.",
                usable=usable,
            )
        return self

    @property
    def uses_validation(self) -> bool:
        """Whether the validation split is large enough to evaluate on alone."""
        counts = np.bincount(self.labels[self.is_validation], minlength=len(self.class_names))
        return bool((counts >= MIN_VALIDATION).all())

    def protocol(self) -> Message:
        """How trials are evaluated."""
        if self.uses_validation:
            return message(
                "Evaluated on the {count:,} wafers of the validation split.",
                count=int(self.is_validation.sum()),
            )
        return message(
            "Evaluated by {folds}-fold cross-validation on all {count:,} wafers of the training "
            "and validation splits, because some class has fewer than {minimum} "
            "validation wafers.",
            folds=FOLDS,
            count=len(self.pictures),
            minimum=MIN_VALIDATION,
        )


@dataclass(frozen=True, eq=False)
class Round:
    """One training of a trial; ``held_out`` are the indices of the pictures to evaluate on."""

    data: TrainData
    held_out: Integers


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Held-out predictions of one trial."""

    held_out: Integers  # (M,) indices of pictures
    labels: Integers  # (M,) class indices
    predicted: Integers  # (M,) class indices
    macro_f1: float


def rounds(data: SearchData, seed: int) -> list[Round]:
    """The trainings of a trial: one with the validation split, or one a fold.

    Args:
        data: Of the search.
        seed: Of the folds.

    Raises:
        InputError: The wafers cannot be split.
    """
    if not data.uses_validation:
        fold = folds(data.labels, data.groups, FOLDS, seed)
        if (fold < 0).all():
            raise InputError(
                "A search evaluates on wafers that were not used for training, but all wafers of "
                "each class come from one lot and must stay together; add wafers from other lots."
            )
        return [
            make_round(data, np.flatnonzero(fold != k), np.flatnonzero(fold == k))
            for k in range(FOLDS)
        ]
    is_held_out = data.is_validation
    split = make_round(data, np.flatnonzero(~is_held_out), np.flatnonzero(is_held_out))
    train_data = split.data.with_synthetic(data.synthetic_pictures, data.synthetic_labels)
    return [Round(train_data, split.held_out)]


def make_round(data: SearchData, train_on: Integers, held_out: Integers) -> Round:
    """A round from the indices of the originals to train on and to evaluate on."""
    return Round(
        TrainData(
            data.class_names,
            [data.pictures[i] for i in train_on],
            data.labels[train_on],
            [data.pictures[i] for i in held_out],
            data.labels[held_out],
            [data.groups[i] for i in train_on],
            combinations=data.combinations,
        ),
        held_out,
    )


def run_trial(
    trainings: Sequence[Round],
    config: TrainConfig,
    device: torch.device,
    on_progress: Progress = SILENT,
    on_score: Callable[[int, float], None] = lambda checkpoint, score: None,
) -> Evaluation:
    """Train and evaluate one trial.

    Args:
        trainings: From ``rounds``.
        config: Of the trial.
        device: Where to compute.
        on_progress: Called after every step; may raise to end the trial.
        on_score: Called with the number of a checkpoint and the macro-F1 there, comparable with
            other trials at the same checkpoint; may raise to end the trial.

    Raises:
        ParameterError: The learning rate made the loss infinite.
    """
    names = trainings[0].data.class_names
    done: list[tuple[Integers, Integers, Integers]] = []
    score = 0.0
    parts = on_progress.each(len(trainings))
    for number, (training, progress) in enumerate(zip(trainings, parts, strict=True), 1):
        if not len(training.held_out):
            continue
        last, reached = None, 0
        for last in train(training.data, config, device, progress):
            checkpoint = _CHECKPOINTS * last.epoch // last.epochs
            # in the first half a trial that starts slowly looks worse than it is
            is_due = max(reached, _CHECKPOINTS // 2 - 1) < checkpoint < _CHECKPOINTS
            if len(trainings) == 1 and is_due and last.macro_f1 is not None:
                reached = checkpoint
                on_score(checkpoint, last.macro_f1)
        if last is None:
            raise TypeError("train() yielded no epoch")
        probabilities = last.best_classifier().predict_proba(training.data.validation_pictures)
        predicted = probabilities.argmax(1).astype(np.int64)
        done.append((training.held_out, training.data.validation_labels, predicted))
        held_out, labels, predictions = (np.concatenate(each) for each in zip(*done, strict=True))
        score = _macro_f1(labels, predictions, names)
        if len(trainings) > 1:
            on_score(number, score)
    return Evaluation(held_out, labels, predictions, score)


def _macro_f1(labels: Integers, predicted: Integers, names: Sequence[str]) -> float:
    one_hot = np.eye(len(names))[predicted]
    return float(evaluate(labels, one_hot, names).macro_f1 or 0.0)


def gain(first: Evaluation, second: Evaluation, groups: Sequence[str], classes: int) -> Difference:
    """How much higher the macro-F1 of one trial is than that of another, with a 95% interval.

    Resampled by lots. How much the score of a training varies with its seed is not included.

    Args:
        first: Of the trial that may be better.
        second: Of the trial to compare with, on the same pictures in any order.
        groups: Group labels of all pictures of the search.
        classes: Number of classes.
    """
    order, other_order = np.argsort(first.held_out), np.argsort(second.held_out)
    predicted = np.stack([first.predicted[order], second.predicted[other_order]])
    lots = [groups[i] for i in first.held_out[order].tolist()]
    predictions = Predictions(first.labels[order], predicted[:, None], lots, classes)
    ((difference, _),) = differences(predictions, [(0, 1)])
    return difference
