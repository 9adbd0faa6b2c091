"""What the workflows of studies share: reading a project by its split, and storing the result."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from wafer_core.data import dataset, studies
from wafer_core.data.dataset import Dataset
from wafer_core.data.project import Project
from wafer_core.data.split import SPLITS
from wafer_core.device import describe_device
from wafer_core.files import json_value
from wafer_core.images import Picture
from wafer_core.json_fields import Fields
from wafer_core.messages import Message, message
from wafer_core.progress import Progress
from wafer_core.tasks.classification.train_data import TrainData
from wafer_core.workflows.context import WorkflowContext


class Originals(NamedTuple):
    """The originals of a project, by its fixed split.

    Attributes:
        train: Training and validation originals, with the lots of the training originals.
        test_pictures: N test originals.
        test_labels: (N,) class indices.
        test_lots: N lot names; a wafer without a lot has a name of its own.
    """

    train: TrainData
    test_pictures: list[Picture]
    test_labels: npt.NDArray[np.int64]
    test_lots: list[str]


def read_originals(project: Project, used: Dataset, on_progress: Progress) -> Originals:
    """Read all originals.

    Args:
        project: The project.
        used: The classes that can be trained, and their pictures.
        on_progress: Covers the reading.
    """
    text = message("Reading the wafers")
    loaded = []
    for split, progress in zip(SPLITS, on_progress.each(len(SPLITS)), strict=True):
        progress(0.0, text)
        loaded.append(dataset.load_split(project, used, split, False, progress.named(text)))
    (train, labels), (validation, validation_labels), (test, test_labels) = loaded
    lots, _ = dataset.group_labels(project, used, "train", False)
    test_lots, _ = dataset.group_labels(project, used, "test", False)
    data = TrainData(
        used.class_names,
        train,
        labels,
        validation,
        validation_labels,
        lots,
        combinations=used.combinations,
    )
    return Originals(data, test, test_labels, test_lots)


@dataclass(frozen=True)
class StudyRecord:
    """What every stored study says about itself.

    Attributes:
        config: Its settings.
        seconds: How long it took.
        device: In words.
        created: ISO time, UTC.
    """

    config: Mapping[str, Any]
    seconds: float
    device: Message
    created: str

    @classmethod
    def from_json(cls, value: object) -> StudyRecord:
        """Read the part of ``study.json`` that ``StudyJob.keep`` adds.

        Raises:
            DataError: A value is missing or of the wrong type.
        """
        fields = Fields(value)
        return cls(
            fields.free("config"),
            fields.number("seconds", low=0),
            fields.as_message("device"),
            fields.text("created"),
        )


class StudyJob:
    """A study that is being done.

    Attributes:
        frozen: The pictures of the project as they were when it began.
    """

    def __init__(self, context: WorkflowContext) -> None:
        self._context = context
        self._began = time.perf_counter()
        self.frozen = dataset.freeze(context.project)
        context.adapt_threads()

    def keep(
        self,
        kind: str,
        result: Mapping[str, Any],
        config: Mapping[str, Any],
        originals_only: bool = False,
    ) -> dict[str, Any]:
        """Store the result, unless the job was cancelled, and return it as the job's result.

        Args:
            kind: Of the study.
            result: What ``files.json_value`` turns into JSON.
            config: Settings of the study.
            originals_only: Whether synthetic wafers of the project had no part in it.

        Raises:
            StorageError: The disk is full or read-only.
        """
        self._context.begin_storing()
        full = {
            **result,
            "config": dict(config),
            "seconds": round(time.perf_counter() - self._began, 3),
            "device": describe_device(self._context.device),
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        study = studies.save(
            self._context.project, kind, json_value(full), self.frozen, originals_only
        )
        return {"study": study.id, **full}
