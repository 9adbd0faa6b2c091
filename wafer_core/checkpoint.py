"""How a model lies on the disk: ``model.safetensors`` for numbers, ``model.json`` for the rest.

Neither can hold code, and nothing here unpickles. People copy model folders and send them to each
other, so a file that is not what it should be is refused with a sentence.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import nn

from wafer_core import files
from wafer_core.errors import ModelError

TENSORS, DESCRIPTION = "model.safetensors", "model.json"
FORMAT, SCHEMA = "teachable-wafer-model", 1
_MAX_DESCRIPTION = 16 * 2**20  # bytes; a description of ours has a few thousand


def save(folder: Path, network: nn.Module, description: Mapping[str, Any]) -> None:
    """Store a network.

    Args:
        folder: Made at once and whole if it does not exist. If it does (a run that is being put
            together inside of ``files.new_folder``), the two files are put into it.
        network: Its weights and running statistics are stored.
        description: JSON values that say what it is; see ``tasks.classifier``.

    Raises:
        StorageError: The disk is full or refuses.
    """
    if not folder.is_dir():
        with files.new_folder(folder) as temporary:
            save(temporary, network, description)
        return
    tensors = {
        name: tensor.detach().to("cpu").contiguous()
        for name, tensor in network.state_dict().items()
    }
    files.write_bytes(folder / TENSORS, safetensors.torch.save(tensors))
    # the description last: a folder without it is not a model
    files.write_json(folder / DESCRIPTION, {"format": FORMAT, "schema": SCHEMA, **description})


def read_description(folder: Path) -> dict[str, Any]:
    """What ``model.json`` says, checked to be a description of a model of this version.

    Raises:
        ModelError: Missing, damaged, or another program's or version's.
    """
    path = folder / DESCRIPTION
    try:
        if path.stat().st_size > _MAX_DESCRIPTION:
            raise ModelError(f"{path} is far too large for a model's description; copy it again.")
        value = json.loads(path.read_bytes())
    except FileNotFoundError as exc:
        raise ModelError(
            f"{folder} holds no model ({DESCRIPTION} is missing); choose another model or train."
        ) from exc
    except (OSError, ValueError, RecursionError) as exc:
        raise ModelError(
            f"{path} is damaged and cannot be read; train again or restore it from a backup."
        ) from exc
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise ModelError(f"{path} does not describe a model of this program; choose another one.")
    if value.get("schema") != SCHEMA:
        raise ModelError(
            f"{path} was written by another version (schema {value.get('schema')!r}, this program "
            f"reads {SCHEMA}); update the program or train again."
        )
    return value


def load_weights(folder: Path, network: nn.Module) -> None:
    """Put the stored numbers into a network of the same build.

    Raises:
        ModelError: Missing or damaged, or the numbers are another network's.
    """
    path = folder / TENSORS
    try:
        tensors = safetensors.torch.load(path.read_bytes())
    except FileNotFoundError as exc:
        raise ModelError(
            f"{path} is missing; the model's folder was copied only in part. Copy it again."
        ) from exc
    except (OSError, ValueError, safetensors.SafetensorError) as exc:
        raise ModelError(
            f"{path} is damaged or cut short; copy it again or train the model again."
        ) from exc
    wanted = network.state_dict()
    if set(tensors) != set(wanted):
        odd = sorted(set(tensors) ^ set(wanted))[0]
        raise ModelError(
            f"{path} holds another network than {DESCRIPTION} says (“{odd[:60]}” does not match); "
            "copy both files from the same folder."
        )
    for name, tensor in tensors.items():
        if tensor.shape != wanted[name].shape or tensor.dtype != wanted[name].dtype:
            raise ModelError(
                f"{path}: “{name}” has shape {tuple(tensor.shape)} and type {tensor.dtype} instead "
                f"of {tuple(wanted[name].shape)} and {wanted[name].dtype}; copy both files from "
                "the same folder."
            )
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise ModelError(f"{path}: “{name}” holds values that are no numbers; train again.")
    network.load_state_dict(tensors)
