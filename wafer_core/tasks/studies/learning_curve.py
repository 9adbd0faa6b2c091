"""How many do I need? Quality and classifier against the number of originals and of made pictures.

    for event in draw_curve(data, CurveConfig(), device):
        if isinstance(event, Curve):
            print(event.verdict.sentence)

One class is looked at. It is given more and more of its training originals, lot by lot as they come
in from a line, each time also with made pictures, and every classifier is judged on the same test
originals. A smaller set is always part of the larger one; each repeat draws another order.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch

from wafer_core.errors import InputError, ParameterError
from wafer_core.images import Picture
from wafer_core.tasks.classification.networks import NETWORKS
from wafer_core.tasks.classification.training import TrainConfig, TrainData
from wafer_core.tasks.classification.transfer import FROZEN
from wafer_core.tasks.judging import comparison
from wafer_core.tasks.judging import features as feature_networks
from wafer_core.tasks.parameters import Parameter, check_all, check_seed
from wafer_core.tasks.studies.arms import StudyData, by_generator, train_arm
from wafer_core.tasks.studies.curve import Curve, Point, Quality, conclude

SIZES = (22, 55, 110, 220, 440)  # originals, as far as there are more than these
FEW_SIZES = (5, 10, 20)  # where there are not
MADE = (0, 100, 400)
FEWEST = 4  # training originals of the class
_APART = 0.8  # a size nearer than this to the next one tells nothing new
_MOST_MADE = 5000

PARAMETERS: dict[str, Parameter] = {
    "seeds": Parameter(
        "Repeats",
        "How often everything is done, each time with the originals in another order and with "
        "other made wafers. More take longer and tell smaller differences.",
        3, 1, 20, 1, main=True,
    ),
    "others": Parameter(
        "Originals of each other class",
        "The classifier learns from so many training originals of each other class at most. Fewer "
        "are faster; all judge.",
        60, 5, 2000, 5, main=True,
    ),
    "network": Parameter(
        "Network",
        "Which classifier is trained. With WaferNet the last layer alone learns, in seconds; a "
        "network without such weights learns everything from your wafers and takes far longer.",
        "wafernet", choices=tuple(NETWORKS),
    ),
}  # fmt: skip

Labels = npt.NDArray[np.int64]
Tell = Callable[[float, str], None]  # share done and a text; may raise to cancel


@dataclass(frozen=True)
class CurveConfig:
    """How a curve is drawn; ``PARAMETERS`` says what the settings mean and may be."""

    seeds: int = 3  # the fewest that show how much depends on which originals there are
    others: int = 60  # as many as Generate is judged with; seconds for each training
    network: str = "wafernet"
    sizes: tuple[int, ...] = ()  # originals; none given: chosen by ``sizes_of``
    made: tuple[int, ...] = MADE
    seed: int = 0

    def __post_init__(self) -> None:
        check_all(self, PARAMETERS)
        object.__setattr__(self, "seed", check_seed(self.seed))
        for name, lowest in (("sizes", 2), ("made", 0)):
            values = getattr(self, name)
            whole = isinstance(values, list | tuple) and all(
                isinstance(v, int) and not isinstance(v, bool) and lowest <= v <= _MOST_MADE
                for v in values
            )
            if not whole:
                raise ParameterError(
                    f"{name} is {values!r}; give whole numbers from {lowest} to {_MOST_MADE:,}."
                )
            object.__setattr__(self, name, tuple(sorted(set(values))))
        object.__setattr__(self, "made", tuple(sorted({0, *self.made})))

    def training(self, repeat: int) -> TrainConfig:
        """Settings of the trainings of one repeat, from 0."""
        seed = self.seed + repeat
        if NETWORKS[self.network].weights is None:
            return TrainConfig(network=self.network, seed=seed)
        # features that have seen wafers hardly differ among quarter turns: a fourth of the work
        return TrainConfig(
            network=self.network, transfer=FROZEN, turns=False, average_turns=False, seed=seed
        )


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


def sizes_of(count: int, asked: Sequence[int] = ()) -> tuple[int, ...]:
    """Numbers of originals to look at: those that there are, and all; two at least.

    Args:
        count: Training originals of the class.
        asked: Instead of ``SIZES``.
    """
    if asked:
        return tuple(sorted({min(size, count) for size in asked} | {count}))
    smaller = [size for size in SIZES if size <= _APART * count]
    if len(smaller) < 2:
        few = [count // 2, *FEW_SIZES] if count < 2 * FEW_SIZES[1] else list(FEW_SIZES)
        most = _APART * (smaller[0] if smaller else count)
        smaller += [size for size in few if 2 <= size <= most]
    return (*sorted(set(smaller)), count)


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
            text = f"Repeat {repeat + 1} of {config.seeds}, {size} originals"
            with work.step(size, None, f"{text}: making wafers") as within:
                made = _made(subset, config, repeat, device, within, notes)
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
                    study = _study(data, others, subset, made[:count])
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


def seconds_ahead(config: CurveConfig, sizes: Sequence[int], others: int, tested: int) -> float:
    """How long a curve takes, roughly, on one core without a GPU.

    Args:
        config: How it is drawn.
        sizes: Numbers of originals.
        others: Training originals of the other classes that take part.
        tested: Test originals.
    """
    return _Work(None, config, sizes, others, tested).total


class _Work:
    """Tells how much of the work is done, in seconds that each step takes, roughly."""

    def __init__(
        self, tell: Tell | None, config: CurveConfig, sizes: Sequence[int], others: int, tested: int
    ) -> None:
        self._tell, self._config, self._others, self._tested = tell, config, others, tested
        self._done = 0.0
        steps = [(size, count) for size in sizes for count in (None, *config.made)]
        self.total = config.seeds * sum(self._seconds(*step) for step in steps)

    def _seconds(self, size: int, count: int | None) -> float:
        if count is None:  # making wafers
            return 10 + 0.03 * self._config.made[-1] if self._config.made[-1] else 0.0
        config = self._config.training(0)
        pictures = size + count + self._others
        epochs = 0 if config.transfer == FROZEN else config.resolved(pictures).epochs or 1
        return (0.0045 + 0.002 * epochs) * pictures + 0.001 * self._tested

    @contextmanager
    def step(self, size: int, count: int | None, text: str) -> Iterator[Callable[[float], None]]:
        """A step; what it hands out is called with the share of it that is done."""
        seconds = self._seconds(size, count)

        def within(share: float) -> None:
            if self._tell:
                self._tell(min(1.0, (self._done + seconds * share) / self.total), text)

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
) -> list[Picture]:
    """Pictures made of some originals; none, and a note, where none can be."""
    if not config.made[-1]:
        return []
    try:
        return by_generator(subset, config.made[-1], config.seed + repeat, device, within)
    except InputError as exc:
        notes[f"With {len(subset)} originals no wafers could be made. {exc}"] = None
        return []


def _others(data: CurveData, most: int) -> TrainData:
    """Training originals of the other classes, ``most`` of each, evenly; all for validation."""
    chosen: list[int] = []
    for label in range(len(data.originals.class_names)):
        mine = np.flatnonzero(data.originals.train_labels == label)
        if label != data.target:
            taken = np.linspace(0, len(mine) - 1, min(len(mine), most)).round().astype(int)
            chosen += mine[taken].tolist()
    return replace(
        data.originals,
        train_pictures=[data.originals.train_pictures[i] for i in chosen],
        train_labels=data.originals.train_labels[chosen],
    )


def _study(
    data: CurveData, others: TrainData, subset: Sequence[Picture], made: Sequence[Picture]
) -> StudyData:
    """Some originals of the class and what was made of them, beside those of the other classes."""
    own = np.full(len(subset), data.target, np.int64)
    learned = replace(
        others,
        train_pictures=[*others.train_pictures, *subset],
        train_labels=np.concatenate([others.train_labels, own]),
    )
    kinds = {"generated": (made, np.full(len(made), data.target, np.int64))}
    return StudyData(learned, kinds, data.test_pictures, data.test_labels, data.test_lots)
