"""The wafers of the study: split by lots, thinned, and augmented before or after the split."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.wafers import Labels, load
from wafer_core.data.split import DEFAULT_FRACTIONS, SPLITS, assign_splits
from wafer_core.images import Picture
from wafer_core.importers import Candidate
from wafer_core.simulator import PATTERNS
from wafer_core.tasks.augmentation.offline import AugmentConfig, augment


@dataclass(frozen=True, eq=False)
class Wafers:
    """N pictures, their class indices (N,) and their lots (N,)."""

    pictures: Sequence[Picture]
    labels: Labels
    lots: np.ndarray[tuple[int], np.dtype[np.str_]]

    def __len__(self) -> int:
        return len(self.labels)

    def select(self, chosen: np.ndarray[Any, Any]) -> Wafers:
        """The wafers with some indices, or of a mask."""
        indices = np.arange(len(self))[chosen]
        return Wafers([self.pictures[i] for i in indices], self.labels[indices], self.lots[indices])

    def __add__(self, other: Wafers) -> Wafers:
        return Wafers(
            [*self.pictures, *other.pictures],
            np.concatenate([self.labels, other.labels]),
            np.concatenate([self.lots, other.lots]),
        )

    def counts(self, classes: int = len(PATTERNS)) -> list[int]:
        """Number of wafers of each class."""
        return [int(n) for n in np.bincount(self.labels, minlength=classes)]


Splits = dict[str, Wafers]


def read_wafers(candidates: Sequence[Candidate]) -> Wafers:
    """Pictures, classes and lots of labelled wafers of the nine patterns."""
    return Wafers(
        load(candidates),
        np.array([PATTERNS.index(str(c.class_name)) for c in candidates], np.int64),
        np.array([str(c.group) for c in candidates]),
    )


def split_by_lots(wafers: Wafers, fractions: Mapping[str, float], seed: int) -> Splits:
    """Whole lots in each split, stratified over the classes as in an import.

    Args:
        wafers: To split.
        fractions: Share of each split; they add up to 1.
        seed: Of the split.
    """
    keys = {
        str(label): wafers.lots[wafers.labels == label].tolist()
        for label in np.unique(wafers.labels)
    }
    split_of = assign_splits(keys, {}, {}, fractions, seed)
    splits = np.array([split_of[lot] for lot in wafers.lots.tolist()])
    return {name: wafers.select(splits == name) for name in SPLITS}


def split_at_random(wafers: Wafers, fractions: Mapping[str, float], seed: int) -> Splits:
    """Pictures at random in each split, whatever their lot or original, so that copies leak."""
    order = np.random.default_rng([seed, 7]).permutation(len(wafers))
    ends = np.round(np.cumsum([fractions[name] for name in SPLITS]) * len(wafers)).astype(int)
    return {
        name: wafers.select(chosen)
        for name, chosen in zip(SPLITS, np.split(order, ends[:-1]), strict=True)
    }


def thin(wafers: Wafers, share: float, seed: int) -> Wafers:
    """A share of each class, at least one wafer, from all its lots.

    Whole lots would be closer to a smaller file, but most lots hold one or two classes: with few
    lots, whole classes are missing. Wafers keep fewer neighbours of their lot, so the leak through
    lots is underestimated rather than overestimated.
    """
    kept = []
    for label in np.unique(wafers.labels):
        own = np.flatnonzero(wafers.labels == label)
        order = np.random.default_rng([seed, int(label)]).permutation(len(own))
        kept.append(own[order[: max(1, round(share * len(own)))]])
    return wafers.select(np.sort(np.concatenate(kept)))


def natural(wafers: Wafers, seed: int) -> Wafers:
    """Unchanged."""
    return wafers


def augmented(wafers: Wafers, seed: int) -> Wafers:
    """One rotated, mirrored and sheared copy for each wafer, with the default transforms."""
    found = wafers
    for label in np.unique(wafers.labels):
        own = wafers.select(wafers.labels == label)
        found += _copies(own, len(own), [seed, int(label)])
    return found


def balanced(wafers: Wafers, seed: int) -> Wafers:
    """The same number of each class and about as many in all: subsampled or filled with copies."""
    labels = np.unique(wafers.labels)
    wanted = round(len(wafers) / len(labels))
    found = []
    for label in labels:
        own = wafers.select(wafers.labels == label)
        if len(own) >= wanted:
            order = np.random.default_rng([seed, int(label)]).permutation(len(own))
            found.append(own.select(order[:wanted]))
        else:
            found.append(own + _copies(own, wanted - len(own), [seed, int(label)]))
    return sum(found[1:], found[0])


def _copies(wafers: Wafers, count: int, seed: list[int]) -> Wafers:
    """Augmented copies of wafers of one class, equally many of each."""
    number = int(np.random.default_rng(seed).integers(2**31))
    copies = [(p, i) for p, i, _ in augment(wafers.pictures, count, AugmentConfig(), number)]
    origin = np.array([i for _, i in copies])
    return Wafers([p for p, _ in copies], wafers.labels[origin], wafers.lots[origin])


@dataclass(frozen=True)
class Treatment:
    """What is done about few and rare wafers.

    Attributes:
        title: For the table.
        apply: To the wafers that it may change, with a seed.
        config: Settings of the training that differ from the defaults.
    """

    title: str
    apply: Callable[[Wafers, int], Wafers]
    config: dict[str, Any]


# Augmentation during training would blur the effect of what is done before; only “defaults” has it.
_PLAIN = {
    "balancing": "natural", "turns": False, "rotation_share": 0.0, "average_turns": False,
}  # fmt: skip
TREATMENTS: dict[str, Treatment] = {
    "balanced": Treatment("over- and undersampled to the same number per class", balanced, _PLAIN),
    "natural": Treatment("unchanged", natural, _PLAIN),
    "defaults": Treatment(
        "unchanged, trained with the default settings (rotated during training, rare classes with "
        "a higher weight)", natural, {},
    ),
    "augmented": Treatment("with one rotated and sheared copy of each wafer", augmented, _PLAIN),
}  # fmt: skip


def lots_first(splits: Splits, treatment: Treatment, seed: int) -> Splits:
    """Augment within the training split only; the test split are the held-out lots."""
    return {**splits, "train": treatment.apply(splits["train"], seed)}


def copies_first(splits: Splits, treatment: Treatment, seed: int) -> Splits:
    """Augment, then split the pictures at random: copies and lots are in all splits.

    The held-out lots are not used, so that the result can be tested on them.
    """
    wafers = treatment.apply(splits["train"] + splits["validation"], seed)
    return split_at_random(wafers, DEFAULT_FRACTIONS, seed)


PROTOCOLS: dict[str, Callable[[Splits, Treatment, int], Splits]] = {
    "lots first": lots_first,
    "copies first": copies_first,
}
