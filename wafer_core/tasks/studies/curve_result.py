"""The result of a learning curve: scores with their intervals, and the verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from wafer_core.errors import DataError
from wafer_core.json_fields import Fields, a_message
from wafer_core.messages import Message
from wafer_core.metrics import power_law
from wafer_core.metrics.paired import Difference, Predictions, differences, resampled_f1
from wafer_core.tasks.evaluation.scores import Score
from wafer_core.tasks.studies.advice import MATTERS
from wafer_core.tasks.studies.conditions import Training
from wafer_core.tasks.studies.stopping import Evidence, SyntheticGain, Verdict, decide

_MAX = 1e6  # largest score or count of a stored curve

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Point:
    """One training.

    Attributes:
        repeat: From 0.
        size: Number of originals of the class that it was trained on.
        synthetic: Number of synthetic pictures of the class.
        training: With its test predictions.
    """

    repeat: int
    size: int
    synthetic: int
    training: Training

    def f1(self, labels: npt.NDArray[np.int64], target: int) -> float:
        """F1 of one class on the test pictures."""
        is_target, predicted = labels == target, self.training.predicted == target
        both = (is_target & predicted).sum()
        return float(2 * both / max(1, is_target.sum() + predicted.sum()))


@dataclass(frozen=True)
class Quality:
    """How realistic the synthetic pictures are that were made from some originals.

    The real-real baselines are those of all originals.
    """

    repeat: int
    size: int
    kid: Score
    recall: Score


@dataclass(frozen=True)
class Estimate:
    """A score with its 95% interval; without one where the class has no test pictures."""

    value: float
    low: float | None
    high: float | None
    by_repeat: tuple[float, ...]

    @classmethod
    def from_json(cls, value: object) -> Estimate:
        """Read the values of the fields; raises ``DataError``."""
        fields = Fields(value)
        low, high = (fields.optional_number(key, -_MAX, _MAX) for key in ("low", "high"))
        return cls(fields.number("value", low=-_MAX, high=_MAX), low, high,
                   fields.numbers("by_repeat"))  # fmt: skip


@dataclass(frozen=True)
class CurveRow:
    """The scores with some originals and some synthetic pictures."""

    size: int
    synthetic: int
    f1: Estimate
    macro_f1: Estimate

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "size": self.size,
            "made": self.synthetic,
            "f1": vars(self.f1).copy(),
            "macro_f1": vars(self.macro_f1).copy(),
        }

    @classmethod
    def from_json(cls, value: object) -> CurveRow:
        """Read what ``to_json`` gave; raises ``DataError``."""
        fields = Fields(value)
        return cls(
            fields.whole("size", low=1, high=int(_MAX)),
            fields.whole("made", low=0, high=int(_MAX)),
            Estimate.from_json(fields.free("f1")),
            Estimate.from_json(fields.free("macro_f1")),
        )


@dataclass(frozen=True)
class QualityScore:
    """A score of synthetic pictures over the repeats.

    Attributes:
        value: Mean; ``None`` if it is unknown.
        by_repeat: Of the repeats where it is known.
        baseline: The same score between real pictures.
        counts: Numbers of pictures that it was computed from.
        note: Why it is unknown.
    """

    value: float | None
    by_repeat: tuple[float, ...]
    baseline: float | None
    counts: Mapping[str, Any]
    note: Message | None = None

    def to_json(self) -> dict[str, Any]:
        """Values for JSON; the texts stay messages, see ``files.json_value``."""
        return {
            "value": self.value,
            "by_repeat": list(self.by_repeat),
            "floor": self.baseline,
            "counts": dict(self.counts),
            "note": self.note,
        }

    @classmethod
    def from_json(cls, value: object) -> QualityScore:
        """Read what ``to_json`` gave; raises ``DataError``."""
        fields = Fields(value)
        score, baseline = (fields.optional_number(key, -_MAX, _MAX) for key in ("value", "floor"))
        note = fields.as_message("note") if "note" in fields else None
        return cls(score, fields.numbers("by_repeat"), baseline, fields.free("counts", {}), note)


@dataclass(frozen=True)
class QualityRow:
    """KID and recall of the synthetic pictures that were made from some originals."""

    size: int
    kid: QualityScore
    recall: QualityScore

    def to_json(self) -> dict[str, Any]:
        """Values for JSON; the texts stay messages, see ``files.json_value``."""
        return {"size": self.size, "kid": self.kid.to_json(), "recall": self.recall.to_json()}

    @classmethod
    def from_json(cls, value: object) -> QualityRow:
        """Read what ``to_json`` gave; raises ``DataError``."""
        fields = Fields(value)
        return cls(
            fields.whole("size", low=1, high=int(_MAX)),
            QualityScore.from_json(fields.free("kid")),
            QualityScore.from_json(fields.free("recall")),
        )


@dataclass(frozen=True)
class Law:
    """The fitted curve without synthetic pictures: top - scale · n^(-exponent)."""

    top: float
    scale: float
    exponent: float

    def at(self, count: float) -> float:
        """The score with this many originals."""
        return float(self.top - self.scale * count**-self.exponent)


@dataclass(frozen=True)
class CurveResult:
    """What a learning curve found.

    Attributes:
        name: Of the class.
        rows: For each number of originals and of synthetic pictures, in ascending order.
        quality: For each number of originals; empty where nothing could be made.
        law: The fitted curve; ``None`` with a single number of originals.
        verdict: Whether to keep collecting.
        test_of_class: Number of test pictures of the class.
        test_lots: Number of lots that they come from.
        test_pictures: Number of test pictures of all classes.
        notes: Remarks for the user.
        stopped: Whether the study was stopped before all repeats were done.
    """

    name: str
    rows: tuple[CurveRow, ...]
    quality: tuple[QualityRow, ...]
    law: Law | None
    verdict: Verdict
    test_of_class: int
    test_lots: int
    test_pictures: int
    notes: tuple[Message, ...] = ()
    stopped: bool = False

    def to_json(self) -> dict[str, Any]:
        """Values for JSON, not rounded; the texts stay messages, see ``files.json_value``."""
        return {
            "class": self.name,
            "better": "higher",
            "rows": [row.to_json() for row in self.rows],
            "quality": [row.to_json() for row in self.quality],
            "law": self.law and vars(self.law).copy(),
            "verdict": self.verdict.to_json(),
            "sentence": self.verdict.sentence,
            "test": {
                "pictures": self.test_of_class,
                "lots": self.test_lots,
                "all": self.test_pictures,
            },
            "notes": list(self.notes),
            "stopped": self.stopped,
        }

    @classmethod
    def from_json(cls, value: object) -> CurveResult:
        """Read what ``to_json`` gave; a stored study may come from anybody.

        Raises:
            DataError: A value is missing or of the wrong type.
        """
        fields = Fields(value)
        rows = fields.items("rows", CurveRow.from_json)
        if not rows:
            raise DataError("it has no rows")
        law = None
        if "law" in fields:
            parameters = Fields(fields.free("law"))
            law = Law(*(parameters.number(key, low=-_MAX, high=_MAX)
                        for key in ("top", "scale", "exponent")))  # fmt: skip
        test = Fields(fields.free("test"))
        return cls(
            fields.text("class"), rows, fields.items("quality", QualityRow.from_json), law,
            Verdict.from_json(fields.free("verdict")),
            test.whole("pictures", low=0), test.whole("lots", low=0), test.whole("all", low=0),
            fields.items("notes", a_message), fields.flag("stopped", False),
        )  # fmt: skip


# -- from trainings ------------------------------------------------------------------------------


def conclude(
    class_names: Sequence[str],
    target: int,
    labels: npt.NDArray[np.int64],
    lots: Sequence[str],
    points: Sequence[Point],
    quality: Sequence[Quality],
    notes: Sequence[Message] = (),
    stopped: bool = False,
) -> CurveResult:
    """The result of some trainings; sizes that some repeat lacks are left out.

    Args:
        class_names: In class order.
        target: Index of the class.
        labels: (N,) class indices of the test pictures.
        lots: N lot names.
        points: All trainings, repeat after repeat.
        quality: Of the synthetic pictures.
        notes: Remarks for the user.
        stopped: Whether the study was stopped early.
    """
    repeats = len({point.repeat for point in points})
    predicted: dict[tuple[int, int], list[npt.NDArray[np.int64]]] = {}
    for point in points:
        predicted.setdefault((point.size, point.synthetic), []).append(point.training.predicted)
    keys = sorted(key for key, each in predicted.items() if len(each) == repeats)
    # Perfect predictions come last: a difference from them is a score with an interval.
    perfect = np.broadcast_to(labels, (repeats, len(labels)))
    stacked = np.stack([*(np.stack(predicted[key]) for key in keys), perfect])
    predictions = Predictions(labels, stacked, lots, len(class_names))
    index = {key: k for k, key in enumerate(keys)}
    sizes = sorted({size for size, synthetic in keys if synthetic == 0})
    most, full = max(synthetic for _, synthetic in keys), sizes[-1]
    has_synthetic = most > 0 and (full, most) in index
    pairs = [(k, len(keys)) for k in range(len(keys))]
    pairs += [(index[full, 0], index[size, 0]) for size in sizes[:-1]]
    pairs += [(index[full, most], index[full, 0])] if has_synthetic else []
    measured = differences(predictions, pairs)
    f1, macro_f1 = predictions.f1()[..., target], predictions.macro_f1()  # (A, S) each
    rows = tuple(
        CurveRow(*key, _estimate(f1[k], per_class[target]), _estimate(macro_f1[k], overall))
        for (key, k), (overall, per_class) in zip(index.items(), measured, strict=False)
    )
    gaps = [per_class[target] for _, per_class in measured[len(keys) :]]
    enough = next(
        (size for size, gap in zip(sizes, gaps[: len(sizes) - 1], strict=False)
         if gap and gap.high < MATTERS), None,
    )  # fmt: skip
    resampled = resampled_f1(predictions, target)
    originals = [index[size, 0] for size in sizes]
    synthetic = None
    if has_synthetic and gaps[-1] is not None:
        gained = resampled[:, index[full, most]] - resampled[:, index[full, 0]]
        synthetic = SyntheticGain(most, gaps[-1], gained)
    tested = int((labels == target).sum())
    test_lots = len({lot for lot, label in zip(lots, labels, strict=True) if label == target})
    mean_f1 = f1[originals].mean(1)
    verdict = decide(
        class_names[target], sizes, mean_f1, resampled[:, originals],
        Evidence(tested, test_lots, repeats), synthetic, enough,
    )  # fmt: skip
    law = None
    if len(sizes) > 1:
        fitted = power_law.fit(sizes, mean_f1)
        law = Law(float(fitted.top[0]), float(fitted.scale[0]), float(fitted.exponent[0]))
    return CurveResult(
        class_names[target], rows, _quality_rows(quality), law, verdict, tested, test_lots,
        len(labels), tuple(notes), stopped,
    )  # fmt: skip


def _estimate(by_repeat: Floats, gap: Difference | None) -> Estimate:
    """A score, with the interval of its difference from perfect predictions."""
    value, repeats = float(by_repeat.mean()), tuple(by_repeat.tolist())
    if gap is None:
        return Estimate(value, None, None, repeats)
    low, high = max(0.0, 1 + gap.low), min(1.0, 1 + gap.high)
    return Estimate(value, min(low, value), max(high, value), repeats)


def _quality_rows(quality: Sequence[Quality]) -> tuple[QualityRow, ...]:
    """KID and recall for each number of originals, over the repeats."""
    rows = []
    for size in sorted({each.size for each in quality}):
        own = [each for each in quality if each.size == size]
        kid, recall = ([getattr(each, key) for each in own] for key in ("kid", "recall"))
        rows.append(QualityRow(size, _over_repeats(kid), _over_repeats(recall)))
    return tuple(rows)


def _over_repeats(scores: Sequence[Score]) -> QualityScore:
    values = [s.same_counts for s in scores if s.same_counts is not None]
    baselines = [s.baseline for s in scores if s.baseline is not None]
    return QualityScore(
        float(np.mean(values)) if values else None,
        tuple(values),
        float(np.mean(baselines)) if baselines else None,
        scores[0].counts,
        scores[0].note,
    )
