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
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wafer_core.errors import InputError
from wafer_core.images import NO_DIE, Picture, is_map
from wafer_core.parameters import check_seed
from wafer_core.simulator import FACTORS, PATTERNS, Mask, Values, draw_values, simulate_factors
from wafer_core.simulator.fitted import Fit, PhysicsModel, as_table, moved_by, simulate_class
from wafer_core.simulator.summary_statistics import Array, distances, signatures, weighed

STEPS = {"fit": "Fit the simulator to the class", "simulate": "Simulate wafers"}
_LEARN_FROM = 200  # wafers of the class at most: more take longer and say no more
_LIBRARY = 220  # wafers of each pattern in the first round
_ROUNDS = (0.2, 0.08)  # how far each further round looks around, in shares of a factor's range
_CHILDREN = 6  # simulated around each that was kept
_SHORTLIST, _FRESH = 12, 2  # sets that are tried again, and how often
_KEPT = 4  # sets of factors for each wafer of the class
# A class is of one nature: a pattern that few of its wafers look like must come nearer to be taken,
# by this distance for each factor e that its share is smaller.
_RARER = 0.06


def fit(pictures: Sequence[Picture], seed: int = 0, name: str = "") -> PhysicsModel:
    """Find the factors that reproduce a class.

    Args:
        pictures: Wafer maps of one class; 200 of them at most are looked at.
        seed: The same seed finds the same factors.
        name: Of the class. One that is called like a pattern is taken to be of it, unless the
            wafers of another come clearly nearer.

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
    prior = np.array([pattern.casefold() == name.strip().casefold() for pattern in PATTERNS])
    kept = _nearest(target, pool, scales, prior, _KEPT)
    for width in _ROUNDS:
        pool = pool.of(np.unique(kept)).joined(_around(pool, kept, masks, width, generator))
        kept = _nearest(target, pool, scales, prior, _KEPT)
    kept = _confirmed(target, pool, masks, scales, prior, generator)
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
            near = moved_by(pattern, pool.values[k], generator.normal(0, width, len(FACTORS)))
            children.setdefault(pattern, []).append((near, index))
    patterns, values, made = [], [], []
    for pattern, chosen in children.items():
        table = as_table([near for near, _ in chosen])
        seed = int(generator.integers(2**62))
        made += simulate_factors(pattern, table, seed, None, [masks[i] for _, i in chosen])
        patterns += [pattern] * len(chosen)
        values += [near for near, _ in chosen]
    return _Pool(patterns, values, *signatures(made))


def _confirmed(
    target: Array, pool: _Pool, masks: Sequence[Mask], scales: Array,
    prior: npt.NDArray[np.bool_], generator: np.random.Generator,
) -> npt.NDArray[np.intp]:  # fmt: skip
    """Indices (N, _KEPT) of the sets of factors that come near again and again.

    One simulated wafer of a set may be near by luck; it is the mean of fresh ones that counts.
    """
    short = _nearest(target, pool, scales, prior, _SHORTLIST)
    wanted = np.repeat(short.ravel(), _FRESH)
    N, K = short.shape  # K: _SHORTLIST, or the whole of a small pool
    of = np.repeat(np.arange(N), K * _FRESH)
    found = np.empty((len(wanted), target.shape[1]))
    patterns = np.array([pool.patterns[k] for k in wanted])
    for pattern in np.unique(patterns):
        mine = np.flatnonzero(patterns == pattern)
        table = as_table([pool.values[k] for k in wanted[mine]])
        seed = int(generator.integers(2**62))
        made = simulate_factors(str(pattern), table, seed, None, [masks[k] for k in of[mine]])
        found[mine] = signatures(made)[0]
    apart = np.linalg.norm(weighed(found, scales) - weighed(target[of], scales), axis=1)
    mean = apart.reshape(N, K, _FRESH).mean(2)
    best = np.argsort(mean, axis=1, kind="stable")[:, :_KEPT]
    return np.asarray(np.take_along_axis(short, best, 1))


def _nearest(
    target: Array, pool: _Pool, scales: Array, prior: npt.NDArray[np.bool_], most: int
) -> npt.NDArray[np.intp]:
    """Indices (N, most) of the simulated wafers nearest to each of the class.

    Args:
        prior: The pattern that the class is named after, of all; counts as all wafers again.
    """
    found = distances(target, pool.signatures, scales)
    patterns = np.array([PATTERNS.index(pattern) for pattern in pool.patterns])
    kept = np.argsort(found, axis=1, kind="stable")[:, :most]
    for _ in range(3):  # shares and choice settle after a few turns
        counts = np.bincount(patterns[kept].ravel(), minlength=len(PATTERNS))
        counts = counts + 0.5 + prior * kept.size
        penalty = -_RARER * np.log(counts / counts.sum())
        kept = np.argsort(found + penalty[patterns], axis=1, kind="stable")[:, :most]
    return kept


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


def _rows(table: Values) -> list[dict[str, float]]:
    columns = {name: array.tolist() for name, array in table.items()}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
