"""The last layers of the pretraining, stored beside WaferNet's weights.

New last layers are fitted with their help; see ``tasks.classification.head_prior``.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from wafer_core.device import memory_format
from wafer_core.networks.wafer_cnn import WaferCNN
from wafer_core.pretraining.wafers import Wafers

_PER_CLASS = 600  # wafers that the covariance is computed on, each in its four rotations
_MIN_WAFERS = 10  # classes with fewer are left out
_BATCH = 256


def pretrained_head(
    network: WaferCNN, layers: list[nn.Linear], wafers: Wafers, seed: int
) -> nn.Linear:
    """One layer for all classes of the pretraining, as ``registry.build_pretrained`` reads it.

    Args:
        network: In evaluation mode.
        layers: Each for some of the classes, on the network's features.
        wafers: Pretraining wafers; only those with a single label are used.
        seed: Of the sample, if a class has many.

    Returns:
        (F) to all classes, with the (F, F) buffer ``within``, the covariance within classes.
    """
    head = nn.Linear(layers[0].in_features, sum(each.out_features for each in layers))
    with torch.no_grad():
        head.weight.copy_(torch.cat([each.weight for each in layers]))
        head.bias.copy_(torch.cat([each.bias for each in layers]))
    head.register_buffer("within", _within_class_covariance(network, wafers, seed))
    return head


@torch.no_grad()
def _within_class_covariance(network: WaferCNN, wafers: Wafers, seed: int) -> torch.Tensor:
    """(F, F), the mean over classes."""
    rng = np.random.default_rng(seed)
    covariances = []
    labels = wafers.label.numpy()
    for label in np.unique(labels[labels >= 0]):
        members = np.flatnonzero(labels == label)
        chosen = rng.permutation(members)[:_PER_CLASS]
        if len(chosen) >= _MIN_WAFERS:
            covariances.append(torch.cov(_features(network, wafers.inputs[chosen]).T))
    if not covariances:
        return torch.eye(network.head.in_features)
    return torch.stack(covariances).mean(0).float()


def _features(network: WaferCNN, inputs: torch.Tensor) -> torch.Tensor:
    """float64 (4 N, F) of wafers uint8 (N, 3, S, S) in their four rotations."""
    device = network.head.weight.device
    parts = []
    for start in range(0, len(inputs), _BATCH):
        x = inputs[start : start + _BATCH].to(device).float() / 255
        for k in range(4):
            rotated = torch.rot90(x, k, (2, 3)).contiguous(memory_format=memory_format)
            parts.append(network.features(rotated).double().cpu())
    return torch.cat(parts)
