"""Confidence intervals of proportions and of their differences."""

from __future__ import annotations

import math

Interval = tuple[float, float]
_Z = 1.959964  # of a 95% interval


def wilson(hits: int, count: int) -> Interval | None:
    """95% interval of a proportion (Wilson 1927, J. Am. Stat. Assoc. 22).

    Unlike the normal approximation it stays within 0 and 1, and 10 of 10 is not certain.

    Args:
        hits: 0 to ``count``.
        count: Number of independent trials.

    Returns:
        Lower and upper end in [0, 1]; ``None`` if ``count`` is 0.
    """
    if not count:
        return None
    share, z2 = hits / count, _Z**2 / count
    middle = (share + z2 / 2) / (1 + z2)
    half = _Z / (1 + z2) * math.sqrt(share * (1 - share) / count + z2 / (4 * count))
    return max(0.0, min(middle - half, share)), min(1.0, max(middle + half, share))


def difference(first: tuple[int, int], second: tuple[int, int]) -> Interval | None:
    """95% interval of the first proportion minus the second.

    Newcombe (1998), Stat. Med. 17, method 10: from the two Wilson intervals.

    Args:
        first: Hits and trials.
        second: The same of the other.

    Returns:
        Lower and upper end in [-1, 1]; ``None`` where one of them has no trials.
    """
    a, b = wilson(*first), wilson(*second)
    if a is None or b is None:
        return None
    p, q = first[0] / first[1], second[0] / second[1]
    low = p - q - math.hypot(p - a[0], b[1] - q)
    return low, p - q + math.hypot(a[1] - p, q - b[0])
