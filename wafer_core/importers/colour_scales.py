"""Colour scales of plotting libraries: which of the colours stands for the lowest number.

Values at 0, 1/8, … 1 of the scales of matplotlib 3.11 (PSF licence).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from wafer_core.importers.colours import Colour

_SCALES: dict[str, tuple[Colour, ...]] = {
    "viridis": (
        (68, 1, 84), (71, 45, 123), (59, 82, 139), (44, 114, 142), (33, 145, 140), (40, 174, 128),
        (94, 201, 98), (173, 220, 48), (253, 231, 37),
    ),
    "plasma": (
        (13, 8, 135), (76, 2, 161), (126, 3, 168), (170, 35, 149), (204, 71, 120), (230, 108, 92),
        (248, 149, 64), (253, 197, 39), (240, 249, 33),
    ),
    "inferno": (
        (0, 0, 4), (33, 12, 74), (87, 16, 110), (138, 34, 106), (188, 55, 84), (228, 90, 49),
        (249, 142, 9), (249, 203, 53), (252, 255, 164),
    ),
    "magma": (
        (0, 0, 4), (29, 17, 71), (81, 18, 124), (131, 38, 129), (183, 55, 121), (231, 82, 99),
        (252, 137, 97), (254, 196, 136), (252, 253, 191),
    ),
    "cividis": (
        (0, 34, 78), (26, 56, 111), (67, 78, 108), (97, 101, 111), (125, 124, 120), (155, 148, 118),
        (188, 174, 108), (222, 201, 88), (254, 232, 56),
    ),
    "jet": (
        (0, 0, 128), (0, 0, 255), (0, 128, 255), (22, 255, 225), (125, 255, 122), (228, 255, 19),
        (255, 148, 0), (255, 30, 0), (128, 0, 0),
    ),
    "turbo": (
        (48, 18, 59), (70, 107, 227), (40, 188, 235), (50, 242, 152), (164, 252, 60),
        (238, 207, 58), (251, 126, 33), (208, 47, 5), (122, 4, 3),
    ),
}  # fmt: skip
_TOLERANCE = 20.0  # of a channel
_AT_END = 0.06  # of the scale
_STEPS = 129


def lowest_on_scale(ground: Colour, colours: Sequence[Colour]) -> Colour | None:
    """The colour of the lowest number; ``None`` if the colours are on no known scale.

    Args:
        ground: Of the picture around the wafer. It is one end of the scale where no die is a number
            too; colours of a reversed scale start at the other end.
        colours: Of dies. Without such a ground at least three are needed: two may be from anywhere.
    """
    for anchors in _SCALES.values():
        scale = _interpolated(anchors)
        places = [_place(colour, scale) for colour in colours]
        known = [place for place in places if place is not None]
        if not known or len(known) < len(places):
            continue
        start = _place(ground, scale)
        is_end = start is not None and min(start, 1 - start) <= _AT_END
        if is_end or len(known) >= 3:
            is_reversed = start is not None and is_end and start > 0.5
            chosen = max(known) if is_reversed else min(known)
            return colours[known.index(chosen)]
    return None


def _interpolated(anchors: Sequence[Colour]) -> npt.NDArray[np.float64]:
    at = np.linspace(0, 1, len(anchors))
    fine = np.linspace(0, 1, _STEPS)
    return np.stack([np.interp(fine, at, [a[c] for a in anchors]) for c in range(3)], axis=1)


def _place(colour: Colour, scale: npt.NDArray[np.float64]) -> float | None:
    """Where a colour is on a scale, 0 to 1; ``None`` if it is not."""
    distance = np.abs(scale - np.array(colour)).max(axis=1)
    nearest = int(distance.argmin())
    return nearest / (_STEPS - 1) if distance[nearest] <= _TOLERANCE else None
