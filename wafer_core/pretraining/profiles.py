"""Summary statistics of how failed dies are distributed on a wafer, independent of class names.

Predicting them as an auxiliary task keeps features that are useful for new patterns; a network that
is trained on class names alone discards what the names do not need.
"""

from __future__ import annotations

import functools
import itertools
import math

import torch
import torch.nn.functional as F

_RINGS = 8
_ZONES = ((0.0, 0.4), (0.4, 0.75), (0.75, 1.1))  # radii of centre, middle and rim
_WAVES = (1, 2, 3, 4)  # angular frequencies
_SCALES = (2, 4, 8, 16)  # cells per side of a patch
PROFILE_LENGTH = _RINGS + len(_ZONES) * len(_WAVES) + len(_SCALES)


def profile(batch: torch.Tensor) -> torch.Tensor:
    """Summary statistics, invariant under rotation and reflection.

    Args:
        batch: Prepared pictures (N, 3, S, S), see ``preparation``.

    Returns:
        (N, 24): share of failed dies in each of eight rings; amplitude of the angular frequencies 1
        to 4 in the centre, middle and rim; standard deviation over patches at four scales.
    """
    N, _, S, _ = batch.shape
    wafer, failed = batch[:, 0], batch[:, 0] * batch[:, 1]
    rings, waves = (matrix.to(batch) for matrix in _matrices(S))
    area = wafer.reshape(N, -1) @ rings
    values = [((failed.reshape(N, -1) @ rings) / area.clamp_min(1)).clamp(0, 1).sqrt()]
    components = (failed.reshape(N, -1) @ waves).view(N, -1, 2)  # cosine and sine
    total = wafer.sum((1, 2))[:, None].clamp_min(1)
    values.append((components.square().sum(2).sqrt() / total * 3).clamp(0, 1).sqrt())
    for scale in _SCALES:
        patches = F.avg_pool2d(failed[:, None], scale).flatten(1)
        values.append(patches.std(1, keepdim=True))
    return torch.cat(values, 1)


@functools.lru_cache(maxsize=4)
def _matrices(size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Matrices (S², 8) of the rings and (S², 24) of the angular waves, cosine and sine in turn."""
    line = (2 * torch.arange(size) + 1) / size - 1
    y, x = torch.meshgrid(line, line, indexing="ij")
    radius, angle = (x**2 + y**2).sqrt().flatten(), torch.atan2(y, x).flatten()
    edges = torch.linspace(0, 1, _RINGS + 1)
    edges[-1] = math.inf
    rings = [(radius >= a) & (radius < b) for a, b in itertools.pairwise(edges)]
    waves = []
    for low, high in _ZONES:
        inside = ((radius >= low) & (radius < high)).float()
        for number in _WAVES:
            waves += [inside * (number * angle).cos(), inside * (number * angle).sin()]
    return torch.stack(rings, 1).float(), torch.stack(waves, 1)
