"""Predict the class of pictures: many files at once, or one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from wafer_core.device import at_most_threads, available_cores
from wafer_core.errors import ParameterError, PictureError
from wafer_core.images import Picture
from wafer_core.importers import Candidate, Rejected, Upload, scan
from wafer_core.messages import Message, message
from wafer_core.tasks.classification import input_check
from wafer_core.tasks.classification.classifier import Classifier

CONFIDENT, REVIEW, UNKNOWN = "confident", "review", "unknown"
NOT_A_WAFER = 100.0  # the unknown score of a picture that cannot be a wafer
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
        verdict: ``confident``; ``review`` if a person should look; ``unknown`` if it is not like
            the training wafers, so that the probabilities mean nothing.
        probabilities: Of each class in class order; they sum to 1 and are never rounded.
        truth: The class named by its folder or data file; ``None`` if unknown.
        position: Its index in the input.
        unknown_score: The higher, the less it is like the training wafers; at most
            ``NOT_A_WAFER``.
        reason: Why it is not confident; ``None`` if it is.
    """

    file: str
    label: str
    verdict: str
    probabilities: dict[str, float]
    truth: str | None = None
    position: int = 0
    unknown_score: float = 0.0
    reason: Message | None = None

    @property
    def probability(self) -> float:
        """Of the label."""
        return self.probabilities[self.label]

    @property
    def urgency(self) -> tuple[int, float]:
        """Sorts unknown wafers first, then those to review, each the least certain first."""
        rank = {UNKNOWN: 0, CONFIDENT: 2}.get(self.verdict, 1)
        return rank, self.probability

    def judged(self, review_below: float) -> Prediction:
        """The same with its verdict at another review threshold; unknown stays unknown."""
        if self.verdict == UNKNOWN:
            return self
        found = verdict(self.probability, review_below)
        return replace(self, verdict=found, reason=_review_reason(found, review_below))

    def to_json(self) -> dict[str, Any]:
        """As the command line prints it."""
        return {
            "file": self.file,
            "label": self.label,
            "verdict": self.verdict,
            "reason": None if self.reason is None else str(self.reason),
            "unknown_score": self.unknown_score,
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
    for chunk in _read_chunks(classifier, candidates):
        rejected += chunk.rejected
        if chunk.batch is not None:
            rows, scores = classifier.predict_scored(chunk.batch)
            judged = zip(chunk.positions, rows, scores.tolist(), chunk.doubts, strict=True)
            for position, row, score, doubt in judged:
                candidate = candidates[position]
                predictions.append(
                    _prediction(
                        classifier, row, score, doubt, candidate.name, review_below,
                        candidate.class_name, position,
                    )
                )  # fmt: skip
        done += len(chunk.positions) + len(chunk.rejected)
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
    rows, scores = classifier.predict_scored(classifier.preparation.prepare([picture]))
    doubt = input_check.doubts(classifier, [picture])[0]
    return _prediction(classifier, rows[0], float(scores[0]), doubt, name, review_below)


def _prediction(
    classifier: Classifier,
    row: npt.NDArray[np.float64],
    score: float,
    doubt: Message | None,
    name: str,
    review_below: float,
    truth: str | None = None,
    position: int = 0,
) -> Prediction:
    best = int(row.argmax())
    reason = doubt
    if reason is None and classifier.unknown and score > classifier.unknown.threshold:
        reason = message(
            "Unlike the training wafers; the nearest class is {name} (unknown score {score:.1f}, "
            "threshold {threshold:.1f}).",
            name=classifier.class_names[best],
            score=score,
            threshold=classifier.unknown.threshold,
        )
    prediction = Prediction(
        name,
        classifier.class_names[best],
        REVIEW if reason is None else UNKNOWN,
        dict(zip(classifier.class_names, row.tolist(), strict=True)),
        truth,
        position,
        score if doubt is None else NOT_A_WAFER,
        reason,
    )
    return prediction.judged(review_below)


def _review_reason(verdict: str, review_below: float) -> Message | None:
    if verdict == CONFIDENT:
        return None
    return message("Below {threshold:.0%}: a person should look at it.", threshold=review_below)


def verdict(probability: float, review_below: float = REVIEW_BELOW) -> str:
    """``confident`` or ``review``, for a picture that is not unknown."""
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


@dataclass(frozen=True, eq=False)
class _Chunk:
    """Pictures that were read.

    Attributes:
        positions: Of the N pictures among the candidates.
        batch: Prepared, (N, C, S, S); ``None`` without pictures.
        doubts: Why each cannot be a wafer.
        rejected: Files that could not be read.
    """

    positions: list[int]
    batch: torch.Tensor | None
    doubts: list[Message | None]
    rejected: list[Rejected]


def _read_chunks(classifier: Classifier, candidates: Sequence[Candidate]) -> Iterator[_Chunk]:
    """Chunks of decoded pictures, read ahead in threads."""

    def read(first: int) -> _Chunk:
        positions: list[int] = []
        pictures: list[Picture] = []
        rejected: list[Rejected] = []
        for position in range(first, min(first + _CHUNK, len(candidates))):
            candidate = candidates[position]
            try:
                pictures.append(candidate.load().picture)
                positions.append(position)
            except PictureError as exc:
                rejected.append(Rejected(candidate.name, exc.message))
        batch = classifier.preparation.prepare(pictures) if pictures else None
        return _Chunk(positions, batch, input_check.doubts(classifier, pictures), rejected)

    threads = min(_MAX_READERS, max(2, available_cores() // 2))
    with ThreadPoolExecutor(threads) as pool:
        starts = iter(range(0, len(candidates), _CHUNK))
        waiting: list[Future[_Chunk]] = []
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
