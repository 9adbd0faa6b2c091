"""Wafers from process factors: each factor has its effect, in its unit."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from wafer_core import simulator
from wafer_core.errors import ParameterError
from wafer_core.images import FAIL, NO_DIE, Picture, is_map
from wafer_core.simulator import FACTORS, LEVELS, PATTERNS, draw_values, factors_of
from wafer_core.simulator.factors import Factor

# A large round grid on which only the positions of single dies are random.
PLAIN = {
    "rows": 81, "aspect": 1, "edge_exclusion": 0, "notch_rotation": 0, "density": 0,
    "rim_weakness": 1, "centre_weakness": 1, "unevenness": 0, "strength": 100, "raggedness": 0,
    "angle": 0, "centre_offset": 0, "cluster_size": 20, "cluster_stretch": 1, "cluster_count": 1,
    "ring_radius": 50, "ring_width": 20, "arc": 360, "scratch_length": 80, "scratch_curvature": 0,
    "scratch_width": 1, "scratch_heading": 0,
}  # fmt: skip


def make(pattern: str, count: int = 1, seed: int = 0, **factors: float) -> list[Picture]:
    values = {**PLAIN, **factors}
    table = {name: np.full(count, float(values[name])) for name in factors_of(pattern)}
    return simulator.simulate_factors(pattern, table, seed)


def failed(picture: Picture) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the failed dies: x to the right and y down, in radii."""
    H, W = picture.shape
    row, column = np.nonzero(picture == FAIL)
    return (2 * column + 1) / W - 1, (2 * row + 1) / H - 1


def share(picture: Picture) -> float:
    return float((picture == FAIL).sum() / (picture != NO_DIE).sum())


def test_every_factor_has_a_title_help_and_valid_ranges() -> None:
    for name, factor in FACTORS.items():
        assert factor.title[0].isupper()
        assert len(factor.help.split()) >= 5
        assert factor.help.endswith(".")
        assert factor.limits[0] <= min(factor.levels)
        assert max(factor.levels) <= factor.limits[1]
        assert list(factor.levels) == sorted(set(factor.levels)), name
        assert set(factor.ranges) <= set(PATTERNS)
        for low, high in factor.ranges.values():
            assert factor.limits[0] <= low <= high <= factor.limits[1], name
        assert [factor.value(level) for level in LEVELS] == list(factor.levels)
    assert set(PLAIN) == set(FACTORS)


def test_ring_radius_and_width_are_those_of_the_failed_dies() -> None:
    (picture,) = make("Donut", ring_radius=50, ring_width=20)
    radius = np.hypot(*failed(picture))
    pitch = 2 / 81
    assert 0.4 - pitch <= radius.min() <= 0.4 + pitch
    assert 0.6 - pitch <= radius.max() <= 0.6 + pitch
    # π (0.6² - 0.4²) of the whole disc π: a fifth
    assert share(picture) == pytest.approx(0.2, abs=0.02)


def test_the_centre_offset_moves_the_cluster() -> None:
    for angle, expected in ((0, (0, -0.3)), (90, (0.3, 0)), (180, (0, 0.3)), (270, (-0.3, 0))):
        (picture,) = make("Center", centre_offset=30, angle=angle)
        x, y = failed(picture)
        np.testing.assert_allclose((x.mean(), y.mean()), expected, atol=0.005)


def test_notch_rotation_rotates_the_pattern_clockwise_and_not_the_die_grid() -> None:
    before, rotated = (
        make("Loc", centre_offset=50, angle=0, notch_rotation=turn)[0] for turn in (0, 90)
    )
    np.testing.assert_array_equal(before == NO_DIE, rotated == NO_DIE)
    assert np.mean(failed(before)[1]) == pytest.approx(-0.5, abs=0.01)
    assert np.mean(failed(rotated)[0]) == pytest.approx(0.5, abs=0.01)


def test_length_and_width_of_a_straight_scratch() -> None:
    (picture,) = make("Scratch", scratch_length=80, angle=0, centre_offset=0, scratch_heading=0)
    x, y = failed(picture)
    assert np.ptp(y) == pytest.approx(0.8, abs=0.06)
    assert np.ptp(x) <= 4 * 2 / 81
    (wide,) = make("Scratch", scratch_width=4)
    assert len(failed(wide)[0]) == pytest.approx(4 * 0.8 / (2 / 81), rel=0.25)


def test_a_curved_scratch_is_an_arc_of_its_circle() -> None:
    """60° per radius of length is a circle of radius 3/π; the ends bend to the right."""
    (picture,) = make("Scratch", scratch_curvature=60, scratch_length=150)
    x, y = failed(picture)
    radius = 1 / np.radians(60)
    off = np.hypot(x - radius, y) - radius
    assert np.abs(off).max() < 3 * 2 / 81
    assert np.ptp(x) > 0.2


def test_edge_exclusion_and_the_depth_of_edge_patterns() -> None:
    (picture,) = make("Edge-Ring", edge_exclusion=10, ring_width=25)
    H, W = picture.shape
    y, x = np.mgrid[:H, :W]
    radius = np.hypot((2 * y + 1) / H - 1, (2 * x + 1) / W - 1)
    assert not picture[radius > 0.9].any()
    assert (picture[(radius > 0.78) & (radius < 0.9)] == FAIL).all()
    assert not (picture[radius < 0.72] == FAIL).any()


def test_arc_is_the_angle_that_an_edge_pattern_covers() -> None:
    (picture,) = make("Edge-Loc", arc=90, angle=90, ring_width=30)
    x, y = failed(picture)
    direction = np.degrees(np.arctan2(x, -y))
    assert 45 <= direction.min() <= 60
    assert 120 <= direction.max() <= 135
    assert make("Donut", arc=360)[0].sum() > make("Donut", arc=180)[0].sum()


def test_cluster_count_is_the_number_of_clusters() -> None:
    from scipy import ndimage

    for count in (1, 2, 3):
        for picture in make("Loc", 5, cluster_count=count, centre_offset=60, cluster_size=15):
            assert ndimage.label(picture == FAIL, np.ones((3, 3)))[1] == count


def test_density_is_the_share_of_failed_dies() -> None:
    for density in (2, 10, 30):
        shares = [share(picture) for picture in make("none", 10, density=density)]
        assert np.mean(shares) == pytest.approx(density / 100, rel=0.06)
    weak = make("none", density=10, rim_weakness=4)[0]
    assert np.hypot(*failed(weak)).mean() > np.hypot(*failed(make("none", density=10)[0])).mean()
    middle = make("none", 5, density=5, centre_weakness=10)
    assert np.mean([(np.hypot(*failed(p)) < 0.12).sum() for p in middle]) > 20


@pytest.mark.parametrize(
    ("pattern", "name", "levels"),
    [("none", "density", (5, 10, 30)), ("Center", "strength", (40, 70, 100)),
     ("Center", "cluster_size", (10, 20, 40)), ("Edge-Ring", "ring_width", (5, 10, 20)),
     ("Edge-Loc", "arc", (30, 60, 120)), ("Loc", "cluster_size", (10, 20, 40)),
     ("Scratch", "scratch_length", (40, 80, 150)), ("Scratch", "scratch_width", (1, 2, 3)),
     ("Donut", "ring_width", (10, 20, 30))],
)  # fmt: skip
def test_a_higher_level_fails_more_dies_and_no_die_recovers(
    pattern: str, name: str, levels: tuple[float, ...]
) -> None:
    """Wafers of one number share everything random: levels differ only by the factor."""
    made = [make(pattern, 6, density=5, **{name: level})
            if name != "density" else make(pattern, 6, density=level)
            for level in levels]  # fmt: skip
    for wafers in zip(*made, strict=True):
        for less, more in itertools.pairwise(wafers):
            assert ((more == FAIL) >= (less == FAIL)).all()
            assert (more == FAIL).sum() > (less == FAIL).sum()


def test_unevenness_varies_the_density() -> None:
    def blocks(unevenness: float) -> float:
        wafers = make("Random", 20, density=30, unevenness=unevenness)
        return float(np.mean([np.std((p[20:60, 20:60] == FAIL).reshape(4, 10, 4, 10).mean((1, 3)))
                              for p in wafers]))  # fmt: skip

    assert blocks(0.8) > 2 * blocks(0)


def test_ragged_borders_scatter_dies_around_the_shape() -> None:
    sharp, ragged = (
        np.hypot(*failed(make("Center", raggedness=r, cluster_size=30)[0])) for r in (0, 1.5)
    )
    assert sharp.max() < 0.35 < ragged.max()


def test_wafers_do_not_depend_on_the_rest_of_the_batch() -> None:
    values = draw_values("Loc", 30, 5)
    together = simulator.simulate_factors("Loc", values, 9)
    alone = simulator.simulate_factors("Loc", {k: v[20:21] for k, v in values.items()}, 9, [20])
    np.testing.assert_array_equal(together[20], alone[0])
    again = simulator.simulate_factors("Loc", values, 9)
    assert all(np.array_equal(a, b) for a, b in zip(together, again, strict=True))
    other = simulator.simulate_factors("Loc", values, 10)
    assert not all(np.array_equal(a, b) for a, b in zip(together, other, strict=True))


def test_a_larger_count_starts_with_the_same_factors() -> None:
    few, many = draw_values("Scratch", 3, 1), draw_values("Scratch", 9, 1)
    for name in factors_of("Scratch"):
        np.testing.assert_array_equal(few[name], many[name][:3])
    assert (draw_values("Scratch", 4, 1, {"scratch_length": 70})["scratch_length"] == 70).all()


@pytest.mark.parametrize("pattern", PATTERNS)
def test_drawn_wafers_are_maps_of_their_grid(pattern: str) -> None:
    values = draw_values(pattern, 25, 3)
    for k, picture in enumerate(simulator.simulate_factors(pattern, values, 3)):
        assert picture.shape[0] == values["rows"][k]
        assert is_map(picture) or pattern == "Near-full"
        assert 0.7 < (picture != NO_DIE).mean() < 0.85


def test_given_die_grids_are_used() -> None:
    mask = np.zeros((11, 17), bool)
    mask[3:8, 2:15] = True
    mask[5, 5] = False
    table = {name: np.array([float(PLAIN[name])] * 2) for name in factors_of("Random")}
    table["density"][:] = 50
    one, two = simulator.simulate_factors("Random", table, 0, None, [mask, np.ones((4, 4), bool)])
    np.testing.assert_array_equal(one != NO_DIE, mask)
    assert two.shape == (4, 4)


def test_huge_and_tiny_grids_work() -> None:
    for pattern in PATTERNS:
        for rows in FACTORS["rows"].limits:
            for aspect in FACTORS["aspect"].limits:
                (picture,) = make(pattern, rows=rows, aspect=aspect, density=5)
                assert picture.shape == (rows, max(round(rows * aspect), 4))


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("end", [0, 1])
def test_all_factors_at_their_limits_work_together(pattern: str, end: int) -> None:
    ends = {name: factor.limits[end] for name, factor in factors_of(pattern).items()}
    (picture,) = make(pattern, **{**ends, "rows": 20, "aspect": 1})
    assert set(np.unique(picture)) <= {0, 127, 255}


def test_a_wrong_pattern_factor_or_value_is_refused() -> None:
    with pytest.raises(ParameterError, match="no pattern “Centre”; choose one of Center"):
        draw_values("Centre", 1, 0)
    with pytest.raises(ParameterError, match="“ring_radius” does not apply to the pattern Loc"):
        draw_values("Loc", 1, 0, {"ring_radius": 30})
    with pytest.raises(ParameterError, match="no factor “lenght”; the factors of Loc"):
        draw_values("Loc", 1, 0, {"lenght": 30})
    values = draw_values("Loc", 2, 0)
    with pytest.raises(ParameterError, match="also needs values for angle"):
        simulator.simulate_factors("Loc", {k: v for k, v in values.items() if k != "angle"}, 0)
    for wrong in (np.array([5.0]), np.array([1.0, 200.0]), np.array([1.0, np.nan])):
        with pytest.raises(ParameterError, match="strength must be 2 numbers from 0 to 100 %"):
            simulator.simulate_factors("Loc", {**values, "strength": wrong}, 0)


@pytest.mark.parametrize("level", ["medium", "", 101, -1, float("nan"), True, None])
def test_a_wrong_level_is_refused(level: object) -> None:
    factor: Factor = FACTORS["density"]
    with pytest.raises(ParameterError, match="use low, mid, high or a number from 0 to 100 %"):
        factor.value(level)  # type: ignore[arg-type]
