"""Summary statistics of a wafer map, which do not depend on its class.

32 numbers: how much fails, at which radius, how one-sided and how clustered; how large, long, thick
and far from the centre the largest cluster is. They hardly change when the wafer is rotated or
mirrored; the direction that they leave out is returned as ``bearing``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from wafer_core.images import FAIL, NO_DIE, Picture

Array = npt.NDArray[np.float64]

_RINGS = 8
_ZONES = (0.4, 0.75)  # radii that separate the middle, the belt and the rim
_WAVES = 4  # lobes around the wafer
_CLUSTER = 4  # failed dies that make a cluster
NAMES: tuple[str, ...] = (
    "failed",
    *(f"ring_{k}" for k in range(_RINGS)),
    *(f"lobes_{k}_{zone}" for zone in ("middle", "belt", "rim") for k in range(1, _WAVES + 1)),
    "neighbours",
    "second_neighbours",
    "clustered",
    "clusters",
    "largest",
    "second",
    "length",
    "thickness",
    "distance",
    "radial",
    "core",
)
# Each group of statistics has about the same weight, however many numbers it has.
_WEIGHTS = np.array(
    [1.0] + [2 / _RINGS] * _RINGS + [2 / (3 * _WAVES)] * (3 * _WAVES) + [0.5] * 2 + [0.4] * 9
)


def summary_statistics(pictures: Sequence[Picture]) -> tuple[Array, Array]:
    """Measure wafer maps.

    Args:
        pictures: N wafer maps (H, W) with any die grids.

    Returns:
        Statistics (N, 32) in the order of ``NAMES``, shares as square roots to stabilise their
        variance; and the bearing (N,) of the failed dies, in radians clockwise from the top.
    """
    N = len(pictures)
    if not N:
        return np.zeros((0, len(NAMES))), np.zeros(0)
    around, bearing = _around(pictures)
    clusters = np.empty((N, 11))
    same_grid: dict[tuple[int, ...], list[int]] = {}
    for index, picture in enumerate(pictures):
        same_grid.setdefault(picture.shape, []).append(index)
    for indices in same_grid.values():
        stack = np.stack([pictures[k] for k in indices])
        dies = np.maximum((stack != NO_DIE).sum((1, 2)), 1)
        clusters[indices] = _clusters(stack == FAIL, dies)
    return np.concatenate([around, clusters], 1), bearing


def distances(first: Array, second: Array, scales: Array) -> Array:
    """Weighted Euclidean distances (N, M) between statistics (N, F) and (M, F).

    Args:
        first: From ``summary_statistics``.
        second: The same.
        scales: (F,) what each number is divided by.
    """
    a, b = weighted(first, scales), weighted(second, scales)
    squares = (a**2).sum(1)[:, None] + (b**2).sum(1)[None] - 2 * a @ b.T
    return np.asarray(np.sqrt(np.clip(squares, 0, None)))


def weighted(values: Array, scales: Array) -> Array:
    """Statistics (N, F) scaled so that their Euclidean distance is that of ``distances``."""
    return np.asarray(values * np.sqrt(_WEIGHTS / _WEIGHTS.sum()) / scales)


def _around(pictures: Sequence[Picture]) -> tuple[Array, Array]:
    """Failed dies by radius and direction (N, 21), and the bearing (N,)."""
    N = len(pictures)
    shares, bearing = np.empty((N, 1 + _RINGS + 3 * _WAVES)), np.empty(N)
    same_grid: dict[tuple[tuple[int, ...], bytes], list[int]] = {}
    for index, picture in enumerate(pictures):
        key = (picture.shape, np.packbits(picture != NO_DIE).tobytes())
        same_grid.setdefault(key, []).append(index)
    for indices in same_grid.values():
        mask = pictures[indices[0]] != NO_DIE
        failed = np.stack([pictures[k][mask] == FAIL for k in indices]).astype(np.float32)
        total = failed.mean(1) if mask.any() else np.zeros(len(indices), np.float32)
        measured = (failed - total[:, None]) @ _matrix(mask)  # (n, 8 + 24 + 2) of the excess
        rings, waves = measured[:, :_RINGS], measured[:, _RINGS:-2]
        x, y = measured[:, -2], measured[:, -1]
        # amplitude of a wave from its cosine and sine parts
        waves = np.sqrt((waves.reshape(-1, 3 * _WAVES, 2) ** 2).sum(2))
        shares[indices, 0] = total
        shares[indices, 1 : 1 + _RINGS] = total[:, None] + rings
        shares[indices, 1 + _RINGS :] = 3 * waves
        # direction of the centroid of the excess of failed dies
        bearing[indices] = np.arctan2(x, -y)
    return np.sqrt(np.clip(shares, 0, 1)), bearing


def _matrix(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    """Contribution of each die (D,) to rings, lobes (cosine and sine), x and y."""
    H, W = mask.shape
    row, column = np.nonzero(mask)
    x, y = (2 * column + 1) / W - 1, (2 * row + 1) / H - 1
    # rounding must not move a die across a border when the wafer is rotated
    radius = np.sqrt(x * x + y * y) + 1e-9
    ring = np.minimum((radius * _RINGS).astype(np.intp), _RINGS - 1)
    rings = (ring[:, None] == np.arange(_RINGS)).astype(np.float64)
    rings /= np.maximum(rings.sum(0), 1)  # an empty ring gets the value of the whole wafer
    zone = (radius >= _ZONES[0]).astype(np.intp) + (radius >= _ZONES[1])
    direction = np.arctan2(x, -y)[:, None] * np.arange(1, _WAVES + 1)
    turning = np.stack([np.cos(direction), np.sin(direction)], 2).reshape(len(x), 2 * _WAVES)
    turning[radius < 1e-6] = 0  # the central die has no direction
    dies = max(len(x), 1)
    waves = np.concatenate([turning * (zone == z)[:, None] for z in range(3)], 1) / dies
    return np.concatenate([rings, waves, x[:, None], y[:, None]], 1).astype(np.float32)


def _clusters(failed: npt.NDArray[np.bool_], dies: npt.NDArray[np.intp]) -> Array:
    """How clustered the failed dies (n, H, W) are, and their largest cluster: (n, 11)."""
    from scipy import ndimage  # slow to import

    n, H, W = failed.shape
    total = np.maximum(failed.sum((1, 2)), 1)
    share = failed.sum((1, 2)) / dies
    padded = np.pad(failed.astype(np.int8), ((0, 0), (2, 2), (2, 2)))
    rows = padded[:, 1:-3] + padded[:, 2:-2] + padded[:, 3:-1]
    around = rows[..., 1:-3] + rows[..., 2:-2] + rows[..., 3:-1] - failed  # of 8 neighbours
    near = (around * failed).sum((1, 2)) / total / 8
    apart = (padded[:, :-4] + padded[:, 4:])[..., 2:-2] + (padded[..., :-4] + padded[..., 4:])[
        :, 2:-2
    ]
    far = (apart * failed).sum((1, 2)) / total / 4
    # dies with two failed neighbours belong to a structure; isolated ones are the background
    dense = failed & (around >= 2)
    values = np.zeros((n, 11))
    values[:, 0] = np.sqrt(np.clip(near - share, 0, None))
    values[:, 1] = np.sqrt(np.clip(far - share, 0, None))
    values[:, 2] = np.sqrt(dense.sum((1, 2)) / dies)

    # blobs have dies that are surrounded by failed ones, lines do not
    core = (around >= 6) & dense
    values[:, 10] = np.sqrt(core.sum((1, 2)) / np.maximum(dense.sum((1, 2)), 1))

    beside = np.zeros((3, 3, 3), bool)
    beside[1] = True  # neighbours on the same wafer
    labels, count = ndimage.label(dense, beside)
    wafer, row, column = np.nonzero(dense)
    label = labels[wafer, row, column]
    size = np.bincount(label, minlength=count + 1)
    owner = np.zeros(count + 1, np.intp)
    owner[label] = wafer
    clusters = np.flatnonzero(size >= _CLUSTER)
    values[:, 3] = np.bincount(owner[clusters], minlength=n)
    by_size = clusters[np.lexsort((-size[clusters], owner[clusters]))]
    wafers, first = np.unique(owner[by_size], return_index=True)  # that have a cluster
    largest = by_size[first]
    several = values[wafers, 3] > 1
    values[wafers[several], 5] = size[by_size[first[several] + 1]]
    values[:, 3] = np.sqrt(np.log1p(np.clip(values[:, 3] - 1, 0, None)))
    values[wafers, 4] = size[largest]
    values[:, 4:6] = np.sqrt(values[:, 4:6] / dies[:, None])

    x, y = (2 * column + 1) / W - 1, (2 * row + 1) / H - 1

    def mean(of: Array) -> Array:
        return np.asarray(np.bincount(label, of, count + 1)[largest] / size[largest])

    middle_x, middle_y = mean(x), mean(y)
    xx, yy, xy = mean(x * x) - middle_x**2, mean(y * y) - middle_y**2, mean(x * y)
    xy -= middle_x * middle_y
    spread = np.hypot((xx - yy) / 2, xy)
    long, short = (xx + yy) / 2 + spread, np.clip((xx + yy) / 2 - spread, 0, None)
    distance = np.hypot(middle_x, middle_y)
    # a bar of length l has the variance l²/12
    values[wafers, 6], values[wafers, 7], values[wafers, 8] = (
        np.sqrt(3 * long), np.sqrt(3 * short), distance
    )  # fmt: skip
    # 1: the long axis is radial, -1: tangential, 0: round or central
    axis = (xx - yy) / 2 * (middle_x**2 - middle_y**2) + 2 * xy * middle_x * middle_y
    values[wafers, 9] = axis / (np.maximum(long, 1e-9) * np.maximum(distance, 0.3) ** 2)
    return values
