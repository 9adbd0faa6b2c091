"""Which device computes, and how to get the most of it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import psutil
import torch

from wafer_core.errors import ParameterError

# Convolutions run up to twice as fast on both CPU and GPU when channels come last in memory.
memory_format = torch.channels_last


def choose_device(name: str = "auto") -> torch.device:
    """The device to compute on.

    Args:
        name: ``auto`` (CUDA if there is one, else CPU), ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        ParameterError: No such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as exc:
        raise ParameterError(f"Device “{name}” is unknown; use auto, cpu or cuda.") from exc
    if device.type not in ("cpu", "cuda"):
        raise ParameterError(f"Device “{name}” is not supported; use auto, cpu or cuda.")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ParameterError(f"Device “{name}” is not in this machine; use auto or cpu.")
    return device


def describe_device(device: torch.device) -> str:
    """A few words for the side bar: ``CPU, 2 cores`` or the GPU's name and memory."""
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        return f"{properties.name}, {properties.total_memory / 2**30:.0f} GB"
    cores = available_cores()
    return f"CPU, {cores} core{'s' if cores != 1 else ''}"


def available_cores() -> int:
    """Cores that this process may use (a container often has fewer than the machine)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class CoreWatch:
    """Gives torch as many threads as the rest of the machine leaves free cores, and not one more.

    Threads of one operation wait for each other: where they share a core with another process, two
    are not twice as fast as one but several times slower (measured: 2.5 to 10 times).

    Args:
        every: Seconds between two looks at what the other processes use.
    """

    def __init__(self, every: float = 2.0) -> None:
        self._every = every
        self._last = self._now()

    def adapt(self) -> int:
        """Set torch's threads by what others used since the last look; returns how many.

        For a process that computes and does nothing else: the number counts for all its threads.
        May be called after every step: it looks only now and then.
        """
        if time.monotonic() - self._last[0] < self._every:
            return torch.get_num_threads()
        now, last = self._now(), self._last
        self._last = now
        elapsed = now[0] - last[0]
        if elapsed > 0:
            others = max(0.0, (now[1] - last[1]) - (now[2] - last[2])) / elapsed
            torch.set_num_threads(free_cores(os.cpu_count() or 1, available_cores(), others))
        return torch.get_num_threads()

    @staticmethod
    def _now() -> tuple[float, float, float]:
        """Wall time, busy time of all cores, busy time of this process, in seconds."""
        machine, mine = psutil.cpu_times(), psutil.Process().cpu_times()
        idle = machine.idle + getattr(machine, "iowait", 0.0)
        return time.monotonic(), sum(machine[:8]) - idle, mine.user + mine.system


def free_cores(cores: int, mine: int, others: float) -> int:
    """Cores to use, at least 1.

    Args:
        cores: Cores of the machine.
        mine: Cores that this process may use.
        others: Cores that other processes keep busy.
    """
    return max(1, min(mine, int(cores - others + 0.4)))


# Torch's own number of threads and then those that were asked for; empty: nobody asks.
_limits: list[int] = []
_limits_lock = threading.Lock()


@contextmanager
def at_most_threads(count: int) -> Iterator[None]:
    """Let torch use no more threads than this, and leave the setting as it was.

    The number counts for the whole process. Where several ask at once, as pages do that run beside
    each other, the lowest holds until the last of them is done.

    Args:
        count: At least 1.
    """
    with _limits_lock:
        if not _limits:
            _limits.append(torch.get_num_threads())
        _limits.append(count)
        torch.set_num_threads(min(_limits))
    try:
        yield
    finally:
        with _limits_lock:
            _limits.remove(count)
            torch.set_num_threads(min(_limits))
            if len(_limits) == 1:
                _limits.clear()


def autocast(device: torch.device, enabled: bool = True) -> AbstractContextManager[None]:
    """bfloat16 where it is safe: about halves training time on recent CPUs and GPUs."""
    context: AbstractContextManager[None] = torch.autocast(
        device.type, dtype=torch.bfloat16, enabled=enabled
    )
    return context
