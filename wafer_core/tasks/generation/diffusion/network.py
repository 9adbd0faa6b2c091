"""The network that draws the dies of a wafer from a blurred picture of where they fail.

It sees the blurred density of failed dies, the wafer's own die grid, and the dies that are known so
far, and says for each hidden die how likely it failed. Starting with all dies hidden and revealing
a few at a time, it draws a wafer whose neighbouring dies agree: a scratch stays a line. That is
masked discrete diffusion (Austin et al., 2021, arXiv:2107.03006; Sahoo et al., 2024,
arXiv:2406.07524) with a density as its guide.

The density says nothing of the name of a pattern, so that patterns nobody has named yet are drawn
like all others; and it is blurred, so that a wafer cannot be copied through it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

CELLS = 24  # cells a side of a density; a wafer fills the square whatever its dies
MULTIPLE = 8  # of which the sides of a canvas must be one
HIDDEN, PASSED, FAILED = 1, 2, 3  # states of a die on a canvas; 0 is no die
BLURS = (1.0, 5.0)  # in cells, standard deviations of the blurs that it knows


def blur(failed: Tensor, wafer: Tensor, cells: Tensor) -> Tensor:
    """Densities of failed dies.

    Args:
        failed: (N, 24, 24) failed dies as a share of the dies of each cell.
        wafer: (N, 24, 24) share of each cell that lies on the wafer.
        cells: (N,) standard deviations in cells.

    Returns:
        (N, 24, 24) in [0, 1]; off the wafer it goes on as at the rim.
    """
    place = torch.arange(failed.shape[-1], device=failed.device, dtype=failed.dtype)
    away = (place[:, None] - place).square()
    weight = torch.exp(-away / (2 * cells.square())[:, None, None])  # (N, 24, 24), symmetric
    dies = weight @ wafer @ weight
    return ((weight @ (wafer * failed) @ weight) / dies.clamp_min(1e-8)).clamp(0, 1)


LATTICE = 4  # dies that are drawn at once are so many apart, and know of each other's neighbours


class _Block(nn.Module):
    """Two 3×3 convolutions around a short cut, steered by the condition (Perez et al., 2018)."""

    def __init__(self, inputs: int, outputs: int, condition: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, 1, 1)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1)
        nn.init.zeros_(self.conv2.weight)  # each block starts as its short cut: steadier training
        self.short = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)
        self.steer = nn.Linear(condition, 2 * outputs)
        nn.init.zeros_(self.steer.weight)
        nn.init.zeros_(self.steer.bias)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        scale, shift = self.steer(condition)[:, :, None, None].chunk(2, 1)
        # in one pass each, and in place: half of the time goes into moving such numbers about
        y = torch.addcmul(shift, self.conv1(F.relu(x)), 1 + scale).relu_()
        out: Tensor = self.conv2(y).add_(self.short(x))
        return out


class WaferGen(nn.Module):
    """Densities and canvases of partly known dies to the chance that each die failed."""

    def __init__(self, widths: tuple[int, int, int] = (48, 64, 96), condition: int = 64) -> None:
        super().__init__()
        (a, b, c), D = widths, condition
        self.condition = nn.Sequential(nn.Linear(3, D), nn.SiLU(), nn.Linear(D, D), nn.SiLU())
        self.stem = nn.Conv2d(3 * 4 + 3 + 3, a, 3, 1, 1)
        self.down_a = _Block(a, a, D)
        self.down_b = nn.ModuleList([_Block(a, b, D), _Block(b, b, D)])
        self.middle = nn.ModuleList([_Block(b, c, D), _Block(c, c, D)])
        self.up_b = nn.ModuleList([_Block(c + b, b, D), _Block(b, b, D)])
        self.up_a = nn.ModuleList([_Block(b + a, a, D), _Block(a, a, D)])
        self.out = nn.Conv2d(a + 3, 4, 3, 1, 1)
        nn.init.zeros_(self.out.weight)

    def forward(self, density: Tensor, blurred: Tensor, canvas: Tensor, sizes: Tensor) -> Tensor:
        """Logits that the dies failed.

        Args:
            density: float32 (N, 24, 24), from ``blur``.
            blurred: (N,) how much, in cells.
            canvas: uint8 (N, S, T) of states; each wafer lies in the upper left corner; the sides
                are multiples of 8.
            sizes: (N, 2) dies from top to bottom and from left to right of each wafer.

        Returns:
            float32 (N, S, T); only meaningful on dies.
        """
        N, S, T = canvas.shape
        sizes = sizes.to(density)
        # pairs of dies, in the wafer's coordinates from −1 to 1
        y = 4 * (torch.arange(S // 2, device=density.device)[None] + 0.5) / sizes[:, :1] - 1
        x = 4 * (torch.arange(T // 2, device=density.device)[None] + 0.5) / sizes[:, 1:] - 1
        y, x = y[:, :, None].expand(N, S // 2, T // 2), x[:, None, :].expand(N, S // 2, T // 2)
        places = torch.stack([x, y], 3)  # as grid_sample wants them
        local = F.grid_sample(density[:, None], places, padding_mode="border", align_corners=False)
        # as a chance, as its root, which tells few from none, and as a logit
        guide = torch.cat([local, local.sqrt(), torch.logit(local, 0.003) / 4], 1)
        known = torch.stack([canvas == state for state in (HIDDEN, PASSED, FAILED)], 1)
        where = torch.stack([x, y, (x.square() + y.square()).sqrt()], 1).clamp(-2, 2)
        hidden = known[:, 0].sum((1, 2)) / (canvas > 0).sum((1, 2)).clamp_min(1)
        told = torch.stack([hidden, sizes.prod(1).rsqrt() * 20, blurred.log()], 1)
        condition = self.condition(told)
        h = torch.cat([F.pixel_unshuffle(known.to(density), 2), where, guide], 1)
        a = self.stem(h.contiguous(memory_format=torch.channels_last))
        a = self.down_a(a, condition)  # (N, 48, S/2, T/2)
        b = F.avg_pool2d(a, 2)
        for block in self.down_b:
            b = block(b, condition)  # (N, 64, S/4, T/4)
        h = F.avg_pool2d(b, 2)
        for block in self.middle:
            h = block(h, condition)  # (N, 96, S/8, T/8)
        h = torch.cat([F.interpolate(h, scale_factor=2.0), b], 1)
        for block in self.up_b:
            h = block(h, condition)
        h = torch.cat([F.interpolate(h, scale_factor=2.0), a], 1)
        for block in self.up_a:
            h = block(h, condition)
        h = self.out(torch.cat([F.relu(h), guide.to(h)], 1)).float()
        # what the density alone would say is right on the whole: only the rest is learned
        logits: Tensor = F.pixel_shuffle(h + 4 * guide[:, 2:], 2)[:, 0]
        return logits


def turns_of(
    H: int, W: int, rng: np.random.Generator
) -> npt.NDArray[np.float32]:  # fmt: skip
    """When each die (H, W) has its turn, from 0 to 1: dies with the same turn lie 4 apart."""
    rank = rng.permutation(LATTICE**2).reshape(LATTICE, LATTICE)
    tiled = np.tile(rank, (-(-H // LATTICE), -(-W // LATTICE)))[:H, :W]
    turns: npt.NDArray[np.float32] = ((tiled + 0.5) / LATTICE**2).astype(np.float32)
    return turns
