"""Pretrain the generator that ships.

    python -m wafer_core.pretraining.wafergen --output wafergen.safetensors [--data DATA.npz]

trains a network on simulated wafers and, if a data file is given, on its real ones. A random share
of the dies of each wafer is masked; from the others and from the randomly blurred density of failed
dies the network predicts which of the masked dies failed.

Every few minutes the state is stored beside the output; the same command resumes from there.
"""

from __future__ import annotations

import argparse
import logging
import math
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from wafer_core.device import choose_device, memory_format
from wafer_core.errors import InputError, ParameterError, WaferError
from wafer_core.networks import checkpoint
from wafer_core.networks.optimizer import mixed_precision
from wafer_core.networks.training_loop import Loop, LoopConfig, LoopReport
from wafer_core.pretraining.dies import Batch, Batches, DieSet, lots_left_out, read, simulated
from wafer_core.tasks.generation.diffusion.network import (
    BLURS,
    FAILED,
    HIDDEN,
    MaskedDiffusion,
    blur,
)

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class PretrainConfig(LoopConfig):
    """Settings of one pretraining.

    Raises:
        ParameterError: A number is out of range.
    """

    steps: int = 20_000
    batch_size: int = 64  # with canvases of 32 × 32; smaller batches with larger ones
    learning_rate: float = 2e-3
    weight_decay: float = 0.01
    warm_up: float = 0.02
    max_gradient_norm: float | None = 1.0
    simulated: int = 6_000  # distinct simulated wafers
    simulated_share: float = 0.2  # of the batches, if there are real wafers; else all of them
    leave_groups_out: float = 0.05  # share of lots used for validation only
    start: str | None = None  # SHA-256 of the initial weights; None: random ones

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.simulated < 1:
            raise ParameterError("Pretraining needs at least one simulated wafer.")
        if not 0 <= self.leave_groups_out < 1 or not 0 <= self.simulated_share < 1:
            raise ParameterError(
                "Shares of lots and of simulated wafers must be from 0 to below 1."
            )


def loss_of(network: MaskedDiffusion, batch: Batch, random: torch.Generator) -> Tensor:
    """Mean cross-entropy per masked die, in nats.

    The bound of masked diffusion: a uniformly distributed share of the dies is masked, and the loss
    is averaged over the masked ones.
    """
    device = next(network.parameters()).device
    low, high = (math.log(limit) for limit in BLURS)
    blurred = (low + (high - low) * torch.rand(len(batch.canvas), generator=random)).exp()
    cells, masked, blurred = (x.to(device) for x in (batch.cells, batch.masked, blurred))
    density = blur(cells[:, 1], cells[:, 0], blurred)
    canvas = torch.where(batch.masked, HIDDEN, batch.canvas).to(device)
    with mixed_precision(device):
        logits = network(density, blurred, canvas, batch.sizes.to(device))
    failed = (batch.canvas == FAILED).to(device, torch.float32)
    losses = F.binary_cross_entropy_with_logits(logits, failed, reduction="none") * masked
    return (losses.sum((1, 2)) / masked.sum((1, 2)).clamp_min(1)).mean()


def pretrain(
    config: PretrainConfig,
    device: torch.device,
    output: Path,
    data: Path | DieSet | None = None,
    start: Path | None = None,
) -> Iterator[LoopReport]:
    """Train, or resume a killed run with the same settings, and store the result.

    Args:
        config: Settings.
        device: Where to compute.
        output: ``NAME.safetensors``; ``NAME.json`` and, meanwhile, ``NAME.partial.*`` are stored
            beside it.
        data: Real wafers with lots; None: simulated ones only.
        start: ``NAME.safetensors`` of an earlier run to start from; None: random weights.

    Yields:
        A report every few minutes and at the end; ``loss`` and ``score`` are nats per masked die,
        ``score`` on validation wafers.

    Raises:
        WaferError: A file cannot be read or written.
    """
    torch.manual_seed(config.seed)
    network = MaskedDiffusion()
    if start is not None:
        checkpoint.load_weights(start.parent, network, start.stem)
        _, checksum = checkpoint.read_tensors(start.parent, start.stem)
        config = replace(config, start=checksum)
    network = network.to(device).to(memory_format=memory_format)  # type: ignore[call-overload]
    loop = Loop(config, network, output)
    seed = config.seed + loop.step  # a resumed run draws other wafers
    random = torch.Generator().manual_seed(seed)
    rng = np.random.default_rng(seed)
    synthetic = simulated(config.simulated, config.seed)
    sources = [Batches(synthetic, config.batch_size, seed)]
    validation = synthetic
    real_count = 0
    if data is not None:
        real = data if isinstance(data, DieSet) else read(data)
        out = lots_left_out(real.group, config.leave_groups_out, config.seed)
        if out.all() or not out.any():
            raise InputError(
                "{training} wafers would be used for training and {validation} for validation; "
                "leave out another share of lots or give a larger file.",
                training=int((~out).sum()),
                validation=int(out.sum()),
            )
        validation = real.take(np.flatnonzero(out))
        kept = real.take(np.flatnonzero(~out))
        real_count = len(kept)
        sources.append(Batches(kept, config.batch_size, seed))
        log.info("Real wafers: %d training, %d validation", real_count, len(validation))

    def loss() -> Tensor:
        source = sources[0 if rng.random() < config.simulated_share else -1]
        return loss_of(network, source.draw(), random)

    score: float | None = None
    for report in loop.run(loss, lambda: _validation_loss(loop.average, validation, config)):
        score = report.score
        yield report
    description = {
        "network": "wafergen",
        "config": {
            **asdict(config), "step": loop.step, "work_minutes": loop.minutes,
            "real_wafers": real_count,
        },
        "judged_on": "real lots left out" if real_count else "simulated",
        "nats_a_hidden_die": score,
    }  # fmt: skip
    checkpoint.save(output.parent, loop.average, description, output.stem)
    loop.delete_state()


@torch.inference_mode()
def _validation_loss(
    network: MaskedDiffusion, wafers: DieSet, config: PretrainConfig, rounds: int = 12
) -> float:
    """Mean nats per masked die over a few batches, always the same ones."""
    batches = Batches(wafers, config.batch_size, config.seed)
    random = torch.Generator().manual_seed(config.seed)
    return float(np.mean([loss_of(network, batches.draw(), random).item() for _ in range(rounds)]))


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
    parser.add_argument("--minutes", type=float, help="stop after this many minutes of work")
    parser.add_argument("--learning-rate", type=float, default=default.learning_rate)
    parser.add_argument("--start", type=Path, help="weights of an earlier run to start from")
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
                "%3.0f %%  step %d, %.1f min: %.4f nats per masked die, validation %.4f",
                100 * result.done, result.step, result.minutes, result.loss, result.score,
            )  # fmt: skip
    except WaferError as exc:
        sys.stderr.write(f"{exc}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
