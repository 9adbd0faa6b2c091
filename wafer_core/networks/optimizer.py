"""The steps of a training: optimizer, learning rate, running mean of the weights, precision."""

from __future__ import annotations

import contextlib
import math
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import nn

from wafer_core.device import autocast

EMA_DECAY = 0.99  # mean over about the last hundred steps: steadier than any single one


def rate_factor(done: float) -> float:
    """Share of the peak learning rate: linear warm-up over a fifth, then a cosine down to 0."""
    if done < 0.2:
        return 0.1 + 0.9 * done / 0.2
    return 0.5 * (1 + math.cos(math.pi * (done - 0.2) / 0.8))


def make_optimizer(network: nn.Module, rate: float, decay: float) -> torch.optim.Optimizer:
    """AdamW with a peak learning rate and a weight decay."""
    # biases and norms are not decayed: they do not make a network complicated
    parameters = list(network.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=rate)


@torch.no_grad()
def update_average(average: nn.Module, network: nn.Module, decay: float) -> None:
    """Move a running mean of the weights a little (1 − decay) towards the newest."""
    for mine, new in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
        if mine.is_floating_point():
            mine.lerp_(new, 1 - decay)
        else:
            mine.copy_(new)


def half(device: torch.device, learns: nn.Module | None = None) -> AbstractContextManager[Any]:
    """bfloat16 where the hardware has it: elsewhere it is imitated, several times slower.

    Args:
        device: Where to compute.
        learns: A network that gradients will be taken of. On a CPU, one with a convolution for each
            channel (MobileNetV2, EfficientNet) stays in float32: the gradient of these has no fast
            bfloat16 form there; a step takes 1.6 to 2.2 times as long (measured with torch 2.15).
    """
    if device.type == "cpu" and learns is not None and _is_depthwise(learns):
        return contextlib.nullcontext()
    if device.type == "cuda" or torch.cpu._is_avx512_bf16_supported():
        return autocast(device)
    return contextlib.nullcontext()


def _is_depthwise(network: nn.Module) -> bool:
    return any(isinstance(part, nn.Conv2d) and part.groups > 1 for part in network.modules())


def freeze_norms(network: nn.Module) -> None:
    """Let norms go by the many pictures they know instead of the few in a batch."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
