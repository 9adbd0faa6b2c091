"""Two ways of training, judged on the same pictures: which is better, and how sure that is.

Differences are resampled over both of their sources. *Lots*: pictures of one lot hang together, so
each lot gets one random weight (the Bayesian bootstrap, Rubin 1981); all trainings are judged with
the same weights, which is what pairs them. *Repeats*: trainings that are repeated differ also
because they err on other pictures, which the lots account for already. The variance that is left
between them is a repeat's own luck; it is drawn from Student's t. (To draw repeats like lots would
count their mistakes up to three times: Owen 2007, doi 10.1214/07-AOAS122.)

Where two ways give the same answers on the few pictures there are, the plain bootstrap would say
that they differ by 0.00 to 0.00. As in ``intervals``, each class therefore holds a little doubt:
imagined pictures that one of the two names rightly and the other does not, half of them each way.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from wafer_core.errors import ParameterError

Floats = npt.NDArray[np.float64]
_CHUNK = 2_000_000  # weights at once: bounds the memory with many lots


@dataclass(frozen=True)
class Difference:
    """How much higher one figure is than another; above 0 the first is better.

    Attributes:
        value: Of the figures as they are.
        low: Lower end of its interval.
        high: Upper end.
        lots: Half of the width if only other wafers came; ``None`` where it is not told.
        repeats: The same if only the trainings were repeated.
    """

    value: float
    low: float
    high: float
    lots: float | None = None
    repeats: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return vars(self).copy()


@dataclass(frozen=True, eq=False)
class Answers:
    """What several ways of training answered on the same pictures.

    Attributes:
        labels: (N,) index of the class that each picture is.
        called: (A, S, N) what each way's repeats called it.
        lots: N names; pictures of one lot share it.
        classes: How many there are.
    """

    labels: npt.NDArray[np.int64]
    called: npt.NDArray[np.int64]
    lots: Sequence[Hashable]
    classes: int

    def __post_init__(self) -> None:
        N = len(self.labels)
        if self.called.ndim != 3 or self.called.shape[2] != N or len(self.lots) != N:
            raise ParameterError(
                f"{N} labels, answers of shape {self.called.shape} and {len(self.lots)} lots do "
                "not belong together."
            )
        both = [self.labels, self.called.ravel()]
        if any(x.size and not 0 <= x.min() <= x.max() < self.classes for x in both):
            raise ParameterError(f"A label lies outside of 0 to {self.classes - 1}.")

    @property
    def present(self) -> npt.NDArray[np.intp]:
        """Classes with a picture; the others do not count."""
        return np.flatnonzero(np.bincount(self.labels, minlength=self.classes))

    def f1(self) -> Floats:
        """(A, S, C); 0 where a class has no picture."""
        right, called, are = (part.sum(-2) for part in self._by_lot(one_lot=True))
        found: Floats = 2 * right / np.maximum(are + called, 1e-12)
        return found

    def macro_f1(self) -> Floats:
        """(A, S) mean over the classes that have pictures."""
        found: Floats = self.f1()[..., self.present].mean(-1)
        return found

    def _by_lot(self, one_lot: bool = False) -> tuple[Floats, Floats, Floats]:
        """Right answers and answers in all (A, S, L, C), and pictures (L, C), of each lot."""
        A, S, N = self.called.shape
        C = self.classes
        number: dict[Hashable, int] = {}
        lots = np.array([0 if one_lot else number.setdefault(x, len(number)) for x in self.lots])
        L = int(lots.max()) + 1 if N else 1
        lots = lots.astype(np.int64)
        are = np.bincount(lots * C + self.labels, minlength=L * C).reshape(L, C).astype(np.float64)
        right, called = np.zeros((2, A, S, L, C))
        for a, s in np.ndindex(A, S):
            answers = self.called[a, s]
            called[a, s] = np.bincount(lots * C + answers, minlength=L * C).reshape(L, C)
            hit = answers == self.labels
            cells = (lots * C + answers)[hit]
            right[a, s] = np.bincount(cells, minlength=L * C).reshape(L, C)
        return right, called, are


def lots_of(answers: Answers) -> int:
    """How many lots there are."""
    return len(set(answers.lots))


def differences(
    answers: Answers,
    pairs: Sequence[tuple[int, int]],
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> list[tuple[Difference, list[Difference | None]]]:
    """How much better one way of training is than another, with intervals.

    Args:
        answers: Of all of them; at least one picture.
        pairs: Indices of the ways to compare: the first less the second.
        level: Share of such intervals that hold the truth, about.
        resamples: Draws.
        seed: The same seed, the same intervals.

    Returns:
        For each pair, the difference of macro-F1 and that of each class's F1; ``None`` for a class
        without pictures.

    Raises:
        ParameterError: There is no picture.
    """
    if not len(answers.labels):
        raise ParameterError("There is no picture to judge by; add some to the test part.")
    C, S = answers.classes, answers.called.shape[1]
    present = answers.present
    rng = np.random.default_rng(seed)
    right, called, are = answers._by_lot()
    L, P = len(are), len(present)
    doubts = (0.5 / C, 0.5)  # of each class, within the mean and on its own; as in ``intervals``
    imagined = [rng.gamma(doubt, 1.0, (resamples, 2, P)) for doubt in doubts]
    luck = rng.standard_t(S - 1, resamples) if S > 1 else np.zeros(resamples)
    # for each pair and repeat: macro-F1 and each class's F1, with other lots
    drawn = np.zeros((len(pairs), resamples, S, 1 + P))
    step = max(1, _CHUNK // L)
    for start in range(0, resamples, step):
        rows = slice(start, min(start + step, resamples))
        weights = rng.standard_exponential((rows.stop - rows.start, L))  # (R, L)
        there = (weights @ are)[:, None, present]  # (R, 1, P)
        for p, pair in enumerate(pairs):
            sides = [
                [np.moveaxis(weights @ part[side], 0, 1)[..., present] for part in (right, called)]
                for side in pair
            ]  # for each side, right and called, each (R, S, P)
            gaps = []
            for extra in imagined:
                gains = extra[rows, :, None, :]  # (R, 2, 1, P)
                first, second = (
                    2 * (hit + gains[:, k]) / (there + gains.sum(1) + said + gains[:, k])
                    for k, (hit, said) in enumerate(sides)
                )
                gaps.append(first - second)  # (R, S, P)
            drawn[p, rows, :, 0] = gaps[0].mean(-1)
            drawn[p, rows, :, 1:] = gaps[1]
    f1 = answers.f1()[..., present]  # (A, S, P)
    found = []
    for p, (first, second) in enumerate(pairs):
        gap = f1[first] - f1[second]  # (S, P)
        told = np.concatenate([gap.mean(1, keepdims=True), gap], 1)  # (S, 1 + P)
        each = [_difference(told[:, k], drawn[p, :, :, k], luck, level) for k in range(1 + P)]
        per_class: list[Difference | None] = [None] * C
        for c, difference in zip(present, each[1:], strict=True):
            per_class[c] = difference
        found.append((each[0], per_class))
    return found


def _difference(told: Floats, drawn: Floats, luck: Floats, level: float) -> Difference:
    """One difference with its interval.

    Args:
        told: (S,) of each repeat.
        drawn: (R, S) the same with other lots.
        luck: (R,) of Student's t with S - 1 degrees of freedom.
        level: Of the interval.
    """
    S, value = len(told), float(told.mean())
    alone = drawn.mean(1)  # (R,)
    own = 0.0
    if S > 1:
        explained = (drawn - alone[:, None]).var(0).sum() / (S - 1)
        own = max(0.0, float(told.var(ddof=1) - explained))
    chance = luck * (own / S) ** 0.5
    tails = 50 * (1 - level), 50 * (1 + level)
    ends, lots, repeats = (np.percentile(x, tails) for x in (alone + chance, alone, chance))
    return Difference(
        value,
        min(float(ends[0]), value),
        max(float(ends[1]), value),
        float(lots[1] - lots[0]) / 2,
        float(repeats[1] - repeats[0]) / 2,
    )
