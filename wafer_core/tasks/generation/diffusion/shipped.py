"""The generator that ships with the program."""

from __future__ import annotations

import functools
from pathlib import Path

import torch

from wafer_core.device import memory_format
from wafer_core.errors import ModelError
from wafer_core.networks import checkpoint
from wafer_core.networks.registry import WEIGHTS
from wafer_core.tasks.generation.diffusion.network import WaferGen

NAME = "wafergen"


@functools.lru_cache(maxsize=2)  # a file that ships does not change
def load(device: torch.device, folder: Path = WEIGHTS, name: str = NAME) -> WaferGen:
    """The taught network, ready to draw.

    Args:
        device: Where to compute.
        folder: Of the two files, ``NAME.safetensors`` and ``NAME.json``.
        name: Of the files.

    Raises:
        ModelError: The files are missing, damaged, or not those that belong together.
    """
    description = checkpoint.read_description(folder, name)
    sha256 = description.get("sha256")
    if description.get("network") != NAME or not isinstance(sha256, str):
        raise ModelError(
            f"{folder / name}.json does not describe a generator of wafers; install the program "
            "again."
        )
    network = WaferGen()
    checkpoint.load_weights(folder, network, name, sha256)
    ready: WaferGen = network.eval().requires_grad_(False).to(device)
    return ready.to(memory_format=memory_format)  # type: ignore[call-overload, no-any-return]
