"""The device to compute on, and the number of threads to compute with."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import psutil
import torch

from wafer_core.errors import ParameterError
from wafer_core.messages import Message, counted, message

# Convolutions run up to twice as fast on both CPU and GPU with channels last in memory.
memory_format = torch.channels_last


def choose_device(name: str = "auto") -> torch.device:
    """The device to compute on.

    Args:
        name: ``auto`` (CUDA if available, else CPU), ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        ParameterError: This machine has no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as exc:
        raise ParameterError(
            "Device “{name}” is unknown; use auto, cpu or cuda.", name=name[:40]
        ) from exc
    if device.type not in ("cpu", "cuda"):
        raise ParameterError("Device “{name}” is not supported; use auto, cpu or cuda.", name=name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ParameterError("This machine has no device “{name}”; use auto or cpu.", name=name)
    return device


def describe_device(device: torch.device) -> Message:
    """A short description: ``CPU, 2 cores``, or the GPU's name and memory."""
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        size = properties.total_memory / 2**30
        return message("{name}, {size:.0f} GB", name=properties.name, size=size)
    return counted("CPU, {count} core", "CPU, {count} cores", available_cores())


def available_cores() -> int:
    """Number of cores this process may use (a container often has fewer than the machine)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class CoreWatch:
    """Keeps the number of torch threads at the number of cores that other processes leave free.

    The threads of one operation wait for each other, so two threads that share a core with another
    process are slower than one thread: by a factor of 2.5 to 10, measured.

    Args:
        every: Seconds between two measurements of what other processes use.
    """

    def __init__(self, every: float = 2.0) -> None:
        self._every = every
        self._last = self._now()

    def adapt(self) -> int:
        """Set torch's number of threads from the load since the last measurement; return it.

        The setting applies to the whole process, so use this in a process that only computes. It
        may be called after every step: it measures only once in ``every`` seconds.
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
        machine, process = psutil.cpu_times(), psutil.Process().cpu_times()
        idle = machine.idle + getattr(machine, "iowait", 0.0)
        return time.monotonic(), sum(machine[:8]) - idle, process.user + process.system


def free_cores(cores: int, available: int, busy: float) -> int:
    """Number of cores to use, at least 1.

    Args:
        cores: Cores of the machine.
        available: Cores this process may use.
        busy: Cores that other processes keep busy.
    """
    return max(1, min(available, int(cores - busy + 0.4)))


# Torch's initial number of threads, then the active limits; empty without an active limit.
_limits: list[int] = []
_limits_lock = threading.Lock()


@contextmanager
def at_most_threads(count: int) -> Iterator[None]:
    """Limit the number of torch threads, and restore the setting afterwards.

    The setting applies to the whole process. If several limits are active at once (pages run in
    threads), the lowest holds until the last one ends.

    Args:
        count: Number of threads, at least 1.
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
    """Mixed precision with bfloat16; about halves the training time on recent CPUs and GPUs."""
    context: AbstractContextManager[None] = torch.autocast(
        device.type, dtype=torch.bfloat16, enabled=enabled
    )
    return context
