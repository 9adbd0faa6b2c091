"""Confused pairs of classes, and the mistakes to look at first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Pair:
    """Pictures of one class that were predicted as another.

    Attributes:
        truth: Index of their class.
        answer: Index of the predicted class.
        count: Number of such pictures.
        share: Of all pictures of the class, 0 to 1.
        reverse: Number of pictures of ``answer`` that were predicted as ``truth``. If both numbers
            are high the two classes are hard to separate; if only one is, one class absorbs the
            other.
    """

    truth: int
    answer: int
    count: int
    share: float
    reverse: int


def confused_pairs(confusion: npt.NDArray[np.int64]) -> tuple[Pair, ...]:
    """All pairs that were confused at least once, the most frequent first.

    Args:
        confusion: Counts (C, C): rows are true classes, columns predictions.
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
    """Indices of the wrong predictions, the most confident first.

    A confident mistake is either a weakness of the network or a wrong label.

    Args:
        labels: (N,).
        probabilities: (N, C), rows add up to 1.
    """
    wrong = np.flatnonzero(probabilities.argmax(1) != labels)
    # of two equally confident ones, the one with the lower probability of the true class
    of_truth = probabilities[wrong, labels[wrong]]
    order: npt.NDArray[np.int64] = wrong[np.lexsort((of_truth, -probabilities[wrong].max(1)))]
    return order
