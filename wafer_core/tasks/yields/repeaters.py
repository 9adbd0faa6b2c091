"""Repeaters: dies that fail at the same position of each exposure field (reticle).

A mask defect makes the same die of every field fail. Positions in the field, the place of a die
modulo the size of the field, then differ more than chance allows. Rings and gradients are removed
first by a smooth background. Chance is what shuffling the dies within each field gives.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wafer_core.errors import ParameterError
from wafer_core.tasks.yields.stacking import Floats, Stack

SIGNIFICANT = 0.05
MAX_SIDE = 8  # dies of a field per side, in suggestions
_REPEATS = 4  # fields that must fit in each direction: with fewer, an edge looks like a repeater
_DEGREE = 6  # of the background
_CLIP = 4.0  # standard errors
_PERMUTATIONS = (999, 9999)
_VALUES = 8_000_000  # numbers of all permutations together: about a second
_BATCH_VALUES = 1_000_000


@dataclass(frozen=True, eq=False)
class Field:
    """Failing share by position in fields of one size.

    Attributes:
        share: (rows, columns); NaN at a position without dies. The fields begin at the upper left
            corner of the grid.
        dies: (rows, columns) dies of the grid at each position.
        p_value: Probability that shuffled dies differ as much between positions; corrected for
            the number of sizes that were tried.
        tried: Number of sizes that were tried.
    """

    share: Floats
    dies: npt.NDArray[np.int64]
    p_value: float
    tried: int = 1

    @property
    def is_significant(self) -> bool:
        """Whether something repeats, at the 5% level."""
        return self.p_value < SIGNIFICANT


def field(stack: Stack, rows: int, columns: int, seed: int = 0) -> Field:
    """Failing share by position in fields of a given size.

    Args:
        stack: Of wafers with one grid.
        rows: Dies of a field from top to bottom.
        columns: Dies of a field from left to right.
        seed: Of the permutations.

    Raises:
        ParameterError: A side is below 1 or above the grid, or both are 1.
    """
    height, width = stack.tested.shape
    if not (1 <= rows <= height and 1 <= columns <= width) or rows * columns == 1:
        raise ParameterError(
            "A field of {columns}×{rows} dies does not fit on a grid of {width}×{height}; use 1 to "
            "{width} columns and 1 to {height} rows, and more than one die.",
            columns=columns,
            rows=rows,
            width=width,
            height=height,
        )
    return _Fields(stack, _residuals(stack), rows, columns).tested(np.random.default_rng(seed))


def strongest(stack: Stack, seed: int = 0) -> tuple[int, int, Field] | None:
    """The size of field with the strongest repetition.

    Args:
        stack: Of wafers with one grid.
        seed: Of the permutations.

    Returns:
        Rows, columns and the field, its p-value corrected for all sizes (Bonferroni); ``None`` if
        the grid is too small for four fields or no die failed.
    """
    height, width = stack.tested.shape
    sizes = [
        (m, n)
        for m in range(1, min(MAX_SIDE, height // _REPEATS) + 1)
        for n in range(1, min(MAX_SIDE, width // _REPEATS) + 1)
        if m * n > 1
    ]
    if not sizes or not stack.failed.any():
        return None
    residuals = _residuals(stack)
    fields = (_Fields(stack, residuals, m, n) for m, n in sizes)
    best = max(fields, key=lambda each: each.excess)
    found = best.tested(np.random.default_rng(seed))
    p_value = min(1.0, found.p_value * len(sizes))
    return *best.size, Field(found.share, found.dies, p_value, len(sizes))


class _Fields:
    """The dies of a grid with their field, their position in it and their deviation.

    Attributes:
        size: Rows and columns of a field.
        statistic: Sum over positions of (sum of deviations)² / its variance. A deviation is the
            residual of a die minus the mean of its field.
    """

    def __init__(self, stack: Stack, residuals: Floats, rows: int, columns: int) -> None:
        self.size = (rows, columns)
        share = stack.share
        y, x = np.nonzero(~np.isnan(share))
        across = -(-share.shape[1] // columns)
        block = (y // rows) * across + x // columns
        order = np.argsort(block, kind="stable")
        y, x, self._block = y[order], x[order], block[order]
        self._share = share[y, x]
        self._position = (y % rows) * columns + x % columns
        self._counts = np.bincount(self._position, minlength=rows * columns)
        deviation, members = residuals[y, x], np.bincount(self._block)
        means = np.bincount(self._block, deviation) / np.maximum(members, 1)
        self._values = deviation - means[self._block]
        squares = np.bincount(self._block, self._values**2)
        variance = squares / np.maximum(members - 1, 1)  # of a die that is drawn from its field
        per_die = variance[self._block]
        self._variance = np.bincount(self._position, per_die, len(self._counts))
        self.statistic = float(self._statistics(self._values[None])[0])

    @property
    def excess(self) -> float:
        """The statistic in standard errors above what chance gives, for comparing sizes."""
        freedom = max(int((self._counts > 0).sum()) - 1, 1)
        return (self.statistic * freedom / (freedom + 1) - freedom) / float(np.sqrt(2 * freedom))

    def tested(self, rng: np.random.Generator) -> Field:
        """The failing share by position, and its p-value."""
        low, high = _PERMUTATIONS
        count = int(np.clip(_VALUES // max(len(self._block), 1), low, high))
        at_least = int((self._shuffled(count, rng) >= self.statistic * (1 - 1e-9)).sum())
        total = np.bincount(self._position, self._share, len(self._counts))
        empty = np.full(len(self._counts), np.nan)
        mean = np.divide(total, self._counts, out=empty, where=self._counts > 0)
        return Field(
            mean.reshape(self.size), self._counts.reshape(self.size), (1 + at_least) / (1 + count)
        )

    def _shuffled(self, count: int, rng: np.random.Generator) -> Floats:
        """(count,) statistics of dies that were shuffled within their fields."""
        size = max(1, len(self._block))
        batch = max(1, _BATCH_VALUES // size)
        found = []
        for start in range(0, count, batch):
            keys = rng.random((min(batch, count - start), len(self._block)))
            order = np.argsort(keys + self._block, axis=1)  # each die stays in its field
            found.append(self._statistics(self._values[order]))
        return np.concatenate(found)

    def _statistics(self, values: Floats) -> Floats:
        """(P,) from (P, N): one matrix product instead of a sum for each position."""
        membership = np.zeros((len(self._position), len(self._counts)))
        membership[np.arange(len(self._position)), self._position] = 1.0
        sums = values @ membership
        squares = np.divide(
            sums**2, self._variance, out=np.zeros(sums.shape), where=self._variance > 0
        )
        result: Floats = squares.sum(axis=1)
        return result


def _residuals(stack: Stack) -> Floats:
    """(H, W) failing share of dies minus a smooth background, in standard errors (Pearson).

    The background is a polynomial of the position: it follows rings and gradients, and varies too
    slowly to follow a repeater.
    """
    height, width = stack.tested.shape
    y, x = np.nonzero(~np.isnan(stack.share))
    v, u = (y + 0.5) / height * 2 - 1, (x + 0.5) / width * 2 - 1
    degree = int(np.clip(np.sqrt(len(y) / 12), 1, _DEGREE))
    terms = [u**i * v**j for i in range(degree + 1) for j in range(degree + 1 - i)]
    design = np.stack(terms, axis=1)
    tested = stack.tested[y, x]
    share = stack.failed[y, x] / tested
    fit = design @ np.linalg.lstsq(design, share, rcond=None)[0]
    # at least one failure in the whole stack, so that no variance is 0
    low = 0.5 * float(share.mean()) + 1.0 / float(tested.sum())
    expected = np.clip(fit, min(low, 0.5), 1.0 - min(low, 0.5))
    found = np.zeros((height, width))
    errors = np.sqrt(expected * (1 - expected) / tested)
    found[y, x] = np.clip((share - fit) / errors, -_CLIP, _CLIP)
    return found
