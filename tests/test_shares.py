"""Intervals of proportions: by hand, from the literature, and invariants."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wafer_core.metrics.shares import difference, wilson


def test_wilson_by_hand() -> None:
    """10 of 10: the lower end is n / (n + z²); 0 of 0: unknown."""
    z = 1.959964
    assert wilson(10, 10) == pytest.approx((10 / (10 + z**2), 1.0))
    assert wilson(0, 10) == pytest.approx((0.0, z**2 / (10 + z**2)))
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)  # Newcombe 1998, table I
    assert wilson(0, 0) is None


def test_difference_of_proportions_by_hand() -> None:
    """Newcombe 1998, table II, 56/70 against 48/80: 0.0524 to 0.3339."""
    assert difference((56, 70), (48, 80)) == pytest.approx((0.0524, 0.3339), abs=1e-4)
    assert difference((1, 1), (0, 0)) is None


@given(st.integers(1, 500), st.data())
def test_a_proportion_is_inside_its_interval(count: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, count))
    ends = wilson(hits, count)
    assert ends is not None
    assert 0 <= ends[0] <= hits / count <= ends[1] <= 1
    swapped = difference((count - hits, count), (hits, count))
    original = difference((hits, count), (count - hits, count))
    assert swapped is not None
    assert original is not None
    assert swapped == pytest.approx((-original[1], -original[0]))
