"""Calibration: how far confidence matches accuracy, and temperature scaling.

>>> import numpy as np
>>> probabilities, labels = np.array([[0.8, 0.2]] * 4), np.array([0, 0, 0, 1])
>>> [(b.count, b.confidence, b.accuracy) for b in reliability(labels, probabilities)]
[(4, 0.8, 0.75)]
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wafer_core.metrics.shares import wilson

BINS = 15  # as in Guo et al. 2017, so that figures can be compared

# Logarithm of the temperature. The range is wide because the logits of a network that has hardly
# been trained may all be close to 0.
_LOG_T = (-4.0, 4.0)


@dataclass(frozen=True)
class ReliabilityBin:
    """Predictions whose confidence falls into one bin.

    Attributes:
        low: Lower edge, 0 to 1.
        high: Upper edge.
        count: Number of predictions, at least 1.
        confidence: Their mean confidence.
        accuracy: Share of them that is correct; equal to ``confidence`` if well calibrated.
    """

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float

    def accuracy_interval(self) -> tuple[float, float]:
        """95% Wilson interval of the accuracy; wide where there are few predictions."""
        return wilson(round(self.accuracy * self.count), self.count) or (0.0, 1.0)


def reliability(
    labels: npt.NDArray[np.int64], probabilities: npt.NDArray[np.float64], bins: int = BINS
) -> tuple[ReliabilityBin, ...]:
    """Bins of a reliability diagram; empty bins are left out.

    Args:
        labels: (N,).
        probabilities: (N, C), rows add up to 1.
        bins: Number of bins of equal width between 0 and 1.
    """
    confidence = probabilities.max(1)
    is_correct = (probabilities.argmax(1) == labels).astype(np.float64)
    index = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    counts = np.bincount(index, minlength=bins)
    total_confidence = np.bincount(index, weights=confidence, minlength=bins)
    correct = np.bincount(index, weights=is_correct, minlength=bins)
    return tuple(
        ReliabilityBin(
            i / bins,
            (i + 1) / bins,
            int(counts[i]),
            float(total_confidence[i] / counts[i]),
            float(correct[i] / counts[i]),
        )
        for i in np.flatnonzero(counts).tolist()
    )


def expected_calibration_error(
    labels: npt.NDArray[np.int64], probabilities: npt.NDArray[np.float64], bins: int = BINS
) -> float:
    """Expected calibration error (Guo et al. 2017, arXiv:1706.04599).

    Mean of |accuracy - confidence| over bins of equal width, weighted by their number of pictures;
    0 to 1, lower is better. With a hundred pictures, chance alone makes it a few hundredths.

    Args:
        labels: (N,), N at least 1.
        probabilities: (N, C).
        bins: Number of bins of the confidence between 0 and 1.
    """
    found = reliability(labels, probabilities, bins)
    return sum(b.count * abs(b.accuracy - b.confidence) for b in found) / len(labels)


def fit_temperature(logits: npt.NDArray[np.float64], labels: npt.NDArray[np.int64]) -> float:
    """Temperature that calibrates the logits (Guo et al. 2017, arXiv:1706.04599).

    A weak prior keeps it near 1: otherwise a handful of pictures that all happen to be correct
    would make the network fully confident of everything.

    Args:
        logits: (N, C) of pictures that were not trained on, N at least 1.
        labels: (N,).

    Returns:
        Number to divide the logits by.
    """
    from scipy.optimize import minimize_scalar  # slow to import, and pages never fit

    rows = np.arange(len(labels))

    def cost(log_t: float) -> float:
        logs = log_softmax(logits / math.exp(log_t))
        return float(-logs[rows, labels].sum()) + 4 * log_t**2

    return math.exp(float(minimize_scalar(cost, bounds=_LOG_T, method="bounded").x))


def log_softmax(logits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Logarithm of the softmax of each row (N, C)."""
    shifted = logits - logits.max(1, keepdims=True)
    logs: npt.NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    return logs
