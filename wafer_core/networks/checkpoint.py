"""A model on disk: ``model.safetensors`` holds the tensors, ``model.json`` the description.

Neither file can hold code, and nothing here unpickles. People copy model folders and send them to
each other, so an unusable file is refused with a clear message. The description holds the SHA-256
of the tensor file, so that a changed or mixed-up file is noticed.
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
_MAX_DESCRIPTION = 16 * 2**20  # bytes; a real description has a few thousand

Tensors = dict[str, torch.Tensor]


def save(
    folder: Path, network: nn.Module, description: Mapping[str, Any], name: str = NAME
) -> None:
    """Store a network.

    Args:
        folder: Created atomically if it does not exist. If it exists (a run that is being assembled
            in ``files.new_folder``), the two files are added to it.
        network: Its weights and buffers are stored.
        description: JSON values; see ``Classifier.save``.
        name: Of the two files, without suffix.

    Raises:
        StorageError: The disk is full or read-only.
    """
    if not folder.is_dir():
        with files.new_folder(folder, parents=True) as temporary:
            save(temporary, network, description, name)
        return
    tensors = {
        key: tensor.detach().to("cpu").contiguous() for key, tensor in network.state_dict().items()
    }
    data = safetensors.torch.save(tensors)
    files.write_bytes(folder / f"{name}.safetensors", data)
    # The description comes last: a folder without it is not a model.
    checksum = hashlib.sha256(data).hexdigest()
    value = {"format": FORMAT, "schema": SCHEMA, **description, "sha256": checksum}
    files.write_json(folder / f"{name}.json", value)


def read_description(folder: Path, name: str = NAME) -> dict[str, Any]:
    """Read and check ``<name>.json``.

    Raises:
        ModelError: Missing, damaged, or written by another program or version.
    """
    path = folder / f"{name}.json"
    try:
        if path.stat().st_size > _MAX_DESCRIPTION:
            raise ModelError(
                "{path} is too large for a model description; copy it again.", path=str(path)
            )
        value = json.loads(path.read_bytes())
    except FileNotFoundError as exc:
        raise ModelError(
            "{folder} holds no model ({file} is missing); choose another model or train one.",
            folder=str(folder),
            file=path.name,
        ) from exc
    except (OSError, ValueError, RecursionError) as exc:
        raise ModelError(
            "{path} is damaged and cannot be read; train again or restore it from a backup.",
            path=str(path),
        ) from exc
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise ModelError(
            "{path} does not describe a model of this program; choose another file.", path=str(path)
        )
    if value.get("schema") != SCHEMA:
        raise ModelError(
            "{path} was written by another version (schema {found}, expected {expected}); update "
            "the program or train again.",
            path=str(path),
            found=repr(value.get("schema")),
            expected=SCHEMA,
        )
    return value


def read_tensors(folder: Path, name: str = NAME) -> tuple[Tensors, str]:
    """The stored tensors and the SHA-256 of their file in hex.

    Raises:
        ModelError: Missing or damaged.
    """
    path = folder / f"{name}.safetensors"
    try:
        data = path.read_bytes()
        return safetensors.torch.load(data), hashlib.sha256(data).hexdigest()
    except FileNotFoundError as exc:
        raise ModelError(
            "{path} is missing; the model folder was copied only in part. Copy it again.",
            path=str(path),
        ) from exc
    except (OSError, ValueError, safetensors.SafetensorError) as exc:
        raise ModelError(
            "{path} is damaged or cut short; copy it again or train the model again.",
            path=str(path),
        ) from exc


def compare_checksums(path: Path, found: str, expected: object) -> None:
    """Check that a tensor file is the one that its description was written for.

    Raises:
        ModelError: The checksums differ.
    """
    if found != expected:
        raise ModelError(
            "{path} does not match its description (the checksum differs); copy both files again "
            "from the same folder.",
            path=str(path),
        )


def load_weights(
    folder: Path, network: nn.Module, name: str = NAME, sha256: str | None = None
) -> None:
    """Load the stored tensors into a network of the same architecture.

    Args:
        folder: Of the model.
        network: Changed in place.
        name: Of the files, without suffix.
        sha256: Expected checksum; None: the description predates checksums.

    Raises:
        ModelError: Missing or damaged, or the tensors belong to another architecture.
    """
    path = folder / f"{name}.safetensors"
    tensors, checksum = read_tensors(folder, name)
    expected = network.state_dict()
    if set(tensors) != set(expected):
        raise ModelError(
            "{path} holds a different network than {file} describes (“{tensor}” does not match); "
            "copy both files from the same folder.",
            path=str(path),
            file=f"{name}.json",
            tensor=sorted(set(tensors) ^ set(expected))[0][:60],
        )
    for key, tensor in tensors.items():
        if tensor.shape != expected[key].shape or tensor.dtype != expected[key].dtype:
            raise ModelError(
                "{path}: “{tensor}” has shape {shape} and type {dtype} instead of {expected_shape} "
                "and {expected_dtype}; copy both files from the same folder.",
                path=str(path),
                tensor=key,
                shape=str(tuple(tensor.shape)),
                dtype=str(tensor.dtype),
                expected_shape=str(tuple(expected[key].shape)),
                expected_dtype=str(expected[key].dtype),
            )
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise ModelError(
                "{path}: “{tensor}” holds values that are not finite; train again.",
                path=str(path),
                tensor=key,
            )
    if sha256 is not None:
        compare_checksums(path, checksum, sha256)
    network.load_state_dict(tensors)
