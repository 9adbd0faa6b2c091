"""The state of a pre-training, stored so that a killed run goes on; numbers only, no pickle."""

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


def store(
    path: Path, config: Mapping[str, Any], teacher: nn.Module, average: nn.Module,
    optimizer: torch.optim.Optimizer, step: int, minutes: float,
) -> None:  # fmt: skip
    """Store everything a run needs to go on, at once.

    Args:
        path: ``NAME.safetensors``; ``NAME.json`` lies beside it.
        config: Settings of the run.
        teacher: The network as it learns.
        average: Its running mean.
        optimizer: With its moments.
        step: Steps done.
        minutes: Of work done.

    Raises:
        StorageError: The disk is full or refuses.
    """
    tensors = {f"teacher.{k}": v for k, v in teacher.state_dict().items()}
    tensors |= {f"average.{k}": v for k, v in average.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{k}": torch.as_tensor(v) for k, v in state.items()}
    plain = {k: v.detach().cpu().contiguous() for k, v in tensors.items()}
    files.write_bytes(path, safetensors.torch.save(plain))
    value = {"config": dict(config), "step": step, "minutes": minutes}
    files.write_json(path.with_suffix(".json"), value)


def resume(
    path: Path, config: Mapping[str, Any], teacher: nn.Module, average: nn.Module,
    optimizer: torch.optim.Optimizer,
) -> tuple[int, float]:  # fmt: skip
    """Take over the state of a killed run, if there is one and its settings were the same.

    Returns:
        Steps and minutes that it had done; 0 where there is nothing to take over.
    """
    described = path.with_suffix(".json")
    if not (path.exists() and described.exists()):
        return 0, 0.0
    value = json.loads(described.read_bytes())
    if value["config"] != json.loads(json.dumps(dict(config))):
        log.warning("%s is of a run with other settings and is written over.", path)
        return 0, 0.0
    tensors = safetensors.torch.load(path.read_bytes())
    state = optimizer.state_dict()
    for name, tensor in tensors.items():
        kind, _, rest = name.partition(".")
        if kind == "optimizer":
            index, _, key = rest.partition(".")
            state["state"].setdefault(int(index), {})[key] = tensor
    optimizer.load_state_dict(state)
    for network, prefix in ((teacher, "teacher."), (average, "average.")):
        network.load_state_dict(
            {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
        )
    return int(value["step"]), float(value["minutes"])
