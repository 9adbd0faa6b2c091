"""Choosing some of many items."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def evenly_spaced(count: int, most: int) -> npt.NDArray[np.int64]:
    """Indices of at most ``most`` items, spread evenly over their order.

    Neighbours are often alike (wafers of one lot, frames of one second), so a spread choice shows
    more of the variety than the first items would.

    Args:
        count: Number of items.
        most: Number of items to choose.

    Returns:
        (min(count, most),) indices in increasing order; the first and the last item are included.
    """
    chosen = np.linspace(0, count - 1, min(count, most)).round()
    return np.asarray(chosen, np.int64)
