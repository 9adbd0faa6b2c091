"""Pictures that cannot be wafers get the verdict unknown, before any network is asked."""

from __future__ import annotations

from collections import Counter

import not_wafers
import numpy as np
import pytest

from wafer_core import simulator
from wafer_core.images import FAIL, NO_DIE, PASS
from wafer_core.importers import Upload
from wafer_core.importers.recognition import find_doubt
from wafer_core.tasks.classification import input_check
from wafer_core.tasks.classification.classifier import Classifier
from wafer_core.tasks.classification.predict import (
    CONFIDENT,
    NOT_A_WAFER,
    UNKNOWN,
    predict_files,
    predict_picture,
)
from wafer_core.tasks.classification.pretrained import standard_classifier
from wafers import disc


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return standard_classifier()


def test_pictures_that_are_no_wafers_are_unknown(classifier: Classifier) -> None:
    drawn = not_wafers.pictures()
    assert len(drawn) >= 100
    found = predict_files(classifier, [Upload(f"{n}.png", data) for n, data in drawn.items()])
    verdicts = Counter(p.verdict for p in found.predictions)
    assert verdicts[CONFIDENT] == 0
    assert verdicts[UNKNOWN] >= 0.99 * len(found.predictions)
    # Only pictures of one colour are refused by the import already.
    assert all("constant" in r.name for r in found.rejected)


def test_the_reason_is_given(classifier: Classifier) -> None:
    grey = np.random.default_rng(0).integers(0, 256, (60, 60), np.uint8)
    prediction = predict_picture(classifier, grey)
    assert (prediction.verdict, prediction.unknown_score) == (UNKNOWN, NOT_A_WAFER)
    assert "read as a grey picture" in prediction.to_json()["reason"]
    assert prediction.judged(0.0) == prediction
    assert sum(prediction.probabilities.values()) == pytest.approx(1)


def test_the_kind_of_input_follows_the_training_pictures() -> None:
    wafers = [w for p in ("Donut", "none") for w in simulator.simulate_many(p, 20, 1)]
    grey = [np.arange(400, dtype=np.uint16).reshape(20, 20).astype(np.uint8)] * 40
    assert input_check.kind_of(wafers) == input_check.MAPS
    assert input_check.kind_of(grey) == input_check.PICTURES
    assert input_check.kind_of([np.full((20, 20), PASS, np.uint8)] * 9) == input_check.PICTURES
    assert input_check.kind_of(wafers + grey[:1]) == input_check.MAPS
    assert input_check.kind_of([]) == input_check.PICTURES


def test_a_classifier_of_grey_pictures_takes_grey_pictures(classifier: Classifier) -> None:
    grey = np.random.default_rng(0).integers(0, 256, (60, 60), np.uint8)
    assert input_check.doubts(classifier, [grey])[0] is not None
    other = Classifier(
        classifier.network, classifier.architecture, classifier.preparation,
        classifier.class_names, extra={input_check.KEY: input_check.PICTURES},
    )  # fmt: skip
    assert predict_picture(other, grey).verdict != UNKNOWN


def test_a_drawing_has_smooth_edges() -> None:
    wafer = disc(60)
    wafer[10:45, 15:50][wafer[10:45, 15:50] != NO_DIE] = FAIL
    assert "as in a drawing" in str(find_doubt(wafer))
    scattered = np.random.default_rng(0).random(wafer.shape) < 0.05
    wafer[scattered & (wafer == PASS)] = FAIL
    assert find_doubt(wafer) is None
    assert find_doubt(disc(60)) is None
