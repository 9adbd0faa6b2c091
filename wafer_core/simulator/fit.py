"""Fit the simulator to a class: patterns and factors whose wafers resemble the given ones.

Approximate Bayesian computation (Beaumont et al., Genetics 162, 2002; sequential: Sisson et al.,
PNAS 104, 2007). Wafers of all patterns with random factors are simulated on the die grids of the
class. For each wafer of the class, those with the nearest summary statistics are kept, and the next
round samples around them. Whole sets of factors are kept, so that factors that are correlated in
the class (thin rings on large products) stay correlated in the simulated wafers.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from wafer_core.errors import InputError
from wafer_core.images import NO_DIE, Picture, is_map
from wafer_core.messages import N_
from wafer_core.parameters import SEED
from wafer_core.simulator import FACTORS, PATTERNS, Mask, Values, draw_values, simulate_factors
from wafer_core.simulator.fitted import (
    FactorSet,
    Fit,
    PhysicsModel,
    as_columns,
    shifted,
    simulate_class,
)
from wafer_core.simulator.summary_statistics import Array, distances, summary_statistics, weighted

STEPS = {"fit": N_("Fit the simulator to the class"), "simulate": N_("Simulate wafers")}
_MOST = 200  # wafers of the class that are used; more take longer and change little
_LIBRARY = 220  # wafers of each pattern in the first round
_ROUNDS = (0.2, 0.08)  # step of each further round, as a share of a factor's range
_CHILDREN = 6  # simulated around the nearest ones of each wafer
_SHORTLIST, _REPEATS = 12, 2  # sets that are simulated again, and how often
_KEPT = 4  # sets of factors for each wafer of the class
# Wafers of one class usually share a pattern. A pattern that explains a smaller share of the class
# has to be nearer by this distance for each factor e in the shares.
_RARITY = 0.06


def fit(pictures: Sequence[Picture], seed: int = 0, name: str = "") -> PhysicsModel:
    """Find patterns and factors that reproduce a class.

    Args:
        pictures: Wafer maps of one class; at most 200 of them are used.
        seed: The same seed gives the same result.
        name: Of the class. If it is the name of a pattern, that pattern is preferred unless another
            one is clearly nearer.

    Raises:
        InputError: There is no wafer map among them.
    """
    SEED.check("seed", seed)
    maps = [index for index, picture in enumerate(pictures) if is_map(picture)]
    if not maps:
        raise InputError(
            "The simulator needs wafer maps with a die grid, and this class has none; use Auto or "
            "Manual for it."
        )
    rng = np.random.default_rng([seed, 47])
    if len(maps) > _MOST:
        maps = sorted(rng.choice(maps, _MOST, replace=False).tolist())
    real = [pictures[index] for index in maps]
    masks = [picture != NO_DIE for picture in real]
    target, bearing = summary_statistics(real)

    pool = _library(masks, rng)
    # each statistic is scaled by its spread over all patterns, whatever the class
    scales = np.maximum(pool.statistics.std(0), 0.02)
    prior = np.array([pattern.casefold() == name.strip().casefold() for pattern in PATTERNS])
    kept = _nearest(target, pool, scales, prior, _KEPT)
    for width in _ROUNDS:
        pool = pool.of(np.unique(kept)).joined(_around(pool, kept, masks, width, rng))
        kept = _nearest(target, pool, scales, prior, _KEPT)
    kept = _confirmed(target, pool, masks, scales, prior, rng)
    sets = []
    for index, chosen in enumerate(kept):
        for k in chosen:
            H, W = masks[index].shape
            values = {**pool.values[k], "rows": float(H), "aspect": W / H}
            if "angle" in values:  # the statistics ignore the direction: rotate to the wafer's
                turn = math.degrees(bearing[index] - pool.bearings[k])
                values["angle"] = (values["angle"] + turn) % 360
            sets.append(FactorSet(pool.patterns[k], values, index))
    counts = Counter(one.pattern for one in sets)
    shares = {pattern: number / len(sets) for pattern, number in counts.most_common()}
    model = PhysicsModel(tuple(sets), tuple(masks), tuple(maps), Fit(0.0, None, shares, len(real)))
    return replace(model, fit=_quality(model, target, scales))


@dataclass(frozen=True)
class _Pool:
    """Simulated wafers to choose from."""

    patterns: list[str]
    values: list[dict[str, float]]
    statistics: Array
    bearings: Array

    def of(self, chosen: npt.NDArray[np.intp]) -> _Pool:
        return _Pool(
            [self.patterns[k] for k in chosen],
            [self.values[k] for k in chosen],
            self.statistics[chosen],
            self.bearings[chosen],
        )

    def joined(self, other: _Pool) -> _Pool:
        return _Pool(
            self.patterns + other.patterns,
            self.values + other.values,
            np.concatenate([self.statistics, other.statistics]),
            np.concatenate([self.bearings, other.bearings]),
        )


def _library(masks: Sequence[Mask], rng: np.random.Generator) -> _Pool:
    """Wafers of all patterns with random factors, on die grids of the class."""
    patterns, values, pictures = [], [], []
    for pattern in PATTERNS:
        seed = int(rng.integers(2**62))
        drawn = draw_values(pattern, _LIBRARY, seed)
        chosen = rng.integers(len(masks), size=_LIBRARY)
        pictures += simulate_factors(pattern, drawn, seed, None, [masks[k] for k in chosen])
        patterns += [pattern] * _LIBRARY
        values += _rows(drawn)
    return _Pool(patterns, values, *summary_statistics(pictures))


def _around(
    pool: _Pool,
    kept: npt.NDArray[np.intp],
    masks: Sequence[Mask],
    width: float,
    rng: np.random.Generator,
) -> _Pool:
    """Wafers with factors around the kept ones, on the grid of the wafer they were kept for."""
    children: dict[str, list[tuple[dict[str, float], int]]] = {}
    for index, chosen in enumerate(kept):
        for k in np.repeat(chosen[:2], _CHILDREN // 2):  # around the two nearest
            pattern = pool.patterns[k]
            child = shifted(pattern, pool.values[k], rng.normal(0, width, len(FACTORS)))
            children.setdefault(pattern, []).append((child, index))
    patterns, values, pictures = [], [], []
    for pattern, of_pattern in children.items():
        columns = as_columns([child for child, _ in of_pattern])
        seed = int(rng.integers(2**62))
        grids = [masks[index] for _, index in of_pattern]
        pictures += simulate_factors(pattern, columns, seed, None, grids)
        patterns += [pattern] * len(of_pattern)
        values += [child for child, _ in of_pattern]
    return _Pool(patterns, values, *summary_statistics(pictures))


def _confirmed(
    target: Array,
    pool: _Pool,
    masks: Sequence[Mask],
    scales: Array,
    prior: npt.NDArray[np.bool_],
    rng: np.random.Generator,
) -> npt.NDArray[np.intp]:
    """Indices (N, _KEPT) of the sets of factors that are near on average.

    A single simulated wafer may be near by chance; the mean over new ones decides.
    """
    short = _nearest(target, pool, scales, prior, _SHORTLIST)
    wanted = np.repeat(short.ravel(), _REPEATS)
    N, K = short.shape  # K: _SHORTLIST, or the size of a smaller pool
    owner = np.repeat(np.arange(N), K * _REPEATS)
    found = np.empty((len(wanted), target.shape[1]))
    patterns = np.array([pool.patterns[k] for k in wanted])
    for pattern in np.unique(patterns):
        rows = np.flatnonzero(patterns == pattern)
        columns = as_columns([pool.values[k] for k in wanted[rows]])
        seed = int(rng.integers(2**62))
        grids = [masks[k] for k in owner[rows]]
        found[rows] = summary_statistics(
            simulate_factors(str(pattern), columns, seed, None, grids)
        )[0]
    gap = np.linalg.norm(weighted(found, scales) - weighted(target[owner], scales), axis=1)
    mean = gap.reshape(N, K, _REPEATS).mean(2)
    best = np.argsort(mean, axis=1, kind="stable")[:, :_KEPT]
    return np.asarray(np.take_along_axis(short, best, 1))


def _nearest(
    target: Array, pool: _Pool, scales: Array, prior: npt.NDArray[np.bool_], most: int
) -> npt.NDArray[np.intp]:
    """Indices (N, most) of the simulated wafers nearest to each wafer of the class.

    Args:
        target: (N, F) statistics of the class.
        pool: To choose from.
        scales: (F,) of the statistics.
        prior: Which pattern the class is named after; counts as much as all wafers.
        most: Number to keep.
    """
    found = distances(target, pool.statistics, scales)
    patterns = np.array([PATTERNS.index(pattern) for pattern in pool.patterns])
    kept = np.argsort(found, axis=1, kind="stable")[:, :most]
    for _ in range(3):  # shares and choice converge after a few iterations
        counts = np.bincount(patterns[kept].ravel(), minlength=len(PATTERNS))
        counts = counts + 0.5 + prior * kept.size
        penalty = -_RARITY * np.log(counts / counts.sum())
        kept = np.argsort(found + penalty[patterns], axis=1, kind="stable")[:, :most]
    return kept


def _quality(model: PhysicsModel, target: Array, scales: Array) -> Fit:
    """Distance of new wafers of the model to the class, see ``Fit``."""
    N = len(target)
    rounds = 1 if N > 50 else 4
    found = []
    for number in range(rounds):
        wafers = simulate_class(model, max(N, 8), 1 + number)
        statistics, _ = summary_statistics([wafer.picture for wafer in wafers])
        # as many candidates as a wafer of the class has neighbours in the class
        gap = distances(target, statistics[: max(N - 1, 1)], scales)
        found.append((gap.min(1).mean() + gap.min(0).mean()) / 2)
    baseline = None
    if N > 1:
        among = distances(target, target, scales)
        np.fill_diagonal(among, np.inf)
        baseline = float(among.min(1).mean())
    return Fit(float(np.mean(found)), baseline, model.fit.shares, N)


def _rows(columns: Values) -> list[dict[str, float]]:
    lists = {name: array.tolist() for name, array in columns.items()}
    return [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)]
