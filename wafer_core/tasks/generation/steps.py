"""What every preset tells while it makes pictures: its steps, what they cost, and the result."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import psutil
import torch

from wafer_core.device import describe_device
from wafer_core.images import Picture, encode_png
from wafer_core.tasks.generation.sweep import Sweep

_CHUNK = 500  # pictures between two signs of life
_WEIGHED = 200  # pictures whose files are weighed; the others are taken to be like them


@dataclass(frozen=True)
class Step:
    """One step has begun, goes on, or (``seconds`` given) is done."""

    name: str  # a key of the preset's steps
    fraction: float  # of this step, 0 to 1
    seconds: float | None = None
    title: str = ""  # the step in words
    whole: float = 0.0  # share of all steps that is done, 0 to 1


@dataclass(frozen=True)
class GenerateResult:
    """What was made."""

    pictures: list[Picture]
    borrowed: list[int]  # for each picture, the original whose die grid and size it has
    steps: dict[str, float]  # seconds of each step, in order
    details: dict[str, Any] = field(default_factory=dict)  # provenance, plain values for JSON
    sweep: Sweep | None = None  # other levels of the threshold or density, if asked for


@dataclass(frozen=True)
class StepInfo:
    """A step of a preset."""

    title: str
    share: float  # of the time, roughly; the shares of a preset add up to 1


class Clock:
    """Notes the seconds of each step, and the memory that it took at most."""

    def __init__(self, steps: Mapping[str, StepInfo], device: torch.device) -> None:
        self.seconds: dict[str, float] = {}
        self.memory: dict[str, int] = {}  # bytes of the process, and of the GPU, if there is one
        self._steps, self._device = steps, device
        self._name, self._begun, self._before = "", 0.0, 0.0

    def begin(self, name: str) -> Step:
        self._name, self._begun = name, time.perf_counter()
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
        self.notice()
        return self._step(0.0)

    def go_on(self, done: int, count: int, every: int = _CHUNK) -> Iterator[Step]:
        """A sign of life now and then."""
        if done % every == 0 and done < count:
            self.notice()
            yield self._step(done / count)

    def end(self) -> Step:
        self.notice()
        seconds = self.seconds[self._name] = time.perf_counter() - self._begun
        step = self._step(1.0, seconds)
        self._before += self._steps[self._name].share
        return step

    def notice(self) -> None:
        """Look at the memory in use; its peak between two looks is not seen."""
        used = psutil.Process().memory_info().rss
        self.memory[self._name] = max(self.memory.get(self._name, 0), used)
        if self._device.type == "cuda":
            name = f"{self._name} (GPU)"
            self.memory[name] = torch.cuda.max_memory_allocated(self._device)

    def _step(self, fraction: float, seconds: float | None = None) -> Step:
        info = self._steps[self._name]
        whole = min(1.0, self._before + info.share * fraction)
        return Step(self._name, fraction, seconds, info.title, whole)

    def cost(self, pictures: Sequence[Picture], network_bytes: int) -> dict[str, Any]:
        """The cost of a run, plain values for JSON.

        Args:
            pictures: That were made; of many, some are weighed and the rest taken to be like them.
            network_bytes: Of the weights that made them.
        """
        some = pictures[:: max(1, -(-len(pictures) // _WEIGHED))]
        mean = float(np.mean([len(encode_png(picture)) for picture in some])) if some else 0.0
        return {
            "device": describe_device(self._device),
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


def borrow(originals: int, count: int, seed: int) -> list[int]:
    """An original for each made picture: all equally often, in random order."""
    rng = np.random.default_rng((seed, 2))
    rounds = [rng.permutation(originals) for _ in range(-(-count // originals))]
    return [int(index) for index in np.concatenate(rounds)[:count]]
