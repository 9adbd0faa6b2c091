"""The wafers of the study: split by lots, thinned, and multiplied before or after a split."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wafer_core.data.split import DEFAULT_FRACTIONS, PARTS, assign_parts
from wafer_core.images import Picture
from wafer_core.importers import Candidate
from wafer_core.simulator import PATTERNS
from wafer_core.tasks.augmentation.offline import AugmentConfig, augment

Labels = np.ndarray[tuple[int], np.dtype[np.int64]]


@dataclass(frozen=True, eq=False)
class Wafers:
    """Pictures, the index of each one's class (N,), and its lot (N,)."""

    pictures: Sequence[Picture]
    labels: Labels
    groups: np.ndarray[tuple[int], np.dtype[np.str_]]

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, chosen: np.ndarray[Any, Any]) -> Wafers:
        """Those of some indices or a mask."""
        indices = np.arange(len(self))[chosen]
        return Wafers(
            [self.pictures[i] for i in indices], self.labels[indices], self.groups[indices]
        )

    def __add__(self, other: Wafers) -> Wafers:
        return Wafers(
            [*self.pictures, *other.pictures],
            np.concatenate([self.labels, other.labels]),
            np.concatenate([self.groups, other.groups]),
        )

    def counts(self, classes: int) -> list[int]:
        """Wafers of each class."""
        return [int(n) for n in np.bincount(self.labels, minlength=classes)]


def load(candidates: Sequence[Candidate]) -> Wafers:
    """Pictures, classes and lots of labelled wafers of the nine patterns."""
    return Wafers(
        [c.load().picture for c in candidates],
        np.array([PATTERNS.index(str(c.class_name)) for c in candidates]),
        np.array([str(c.group) for c in candidates]),
    )


def by_lots(wafers: Wafers, fractions: dict[str, float], seed: int) -> dict[str, Wafers]:
    """Whole lots to each part; rare classes choose first.

    Args:
        wafers: To split.
        fractions: Share of train, validation and test, sum 1.
        seed: Draws the lots.
    """
    known: dict[str, str] = {}
    for label in np.argsort(np.bincount(wafers.labels), kind="stable"):
        keys = wafers.groups[wafers.labels == label].tolist()
        # what lots that were given away hold of this class is counted within
        known |= assign_parts({str(label): keys}, known, {}, fractions, seed)
    part = np.array([known[group] for group in wafers.groups.tolist()])
    return {name: wafers.take(part == name) for name in PARTS}


def at_random(wafers: Wafers, fractions: dict[str, float], seed: int) -> dict[str, Wafers]:
    """Pictures to each part by chance, whatever their lot or original: where copies may leak."""
    order = np.random.default_rng([seed, 7]).permutation(len(wafers))
    ends = np.round(np.cumsum([fractions[part] for part in PARTS]) * len(wafers)).astype(int)
    return {
        part: wafers.take(chosen)
        for part, chosen in zip(PARTS, np.split(order, ends[:-1]), strict=True)
    }


def thin(wafers: Wafers, share: float, seed: int) -> Wafers:
    """A share of each class, one wafer at least, from all its lots.

    Whole lots would be nearer to a smaller file, but a lot holds mostly one or two classes: with
    few lots whole classes are missing. Wafers have fewer neighbours of their lot beside them now,
    so what leaks through lots is rather under- than overstated.
    """
    kept = []
    for label in np.unique(wafers.labels):
        mine = np.flatnonzero(wafers.labels == label)
        order = np.random.default_rng([seed, int(label)]).permutation(len(mine))
        kept.append(mine[order[: max(1, round(share * len(mine)))]])
    return wafers.take(np.sort(np.concatenate(kept)))


def natural(wafers: Wafers, seed: int) -> Wafers:
    """As they come."""
    return wafers


def augmented(wafers: Wafers, seed: int) -> Wafers:
    """To each wafer one copy, turned, mirrored and sheared by the defaults of Augment."""
    made = wafers
    for label in np.unique(wafers.labels):
        mine = wafers.take(wafers.labels == label)
        made += _copies(mine, len(mine), [seed, int(label)])
    return made


def balanced(wafers: Wafers, seed: int) -> Wafers:
    """The same number of each class and as many in all: some left out, or filled with copies."""
    labels = np.unique(wafers.labels)
    wanted = round(len(wafers) / len(labels))
    parts = []
    for label in labels:
        mine = wafers.take(wafers.labels == label)
        if len(mine) >= wanted:
            order = np.random.default_rng([seed, int(label)]).permutation(len(mine))
            parts.append(mine.take(order[:wanted]))
        else:
            parts.append(mine + _copies(mine, wanted - len(mine), [seed, int(label)]))
    return sum(parts[1:], parts[0])


def _copies(mine: Wafers, count: int, seed: list[int]) -> Wafers:
    """Some copies of wafers of one class, of all as often."""
    number = int(np.random.default_rng(seed).integers(2**31))
    made = [(p, i) for p, i, _ in augment(mine.pictures, count, AugmentConfig(), number)]
    origin = np.array([i for _, i in made])
    return Wafers([p for p, _ in made], mine.labels[origin], mine.groups[origin])


@dataclass(frozen=True)
class Treatment:
    """What is done about few and rare wafers.

    Attributes:
        words: For the table.
        apply: To the part that it may touch, with a seed.
        config: Settings of training that differ from the program's.
    """

    words: str
    apply: Callable[[Wafers, int], Wafers]
    config: dict[str, Any]


# What is done to pictures while training would blur what is done before; the last one is what the
# program does by itself.
_PLAIN = {
    "balancing": "natural", "turns": False, "rotation_share": 0.0, "average_turns": False,
}  # fmt: skip
TREATMENTS: dict[str, Treatment] = {
    "balanced": Treatment("over- and under-sampled to the same number a class", balanced, _PLAIN),
    "natural": Treatment("as they come", natural, _PLAIN),
    "defaults": Treatment(
        "as they come, trained with the program's defaults (turned anew each epoch, rare classes "
        "weigh more)", natural, {},
    ),
    "augmented": Treatment("each wafer joined by one turned and sheared copy", augmented, _PLAIN),
}  # fmt: skip


def lots_first(pool: dict[str, Wafers], treatment: Treatment, seed: int) -> dict[str, Wafers]:
    """Split by lots, then multiply inside the training part; the test part are lots held out."""
    return {**pool, "train": treatment.apply(pool["train"], seed)}


def copies_first(pool: dict[str, Wafers], treatment: Treatment, seed: int) -> dict[str, Wafers]:
    """Multiply what there is, then split the pictures at random: copies and lots are on all sides.

    The held-out lots are kept away from this, so that they can tell what it is worth.
    """
    made = treatment.apply(pool["train"] + pool["validation"], seed)
    return at_random(made, DEFAULT_FRACTIONS, seed)


PROTOCOLS: dict[str, Callable[[dict[str, Wafers], Treatment, int], dict[str, Wafers]]] = {
    "lots first": lots_first,
    "copies first": copies_first,
}
