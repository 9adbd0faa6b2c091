"""Predict the class of pictures: many files at once, or one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from wafer_core.device import at_most_threads, available_cores
from wafer_core.errors import ParameterError, PictureError
from wafer_core.images import Picture
from wafer_core.importers import Candidate, Rejected, Upload, scan
from wafer_core.tasks.classification.classifier import Classifier

CONFIDENT, REVIEW = "confident", "review"
# Below this probability a person should look. Models are calibrated, so one in three of the
# pictures just above it is wrong; most of the others are far above it.
REVIEW_BELOW = 0.65
_CHUNK = 64  # pictures that are decoded while the network runs on the chunk before
_MAX_READERS = 4  # decoding threads; more would wait for Python's global lock


@dataclass(frozen=True)
class Prediction:
    """The prediction for one picture.

    Attributes:
        file: Name of the picture.
        label: The most probable class.
        verdict: ``confident``, or ``review`` if a person should look.
        probabilities: Of each class in class order; they sum to 1 and are never rounded.
        truth: The class named by its folder or data file; ``None`` if unknown.
        position: Its index in the input.
    """

    file: str
    label: str
    verdict: str
    probabilities: dict[str, float]
    truth: str | None = None
    position: int = 0

    @property
    def probability(self) -> float:
        """Of the label."""
        return self.probabilities[self.label]

    def to_json(self) -> dict[str, Any]:
        """As the command line prints it."""
        return {
            "file": self.file,
            "label": self.label,
            "verdict": self.verdict,
            "probabilities": self.probabilities,
        }


@dataclass(frozen=True)
class Predictions:
    """Predictions in the order of the input, and files that could not be read."""

    predictions: list[Prediction]
    rejected: list[Rejected]


def predict_files(
    classifier: Classifier,
    files: Sequence[Path | Upload],
    review_below: float = REVIEW_BELOW,
    on_progress: Callable[[float], None] | None = None,
) -> Predictions:
    """Predict all pictures in files, folders, zips and wafer data files.

    A file that cannot be read is reported in ``rejected``; the others are predicted.

    Raises:
        ParameterError: ``review_below`` is not a probability.
    """
    found = scan(files)
    done = predict_candidates(classifier, found.candidates, review_below, on_progress)
    return Predictions(done.predictions, found.rejected + done.rejected)


def predict_candidates(
    classifier: Classifier,
    candidates: Sequence[Candidate],
    review_below: float = REVIEW_BELOW,
    on_progress: Callable[[float], None] | None = None,
) -> Predictions:
    """Predict pictures that a scan has found; some are decoded while the network runs on others.

    Args:
        classifier: Gives the probabilities.
        candidates: From ``importers.scan``.
        review_below: Predictions with a lower probability get the verdict ``review``; 0 to 1.
        on_progress: Called after each chunk with the share done, 0 to 1; may raise to stop.

    Raises:
        ParameterError: ``review_below`` is not a probability.
    """
    check_threshold(review_below)
    # Half of the cores compute while the others decode. If torch used all cores, its threads would
    # wait for each other at every layer: on two cores that costs a quarter of the speed.
    with at_most_threads(max(1, available_cores() // 2)):
        return _predict(classifier, candidates, review_below, on_progress)


def _predict(
    classifier: Classifier,
    candidates: Sequence[Candidate],
    review_below: float,
    on_progress: Callable[[float], None] | None,
) -> Predictions:
    predictions: list[Prediction] = []
    rejected: list[Rejected] = []
    done = 0
    for chunk, batch in _read_chunks(classifier, candidates):
        positions = [at for at, value in chunk if not isinstance(value, Rejected)]
        rejected += [value for _, value in chunk if isinstance(value, Rejected)]
        if batch is not None:
            rows = classifier.predict_prepared(batch)
            for position, row in zip(positions, rows, strict=True):
                candidate = candidates[position]
                predictions.append(
                    _prediction(
                        classifier, row, candidate.name, review_below, candidate.class_name,
                        position,
                    )
                )  # fmt: skip
        done += len(chunk)
        if on_progress:
            on_progress(done / len(candidates))
    return Predictions(predictions, rejected)


def predict_picture(
    classifier: Classifier,
    picture: Picture,
    name: str = "picture",
    review_below: float = REVIEW_BELOW,
) -> Prediction:
    """Predict one picture.

    Raises:
        ParameterError: ``review_below`` is not a probability.
    """
    check_threshold(review_below)
    return _prediction(classifier, classifier.predict_proba([picture])[0], name, review_below)


def _prediction(
    classifier: Classifier,
    row: npt.NDArray[np.float64],
    name: str,
    review_below: float,
    truth: str | None = None,
    position: int = 0,
) -> Prediction:
    best = int(row.argmax())
    return Prediction(
        name,
        classifier.class_names[best],
        verdict(float(row[best]), review_below),
        dict(zip(classifier.class_names, row.tolist(), strict=True)),
        truth,
        position,
    )


def verdict(probability: float, review_below: float = REVIEW_BELOW) -> str:
    """``confident`` or ``review``."""
    return CONFIDENT if probability >= review_below else REVIEW


def review_threshold(classifier: Classifier) -> float:
    """The review threshold stored with a model, else the default."""
    stored = classifier.extra.get("review_below")
    try:
        check_threshold(stored)
    except ParameterError:  # missing or damaged
        return REVIEW_BELOW
    return float(stored or 0)


def check_threshold(review_below: Any) -> None:
    """Check a review threshold.

    Raises:
        ParameterError: Not a number from 0 to 1.
    """
    is_number = isinstance(review_below, int | float) and not isinstance(review_below, bool)
    if not is_number or not 0 <= review_below <= 1:
        raise ParameterError(
            "The review threshold is {value}; give a probability from 0 to 1.",
            value=repr(review_below),
        )


_Read = tuple[int, Picture | Rejected]


def _read_chunks(
    classifier: Classifier, candidates: Sequence[Candidate]
) -> Iterator[tuple[list[_Read], torch.Tensor | None]]:
    """Chunks of decoded pictures with their prepared batch, read ahead in threads."""

    def read(first: int) -> tuple[list[_Read], torch.Tensor | None]:
        chunk: list[_Read] = []
        for position in range(first, min(first + _CHUNK, len(candidates))):
            candidate = candidates[position]
            try:
                chunk.append((position, candidate.load().picture))
            except PictureError as exc:
                chunk.append((position, Rejected(candidate.name, exc.message)))
        pictures = [value for _, value in chunk if not isinstance(value, Rejected)]
        return chunk, classifier.preparation.prepare(pictures) if pictures else None

    threads = min(_MAX_READERS, max(2, available_cores() // 2))
    with ThreadPoolExecutor(threads) as pool:
        starts = iter(range(0, len(candidates), _CHUNK))
        waiting: list[Future[tuple[list[_Read], torch.Tensor | None]]] = []
        try:
            # Only a few chunks ahead: a folder may hold a million pictures.
            for first in starts:
                waiting.append(pool.submit(read, first))
                if len(waiting) > threads:
                    yield waiting.pop(0).result()
            while waiting:
                yield waiting.pop(0).result()
        finally:
            for future in waiting:
                future.cancel()
