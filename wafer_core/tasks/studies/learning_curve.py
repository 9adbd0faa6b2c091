"""How many do I need? Quality and classifier against the number of originals and of made pictures.

    for event in draw_curve(data, CurveConfig(), device):
        if isinstance(event, Curve):
            print(event.verdict.sentence)

One class is looked at. It is given more and more of its training originals, lot by lot as they come
in from a line, each time also with made pictures, and every classifier is judged on the same test
originals. A smaller set is always part of the larger one; each repeat draws another order.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch

from wafer_core.errors import InputError
from wafer_core.images import Picture
from wafer_core.networks import features as feature_networks
from wafer_core.tasks.classification.config import TrainData
from wafer_core.tasks.evaluation import comparison
from wafer_core.tasks.studies.conditions import (
    Order,
    Others,
    StudyData,
    by_class,
    by_generator,
    train_arm,
)
from wafer_core.tasks.studies.curve_config import (
    FEWEST,
    CurveConfig,
    seconds_ahead,
    sizes_of,
    step_seconds,
)
from wafer_core.tasks.studies.curve_result import Curve, Point, Quality, conclude

Labels = npt.NDArray[np.int64]
Tell = Callable[[float, str], None]  # share done and a text; may raise to cancel


@dataclass(frozen=True, eq=False)
class CurveData:
    """What a curve is drawn of.

    Attributes:
        originals: Training and validation originals of all classes.
        target: Index of the class that is looked at.
        lots: Of its training originals, in their order; a wafer without one has its own.
        test_pictures: Originals that judge.
        test_labels: (N,).
        test_lots: N names.
    """

    originals: TrainData
    target: int
    lots: Sequence[Hashable]
    test_pictures: Sequence[Picture]
    test_labels: Labels
    test_lots: Sequence[str]

    @property
    def name(self) -> str:
        """Of the class that is looked at."""
        return self.originals.class_names[self.target]

    def check(self) -> CurveData:
        """Return self if a curve can be drawn.

        Raises:
            InputError: Too few originals to learn from, or none to judge by.
        """
        self.originals.check()
        count = int(self.originals.train_counts()[self.target])
        if count < FEWEST:
            raise InputError(
                f"“{self.name}” has {count} training original{'s' * (count != 1)}; {FEWEST} or "
                "more are needed to see what more of them bring. Add some."
            )
        if not (self.test_labels == self.target).any():
            raise InputError(
                f"No original of “{self.name}” is in the test part, so nobody can judge how well "
                "it is found; add more wafers of it: about one of seven goes there."
            )
        return self

    def own(self) -> list[Picture]:
        """Training originals of the class."""
        mine = np.flatnonzero(self.originals.train_labels == self.target).tolist()
        return [self.originals.train_pictures[i] for i in mine]

    def held_out(self) -> list[Picture]:
        """Originals of the class that nothing learns from."""
        validation = np.flatnonzero(self.originals.validation_labels == self.target).tolist()
        test = np.flatnonzero(self.test_labels == self.target).tolist()
        found = [self.originals.validation_pictures[i] for i in validation]
        return found + [self.test_pictures[i] for i in test]


def nested(lots: Sequence[Hashable], rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """An order of N pictures, of which each beginning is a set: lot after lot, as they come in."""
    number: dict[Hashable, int] = {}
    own = np.array([number.setdefault(lot, len(number)) for lot in lots], np.int64)
    place = rng.permutation(len(number))
    order = rng.permutation(len(own))
    return order[np.argsort(place[own[order]], kind="stable")]


def draw_curve(
    data: CurveData,
    config: CurveConfig,
    device: torch.device,
    tell: Tell | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Iterator[Point | Curve]:
    """Train with more and more originals and made pictures, as often as asked for.

    Args:
        data: Originals that are learned from, and those that judge.
        config: How.
        device: Where to compute.
        tell: Called with the share done and a text, within trainings too; may raise to cancel.
        should_stop: Asked after each repeat; true: what is done by then counts.

    Yields:
        Each training, and at last one ``Curve``.

    Raises:
        InputError: Nothing can be learned or judged.
    """
    data.check()
    own = data.own()
    sizes = sizes_of(len(own), config.sizes)
    others = _others(data, config.others)
    strangers = by_class(others)
    network = feature_networks.load("wafernet", device)
    real, second = network.look(data.held_out()), network.look(own)
    work = _Work(tell, config, sizes, len(others.train_pictures), len(data.test_pictures))
    points: list[Point] = []
    quality: list[Quality] = []
    notes: dict[str, None] = {}
    stopped = False
    for repeat in range(config.seeds):
        if repeat and should_stop is not None and should_stop():
            stopped = True
            break
        order = nested(data.lots, np.random.default_rng((config.seed, repeat, 41)))
        for size in sizes:
            subset = [own[i] for i in order[:size]]
            lots = [str(data.lots[i]) for i in order[:size]]
            text = f"Repeat {repeat + 1} of {config.seeds}, {size} originals"
            with work.step(size, None, f"{text}: making wafers") as within:
                made = _made(subset, config, repeat, device, within, notes, strangers)
            if made:
                sets = comparison.Sets(
                    network.look(made), real, second, None,
                    np.random.default_rng((config.seed, repeat, size)), config.seed,
                )  # fmt: skip
                kid, recall = comparison.kernel(sets, {}), comparison.manifold(sets, {}, 1)
                quality.append(Quality(repeat, size, kid, recall))
            for count in config.made:
                with work.step(size, count, f"{text}, {count} made: training") as within:
                    if len(made) < count:
                        continue
                    study = _study(data, others, subset, lots, made[:count])
                    arm, training = "generated" if count else "none", config.training(repeat)
                    point = Point(
                        repeat, size, count, train_arm(study, arm, training, device, within)
                    )
                    points.append(point)
                    yield point
    yield conclude(
        data.originals.class_names, data.target, data.test_labels, data.test_lots, points, quality,
        tuple(notes), stopped,
    )  # fmt: skip


class _Work:
    """Tells how much of the work is done, in seconds that each step takes, roughly."""

    def __init__(
        self, tell: Tell | None, config: CurveConfig, sizes: Sequence[int], others: int, tested: int
    ) -> None:
        self._tell, self._done = tell, 0.0
        self._seconds = functools.partial(step_seconds, config, others, tested)
        self._total = seconds_ahead(config, sizes, others, tested)

    @contextmanager
    def step(self, size: int, count: int | None, text: str) -> Iterator[Callable[[float], None]]:
        """A step; what it hands out is called with the share of it that is done."""
        seconds = self._seconds(size, count)

        def within(share: float) -> None:
            if self._tell:
                self._tell(min(1.0, (self._done + seconds * share) / self._total), text)

        within(0.0)
        yield within
        self._done += seconds


def _made(
    subset: Sequence[Picture],
    config: CurveConfig,
    repeat: int,
    device: torch.device,
    within: Callable[[float], None],
    notes: dict[str, None],
    others: Others,
) -> list[Picture]:
    """Pictures made of some originals; none, and a note, where none can be."""
    if not config.made[-1]:
        return []
    try:
        seed = config.seed + repeat
        return by_generator(Order(subset, config.made[-1], seed, others), device, within)
    except InputError as exc:
        notes[f"With {len(subset)} originals no wafers could be made. {exc}"] = None
        return []


def _others(data: CurveData, most: int) -> TrainData:
    """Training originals of the other classes, ``most`` of each, evenly; all for validation."""
    chosen: list[int] = []
    keys = data.originals.train_keys
    for label in range(len(data.originals.class_names)):
        mine = np.flatnonzero(data.originals.train_labels == label)
        if label != data.target:
            taken = np.linspace(0, len(mine) - 1, min(len(mine), most)).round().astype(int)
            chosen += mine[taken].tolist()
    return replace(
        data.originals,
        train_pictures=[data.originals.train_pictures[i] for i in chosen],
        train_labels=data.originals.train_labels[chosen],
        train_keys=keys and [keys[i] for i in chosen],
    )


def _study(
    data: CurveData,
    others: TrainData,
    subset: Sequence[Picture],
    lots: Sequence[str],
    made: Sequence[Picture],
) -> StudyData:
    """Some originals of the class and what was made of them, beside those of the other classes."""
    own = np.full(len(subset), data.target, np.int64)
    learned = replace(
        others,
        train_pictures=[*others.train_pictures, *subset],
        train_labels=np.concatenate([others.train_labels, own]),
        train_keys=others.train_keys and [*others.train_keys, *lots],
    )
    kinds = {"generated": (made, np.full(len(made), data.target, np.int64))}
    return StudyData(learned, kinds, data.test_pictures, data.test_labels, data.test_lots)
