"""The operations of augmentation policies, on prepared wafers.

Half of them are torchvision's (``transforms.v2``): geometric transforms, blur and erasing. Its
colour operations are left out, since the channels here are shares of dies and not light: an
inverted wafer is a different wafer. The other half changes dies. torchvision's functions take one
strength per batch; these take one per picture, and a test compares the two.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from wafer_core.messages import N_

# (batch, strength, generator) to a batch: (N, 3, S, S) in [0, 1] from ``Preparation.prepare``,
# (N,) in [0, 1] on the CPU, and a generator on the CPU, so that a seed means the same on every
# device.
Transform = Callable[[torch.Tensor, torch.Tensor, torch.Generator], torch.Tensor]


@dataclass(frozen=True)
class Operation:
    """One operation.

    Attributes:
        title: For people.
        strongest: Its effect at strength 1, in words.
        apply: Runs it.
    """

    title: str
    strongest: str
    apply: Transform


def _sign(N: int, generator: torch.Generator) -> torch.Tensor:
    return torch.randint(0, 2, (N,), generator=generator) * 2.0 - 1


def _warp(batch: torch.Tensor, matrix: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
    """Sample at ``matrix @ point + shift``; points in [-1, 1], (N, 2, 2) and (N, 2)."""
    theta = torch.cat([matrix, shift[:, :, None]], 2).to(batch.device)
    grid = F.affine_grid(theta, list(batch.shape), align_corners=False)
    return F.grid_sample(batch, grid, align_corners=False)


def _matrices(N: int) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.eye(2).repeat(N, 1, 1), torch.zeros(N, 2)


def _nothing(batch: torch.Tensor, strength: torch.Tensor, _: torch.Generator) -> torch.Tensor:
    return batch


def _rotate(batch: torch.Tensor, strength: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    angle = strength * _sign(len(batch), rng) * (math.pi / 4)
    cos, sin = angle.cos(), angle.sin()
    matrix = torch.stack([torch.stack([cos, -sin], 1), torch.stack([sin, cos], 1)], 1)
    return _warp(batch, matrix, torch.zeros(len(batch), 2))


def _shear(batch: torch.Tensor, strength: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    matrix, shift = _matrices(len(batch))
    axis = torch.randint(0, 2, (len(batch),), generator=rng)
    rows = torch.arange(len(batch))
    matrix[rows, axis, 1 - axis] = 0.3 * strength * _sign(len(batch), rng)
    return _warp(batch, matrix, shift)


def _shift(batch: torch.Tensor, strength: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    matrix, _ = _matrices(len(batch))
    direction = 2 * math.pi * torch.rand(len(batch), generator=rng)
    # Coordinates run from -1 to 1, so the width is 2.
    offset = 2 * 0.15 * strength[:, None] * torch.stack([direction.cos(), direction.sin()], 1)
    return _warp(batch, matrix, offset)


def _zoom(batch: torch.Tensor, strength: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    matrix, shift = _matrices(len(batch))
    factor = (1.3 ** (strength * _sign(len(batch), rng)))[:, None, None]
    return _warp(batch, matrix * factor, shift)


def _stretch(batch: torch.Tensor, strength: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    matrix, shift = _matrices(len(batch))
    axis = torch.randint(0, 2, (len(batch),), generator=rng)
    rows = torch.arange(len(batch))
    matrix[rows, axis, axis] = 1.3 ** (strength * _sign(len(batch), rng))
    return _warp(batch, matrix, shift)


def _elastic(batch: torch.Tensor, strength: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    N, _, S, _ = batch.shape
    # A smooth field (Simard et al. 2003), interpolated: faster than blurring a dense one.
    coarse = torch.randn(N, 2, 6, 6, generator=rng)
    field = F.interpolate(coarse, (S, S), mode="bicubic", align_corners=False)
    field = field * (0.1 * strength)[:, None, None, None]
    matrix, shift = _matrices(N)
    theta = torch.cat([matrix, shift[:, :, None]], 2)
    grid = F.affine_grid(theta, [N, 1, S, S], align_corners=False) + field.permute(0, 2, 3, 1)
    return F.grid_sample(batch, grid.to(batch.device), align_corners=False)


def _blur(batch: torch.Tensor, strength: torch.Tensor, _: torch.Generator) -> torch.Tensor:
    N, C, S = batch.shape[:3]
    sigma = (0.1 + 1.4 * strength)[:, None]
    kernel = torch.exp(-0.5 * (torch.arange(-4, 5) / sigma) ** 2)  # (N, 9)
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(C, 0).to(batch)
    x = F.pad(batch, (4, 4, 4, 4), mode="reflect").reshape(1, N * C, S + 8, S + 8)
    x = F.conv2d(x, kernel[:, None, :, None], groups=N * C)
    return F.conv2d(x, kernel[:, None, None, :], groups=N * C).view(N, C, S, S)


def _erase(batch: torch.Tensor, strength: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    N, _, S, _ = batch.shape
    # RandomErasing (Zhong et al. 2017, arXiv:1708.04896): aspect ratios from 1:3 to 3:1
    ratio = torch.exp((2 * torch.rand(N, generator=rng) - 1) * math.log(3) / 2)
    side = (0.2 * strength).sqrt()
    half = torch.stack([side * ratio, side / ratio], 1) / 2  # (N, 2), shares of the width
    centre = torch.rand(N, 2, generator=rng)
    line = (torch.arange(S) + 0.5) / S
    inside = (line - centre[:, :, None]).abs() < half[:, :, None]  # (N, 2, S)
    erased = inside[:, 0, :, None] & inside[:, 1, None, :]
    return batch * ~erased[:, None].to(batch.device)


def _random_dies(
    batch: torch.Tensor, share: torch.Tensor, generator: torch.Generator
) -> torch.Tensor:
    """Mask (N, 1, S, S) of random dies.

    A prepared wafer no longer has its die grid, so a die is taken to be one to three cells wide,
    drawn for each wafer.
    """
    N, _, S, _ = batch.shape
    drawn = torch.rand(N, S, S, generator=generator) < share[:, None, None]
    width = torch.randint(1, 4, (N, 1), generator=generator)
    die = torch.arange(S)[None] // width  # (N, S)
    chosen = drawn[torch.arange(N)[:, None, None], die[:, :, None], die[:, None, :]]
    return chosen[:, None].to(batch.device)


def _with_failed(batch: torch.Tensor, failed: torch.Tensor, where: torch.Tensor) -> torch.Tensor:
    """Replace the share of failed dies (N, 1, S, S) where a mask (N, 1, S, S) is set."""
    wafer = batch[:, :1]
    where = where & (wafer > 0)
    new = torch.cat([wafer, failed, (failed > 0).to(batch)], 1)
    return torch.where(where, new, batch)


def _noise(batch: torch.Tensor, strength: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    return _with_failed(batch, 1 - batch[:, 1:2], _random_dies(batch, 0.15 * strength, rng))


def _dropout(batch: torch.Tensor, strength: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    return batch * ~_random_dies(batch, 0.3 * strength, rng)


def _thin(batch: torch.Tensor, strength: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    passed = _random_dies(batch, 0.7 * strength, rng)
    return _with_failed(batch, torch.zeros_like(batch[:, :1]), passed)


def _thicken(batch: torch.Tensor, strength: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    around = F.max_pool2d(batch[:, 1:2], 3, 1, 1)
    return _with_failed(batch, around, _random_dies(batch, 0.5 * strength, rng))


def _edge(batch: torch.Tensor, strength: torch.Tensor, _: torch.Generator) -> torch.Tensor:
    line = (2 * torch.arange(batch.shape[2]) + 1) / batch.shape[2] - 1
    radius = (line[:, None] ** 2 + line[None] ** 2).sqrt()
    kept = radius[None] <= (1 - 0.15 * strength)[:, None, None]
    # A square wafer has corners beyond radius 1, which strength 0 must keep.
    kept |= (strength == 0)[:, None, None]
    return batch * kept[:, None].to(batch.device)


def _grid(batch: torch.Tensor, strength: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    N, _, S, _ = batch.shape
    dies = S / (1 + 3 * strength[:, None] * torch.rand(N, 2, generator=rng))  # rows, columns
    number = (torch.arange(S) * dies[:, :, None] / S).floor()  # (N, 2, S), die of each cell
    same = (number[:, :, :, None] == number[:, :, None, :]).float()
    mean = (same / same.sum(3, keepdim=True)).to(batch)  # (N, 2, S, S)
    rows, columns = mean[:, 0], mean[:, 1].transpose(1, 2)
    wafer, failed, any_failed = batch.unbind(1)

    def means(x: torch.Tensor) -> torch.Tensor:
        return rows @ x @ columns

    area = means(wafer)
    share = means(failed * wafer) / area.clamp_min(1e-6)
    return torch.stack([area, share, means(any_failed)], 1).clamp(0, 1)


OPERATIONS: dict[str, Operation] = {
    "nothing": Operation(N_("Nothing"), N_("leaves the wafer unchanged"), _nothing),
    # as in torchvision
    "rotate": Operation(N_("Free rotation"), N_("by 45° in either direction"), _rotate),
    "shear": Operation(N_("Shear"), N_("by 30% of the width"), _shear),
    "shift": Operation(N_("Shift"), N_("by 15% of the width in any direction"), _shift),
    "zoom": Operation(N_("Zoom"), N_("1.3 times larger or smaller"), _zoom),
    "stretch": Operation(N_("Stretch one axis"), N_("1.3 times longer or shorter"), _stretch),
    "elastic": Operation(N_("Elastic"), N_("moves each point by about 5% of the width"), _elastic),
    "blur": Operation(N_("Blur"), N_("with a Gaussian of 1.5 cells"), _blur),
    "erase": Operation(N_("Erase a rectangle"), N_("a fifth of the picture"), _erase),
    # specific to wafers
    "noise": Operation(N_("Flip dies"), N_("15% of all dies change between pass and fail"), _noise),
    "dropout": Operation(N_("Drop dies"), N_("removes 30% of all dies"), _dropout),
    "thin": Operation(N_("Thin out failures"), N_("70% of the failed dies pass"), _thin),
    "thicken": Operation(
        N_("Thicken failures"), N_("half of the dies next to a failed die fail"), _thicken
    ),
    "edge": Operation(
        N_("Wider edge exclusion"), N_("removes the dies in the outer 15% of the radius"), _edge
    ),
    "grid": Operation(N_("Coarser die grid"), N_("up to four times fewer dies per row"), _grid),
}
