"""Splits that imported data brings along, beside those that the project assigns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from wafer_core.data.manifest import PictureRecord
from wafer_core.data.split import SPLITS, assign_splits

Records = dict[str, list[PictureRecord]]


def assign(
    new: Mapping[str, Sequence[PictureRecord]],
    given: Collection[int],
    known: Mapping[str, str],
    counts: Mapping[str, Mapping[str, int]],
    fractions: Mapping[str, float],
    seed: int,
) -> Records:
    """The records of an import with their splits.

    A split that the data gives is kept, unless the project has wafers of the same lot in another
    one. Where the data gives a training and a test split only, validation is taken from training,
    in the project's proportions, and the other way round.

    Args:
        new: Records for each class name; those of ``given`` with their split.
        given: ``id`` of the records whose split is given.
        known: Splits of keys assigned earlier, in any class.
        counts: For each class, the number of originals already in each split.
        fractions: Share of each split.
        seed: The project's split seed.
    """
    fixed = {
        r.key: known.get(r.key, r.split)
        for records in new.values()
        for r in records
        if id(r) in given
    }
    brought = {r.split for records in new.values() for r in records if id(r) in given}
    missing = [split for split in SPLITS[1:] if split not in brought]
    filled = {name: Counter(counts.get(name, {})) for name in new}
    result: dict[int, str] = {}
    if given and len(missing) == 1 and "train" in brought:
        shared = _shared_training(new, given, known, fractions, missing[0], seed)
        fixed |= shared
    for name, records in new.items():
        for r in records:
            if id(r) in given:
                split = known.get(r.key) or (fixed[r.key] if r.split == "train" else r.split)
                result[id(r)] = split
                filled[name][split] += 1
    rest = {name: [r for r in records if id(r) not in given] for name, records in new.items()}
    assigned = assign_splits(
        {name: [r.key for r in records] for name, records in rest.items()},
        {**fixed, **known},
        filled,
        fractions,
        seed,
    )
    return {
        name: [
            replace(r, split=result[id(r)] if id(r) in result else assigned[r.key]) for r in records
        ]
        for name, records in new.items()
    }


def _shared_training(
    new: Mapping[str, Sequence[PictureRecord]],
    given: Collection[int],
    known: Mapping[str, str],
    fractions: Mapping[str, float],
    missing: str,
    seed: int,
) -> dict[str, str]:
    """Divide what is given as training into training and the split that the data lacks."""
    total = fractions["train"] + fractions[missing]
    shares = dict.fromkeys(SPLITS, 0.0)
    shares |= {"train": fractions["train"] / total, missing: fractions[missing] / total}
    keys = {
        name: [r.key for r in records if id(r) in given and r.split == "train"]
        for name, records in new.items()
    }
    return assign_splits(keys, known, {}, shares, seed)
