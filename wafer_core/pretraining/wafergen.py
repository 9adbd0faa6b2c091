"""Make the generator that ships.

    python -m wafer_core.pretraining.wafergen --output wafergen.safetensors [--data DATA.npz]

teaches a fresh network on simulated wafers and, where a data file is given, on its real ones. A
random share of the dies of each wafer is hidden; from the others and from the density of failed
dies, blurred at random, the network must say which of the hidden ones failed.

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
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from wafer_core import checkpoint
from wafer_core.device import choose_device, memory_format
from wafer_core.errors import InputError, ParameterError, WaferError
from wafer_core.pretraining.dies import Batch, Batches, Shelf, lots_left_out, read, simulated
from wafer_core.pretraining.state import resume, store
from wafer_core.tasks.classification.optimize import half, make_optimizer, update_average
from wafer_core.tasks.generation.wafergen.network import BLURS, FAILED, HIDDEN, WaferGen, blur

_SAVE_EVERY = 120.0  # seconds of work that a killed run may lose
_EMA_DECAY = 0.998  # mean over the last five hundred steps
_CLIP = 1.0  # of the length of a gradient: one odd batch does no harm
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PretrainConfig:
    """Settings of one pre-training.

    Raises:
        ParameterError: A number makes no sense.
    """

    steps: int = 20_000
    minutes: float | None = None  # ends earlier, the learning rate coming down in time
    batch_size: int = 64  # on canvases of 32 × 32; larger ones make smaller batches
    learning_rate: float = 2e-3
    weight_decay: float = 0.01
    simulated: int = 6_000  # different simulated wafers
    simulated_share: float = 0.2  # of the batches where there are real ones; else all of them
    leave_groups_out: float = 0.05  # share of lots that judge, and teach nothing
    seed: int = 0
    start: str | None = None  # SHA-256 of the weights that it began with; None: fresh ones

    def __post_init__(self) -> None:
        if min(self.steps, self.simulated) < 1 or self.batch_size < 2:
            raise ParameterError(
                f"Pre-training needs at least one step and wafer and batches of two, not "
                f"{self.steps}, {self.simulated} and {self.batch_size}."
            )
        if not 0 <= self.leave_groups_out < 1 or not 0 <= self.simulated_share < 1:
            raise ParameterError("Shares of lots and of simulated wafers are from 0 to below 1.")
        if self.minutes is not None and not self.minutes > 0:
            raise ParameterError(f"Minutes are {self.minutes}; give a number above 0.")


@dataclass(frozen=True)
class PretrainResult:
    """How far it is; ``loss`` in nats a hidden die, ``judged`` the same on wafers left out."""

    step: int
    minutes: float
    loss: float
    judged: float
    done: float


def loss_of(network: WaferGen, batch: Batch, random: torch.Generator) -> Tensor:
    """Mean nats a hidden die.

    The bound of masked diffusion: a uniform share of the dies is hidden, and what is asked of the
    hidden ones is averaged over them.
    """
    device = next(network.parameters()).device
    low, high = (math.log(limit) for limit in BLURS)
    blurred = (low + (high - low) * torch.rand(len(batch.canvas), generator=random)).exp()
    cells, hidden, blurred = (x.to(device) for x in (batch.cells, batch.hide, blurred))
    density = blur(cells[:, 1], cells[:, 0], blurred)
    shown = torch.where(batch.hide, HIDDEN, batch.canvas).to(device)
    with half(device):
        logits = network(density, blurred, shown, batch.sizes.to(device))
    failed = (batch.canvas == FAILED).to(device, torch.float32)
    each = F.binary_cross_entropy_with_logits(logits, failed, reduction="none") * hidden
    return (each.sum((1, 2)) / hidden.sum((1, 2)).clamp_min(1)).mean()


def pretrain(
    config: PretrainConfig,
    device: torch.device,
    output: Path,
    data: Path | Shelf | None = None,
    start: Path | None = None,
) -> Iterator[PretrainResult]:
    """Teach, or go on where a killed run of the same settings stopped, and store at the end.

    Args:
        config: Settings.
        device: Where to compute.
        output: ``NAME.safetensors``; ``NAME.json`` and, meanwhile, ``NAME.partial.*`` lie beside.
        data: Real wafers with lots; None: simulated ones only.
        start: ``NAME.safetensors`` of an earlier run to begin with; None: fresh weights.

    Yields:
        A result every few minutes and at the end.

    Raises:
        WaferError: A file cannot be read or written.
    """
    torch.manual_seed(config.seed)
    network = WaferGen()
    if start is not None:
        checkpoint.load_weights(start.parent, network, start.stem)
        _, checksum = checkpoint.read_tensors(start.parent, start.stem)
        config = replace(config, start=checksum)
    network = network.to(device).to(memory_format=memory_format)  # type: ignore[call-overload]
    average = copy.deepcopy(network).eval().requires_grad_(False)
    optimizer = make_optimizer(network, config.learning_rate, config.weight_decay)
    partial = output.with_suffix(".partial.safetensors")
    step, minutes = resume(partial, asdict(config), network, average, optimizer)
    seed = config.seed + step  # a run that goes on sees other wafers
    random = torch.Generator().manual_seed(seed)
    choose = np.random.default_rng(seed)
    made = simulated(config.simulated, config.seed)
    sources = [Batches(made, config.batch_size, seed)]
    judge = made
    teach = 0
    if data is not None:
        real = data if isinstance(data, Shelf) else read(data)
        out = lots_left_out(real.group, config.leave_groups_out, config.seed)
        if out.all() or not out.any():
            raise InputError(
                f"{(~out).sum()} wafers would teach and {out.sum()} judge; leave out another "
                "share of lots or give a larger file."
            )
        judge = real.take(np.flatnonzero(out))
        kept = real.take(np.flatnonzero(~out))
        teach = len(kept)
        sources.append(Batches(kept, config.batch_size, seed))
        log.info("Real wafers: %d teach, %d judge", teach, len(judge))
    total, count, judged = 0.0, 0, math.nan
    started = saved = time.perf_counter()
    done = _done(config, step, minutes)
    while done < 1:
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * _rate_factor(done)
        source = sources[0 if choose.random() < config.simulated_share else -1]
        network.train()
        loss = loss_of(network, source.draw(), random)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), _CLIP)
        optimizer.step()
        step += 1
        update_average(average, network, min(_EMA_DECAY, step / (step + 9)))
        total, count = total + float(loss.detach()), count + 1
        now = time.perf_counter()
        done = _done(config, step, minutes + (now - started) / 60)
        if now - saved > _SAVE_EVERY or done >= 1:
            minutes, started = minutes + (now - started) / 60, now
            store(partial, asdict(config), network, average, optimizer, step, minutes)
            judged = _judge(average, judge, config)
            yield PretrainResult(step, minutes, total / count, judged, min(done, 1.0))
            total, count, saved = 0.0, 0, time.perf_counter()
            started = saved  # storing and judging are no work
    description = {
        "network": "wafergen",
        "config": {
            **asdict(config), "step": step, "work_minutes": minutes, "real_wafers": teach,
        },
        "judged_on": "real lots left out" if teach else "simulated",
        "nats_a_hidden_die": judged,
    }  # fmt: skip
    checkpoint.save(output.parent, average, description, output.stem)
    for path in (partial, partial.with_suffix(".json")):
        path.unlink(missing_ok=True)


@torch.inference_mode()
def _judge(network: WaferGen, wafers: Shelf, config: PretrainConfig, rounds: int = 12) -> float:
    """Mean nats a hidden die over a few batches, always the same ones."""
    batches = Batches(wafers, config.batch_size, config.seed)
    random = torch.Generator().manual_seed(config.seed)
    return float(np.mean([loss_of(network, batches.draw(), random).item() for _ in range(rounds)]))


def _done(config: PretrainConfig, step: int, minutes: float) -> float:
    return max(step / config.steps, minutes / config.minutes if config.minutes else 0.0)


def _rate_factor(done: float) -> float:
    """Linear warm-up over a fiftieth, then a cosine down to 0."""
    return min(1.0, 0.05 + done / 0.02) * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m wafer_core.pretraining.wafergen",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    default = PretrainConfig()
    parser.add_argument("--output", type=Path, required=True, help="NAME.safetensors to write")
    parser.add_argument("--data", type=Path, help="wafer data file with lots")
    parser.add_argument("--leave-groups-out", type=float, default=default.leave_groups_out)
    parser.add_argument("--steps", type=int, default=default.steps)
    parser.add_argument("--minutes", type=float, help="end after so many minutes of work")
    parser.add_argument("--learning-rate", type=float, default=default.learning_rate)
    parser.add_argument("--start", type=Path, help="weights of an earlier run to begin with")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        config = PretrainConfig(
            steps=given.steps, minutes=given.minutes, leave_groups_out=given.leave_groups_out,
            learning_rate=given.learning_rate, seed=given.seed,
        )  # fmt: skip
        device = choose_device(given.device)
        for result in pretrain(config, device, given.output, given.data, given.start):
            log.info(
                "%3.0f %%  step %d, %.1f min: %.4f nats a hidden die, judged %.4f",
                100 * result.done, result.step, result.minutes, result.loss, result.judged,
            )  # fmt: skip
    except WaferError as exc:
        sys.stderr.write(f"{exc}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
