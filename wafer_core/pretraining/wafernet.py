"""Make the weights that ship with WaferNet.

    python -m wafer_core.pretraining.wafernet --output wafernet.safetensors [--data DATA.npz]

teaches a fresh network on simulated wafers and, where a data file is given, on its real ones. It
learns several things at once, so that its features serve patterns it was never told of:

    the name of the pattern on a wafer with one at most
    which of eight patterns are there, on wafers that carry up to four, simulated or merged
    how the failed dies lie, as the numbers of ``profiles``
    on simulated wafers with shapes that have no name: which lies where, and from which of many
        made-up families the wafer comes (see ``families``)

Every few minutes all of its state is stored beside the output; the same command goes on from there.
"""

from __future__ import annotations

import argparse
import copy
import logging
import math
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from wafer_core import checkpoint
from wafer_core.device import choose_device, memory_format
from wafer_core.errors import ParameterError, WaferError
from wafer_core.metrics import evaluate, fit_temperature, log_softmax
from wafer_core.preparation import Preparation
from wafer_core.pretraining.composites import PARTS
from wafer_core.pretraining.families import FAMILIES, KINDS
from wafer_core.pretraining.profiles import PROFILE_LENGTH, profile
from wafer_core.pretraining.state import resume, store
from wafer_core.pretraining.wafers import (
    Wafers,
    merge,
    read,
    simulated,
    split,
    with_shapes,
)
from wafer_core.simulator import PATTERNS
from wafer_core.tasks.classification import networks
from wafer_core.tasks.classification.classifier import Classifier, many_scores
from wafer_core.tasks.classification.optimize import half, make_optimizer, update_average
from wafer_core.tasks.classification.training import TrainConfig
from wafer_core.tasks.classification.turns import transform

_SAVE_EVERY = 180.0  # seconds of work that a killed run may lose
_EMA_DECAY = 0.998  # mean over the last five hundred steps
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PretrainConfig:
    """Settings of one pre-training.

    Raises:
        ParameterError: A number makes no sense.
    """

    network: str = "wafernet"
    steps: int = 8000
    minutes: float | None = None  # ends earlier, the learning rate coming down in time
    batch_size: int = 128
    learning_rate: float = 5e-3
    weight_decay: float = 0.05
    simulated: int = 30_000  # different simulated wafers
    simulated_share: float = 0.2  # of a batch where there are real ones; else all but the shapes
    shapes: int = 30_000  # different wafers with shapes that have no name
    shapes_share: float = 0.25  # of a batch; 0: none
    merged_share: float = 0.4  # wafers that a second one is laid upon
    label_smoothing: float = 0.05
    parts_weight: float = 2.0  # of the loss of the eight patterns, against that of the names
    profile_weight: float = 1.0
    family_weight: float = 0.3
    place_weight: float = 3.0  # of where the shapes lie
    leave_groups_out: float = 0.05  # share of lots that judge and calibrate, and teach nothing
    without: tuple[str, ...] = ()  # patterns never shown, to measure how new ones fare
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.steps, self.simulated, self.shapes) < 1 or self.batch_size < 2:
            raise ParameterError(
                f"Pre-training needs at least one step and wafer and batches of two, not "
                f"{self.steps}, {self.simulated} and {self.batch_size}."
            )
        made = self.simulated_share + self.shapes_share
        if not 0 <= self.leave_groups_out < 1 or not 0 <= made < 1:
            raise ParameterError("Shares of lots and of simulated wafers are from 0 to below 1.")
        if self.minutes is not None and not self.minutes > 0:
            raise ParameterError(f"Minutes are {self.minutes}; give a number above 0.")
        unknown = sorted(set(self.without) - set(PATTERNS))
        if unknown:
            raise ParameterError(f"There is no pattern “{unknown[0]}”: {', '.join(PATTERNS)}.")


@dataclass(frozen=True)
class PretrainResult:
    """How far it is; ``loss`` in nats, ``macro_f1`` on lots left out (None: there are none)."""

    step: int
    minutes: float
    loss: float
    macro_f1: float | None
    done: float


class Teacher(nn.Module):
    """A network with a head for each thing that it is taught."""

    def __init__(self, name: str) -> None:
        super().__init__()
        network = networks.build(name, len(PATTERNS))
        if not isinstance(network, networks.WaferCNN):
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
) -> Iterator[PretrainResult]:
    """Teach, or go on where a killed run of the same settings stopped, and store at the end.

    Args:
        config: Settings.
        device: Where to compute.
        output: ``NAME.safetensors``; ``NAME.json``, ``NAME-names.*`` and, meanwhile,
            ``NAME.partial.*`` lie beside.
        data: Real wafers with labels and groups; None: simulated ones only.

    Yields:
        A result every few minutes and at the end.

    Raises:
        WaferError: A file cannot be read or written.
    """
    generator = torch.Generator().manual_seed(config.seed)
    torch.manual_seed(config.seed)
    preparation = Preparation(networks.NETWORKS[config.network].size)
    teacher = Teacher(config.network).to(device).to(memory_format=memory_format)
    average = copy.deepcopy(teacher).eval().requires_grad_(False)
    optimizer = make_optimizer(teacher, config.learning_rate, config.weight_decay)
    partial = output.with_suffix(".partial.safetensors")
    step, minutes = resume(partial, asdict(config), teacher, average, optimizer)
    generator.manual_seed(config.seed + step)  # a run that goes on sees other wafers

    kept, judge = None, None
    if data is not None:
        real = data if isinstance(data, Wafers) else read(data, preparation)
        kept, judge = split(real, config.leave_groups_out, config.seed, config.without)
        log.info("Real wafers: %d teach, %d judge", len(kept), len(judge))
    else:
        judge = simulated(min(2000, config.simulated), config.seed + 1, preparation).single()
    made = simulated(config.simulated, config.seed, preparation, config.without)
    drawn = with_shapes(config.shapes, config.seed, preparation)
    # the numbers of a profile have very different spreads
    usual = profile(made.inputs[:2048].float() / 255).to(device)
    mean, spread = usual.mean(0), usual.std(0) + 1e-3

    forms = TrainConfig(seed=config.seed)
    total, count = 0.0, 0
    started = saved = time.perf_counter()
    done = _done(config, step, minutes)
    while done < 1:
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * _rate_factor(done)
        n_shapes = round(config.batch_size * config.shapes_share)
        n_made = config.batch_size - n_shapes
        if kept:
            n_made = round(config.batch_size * config.simulated_share)
        batch = made.draw(n_made, generator)
        if kept:
            batch = kept.draw(config.batch_size - n_shapes - n_made, generator) + batch
        is_made = torch.arange(len(batch)) >= len(batch) - n_made
        clean, inputs, label, parts = merge(batch, config.merged_share, generator)
        inputs = transform(inputs.to(device), forms, generator)
        if n_shapes:
            unnamed = drawn.draw(n_shapes, generator)
            turned = transform(unnamed.stacked().to(device), forms, generator)
            inputs = torch.cat([inputs, turned[:, :3]])
        teacher.train()
        with half(device):
            said = teacher(inputs.contiguous(memory_format=memory_format))
        said = {name: value.float() for name, value in said.items()}
        named = slice(0, len(batch))
        names = said["real"][named]
        if kept:
            is_made = is_made[:, None].to(device)
            names = torch.where(is_made, said["simulated"][named], names)
        target = (profile(clean.to(device)) - mean) / spread
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
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        step += 1
        update_average(average, teacher, min(_EMA_DECAY, step / (step + 9)))
        total, count = total + float(loss.detach()), count + 1
        now = time.perf_counter()
        done = _done(config, step, minutes + (now - started) / 60)
        if now - saved > _SAVE_EVERY or done >= 1:
            minutes, started = minutes + (now - started) / 60, now
            store(partial, asdict(config), teacher, average, optimizer, step, minutes)
            scores = many_scores(average.network, judge.inputs, device, False)
            score = evaluate(judge.label.numpy(), np.exp(log_softmax(scores)), PATTERNS).macro_f1
            yield PretrainResult(step, minutes, total / count, score, min(done, 1.0))
            total, count, saved = 0.0, 0, time.perf_counter()
            started = saved  # storing and judging are no work
    scores = many_scores(average.network, judge.inputs, device, True)
    temperature = fit_temperature(scores, judge.label.numpy())
    found = evaluate(
        judge.label.numpy(), np.exp(log_softmax(scores / temperature)), PATTERNS
    ).to_json()
    record = {
        **asdict(config), "step": step, "work_minutes": minutes, "real_wafers": len(kept or ()),
    }  # fmt: skip
    classifier = Classifier(
        average.network, config.network, preparation, PATTERNS, temperature, config=record,
        extra={"judged_on": "real lots left out" if kept else "simulated", "evaluation": found},
        device=device,
    )  # fmt: skip
    classifier.save(output.parent, name=output.stem)
    known = _names(average)
    description = {"names": [*PATTERNS, *(f"with {part}" for part in PARTS)]}
    checkpoint.save(output.parent, known, description, networks.names_file(output.stem))
    for path in (partial, partial.with_suffix(".json")):
        path.unlink(missing_ok=True)


def _names(teacher: Teacher) -> nn.Linear:
    """All that the teacher names, as one layer: what a later training may lean on."""
    heads = (teacher.network.head, teacher.parts)
    known = nn.Linear(teacher.parts.in_features, sum(head.out_features for head in heads))
    with torch.no_grad():
        known.weight.copy_(torch.cat([head.weight for head in heads]))
        known.bias.copy_(torch.cat([head.bias for head in heads]))
    return known


def _done(config: PretrainConfig, step: int, minutes: float) -> float:
    return max(step / config.steps, minutes / config.minutes if config.minutes else 0.0)


def _rate_factor(done: float) -> float:
    """Linear warm-up over a twentieth, then a cosine down to 0."""
    return min(1.0, 0.02 + done / 0.05) * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))


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
