"""A simulator fitted to a class: its sets of factors, how well they fit, and wafers of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wafer_core.errors import ParameterError
from wafer_core.images import Picture
from wafer_core.parameters import check_seed
from wafer_core.simulator import FACTORS, Mask, Values, factors_of, simulate_factors
from wafer_core.simulator.summary_statistics import Array

MAX_COUNT = 20_000  # wafers in one go
NEAR, FAR = 1.25, 1.7  # ratios of fit up to which it is told as good, and beyond as bad
_JITTER = 0.03  # what is made differs from what was kept by this share of the range
_CIRCULAR = {"angle": 360, "scratch_heading": 180}  # degrees after which it comes round
_FROM_GRID = ("rows", "aspect")  # taken from the class's own die grids


@dataclass(frozen=True)
class Fit:
    """How near the fitted wafers are to those of the class.

    Attributes:
        distance: Mean distance of signatures from a wafer of the class to the nearest made one,
            and back.
        floor: The same among the wafers of the class themselves, with as many to choose from;
            ``None`` for a class of one wafer.
        wafers: How many of the class were looked at.
        shares: How much of the class each pattern takes, the largest first.
    """

    distance: float
    floor: float | None
    shares: Mapping[str, float]
    wafers: int

    @property
    def ratio(self) -> float | None:
        """1: made wafers are as near to the class's as these to each other. Lower is better."""
        # copies lie at rounding's distance from each other
        return self.distance / self.floor if self.floor and self.floor > 1e-3 else None

    @property
    def sentence(self) -> str:
        """What the figures mean."""
        pattern, share = next(iter(self.shares.items()))
        like = f"Most like {pattern} ({share:.0%} of the wafers)"
        if self.wafers == 1:
            return f"{like}. One wafer does not say how much its class varies; add some to know."
        if self.ratio is None:
            return (
                f"{like}. The wafers do not differ, so nothing says how near is near; add others."
            )
        far = f"simulated wafers lie {self.ratio:.2f} times as far from real ones as those do"
        if self.ratio <= NEAR:
            return f"{like}; a good fit: {far}."
        if self.ratio <= FAR:
            return f"{like}; a rough fit: {far}."
        return (
            f"{like}, but nothing that the simulator makes looks like this class: {far}. "
            "Use Auto or Manual for it."
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values, for what is stored with a run."""
        return {
            "distance": round(self.distance, 4),
            "floor": None if self.floor is None else round(self.floor, 4),
            "ratio": None if self.ratio is None else round(self.ratio, 3),
            "shares": {name: round(share, 4) for name, share in self.shares.items()},
            "wafers": self.wafers,
            "sentence": self.sentence,
        }


@dataclass(frozen=True)
class PhysicsModel:
    """Sets of factors whose wafers look like those of a class.

    Attributes:
        sets: Kept sets of factors, as (pattern, factors, index of the wafer of the class).
        masks: Die grid of each wafer of the class that was learned from.
        indices: Which of the given pictures these are.
        fit: How near they come.
    """

    sets: tuple[tuple[str, Mapping[str, float], int], ...]
    masks: tuple[Mask, ...]
    indices: tuple[int, ...]
    fit: Fit = field(repr=False)

    @property
    def pattern(self) -> str:
        """The pattern that most of the class looks like."""
        return next(iter(self.fit.shares))

    def factor_ranges(self) -> dict[str, tuple[float, float, float]]:
        """10 %, 50 % and 90 % of each factor among the wafers of the main pattern."""
        mine = [values for pattern, values, _ in self.sets if pattern == self.pattern]
        return {
            name: tuple(np.quantile([v[name] for v in mine], (0.1, 0.5, 0.9)).tolist())  # type: ignore[misc]
            for name in factors_of(self.pattern)
        }


@dataclass(frozen=True)
class MadeWafer:
    """A simulated wafer and what it was simulated with."""

    picture: Picture
    pattern: str
    values: Mapping[str, float]
    grid_of: int | None = None  # index of the picture whose die grid it has


def simulate_class(
    model: PhysicsModel, count: int, seed: int, fixed: Mapping[str, float] | None = None
) -> list[MadeWafer]:
    """Wafers that look like those of the class.

    Args:
        model: Of ``fit``.
        count: How many.
        seed: The same seed makes the same wafers, and the first of more are those of fewer.
        fixed: Factors set to a value, whatever the class has; wafers of patterns that do not have
            such a factor are left out.

    Raises:
        ParameterError: A bad count or seed, or no pattern of the class has a factor.
    """
    check_count(count)
    check_seed(seed)
    return simulate_sets(model, range(count), seed, fixed or {})


def simulate_sets(
    model: PhysicsModel, numbers: range, seed: int, fixed: Mapping[str, float]
) -> list[MadeWafer]:
    """The wafers of these numbers, see ``simulate_class``: those of a number share their chance."""
    usable = _with_factors(model, fixed)
    drawn = np.random.default_rng([seed, 53]).random((numbers.stop, 1 + len(FACTORS)))
    drawn = drawn[numbers.start :]
    sets = [usable[int(share * len(usable))] for share in drawn[:, 0]]
    steps = (2 * drawn[:, 1:] - 1) * _JITTER
    moved = [
        moved_by(pattern, values, step)
        for (pattern, values, _), step in zip(sets, steps, strict=True)
    ]
    return list(_made(model, sets, moved, numbers, seed, fixed))


def _made(
    model: PhysicsModel, sets: Sequence[tuple[str, Mapping[str, float], int]],
    moved: Sequence[Mapping[str, float]], numbers: Sequence[int], seed: int,
    fixed: Mapping[str, float],
) -> Iterator[MadeWafer]:  # fmt: skip
    """Simulate sets of factors pattern by pattern; they come back in their order."""
    done: dict[int, MadeWafer] = {}
    own_grid = not any(name in fixed for name in _FROM_GRID)
    for pattern in dict.fromkeys(pattern for pattern, _, _ in sets):
        places = [k for k, chosen in enumerate(sets) if chosen[0] == pattern]
        rows = []
        for k in places:
            grid = {name: sets[k][1][name] for name in _FROM_GRID}
            rows.append({**moved[k], **grid, **fixed})
        masks = [model.masks[sets[k][2]] for k in places] if own_grid else None
        made = simulate_factors(
            pattern, as_table(rows), seed, [numbers[k] for k in places], masks
        )  # fmt: skip
        for k, row, picture in zip(places, rows, made, strict=True):
            grid_of = model.indices[sets[k][2]] if own_grid else None
            done[k] = MadeWafer(picture, pattern, row, grid_of)
    for k in range(len(sets)):
        yield done[k]


def _with_factors(
    model: PhysicsModel, fixed: Mapping[str, float]
) -> list[tuple[str, Mapping[str, float], int]]:
    for name, value in fixed.items():
        if name in FACTORS:
            FACTORS[name].value(value, name)  # says what is wrong
    usable = [chosen for chosen in model.sets if set(fixed) <= set(factors_of(chosen[0]))]
    if not usable:
        raise ParameterError(
            f"{', '.join(fixed)}: no wafer of this class looks like a pattern with these factors; "
            f"those of {model.pattern} are {', '.join(factors_of(model.pattern))}."
        )
    return usable


def check_count(count: object) -> None:
    """Refuse a count that cannot be made.

    Raises:
        ParameterError: Not a whole number from 1 to ``MAX_COUNT``.
    """
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= MAX_COUNT:
        raise ParameterError(f"count is {count!r}; give a whole number from 1 to {MAX_COUNT:,}.")


def moved_by(
    pattern: str, values: Mapping[str, float], steps: Sequence[float] | Array
) -> dict[str, float]:
    """Factors a little away from these, within the usual ranges of the pattern.

    Args:
        steps: One for each of ``FACTORS``, in shares of the range.
    """
    out = {}
    for (name, factor), step in zip(FACTORS.items(), steps, strict=True):
        if name not in values:
            continue
        value = values[name]
        low, high = factor.ranges[pattern]
        moved = float(value + step * (high - low))
        if name in _CIRCULAR:
            out[name] = moved % _CIRCULAR[name]
        else:
            out[name] = min(max(moved, min(low, value)), max(high, value))
        if factor.whole:
            out[name] = float(round(out[name]))
    return out


def as_table(rows: Sequence[Mapping[str, float]]) -> Values:
    return {name: np.array([row[name] for row in rows], np.float64) for name in rows[0]}
