"""Differences between two ways of training, with intervals over lots and repeats."""

from __future__ import annotations

import numpy as np
import pytest

from wafer_core.errors import ParameterError
from wafer_core.metrics import evaluate
from wafer_core.metrics.paired import Answers, differences, lots_of


def answers(labels: list[int], called: list[list[list[int]]], lots: list[str] | None = None,
            classes: int = 2) -> Answers:  # fmt: skip
    lots = lots or [str(k) for k in range(len(labels))]
    return Answers(np.array(labels), np.array(called), lots, classes)


def test_figures_by_hand() -> None:
    """One of two 0s is missed: F1 of 0 is 2/3, of 1 is 4/5; the other way is right throughout."""
    found = answers([0, 0, 1, 1], [[[0, 1, 1, 1]], [[0, 0, 1, 1]]])
    assert found.f1()[0, 0].tolist() == pytest.approx([2 / 3, 4 / 5])
    assert found.macro_f1().ravel().tolist() == pytest.approx([(2 / 3 + 4 / 5) / 2, 1])
    ((macro, per_class),) = differences(found, [(1, 0)])
    assert macro.value == pytest.approx(1 - (2 / 3 + 4 / 5) / 2)
    assert [d.value for d in per_class if d] == pytest.approx([1 / 3, 1 / 5])


def test_figures_are_those_of_an_evaluation() -> None:
    rng = np.random.default_rng(0)
    labels, called = rng.integers(0, 4, 60), rng.integers(0, 4, 60)
    labels[labels == 2] = 1  # a class that no picture is of
    found = Answers(labels, called[None, None], ["a"] * 60, 4)
    told = evaluate(labels, np.eye(4)[called], list("abcd"))
    assert found.macro_f1()[0, 0] == pytest.approx(told.macro_f1)
    assert found.present.tolist() == [0, 1, 3]
    assert lots_of(found) == 1


def test_a_class_without_pictures_has_no_difference() -> None:
    ((_, per_class),) = differences(
        answers([0, 0, 2], [[[0, 0, 2]], [[0, 1, 2]]], None, 3), [(0, 1)]
    )
    assert [d is None for d in per_class] == [False, True, False]


def test_the_other_way_round_is_the_same_below_zero() -> None:
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 3, 300)
    called = np.where(rng.random((2, 3, 300)) < 0.7, labels, rng.integers(0, 3, (2, 3, 300)))
    found = Answers(labels, called, range(300), 3)
    one, other = (d for d, _ in differences(found, [(0, 1), (1, 0)], resamples=4000))
    assert one.value == pytest.approx(-other.value)
    assert one.low == pytest.approx(-other.high, abs=0.01)
    assert one.low < one.value < one.high
    again = differences(found, [(0, 1), (1, 0)], resamples=4000)
    assert again[0][0] == one


def test_equal_answers_on_few_wafers_leave_doubt_and_on_many_none() -> None:
    """The plain bootstrap would say 0.00 to 0.00 after three wafers."""
    widths = []
    for count in (3, 30, 3000):
        labels = np.arange(count) % 3
        found = Answers(labels, np.stack([labels, labels])[:, None], range(count), 3)
        ((macro, per_class),) = differences(found, [(0, 1)])
        assert macro.low < 0 == macro.value < macro.high
        widths.append(macro.high - macro.low)
        assert all(d and d.high - d.low > widths[-1] for d in per_class)
    assert widths[0] > 0.3 > widths[1] > 0.01 > widths[2]


def test_wafers_of_a_lot_hang_together() -> None:
    """Forty wafers of eight lots, wrong lot by lot, say as little as eight do."""
    labels = np.arange(40) % 2
    wrong = np.repeat(np.arange(8) < 3, 5)
    called = np.stack([labels, np.where(wrong, 1 - labels, labels)])[:, None]
    apart, together = (
        differences(Answers(labels, called, lots, 2), [(0, 1)])[0][0]
        for lots in (range(40), np.repeat(range(8), 5).tolist())
    )
    assert apart.value == together.value
    assert together.high - together.low > 1.5 * (apart.high - apart.low)


def test_repeats_that_differ_widen_the_interval() -> None:
    """The same mean gain: from three like trainings, or from 0, 15 and 30 right of 100."""
    labels = np.arange(200) % 2
    base = np.where(np.arange(200) < 60, 1 - labels, labels)

    def better(count: int) -> np.ndarray:
        return np.where(np.arange(200) < 60 - count, 1 - labels, labels)

    steady = np.stack([[base] * 3, [better(30)] * 3])
    shaky = np.stack([[base] * 3, [better(0), better(30), better(60)]])
    one, other = (
        differences(Answers(labels, called, range(200), 2), [(1, 0)])[0][0]
        for called in (steady, shaky)
    )  # fmt: skip
    assert one.value == pytest.approx(other.value, abs=0.005)
    assert one.repeats == 0
    assert one.low > 0
    assert other.repeats is not None
    assert other.repeats > 0.2
    assert other.low < 0


def test_one_repeat_knows_nothing_of_luck() -> None:
    ((macro, _),) = differences(answers([0, 1] * 20, [[[0, 1] * 20], [[0, 0] * 20]]), [(0, 1)])
    assert macro.repeats == 0
    assert macro.low > 0


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    """Of 95 % intervals of studies whose truth is known; lots, repeats and wafers all differ."""
    rng = np.random.default_rng(2)
    lots = np.repeat(np.arange(30), 4)
    hits = 0
    for _ in range(120):
        labels = rng.integers(0, 3, 120)
        habit = rng.normal(0, 0.05, (2, 1, 30))[..., lots]
        luck = rng.normal(0, 0.02, (2, 3, 1))
        right = rng.random((2, 3, 120)) < 0.8 + habit + luck
        called = np.where(right, labels, (labels + rng.integers(1, 3, (2, 3, 120))) % 3)
        found = Answers(labels, called, lots.tolist(), 3)
        difference, _ = differences(found, [(0, 1)], resamples=300)[0]
        hits += difference.low <= 0 <= difference.high  # neither way is better
    assert 106 <= hits < 120


@pytest.mark.parametrize(
    ("labels", "called", "lots"),
    [([0, 1], [[[0]]], ["a", "b"]), ([0, 1], [[[0, 1]]], ["a"]), ([0, 2], [[[0, 1]]], ["a", "b"]),
     ([0, 1], [[[0, -1]]], ["a", "b"])],
)  # fmt: skip
def test_what_does_not_belong_together_is_refused(
    labels: list[int], called: list[list[list[int]]], lots: list[str]
) -> None:
    with pytest.raises(ParameterError):
        answers(labels, called, lots)


def test_nothing_to_judge_by_is_refused() -> None:
    with pytest.raises(ParameterError, match="no picture"):
        differences(Answers(np.zeros(0, int), np.zeros((2, 1, 0), int), [], 2), [(0, 1)])
