"""Scores of synthetic against real pictures, next to real-real and between-class comparisons.

Scores that depend on the sample size are computed with equal sample sizes and averaged over several
samples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from wafer_core.messages import message
from wafer_core.metrics import generation
from wafer_core.networks.features import Activations
from wafer_core.tasks.evaluation import sentences
from wafer_core.tasks.evaluation.scores import Score

EACH = 60  # pictures per side at most where a score is compared with its baseline and reference
SUBSET = 100  # pictures in one subset of KID at most
FEWEST = 4  # real pictures that are needed to compare two halves of them
_SAMPLES = 10  # of equal size, that a score is averaged over
_SPLIT = 20  # pictures at least in one split of the Inception Score

Array = npt.NDArray[Any]
Pair = tuple[Array, Array]
_Metric = Callable[[Array, Array], float]


class Samples:
    """Features of synthetic and real pictures, and how samples of them are drawn.

    Attributes:
        each: Sample size per side at which scores are compared.
        subset: Size of a KID subset.
        halves: Random halves of the real pictures, as indices; empty if there is a second set.
    """

    def __init__(
        self,
        synthetic: Activations,
        real: Activations,
        second: Activations | None,
        lots: list[str | None] | None,
        rng: np.random.Generator,
        seed: int,
    ) -> None:
        """Plan the samples.

        Args:
            synthetic: Of the synthetic pictures.
            real: Of the real ones.
            second: Of other real ones for the baseline; ``None``: halves of ``real`` are compared.
            lots: Of ``real``; a lot is not split between the halves.
            rng: Draws the samples.
            seed: Of KID subsets and Inception Score splits.
        """
        self.synthetic, self.real, self.second, self.seed = synthetic, real, second, seed
        self._rng = rng
        self.halves: list[Pair] = []
        if second is None and len(real.features) >= FEWEST:
            self.halves = split_halves(len(real.features), lots, generation.SUBSETS, rng)
        sizes = [len(synthetic.features), len(real.features)]
        sizes += [len(second.features)] if second is not None else []
        sizes += [len(side) for pair in self.halves for side in pair]
        self.each = min(*sizes, EACH)
        smallest = [min(len(side) for pair in self.halves for side in pair)] if self.halves else []
        self.subset = min(
            [len(synthetic.features) // 2, len(real.features) // 2, SUBSET, *smallest]
        )
        if second is not None:
            self.subset = min(self.subset, len(second.features) // 2)

    @property
    def has_baseline(self) -> bool:
        """Whether there are enough real pictures to compare them with each other."""
        return self.second is not None or bool(self.halves)

    def pairs(self, left: Array, right: Array) -> list[Pair]:
        """Random pairs of samples with ``each`` rows."""
        return [
            (
                left[self._rng.permutation(len(left))[: self.each]],
                right[self._rng.permutation(len(right))[: self.each]],
            )
            for _ in range(_SAMPLES)
        ]

    def baseline_pairs(self) -> list[Pair]:
        """The same of real pictures on both sides."""
        if self.second is not None:
            return self.pairs(self.second.features, self.real.features)
        real = self.real.features
        return [(real[a[: self.each]], real[b[: self.each]]) for a, b in self.halves[:_SAMPLES]]

    def counts(self, **more: int) -> dict[str, int]:
        """Numbers of pictures, for ``Score.counts``."""
        made, real = len(self.synthetic.features), len(self.real.features)
        return {"made": made, "real": real, "each": self.each, **more}


def split_halves(
    count: int, lots: list[str | None] | None, repeats: int, rng: np.random.Generator
) -> list[Pair]:
    """Random halves as indices; a lot is not split unless there is only one.

    Args:
        count: Number of pictures.
        lots: Their lots; ``None`` in the list or for all: each picture is its own lot.
        repeats: Number of splits.
        rng: Random generator.
    """
    group = np.arange(count)
    if lots is not None and len(lots) == count:
        number: dict[str, int] = {}
        group = np.array(
            [number.setdefault(lot or f"#{i}", len(number)) for i, lot in enumerate(lots)]
        )
    if len(np.unique(group)) < 2:
        group = np.arange(count)
    found = []
    for _ in range(repeats):
        order = rng.permutation(group.max() + 1)[group]  # position of each picture's lot
        ranks = np.argsort(order, kind="stable")
        ends = np.flatnonzero(np.diff(order[ranks])) + 1  # where one lot ends and the next begins
        cut = int(ends[np.abs(ends - count / 2).argmin()])
        found.append((rng.permutation(ranks[:cut]), rng.permutation(ranks[cut:])))
    return found


def _mean(pairs: list[Pair], metric: _Metric) -> float:
    return float(np.mean([metric(a, b) for a, b in pairs]))


def nearest_class(values: Mapping[str, float], better: str) -> tuple[float | None, str | None]:
    """The best score among other classes, and its class.

    Args:
        values: Score of each class.
        better: ``lower`` or ``higher``.
    """
    if not values:
        return None, None
    name = min(values, key=lambda key: values[key] if better == "lower" else -values[key])
    return values[name], name


def kid(samples: Samples, others: Mapping[str, Activations]) -> Score:
    """Kernel inception distance; ``others`` are the nearest classes by name."""
    m, seed = samples.subset, samples.seed
    if m < 2:
        counts = samples.counts(each=0)
        return Score("kid", counts=counts, note=sentences.too_few("kid", FEWEST, counts))
    synthetic, real = samples.synthetic.features, samples.real.features
    value, spread = generation.kernel_distance(synthetic, real, m, seed=seed)
    baseline, baseline_spread = None, None
    if samples.second is not None:
        second = samples.second.features
        baseline, baseline_spread = generation.kernel_distance(second, real, m, seed=seed)
    elif samples.halves:
        drawn = [generation.squared_mmd(real[a[:m]], real[b[:m]]) for a, b in samples.halves]
        baseline, baseline_spread = float(np.mean(drawn)), float(np.std(drawn))
    of_classes = {
        name: generation.kernel_distance(seen.features, real, m, seed=seed)[0]
        for name, seen in others.items()
        if len(seen.features) >= m
    }
    # KID does not depend on the sample size, so the value itself is compared
    return Score(
        "kid",
        value,
        spread,
        value,
        baseline,
        *nearest_class(of_classes, "lower"),
        samples.counts(each=m, subset=m),
        {"floor_spread": baseline_spread},
    )


def fid(samples: Samples, others: Mapping[str, Activations]) -> Score:
    """Fréchet inception distance; ``others`` are the nearest classes by name."""
    counts = samples.counts()
    if samples.each < 2:
        return Score("fid", counts=counts, note=sentences.too_few("fid", 2, counts))
    synthetic, real = samples.synthetic.features, samples.real.features
    metric = generation.frechet_distance
    value = metric(synthetic, real)
    compared = _compared(samples, others, metric, "lower")
    is_short = min(len(synthetic), len(real)) <= synthetic.shape[1]
    note = sentences.rank_deficient(counts, synthetic.shape[1]) if is_short else None
    return Score("fid", value, None, *compared, counts, note=note)


def precision(samples: Samples, others: Mapping[str, Activations]) -> Score:
    """Precision; ``others`` are the nearest classes by name."""
    return _precision_recall(samples, others, "precision", 0)


def recall(samples: Samples, others: Mapping[str, Activations]) -> Score:
    """Recall; ``others`` are the nearest classes by name."""
    return _precision_recall(samples, others, "recall", 1)


def _precision_recall(
    samples: Samples, others: Mapping[str, Activations], name: str, which: int
) -> Score:
    fewest, counts = generation.NEIGHBOURS + 1, samples.counts()
    if min(counts["made"], counts["real"]) < fewest:
        return Score(name, counts=counts, note=sentences.too_few(name, fewest, counts))

    def metric(left: Array, right: Array) -> float:
        return generation.precision_recall(left, right)[which]

    value = metric(samples.synthetic.features, samples.real.features)
    if samples.each < fewest:
        note = message(
            "The real-real baseline and the between-class reference need {count:,} real wafers per "
            "side; add originals.",
            count=fewest,
        )
        return Score(name, value, counts=counts, note=note)
    return Score(name, value, None, *_compared(samples, others, metric, "higher"), counts)


def _compared(
    samples: Samples, others: Mapping[str, Activations], metric: _Metric, better: str
) -> tuple[float, float | None, float | None, str | None]:
    """Score, baseline, reference and its class, all with equal sample sizes."""
    real = samples.real.features
    of_classes = {
        name: _mean(samples.pairs(seen.features, real), metric) for name, seen in others.items()
    }
    return (
        _mean(samples.pairs(samples.synthetic.features, real), metric),
        _mean(samples.baseline_pairs(), metric) if samples.has_baseline else None,
        *nearest_class(of_classes, better),
    )


def inception(samples: Samples, others: Mapping[str, Activations]) -> Score:
    """Inception Score; ``others`` are the nearest classes by name."""
    synthetic, real = samples.synthetic.probabilities, samples.real.probabilities
    splits = int(np.clip(len(synthetic) // _SPLIT, 1, generation.SPLITS))
    counts = samples.counts(splits=splits)
    if not len(synthetic):
        return Score("is", counts=counts, note=sentences.too_few("is", 1, counts))
    value, spread = generation.inception_score(synthetic, splits, samples.seed)
    if not samples.each:
        return Score("is", value, spread, counts=counts)

    def metric(left: Array, _: Array) -> float:
        return generation.inception_score(left, 1, samples.seed)[0]

    of_classes = {
        name: _mean(samples.pairs(seen.probabilities, real), metric)
        for name, seen in others.items()
    }
    return Score(
        "is",
        value,
        spread,
        _mean(samples.pairs(synthetic, real), metric),
        _mean(samples.pairs(real, real), metric),
        *nearest_class(of_classes, "lower"),
        counts,
    )
