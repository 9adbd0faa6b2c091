"""Diagnostics of a trained network: weight change, inactive channels, curvature of the features.

The three figures show whether pretrained weights were used or overwritten, and whether the network
is larger than needed. Compare them with a run from scratch on the same pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.overrides import TorchFunctionMode

from wafer_core.errors import InputError
from wafer_core.images import Picture
from wafer_core.networks.initial_weights import InitialNetwork
from wafer_core.networks.penultimate import last_layer, penultimate
from wafer_core.networks.preparation import Preparation
from wafer_core.sampling import evenly_spaced
from wafer_core.tasks.classification import manifold

SCHEMA = 1
PICTURES = 300  # used at most; more change the figures little and cost seconds
_BATCH = 50
# Their output is positive exactly where their input is.
_ACTIVATIONS = {F.relu, F.relu6, F.silu, F.hardtanh, torch.relu, torch.relu_, torch.Tensor.relu}


@dataclass(frozen=True)
class Movement:
    """How far training moved the weights of one layer.

    Attributes:
        layer: Its name.
        weights: How many it has.
        moved: ‖w - w₀‖ / ‖w₀‖; None if w₀ is all zeros.
        fresh: Whether the layer started at random although the network was pretrained.
    """

    layer: str
    weights: int
    moved: float | None
    fresh: bool


@dataclass(frozen=True)
class InactiveChannels:
    """Channels of one activation that are not positive for any picture.

    Attributes:
        layer: Its name.
        channels: How many it has.
        inactive: How many of them are inactive.
    """

    layer: str
    channels: int
    inactive: int


@dataclass(frozen=True)
class Layer:
    """One row of the summary of a network.

    Attributes:
        layer: Its name.
        kind: Class of the module.
        shape: Of its output, without the batch dimension.
        parameters: How many it has.
    """

    layer: str
    kind: str
    shape: tuple[int, ...]
    parameters: int


def movement(
    before: Mapping[str, torch.Tensor], after: Mapping[str, torch.Tensor], fresh: str = ""
) -> list[Movement]:
    """How far the weights of each convolution and fully connected layer moved.

    Normalisation layers and biases are left out: they start at 1 and 0, so that a relative distance
    means nothing.

    Args:
        before: State of the network before training.
        after: State after training.
        fresh: Name of a layer that started at random.

    Raises:
        InputError: The states belong to different networks.
    """
    if {k: v.shape for k, v in before.items()} != {k: v.shape for k, v in after.items()}:
        raise InputError(
            "These are the weights of two different networks; compare states of the same network."
        )
    found = []
    for key, end in after.items():
        layer, _, kind = key.rpartition(".")
        if kind != "weight" or end.ndim < 2:
            continue
        start = before[key].detach().double().cpu()
        length = float(start.norm())
        moved = float((end.detach().double().cpu() - start).norm()) / length if length else None
        found.append(Movement(layer, end.numel(), moved, layer == fresh))
    return found


class _Maxima(TorchFunctionMode):
    """Records the maximum of each channel after every activation function or module.

    An activation is named after the module whose ``forward`` calls it; the second one there gets
    ``#2``. In the outermost ``forward`` it is named after the module that ran before.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.found: dict[str, torch.Tensor] = {}
        self._inside: list[str] = []
        self._last = "input"
        self._calls: dict[str, int] = {}
        self._handles = []
        for name, module in network.named_modules():
            self._handles += [
                module.register_forward_pre_hook(self._enter(name)),
                module.register_forward_hook(self._leave(name)),
            ]

    def _enter(self, name: str) -> Callable[..., None]:
        def hook(*_: object) -> None:
            if not name:
                self._calls = {}
            self._inside.append(name)

        return hook

    def _leave(self, name: str) -> Callable[..., None]:
        def hook(*_: object) -> None:
            self._inside.pop()
            self._last = name

        return hook

    def remove(self) -> None:
        """Remove the hooks from the network."""
        for handle in self._handles:
            handle.remove()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func in _ACTIVATIONS and self._inside:
            name = self._inside[-1] or self._last
            self._calls[name] = count = self._calls.get(name, 0) + 1
            name += f" #{count}" if count > 1 else ""
            largest = result.detach().flatten(2).amax((0, 2)) if result.ndim > 2 else result.amax(0)
            before = self.found.get(name)
            self.found[name] = largest if before is None else torch.maximum(before, largest)
        return result


@contextmanager
def _recorded(network: nn.Module) -> Iterator[_Maxima]:
    maxima = _Maxima(network)
    try:
        with maxima:
            yield maxima
    finally:
        maxima.remove()


@torch.no_grad()
def inactive_channels(
    network: nn.Module, batch: torch.Tensor, device: torch.device
) -> tuple[list[InactiveChannels], torch.Tensor]:
    """Inactive channels and features, in one forward pass.

    Args:
        network: In evaluation mode, on the device.
        batch: (N, 3, S, S) prepared pictures, N at least 1.
        device: Where to compute.

    Returns:
        One entry per activation, in the order of the forward pass; features (N, F), on the CPU.
    """
    features = []
    with _recorded(network) as maxima:
        for part in torch.split(batch, _BATCH):
            features.append(penultimate(network, part.to(device)).float().cpu())
    inactive = [
        InactiveChannels(name, largest.numel(), int((largest <= 0).sum()))
        for name, largest in maxima.found.items()
    ]
    return inactive, torch.cat(features)


def examine(
    network: nn.Module,
    initial: InitialNetwork,
    preparation: Preparation,
    pictures: Sequence[Picture],
    device: torch.device,
) -> dict[str, Any]:
    """All three figures, as JSON values for the report of a run.

    Args:
        network: Trained.
        initial: The network before its training.
        preparation: Of its input.
        pictures: Not used in training; at most ``PICTURES`` of them, evenly spaced, are used.
        device: Where to compute.

    Raises:
        InputError: The initial network has another architecture.
    """
    fresh = last_layer(network)[0] if initial.weights else ""
    before, after = initial.network.state_dict(), network.state_dict()
    value: dict[str, Any] = {
        "schema": SCHEMA,
        "weights": initial.weights,
        "pictures": min(len(pictures), PICTURES),
        "movement": [asdict(row) for row in movement(before, after, fresh)],
        "dead": [],
        "manifold": None,
    }
    if not pictures:
        return value
    batch = preparation.prepare([pictures[i] for i in evenly_spaced(len(pictures), PICTURES)])
    was_training = network.training
    inactive, features = inactive_channels(network.eval(), batch, device)
    network.train(was_training)
    value["dead"] = [
        {"layer": row.layer, "channels": row.channels, "dead": row.inactive} for row in inactive
    ]
    # With too few distinct pictures there is nothing to measure; the page says how many it takes.
    if len(np.unique(features.numpy(), axis=0)) >= manifold.MIN_POINTS:
        found = manifold.measure(features.numpy().astype(np.float64))
        value["manifold"] = {**asdict(found), "pairs": found.pairs.round(4).tolist()}
    return value


def summary(network: nn.Module, size: int) -> list[Layer]:
    """Layers in the order of the forward pass, with output shapes and parameter counts.

    Args:
        network: On the CPU.
        size: Cells per side of its input.
    """
    found: dict[str, Layer] = {}
    handles = []

    def keep(name: str, module: nn.Module) -> Callable[..., None]:
        def hook(_: nn.Module, __: object, result: torch.Tensor) -> None:
            count = sum(p.numel() for p in module.parameters())
            shape = tuple(result.shape[1:])
            found.setdefault(name, Layer(name, type(module).__name__, shape, count))

        return hook

    for name, module in network.named_modules():
        if not any(True for _ in module.children()):
            handles.append(module.register_forward_hook(keep(name, module)))
    was_training = network.training
    try:
        with torch.no_grad():
            network.eval()(torch.zeros(1, 3, size, size))
    finally:
        network.train(was_training)
        for handle in handles:
            handle.remove()
    return list(found.values())
