"""Mistakes, thresholds and reliability: by hand, and how they add up."""

from __future__ import annotations

import numpy as np
import pytest

from wafer_core.metrics import (
    Pair,
    ReliabilityBin,
    confused_pairs,
    evaluate,
    expected_calibration_error,
    lowest_threshold,
    outcomes,
    reliability,
    worst_first,
)

#                      right 0.9   wrong 0.6   right 0.8   wrong 0.95  right 0.5
SAYS = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.95, 0.05], [0.5, 0.5]])
IS = np.array([0, 1, 1, 1, 0])


def test_pairs_by_hand() -> None:
    found = confused_pairs(np.array([[5, 3, 0], [1, 9, 0], [2, 0, 0]]))
    assert found == (
        Pair(0, 1, 3, 3 / 8, 1), Pair(2, 0, 2, 1.0, 0), Pair(1, 0, 1, 0.1, 3),
    )  # fmt: skip
    assert confused_pairs(np.diag([3, 4])) == ()


def test_the_surest_mistakes_come_first() -> None:
    assert worst_first(IS, SAYS).tolist() == [3, 1]
    equal = np.array([[0.6, 0.4, 0.0], [0.6, 0.0, 0.4]])
    assert worst_first(np.array([1, 1]), equal).tolist() == [1, 0]
    assert worst_first(IS[:1], SAYS[:1]).tolist() == []


def test_outcomes_by_hand() -> None:
    all_, some, none = outcomes(IS, SAYS, [0.0, 0.7, 1.0])
    assert (all_.right, all_.wrong, all_.review) == (3, 2, 0)
    assert (all_.precision, all_.recall, all_.review_share) == (0.6, 0.6, 0.0)
    assert (some.right, some.wrong, some.review) == (2, 1, 2)
    assert some.precision == pytest.approx(2 / 3)
    assert (some.recall, some.review_share) == (0.4, 0.4)
    assert (none.right, none.wrong, none.review, none.precision) == (0, 0, 5, None)


def test_outcomes_of_one_class_by_hand() -> None:
    (first,) = outcomes(IS, SAYS, [0.7], class_index=0)
    # two are class 0: one sure and right, one for review; two sure answers name it, one is right
    assert (first.right, first.wrong, first.review) == (1, 0, 1)
    assert (first.precision, first.recall, first.review_share) == (0.5, 0.5, 0.5)
    (absent,) = outcomes(IS[:1], SAYS[:1], [0.0], class_index=1)
    assert (absent.right + absent.wrong + absent.review, absent.recall) == (0, 0.0)


def test_outcomes_agree_with_the_evaluation() -> None:
    rng = np.random.default_rng(0)
    labels, says = rng.integers(0, 4, 300), rng.dirichlet([0.5] * 4, 300)
    result = evaluate(labels, says, list("abcd"))
    assert outcomes(labels, says, [0.0])[0].recall == pytest.approx(result.accuracy)
    steps = np.linspace(0, 1, 21).tolist()
    for i, score in enumerate(result.per_class.values()):
        found = outcomes(labels, says, steps, i)
        assert found[0].precision == pytest.approx(score.precision)
        assert found[0].recall == pytest.approx(score.recall)
        assert all(o.right + o.wrong + o.review == score.count for o in found)
        reviewed = [o.review for o in found]
        assert reviewed == sorted(reviewed)


def test_lowest_threshold_by_hand() -> None:
    labels = np.array([0, 0, 1])
    says = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3]])  # the last is wrong
    assert lowest_threshold(labels, says, 1.0) == pytest.approx(0.71)
    assert lowest_threshold(labels, says, 0.6) == 0
    assert lowest_threshold(np.array([1]), says[:1], 0.5) is None


def test_reliability_by_hand() -> None:
    low, high = reliability(IS, SAYS, bins=4)
    assert (low.low, low.high, low.count) == (0.5, 0.75, 2)
    assert (low.confidence, low.accuracy) == (pytest.approx(0.55), 0.5)
    assert (high.count, high.accuracy) == (3, pytest.approx(2 / 3))
    assert high.confidence == pytest.approx((0.9 + 0.8 + 0.95) / 3)


def test_a_bin_of_few_answers_is_told_as_uncertain() -> None:
    few = ReliabilityBin(0.8, 0.9, 10, 0.85, 0.8).accuracy_ends()
    assert few == (pytest.approx(0.490, abs=0.001), pytest.approx(0.943, abs=0.001))  # Wilson 1927
    assert ReliabilityBin(0.9, 1.0, 10, 0.95, 1.0).accuracy_ends()[1] == 1.0


def test_the_error_is_what_the_diagram_shows() -> None:
    rng = np.random.default_rng(2)
    labels, says = rng.integers(0, 3, 200), rng.dirichlet([1, 1, 1], 200)
    bins = reliability(labels, says)
    assert sum(b.count for b in bins) == 200
    gap = sum(b.count * abs(b.accuracy - b.confidence) for b in bins) / 200
    assert expected_calibration_error(labels, says) == pytest.approx(gap)
