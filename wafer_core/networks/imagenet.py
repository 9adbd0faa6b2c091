"""ImageNet weights: torchvision's published files for its networks for photographs.

Nothing is downloaded automatically. Weights are looked for in torch's cache under torchvision's
file names; ``install`` puts them there, from a user's file or by a download on request.

How a network for photographs is adapted to wafers (three channels, see ``preparation``):

* The input is read as a colour picture: passed dies red, failed dies white, no die black.
  ImageNet's colour mean and standard deviation are folded into the first convolution and its batch
  norm, so that architecture, stored models and predictions are the same as without weights.
* Wafers are prepared at ``SIZE`` cells per side; the last stage then has 4 × 4 positions. The size
  is stored with the model.
* The last layer, for a thousand classes, is replaced by a new one.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from wafer_core.errors import ParameterError
from wafer_core.messages import Message, message
from wafer_core.networks import published_weights, registry
from wafer_core.networks.checkpoint import Tensors
from wafer_core.networks.penultimate import last_layer
from wafer_core.networks.published_weights import COMMAND, PublishedFile

NAMES = ("efficientnet_b0", "mobilenet_v2", "resnet18")
SIZE = 128  # cells per side; ImageNet's 224 is three times slower, 96 leaves 3 × 3 positions
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's red, green, blue


def published_files(name: str) -> tuple[PublishedFile, ...]:
    """Torchvision's files for a network, the recommended one first.

    Raises:
        ParameterError: There are none for this network.
    """
    if name not in NAMES:
        raise ParameterError(
            "There are no ImageNet weights for {name}; choose one of {names}.",
            name=repr(name),
            names=", ".join(NAMES),
        )
    # torchvision takes a second to import, and most users never need it.
    from torchvision import models

    weights = models.get_model_weights(name)
    best = weights.DEFAULT  # type: ignore[attr-defined]
    ordered = [best, *(each for each in weights if each is not best)]
    return tuple(PublishedFile(name, w.url, float(w.meta.get("_file_size", 0))) for w in ordered)


def find(name: str) -> Path | None:
    """The stored weights of a network, not yet verified; ``None`` if there are none.

    Raises:
        ParameterError: There are no weights for this network.
    """
    return published_weights.find(name, published_files(name))


def describe(name: str) -> dict[str, str | float | None]:
    """What is available for a network, as JSON values; ``path`` is None if nothing is stored.

    Raises:
        ParameterError: There are no weights for this network.
    """
    return published_weights.describe(name, published_files(name))


def missing_message(name: str) -> Message:
    """Says that a network starts from scratch, and how to get its weights."""
    return message(
        "There are no ImageNet weights for {network} on this machine, so it starts from scratch. "
        "“{command}” downloads them ({megabytes:.0f} MB); add --from FILE to use a file you have.",
        network=Message(registry.NETWORKS[name].title),
        command=f"{COMMAND} {name}",
        megabytes=published_files(name)[0].megabytes,
    )


def install(
    name: str, source: Path | None = None, on_progress: Callable[[float], None] | None = None
) -> Path:
    """Verify weights and store them where training finds them.

    Args:
        name: One of ``NAMES``.
        source: A file of the user: torchvision's ``.pth`` under any name, or the same tensors as
            ``.safetensors``. None: torchvision's recommended file is downloaded.
        on_progress: Called with the share of the download that is done, 0 to 1; may raise to stop.

    Returns:
        The stored file.

    Raises:
        ModelError: It is not a published file, is damaged, or cannot be reached.
        ParameterError: There are no weights for this network.
        StorageError: The disk is full or read-only.
    """
    return published_weights.install(
        name,
        published_files(name),
        lambda tensors, path: _select_tensors(tensors, name, path),
        source,
        on_progress,
    )


def load(name: str, num_classes: int, path: Path) -> nn.Module:
    """A network with ImageNet weights, adapted to wafers, and a new last layer.

    Args:
        name: One of ``NAMES``.
        num_classes: 2 to ``registry.MAX_CLASSES``.
        path: As returned by ``find``; verified here.

    Raises:
        ModelError: The file is not a published one, or is damaged.
        ParameterError: No weights for this network, or too few or many classes.
    """
    network = registry.build(name, num_classes)
    tensors, _ = published_weights.read(name, published_files(name), path)
    network.load_state_dict(network.state_dict() | _select_tensors(tensors, name, path))
    _fold_colour_normalisation(network)
    return network


def _select_tensors(tensors: Tensors, name: str, path: Path) -> Tensors:
    """The tensors of all layers but the last.

    Raises:
        ModelError: One is missing, has another shape, or is not finite.
    """
    with torch.device("meta"):  # names and shapes only
        network = registry.build(name, 2)
    head = last_layer(network)[0] + "."
    expected = {
        key: value
        for key, value in network.state_dict().items()
        # Files older than PyTorch 0.4.1 lack this counter, and nothing here needs it.
        if not key.startswith(head) and (key in tensors or "num_batches_tracked" not in key)
    }
    shapes = {key: tuple(value.shape) for key, value in expected.items()}
    selected = published_weights.select_tensors(tensors, shapes, path, f"{name} (torchvision)")
    return {key: tensor.to(expected[key].dtype) for key, tensor in selected.items()}


@torch.no_grad()
def _fold_colour_normalisation(network: nn.Module) -> None:
    """Make the first convolution accept values in [0, 1] instead of standardised colours.

    w · (x - mean) / std = (w / std) · x - w · mean / std; the batch norm that follows subtracts
    the constant from its running mean. Padding is then black where the original has grey; no wafer
    lies there, so nothing else changes.
    """
    convolution = next(m for m in network.modules() if isinstance(m, nn.Conv2d))
    norm = next(m for m in network.modules() if isinstance(m, nn.BatchNorm2d))
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (MEAN, STD))
    constant = (convolution.weight * mean / std).sum((1, 2, 3))
    convolution.weight.div_(std)
    if norm.running_mean is not None:
        norm.running_mean.add_(constant)
