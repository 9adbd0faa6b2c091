"""What happens to answers if those below a probability go to a person.

>>> import numpy as np
>>> says, is_ = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]]), np.array([0, 1, 1])
>>> o = outcomes(is_, says, [0.7])[0]
>>> o.right, o.wrong, o.review, o.precision
(2, 0, 1, 1.0)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Outcome:
    """What became of pictures at one threshold; of all of them, or of those of one class.

    Attributes:
        threshold: Answers of a lower probability go to a person.
        right: Pictures that got a sure and right answer.
        wrong: Pictures that got a sure and wrong answer.
        review: Pictures that went to a person.
        precision: Of the sure answers (that name the class), the share that is right, 0 to 1;
            ``None`` if there is none.
        recall: Of the pictures (of the class), the share with a sure and right answer.
    """

    threshold: float
    right: int
    wrong: int
    review: int
    precision: float | None
    recall: float

    @property
    def review_share(self) -> float:
        """Of the pictures, the share that goes to a person, 0 to 1."""
        return self.review / max(self.right + self.wrong + self.review, 1)


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
        class_index: Judge one class instead of all.
    """
    called, confidence = probabilities.argmax(1), probabilities.max(1)
    sure = confidence[None, :] >= np.asarray(thresholds, np.float64)[:, None]  # (T, N)
    right = called == labels
    mine = np.ones(len(labels), bool) if class_index is None else labels == class_index
    named = np.ones(len(labels), bool) if class_index is None else called == class_index
    found = []
    for threshold, row in zip(thresholds, sure, strict=True):
        answered = int((row & named).sum())
        hits = int((row & right & mine).sum())
        review = int((~row & mine).sum())
        found.append(
            Outcome(
                float(threshold),
                hits,
                int(mine.sum()) - hits - review,
                review,
                hits / answered if answered else None,
                hits / max(int(mine.sum()), 1),
            )
        )
    return tuple(found)


def lowest_threshold(
    labels: npt.NDArray[np.int64],
    probabilities: npt.NDArray[np.float64],
    precision: float,
) -> float | None:
    """The lowest threshold, in hundredths, from which on at least that share of answers is right.

    Args:
        labels: (N,).
        probabilities: (N, C), rows add up to 1.
        precision: Wanted, 0 to 1.

    Returns:
        0 to 0.99, or ``None`` if no threshold reaches it.
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
