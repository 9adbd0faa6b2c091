"""Optimizer, learning-rate schedule, weight averaging and precision of a training."""

from __future__ import annotations

import contextlib
import math
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import nn

from wafer_core.device import autocast

EMA_DECAY = 0.99  # average over about the last hundred steps: less noisy than any single step


def rate_factor(done: float) -> float:
    """Share of the peak learning rate: linear warm-up over the first fifth, then cosine decay to 0.

    Args:
        done: Share of the training that is done, 0 to 1.
    """
    if done < 0.2:
        return 0.1 + 0.9 * done / 0.2
    return 0.5 * (1 + math.cos(math.pi * (done - 0.2) / 0.8))


def make_optimizer(network: nn.Module, rate: float, decay: float) -> torch.optim.Optimizer:
    """AdamW; biases and normalisation layers are not decayed, since they add no complexity.

    Args:
        network: Whose parameters are updated.
        rate: Peak learning rate.
        decay: Weight decay of all other parameters.
    """
    parameters = list(network.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=rate)


@torch.no_grad()
def update_average(average: nn.Module, network: nn.Module, decay: float) -> None:
    """Update an exponential moving average of the weights.

    Args:
        average: Changed in place.
        network: The newest weights.
        decay: The average moves towards them by ``1 - decay``.
    """
    for mean, new in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
        if mean.is_floating_point():
            mean.lerp_(new, 1 - decay)
        else:
            mean.copy_(new)


def mixed_precision(
    device: torch.device, trained: nn.Module | None = None
) -> AbstractContextManager[Any]:
    """bfloat16 autocast where the hardware supports it; emulated, it is several times slower.

    Args:
        device: Where to compute.
        trained: A network that gradients are computed for. On a CPU a network with depthwise
            convolutions (MobileNetV2, EfficientNet) stays in float32: their backward pass has no
            fast bfloat16 kernel there, and a step takes 1.6 to 2.2 times as long (torch 2.15).
    """
    if device.type == "cpu" and trained is not None and _is_depthwise(trained):
        return contextlib.nullcontext()
    if device.type == "cuda" or torch.cpu._is_avx512_bf16_supported():
        return autocast(device)
    return contextlib.nullcontext()


def _is_depthwise(network: nn.Module) -> bool:
    return any(isinstance(module, nn.Conv2d) and module.groups > 1 for module in network.modules())


def freeze_norms(network: nn.Module) -> None:
    """Keep the pretrained statistics of batch norm instead of those of a small batch."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
