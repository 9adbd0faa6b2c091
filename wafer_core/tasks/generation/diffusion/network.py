"""The masked diffusion network, which draws the dies of a wafer from a density of failed dies.

Its inputs are the blurred density of failed dies, the die grid of the wafer and the dies that are
already drawn; its output is the fail probability of each hidden die. All dies are hidden at first
and drawn a few at a time, so that neighbouring dies are consistent: a scratch stays a line. This is
masked discrete diffusion (Austin et al., 2021, arXiv:2107.03006; Sahoo et al., 2024,
arXiv:2406.07524), conditioned on a density.

The density does not depend on class names, so that new patterns are drawn like all others. It is
blurred, so that a wafer cannot be copied through it.
"""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wafer_core.device import memory_format
from wafer_core.errors import ModelError
from wafer_core.networks import checkpoint
from wafer_core.networks.registry import WEIGHTS

NAME = "wafergen"  # of the weight file, and of the network in its description
CELLS = 24  # cells per side of a density; a wafer fills the square whatever its die grid
MULTIPLE = 8  # the sides of a canvas are multiples of it
LATTICE = 4  # distance between dies that are drawn at the same time
HIDDEN, PASSED, FAILED = 1, 2, 3  # states of a die on a canvas; 0 is no die
BLURS = (1.0, 5.0)  # range of blurs in pretraining, standard deviations in cells


def blur(failed: Tensor, wafer: Tensor, cells: Tensor) -> Tensor:
    """Gaussian blur of densities of failed dies.

    Args:
        failed: (N, 24, 24) failed dies as a share of the dies of each cell.
        wafer: (N, 24, 24) share of each cell that is on the wafer.
        cells: (N,) standard deviations in cells.

    Returns:
        (N, 24, 24) in [0, 1]; extrapolated off the wafer.
    """
    index = torch.arange(failed.shape[-1], device=failed.device, dtype=failed.dtype)
    squares = (index[:, None] - index).square()
    weight = torch.exp(-squares / (2 * cells.square())[:, None, None])  # (N, 24, 24), symmetric
    dies = weight @ wafer @ weight
    return ((weight @ (wafer * failed) @ weight) / dies.clamp_min(1e-8)).clamp(0, 1)


class _Block(nn.Module):
    """Residual block of two 3×3 convolutions with FiLM conditioning (Perez et al., 2018)."""

    def __init__(self, inputs: int, outputs: int, condition: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, 1, 1)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1)
        nn.init.zeros_(self.conv2.weight)  # the block starts as identity
        self.short = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)
        self.steer = nn.Linear(condition, 2 * outputs)
        nn.init.zeros_(self.steer.weight)
        nn.init.zeros_(self.steer.bias)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        scale, shift = self.steer(condition)[:, :, None, None].chunk(2, 1)
        # fused and in place: half of the time is memory traffic
        y = torch.addcmul(shift, self.conv1(F.relu(x)), 1 + scale).relu_()
        out: Tensor = self.conv2(y).add_(self.short(x))
        return out


class MaskedDiffusion(nn.Module):
    """U-Net from densities and partly drawn canvases to the logits that dies fail."""

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
        """Logits that the dies fail.

        Args:
            density: float32 (N, 24, 24), from ``blur``.
            blurred: (N,) standard deviations of that blur, in cells.
            canvas: uint8 (N, S, T) states; each wafer is in the upper left corner, and S and T are
                multiples of 8.
            sizes: (N, 2) rows and columns of each wafer.

        Returns:
            float32 (N, S, T); meaningful on dies only.
        """
        N, S, T = canvas.shape
        sizes = sizes.to(density)
        # centres of 2 × 2 dies in wafer coordinates, -1 to 1
        y = 4 * (torch.arange(S // 2, device=density.device)[None] + 0.5) / sizes[:, :1] - 1
        x = 4 * (torch.arange(T // 2, device=density.device)[None] + 0.5) / sizes[:, 1:] - 1
        y, x = y[:, :, None].expand(N, S // 2, T // 2), x[:, None, :].expand(N, S // 2, T // 2)
        grid = torch.stack([x, y], 3)  # (N, S/2, T/2, 2)
        local = F.grid_sample(density[:, None], grid, padding_mode="border", align_corners=False)
        # probability, square root (which separates few from none) and logit
        guide = torch.cat([local, local.sqrt(), torch.logit(local, 0.003) / 4], 1)
        known = torch.stack([canvas == state for state in (HIDDEN, PASSED, FAILED)], 1)
        position = torch.stack([x, y, (x.square() + y.square()).sqrt()], 1).clamp(-2, 2)
        hidden = known[:, 0].sum((1, 2)) / (canvas > 0).sum((1, 2)).clamp_min(1)
        scalars = torch.stack([hidden, sizes.prod(1).rsqrt() * 20, blurred.log()], 1)
        condition = self.condition(scalars)
        h = torch.cat([F.pixel_unshuffle(known.to(density), 2), position, guide], 1)
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
        # the logit of the density is a good first estimate: the network learns the residual
        logits: Tensor = F.pixel_shuffle(h + 4 * guide[:, 2:], 2)[:, 0]
        return logits


def draw_times(H: int, W: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """When each die (H, W) is drawn, 0 to 1; dies with the same time are ``LATTICE`` apart."""
    rank = rng.permutation(LATTICE**2).reshape(LATTICE, LATTICE)
    tiled = np.tile(rank, (-(-H // LATTICE), -(-W // LATTICE)))[:H, :W]
    times: npt.NDArray[np.float32] = ((tiled + 0.5) / LATTICE**2).astype(np.float32)
    return times


@functools.lru_cache(maxsize=2)  # the shipped files do not change
def load(device: torch.device, folder: Path = WEIGHTS, name: str = NAME) -> MaskedDiffusion:
    """The pretrained network in evaluation mode.

    Args:
        device: Where to compute.
        folder: Of the files ``name``.safetensors and ``name``.json.
        name: Of the files.

    Raises:
        ModelError: The files are missing or damaged, or do not belong together.
    """
    description = checkpoint.read_description(folder, name)
    sha256 = description.get("sha256")
    if description.get("network") != NAME or not isinstance(sha256, str):
        raise ModelError(
            "{path} does not describe a generator of wafers; reinstall the program.",
            path=f"{folder / name}.json",
        )
    network = MaskedDiffusion()
    checkpoint.load_weights(folder, network, name, sha256)
    ready: MaskedDiffusion = network.eval().requires_grad_(False).to(device)
    return ready.to(memory_format=memory_format)  # type: ignore[call-overload, no-any-return]
