"""The last layer of a network and the features that it receives."""

from __future__ import annotations

import threading
from typing import Any

import torch
from torch import nn

from wafer_core.errors import ModelError


def last_layer(network: nn.Module) -> tuple[str, nn.Linear]:
    """Name and module of the classification layer: the last fully connected one.

    Raises:
        ModelError: The network has no fully connected layer.
    """
    found = [(n, m) for n, m in network.named_modules() if isinstance(m, nn.Linear)]
    if not found:
        raise ModelError("This network has no fully connected layer; choose another network.")
    return found[-1]


def penultimate(network: nn.Module, batch: torch.Tensor) -> torch.Tensor:
    """Features: the input of the last layer.

    Args:
        network: In evaluation mode.
        batch: (N, 3, S, S) prepared pictures.

    Returns:
        (N, F).
    """
    return with_features(network, batch)[1]


def with_features(network: nn.Module, batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits (N, C) and, from the same pass, the features (N, F) that the last layer receives."""
    found: list[torch.Tensor] = []
    caller = threading.get_ident()

    def keep(_: nn.Module, inputs: tuple[Any, ...]) -> None:
        if threading.get_ident() == caller:  # a network on a page serves several threads
            found.append(inputs[0])

    handle = last_layer(network)[1].register_forward_pre_hook(keep)
    try:
        logits: torch.Tensor = network(batch)
    finally:
        handle.remove()
    return logits, found[0].flatten(1)
