"""What happens if predictions below a confidence threshold are sent to a person for review.

>>> import numpy as np
>>> probabilities, labels = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]]), np.array([0, 1, 1])
>>> o = outcomes(labels, probabilities, [0.7])[0]
>>> o.correct, o.wrong, o.review, o.precision
(2, 0, 1, 1.0)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Outcome:
    """Pictures by outcome at one threshold; of all classes, or of one.

    Attributes:
        threshold: Predictions of a lower confidence are sent for review.
        correct: Number of confident and correct predictions.
        wrong: Number of confident but wrong predictions.
        review: Number of pictures sent for review.
        precision: Share of the confident predictions (of the class) that is correct, 0 to 1;
            ``None`` if there are none.
        recall: Share of the pictures (of the class) with a confident and correct prediction.
    """

    threshold: float
    correct: int
    wrong: int
    review: int
    precision: float | None
    recall: float

    @property
    def review_share(self) -> float:
        """Share of the pictures that is sent for review, 0 to 1."""
        return self.review / max(self.correct + self.wrong + self.review, 1)


def outcomes(
    labels: npt.NDArray[np.int64],
    probabilities: npt.NDArray[np.float64],
    thresholds: Sequence[float],
    class_index: int | None = None,
) -> tuple[Outcome, ...]:
    """Outcome at each threshold.

    Args:
        labels: (N,).
        probabilities: (N, C), rows add up to 1.
        thresholds: (T,), each 0 to 1.
        class_index: Evaluate this class only.
    """
    predicted, confidence = probabilities.argmax(1), probabilities.max(1)
    confident = confidence[None, :] >= np.asarray(thresholds, np.float64)[:, None]  # (T, N)
    everything = np.ones(len(labels), bool)
    of_class = everything if class_index is None else labels == class_index
    as_class = everything if class_index is None else predicted == class_index
    found = []
    for threshold, row in zip(thresholds, confident, strict=True):
        answered = int((row & as_class).sum())
        correct = int((row & (predicted == labels) & of_class).sum())
        review = int((~row & of_class).sum())
        count = int(of_class.sum())
        found.append(
            Outcome(
                float(threshold),
                correct,
                count - correct - review,
                review,
                correct / answered if answered else None,
                correct / max(count, 1),
            )
        )
    return tuple(found)


def lowest_threshold(
    labels: npt.NDArray[np.int64], probabilities: npt.NDArray[np.float64], precision: float
) -> float | None:
    """The lowest threshold that makes at least this share of confident predictions correct.

    Args:
        labels: (N,).
        probabilities: (N, C), rows add up to 1.
        precision: Required precision, 0 to 1; higher thresholds reach it too.

    Returns:
        0 to 0.99 in steps of 0.01, or ``None`` if no threshold reaches it.
    """
    steps = [i / 100 for i in range(100)]
    lowest = None
    for outcome in reversed(outcomes(labels, probabilities, steps)):
        if outcome.precision is None:
            continue
        if outcome.precision < precision:
            break
        lowest = outcome.threshold
    return lowest
