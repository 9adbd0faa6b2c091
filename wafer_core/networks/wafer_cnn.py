"""A small residual network for wafer maps."""

from __future__ import annotations

import copy
from typing import cast

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


class _Block(nn.Module):
    """Two 3×3 convolutions with a shortcut (He et al. 2016, arXiv:1512.03385)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm1: nn.Module = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm2: nn.Module = nn.BatchNorm2d(outputs)
        nn.init.zeros_(self.norm2.weight)  # a block starts as its shortcut: more stable training
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
    """A residual network that also receives the distance of each cell from the wafer's centre.

    The position of a pattern is half of its definition (a cluster in the middle is Center, at the
    rim Edge-Loc), and a convolution alone has no position. The last feature maps are pooled by
    their mean (how much of a pattern) and their maximum (whether it occurs at all: one scratch on
    a large wafer).
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int = 3,
        widths: tuple[int, ...] = (32, 64, 96),
        blocks: tuple[int, ...] = (0, 1, 1),
        dropout: float = 0.2,
    ) -> None:
        """Build the network with random weights.

        Args:
            num_classes: Of the last layer.
            in_channels: Of the input.
            widths: Channels of each stage; every stage after the first halves the resolution.
            blocks: Residual blocks of each stage.
            dropout: Before the last layer.
        """
        super().__init__()
        # 2×2 cells become channels: much faster than a convolution with stride 2 on 4 channels.
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
        """A faster copy for prediction: batch norms are folded into their convolutions."""
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

    def feature_maps(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) in [0, 1] to (N, widths[-1], H/8, W/8)."""
        N, C, H, W = x.shape
        rows = torch.linspace(-1, 1, H, device=x.device, dtype=x.dtype)[:, None]
        columns = torch.linspace(-1, 1, W, device=x.device, dtype=x.dtype)[None, :]
        radius = F.pixel_unshuffle((rows**2 + columns**2).sqrt()[None, None], 2)
        x, kind = x.contiguous(), x.device.type
        if torch.is_autocast_enabled(kind):  # cast as the convolution would: half as much to copy
            x = x.to(torch.get_autocast_dtype(kind))
        # pixel_unshuffle and cat into channels_last, in half the time.
        pairs = x.view(N, C, H // 2, 2, W // 2, 2).permute(0, 1, 3, 5, 2, 4)
        size = (N, 4 * (C + 1), H // 2, W // 2)
        joined = torch.empty(
            size, dtype=x.dtype, device=x.device, memory_format=torch.channels_last
        )
        joined[:, : 4 * C], joined[:, 4 * C :] = pairs.reshape(N, 4 * C, H // 2, W // 2), radius
        x = F.relu_(self.stem_norm(self.stem(joined)))  # (N, widths[0], H/2, W/2)
        maps: torch.Tensor = self.blocks(x).float()
        return maps

    @staticmethod
    def pool(maps: torch.Tensor) -> torch.Tensor:
        """Mean and maximum of each map: (N, widths[-1], h, w) to (N, 2 · widths[-1])."""
        return torch.cat([maps.mean((2, 3)), maps.amax((2, 3))], 1)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) in [0, 1] to (N, 2 · widths[-1])."""
        return self.pool(self.feature_maps(x))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) in [0, 1] to logits (N, num_classes)."""
        logits: torch.Tensor = self.head(self.dropout(self.features(x)))
        return logits
