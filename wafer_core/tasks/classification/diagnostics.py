"""Under the hood of a trained network: what moved, what is dead, how the features lie.

Three figures that tell whether weights that came along were used or overwritten, and whether the
network has room left; read them beside a run that started from chance on the same pictures.
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
from wafer_core.networks import imagenet, initial_weights
from wafer_core.networks.preparation import Preparation
from wafer_core.tasks.classification import manifold

SCHEMA = 1
PICTURES = 300  # looked at; more change the figures little and cost seconds
_BATCH = 50
# their result exceeds zero exactly where what goes in does
_ACTIVATIONS = {F.relu, F.relu6, F.silu, F.hardtanh, torch.relu, torch.relu_, torch.Tensor.relu}


@dataclass(frozen=True)
class Movement:
    """How far one layer's weights went in training."""

    layer: str
    weights: int
    moved: float | None  # ‖w - w₀‖ / ‖w₀‖; None where w₀ is all zeros
    fresh: bool  # the layer started from chance though the network had weights


@dataclass(frozen=True)
class Dead:
    """Channels of one activation that no picture makes exceed zero."""

    layer: str
    channels: int
    dead: int


@dataclass(frozen=True)
class Layer:
    """One line of the summary of a network."""

    layer: str
    kind: str
    shape: tuple[int, ...]  # of what comes out, without the batch
    parameters: int


def movement(
    before: Mapping[str, torch.Tensor], after: Mapping[str, torch.Tensor], fresh: str = ""
) -> list[Movement]:
    """How far each convolution's and each fully connected layer's weights went.

    Norms and biases are left out: they start at 0 and 1, from which no distance is relative.

    Args:
        before: State of the network before its training.
        after: And after it.
        fresh: Name of a layer that came without weights.

    Raises:
        InputError: They are two different networks.
    """
    if {k: v.shape for k, v in before.items()} != {k: v.shape for k, v in after.items()}:
        raise InputError(
            "These are the weights of two different networks; compare one with itself."
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
    """Keeps the largest value of each channel behind each activation, functions and modules alike.

    An activation is named after the module in whose code it runs; the second one there gets ``#2``.
    In the outermost code it is named after the module that ran before.
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
        """Take the hooks off the network."""
        for handle in self._handles:
            handle.remove()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func in _ACTIVATIONS and self._inside:
            name = self._inside[-1] or self._last
            self._calls[name] = count = self._calls.get(name, 0) + 1
            name += f" #{count}" if count > 1 else ""
            largest = result.detach().flatten(2).amax((0, 2)) if result.ndim > 2 else result.amax(0)
            seen = self.found.get(name)
            self.found[name] = largest if seen is None else torch.maximum(seen, largest)
        return result


@contextmanager
def _watched(network: nn.Module) -> Iterator[_Maxima]:
    maxima = _Maxima(network)
    try:
        with maxima:
            yield maxima
    finally:
        maxima.remove()


@torch.no_grad()
def look(
    network: nn.Module, batch: torch.Tensor, device: torch.device
) -> tuple[list[Dead], torch.Tensor]:
    """Dead channels and features, in one pass.

    Args:
        network: In evaluation mode, on the device.
        batch: (N, 3, S, S) prepared pictures, N at least 1.
        device: Where to compute.

    Returns:
        One entry for each activation, in the order of the pass; features (N, F), on the CPU.
    """
    features = []
    with _watched(network) as maxima:
        for part in torch.split(batch, _BATCH):
            found = initial_weights.penultimate(network, part.to(device))
            features.append(found.float().cpu())
    dead = [
        Dead(name, largest.numel(), int((largest <= 0).sum()))
        for name, largest in maxima.found.items()
    ]
    return dead, torch.cat(features)


def examine(
    network: nn.Module,
    start: initial_weights.Start,
    preparation: Preparation,
    pictures: Sequence[Picture],
    device: torch.device,
) -> dict[str, Any]:
    """All three figures, as small JSON values for a run's report.

    Args:
        network: Trained.
        start: What its training started from.
        preparation: That it is fed with.
        pictures: That it never learned from; at most ``PICTURES`` of them, evenly chosen, are used.
        device: Where to compute.

    Raises:
        InputError: The start is another network's.
    """
    fresh = imagenet.last_layer(network)[0] if start.weights else ""
    value: dict[str, Any] = {
        "schema": SCHEMA,
        "weights": start.weights,
        "pictures": min(len(pictures), PICTURES),
        "movement": [
            asdict(row) for row in movement(start.network.state_dict(), network.state_dict(), fresh)
        ],
        "dead": [],
        "manifold": None,
    }
    if not pictures:
        return value
    chosen = np.linspace(0, len(pictures) - 1, min(len(pictures), PICTURES)).round().astype(int)
    batch = preparation.prepare([pictures[i] for i in chosen])
    was_training = network.training
    dead, features = look(network.eval(), batch, device)
    network.train(was_training)
    value["dead"] = [asdict(row) for row in dead]
    # too few different pictures, nothing to say: the page tells how many it takes
    if len(np.unique(features.numpy(), axis=0)) >= manifold.FEWEST:
        found = manifold.measure(features.numpy().astype(np.float64))
        value["manifold"] = {**asdict(found), "pairs": found.pairs.round(4).tolist()}
    return value


def summary(network: nn.Module, size: int) -> list[Layer]:
    """Layers in the order in which a picture passes them, with shapes and parameter counts.

    Args:
        network: On the CPU.
        size: Cells a side that it is fed.
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
