"""Near copies: pictures that repeat an original, possibly rotated or mirrored.

The distance of two pictures is 1 - φ, where φ is the correlation of their failed dies over the
wafer (Pearson's; Yule's φ for two states): 0 if the same dies failed, 1 if no more of them agree
than by chance. The plain share of differing dies would call all nearly full wafers copies of each
other; the correlation removes the agreement that comes from density alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wafer_core.errors import InputError
from wafer_core.images import FAIL, NO_DIE, Picture, is_map, resize

# A copy with one failed die in ten moved is below this distance, and hardly any real wafer of a new
# lot is: see benchmarks.quality.score_validation. Copies that are shifted are not found, nor nearly
# full wafers with as many dies moved: their few passed dies are all of their pattern.
NEAR = 0.25
SIDE = 64  # cells per side at which pictures are compared: every die of most products
_CHUNK = 512  # pictures compared at once, which bounds the memory

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Nearest:
    """The nearest original of each picture.

    Attributes:
        distance: (N,), from 0, the same in one of its orientations, to 2.
        index: (N,) of that original.
    """

    distance: npt.NDArray[np.float64]
    index: npt.NDArray[np.int64]

    @property
    def near_copies(self) -> npt.NDArray[np.bool_]:
        """Which pictures are near copies (N,)."""
        return self.distance <= NEAR

    @property
    def share(self) -> float:
        """Share of near copies, 0 to 1."""
        return float(self.near_copies.mean())


def vectors(pictures: Sequence[Picture]) -> Vectors:
    """Pictures (N) as unit vectors (N, P) for ``nearest``."""
    failed = np.empty((len(pictures), SIDE, SIDE), np.float32)
    wafer = np.ones(failed.shape, bool)
    for index, picture in enumerate(pictures):
        small = resize(np.ascontiguousarray(picture), (SIDE, SIDE))
        if is_map(picture):
            failed[index], wafer[index] = small == FAIL, small != NO_DIE
        else:
            failed[index] = small / np.float32(255)
    return correlation_vectors(failed, wafer)


def dihedral_vectors(pictures: Sequence[Picture]) -> Vectors:
    """Pictures (N) in their eight rotations and reflections for ``nearest``: (8, N, P).

    They are rotated before they are resized, so that a rotated copy is exactly equal.
    """
    return np.stack(
        [
            vectors([np.rot90(p[:, ::-1] if mirrored else p, k) for p in pictures])
            for mirrored in (False, True)
            for k in range(4)
        ]
    )


def correlation_vectors(failed: npt.ArrayLike, wafer: npt.ArrayLike) -> Vectors:
    """Unit vectors whose dot products are φ.

    Args:
        failed: (N, H, W), 1 where a die failed and 0 where it passed; brightness of grey pictures.
        wafer: (N, H, W), whether a cell is on the wafer.

    Returns:
        (N, H · W + 2). The correlation is undefined for wafers without a failed die and for those
        without a passed die: the last two columns make each equal to its kind and to nothing else.

    Raises:
        InputError: The shapes differ, or pictures have no cells.
    """
    values, mask = np.asarray(failed, np.float32), np.asarray(wafer, bool)
    if values.ndim != 3 or values.shape != mask.shape or not values[:1].size:
        raise InputError(
            "Pictures of shape {pictures} and wafers of shape {wafers} cannot be compared; both "
            "must be (N, H, W).",
            pictures=str(values.shape),
            wafers=str(mask.shape),
        )
    N = len(values)
    values, mask = values.reshape(N, -1), mask.reshape(N, -1)
    cells = np.maximum(mask.sum(1, keepdims=True), 1)
    mean = np.where(mask, values, 0).sum(1, keepdims=True) / cells
    centred = np.where(mask, values - mean, 0)
    length = np.sqrt((centred * centred).sum(1, keepdims=True))
    flat = length[:, 0] <= 1e-4
    found = np.zeros((N, values.shape[1] + 2), np.float32)
    np.divide(centred, length, out=found[:, :-2], where=~flat[:, None])
    found[flat, -2] = mean[flat, 0] < 0.5
    found[flat, -1] = mean[flat, 0] >= 0.5
    return found


def nearest(
    queries: Vectors, originals: npt.NDArray[np.float32], exclude_self: bool = False
) -> Nearest:
    """The nearest original of each picture in any orientation.

    Args:
        queries: (N, P), from ``vectors``.
        originals: (K, M, P), from ``dihedral_vectors``: M originals in K orientations.
        exclude_self: ``queries`` are the originals: each is compared with the others only.

    Raises:
        InputError: There is no original to compare with, or the sizes differ.
    """
    K, M, P = originals.shape
    if int(exclude_self) >= M or queries.shape[1] != P:
        raise InputError("There is no original to compare with; give originals of the same size.")
    N = len(queries)
    distance, index = np.empty(N), np.empty(N, np.int64)
    columns = originals.reshape(K * M, P).T
    for start in range(0, N, _CHUNK):
        rows = slice(start, min(start + _CHUNK, N))
        correlation = (queries[rows] @ columns).reshape(-1, K, M).max(1)  # (chunk, M)
        if exclude_self:
            correlation[np.arange(len(correlation)), np.arange(rows.start, rows.stop)] = -np.inf
        index[rows] = correlation.argmax(1)
        distance[rows] = np.maximum(0.0, 1.0 - correlation.max(1))
    return Nearest(distance, index)
