"""Draw new wafers of a class: vary where the dies of an original fail, and let dies fit that."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from wafer_core.images import FAIL, NO_DIE, PASS, Picture
from wafer_core.preparation import Preparation
from wafer_core.tasks.optimize import half
from wafer_core.tasks.wafergen.network import (
    BLURS,
    CELLS,
    FAILED,
    HIDDEN,
    MULTIPLE,
    PASSED,
    WaferGen,
    blur,
)
from wafer_core.tasks.wafergen.wafers import turns_of

_AREA = 64 * 32 * 32  # dies of a batch of canvases


@dataclass(frozen=True)
class Variation:
    """How far a new wafer may be from the one it descends from.

    Attributes:
        turn: Largest angle, in degrees.
        mirror_x: Whether left and right may change places.
        mirror_y: Whether top and bottom may change places.
        bend: Deviation of a smooth change of the directions, in radians.
        stretch: Deviation of the logarithm of a power of the radius: middle and rim stay.
        blur: Lowest and highest blur, in cells of 24 a side.
        mixed: Largest share that a second wafer may have of the density.
        neighbours: The second wafer is one of so many that are the most alike.
        level: Deviation of a number that is added to all logits of a density.
        fails: Mean of that number: above 0, more dies fail than on the originals.
    """

    turn: float = 180.0
    mirror_x: bool = True
    mirror_y: bool = True
    bend: float = 0.10
    stretch: float = 0.08
    blur: tuple[float, float] = (1.0, 1.5)
    mixed: float = 0.2
    neighbours: int = 3
    level: float = 0.1
    fails: float = 0.0

    def wider(self, factor: float) -> Variation:
        """The same, further from the originals (``factor`` above 1) or nearer to them."""
        return replace(
            self,
            bend=self.bend * factor,
            stretch=self.stretch * factor,
            level=self.level * factor,
            mixed=min(0.5, self.mixed * factor),
            blur=(min(BLURS[1], self.blur[0] * factor), min(BLURS[1], self.blur[1] * factor)),
        )


def cells_of(pictures: Sequence[Picture]) -> Tensor:
    """Share on the wafer and share of failed dies, float32 (N, 2, 24, 24)."""
    return Preparation(CELLS).prepare(pictures)[:, :2].contiguous()


def vary(
    cells: Tensor, parents: Sequence[int], variation: Variation, random: torch.Generator
) -> tuple[Tensor, Tensor]:
    """New densities of failed dies, each from one wafer and a little of one that is like it.

    Args:
        cells: Of the originals, from ``cells_of``.
        parents: For each new one, the wafer it descends from.
        variation: How far it may be from it.
        random: Where chance comes from; on the CPU.

    Returns:
        Densities (M, 24, 24) and their blurs (M,).
    """
    M, N = len(parents), len(cells)
    who = torch.as_tensor(list(parents))
    own = cells[who]  # (M, 2, 24, 24)
    wafer, failed = own[:, :1], own[:, 1:] * own[:, :1]
    if N > 1 and variation.mixed > 0:
        other = _alike(cells, variation)[who]  # (M, K, 3): who, form, mirrored
        pick = other[torch.arange(M), torch.randint(other.shape[1], (M,), generator=random)]
        second = torch.stack(
            [_form(cells[int(j)], int(k), bool(m)) for j, k, m in pick]
        )  # (M, 2, 24, 24)
        share = (torch.rand(M, generator=random) * variation.mixed)[:, None, None, None]
        failed = failed * (1 - share) + share * second[:, 1:] * second[:, :1]
        wafer = wafer * (1 - share) + share * second[:, :1]
    both = _warp(torch.cat([wafer, failed], 1), variation, random)
    low, high = (math.log(value) for value in variation.blur)
    blurred = (low + (high - low) * torch.rand(M, generator=random)).exp()
    density = blur(both[:, 1] / both[:, 0].clamp_min(1e-6), both[:, 0], blurred)
    if variation.level or variation.fails:
        shift = variation.fails + variation.level * torch.randn(M, 1, 1, generator=random)
        density = torch.sigmoid(torch.logit(density, 1e-4) + shift)
    return density, blurred


def _form(cells: Tensor, turns: int, mirrored: bool) -> Tensor:
    return torch.rot90(cells.flip(-1) if mirrored else cells, turns, (-2, -1))


def _alike(cells: Tensor, variation: Variation) -> Tensor:
    """For each wafer the others that are most like it: (N, K, 3) who, quarter turns, mirrored."""
    N = len(cells)
    smooth = blur(cells[:, 1], cells[:, 0], torch.full((N,), 2.0)).sqrt()
    turns = range(4) if variation.turn >= 90 else range(1)
    forms = [(k, m) for m in range(1 + variation.mirror_x) for k in turns]
    turned = torch.stack([_form(smooth, k, bool(m)) for k, m in forms], 1).flatten(2)
    distance, best = torch.cdist(smooth.flatten(1), turned.flatten(0, 1)).view(N, N, -1).min(2)
    distance.fill_diagonal_(torch.inf)
    count = min(variation.neighbours, N - 1)
    who = distance.topk(count, largest=False).indices  # (N, K)
    form = torch.tensor(forms)[best.gather(1, who)]  # (N, K, 2)
    return torch.cat([who[:, :, None], form], 2)


def _warp(both: Tensor, variation: Variation, random: torch.Generator) -> Tensor:
    """Turn, mirror, bend and stretch; the rim stays the rim and the middle the middle."""
    M, _, S, _ = both.shape
    line = (2 * torch.arange(S) + 1) / S - 1
    y, x = torch.meshgrid(line, line, indexing="ij")
    radius, angle = torch.hypot(x, y)[None], torch.atan2(y, x)[None]  # (1, S, S)

    def one(scale: float) -> Tensor:
        return scale * torch.randn(M, 1, 1, generator=random)

    def phase() -> Tensor:
        return 2 * math.pi * torch.rand(M, 1, 1, generator=random)

    turn = math.radians(variation.turn) * (2 * torch.rand(M, 1, 1, generator=random) - 1)

    def coin() -> Tensor:
        return torch.randint(0, 2, (M, 1, 1), generator=random).bool()

    bent = angle + one(variation.bend) * (angle + phase()).sin()
    bent = bent + one(variation.bend / 2) * (2 * angle + phase()).sin()
    power = one(variation.stretch) + one(variation.stretch) * (angle + phase()).cos()
    # the corners lie beyond the rim and only need to go on smoothly
    reach = radius.clamp_min(1e-4) ** torch.where(radius < 1, power, torch.zeros(())).exp()
    source = bent
    if variation.mirror_x:
        source = torch.where(coin(), math.pi - source, source)
    if variation.mirror_y:
        source = torch.where(coin(), -source, source)
    source = source + turn
    grid = torch.stack([reach * source.cos(), reach * source.sin()], 3)
    return F.grid_sample(both, grid, padding_mode="zeros", align_corners=False)


@torch.inference_mode()
def draw(
    network: WaferGen,
    density: Tensor,
    blurred: Tensor,
    grids: Sequence[Picture],
    random: np.random.Generator,
    device: torch.device,
    *,
    steps: int = 16,
    lift: float = 0.0,
    sharpness: float = 1.0,
    lattice: bool = True,
) -> Iterator[list[tuple[int, Picture]]]:
    """Wafers that fit densities.

    Args:
        network: Taught.
        density: (N, 24, 24) of failed dies.
        blurred: (N,) how much, in cells.
        grids: N wafer maps whose dies are taken over; whether these failed is not looked at.
        random: Where chance comes from.
        device: Where to compute.
        steps: In so many rounds the dies are drawn.
        lift: Added to every logit: above 0, more dies fail.
        sharpness: Factor on every logit.
        lattice: Draw dies that are far apart in one round.

    Yields:
        Batch by batch, numbers of the wafers and the wafers.
    """
    for members, side in _batches(grids):
        canvas = np.zeros((len(members), *side), np.uint8)
        turn = np.full(canvas.shape, 2.0, np.float32)  # when a die is drawn, 0 to 1
        sizes = np.array([grids[k].shape for k in members], np.float32)
        for row, k in enumerate(members):
            H, W = grids[k].shape
            canvas[row, :H, :W] = np.where(grids[k] == NO_DIE, 0, HIDDEN)
            turn[row, :H, :W] = turns_of(H, W, random) if lattice else random.random((H, W))
        state, when = torch.from_numpy(canvas).to(device), torch.from_numpy(turn).to(device)
        chance = torch.from_numpy(random.random(canvas.shape, np.float32)).to(device)
        guide, width = density[members].to(device), blurred[members].to(device)
        their_sizes = torch.from_numpy(sizes).to(device)
        for step in range(1, steps + 1):
            with half(device):
                logits = network(guide, width, state, their_sizes)
            failed = chance < torch.sigmoid((logits + lift) * sharpness)
            now = state == HIDDEN
            if step < steps:
                now &= when < step / steps
            state = torch.where(now, torch.where(failed, FAILED, PASSED).to(state.dtype), state)
        drawn = state.cpu().numpy()
        yield [(k, _picture(drawn[row], grids[k])) for row, k in enumerate(members)]


def _batches(grids: Sequence[Picture]) -> Iterator[tuple[list[int], tuple[int, int]]]:
    """Wafers of about the same size, and the sides of a canvas that takes them all."""
    members: list[int] = []
    side = (0, 0)
    for k in sorted(range(len(grids)), key=lambda k: max(grids[k].shape)):
        H, W = (-(-length // MULTIPLE) * MULTIPLE for length in grids[k].shape)
        larger = (max(side[0], H), max(side[1], W))
        if members and larger[0] * larger[1] * (len(members) + 1) > _AREA:
            yield members, side
            members, larger = [], (H, W)
        members.append(k)
        side = larger
    if members:
        yield members, side


def _picture(drawn: npt.NDArray[np.uint8], grid: Picture) -> Picture:
    H, W = grid.shape
    failed = drawn[:H, :W] == FAILED
    return np.where(grid == NO_DIE, NO_DIE, np.where(failed, FAIL, PASS)).astype(np.uint8)
