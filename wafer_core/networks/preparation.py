"""What a network is fed: the one module that turns pictures into its input.

A preparation is stored with every model, so that the app, the command line and every export prepare
a picture in exactly the same way. Three channels, each in [0, 1]:

    0 wafer       share of the cell that lies on the wafer (1 everywhere for other grey pictures)
    1 failed      share of the cell's dies that failed     (brightness for other grey pictures)
    2 any failed  1 where a failed die touches the cell     (brightness for other grey pictures)

The share tells density, the third channel keeps a single failed die, a thin scratch, in full
strength on a wafer of many dies.
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
MIN_SIZE, MAX_SIZE = 16, 512  # cells a side that a network may be fed


@dataclass(frozen=True)
class Preparation:
    """How pictures become the input of one network.

    Attributes:
        size: Cells a side. 64 shows every die of most products; twice as many take four times as
            long. A round wafer fills the square whatever the shape of its dies.
    """

    size: int = 64

    def __post_init__(self) -> None:
        if type(self.size) is not int or not MIN_SIZE <= self.size <= MAX_SIZE:
            raise ParameterError(
                f"Input size {self.size!r} is not a whole number from {MIN_SIZE} to {MAX_SIZE}; "
                "64 suits most wafers."
            )

    def prepare(self, pictures: Sequence[Picture]) -> torch.Tensor:
        """Network input of some pictures.

        Args:
            pictures: N grey pictures, each of its own (H, W).

        Returns:
            float32 (N, 3, size, size) in [0, 1].
        """
        batch = np.empty((len(pictures), len(CHANNELS), self.size, self.size), np.float32)
        for index, picture in enumerate(pictures):
            self._fill(picture, batch[index])
        return torch.from_numpy(batch)

    def prepare_compact(self, pictures: Sequence[Picture]) -> torch.Tensor:
        """The same in steps of 1/255, uint8: a quarter of the memory, for training."""
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
            out[1] = rows @ (picture.astype(np.float32) / 255) @ columns
            out[2] = out[1]
            return
        failed = picture == FAIL
        np.matmul(rows @ (picture != NO_DIE).astype(np.float32), columns, out=out[0])
        np.matmul(rows @ failed.astype(np.float32), columns, out=out[1])
        # a share of the dies there are, so that the rim of the wafer is no weaker than its middle
        out[2] = out[1] > 1e-6
        np.divide(out[1], np.maximum(out[0], 1e-6), out=out[1])
        np.clip(out[:2], 0.0, 1.0, out=out[:2])

    def to_json(self) -> dict[str, Any]:
        """As stored with a model."""
        return {"channels": list(CHANNELS), **asdict(self)}

    @classmethod
    def from_json(cls, value: Any) -> Preparation:
        """The inverse of ``to_json``.

        Raises:
            ModelError: Made by another program or version, or damaged.
        """
        if not isinstance(value, dict) or value.get("channels") != list(CHANNELS):
            raise ModelError(
                "This model was trained on pictures prepared in another way than this version "
                "knows; update the program or train the model again."
            )
        try:
            return cls(size=value.get("size", 0))
        except ParameterError as exc:
            raise ModelError(f"The model's preparation is damaged: {exc}") from exc


@functools.lru_cache(maxsize=1024)
def _cell_means(dies: int, cells: int) -> npt.NDArray[np.float32]:
    """Matrix (cells, dies) that takes the mean over each of ``cells`` equal stretches of a line."""
    edges = np.arange(cells + 1) * (dies / cells)
    low, high = edges[:-1, None], edges[1:, None]
    left = np.arange(dies)[None, :]
    overlap = np.clip(np.minimum(high, left + 1) - np.maximum(low, left), 0.0, None)
    matrix: npt.NDArray[np.float32] = (overlap * (cells / dies)).astype(np.float32)
    matrix.setflags(write=False)
    return matrix
