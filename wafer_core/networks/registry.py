"""The networks that can be trained, by name, and the weights that ship with them.

``NETWORKS`` is also the allow-list of stored models: a checkpoint names one of its keys, and
nothing else is ever built.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import nn

from wafer_core.errors import ModelError, ParameterError
from wafer_core.messages import N_
from wafer_core.networks import checkpoint
from wafer_core.networks.wafer_cnn import WaferCNN

MAX_CLASSES = 1000
MULTI_LABEL_PREFIX = "with "  # marks a pattern that may occur together with others: “with Scratch”
WEIGHTS = Path(__file__).parents[1] / "weights"  # ships with the program


@dataclass(frozen=True)
class NetworkInfo:
    """One network of the list.

    Attributes:
        title: For the select box.
        help: When to use it, in words for an engineer.
        build: Makes one with random weights for a number of classes; input (N, 3, size, size).
        learning_rate: Peak learning rate for batches of 16.
        size: Cells per side of its input.
        weights: Name of its pretrained weights in ``WEIGHTS``; None: it has none.
        samples: Training samples seen, per square root of the number of training pictures.
    """

    title: str
    help: str
    build: Callable[[int], nn.Module]
    learning_rate: float
    size: int
    weights: str | None = None
    samples: int = 1870


def _torchvision(name: str, num_classes: int) -> nn.Module:
    # torchvision takes a second to import, and most users never need it.
    from torchvision import models

    network: nn.Module = models.get_model(name, weights=None, num_classes=num_classes)
    return network


NETWORKS: dict[str, NetworkInfo] = {
    "wafernet": NetworkInfo(
        N_("WaferNet (pretrained on wafer maps)"),
        N_(
            "A network for wafer maps with pretrained weights: a few wafers per class are enough. "
            "Trains in seconds on a CPU. Start here."
        ),
        partial(WaferCNN, widths=(32, 64, 128), blocks=(0, 1, 2)),
        3e-3,
        64,
        weights="wafernet",
        samples=650,
    ),
    "wafer_cnn": NetworkInfo(
        N_("Wafer CNN (small, from scratch)"),
        N_(
            "A small network for wafer maps without pretrained weights. With tens of wafers per "
            "class it trains in a minute or two on a CPU. Try it if your patterns are unlike the "
            "nine of WM-811K."
        ),
        WaferCNN,
        3e-3,
        64,
    ),
    "efficientnet_b0": NetworkInfo(
        N_("EfficientNet-B0"),
        N_(
            "A network for photographs with 4 million weights; slow without a GPU. Without "
            "ImageNet weights it starts from scratch, which needs many wafers."
        ),
        partial(_torchvision, "efficientnet_b0"),
        1e-3,
        96,
    ),
    "mobilenet_v2": NetworkInfo(
        N_("MobileNetV2"),
        N_(
            "A light network for photographs, the one in Teachable Machine. Without ImageNet "
            "weights it starts from scratch, which needs many wafers."
        ),
        partial(_torchvision, "mobilenet_v2"),
        1e-3,
        96,
    ),
    "resnet18": NetworkInfo(
        N_("ResNet-18"),
        N_(
            "A standard network for photographs with 11 million weights; a well-known reference. "
            "Without ImageNet weights it starts from scratch, which needs many wafers."
        ),
        partial(_torchvision, "resnet18"),
        1e-3,
        96,
    ),
}
TITLES = tuple(info.title for info in NETWORKS.values())


def build(name: str, num_classes: int) -> nn.Module:
    """A network of the list with random weights.

    Args:
        name: A key of ``NETWORKS``.
        num_classes: 2 to ``MAX_CLASSES``.

    Raises:
        ParameterError: No such network, or too few or many classes.
    """
    if name not in NETWORKS:
        raise ParameterError(
            "There is no network {name}; choose one of {names}.",
            name=repr(name),
            names=", ".join(NETWORKS),
        )
    if not 2 <= num_classes <= MAX_CLASSES:
        raise ParameterError(
            "A network can have 2 to {most:,} classes, not {count:,}; add or merge classes.",
            most=MAX_CLASSES,
            count=num_classes,
        )
    return NETWORKS[name].build(num_classes)


@dataclass(frozen=True, eq=False)
class PretrainedHead:
    """The last layer of the pretraining, on the same features as the new last layer.

    Attributes:
        layer: Features to one logit per pretraining class.
        exclusive: The first so many classes exclude each other (softmax); each of the others is
            present or not (sigmoid).
        within_class: (F, F) covariance of the features within a class: how much two wafers of the
            same class differ, even for patterns that were not pretraining classes.
    """

    layer: nn.Linear
    exclusive: int
    within_class: torch.Tensor


def build_pretrained(name: str, num_classes: int) -> tuple[nn.Module, PretrainedHead | None]:
    """A network of the list with its pretrained weights, if any, and a new last layer.

    Args:
        name: A key of ``NETWORKS``.
        num_classes: 2 to ``MAX_CLASSES``.

    Returns:
        The network, and the last layer of its pretraining, if any.

    Raises:
        ParameterError: No such network, or too few or many classes.
        ModelError: The weight file is missing or is not the one that was shipped.
    """
    network = build(name, num_classes)
    weights = NETWORKS[name].weights
    if weights is None:
        return network, None
    tensors, head = read_shipped(weights), read_shipped(pretrained_head_file(weights))
    names = checkpoint.read_description(WEIGHTS, pretrained_head_file(weights)).get("names")
    new = network.state_dict()
    try:
        outputs, inputs = head["weight"].shape
        layer = nn.Linear(inputs, outputs)
        layer.register_buffer("within", torch.empty(inputs, inputs))
        layer.load_state_dict(head)
        exclusive = sum(not name.startswith(MULTI_LABEL_PREFIX) for name in names or ())
        network.load_state_dict(
            tensors | {key: value for key, value in new.items() if key.startswith("head.")}
        )
    except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as exc:
        raise ModelError(  # other names or shapes
            "{path} belongs to another version of the program; install the program again.",
            path=f"{WEIGHTS / weights}.safetensors",
        ) from exc
    return network, PretrainedHead(layer, exclusive, layer.get_buffer("within"))


def pretraining_error(name: str) -> float | None:
    """Error rate of a network's pretrained weights on their own classes, on lots left out.

    Args:
        name: A key of ``NETWORKS``.

    Returns:
        Mean over classes, 0 to 1; None: the network has no weights, or it is not known.
    """
    weights = NETWORKS[name].weights
    if weights is None:
        return None
    extra = checkpoint.read_description(WEIGHTS, weights).get("extra") or {}
    per_class = extra.get("evaluation", {}).get("per_class", {}).values()
    recalls = [row["recall"] for row in per_class if row.get("recall") is not None]
    return 1 - sum(recalls) / len(recalls) if recalls else None


def pretrained_head_file(weights: str) -> str:
    """Name of the file that holds the last layer of the pretraining, stored beside the weights."""
    return f"{weights}-names"


def read_shipped(name: str) -> checkpoint.Tensors:
    """The tensors of a file that ships, verified.

    Raises:
        ModelError: It is missing, damaged, or not the one that was shipped.
    """
    expected = checkpoint.read_description(WEIGHTS, name).get("sha256")
    tensors, checksum = checkpoint.read_tensors(WEIGHTS, name)
    checkpoint.compare_checksums(WEIGHTS / f"{name}.safetensors", checksum, expected)
    return tensors
