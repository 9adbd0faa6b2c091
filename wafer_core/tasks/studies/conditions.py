"""The arms of a study: the same originals, with and without pictures that were made of them.

Every arm learns from the same training originals, chooses its epoch by the same validation
originals, and is judged on the same test originals. What was made only ever trains.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch

from wafer_core.errors import InputError
from wafer_core.images import Picture
from wafer_core.tasks.augmentation.offline import AugmentConfig, augment
from wafer_core.tasks.classification.train import TrainConfig, TrainData, train
from wafer_core.tasks.generation.dcgan.training import GanConfig
from wafer_core.tasks.generation.presets import GenerateResult, Step, generate

Labels = npt.NDArray[np.int64]
Tell = Callable[[float], None]  # share done, 0 to 1; may raise to end the work
_PART = 200  # test pictures looked at between two signs of life


@dataclass(frozen=True)
class Arm:
    """One of the ways to train that are compared.

    Attributes:
        title: For people.
        adds: What it learns from beside the originals: keys of ``MAKERS``.
    """

    title: str
    adds: tuple[str, ...]


ARMS: dict[str, Arm] = {
    "none": Arm("Originals alone", ()),
    "transforms": Arm("With transforms", ("transforms",)),
    "generated": Arm("With generated", ("generated",)),
    "both": Arm("With both", ("transforms", "generated")),
}


@dataclass(frozen=True, eq=False)
class StudyData:
    """What a study learns from and judges by.

    Attributes:
        originals: Training and validation originals.
        made: For each key of ``MAKERS``, made pictures and the index of each one's class.
        test_pictures: Originals that judge.
        test_labels: (N,) index of the class of each.
        test_lots: N names; wafers of one lot share it, a wafer without one has its own.
    """

    originals: TrainData
    made: Mapping[str, tuple[Sequence[Picture], Labels]]
    test_pictures: Sequence[Picture]
    test_labels: Labels
    test_lots: Sequence[str] = field(default=())

    def check(self) -> StudyData:
        """Return self if a study can be made of it.

        Raises:
            InputError: No training originals of two classes, no test original, or nothing made.
        """
        self.originals.check()
        if not len(self.test_pictures):
            raise InputError(
                "No picture is in the test part, so nothing can be judged; add more wafers: about "
                "one of seven goes there."
            )
        if len(self.arms) < 2:
            raise InputError(
                "There are no made pictures, and none could be made, so there is nothing to "
                "compare; generate some first, or add wafers."
            )
        return self

    @property
    def arms(self) -> tuple[str, ...]:
        """Those that can be trained: of which everything that they add is there."""
        there = {kind for kind, (pictures, _) in self.made.items() if len(pictures)}
        return tuple(name for name, arm in ARMS.items() if there.issuperset(arm.adds))

    def learning(self, arm: str) -> TrainData:
        """What an arm learns from: the originals, and what it adds."""
        learning = self.originals
        for kind in ARMS[arm].adds:
            learning = learning.plus_made(*self.made[kind])
        return learning


@dataclass(frozen=True, eq=False)
class Training:
    """One training of an arm, and what it said.

    Attributes:
        arm: A key of ``ARMS``.
        seed: Of the training.
        called: (N,) the class that each test picture was given.
        pictures: It learned from.
        epochs: It took.
        seconds: It took, judging included.
    """

    arm: str
    seed: int
    called: Labels
    pictures: int
    epochs: int
    seconds: float


def train_arm(
    data: StudyData, arm: str, config: TrainConfig, device: torch.device, tell: Tell
) -> Training:
    """Train one arm and let it name the test pictures.

    Args:
        data: Of the study.
        arm: One of ``data.arms``.
        config: Its seed is that of this training.
        device: Where to compute.
        tell: Called with the share done; may raise to end it.

    Raises:
        InputError: The pictures cannot be trained on.
        ParameterError: The learning rate made the loss infinite.
    """
    began = time.perf_counter()
    learning = data.learning(arm)
    epochs = list(train(learning, config, device, on_batch=lambda share: tell(0.95 * share)))
    classifier = epochs[-1].best_classifier()
    called = []
    for start in range(0, len(data.test_pictures), _PART):
        tell(0.95 + 0.05 * start / len(data.test_pictures))
        part = data.test_pictures[start : start + _PART]
        called.append(classifier.predict_proba(part).argmax(1))
    return Training(
        arm, config.seed, np.concatenate(called).astype(np.int64), len(learning.train_pictures),
        len(epochs), time.perf_counter() - began,
    )  # fmt: skip


# -- what is made for a study, in memory --------------------------------------------------------


Others = Mapping[str, Sequence[Picture]]  # training originals of the other classes, by name


def by_class(originals: TrainData) -> dict[str, list[Picture]]:
    """Training originals of each class, by its name, in class order."""
    found: dict[str, list[Picture]] = {name: [] for name in originals.class_names}
    for picture, label in zip(originals.train_pictures, originals.train_labels, strict=True):
        found[originals.class_names[label]].append(picture)
    return found


@dataclass(frozen=True, eq=False)
class Order:
    """What is to be made.

    Attributes:
        pictures: Training originals of the class.
        count: How many are made.
        seed: The same seed, the same pictures.
        others: What is known of other classes.
    """

    pictures: Sequence[Picture]
    count: int
    seed: int
    others: Others = field(default_factory=dict)


def by_transforms(order: Order, device: torch.device, tell: Tell) -> list[Picture]:
    """Pictures made by the defaults of Augment, which need no other class and no device.

    Raises:
        InputError: There are no originals.
    """
    made: list[Picture] = []
    for picture, _, _ in augment(order.pictures, order.count, AugmentConfig(), order.seed):
        tell(len(made) / order.count)
        made.append(picture)
    return made


def by_generator(order: Order, device: torch.device, tell: Tell) -> list[Picture]:
    """Pictures drawn by the preset Default of Generate.

    Raises:
        InputError: Fewer than two different originals, or they are no wafer maps.
    """
    config = GanConfig(sweep=False, seed=order.seed)
    events = generate(order.pictures, order.count, config, device, others=order.others)
    with closing(cast("Any", events)):  # a generator: closing it frees the network at once
        for event in events:
            if isinstance(event, GenerateResult):
                return event.pictures
            if isinstance(event, Step):
                tell(event.whole)
    raise TypeError("generate() ended without a result")


# what can be added to originals, and how it is made of them where nothing is stored
MAKERS: dict[str, Callable[[Order, torch.device, Tell], list[Picture]]] = {
    "transforms": by_transforms,
    "generated": by_generator,
}
