"""The conditions of a study: the same originals, with and without synthetic wafers.

Each condition is trained on the same training originals, chooses its epoch on the same validation
originals and is tested on the same test originals. Synthetic wafers are used for training only.
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
from wafer_core.messages import N_, Message
from wafer_core.tasks.augmentation.offline import AugmentConfig, augment
from wafer_core.tasks.classification.config import TrainConfig
from wafer_core.tasks.classification.train import train
from wafer_core.tasks.classification.train_data import TrainData
from wafer_core.tasks.generation.config import GenerationConfig
from wafer_core.tasks.generation.presets import generate
from wafer_core.tasks.generation.steps import GenerateResult, Step

Labels = npt.NDArray[np.int64]
OnProgress = Callable[[float], None]  # share done, 0 to 1; may raise to cancel
_BATCH = 200  # test pictures between two calls of ``on_progress``


@dataclass(frozen=True)
class Condition:
    """One of the ways of training that an ablation compares.

    Attributes:
        title: For people.
        adds: The synthetic wafers that are added to the originals: keys of ``SYNTHESIZERS``.
    """

    title: str
    adds: tuple[str, ...]

    @property
    def message(self) -> Message:
        """The title, for messages."""
        return Message(self.title)


CONDITIONS: dict[str, Condition] = {
    "none": Condition(N_("Originals only"), ()),
    "transforms": Condition(N_("With transforms"), ("transforms",)),
    "generated": Condition(N_("With generated"), ("generated",)),
    "both": Condition(N_("With both"), ("transforms", "generated")),
}


@dataclass(frozen=True, eq=False)
class StudyData:
    """Training, validation and test pictures of a study.

    Attributes:
        originals: Training and validation originals.
        synthetic: For each key of ``SYNTHESIZERS``, pictures and their class indices.
        test_pictures: N test originals.
        test_labels: (N,) class indices.
        test_lots: N lot names; a wafer without a lot has a name of its own.
    """

    originals: TrainData
    synthetic: Mapping[str, tuple[Sequence[Picture], Labels]]
    test_pictures: Sequence[Picture]
    test_labels: Labels
    test_lots: Sequence[str] = field(default=())

    def check(self) -> StudyData:
        """Return self if a study can be done on it.

        Raises:
            InputError: No training originals of two classes, no test originals, or no synthetic
                pictures.
        """
        self.originals.check()
        if not len(self.test_pictures):
            raise InputError(
                "The test split is empty, so nothing can be tested. Add more wafers: about one in "
                "seven goes to the test split."
            )
        if len(self.conditions) < 2:
            raise InputError(
                "There are no synthetic wafers, and none could be made, so there is nothing to "
                "compare. Generate some first, or add wafers."
            )
        return self

    @property
    def conditions(self) -> tuple[str, ...]:
        """Keys of the conditions that can be trained: all that they add is available."""
        available = {kind for kind, (pictures, _) in self.synthetic.items() if len(pictures)}
        return tuple(
            name for name, condition in CONDITIONS.items() if available.issuperset(condition.adds)
        )

    def train_data(self, condition: str) -> TrainData:
        """The originals and what a condition adds to them."""
        data = self.originals
        for kind in CONDITIONS[condition].adds:
            data = data.with_synthetic(*self.synthetic[kind])
        return data


@dataclass(frozen=True, eq=False)
class Training:
    """One training of a condition, and its test predictions.

    Attributes:
        condition: A key of ``CONDITIONS``.
        seed: Of the training.
        predicted: (N,) class indices of the test pictures.
        pictures: Number of training pictures.
        epochs: Number of epochs.
        seconds: Time taken, testing included.
    """

    condition: str
    seed: int
    predicted: Labels
    pictures: int
    epochs: int
    seconds: float


def train_condition(
    data: StudyData,
    condition: str,
    config: TrainConfig,
    device: torch.device,
    on_progress: OnProgress,
) -> Training:
    """Train one condition and predict the test pictures.

    Args:
        data: Of the study.
        condition: One of ``data.conditions``.
        config: Of the training, with its seed.
        device: Where to compute.
        on_progress: Called with the share done; may raise to cancel.

    Raises:
        InputError: The pictures cannot be trained on.
        ParameterError: The learning rate made the loss infinite.
    """
    start = time.perf_counter()
    train_data = data.train_data(condition)
    epochs = list(train(train_data, config, device, lambda share: on_progress(0.95 * share)))
    classifier = epochs[-1].best_classifier()
    predicted = []
    for first in range(0, len(data.test_pictures), _BATCH):
        on_progress(0.95 + 0.05 * first / len(data.test_pictures))
        batch = data.test_pictures[first : first + _BATCH]
        predicted.append(classifier.predict_proba(batch).argmax(1))
    return Training(
        condition, config.seed, np.concatenate(predicted).astype(np.int64),
        len(train_data.train_pictures), len(epochs), time.perf_counter() - start,
    )  # fmt: skip


# -- synthetic wafers that are made for a study, in memory ----------------------------------------


Others = Mapping[str, Sequence[Picture]]  # training originals of the other classes, by name


def by_class(originals: TrainData) -> dict[str, list[Picture]]:
    """Training originals of each class, by its name, in class order."""
    found: dict[str, list[Picture]] = {name: [] for name in originals.class_names}
    for picture, label in zip(originals.train_pictures, originals.train_labels, strict=True):
        found[originals.class_names[label]].append(picture)
    return found


@dataclass(frozen=True, eq=False)
class SynthesisRequest:
    """The synthetic wafers to make.

    Attributes:
        pictures: Training originals of the class.
        count: How many to make.
        seed: The same seed gives the same pictures.
        others: Training originals of the other classes.
    """

    pictures: Sequence[Picture]
    count: int
    seed: int
    others: Others = field(default_factory=dict)


def by_transforms(
    request: SynthesisRequest, device: torch.device, on_progress: OnProgress
) -> list[Picture]:
    """Pictures made with the default transforms, which need no other class and no device.

    Raises:
        InputError: There are no originals.
    """
    pictures: list[Picture] = []
    for picture, _, _ in augment(request.pictures, request.count, AugmentConfig(), request.seed):
        on_progress(len(pictures) / request.count)
        pictures.append(picture)
    return pictures


def by_generator(
    request: SynthesisRequest, device: torch.device, on_progress: OnProgress
) -> list[Picture]:
    """Pictures made with the default generator.

    Raises:
        InputError: Fewer than two different originals, or they are not wafer maps.
    """
    config = GenerationConfig(sweep=False, seed=request.seed)
    events = generate(request.pictures, request.count, config, device, others=request.others)
    with closing(cast("Any", events)):  # closing the generator frees its network at once
        for event in events:
            if isinstance(event, GenerateResult):
                return event.pictures
            if isinstance(event, Step):
                on_progress(event.overall)
    raise TypeError("generate() ended without a result")


# How synthetic wafers are made where none are stored.
SYNTHESIZERS: dict[str, Callable[[SynthesisRequest, torch.device, OnProgress], list[Picture]]] = {
    "transforms": by_transforms,
    "generated": by_generator,
}
