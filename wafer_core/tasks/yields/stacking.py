"""Stack maps: the failing share of each die over many wafers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wafer_core.errors import InputError
from wafer_core.images import FAIL, NO_DIE, Picture

_CHUNK = 1024  # wafers summed at once
_LEAST_TESTED = 0.5  # dies; less than half a die is too little for a share

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Stack:
    """Dies of many wafers, added up on one grid.

    Attributes:
        failed: (H, W) failed dies at each position; fractions where grids were resampled.
        tested: (H, W) all dies at each position.
        wafers: Number of wafers.
        grids: Number of different die grids among them.
        on_grid: Number of wafers that have this grid themselves.
    """

    failed: Floats
    tested: Floats
    wafers: int
    grids: int
    on_grid: int

    @property
    def share(self) -> Floats:
        """(H, W) failing share of each die, 0 to 1; NaN where there is no die."""
        enough = self.tested >= _LEAST_TESTED
        empty = np.full(self.tested.shape, np.nan)
        found: Floats = np.divide(self.failed, self.tested, out=empty, where=enough)
        return found


def stack(maps: Sequence[Picture], same_grid_only: bool = False) -> Stack:
    """Add up wafer maps.

    The most frequent die grid is the common one; of equally frequent ones, that with more dies.
    Maps with another grid are resampled by area: each die of the common grid gets the share of
    its area that the other dies cover.

    Args:
        maps: (H, W) each; sizes may differ.
        same_grid_only: Leave out maps with another grid instead of resampling them.

    Raises:
        InputError: There are no maps.
    """
    if not maps:
        raise InputError("A stack map needs at least one wafer with dies; select some.")
    by_grid: dict[tuple[int, ...], list[Picture]] = defaultdict(list)
    for wafer in maps:
        by_grid[wafer.shape].append(wafer)
    common = max(by_grid, key=lambda grid: (len(by_grid[grid]), grid[0] * grid[1], grid))
    failed, tested = np.zeros(common), np.zeros(common)
    used = {common: by_grid[common]} if same_grid_only else by_grid
    for grid, members in used.items():
        fails, dies = _sums(members)
        if grid != common:
            rows, columns = overlaps(common[0], grid[0]), overlaps(common[1], grid[1])
            fails, dies = rows @ fails @ columns.T, rows @ dies @ columns.T
        failed += fails
        tested += dies
    count = sum(map(len, used.values()))
    return Stack(failed, tested, count, len(by_grid), len(by_grid[common]))


def _sums(maps: Sequence[Picture]) -> tuple[Floats, Floats]:
    failed, tested = np.zeros(maps[0].shape), np.zeros(maps[0].shape)
    for start in range(0, len(maps), _CHUNK):
        chunk = np.stack(maps[start : start + _CHUNK])
        failed += np.count_nonzero(chunk == FAIL, axis=0)
        tested += np.count_nonzero(chunk != NO_DIE, axis=0)
    return failed, tested


def overlaps(new: int, old: int) -> Floats:
    """(new, old): the share of each new cell that each old cell covers, both on one length."""
    edges_new = np.arange(new + 1) / new
    edges_old = np.arange(old + 1) / old
    high = np.minimum(edges_new[1:, None], edges_old[None, 1:])
    low = np.maximum(edges_new[:-1, None], edges_old[None, :-1])
    shares: Floats = np.maximum(high - low, 0.0) * new
    return shares
