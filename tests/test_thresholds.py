"""Mistakes and thresholds: by hand, and consistent with the evaluation."""

from __future__ import annotations

import numpy as np
import pytest

from wafer_core.metrics import (
    Pair,
    confused_pairs,
    evaluate,
    lowest_threshold,
    outcomes,
    worst_first,
)

# correct 0.9, wrong 0.6, correct 0.8, wrong 0.95, correct 0.5
PROBABILITIES = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.95, 0.05], [0.5, 0.5]])
LABELS = np.array([0, 1, 1, 1, 0])


def test_pairs_by_hand() -> None:
    found = confused_pairs(np.array([[5, 3, 0], [1, 9, 0], [2, 0, 0]]))
    assert found == (
        Pair(0, 1, 3, 3 / 8, 1), Pair(2, 0, 2, 1.0, 0), Pair(1, 0, 1, 0.1, 3),
    )  # fmt: skip
    assert confused_pairs(np.diag([3, 4])) == ()


def test_the_most_confident_mistakes_come_first() -> None:
    assert worst_first(LABELS, PROBABILITIES).tolist() == [3, 1]
    equal = np.array([[0.6, 0.4, 0.0], [0.6, 0.0, 0.4]])
    assert worst_first(np.array([1, 1]), equal).tolist() == [1, 0]
    assert worst_first(LABELS[:1], PROBABILITIES[:1]).tolist() == []


def test_outcomes_by_hand() -> None:
    all_, some, none = outcomes(LABELS, PROBABILITIES, [0.0, 0.7, 1.0])
    assert (all_.correct, all_.wrong, all_.review) == (3, 2, 0)
    assert (all_.precision, all_.recall, all_.review_share) == (0.6, 0.6, 0.0)
    assert (some.correct, some.wrong, some.review) == (2, 1, 2)
    assert some.precision == pytest.approx(2 / 3)
    assert (some.recall, some.review_share) == (0.4, 0.4)
    assert (none.correct, none.wrong, none.review, none.precision) == (0, 0, 5, None)


def test_outcomes_of_one_class_by_hand() -> None:
    (first,) = outcomes(LABELS, PROBABILITIES, [0.7], class_index=0)
    # two are of class 0: one confident and correct, one for review; two are predicted as 0 with
    # confidence, one of them correctly
    assert (first.correct, first.wrong, first.review) == (1, 0, 1)
    assert (first.precision, first.recall, first.review_share) == (0.5, 0.5, 0.5)
    (absent,) = outcomes(LABELS[:1], PROBABILITIES[:1], [0.0], class_index=1)
    assert (absent.correct + absent.wrong + absent.review, absent.recall) == (0, 0.0)


def test_outcomes_agree_with_the_evaluation() -> None:
    rng = np.random.default_rng(0)
    labels, probabilities = rng.integers(0, 4, 300), rng.dirichlet([0.5] * 4, 300)
    result = evaluate(labels, probabilities, list("abcd"))
    assert outcomes(labels, probabilities, [0.0])[0].recall == pytest.approx(result.accuracy)
    steps = np.linspace(0, 1, 21).tolist()
    for i, score in enumerate(result.per_class.values()):
        found = outcomes(labels, probabilities, steps, i)
        assert found[0].precision == pytest.approx(score.precision)
        assert found[0].recall == pytest.approx(score.recall)
        assert all(o.correct + o.wrong + o.review == score.count for o in found)
        reviewed = [o.review for o in found]
        assert reviewed == sorted(reviewed)


def test_lowest_threshold_by_hand() -> None:
    labels = np.array([0, 0, 1])
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3]])  # the last is wrong
    assert lowest_threshold(labels, probabilities, 1.0) == pytest.approx(0.71)
    assert lowest_threshold(labels, probabilities, 0.6) == 0
    assert lowest_threshold(np.array([1]), probabilities[:1], 0.5) is None
