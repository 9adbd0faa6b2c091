"""Intervals: exact Beta distributions, coverage, and cautions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import beta

from wafer_core.metrics import cautions, design_effect, evaluate, intervals

MANY = 40_000  # draws: ends within a hundredth of the exact ones


def confusion_of(counts: list[list[int]]) -> np.ndarray:
    return np.array(counts, np.int64)


def test_accuracy_of_one_class_is_a_beta_distribution() -> None:
    found = intervals(confusion_of([[8, 2], [0, 0]]), resamples=MANY)
    exact = beta.ppf([0.025, 0.975], 8.25, 2.25)
    np.testing.assert_allclose(found.accuracy, exact, atol=0.01)
    assert found.per_class[1] is None


def test_ten_of_ten_is_not_certain() -> None:
    """The ordinary bootstrap would give 1.00 to 1.00."""
    found = intervals(confusion_of([[10, 0], [0, 0]]), resamples=MANY)
    low, high = found.per_class[0] or (0, 0)
    recall = beta.ppf(0.025, 10.5, 0.5)
    assert low == pytest.approx(
        2 * recall / (1 + recall), abs=0.01
    )  # no other class is predicted as it
    assert high == 1


def test_the_scores_are_inside() -> None:
    rng = np.random.default_rng(0)
    labels, probabilities = rng.integers(0, 4, 80), rng.dirichlet([1] * 4, 80)
    result = evaluate(labels, probabilities, list("abcd"))
    found = intervals(result.confusion)
    for ends, figure in (
        (found.macro_f1, result.macro_f1), (found.accuracy, result.accuracy),
        *zip(found.per_class, (s.f1 for s in result.per_class.values()), strict=True),
    ):  # fmt: skip
        assert ends is not None
        assert 0 <= ends[0] <= (figure or 0) <= ends[1] <= 1


def test_ten_times_the_wafers_make_it_a_third_as_wide() -> None:
    few = intervals(confusion_of([[8, 2], [3, 7]])).macro_f1 or (0, 0)
    many = intervals(confusion_of([[80, 20], [30, 70]])).macro_f1 or (0, 0)
    assert (many[1] - many[0]) / (few[1] - few[0]) == pytest.approx(10**-0.5, rel=0.15)


def test_the_same_seed_gives_the_same_and_another_nearly_the_same() -> None:
    matrix = confusion_of([[8, 2, 0], [1, 9, 3], [0, 0, 5]])
    assert intervals(matrix) == intervals(matrix)
    other = intervals(matrix, seed=1)
    assert other != intervals(matrix)
    np.testing.assert_allclose(other.macro_f1, intervals(matrix).macro_f1, atol=0.02)


def test_they_have_about_their_nominal_coverage() -> None:
    rng = np.random.default_rng(0)
    rates = np.array([[0.9, 0.1, 0.0], [0.15, 0.8, 0.05], [0.0, 0.05, 0.95]])
    truth = evaluate_rates(rates)
    inside = np.zeros(4)
    for _ in range(200):
        matrix = np.stack([rng.multinomial(20, row) for row in rates])
        found = intervals(matrix, resamples=400)
        ends = np.array([found.macro_f1, *found.per_class], np.float64)
        inside += (ends[:, 0] <= truth) & (truth <= ends[:, 1])
    assert (inside / 200 > 0.88).all()


def evaluate_rates(rates: np.ndarray) -> np.ndarray:
    f1 = 2 * np.diag(rates) / (rates.sum(0) + rates.sum(1))
    return np.array([f1.mean(), *f1])


def test_no_pictures_no_intervals() -> None:
    found = intervals(np.zeros((3, 3), np.int64))
    assert found.to_json(list("abc")) == {
        "level": 0.95, "macro_f1": None, "accuracy": None,
        "per_class": {"a": None, "b": None, "c": None},
    }  # fmt: skip


def test_many_classes_with_empty_rows_are_handled() -> None:
    """300 classes, most cells of the confusion matrix empty, some classes without pictures."""
    rng = np.random.default_rng(0)
    matrix = np.diag(np.full(300, 12)) + (rng.random((300, 300)) < 0.005)
    matrix[:5] = 0
    found = intervals(matrix, resamples=50)
    assert [ends is None for ends in found.per_class] == [True] * 5 + [False] * 295
    assert found.macro_f1 is not None
    assert found.macro_f1[1] - found.macro_f1[0] < 0.05


def cautions_of(counts: list[list[int]]) -> list[str]:
    names = ["Center", "Donut", "none"][: len(counts)]
    matrix = confusion_of(counts)
    labels, predicted = np.nonzero(matrix)
    times = matrix[labels, predicted]
    labels, predicted = np.repeat(labels, times), np.repeat(predicted, times)
    result = evaluate(labels, np.eye(len(names))[predicted], names)
    found = cautions(result.to_json(), intervals(matrix).to_json(names))
    return [str(caution) for caution in found]


def test_small_classes_are_named() -> None:
    (few,) = cautions_of([[50, 0, 0], [0, 60, 0], [0, 0, 9]])
    assert few.startswith("Fewer than 10 test wafers")
    assert "none (9)" in few
    assert "Center" not in few


def test_wide_intervals_are_named() -> None:
    wide, macro = cautions_of([[7, 5], [5, 7]])
    assert wide.startswith("The F1 of these classes is uncertain: Center (0.")
    assert "n = 12" in wide
    assert macro.startswith("The macro-F1 is between 0.")


def test_many_good_predictions_need_no_caution() -> None:
    assert cautions_of([[95, 5], [3, 97]]) == []
    assert cautions_of([[95, 5, 0], [3, 97, 0], [0, 0, 0]]) == []  # no caution for an empty class


def test_correlated_wafers_of_a_lot_count_as_fewer() -> None:
    lots = np.repeat(list("abcd"), 5).tolist()
    together = np.repeat([True, True, False, False], 5)
    assert design_effect(together, lots) == 5  # four independent lots, not twenty wafers
    evenly = np.tile([True, False], 10)
    assert design_effect(evenly, np.repeat(list("abcde"), 4).tolist()) == 1
    # 5, 3, 2 and 4 correct of five each: 1.5, -0.5, -1.5 and 0.5 off the mean of 3.5
    some = np.concatenate([np.arange(5) < k for k in (5, 3, 2, 4)])
    assert design_effect(some, lots) == pytest.approx(4 / 3 * 5 / 400 / (0.7 * 0.3 / 20))
    assert design_effect(together, [str(k) for k in range(20)]) == 1  # independent
    assert design_effect(np.ones(20, bool), lots) == 1
    assert design_effect(np.zeros(0, bool), []) == 1


def test_a_design_effect_makes_intervals_those_of_fewer_wafers() -> None:
    matrix = confusion_of([[80, 20], [30, 70]])
    fewer = intervals(confusion_of([[20, 5], [0, 0]]))
    assert intervals(confusion_of([[80, 20], [0, 0]]), effect=4) == fewer
    narrow, wide = intervals(matrix).macro_f1, intervals(matrix, effect=4).macro_f1
    assert narrow is not None
    assert wide is not None
    assert wide[1] - wide[0] > 1.7 * (narrow[1] - narrow[0])
