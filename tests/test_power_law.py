"""Learning curves: exact on exact data, and never falling."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wafer_core.errors import ParameterError
from wafer_core.metrics import power_law

COUNTS = (22, 55, 110, 220, 440)


@pytest.mark.parametrize(
    ("top", "scale", "exponent"), [(0.9, 1.5, 0.5), (1.0, 0.8, 0.25), (0.95, 4, 1.0)]
)
def test_exact_scores_give_the_law_back(top: float, scale: float, exponent: float) -> None:
    found = power_law.fit(COUNTS, [top - scale * n**-exponent for n in COUNTS])
    assert found.top[0] == pytest.approx(top)
    assert found.scale[0] == pytest.approx(scale)
    assert found.exponent[0] == pytest.approx(exponent)
    gain = scale * (440**-exponent - 880**-exponent)
    assert found.doubling(440)[0] == pytest.approx(gain)


def test_two_scores_by_hand() -> None:
    """0.8 at 25 and 0.9 at 100: the error halves, so 0.95 at 400 and 1 - 1/√n."""
    found = power_law.fit((25, 100), (0.8, 0.9))
    assert (found.top[0], found.scale[0], found.exponent[0]) == pytest.approx((1, 1, 0.5))
    assert found.at(400)[0] == pytest.approx(0.95)
    assert found.doubling(50)[0] == pytest.approx(50**-0.5 - 0.1)


@pytest.mark.parametrize("scores", [(0.7,) * 5, (0.9, 0.85, 0.8, 0.75, 0.7), (1.0,) * 5])
def test_scores_that_do_not_rise_predict_no_gain(scores: tuple[float, ...]) -> None:
    found = power_law.fit(COUNTS, scores)
    assert found.doubling(440)[0] == pytest.approx(0, abs=1e-12)
    assert found.at(440)[0] == pytest.approx(np.average(scores, weights=np.arange(1, 6)))


@given(st.lists(st.floats(0, 1), min_size=4, max_size=4))
def test_it_never_falls_and_never_exceeds_one(scores: list[float]) -> None:
    found = power_law.fit((5, 10, 20, 40), scores)
    assert found.doubling(40)[0] >= 0
    assert found.at(1e9)[0] <= 1 + 1e-12
    assert np.isfinite([found.top[0], found.scale[0], found.exponent[0]]).all()


def test_rows_are_fitted_independently() -> None:
    rng = np.random.default_rng(0)
    rows = rng.uniform(0.5, 1, (7, 5))
    whole = power_law.fit(COUNTS, rows).doubling(440)
    assert whole.tolist() == [power_law.fit(COUNTS, row).doubling(440)[0] for row in rows]


@pytest.mark.parametrize(
    ("counts", "scores"),
    [((22,), (0.5,)), ((), ()), ((22, 22), (0.5, 0.6)), ((55, 22), (0.5, 0.6)),
     ((0, 22), (0.5, 0.6)), ((22, 55), (0.5, 0.6, 0.7))],
)  # fmt: skip
def test_unusable_counts_are_refused(counts: tuple[int, ...], scores: tuple[float, ...]) -> None:
    with pytest.raises(ParameterError, match="give two or more ascending counts"):
        power_law.fit(counts, scores)
