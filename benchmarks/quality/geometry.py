"""Wafers drawn from geometric shapes: a simulator that is never used for pretraining.

WaferNet is pretrained with the simulator of the program, so its wafers are no test for those of
other sources. These are drawn by different rules on purpose: geometric shapes with sharp borders,
whose dies all fail equally often. For benchmarks only: never pretrain with it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wafer_core.images import FAIL, NO_DIE, PASS, Picture

SIDE = 52  # dies per side, as in MixedWM38
_NOISE = (0.01, 0.08)  # share of other dies that fail
_STRENGTH = (0.7, 1.0)  # share of dies of a shape that fail

Inside = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class _Plane:
    """Positions of the dies of a wafer with radius 1, and random numbers."""

    x: npt.NDArray[np.float64]  # (H, W)
    y: npt.NDArray[np.float64]
    rng: np.random.Generator

    def between(self, low: float, high: float) -> float:
        return float(self.rng.uniform(low, high))

    def radius(self) -> npt.NDArray[np.float64]:
        return np.hypot(self.x, self.y)

    def from_point(self, distance: float) -> npt.NDArray[np.float64]:
        """Distance from a random point, which has some distance from the centre of the wafer."""
        direction = self.between(0, 2 * math.pi)
        x, y = distance * math.cos(direction), distance * math.sin(direction)
        return np.hypot(self.x - x, self.y - y)

    def disc(self, distance: float, radius: float) -> Inside:
        """A disc whose centre has some distance from that of the wafer."""
        return np.asarray(self.from_point(distance) < radius)


def _center(p: _Plane) -> Inside:
    return p.disc(p.between(0, 0.08), p.between(0.15, 0.35))


def _donut(p: _Plane) -> Inside:
    inner = p.between(0.2, 0.4)
    radius = p.from_point(p.between(0, 0.08))
    return np.asarray((radius > inner) & (radius < inner + p.between(0.12, 0.3)))


def _edge_loc(p: _Plane) -> Inside:
    middle, half = p.between(-math.pi, math.pi), math.radians(p.between(15, 50))
    angle = np.abs((np.arctan2(p.y, p.x) - middle + math.pi) % (2 * math.pi) - math.pi)
    return np.asarray((angle < half) & (p.radius() > 1 - p.between(0.1, 0.3)))


def _edge_ring(p: _Plane) -> Inside:
    return np.asarray(p.radius() > 1 - p.between(0.06, 0.15))


def _loc(p: _Plane) -> Inside:
    return p.disc(p.between(0.4, 0.65), p.between(0.1, 0.22))


def _near_full(p: _Plane) -> Inside:
    return ~p.disc(p.between(0.5, 1), p.between(0, 0.3))


def _scratch(p: _Plane) -> Inside:
    """A straight line, one or two dies wide."""
    heading, half = p.between(0, math.pi), p.between(0.3, 0.7)
    x, y = p.rng.uniform(-0.4, 0.4, 2)
    along = (p.x - x) * math.cos(heading) + (p.y - y) * math.sin(heading)
    across = (p.y - y) * math.cos(heading) - (p.x - x) * math.sin(heading)
    return np.asarray((np.abs(along) < half) & (np.abs(across) < p.between(1, 2) / SIDE))


_SHAPES: dict[str, Callable[[_Plane], Inside]] = {
    "Center": _center,
    "Donut": _donut,
    "Edge-Loc": _edge_loc,
    "Edge-Ring": _edge_ring,
    "Loc": _loc,
    "Near-full": _near_full,
    "Scratch": _scratch,
}


def draw(patterns: tuple[str, ...], rng: np.random.Generator) -> Picture:
    """A wafer with some patterns; without any: only noise.

    Args:
        patterns: From ``simulator.PATTERNS``; ``Random`` only alone.
        rng: Random numbers.

    Returns:
        (52, 52), one pixel per die: no die, pass, fail.
    """
    line = (2 * np.arange(SIDE) + 1) / SIDE - 1
    plane = _Plane(*np.meshgrid(line, line), rng=rng)
    noise = plane.between(0.2, 0.5) if "Random" in patterns else plane.between(*_NOISE)
    fails = rng.random(plane.x.shape) < noise
    for name in patterns:
        if name in _SHAPES:
            solid = rng.random(plane.x.shape) < plane.between(*_STRENGTH)
            fails |= _SHAPES[name](plane) & solid
    wafer = np.where(fails, FAIL, PASS).astype(np.uint8)
    wafer[plane.radius() > 1] = NO_DIE
    return wafer
