"""Network input: the only module that turns pictures into tensors.

The preparation is stored with every model, so that the app, the command line and every export
prepare a picture in exactly the same way. A picture is resampled to ``size`` × ``size`` cells with
three channels, each in [0, 1]:

    0 wafer       share of the cell that is on the wafer  (1 everywhere for other grey pictures)
    1 failed      share of the cell's dies that failed    (brightness for other grey pictures)
    2 any failed  1 where a failed die touches the cell   (brightness for other grey pictures)

Channel 1 holds the density. Channel 2 keeps a single failed die or a thin scratch at full strength
on a wafer with many dies.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from wafer_core.errors import ModelError, ParameterError
from wafer_core.images import FAIL, NO_DIE, Picture, is_map

CHANNELS = ("wafer", "failed", "any failed")
MIN_SIZE, MAX_SIZE = 16, 512  # cells per side


@dataclass(frozen=True)
class Preparation:
    """How pictures are prepared for one network.

    Attributes:
        size: Cells per side. 64 resolves every die of most products; doubling it takes four times
            as long. A round wafer fills the square whatever the shape of its dies.

    Raises:
        ParameterError: The size is not a whole number from 16 to 512.
    """

    size: int = 64

    def __post_init__(self) -> None:
        if type(self.size) is not int or not MIN_SIZE <= self.size <= MAX_SIZE:
            raise ParameterError(
                "Input size is {size}; give a whole number from {low} to {high}. 64 suits most "
                "wafers.",
                size=repr(self.size),
                low=MIN_SIZE,
                high=MAX_SIZE,
            )

    def prepare(self, pictures: Sequence[Picture]) -> torch.Tensor:
        """Prepare a batch.

        Args:
            pictures: N grey pictures (H, W); sizes may differ.

        Returns:
            float32 (N, 3, size, size) in [0, 1].
        """
        batch = np.empty((len(pictures), len(CHANNELS), self.size, self.size), np.float32)
        for index, picture in enumerate(pictures):
            self._fill(picture, batch[index])
        return torch.from_numpy(batch)

    def prepare_compact(self, pictures: Sequence[Picture]) -> torch.Tensor:
        """The same as uint8 in steps of 1/255: a quarter of the memory, for training."""
        shape = (len(pictures), len(CHANNELS), self.size, self.size)
        batch = torch.empty(shape, dtype=torch.uint8)
        for start in range(0, len(pictures), 256):
            part = self.prepare(pictures[start : start + 256])
            batch[start : start + 256] = part.mul_(255).round_().to(torch.uint8)
        return batch

    def _fill(self, picture: Picture, out: npt.NDArray[np.float32]) -> None:
        H, W = picture.shape
        rows, columns = _cell_means(H, self.size), _cell_means(W, self.size).T
        if not is_map(picture):
            out[0] = 1.0
            out[1] = np.clip(rows @ (picture.astype(np.float32) / 255) @ columns, 0.0, 1.0)
            out[2] = out[1]
            return
        failed = picture == FAIL
        np.matmul(rows @ (picture != NO_DIE).astype(np.float32), columns, out=out[0])
        np.matmul(rows @ failed.astype(np.float32), columns, out=out[1])
        # Relative to the dies in the cell, so that failures at the rim are not weakened.
        out[2] = out[1] > 1e-6
        np.divide(out[1], np.maximum(out[0], 1e-6), out=out[1])
        np.clip(out[:2], 0.0, 1.0, out=out[:2])

    def to_json(self) -> dict[str, Any]:
        """JSON values, stored with a model."""
        return {"channels": list(CHANNELS), **asdict(self)}

    @classmethod
    def from_json(cls, value: Any) -> Preparation:
        """The inverse of ``to_json``.

        Raises:
            ModelError: Written by another program or version, or damaged.
        """
        if not isinstance(value, dict) or value.get("channels") != list(CHANNELS):
            raise ModelError(
                "This model expects pictures prepared in a way that this version does not support; "
                "update the program or train the model again."
            )
        try:
            return cls(size=value.get("size", 0))
        except ParameterError as exc:
            raise ModelError(
                "The model's preparation is damaged: {reason}", reason=exc.message
            ) from exc


@functools.lru_cache(maxsize=1024)
def _cell_means(dies: int, cells: int) -> npt.NDArray[np.float32]:
    """Matrix (cells, dies) that averages over each of ``cells`` equal segments of a line."""
    edges = np.arange(cells + 1) * (dies / cells)
    low, high = edges[:-1, None], edges[1:, None]
    left = np.arange(dies)[None, :]
    overlap = np.clip(np.minimum(high, left + 1) - np.maximum(low, left), 0.0, None)
    matrix: npt.NDArray[np.float32] = (overlap * (cells / dies)).astype(np.float32)
    matrix.setflags(write=False)
    return matrix
