"""Networks whose features are used to compare two sets of pictures, by name.

Scores computed with different networks cannot be compared with each other. The features of a
picture are cached by its content, since a project's originals are compared again and again.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from wafer_core.errors import ParameterError
from wafer_core.images import Picture, content_hash
from wafer_core.messages import N_
from wafer_core.metrics import log_softmax
from wafer_core.networks import checkpoint, inception, registry
from wafer_core.networks.penultimate import last_layer, penultimate
from wafer_core.networks.preparation import Preparation
from wafer_core.networks.wafer_cnn import WaferCNN

_BATCH = 32  # pictures
_CACHE_BYTES = 32 * 2**20  # enough for 30,000 pictures with WaferNet
_WAFERNET = "wafernet"
_FOLDER = registry.WEIGHTS

Floats = npt.NDArray[np.float32]
Progress = Callable[[float], None]


@dataclass(frozen=True, eq=False)
class Activations:
    """Features and class probabilities of N pictures.

    Attributes:
        features: (N, F).
        probabilities: (N, C); rows sum to 1.
    """

    features: Floats
    probabilities: Floats


# Yields indices of some of the pictures, their features and their probabilities.
_Extract = Callable[[Sequence[Picture]], Iterator[tuple[Sequence[int], Floats, Floats]]]


class FeatureNetwork:
    """A network that extracts features.

    Attributes:
        name: A key of ``FEATURES``.
        title: For people.
        identity: SHA-256 of its weight file.
        width: F, length of a feature vector.
        classes: C.
    """

    def __init__(
        self, name: str, identity: str, width: int, classes: int, extract: _Extract
    ) -> None:
        """Wrap a network.

        Args:
            name: A key of ``FEATURES``.
            identity: SHA-256 of its weight file.
            width: F, length of a feature vector.
            classes: C.
            extract: Runs it on pictures.
        """
        self.name = name
        self.title = FEATURES[name].title
        self.identity = identity
        self.width, self.classes = width, classes
        self._extract = extract

    def extract(
        self, pictures: Sequence[Picture], on_progress: Progress | None = None
    ) -> Activations:
        """Features and probabilities of pictures.

        Args:
            pictures: N pictures of any sizes.
            on_progress: Called with the share that is done, 0 to 1; may raise to stop.
        """
        rows = np.empty((len(pictures), self.width + self.classes), np.float32)
        keys = [(self.identity, content_hash(picture)) for picture in pictures]
        missing: dict[tuple[str, str], list[int]] = {}
        for index, key in enumerate(keys):
            row = _cached(key)
            if row is None:
                missing.setdefault(key, []).append(index)
            else:
                rows[index] = row
        firsts = [indices[0] for indices in missing.values()]
        done = len(pictures) - len(firsts)
        for batch, features, probabilities in self._extract([pictures[i] for i in firsts]):
            joined = np.concatenate([features, probabilities], 1).astype(np.float32)
            for position, row in zip(batch, joined, strict=True):
                key = keys[firsts[position]]
                rows[missing[key]] = row
                _cache(key, row)
            done += len(batch)
            if on_progress:
                on_progress(done / len(pictures))
        return Activations(rows[:, : self.width], rows[:, self.width :])


@dataclass(frozen=True)
class FeatureInfo:
    """One network of the list.

    Attributes:
        title: For the select box and beside every score.
        help: When to use it.
        load: Makes it; called with the device and a weight file or None.
    """

    title: str
    help: str
    load: Callable[[torch.device, Path | None], FeatureNetwork]


def load(name: str, device: torch.device, weights: Path | None = None) -> FeatureNetwork:
    """A network to extract features with.

    Args:
        name: A key of ``FEATURES``.
        device: Where to compute.
        weights: A weight file of the user, for a network whose weights do not ship.

    Raises:
        ParameterError: No such network, or a weight file for one whose weights ship.
        ModelError: Its weights are missing, damaged or not those that were published.
    """
    if name not in FEATURES:
        raise ParameterError(
            "There is no feature network {name}; choose one of {names}.",
            name=repr(name),
            names=", ".join(FEATURES),
        )
    return FEATURES[name].load(device, weights)


def wafernet_checksum() -> str:
    """SHA-256 of WaferNet's weights; scores computed with other weights cannot be compared."""
    return str(checkpoint.read_description(_FOLDER, _WAFERNET).get("sha256"))


_loaded: dict[tuple[str, str], FeatureNetwork] = {}  # (name, device); files that ship do not change


def _load_wafernet(device: torch.device, weights: Path | None) -> FeatureNetwork:
    if weights is not None:
        raise ParameterError("WaferNet's weights ship with the program; leave --weights out.")
    if (_WAFERNET, str(device)) in _loaded:
        return _loaded[_WAFERNET, str(device)]
    description = checkpoint.read_description(_FOLDER, _WAFERNET)
    preparation = Preparation.from_json(description["preparation"])
    temperature, digest = float(description["temperature"]), str(description["sha256"])
    network = registry.build(_WAFERNET, len(description["class_names"])).eval()
    checkpoint.load_weights(_FOLDER, network, _WAFERNET, digest)
    head = last_layer(network)[1]
    fused = (network.fused() if isinstance(network, WaferCNN) else network).to(device)
    weight = head.weight.detach().double().numpy()
    bias = head.bias.detach().double().numpy()

    @torch.inference_mode()
    def extract(pictures: Sequence[Picture]) -> Iterator[tuple[Sequence[int], Floats, Floats]]:
        for start in range(0, len(pictures), _BATCH):
            chunk = pictures[start : start + _BATCH]
            batch = preparation.prepare(chunk).to(device)
            features = penultimate(fused, batch).float().cpu().numpy()
            logits = (features @ weight.T + bias) / temperature
            probabilities = np.exp(log_softmax(logits)).astype(np.float32)
            yield range(start, start + len(chunk)), features, probabilities

    loaded = FeatureNetwork(_WAFERNET, digest, head.in_features, head.out_features, extract)
    _loaded[_WAFERNET, str(device)] = loaded
    return loaded


def _load_inception(device: torch.device, weights: Path | None) -> FeatureNetwork:
    network, digest = inception.load(weights)
    network.to(device)

    def extract(pictures: Sequence[Picture]) -> Iterator[tuple[Sequence[int], Floats, Floats]]:
        for batch, features, logits in inception.extract(network, pictures, device):
            logs = log_softmax(logits.double().cpu().numpy())
            yield batch, features.cpu().numpy(), np.exp(logs).astype(np.float32)

    return FeatureNetwork("inception", digest, inception.FEATURES, inception.CLASSES, extract)


FEATURES: dict[str, FeatureInfo] = {
    _WAFERNET: FeatureInfo(
        N_("WaferNet"),
        N_(
            "The network that ships, pretrained on wafer maps. Always available, takes a second "
            "or two, and is sensitive to what distinguishes wafer patterns."
        ),
        _load_wafernet,
    ),
    "inception": FeatureInfo(
        N_("InceptionV3 (FID standard)"),
        N_(
            "The network of published FID and KID figures, pretrained on photographs. Needs its "
            "weights (95.6 MB) and takes minutes."
        ),
        _load_inception,
    ),
}


# -- cache ---------------------------------------------------------------------------------------

_rows: OrderedDict[tuple[str, str], Floats] = OrderedDict()
_rows_lock = threading.Lock()


def clear_cache() -> None:
    """Extract the features of every picture anew."""
    with _rows_lock:
        _rows.clear()


def _cached(key: tuple[str, str]) -> Floats | None:
    with _rows_lock:
        row = _rows.get(key)
        if row is not None:
            _rows.move_to_end(key)
        return row


def _cache(key: tuple[str, str], row: Floats) -> None:
    with _rows_lock:
        _rows[key] = row.copy()
        # Rows are about as long as this one; longer ones are evicted first.
        while len(_rows) * row.nbytes > _CACHE_BYTES:
            _rows.popitem(last=False)
