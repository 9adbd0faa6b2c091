"""Figures of wafers: a plot with axes, legend, colour bar, frame and text around the dies.

The wafer is the largest round thing that is no line: figures are cut to it, and what lies around
it, such as a legend in the same colours, is left out. The user sees the box and can change it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from wafer_core.images import NO_DIE, Picture
from wafer_core.importers.colour_scales import lowest_on_scale
from wafer_core.importers.colours import (
    ROLE_VALUES,
    Colour,
    ColourTable,
    Pixels,
    Role,
    guess,
    override,
)
from wafer_core.importers.die_pitch import (
    TOLERANCE,
    find_borders,
    median_colours,
    sample_points,
    without_lines,
)
from wafer_core.importers.options import Box
from wafer_core.importers.outline import looks_round

Mask = npt.NDArray[np.bool_]

_OFF_GROUND = 20  # the same for what is not the ground; noise is thin
_MIN_BORDER = 0.75  # share of the outermost pixels that have the colour of the ground
_MIN_AREA = 0.02  # of the picture, for a wafer
_MIN_SHARE = 0.3  # of all that is drawn
_MIN_SIDE = 24  # pixels
_MAX_SIDE = 1600
_MAX_FRAME = 6  # pixels
_LINES = (5, 3, 7)  # pixels: lines are thinner and dies are not, tried in this order
_GAPS = (0, 2, 4, 7)  # pixels between dies that are drawn apart
_MAX_COLOURS = 40  # of the bins in one figure
_MIN_GREY = 0.2  # share of the dies; rarer greys among colours are no dies
_CLUTTER = 12  # pixels beside the wafer that make a picture a figure


@dataclass(frozen=True)
class Figure:
    """The wafer in a figure.

    Attributes:
        box: Left, top, right and bottom in pixels.
        picture: The wafer map, one pixel for a die.
        colours: Roles of the colours within the wafer.
    """

    box: Box
    picture: Picture
    colours: ColourTable


def read_figure(
    pixels: Pixels,
    chosen: Mapping[Colour, Role] | None = None,
    box: Box | None = None,
    needs_clutter: bool = True,
) -> Figure | None:
    """The wafer of a figure; ``None`` for any other picture, such as a rendering without a frame.

    Args:
        pixels: (H, W, 3).
        chosen: Roles of colours that replace the guess where they match.
        box: Where the wafer is, if the user says it.
        needs_clutter: Whether a picture without anything beside the wafer is no figure.
    """
    step = -(-max(pixels.shape[:2]) // _MAX_SIDE)  # finer pixels say no more, but take long
    pixels = pixels[step // 2 :: step, step // 2 :: step]
    if min(pixels.shape[:2]) < _MIN_SIDE:
        return None
    for line in _LINES:
        if box is not None:
            left, top, right, bottom = (side // step for side in box)
            part = pixels[top:bottom, left:right]
            found = _inside(part, line, chosen, (left, top))
        else:
            found = _find(pixels, line, chosen, needs_clutter)
        if found is not None:
            left, top, right, bottom = (side * step for side in found.box)
            return replace(found, box=(left, top, right, bottom))
    return None


@dataclass(frozen=True)
class _Disc:
    """The largest thing in a picture that is no line.

    Attributes:
        box: Left, top, right and bottom.
        inside: Its pixels (h, w) without holes.
        solid: Its pixels without lines and holes.
    """

    box: Box
    inside: Mask
    solid: Mask


def _find(
    pixels: Pixels, line: int, chosen: Mapping[Colour, Role] | None, needs_clutter: bool
) -> Figure | None:
    ground = _ground(pixels)
    disc = None if ground is None else _wafer_on(pixels, ground, line)
    if disc is None or ground is None:
        return None
    if _fills_corners(disc.inside):
        # the axes have a ground of their own, such as the darkest colour of a colour map
        left, top, right, bottom = _without_frame(pixels, disc.box)
        return _inside(pixels[top:bottom, left:right], line, chosen, (left, top))
    if needs_clutter and not _is_cluttered(pixels, ground, disc.box):
        return None
    return _read(pixels, ground, disc, line, chosen, (0, 0))


def _inside(
    pixels: Pixels, line: int, chosen: Mapping[Colour, Role] | None, offset: tuple[int, int]
) -> Figure | None:
    """The wafer in a part of a figure that has its own ground."""
    if min(pixels.shape[:2]) < _MIN_SIDE:
        return None
    ground = _corner_colour(pixels)
    disc = _wafer_on(pixels, ground, line)
    if disc is None or _fills_corners(disc.inside):
        return None
    return _read(pixels, ground, disc, line, chosen, offset)


def _without_frame(pixels: Pixels, box: Box) -> Box:
    """A rectangle without the line around it."""
    left, top, right, bottom = box

    def is_line(part: Pixels) -> bool:
        flat = part.reshape(-1, 3).astype(np.int16)
        near = np.abs(flat - np.median(flat, axis=0)).max(axis=1) < TOLERANCE
        return bool(near.mean() > 0.95)

    for _ in range(_MAX_FRAME):
        top += is_line(pixels[top : top + 1, left:right])
        bottom -= is_line(pixels[bottom - 1 : bottom, left:right])
        left += is_line(pixels[top:bottom, left : left + 1])
        right -= is_line(pixels[top:bottom, right - 1 : right])
    return left, top, right, bottom


def _ground(pixels: Pixels) -> npt.NDArray[np.int16] | None:
    """The colour around a figure; ``None`` if its border has several colours."""
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]).astype(np.int16)
    ground = np.median(border, axis=0).astype(np.int16)
    near = np.abs(border - ground).max(axis=1) < TOLERANCE
    return ground if near.mean() >= _MIN_BORDER else None


def _corner_colour(pixels: Pixels) -> npt.NDArray[np.int16]:
    size = max(2, min(pixels.shape[:2]) // 30)
    corners = [
        pixels[rows, columns].reshape(-1, 3)
        for rows in (slice(None, size), slice(-size, None))
        for columns in (slice(None, size), slice(-size, None))
    ]
    return np.asarray(np.median(np.concatenate(corners), axis=0), np.int16)


def _wafer_on(pixels: Pixels, ground: npt.NDArray[np.int16], line: int) -> _Disc | None:
    """The largest thing that is no line, if it is a disc or a rectangle."""
    content = _differs(pixels, ground)
    solid = ndimage.binary_opening(content, np.ones((line, line)))
    if solid.sum() < _MIN_AREA * solid.size:
        return None
    for gap in _GAPS:
        joined = solid if not gap else ndimage.binary_closing(solid, np.ones((gap + 1, gap + 1)))
        parts, _ = ndimage.label(joined)
        sizes = np.bincount(parts.ravel())
        sizes[0] = 0
        largest = parts == sizes.argmax()
        # dies at the rim that a line cut off
        largest |= content & ndimage.binary_dilation(largest & solid, iterations=line)
        place = ndimage.find_objects(largest.astype(np.uint8))[0]
        filled = ndimage.binary_fill_holes(largest[place])
        mask = largest[place] & content[place]
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        is_small = min(len(rows), len(columns)) < _MIN_SIDE
        if (
            is_small
            or mask.sum() < _MIN_SHARE * solid.sum()
            or not (looks_round(filled) or _fills_corners(filled))
        ):
            continue
        box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        top, left = place[0].start + int(rows[0]), place[1].start + int(columns[0])
        bottom, right = place[0].start + int(rows[-1]) + 1, place[1].start + int(columns[-1]) + 1
        return _Disc((left, top, right, bottom), filled[box], (mask & solid[place])[box])
    return None


def _differs(pixels: Pixels, ground: npt.NDArray[np.int16]) -> Mask:
    gap = np.zeros(pixels.shape[:2], np.int16)
    for channel in range(3):  # a third of the memory of all at once
        np.maximum(gap, np.abs(pixels[:, :, channel].astype(np.int16) - ground[channel]), out=gap)
    return np.asarray(gap >= _OFF_GROUND)


def _fills_corners(mask: Mask) -> bool:
    """Whether a thing is a rectangle rather than a disc."""
    side = max(1, min(mask.shape) // 20)
    corners = (mask[:side, :side], mask[:side, -side:], mask[-side:, :side], mask[-side:, -side:])
    return sum(bool(corner.mean() > 0.5) for corner in corners) >= 3


def _is_cluttered(pixels: Pixels, ground: npt.NDArray[np.int16], box: Box) -> bool:
    """Whether there is anything besides the wafer, such as a legend or text."""
    content = _differs(pixels, ground)
    left, top, right, bottom = box
    return int(content.sum()) - int(content[top:bottom, left:right].sum()) >= _CLUTTER


def _read(
    pixels: Pixels,
    ground: npt.NDArray[np.int16],
    disc: _Disc,
    line: int,
    chosen: Mapping[Colour, Role] | None,
    offset: tuple[int, int],
) -> Figure | None:
    """The dies of a wafer."""
    left, top, right, bottom = disc.box
    cut, inside = pixels[top:bottom, left:right], disc.inside
    # lines between the dies get the colour of the nearest die, so that each border counts once
    _, (y_of, x_of) = ndimage.distance_transform_edt(~disc.solid, return_indices=True)
    bare = without_lines(cut[y_of, x_of], inside)
    rows = find_borders(_changes(bare, inside))
    columns = find_borders(_changes(bare.transpose(1, 0, 2), inside.T))
    if rows is None or columns is None or min(rows[1] - rows[0], columns[1] - columns[0]) <= line:
        return None
    ys, xs = sample_points(rows, cut.shape[0]), sample_points(columns, cut.shape[1])
    colours = median_colours(cut, ys, xs)  # (rows, columns, 3)
    is_die = inside[ys[:, :, None, None], xs[None, None]].mean(axis=(1, 3)) >= 0.5
    is_die &= np.abs(colours - ground).max(axis=2) >= _OFF_GROUND
    if not is_die.any():
        return None
    centres = _group(colours[is_die])
    if len(centres) > _MAX_COLOURS:  # a scale without steps, such as of a measured value
        return None
    which = _nearest(colours, centres)
    counts = np.bincount(which[is_die], minlength=len(centres))
    names: list[Colour] = [(int(c[0]), int(c[1]), int(c[2])) for c in centres]
    shares = {name: count / is_die.sum() for name, count in zip(names, counts, strict=True)}
    roles = override(shares, _roles(ground, shares), chosen)
    values = np.array([ROLE_VALUES[roles[name]] for name in names], np.uint8)
    picture = np.where(is_die, values[which], NO_DIE).astype(np.uint8)
    has_die = picture != NO_DIE
    if not has_die.any():
        return None
    down, across = np.flatnonzero(has_die.any(1)), np.flatnonzero(has_die.any(0))
    dies = picture[down[0] : down[-1] + 1, across[0] : across[-1] + 1]
    x, y = offset
    return Figure((left + x, top + y, right + x, bottom + y), dies, ColourTable(roles, shares))


def _changes(cut: npt.NDArray[np.uint8], inside: Mask) -> npt.NDArray[np.float64]:
    """Number of changes of colour between each row of pixels and the next (H − 1)."""
    steps = np.zeros((len(cut) - 1, cut.shape[1]), np.int16)
    for channel in range(3):
        values = cut[:, :, channel].astype(np.int16)
        np.maximum(steps, np.abs(values[1:] - values[:-1]), out=steps)
    near = inside[1:] | inside[:-1]
    return np.asarray(((steps >= TOLERANCE) & near).sum(axis=1), np.float64)


def _group(colours: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The different colours (N, 3) of dies (D, 3), the most frequent first."""
    _, which, counts = np.unique(colours // 8, axis=0, return_inverse=True, return_counts=True)
    sums = np.stack([np.bincount(which.ravel(), colours[:, c]) for c in range(3)], axis=1)
    means = np.rint(sums / counts[:, None]).astype(np.int64)
    centres: list[npt.NDArray[np.int64]] = []
    for index in np.argsort(-counts, kind="stable"):
        if all(np.abs(means[index] - centre).max() >= TOLERANCE for centre in centres):
            centres.append(means[index])
        if len(centres) > _MAX_COLOURS:
            break
    return np.array(centres)


def _nearest(
    colours: npt.NDArray[np.int64], centres: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Index of the nearest of some colours for each die (H, W)."""
    best = np.zeros(colours.shape[:2], np.int64)
    least = np.full(colours.shape[:2], np.inf)
    for index, centre in enumerate(centres):
        distance = ((colours - centre) ** 2).sum(axis=2)
        best[distance < least] = index
        least = np.minimum(least, distance)
    return best


def _roles(ground: npt.NDArray[np.int16], shares: Mapping[Colour, float]) -> dict[Colour, Role]:
    """Roles of the colours of dies."""
    own: Colour = (int(ground[0]), int(ground[1]), int(ground[2]))
    lowest = lowest_on_scale(own, list(shares))
    if lowest is not None:
        return {colour: Role.PASS if colour == lowest else Role.FAIL for colour in shares}
    greys = [colour for colour in shares if max(colour) - min(colour) < 32]
    if greys and len(greys) < len(shares) and shares[greys[0]] >= _MIN_GREY:
        # grey dies among coloured ones passed
        return dict.fromkeys(shares, Role.FAIL) | {greys[0]: Role.PASS}
    if len(greys) == len(shares) == 2:
        # grey levels rise or fall: the one next to the ground passed
        near = min(greys, key=lambda colour: abs(colour[0] - own[0]))
        return {colour: Role.PASS if colour == near else Role.FAIL for colour in greys}
    return guess(shares, [], transparent=True)
