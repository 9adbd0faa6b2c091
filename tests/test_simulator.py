"""Random wafers of the nine patterns."""

from __future__ import annotations

import numpy as np
import pytest

from wafer_core.errors import ParameterError
from wafer_core.images import FAIL, NO_DIE, Picture, die_counts, is_map
from wafer_core.simulator import PATTERNS, WaferConfig, simulate, simulate_many

# One size, no background: all failed dies belong to the pattern.
CLEAN = WaferConfig(rows=(41, 41), aspect=(1, 1), background=(0, 0), strength=(1, 1), test_sites=0)


def fail_share(pictures: list[Picture], inner: float, outer: float) -> float:
    """Share of failed dies between two radii, over all pictures."""
    failed = dies = 0
    for picture in pictures:
        H, W = picture.shape
        y, x = np.mgrid[:H, :W]
        radius = np.hypot((2 * y + 1) / H - 1, (2 * x + 1) / W - 1)
        zone = (radius >= inner) & (radius < outer) & (picture != NO_DIE)
        failed += int((picture[zone] == FAIL).sum())
        dies += int(zone.sum())
    return failed / dies


def test_the_nine_patterns_of_wm811k() -> None:
    assert PATTERNS == (
        "Center", "Donut", "Edge-Loc", "Edge-Ring", "Loc", "Near-full", "Random", "Scratch", "none",
    )  # fmt: skip


def test_a_wafer_without_pattern_and_background_has_full_yield() -> None:
    picture = simulate("none", np.random.default_rng(0), CLEAN)
    counts = die_counts(picture)
    assert picture.shape == (41, 41)
    assert counts.failed == 0
    assert counts.dies / picture.size == pytest.approx(np.pi / 4, abs=0.02)


def test_background_is_one_minus_yield() -> None:
    config = WaferConfig(background=(0.1, 0.1), rim_weakness=(1, 1), test_sites=0)
    pictures = simulate_many("none", 60, 0, config)
    assert fail_share(pictures, 0, 1) == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_wafer_is_a_round_map(pattern: str) -> None:
    for picture in simulate_many(pattern, 20, 1):
        assert is_map(picture) or pattern == "Near-full"
        assert not picture[[0, 0, -1, -1], [0, -1, 0, -1]].any()
        assert 0.7 < die_counts(picture).dies / picture.size < 0.85


@pytest.mark.parametrize(
    ("pattern", "inner", "outer"),
    [("Center", 0, 0.15), ("Donut", 0.35, 0.5), ("Edge-Ring", 0.95, 1.0), ("Loc", 0.4, 0.65),
     ("Edge-Loc", 0.93, 1.0)],
)  # fmt: skip
def test_a_pattern_is_where_its_name_says(pattern: str, inner: float, outer: float) -> None:
    pictures = simulate_many(pattern, 40, 2, CLEAN)
    inside, overall = fail_share(pictures, inner, outer), fail_share(pictures, 0, 1.0)
    assert inside > 1.5 * overall
    assert inside > 0.1


def test_yield_of_random_and_near_full() -> None:
    assert 0.3 < fail_share(simulate_many("Random", 40, 3, CLEAN), 0, 1) < 0.6
    assert fail_share(simulate_many("Near-full", 40, 3, CLEAN), 0, 1) > 0.75


def test_a_scratch_is_thin_and_long() -> None:
    for picture in simulate_many("Scratch", 20, 4, CLEAN):
        rows, columns = np.nonzero(picture == FAIL)
        extent = max(np.ptp(rows), np.ptp(columns)) + 1
        assert extent >= 5
        assert len(rows) < 0.15 * picture.size


def test_size_and_strength_change_the_share_of_failed_dies() -> None:
    def failed(**ranges: tuple[float, float]) -> float:
        config = WaferConfig(background=(0, 0), test_sites=0, **ranges)  # type: ignore[arg-type]
        return fail_share(simulate_many("Center", 40, 5, config), 0, 1)

    assert failed(size=(1.4, 1.4)) > 2 * failed(size=(0.8, 0.8))
    assert failed(strength=(0.4, 0.4)) < 0.6 * failed(strength=(1, 1))


def test_edge_exclusion_removes_dies_at_the_edge() -> None:
    narrow = WaferConfig(rows=(40, 40), aspect=(1, 1), edge_exclusion=(0.2, 0.2))
    picture = simulate("none", np.random.default_rng(0), narrow)
    assert not picture[:3].any()
    assert picture[5:35, 20].all()


def test_the_same_seed_gives_the_same_wafers_and_a_longer_list_starts_with_them() -> None:
    first, longer = simulate_many("Loc", 5, 7), simulate_many("Loc", 8, 7)
    other = simulate_many("Loc", 5, 8)
    assert all(np.array_equal(a, b) for a, b in zip(first, longer, strict=False))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))
    assert simulate_many("Loc", 0, 7) == []


def test_tiny_and_odd_grids_work() -> None:
    config = WaferConfig(rows=(5, 5), aspect=(0.25, 4))
    for pattern in PATTERNS:
        for picture in simulate_many(pattern, 5, 0, config):
            assert min(picture.shape) >= 4


@pytest.mark.parametrize(
    "ranges",
    [{"rows": (50, 20)}, {"rows": (0, 5)}, {"background": (0, float("nan"))},
     {"strength": (0, 1.5)}, {"test_sites": 2.0}],
)  # fmt: skip
def test_an_invalid_range_is_refused(ranges: dict[str, object]) -> None:
    (name,) = ranges
    with pytest.raises(ParameterError, match=rf"Simulator: {name} is .* between"):
        WaferConfig(**ranges)  # type: ignore[arg-type]


def test_an_unknown_pattern_is_refused() -> None:
    with pytest.raises(ParameterError, match="no pattern “Centre”; choose one of Center, Donut"):
        simulate_many("Centre", 1, 0)
    with pytest.raises(ParameterError, match="must be 0 or more"):
        simulate_many("Center", -1, 0)
