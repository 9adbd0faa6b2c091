"""The state of a pretraining on disk, so that a killed run can resume; tensors only, no pickle."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import nn

from wafer_core import files

log = logging.getLogger(__name__)


def save_state(
    path: Path, config: Mapping[str, Any], network: nn.Module, average: nn.Module,
    optimizer: torch.optim.Optimizer, step: int, minutes: float,
) -> None:  # fmt: skip
    """Store everything that a run needs to resume.

    Args:
        path: ``NAME.safetensors``; ``NAME.json`` is stored beside it.
        config: Settings of the run.
        network: Being trained.
        average: Its averaged weights.
        optimizer: With its moments.
        step: Steps done.
        minutes: Of work done.

    Raises:
        StorageError: The disk is full or read-only.
    """
    tensors = {f"network.{k}": v for k, v in network.state_dict().items()}
    tensors |= {f"average.{k}": v for k, v in average.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{k}": torch.as_tensor(v) for k, v in state.items()}
    contiguous = {k: v.detach().cpu().contiguous() for k, v in tensors.items()}
    files.write_bytes(path, safetensors.torch.save(contiguous), parents=True)
    value = {"config": dict(config), "step": step, "minutes": minutes}
    files.write_json(path.with_suffix(".json"), value)


def load_state(
    path: Path, config: Mapping[str, Any], network: nn.Module, average: nn.Module,
    optimizer: torch.optim.Optimizer,
) -> tuple[int, float]:  # fmt: skip
    """Load the state of a killed run, if there is one with the same settings.

    Returns:
        Its steps and minutes; 0 if there is nothing to resume.
    """
    description = path.with_suffix(".json")
    if not (path.exists() and description.exists()):
        return 0, 0.0
    value = json.loads(description.read_bytes())
    if value["config"] != json.loads(json.dumps(dict(config))):
        log.warning("%s belongs to a run with other settings and is overwritten.", path)
        return 0, 0.0
    tensors = safetensors.torch.load(path.read_bytes())
    state = optimizer.state_dict()
    for name, tensor in tensors.items():
        kind, _, rest = name.partition(".")
        if kind == "optimizer":
            index, _, key = rest.partition(".")
            state["state"].setdefault(int(index), {})[key] = tensor
    optimizer.load_state_dict(state)
    for module, prefix in ((network, "network."), (average, "average.")):
        module.load_state_dict(
            {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
        )
    return int(value["step"]), float(value["minutes"])
