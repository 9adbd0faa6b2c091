"""Summary statistics: measured on wafers whose values are known."""

from __future__ import annotations

import numpy as np
import pytest

from wafer_core.images import FAIL, NO_DIE, Picture
from wafer_core.simulator import PATTERNS, die_grid, simulate_many
from wafer_core.simulator.summary_statistics import NAMES, distances, summary_statistics
from wafers import disc


def measured(picture: Picture) -> dict[str, float]:
    values, _ = summary_statistics([picture])
    return dict(zip(NAMES, values[0].tolist(), strict=True))


def bar(x: float, y: float, half_x: float, half_y: float, size: int = 61) -> Picture:
    """A wafer with a rectangle of failed dies around (x, y), in radii."""
    picture = disc(size)
    centre = (2 * np.arange(size) + 1) / size - 1
    inside = (np.abs(centre[None] - x) <= half_x) & (np.abs(centre[:, None] - y) <= half_y)
    picture[inside & (picture != NO_DIE)] = FAIL
    return picture


def test_wafers_without_a_failed_die_and_without_a_passed_die() -> None:
    nothing = measured(disc(30))
    assert all(value == pytest.approx(0, abs=1e-3) for value in nothing.values())
    full = disc(30)
    full[full != NO_DIE] = FAIL
    values = measured(full)
    assert values["failed"] == 1
    assert all(values[f"ring_{k}"] == pytest.approx(1, abs=1e-6) for k in range(8))
    assert values["largest"] == pytest.approx(1, abs=0.05)
    assert values["second"] == values["clusters"] == 0


def test_length_thickness_and_distance_of_a_bar() -> None:
    values = measured(bar(0.5, 0, 0.3, 0.1))
    assert values["length"] == pytest.approx(
        0.3, abs=0.02
    )  # half the length; the same for the thickness
    assert values["thickness"] == pytest.approx(0.1, abs=0.02)
    assert values["distance"] == pytest.approx(0.5, abs=0.01)
    assert values["radial"] > 0.3  # radial
    assert measured(bar(0.5, 0, 0.1, 0.3))["radial"] < -0.3  # tangential
    assert values["failed"] ** 2 == pytest.approx(0.6 * 0.2 / np.pi, abs=0.005)


def test_rings_and_lobes() -> None:
    picture = disc(80)
    y, x = (2 * np.indices((80, 80)) + 1) / 80 - 1
    radius = np.hypot(x, y)
    picture[(radius >= 0.5) & (radius < 0.625)] = FAIL
    values = measured(picture)
    assert values["ring_4"] == pytest.approx(1, abs=1e-6)
    assert all(values[f"ring_{k}"] == pytest.approx(0, abs=1e-3) for k in (0, 1, 2, 3, 5, 6, 7))
    assert all(values[f"lobes_{k}_belt"] < 0.1 for k in (1, 2, 3))
    one_side = np.where((x > 0) & (picture == FAIL), picture, disc(80)).astype(np.uint8)
    assert measured(one_side)["lobes_1_belt"] > 0.3


def test_the_bearing_is_clockwise_from_the_top() -> None:
    centres = ((0, -0.6), (0.6, 0), (0, 0.6), (-0.6, 0))
    _, bearing = summary_statistics([bar(x, y, 0.1, 0.1) for x, y in centres])
    np.testing.assert_allclose(np.degrees(bearing + 0.1) % 360 - 5.73, (0, 90, 180, 270), atol=1)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_rotated_and_mirrored_wafers_have_the_same_statistics(pattern: str) -> None:
    (picture,) = simulate_many(pattern, 1, 5)
    rotated = [np.rot90(side, k) for side in (picture, picture[:, ::-1]) for k in range(4)]
    values, _ = summary_statistics([np.ascontiguousarray(p) for p in rotated])
    np.testing.assert_allclose(values, np.repeat(values[:1], 8, 0), atol=1e-3)


def test_wafers_are_measured_independently() -> None:
    wafers = [*simulate_many("Loc", 6, 0), *simulate_many("Scratch", 6, 0)]
    together, bearing = summary_statistics(wafers)
    for k, wafer in enumerate(wafers):
        alone, direction = summary_statistics([wafer])
        np.testing.assert_allclose(alone[0], together[k], atol=1e-5)
        assert direction[0] == pytest.approx(bearing[k], abs=1e-4)
    none, no_bearing = summary_statistics([])
    assert (none.shape, no_bearing.shape) == ((0, len(NAMES)), (0,))


def test_a_wafer_without_dies_and_the_smallest_wafer() -> None:
    for picture in (np.zeros((9, 9), np.uint8), np.full((4, 4), FAIL, np.uint8),
                    die_grid(4, 4).astype(np.uint8) * FAIL):  # fmt: skip
        values, bearing = summary_statistics([picture])
        assert np.isfinite(values).all()
        assert np.isfinite(bearing).all()


def test_distances_by_hand() -> None:
    scales = np.ones(len(NAMES))
    zero, one = np.zeros((1, len(NAMES))), np.ones((1, len(NAMES)))
    np.testing.assert_allclose(distances(zero, np.concatenate([zero, one]), scales), [[0, 1]])
    np.testing.assert_allclose(distances(one, zero, 2 * scales), [[0.5]])


def test_patterns_are_separated() -> None:
    """Wafers of one pattern are nearer to each other than to those of another."""
    statistics = {name: summary_statistics(simulate_many(name, 20, 1))[0] for name in PATTERNS}
    scales = np.concatenate(list(statistics.values())).std(0)
    for name in ("Center", "Donut", "Edge-Ring", "Near-full", "Random", "none"):
        within = np.median(distances(statistics[name], statistics[name], scales))
        for other in PATTERNS:
            if other != name:
                assert within < np.median(distances(statistics[name], statistics[other], scales)), (
                    other
                )
