"""InceptionV3 of the FID standard: torch-fidelity's network with its published weights.

Nothing is downloaded automatically; see ``published_weights``. Grey pictures are repeated three
times, which is what torch-fidelity reads from PNG files; it resizes them to 299 × 299.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from wafer_core.errors import ModelError
from wafer_core.images import Picture
from wafer_core.networks import published_weights
from wafer_core.networks.checkpoint import Tensors
from wafer_core.networks.published_weights import COMMAND, PublishedFile

NAME = "inception_v3"
FEATURES, CLASSES = 2048, 1008
_LAYERS = ["2048", "logits_unbiased"]  # used by FID and KID, and by the Inception Score
_BATCH = 16  # pictures


def published_files() -> tuple[PublishedFile, ...]:
    """The file that torch-fidelity publishes."""
    from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3

    return (PublishedFile(NAME, URL_INCEPTION_V3, 95.6),)


def find() -> Path | None:
    """The stored weights, not yet verified; ``None`` if there are none."""
    return published_weights.find(NAME, published_files())


def describe() -> dict[str, str | float | None]:
    """What is available, as JSON values; ``path`` is None if nothing is stored."""
    return published_weights.describe(NAME, published_files())


def install(source: Path | None = None, on_progress: Callable[[float], None] | None = None) -> Path:
    """Verify the weights and store them; see ``published_weights.install``.

    Raises:
        ModelError: The file is not the published one, is damaged, or cannot be reached.
        StorageError: The disk is full or read-only.
    """
    return published_weights.install(NAME, published_files(), _select_tensors, source, on_progress)


def load(path: Path | None = None) -> tuple[nn.Module, str]:
    """The network, in evaluation mode, on the CPU, and the SHA-256 of its weight file.

    Args:
        path: The published file under any name, or the same tensors as ``.safetensors``. None: the
            installed file.

    Raises:
        ModelError: There is no file, or it is not the published one or damaged.
    """
    source = path or find()
    if source is None:
        raise ModelError(
            "There are no weights of InceptionV3 on this machine; “{command}” downloads them "
            "({megabytes:.0f} MB). Add --from FILE to use a file you have.",
            command=f"{COMMAND} {NAME}",
            megabytes=published_files()[0].megabytes,
        )
    tensors, digest = published_weights.read(NAME, published_files(), source)
    return _build(_select_tensors(tensors, source)), digest


def _build(tensors: Tensors) -> nn.Module:
    """Torch-fidelity's network with these weights.

    Its loader unpickles a weight file without a check, so it only ever gets an in-memory copy of
    tensors that were read safely.
    """
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    stream = io.BytesIO()
    torch.save(tensors, stream)
    stream.seek(0)
    network: nn.Module = FeatureExtractorInceptionV3(
        NAME, list(_LAYERS), feature_extractor_weights_path=stream
    )
    return network.eval()


@functools.cache
def shapes() -> dict[str, tuple[int, ...]]:
    """Shapes of the network's tensors by name."""
    from torch_fidelity import feature_extractor_inceptionv3 as module

    class Empty(module.FeatureExtractorInceptionV3):  # type: ignore[misc]
        """The same network without loading weights."""

        def load_state_dict(self, *_: Any, **__: Any) -> None:
            """Load nothing."""

    stream = io.BytesIO()
    torch.save({}, stream)
    stream.seek(0)
    with torch.device("meta"):
        network = Empty(NAME, list(_LAYERS), feature_extractor_weights_path=stream)
    return {key: tuple(value.shape) for key, value in network.state_dict().items()}


def _select_tensors(tensors: Tensors, path: Path) -> Tensors:
    return published_weights.select_tensors(tensors, shapes(), path, "InceptionV3 (torch-fidelity)")


@torch.inference_mode()
def extract(
    network: nn.Module, pictures: Sequence[Picture], device: torch.device
) -> Iterator[tuple[list[int], torch.Tensor, torch.Tensor]]:
    """Features and logits, batched by picture size.

    Args:
        network: From ``load``, on the device.
        pictures: Of any sizes.
        device: Where to compute.

    Yields:
        Indices of a batch of n pictures, their features (n, 2048) and their logits (n, 1008)
        without the bias, as torch-fidelity scores them.
    """
    sizes: dict[tuple[int, ...], list[int]] = {}
    for index, picture in enumerate(pictures):
        sizes.setdefault(picture.shape, []).append(index)
    for indices in sizes.values():
        for start in range(0, len(indices), _BATCH):
            batch = indices[start : start + _BATCH]
            grey = torch.from_numpy(np.stack([pictures[i] for i in batch]))[:, None]
            features, logits = network(grey.expand(-1, 3, -1, -1).contiguous().to(device))
            yield batch, features, logits
