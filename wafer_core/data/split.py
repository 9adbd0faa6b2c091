"""Which original trains, validates or tests; decided once, when it comes in.

Pictures of one group (a lot), and turned or mirrored copies of one wafer, always share a part: a
copy of a training wafer in the test part would make the accuracy a lie.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping

from wafer_core.errors import ParameterError

PARTS = ("train", "validation", "test")
# Shares of the originals, in the order of PARTS.
DEFAULT_FRACTIONS = {"train": 0.65, "validation": 0.20, "test": 0.15}


def check_fractions(fractions: Mapping[str, float]) -> dict[str, float]:
    """Return the fractions in the order of ``PARTS``.

    Raises:
        ParameterError: A part is missing, negative, without training, or the sum is not 1.
    """
    values = {part: float(fractions.get(part, float("nan"))) for part in PARTS}
    in_range = all(0 <= value <= 1 for value in values.values()) and values["train"] > 0
    if not in_range or abs(sum(values.values()) - 1) > 1e-6:
        raise ParameterError(
            f"The split {dict(fractions)} is not three shares that add up to 1; "
            "use for example 0.65, 0.20 and 0.15."
        )
    return values


def assign_parts(
    keys: Mapping[str, Iterable[str]],
    known: Mapping[str, str],
    counts: Mapping[str, Mapping[str, int]],
    fractions: Mapping[str, float],
    seed: int,
) -> dict[str, str]:
    """Choose the part of each new key, for all classes that come in together.

    Keys are taken in the order of their hash, each whole, and go where the classes of its pictures
    lack most, a picture of a rare class counting more (stratification of several labels at once:
    Sechidis et al. 2011, doi 10.1007/978-3-642-23808-6_10). So the parts of even a small class keep
    their shares (five pictures: 3 / 1 / 1), the order in which files arrived does not matter, and
    what was decided before is never changed.

    One class after another would not do where lots hold several: the lots that the first classes
    left over went to the small parts. Measured on real wafers, the test part then held wafers
    harder than those of other lots.

    Args:
        keys: For each class one key a new picture: its group, or the hash of its content. Repeats
            are one group, also across classes.
        known: Parts of keys decided before, in any class.
        counts: For each class originals that are already in each part.
        fractions: Share of each part, sum 1.
        seed: The project's split seed.

    Returns:
        The part of every key.
    """
    sizes = {name: Counter(of_class) for name, of_class in keys.items()}
    held: dict[str, dict[str, int]] = {}  # by key: new pictures of each class
    for name, of_class in sorted(sizes.items()):
        for key, size in of_class.items():
            held.setdefault(key, {})[name] = size
    parts = {key: known[key] for key in held if key in known}
    filled = {name: Counter(counts.get(name, {})) for name in sizes}
    total = {name: sum(filled[name].values()) + sum(sizes[name].values()) for name in sizes}
    for key, part in parts.items():
        for name, size in held[key].items():
            filled[name][part] += size

    def gain(key: str, part: str) -> float:
        """How much nearer to their shares its classes come, in squares of shares."""
        lacking = {}
        for name, size in held[key].items():
            due = fractions[part] * (sum(filled[name].values()) + size)
            lacking[name] = round(due - filled[name][part], 9)  # equal ones go to the first part
        return sum(size * lacking[name] / total[name] ** 2 for name, size in held[key].items())

    def order(key: str) -> bytes:
        return hashlib.sha256(f"{seed}:{key}".encode()).digest()

    for key in sorted(held.keys() - parts.keys(), key=order):
        parts[key] = max(PARTS, key=lambda part: gain(key, part))
        for name, size in held[key].items():
            filled[name][parts[key]] += size
    return parts
