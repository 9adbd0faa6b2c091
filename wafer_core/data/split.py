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
    keys: Iterable[str],
    known: Mapping[str, str],
    counts: Mapping[str, int],
    fractions: Mapping[str, float],
    seed: int,
) -> dict[str, str]:
    """Choose the part of each new key of one class.

    Keys are taken in the order of their hash, each whole, and go where the class lacks most. So
    the parts of even a small class keep their shares (five pictures: 3 / 1 / 1), the order in
    which files arrived does not matter, and what was decided before is never changed.

    Args:
        keys: One key a new picture: its group, or the hash of its content. Repeats are one group.
        known: Parts of keys decided before, in any class.
        counts: Originals of the class that are already in each part.
        fractions: Share of each part, sum 1.
        seed: The project's split seed.

    Returns:
        The part of every key.
    """
    sizes = Counter(keys)
    parts: dict[str, str] = {key: known[key] for key in sizes if key in known}
    filled = Counter(counts)
    for key, part in parts.items():
        filled[part] += sizes[key]

    def order(key: str) -> bytes:
        return hashlib.sha256(f"{seed}:{key}".encode()).digest()

    for key in sorted(sizes.keys() - parts.keys(), key=order):
        total = sum(filled.values()) + sizes[key]
        lacking = {part: fractions[part] * total - filled[part] for part in PARTS}
        part = max(PARTS, key=lambda p: round(lacking[p], 9))
        parts[key] = part
        filled[part] += sizes[key]
    return parts
