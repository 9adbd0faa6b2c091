"""Assignment of originals to the training, validation and test split, decided once on import.

Pictures of one group (a lot) and rotated or reflected copies of one wafer always share a split: a
copy of a training wafer in the test split would inflate the accuracy.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping

from wafer_core.errors import ParameterError

SPLITS = ("train", "validation", "test")
DEFAULT_FRACTIONS = {"train": 0.65, "validation": 0.20, "test": 0.15}


def check_fractions(fractions: Mapping[str, object]) -> dict[str, float]:
    """Return the fractions in the order of ``SPLITS``.

    Raises:
        ParameterError: A split is missing or negative, training has none, or the sum is not 1.
    """
    values = {}
    for split in SPLITS:
        value = fractions.get(split)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        values[split] = float(value) if is_number and 0 <= value <= 1 else -1.0  # type: ignore[operator, arg-type]
    if min(values.values()) < 0 or values["train"] == 0 or abs(sum(values.values()) - 1) > 1e-6:
        raise ParameterError(
            "The split {fractions} is not three shares that add up to 1; use for example 0.65, "
            "0.20 and 0.15.",
            fractions=str(dict(fractions))[:100],
        )
    return values


def assign_splits(
    keys: Mapping[str, Iterable[str]],
    known: Mapping[str, str],
    counts: Mapping[str, Mapping[str, int]],
    fractions: Mapping[str, float],
    seed: int,
) -> dict[str, str]:
    """Assign each new key to a split, for all classes of an import together.

    The keys are visited in the order of their hash. Each goes as a whole to the split in which the
    classes of its pictures lack most, weighted towards rare classes (stratification of multi-label
    data: Sechidis et al. 2011, doi 10.1007/978-3-642-23808-6_10). So even a small class keeps the
    fractions (five pictures: 3 / 1 / 1), the order of the files does not matter, and earlier
    assignments never change.

    Visiting one class after the other fails where lots contain several classes: the lots left over
    by the first classes all went to the small splits. Measured on real wafers, the test split then
    contained wafers that were harder than those of other lots.

    Args:
        keys: For each class, one key per new picture: its group, or the hash of its content. Equal
            keys are one group, also across classes.
        known: Splits of keys assigned earlier, in any class.
        counts: For each class, the number of originals already in each split.
        fractions: Share of each split; they add up to 1.
        seed: The project's split seed.

    Returns:
        The split of every key.
    """
    sizes = {name: Counter(of_class) for name, of_class in keys.items()}
    held: dict[str, dict[str, int]] = {}  # by key: new pictures of each class
    for name, of_class in sorted(sizes.items()):
        for key, size in of_class.items():
            held.setdefault(key, {})[name] = size
    assigned = {key: known[key] for key in held if key in known}
    filled = {name: Counter(counts.get(name, {})) for name in sizes}
    total = {name: sum(filled[name].values()) + sum(sizes[name].values()) for name in sizes}
    for key, split in assigned.items():
        for name, size in held[key].items():
            filled[name][split] += size

    def gain(key: str, split: str) -> float:
        """How much closer the key's classes come to their fractions, in squared shares."""
        lacking = {}
        for name, size in held[key].items():
            due = fractions[split] * (sum(filled[name].values()) + size)
            lacking[name] = round(due - filled[name][split], 9)  # ties go to the first split
        return sum(size * lacking[name] / total[name] ** 2 for name, size in held[key].items())

    def order(key: str) -> bytes:
        return hashlib.sha256(f"{seed}:{key}".encode()).digest()

    for key in sorted(held.keys() - assigned.keys(), key=order):
        assigned[key] = max(SPLITS, key=lambda split: gain(key, split))
        for name, size in held[key].items():
            filled[name][assigned[key]] += size
    return assigned
