"""InceptionV3 as the FID standard has it: torch-fidelity's network with its published weights.

Nothing is fetched by itself; see ``weight_files``. Grey pictures go in as they are stored, the grey
three times, which is what torch-fidelity sees of the PNG files; it draws them at 299 × 299.
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
from wafer_core.networks.published_weights import COMMAND, Official, Tensors

NAME = "inception_v3"
FEATURES, CLASSES = 2048, 1008
_LAYERS = ["2048", "logits_unbiased"]  # those of FID and KID, and of the Inception Score
_BATCH = 16  # pictures in one go


def official() -> tuple[Official, ...]:
    """The file that torch-fidelity publishes."""
    from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3

    return (Official(NAME, URL_INCEPTION_V3, 95.6),)


def find() -> Path | None:
    """The stored weights, not yet verified; ``None`` if there are none."""
    return published_weights.find(NAME, official())


def describe() -> dict[str, str | float | None]:
    """What there is, as JSON values; ``path`` is None where nothing is stored."""
    return published_weights.describe(NAME, official())


def install(source: Path | None = None, progress: Callable[[float], None] | None = None) -> Path:
    """Verify the weights and put them where ``find`` finds them; see ``weight_files.install``.

    Raises:
        ModelError: The file is not genuine, is damaged, or cannot be reached.
        StorageError: The disk is full or refuses.
    """
    return published_weights.install(NAME, official(), _check, source, progress)


def load(path: Path | None = None) -> tuple[nn.Module, str]:
    """The network, in evaluation mode, on the CPU, and the SHA-256 of its file.

    Args:
        path: The published file under whatever name, or the same numbers as ``.safetensors``. None:
            what was installed.

    Raises:
        ModelError: There is no such file, or it is not genuine or damaged.
    """
    where = path or find()
    if where is None:
        raise ModelError(
            f"There are no weights of InceptionV3 on this machine; “{COMMAND} {NAME}” fetches them "
            f"({official()[0].megabytes:.0f} MB), with --from FILE out of a file that you have."
        )
    tensors, digest = published_weights.read(NAME, official(), where)
    return _network(_check(tensors, where)), digest


def _network(tensors: Tensors) -> nn.Module:
    """Torch-fidelity's network with these weights.

    It opens a file of weights without a check, so it is never handed one: only a copy, in memory,
    of tensors that were read safely.
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
    """What the network takes, by name."""
    from torch_fidelity import feature_extractor_inceptionv3 as module

    class Empty(module.FeatureExtractorInceptionV3):  # type: ignore[misc]
        """The same network without any weights read."""

        def load_state_dict(self, *_: Any, **__: Any) -> None:
            """Keep what there is."""

    stream = io.BytesIO()
    torch.save({}, stream)
    stream.seek(0)
    with torch.device("meta"):
        network = Empty(NAME, list(_LAYERS), feature_extractor_weights_path=stream)
    return {key: tuple(value.shape) for key, value in network.state_dict().items()}


def _check(tensors: Tensors, path: Path) -> Tensors:
    """The tensors, if they are all that the network takes and are numbers.

    Raises:
        ModelError: They are not.
    """
    kept = {}
    for key, shape in shapes().items():
        given = tensors.get(key)
        if given is None or tuple(given.shape) != shape:
            told = "is missing" if given is None else f"has shape {tuple(given.shape)}"
            raise ModelError(
                f"{path} does not hold torch-fidelity's InceptionV3: “{key}” {told}; use its file."
            )
        if given.is_floating_point() and not bool(torch.isfinite(given).all()):
            raise ModelError(f"{path}: “{key}” holds values that are no numbers; fetch it again.")
        kept[key] = given
    return kept


@torch.inference_mode()
def look(
    network: nn.Module, pictures: Sequence[Picture], device: torch.device
) -> Iterator[tuple[list[int], torch.Tensor, torch.Tensor]]:
    """Show pictures to the network, those of one size together.

    Args:
        network: From ``load``, on the device.
        pictures: Of any sizes.
        device: Where to compute.

    Yields:
        Indices of some pictures, their features (n, 2048) and logits (n, 1008) without the bias,
        as torch-fidelity scores them.
    """
    sizes: dict[tuple[int, ...], list[int]] = {}
    for index, picture in enumerate(pictures):
        sizes.setdefault(picture.shape, []).append(index)
    for indices in sizes.values():
        for start in range(0, len(indices), _BATCH):
            part = indices[start : start + _BATCH]
            grey = torch.from_numpy(np.stack([pictures[i] for i in part]))[:, None]
            features, logits = network(grey.expand(-1, 3, -1, -1).contiguous().to(device))
            yield part, features, logits
