"""Pretrain the weights that ship with WaferNet.

    python -m wafer_core.pretraining.wafernet --output wafernet.safetensors [--data DATA.npz]

trains a network on simulated wafers and, if a data file is given, on its real ones. It is trained
on several tasks at once, so that its features suit patterns that were not in the pretraining:

    the pattern of a wafer that has at most one
    which of eight patterns are present, on wafers that have up to four or are overlays of two
    how the failed dies are distributed, as the statistics of ``profiles``
    on simulated wafers with unnamed shapes: where each shape is, and which of many artificial
        families the wafer belongs to (see ``families``)

Every few minutes the state is stored beside the output; the same command resumes from there.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from wafer_core.device import choose_device, memory_format
from wafer_core.errors import ParameterError, WaferError
from wafer_core.metrics import evaluate, fit_temperature, log_softmax
from wafer_core.networks import checkpoint, registry
from wafer_core.networks.optimizer import mixed_precision
from wafer_core.networks.preparation import Preparation
from wafer_core.networks.training_fingerprints import Fingerprints, fingerprints_file
from wafer_core.networks.training_loop import Loop, LoopConfig, LoopReport
from wafer_core.networks.wafer_cnn import WaferCNN
from wafer_core.pretraining.composites import PARTS
from wafer_core.pretraining.families import FAMILIES, KINDS
from wafer_core.pretraining.pretrained_head import pretrained_head
from wafer_core.pretraining.profiles import PROFILE_LENGTH, profile
from wafer_core.pretraining.wafers import (
    Wafers,
    overlay,
    read,
    simulated,
    split,
    with_shapes,
)
from wafer_core.simulator import PATTERNS
from wafer_core.tasks.augmentation.dihedral import transform
from wafer_core.tasks.classification.classifier import Classifier, predict_log_proba
from wafer_core.tasks.classification.config import TrainConfig

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class PretrainConfig(LoopConfig):
    """Settings of one pretraining.

    Raises:
        ParameterError: A number is out of range.
    """

    steps: int = 8000
    batch_size: int = 128
    learning_rate: float = 5e-3
    weight_decay: float = 0.05
    warm_up: float = 0.05
    network: str = "wafernet"
    simulated: int = 30_000  # distinct simulated wafers
    simulated_share: float = 0.3  # of a batch, if there are real wafers; else all but the shapes
    shapes: int = 20_000  # distinct wafers with unnamed shapes
    shapes_share: float = 0.25  # of a batch; 0: none
    overlay_share: float = 0.3  # of wafers that are overlaid with a second one
    label_smoothing: float = 0.05
    parts_weight: float = 2.0  # of the loss of the eight patterns, relative to that of the labels
    profile_weight: float = 1.0
    family_weight: float = 0.3
    position_weight: float = 3.0  # of the loss of the positions of shapes
    leave_groups_out: float = 0.05  # share of lots used for validation and calibration only
    without: tuple[str, ...] = ()  # patterns left out, to measure the accuracy on new ones

    def __post_init__(self) -> None:
        super().__post_init__()
        synthetic = self.simulated_share + self.shapes_share
        if min(self.simulated, self.shapes) < 1:
            raise ParameterError("Pretraining needs at least one simulated wafer and one shape.")
        if not 0 <= self.leave_groups_out < 1 or not 0 <= synthetic < 1:
            raise ParameterError(
                "Shares of lots and of simulated wafers must be from 0 to below 1."
            )
        unknown = sorted(set(self.without) - set(PATTERNS))
        if unknown:
            raise ParameterError(
                "There is no pattern “{name}”; choose from {names}.",
                name=unknown[0],
                names=", ".join(PATTERNS),
            )


class MultiTaskNetwork(nn.Module):
    """A network with a head for each task."""

    def __init__(self, name: str) -> None:
        """Build it with random weights.

        Args:
            name: A key of ``registry.NETWORKS`` that is a ``WaferCNN``.

        Raises:
            ParameterError: It is another network.
        """
        super().__init__()
        network = registry.build(name, len(PATTERNS))
        if not isinstance(network, WaferCNN):
            raise ParameterError("{name} is not a network for wafer maps; use wafernet.", name=name)
        self.network = network
        width = network.head.in_features
        self.simulated = nn.Linear(width, len(PATTERNS))  # a simulated Loc differs from a real one
        self.parts = nn.Linear(width, len(PARTS))
        self.profile = nn.Linear(width, PROFILE_LENGTH)
        self.family = nn.Linear(width, FAMILIES)
        self.position = nn.Conv2d(width // 2, len(KINDS), 1)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """(N, 3, S, S) to the output of each head, (N, …)."""
        maps = self.network.feature_maps(x)
        features = self.network.dropout(self.network.pool(maps))
        return {
            "real": self.network.head(features),
            "simulated": self.simulated(features),
            "parts": self.parts(features),
            "profile": self.profile(features),
            "family": self.family(features),
            "position": self.position(maps),
        }


def pretrain(
    config: PretrainConfig, device: torch.device, output: Path, data: Path | Wafers | None = None
) -> Iterator[LoopReport]:
    """Train, or resume a killed run with the same settings, and store the result.

    Args:
        config: Settings.
        device: Where to compute.
        output: ``NAME.safetensors``; ``NAME.json``, ``NAME-names.*``, ``NAME-seen.*`` and,
            meanwhile, ``NAME.partial.*`` are stored beside it.
        data: Real wafers with labels and lots; None: simulated ones only.

    Yields:
        A report every few minutes and at the end; ``score`` is the macro-F1 on lots left out, or on
        simulated wafers if there are no real ones.

    Raises:
        WaferError: A file cannot be read or written.
    """
    torch.manual_seed(config.seed)
    preparation = Preparation(registry.NETWORKS[config.network].size)
    network = MultiTaskNetwork(config.network).to(device).to(memory_format=memory_format)
    loop = Loop(config, network, output)
    average = loop.average.network
    real = None
    if data is not None:
        wafers = data if isinstance(data, Wafers) else read(data, preparation)
        real, validation = split(wafers, config.leave_groups_out, config.seed, config.without)
        log.info("Real wafers: %d training, %d validation", len(real), len(validation))
    else:
        validation = simulated(min(2000, config.simulated), config.seed + 1, preparation).single()
    batches = Batches(config, preparation, real, device, config.seed + loop.step)
    labels = validation.label.numpy()

    def score() -> float | None:
        logs = predict_log_proba(average, validation.inputs, device, False)
        return evaluate(labels, np.exp(logs), PATTERNS).macro_f1

    yield from loop.run(lambda: batches.loss(network), score)
    logs = predict_log_proba(average, validation.inputs, device, True)
    temperature = fit_temperature(logs, labels)
    evaluation = evaluate(labels, np.exp(log_softmax(logs / temperature)), PATTERNS).to_json()
    record = {
        **asdict(config), "step": loop.step, "work_minutes": loop.minutes,
        "real_wafers": len(real or ()),
    }  # fmt: skip
    judged_on = "real lots left out" if real else "simulated"
    classifier = Classifier(
        average, config.network, preparation, PATTERNS, temperature, config=record,
        extra={"judged_on": judged_on, "evaluation": evaluation}, device=device,
    )  # fmt: skip
    classifier.save(output.parent, name=output.stem)
    layers = [loop.average.network.head, loop.average.parts]
    head = pretrained_head(average, layers, real or batches.simulated, config.seed)
    description = {
        "names": [*PATTERNS, *(f"{registry.MULTI_LABEL_PREFIX}{part}" for part in PARTS)]
    }
    checkpoint.save(output.parent, head, description, registry.pretrained_head_file(output.stem))
    fingerprints = Fingerprints(real.fingerprint.numpy() if real else np.zeros(0, np.int32))
    checkpoint.save(output.parent, fingerprints, {}, fingerprints_file(output.stem))
    loop.delete_state()


class Batches:
    """Training batches and their loss.

    Attributes:
        simulated: The simulated wafers.
    """

    def __init__(
        self,
        config: PretrainConfig,
        preparation: Preparation,
        real: Wafers | None,
        device: torch.device,
        seed: int,
    ) -> None:
        """Simulate wafers.

        Args:
            config: Settings.
            preparation: Of the wafers.
            real: Real training wafers; None: simulated ones only.
            device: Where to compute.
            seed: Of the batches; a resumed run uses another one and draws other wafers.
        """
        self._config, self._real, self._device = config, real, device
        self.simulated = simulated(config.simulated, config.seed, preparation, config.without)
        self._shapes = with_shapes(config.shapes, config.seed, preparation)
        self._generator = torch.Generator().manual_seed(seed)
        self._augmentation = TrainConfig()
        # The statistics of a profile have very different scales.
        profiles = profile(self.simulated.inputs[:2048].float() / 255).to(device)
        self._mean, self._std = profiles.mean(0), profiles.std(0) + 1e-3

    def loss(self, network: MultiTaskNetwork) -> torch.Tensor:
        """Draw a batch and return the weighted sum of the losses of all heads, in nats."""
        config, device, generator = self._config, self._device, self._generator
        n_shapes = round(config.batch_size * config.shapes_share)
        n_simulated = config.batch_size - n_shapes
        if self._real:
            n_simulated = round(config.batch_size * config.simulated_share)
        batch = self.simulated.draw(n_simulated, generator)
        if self._real:
            n_real = config.batch_size - n_shapes - n_simulated
            batch = self._real.draw(n_real, generator) + batch
        is_simulated = torch.arange(len(batch)) >= len(batch) - n_simulated
        clean, inputs, label, parts = overlay(batch, config.overlay_share, generator)
        inputs = transform(inputs.to(device), self._augmentation, generator)
        if n_shapes:
            shapes = self._shapes.draw(n_shapes, generator)
            stacked = transform(shapes.stacked().to(device), self._augmentation, generator)
            inputs = torch.cat([inputs, stacked[:, :3]])
        with mixed_precision(device):
            outputs = network(inputs.contiguous(memory_format=memory_format))
        outputs = {name: value.float() for name, value in outputs.items()}
        labelled = slice(0, len(batch))
        logits = outputs["real"][labelled]
        if self._real:
            logits = torch.where(
                is_simulated[:, None].to(device), outputs["simulated"][labelled], logits
            )
        target = (profile(clean.to(device)) - self._mean) / self._std
        loss = (
            F.cross_entropy(
                logits, label.to(device), ignore_index=-1, label_smoothing=config.label_smoothing
            )
            + config.parts_weight
            * F.binary_cross_entropy_with_logits(outputs["parts"][labelled], parts.to(device))
            + config.profile_weight * F.smooth_l1_loss(outputs["profile"][labelled], target)
        )
        if n_shapes:
            position = outputs["position"][len(batch) :]
            covered = F.adaptive_max_pool2d(stacked[:, 3:], list(position.shape[2:])).clamp(0, 1)
            loss = loss + config.position_weight * F.binary_cross_entropy_with_logits(
                position, covered
            )
            family = outputs["family"][len(batch) :]
            loss = loss + config.family_weight * F.cross_entropy(family, shapes.family.to(device))
        return loss


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m wafer_core.pretraining.wafernet",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    default = PretrainConfig()
    parser.add_argument("--output", type=Path, required=True, help="NAME.safetensors to write")
    parser.add_argument("--data", type=Path, help="wafer data file with labels and lots")
    parser.add_argument("--leave-groups-out", type=float, default=default.leave_groups_out)
    parser.add_argument("--without", nargs="*", default=[], help="patterns left out")
    parser.add_argument("--steps", type=int, default=default.steps)
    parser.add_argument("--minutes", type=float, help="stop after this many minutes of work")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        config = PretrainConfig(
            steps=given.steps, minutes=given.minutes, leave_groups_out=given.leave_groups_out,
            without=tuple(given.without), seed=given.seed,
        )  # fmt: skip
        for result in pretrain(config, choose_device(given.device), given.output, given.data):
            log.info("%s", result)
    except WaferError as exc:
        log.error("%s", exc)
        return 2
    log.info("Written: %s", given.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
