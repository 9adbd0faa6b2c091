"""Which pictures repeat one that was there before, turned or mirrored or as it was.

The distance of two pictures is 1 - φ, where φ is the correlation of their failed dies over the
wafer (Pearson's; Yule's φ for two states): 0 where the same dies failed, 1 where no more of them
agree than chance would have it. The plain share of differing dies would call all nearly full wafers
copies of each other; the correlation takes off what density alone makes equal.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wafer_core.errors import InputError

# A copy of which one failed die in ten was moved lies below it, and next to no real wafer of a new
# lot does: see the table of benchmarks.quality.score_validation. It finds no copy that was
# shifted, and of
# a nearly full wafer none that was changed so: the few dies that passed are all of its pattern.
NEAR = 0.25
_CHUNK = 512  # made pictures compared in one go: the memory that it takes

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Nearest:
    """The nearest original of each picture.

    Attributes:
        distance: (N,), from 0, the same in one of its forms, to 2.
        index: (N,) of that original.
    """

    distance: npt.NDArray[np.float64]
    index: npt.NDArray[np.int64]

    @property
    def near(self) -> npt.NDArray[np.bool_]:
        """(N,), which are near copies."""
        return self.distance <= NEAR

    @property
    def share(self) -> float:
        """Of near copies, 0 to 1."""
        return float(self.near.mean())


def vectors(failed: npt.ArrayLike, wafer: npt.ArrayLike) -> Vectors:
    """Pictures as unit vectors whose products are φ.

    Args:
        failed: (N, H, W), 1 where a die failed, 0 where it passed; of grey pictures the brightness.
        wafer: (N, H, W), whether a cell lies on the wafer.

    Returns:
        (N, H · W + 2). Wafers without a failed die, and without a passed one, know no correlation:
        the last two numbers stand for them, so that each equals its like and nothing else.

    Raises:
        InputError: Two shapes, or pictures without a cell.
    """
    values, mask = np.asarray(failed, np.float32), np.asarray(wafer, bool)
    if values.ndim != 3 or values.shape != mask.shape or not values[:1].size:
        raise InputError(
            f"Pictures of shape {values.shape} on wafers of shape {mask.shape} cannot be compared; "
            "give (N, H, W) of both."
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


def nearest(made: Vectors, originals: npt.NDArray[np.float32], same: bool = False) -> Nearest:
    """The nearest original of each picture, whatever its form.

    Args:
        made: (N, P), from ``vectors``.
        originals: (K, M, P), each of M originals in its K forms.
        same: ``made`` are these originals: each is compared with the others only.

    Raises:
        InputError: No original to compare with.
    """
    K, M, P = originals.shape
    if int(same) >= M or made.shape[1] != P:
        raise InputError("There is no original to compare with; give some, of one size.")
    N = len(made)
    distance, index = np.empty(N), np.empty(N, np.int64)
    forms = originals.reshape(K * M, P).T
    for start in range(0, N, _CHUNK):
        part = slice(start, min(start + _CHUNK, N))
        alike = (made[part] @ forms).reshape(-1, K, M).max(1)  # (chunk, M)
        if same:
            alike[np.arange(len(alike)), np.arange(part.start, part.stop)] = -np.inf
        index[part] = alike.argmax(1)
        distance[part] = np.maximum(0.0, 1.0 - alike.max(1))
    return Nearest(distance, index)
