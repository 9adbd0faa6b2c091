"""A batch of predictions: summary, comparison with known classes, CSV, similar training wafers."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest
import torch

from wafer_core.networks.preparation import Preparation
from wafer_core.networks.registry import build
from wafer_core.tasks.classification import batch_summary, neighbours
from wafer_core.tasks.classification.classifier import Classifier
from wafer_core.tasks.classification.predict import Prediction
from wafer_core.tasks.classification.predictions import PredictionRow, neutralise, to_csv
from wafers import marked


def prediction(label: str, share: float, file: str = "a.png") -> Prediction:
    """A prediction of two classes."""
    other = "Scratch" if label == "Ring" else "Ring"
    shares = {label: share, other: 1 - share}
    ordered = {name: shares[name] for name in ("Ring", "Scratch")}
    return Prediction(file, label, "confident" if share >= 0.65 else "review", ordered)


def test_summary_by_hand() -> None:
    batch = batch_summary.summarise(
        [prediction("Ring", 0.9), prediction("Scratch", 0.6), prediction("Ring", 0.6),
         prediction("Ring", 0.8)],
        [0.5, 0.9, None, 0.7],
    )  # fmt: skip
    assert batch.count == 4
    assert batch.review_count == 2
    assert batch.mean_yield == pytest.approx(0.7)
    ring, scratch = batch.classes
    assert (ring.name, ring.count, ring.review_count) == ("Ring", 3, 1)
    assert ring.mean_yield == pytest.approx(0.6)
    assert (scratch.name, scratch.count, scratch.review_count) == ("Scratch", 1, 1)


def test_an_empty_batch() -> None:
    batch = batch_summary.summarise([], [])
    assert (batch.count, batch.review_count, batch.mean_yield) == (0, 0, None)
    assert batch.classes == ()
    assert batch_summary.compare([], []) is None


def test_the_least_certain_come_first_and_what_needs_review_before() -> None:
    confident = Prediction("a", "Ring", "confident", {"Ring": 0.55, "Scratch": 0.45})
    review = Prediction("b", "Ring", "review", {"Ring": 0.95, "Scratch": 0.05})
    assert batch_summary.worst_first([confident, review, prediction("Ring", 0.6)]) == [2, 1, 0]


def test_comparison_with_known_classes() -> None:
    batch = batch_summary.compare(
        [prediction("Ring", 0.9), prediction("Scratch", 0.6), prediction("Ring", 0.6)],
        ["Ring", "Ring", None],
    )
    assert batch is not None
    assert batch.class_names == ("Ring", "Scratch")
    assert batch.scores.confusion.tolist() == [[1, 1], [0, 0]]
    assert batch.scores.accuracy == 0.5
    assert batch.scores.left_out == ("Scratch",)
    assert batch.intervals.per_class[1] is None
    assert batch_summary.compare([prediction("Ring", 0.9)], ["Donut"]) is None


def read(data: bytes) -> list[list[str]]:
    """The rows of a CSV file."""
    return list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))


def test_csv_by_hand() -> None:
    row = PredictionRow(prediction("Ring", 1 / 3 + 0.6, "웨이퍼.png"), "Ring", 200, 50)
    header, first = read(to_csv([row]))
    facts = ["verdict", "unknown_score", "yield", "dies", "failed"]
    assert header == ["file", "folder", "prediction", "probability", *facts, "p Ring", "p Scratch"]
    assert first[:3] == ["웨이퍼.png", "Ring", "Ring"]
    assert float(first[3]) == 1 / 3 + 0.6
    assert first[4:9] == ["confident", "0.0", "0.75", "200", "50"]


def test_csv_of_pictures_without_dies_and_folders() -> None:
    header, first = read(to_csv([PredictionRow(prediction("Ring", 0.9))]))
    assert "folder" not in header
    assert first[header.index("yield")] == ""
    assert first[header.index("dies")] == ""
    assert read(to_csv([])) == [["file", "prediction", "probability", "verdict",
                                 "unknown_score", "yield", "dies", "failed"]]  # fmt: skip


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_is_a_formula(begin: str) -> None:
    evil = f"{begin}cmd|' /C calc'!A0"
    shares = {evil: 0.9, "Ring": 0.1}
    row = PredictionRow(Prediction(evil, evil, "confident", shares), evil)
    for cells in read(to_csv([row])):
        assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in cells)
    assert neutralise("a=b") == "a=b"


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    """A small network with random weights."""
    torch.manual_seed(0)
    return Classifier(build("wafer_cnn", 3), "wafer_cnn", Preparation(), ["A", "B", "C"])


def test_features_have_length_one_and_do_not_depend_on_the_batch(classifier: Classifier) -> None:
    wafers = [marked(n) for n in range(70)]
    found = neighbours.features(classifier, wafers)
    assert found.shape[0] == 70
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(neighbours.features(classifier, wafers[66:]), found[66:], atol=1e-4)
    assert neighbours.features(classifier, []).shape == (0, 0)


def test_the_nearest_wafer_of_a_copy_is_its_original(classifier: Classifier) -> None:
    found = neighbours.features(classifier, [marked(n) for n in range(20)])
    order, similarity = neighbours.nearest(found[7], found, 3)
    assert order[0] == 7
    assert similarity[0] == pytest.approx(1, abs=1e-5)
    assert list(similarity) == sorted(similarity, reverse=True)


def test_nearest_by_hand() -> None:
    query = np.array([1, 0], np.float32)
    known = np.array([[0, 1], [1, 0], [0.6, 0.8]], np.float32)
    order, similarity = neighbours.nearest(query, known, 2)
    assert order.tolist() == [1, 2]
    np.testing.assert_allclose(similarity, [1, 0.6], atol=1e-6)
    assert len(neighbours.nearest(query, known[:0], 2)[0]) == 0
