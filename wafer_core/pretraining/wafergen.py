"""Make the generator that ships.

    python -m wafer_core.pretraining.wafergen --output wafergen.safetensors [--data DATA.npz]

teaches a fresh network on simulated wafers and, where a data file is given, on its real ones. A
random share of the dies of each wafer is hidden; from the others and from the density of failed
dies, blurred at random, the network must say which of the hidden ones failed.

Every few minutes all of its state is stored beside the output; the same command goes on from there.
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
from wafer_core.networks.optimizer import half
from wafer_core.networks.training_loop import Loop, LoopConfig, Progress
from wafer_core.pretraining.dies import Batch, Batches, Shelf, lots_left_out, read, simulated
from wafer_core.tasks.generation.diffusion.network import BLURS, FAILED, HIDDEN, WaferGen, blur

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class PretrainConfig(LoopConfig):
    """Settings of one pre-training.

    Raises:
        ParameterError: A number makes no sense.
    """

    steps: int = 20_000
    batch_size: int = 64  # on canvases of 32 × 32; larger ones make smaller batches
    learning_rate: float = 2e-3
    weight_decay: float = 0.01
    warm_up: float = 0.02
    longest_gradient: float | None = 1.0
    simulated: int = 6_000  # different simulated wafers
    simulated_share: float = 0.2  # of the batches where there are real ones; else all of them
    leave_groups_out: float = 0.05  # share of lots that judge, and teach nothing
    start: str | None = None  # SHA-256 of the weights that it began with; None: fresh ones

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.simulated < 1:
            raise ParameterError("Pre-training needs one simulated wafer at least.")
        if not 0 <= self.leave_groups_out < 1 or not 0 <= self.simulated_share < 1:
            raise ParameterError("Shares of lots and of simulated wafers are from 0 to below 1.")


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
) -> Iterator[Progress]:
    """Teach, or go on where a killed run of the same settings stopped, and store at the end.

    Args:
        config: Settings.
        device: Where to compute.
        output: ``NAME.safetensors``; ``NAME.json`` and, meanwhile, ``NAME.partial.*`` lie beside.
        data: Real wafers with lots; None: simulated ones only.
        start: ``NAME.safetensors`` of an earlier run to begin with; None: fresh weights.

    Yields:
        Progress every few minutes and at the end; its figures are nats a hidden die, ``score`` on
        wafers left out.

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
    loop = Loop(config, network, output)
    seed = config.seed + loop.step  # a run that goes on sees other wafers
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

    def loss() -> Tensor:
        source = sources[0 if choose.random() < config.simulated_share else -1]
        return loss_of(network, source.draw(), random)

    judged: float | None = None
    for progress in loop.run(loss, lambda: _judge(loop.average, judge, config)):
        judged = progress.score
        yield progress
    description = {
        "network": "wafergen",
        "config": {
            **asdict(config), "step": loop.step, "work_minutes": loop.minutes,
            "real_wafers": teach,
        },
        "judged_on": "real lots left out" if teach else "simulated",
        "nats_a_hidden_die": judged,
    }  # fmt: skip
    checkpoint.save(output.parent, loop.average, description, output.stem)
    loop.forget()


@torch.inference_mode()
def _judge(network: WaferGen, wafers: Shelf, config: PretrainConfig, rounds: int = 12) -> float:
    """Mean nats a hidden die over a few batches, always the same ones."""
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
                100 * result.done, result.step, result.minutes, result.loss, result.score,
            )  # fmt: skip
    except WaferError as exc:
        sys.stderr.write(f"{exc}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
