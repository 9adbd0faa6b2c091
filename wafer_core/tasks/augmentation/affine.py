"""The geometry of augmentation: one affine map, applied to a wafer map or to a grey picture.

A wafer map is transformed in the wafer's physical shape: dies are not square, so each axis of the
wafer's bounding box is scaled to [-1, 1] (the wafer becomes the unit disk) and the map is applied
there; a ring stays a ring on a grid of 25 × 54 dies. The die grid does not move: each output die
takes the state of the original die at its source position.
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
    """Maps an output point to its source: ``matrix @ point + offset``, points as (y, x).

    Attributes:
        matrix: (2, 2); points are in [-1, 1] on each axis, 0 is the centre.
        offset: (2,) in the same unit.
    """

    matrix: Floats
    offset: Floats


def affine(
    rotation: float,
    shear: float,
    zoom: tuple[float, float],
    shift: tuple[float, float],
    flip: tuple[bool, bool],
) -> Affine:
    """Compose a map in the order of Keras' ImageDataGenerator.

    Args:
        rotation: Degrees, clockwise.
        shear: Radians.
        zoom: Factor for (y, x); above 1 the content shrinks.
        shift: Fraction of the (height, width).
        flip: Reflect (vertically, horizontally).
    """
    angle = math.radians(rotation)
    rotate = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    slant = np.array([[1.0, -math.sin(shear)], [0.0, math.cos(shear)]])
    scale = [-z if flipped else z for z, flipped in zip(zoom, flip, strict=True)]
    matrix = rotate @ slant * scale
    return Affine(matrix, rotate @ (2 * np.array(shift, np.float64)))


@dataclass(frozen=True)
class WaferGrid:
    """A wafer map prepared for many transforms; see ``wafer_grid``.

    Attributes:
        picture: (H, W).
        failed: (dies,).
        positions: (dies,) index of each die in the flat picture.
        points: (2, dies) centre of each die in [-1, 1].
        centre: (2, 1) in dies.
        radius: (2, 1) in dies.
        nearest: (H·W,) number of the die nearest to each cell.
        off_wafer: (H·W,) whether a cell is not adjacent to any die.
    """

    picture: Picture
    failed: npt.NDArray[np.bool_]
    positions: Integers
    points: Floats
    centre: Floats
    radius: Floats
    nearest: Integers
    off_wafer: npt.NDArray[np.bool_]


def wafer_grid(picture: Picture) -> WaferGrid:
    """Prepare a wafer map for ``transform_map``."""
    H, W = picture.shape
    mask = picture != NO_DIE
    positions = np.flatnonzero(mask)
    cells = np.stack(np.divmod(positions, W))  # (2, dies)
    low, high = cells.min(1, keepdims=True), cells.max(1, keepdims=True)
    centre, radius = (low + high) / 2, (high - low + 1) / 2
    number = np.zeros(H * W, np.intp)
    number[positions] = np.arange(len(positions))
    if len(positions) == H * W:
        nearest, off_wafer = number, np.zeros(H * W, bool)
    else:
        rows, columns = ndimage.distance_transform_edt(
            ~mask, sampling=1 / radius.ravel(), return_distances=False, return_indices=True
        )
        nearest = number[(rows * W + columns).ravel()]
        off_wafer = ~ndimage.binary_dilation(mask, _SQUARE).ravel()
    failed = picture.ravel()[positions] == FAIL
    return WaferGrid(
        picture, failed, positions, (cells - centre) / radius, centre, radius, nearest, off_wafer
    )


def transform_map(grid: WaferGrid, affine: Affine, fill_mode: str, cval: float) -> Picture:
    """Transform a wafer map on its own die grid: three values, the same dies.

    Each die takes the state of the nearest die at its source. A failed die that lies between two
    sampling points would be lost: it is restored at its target, in exchange for the duplicate of a
    die that was sampled twice, so that scratches stay connected and counts stay the same.

    Args:
        grid: From ``wafer_grid``.
        affine: In units of the wafer's radius.
        fill_mode: States beyond the wafer: ``nearest`` extends the dies of the edge, ``constant``
            uses ``cval``, ``reflect`` mirrors at the edge, ``wrap`` continues at the opposite edge.
        cval: Grey value beyond the wafer for ``constant``; failed if closer to ``FAIL`` than to
            ``PASS``.
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
        failed[grid.failed.argmin()] = False  # a map needs a passed die
    out = np.zeros(grid.picture.size, np.uint8)
    out[grid.positions] = np.where(failed, FAIL, PASS)
    return out.reshape(grid.picture.shape)


def _die_at(grid: WaferGrid, points: Floats) -> tuple[Integers, npt.NDArray[np.bool_], Floats]:
    """Nearest die of each point, whether the point is beyond the wafer, squared distance in dies.

    Args:
        points: (2, N) in [-1, 1].
    """
    H, W = grid.picture.shape
    exact = points * grid.radius + grid.centre
    cells = np.rint(exact).astype(np.intp)
    rows = np.minimum(np.maximum(cells[0], 0), H - 1)  # twice as fast as np.clip on small arrays
    columns = np.minimum(np.maximum(cells[1], 0), W - 1)
    flat = rows * W + columns
    beyond = grid.off_wafer[flat] | (np.abs(cells[0] - rows) > 1) | (np.abs(cells[1] - columns) > 1)
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
        grid: Of the original.
        affine: In units of the wafer's radius.
        failed: (dies,) new states.
        chosen: (dies,) source of each die, -1 beyond the wafer.
        distance: (dies,) squared distance from the sampling point to the centre of the source.
    """
    hits = np.bincount(chosen + 1, minlength=len(failed) + 1)[1:]
    lost = np.flatnonzero(grid.failed & (hits == 0))
    if not len(lost):
        return
    points = np.linalg.inv(affine.matrix) @ (grid.points[:, lost] - affine.offset[:, None])
    target, beyond, _ = _die_at(grid, points)
    inside = np.abs(points).max(0) <= 1
    added = np.unique(target[inside & ~beyond])
    added = added[~failed[added]]
    if not len(added):
        return
    twice = np.flatnonzero(failed & (chosen >= 0) & (hits[chosen] > 1))
    twice = twice[np.lexsort((distance[twice], chosen[twice]))]
    # All duplicates of a source but the nearest.
    spare = twice[1:][chosen[twice[1:]] == chosen[twice[:-1]]]
    flat = np.zeros(grid.picture.size, np.uint8)
    flat[grid.positions] = failed
    counts = ndimage.correlate(flat.reshape(grid.picture.shape), _SQUARE, mode="constant")
    neighbours = counts.ravel()[grid.positions[spare]]  # includes the die itself
    spare = spare[np.argsort(neighbours, kind="stable")]
    # Remove only from isolated pairs and ends of lines; elsewhere it would break a scratch.
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
        order: Interpolation: 0 nearest, 1 linear, 3 cubic. A picture of only 0 and 255 always uses
            0, so that it stays binary.
    """
    half = np.array(picture.shape) / 2
    centre = half - 0.5
    offset = centre - affine.matrix @ centre + affine.offset * half
    is_binary = not np.any((picture != NO_DIE) & (picture != FAIL))
    out = ndimage.affine_transform(
        picture.astype(np.float32), affine.matrix, offset, order=0 if is_binary else order,
        mode=fill_mode, cval=cval,
    )  # fmt: skip
    transformed: Picture = np.rint(out).clip(0, 255).astype(np.uint8)
    return transformed
