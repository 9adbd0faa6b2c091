"""Calibration: by hand, and temperatures that are known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from wafer_core.metrics import (
    ReliabilityBin,
    expected_calibration_error,
    fit_temperature,
    log_softmax,
    reliability,
)

# correct 0.9, wrong 0.6, correct 0.8, wrong 0.95, correct 0.5
PROBABILITIES = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.95, 0.05], [0.5, 0.5]])
LABELS = np.array([0, 1, 1, 1, 0])


def test_calibration_error_by_hand() -> None:
    probabilities = np.array([[0.8, 0.2]] * 4)
    # confidence 0.8, accuracy 0.75
    assert expected_calibration_error(np.array([0, 0, 0, 1]), probabilities) == pytest.approx(0.05)
    assert expected_calibration_error(np.array([0]), np.array([[1.0, 0.0]])) == 0


def test_temperature_calibrates_an_overconfident_network() -> None:
    rng = np.random.default_rng(1)
    calibrated = rng.normal(0, 2, (4000, 3))
    labels = np.array([rng.choice(3, p=p) for p in np.exp(log_softmax(calibrated))])
    assert fit_temperature(calibrated * 3, labels) == pytest.approx(3, rel=0.08)


@pytest.mark.parametrize("factor", [0.05, 20.0])
def test_logits_that_are_far_too_small_or_large_are_calibrated(factor: float) -> None:
    random = np.random.default_rng(1)
    calibrated = random.normal(0, 2, (2000, 3))
    labels = (log_softmax(calibrated) + random.gumbel(size=calibrated.shape)).argmax(1)
    assert fit_temperature(calibrated * factor, labels) == pytest.approx(factor, rel=0.1)


def test_a_handful_of_correct_predictions_does_not_make_it_overconfident() -> None:
    assert 0.3 < fit_temperature(np.array([[2.0, 0.0], [0.0, 2.0]]), np.array([0, 1])) <= 1


def test_log_softmax_of_large_logits_is_finite() -> None:
    logs = log_softmax(np.array([[1000.0, 0.0], [0.0, 0.0]]))
    assert logs[0].tolist() == [0.0, -1000.0]
    assert logs[1, 0] == pytest.approx(-math.log(2))


def test_reliability_by_hand() -> None:
    low, high = reliability(LABELS, PROBABILITIES, bins=4)
    assert (low.low, low.high, low.count) == (0.5, 0.75, 2)
    assert (low.confidence, low.accuracy) == (pytest.approx(0.55), 0.5)
    assert (high.count, high.accuracy) == (3, pytest.approx(2 / 3))
    assert high.confidence == pytest.approx((0.9 + 0.8 + 0.95) / 3)


def test_a_bin_of_few_predictions_has_a_wide_interval() -> None:
    few = ReliabilityBin(0.8, 0.9, 10, 0.85, 0.8).accuracy_interval()
    assert few == (pytest.approx(0.490, abs=0.001), pytest.approx(0.943, abs=0.001))  # Wilson 1927
    assert ReliabilityBin(0.9, 1.0, 10, 0.95, 1.0).accuracy_interval()[1] == 1.0


def test_the_calibration_error_matches_the_diagram() -> None:
    rng = np.random.default_rng(2)
    labels, probabilities = rng.integers(0, 3, 200), rng.dirichlet([1, 1, 1], 200)
    bins = reliability(labels, probabilities)
    assert sum(b.count for b in bins) == 200
    gap = sum(b.count * abs(b.accuracy - b.confidence) for b in bins) / 200
    assert expected_calibration_error(labels, probabilities) == pytest.approx(gap)
