"""Simulated wafers with unnamed shapes, so that features are not limited to nine patterns.

Supervised pretraining on class names discards what the names do not need. Here a wafer has blobs,
bands, lines, wedges or stripes anywhere, and the network predicts two things: where on the wafer
each kind of shape is, under the noise, and which of many *families* the wafer belongs to. A family
is a random recipe, such as “a thin short line near the rim and a wide blob in the centre”: hundreds
of artificial classes that differ in the ways in which real ones may differ. Pretraining on formulas
instead of pictures follows Kataoka et al. 2020 (arXiv:2101.08515). No real wafer is used.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wafer_core.images import FAIL, NO_DIE, PASS, Picture

FAMILIES = 192
CELLS = 16  # cells per side of the map of shapes

Field = npt.NDArray[np.floating]
_ROWS = (20.0, 100.0)  # dies from top to bottom
_WITHIN = 0.12  # standard deviation within a family; families are uniform in [0, 1]


@dataclass(frozen=True)
class _Shape:
    """One shape of a recipe; numbers are in [0, 1] and are interpreted by the kind.

    Attributes:
        kind: One of ``KINDS``.
        position: Distance from the centre.
        size: Of the shape.
        form: Stretch, extent or curvature.
        strength: Share of dies that fail.
    """

    kind: str
    position: float
    size: float
    form: float
    strength: float


@dataclass(frozen=True)
class _Disc:
    """Coordinates of the dies of a wafer with radius 1; arrays are (H, W).

    Attributes:
        x: Horizontal.
        y: Vertical.
        radius: Distance from the centre.
        angle: In radians.
        die: Height of a die.
    """

    x: Field
    y: Field
    radius: Field
    angle: Field
    die: float


def _rotated(disc: _Disc, angle: float) -> tuple[Field, Field]:
    cos, sin = math.cos(angle), math.sin(angle)
    return disc.x * cos + disc.y * sin, disc.y * cos - disc.x * sin


def _soft(distance: Field, blur: float) -> Field:
    """1 where a signed distance is negative, 0 outside, with an edge of width ``blur``."""
    inside: Field = np.clip(0.5 - distance / max(blur, 1e-3), 0.0, 1.0)
    return inside


def _blob(disc: _Disc, shape: _Shape, angle: float, rng: np.random.Generator) -> Field:
    along, across = _rotated(disc, angle)
    size = 0.08 + 0.4 * shape.size**1.5
    stretch = 1 + 2 * shape.form * rng.uniform(0.6, 1)
    tilt = rng.uniform(0, math.pi)
    a, b = along - 0.95 * shape.position, across
    u = (a * math.cos(tilt) + b * math.sin(tilt)) / stretch
    v = b * math.cos(tilt) - a * math.sin(tilt)
    distance = np.sqrt(u * u + v * v) - size / math.sqrt(stretch)
    return _soft(distance, rng.uniform(0.05, 0.3))


def _band(disc: _Disc, shape: _Shape, angle: float, rng: np.random.Generator) -> Field:
    half_width = 0.03 + 0.14 * shape.size
    centre = 0.2 + 0.8 * shape.position
    ring = _soft(np.abs(disc.radius - centre) - half_width, rng.uniform(0.02, 0.1))
    extent = math.pi * min(1.0, 0.12 + 1.2 * shape.form)
    off = np.abs((disc.angle - angle + math.pi) % (2 * math.pi) - math.pi)
    return ring * _soft((off - extent).astype(np.float32), 0.2) if extent < math.pi else ring


def _line(disc: _Disc, shape: _Shape, angle: float, rng: np.random.Generator) -> Field:
    length = 0.3 + 1.2 * shape.size
    curvature = rng.choice((-1.0, 1.0)) * 2.5 * shape.form
    tilt = rng.uniform(0, math.pi)
    centre = 0.8 * shape.position
    x, y = _rotated(disc, angle)
    x, y = x - centre, y
    along, across = x * math.cos(tilt) + y * math.sin(tilt), y * math.cos(tilt) - x * math.sin(tilt)
    bend = 0.5 * curvature * along * along + 0.1 * np.sin(4 * along + rng.uniform(0, 6))
    steep = 1 / np.sqrt(1 + (curvature * along) ** 2)
    width = disc.die * rng.uniform(0.45, 1.2)
    near = _soft(np.abs(across - bend) * steep - width, disc.die * 0.6)
    return near * _soft(np.abs(along) - length / 2, 2 * disc.die)


def _wedge(disc: _Disc, shape: _Shape, angle: float, rng: np.random.Generator) -> Field:
    if shape.form > 0.5:  # everything beyond a chord
        along, _ = _rotated(disc, angle)
        return _soft(0.9 - 1.1 * shape.size - along, rng.uniform(0.05, 0.3))
    off = np.abs((disc.angle - angle + math.pi) % (2 * math.pi) - math.pi).astype(np.float32)
    inner = _soft(0.5 * shape.position - disc.radius, 0.1)
    return inner * _soft(off - (0.15 + 0.7 * shape.size), 0.2)


def _stripes(disc: _Disc, shape: _Shape, angle: float, rng: np.random.Generator) -> Field:
    """Parallel lines or a grid of lines, as left by a reticle, a probe card or a saw."""
    period = max(4 * disc.die, 0.15 + 0.45 * shape.size)
    straight = rng.integers(4) * (math.pi / 2) + rng.normal(0, 0.02)  # along the rows of dies
    x, y = _rotated(disc, straight)
    width = period * (0.12 + 0.2 * shape.position)
    phase = rng.uniform(0, period)
    first = _soft(np.abs((x + phase) % period - period / 2) - width, disc.die)
    if shape.form < 0.5:
        return first
    second = _soft(np.abs((y + phase) % period - period / 2) - width, disc.die)
    return first * second if shape.form > 0.75 else np.maximum(first, second)


_KINDS: dict[str, Callable[[_Disc, _Shape, float, np.random.Generator], Field]] = {
    "blob": _blob,
    "band": _band,
    "line": _line,
    "wedge": _wedge,
    "stripes": _stripes,
}
KINDS: tuple[str, ...] = tuple(_KINDS)
_KIND_SHARE = (0.28, 0.26, 0.28, 0.09, 0.09)


def _families(rng: np.random.Generator) -> list[tuple[_Shape, ...]]:
    """The recipes; the first has no shape."""
    recipes: list[tuple[_Shape, ...]] = [()]
    while len(recipes) < FAMILIES:
        number = int(rng.choice((1, 2, 3), p=(0.6, 0.3, 0.1)))
        kinds = rng.choice(KINDS, number, p=_KIND_SHARE)
        recipes.append(
            tuple(
                _Shape(str(kind), *(float(value) for value in rng.uniform(0, 1, 4)))
                for kind in kinds
            )
        )
    return recipes


def _member(shape: _Shape, rng: np.random.Generator) -> _Shape:
    numbers = np.array([shape.position, shape.size, shape.form, shape.strength])
    near = np.clip(numbers + rng.normal(0, _WITHIN, 4), 0, 1)
    return _Shape(shape.kind, *(float(value) for value in near))


def shapes(count: int, seed: int) -> Iterator[tuple[Picture, int, npt.NDArray[np.uint8]]]:
    """Wafers of the families in turn.

    Args:
        count: How many, 0 or more.
        seed: 0 or more, of the wafers; the families are the same for every seed.

    Yields:
        The wafer (H, W), its family, and (K, 16, 16) how much of each cell each of ``KINDS``
        covers, in steps of 1/255.
    """
    recipes = _families(np.random.default_rng(811))
    rng = np.random.default_rng([seed, 812])
    for index in range(count):
        family = index % FAMILIES
        rows = round(math.exp(rng.uniform(*np.log(_ROWS))))
        columns = max(16, round(rows * rng.uniform(0.6, 1.6)))
        disc = _disc(rows, columns)
        on_wafer = disc.radius <= 1
        # The background is independent of the family.
        passed = np.full((rows, columns), 1 - 0.3 * rng.uniform() ** 3, np.float32)
        covered = np.zeros((len(KINDS), rows, columns), np.float32)
        angle = rng.uniform(0, 2 * math.pi)
        for shape in recipes[family]:
            member = _member(shape, rng)
            field = _KINDS[member.kind](disc, member, angle, rng) * on_wafer
            passed *= 1 - (0.35 + 0.65 * member.strength) * field
            kind = KINDS.index(member.kind)
            covered[kind] = np.maximum(covered[kind], field)
            angle = rng.uniform(0, 2 * math.pi)
        failed = rng.uniform(size=(rows, columns)) > passed
        picture: Picture = np.where(failed, FAIL, PASS).astype(np.uint8)
        picture[~on_wafer] = NO_DIE
        yield picture, family, _cells(covered)


def _disc(rows: int, columns: int) -> _Disc:
    y = ((2 * np.arange(rows, dtype=np.float32) + 1) / rows - 1)[:, None].repeat(columns, 1)
    x = ((2 * np.arange(columns, dtype=np.float32) + 1) / columns - 1)[None, :].repeat(rows, 0)
    return _Disc(x, y, np.hypot(x, y), np.arctan2(y, x), 2 / rows)


def _cells(covered: Field) -> npt.NDArray[np.uint8]:
    """(K, H, W) in [0, 1] to the maximum of each of 16×16 cells."""
    _, H, W = covered.shape
    rows = np.arange(CELLS) * H // CELLS
    columns = np.arange(CELLS) * W // CELLS
    tall = np.maximum.reduceat(covered, rows, axis=1)
    cells: npt.NDArray[np.uint8] = np.maximum.reduceat(tall, columns, axis=2)
    return (cells * 255).round().astype(np.uint8)
