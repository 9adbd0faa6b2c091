"""Name pictures by a trained classifier: many files at once, or one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from wafer_core.device import at_most_threads, available_cores
from wafer_core.errors import ParameterError, PictureError
from wafer_core.images import Picture
from wafer_core.importers import Candidate, Rejected, Upload, scan
from wafer_core.tasks.classification.train import Classifier

CONFIDENT, REVIEW = "confident", "review"
# Below this probability a person should look. Models are calibrated, so of the pictures just above
# it one in three is wrong: few enough to trust the rest, which are mostly far above.
REVIEW_BELOW = 0.65
_CHUNK = 64  # pictures that are decoded while the network looks at the ones before
_MOST_READERS = 4  # threads that decode: more wait for each other, since one at a time is in Python


@dataclass(frozen=True)
class Prediction:
    """The answer for one picture.

    Attributes:
        file: Name of the picture.
        label: The most probable class.
        verdict: ``confident``, or ``review`` where a person should look.
        probabilities: Of each class in class order; they add up to 1 and are never rounded.
        truth: The class that its folder or data file names; ``None`` if unknown.
        position: Its index among what was asked.
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
        """As the command line gives it."""
        return {
            "file": self.file,
            "label": self.label,
            "verdict": self.verdict,
            "probabilities": self.probabilities,
        }


@dataclass(frozen=True)
class Predictions:
    """Answers in the order asked, and what could not be read."""

    predictions: list[Prediction]
    rejected: list[Rejected]


def predict_files(
    classifier: Classifier,
    files: Sequence[Path | Upload],
    review_below: float = REVIEW_BELOW,
    progress: Callable[[float], None] | None = None,
) -> Predictions:
    """Name every picture in files, folders, zips and wafer data files.

    A bad file is told in ``rejected`` and the others are answered.

    Raises:
        ParameterError: ``review_below`` is no probability.
    """
    found = scan(files)
    done = predict_candidates(classifier, found.candidates, review_below, progress)
    return Predictions(done.predictions, found.rejected + done.rejected)


def predict_candidates(
    classifier: Classifier,
    candidates: Sequence[Candidate],
    review_below: float = REVIEW_BELOW,
    progress: Callable[[float], None] | None = None,
) -> Predictions:
    """Name pictures that a scan has found, decoding some while the network looks at others.

    Args:
        classifier: Gives the probabilities.
        candidates: From ``importers.scan``.
        review_below: Answers of a lower probability get the verdict ``review``; 0 to 1.
        progress: Called after each chunk with the share done, 0 to 1; may raise to stop.

    Raises:
        ParameterError: ``review_below`` is no probability.
    """
    check_threshold(review_below)
    # Half of the cores compute while the others read. Where torch takes them all, its threads wait
    # for each other at every layer: on two cores that costs a quarter of the speed.
    with at_most_threads(max(1, available_cores() // 2)):
        return _predict(classifier, candidates, review_below, progress)


def _predict(
    classifier: Classifier,
    candidates: Sequence[Candidate],
    review_below: float,
    progress: Callable[[float], None] | None,
) -> Predictions:
    predictions: list[Prediction] = []
    rejected: list[Rejected] = []
    done = 0
    for chunk, batch in _chunks(classifier, candidates):
        read = [(at, value) for at, value in chunk if not isinstance(value, Rejected)]
        rejected += [value for _, value in chunk if isinstance(value, Rejected)]
        if batch is not None:
            probabilities = classifier.predict_prepared(batch)
            for (position, _), row in zip(read, probabilities, strict=True):
                candidate = candidates[position]
                best = int(row.argmax())
                predictions.append(
                    Prediction(
                        candidate.name,
                        classifier.class_names[best],
                        verdict(float(row[best]), review_below),
                        dict(zip(classifier.class_names, row.tolist(), strict=True)),
                        candidate.class_name,
                        position,
                    )
                )
        done += len(chunk)
        if progress:
            progress(done / len(candidates))
    return Predictions(predictions, rejected)


def predict_picture(
    classifier: Classifier,
    picture: Picture,
    name: str = "picture",
    review_below: float = REVIEW_BELOW,
) -> Prediction:
    """Name one picture."""
    check_threshold(review_below)
    row = classifier.predict_proba([picture])[0]
    best = int(np.argmax(row))
    return Prediction(
        name,
        classifier.class_names[best],
        verdict(float(row[best]), review_below),
        dict(zip(classifier.class_names, row.tolist(), strict=True)),
    )


def verdict(probability: float, review_below: float = REVIEW_BELOW) -> str:
    """``confident`` or ``review``."""
    return CONFIDENT if probability >= review_below else REVIEW


def chosen_threshold(classifier: Classifier) -> float:
    """The threshold that was chosen for a model and stored with it, else the usual one."""
    stored = classifier.extra.get("review_below")
    try:
        check_threshold(stored)
    except ParameterError:  # none, or damaged
        return REVIEW_BELOW
    return float(stored or 0)


def check_threshold(review_below: Any) -> None:
    """Refuse a threshold that is no probability.

    Raises:
        ParameterError: Not a number from 0 to 1.
    """
    number = isinstance(review_below, int | float) and not isinstance(review_below, bool)
    if not number or not 0 <= review_below <= 1:
        raise ParameterError(
            f"The review threshold is {review_below!r}; give a probability from 0 to 1."
        )


_Read = tuple[int, Picture | Rejected]


def _chunks(
    classifier: Classifier, candidates: Sequence[Candidate]
) -> Iterator[tuple[list[_Read], torch.Tensor | None]]:
    """Chunks of read pictures with their prepared batch, each decoded while the last is used."""

    def read(first: int) -> tuple[list[_Read], torch.Tensor | None]:
        chunk: list[_Read] = []
        for position in range(first, min(first + _CHUNK, len(candidates))):
            candidate = candidates[position]
            try:
                chunk.append((position, candidate.load().picture))
            except PictureError as exc:
                chunk.append((position, Rejected(candidate.name, str(exc))))
        pictures = [value for _, value in chunk if not isinstance(value, Rejected)]
        return chunk, classifier.preparation.prepare(pictures) if pictures else None

    threads = min(_MOST_READERS, max(2, available_cores() // 2))
    with ThreadPoolExecutor(threads) as pool:
        starts = iter(range(0, len(candidates), _CHUNK))
        waiting: list[Future[tuple[list[_Read], torch.Tensor | None]]] = []
        try:
            # a few chunks ahead and no more: a folder may hold a million pictures
            for first in starts:
                waiting.append(pool.submit(read, first))
                if len(waiting) > threads:
                    yield waiting.pop(0).result()
            while waiting:
                yield waiting.pop(0).result()
        finally:
            for future in waiting:
                future.cancel()
