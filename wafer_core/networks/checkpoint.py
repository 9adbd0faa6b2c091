"""How a model lies on the disk: ``model.safetensors`` for numbers, ``model.json`` for the rest.

Neither can hold code, and nothing here unpickles. People copy model folders and send them to each
other, so a file that is not what it should be is refused with a sentence. The description holds the
SHA-256 of the numbers, so that a changed or mixed-up file is noticed.
"""

from __future__ import annotations

import hashlib
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

NAME = "model"
TENSORS, DESCRIPTION = f"{NAME}.safetensors", f"{NAME}.json"
FORMAT, SCHEMA = "teachable-wafer-model", 1
_Tensors = dict[str, torch.Tensor]
_MAX_DESCRIPTION = 16 * 2**20  # bytes; a description of ours has a few thousand


def save(
    folder: Path, network: nn.Module, description: Mapping[str, Any], name: str = NAME
) -> None:
    """Store a network.

    Args:
        folder: Made at once and whole if it does not exist. If it does (a run that is being put
            together inside of ``files.new_folder``), the two files are put into it.
        network: Its weights and running statistics are stored.
        description: JSON values that say what it is; see ``tasks.classifier``.
        name: Of the two files, without their endings.

    Raises:
        StorageError: The disk is full or refuses.
    """
    if not folder.is_dir():
        with files.new_folder(folder) as temporary:
            save(temporary, network, description, name)
        return
    tensors = {
        key: tensor.detach().to("cpu").contiguous() for key, tensor in network.state_dict().items()
    }
    data = safetensors.torch.save(tensors)
    files.write_bytes(folder / f"{name}.safetensors", data)
    # the description last: a folder without it is not a model
    checksum = hashlib.sha256(data).hexdigest()
    value = {"format": FORMAT, "schema": SCHEMA, **description, "sha256": checksum}
    files.write_json(folder / f"{name}.json", value)


def read_description(folder: Path, name: str = NAME) -> dict[str, Any]:
    """What ``<name>.json`` says, checked to be a description of a model of this version.

    Raises:
        ModelError: Missing, damaged, or another program's or version's.
    """
    path = folder / f"{name}.json"
    try:
        if path.stat().st_size > _MAX_DESCRIPTION:
            raise ModelError(f"{path} is far too large for a model's description; copy it again.")
        value = json.loads(path.read_bytes())
    except FileNotFoundError as exc:
        raise ModelError(
            f"{folder} holds no model ({path.name} is missing); choose another model or train."
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


def read_tensors(folder: Path, name: str = NAME) -> tuple[_Tensors, str]:
    """The stored numbers, and the SHA-256 of their file in hex.

    Raises:
        ModelError: Missing or damaged.
    """
    path = folder / f"{name}.safetensors"
    try:
        data = path.read_bytes()
        return safetensors.torch.load(data), hashlib.sha256(data).hexdigest()
    except FileNotFoundError as exc:
        raise ModelError(
            f"{path} is missing; the model's folder was copied only in part. Copy it again."
        ) from exc
    except (OSError, ValueError, safetensors.SafetensorError) as exc:
        raise ModelError(
            f"{path} is damaged or cut short; copy it again or train the model again."
        ) from exc


def compare_checksums(path: Path, found: str, described: object) -> None:
    """Refuse numbers that are not those which the description was written for.

    Raises:
        ModelError: They are not.
    """
    if found != described:
        raise ModelError(
            f"{path} is not the file that its description was written for (the checksum differs); "
            "copy both files again from the same folder."
        )


def load_weights(
    folder: Path, network: nn.Module, name: str = NAME, sha256: str | None = None
) -> None:
    """Put the stored numbers into a network of the same build.

    Args:
        folder: Of the model.
        network: Changed in place.
        name: Of its files.
        sha256: What the description says of them; None: written before it said so.

    Raises:
        ModelError: Missing or damaged, or the numbers are another network's.
    """
    path = folder / f"{name}.safetensors"
    tensors, checksum = read_tensors(folder, name)
    wanted = network.state_dict()
    if set(tensors) != set(wanted):
        odd = sorted(set(tensors) ^ set(wanted))[0]
        raise ModelError(
            f"{path} holds another network than {name}.json says (“{odd[:60]}” does not match); "
            "copy both files from the same folder."
        )
    for key, tensor in tensors.items():
        if tensor.shape != wanted[key].shape or tensor.dtype != wanted[key].dtype:
            raise ModelError(
                f"{path}: “{key}” has shape {tuple(tensor.shape)} and type {tensor.dtype} instead "
                f"of {tuple(wanted[key].shape)} and {wanted[key].dtype}; copy both files from "
                "the same folder."
            )
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise ModelError(f"{path}: “{key}” holds values that are no numbers; train again.")
    if sha256 is not None:
        compare_checksums(path, checksum, sha256)
    network.load_state_dict(tensors)
