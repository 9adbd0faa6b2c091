"""What all presets have in common: their steps, the costs of a run, and the result."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import psutil
import torch

from wafer_core.device import describe_device
from wafer_core.images import FAIL, NO_DIE, Picture, encode_png
from wafer_core.tasks.augmentation.offline import AugmentConfig
from wafer_core.tasks.generation.config import GenerationConfig
from wafer_core.tasks.generation.sweep import Sweep

Originals = Mapping[str, Sequence[Picture]]  # by class name
_REPORT_EVERY = 500  # pictures
_ENCODED = 200  # pictures that are encoded to estimate the storage of all


@dataclass(frozen=True)
class Step:
    """Progress of one step; it is finished if ``seconds`` is given.

    Attributes:
        name: A key of the steps of the preset.
        fraction: Share of this step that is done, 0 to 1.
        seconds: Duration of the finished step.
        title: Of the step, for people.
        overall: Share of all steps that is done, 0 to 1.
    """

    name: str
    fraction: float
    seconds: float | None = None
    title: str = ""
    overall: float = 0.0


@dataclass(frozen=True)
class GenerateResult:
    """A finished run.

    Attributes:
        pictures: The generated pictures.
        sources: For each, the index of the original whose die grid and size it has.
        steps: Seconds of each step, in order.
        details: Provenance, as plain values for JSON.
        sweep: Comparison of other thresholds or densities, if requested.
    """

    pictures: list[Picture]
    sources: list[int]
    steps: dict[str, float]
    details: dict[str, Any] = field(default_factory=dict)
    sweep: Sweep | None = None


@dataclass(frozen=True)
class StepInfo:
    """A step of a preset.

    Attributes:
        title: For people.
        share: Of the time, roughly; the shares of a preset sum to 1.
    """

    title: str
    share: float


@dataclass(frozen=True)
class Recipe:
    """How a preset generates pictures.

    Attributes:
        generate: Called with the originals, the number of pictures, the settings, the device, the
            transforms and the originals of other classes; yields events and last a
            ``GenerateResult``.
        steps: Its steps by name, in order.
    """

    generate: Callable[
        [Sequence[Picture], int, GenerationConfig, torch.device, AugmentConfig, Originals],
        Iterator[Any],
    ]
    steps: dict[str, StepInfo]


class StepTimer:
    """Measures the duration and the peak memory of each step.

    Attributes:
        seconds: Of each finished step.
        memory: Peak bytes of the process in each step, and of the GPU under “name (GPU)”.
    """

    def __init__(self, steps: Mapping[str, StepInfo], device: torch.device) -> None:
        self.seconds: dict[str, float] = {}
        self.memory: dict[str, int] = {}
        self._steps, self._device = steps, device
        self._name, self._begun, self._finished = "", 0.0, 0.0

    def begin(self, name: str) -> Step:
        """Start a step."""
        self._name, self._begun = name, time.perf_counter()
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
        self.sample_memory()
        return self._step(0.0)

    def progress(self, done: int, count: int, every: int = _REPORT_EVERY) -> Iterator[Step]:
        """Report after every ``every`` of ``count`` items."""
        if done % every == 0 and done < count:
            self.sample_memory()
            yield self._step(done / count)

    def end(self) -> Step:
        """Finish the step."""
        self.sample_memory()
        seconds = self.seconds[self._name] = time.perf_counter() - self._begun
        step = self._step(1.0, seconds)
        self._finished += self._steps[self._name].share
        return step

    def sample_memory(self) -> None:
        """Sample the memory in use; peaks between two samples are missed on the CPU."""
        used = psutil.Process().memory_info().rss
        self.memory[self._name] = max(self.memory.get(self._name, 0), used)
        if self._device.type == "cuda":
            name = f"{self._name} (GPU)"
            self.memory[name] = torch.cuda.max_memory_allocated(self._device)

    def _step(self, fraction: float, seconds: float | None = None) -> Step:
        info = self._steps[self._name]
        overall = min(1.0, self._finished + info.share * fraction)
        return Step(self._name, fraction, seconds, info.title, overall)

    def cost(self, pictures: Sequence[Picture], network_bytes: int) -> dict[str, Any]:
        """The cost of a run, as plain values for JSON.

        Args:
            pictures: The generated pictures; if there are many, their storage is estimated from
                some of them.
            network_bytes: Of the weights of the generator.
        """
        some = pictures[:: max(1, -(-len(pictures) // _ENCODED))]
        mean = float(np.mean([len(encode_png(picture)) for picture in some])) if some else 0.0
        return {
            "device": str(describe_device(self._device)),
            "seconds": {name: round(value, 3) for name, value in self.seconds.items()},
            "total_seconds": round(sum(self.seconds.values()), 3),
            "memory_bytes": dict(self.memory),
            "peak_memory_bytes": max(
                (size for name, size in self.memory.items() if not name.endswith("(GPU)")),
                default=0,
            ),
            "storage_bytes": round(mean * len(pictures)),
            "network_bytes": network_bytes,
        }


def is_black_and_white(picture: Picture) -> bool:
    """Whether a picture has no other values than 0 and 255."""
    return not ((picture != NO_DIE) & (picture != FAIL)).any()


def choose_sources(originals: int, count: int, seed: int) -> list[int]:
    """The index of an original for each picture: all equally often, in random order."""
    rng = np.random.default_rng((seed, 2))
    rounds = [rng.permutation(originals) for _ in range(-(-count // originals))]
    return [int(index) for index in np.concatenate(rounds)[:count]]
