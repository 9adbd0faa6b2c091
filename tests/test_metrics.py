"""Scores: by hand, and against scikit-learn."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from sklearn.metrics import precision_recall_fscore_support

from wafer_core.errors import ParameterError
from wafer_core.metrics import (
    confusion_matrix,
    evaluate,
    expected_calibration_error,
    fit_temperature,
    log_softmax,
)

NAMES = ["Center", "Donut", "Scratch"]


def certain(called: list[int], classes: int = 3) -> np.ndarray:
    return np.eye(classes)[called]


def test_four_wafers_by_hand() -> None:
    result = evaluate(np.array([0, 0, 1, 2]), certain([0, 1, 1, 2]), NAMES)
    assert result.confusion.tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 1]]
    assert result.accuracy == 0.75
    center = result.per_class["Center"]
    assert (center.precision, center.recall, center.count) == (1.0, 0.5, 2)
    assert center.f1 == pytest.approx(2 / 3)
    assert result.macro_f1 == pytest.approx((2 / 3 + 2 / 3 + 1) / 3)
    assert result.count == 4


def test_classes_without_pictures_are_left_out_and_told() -> None:
    result = evaluate(np.array([0, 0]), certain([0, 1]), NAMES)
    assert result.left_out == ("Donut", "Scratch")
    assert result.macro_f1 == pytest.approx(2 / 3)
    assert result.per_class["Scratch"].count == 0


def test_no_pictures_at_all_gives_no_figures() -> None:
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


def test_calibration_error_by_hand() -> None:
    probabilities = np.array([[0.8, 0.2]] * 4)
    # says 0.8, and three of four are right
    assert expected_calibration_error(np.array([0, 0, 0, 1]), probabilities) == pytest.approx(0.05)
    assert expected_calibration_error(np.array([0]), np.array([[1.0, 0.0]])) == 0


def test_temperature_makes_an_overconfident_network_honest() -> None:
    rng = np.random.default_rng(1)
    honest = rng.normal(0, 2, (4000, 3))
    labels = np.array([rng.choice(3, p=p) for p in np.exp(log_softmax(honest))])
    assert fit_temperature(honest * 3, labels) == pytest.approx(3, rel=0.08)


@pytest.mark.parametrize("factor", [0.05, 20.0])
def test_scores_that_are_far_too_small_or_large_become_honest(factor: float) -> None:
    random = np.random.default_rng(1)
    honest = random.normal(0, 2, (2000, 3))
    labels = (log_softmax(honest) + random.gumbel(size=honest.shape)).argmax(1)
    assert fit_temperature(honest * factor, labels) == pytest.approx(factor, rel=0.1)


def test_a_handful_of_right_answers_does_not_make_it_sure() -> None:
    assert 0.3 < fit_temperature(np.array([[2.0, 0.0], [0.0, 2.0]]), np.array([0, 1])) <= 1


def test_log_softmax_survives_large_scores() -> None:
    logs = log_softmax(np.array([[1000.0, 0.0], [0.0, 0.0]]))
    assert logs[0].tolist() == [0.0, -1000.0]
    assert logs[1, 0] == pytest.approx(-math.log(2))


@pytest.mark.parametrize(
    ("labels", "shape", "names"),
    [([0, 1], (3, 3), NAMES), ([0, 1], (2, 2), NAMES), ([0, 5], (2, 3), NAMES),
     ([0, -1], (2, 3), NAMES), ([0, 1], (2, 3), ["a", "a", "b"])],
)  # fmt: skip
def test_what_does_not_belong_together_is_refused(
    labels: list[int], shape: tuple[int, int], names: list[str]
) -> None:
    with pytest.raises(ParameterError, match=r"belong together|outside"):
        evaluate(np.array(labels), np.full(shape, 0.5), names)


def test_confusion_of_nothing_is_empty() -> None:
    nothing = np.zeros(0, np.int64)
    assert confusion_matrix(nothing, nothing, 2).tolist() == [[0, 0], [0, 0]]
