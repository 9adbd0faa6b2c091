"""The training loop of every pretraining; a killed run resumes from its last stored state.

A run ends after a number of steps or minutes of work, whichever comes first, and the learning rate
decays accordingly. The network that is evaluated and stored is an exponential moving average of
the weights.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

from wafer_core.errors import ParameterError
from wafer_core.networks.optimizer import make_optimizer, update_average
from wafer_core.networks.training_state import load_state, save_state

T = TypeVar("T", bound=nn.Module)
_EMA_DECAY = 0.998  # average over the last five hundred steps
_FIRST_RATE = 0.02  # share of the peak learning rate at the first step


@dataclass(frozen=True, kw_only=True)
class LoopConfig:
    """Settings of every pretraining.

    Attributes:
        steps: The run ends after this many.
        minutes: The run ends after this many minutes of work, if given.
        batch_size: Of a step.
        learning_rate: Peak.
        weight_decay: Of AdamW.
        warm_up: Share of the run in which the learning rate rises.
        max_gradient_norm: Longer gradients are clipped, if given.
        save_every: Seconds of work that a killed run may lose.
        seed: Of weights and data.

    Raises:
        ParameterError: A number is out of range.
    """

    steps: int
    minutes: float | None = None
    batch_size: int
    learning_rate: float
    weight_decay: float
    warm_up: float
    max_gradient_norm: float | None = None
    save_every: float = 180.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch_size < 2:
            raise ParameterError(
                "Pretraining needs at least one step and batches of two, not {steps} and "
                "{batch_size}.",
                steps=self.steps,
                batch_size=self.batch_size,
            )
        if self.minutes is not None and not self.minutes > 0:
            raise ParameterError(
                "Minutes are {minutes}; give a number above 0.", minutes=self.minutes
            )


@dataclass(frozen=True)
class LoopReport:
    """State of a run.

    Attributes:
        step: Steps done.
        minutes: Of work done.
        loss: Mean since the last report.
        score: Of the averaged weights.
        done: Share of the run, 0 to 1.
    """

    step: int
    minutes: float
    loss: float
    score: float | None
    done: float


class Loop(Generic[T]):
    """A training with averaged weights, started or resumed.

    Attributes:
        average: The averaged weights.
        step: Steps done.
        minutes: Of work done, without storing and evaluation.
    """

    def __init__(self, config: LoopConfig, network: T, output: Path) -> None:
        """Start, or resume a killed run with the same settings.

        Args:
            config: Settings; to resume, all of them must be the same.
            network: Trained in place, on its device.
            output: ``NAME.safetensors`` that will be written; ``NAME.partial.*`` are stored beside.
        """
        self.config, self.network = config, network
        self.average = copy.deepcopy(network).eval().requires_grad_(False)
        self._optimizer = make_optimizer(network, config.learning_rate, config.weight_decay)
        self._partial = output.with_suffix(".partial.safetensors")
        self.step, self.minutes = load_state(
            self._partial, asdict(config), network, self.average, self._optimizer
        )

    def run(
        self, loss_of: Callable[[], Tensor], evaluate: Callable[[], float | None]
    ) -> Iterator[LoopReport]:
        """Train to the end.

        Args:
            loss_of: Draws a batch and returns its loss.
            evaluate: Scores the averaged weights.

        Yields:
            A report each time the state has been stored; the last one has ``done`` 1.

        Raises:
            StorageError: The disk is full or read-only.
        """
        total, count = 0.0, 0
        started = saved = time.perf_counter()
        done = self._done(self.minutes)
        while done < 1:
            for group in self._optimizer.param_groups:
                group["lr"] = self.config.learning_rate * self._rate_factor(done)
            self.network.train()
            loss = loss_of()
            self._optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            if self.config.max_gradient_norm is not None:
                torch.nn.utils.clip_grad_norm_(
                    self.network.parameters(), self.config.max_gradient_norm
                )
            self._optimizer.step()
            self.step += 1
            decay = min(_EMA_DECAY, self.step / (self.step + 9))
            update_average(self.average, self.network, decay)
            total, count = total + float(loss.detach()), count + 1
            now = time.perf_counter()
            done = self._done(self.minutes + (now - started) / 60)
            if now - saved > self.config.save_every or done >= 1:
                self.minutes += (now - started) / 60
                save_state(
                    self._partial, asdict(self.config), self.network, self.average,
                    self._optimizer, self.step, self.minutes,
                )  # fmt: skip
                yield LoopReport(self.step, self.minutes, total / count, evaluate(), min(done, 1.0))
                total, count = 0.0, 0
                started = saved = time.perf_counter()

    def delete_state(self) -> None:
        """Remove the stored state, once the result is written."""
        for path in (self._partial, self._partial.with_suffix(".json")):
            path.unlink(missing_ok=True)

    def _done(self, minutes: float) -> float:
        by_time = minutes / self.config.minutes if self.config.minutes else 0.0
        return max(self.step / self.config.steps, by_time)

    def _rate_factor(self, done: float) -> float:
        """Linear warm-up, then cosine decay to 0."""
        rise = min(1.0, _FIRST_RATE + done / self.config.warm_up)
        return rise * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))
