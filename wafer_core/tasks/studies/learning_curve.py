"""How many do I need? Scores against the number of originals and of synthetic wafers.

    for event in draw_curve(data, CurveConfig(), device):
        if isinstance(event, CurveResult):
            print(event.verdict.sentence)

One class is examined. The classifier is trained with more and more of its training originals, lot
by lot as they come from production, each time also with synthetic wafers, and always tested on the
same test originals. A smaller set is always part of the larger one; each repeat draws another
order.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch

from wafer_core.errors import InputError
from wafer_core.images import Picture
from wafer_core.messages import N_, Message, counted, message
from wafer_core.networks import features as feature_networks
from wafer_core.networks.initial_weights import FROZEN
from wafer_core.networks.registry import NETWORKS, TITLES
from wafer_core.parameters import SEED, Parameter, Settings, declare
from wafer_core.progress import SILENT, Progress
from wafer_core.sampling import evenly_spaced
from wafer_core.tasks.classification.config import TrainConfig
from wafer_core.tasks.classification.train_data import TrainData
from wafer_core.tasks.evaluation import comparison
from wafer_core.tasks.studies.conditions import (
    StudyData,
    SynthesisRequest,
    by_class,
    by_generator,
    train_condition,
)
from wafer_core.tasks.studies.curve_result import CurveResult, Point, Quality, conclude

SIZES = (22, 55, 110, 220, 440)  # numbers of originals, up to the number that there are
FEW_SIZES = (5, 10, 20)  # where there are fewer
SYNTHETIC = (0, 100, 400)
MIN_ORIGINALS = 4  # training originals of the class
_MAX_RATIO = 0.8  # of a size to the next one; closer sizes show nothing new
_MAX_SIZE = 5000

Labels = npt.NDArray[np.int64]


@dataclass(frozen=True)
class CurveConfig(Settings):
    """The settings of a learning curve."""

    seeds: int = declare(
        Parameter(
            N_("Repeats"),
            N_(
                "How often everything is repeated, each time with the originals in another order "
                "and with other synthetic wafers. More repeats take longer and detect smaller "
                "differences."
            ),
            # the fewest that show how much depends on the choice of originals
            3, 1, 20, 1, main=True,
        )
    )  # fmt: skip
    others: int = declare(
        Parameter(
            N_("Originals of each other class"),
            N_(
                "The classifier is trained on at most this many training originals of each other "
                "class. Fewer are faster; all test originals are used in any case."
            ),
            60, 5, 2000, 5, main=True,
        )
    )  # fmt: skip
    network: str = declare(
        Parameter(
            N_("Network"),
            N_(
                "Which classifier is trained. With WaferNet only the last layer is trained, which "
                "takes seconds; a network without such weights is trained from scratch and takes "
                "far longer."
            ),
            "wafernet", choices=tuple(NETWORKS), titles=TITLES,
        )
    )  # fmt: skip
    sizes: tuple[int, ...] = declare(
        Parameter(
            N_("Numbers of originals"),
            N_("How many originals to train with, one number after another. Empty: automatic."),
            (), 2, _MAX_SIZE, 1, is_list=True, kind=int,
        )
    )  # fmt: skip
    made: tuple[int, ...] = declare(
        Parameter(
            N_("Numbers of synthetic wafers"),
            N_("How many synthetic wafers to add, one number after another; 0 is always included."),
            SYNTHETIC, 0, _MAX_SIZE, 1, is_list=True, kind=int,
        )
    )  # fmt: skip
    seed: int = declare(SEED)

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "sizes", tuple(sorted(set(self.sizes))))
        object.__setattr__(self, "made", tuple(sorted({0, *self.made})))

    def training(self, repeat: int) -> TrainConfig:
        """Settings of the trainings of one repeat, from 0."""
        seed = self.seed + repeat
        if NETWORKS[self.network].weights is None:
            return TrainConfig(network=self.network, seed=seed)
        # Pretrained features hardly differ between rotations: a fourth of the work.
        return TrainConfig(
            network=self.network, transfer=FROZEN, turns=False, average_turns=False, seed=seed
        )


def sizes_of(count: int, requested: Sequence[int] = ()) -> tuple[int, ...]:
    """Numbers of originals to train with, in ascending order; at least two, the last is all.

    Args:
        count: Number of training originals of the class.
        requested: Instead of ``SIZES``.
    """
    if requested:
        return tuple(sorted({min(size, count) for size in requested} | {count}))
    smaller = [size for size in SIZES if size <= _MAX_RATIO * count]
    if len(smaller) < 2:
        few = [count // 2, *FEW_SIZES] if count < 2 * FEW_SIZES[1] else list(FEW_SIZES)
        most = _MAX_RATIO * (smaller[0] if smaller else count)
        smaller += [size for size in few if 2 <= size <= most]
    return (*sorted(set(smaller)), count)


# -- the data ------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class CurveData:
    """Pictures for a learning curve.

    Attributes:
        originals: Training and validation originals of all classes.
        target: Index of the class to examine.
        lots: Of its training originals, in their order; a wafer without a lot has its own.
        test_pictures: N test originals.
        test_labels: (N,) class indices.
        test_lots: N lot names.
    """

    originals: TrainData
    target: int
    lots: Sequence[Hashable]
    test_pictures: Sequence[Picture]
    test_labels: Labels
    test_lots: Sequence[str]

    @property
    def name(self) -> str:
        """Of the class to examine."""
        return self.originals.class_names[self.target]

    def check(self) -> CurveData:
        """Return self if a curve can be drawn.

        Raises:
            InputError: Too few originals to train on, or none to test on.
        """
        self.originals.check()
        count = int(self.originals.train_counts()[self.target])
        if count < MIN_ORIGINALS:
            raise too_few_originals(self.name, count)
        if not (self.test_labels == self.target).any():
            raise InputError(
                "“{name}” has no original in the test split, so it cannot be tested. Add more "
                "wafers of it: about one in seven goes to the test split.",
                name=self.name,
            )
        return self

    def class_originals(self) -> list[Picture]:
        """Training originals of the class."""
        own = np.flatnonzero(self.originals.train_labels == self.target).tolist()
        return [self.originals.train_pictures[i] for i in own]

    def held_out(self) -> list[Picture]:
        """Originals of the class that are not trained on."""
        validation = np.flatnonzero(self.originals.validation_labels == self.target).tolist()
        test = np.flatnonzero(self.test_labels == self.target).tolist()
        found = [self.originals.validation_pictures[i] for i in validation]
        return found + [self.test_pictures[i] for i in test]


def too_few_originals(name: str, count: int) -> InputError:
    """The error for a class with fewer than ``MIN_ORIGINALS`` training originals."""
    return InputError(
        counted(
            "“{name}” has {count} training original, but a learning curve needs at least "
            "{minimum}. Add wafers.",
            "“{name}” has {count} training originals, but a learning curve needs at least "
            "{minimum}. Add wafers.",
            count, name=name, minimum=MIN_ORIGINALS,
        )
    )  # fmt: skip


def nested_order(lots: Sequence[Hashable], rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """A random order of N pictures that goes lot by lot; its beginnings are nested sets."""
    number: dict[Hashable, int] = {}
    lot_of = np.array([number.setdefault(lot, len(number)) for lot in lots], np.int64)
    place = rng.permutation(len(number))
    order = rng.permutation(len(lot_of))
    return order[np.argsort(place[lot_of[order]], kind="stable")]


# -- the study -----------------------------------------------------------------------------------


def draw_curve(
    data: CurveData,
    config: CurveConfig,
    device: torch.device,
    on_progress: Progress = SILENT,
    should_stop: Callable[[], bool] = lambda: False,
) -> Iterator[Point | CurveResult]:
    """Train with more and more originals and synthetic pictures, as often as configured.

    Args:
        data: Originals to train on and to test on.
        config: Of the study.
        device: Where to compute.
        on_progress: Called within trainings too; may raise to cancel.
        should_stop: Checked after each repeat; true ends the study with the repeats that are done.

    Yields:
        Each training, and at the end one ``CurveResult``.

    Raises:
        InputError: There is nothing to train on or to test on.
    """
    data.check()
    own = data.class_originals()
    sizes = sizes_of(len(own), config.sizes)
    others = _others(data, config.others)
    other_classes = by_class(others)
    network = feature_networks.load("wafernet", device)
    real, second = network.extract(data.held_out()), network.extract(own)
    steps = [(size, count) for size in sizes for count in (None, *config.made)]
    seconds = [
        step_seconds(config, len(others.train_pictures), len(data.test_pictures), *step)
        for step in steps
    ]
    points: list[Point] = []
    quality: list[Quality] = []
    notes: list[Message] = []
    stopped = False
    for repeat, whole in enumerate(on_progress.each(config.seeds)):
        if repeat and should_stop():
            stopped = True
            break
        order = nested_order(data.lots, np.random.default_rng((config.seed, repeat, 41)))
        synthetic: list[Picture] = []
        for (size, count), progress in zip(steps, whole.each(seconds), strict=True):
            progress = progress.named(_step_text(config, repeat, size, count))
            progress(0.0)
            subset = [own[i] for i in order[:size]]
            if count is None:
                request = SynthesisRequest(
                    subset, config.made[-1], config.seed + repeat, other_classes
                )
                synthetic, note = _synthesize(request, device, progress)
                if note and note not in notes:
                    notes.append(note)
                if synthetic:
                    samples = comparison.Samples(
                        network.extract(synthetic), real, second, None,
                        np.random.default_rng((config.seed, repeat, size)), config.seed,
                    )  # fmt: skip
                    kid, recall = comparison.kid(samples, {}), comparison.recall(samples, {})
                    quality.append(Quality(repeat, size, kid, recall))
            elif len(synthetic) >= count:
                lots = [str(data.lots[i]) for i in order[:size]]
                study = _study_data(data, others, subset, lots, synthetic[:count])
                training = train_condition(
                    study, "generated" if count else "none", config.training(repeat), device,
                    progress,
                )  # fmt: skip
                points.append(Point(repeat, size, count, training))
                yield points[-1]
    yield conclude(
        data.originals.class_names, data.target, data.test_labels, data.test_lots, points, quality,
        notes, stopped,
    )  # fmt: skip


def _step_text(config: CurveConfig, repeat: int, size: int, count: int | None) -> Message:
    numbers = {"number": repeat + 1, "count": config.seeds, "size": size}
    if count is None:
        return message(
            "Repeat {number} of {count}, {size} originals: making synthetic wafers", **numbers
        )
    return message(
        "Repeat {number} of {count}, {size} originals, {synthetic} synthetic: training",
        synthetic=count, **numbers,
    )  # fmt: skip


def _synthesize(
    request: SynthesisRequest, device: torch.device, on_progress: Progress
) -> tuple[list[Picture], Message | None]:
    """Synthetic pictures; none, and a note, where the originals do not allow it."""
    if not request.count:
        return [], None
    try:
        return by_generator(request, device, on_progress), None
    except InputError as exc:
        return [], message(
            "With {count} originals no synthetic wafers could be made. {reason}",
            count=len(request.pictures), reason=exc.message,
        )  # fmt: skip


def _others(data: CurveData, most: int) -> TrainData:
    """Training originals of the other classes, at most ``most`` of each; all for validation."""
    chosen: list[int] = []
    for label in range(len(data.originals.class_names)):
        own = np.flatnonzero(data.originals.train_labels == label)
        if label != data.target:
            chosen += own[evenly_spaced(len(own), most)].tolist()
    groups = data.originals.train_groups
    return replace(
        data.originals,
        train_pictures=[data.originals.train_pictures[i] for i in chosen],
        train_labels=data.originals.train_labels[chosen],
        train_groups=groups and [groups[i] for i in chosen],
    )


def _study_data(
    data: CurveData,
    others: TrainData,
    subset: Sequence[Picture],
    lots: Sequence[str],
    synthetic: Sequence[Picture],
) -> StudyData:
    """Some originals of the class, the synthetic ones, and the originals of the other classes."""
    labels = np.full(len(subset), data.target, np.int64)
    originals = replace(
        others,
        train_pictures=[*others.train_pictures, *subset],
        train_labels=np.concatenate([others.train_labels, labels]),
        train_groups=others.train_groups and [*others.train_groups, *lots],
    )
    generated = {"generated": (synthetic, np.full(len(synthetic), data.target, np.int64))}
    return StudyData(originals, generated, data.test_pictures, data.test_labels, data.test_lots)


# -- how long it takes -----------------------------------------------------------------------------


def seconds_ahead(config: CurveConfig, sizes: Sequence[int], others: int, tested: int) -> float:
    """About how long a curve takes, on one core without a GPU.

    Args:
        config: Of the study.
        sizes: Numbers of originals.
        others: Number of training originals of the other classes.
        tested: Number of test originals.
    """
    steps = [(size, count) for size in sizes for count in (None, *config.made)]
    return config.seeds * sum(step_seconds(config, others, tested, *step) for step in steps)


def step_seconds(
    config: CurveConfig, others: int, tested: int, size: int, count: int | None
) -> float:
    """About how long one step takes.

    Args:
        config: Of the study.
        others: Number of training originals of the other classes.
        tested: Number of test originals.
        size: Number of originals of the class.
        count: Number of synthetic pictures in a training; ``None``: making them.
    """
    if count is None:
        return 10 + 0.03 * config.made[-1] if config.made[-1] else 0.0
    training = config.training(0)
    pictures = size + count + others
    epochs = 0 if training.transfer == FROZEN else training.resolved(pictures).epochs or 1
    return (0.0045 + 0.002 * epochs) * pictures + 0.001 * tested
