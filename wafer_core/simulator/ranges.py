"""Random wafers of the nine WM-811K patterns, for the demo, the tests and pre-training.

A wafer is a disc of dies. Every die fails with a probability: that of the background, plus that of
the pattern, a smooth shape of random position, size and strength with a ragged border. Shapes and
ranges imitate the real wafers of MIR-WM811K (Wu, Jang and Chen, IEEE TSM 28(1), 2015); no real
wafer is used.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from wafer_core.errors import ParameterError
from wafer_core.images import FAIL, MAX_SIDE, MIN_SIDE, NO_DIE, PASS, Picture
from wafer_core.simulator.factors import PATTERNS, check_pattern

Field = npt.NDArray[np.float64]
Range = tuple[float, float]


@dataclass(frozen=True)
class WaferConfig:
    """Ranges ``(lowest, highest)`` that the values of each wafer are drawn from.

    Raises:
        ParameterError: A range is reversed, not finite or outside its limits.
    """

    # Dies from top to bottom. WM-811K has 22 to 212; most wafers have fewer than 55.
    rows: Range = (25, 54)
    # Columns divided by rows: dies are rarely square. 0.8 to 1.2 covers 90% of the real wafers.
    aspect: Range = (0.82, 1.2)
    # Width of the edge without dies, as a share of the radius. Real maps end at their last die.
    edge_exclusion: Range = (0.0, 0.0)
    # Share of dies that fail regardless of the pattern: 1 - yield of a wafer without a pattern.
    background: Range = (0.015, 0.18)
    # Fail rate of the outermost dies relative to the middle, a factor on the background.
    rim_weakness: Range = (1.0, 1.8)
    # Share of dies that fail inside the pattern: 1 is a solid shape.
    strength: Range = (0.6, 1.0)
    # Factor on the usual size of the pattern.
    size: Range = (0.7, 1.4)
    # Factor on the usual displacement of the pattern.
    displacement: Range = (0.5, 1.2)
    # How ragged the border is: 0 is sharp.
    raggedness: Range = (0.3, 1.0)
    # Probability that a wafer has a few test sites (cells without a die) inside.
    test_sites: float = 0.08

    def __post_init__(self) -> None:
        limits: dict[str, Range] = {
            "rows": (MIN_SIDE, MAX_SIDE / 4),
            "aspect": (0.25, 4),
            "edge_exclusion": (0, 0.5),
            "background": (0, 1),
            "rim_weakness": (0, 10),
            "strength": (0, 1),
            "size": (0.1, 4),
            "displacement": (0, 4),
            "raggedness": (0, 2),
        }
        for field in fields(self):
            value = getattr(self, field.name)
            low, high = value if isinstance(value, tuple) else (value, value)
            smallest, largest = limits.get(field.name, (0, 1))
            if not smallest <= low <= high <= largest:  # also false for NaN
                raise ParameterError(
                    "Simulator: {name} is {value}; use a lower and a higher number between {low:g} "
                    "and {high:g}.",
                    name=field.name,
                    value=str(value),
                    low=smallest,
                    high=largest,
                )


@dataclass(frozen=True)
class _Wafer:
    """The dies of one wafer, and the values that were drawn for its pattern."""

    x: Field  # (H, W) die centres, -1 left edge to 1 right edge
    y: Field  # (H, W) -1 top to 1 bottom
    radius: Field  # (H, W) 0 centre to 1 edge
    angle: Field  # (H, W) radians
    pitch: float  # distance between neighbouring dies, in radii
    strength: float
    size: float
    displacement: float
    raggedness: float
    rng: np.random.Generator

    def between(self, low: float, high: float) -> float:
        return float(self.rng.uniform(low, high))

    def noise(self, waves: int = 6, frequency: float = 5.0) -> Field:
        """A smooth random field (H, W): a few plane waves; mean about 0, deviation about 1."""
        turn, phase = self.rng.uniform(0, 2 * math.pi, (2, waves))
        pace = self.rng.uniform(0.3, 1, waves) * frequency
        total = np.zeros_like(self.x)
        for t, p, f in zip(turn, phase, pace, strict=True):
            total += np.cos(f * (math.cos(t) * self.x + math.sin(t) * self.y) + p)
        return total * math.sqrt(2 / waves)

    def inside(self, depth: Field, blur: float) -> Field:
        """Fail probability from the depth (H, W) in a shape, in radii; its border is at 0."""
        ragged = depth + self.raggedness * blur * self.noise(frequency=9)
        return np.asarray(self.strength * np.clip(ragged / blur + 0.5, 0, 1))

    def blob(self, x: float, y: float, radius: float, stretch: float, turn: float) -> Field:
        """A filled ellipse with a ragged border."""
        u = (self.x - x) * math.cos(turn) + (self.y - y) * math.sin(turn)
        v = (self.y - y) * math.cos(turn) - (self.x - x) * math.sin(turn)
        distance = np.hypot(u / stretch, v * stretch)
        return self.inside(radius - distance, blur=max(0.35 * radius, self.pitch))

    def sector(self, middle: float, half_width: float) -> Field:
        """1 in the middle of a sector, falling to 0 at its ends (radians) and below 0 outside."""
        difference = np.abs((self.angle - middle + math.pi) % (2 * math.pi) - math.pi)
        return np.asarray(1 - difference / half_width)


def _center(w: _Wafer) -> Field:
    x, y = w.rng.normal(0, 0.06 * w.displacement, 2)
    radius = max(0.26 * w.size * w.between(0.55, 1.7), 1.5 * w.pitch)
    return w.blob(x, y, radius, w.between(0.9, 1.12), w.between(0, math.pi))


def _donut(w: _Wafer) -> Field:
    x, y = w.rng.normal(0, 0.07 * w.displacement, 2)
    distance = np.hypot(w.x - x, w.y - y)
    radius = 0.42 * w.between(0.8, 1.25)
    half_width = max(0.13 * w.size, 0.9 * w.pitch)
    ring = w.inside(half_width - np.abs(distance - radius), blur=0.12)
    # Most real donuts are stronger on one side; some are open on the other.
    direction = w.between(0, 2 * math.pi)
    lobe = np.cos(np.arctan2(w.y - y, w.x - x) - direction)
    return np.asarray(ring * np.clip(1 - w.between(0, 0.75) * (1 - lobe) / 1.6, 0.08, 1))


def _edge_loc(w: _Wafer) -> Field:
    half_width = math.radians(34) * w.size * w.between(0.55, 2.2)
    deepest = max(0.18 * w.size * w.between(0.5, 1.9), 1.6 * w.pitch)
    profile = np.sqrt(np.clip(w.sector(w.between(0, 2 * math.pi), half_width), 0, 1))
    shape = w.inside(deepest * profile - (1 - w.radius), blur=max(0.4 * deepest, w.pitch))
    return np.where(profile > 0, shape, 0.0)


def _edge_ring(w: _Wafer) -> Field:
    thickness = max(0.055 * w.size, 1.4 * w.pitch)
    # A ring may be open on one side, but surrounds most of the wafer.
    closed = w.sector(w.between(0, 2 * math.pi), math.radians(w.between(180, 320)))
    depth = thickness - (1 - w.radius)
    shape = w.inside(depth, blur=0.8 * w.pitch)
    return np.asarray(shape * np.clip(4 * closed, 0.15, 1))


def _loc(w: _Wafer) -> Field:
    direction, distance = w.between(0, 2 * math.pi), w.between(0.42, 0.66)
    distance = 0.52 + (distance - 0.52) * w.displacement
    radius = max(0.22 * w.size * w.between(0.65, 1.7), 1.8 * w.pitch)
    x, y = distance * math.cos(direction), distance * math.sin(direction)
    return w.blob(x, y, radius, w.between(0.75, 1.35), w.between(0, math.pi))


def _near_full(w: _Wafer) -> Field:
    solid = 0.8 + 0.2 * w.strength
    # The dies that pass form one or two patches, often at the edge.
    patch = np.clip(w.noise(frequency=3) - w.between(0.7, 2.2), 0, 0.8)
    return np.asarray(solid - patch)


def _random(w: _Wafer) -> Field:
    level = 0.24 + 0.28 * w.strength * w.between(0.5, 1)
    return np.asarray(np.clip(level + 0.07 * w.noise(frequency=4), 0, 0.7))


def _scratch(w: _Wafer) -> Field:
    total = np.zeros_like(w.x)
    for _ in range(1 if w.between(0, 1) < 0.85 else 2):
        length = max(0.65 * w.size * w.between(0.6, 2), 7 * w.pitch)
        half_width = w.pitch * (0.62 if w.between(0, 1) < 0.6 else w.between(0.7, 1.2))
        # A walk of small steps whose heading changes slowly: an arc with a little jitter.
        steps = max(int(length / (0.4 * w.pitch)), 2)
        turn = w.rng.normal(0, 0.8) / steps + w.rng.normal(0, 0.03, steps)
        heading = w.between(0, 2 * math.pi) + np.cumsum(turn)
        path = np.cumsum(np.stack([np.cos(heading), np.sin(heading)]), axis=1) * (length / steps)
        middle_direction, middle_distance = w.between(0, 2 * math.pi), w.between(0.1, 0.62)
        shift = np.array([math.cos(middle_direction), math.sin(middle_direction)])
        path += (shift * middle_distance * min(w.displacement, 1.2) - path.mean(axis=1))[:, None]
        nearest = np.full_like(w.x, np.inf)
        for x, y in path.T:
            np.minimum(nearest, (w.x - x) ** 2 + (w.y - y) ** 2, out=nearest)
        total = np.maximum(total, nearest < half_width**2)
    return np.asarray(total * (0.35 + 0.65 * w.strength))


def _none(w: _Wafer) -> Field:
    return np.zeros_like(w.x)


_SHAPES: dict[str, Callable[[_Wafer], Field]] = {
    "Center": _center,
    "Donut": _donut,
    "Edge-Loc": _edge_loc,
    "Edge-Ring": _edge_ring,
    "Loc": _loc,
    "Near-full": _near_full,
    "Random": _random,
    "Scratch": _scratch,
    "none": _none,
}
_DEFAULT = WaferConfig()


def simulate(pattern: str, rng: np.random.Generator, config: WaferConfig = _DEFAULT) -> Picture:
    """One wafer map.

    Args:
        pattern: One of ``PATTERNS``.
        rng: Random generator; its state changes.
        config: Ranges to draw from.

    Returns:
        (H, W), one pixel per die: no die, pass, fail.

    Raises:
        ParameterError: There is no such pattern.
    """
    check_pattern(pattern)
    H = round(rng.uniform(*config.rows))
    W = max(round(H * rng.uniform(*config.aspect)), MIN_SIDE)
    y, x = np.meshgrid(
        (2 * np.arange(H) + 1) / H - 1, (2 * np.arange(W) + 1) / W - 1, indexing="ij"
    )
    wafer = _Wafer(
        x=x,
        y=y,
        radius=np.hypot(x, y),
        angle=np.arctan2(y, x),
        pitch=2 / math.sqrt(H * W),
        strength=rng.uniform(*config.strength),
        size=rng.uniform(*config.size),
        displacement=rng.uniform(*config.displacement),
        raggedness=rng.uniform(*config.raggedness),
        rng=rng,
    )
    background = rng.uniform(*config.background)
    weakness = rng.uniform(*config.rim_weakness)
    anywhere = background * (1 + (weakness - 1) * wafer.radius**6)
    chance = 1 - (1 - anywhere) * (1 - _SHAPES[pattern](wafer))
    picture = np.where(rng.random((H, W)) < chance, FAIL, PASS).astype(np.uint8)
    if rng.random() < config.test_sites:
        turn = rng.uniform(0, 2 * math.pi) + 2 * math.pi * np.arange(5) / 5
        rows = ((0.55 * np.sin(turn) + 1) * H / 2).astype(int)
        columns = ((0.55 * np.cos(turn) + 1) * W / 2).astype(int)
        picture[rows, columns] = NO_DIE
    # A tenth of a die less than the full disc gives the share of dies of real maps, 77%.
    limit = 1 - 0.1 * wafer.pitch - rng.uniform(*config.edge_exclusion)
    picture[wafer.radius > limit] = NO_DIE
    return picture


def simulate_many(
    pattern: str, count: int, seed: int, config: WaferConfig = _DEFAULT
) -> list[Picture]:
    """Several wafer maps; the same arguments always give the same ones.

    A longer list starts with the wafers of a shorter one.

    Args:
        pattern: One of ``PATTERNS``.
        count: Number of wafers, 0 or more.
        seed: 0 or more.
        config: Ranges to draw from.

    Raises:
        ParameterError: There is no such pattern, or a number is negative.
    """
    if count < 0 or seed < 0:
        raise ParameterError(
            "Simulator: count is {count} and seed is {seed}; both must be 0 or more.",
            count=count,
            seed=seed,
        )
    check_pattern(pattern)
    rng = np.random.default_rng([seed, PATTERNS.index(pattern)])
    return [simulate(pattern, rng, config) for _ in range(count)]
