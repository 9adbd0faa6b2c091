"""The report of a training run (``report.json``): scores, predictions on the test split, settings.

Keys in the file keep the names of the first versions; the attributes have the field's terms.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from wafer_core.data.manifest import picture_file
from wafer_core.data.provenance import a_number
from wafer_core.errors import DataError
from wafer_core.json_fields import REQUIRED, Fields, a_message
from wafer_core.messages import Message
from wafer_core.metrics import ClassScore, Evaluation, Intervals
from wafer_core.metrics.shares import Interval
from wafer_core.names import is_folder_name


@dataclass(frozen=True)
class StoredPrediction:
    """The prediction for one test picture.

    Attributes:
        slug: Folder of its class.
        file: Its file among the originals.
        truth: Index of its class.
        predicted: Index of the predicted class.
        probabilities: One per class.
    """

    slug: str
    file: str
    truth: int
    predicted: int
    probabilities: tuple[float, ...]

    @classmethod
    def from_json(cls, value: object) -> StoredPrediction:
        """Read one test picture of a report.

        Raises:
            DataError: A value is missing, of the wrong type, or out of range.
        """
        fields = Fields(value)
        slug = fields.text("slug")
        if not is_folder_name(slug):
            raise DataError("{slug} is not the name of a folder", slug=repr(slug)[:60])
        probabilities = fields.items("probabilities", _probability, REQUIRED)
        last = len(probabilities) - 1
        return cls(
            slug,
            picture_file(fields.text("file")),
            fields.whole("truth", low=0, high=last),
            fields.whole("predicted", low=0, high=last),
            probabilities,
        )


@dataclass(frozen=True)
class Contamination:
    """Test pictures that the pretrained weights were trained on.

    Attributes:
        pictures: Their number.
        macro_f1_of_others: Macro-F1 on the other test pictures; ``None`` if they are too few.
    """

    pictures: int
    macro_f1_of_others: float | None


@dataclass(frozen=True)
class TrainingStep:
    """One step of a training.

    Attributes:
        title: What was done.
        seconds: How long it took.
    """

    title: Message
    seconds: float

    @classmethod
    def from_json(cls, value: object) -> TrainingStep:
        """Read one step of a report.

        Raises:
            DataError: A value is missing, of the wrong type, or out of range.
        """
        fields = Fields(value)
        return cls(fields.as_message("title"), fields.number("seconds", low=0))


@dataclass(frozen=True, eq=False)
class RunReport:
    """The content of ``report.json``.

    Attributes:
        network: Key of the network.
        created: ISO 8601, UTC.
        config: Settings of the training.
        class_names: In class order.
        evaluation: Scores on the test split; ``None`` without test pictures.
        intervals: Of the scores; ``None`` without test pictures and in older reports.
        design_effect: Of the lots, 1 without any.
        contamination: ``None`` where the weights were not pretrained on wafer maps.
        predictions: For the test pictures.
        train_count: Number of training pictures.
        validation_count: Number of validation pictures.
        epochs: Number of epochs trained.
        best_epoch: The epoch whose weights were kept.
        stopped: Whether the user stopped the training early.
        notes: What the user should know.
        diagnostics: See ``tasks.classification.diagnostics``; ``None`` in older reports.
        seconds: Time of the training.
        steps: With their times; empty in older reports.
        device: What computed it.
        values: All of it as stored, with the types of the fields above checked.
    """

    network: str
    created: str
    config: Mapping[str, Any]
    class_names: tuple[str, ...]
    evaluation: Evaluation | None
    intervals: Intervals | None
    design_effect: float
    contamination: Contamination | None
    predictions: tuple[StoredPrediction, ...]
    train_count: int
    validation_count: int
    epochs: int
    best_epoch: int | None
    stopped: bool
    notes: tuple[Message, ...]
    diagnostics: Mapping[str, Any] | None
    seconds: float | None
    steps: tuple[TrainingStep, ...]
    device: Message | None
    values: Mapping[str, Any]

    @classmethod
    def from_json(cls, value: object) -> RunReport:
        """Read ``report.json``.

        Raises:
            DataError: A value is missing, of the wrong type, or out of range.
        """
        fields = Fields(value)
        names = fields.texts("class_names", REQUIRED)
        predictions = fields.items("test_pictures", StoredPrediction.from_json)
        if any(len(p.probabilities) != len(names) for p in predictions):
            raise DataError("a test picture has not one probability per class")
        evaluation, scores = None, None
        if "evaluation" in fields:
            scores = Fields(fields.free("evaluation"))
            evaluation = _evaluation(scores, names)
        if "hood" in fields:
            _check_diagnostics(Fields(fields.free("hood")))
        return cls(
            network=fields.text("network", ""),
            created=fields.text("created", ""),
            config=fields.free("config", {}),
            class_names=names,
            evaluation=evaluation,
            intervals=_intervals(scores, names) if scores else None,
            design_effect=scores.number("design_effect", 1.0, low=0) if scores else 1.0,
            contamination=_contamination(scores) if scores else None,
            predictions=predictions,
            train_count=fields.whole("train_count", 0, low=0),
            validation_count=fields.whole("validation_count", 0, low=0),
            epochs=fields.whole("epochs", 0, low=0),
            best_epoch=fields.whole("best_epoch", low=0) if "best_epoch" in fields else None,
            stopped=fields.flag("stopped", False),
            notes=fields.items("notes", a_message),
            diagnostics=fields.free("hood") if "hood" in fields else None,
            seconds=fields.optional_number("seconds", low=0),
            steps=fields.items("steps", TrainingStep.from_json),
            device=fields.as_message("device") if "device" in fields else None,
            values=dict(value) if isinstance(value, Mapping) else {},
        )


def _probability(value: object) -> float:
    number = a_number(value)
    if not -1e-6 <= number <= 1 + 1e-6:
        raise DataError("{value} is not a probability", value=number)
    return float(number)


def _evaluation(fields: Fields, names: tuple[str, ...]) -> Evaluation:
    classes = Fields(fields.free("per_class"))
    per_class = {}
    for name in names:
        score = Fields(classes.free(name))
        precision, recall, f1 = (
            score.number(k, low=0, high=1) for k in ("precision", "recall", "f1")
        )
        per_class[name] = ClassScore(precision, recall, f1, score.whole("count", low=0))
    rows = fields.items("confusion", _counts, REQUIRED)
    if len(rows) != len(names) or any(len(row) != len(names) for row in rows):
        raise DataError("the confusion matrix has not one row and column per class")
    return Evaluation(
        fields.optional_number("macro_f1", 0, 1),
        fields.optional_number("accuracy", 0, 1),
        per_class,
        np.array(rows, np.int64).reshape(len(names), len(names)),
        fields.whole("count", low=0),
        fields.optional_number("calibration_error", 0, 1),
        fields.texts("left_out"),
    )


def _counts(value: object) -> tuple[int, ...]:
    """A row of counts."""
    if not isinstance(value, list) or not all(
        isinstance(n, int) and not isinstance(n, bool) and 0 <= n < 2**53 for n in value
    ):
        raise DataError("the confusion matrix holds something else than counts")
    return tuple(value)


def _intervals(fields: Fields, names: tuple[str, ...]) -> Intervals | None:
    if "intervals" not in fields:
        return None
    found = Fields(fields.free("intervals"))
    classes = Fields(found.free("per_class"))
    return Intervals(
        found.number("level", 0.95, 0, 1),
        _interval(found, "macro_f1"),
        _interval(found, "accuracy"),
        tuple(_interval(classes, name) for name in names),
    )


def _interval(fields: Fields, key: str) -> Interval | None:
    if key not in fields:
        return None
    ends = fields.items(key, _probability)
    if len(ends) != 2:
        raise DataError("{key} does not have a low and a high end", key=key)
    return ends[0], ends[1]


def _contamination(fields: Fields) -> Contamination | None:
    if "taught_before" not in fields:
        return None
    found = Fields(fields.free("taught_before"))
    return Contamination(
        found.whole("pictures", 0, low=0), found.optional_number("macro_f1_of_others", 0, 1)
    )


def _check_diagnostics(fields: Fields) -> None:
    fields.text("weights", "")
    fields.text("data", "")
    fields.whole("pictures", 0, low=0)
    fields.items("movement", _check_movement)
    fields.items("dead", _check_channels)
    if "manifold" in fields:
        manifold = Fields(fields.free("manifold"))
        for name in ("ratio", "flat_ratio"):
            manifold.number(name, low=0)
        manifold.items("pairs", _check_pair)


def _check_movement(value: object) -> None:
    fields = Fields(value)
    fields.text("layer")
    fields.whole("weights", low=0)
    fields.optional_number("moved", low=0)
    fields.flag("fresh")


def _check_channels(value: object) -> None:
    fields = Fields(value)
    fields.text("layer")
    fields.whole("dead", low=0, high=fields.whole("channels", low=1))


def _check_pair(value: object) -> None:
    if not isinstance(value, list) or len(value) != 2:
        raise DataError("the distances of the manifold are not pairs")
    for number in value:
        a_number(number)
