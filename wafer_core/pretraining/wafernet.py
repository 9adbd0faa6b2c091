"""Make the weights that ship with WaferNet.

    python -m wafer_core.pretraining.wafernet --output wafernet.safetensors [--data DATA.npz]

teaches a fresh network on simulated wafers and, where a data file is given, on its real ones. It
learns several things at once, so that its features serve patterns it was never told of:

    the name of the pattern on a wafer with one at most
    which of eight patterns are there, on wafers that carry up to four or are merged from two
    how the failed dies lie, as the numbers of ``profiles``
    on simulated wafers with shapes that have no name: which lies where, and from which of many
        made-up families the wafer comes (see ``families``)

Every few minutes all of its state is stored beside the output; the same command goes on from there.
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
from wafer_core.networks.optimizer import half
from wafer_core.networks.preparation import Preparation
from wafer_core.networks.training_fingerprints import Fingerprints, seen_file
from wafer_core.networks.training_loop import Loop, LoopConfig, Progress
from wafer_core.pretraining.composites import PARTS
from wafer_core.pretraining.families import FAMILIES, KINDS
from wafer_core.pretraining.names import names_layer
from wafer_core.pretraining.profiles import PROFILE_LENGTH, profile
from wafer_core.pretraining.wafers import (
    Wafers,
    merge,
    read,
    simulated,
    split,
    with_shapes,
)
from wafer_core.simulator import PATTERNS
from wafer_core.tasks.augmentation.dihedral import transform
from wafer_core.tasks.classification.config import TrainConfig
from wafer_core.tasks.classification.train import Classifier, many_scores

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class PretrainConfig(LoopConfig):
    """Settings of one pre-training.

    Raises:
        ParameterError: A number makes no sense.
    """

    steps: int = 8000
    batch_size: int = 128
    learning_rate: float = 5e-3
    weight_decay: float = 0.05
    warm_up: float = 0.05
    network: str = "wafernet"
    simulated: int = 30_000  # different simulated wafers
    simulated_share: float = 0.3  # of a batch where there are real ones; else all but the shapes
    shapes: int = 20_000  # different wafers with shapes that have no name
    shapes_share: float = 0.25  # of a batch; 0: none
    merged_share: float = 0.3  # wafers that a second one is laid upon
    label_smoothing: float = 0.05
    parts_weight: float = 2.0  # of the loss of the eight patterns, against that of the names
    profile_weight: float = 1.0
    family_weight: float = 0.3
    place_weight: float = 3.0  # of where the shapes lie
    leave_groups_out: float = 0.05  # share of lots that judge and calibrate, and teach nothing
    without: tuple[str, ...] = ()  # patterns never shown, to measure how new ones fare

    def __post_init__(self) -> None:
        super().__post_init__()
        made = self.simulated_share + self.shapes_share
        if min(self.simulated, self.shapes) < 1:
            raise ParameterError("Pre-training needs one simulated wafer and shape at least.")
        if not 0 <= self.leave_groups_out < 1 or not 0 <= made < 1:
            raise ParameterError("Shares of lots and of simulated wafers are from 0 to below 1.")
        unknown = sorted(set(self.without) - set(PATTERNS))
        if unknown:
            raise ParameterError(f"There is no pattern “{unknown[0]}”: {', '.join(PATTERNS)}.")


class Teacher(nn.Module):
    """A network with a head for each thing that it is taught."""

    def __init__(self, name: str) -> None:
        super().__init__()
        network = registry.build(name, len(PATTERNS))
        if not isinstance(network, registry.WaferCNN):
            raise ParameterError(f"{name} is no wafer network; pre-train wafernet.")
        self.network = network
        width = network.head.in_features
        self.simulated = nn.Linear(width, len(PATTERNS))  # simulated Loc is not quite a real Loc
        self.parts = nn.Linear(width, len(PARTS))
        self.profile = nn.Linear(width, PROFILE_LENGTH)
        self.family = nn.Linear(width, FAMILIES)
        self.place = nn.Conv2d(width // 2, len(KINDS), 1)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """(N, 3, S, S) to what each head says, (N, …)."""
        maps = self.network.maps(x)
        features = self.network.dropout(self.network.summed_up(maps))
        return {
            "real": self.network.head(features),
            "simulated": self.simulated(features),
            "parts": self.parts(features),
            "profile": self.profile(features),
            "family": self.family(features),
            "place": self.place(maps),
        }


def pretrain(
    config: PretrainConfig, device: torch.device, output: Path, data: Path | Wafers | None = None
) -> Iterator[Progress]:
    """Teach, or go on where a killed run of the same settings stopped, and store at the end.

    Args:
        config: Settings.
        device: Where to compute.
        output: ``NAME.safetensors``; ``NAME.json``, ``NAME-names.*``, ``NAME-seen.*`` and,
            meanwhile, ``NAME.partial.*`` lie beside.
        data: Real wafers with labels and groups; None: simulated ones only.

    Yields:
        Progress every few minutes and at the end; ``score`` is the macro-F1 on lots left out, or on
        simulated wafers where there are no real ones.

    Raises:
        WaferError: A file cannot be read or written.
    """
    torch.manual_seed(config.seed)
    preparation = Preparation(registry.NETWORKS[config.network].size)
    teacher = Teacher(config.network).to(device).to(memory_format=memory_format)
    loop = Loop(config, teacher, output)
    average = loop.average.network
    kept, judge = None, None
    if data is not None:
        real = data if isinstance(data, Wafers) else read(data, preparation)
        kept, judge = split(real, config.leave_groups_out, config.seed, config.without)
        log.info("Real wafers: %d teach, %d judge", len(kept), len(judge))
    else:
        judge = simulated(min(2000, config.simulated), config.seed + 1, preparation).single()
    lesson = Lesson(config, preparation, kept, device, config.seed + loop.step)

    def score() -> float | None:
        scores = many_scores(average, judge.inputs, device, False)
        return evaluate(judge.label.numpy(), np.exp(log_softmax(scores)), PATTERNS).macro_f1

    yield from loop.run(lambda: lesson.loss(teacher), score)
    scores = many_scores(average, judge.inputs, device, True)
    temperature = fit_temperature(scores, judge.label.numpy())
    found = evaluate(
        judge.label.numpy(), np.exp(log_softmax(scores / temperature)), PATTERNS
    ).to_json()
    record = {
        **asdict(config), "step": loop.step, "work_minutes": loop.minutes,
        "real_wafers": len(kept or ()),
    }  # fmt: skip
    classifier = Classifier(
        average, config.network, preparation, PATTERNS, temperature, config=record,
        extra={"judged_on": "real lots left out" if kept else "simulated", "evaluation": found},
        device=device,
    )  # fmt: skip
    classifier.save(output.parent, name=output.stem)
    taught_by = kept if kept is not None else lesson.made
    heads = [loop.average.network.head, loop.average.parts]
    known = names_layer(average, heads, taught_by, config.seed)
    description = {"names": [*PATTERNS, *(f"{registry.ALSO}{part}" for part in PARTS)]}
    checkpoint.save(output.parent, known, description, registry.names_file(output.stem))
    known_wafers = Fingerprints(kept.fingerprint.numpy() if kept else np.zeros(0, np.int32))
    checkpoint.save(output.parent, known_wafers, {}, seen_file(output.stem))
    loop.forget()


class Lesson:
    """The batches that the teacher is asked about, and what its answers cost."""

    def __init__(
        self,
        config: PretrainConfig,
        preparation: Preparation,
        real: Wafers | None,
        device: torch.device,
        seed: int,
    ) -> None:
        """Make the simulated wafers.

        Args:
            config: Settings.
            preparation: Of the wafers.
            real: Those that teach; None: simulated ones only.
            device: Where to compute.
            seed: Draws the batches; a run that goes on takes another one and sees other wafers.
        """
        self._config, self._real, self._device = config, real, device
        self.made = simulated(config.simulated, config.seed, preparation, config.without)
        self._drawn = with_shapes(config.shapes, config.seed, preparation)
        self._generator = torch.Generator().manual_seed(seed)
        self._turns = TrainConfig(seed=config.seed)
        # the numbers of a profile have very different spreads
        usual = profile(self.made.inputs[:2048].float() / 255).to(device)
        self._mean, self._spread = usual.mean(0), usual.std(0) + 1e-3

    def loss(self, teacher: Teacher) -> torch.Tensor:
        """Draw a batch, and add up what the answers of all heads cost, in nats."""
        config, device, generator = self._config, self._device, self._generator
        n_shapes = round(config.batch_size * config.shapes_share)
        n_made = config.batch_size - n_shapes
        if self._real:
            n_made = round(config.batch_size * config.simulated_share)
        batch = self.made.draw(n_made, generator)
        if self._real:
            batch = self._real.draw(config.batch_size - n_shapes - n_made, generator) + batch
        is_made = torch.arange(len(batch)) >= len(batch) - n_made
        clean, inputs, label, parts = merge(batch, config.merged_share, generator)
        inputs = transform(inputs.to(device), self._turns, generator)
        if n_shapes:
            unnamed = self._drawn.draw(n_shapes, generator)
            turned = transform(unnamed.stacked().to(device), self._turns, generator)
            inputs = torch.cat([inputs, turned[:, :3]])
        with half(device):
            said = teacher(inputs.contiguous(memory_format=memory_format))
        said = {name: value.float() for name, value in said.items()}
        named = slice(0, len(batch))
        names = said["real"][named]
        if self._real:
            names = torch.where(is_made[:, None].to(device), said["simulated"][named], names)
        target = (profile(clean.to(device)) - self._mean) / self._spread
        loss = (
            F.cross_entropy(
                names, label.to(device), ignore_index=-1, label_smoothing=config.label_smoothing
            )
            + config.parts_weight
            * F.binary_cross_entropy_with_logits(said["parts"][named], parts.to(device))
            + config.profile_weight * F.smooth_l1_loss(said["profile"][named], target)
        )
        if n_shapes:
            place = said["place"][len(batch) :]
            covered = F.adaptive_max_pool2d(turned[:, 3:], list(place.shape[2:])).clamp(0, 1)
            loss = loss + config.place_weight * F.binary_cross_entropy_with_logits(place, covered)
            family = said["family"][len(batch) :]
            loss = loss + config.family_weight * F.cross_entropy(family, unnamed.family.to(device))
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
    parser.add_argument("--data", type=Path, help="wafer data file with labels and groups")
    parser.add_argument("--leave-groups-out", type=float, default=default.leave_groups_out)
    parser.add_argument("--without", nargs="*", default=[], help="patterns never shown")
    parser.add_argument("--steps", type=int, default=default.steps)
    parser.add_argument("--minutes", type=float, help="end after so many minutes of work")
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
