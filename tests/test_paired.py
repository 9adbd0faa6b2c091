"""Differences between ways of training, with intervals over lots and repeats."""

from __future__ import annotations

import numpy as np
import pytest

from wafer_core.errors import ParameterError
from wafer_core.metrics import evaluate
from wafer_core.metrics.paired import Predictions, differences, resampled_f1


def predictions(labels: list[int], predicted: list[list[list[int]]], lots: list[str] | None = None,
            classes: int = 2) -> Predictions:  # fmt: skip
    lots = lots or [str(k) for k in range(len(labels))]
    return Predictions(np.array(labels), np.array(predicted), lots, classes)


def test_scores_by_hand() -> None:
    """One of two 0s is missed: F1 of 0 is 2/3, of 1 is 4/5; the other way makes no mistake."""
    found = predictions([0, 0, 1, 1], [[[0, 1, 1, 1]], [[0, 0, 1, 1]]])
    assert found.f1()[0, 0].tolist() == pytest.approx([2 / 3, 4 / 5])
    assert found.macro_f1().ravel().tolist() == pytest.approx([(2 / 3 + 4 / 5) / 2, 1])
    ((macro, per_class),) = differences(found, [(1, 0)])
    assert macro.value == pytest.approx(1 - (2 / 3 + 4 / 5) / 2)
    assert [d.value for d in per_class if d] == pytest.approx([1 / 3, 1 / 5])


def test_scores_agree_with_evaluate() -> None:
    rng = np.random.default_rng(0)
    labels, predicted = rng.integers(0, 4, 60), rng.integers(0, 4, 60)
    labels[labels == 2] = 1  # a class without pictures
    found = Predictions(labels, predicted[None, None], ["a"] * 60, 4)
    expected = evaluate(labels, np.eye(4)[predicted], list("abcd"))
    assert found.macro_f1()[0, 0] == pytest.approx(expected.macro_f1)
    assert found.present.tolist() == [0, 1, 3]
    assert found.lot_count == 1


def test_a_class_without_pictures_has_no_difference() -> None:
    ((_, per_class),) = differences(
        predictions([0, 0, 2], [[[0, 0, 2]], [[0, 1, 2]]], None, 3), [(0, 1)]
    )
    assert [d is None for d in per_class] == [False, True, False]


def test_swapping_the_two_changes_the_sign() -> None:
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 3, 300)
    predicted = np.where(rng.random((2, 3, 300)) < 0.7, labels, rng.integers(0, 3, (2, 3, 300)))
    found = Predictions(labels, predicted, range(300), 3)
    one, other = (d for d, _ in differences(found, [(0, 1), (1, 0)], resamples=4000))
    assert one.value == pytest.approx(-other.value)
    assert one.low == pytest.approx(-other.high, abs=0.01)
    assert one.low < one.value < one.high
    again = differences(found, [(0, 1), (1, 0)], resamples=4000)
    assert again[0][0] == one


def test_equal_predictions_are_inconclusive_on_few_wafers_and_not_on_many() -> None:
    """The ordinary bootstrap would give 0.00 to 0.00 after three wafers."""
    widths = []
    for count in (3, 30, 3000):
        labels = np.arange(count) % 3
        found = Predictions(labels, np.stack([labels, labels])[:, None], range(count), 3)
        ((macro, per_class),) = differences(found, [(0, 1)])
        assert macro.low < 0 == macro.value < macro.high
        widths.append(macro.high - macro.low)
        assert all(d and d.high - d.low > widths[-1] for d in per_class)
    assert widths[0] > 0.3 > widths[1] > 0.01 > widths[2]


def test_wafers_of_a_lot_are_correlated() -> None:
    """Forty wafers of eight lots that fail lot by lot are worth no more than eight."""
    labels = np.arange(40) % 2
    wrong = np.repeat(np.arange(8) < 3, 5)
    predicted = np.stack([labels, np.where(wrong, 1 - labels, labels)])[:, None]
    apart, together = (
        differences(Predictions(labels, predicted, lots, 2), [(0, 1)])[0][0]
        for lots in (range(40), np.repeat(range(8), 5).tolist())
    )
    assert apart.value == together.value
    assert together.high - together.low > 1.5 * (apart.high - apart.low)


def test_repeats_that_differ_widen_the_interval() -> None:
    """The same mean gain, from three equal trainings or from three different ones."""
    labels = np.arange(200) % 2
    base = np.where(np.arange(200) < 60, 1 - labels, labels)

    def better(count: int) -> np.ndarray:
        return np.where(np.arange(200) < 60 - count, 1 - labels, labels)

    steady = np.stack([[base] * 3, [better(30)] * 3])
    shaky = np.stack([[base] * 3, [better(0), better(30), better(60)]])
    one, other = (
        differences(Predictions(labels, predicted, range(200), 2), [(1, 0)])[0][0]
        for predicted in (steady, shaky)
    )  # fmt: skip
    assert one.value == pytest.approx(other.value, abs=0.005)
    assert one.repeats == 0
    assert one.low > 0
    assert other.repeats is not None
    assert other.repeats > 0.2
    assert other.low < 0


def test_one_repeat_has_no_seed_variance() -> None:
    ((macro, _),) = differences(predictions([0, 1] * 20, [[[0, 1] * 20], [[0, 0] * 20]]), [(0, 1)])
    assert macro.repeats == 0
    assert macro.low > 0


def test_intervals_have_about_their_nominal_coverage() -> None:
    """95% intervals of simulated studies in which lots, repeats and wafers all differ."""
    rng = np.random.default_rng(2)
    lots = np.repeat(np.arange(30), 4)
    hits = 0
    for _ in range(120):
        labels = rng.integers(0, 3, 120)
        lot_effect = rng.normal(0, 0.05, (2, 1, 30))[..., lots]
        seed_effect = rng.normal(0, 0.02, (2, 3, 1))
        right = rng.random((2, 3, 120)) < 0.8 + lot_effect + seed_effect
        predicted = np.where(right, labels, (labels + rng.integers(1, 3, (2, 3, 120))) % 3)
        found = Predictions(labels, predicted, lots.tolist(), 3)
        difference, _ = differences(found, [(0, 1)], resamples=300)[0]
        hits += difference.low <= 0 <= difference.high  # neither way is better
    assert 106 <= hits < 120


@pytest.mark.parametrize(
    ("labels", "predicted", "lots"),
    [([0, 1], [[[0]]], ["a", "b"]), ([0, 1], [[[0, 1]]], ["a"]), ([0, 2], [[[0, 1]]], ["a", "b"]),
     ([0, 1], [[[0, -1]]], ["a", "b"])],
)  # fmt: skip
def test_shapes_that_do_not_match_are_refused(
    labels: list[int], predicted: list[list[list[int]]], lots: list[str]
) -> None:
    with pytest.raises(ParameterError):
        predictions(labels, predicted, lots)


def test_no_pictures_are_refused() -> None:
    with pytest.raises(ParameterError, match="no test pictures"):
        differences(Predictions(np.zeros(0, int), np.zeros((2, 1, 0), int), [], 2), [(0, 1)])


def test_resampled_scores_of_one_class_have_the_interval_of_their_difference() -> None:
    """A way of training that makes no mistakes: the difference from it is a score's interval."""
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 3, 300)
    predicted = np.where(rng.random((1, 3, 300)) < 0.7, labels, rng.integers(0, 3, (1, 3, 300)))
    both = np.concatenate([predicted, np.broadcast_to(labels, (1, 3, 300))])
    found = Predictions(labels, both, (np.arange(300) // 5).tolist(), 3)
    drawn = resampled_f1(found, 1, 4000)
    assert drawn.shape == (4000, 2)
    assert drawn[:, 0].mean() == pytest.approx(found.f1()[0, :, 1].mean(), abs=0.02)
    ((_, per_class),) = differences(found, [(0, 1)], resamples=4000)
    difference = per_class[1]
    assert difference is not None
    low, high = np.percentile(drawn[:, 0], (2.5, 97.5))
    assert low == pytest.approx(1 + difference.low, abs=0.02)
    assert high == pytest.approx(1 + difference.high, abs=0.02)
