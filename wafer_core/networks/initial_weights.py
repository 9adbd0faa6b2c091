"""The weights that training starts from: pretrained or random."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from wafer_core.messages import N_, Message, message
from wafer_core.networks import imagenet, registry

FINE_TUNED, FROZEN, SCRATCH = "fine-tuned", "frozen", "scratch"
TRANSFER = {
    FINE_TUNED: N_("Start from pretrained weights; train the last layer first, then all layers."),
    FROZEN: N_("Start from pretrained weights and train only the last layer: seconds."),
    SCRATCH: N_("Start from random weights; needs hundreds of wafers per class."),
}


@dataclass(frozen=True, eq=False)
class InitialNetwork:
    """A network before its training.

    Attributes:
        network: With its initial weights, on the CPU.
        size: Cells per side of its input.
        weights: What they were pretrained on: ``wafers``, ``imagenet``, or None if they are random.
        note: For the user, where the start is not what was asked for.
        head: Last layer of the pretraining, if any.
        error: Error rate on the classes of the pretraining, see ``registry.pretraining_error``.
    """

    network: nn.Module
    size: int
    weights: str | None
    note: Message | None = None
    head: registry.PretrainedHead | None = None
    error: float | None = None


def initialize(name: str, num_classes: int, transfer: str, seed: int) -> InitialNetwork:
    """A network with its initial weights; equal arguments and weight files give equal numbers.

    Args:
        name: A key of ``registry.NETWORKS``.
        num_classes: 2 to ``registry.MAX_CLASSES``.
        transfer: A key of ``TRANSFER``.
        seed: Of random weights; torch's global generator is seeded with it.

    Raises:
        ParameterError: No such network, or too few or many classes.
        ModelError: Stored weights are damaged or not those that were published.
    """
    torch.manual_seed(seed)
    info = registry.NETWORKS.get(name)
    note = None
    if transfer != SCRATCH and name in imagenet.NAMES:
        path = imagenet.find(name)
        if path is not None:
            network = imagenet.load(name, num_classes, path)
            return InitialNetwork(network, imagenet.SIZE, "imagenet")
        note = imagenet.missing_message(name)
    elif transfer != SCRATCH and info is not None and info.weights is not None:
        network, head = registry.build_pretrained(name, num_classes)
        error = registry.pretraining_error(name)
        return InitialNetwork(network, info.size, "wafers", head=head, error=error)
    elif transfer == FROZEN and info is not None:
        note = message(
            "{network} has no pretrained weights, so it starts from scratch.",
            network=Message(info.title),
        )
    network = registry.build(name, num_classes)
    return InitialNetwork(network, registry.NETWORKS[name].size, None, note)


def transfer_of(name: str, config: Mapping[str, Any]) -> str:
    """How a stored run started; runs that predate the setting used what their network had.

    Args:
        name: A key of ``registry.NETWORKS``.
        config: Stored settings of the run.
    """
    has_weights = registry.NETWORKS[name].weights is not None
    return str(config.get("transfer") or (FINE_TUNED if has_weights else SCRATCH))
