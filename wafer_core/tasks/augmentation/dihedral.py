"""Dihedral augmentation of a prepared batch: rotations and reflections, computed on the device.

A defect pattern keeps its class when the wafer is rotated or reflected. Training therefore draws
one of the eight forms of each picture, and prediction can average over the four rotations.
"""

from __future__ import annotations

import math
from typing import Protocol

import torch
import torch.nn.functional as F

from wafer_core.tasks.augmentation.policies import DEFAULT, apply_policy


class OnlineSettings(Protocol):
    """Settings of the augmentation of a training; see ``TrainConfig``."""

    @property
    def turns(self) -> bool:
        """Whether rotations by 90° and reflections are allowed."""

    @property
    def policy(self) -> str:
        """An augmentation policy; see ``policies``."""

    @property
    def rotation_share(self) -> float:
        """Share of pictures with a free rotation, zoom and shift, 0 to 1."""

    @property
    def zoom(self) -> float:
        """Largest relative zoom of those."""

    @property
    def shift(self) -> float:
        """Largest shift of those, as a share of the width."""


def transform(
    batch: torch.Tensor, settings: OnlineSettings, generator: torch.Generator
) -> torch.Tensor:
    """Rotate and reflect each picture at random; rotate freely, zoom and shift some.

    A policy other than the default replaces the free rotation, zoom and shift.

    Args:
        batch: (N, C, S, S) in [0, 1].
        settings: How much of each.
        generator: On the CPU, so that a seed means the same on every device.

    Returns:
        The same shape; what lies outside the picture is 0.
    """
    N = len(batch)

    def uniform(limit: float) -> torch.Tensor:
        return (2 * torch.rand(N, generator=generator) - 1) * limit

    share = settings.rotation_share if settings.policy == DEFAULT else 0.0
    is_free = torch.rand(N, generator=generator) < share
    quarters = torch.randint(0, 4, (N,), generator=generator) * (math.pi / 2)
    flips = torch.randint(0, 2, (N,), generator=generator) * 2.0 - 1
    if not settings.turns:
        quarters, flips = torch.zeros(N), torch.ones(N)
    # Where direction matters, a small angle keeps the class, but not any angle.
    free_angle = uniform(math.pi if settings.turns else math.pi / 12)
    angle = torch.where(is_free, free_angle, quarters)
    scale_x = 1 + uniform(settings.zoom) * is_free
    scale_y = 1 + uniform(settings.zoom) * is_free
    # The coordinates of affine_grid run from -1 to 1, so the width is 2.
    shift_x = uniform(2 * settings.shift) * is_free
    shift_y = uniform(2 * settings.shift) * is_free
    cos, sin = angle.cos(), angle.sin()
    theta = torch.stack(
        [
            torch.stack([cos * scale_x * flips, -sin * scale_x, shift_x], 1),
            torch.stack([sin * scale_y * flips, cos * scale_y, shift_y], 1),
        ],
        1,
    ).to(batch.device)
    grid = F.affine_grid(theta, list(batch.shape), align_corners=False)
    transformed = F.grid_sample(batch, grid, align_corners=False)
    return apply_policy(settings.policy, transformed, generator)


def quarter_turns(batch: torch.Tensor) -> torch.Tensor:
    """Each picture rotated by 0°, 90°, 180° and 270°: (N, C, S, S) to (4 N, C, S, S)."""
    return torch.cat([torch.rot90(batch, k, (2, 3)) for k in range(4)])
