"""Whether stated probabilities are honest, and the divisor that makes them so.

>>> import numpy as np
>>> says, is_right = np.array([[0.8, 0.2]] * 4), np.array([0, 0, 0, 1])
>>> [(b.count, b.confidence, b.accuracy) for b in reliability(is_right, says)]
[(4, 0.8, 0.75)]
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

BINS = 15  # as in Guo et al. 2017, so that figures compare

# A network that hardly learned says almost nothing of everything: its scores need a wide reach.
_LOG_T = (-4.0, 4.0)


@dataclass(frozen=True)
class ReliabilityBin:
    """Answers whose winning probability lies in one stretch.

    Attributes:
        low: Where it begins, 0 to 1.
        high: Where it ends.
        count: Answers in it, at least 1.
        confidence: Mean of their probabilities.
        accuracy: Share of them that is right; honest where it equals ``confidence``.
    """

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float

    def accuracy_ends(self) -> tuple[float, float]:
        """95 % interval of the accuracy (Wilson's): wide where few answers lie."""
        z2 = 1.96**2 / self.count
        middle = self.accuracy + z2 / 2
        half = math.sqrt(self.accuracy * (1 - self.accuracy) * z2 + z2**2 / 4)
        return max((middle - half) / (1 + z2), 0.0), min((middle + half) / (1 + z2), 1.0)


def reliability(
    labels: npt.NDArray[np.int64], probabilities: npt.NDArray[np.float64], bins: int = BINS
) -> tuple[ReliabilityBin, ...]:
    """What a reliability diagram shows; bins without an answer are left out.

    Args:
        labels: (N,).
        probabilities: (N, C), rows add up to 1.
        bins: Of equal width over 0 to 1.
    """
    confidence = probabilities.max(1)
    right = (probabilities.argmax(1) == labels).astype(np.float64)
    index = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    counts = np.bincount(index, minlength=bins)
    told = np.bincount(index, weights=confidence, minlength=bins)
    was = np.bincount(index, weights=right, minlength=bins)
    return tuple(
        ReliabilityBin(
            i / bins, (i + 1) / bins, int(counts[i]), float(told[i] / counts[i]),
            float(was[i] / counts[i]),
        )
        for i in np.flatnonzero(counts).tolist()
    )  # fmt: skip


def expected_calibration_error(
    labels: npt.NDArray[np.int64], probabilities: npt.NDArray[np.float64], bins: int = BINS
) -> float:
    """How far the stated probability lies from the share that is right (Guo et al. 2017).

    Mean over bins of equal width of |accuracy − confidence|, weighted by the pictures in each;
    0 to 1, lower is better. Chance alone puts it at some hundredths with a hundred pictures.

    Args:
        labels: (N,), N at least 1.
        probabilities: (N, C).
        bins: Of the winning probability, over 0 to 1.
    """
    found = reliability(labels, probabilities, bins)
    return sum(b.count * abs(b.accuracy - b.confidence) for b in found) / len(labels)


def fit_temperature(scores: npt.NDArray[np.float64], labels: npt.NDArray[np.int64]) -> float:
    """Divisor of the logits that makes probabilities honest (Guo et al. 2017, arXiv:1706.04599).

    A mild prior holds it near 1: a handful of pictures that happen to be all right would otherwise
    make the network sure of everything.

    Args:
        scores: Logits (N, C) of pictures that were not trained on, N at least 1.
        labels: (N,).
    """
    from scipy.optimize import minimize_scalar  # slow to load, and pages never fit

    rows = np.arange(len(labels))

    def cost(log_t: float) -> float:
        logs = log_softmax(scores / math.exp(log_t))
        return float(-logs[rows, labels].sum()) + 4 * log_t**2

    return math.exp(float(minimize_scalar(cost, bounds=_LOG_T, method="bounded").x))


def log_softmax(scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Logarithms of the probabilities that scores (N, C) stand for; each row's add up to 1."""
    shifted = scores - scores.max(1, keepdims=True)
    logs: npt.NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    return logs
