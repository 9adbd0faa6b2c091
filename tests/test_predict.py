"""Prediction of many files: in order, with verdicts, and bad files rejected."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from wafer_core.errors import Cancelled, ParameterError
from wafer_core.images import FAIL, NO_DIE, PASS, encode_png
from wafer_core.importers import Upload
from wafer_core.networks import registry
from wafer_core.networks.preparation import Preparation
from wafer_core.tasks.classification.classifier import Classifier
from wafer_core.tasks.classification.predict import (
    CONFIDENT,
    REVIEW,
    REVIEW_BELOW,
    predict_files,
    predict_picture,
    review_threshold,
    verdict,
)

RNG = np.random.default_rng(0)
PICTURES = list(RNG.choice([NO_DIE, PASS, FAIL], (140, 26, 26)).astype(np.uint8))


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    torch.manual_seed(0)
    network = registry.build("wafer_cnn", 3)
    return Classifier(network, "wafer_cnn", Preparation(), ["Center", "Loc", "none"])


def test_three_chunks_come_back_in_order(classifier: Classifier, tmp_path: Path) -> None:
    paths = []
    for index, picture in enumerate(PICTURES):
        paths.append(tmp_path / f"w{index:03d}.png")
        paths[-1].write_bytes(encode_png(picture))
    reported: list[float] = []
    done = predict_files(classifier, paths, on_progress=reported.append)
    assert [p.file for p in done.predictions] == [p.name for p in paths]
    assert [p.position for p in done.predictions] == list(range(140))
    assert reported[-1] == 1
    assert reported == sorted(reported)
    expected = classifier.predict_proba(PICTURES)
    ours = np.array([list(p.probabilities.values()) for p in done.predictions])
    np.testing.assert_allclose(ours, expected, atol=0.01)


def test_a_prediction_has_every_class_in_order(classifier: Classifier) -> None:
    prediction = predict_picture(classifier, PICTURES[0], "w.png", review_below=0)
    assert list(prediction.probabilities) == ["Center", "Loc", "none"]
    assert sum(prediction.probabilities.values()) == pytest.approx(1, abs=1e-12)
    assert prediction.probability == max(prediction.probabilities.values())
    assert set(prediction.to_json()) == {
        "file", "label", "verdict", "reason", "unknown_score", "probabilities",
    }  # fmt: skip
    assert json.loads(json.dumps(prediction.to_json())) == prediction.to_json()
    assert prediction.verdict == CONFIDENT


def test_bad_files_are_rejected_and_good_ones_predicted(classifier: Classifier) -> None:
    good = encode_png(PICTURES[0])
    drop = [
        Upload("Loc/a.png", good),
        Upload("Loc/text.png", b"hello"),
        Upload("none/half.png", good[: len(good) // 2]),
        Upload("none/b.png", good),
    ]
    done = predict_files(classifier, drop)
    assert [p.truth for p in done.predictions] == ["Loc", "none"]
    assert sorted(r.name.split("/")[-1] for r in done.rejected) == ["half.png", "text.png"]
    assert all(len(str(r.reason)) > 20 for r in done.rejected)


def test_only_bad_files_and_no_files(classifier: Classifier, tmp_path: Path) -> None:
    done = predict_files(classifier, [Upload("text.png", b"hello")])
    assert (done.predictions, len(done.rejected)) == ([], 1)
    assert predict_files(classifier, []).predictions == []
    assert len(predict_files(classifier, [tmp_path / "nowhere.png"]).rejected) == 1


def test_it_can_be_cancelled(classifier: Classifier) -> None:
    def stop(_: float) -> None:
        raise Cancelled("stop")

    with pytest.raises(Cancelled):
        predict_files(classifier, [Upload("a.png", encode_png(PICTURES[0]))], on_progress=stop)


def test_verdicts_by_hand() -> None:
    assert [verdict(p, 0.7) for p in (0.69, 0.7, 1.0)] == [REVIEW, CONFIDENT, CONFIDENT]


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan"), "high", None, True])
def test_thresholds_that_are_no_probability_are_refused(
    classifier: Classifier, threshold: float
) -> None:
    with pytest.raises(ParameterError, match="review threshold"):
        predict_files(classifier, [], review_below=threshold)


@pytest.mark.parametrize(
    ("stored", "expected"),
    [(0.8, 0.8), (0, 0.0), (1, 1.0), (None, REVIEW_BELOW), ("high", REVIEW_BELOW), (7, 0.65)],
)
def test_a_model_may_have_its_own_threshold(
    classifier: Classifier, stored: object, expected: float
) -> None:
    own = Classifier(
        classifier.network, "wafer_cnn", Preparation(), classifier.class_names,
        extra={"review_below": stored},
    )  # fmt: skip
    assert review_threshold(own) == expected
    assert review_threshold(classifier) == REVIEW_BELOW
