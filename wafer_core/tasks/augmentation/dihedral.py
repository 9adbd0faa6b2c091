"""Turned, mirrored, rotated and shifted forms of a prepared batch, made on the device.

A defect pattern keeps its name when the wafer is turned, so a network may be shown every form, and
asked about every form.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from wafer_core.tasks.augmentation.policies import DEFAULT, apply_policy
from wafer_core.tasks.classification.config import TrainConfig


def transform(batch: torch.Tensor, config: TrainConfig, generator: torch.Generator) -> torch.Tensor:
    """Turn, mirror, and for some pictures rotate, zoom and shift, each in its own random way.

    Another policy than the default replaces the free rotation, zoom and shift.

    Args:
        batch: (N, C, S, S) in [0, 1].
        config: How much of each.
        generator: On the CPU, so that a seed means the same on every device.

    Returns:
        The same shape; what comes from outside of the picture is 0.
    """
    N = len(batch)

    def uniform(limit: float) -> torch.Tensor:
        return (2 * torch.rand(N, generator=generator) - 1) * limit

    share = config.rotation_share if config.policy == DEFAULT else 0.0
    freely = torch.rand(N, generator=generator) < share
    quarters = torch.randint(0, 4, (N,), generator=generator) * (math.pi / 2)
    flips = torch.randint(0, 2, (N,), generator=generator) * 2.0 - 1
    if not config.turns:
        quarters, flips = torch.zeros(N), torch.ones(N)
    # a direction that matters survives a small angle, not any angle
    angle = torch.where(freely, uniform(math.pi if config.turns else math.pi / 12), quarters)
    scale_x = 1 + uniform(config.zoom) * freely
    scale_y = 1 + uniform(config.zoom) * freely
    # affine_grid counts from -1 to 1, so a whole width is 2
    shift_x, shift_y = uniform(2 * config.shift) * freely, uniform(2 * config.shift) * freely
    cos, sin = angle.cos(), angle.sin()
    theta = torch.stack(
        [
            torch.stack([cos * scale_x * flips, -sin * scale_x, shift_x], 1),
            torch.stack([sin * scale_y * flips, cos * scale_y, shift_y], 1),
        ],
        1,
    ).to(batch.device)
    grid = F.affine_grid(theta, list(batch.shape), align_corners=False)
    turned = F.grid_sample(batch, grid, align_corners=False)
    return apply_policy(config.policy, turned, generator)


def quarter_turns(batch: torch.Tensor) -> torch.Tensor:
    """The four turned forms of each picture: (N, C, S, S) to (4 N, C, S, S)."""
    return torch.cat([torch.rot90(batch, k, (2, 3)) for k in range(4)])
