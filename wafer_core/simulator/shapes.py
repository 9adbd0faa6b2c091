"""The nine patterns as formulas: how likely a die fails, from its place and its wafer's factors."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from wafer_core.simulator.dies import Dies, Vector, length

_BACKGROUND, _BORDER, _TREMBLE = 0, 1, 2  # fields of noise
_TURN = np.float32(2 * math.pi)


def background(w: Dies) -> Vector:
    """How likely a die fails without a pattern (M,)."""
    # only the outermost dies: real maps show no slope before them
    rim = (w.value("rim_weakness") - 1) * np.exp(30 * (w.radius - 1))
    # an eighth of the radius: the few dies under the middle of a spin, a nozzle, a chuck
    middle = (w.value("centre_weakness") - 1) * np.exp(-32 * w.radius * w.radius)
    chance = w.value("density") * (1 + rim + middle)
    uneven = w.value("unevenness")
    if uneven.any():
        chance = chance * np.exp(uneven * w.noise(_BACKGROUND, 5) - uneven**2 / 2)
    return np.asarray(np.clip(chance, 0, 1))


def _soft(w: Dies, depth: Vector, size: Vector) -> Vector:
    """1 deep in a shape to 0 out of it (M,), from the depth in it and its half width (M,)."""
    ragged = w.value("raggedness")
    # at raggedness 1 the border is as wide as half the shape
    blur = np.maximum(ragged * size, 0.4 * w.each(w.pitch))
    rough = depth + 0.45 * np.minimum(ragged, 1) * blur * w.noise(_BORDER, 9)
    return np.asarray(np.clip(rough / blur + 0.5, 0, 1))


def _away(w: Dies, direction: Vector, middle: Vector) -> Vector:
    """How far directions of dies (M,), −π to π, are from those of their wafers (N,): 0 to π."""
    middle = (middle + np.float32(math.pi)) % _TURN - np.float32(math.pi)
    apart = np.abs(direction - w.each(middle))
    return np.asarray(np.minimum(apart, _TURN - apart))


def _middle(w: Dies, direction: Vector, distance: Vector) -> tuple[Vector, Vector]:
    """Places (x, y) of wafers' patterns (N,)."""
    return distance * np.sin(direction), -distance * np.cos(direction)


def _blob(w: Dies, direction: Vector, number: int) -> Vector:
    """1 in a round or long cluster to 0 out of it (M,); its middle lies in ``direction`` (N,)."""
    x, y = _middle(w, direction, w.values["centre_offset"])
    tilt = w.spare[:, number] * np.float32(math.pi)
    if "cluster_stretch" in w.values:
        stretch = np.sqrt(w.value("cluster_stretch"))
        dx, dy = w.x - w.each(x), w.y - w.each(y)
        cosine, sine = w.each(np.cos(tilt)), w.each(np.sin(tilt))
        along, across = dx * cosine + dy * sine, dy * cosine - dx * sine
        distance = length(along / stretch, across * stretch)
    else:
        distance = length(w.x - w.each(x), w.y - w.each(y))
    size = w.value("cluster_size")
    return _soft(w, size - distance, size)


def _several(w: Dies, one: Callable[[Vector, int], Vector]) -> Vector:
    """The largest (M,) of a few shapes that lie around the wafer, the first at ``angle``."""
    count = w.values["cluster_count"]
    total = one(w.values["angle"], 0)
    for number in range(1, round(float(count.max()))):
        # evenly around the wafer, and up to a third of the way to the next beside that
        step = (number + (w.spare[:, 4 + number] - 0.5) * np.float32(0.6)) / count
        shape = one(w.values["angle"] + _TURN * step, number)
        total = np.where(w.value("cluster_count") > number, np.maximum(total, shape), total)
    return total


def _center(w: Dies) -> Vector:
    return w.value("strength") * _blob(w, w.values["angle"], 0)


def _loc(w: Dies) -> Vector:
    return w.value("strength") * _several(w, lambda direction, number: _blob(w, direction, number))


def _arc(w: Dies, away: Vector) -> Vector:
    """1 on an arc to 0 in its gap (M,); 360° has no gap."""
    half = w.value("arc") / 2
    within = np.clip((half - away) / np.float32(0.35) + 0.5, 0, 1)
    return np.where(half > np.float32(math.pi - 1e-3), np.float32(1), within)


def _donut(w: Dies) -> Vector:
    x, y = _middle(w, w.values["angle"], w.values["centre_offset"])
    dx, dy = w.x - w.each(x), w.y - w.each(y)
    half = w.value("ring_width") / 2
    depth = half - np.abs(length(dx, dy) - w.value("ring_radius"))
    direction = np.arctan2(dx, -dy)
    away = _away(w, direction, w.values["angle"])
    return w.value("strength") * _soft(w, depth, half) * _arc(w, away)


def _edge_ring(w: Dies) -> Vector:
    width = w.value("ring_width")
    depth = width - (1 - w.radius)
    away = _away(w, w.direction, w.values["angle"])
    return w.value("strength") * _soft(w, depth, width / 2) * _arc(w, away)


def _edge_loc(w: Dies) -> Vector:
    half, deepest = w.value("arc") / 2, w.value("ring_width")

    def piece(direction: Vector, number: int) -> Vector:
        profile = np.sqrt(np.clip(1 - _away(w, w.direction, direction) / half, 0, 1))
        shape = _soft(w, deepest * profile - (1 - w.radius), deepest / 2)
        return np.where(profile > 0, shape, np.float32(0))

    return w.value("strength") * _several(w, piece)


def _scratch(w: Dies) -> Vector:
    # a full circle has no ends, and none is that tight
    bend = np.maximum(w.values["scratch_curvature"], np.float32(1e-3))  # radians a radius
    reach = np.minimum(w.values["scratch_length"], np.float32(1.9 * math.pi) / bend)
    half_width = (np.float32(0.12) + np.float32(0.5) * w.values["scratch_width"]) * w.pitch
    tremble = np.float32(0.3) * w.each(w.pitch) * w.noise(_TREMBLE, 9)

    def line(direction: Vector, number: int) -> Vector:
        x, y = _middle(w, direction, w.values["centre_offset"])
        heading = direction + w.values["scratch_heading"]
        if number:  # a second one runs its own way
            heading = heading + np.float32(math.pi) * w.spare[:, 9 + number]
        # the arc's own centre lies to the right of its heading
        right_x, right_y = np.cos(heading), np.sin(heading)
        centre_x, centre_y = x + right_x / bend, y + right_y / bend
        dx, dy = w.x - w.each(centre_x), w.y - w.each(centre_y)
        off = length(dx, dy) - w.each(1 / bend)
        along = -(dx * w.each(right_x) + dy * w.each(right_y))
        aside = dx * w.each(right_y) - dy * w.each(right_x)
        way = np.abs(np.arctan2(aside, along)) * w.each(1 / bend)
        near = np.abs(off + tremble) < w.each(half_width)
        return np.asarray(near & (way <= w.each(reach / 2)), np.float32)

    return w.value("strength") * _several(w, line)


def _near_full(w: Dies) -> Vector:
    # what passes lies together in a patch, often at the rim
    return w.value("strength") * (1 - np.float32(0.9) * _blob(w, w.values["angle"], 0))


def _nothing(w: Dies) -> Vector:
    return np.zeros_like(w.x)


SHAPES: dict[str, Callable[[Dies], Vector]] = {
    "Center": _center,
    "Donut": _donut,
    "Edge-Loc": _edge_loc,
    "Edge-Ring": _edge_ring,
    "Loc": _loc,
    "Near-full": _near_full,
    "Random": _nothing,  # its density is its pattern
    "Scratch": _scratch,
    "none": _nothing,
}
