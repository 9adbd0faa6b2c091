"""Test sets of all levels: every combination of process factors, so many wafers each.

A full factorial design (Box, Hunter and Hunter, Statistics for Experimenters, ch. 5). The wafers of
one repetition share everything that is left to chance, so that two cells differ by their levels
alone: what a classifier answers differently, it answers for the factor.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from wafer_core.errors import ParameterError
from wafer_core.images import Picture
from wafer_core.parameters import check_seed
from wafer_core.simulator import FACTORS, draw_values, simulate_factors
from wafer_core.simulator.factored import check_names
from wafer_core.simulator.fitted import MAX_COUNT, PhysicsModel, check_count, simulate_sets

Level = str | float  # "low", "mid", "high", or a number in the factor's unit
_CELLS_AT_ONCE = 2000  # wafers simulated before any is handed out


@dataclass(frozen=True)
class LevelWafer:
    """One wafer of a test set.

    Attributes:
        picture: The wafer map.
        pattern: What it carries.
        cell: Number of its combination of levels, from 0.
        repetition: Number of the wafer in its cell, from 0.
        levels: The level of each varied factor, as it was asked for.
        values: The value of every factor of the wafer, in its unit.
        grid_of: Index of the picture of the class whose die grid it has.
    """

    picture: Picture
    pattern: str
    cell: int
    repetition: int
    levels: Mapping[str, Level]
    values: Mapping[str, float]
    grid_of: int | None = None

    def row(self) -> dict[str, object]:
        """A row of the test set's table, the same columns for every wafer."""
        given = {f"{name}_level": level for name, level in self.levels.items()}
        values = {
            name: round(self.values[name], 6) if name in self.values else "" for name in FACTORS
        }
        cell = {"pattern": self.pattern, "cell": self.cell, "repetition": self.repetition}
        return {**cell, **given, **values}


def count_wafers(levels: Mapping[str, Sequence[Level]], per_cell: int) -> int:
    """How many wafers a test set has.

    Raises:
        ParameterError: No level of a factor, or more wafers than can be made in one go.
    """
    for name, chosen in levels.items():
        if not chosen:
            raise ParameterError(f"{name} has no level; give some of low, mid, high, or numbers.")
        if len(set(chosen)) < len(chosen):
            raise ParameterError(f"{name} lists a level twice; list each once.")
    check_count(per_cell)
    total = per_cell * math.prod(len(chosen) for chosen in levels.values())
    if total > MAX_COUNT:
        raise ParameterError(
            f"All levels of these factors are {total:,} wafers, and {MAX_COUNT:,} are the most in "
            "one go; take fewer factors, levels or wafers for each."
        )
    return total


def level_grid(
    source: PhysicsModel | str, levels: Mapping[str, Sequence[Level]], per_cell: int, seed: int
) -> Iterator[LevelWafer]:
    """Wafers for every combination of levels.

    Args:
        source: A fitted class, or one of ``PATTERNS``. What is not varied is as in the class, or
            drawn from the usual ranges of the pattern.
        levels: The levels of each varied factor; none gives one cell.
        per_cell: Wafers of each combination.
        seed: The same seed makes the same wafers.

    Yields:
        The wafers, cell by cell.

    Raises:
        ParameterError: No such pattern, factor or level, or too many wafers.
    """
    check_seed(seed)
    count_wafers(levels, per_cell)
    pattern = source.pattern if isinstance(source, PhysicsModel) else source
    check_names(pattern, levels)
    values = [
        {name: FACTORS[name].value(level, name) for name, level in zip(levels, cell, strict=True)}
        for cell in itertools.product(*levels.values())
    ]
    return _cells(source, pattern, levels, values, per_cell, seed)


def _cells(
    source: PhysicsModel | str, pattern: str, levels: Mapping[str, Sequence[Level]],
    values: Sequence[Mapping[str, float]], per_cell: int, seed: int,
) -> Iterator[LevelWafer]:  # fmt: skip
    names = list(levels)
    for index, (cell, fixed) in enumerate(
        zip(itertools.product(*levels.values()), values, strict=True)
    ):
        told = dict(zip(names, cell, strict=True))
        for begin in range(0, per_cell, _CELLS_AT_ONCE):
            numbers = range(begin, min(begin + _CELLS_AT_ONCE, per_cell))
            if isinstance(source, PhysicsModel):
                for number, made in zip(
                    numbers, simulate_sets(source, numbers, seed, fixed), strict=True
                ):
                    yield LevelWafer(
                        made.picture, made.pattern, index, number, told, made.values, made.grid_of
                    )
                continue
            drawn = draw_values(pattern, numbers.stop, seed, fixed)
            drawn = {name: array[numbers.start :] for name, array in drawn.items()}
            pictures = simulate_factors(pattern, drawn, seed, numbers)
            for row, (number, picture) in enumerate(zip(numbers, pictures, strict=True)):
                mine = {name: float(array[row]) for name, array in drawn.items()}
                yield LevelWafer(picture, pattern, index, number, told, mine)
