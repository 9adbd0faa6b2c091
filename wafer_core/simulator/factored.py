"""Wafers from a value of each process factor, thousands in a second."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from wafer_core.errors import ParameterError
from wafer_core.images import FAIL, MIN_SIDE, NO_DIE, PASS, Picture
from wafer_core.simulator.dies import Mask, Vector, die_grid, lay_out
from wafer_core.simulator.factors import FACTORS, factors_of
from wafer_core.simulator.shapes import SHAPES, background

Values = dict[str, npt.NDArray[np.float64]]  # factor → a value for each wafer (N,), in its unit
# How a unit becomes what the formulas use: shares of the radius or of dies, and radians.
_IN_UNITS = {"%": 0.01, "°": math.pi / 180}
_DIES_AT_ONCE = 150_000  # vectors of this length stay in the processor's cache
# Mostly low: few wafers have a density near the upper end.
_MOSTLY_LOW = ("density", "scratch_curvature")


def draw_values(
    pattern: str, count: int, seed: int, fixed: Mapping[str, float] | None = None
) -> Values:
    """Draw the factors of wafers from the usual ranges of a pattern.

    Args:
        pattern: One of ``PATTERNS``.
        count: How many wafers; the first ``n`` of more are those of ``n``.
        seed: 0 or more.
        fixed: Factors that are not drawn.

    Raises:
        ParameterError: No such pattern, or a factor that does not bear on it.
    """
    factors = factors_of(pattern)
    check_names(pattern, fixed or {})
    drawn = np.random.default_rng([seed, 23]).random((count, len(FACTORS)))
    values: Values = {}
    for column, (name, factor) in enumerate(FACTORS.items()):
        if name not in factors:
            continue
        low, high = factor.ranges[pattern]
        share = drawn[:, column]
        if name in _MOSTLY_LOW and pattern != "Random":
            share = share**2
        values[name] = low + (high - low) * share
        if factor.whole:  # each whole number as often as another
            values[name] = np.minimum(np.floor(low + (high - low + 1) * share), high)
        if fixed and name in fixed:
            values[name] = np.full(count, factor.value(fixed[name], name))
    return values


def check_names(pattern: str, names: Mapping[str, object]) -> None:
    """Refuse a factor that there is not, or that a pattern does not have.

    Raises:
        ParameterError: Naming it, and those of the pattern.
    """
    factors = factors_of(pattern)
    for name in names:
        if name not in factors:
            about = "does not bear on" if name in FACTORS else "is no factor of"
            raise ParameterError(
                f"“{name}” {about} the pattern {pattern}; its factors are {', '.join(factors)}."
            )


def simulate_factors(
    pattern: str,
    values: Mapping[str, npt.NDArray[np.float64]],
    seed: int,
    numbers: Sequence[int] | None = None,
    masks: Sequence[Mask] | None = None,
) -> list[Picture]:
    """Wafer maps with these factors.

    Args:
        pattern: One of ``PATTERNS``.
        values: A value (N,) for each factor that bears on the pattern, in its unit.
        seed: 0 or more.
        numbers: Of the wafers, by default 0, 1, 2 …: seed and number decide everything that is
            left to chance, so that two wafers of one number differ by their factors alone.
        masks: The die grid (H, W) of each wafer; by default discs of ``rows`` and ``aspect``.

    Returns:
        N wafer maps.

    Raises:
        ParameterError: No such pattern, a factor is missing or out of its limits.
    """
    factors = factors_of(pattern)
    check_names(pattern, values)
    missing = [name for name in factors if name not in values]
    if missing:
        raise ParameterError(
            f"A wafer of the pattern {pattern} also needs {', '.join(missing)}; give them a value."
        )
    count = len(values["rows"])
    inner: dict[str, Vector] = {}
    for name, factor in factors.items():
        array = np.asarray(values[name], np.float64)
        low, high = factor.limits
        if array.shape != (count,) or not ((array >= low) & (array <= high)).all():
            raise ParameterError(
                f"{name} must be {count} numbers from {low:g} to {high:g} {factor.unit}.".rstrip()
            )
        inner[name] = (array * _IN_UNITS.get(factor.unit, 1.0)).astype(np.float32)
    if masks is None:
        masks = _discs(values["rows"], values["aspect"])
    if numbers is None:
        numbers = range(count)
    made: list[Picture] = []
    for part in _parts([mask.size for mask in masks]):
        mine = {name: array[part] for name, array in inner.items()}
        made += _simulate(pattern, masks[part], mine, seed, numbers[part])
    return made


def _simulate(
    pattern: str, masks: Sequence[Mask], values: dict[str, Vector], seed: int,
    numbers: Sequence[int],
) -> list[Picture]:  # fmt: skip
    wafers = lay_out(masks, values, seed, numbers)
    chance = 1 - (1 - background(wafers)) * (1 - SHAPES[pattern](wafers))
    states = np.where(wafers.chance < chance, FAIL, PASS).astype(np.uint8)
    exclusion = wafers.value("edge_exclusion")
    if exclusion.any():
        states[(wafers.radius > 1 - exclusion) & (exclusion > 0)] = NO_DIE
    pictures = []
    ends = np.cumsum(wafers.counts)
    for mask, part in zip(masks, np.split(states, ends[:-1]), strict=True):
        picture = np.zeros(mask.shape, np.uint8)
        picture[mask] = part
        pictures.append(picture)
    return pictures


def _discs(rows: npt.NDArray[np.float64], aspect: npt.NDArray[np.float64]) -> list[Mask]:
    known: dict[tuple[int, int], Mask] = {}
    masks = []
    for height, ratio in zip(rows, aspect, strict=True):
        H = max(round(height), MIN_SIDE)
        key = (H, max(round(H * ratio), MIN_SIDE))
        if key not in known:
            known[key] = die_grid(*key)
        masks.append(known[key])
    return masks


def _parts(sizes: Sequence[int]) -> Iterator[slice]:
    """Slices of wafers that together have no more dies than fit."""
    begin = dies = 0
    for index, size in enumerate(sizes):
        if dies and dies + size > _DIES_AT_ONCE:
            yield slice(begin, index)
            begin, dies = index, 0
        dies += size
    if dies:
        yield slice(begin, len(sizes))
