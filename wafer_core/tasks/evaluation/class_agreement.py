"""Class agreement: share of synthetic pictures that a classifier assigns to their class.

The reference classifier is trained on training originals of all classes of the project, and never
on synthetic pictures. The same share of held-out originals of the class is the baseline, and that
of originals of other classes the reference.
"""

from __future__ import annotations

import hashlib
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from wafer_core.images import Picture, content_hash
from wafer_core.messages import Message, message
from wafer_core.metrics.shares import wilson
from wafer_core.networks.features import wafernet_checksum
from wafer_core.networks.initial_weights import FROZEN
from wafer_core.progress import SILENT, Progress
from wafer_core.sampling import evenly_spaced
from wafer_core.tasks.classification.classifier import Classifier
from wafer_core.tasks.classification.config import TrainConfig
from wafer_core.tasks.classification.train import train
from wafer_core.tasks.classification.train_data import TrainData
from wafer_core.tasks.evaluation import sentences
from wafer_core.tasks.evaluation.scores import Score

FEWEST = 5  # training originals that a class needs to be learned
EACH = 60  # training originals that are used per class at most
_TOTAL = 2000  # training originals of all classes together; more would take longer than the scores
_TRAIN_SHARE = 0.7  # of the time, roughly
_BATCH = 64  # pictures that are classified between two progress reports

Labels = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Classes:
    """The originals of a project, seen from one of its classes.

    Attributes:
        name: Of the class whose synthetic pictures are scored.
        training: Training originals by class name, in class order.
        held_out: Originals that are not trained on, by class name.
    """

    name: str
    training: Mapping[str, Sequence[Picture]]
    held_out: Mapping[str, Sequence[Picture]]


def agreement(
    synthetic: Sequence[Picture],
    classes: Classes | None,
    *,
    device: torch.device | None = None,
    seed: int = 0,
    on_progress: Progress = SILENT,
) -> Score:
    """Class agreement of synthetic pictures.

    Args:
        synthetic: Pictures of the class ``classes.name``.
        classes: Originals of all classes; ``None``: there are no other classes.
        device: Where to compute; default: the CPU.
        seed: The same seed gives the same score.
        on_progress: Called with the share that is done, 0 to 1; may raise to cancel.

    Returns:
        ``value``: share of the synthetic pictures that are assigned to their class; ``baseline``:
        the same of held-out originals of the class; ``reference``: of held-out originals of all
        other classes. ``details`` has the ends of their 95% Wilson intervals.
    """
    usable = _usable(classes)
    counts = {"made": len(synthetic), "real": 0, "others": 0, "training": 0, "classes": len(usable)}
    missing = _missing(synthetic, classes, usable)
    if classes is None or missing:
        return Score("agreement", counts=counts, note=missing)
    training, predicting = on_progress.split(_TRAIN_SHARE, 1 - _TRAIN_SHARE)
    classifier = reference_classifier(list(usable.values()), device, seed, training)
    others = [p for name in usable if name != classes.name for p in classes.held_out.get(name, ())]
    sets = (list(synthetic), list(classes.held_out.get(classes.name, ())), others)
    names = list(usable)
    own = names.index(classes.name)
    hits, predictions = [], []
    for pictures, part in zip(sets, predicting.each([len(each) for each in sets]), strict=True):
        labels = []
        for start in range(0, len(pictures), _BATCH):
            labels.append(classifier.predict(pictures[start : start + _BATCH]))
            part((start + _BATCH) / len(pictures))
        predictions.append(np.concatenate([np.zeros(0, np.int64), *labels]))
        hits.append(int((predictions[-1] == own).sum()))
    counts |= {"real": len(sets[1]), "others": len(others)}
    counts["training"] = sum(min(len(p), _most(len(usable))) for p in usable.values())
    shares = [h / len(p) if p else None for h, p in zip(hits, sets, strict=True)]
    details: dict[str, float | None] = {}
    for key, hit, pictures in zip(("made", "real", "others"), hits, sets, strict=True):
        low, high = wilson(hit, len(pictures)) or (None, None)
        details |= {key: hit, f"{key}_low": low, f"{key}_high": high}
    elsewhere = Counter(names[k] for k in predictions[0] if k != own).most_common(1)
    instead, details["instead"] = elsewhere[0] if elsewhere else (None, 0)
    return Score(
        "agreement",
        shares[0],
        same_counts=shares[0],
        baseline=shares[1],
        reference=shares[2],
        counts=counts,
        details=details,
        instead=instead,
    )


def membership(
    originals: Sequence[Picture],
    others: Mapping[str, Sequence[Picture]],
    *,
    device: torch.device | None = None,
    seed: int = 0,
) -> Callable[[Sequence[Picture]], npt.NDArray[np.bool_]] | None:
    """A test of whether pictures belong to a class, by a reference classifier.

    Args:
        originals: Training originals of the class.
        others: Training originals of other classes, by name.
        device: Where to compute; default: the CPU.
        seed: The same seed gives the same classifier.

    Returns:
        A function from N pictures to bool (N,); ``None`` if there are too few originals of the
        class or of any other.
    """
    usable = {name: each for name, each in others.items() if len(each) >= FEWEST}
    if len(originals) < FEWEST or not usable:
        return None
    classifier = reference_classifier([originals, *usable.values()], device, seed)
    return lambda pictures: classifier.predict(pictures) == 0


def _usable(classes: Classes | None) -> dict[str, Sequence[Picture]]:
    """Training originals of the classes that have enough."""
    if classes is None:
        return {}
    return {name: each for name, each in classes.training.items() if len(each) >= FEWEST}


def _missing(
    synthetic: Sequence[Picture], classes: Classes | None, usable: Mapping[str, Sequence[Picture]]
) -> Message | None:
    """Why class agreement cannot be computed; ``None`` if it can."""
    if classes is None or not set(classes.training) - {classes.name}:
        return message("Class agreement needs a second class to compare with; add one.")
    own = len(classes.training.get(classes.name, ()))
    if own < FEWEST:
        return message(
            "Class agreement needs at least {fewest} training originals of “{name}”, and there are "
            "{count:,}; add originals.",
            fewest=FEWEST,
            name=classes.name,
            count=own,
        )
    if len(usable) < 2:
        return message(
            "Class agreement needs another class with at least {fewest} training originals; add "
            "originals.",
            fewest=FEWEST,
        )
    if not synthetic:
        return sentences.too_few("agreement", 1, {"made": 0, "real": own})
    return None


def _most(classes: int) -> int:
    """Training originals that are used per class."""
    return max(FEWEST, min(EACH, _TOTAL // classes))


def _thinned(items: Sequence[Picture], most: int) -> list[Picture]:
    return [items[k] for k in evenly_spaced(len(items), most)]


# -- the classifier ------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class ReferenceClassifier:
    """A classifier of some classes, independent of their names and order.

    Attributes:
        classifier: Trained on their originals.
        order: For each of its outputs, the index of the class in the caller's order.
    """

    classifier: Classifier
    order: Labels

    def predict(self, pictures: Sequence[Picture]) -> Labels:
        """Class indices (N,) of N pictures, in the caller's order."""
        if not pictures:
            return np.zeros(0, np.int64)
        found: Labels = self.order[self.classifier.predict_proba(pictures).argmax(1)]
        return found


_cached: OrderedDict[str, Classifier] = OrderedDict()  # a job may score one class after another
_cache_lock = threading.Lock()
_CACHE_SIZE = 3


def reference_classifier(
    training: Sequence[Sequence[Picture]],
    device: torch.device | None = None,
    seed: int = 0,
    on_progress: Progress = SILENT,
) -> ReferenceClassifier:
    """WaferNet with a linear head fitted to these originals, cached by their content.

    The classifier is the same for the same classes in any order, so that all classes of a project
    share one.

    Args:
        training: Originals of two or more classes; at most ``EACH`` of a class are used.
        device: Where to compute; default: the CPU.
        seed: Of the folds by which the weight decay of the head is chosen.
        on_progress: Called with the share that is done, 0 to 1; may raise to cancel.
    """
    device = device or torch.device("cpu")
    # thinned to EACH first, so that the result is the same if the caller has thinned already
    chosen = [_thinned(_thinned(each, EACH), _most(len(training))) for each in training]
    contents = [_digest(each) for each in chosen]
    by_content = sorted(range(len(chosen)), key=lambda k: contents[k])
    order = np.array(by_content, np.int64)
    sorted_contents = [contents[k] for k in by_content]
    key = hashlib.sha256(
        f"{sorted_contents} {device} {seed} {wafernet_checksum()}".encode()
    ).hexdigest()
    with _cache_lock:
        if key in _cached:
            _cached.move_to_end(key)
            return ReferenceClassifier(_cached[key], order)
    data = TrainData(
        tuple(map(str, range(len(by_content)))),
        [picture for k in by_content for picture in chosen[k]],
        np.repeat(np.arange(len(by_content)), [len(chosen[k]) for k in by_content]),
        [],
        np.zeros(0, np.int64),
    )
    # No rotations and reflections in training or prediction: pretrained features hardly change with
    # them (the accuracy on nine classes changes by less than 1%), and they cost four times as much.
    config = TrainConfig(transfer=FROZEN, turns=False, average_turns=False, seed=seed)
    [result] = train(data, config, device, on_progress=on_progress)
    classifier = result.best_classifier()
    with _cache_lock:
        _cached[key] = classifier
        while len(_cached) > _CACHE_SIZE:
            _cached.popitem(last=False)
    return ReferenceClassifier(classifier, order)


def _digest(pictures: Sequence[Picture]) -> str:
    """Hash of the contents of pictures in their order."""
    return hashlib.sha256(" ".join(map(content_hash, pictures)).encode()).hexdigest()
