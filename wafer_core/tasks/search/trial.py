"""What a trial of a search is judged on, and whether one is better than another.

With enough wafers in the validation part a trial is one training, judged on it. With fewer, a
single split is luck: training and validation part together are cut into three folds, each judges a
training on the other two, and the answers of the three are counted together. The test part is never
looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from wafer_core.errors import InputError
from wafer_core.images import Picture
from wafer_core.metrics import evaluate
from wafer_core.metrics.folds import folds
from wafer_core.tasks.classification.config import TrainConfig, TrainData
from wafer_core.tasks.classification.train import train

ENOUGH = 20  # validation wafers of a class; with fewer, one wafer is more than five points
FOLDS = 3  # a training on two of three has about as many wafers as the training part
_LOOKS = 10  # times that a trial on the validation part tells how it goes

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class SearchData:
    """The training and the validation part of a project.

    Attributes:
        class_names: C names.
        pictures: N originals of both parts.
        labels: (N,) index into the names.
        keys: N; pictures that share one (of a lot, or turned copies) are never split.
        validates: (N,) whether a picture is of the validation part.
        made_pictures: Made of training originals; they only ever train, and not with folds, where
            their original may judge.
        made_labels: Theirs.
    """

    class_names: tuple[str, ...]
    pictures: Sequence[Picture]
    labels: Integers
    keys: Sequence[str]
    validates: npt.NDArray[np.bool_]
    made_pictures: Sequence[Picture]
    made_labels: Integers

    def check(self) -> SearchData:
        """Return self if a search can be made on it.

        Raises:
            InputError: Fewer than two classes could be judged.
        """
        judged = [c for c in range(len(self.class_names)) if (self.labels == c).sum() >= 2]
        if len(judged) < 2:
            raise InputError(
                "A search judges on wafers that were not trained on, so at least two classes need "
                f"two wafers in the training and validation part; {len(judged)} "
                f"{'has' if len(judged) == 1 else 'have'} them. Add wafers."
            )
        return self

    @property
    def has_validation(self) -> bool:
        """Whether the validation part is large enough to judge by alone."""
        counts = np.bincount(self.labels[self.validates], minlength=len(self.class_names))
        return bool((counts >= ENOUGH).all())

    def protocol(self) -> str:
        """How trials are judged, in a sentence for the user."""
        if self.has_validation:
            return f"Judged on the {int(self.validates.sum()):,} wafers of the validation part."
        return (
            f"Judged on all {len(self.pictures):,} wafers of the training and validation part, in "
            f"{FOLDS} folds that take turns, since some class has fewer than {ENOUGH} validation "
            "wafers."
        )


@dataclass(frozen=True, eq=False)
class Round:
    """One training of a trial; ``judged`` are the indices of the pictures that judge it."""

    data: TrainData
    judged: Integers


@dataclass(frozen=True, eq=False)
class Answers:
    """What the networks of one trial said of the pictures that judge, in their order."""

    judged: Integers  # (M,) indices of pictures
    truth: Integers  # (M,)
    predicted: Integers  # (M,)
    macro_f1: float


def rounds(data: SearchData, seed: int) -> list[Round]:
    """The trainings of a trial: one with the validation part, or one a fold.

    Args:
        data: Of the search.
        seed: Of the folds.

    Raises:
        InputError: The wafers cannot be split.
    """
    if not data.has_validation:
        fold = folds(data.labels, data.keys, FOLDS, seed)
        if (fold < 0).all():
            raise InputError(
                "A search judges on wafers that were not trained on, but those of each class are "
                "all of one lot and must stay together; add wafers of other lots."
            )
        return [
            part(data, np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(FOLDS)
        ]
    one = part(data, np.flatnonzero(~data.validates), np.flatnonzero(data.validates))
    teach = one.data.plus_made(data.made_pictures, data.made_labels)
    return [Round(teach, one.judged)]


def part(data: SearchData, teach: Integers, judge: Integers) -> Round:
    """A round of some originals that teach and some that judge."""
    return Round(
        TrainData(
            data.class_names,
            [data.pictures[i] for i in teach],
            data.labels[teach],
            [data.pictures[i] for i in judge],
            data.labels[judge],
            [data.keys[i] for i in teach],
        ),
        judge,
    )


def attempt(
    trainings: Sequence[Round],
    config: TrainConfig,
    device: torch.device,
    on_step: Callable[[float], None],
    on_look: Callable[[int, float], None],
) -> Answers:
    """Train and judge one trial.

    Args:
        trainings: From ``rounds``.
        config: Of the trial.
        device: Where to compute.
        on_step: Called after every step with the share done, 0 to 1; may raise to end the trial.
        on_look: Called now and then with a number that grows and the macro-F1 by then, comparable
            with other trials at the same number; may raise too.

    Raises:
        ParameterError: The settings made a training break.
    """
    names = trainings[0].data.class_names
    judged: list[Integers] = []
    predicted: list[Integers] = []
    truth: list[Integers] = []
    score = 0.0
    for number, one in enumerate(trainings):
        if not len(one.judged):
            continue

        def tell(share: float, number: int = number) -> None:
            on_step((number + share) / len(trainings))

        last, looked = None, 0
        for last in train(one.data, config, device, tell):
            look = _LOOKS * last.epoch // last.epochs
            # before half of its time a slow starter looks worse than it is
            is_due = _LOOKS // 2 <= look < _LOOKS and look > looked
            if len(trainings) == 1 and is_due and last.macro_f1 is not None:
                looked = look
                on_look(look, last.macro_f1)
        if last is None:
            raise TypeError("train() yielded no epoch")
        probabilities = last.best_classifier().predict_proba(one.data.validation_pictures)
        judged.append(one.judged)
        truth.append(one.data.validation_labels)
        predicted.append(probabilities.argmax(1).astype(np.int64))
        score = _macro_f1(np.concatenate(truth), np.concatenate(predicted), names)
        if len(trainings) > 1:
            on_look(number + 1, score)
    return Answers(np.concatenate(judged), np.concatenate(truth), np.concatenate(predicted), score)


def _macro_f1(truth: Integers, predicted: Integers, names: Sequence[str]) -> float:
    certain = np.eye(len(names))[predicted]
    return float(evaluate(truth, certain, names).macro_f1 or 0.0)


def gain(
    mine: Answers, other: Answers, classes: int, resamples: int = 2000, seed: int = 0
) -> tuple[float, tuple[float, float]]:
    """By how much one trial's macro-F1 is above another's, with a 95 % interval.

    Both answered the same pictures, so the pictures are weighted anew for both at once (Rubin's
    Bayesian bootstrap, 1981, within each class): what is hard for both cancels. The luck of a
    training's seed is not in the interval.

    Args:
        mine: Of the trial that may be better.
        other: Of the trial to beat, on the same pictures in any order.
        classes: C.
        resamples: Draws.
        seed: Same seed, same interval.

    Returns:
        The difference in [-1, 1], and the ends of its interval.
    """
    order, theirs = np.argsort(mine.judged), np.argsort(other.judged)
    truth = mine.truth[order]
    both = mine.predicted[order], other.predicted[theirs]
    rng = np.random.default_rng(seed)
    drawn = np.zeros(resamples)
    present = np.unique(truth)
    are = np.bincount(truth, minlength=classes).astype(np.float64)
    for start in range(0, resamples, 100):  # few at once: N may be large
        weights = rng.standard_exponential((min(100, resamples - start), len(truth)))
        for c in present:
            of_class = truth == c
            weights[:, of_class] *= are[c] / weights[:, of_class].sum(1, keepdims=True)
        first, second = (_weighted(weights, truth, p, are, present) for p in both)
        drawn[start : start + 100] = first - second
    ones = np.ones((1, len(truth)))
    first, second = (_weighted(ones, truth, p, are, present) for p in both)
    difference = float((first - second)[0])
    low, high = (float(end) for end in np.percentile(drawn, (2.5, 97.5)))
    return difference, (min(low, difference), max(high, difference))


def _weighted(
    weights: npt.NDArray[np.float64],
    truth: Integers,
    predicted: Integers,
    are: npt.NDArray[np.float64],
    present: Integers,
) -> npt.NDArray[np.float64]:
    """Macro-F1 (R,) of answers whose pictures weigh (R, N)."""
    called = weights @ np.eye(len(are))[predicted]
    right = (weights * (truth == predicted)) @ np.eye(len(are))[truth]
    f1 = 2 * right / np.maximum(are + called, 1e-12)
    value: npt.NDArray[np.float64] = f1[:, present].mean(1)
    return value
