"""Failing share by radius and by angle, and the yield of zones of the wafer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wafer_core.messages import N_
from wafer_core.tasks.yields.stacking import Floats, Stack

RINGS, SECTORS = 10, 24
CENTRE, EDGE = 0.5, 0.8  # radii: the centre ends, the edge begins
ZONES = {
    "centre": N_("Centre"),
    "middle": N_("Middle"),
    "edge": N_("Edge"),
    "upper_right": N_("Upper right"),
    "lower_right": N_("Lower right"),
    "lower_left": N_("Lower left"),
    "upper_left": N_("Upper left"),
}


@dataclass(frozen=True, eq=False)
class Profile:
    """Failing share in intervals of radius or angle.

    Attributes:
        edges: (B + 1,) limits of the intervals.
        failed: (B,) failed dies.
        tested: (B,) all dies.
    """

    edges: Floats
    failed: Floats
    tested: Floats

    @property
    def share(self) -> Floats:
        """(B,) failing share, 0 to 1; NaN in an interval without dies."""
        empty = np.full(self.tested.shape, np.nan)
        found: Floats = np.divide(self.failed, self.tested, out=empty, where=self.tested > 0)
        return found


def polar(tested: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Position of each die on a wafer that the grid's dies span.

    Args:
        tested: (H, W), positive where there are dies.

    Returns:
        (H, W) radius, 0 at the centre and 1 at the edge; (H, W) angle in degrees, clockwise from
        the top (12 o'clock), 0 to 360.
    """
    present = np.asarray(tested) > 0
    rows, columns = np.flatnonzero(present.any(axis=1)), np.flatnonzero(present.any(axis=0))
    y = _scaled(present.shape[0], rows)[:, None]
    x = _scaled(present.shape[1], columns)[None, :]
    radius: Floats = np.hypot(x, y)
    angle: Floats = np.degrees(np.arctan2(x, -y)) % 360.0
    return radius, angle


def _scaled(length: int, used: npt.NDArray[np.int64]) -> Floats:
    """Centres of cells, scaled so that the used ones span −1 to 1."""
    low, high = (used[0], used[-1]) if len(used) else (0, length - 1)
    found: Floats = (np.arange(length) - (low + high) / 2) / ((high - low + 1) / 2)
    return found


def radial_profile(stack: Stack, rings: int = RINGS) -> Profile:
    """Failing share in rings of equal width, from the centre to the edge."""
    radius, _ = polar(stack.tested)
    index = np.minimum((radius * rings).astype(np.int64), rings - 1)
    return _profile(stack, index, np.linspace(0.0, 1.0, rings + 1))


def angular_profile(stack: Stack, sectors: int = SECTORS) -> Profile:
    """Failing share in sectors of equal angle, clockwise from the top; a die at 0, 0 is in none."""
    radius, angle = polar(stack.tested)
    index = np.minimum((angle / 360.0 * sectors).astype(np.int64), sectors - 1)
    index[radius == 0] = sectors  # cut off
    return _profile(stack, index, np.linspace(0.0, 360.0, sectors + 1))


def _profile(stack: Stack, index: npt.NDArray[np.int64], edges: Floats) -> Profile:
    bins = len(edges) - 1
    failed, tested = (
        np.bincount(index.ravel(), values.ravel(), bins)[:bins].astype(np.float64)
        for values in (stack.failed, stack.tested)
    )
    return Profile(edges, failed, tested)


def zone_yields(stack: Stack) -> dict[str, float | None]:
    """Yield of each zone by its key in ``ZONES``, 0 to 1; ``None`` for a zone without dies.

    Centre, middle and edge divide the wafer at 0.5 and 0.8 of its radius. A die on the line
    between two quadrants belongs to the one that follows clockwise,
    a die in the very centre to none.
    """
    radius, angle = polar(stack.tested)
    quadrant = np.where(radius > 0, angle // 90.0, -1)
    masks = {
        "centre": radius <= CENTRE,
        "middle": (radius > CENTRE) & (radius < EDGE),
        "edge": radius >= EDGE,
        "upper_right": quadrant == 0,
        "lower_right": quadrant == 1,
        "lower_left": quadrant == 2,
        "upper_left": quadrant == 3,
    }
    found: dict[str, float | None] = {}
    for zone, mask in masks.items():
        tested = float(stack.tested[mask].sum())
        found[zone] = 1.0 - float(stack.failed[mask].sum()) / tested if tested > 0 else None
    return found
