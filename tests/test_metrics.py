"""Scores: by hand, and against scikit-learn."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.metrics import precision_recall_fscore_support

from wafer_core.errors import ParameterError
from wafer_core.metrics import (
    confusion_matrix,
    evaluate,
)

NAMES = ["Center", "Donut", "Scratch"]


def one_hot(predicted: list[int], classes: int = 3) -> np.ndarray:
    return np.eye(classes)[predicted]


def test_four_wafers_by_hand() -> None:
    result = evaluate(np.array([0, 0, 1, 2]), one_hot([0, 1, 1, 2]), NAMES)
    assert result.confusion.tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 1]]
    assert result.accuracy == 0.75
    center = result.per_class["Center"]
    assert (center.precision, center.recall, center.count) == (1.0, 0.5, 2)
    assert center.f1 == pytest.approx(2 / 3)
    assert result.macro_f1 == pytest.approx((2 / 3 + 2 / 3 + 1) / 3)
    assert result.count == 4


def test_classes_without_pictures_are_left_out_and_named() -> None:
    result = evaluate(np.array([0, 0]), one_hot([0, 1]), NAMES)
    assert result.left_out == ("Donut", "Scratch")
    assert result.macro_f1 == pytest.approx(2 / 3)
    assert result.per_class["Scratch"].count == 0


def test_no_pictures_at_all_gives_no_scores() -> None:
    result = evaluate(np.zeros(0, np.int64), np.zeros((0, 3)), NAMES)
    assert (result.macro_f1, result.accuracy, result.calibration_error) == (None, None, None)
    assert json.loads(json.dumps(result.to_json()))["count"] == 0


def test_agrees_with_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 200)
    probabilities = rng.dirichlet([1, 1, 1], 200)
    result = evaluate(labels, probabilities, NAMES)
    reference = precision_recall_fscore_support(labels, probabilities.argmax(1), zero_division=0)
    ours = [(s.precision, s.recall, s.f1, s.count) for s in result.per_class.values()]
    np.testing.assert_allclose(np.array(ours).T, np.array(reference))
    assert result.macro_f1 == pytest.approx(reference[2].mean())
    assert result.to_json()["confusion"] == result.confusion.tolist()


@pytest.mark.parametrize(
    ("labels", "shape", "names"),
    [([0, 1], (3, 3), NAMES), ([0, 1], (2, 2), NAMES), ([0, 5], (2, 3), NAMES),
     ([0, -1], (2, 3), NAMES), ([0, 1], (2, 3), ["a", "a", "b"])],
)  # fmt: skip
def test_shapes_that_do_not_match_are_refused(
    labels: list[int], shape: tuple[int, int], names: list[str]
) -> None:
    with pytest.raises(ParameterError, match=r"do not match|outside"):
        evaluate(np.array(labels), np.full(shape, 0.5), names)


def test_the_confusion_matrix_of_no_pictures_is_empty() -> None:
    nothing = np.zeros(0, np.int64)
    assert confusion_matrix(nothing, nothing, 2).tolist() == [[0, 0], [0, 0]]
