"""Class agreement: how many made pictures a classifier puts in their class that never saw one.

The classifier learns from training originals alone, of all classes of the project. What real
pictures reach, and how many of other classes it puts there too, stands beside: see ``verdicts``.
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
from wafer_core.metrics.shares import wilson
from wafer_core.networks.features import wafernet_checksum
from wafer_core.networks.initial_weights import FROZEN
from wafer_core.tasks.classification.classifier import Classifier
from wafer_core.tasks.classification.train import TrainConfig, TrainData, train
from wafer_core.tasks.evaluation import sentences
from wafer_core.tasks.evaluation.sentences import Score

FEWEST = 5  # training originals of a class below which a classifier cannot learn it
EACH = 60  # training originals of a class that it learns from at most
_IN_ALL = 2000  # of all classes together: more take longer than the scores themselves
_LEARNS = 0.7  # of the time, roughly
_CHUNK = 64  # pictures that are named between two signs of life

Labels = npt.NDArray[np.int64]
Progress = Callable[[float], None]


@dataclass(frozen=True, eq=False)
class Classes:
    """The originals of a project, for one of its classes.

    Attributes:
        name: Of the class whose pictures are made.
        training: Originals to learn from, by class name, in class order.
        held_out: Originals that nothing was learned from, by class name.
    """

    name: str
    training: Mapping[str, Sequence[Picture]]
    held_out: Mapping[str, Sequence[Picture]]


def agreement(
    made: Sequence[Picture],
    classes: Classes | None,
    *,
    device: torch.device | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Score:
    """Class agreement of made pictures.

    Args:
        made: Of the class ``classes.name``.
        classes: ``None``: nothing is known of other classes.
        device: Where to compute; default: the CPU.
        seed: Of what is drawn; the same seed, the same figures.
        progress: Called with the share that is done, 0 to 1; may raise to stop.

    Returns:
        ``value``: share of the made pictures that are put in their class; ``floor``: the same of
        held-out originals of it; ``ceiling``: of held-out originals of all other classes.
        ``details`` holds the ends of their 95 % intervals (Wilson).
    """
    tell = progress or (lambda _: None)
    usable = _usable(classes)
    counts = {"made": len(made), "real": 0, "others": 0, "training": 0, "classes": len(usable)}
    why = _missing(made, classes, usable)
    if classes is None or why:
        return Score("agreement", counts=counts, note=why)
    judge = judge_of(list(usable.values()), device, seed, lambda share: tell(_LEARNS * share))
    others = [p for name in usable if name != classes.name for p in classes.held_out.get(name, ())]
    sets = (list(made), list(classes.held_out.get(classes.name, ())), others)
    names = list(usable)
    total, done, own = max(1, sum(map(len, sets))), 0, names.index(classes.name)
    hits, answers = [], []
    for pictures in sets:
        found = []
        for start in range(0, len(pictures), _CHUNK):
            found.append(judge.label(pictures[start : start + _CHUNK]))
            share = min(total, done + start + _CHUNK) / total
            tell(_LEARNS + (1 - _LEARNS) * share)
        answers.append(np.concatenate([np.zeros(0, np.int64), *found]))
        hits.append(int((answers[-1] == own).sum()))
        done += len(pictures)
    counts |= {"real": len(sets[1]), "others": len(others)}
    counts["training"] = sum(min(len(p), _most(len(usable))) for p in usable.values())
    values = [h / len(p) if p else None for h, p in zip(hits, sets, strict=True)]
    details: dict[str, float | None] = {}
    for key, hit, pictures in zip(("made", "real", "others"), hits, sets, strict=True):
        ends = wilson(hit, len(pictures)) or (None, None)
        details |= {key: hit, f"{key}_low": ends[0], f"{key}_high": ends[1]}
    wrong = Counter(names[k] for k in answers[0] if k != own).most_common(1)
    instead, details["instead"] = wrong[0] if wrong else (None, 0)
    return Score(
        "agreement", values[0], None, values[0], values[1], values[2], None, counts, details,
        instead=instead,
    )  # fmt: skip


def membership(
    own: Sequence[Picture],
    others: Mapping[str, Sequence[Picture]],
    *,
    device: torch.device | None = None,
    seed: int = 0,
) -> Callable[[Sequence[Picture]], npt.NDArray[np.bool_]] | None:
    """Ask a classifier that learns from originals alone which pictures are of a class.

    Args:
        own: Training originals of the class.
        others: Training originals of other classes, by name.
        device: Where to compute; default: the CPU.
        seed: The same seed, the same answers.

    Returns:
        What tells of N pictures which are of the class, bool (N,); ``None`` where a classifier
        cannot learn the class, or no other one.
    """
    usable = {name: each for name, each in others.items() if len(each) >= FEWEST}
    if len(own) < FEWEST or not usable:
        return None
    judge = judge_of([own, *usable.values()], device, seed)
    return lambda pictures: judge.label(pictures) == 0


def _usable(classes: Classes | None) -> dict[str, Sequence[Picture]]:
    """Training originals of the classes that can be learned."""
    if classes is None:
        return {}
    return {name: each for name, each in classes.training.items() if len(each) >= FEWEST}


def _missing(
    made: Sequence[Picture], classes: Classes | None, usable: Mapping[str, Sequence[Picture]]
) -> str | None:
    """Why there is no class agreement; ``None`` where there is."""
    if classes is None or not set(classes.training) - {classes.name}:
        return "Class agreement needs another class to tell this one from; add one."
    own = len(classes.training.get(classes.name, ()))
    if own < FEWEST:
        return (
            f"Class agreement needs {FEWEST} training originals of “{classes.name}” or more, so "
            f"that a classifier can learn it, and there are {own}; add originals."
        )
    if len(usable) < 2:
        return (
            f"Class agreement needs another class with {FEWEST} training originals or more; add "
            "originals to one."
        )
    if not made:
        return sentences.too_few("Class agreement", 1, {"made": 0, "real": own})
    return None


def _most(classes: int) -> int:
    """Originals of each class that are learned from."""
    return max(FEWEST, min(EACH, _IN_ALL // classes))


def _evenly(items: Sequence[Picture], most: int) -> list[Picture]:
    """So many of them at most, evenly over their order: neighbours are of one lot."""
    chosen = np.linspace(0, len(items) - 1, min(len(items), most)).round().astype(int)
    return [items[k] for k in chosen]


# -- the classifier ------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Judge:
    """A classifier of some classes, whatever they are called and in which order they come.

    Attributes:
        rank: Of each output of the classifier, the index of its class among those asked for.
    """

    classifier: Classifier
    rank: Labels

    def label(self, pictures: Sequence[Picture]) -> Labels:
        """The class of each of N pictures, an index into what the judge was made of: (N,)."""
        if not pictures:
            return np.zeros(0, np.int64)
        found: Labels = self.rank[self.classifier.predict_proba(pictures).argmax(1)]
        return found


_known: OrderedDict[str, Classifier] = OrderedDict()  # a job may judge one class after the other
_known_lock = threading.Lock()
_KNOWN_MOST = 3


def judge_of(
    training: Sequence[Sequence[Picture]],
    device: torch.device | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Judge:
    """WaferNet with a last layer fitted to these originals, remembered by their content.

    It is the same for the same classes in any order, so that all classes of a project share one.

    Args:
        training: Originals of two or more classes; of more than ``EACH`` some are taken, evenly.
        device: Where to compute; default: the CPU.
        seed: Of the folds by which the last layer's decay is chosen.
        progress: Called with the share that is done, 0 to 1; may raise to stop.
    """
    device = device or torch.device("cpu")
    # first as many as of the longest lists, so that what is given whole or thinned is the same
    chosen = [_evenly(_evenly(each, EACH), _most(len(training))) for each in training]
    contents = [_digest(each) for each in chosen]
    order = sorted(range(len(chosen)), key=lambda k: contents[k])
    rank = np.array(order, np.int64)
    known = [contents[k] for k in order]
    key = hashlib.sha256(f"{known} {device} {seed} {wafernet_checksum()}".encode()).hexdigest()
    with _known_lock:
        if key in _known:
            _known.move_to_end(key)
            return Judge(_known[key], rank)
    none = np.zeros(0, np.int64)
    labels = np.repeat(np.arange(len(order)), [len(chosen[k]) for k in order])
    data = TrainData(
        tuple(map(str, range(len(order)))),
        [picture for k in order for picture in chosen[k]], labels, [], none,
    )  # fmt: skip
    # Neither learning nor answering takes the turned forms in: the network's features hardly
    # differ among them (measured: the share of nine classes named right changes by less than 1 %),
    # and it is four times the work.
    config = TrainConfig(transfer=FROZEN, turns=False, average_turns=False, seed=seed)
    [result] = train(data, config, device, on_batch=progress)
    classifier = result.best_classifier()
    with _known_lock:
        _known[key] = classifier
        while len(_known) > _KNOWN_MOST:
            _known.popitem(last=False)
    return Judge(classifier, rank)


def _digest(pictures: Sequence[Picture]) -> str:
    """Of what some pictures show, in their order."""
    return hashlib.sha256(" ".join(map(content_hash, pictures)).encode()).hexdigest()
