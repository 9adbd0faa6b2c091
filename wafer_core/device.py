"""Which device computes, and how to get the most of it."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager

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


def autocast(device: torch.device, enabled: bool = True) -> AbstractContextManager[None]:
    """bfloat16 where it is safe: about halves training time on recent CPUs and GPUs."""
    context: AbstractContextManager[None] = torch.autocast(
        device.type, dtype=torch.bfloat16, enabled=enabled
    )
    return context
