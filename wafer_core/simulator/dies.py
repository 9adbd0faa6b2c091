"""The dies of many wafers in one long list, without a loop over wafers.

A thousand wafers of different products have different die grids. Concatenated, their dies are plain
vectors: a pattern is a formula of the position of a die and the factors of its wafer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[Any]  # float32: half the memory traffic, and accurate enough for die grids
Mask = npt.NDArray[np.bool_]
_WAVES = 6  # plane waves of a smooth random field
_FIELDS = 3  # smooth fields per wafer: background, border of the pattern, jitter of scratches
_SPARE = 16  # additional random numbers per wafer, for second clusters and the like


def die_grid(rows: int, columns: int) -> Mask:
    """Which cells of a grid (rows, columns) are dies of a round wafer."""
    y, x = _centres(rows, columns)
    # a tenth of a die less than the full disc gives the share of dies of real maps, 77%
    return np.asarray(np.hypot(x, y) <= 1 - 0.2 / math.sqrt(rows * columns))


def _centres(rows: int, columns: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Die centres (rows, 1) and (1, columns), from -1 at the top and left to 1."""
    y = (2 * np.arange(rows) + 1) / rows - 1
    x = (2 * np.arange(columns) + 1) / columns - 1
    return y[:, None], x[None]


def length(x: Vector, y: Vector) -> Vector:
    """Euclidean length; ``np.hypot`` guards against overflow and takes five times as long."""
    return np.asarray(np.sqrt(x * x + y * y))


@dataclass(frozen=True)
class Dies:
    """The M dies of a batch of N wafers."""

    x: Vector  # (M,) -1 left to 1 right, in the frame of the wafer: notch rotation undone
    y: Vector  # (M,) -1 top to 1 bottom
    radius: Vector  # (M,) 0 centre to 1 edge
    direction: Vector  # (M,) radians, clockwise from the top
    counts: npt.NDArray[np.intp]  # (N,) dies of each wafer
    pitch: Vector  # (N,) distance between neighbouring dies, in radii
    values: Mapping[str, Vector]  # factors (N,); lengths in radii, shares 0 to 1, angles in radians
    chance: Vector  # (M,) uniform in [0, 1): a die fails if its probability is larger
    waves: Vector  # (N, _FIELDS, 3, _WAVES) direction, phase and frequency, uniform in [0, 1)
    spare: Vector  # (N, _SPARE) uniform in [0, 1)

    def per_die(self, per_wafer: Vector) -> Vector:
        """Values of the wafers (N,) repeated for their dies (M,)."""
        return np.repeat(per_wafer, self.counts)

    def value(self, name: str) -> Vector:
        """A factor for each die (M,)."""
        return np.repeat(self.values[name], self.counts)

    def noise(self, field: int, frequency: float) -> Vector:
        """A smooth random field (M,): a few plane waves; mean about 0, deviation about 1."""
        turn, phase, pace = np.moveaxis(self.waves[:, field], 1, 0)  # (N, _WAVES) each
        turn, phase = turn * np.float32(2 * math.pi), phase * np.float32(2 * math.pi)
        pace = np.float32(frequency) * (np.float32(0.3) + np.float32(0.7) * pace)
        along, across = pace * np.cos(turn), pace * np.sin(turn)
        total = np.zeros_like(self.x)
        for k in range(_WAVES):
            total += np.cos(
                self.per_die(along[:, k]) * self.x
                + self.per_die(across[:, k]) * self.y
                + self.per_die(phase[:, k])
            )
        return total * np.float32(math.sqrt(2 / _WAVES))


def place_dies(
    masks: Sequence[Mask], values: Mapping[str, Vector], seed: int, numbers: Sequence[int]
) -> Dies:
    """The dies of wafers with these grids.

    Every wafer has a random generator of its own, keyed by seed and number. It is therefore
    independent of the other wafers, and two wafers with the same number differ only by their
    factors.

    Args:
        masks: (H, W) for each wafer, true where a die is.
        values: Factors of the wafers (N,), see ``Dies.values``.
        seed: Of the batch, 0 or more.
        numbers: Of the wafers, 0 or more.
    """
    xs, ys, chances, counts, pitches = [], [], [], [], []
    waves = np.empty((len(masks), _FIELDS, 3, _WAVES), np.float32)
    spare = np.empty((len(masks), _SPARE), np.float32)
    positions: dict[int, tuple[Vector, Vector]] = {}  # of grids that several wafers share
    for index, (mask, number) in enumerate(zip(masks, numbers, strict=True)):
        H, W = mask.shape
        if id(mask) not in positions:
            rows, columns = np.nonzero(mask)
            y, x = _centres(H, W)
            positions[id(mask)] = (x[0, columns].astype(np.float32), y[rows, 0].astype(np.float32))
        x, y = positions[id(mask)]
        generator = np.random.Generator(np.random.Philox(key=[seed, number]))
        generator.random(out=waves[index], dtype=np.float32)
        generator.random(out=spare[index], dtype=np.float32)
        chances.append(generator.random(len(x), dtype=np.float32))
        xs.append(x)
        ys.append(y)
        counts.append(len(x))
        pitches.append(2 / math.sqrt(H * W))
    dies = np.array(counts)
    x, y = np.concatenate(xs), np.concatenate(ys)
    turn = values["notch_rotation"]
    if turn.any():
        cosine, sine = np.repeat(np.cos(turn), dies), np.repeat(np.sin(turn), dies)
        x, y = x * cosine + y * sine, y * cosine - x * sine
    return Dies(
        x=x,
        y=y,
        radius=length(x, y),
        direction=np.arctan2(x, -y),
        counts=dies,
        pitch=np.array(pitches, np.float32),
        values=values,
        chance=np.concatenate(chances),
        waves=waves,
        spare=spare,
    )
