"""What a network starts from: weights that have seen pictures before, or chance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from wafer_core.networks import imagenet, registry

FINE_TUNED, FROZEN, SCRATCH = "fine-tuned", "frozen", "scratch"
TRANSFER = {
    FINE_TUNED: "From the weights that it comes with; its last layer learns first, then all of it.",
    FROZEN: "From the weights that it comes with, and only its last layer learns: seconds.",
    SCRATCH: "From chance: nothing but your pictures; wants hundreds a class.",
}


@dataclass(frozen=True, eq=False)
class Start:
    """A network before its training.

    Attributes:
        network: With the weights to start from, on the CPU.
        size: Cells a side that it is to be fed.
        weights: What they have seen: ``wafers``, ``imagenet``, or None for chance.
        note: A sentence for the user where the start is not what one would expect.
        known: What it was taught to name, if anything.
    """

    network: nn.Module
    size: int
    weights: str | None
    note: str | None = None
    known: registry.Known | None = None


def begin(name: str, num_classes: int, transfer: str, seed: int) -> Start:
    """The start of a training; equal arguments and weights give equal numbers.

    Args:
        name: A key of ``networks.NETWORKS``.
        num_classes: 2 to ``networks.MAX_CLASSES``.
        transfer: A key of ``TRANSFER``.
        seed: Of what is drawn by chance; also seeds torch for what follows (dropout).

    Raises:
        ParameterError: No such network, or too few or many classes.
        ModelError: Stored weights are damaged or not genuine.
    """
    torch.manual_seed(seed)
    info = registry.NETWORKS.get(name)
    note = None
    if transfer != SCRATCH and name in imagenet.NAMES:
        path = imagenet.find(name)
        if path is not None:
            network = imagenet.load(name, num_classes, path)
            return Start(network, imagenet.SIZE, "imagenet")
        note = imagenet.missing_sentence(name)
    elif transfer != SCRATCH and info is not None and info.weights is not None:
        network, known = registry.build_taught(name, num_classes)
        return Start(network, info.size, "wafers", known=known)
    elif transfer == FROZEN and info is not None:
        note = f"{info.title} comes with no weights, so it starts from scratch."
    network = registry.build(name, num_classes)
    return Start(network, registry.NETWORKS[name].size, None, note)


def of_config(name: str, config: Mapping[str, Any]) -> str:
    """How a stored run started; those before there was a choice took what their network has."""
    taught = registry.NETWORKS[name].weights is not None
    return str(config.get("transfer") or (FINE_TUNED if taught else SCRATCH))


def penultimate(network: nn.Module, batch: torch.Tensor) -> torch.Tensor:
    """What the last layer of a network looks at.

    Args:
        network: In evaluation mode.
        batch: (N, 3, S, S) prepared pictures.

    Returns:
        Features (N, F).
    """
    found: list[torch.Tensor] = []
    layer = imagenet.last_layer(network)[1]
    handle = layer.register_forward_pre_hook(lambda _, given: found.append(given[0]))
    try:
        network(batch)
    finally:
        handle.remove()
    return found[0].flatten(1)
