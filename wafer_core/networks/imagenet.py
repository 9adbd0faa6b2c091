"""Start from ImageNet: torchvision's own weights for its networks for photographs.

Nothing is fetched by itself. Weights are looked for in torch's cache under torchvision's own file
names, put there by ``install``: from a file that the user has, or by a download that was asked for.

How a network for photographs is fitted to wafers (three channels, see ``preparation``):

* It sees a picture: die that passed red, failed white, no wafer black. ImageNet's mean and spread
  of the colours are worked into the first convolution and its norm, so that architecture, stored
  models and predictions stay as they are for a network that started from scratch.
* Wafers are drawn at ``SIZE`` cells from their dies; its last stage then sees 4 × 4 places. The
  size is stored with the model.
* Its last layer, for a thousand kinds of things, gives way to a fresh one for the classes.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from wafer_core.errors import ModelError, ParameterError
from wafer_core.networks import published_weights, registry
from wafer_core.networks.published_weights import COMMAND, Official

NAMES = ("efficientnet_b0", "mobilenet_v2", "resnet18")
SIZE = 128  # cells a side; 224 is ImageNet's own and three times slower, 96 leaves 3 × 3 places
MEAN, SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's red, green, blue


def official(name: str) -> tuple[Official, ...]:
    """Torchvision's files for a network, the one that it recommends first.

    Raises:
        ParameterError: There are none for this network.
    """
    if name not in NAMES:
        raise ParameterError(
            f"There are no ImageNet weights for {name!r}; choose one of {', '.join(NAMES)}."
        )
    # torchvision takes a second to import, and most users never need it
    from torchvision import models

    weights = models.get_model_weights(name)
    best = weights.DEFAULT  # type: ignore[attr-defined]
    ordered = [best, *(each for each in weights if each is not best)]
    return tuple(Official(name, w.url, float(w.meta.get("_file_size", 0))) for w in ordered)


def find(name: str) -> Path | None:
    """The stored weights of a network, not yet verified; ``None`` if there are none.

    Raises:
        ParameterError: There never are any for this network.
    """
    return published_weights.find(name, official(name))


def describe(name: str) -> dict[str, str | float | None]:
    """What there is for a network, as JSON values; ``path`` is None where nothing is stored.

    Raises:
        ParameterError: There never is anything for this network.
    """
    return published_weights.describe(name, official(name))


def missing_sentence(name: str) -> str:
    """What to tell who trains a network without its weights."""
    title, first = registry.NETWORKS[name].title, official(name)[0]
    return (
        f"There are no ImageNet weights for {title} on this machine, so it starts from scratch; "
        f"“{COMMAND} {name}” fetches them ({first.megabytes:.0f} MB), with --from FILE out of a "
        "file that you have."
    )


def install(
    name: str, source: Path | None = None, progress: Callable[[float], None] | None = None
) -> Path:
    """Verify weights and put them where training finds them.

    Args:
        name: Of ``NAMES``.
        source: A file of the user: torchvision's own ``.pth`` under whatever name, or the same
            numbers as ``.safetensors``. None: torchvision's recommended file is downloaded.
        progress: Called with the share of the download that is done, 0 to 1; may raise to stop.

    Returns:
        The stored file.

    Raises:
        ModelError: It is not genuine, is damaged, or cannot be reached.
        ParameterError: There are no weights for this network.
        StorageError: The disk is full or refuses.
    """
    known = official(name)
    return published_weights.install(
        name, known, lambda tensors, path: _fitting(tensors, name, path), source, progress
    )


def load(name: str, num_classes: int, path: Path) -> nn.Module:
    """A network with ImageNet weights, fitted to wafers, and a fresh last layer.

    Args:
        name: Of ``NAMES``.
        num_classes: 2 to ``networks.MAX_CLASSES``.
        path: As found by ``find``; verified here.

    Raises:
        ModelError: The file is not genuine, or damaged.
        ParameterError: No weights for this network, or too few or many classes.
    """
    network = registry.build(name, num_classes)
    tensors, _ = published_weights.read(name, official(name), path)
    own = network.state_dict()
    kept = _fitting(tensors, name, path)
    network.load_state_dict({**own, **kept})
    _fit_colours(network)
    return network


def _fitting(tensors: dict[str, torch.Tensor], name: str, path: Path) -> dict[str, torch.Tensor]:
    """Those of the tensors that the network takes: all but its last layer.

    Raises:
        ModelError: One is missing, has another shape, or is no number.
    """
    with torch.device("meta"):  # names and shapes only
        network = registry.build(name, 2)
    head = last_layer(network)[0] + "."
    wanted = {
        key: value
        for key, value in network.state_dict().items()
        # files from before PyTorch 0.4.1 do not count batches, and nothing here needs it
        if not key.startswith(head) and (key in tensors or "num_batches_tracked" not in key)
    }
    for key, value in wanted.items():
        given = tensors.get(key)
        if given is None or given.shape != value.shape:
            told = "is missing" if given is None else f"has shape {tuple(given.shape)}"
            raise ModelError(
                f"{path} does not hold torchvision's {name}: “{key}” {told}; use its own file."
            )
        if given.is_floating_point() and not bool(torch.isfinite(given).all()):
            raise ModelError(f"{path}: “{key}” holds values that are no numbers; fetch it again.")
    return {key: tensors[key].to(value.dtype) for key, value in wanted.items()}


def last_layer(network: nn.Module) -> tuple[str, nn.Linear]:
    """Name and module of the layer that answers: the last fully connected one."""
    found = [(n, m) for n, m in network.named_modules() if isinstance(m, nn.Linear)]
    if not found:
        raise ModelError("This network has no last layer that could be exchanged.")
    return found[-1]


@torch.no_grad()
def _fit_colours(network: nn.Module) -> None:
    """Let the first convolution take values in [0, 1] where it learned standardised colours.

    w · (x - mean) / spread = (w / spread) · x - w · mean / spread; the norm that follows takes the
    constant off its running mean. Beyond the picture's edge is then black, where the original has
    grey: it is where no wafer is, so nothing else changes.
    """
    convolution = next(m for m in network.modules() if isinstance(m, nn.Conv2d))
    norm = next(m for m in network.modules() if isinstance(m, nn.BatchNorm2d))
    mean, spread = (torch.tensor(v).view(1, 3, 1, 1) for v in (MEAN, SPREAD))
    constant = (convolution.weight * mean / spread).sum((1, 2, 3))
    convolution.weight.div_(spread)
    if norm.running_mean is not None:
        norm.running_mean.add_(constant)
