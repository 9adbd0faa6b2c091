"""The simulator fitted to a class: which pattern with which factors looks like these wafers.

Approximate Bayesian computation (Beaumont et al., Genetics 162, 2002; in rounds: Sisson et al.,
PNAS 104, 2007): wafers with all patterns and all factors are simulated on the class's own die
grids, and for each wafer of the class the ones with the nearest signature are kept; around these
the next round looks closer. What is kept are whole sets of factors, so that what goes together in
the class (a large product with thin rings) goes together in what is made.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from wafer_core.errors import InputError, ParameterError
from wafer_core.images import NO_DIE, Picture, is_map
from wafer_core.simulator import FACTORS, PATTERNS, Mask, Values, draw_values, simulate_factors
from wafer_core.simulator.factors import factors_of
from wafer_core.tasks.parameters import check_seed
from wafer_core.tasks.signatures import Array, distances, signatures

MAX_COUNT = 20_000  # wafers in one go
STEPS = {"fit": "Fit the simulator to the class", "simulate": "Simulate wafers"}
_LEARN_FROM = 200  # wafers of the class at most: more take longer and say no more
_LIBRARY = 220  # wafers of each pattern in the first round
_ROUNDS = (0.2, 0.08)  # how far each further round looks around, in shares of a factor's range
_CHILDREN = 6  # simulated around each that was kept
_KEPT = 4  # sets of factors for each wafer of the class
# A class is of one nature: a pattern that few of its wafers look like must come nearer to be taken,
# by this distance for each factor e that its share is smaller.
_RARER = 0.06
_JITTER = 0.03  # what is made differs from what was kept by this share of the range
NEAR, FAR = 1.25, 1.7  # ratios of fit up to which it is told as good, and beyond as bad
_CIRCULAR = ("angle", "scratch_heading")
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


def fit(pictures: Sequence[Picture], seed: int = 0) -> PhysicsModel:
    """Find the factors that reproduce a class.

    Args:
        pictures: Wafer maps of one class; 200 of them at most are looked at.
        seed: The same seed finds the same factors.

    Raises:
        InputError: No wafer map among them.
    """
    check_seed(seed)
    maps = [index for index, picture in enumerate(pictures) if is_map(picture)]
    if not maps:
        raise InputError(
            "Physics needs wafer maps with a die grid, and this class has none; "
            "choose Auto or Manual for it."
        )
    generator = np.random.default_rng([seed, 47])
    if len(maps) > _LEARN_FROM:
        maps = sorted(generator.choice(maps, _LEARN_FROM, replace=False).tolist())
    real = [pictures[index] for index in maps]
    masks = [picture != NO_DIE for picture in real]
    target, bearing = signatures(real)

    pool = _library(masks, generator)
    # what varies among all patterns is the measure of each number, whatever the class
    scales = np.maximum(pool.signatures.std(0), 0.02)
    kept = _nearest(target, pool, scales)
    for width in _ROUNDS:
        pool = pool.of(np.unique(kept)).joined(_around(pool, kept, masks, width, generator))
        kept = _nearest(target, pool, scales)
    sets = []
    for index, mine in enumerate(kept):
        for k in mine:
            H, W = masks[index].shape
            values = {**pool.values[k], "rows": float(H), "aspect": W / H}
            if "angle" in values:  # a signature leaves the direction out: turn it to the wafer's
                turn = math.degrees(bearing[index] - pool.bearings[k])
                values["angle"] = (values["angle"] + turn) % 360
            sets.append((pool.patterns[k], values, index))
    counts = Counter(pattern for pattern, _, _ in sets)
    shares = {name: number / len(sets) for name, number in counts.most_common()}
    model = PhysicsModel(tuple(sets), tuple(masks), tuple(maps), Fit(0.0, None, shares, len(real)))
    return PhysicsModel(model.sets, model.masks, model.indices, _judged(model, target, scales))


@dataclass(frozen=True)
class _Pool:
    """Simulated wafers to choose from."""

    patterns: list[str]
    values: list[dict[str, float]]
    signatures: Array
    bearings: Array

    def of(self, chosen: npt.NDArray[np.intp]) -> _Pool:
        return _Pool(
            [self.patterns[k] for k in chosen], [self.values[k] for k in chosen],
            self.signatures[chosen], self.bearings[chosen],
        )  # fmt: skip

    def joined(self, other: _Pool) -> _Pool:
        return _Pool(
            self.patterns + other.patterns, self.values + other.values,
            np.concatenate([self.signatures, other.signatures]),
            np.concatenate([self.bearings, other.bearings]),
        )  # fmt: skip


def _library(masks: Sequence[Mask], generator: np.random.Generator) -> _Pool:
    """Wafers of all patterns with all factors, on die grids of the class."""
    patterns, values, made = [], [], []
    for pattern in PATTERNS:
        seed = int(generator.integers(2**62))
        drawn = draw_values(pattern, _LIBRARY, seed)
        chosen = generator.integers(len(masks), size=_LIBRARY)
        made += simulate_factors(pattern, drawn, seed, None, [masks[k] for k in chosen])
        patterns += [pattern] * _LIBRARY
        values += _rows(drawn)
    return _Pool(patterns, values, *signatures(made))


def _around(
    pool: _Pool, kept: npt.NDArray[np.intp], masks: Sequence[Mask], width: float,
    generator: np.random.Generator,
) -> _Pool:  # fmt: skip
    """Wafers with factors near those that were kept, each on the grid of the one it is for."""
    children: dict[str, list[tuple[dict[str, float], int]]] = {}
    for index, mine in enumerate(kept):
        for k in np.repeat(mine[:2], _CHILDREN // 2):  # the two nearest have them
            pattern = pool.patterns[k]
            near = _moved(pattern, pool.values[k], generator.normal(0, width, len(FACTORS)))
            children.setdefault(pattern, []).append((near, index))
    patterns, values, made = [], [], []
    for pattern, chosen in children.items():
        table = _table([near for near, _ in chosen])
        seed = int(generator.integers(2**62))
        made += simulate_factors(pattern, table, seed, None, [masks[i] for _, i in chosen])
        patterns += [pattern] * len(chosen)
        values += [near for near, _ in chosen]
    return _Pool(patterns, values, *signatures(made))


def _nearest(target: Array, pool: _Pool, scales: Array) -> npt.NDArray[np.intp]:
    """Indices (N, _KEPT) of the simulated wafers nearest to each of the class."""
    found = distances(target, pool.signatures, scales)
    patterns = np.array([PATTERNS.index(pattern) for pattern in pool.patterns])
    kept = np.argsort(found, axis=1, kind="stable")[:, :_KEPT]
    for _ in range(3):  # shares and choice settle after a few turns
        counts = np.bincount(patterns[kept].ravel(), minlength=len(PATTERNS)) + 0.5
        penalty = -_RARER * np.log(counts / counts.sum())
        kept = np.argsort(found + penalty[patterns], axis=1, kind="stable")[:, :_KEPT]
    return kept


def _moved(
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
            out[name] = moved % (180 if name == "scratch_heading" else 360)
        else:
            out[name] = min(max(moved, min(low, value)), max(high, value))
        if factor.whole:
            out[name] = float(round(out[name]))
    return out


def _judged(model: PhysicsModel, target: Array, scales: Array) -> Fit:
    """How near fresh wafers of the model are, see ``Fit``."""
    N = len(target)
    rounds = 1 if N > 50 else 4
    found = []
    for number in range(rounds):
        made = simulate_class(model, max(N, 8), 1 + number)
        mine, _ = signatures([wafer.picture for wafer in made])
        # with as many to choose from as a wafer of the class has others
        apart = distances(target, mine[: max(N - 1, 1)], scales)
        found.append((apart.min(1).mean() + apart.min(0).mean()) / 2)
    floor = None
    if N > 1:
        among = distances(target, target, scales)
        np.fill_diagonal(among, np.inf)
        floor = float(among.min(1).mean())
    return Fit(float(np.mean(found)), floor, model.fit.shares, N)


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
        _moved(pattern, values, step)
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
            pattern, _table(rows), seed, [numbers[k] for k in places], masks
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


def _table(rows: Sequence[Mapping[str, float]]) -> Values:
    return {name: np.array([row[name] for row in rows], np.float64) for name in rows[0]}


def _rows(table: Values) -> list[dict[str, float]]:
    columns = {name: array.tolist() for name, array in table.items()}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
