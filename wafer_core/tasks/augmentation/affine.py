"""The geometry of augmentation: one affine map, applied to a wafer map or to a grey picture.

A wafer map is transformed as a wafer: dies are not square, so each axis of the wafer's bounding box
is scaled to [-1, 1] (the wafer becomes the unit disk) and the map acts there; a ring stays a ring
on a grid of 25 × 54 dies. The die grid is never moved: each die asks which die of the original
lies at the place it came from.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from wafer_core.images import FAIL, NO_DIE, PASS, Picture

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.intp]

FILL_MODES = ("nearest", "constant", "reflect", "wrap")
_SQUARE = np.ones((3, 3), np.uint8)


@dataclass(frozen=True)
class Affine:
    """Where an output point comes from: ``matrix @ point + offset``, points as (y, x).

    Points lie in [-1, 1] on each axis, 0 is the centre; ``offset`` is in the same unit.
    """

    matrix: Floats  # (2, 2)
    offset: Floats  # (2,)


def affine(
    rotation: float,
    shear: float,
    zoom: tuple[float, float],
    shift: tuple[float, float],
    flip: tuple[bool, bool],
) -> Affine:
    """Compose one map in the order of Keras' ImageDataGenerator.

    Args:
        rotation: Degrees, clockwise.
        shear: Radians.
        zoom: Factor for (y, x); above 1 shows more around the picture, so the content shrinks.
        shift: Fraction of the (height, width).
        flip: Mirror (top and bottom, left and right).
    """
    angle = math.radians(rotation)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    slant = np.array([[1.0, -math.sin(shear)], [0.0, math.cos(shear)]])
    scale = [-z if flipped else z for z, flipped in zip(zoom, flip, strict=True)]
    matrix = turn @ slant * scale
    return Affine(matrix, turn @ (2 * np.array(shift, np.float64)))


@dataclass(frozen=True)
class WaferGrid:
    """What does not change between two transforms of one wafer map; see ``wafer_grid``."""

    picture: Picture
    failed: npt.NDArray[np.bool_]  # (dies,)
    places: Integers  # (dies,) position of each die in the flat picture
    points: Floats  # (2, dies) centre of each die in [-1, 1]
    centre: Floats  # (2, 1) in dies
    radius: Floats  # (2, 1) in dies
    nearest: Integers  # (H·W,) number of the die nearest to each cell
    off: npt.NDArray[np.bool_]  # (H·W,) more than a neighbour away from any die


def wafer_grid(picture: Picture) -> WaferGrid:
    """Prepare a wafer map for ``transform_map``."""
    H, W = picture.shape
    mask = picture != NO_DIE
    places = np.flatnonzero(mask)
    cells = np.stack(np.divmod(places, W))  # (2, dies)
    low, high = cells.min(1, keepdims=True), cells.max(1, keepdims=True)
    centre, radius = (low + high) / 2, (high - low + 1) / 2
    number = np.zeros(H * W, np.intp)
    number[places] = np.arange(len(places))
    if len(places) == H * W:
        nearest, off = number, np.zeros(H * W, bool)
    else:
        rows, columns = ndimage.distance_transform_edt(
            ~mask, sampling=1 / radius.ravel(), return_distances=False, return_indices=True
        )
        nearest = number[(rows * W + columns).ravel()]
        off = ~ndimage.binary_dilation(mask, _SQUARE).ravel()
    failed = picture.ravel()[places] == FAIL
    return WaferGrid(
        picture, failed, places, (cells - centre) / radius, centre, radius, nearest, off
    )


def transform_map(grid: WaferGrid, affine: Affine, fill_mode: str, cval: float) -> Picture:
    """Transform a wafer map on its own die grid: three values, same dies.

    Each die takes the state of the die found at its source. A single failed die can fall between
    two sampling points: it is put back where it belongs, in exchange for the superfluous half of a
    die that was sampled twice, so that scratches keep together and counts stay what they were.

    Args:
        grid: From ``wafer_grid``.
        affine: In units of the wafer's radius.
        fill_mode: What lies beyond the wafer: ``nearest`` the edge's dies go on, ``constant``
            dies of ``cval``, ``reflect`` mirrored at the edge, ``wrap`` the opposite edge follows.
        cval: Grey value beyond the wafer for ``constant``; nearer to ``FAIL`` than to ``PASS``
            means failed.
    """
    sources = affine.matrix @ grid.points + affine.offset[:, None]
    chosen, beyond, distance = _die_at(grid, sources)
    if beyond.any() and fill_mode in ("reflect", "wrap"):
        outside = sources[:, beyond]
        r = np.maximum(np.hypot(*outside), 1.0)
        fold = np.maximum(2.0 - r, 0.0) if fill_mode == "reflect" else r - 2.0
        chosen[beyond], _, _ = _die_at(grid, outside * (fold / r))
    failed = grid.failed[chosen]
    if fill_mode == "constant":
        failed[beyond] = abs(cval - FAIL) < abs(cval - PASS)
    if grid.failed.any():
        _keep_failed_dies(grid, affine, failed, np.where(beyond, -1, chosen), distance)
    if failed.all() and not grid.failed.all():
        failed[grid.failed.argmin()] = False  # without a passed die it would be no map any more
    out = np.zeros(grid.picture.size, np.uint8)
    out[grid.places] = np.where(failed, FAIL, PASS)
    return out.reshape(grid.picture.shape)


def _die_at(grid: WaferGrid, points: Floats) -> tuple[Integers, npt.NDArray[np.bool_], Floats]:
    """Die nearest to each point, whether the point is beyond the wafer, squared distance in dies.

    Args:
        points: (2, N) in [-1, 1].
    """
    H, W = grid.picture.shape
    exact = points * grid.radius + grid.centre
    cells = np.rint(exact).astype(np.intp)
    rows = np.minimum(np.maximum(cells[0], 0), H - 1)  # twice as fast as clip on small arrays
    columns = np.minimum(np.maximum(cells[1], 0), W - 1)
    flat = rows * W + columns
    beyond = grid.off[flat] | (np.abs(cells[0] - rows) > 1) | (np.abs(cells[1] - columns) > 1)
    return grid.nearest[flat], beyond, ((exact - cells) ** 2).sum(0)


def _keep_failed_dies(
    grid: WaferGrid,
    affine: Affine,
    failed: npt.NDArray[np.bool_],
    chosen: Integers,
    distance: Floats,
) -> None:
    """Change ``failed`` in place so that no failed die of the original is lost.

    Args:
        failed: (dies,) the new states.
        chosen: (dies,) the source of each die, -1 beyond the wafer.
        distance: (dies,) squared, from the sampling point to the source's centre.
    """
    hits = np.bincount(chosen + 1, minlength=len(failed) + 1)[1:]
    lost = np.flatnonzero(grid.failed & (hits == 0))
    if not len(lost):
        return
    there = np.linalg.inv(affine.matrix) @ (grid.points[:, lost] - affine.offset[:, None])
    target, beyond, _ = _die_at(grid, there)
    inside = np.abs(there).max(0) <= 1
    added = np.unique(target[inside & ~beyond])
    added = added[~failed[added]]
    if not len(added):
        return
    twice = np.flatnonzero(failed & (chosen >= 0) & (hits[chosen] > 1))
    twice = twice[np.lexsort((distance[twice], chosen[twice]))]
    spare = twice[1:][chosen[twice[1:]] == chosen[twice[:-1]]]  # all but the nearest of each source
    board = np.zeros(grid.picture.size, np.uint8)
    board[grid.places] = failed
    crowd = ndimage.correlate(board.reshape(grid.picture.shape), _SQUARE, mode="constant")
    neighbours = crowd.ravel()[grid.places[spare]]  # the die itself is counted
    spare = spare[np.argsort(neighbours, kind="stable")]
    # Only one of a lone pair, or the end of a line: elsewhere it would tear a hole or a scratch.
    failed[spare[: len(added)][np.sort(neighbours)[: len(added)] <= 2]] = False
    failed[added] = True


def transform_grey(
    picture: Picture, affine: Affine, fill_mode: str, cval: float, order: int
) -> Picture:
    """Transform a grey picture about its centre; its pixels are square.

    Args:
        picture: (H, W).
        affine: Offset in units of half the height and half the width.
        fill_mode: As in Keras, at the border of the array.
        cval: Grey value beyond the border for ``constant``.
        order: Interpolation, 0 nearest, 1 linear, 3 cubic; a picture of 0 and 255 alone is always
            sampled with 0, so that it stays one.
    """
    half = np.array(picture.shape) / 2
    centre = half - 0.5
    offset = centre - affine.matrix @ centre + affine.offset * half
    two_values = not np.any((picture != NO_DIE) & (picture != FAIL))
    out = ndimage.affine_transform(
        picture.astype(np.float32), affine.matrix, offset, order=0 if two_values else order,
        mode=fill_mode, cval=cval,
    )  # fmt: skip
    made: Picture = np.rint(out).clip(0, 255).astype(np.uint8)
    return made
