"""Train a DCGAN on the pictures of one class.

The published method: 144 noise inputs, a dense layer to 12 × 12 × 128, dropout 0.5, two transposed
convolutions 2 × 2 up to 48 × 48; a discriminator of four strided convolutions with 64, 64, 128 and
256 channels; Adam with learning rate 2e-4 and β₁ 0.5, label smoothing 0.1, batches of 32 (Radford,
Metz and Chintala, 2016, arXiv:1511.06434, scaled down to wafer maps).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wafer_core.device import at_most_threads, autocast, memory_format
from wafer_core.errors import InputError, WaferError
from wafer_core.images import Picture, to_float
from wafer_core.messages import counted
from wafer_core.tasks.generation.config import MIN_PICTURES, GenerationConfig
from wafer_core.tasks.generation.dcgan.network import Discriminator, Generator, init_weights

SAMPLES = 16  # pictures of the sample grid
_GRIDS = 12  # epochs of a training that have a sample grid
_REPORT_SECONDS = 1.0  # longer epochs report in between


@dataclass(frozen=True)
class GanProgress:
    """Progress within a long epoch.

    Attributes:
        epoch: From 1.
        epochs: Of the training.
        fraction: Share of the training that is done, 0 to 1.
    """

    epoch: int
    epochs: int
    fraction: float


@dataclass(frozen=True)
class GanEpoch:
    """A finished epoch.

    Attributes:
        epoch: From 1.
        epochs: Of the training.
        d_loss: Mean binary cross-entropy on real and generated pictures; about 0.7 if the
            discriminator cannot distinguish them.
        g_loss: Binary cross-entropy of the generator; lower if it fools the discriminator more
            often.
        seconds: Duration.
        samples: (16, size, size), from the same noise each time; ``None`` in most epochs.
        network_bytes: Of the weights of the generator.
        sample: Generates (count, size, size) uint8 pictures from a count and a seed. It uses the
            live network, which continues to train with the next epoch.
    """

    epoch: int
    epochs: int
    d_loss: float
    g_loss: float
    seconds: float
    samples: npt.NDArray[np.uint8] | None
    network_bytes: int = field(compare=False)
    sample: Callable[[int, int], npt.NDArray[np.uint8]] = field(repr=False, compare=False)

    @property
    def fraction(self) -> float:
        """Share of the training that is done, 0 to 1."""
        return self.epoch / self.epochs


GanEvent = GanProgress | GanEpoch


def train_gan(
    pictures: Sequence[Picture], config: GenerationConfig, device: torch.device
) -> Iterator[GanEvent]:
    """Train the two networks; close the iterator to stop between two batches.

    Args:
        pictures: Two or more; they are resized to ``config.size``.
        config: Settings of the preset ``classic``.
        device: Where to compute.

    Yields:
        One ``GanEpoch`` per epoch, and ``GanProgress`` about every second in between. Generate
        pictures with ``sample`` of the last one.

    Raises:
        InputError: Fewer than two pictures.
        WaferError: The losses are not finite.
    """
    if len(pictures) < MIN_PICTURES:
        raise InputError(
            counted(
                "There is {count} training picture, and a GAN needs at least {fewest}. Add "
                "pictures or use Manual (transforms).",
                "There are {count} training pictures, and a GAN needs at least {fewest}. Add "
                "pictures or use Manual (transforms).",
                len(pictures),
                fewest=MIN_PICTURES,
            )
        )
    return _train(pictures, config, device)


def _train(
    pictures: Sequence[Picture], config: GenerationConfig, device: torch.device
) -> Iterator[GanEvent]:
    random = torch.Generator(device).manual_seed(config.seed)
    order = torch.Generator().manual_seed(config.seed)
    real = torch.from_numpy(to_float(pictures, (config.size, config.size))) * 2 - 1
    real = real.to(device, memory_format=memory_format)  # (N, 1, size, size) in [-1, 1]
    G = Generator(config.size, config.dropout, random)
    D = Discriminator(config.size, config.dropout, random)
    for net in (G, D):
        net.to(device, memory_format=memory_format)  # type: ignore[call-overload]
        init_weights(net, random)
    optimizer_g, optimizer_d = (
        torch.optim.Adam(net.parameters(), config.learning_rate, betas=(0.5, 0.999), fused=True)
        for net in (G, D)
    )
    shown = _noise(SAMPLES, torch.Generator().manual_seed(config.seed + 1), device)
    grids = {round(x) for x in np.geomspace(1, config.epochs, _GRIDS)} | {1, config.epochs}
    starts = range(0, len(real), config.batch_size)
    weights = sum(p.numel() * p.element_size() for p in G.parameters())
    reported = time.perf_counter()
    for epoch in range(1, config.epochs + 1):
        begun = time.perf_counter()
        losses = torch.zeros(2, device=device)
        shuffled = torch.randperm(len(real), generator=order).to(device)
        for step, start in enumerate(starts):
            x = real[shuffled[start : start + config.batch_size]]
            if len(x) == 1:  # batch normalisation needs two
                x = x.repeat(2, 1, 1, 1)
            # The networks are so small that threads mostly wait for each other: on two busy cores,
            # two threads took ten times as long as one. With one thread, the same seed also gives
            # the same wafers on every machine.
            with at_most_threads(1):
                losses += _step(G, D, optimizer_g, optimizer_d, x, config, random)
            if time.perf_counter() - reported > _REPORT_SECONDS:
                reported = time.perf_counter()
                done = (epoch - 1 + (step + 1) / len(starts)) / config.epochs
                yield GanProgress(epoch, config.epochs, done)
        d_loss, g_loss = (losses / len(starts)).tolist()
        if not (math.isfinite(d_loss) and math.isfinite(g_loss)):
            raise WaferError(
                "Training of the GAN diverged in epoch {epoch:,} (a loss is not finite). Reduce "
                "the learning rate of {rate:g} and start again.",
                epoch=epoch,
                rate=config.learning_rate,
            )
        samples = _sample(G, shown, device) if epoch in grids else None
        seconds = time.perf_counter() - begun
        yield GanEpoch(
            epoch, config.epochs, d_loss, g_loss, seconds, samples, weights, _sampler(G, device)
        )


def _step(
    G: nn.Module,
    D: nn.Module,
    optimizer_g: torch.optim.Optimizer,
    optimizer_d: torch.optim.Optimizer,
    real: Tensor,
    config: GenerationConfig,
    random: torch.Generator,
) -> Tensor:
    """One step of D, then one of G; returns the losses (d, g), detached, on the device."""
    N, device = len(real), real.device
    z = torch.randn(N, Generator.noise, generator=random, device=device)
    with autocast(device):
        fake = G(z).contiguous(memory_format=memory_format)
        # D has no batch normalisation, so one pass over both gives the same result, faster.
        logits_real, logits_fake = D(torch.cat([real, fake.detach()])).chunk(2)
    loss_real = F.binary_cross_entropy_with_logits(
        logits_real, torch.full_like(logits_real, 1 - config.label_smoothing)
    )
    loss_fake = F.binary_cross_entropy_with_logits(logits_fake, torch.zeros_like(logits_fake))
    d_loss = (loss_real + loss_fake) / 2
    optimizer_d.zero_grad(set_to_none=True)
    d_loss.backward()  # type: ignore[no-untyped-call]
    optimizer_d.step()

    D.requires_grad_(False)
    with autocast(device):
        logits = D(fake)
    g_loss = F.binary_cross_entropy_with_logits(logits, torch.ones_like(logits))
    optimizer_g.zero_grad(set_to_none=True)
    g_loss.backward()  # type: ignore[no-untyped-call]
    optimizer_g.step()
    D.requires_grad_(True)
    return torch.stack([d_loss.detach(), g_loss.detach()])


def _noise(count: int, random: torch.Generator, device: torch.device) -> Tensor:
    return torch.randn(count, Generator.noise, generator=random).to(device)


@torch.no_grad()
def _sample(G: nn.Module, z: Tensor, device: torch.device) -> npt.NDArray[np.uint8]:
    G.eval()
    with at_most_threads(1), autocast(device):
        x = G(z)
    G.train()
    grey: npt.NDArray[np.uint8] = ((x[:, 0] + 1) * 127.5).round().byte().cpu().numpy()
    return grey


def _sampler(G: nn.Module, device: torch.device) -> Callable[[int, int], npt.NDArray[np.uint8]]:
    def sample(count: int, seed: int) -> npt.NDArray[np.uint8]:
        z = _noise(count, torch.Generator().manual_seed(seed), device)
        return np.concatenate([_sample(G, part, device) for part in torch.split(z, 256)])

    return sample
