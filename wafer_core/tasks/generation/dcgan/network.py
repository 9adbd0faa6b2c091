"""The two networks of the DCGAN."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class SeededDropout(nn.Module):
    """Dropout with a random generator of its own.

    The caller gets control after every epoch and may use the global generator; then the same seed
    would not give the same wafers.
    """

    def __init__(self, share: float, random: torch.Generator) -> None:
        super().__init__()
        self.keep = 1.0 - share
        self.random = random

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.keep == 1.0:
            return x
        kept = torch.empty_like(x).bernoulli_(self.keep, generator=self.random)
        return x * kept / self.keep


class Generator(nn.Module):
    """Noise (N, 144) to pictures (N, 1, size, size) in [-1, 1]."""

    noise = 144

    def __init__(self, size: int, dropout: float, random: torch.Generator) -> None:
        super().__init__()
        self.side = size // 4
        self.dense = nn.Linear(self.noise, 128 * self.side**2)
        self.norm = nn.BatchNorm2d(128)
        self.dropout = SeededDropout(dropout, random)
        self.up = nn.ConvTranspose2d(128, 64, 2, stride=2, bias=False)
        self.up_norm = nn.BatchNorm2d(64)
        self.out = nn.ConvTranspose2d(64, 1, 2, stride=2)

    def forward(self, z: Tensor) -> Tensor:
        # Channels last from the start, as the convolutions need it: nothing is copied.
        x = self.dense(z).view(-1, self.side, self.side, 128).permute(0, 3, 1, 2)
        x = self.dropout(F.relu(self.norm(x)))
        x = F.relu(self.up_norm(self.up(x)))  # (N, 64, size/2, size/2)
        return torch.tanh(self.out(x).float())  # (N, 1, size, size)


class Discriminator(nn.Module):
    """Pictures (N, 1, size, size) in [-1, 1] to logits (N,); above 0 means real."""

    def __init__(self, size: int, dropout: float, random: torch.Generator) -> None:
        super().__init__()
        channels = (1, 64, 64, 128, 256)
        layers: list[nn.Module] = []
        for before, after in pairwise(channels):
            layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.LeakyReLU(0.2)]
        self.features = nn.Sequential(*layers)
        self.dropout = SeededDropout(dropout, random)
        self.out = nn.Linear(256 * math.ceil(size / 16) ** 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x).flatten(1)  # (N, 256 · (size/16)²)
        logits: Tensor = self.out(self.dropout(x)).float().squeeze(1)
        return logits


def init_weights(net: nn.Module, random: torch.Generator) -> None:
    """Initialise weights from N(0, 0.02), as in the DCGAN paper, and biases with 0."""
    for module in net.modules():
        if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, 0.0, 0.02, generator=random)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
