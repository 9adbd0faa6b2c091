"""A simulator fitted to a class: its sets of factors, the quality of the fit, and wafers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from wafer_core.errors import ParameterError
from wafer_core.images import Picture
from wafer_core.messages import Message, joined, message
from wafer_core.parameters import SEED
from wafer_core.simulator import FACTORS, Mask, Values, factors_of, simulate_factors
from wafer_core.simulator.summary_statistics import Array

MAX_COUNT = 20_000  # wafers per call
GOOD, POOR = 1.25, 1.7  # ratio of a fit that is good up to, and poor from
_JITTER = 0.03  # change of each factor in a simulated wafer, as a share of its range
_PERIODS = {"angle": 360, "scratch_heading": 180}  # degrees
_FROM_GRID = ("rows", "aspect")  # taken from the die grids of the class


@dataclass(frozen=True)
class Fit:
    """How close the simulated wafers are to those of the class.

    Attributes:
        distance: Mean distance in summary statistics between the wafers of the class and their
            nearest simulated wafers, averaged with that in the other direction.
        baseline: Mean distance from a wafer of the class to its nearest neighbour in the class,
            among as many wafers; ``None`` for a class of one wafer.
        shares: Share of the class that each pattern explains, the largest first.
        wafers: Number of wafers of the class that were used.
    """

    distance: float
    baseline: float | None
    shares: Mapping[str, float]
    wafers: int

    @property
    def ratio(self) -> float | None:
        """Distance over baseline: 1 is as close as real wafers to each other; lower is better."""
        # the distance between exact copies is not 0 because of rounding
        return self.distance / self.baseline if self.baseline and self.baseline > 1e-3 else None

    @property
    def sentence(self) -> Message:
        """The quality of the fit, for people."""
        pattern, share = next(iter(self.shares.items()))
        similar = message(
            "Most similar to {pattern} ({share:.0%} of the wafers).", pattern=pattern, share=share
        )
        if self.wafers == 1:
            verdict = message("One wafer does not show how much the class varies; add more wafers.")
            return joined([similar, verdict], " ")
        if self.ratio is None:
            verdict = message(
                "All wafers of this class are equal, so the quality of the fit is unknown; add "
                "different wafers."
            )
            return joined([similar, verdict], " ")
        distance = message(
            "Simulated wafers are {ratio:.2f}× as far from real wafers as real wafers are from "
            "each other.",
            ratio=self.ratio,
        )
        if self.ratio <= GOOD:
            return joined([message("Good fit."), similar, distance], " ")
        if self.ratio <= POOR:
            return joined([message("Rough fit."), similar, distance], " ")
        poor = message(
            "Poor fit: the simulator cannot reproduce this class. Use Auto or Manual for it."
        )
        return joined([poor, similar, distance], " ")

    def to_json(self) -> dict[str, Any]:
        """Plain values to store with a run."""
        return {
            "distance": round(self.distance, 4),
            "floor": None if self.baseline is None else round(self.baseline, 4),
            "ratio": None if self.ratio is None else round(self.ratio, 3),
            "shares": {name: round(share, 4) for name, share in self.shares.items()},
            "wafers": self.wafers,
            "sentence": self.sentence.to_json(),
        }


class FactorSet(NamedTuple):
    """Factors whose wafers resemble one wafer of the class."""

    pattern: str
    values: Mapping[str, float]
    wafer: int  # index of the wafer of the class, in ``PhysicsModel.masks``


@dataclass(frozen=True)
class PhysicsModel:
    """Sets of factors whose wafers resemble those of a class.

    Attributes:
        sets: The sets of factors.
        masks: Die grid of each wafer of the class that was used.
        indices: Index of each of these wafers among the given pictures.
        fit: The quality of the fit.
    """

    sets: tuple[FactorSet, ...]
    masks: tuple[Mask, ...]
    indices: tuple[int, ...]
    fit: Fit = field(repr=False)

    @property
    def pattern(self) -> str:
        """The pattern that most wafers of the class resemble."""
        return next(iter(self.fit.shares))

    def factor_ranges(self) -> dict[str, tuple[float, float, float]]:
        """10%, 50% and 90% quantiles of each factor over the wafers of the main pattern."""
        rows = [one.values for one in self.sets if one.pattern == self.pattern]
        return {
            name: tuple(np.quantile([row[name] for row in rows], (0.1, 0.5, 0.9)).tolist())  # type: ignore[misc]
            for name in factors_of(self.pattern)
        }


@dataclass(frozen=True)
class SimulatedWafer:
    """A simulated wafer and its factors."""

    picture: Picture
    pattern: str
    values: Mapping[str, float]
    source: int | None = None  # index of the picture whose die grid it has


def simulate_class(
    model: PhysicsModel, count: int, seed: int, fixed: Mapping[str, float] | None = None
) -> list[SimulatedWafer]:
    """Wafers that resemble those of the class.

    Args:
        model: From ``fit``.
        count: Number of wafers. A larger count starts with the same wafers.
        seed: The same seed gives the same wafers.
        fixed: Factors that are set to a value. Wafers of patterns without such a factor are left
            out.

    Raises:
        ParameterError: The count or seed is invalid, or no pattern of the class has a factor.
    """
    SEED.check("seed", seed)
    check_count(count)
    return simulate_numbers(model, range(count), seed, fixed or {})


def simulate_numbers(
    model: PhysicsModel, numbers: range, seed: int, fixed: Mapping[str, float]
) -> list[SimulatedWafer]:
    """The wafers with these numbers, see ``simulate_class``.

    Wafers of one number differ only by the fixed factors.
    """
    usable = _with_factors(model, fixed)
    drawn = np.random.default_rng([seed, 53]).random((numbers.stop, 1 + len(FACTORS)))
    drawn = drawn[numbers.start :]
    sets = [usable[int(share * len(usable))] for share in drawn[:, 0]]
    keeps_grid = not any(name in fixed for name in _FROM_GRID)
    rows = [
        {
            **shifted(one.pattern, one.values, (2 * steps - 1) * _JITTER),
            **{name: one.values[name] for name in _FROM_GRID},
            **fixed,
        }
        for one, steps in zip(sets, drawn[:, 1:], strict=True)
    ]
    wafers: dict[int, SimulatedWafer] = {}
    for pattern in dict.fromkeys(one.pattern for one in sets):
        chosen = [k for k, one in enumerate(sets) if one.pattern == pattern]
        pictures = simulate_factors(
            pattern,
            as_columns([rows[k] for k in chosen]),
            seed,
            [numbers[k] for k in chosen],
            [model.masks[sets[k].wafer] for k in chosen] if keeps_grid else None,
        )
        for k, picture in zip(chosen, pictures, strict=True):
            source = model.indices[sets[k].wafer] if keeps_grid else None
            wafers[k] = SimulatedWafer(picture, pattern, rows[k], source)
    return [wafers[k] for k in range(len(sets))]


def _with_factors(model: PhysicsModel, fixed: Mapping[str, float]) -> list[FactorSet]:
    """The sets whose pattern has all of these factors."""
    for name, value in fixed.items():
        if name in FACTORS:
            FACTORS[name].value(value, name)  # raises if it is outside its limits
    usable = [one for one in model.sets if set(fixed) <= set(factors_of(one.pattern))]
    if not usable:
        raise ParameterError(
            "No wafer of this class resembles a pattern with the factors {fixed}; the factors of "
            "{pattern} are {known}.",
            fixed=", ".join(fixed),
            pattern=model.pattern,
            known=", ".join(factors_of(model.pattern)),
        )
    return usable


def check_count(count: object) -> None:
    """Check a number of wafers.

    Raises:
        ParameterError: Not a whole number from 1 to ``MAX_COUNT``.
    """
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= MAX_COUNT:
        raise ParameterError(
            "count is {value}; give a whole number from 1 to {most:,}.",
            value=repr(count),
            most=MAX_COUNT,
        )


def shifted(
    pattern: str, values: Mapping[str, float], steps: Sequence[float] | Array
) -> dict[str, float]:
    """Factors changed by some steps, within the usual ranges of the pattern.

    Args:
        pattern: One of ``PATTERNS``.
        values: Its factors.
        steps: One for each of ``FACTORS``, as a share of the range.
    """
    out = {}
    for (name, factor), step in zip(FACTORS.items(), steps, strict=True):
        if name not in values:
            continue
        value = values[name]
        low, high = factor.ranges[pattern]
        moved = float(value + step * (high - low))
        if name in _PERIODS:
            out[name] = moved % _PERIODS[name]
        else:
            out[name] = min(max(moved, min(low, value)), max(high, value))
        if factor.whole:
            out[name] = float(round(out[name]))
    return out


def as_columns(rows: Sequence[Mapping[str, float]]) -> Values:
    """Factors of wafers as one array per factor; all rows have the same factors."""
    return {name: np.array([row[name] for row in rows], np.float64) for name in rows[0]}
