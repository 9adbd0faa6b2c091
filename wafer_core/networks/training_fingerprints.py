"""Train/test contamination: which pictures were used to pretrain the weights that ship.

Scores on such a picture are optimistic, since the network may have memorised it. A list of short
fingerprints of the pretraining wafers ships with the weights; no wafer can be reconstructed from
it.
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
    """A hash of each picture (N,), invariant under rotation by 90° and reflection.

    Two different pictures collide with a chance of 2⁻³².
    """
    digests = b"".join(bytes.fromhex(orbit_hash(picture)[:8]) for picture in pictures)
    return np.frombuffer(digests, ">i4").astype(np.int32)


def seen_in_pretraining(name: str, pictures: Sequence[Picture]) -> npt.NDArray[np.bool_]:
    """Which pictures (N,) were used to pretrain a network.

    Args:
        name: A key of ``registry.NETWORKS``.
        pictures: N pictures.

    Raises:
        ModelError: The list that ships is missing or damaged.
    """
    weights = registry.NETWORKS[name].weights
    if weights is None or not len(pictures):
        return np.zeros(len(pictures), bool)
    return np.isin(fingerprints(pictures), _read(str(registry.WEIGHTS), fingerprints_file(weights)))


def fingerprints_file(weights: str) -> str:
    """Name of the file of fingerprints, stored beside the weights."""
    return f"{weights}-seen"


class Fingerprints(torch.nn.Module):
    """Fingerprints as they are stored, sorted and without duplicates."""

    def __init__(self, values: npt.NDArray[np.int32]) -> None:
        super().__init__()
        self.register_buffer(KEY, torch.from_numpy(np.unique(values)))


@functools.lru_cache(maxsize=4)  # files that ship do not change
def _read(folder: str, name: str) -> npt.NDArray[np.int32]:
    tensors = registry.read_shipped(name)
    if KEY not in tensors or tensors[KEY].dtype != torch.int32:
        raise ModelError(
            "{path} holds no fingerprints; install the program again.",
            path=f"{folder}/{name}.safetensors",
        )
    values: npt.NDArray[np.int32] = tensors[KEY].numpy()
    return values
