"""The wafers that the generator learns from: real ones of a file and simulated ones, turned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from wafer_core.errors import InputError
from wafer_core.images import FAIL, NO_DIE, Picture
from wafer_core.importers import scan
from wafer_core.networks.preparation import Preparation
from wafer_core.pretraining.composites import composites
from wafer_core.tasks.generation.diffusion.network import CELLS, FAILED, PASSED

SIDES = (32, 40, 48, 64, 96, 128)  # of the canvases that wafers of about the same size share
# the chance to draw a class goes with its size to this power: between natural (1) and balanced (0)
_CLASS_POWER = 0.25
_AREA = 32 * 32  # of the canvases in a batch of the named size; larger ones make smaller batches


States = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Shelf:
    """Wafers to draw from.

    Attributes:
        dies: For each wafer (H, W) states: no die, ``PASSED`` or ``FAILED``.
        cells: uint8 (N, 2, 24, 24), share on the wafer and share of failed dies, in 1/255.
        kind: (N,) number of the class, for the chances to be drawn.
        group: (N,) lots, numbered in the order of the file; −1 for simulated ones.
    """

    dies: list[States]
    cells: torch.Tensor
    kind: npt.NDArray[np.int64]
    group: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.dies)

    def take(self, chosen: npt.NDArray[np.int64]) -> Shelf:
        """Those of some indices."""
        return Shelf(
            [self.dies[k] for k in chosen],
            self.cells[torch.from_numpy(chosen)],
            self.kind[chosen],
            self.group[chosen],
        )


def states(picture: Picture) -> States:
    """Dies of a wafer map as states of a canvas; beyond 128 a side, every second, third … die."""
    step = -(-max(picture.shape) // SIDES[-1])
    picture = picture[step // 2 :: step, step // 2 :: step]
    return np.where(
        picture == NO_DIE, 0, np.where(picture == FAIL, FAILED, PASSED)
    ).astype(np.uint8)  # fmt: skip


def shelf(
    pictures: Sequence[Picture], kind: npt.NDArray[np.int64], group: npt.NDArray[np.int64]
) -> Shelf:
    """Wafer maps as they are drawn in training."""
    cells = Preparation(CELLS).prepare_compact(pictures)[:, :2].clone()
    return Shelf([states(p) for p in pictures], cells, kind, group)


def simulated(count: int, seed: int) -> Shelf:
    """Wafers of the simulator with no, one, or up to four patterns."""
    pictures = [picture for picture, _ in composites(count, seed)]
    return shelf(pictures, np.zeros(count, np.int64), np.full(count, -1))


def read(path: Path) -> Shelf:
    """The wafer maps of a data file.

    Raises:
        InputError: It holds none, or one without a lot.
    """
    candidates = scan([path]).candidates
    if not candidates or any(c.group is None for c in candidates):
        raise InputError(f"{path} holds no wafers with lots that can be read; give such a file.")
    number = {group: k for k, group in enumerate(dict.fromkeys(c.group for c in candidates))}
    kinds = {name: k for k, name in enumerate(sorted({str(c.class_name) for c in candidates}))}
    kind = np.array([kinds[str(c.class_name)] for c in candidates])
    group = np.array([number[c.group] for c in candidates])
    return shelf([c.load().picture for c in candidates], kind, group)


def lots_left_out(
    group: npt.NDArray[np.int64], share: float, seed: int
) -> npt.NDArray[np.bool_]:  # fmt: skip
    """(N,) whether a wafer is of a lot that teaches nothing: as in ``pretrain_wafers.split``."""
    lots = np.random.default_rng(seed).permutation(np.unique(group))
    return np.isin(group, lots[len(lots) - round(share * len(lots)) :])


class Batch(NamedTuple):
    """Wafers of about the same size."""

    cells: torch.Tensor  # float32 (N, 2, 24, 24), share on the wafer and of failed dies
    canvas: torch.Tensor  # uint8 (N, S, S), states
    hide: torch.Tensor  # bool (N, S, S), dies to be guessed
    sizes: torch.Tensor  # float32 (N, 2), dies from top to bottom and from left to right


class Batches:
    """Random batches of wafers of about the same size, each turned or mirrored in its own way."""

    def __init__(self, wafers: Shelf, size: int, seed: int) -> None:
        """Prepare to draw.

        Args:
            wafers: To draw from.
            size: Wafers in a batch of canvases of 32 × 32; fewer where they are larger.
            seed: 0 or more.
        """
        self.wafers, self.size = wafers, size
        self.rng = np.random.default_rng([seed, 57])
        sides = np.array([max(d.shape) for d in wafers.dies])
        counts = np.bincount(wafers.kind).clip(1)
        chance = counts[wafers.kind].astype(np.float64) ** (_CLASS_POWER - 1)
        self._members, self._chances, weights = [], [], []
        for low, high in zip((0, *SIDES[:-1]), SIDES, strict=True):
            members = np.flatnonzero((sides > low) & (sides <= high))
            mine = chance[members]
            self._members.append(members)
            self._chances.append(mine / mine.sum() if len(mine) else mine)
            weights.append(mine.sum() / self._count(high))
        self._weights = np.array(weights) / sum(weights)

    def _count(self, side: int) -> int:
        return max(4, round(self.size * _AREA / side**2))

    def draw(self) -> Batch:
        """One batch."""
        k = int(self.rng.choice(len(SIDES), p=self._weights))
        count = self._count(SIDES[k])
        chosen = self.rng.choice(self._members[k], count, p=self._chances[k])
        turns, flips = self.rng.integers(0, 4, count), self.rng.integers(0, 2, count)
        canvas = np.zeros((count, SIDES[k], SIDES[k]), np.uint8)
        sizes = np.zeros((count, 2), np.float32)
        cells = np.empty((count, *self.wafers.cells.shape[1:]), np.uint8)
        for row, index in enumerate(chosen):
            dies = turned(self.wafers.dies[index], turns[row], flips[row])
            canvas[row, : dies.shape[0], : dies.shape[1]] = dies
            sizes[row] = dies.shape
            cells[row] = turned(self.wafers.cells[index].numpy(), turns[row], flips[row])
        # one share from each of N equal stretches: steadier than N at random
        share = (self.rng.permutation(count) + self.rng.random(count, np.float32)) / count
        hide = (canvas > 0) & (self.rng.random(canvas.shape, np.float32) < share[:, None, None])
        return Batch(
            torch.from_numpy(cells).float().div_(255),
            torch.from_numpy(canvas),
            torch.from_numpy(hide),
            torch.from_numpy(sizes),
        )


def turned(
    array: npt.NDArray[np.uint8], turns: int, flip: int
) -> npt.NDArray[np.uint8]:  # fmt: skip
    """One of the eight forms of (…, H, W): mirrored or not, then turned by quarters."""
    return np.rot90(array[..., ::-1] if flip else array, turns, (-2, -1))
