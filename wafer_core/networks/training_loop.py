"""The loop that every pre-training runs: it can be killed at any moment and goes on.

A run ends after a number of steps or of minutes of work, whichever comes first, and its learning
rate comes down in time for that. What is judged and kept is a running mean of the weights.
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
from wafer_core.networks.training_state import resume, store

T = TypeVar("T", bound=nn.Module)
_EMA_DECAY = 0.998  # mean over the last five hundred steps
_LEAST = 0.02  # share of the peak learning rate that the first step has


@dataclass(frozen=True, kw_only=True)
class LoopConfig:
    """What every pre-training is told.

    Raises:
        ParameterError: A number makes no sense.
    """

    steps: int
    minutes: float | None = None  # ends earlier, the learning rate coming down in time
    batch_size: int
    learning_rate: float  # at its peak
    weight_decay: float
    warm_up: float  # share of the run that the learning rate rises in
    longest_gradient: float | None = None  # longer ones are cut: one odd batch does no harm
    save_every: float = 180.0  # seconds of work that a killed run may lose
    seed: int = 0

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch_size < 2:
            raise ParameterError(
                f"Pre-training needs at least one step and batches of two, not {self.steps} and "
                f"{self.batch_size}."
            )
        if self.minutes is not None and not self.minutes > 0:
            raise ParameterError(f"Minutes are {self.minutes}; give a number above 0.")


@dataclass(frozen=True)
class Progress:
    """How far it is; ``loss`` is the mean since the one before, ``score`` what judging gave."""

    step: int
    minutes: float
    loss: float
    score: float | None
    done: float


class Loop(Generic[T]):
    """A network that learns, with its running mean, from the beginning or from a stored state.

    Attributes:
        average: The running mean, for predicting.
        step: Steps done.
        minutes: Of work done; storing and judging are none.
    """

    def __init__(self, config: LoopConfig, teacher: T, output: Path) -> None:
        """Begin, or take over where a killed run of the same settings stopped.

        Args:
            config: Settings; all of them, its own and those of a sub-class, must be the same.
            teacher: Changed in place; on the device that computes.
            output: ``NAME.safetensors`` that will be written; ``NAME.partial.*`` lie beside.
        """
        self.config, self.teacher = config, teacher
        self.average = copy.deepcopy(teacher).eval().requires_grad_(False)
        self._optimizer = make_optimizer(teacher, config.learning_rate, config.weight_decay)
        self._partial = output.with_suffix(".partial.safetensors")
        self.step, self.minutes = resume(
            self._partial, asdict(config), teacher, self.average, self._optimizer
        )

    def run(
        self, loss_of: Callable[[], Tensor], judge: Callable[[], float | None]
    ) -> Iterator[Progress]:
        """Learn until the end.

        Args:
            loss_of: Draws a batch and returns its loss.
            judge: Scores the running mean.

        Yields:
            Progress each time the state has been stored, the last time with ``done`` 1.

        Raises:
            StorageError: The disk is full or refuses.
        """
        total, count = 0.0, 0
        started = saved = time.perf_counter()
        done = self._done(self.minutes)
        while done < 1:
            for group in self._optimizer.param_groups:
                group["lr"] = self.config.learning_rate * self._rate_factor(done)
            self.teacher.train()
            loss = loss_of()
            self._optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            if self.config.longest_gradient is not None:
                torch.nn.utils.clip_grad_norm_(
                    self.teacher.parameters(), self.config.longest_gradient
                )
            self._optimizer.step()
            self.step += 1
            decay = min(_EMA_DECAY, self.step / (self.step + 9))
            update_average(self.average, self.teacher, decay)
            total, count = total + float(loss.detach()), count + 1
            now = time.perf_counter()
            done = self._done(self.minutes + (now - started) / 60)
            if now - saved > self.config.save_every or done >= 1:
                self.minutes += (now - started) / 60
                store(
                    self._partial, asdict(self.config), self.teacher, self.average,
                    self._optimizer, self.step, self.minutes,
                )  # fmt: skip
                yield Progress(self.step, self.minutes, total / count, judge(), min(done, 1.0))
                total, count = 0.0, 0
                started = saved = time.perf_counter()

    def forget(self) -> None:
        """Remove the stored state; for when the result is written."""
        for path in (self._partial, self._partial.with_suffix(".json")):
            path.unlink(missing_ok=True)

    def _done(self, minutes: float) -> float:
        in_time = minutes / self.config.minutes if self.config.minutes else 0.0
        return max(self.step / self.config.steps, in_time)

    def _rate_factor(self, done: float) -> float:
        """Linear warm-up, then a cosine down to 0."""
        risen = min(1.0, _LEAST + done / self.config.warm_up)
        return risen * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))
