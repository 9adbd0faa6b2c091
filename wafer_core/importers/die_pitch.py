"""The pitch of the dies in a drawing of any scale, and one colour for each die.

The borders of dies repeat with the pitch, which is no whole number of pixels in most drawings, and
the first and last dies may be covered by a frame. So the pitch is the period at which the changes
between neighbouring pixels agree best.
"""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt

_MIN_PITCH = 2.5  # pixels
_MIN_DIES, _MAX_DIES = 6, 600  # along one axis
_MIN_AGREEMENT = 0.6  # of the changes, 1 if all are exactly on the grid
_NEAR_BEST = 0.8  # a coarser grid is preferred if it agrees nearly as well as the best one
_CORE = 0.6  # share of a die's width around its centre in which its colour is taken
_POINTS = 5  # along each side
TOLERANCE = 40  # of a channel: closer colours of dies are the same (JPEG noise)
_MAX_LINE = 5  # pixels
_LINE_SHARE = 0.75  # of the pixels of a row that belong to a line
_CHANGE_SHARE = 0.6  # of its pixels that differ from the row beside it

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Pixels = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]


def find_borders(changes: Floats) -> Floats | None:
    """Borders of the rows of dies in pixels (N + 1); ``None`` without a regular grid.

    Args:
        changes: How many pixels differ from the next row, for each row but the last (H − 1).
    """
    H = len(changes) + 1
    weights = np.where(changes < 0.02 * changes.max(), 0, changes)  # without noise
    if weights.any():  # a line across the picture counts as much as a border
        weights = np.minimum(weights, 2 * np.median(weights[weights > 0]))
    places: Floats = np.flatnonzero(weights).astype(np.float64) + 1
    weights = weights[weights > 0]
    # the number of dies in steps of a tenth
    counts = np.arange(_MIN_DIES, min(H / _MIN_PITCH, _MAX_DIES), 0.1)
    if len(places) < _MIN_DIES or not len(counts):
        return None
    agreement = (
        np.concatenate(
            [
                np.abs(np.exp(2j * np.pi / H * part[:, None] * places[None, :]) @ weights)
                for part in np.array_split(counts, len(counts) // 256 + 1)
            ]
        )
        / weights.sum()
    )
    if agreement.max() < _MIN_AGREEMENT:
        return None
    pitch = _refined(H / counts[_coarsest(agreement)], places, weights, H)
    offset = np.angle(np.exp(2j * np.pi * places / pitch) @ weights) / (2 * np.pi) * pitch
    begin, end = round(-offset / pitch), round((H - offset) / pitch)
    if end - begin < _MIN_DIES:
        return None
    return np.asarray(offset + np.arange(begin, end + 1) * pitch)


def _coarsest(agreement: Floats) -> int:
    """The coarsest grid that agrees nearly as well as the best one; finer multiples agree too."""
    first = int(np.flatnonzero(agreement >= _NEAR_BEST * agreement.max())[0])
    while first + 1 < len(agreement) and agreement[first + 1] > agreement[first]:
        first += 1  # up to the top of this peak
    return first


def _refined(pitch: float, places: Floats, weights: Floats, size: int) -> float:
    """The pitch near a first guess at which the changes agree best."""
    step = 0.1 * pitch**2 / size  # a tenth of a die over the whole wafer
    near = pitch + np.linspace(-step, step, 41)
    agreement = np.abs(np.exp(2j * np.pi * places[None, :] / near[:, None]) @ weights)
    return float(near[agreement.argmax()])


def without_lines(pixels: Pixels, inside: Mask) -> Pixels:
    """The pixels (H, W, 3) without lines that are drawn across the dies or between them.

    A line is a few rows or columns of one colour that differ from what is on both sides. It is
    replaced by the pixels above, or to the left.

    Args:
        pixels: Of the wafer.
        inside: Which of them are on the wafer (H, W).
    """
    rows = _without_rows(pixels, inside)
    columns = _without_rows(rows.transpose(1, 0, 2), inside.T)
    return np.ascontiguousarray(columns.transpose(1, 0, 2))


def _without_rows(pixels: Pixels, inside: Mask) -> Pixels:
    count = np.maximum(inside.sum(axis=1), 1)
    steps = np.zeros((len(pixels), pixels.shape[1]), np.int16)
    uniform: Floats = np.ones(len(pixels))
    for channel in range(3):
        values = pixels[:, :, channel].astype(np.int16)
        np.maximum(steps[1:], np.abs(values[1:] - values[:-1]), out=steps[1:])
        masked = np.where(inside, values, np.nan)
        middle = np.nanmedian(np.where(np.asarray(inside.any(axis=1))[:, None], masked, 0), axis=1)
        near = (np.abs(values - middle[:, None]) < TOLERANCE) & inside
        uniform = np.minimum(uniform, near.sum(axis=1) / count)
    changed = ((steps >= TOLERANCE // 2) & inside).sum(axis=1) / count
    starts: list[int] = np.flatnonzero(changed >= _CHANGE_SHARE).tolist()
    out = pixels.copy()
    for start, end in itertools.pairwise(starts):
        if start and end - start <= _MAX_LINE and uniform[start:end].min() >= _LINE_SHARE:
            out[start:end] = out[start - 1]
    return out


def sample_points(borders: Floats, size: int) -> Integers:
    """Pixels (N, K) in the middle of each row of dies.

    Args:
        borders: From ``find_borders``.
        size: Number of pixels.
    """
    low, high = np.clip(borders[:-1], 0, size), np.clip(borders[1:], 0, size)
    share = 0.5 + _CORE * (np.arange(_POINTS) / (_POINTS - 1) - 0.5)
    points = low[:, None] + (high - low)[:, None] * share
    return np.clip(points.astype(np.int64), 0, size - 1)


def median_colours(pixels: npt.NDArray[np.uint8], ys: Integers, xs: Integers) -> Integers:
    """The colour of each die (N, M, 3).

    Args:
        pixels: (H, W, 3).
        ys: Of ``sample_points`` (N, K).
        xs: (M, K).
    """
    rows = []
    for y in ys:
        samples = pixels[y[:, None, None], xs[None]]  # (K, M, K, 3)
        rows.append(np.median(samples.transpose(1, 0, 2, 3).reshape(len(xs), -1, 3), axis=1))
    return np.stack(rows).astype(np.int64)
