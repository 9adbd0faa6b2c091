"""The outline of a wafer in a grid of dies: a disc that fills the grid."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]

# Of 3,000 real wafers of WM-811K drawn at random, 99% have dies on at least 92% of the ellipse
# that their grid encloses, and none has a die clearly outside of it.
MIN_FILL = 0.8
MAX_OUTSIDE = 0.03
_OUTSIDE_FROM = 1.1  # radius, in units of the ellipse


def radius(shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """Distance (H, W) of each cell's centre from the centre; 1 on the inscribed ellipse."""
    H, W = shape
    y = (np.arange(H) + 0.5) / H * 2 - 1
    x = (np.arange(W) + 0.5) / W * 2 - 1
    return np.asarray(np.hypot(y[:, None], x[None, :]))


def inscribed_ellipse(shape: tuple[int, ...]) -> Mask:
    """Cells (H, W) whose centres lie in the ellipse that fills the grid."""
    return np.asarray(radius(shape) <= 1)


def cropped(has_die: Mask) -> Mask:
    """The rows and columns from the first to the last die; there must be one."""
    rows, columns = np.flatnonzero(has_die.any(1)), np.flatnonzero(has_die.any(0))
    return has_die[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def fill_and_outside(box: Mask) -> tuple[float, float]:
    """Share of the inscribed ellipse that has dies, and share of the dies clearly outside of it.

    Args:
        box: Cells with dies (H, W), cropped to them.
    """
    r = radius(box.shape)
    return float(box[r <= 1].mean()), float(box[r > _OUTSIDE_FROM].sum()) / int(box.sum())


def looks_round(has_die: Mask) -> bool:
    """Whether dies fill a round wafer and leave the corners of the grid free."""
    if not has_die.any():
        return False
    box = cropped(has_die)
    if min(box.shape) < 4 or box[0, 0] or box[0, -1] or box[-1, 0] or box[-1, -1]:
        return False
    fill, outside = fill_and_outside(box)
    return fill >= MIN_FILL and outside <= MAX_OUTSIDE
