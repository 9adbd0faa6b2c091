"""The presets and their settings, and the networks of one: the classic DCGAN, one a class.

The published recipe: noise of 144 numbers, a dense layer to 12 × 12 × 128, dropout 0.5, two
transposed convolutions 2 × 2 up to 48 × 48; a discriminator of four strided convolutions with 64,
64, 128 and 256 channels; Adam 2e-4 with β₁ 0.5, real labels smoothed by 0.1, batches of 32
(Radford, Metz and Chintala, 2016, arXiv:1511.06434, scaled down to wafer maps).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wafer_core.device import at_most_threads, autocast, memory_format
from wafer_core.errors import InputError, ParameterError, WaferError
from wafer_core.images import Picture, to_float
from wafer_core.parameters import Parameter, check_all, check_names, check_seed
from wafer_core.tasks.generation.dcgan.network import Discriminator, Generator, init_weights

MIN_PICTURES = 2  # of one picture, a GAN learns a copy
SAMPLES = 16  # pictures of the grid that grows through the epochs
_GRIDS = 12  # how often that grid is drawn in one training
_HEARTBEAT = 1.0  # seconds; a longer epoch reports in between

PARAMETERS: dict[str, Parameter] = {
    "variety": Parameter(
        "Variety",
        "How far new wafers may be from the originals. Below 1: closer to them; above: more "
        "different, and less sure to be of the class. For the preset Default.",
        1.0, 0.25, 2.0, 0.05, main=True,
    ),
    "density": Parameter(
        "Failed dies",
        "How many dies fail, against the originals: 1 as many, 0.5 about half, 2 about twice as "
        "many. For the preset Default.",
        1.0, 0.2, 5.0, 0.05, main=True,
    ),
    "sweep": Parameter(
        "Compare levels",
        "Make some pictures at several thresholds (Classic) or densities of failed dies (Default), "
        "and say which come closest to the originals. Takes a few seconds.",
        True,
    ),
    "epochs": Parameter(
        "Epochs",
        "How often the networks see all pictures. Fewer than 100 stay noisy; beyond 150 little is "
        "gained.",
        150, 1, 5000, 10, main=True,
    ),
    "threshold": Parameter(
        "Threshold",
        "Grey value (0 to 255) from which a made die counts as failed. Lower: thicker, noisier "
        "patterns. Higher: thinner ones.",
        140, 1, 255, 5, main=True,
    ),
    "output": Parameter(
        "Output",
        "binarise: failed from the threshold on. snap: each die takes the nearest of no die, pass "
        "and fail, whatever the threshold.",
        "binarise", choices=("binarise", "snap"), main=True,
    ),
    "multiplied_to": Parameter(
        "Multiply to",
        "The pictures are first multiplied by transforms to about this many; of more pictures, "
        "this many are used.",
        400, 2, 20_000, 50,
    ),
    "size": Parameter(
        "Training size",
        "Side in pixels at which the networks work; a multiple of 4. The classic recipe is 48.",
        48, 16, 128, 4,
    ),
    "batch_size": Parameter(
        "Batch size",
        "How many pictures are looked at before each correction. Larger is faster on a GPU.",
        32, 2, 512, 1,
    ),
    "learning_rate": Parameter(
        "Learning rate",
        "Step width of both optimisers. Too large: the losses run away; too small: nothing comes.",
        2e-4, 1e-6, 0.1, 1e-5,
    ),
    "label_smoothing": Parameter(
        "Label smoothing",
        "Real pictures are called real by 1 minus this, so that the discriminator stays unsure.",
        0.1, 0.0, 0.4, 0.05,
    ),
    "dropout": Parameter(
        "Dropout", "Share of the dense layer switched off at random in training.", 0.5, 0.0, 0.9
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Preset:
    """A way to make pictures of a class.

    Attributes:
        title: For the select box.
        help: When to take it, in words for an engineer.
        settings: The names of ``PARAMETERS`` that it reads.
    """

    title: str
    help: str
    settings: tuple[str, ...]


_OF_DEFAULT = ("variety", "density", "sweep")
_OF_CLASSIC = tuple(name for name in PARAMETERS if name not in ("variety", "density"))
# What is done is written down in ``generate.RECIPES``, under the same keys.
PRESETS: dict[str, Preset] = {
    "default": Preset(
        "Default",
        "Draws dies with a network that has seen thousands of wafers: seconds a class, from two "
        "originals on, no training. For wafer maps of any pattern.",
        _OF_DEFAULT,
    ),
    "classic": Preset(
        "Classic DCGAN",
        "The published recipe: one small GAN a class at 48 × 48, 100 to 150 epochs. Minutes a "
        "class on a processor; for comparison, and for pictures that are no wafer maps.",
        _OF_CLASSIC,
    ),
}
_PRESET = Parameter("Preset", "How pictures are made.", "default", choices=tuple(PRESETS))


@dataclass(frozen=True)
class GanConfig:
    """The settings of ``PARAMETERS``; a preset reads those that it lists.

    Raises:
        ParameterError: A value out of range, not a number, or of another type.
    """

    preset: str = "default"  # a key of PRESETS; nearly as good as real, in seconds, on most classes
    variety: float = 1.0  # the spread that came out best, see benchmarks.quality.generation
    density: float = 1.0  # as many failed dies as the originals have
    sweep: bool = True  # the right threshold differs from class to class
    epochs: int = 150
    threshold: int = 140  # half-way between a passed die and a cell with a quarter failed
    output: str = "binarise"
    multiplied_to: int = 400
    size: int = 48
    batch_size: int = 32
    learning_rate: float = 2e-4
    label_smoothing: float = 0.1
    dropout: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        _PRESET.check("preset", self.preset)
        check_all(self, PARAMETERS)
        object.__setattr__(self, "seed", check_seed(self.seed))
        if self.size % 4:
            raise ParameterError(f"size is {self.size}; give a multiple of 4 from 16 to 128.")

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, object]) -> GanConfig:
        """Config from (some of) its settings.

        Raises:
            ParameterError: An unknown setting or a value that cannot be used.
        """
        check_names(values, ("preset", *PARAMETERS, "seed"))
        return cls(**cast(dict[str, Any], dict(values)))


@dataclass(frozen=True)
class GanProgress:
    """A sign of life within a long epoch."""

    epoch: int  # from 1
    epochs: int
    fraction: float  # of the whole training, 0 to 1


@dataclass(frozen=True)
class GanEpoch:
    """What one epoch brought."""

    epoch: int  # from 1
    epochs: int
    d_loss: float  # mean of real and fake binary cross-entropy; about 0.7: cannot tell them apart
    g_loss: float  # binary cross-entropy; lower: the discriminator is fooled more often
    seconds: float
    samples: npt.NDArray[np.uint8] | None  # (16, size, size), same noise each time; None: no grid
    network_bytes: int = field(compare=False)  # of the generator's weights
    # The live network: it goes on learning when the next epoch is asked for.
    sample: Callable[[int, int], npt.NDArray[np.uint8]] = field(repr=False, compare=False)

    @property
    def fraction(self) -> float:
        """Share of the whole training that is done."""
        return self.epoch / self.epochs


GanEvent = GanProgress | GanEpoch


def train_gan(
    pictures: Sequence[Picture], config: GanConfig, device: torch.device
) -> Iterator[GanEvent]:
    """Train the two networks; close the iterator to stop between two batches.

    Yields:
        One ``GanEpoch`` an epoch, and ``GanProgress`` about every second in between. The last
        epoch's ``sample(count, seed)`` makes pictures, uint8 (count, size, size).

    Raises:
        InputError: Fewer than two pictures.
        WaferError: The losses are no longer numbers.
    """
    if len(pictures) < MIN_PICTURES:
        have = "one picture" if pictures else "no picture"
        raise InputError(
            f"There is {have} to learn from, and a GAN needs at least {MIN_PICTURES} different "
            "ones; add pictures or multiply this class by transforms instead."
        )
    return _train(pictures, config, device)


def _train(
    pictures: Sequence[Picture], config: GanConfig, device: torch.device
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
    optimise_g, optimise_d = (
        torch.optim.Adam(net.parameters(), config.learning_rate, betas=(0.5, 0.999), fused=True)
        for net in (G, D)
    )
    shown = _noise(SAMPLES, torch.Generator().manual_seed(config.seed + 1), device)
    grids = {round(x) for x in np.geomspace(1, config.epochs, _GRIDS)} | {1, config.epochs}
    starts = range(0, len(real), config.batch_size)
    weights = sum(p.numel() * p.element_size() for p in G.parameters())
    beat = time.perf_counter()
    for epoch in range(1, config.epochs + 1):
        begun = time.perf_counter()
        losses = torch.zeros(2, device=device)
        shuffled = torch.randperm(len(real), generator=order).to(device)
        for step, start in enumerate(starts):
            x = real[shuffled[start : start + config.batch_size]]
            if len(x) == 1:  # batch normalisation needs two
                x = x.repeat(2, 1, 1, 1)
            # The networks are so small that threads mostly wait for each other: on two busy cores,
            # two took ten times as long as one. It also makes the same seed give the same wafers
            # on machines of any size.
            with at_most_threads(1):
                losses += _step(G, D, optimise_g, optimise_d, x, config, random)
            if time.perf_counter() - beat > _HEARTBEAT:
                beat = time.perf_counter()
                done = (epoch - 1 + (step + 1) / len(starts)) / config.epochs
                yield GanProgress(epoch, config.epochs, done)
        d_loss, g_loss = (losses / len(starts)).tolist()
        if not (math.isfinite(d_loss) and math.isfinite(g_loss)):
            raise WaferError(
                f"Training of the GAN ran away in epoch {epoch} (a loss is no number any more); "
                f"lower the learning rate of {config.learning_rate:g} and start again."
            )
        samples = _sample(G, shown, device) if epoch in grids else None
        seconds = time.perf_counter() - begun
        yield GanEpoch(
            epoch, config.epochs, d_loss, g_loss, seconds, samples, weights, _sampler(G, device)
        )


def _step(
    G: nn.Module,
    D: nn.Module,
    optimise_g: torch.optim.Optimizer,
    optimise_d: torch.optim.Optimizer,
    real: Tensor,
    config: GanConfig,
    random: torch.Generator,
) -> Tensor:
    """One step of D, then one of G; returns the losses (d, g), detached, on the device."""
    N, device = len(real), real.device
    z = torch.randn(N, Generator.noise, generator=random, device=device)
    with autocast(device):
        fake = G(z).contiguous(memory_format=memory_format)
        # No batch normalisation in D: both halves at once are the same and faster.
        logits_real, logits_fake = D(torch.cat([real, fake.detach()])).chunk(2)
    loss_real = F.binary_cross_entropy_with_logits(
        logits_real, torch.full_like(logits_real, 1 - config.label_smoothing)
    )
    loss_fake = F.binary_cross_entropy_with_logits(logits_fake, torch.zeros_like(logits_fake))
    d_loss = (loss_real + loss_fake) / 2
    optimise_d.zero_grad(set_to_none=True)
    d_loss.backward()  # type: ignore[no-untyped-call]
    optimise_d.step()

    D.requires_grad_(False)
    with autocast(device):
        logits = D(fake)
    g_loss = F.binary_cross_entropy_with_logits(logits, torch.ones_like(logits))
    optimise_g.zero_grad(set_to_none=True)
    g_loss.backward()  # type: ignore[no-untyped-call]
    optimise_g.step()
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
