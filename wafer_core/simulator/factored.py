"""Wafers from a value of each process factor, thousands per second."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from wafer_core.errors import ParameterError
from wafer_core.images import FAIL, MIN_SIDE, NO_DIE, PASS, Picture
from wafer_core.messages import N_, message
from wafer_core.simulator.dies import Mask, Vector, die_grid, place_dies
from wafer_core.simulator.factors import FACTORS, factors_of
from wafer_core.simulator.shapes import SHAPES, background

Values = dict[str, npt.NDArray[np.float64]]  # factor → value of each wafer (N,), in its unit
# Conversion to the units of the formulas: shares of the radius or of the dies, and radians.
_IN_UNITS = {"%": 0.01, "°": math.pi / 180}
_DIES_AT_ONCE = 150_000  # vectors of this length stay in the processor's cache
# Factors that are skewed towards their lower end, as on real wafers.
_SKEWED = ("density", "scratch_curvature")


def draw_values(
    pattern: str, count: int, seed: int, fixed: Mapping[str, float] | None = None
) -> Values:
    """Draw the factors of wafers from the usual ranges of a pattern.

    Args:
        pattern: One of ``PATTERNS``.
        count: Number of wafers. A larger count starts with the same wafers.
        seed: 0 or more.
        fixed: Factors that are set instead of drawn.

    Raises:
        ParameterError: The pattern is unknown, or does not have one of the factors.
    """
    factors = factors_of(pattern)
    check_factors(pattern, fixed or {})
    drawn = np.random.default_rng([seed, 23]).random((count, len(FACTORS)))
    values: Values = {}
    for column, (name, factor) in enumerate(FACTORS.items()):
        if name not in factors:
            continue
        low, high = factor.ranges[pattern]
        share = drawn[:, column]
        if name in _SKEWED and pattern != "Random":
            share = share**2
        values[name] = low + (high - low) * share
        if factor.whole:  # all whole numbers with equal probability
            values[name] = np.minimum(np.floor(low + (high - low + 1) * share), high)
        if fixed and name in fixed:
            values[name] = np.full(count, factor.value(fixed[name], name))
    return values


def check_factors(pattern: str, names: Mapping[str, object]) -> None:
    """Check that a pattern has these factors.

    Raises:
        ParameterError: Naming the first that it does not have, and those that it has.
    """
    factors = factors_of(pattern)
    for name in names:
        if name not in factors:
            template = (
                N_("“{name}” does not apply to the pattern {pattern}; its factors are {known}.")
                if name in FACTORS
                else N_("There is no factor “{name}”; the factors of {pattern} are {known}.")
            )
            raise ParameterError(template, name=name, pattern=pattern, known=", ".join(factors))


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
        values: A value (N,) for each factor of the pattern, in its unit.
        seed: 0 or more.
        numbers: Of the wafers, by default 0, 1, 2 …. Seed and number determine everything random,
            so that two wafers with the same number differ only by their factors.
        masks: The die grid (H, W) of each wafer; by default discs of ``rows`` and ``aspect``.

    Returns:
        N wafer maps.

    Raises:
        ParameterError: The pattern is unknown, or a factor is missing or outside its limits.
    """
    factors = factors_of(pattern)
    check_factors(pattern, values)
    missing = [name for name in factors if name not in values]
    if missing:
        raise ParameterError(
            "The pattern {pattern} also needs values for {missing}.",
            pattern=pattern,
            missing=", ".join(missing),
        )
    count = len(values["rows"])
    converted: dict[str, Vector] = {}
    for name, factor in factors.items():
        array = np.asarray(values[name], np.float64)
        low, high = factor.limits
        if array.shape != (count,) or not ((array >= low) & (array <= high)).all():
            raise ParameterError(
                N_("{name} must be {count:,} numbers from {low:g} to {high:g} {unit}.")
                if factor.unit
                else N_("{name} must be {count:,} numbers from {low:g} to {high:g}."),
                name=name,
                count=count,
                low=low,
                high=high,
                unit=message(factor.unit),
            )
        converted[name] = (array * _IN_UNITS.get(factor.unit, 1.0)).astype(np.float32)
    if masks is None:
        masks = _discs(values["rows"], values["aspect"])
    if numbers is None:
        numbers = range(count)
    pictures: list[Picture] = []
    for chunk in _chunks([mask.size for mask in masks]):
        of_chunk = {name: array[chunk] for name, array in converted.items()}
        pictures += _simulate(pattern, masks[chunk], of_chunk, seed, numbers[chunk])
    return pictures


def _simulate(
    pattern: str,
    masks: Sequence[Mask],
    values: dict[str, Vector],
    seed: int,
    numbers: Sequence[int],
) -> list[Picture]:
    dies = place_dies(masks, values, seed, numbers)
    chance = 1 - (1 - background(dies)) * (1 - SHAPES[pattern](dies))
    states = np.where(dies.chance < chance, FAIL, PASS).astype(np.uint8)
    exclusion = dies.value("edge_exclusion")
    if exclusion.any():
        states[(dies.radius > 1 - exclusion) & (exclusion > 0)] = NO_DIE
    pictures = []
    ends = np.cumsum(dies.counts)
    for mask, of_wafer in zip(masks, np.split(states, ends[:-1]), strict=True):
        picture = np.zeros(mask.shape, np.uint8)
        picture[mask] = of_wafer
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


def _chunks(sizes: Sequence[int]) -> Iterator[slice]:
    """Slices of wafers with at most ``_DIES_AT_ONCE`` dies together."""
    begin = dies = 0
    for index, size in enumerate(sizes):
        if dies and dies + size > _DIES_AT_ONCE:
            yield slice(begin, index)
            begin, dies = index, 0
        dies += size
    if dies:
        yield slice(begin, len(sizes))
