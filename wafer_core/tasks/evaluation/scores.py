"""Scores of synthetic pictures: their names, and one value with what to compare it with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from wafer_core.json_fields import Fields
from wafer_core.messages import N_, Message


@dataclass(frozen=True)
class ScoreInfo:
    """One score of the list.

    Attributes:
        title: Its name.
        better: ``lower`` or ``higher``.
        help: What it measures.
    """

    title: str
    better: str
    help: str


SCORES: dict[str, ScoreInfo] = {
    "kid": ScoreInfo(
        "KID",
        "lower",
        N_(
            "Kernel inception distance between synthetic and real wafers. It is about 0 for two "
            "sets of real wafers and does not depend on the number of wafers."
        ),
    ),
    "fid": ScoreInfo(
        "FID",
        "lower",
        N_(
            "Fréchet inception distance between synthetic and real wafers. It is too high for "
            "small sets, so compare it only with the baseline."
        ),
    ),
    "precision": ScoreInfo(
        N_("Precision"),
        "higher",
        N_(
            "Share of the synthetic wafers that are within the variety of real wafers. Low values "
            "mean unrealistic wafers."
        ),
    ),
    "recall": ScoreInfo(
        N_("Recall"),
        "higher",
        N_(
            "Share of the real wafers that are within the variety of synthetic wafers. Low values "
            "mean that the generator repeats a few kinds of wafers."
        ),
    ),
    "agreement": ScoreInfo(
        N_("Class agreement"),
        "higher",
        N_(
            "Share of the synthetic wafers that a reference classifier, trained only on training "
            "originals of all classes, assigns to their class. Copies of originals also score "
            "high, so check the near copies too. Auto redraws wafers that such a classifier "
            "assigns to another class, which raises this score by a few points."
        ),
    ),
    "copies": ScoreInfo(
        N_("Near copies"),
        "lower",
        N_(
            "Share of the synthetic wafers that repeat a training original, possibly rotated or "
            "mirrored."
        ),
    ),
    "is": ScoreInfo(
        "Inception Score",
        "higher",
        N_(
            "How confident a network is about each wafer, and how many classes it predicts. "
            "Wafers of a single class cannot score high."
        ),
    ),
}


@dataclass(frozen=True)
class Score:
    """One score of synthetic pictures and what to compare it with.

    Attributes:
        name: A key of ``SCORES``.
        value: Over all pictures; ``None`` if it cannot be computed, and ``note`` says why.
        spread: Standard deviation over the subsets of KID or the splits of the Inception Score.
        same_counts: The score at the sample sizes of the baseline and the reference.
        baseline: Real-real baseline: other real pictures of the class instead of synthetic ones.
        reference: Between-class reference: the nearest other class instead of synthetic pictures.
        reference_class: Name of that class.
        counts: ``made`` and ``real`` of the value, ``each`` of the three that are compared, and the
            size of a subset or the number of splits.
        details: Additional numbers.
        sentence: What it means.
        note: Why it cannot be computed, or a caution.
        instead: The other class that synthetic pictures are assigned to most often.
    """

    name: str
    value: float | None = None
    spread: float | None = None
    same_counts: float | None = None
    baseline: float | None = None
    reference: float | None = None
    reference_class: str | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    details: Mapping[str, float | None] = field(default_factory=dict)
    sentence: Message | None = None
    note: Message | None = None
    instead: str | None = None

    @property
    def comparable(self) -> float | None:
        """The value to show people: at the sample sizes of the baseline, if there is one.

        Most scores depend on the sample size, so this is the only value that may be compared with
        the baseline and the reference.
        """
        return self.value if self.same_counts is None else self.same_counts

    @property
    def place(self) -> float | None:
        """Position between baseline, 0, and reference, 1; clipped to that range."""
        if self.same_counts is None or self.baseline is None or self.reference is None:
            return None
        distance = self.reference - self.baseline
        # a class that is as near as other real wafers is no reference
        if distance == 0 or (distance > 0) != (SCORES[self.name].better == "lower"):
            return None
        return min(1.0, max(0.0, (self.same_counts - self.baseline) / distance))

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        info = SCORES[self.name]
        return {
            "name": self.name,
            "value": self.value,
            "spread": self.spread,
            "same_counts": self.same_counts,
            "floor": self.baseline,
            "ceiling": self.reference,
            "ceiling_class": self.reference_class,
            "counts": dict(self.counts),
            "details": dict(self.details),
            "sentence": self.sentence and self.sentence.to_json(),
            "note": self.note and self.note.to_json(),
            "instead": self.instead,
            "place": self.place,
            "title": info.title,
            "better": info.better,
            "help": info.help,
        }

    @classmethod
    def from_json(cls, name: str, value: object) -> Score:
        """Read what ``to_json`` gave; older versions stored plain English.

        Raises:
            DataError: A value is missing or of the wrong type.
        """
        fields = Fields(value)
        details, counts = Fields(fields.free("details", {})), Fields(fields.free("counts", {}))
        return cls(
            name,
            fields.optional_number("value"),
            fields.optional_number("spread"),
            fields.optional_number("same_counts"),
            fields.optional_number("floor"),
            fields.optional_number("ceiling"),
            fields.optional_text("ceiling_class"),
            {key: counts.whole(key, low=0) for key in fields.free("counts", {})},
            {key: details.optional_number(key) for key in fields.free("details", {})},
            fields.as_message("sentence") if "sentence" in fields else None,
            fields.as_message("note") if "note" in fields else None,
            fields.optional_text("instead"),
        )
