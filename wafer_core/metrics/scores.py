"""Precision, recall, F1 and the confusion matrix of a classifier.

>>> import numpy as np
>>> probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
>>> evaluate(np.array([0, 1, 1]), probabilities, ["ring", "scratch"]).confusion.tolist()
[[1, 0], [1, 1]]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from wafer_core.errors import ParameterError
from wafer_core.metrics.calibration import expected_calibration_error


@dataclass(frozen=True)
class ClassScore:
    """Scores of one class; each from 0 to 1, higher is better.

    Attributes:
        precision: Share of the pictures predicted as this class that belong to it.
        recall: Share of the pictures of this class that are predicted as it.
        f1: Harmonic mean of the two.
        count: Support: pictures of this class. With 0 the other figures mean nothing.
    """

    precision: float
    recall: float
    f1: float
    count: int


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Scores of a classifier on labelled pictures.

    Attributes:
        macro_f1: Mean F1 over the classes that have pictures, each class with equal weight;
            ``None`` without pictures.
        accuracy: Share of correct predictions; ``None`` without pictures.
        per_class: In class order.
        confusion: Counts (C, C): rows are true classes, columns predictions.
        count: Number of pictures.
        calibration_error: Expected calibration error, 0 to 1, lower is better; ``None`` without
            pictures.
        left_out: Classes without pictures, which ``macro_f1`` ignores.
    """

    macro_f1: float | None
    accuracy: float | None
    per_class: dict[str, ClassScore]
    confusion: npt.NDArray[np.int64]
    count: int
    calibration_error: float | None
    left_out: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values for ``report.json``; nothing is rounded."""
        return {
            "macro_f1": self.macro_f1,
            "accuracy": self.accuracy,
            "per_class": {name: vars(score).copy() for name, score in self.per_class.items()},
            "confusion": self.confusion.tolist(),
            "count": self.count,
            "calibration_error": self.calibration_error,
            "left_out": list(self.left_out),
        }


def evaluate(
    labels: npt.NDArray[np.int64],
    probabilities: npt.NDArray[np.float64],
    class_names: Sequence[str],
) -> Evaluation:
    """Compare predicted probabilities with the true classes.

    Args:
        labels: (N,) class indices.
        probabilities: (N, C), rows add up to 1.
        class_names: C different names.

    Raises:
        ParameterError: The shapes do not match, or a label is not a class index.
    """
    C = len(class_names)
    if probabilities.shape != (len(labels), C) or len(set(class_names)) != C:
        raise ParameterError(
            "{labels} labels, probabilities of shape {shape} and {classes} class names do not "
            "match; give one row of probabilities per label and one column per class.",
            labels=len(labels),
            shape=str(probabilities.shape),
            classes=C,
        )
    matrix = confusion_matrix(labels, probabilities.argmax(1), C)
    count = len(labels)
    correct = np.diag(matrix).astype(np.float64)
    predicted, support = matrix.sum(0), matrix.sum(1)
    precision = correct / np.maximum(predicted, 1)
    recall = correct / np.maximum(support, 1)
    f1 = 2 * correct / np.maximum(predicted + support, 1)
    present = support > 0
    return Evaluation(
        macro_f1=float(f1[present].mean()) if count else None,
        accuracy=float(correct.sum() / count) if count else None,
        per_class={
            name: ClassScore(float(precision[i]), float(recall[i]), float(f1[i]), int(support[i]))
            for i, name in enumerate(class_names)
        },
        confusion=matrix,
        count=count,
        calibration_error=expected_calibration_error(labels, probabilities) if count else None,
        left_out=tuple(n for n, there in zip(class_names, present, strict=True) if not there),
    )


def confusion_matrix(
    labels: npt.NDArray[np.int64], predicted: npt.NDArray[np.int64], classes: int
) -> npt.NDArray[np.int64]:
    """Counts (C, C): rows are true classes, columns predictions.

    Args:
        labels: (N,) class indices.
        predicted: (N,) class indices.
        classes: C.

    Raises:
        ParameterError: A label is not a class index.
    """
    both = np.concatenate([labels, predicted])
    if both.size and (both.min() < 0 or both.max() >= classes):
        raise ParameterError(
            "A label is outside the range 0 to {last}; use class indices.", last=classes - 1
        )
    flat = np.bincount(labels * classes + predicted, minlength=classes * classes)
    return flat.reshape(classes, classes).astype(np.int64)
