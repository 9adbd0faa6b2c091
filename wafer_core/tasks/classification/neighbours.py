"""The training wafers that a classifier finds most similar to a wafer.

Similar means: a small angle between the features that the last layer receives. The last layer is
linear, so wafers with similar features get similar predictions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from wafer_core.images import Picture
from wafer_core.networks.penultimate import penultimate
from wafer_core.tasks.classification.classifier import Classifier

_BATCH = 64

Features = npt.NDArray[np.float32]


def features(classifier: Classifier, pictures: Sequence[Picture]) -> Features:
    """Features of pictures, float32 (N, F), each row of length 1.

    Args:
        classifier: Its network computes them.
        pictures: N pictures.
    """
    rows = []
    for start in range(0, len(pictures), _BATCH):
        batch = classifier.preparation.prepare(pictures[start : start + _BATCH])
        with torch.inference_mode():
            rows.append(penultimate(classifier.network, batch.to(classifier.device)))
    if not rows:
        return np.zeros((0, 0), np.float32)
    values: Features = torch.cat(rows).float().cpu().numpy()
    values /= np.maximum(np.linalg.norm(values, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    return values


def nearest(
    query: Features, candidates: Features, count: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """The most similar of some wafers.

    Args:
        query: (F,), as ``features`` gives them.
        candidates: (N, F).
        count: How many to return at most.

    Returns:
        Their indices, the most similar first, and their cosine similarities, −1 to 1.
    """
    if not len(candidates):
        return np.zeros(0, np.int64), np.zeros(0)
    similarity = candidates.astype(np.float64) @ query.astype(np.float64)
    order = np.argsort(-similarity, kind="stable")[:count]
    return order, similarity[order]
