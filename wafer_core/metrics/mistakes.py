"""Which classes are confused with which, and which mistakes to look at first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Pair:
    """Pictures of one class that were called another.

    Attributes:
        truth: Index of the class they are.
        answer: Index of what they were called.
        count: How many.
        share: Of all pictures of the class, 0 to 1.
        reverse: How many of ``answer`` were called ``truth``; where both are many, the two classes
            are hard to tell apart, where only one is, one class swallows the other.
    """

    truth: int
    answer: int
    count: int
    share: float
    reverse: int


def confused_pairs(confusion: npt.NDArray[np.int64]) -> tuple[Pair, ...]:
    """All pairs that were confused at least once, the most frequent first.

    Args:
        confusion: Counts (C, C), rows truth, columns answers.
    """
    counts = np.asarray(confusion, np.int64)
    rows = counts.sum(1)
    found = [
        Pair(int(i), int(j), int(counts[i, j]), float(counts[i, j] / rows[i]), int(counts[j, i]))
        for i, j in zip(*np.nonzero(counts), strict=True)
        if i != j
    ]
    return tuple(sorted(found, key=lambda p: (-p.count, -p.share, p.truth, p.answer)))


def worst_first(
    labels: npt.NDArray[np.int64], probabilities: npt.NDArray[np.float64]
) -> npt.NDArray[np.int64]:
    """Indices of the wrong answers, the surest first: there the network or the label is wrong.

    Args:
        labels: (N,).
        probabilities: (N, C), rows add up to 1.
    """
    wrong = np.flatnonzero(probabilities.argmax(1) != labels)
    # of two that are equally sure, the one that gives the truth less
    own = probabilities[wrong, labels[wrong]]
    order: npt.NDArray[np.int64] = wrong[np.lexsort((own, -probabilities[wrong].max(1)))]
    return order
