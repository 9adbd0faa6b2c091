"""The networks that can be trained, by name.

``NETWORKS`` is also the allow-list of what a stored model may be: a checkpoint names one of its
keys and nothing else is ever built.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import cast

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from wafer_core.errors import ModelError, ParameterError
from wafer_core.networks import checkpoint

MAX_CLASSES = 1000
ALSO = "with "  # begins a name that excludes no other: “with Scratch”
WEIGHTS = Path(__file__).parents[1] / "weights"  # ships with the program


@dataclass(frozen=True)
class NetworkInfo:
    """One network of the list.

    Attributes:
        title: For the select box.
        help: What it is good for, in words for an engineer.
        build: Makes one with fresh weights for a number of classes; input (N, 3, size, size).
        learning_rate: Peak that suits it, from scratch, with 16 pictures a batch.
        size: Cells a side that it is fed.
        weights: Name of those that it starts from, in ``WEIGHTS``; None: fresh ones.
        epochs: That suit 350 pictures.
    """

    title: str
    help: str
    build: Callable[[int], nn.Module]
    learning_rate: float
    size: int
    weights: str | None = None
    epochs: int = 100


class _Block(nn.Module):
    """Two 3×3 convolutions around a short cut (He et al. 2016, arXiv:1512.03385)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm1: nn.Module = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm2: nn.Module = nn.BatchNorm2d(outputs)
        nn.init.zeros_(self.norm2.weight)  # each block starts as its short cut: steadier training
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.AvgPool2d(stride) if stride > 1 else nn.Identity(),
                nn.Conv2d(inputs, outputs, 1, bias=False),
                nn.BatchNorm2d(outputs),
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, inputs, H, W) to (N, outputs, H / stride, W / stride)."""
        y = F.relu_(self.norm1(self.conv1(x)))
        return F.relu_(self.norm2(self.conv2(y)).add_(self.shortcut(x)))


def _fuse(convolution: nn.Module, norm: nn.Module) -> nn.Conv2d:
    return fuse_conv_bn_eval(cast(nn.Conv2d, convolution), cast(nn.BatchNorm2d, norm))


class WaferCNN(nn.Module):
    """A small residual network for wafer maps.

    It is told for each cell how far it lies from the wafer's middle: *where* a pattern lies is half
    of what names it (Loc in the middle is Center, at the rim Edge-Loc), and a convolution alone
    does not know. The last feature map is summed up by its mean (how much of a pattern) and its
    maximum (whether there is any: one scratch on a large wafer).
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int = 3,
        widths: tuple[int, ...] = (32, 64, 96),
        blocks: tuple[int, ...] = (0, 1, 1),
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        # 2×2 cells become channels: a stride of 2 that computes several times faster on 4 channels
        self.stem = nn.Conv2d(4 * (in_channels + 1), widths[0], 3, 1, 1, bias=False)
        self.stem_norm: nn.Module = nn.BatchNorm2d(widths[0])
        layers: list[nn.Module] = []
        inputs = widths[0]
        for stage, (outputs, count) in enumerate(zip(widths, blocks, strict=True)):
            for index in range(count):
                stride = 2 if stage > 0 and index == 0 else 1
                layers.append(_Block(inputs, outputs, stride))
                inputs = outputs
        self.blocks = nn.Sequential(*layers)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(2 * inputs, num_classes)

    def fused(self) -> WaferCNN:
        """A copy for prediction only: each norm is worked into its convolution, which is faster."""
        network = copy.deepcopy(self).eval()
        network.stem, network.stem_norm = _fuse(network.stem, network.stem_norm), nn.Identity()
        for block in network.blocks.children():
            if isinstance(block, _Block):
                block.conv1, block.norm1 = _fuse(block.conv1, block.norm1), nn.Identity()
                block.conv2, block.norm2 = _fuse(block.conv2, block.norm2), nn.Identity()
                if isinstance(block.shortcut, nn.Sequential):
                    pool, convolution, norm = block.shortcut.children()
                    block.shortcut = nn.Sequential(pool, _fuse(convolution, norm))
        return network.requires_grad_(False).to(memory_format=torch.channels_last)

    def maps(self, x: torch.Tensor) -> torch.Tensor:
        """What is seen where: (N, C, H, W) in [0, 1] to (N, widths[-1], H/8, W/8)."""
        N, C, H, W = x.shape
        rows = torch.linspace(-1, 1, H, device=x.device, dtype=x.dtype)[:, None]
        columns = torch.linspace(-1, 1, W, device=x.device, dtype=x.dtype)[None, :]
        radius = F.pixel_unshuffle((rows**2 + columns**2).sqrt()[None, None], 2)
        x, kind = x.contiguous(), x.device.type
        if torch.is_autocast_enabled(kind):  # as the convolution would: half as much to move here
            x = x.to(torch.get_autocast_dtype(kind))
        # pixel_unshuffle and cat to channels_last, in half of their time
        pairs = x.view(N, C, H // 2, 2, W // 2, 2).permute(0, 1, 3, 5, 2, 4)
        size = (N, 4 * (C + 1), H // 2, W // 2)
        joined = torch.empty(
            size, dtype=x.dtype, device=x.device, memory_format=torch.channels_last
        )
        joined[:, : 4 * C], joined[:, 4 * C :] = pairs.reshape(N, 4 * C, H // 2, W // 2), radius
        x = F.relu_(self.stem_norm(self.stem(joined)))  # (N, widths[0], H/2, W/2)
        seen: torch.Tensor = self.blocks(x).float()
        return seen

    @staticmethod
    def summed_up(maps: torch.Tensor) -> torch.Tensor:
        """Mean and maximum of each map: (N, widths[-1], h, w) to (N, 2 · widths[-1])."""
        return torch.cat([maps.mean((2, 3)), maps.amax((2, 3))], 1)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) in [0, 1] to (N, 2 · widths[-1])."""
        return self.summed_up(self.maps(x))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) in [0, 1] to logits (N, num_classes)."""
        logits: torch.Tensor = self.head(self.dropout(self.features(x)))
        return logits


def _torchvision(name: str, num_classes: int) -> nn.Module:
    # torchvision takes a second to import, and most users never need it
    from torchvision import models

    network: nn.Module = models.get_model(name, weights=None, num_classes=num_classes)
    return network


_SCRATCH = " Without ImageNet weights it starts from scratch, which wants many pictures a class."

NETWORKS: dict[str, NetworkInfo] = {
    "wafernet": NetworkInfo(
        "WaferNet (knows wafers)",
        "Our wafer network with weights that have already seen many wafers, so that it needs only "
        "a few of yours. Trains in seconds on a processor. Start here.",
        partial(WaferCNN, widths=(32, 64, 128), blocks=(0, 1, 2)),
        1e-3,
        64,
        weights="wafernet",
        epochs=15,
    ),
    "wafer_cnn": NetworkInfo(
        "Wafer CNN (small, ours)",
        "Made for wafer maps: sees every failed die and how far it lies from the middle. Trains in "
        "a minute or two on a processor with tens of pictures a class, from nothing but them. "
        "Try it where your patterns look like none of the nine of WM-811K.",
        WaferCNN,
        3e-3,
        64,
    ),
    "efficientnet_b0": NetworkInfo(
        "EfficientNet-B0",
        "A network for photographs, 4 million weights; slow without a GPU." + _SCRATCH,
        partial(_torchvision, "efficientnet_b0"),
        1e-3,
        96,
    ),
    "mobilenet_v2": NetworkInfo(
        "MobileNetV2",
        "A light network for photographs, the one in Teachable Machine." + _SCRATCH,
        partial(_torchvision, "mobilenet_v2"),
        1e-3,
        96,
    ),
    "resnet18": NetworkInfo(
        "ResNet-18",
        "A plain network for photographs, 11 million weights; a well-known reference." + _SCRATCH,
        partial(_torchvision, "resnet18"),
        1e-3,
        96,
    ),
}
TITLES = tuple(info.title for info in NETWORKS.values())


def build(name: str, num_classes: int) -> nn.Module:
    """A network of the list with fresh weights.

    Args:
        name: A key of ``NETWORKS``.
        num_classes: 2 to ``MAX_CLASSES``.

    Raises:
        ParameterError: No such network, or too few or many classes.
    """
    if name not in NETWORKS:
        raise ParameterError(f"There is no network {name!r}; choose one of {', '.join(NETWORKS)}.")
    if not 2 <= num_classes <= MAX_CLASSES:
        raise ParameterError(
            f"A network tells 2 to {MAX_CLASSES} classes apart, not {num_classes}; "
            "add or merge classes."
        )
    return NETWORKS[name].build(num_classes)


@dataclass(frozen=True, eq=False)
class Known:
    """What a network was taught to name, as a layer on the same features as its last one.

    Attributes:
        layer: Features to a score for each name.
        exclusive: How many of the first names exclude each other, as in a softmax; each of the
            others may be true or not, as in a sigmoid.
        within: (F, F) covariance of the features among wafers of one class: what a difference
            between two wafers means even of patterns that it was not taught.
    """

    layer: nn.Linear
    exclusive: int
    within: torch.Tensor


def build_taught(name: str, num_classes: int) -> tuple[nn.Module, Known | None]:
    """A network of the list with the weights it comes with, if any, and a fresh last layer.

    Args:
        name: A key of ``NETWORKS``.
        num_classes: 2 to ``MAX_CLASSES``.

    Returns:
        The network, and what it was taught to name, if anything.

    Raises:
        ParameterError: No such network, or too few or many classes.
        ModelError: The file of weights is missing or is not the one that was shipped.
    """
    network = build(name, num_classes)
    stored = NETWORKS[name].weights
    if stored is None:
        return network, None
    tensors, names = genuine(stored), genuine(names_file(stored))
    titles = checkpoint.read_description(WEIGHTS, names_file(stored)).get("names")
    own = network.state_dict()
    try:
        outputs, inputs = names["weight"].shape
        known = nn.Linear(inputs, outputs)
        known.register_buffer("within", torch.empty(inputs, inputs))
        known.load_state_dict(names)
        exclusive = sum(not title.startswith(ALSO) for title in titles or ())
        network.load_state_dict(
            tensors | {key: value for key, value in own.items() if key.startswith("head.")}
        )
    except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as exc:
        raise ModelError(  # other names or shapes
            f"{WEIGHTS / stored}.safetensors is of another version than the program; install "
            "the program again."
        ) from exc
    return network, Known(known, exclusive, known.get_buffer("within"))


def names_file(stored: str) -> str:
    """Name of the file that holds the layer of the names, beside the weights ``stored``."""
    return f"{stored}-names"


def genuine(stored: str) -> dict[str, torch.Tensor]:
    """The tensors of a file that ships.

    Raises:
        ModelError: It is missing, damaged, or not the one that was shipped.
    """
    described = checkpoint.read_description(WEIGHTS, stored).get("sha256")
    tensors, checksum = checkpoint.read_tensors(WEIGHTS, stored)
    checkpoint.compare_checksums(WEIGHTS / f"{stored}.safetensors", checksum, described)
    return tensors
