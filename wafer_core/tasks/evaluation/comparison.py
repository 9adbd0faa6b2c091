"""Made pictures against real ones, real against real, another class against real: the figures.

Whatever depends on the counts is taken at equal counts, and from several draws.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from wafer_core.metrics import generation
from wafer_core.networks.features import Seen
from wafer_core.tasks.evaluation import sentences
from wafer_core.tasks.evaluation.sentences import Score

EACH = 60  # pictures a side at most where a figure is compared with its floor and its ceiling
SUBSET = 100  # pictures in one draw of KID at most
FEWEST = 4  # real pictures below which nothing can be said of two halves of them
_DRAWS = 10  # of equal counts, for one figure
_SPLIT = 20  # pictures at least in one split of the Inception Score

Array = npt.NDArray[Any]
Pair = tuple[Array, Array]


class Sets:
    """What is compared: made, real, other real pictures; and how they are drawn."""

    def __init__(
        self,
        made: Seen,
        real: Seen,
        second: Seen | None,
        lots: list[str | None] | None,
        rng: np.random.Generator,
        seed: int,
    ) -> None:
        self.made, self.real, self.second, self.seed = made, real, second, seed
        self._rng = rng
        self.halves: list[Pair] = []  # indices of real pictures
        if second is None and len(real.features) >= FEWEST:
            self.halves = halves(len(real.features), lots, generation.SUBSETS, rng)
        sides = [len(made.features), len(real.features)]
        sides += [len(second.features)] if second is not None else []
        sides += [len(side) for pair in self.halves for side in pair]
        self.each = min(*sides, EACH)
        whole = [min(len(side) for pair in self.halves for side in pair)] if self.halves else []
        self.subset = min([len(made.features) // 2, len(real.features) // 2, SUBSET, *whole])
        if second is not None:
            self.subset = min(self.subset, len(second.features) // 2)

    @property
    def has_floor(self) -> bool:
        """Whether there are enough real pictures to compare them with themselves."""
        return self.second is not None or bool(self.halves)

    def drawn(self, left: Array, right: Array) -> list[Pair]:
        """Pairs of ``each`` pictures from either side."""
        return [
            (
                left[self._rng.permutation(len(left))[: self.each]],
                right[self._rng.permutation(len(right))[: self.each]],
            )
            for _ in range(_DRAWS)
        ]

    def floor_pairs(self) -> list[Pair]:
        """Real pictures against real ones, ``each`` a side."""
        if self.second is not None:
            return self.drawn(self.second.features, self.real.features)
        real = self.real.features
        return [(real[a[: self.each]], real[b[: self.each]]) for a, b in self.halves[:_DRAWS]]


def halves(
    count: int, lots: list[str | None] | None, draws: int, rng: np.random.Generator
) -> list[Pair]:
    """Indices of two halves, drawn again and again; a lot goes into one half as a whole."""
    own = np.arange(count)
    if lots is not None and len(lots) == count:
        known: dict[str, int] = {}
        own = np.array([known.setdefault(lot or f"#{i}", len(known)) for i, lot in enumerate(lots)])
    if len(np.unique(own)) < 2:  # one lot only: there is no other way to split it
        own = np.arange(count)
    found = []
    for _ in range(draws):
        order = rng.permutation(own.max() + 1)[own]  # each lot's place in a random order
        ranks = np.argsort(order, kind="stable")
        ends = np.flatnonzero(np.diff(order[ranks])) + 1  # where one lot ends and another begins
        cut = int(ends[np.abs(ends - count / 2).argmin()])
        found.append((rng.permutation(ranks[:cut]), rng.permutation(ranks[cut:])))
    return found


_Figure = Callable[[Array, Array], float]


def _mean(pairs: list[Pair], figure: _Figure) -> float:
    return float(np.mean([figure(a, b) for a, b in pairs]))


def lowest(values: Mapping[str, float], better: str) -> tuple[float | None, str | None]:
    """Of the classes' figures the one that is hardest to keep away from, and its class."""
    if not values:
        return None, None
    name = min(values, key=lambda key: values[key] if better == "lower" else -values[key])
    return values[name], name


def _counts(sets: Sets, **more: int) -> dict[str, int]:
    found = {"made": len(sets.made.features), "real": len(sets.real.features)}
    return {**found, "each": sets.each, **more}


def kernel(sets: Sets, nearest: Mapping[str, Seen]) -> Score:
    m, seed = sets.subset, sets.seed
    counts = _counts(sets, each=m, subset=m) if m >= 2 else _counts(sets, each=0)
    if m < 2:
        return Score("kid", counts=counts, note=sentences.too_few("KID", FEWEST, counts))
    made, real = sets.made.features, sets.real.features
    value, spread = generation.kernel_distance(made, real, m, seed=seed)
    floor, floor_spread = None, None
    if sets.second is not None:
        second = sets.second.features
        floor, floor_spread = generation.kernel_distance(second, real, m, seed=seed)
    elif sets.halves:
        drawn = [generation.squared_mmd(real[a[:m]], real[b[:m]]) for a, b in sets.halves]
        floor, floor_spread = float(np.mean(drawn)), float(np.std(drawn))
    far = {
        name: generation.kernel_distance(seen.features, real, m, seed=seed)[0]
        for name, seen in nearest.items()
        if len(seen.features) >= m
    }
    ceiling, name = lowest(far, "lower")
    # the mean does not depend on the counts, so the value itself is what is compared
    details = {"floor_spread": floor_spread}
    return Score("kid", value, spread, value, floor, ceiling, name, counts, details)


def frechet(sets: Sets, nearest: Mapping[str, Seen]) -> Score:
    counts = _counts(sets)
    if sets.each < 2:
        return Score("fid", counts=counts, note=sentences.too_few("FID", 2, counts))
    made, real = sets.made.features, sets.real.features
    figure = generation.frechet_distance
    value = figure(made, real)
    compared = _compared(sets, nearest, figure, "lower")
    short = min(len(made), len(real)) <= made.shape[1]
    note = sentences.rank_deficient(counts, made.shape[1]) if short else None
    return Score("fid", value, None, *compared, counts, note=note)


def manifold(sets: Sets, nearest: Mapping[str, Seen], which: int) -> Score:
    name = ("precision", "recall")[which]
    fewest, counts = generation.NEIGHBOURS + 1, _counts(sets)
    if min(counts["made"], counts["real"]) < fewest:
        note = sentences.too_few(name.capitalize(), fewest, counts)
        return Score(name, counts=counts, note=note)
    value = generation.precision_recall(sets.made.features, sets.real.features)[which]
    if sets.each < fewest:
        note = f"Floor and ceiling need {fewest} real pictures on each side; add originals."
        return Score(name, value, counts=counts, note=note)

    def figure(left: Array, right: Array) -> float:
        return generation.precision_recall(left, right)[which]

    return Score(name, value, None, *_compared(sets, nearest, figure, "higher"), counts)


def _compared(
    sets: Sets, nearest: Mapping[str, Seen], figure: _Figure, better: str
) -> tuple[float, float | None, float | None, str | None]:
    """A figure of made pictures, of real and of another class's, all of equal counts."""
    real = sets.real.features
    far = {name: _mean(sets.drawn(seen.features, real), figure) for name, seen in nearest.items()}
    return (
        _mean(sets.drawn(sets.made.features, real), figure),
        _mean(sets.floor_pairs(), figure) if sets.has_floor else None,
        *lowest(far, better),
    )


def inception(sets: Sets, nearest: Mapping[str, Seen]) -> Score:
    made, real = sets.made.probabilities, sets.real.probabilities
    splits = int(np.clip(len(made) // _SPLIT, 1, generation.SPLITS))
    counts = _counts(sets, splits=splits)
    if not len(made):
        return Score("is", counts=counts, note=sentences.too_few("Inception Score", 1, counts))
    value, spread = generation.inception_score(made, splits, sets.seed)
    if not sets.each:
        return Score("is", value, spread, counts=counts)

    def one(left: Array, _: Array) -> float:
        return generation.inception_score(left, 1, sets.seed)[0]

    far = {name: _mean(sets.drawn(seen.probabilities, real), one) for name, seen in nearest.items()}
    return Score(
        "is",
        value,
        spread,
        _mean(sets.drawn(made, real), one),
        _mean(sets.drawn(real, real), one),
        *lowest(far, "lower"),
        counts,
    )
