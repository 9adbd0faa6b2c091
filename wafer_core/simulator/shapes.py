"""The nine patterns as formulas: fail probability of a die from its position and the factors."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from wafer_core.simulator.dies import Dies, Vector, length

_BACKGROUND, _BORDER, _JITTER = 0, 1, 2  # noise fields
_TURN = np.float32(2 * math.pi)


def background(w: Dies) -> Vector:
    """Fail probability without a pattern (M,)."""
    # only the outermost dies: real maps show no gradient further in
    rim = (w.value("rim_weakness") - 1) * np.exp(30 * (w.radius - 1))
    # an eighth of the radius: the dies at the centre of a spin coater, nozzle or chuck
    middle = (w.value("centre_weakness") - 1) * np.exp(-32 * w.radius * w.radius)
    chance = w.value("density") * (1 + rim + middle)
    uneven = w.value("unevenness")
    if uneven.any():
        chance = chance * np.exp(uneven * w.noise(_BACKGROUND, 5) - uneven**2 / 2)
    return np.asarray(np.clip(chance, 0, 1))


def _soft(w: Dies, depth: Vector, size: Vector) -> Vector:
    """1 inside a shape to 0 outside (M,), from the depth in it and its half width (M,)."""
    ragged = w.value("raggedness")
    # with raggedness 1 the border is half as wide as the shape
    blur = np.maximum(ragged * size, 0.4 * w.per_die(w.pitch))
    rough = depth + 0.45 * np.minimum(ragged, 1) * blur * w.noise(_BORDER, 9)
    return np.asarray(np.clip(rough / blur + 0.5, 0, 1))


def _angle_to(w: Dies, direction: Vector, middle: Vector) -> Vector:
    """Angle (M,), 0 to π, between the directions of the dies (M,) and of their wafers (N,)."""
    middle = (middle + np.float32(math.pi)) % _TURN - np.float32(math.pi)
    apart = np.abs(direction - w.per_die(middle))
    return np.asarray(np.minimum(apart, _TURN - apart))


def _position(w: Dies, direction: Vector, distance: Vector) -> tuple[Vector, Vector]:
    """Position (x, y) of the pattern of each wafer (N,)."""
    return distance * np.sin(direction), -distance * np.cos(direction)


def _blob(w: Dies, direction: Vector, number: int) -> Vector:
    """1 inside an elliptic cluster to 0 outside (M,); its centre is in ``direction`` (N,)."""
    x, y = _position(w, direction, w.values["centre_offset"])
    tilt = w.spare[:, number] * np.float32(math.pi)
    if "cluster_stretch" in w.values:
        stretch = np.sqrt(w.value("cluster_stretch"))
        dx, dy = w.x - w.per_die(x), w.y - w.per_die(y)
        cosine, sine = w.per_die(np.cos(tilt)), w.per_die(np.sin(tilt))
        along, across = dx * cosine + dy * sine, dy * cosine - dx * sine
        distance = length(along / stretch, across * stretch)
    else:
        distance = length(w.x - w.per_die(x), w.y - w.per_die(y))
    size = w.value("cluster_size")
    return _soft(w, size - distance, size)


def _several(w: Dies, one: Callable[[Vector, int], Vector]) -> Vector:
    """Maximum (M,) of a few shapes around the wafer, the first at ``angle``."""
    count = w.values["cluster_count"]
    total = one(w.values["angle"], 0)
    for number in range(1, round(float(count.max()))):
        # evenly spaced, with an offset of up to 30% of the spacing
        step = (number + (w.spare[:, 4 + number] - 0.5) * np.float32(0.6)) / count
        shape = one(w.values["angle"] + _TURN * step, number)
        total = np.where(w.value("cluster_count") > number, np.maximum(total, shape), total)
    return total


def _center(w: Dies) -> Vector:
    return w.value("strength") * _blob(w, w.values["angle"], 0)


def _loc(w: Dies) -> Vector:
    return w.value("strength") * _several(w, lambda direction, number: _blob(w, direction, number))


def _arc(w: Dies, angle: Vector) -> Vector:
    """1 on an arc to 0 in its gap (M,); 360° has no gap."""
    half = w.value("arc") / 2
    within = np.clip((half - angle) / np.float32(0.35) + 0.5, 0, 1)
    return np.where(half > np.float32(math.pi - 1e-3), np.float32(1), within)


def _donut(w: Dies) -> Vector:
    x, y = _position(w, w.values["angle"], w.values["centre_offset"])
    dx, dy = w.x - w.per_die(x), w.y - w.per_die(y)
    half = w.value("ring_width") / 2
    depth = half - np.abs(length(dx, dy) - w.value("ring_radius"))
    direction = np.arctan2(dx, -dy)
    angle = _angle_to(w, direction, w.values["angle"])
    return w.value("strength") * _soft(w, depth, half) * _arc(w, angle)


def _edge_ring(w: Dies) -> Vector:
    width = w.value("ring_width")
    depth = width - (1 - w.radius)
    angle = _angle_to(w, w.direction, w.values["angle"])
    return w.value("strength") * _soft(w, depth, width / 2) * _arc(w, angle)


def _edge_loc(w: Dies) -> Vector:
    half, deepest = w.value("arc") / 2, w.value("ring_width")

    def segment(direction: Vector, number: int) -> Vector:
        profile = np.sqrt(np.clip(1 - _angle_to(w, w.direction, direction) / half, 0, 1))
        shape = _soft(w, deepest * profile - (1 - w.radius), deepest / 2)
        return np.where(profile > 0, shape, np.float32(0))

    return w.value("strength") * _several(w, segment)


def _scratch(w: Dies) -> Vector:
    # a scratch never closes to a full circle
    bend = np.maximum(w.values["scratch_curvature"], np.float32(1e-3))  # radians per radius
    reach = np.minimum(w.values["scratch_length"], np.float32(1.9 * math.pi) / bend)
    half_width = (np.float32(0.12) + np.float32(0.5) * w.values["scratch_width"]) * w.pitch
    jitter = np.float32(0.3) * w.per_die(w.pitch) * w.noise(_JITTER, 9)

    def line(direction: Vector, number: int) -> Vector:
        x, y = _position(w, direction, w.values["centre_offset"])
        heading = direction + w.values["scratch_heading"]
        if number:  # the second one has a heading of its own
            heading = heading + np.float32(math.pi) * w.spare[:, 9 + number]
        # the centre of the arc is to the right of its heading
        right_x, right_y = np.cos(heading), np.sin(heading)
        centre_x, centre_y = x + right_x / bend, y + right_y / bend
        dx, dy = w.x - w.per_die(centre_x), w.y - w.per_die(centre_y)
        off = length(dx, dy) - w.per_die(1 / bend)
        along = -(dx * w.per_die(right_x) + dy * w.per_die(right_y))
        aside = dx * w.per_die(right_y) - dy * w.per_die(right_x)
        way = np.abs(np.arctan2(aside, along)) * w.per_die(1 / bend)
        near = np.abs(off + jitter) < w.per_die(half_width)
        return np.asarray(near & (way <= w.per_die(reach / 2)), np.float32)

    return w.value("strength") * _several(w, line)


def _near_full(w: Dies) -> Vector:
    # the dies that pass form a patch, often at the edge
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
