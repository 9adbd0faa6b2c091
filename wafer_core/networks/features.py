"""Networks whose features two sets of pictures are compared by, by name.

Figures of two of them cannot be compared with each other. What a picture gave is remembered for a
while by the picture's content: the originals of a project are looked at again and again.
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
from wafer_core.metrics import log_softmax
from wafer_core.networks import checkpoint, imagenet, inception, initial_weights, registry
from wafer_core.tasks.classification.pretrained import STANDARD, standard_classifier

_BATCH = 32  # pictures in one go
_REMEMBERED = 32 * 2**20  # bytes; 30,000 pictures for WaferNet

Floats = npt.NDArray[np.float32]
Progress = Callable[[float], None]


@dataclass(frozen=True, eq=False)
class Seen:
    """What a network made of N pictures."""

    features: Floats  # (N, D)
    probabilities: Floats  # (N, C), rows add up to 1


# Shows pictures to a network: yields indices of some, their features and their probabilities.
_Look = Callable[[Sequence[Picture]], Iterator[tuple[Sequence[int], Floats, Floats]]]


class FeatureNetwork:
    """One network, ready to look at pictures."""

    def __init__(self, name: str, identity: str, width: int, classes: int, look: _Look) -> None:
        """Wrap a network.

        Args:
            name: A key of ``FEATURES``.
            identity: SHA-256 of its file of weights.
            width: D, numbers of a feature.
            classes: C, that it tells apart.
            look: Shows it pictures.
        """
        self.name = name
        self.title = FEATURES[name].title
        self.identity = identity
        self.width, self.classes = width, classes
        self._look = look

    def look(self, pictures: Sequence[Picture], progress: Progress | None = None) -> Seen:
        """Features and probabilities of pictures.

        Args:
            pictures: N of any sizes.
            progress: Called with the share that is done, 0 to 1; may raise to stop.
        """
        rows = np.empty((len(pictures), self.width + self.classes), np.float32)
        keys = [(self.identity, content_hash(picture)) for picture in pictures]
        missing: dict[tuple[str, str], list[int]] = {}
        for index, key in enumerate(keys):
            row = _remembered(key)
            if row is None:
                missing.setdefault(key, []).append(index)
            else:
                rows[index] = row
        firsts = [indices[0] for indices in missing.values()]
        done = len(pictures) - len(firsts)
        for part, features, probabilities in self._look([pictures[i] for i in firsts]):
            found = np.concatenate([features, probabilities], 1).astype(np.float32)
            for position, row in zip(part, found, strict=True):
                key = keys[firsts[position]]
                rows[missing[key]] = row
                _remember(key, row)
            done += len(part)
            if progress:
                progress(done / len(pictures))
        return Seen(rows[:, : self.width], rows[:, self.width :])


@dataclass(frozen=True)
class FeatureInfo:
    """One network of the list.

    Attributes:
        title: For the select box and beside every figure.
        help: What its figures are good for.
        load: Makes it; given the device, and a file of weights or None.
    """

    title: str
    help: str
    load: Callable[[torch.device, Path | None], FeatureNetwork]


def load(name: str, device: torch.device, weights: Path | None = None) -> FeatureNetwork:
    """A network to compare by.

    Args:
        name: A key of ``FEATURES``.
        device: Where to compute.
        weights: A file of the user, for those whose weights do not ship.

    Raises:
        ParameterError: No such network, or a file for one that takes none.
        ModelError: Its weights are missing, damaged or not genuine.
    """
    if name not in FEATURES:
        raise ParameterError(f"There are no features {name!r}; choose {' or '.join(FEATURES)}.")
    return FEATURES[name].load(device, weights)


def wafernet_checksum() -> str:
    """SHA-256 of WaferNet's weights: figures that were seen with others cannot be compared."""
    return str(checkpoint.read_description(registry.WEIGHTS, STANDARD).get("sha256"))


_loaded: dict[tuple[str, str], FeatureNetwork] = {}  # (name, device); its files never change


def _wafernet(device: torch.device, weights: Path | None) -> FeatureNetwork:
    if weights is not None:
        raise ParameterError("WaferNet's weights ship with the program; leave --weights out.")
    known = _loaded.get(("wafernet", str(device)))
    if known is not None:
        return known
    classifier = standard_classifier(device)
    network = classifier.network
    head = imagenet.last_layer(network)[1]
    quick = network.fused() if isinstance(network, registry.WaferCNN) else network
    weight = head.weight.detach().double().cpu().numpy()
    bias = head.bias.detach().double().cpu().numpy()
    digest = wafernet_checksum()

    @torch.inference_mode()
    def look(pictures: Sequence[Picture]) -> Iterator[tuple[Sequence[int], Floats, Floats]]:
        for start in range(0, len(pictures), _BATCH):
            part = pictures[start : start + _BATCH]
            batch = classifier.preparation.prepare(part).to(device)
            features = initial_weights.penultimate(quick, batch).float().cpu().numpy()
            logits = (features @ weight.T + bias) / classifier.temperature
            probabilities = np.exp(log_softmax(logits)).astype(np.float32)
            yield range(start, start + len(part)), features, probabilities

    made = FeatureNetwork("wafernet", digest, head.in_features, head.out_features, look)
    _loaded["wafernet", str(device)] = made
    return made


def _inception(device: torch.device, weights: Path | None) -> FeatureNetwork:
    network, digest = inception.load(weights)
    network.to(device)

    def look(pictures: Sequence[Picture]) -> Iterator[tuple[Sequence[int], Floats, Floats]]:
        for part, features, logits in inception.look(network, pictures, device):
            scores = log_softmax(logits.double().cpu().numpy())
            yield part, features.cpu().numpy(), np.exp(scores).astype(np.float32)

    return FeatureNetwork("inception", digest, inception.FEATURES, inception.CLASSES, look)


FEATURES: dict[str, FeatureInfo] = {
    "wafernet": FeatureInfo(
        "WaferNet",
        "The network that ships and has seen wafers: always there, a second or two, and it sees "
        "what tells wafer patterns apart.",
        _wafernet,
    ),
    "inception": FeatureInfo(
        "InceptionV3 (FID standard)",
        "The network that published figures are measured with; it has seen photographs, wants its "
        "weights (95.6 MB) and takes minutes.",
        _inception,
    ),
}


# -- what was seen before ------------------------------------------------------------------------

_memory: OrderedDict[tuple[str, str], Floats] = OrderedDict()
_memory_lock = threading.Lock()


def _remembered(key: tuple[str, str]) -> Floats | None:
    with _memory_lock:
        row = _memory.get(key)
        if row is not None:
            _memory.move_to_end(key)
        return row


def forget() -> None:
    """Look at every picture anew."""
    with _memory_lock:
        _memory.clear()


def _remember(key: tuple[str, str], row: Floats) -> None:
    with _memory_lock:
        _memory[key] = row.copy()
        # all rows are about as long as this one, or longer ones go first
        while len(_memory) * row.nbytes > _REMEMBERED:
            _memory.popitem(last=False)
