"""Predictions as a table, for a page and for a CSV file."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

from wafer_core.tasks.classification.predict import Prediction

_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # spreadsheets compute cells that begin so


@dataclass(frozen=True)
class PredictionRow:
    """One predicted wafer.

    Attributes:
        prediction: Its prediction.
        truth: Its class, if a folder or a data file names it.
        dies: Number of dies; 0 for a picture without dies.
        failed: Number of failed dies.
    """

    prediction: Prediction
    truth: str | None = None
    dies: int = 0
    failed: int = 0

    @property
    def yield_fraction(self) -> float | None:
        """Passed dies divided by all dies, 0 to 1; ``None`` without dies."""
        return (self.dies - self.failed) / self.dies if self.dies else None


def to_csv(rows: Sequence[PredictionRow]) -> bytes:
    """All predictions with the probability of every class, never rounded.

    Columns: file, folder (if one is known), prediction, probability, verdict, unknown_score,
    yield, dies, failed, and ``p NAME`` for each class. UTF-8 with a byte order mark, so that
    spreadsheets read Korean.

    Args:
        rows: Of one model.
    """
    class_names = list(rows[0].prediction.probabilities) if rows else []
    has_truth = any(row.truth for row in rows)
    header = ["file", *(["folder"] if has_truth else []), "prediction", "probability", "verdict",
              "unknown_score", "yield", "dies", "failed",
              *(f"p {name}" for name in class_names)]  # fmt: skip
    stream = io.StringIO(newline="")
    writer = csv.writer(stream)
    writer.writerow(map(neutralise, header))
    for row in rows:
        prediction, share = row.prediction, row.yield_fraction
        writer.writerow(
            [
                neutralise(prediction.file),
                *([neutralise(row.truth or "")] if has_truth else []),
                neutralise(prediction.label),
                repr(prediction.probability),
                prediction.verdict,
                repr(prediction.unknown_score),
                "" if share is None else repr(share),
                row.dies or "",
                row.failed if row.dies else "",
                *map(repr, prediction.probabilities.values()),
            ]
        )
    return stream.getvalue().encode("utf-8-sig")


def neutralise(text: str) -> str:
    """A cell that no spreadsheet takes for a formula: an apostrophe comes first where needed."""
    return f"'{text}" if text.startswith(_FORMULA) else text
