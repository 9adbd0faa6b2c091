"""Scores and thresholds for wafers that are unlike all training wafers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from wafer_core.errors import ModelError
from wafer_core.tasks.classification import unknown
from wafer_core.tasks.classification.unknown import UnknownDetector, conformal_threshold


def detector() -> UnknownDetector:
    means = np.array([[0.0, 0.0], [10.0, 0.0]])
    return UnknownDetector(
        means, np.diag([1.0, 0.5]), np.array([1.0, -5.0]), np.array([2.0, 1.0]), 3.0, 60
    )


def test_score_by_hand() -> None:
    # Nearest mean (0, 0); whitened difference (3, 4), distance 5; largest logit 2.
    features, logits = np.array([[3.0, 8.0]]), np.array([[2.0, 1.0]])
    raw = unknown.raw_scores(features, logits, detector().means, detector().whitening)
    assert raw[0] == pytest.approx([5.0, -2.0])
    assert detector().score(features, logits)[0] == pytest.approx((5 - 1) / 2 + (-2 + 5) / 1)


def test_shrunk_covariance_is_that_of_scikit_learn() -> None:
    covariance = pytest.importorskip("sklearn.covariance")
    rows = np.random.default_rng(0).normal(size=(30, 8)) @ np.diag(np.arange(1, 9))
    expected = covariance.LedoitWolf(assume_centered=True).fit(rows).covariance_
    assert unknown.shrunk_covariance(rows) == pytest.approx(expected)


def test_conformal_threshold_by_hand() -> None:
    scores = np.array([1.0, 2.0, 3.0, 4.0])
    # Four lots: (1 + 1) / 5 = 0.4 with one above, (1 + 0) / 5 = 0.2 with none.
    assert conformal_threshold(scores, list("abcd"), 0.4) == (3.0, 4)
    assert conformal_threshold(scores, list("abcd"), 0.2) == (4.0, 4)
    # Too few lots for 10%: beyond all scores.
    assert conformal_threshold(scores, list("abcd"), 0.1) == (7.0, 4)
    # Two lots of which one has three wafers: each of its wafers counts a third.
    assert conformal_threshold(scores, list("abbb"), (1 + 1 / 3) / 3) == (3.0, 2)
    assert unknown.min_units(0.02) == 49


def test_false_alarms_are_as_stated() -> None:
    rng = np.random.default_rng(1)
    rates = []
    for _ in range(200):
        lots = np.repeat(np.arange(80), 3)
        known = rng.normal(size=80)[lots] + rng.normal(size=240)
        threshold, _ = conformal_threshold(known, [str(lot) for lot in lots], 0.05)
        rates.append(np.mean(rng.normal(0, np.sqrt(2), 2000) > threshold))
    assert 0.03 < np.mean(rates) < 0.055


def test_what_lies_elsewhere_scores_higher() -> None:
    rng = np.random.default_rng(0)
    means = rng.normal(0, 4, (3, 12))
    labels = rng.integers(0, 3, 300)
    features = means[labels] + rng.normal(size=(300, 12))
    logits = -((features[:, None] - means) ** 2).sum(2) / 2
    lots = [str(n) for n in range(150)]
    fitted = unknown.fit(features[:150], labels[:150], (features[150:], logits[150:], lots), 3)
    strange = rng.normal(0, 4, (100, 12))
    scores = fitted.score(strange, -((strange[:, None] - means) ** 2).sum(2) / 2)
    assert fitted.keeps_rate
    assert np.mean(scores > fitted.threshold) > 0.9
    assert np.mean(fitted.score(features[150:], logits[150:]) > fitted.threshold) <= 0.02


def test_files(tmp_path: Path) -> None:
    assert unknown.load(tmp_path, 2, 2) is None
    detector().save(tmp_path)
    read = unknown.load(tmp_path, 2, 2)
    assert read is not None
    assert (read.threshold, read.units) == (3.0, 60)
    assert (read.means == detector().means).all()
    data = (tmp_path / unknown.NAME).read_bytes()
    for shape in ((3, 2), (2, 3)):
        with pytest.raises(ModelError, match="belongs to another model"):
            unknown.load(tmp_path, *shape)
    for damaged in (b"", b"hello", data[: len(data) // 2], b"\xff" * 64):
        (tmp_path / unknown.NAME).write_bytes(damaged)
        with pytest.raises(ModelError, match="damaged"):
            unknown.load(tmp_path, 2, 2)
