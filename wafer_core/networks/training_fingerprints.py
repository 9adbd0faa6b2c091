"""Whether the weights that a network starts from were taught with a picture.

A figure on such a picture is too good: the network may know it by heart. With the weights ships a
list of short fingerprints of the wafers that taught them, from which no wafer can be made again.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from wafer_core.errors import ModelError
from wafer_core.images import Picture, orbit_hash
from wafer_core.networks import registry

KEY = "fingerprints"


def fingerprints(pictures: Sequence[Picture]) -> npt.NDArray[np.int32]:
    """A number for each picture (N,), the same for its turned and mirrored forms.

    Of two different pictures one in four thousand million pairs has the same.
    """
    heads = b"".join(bytes.fromhex(orbit_hash(picture)[:8]) for picture in pictures)
    return np.frombuffer(heads, ">i4").astype(np.int32)


def were_seen(name: str, pictures: Sequence[Picture]) -> npt.NDArray[np.bool_]:
    """Which pictures (N,) taught the weights that a network comes with.

    Args:
        name: A key of ``networks.NETWORKS``.
        pictures: N.

    Raises:
        ModelError: The list that ships is missing or damaged.
    """
    stored = registry.NETWORKS[name].weights
    if stored is None or not len(pictures):
        return np.zeros(len(pictures), bool)
    return np.isin(fingerprints(pictures), _known(str(registry.WEIGHTS), seen_file(stored)))


def seen_file(stored: str) -> str:
    """Name of the file of fingerprints, beside the weights ``stored``."""
    return f"{stored}-seen"


class Fingerprints(torch.nn.Module):
    """Fingerprints as they are stored, in order and each once."""

    def __init__(self, found: npt.NDArray[np.int32]) -> None:
        super().__init__()
        self.register_buffer(KEY, torch.from_numpy(np.unique(found)))


@functools.lru_cache(maxsize=4)  # files that ship do not change
def _known(folder: str, name: str) -> npt.NDArray[np.int32]:
    tensors = registry.genuine(name)
    if KEY not in tensors or tensors[KEY].dtype != torch.int32:
        raise ModelError(
            f"{folder}/{name}.safetensors holds no fingerprints; install the program again."
        )
    found: npt.NDArray[np.int32] = tensors[KEY].numpy()
    return found
