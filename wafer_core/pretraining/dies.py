"""The wafers that the generator is pretrained on: real and simulated, in eight orientations."""

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

SIDES = (32, 40, 48, 64, 96, 128)  # of canvases; wafers of similar size share one
# Classes are drawn in proportion to this power of their size: 1 is natural, 0 is balanced.
_CLASS_POWER = 0.25
_AREA = 32 * 32  # of canvases at the nominal batch size; larger canvases have smaller batches


States = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class DieSet:
    """Wafers to draw from.

    Attributes:
        dies: States (H, W) of each wafer: no die, ``PASSED`` or ``FAILED``.
        cells: uint8 (N, 2, 24, 24), share on the wafer and share of failed dies, in 1/255.
        kind: (N,) number of the class, for balanced sampling.
        group: (N,) number of the lot, in the order of the file; −1 for simulated wafers.
    """

    dies: list[States]
    cells: torch.Tensor
    kind: npt.NDArray[np.int64]
    group: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.dies)

    def take(self, chosen: npt.NDArray[np.int64]) -> DieSet:
        """Some of them, by indices."""
        return DieSet(
            [self.dies[k] for k in chosen],
            self.cells[torch.from_numpy(chosen)],
            self.kind[chosen],
            self.group[chosen],
        )


def states(picture: Picture) -> States:
    """States of the dies of a wafer map; above 128 per side, of every second, third … die."""
    step = -(-max(picture.shape) // SIDES[-1])
    picture = picture[step // 2 :: step, step // 2 :: step]
    return np.where(
        picture == NO_DIE, 0, np.where(picture == FAIL, FAILED, PASSED)
    ).astype(np.uint8)  # fmt: skip


def die_set(
    pictures: Sequence[Picture], kind: npt.NDArray[np.int64], group: npt.NDArray[np.int64]
) -> DieSet:
    """Prepare wafer maps."""
    cells = Preparation(CELLS).prepare_compact(pictures)[:, :2].clone()
    return DieSet([states(p) for p in pictures], cells, kind, group)


def simulated(count: int, seed: int) -> DieSet:
    """Simulated wafers with up to four patterns."""
    pictures = [picture for picture, _ in composites(count, seed)]
    return die_set(pictures, np.zeros(count, np.int64), np.full(count, -1))


def read(path: Path) -> DieSet:
    """The wafer maps of a data file.

    Raises:
        InputError: It holds none, or one without a lot.
    """
    candidates = scan([path]).candidates
    if not candidates or any(c.group is None for c in candidates):
        raise InputError(
            "{path} holds no wafers with lots that can be read; give another file.", path=str(path)
        )
    number = {group: k for k, group in enumerate(dict.fromkeys(c.group for c in candidates))}
    kinds = {name: k for k, name in enumerate(sorted({str(c.class_name) for c in candidates}))}
    kind = np.array([kinds[str(c.class_name)] for c in candidates])
    group = np.array([number[c.group] for c in candidates])
    return die_set([c.load().picture for c in candidates], kind, group)


def lots_left_out(
    group: npt.NDArray[np.int64], share: float, seed: int
) -> npt.NDArray[np.bool_]:  # fmt: skip
    """(N,) whether the lot of a wafer is left out of training, as in ``wafers.split``."""
    lots = np.random.default_rng(seed).permutation(np.unique(group))
    return np.isin(group, lots[len(lots) - round(share * len(lots)) :])


class Batch(NamedTuple):
    """Wafers of similar size.

    Attributes:
        cells: float32 (N, 2, 24, 24), share on the wafer and share of failed dies.
        canvas: uint8 (N, S, S) states.
        masked: bool (N, S, S), dies to be predicted.
        sizes: float32 (N, 2), rows and columns of dies.
    """

    cells: torch.Tensor
    canvas: torch.Tensor
    masked: torch.Tensor
    sizes: torch.Tensor


class Batches:
    """Random batches of wafers of similar size, each randomly rotated and reflected."""

    def __init__(self, wafers: DieSet, size: int, seed: int) -> None:
        """Prepare to draw.

        Args:
            wafers: To draw from.
            size: Wafers in a batch with canvases of 32 × 32; fewer with larger ones.
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
            weight = chance[members]
            self._members.append(members)
            self._chances.append(weight / weight.sum() if len(weight) else weight)
            weights.append(weight.sum() / self._count(high))
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
            dies = rotated(self.wafers.dies[index], turns[row], flips[row])
            canvas[row, : dies.shape[0], : dies.shape[1]] = dies
            sizes[row] = dies.shape
            cells[row] = rotated(self.wafers.cells[index].numpy(), turns[row], flips[row])
        # Stratified: one share from each of N equal intervals varies less than N independent ones.
        share = (self.rng.permutation(count) + self.rng.random(count, np.float32)) / count
        masked = (canvas > 0) & (self.rng.random(canvas.shape, np.float32) < share[:, None, None])
        return Batch(
            torch.from_numpy(cells).float().div_(255),
            torch.from_numpy(canvas),
            torch.from_numpy(masked),
            torch.from_numpy(sizes),
        )


def rotated(
    array: npt.NDArray[np.uint8], quarters: int, flip: int
) -> npt.NDArray[np.uint8]:  # fmt: skip
    """One of the eight orientations of (…, H, W): reflected or not, then rotated by 90° steps."""
    return np.rot90(array[..., ::-1] if flip else array, quarters, (-2, -1))
