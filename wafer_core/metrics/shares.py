"""Shares of counted things, and how far they can be trusted on so many."""

from __future__ import annotations

import math

from wafer_core.metrics.intervals import Interval

_Z = 1.959964  # of a 95 % interval


def wilson(hits: int, count: int) -> Interval | None:
    """95 % interval of a share (Wilson 1927, J. Am. Stat. Assoc. 22).

    Unlike the plain one it stays within 0 and 1 and is no point after ten of ten.

    Args:
        hits: 0 to ``count``.
        count: Of how many; they count as independent of each other.

    Returns:
        Lower and upper end in [0, 1]; ``None`` without any.
    """
    if not count:
        return None
    share, grain = hits / count, _Z**2 / count
    middle = (share + grain / 2) / (1 + grain)
    half = _Z / (1 + grain) * math.sqrt(share * (1 - share) / count + grain / (4 * count))
    return max(0.0, min(middle - half, share)), min(1.0, max(middle + half, share))


def difference(first: tuple[int, int], second: tuple[int, int]) -> Interval | None:
    """95 % interval of the first share minus the second.

    Newcombe (1998), Stat. Med. 17, method 10: from the two Wilson intervals.

    Args:
        first: Hits, and of how many.
        second: The same.

    Returns:
        Lower and upper end in [-1, 1]; ``None`` where one of them is of nothing.
    """
    a, b = wilson(*first), wilson(*second)
    if a is None or b is None:
        return None
    p, q = first[0] / first[1], second[0] / second[1]
    low = p - q - math.hypot(p - a[0], b[1] - q)
    return low, p - q + math.hypot(a[1] - p, q - b[0])
