"""A batch of predictions at one look: counts per class, mean yield, what a person should review."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from wafer_core import metrics
from wafer_core.metrics import Evaluation, Intervals
from wafer_core.tasks.classification.predict import CONFIDENT, Prediction


@dataclass(frozen=True)
class ClassSummary:
    """The wafers that were predicted as one class.

    Attributes:
        name: The class.
        count: How many wafers.
        review_count: How many of them are not confident.
        mean_yield: Mean yield of those with dies, 0 to 1; ``None`` without any.
    """

    name: str
    count: int
    review_count: int
    mean_yield: float | None


@dataclass(frozen=True)
class BatchSummary:
    """Some predictions together.

    Attributes:
        count: Number of wafers.
        verdicts: Verdict to number of wafers; verdicts without wafers are left out.
        mean_yield: Mean yield of the wafers with dies, 0 to 1; ``None`` without any.
        classes: Predicted classes, the most frequent first.
    """

    count: int
    verdicts: Mapping[str, int]
    mean_yield: float | None
    classes: tuple[ClassSummary, ...]

    @property
    def review_count(self) -> int:
        """Wafers that are not confident."""
        return self.count - self.verdicts.get(CONFIDENT, 0)


def summarise(predictions: Sequence[Prediction], yields: Sequence[float | None]) -> BatchSummary:
    """Count a batch.

    Args:
        predictions: N predictions.
        yields: Yield of each, 0 to 1; ``None`` where the picture has no dies.
    """
    by_class: dict[str, list[int]] = {}
    for position, prediction in enumerate(predictions):
        by_class.setdefault(prediction.label, []).append(position)
    classes = [
        ClassSummary(
            name,
            len(rows),
            sum(predictions[row].verdict != CONFIDENT for row in rows),
            _mean([yields[row] for row in rows]),
        )
        for name, rows in by_class.items()
    ]
    return BatchSummary(
        len(predictions),
        dict(Counter(p.verdict for p in predictions)),
        _mean(yields),
        tuple(sorted(classes, key=lambda c: -c.count)),
    )


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def worst_first(predictions: Sequence[Prediction]) -> list[int]:
    """Positions of the predictions: unknown, to review, confident; the least certain first."""
    return sorted(range(len(predictions)), key=lambda i: predictions[i].urgency)


@dataclass(frozen=True, eq=False)
class LabelledBatch:
    """Predictions compared with known classes.

    Attributes:
        class_names: C names.
        scores: Precision, recall, F1, accuracy, confusion matrix.
        intervals: 95% intervals of them.
    """

    class_names: tuple[str, ...]
    scores: Evaluation
    intervals: Intervals


def compare(
    predictions: Sequence[Prediction], truths: Sequence[str | None]
) -> LabelledBatch | None:
    """Compare predictions with the classes that are known of the wafers.

    Args:
        predictions: N predictions of one model.
        truths: The class of each; ``None``, or a name that the model lacks, leaves it out.

    Returns:
        ``None`` where no class is known.
    """
    names = tuple(predictions[0].probabilities) if predictions else ()
    index = {name: position for position, name in enumerate(names)}
    known = [
        (index[truth], list(prediction.probabilities.values()))
        for prediction, truth in zip(predictions, truths, strict=True)
        if truth is not None and truth in index
    ]
    if not known:
        return None
    scores = metrics.evaluate(
        np.array([truth for truth, _ in known], np.int64),
        np.array([row for _, row in known], np.float64),
        names,
    )
    return LabelledBatch(names, scores, metrics.intervals(scores.confusion))
