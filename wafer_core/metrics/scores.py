"""How often a classifier is right: precision, recall, F1, confusion.

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
    """One class; each figure from 0 to 1, higher is better.

    Attributes:
        precision: Of the pictures called this, the share that are.
        recall: Of the pictures that are this, the share that were called so.
        f1: Harmonic mean of the two.
        count: Pictures of this class; with 0 the other figures say nothing.
    """

    precision: float
    recall: float
    f1: float
    count: int


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Result of a classifier on labelled pictures.

    Attributes:
        macro_f1: Mean F1 over the classes that have pictures, each class counting the same;
            ``None`` without pictures.
        accuracy: Share of pictures named rightly; ``None`` without pictures.
        per_class: In class order.
        confusion: Counts (C, C); a row is what a picture is, a column what it was called.
        count: Pictures judged.
        calibration_error: Expected calibration error, 0 (honest) to 1; ``None`` without pictures.
        left_out: Classes without pictures, which ``macro_f1`` therefore ignores.
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
    """Judge probabilities against the truth.

    Args:
        labels: (N,) index of the class that each picture is.
        probabilities: (N, C), rows add up to 1.
        class_names: C different names.

    Raises:
        ParameterError: The shapes do not fit each other, or a label is no class.
    """
    C = len(class_names)
    if probabilities.shape != (len(labels), C) or len(set(class_names)) != C:
        raise ParameterError(
            f"{len(labels)} labels, probabilities of shape {probabilities.shape} and {C} class "
            "names do not belong together."
        )
    matrix = confusion_matrix(labels, probabilities.argmax(1), C)
    count = len(labels)
    right = np.diag(matrix).astype(np.float64)
    called, are = matrix.sum(0), matrix.sum(1)
    precision = right / np.maximum(called, 1)
    recall = right / np.maximum(are, 1)
    f1 = 2 * right / np.maximum(called + are, 1)
    present = are > 0
    return Evaluation(
        macro_f1=float(f1[present].mean()) if count else None,
        accuracy=float(right.sum() / count) if count else None,
        per_class={
            name: ClassScore(float(precision[i]), float(recall[i]), float(f1[i]), int(are[i]))
            for i, name in enumerate(class_names)
        },
        confusion=matrix,
        count=count,
        calibration_error=expected_calibration_error(labels, probabilities) if count else None,
        left_out=tuple(n for n, there in zip(class_names, present, strict=True) if not there),
    )


def confusion_matrix(
    labels: npt.NDArray[np.int64], called: npt.NDArray[np.int64], classes: int
) -> npt.NDArray[np.int64]:
    """Counts (C, C): rows are the truth, columns what the pictures were called.

    Raises:
        ParameterError: A label is no class.
    """
    both = np.concatenate([labels, called])
    if both.size and (both.min() < 0 or both.max() >= classes):
        raise ParameterError(f"A label lies outside of 0 to {classes - 1}.")
    flat = np.bincount(labels * classes + called, minlength=classes * classes)
    return flat.reshape(classes, classes).astype(np.int64)
