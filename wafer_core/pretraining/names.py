"""What ships beside WaferNet's weights, for the last layers that are fitted on its features.

Its names, as one layer, and how wafers of one class differ from each other in its features.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from wafer_core.device import memory_format
from wafer_core.networks import registry
from wafer_core.pretraining.wafers import Wafers

_OF_A_CLASS = 600  # wafers that its covariance is taken of, each in its four quarter turns
_FEWEST = 10  # wafers of a class, else it is left out
_BATCH = 256


def names_layer(
    network: registry.WaferCNN, names: list[nn.Linear], wafers: Wafers, seed: int
) -> nn.Linear:
    """All that a network was taught to name, as ``networks.build_taught`` reads it.

    Args:
        network: In evaluation mode.
        names: Layers on its features, each with some of the names.
        wafers: Those that taught it; only ones with a single label are looked at.
        seed: Draws which, where a class has many.

    Returns:
        (F) to all names, with the (F, F) buffer ``within``.
    """
    layer = nn.Linear(names[0].in_features, sum(each.out_features for each in names))
    with torch.no_grad():
        layer.weight.copy_(torch.cat([each.weight for each in names]))
        layer.bias.copy_(torch.cat([each.bias for each in names]))
    layer.register_buffer("within", _within(network, wafers, seed))
    return layer


@torch.no_grad()
def _within(network: registry.WaferCNN, wafers: Wafers, seed: int) -> torch.Tensor:
    """(F, F) covariance of the features within classes, every class counting the same."""
    rng = np.random.default_rng(seed)
    found = []
    labels = wafers.label.numpy()
    for label in np.unique(labels[labels >= 0]):
        of_class = np.flatnonzero(labels == label)
        chosen = rng.permutation(of_class)[:_OF_A_CLASS]
        if len(chosen) >= _FEWEST:
            found.append(torch.cov(_features(network, wafers.inputs[chosen]).T))
    if not found:
        return torch.eye(network.head.in_features)
    return torch.stack(found).mean(0).float()


def _features(network: registry.WaferCNN, inputs: torch.Tensor) -> torch.Tensor:
    """float64 (4 N, F) of wafers uint8 (N, 3, S, S) in their quarter turns."""
    device = network.head.weight.device
    parts = []
    for start in range(0, len(inputs), _BATCH):
        x = inputs[start : start + _BATCH].to(device).float() / 255
        for turn in range(4):
            turned = torch.rot90(x, turn, (2, 3)).contiguous(memory_format=memory_format)
            parts.append(network.features(turned).double().cpu())
    return torch.cat(parts)
