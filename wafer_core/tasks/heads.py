"""Fit the last layer of a network whose features are good already.

With few pictures this alone is most of what there is to learn, it takes a second, and training that
goes on from there does not first spoil good features with the errors of a random last layer.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

from wafer_core.device import memory_format
from wafer_core.tasks import imagenet, transfer

_BATCH = 128
_MOST = 4000  # pictures and turned forms that features are computed of; more change little
_DECAY = 0.01  # of the squared weights of standardised features; flat around it


def fit_head(
    network: nn.Module,
    inputs: torch.Tensor,
    labels: torch.Tensor,
    weights: torch.Tensor | None,
    turns: bool,
    generator: torch.Generator,
    progress: Callable[[float], None],
) -> float:
    """Multinomial logistic regression of the labels on the features, put into the last layer.

    Args:
        network: Changed in place; on the device that computes.
        inputs: uint8 (N, 3, S, S), prepared.
        labels: int64 (N,).
        weights: (C,) of the classes, or None.
        turns: The four quarter turns of a picture carry its label too.
        generator: Draws the pictures where there are too many.
        progress: Called with the share of the pictures that were looked at; may raise to stop.

    Returns:
        Mean cross-entropy of those pictures in nats, after it.
    """
    head = imagenet.last_layer(network)[1]
    device = head.weight.device
    chosen = torch.randperm(len(labels), generator=generator)[:_MOST]
    forms = min(4, max(1, _MOST // len(chosen))) if turns else 1
    network.eval()
    parts = []
    with torch.inference_mode():
        for turn in range(forms):
            for start in range(0, len(chosen), _BATCH):
                some = chosen[start : start + _BATCH]
                batch = torch.rot90(inputs[some].to(device).float() / 255, turn, (2, 3))
                batch = batch.contiguous(memory_format=memory_format)
                parts.append(transfer.penultimate(network, batch))
                progress((turn + min(1.0, (start + _BATCH) / len(chosen))) / forms)
    features = torch.cat(parts).float().clone()
    target = labels[chosen].to(device).repeat(forms)
    mean, spread = features.mean(0), features.std(0)
    # a channel that hardly ever speaks must not be blown up
    spread = spread + 1e-3 * spread.mean() + 1e-6
    standardised = (features - mean) / spread
    weight = torch.zeros_like(head.weight, requires_grad=True)
    bias = torch.zeros_like(head.bias, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        value = F.cross_entropy(F.linear(standardised, weight, bias), target, weights)
        value = value + _DECAY / 2 * weight.square().sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    with torch.enable_grad():
        optimizer.step(loss)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        head.weight.copy_(weight / spread)
        head.bias.copy_(bias - (weight / spread) @ mean)
        return float(F.cross_entropy(F.linear(standardised, weight, bias), target, weights))
