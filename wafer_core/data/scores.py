"""Scores of a run of synthetic pictures, one JSON file per feature network beside the pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wafer_core.json_fields import Fields

FILE = "scores-{}.json"  # by feature network


@dataclass(frozen=True)
class RunScores:
    """The scores of one run, computed with the features of one network.

    Attributes:
        features: Key of the feature network.
        values: All of it as stored, with the types checked; ``tasks.evaluation`` explains it.
    """

    features: str
    values: Mapping[str, Any]

    @classmethod
    def from_json(cls, value: object) -> RunScores:
        """Read a file of scores.

        Raises:
            DataError: A value is missing, of the wrong type, or out of range.
        """
        fields = Fields(value)
        for name in ("title", "weights", "wafernet"):
            fields.text(name, "")
        for name in ("sentence", "reference"):
            _check_message(fields, name)
        fields.number("seconds", 0.0, low=0)
        _check_counts(fields)
        for score in fields.free("scores").values():
            _check_score(Fields(score))
        return cls(fields.text("features"), dict(value) if isinstance(value, Mapping) else {})


def _check_score(fields: Fields) -> None:
    fields.text("title")
    fields.choice("better", ("lower", "higher"))
    for name in ("value", "spread", "same_counts", "floor", "ceiling", "place"):
        fields.optional_number(name)
    for name in ("sentence", "note"):
        _check_message(fields, name)
    for name in ("instead", "ceiling_class"):
        fields.optional_text(name)
    _check_counts(fields)
    details = Fields(fields.free("details", {}))
    for name in fields.free("details", {}):
        details.optional_number(name)


def _check_counts(fields: Fields) -> None:
    counts = Fields(fields.free("counts", {}))
    for name in fields.free("counts", {}):
        counts.whole(name, 0, low=0)


def _check_message(fields: Fields, name: str) -> None:
    if name in fields:
        fields.as_message(name)
