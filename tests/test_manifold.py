"""Curvature of point clouds: half circles, lines and groups whose distances are known."""

from __future__ import annotations

import numpy as np
import pytest

from wafer_core.errors import InputError
from wafer_core.tasks.classification import manifold


def half_circle(count: int) -> manifold.Floats:
    angle = np.linspace(0, np.pi, count)
    return np.stack([np.cos(angle), np.sin(angle)], 1)


def test_the_ends_of_a_half_circle_are_half_a_circle_apart() -> None:
    """Two wide along the straight line, π along the circle: their ratio is π/2."""
    euclidean, geodesic = manifold.distances(half_circle(181), neighbours=2)
    assert euclidean[0, -1] == pytest.approx(2)
    assert geodesic[0, -1] == pytest.approx(np.pi, rel=1e-4)
    assert geodesic[0, -1] / euclidean[0, -1] == pytest.approx(np.pi / 2, rel=1e-4)


def test_the_mean_ratio_of_a_half_circle_is_the_integral() -> None:
    """Pairs at an angle t are t along and 2 sin(t/2) straight, and π - t of them lie so apart."""
    t = np.linspace(1e-6, np.pi, 20_001)
    weight = np.pi - t
    expected = (weight * t / (2 * np.sin(t / 2))).sum() / weight.sum()
    found = manifold.measure(half_circle(300))
    assert found.ratio == pytest.approx(expected, rel=2e-3)
    assert found.points == 300
    assert found.ratio_high > found.ratio


def test_a_line_is_flat_in_any_direction() -> None:
    line = np.linspace(0, 3, 50)[:, None] * np.array([[1.0, -2.0, 0.5]])
    found = manifold.measure(line)
    assert found.ratio == pytest.approx(1)
    assert found.ratio_high == pytest.approx(1)
    np.testing.assert_allclose(found.pairs[:, 0], found.pairs[:, 1])


def test_distant_groups_are_joined_by_the_shortest_edge() -> None:
    """Twenty points each at 0, 1, … 19 and at 100, 101, … 119: the path leads over 19 to 100."""
    line = np.concatenate([np.arange(20.0), 100 + np.arange(20.0)])[:, None]
    euclidean, geodesic = manifold.distances(line, neighbours=2)
    assert geodesic[0, -1] == pytest.approx(119)
    np.testing.assert_allclose(geodesic, euclidean)


def test_scale_rotation_and_order_change_nothing() -> None:
    rng = np.random.default_rng(0)
    points = rng.standard_normal((60, 5))
    turn = np.linalg.qr(rng.standard_normal((5, 5)))[0]
    moved = 7 * points[::-1] @ turn + 3
    assert manifold.measure(moved).ratio == pytest.approx(manifold.measure(points).ratio)


def test_a_flat_cloud_has_the_ratio_of_its_reference() -> None:
    points = np.random.default_rng(1).standard_normal((200, 3)) * [3, 1, 0.1]
    found = manifold.measure(points)
    assert found.ratio == pytest.approx(found.flat_ratio, abs=0.05)
    assert manifold.measure(half_circle(200)).flat_ratio < manifold.measure(half_circle(200)).ratio


def test_copies_count_once_and_too_few_points_are_refused() -> None:
    points = half_circle(20)
    assert manifold.measure(np.repeat(points, 3, axis=0)).points == 20
    with pytest.raises(InputError, match=r"at least 12 different pictures, but there are 5"):
        manifold.measure(np.repeat(half_circle(5), 9, axis=0))


def test_the_pairs_are_in_units_of_the_mean_distance() -> None:
    found = manifold.measure(half_circle(30), max_pairs=10_000)
    assert found.pairs.shape == (30 * 29 // 2, 2)
    assert found.pairs[:, 0].mean() == pytest.approx(1)
    assert (found.pairs[:, 1] >= found.pairs[:, 0] - 1e-9).all()
