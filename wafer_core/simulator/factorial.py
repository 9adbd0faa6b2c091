"""Factorial test sets: every combination of factor levels, with a number of wafers each.

A full factorial design (Box, Hunter and Hunter, Statistics for Experimenters, ch. 5). The wafers of
one repetition share everything random, so that two design cells differ only by their levels: a
difference in what a classifier predicts is an effect of the factor.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from wafer_core.errors import ParameterError
from wafer_core.images import Picture
from wafer_core.parameters import SEED
from wafer_core.simulator import FACTORS, draw_values, simulate_factors
from wafer_core.simulator.factored import check_factors
from wafer_core.simulator.fitted import MAX_COUNT, PhysicsModel, check_count, simulate_numbers

Level = str | float  # "low", "mid", "high", or a number in the unit of the factor
_BATCH = 2000  # wafers that are simulated at once


@dataclass(frozen=True)
class DesignWafer:
    """One wafer of a factorial design.

    Attributes:
        picture: The wafer map.
        pattern: Its pattern.
        cell: Number of the design cell, the combination of levels, from 0.
        repetition: Number of the wafer in its cell, from 0.
        levels: The level of each varied factor, as given.
        values: The value of every factor of the wafer, in its unit.
        source: Index of the picture of the class whose die grid it has.
    """

    picture: Picture
    pattern: str
    cell: int
    repetition: int
    levels: Mapping[str, Level]
    values: Mapping[str, float]
    source: int | None = None

    def row(self) -> dict[str, object]:
        """A row of the table of a test set; all wafers have the same columns."""
        levels = {f"{name}_level": level for name, level in self.levels.items()}
        values = {
            name: round(self.values[name], 6) if name in self.values else "" for name in FACTORS
        }
        cell = {"pattern": self.pattern, "cell": self.cell, "repetition": self.repetition}
        return {**cell, **levels, **values}


def design_size(levels: Mapping[str, Sequence[Level]], per_cell: int) -> int:
    """Number of wafers of a design.

    Args:
        levels: The levels of each varied factor.
        per_cell: Wafers of each combination.

    Raises:
        ParameterError: A factor has no level or a repeated one, or there are too many wafers.
    """
    for name, chosen in levels.items():
        if not chosen:
            raise ParameterError("{name} has no level; give low, mid, high or numbers.", name=name)
        if len(set(chosen)) < len(chosen):
            raise ParameterError("{name} lists a level twice; list each level once.", name=name)
    check_count(per_cell)
    total = per_cell * math.prod(len(chosen) for chosen in levels.values())
    if total > MAX_COUNT:
        raise ParameterError(
            "All combinations of these levels are {total:,} wafers, more than the maximum of "
            "{most:,}; use fewer factors, levels or wafers per combination.",
            total=total,
            most=MAX_COUNT,
        )
    return total


def factorial_design(
    source: PhysicsModel | str, levels: Mapping[str, Sequence[Level]], per_cell: int, seed: int
) -> Iterator[DesignWafer]:
    """Simulate wafers for every combination of levels.

    Args:
        source: A fitted class, or one of ``PATTERNS``. Factors that are not varied are those of the
            class, or drawn from the usual ranges of the pattern.
        levels: The levels of each varied factor; none gives a single cell.
        per_cell: Wafers of each combination.
        seed: The same seed gives the same wafers.

    Yields:
        The wafers, cell by cell.

    Raises:
        ParameterError: A pattern, factor or level is unknown, or there are too many wafers.
    """
    SEED.check("seed", seed)
    design_size(levels, per_cell)
    check_factors(source.pattern if isinstance(source, PhysicsModel) else source, levels)
    cells = [dict(zip(levels, cell, strict=True)) for cell in itertools.product(*levels.values())]
    values = [
        {name: FACTORS[name].value(level, name) for name, level in cell.items()} for cell in cells
    ]
    return _wafers(source, cells, values, per_cell, seed)


def _wafers(
    source: PhysicsModel | str,
    cells: Sequence[Mapping[str, Level]],
    values: Sequence[Mapping[str, float]],
    per_cell: int,
    seed: int,
) -> Iterator[DesignWafer]:
    for index, (levels, fixed) in enumerate(zip(cells, values, strict=True)):
        for begin in range(0, per_cell, _BATCH):
            numbers = range(begin, min(begin + _BATCH, per_cell))
            if isinstance(source, PhysicsModel):
                simulated = simulate_numbers(source, numbers, seed, fixed)
                for number, w in zip(numbers, simulated, strict=True):
                    yield DesignWafer(
                        w.picture, w.pattern, index, number, levels, w.values, w.source
                    )
                continue
            drawn = draw_values(source, numbers.stop, seed, fixed)
            drawn = {name: array[numbers.start :] for name, array in drawn.items()}
            pictures = simulate_factors(source, drawn, seed, numbers)
            for row, (number, picture) in enumerate(zip(numbers, pictures, strict=True)):
                of_wafer = {name: float(array[row]) for name, array in drawn.items()}
                yield DesignWafer(picture, source, index, number, levels, of_wafer)
