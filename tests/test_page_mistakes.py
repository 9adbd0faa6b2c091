"""Mistakes and confidence of a run on Train: the wafers, moving them, and the review threshold."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from browsing import chart, keyed, keys, run, select_rows, table, texts, visit
from wafer_core import metrics
from wafer_core.data import models, pictures
from wafer_core.data.project import Project

# Rows: a wafer of Alpha, Beta and Gamma each; the first and the last are predicted wrongly.
PREDICTIONS = [[0.2, 0.7, 0.1], [0.05, 0.9, 0.05], [0.5, 0.1, 0.4]]


def opened(project: Project, tab: str) -> AppTest:
    """The page with a tab of the run open."""
    at = visit("train", project)
    at.session_state["train_result_tab_wanted"] = tab
    return run(at)


def only_run(project: Project) -> models.ModelRun:
    (found,) = models.list_models(project)
    return found


def predict(project: Project, rows: list[list[float]]) -> dict[str, Any]:
    """Store these probabilities in the run's report: one row for each test wafer."""
    path = project.models_path / only_run(project).run / "report.json"
    report: dict[str, Any] = json.loads(path.read_text("utf-8"))
    for picture, row in zip(report["test_pictures"], rows, strict=True):
        picture["probabilities"] = row
        picture["predicted"] = int(np.argmax(row))
    labels = np.array([p["truth"] for p in report["test_pictures"]])
    found = metrics.evaluate(labels, np.array(rows), report["class_names"])
    report["evaluation"] = found.to_json()
    path.write_text(json.dumps(report), "utf-8")
    return report


def figures(at: AppTest) -> dict[str, str]:
    return {m.label: m.value for m in at.metric}


def click_wafer(at: AppTest, report: dict[str, Any], number: int) -> AppTest:
    """Select a wafer among the mistakes, as a click does."""
    picture = report["test_pictures"][number]
    at.session_state["train_mistakes_selected"] = {f"{picture['slug']}/{picture['file']}"}
    return run(at)


# -- mistakes ------------------------------------------------------------------------------------


def test_the_most_confident_mistakes_come_first(
    trained: Project, downloads: dict[str, bytes]
) -> None:
    report = predict(trained, PREDICTIONS)
    at = opened(trained, "mistakes")
    pairs = table(at, "train_pairs")
    assert list(pairs["pair"]) == ["all mistakes", "Alpha → Beta", "Gamma → Alpha"]
    assert list(pairs["wafers"]) == [2, 1, 1]
    assert list(pairs["share"]) == pytest.approx([200 / 3, 100, 100])
    assert "**2 mistakes**" in texts(at)
    at.session_state["train_mistakes_table"] = True
    run(at)
    (shown,) = [d.value for d in at.dataframe if "confidence" in d.value]
    assert list(shown["confidence"]) == [0.7, 0.5]
    assert list(shown["probability of the label"]) == [0.2, 0.4]
    assert shown["wafer"].str.startswith("data:image/png").all()
    assert list(shown["file"]) == [report["test_pictures"][i]["file"] for i in (0, 2)]
    assert len(downloads["First mistakes.csv"].decode("utf-8-sig").splitlines()) == 3


def test_a_pair_shows_its_wafers_and_correct_ones_beside(trained: Project) -> None:
    predict(trained, PREDICTIONS)
    at = opened(trained, "mistakes")
    run(select_rows(at, "train_pairs", 1))
    assert "**1** of “Alpha” predicted as “Beta”" in texts(at)
    assert "0 the other way round" in texts(at)
    assert "Correctly predicted as “Beta”, to compare" in texts(at)
    assert "No test wafer of “Alpha” was predicted correctly." in texts(at)


def test_no_mistakes(trained: Project) -> None:
    predict(trained, [[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]])
    assert "No mistake on 3 test wafers" in texts(opened(trained, "mistakes"))


def test_a_mislabelled_wafer_is_moved_and_the_move_can_be_undone(trained: Project) -> None:
    report = predict(trained, PREDICTIONS)
    file = report["test_pictures"][0]["file"]
    (record,) = [r for r in pictures.originals(trained, "alpha") if r.file == file]
    at = opened(trained, "mistakes")
    assert "train_move" not in keys(at.button)
    click_wafer(at, report, 0)
    assert "**1** wafer selected" in texts(at)
    assert at.button(key="train_move").label == "Move to “Beta”"
    run(at.button(key="train_move").click())
    assert record.sha not in {r.sha for r in pictures.originals(trained, "alpha")}
    assert record.sha in {r.sha for r in pictures.originals(trained, "beta")}
    assert "1 wafer has been moved or deleted since." in texts(at)
    assert "Train again to include it." in texts(at)
    assert "Out of date." in texts(at)
    assert "train_again" in keys(at.button)
    run(at.button(key="train_move_undo").click())
    assert record.sha in {r.sha for r in pictures.originals(trained, "alpha")}
    assert record.sha not in {r.sha for r in pictures.originals(trained, "beta")}
    assert "Out of date." not in texts(at)
    assert "train_move_undo" not in keys(at.button)


def test_a_wafer_can_be_moved_to_any_class(trained: Project) -> None:
    report = predict(trained, PREDICTIONS)
    before = len(pictures.originals(trained, "gamma"))
    at = opened(trained, "mistakes")
    click_wafer(at, report, 0)
    run(keyed(at.selectbox, "train_mistakes_target").set_value("gamma"))
    run(at.button(key="train_move_other").click())
    assert len(pictures.originals(trained, "gamma")) == before + 1


def test_wafers_of_a_deleted_class_are_left_out(trained: Project) -> None:
    predict(trained, PREDICTIONS)
    trained.delete_class("alpha")
    at = opened(trained, "mistakes")
    assert "1 wafer has been moved or deleted since." in texts(at)


# -- confidence ----------------------------------------------------------------------------------


def test_the_review_threshold(trained: Project) -> None:
    predict(trained, PREDICTIONS)
    at = opened(trained, "confidence")
    assert chart(at, "train_reliability")
    assert chart(at, "train_thresholds")
    assert figures(at)["Calibration error"] == f"{(0.7 + 0.1 + 0.5) / 3:.3f}"
    assert figures(at)["Temperature"] == f"{only_run(trained).temperature:.2f}"
    assert figures(at)["Precision"] == "50%"  # at 0.65: one is wrong, one correct, one for review
    assert (figures(at)["Recall"], figures(at)["For review"]) == ("33%", "33%")
    run(keyed(at.slider, "train_threshold").set_value(0.8))
    assert (figures(at)["Precision"], figures(at)["For review"]) == ("100%", "67%")
    assert "**1** confident and correct, **0** confident but wrong, **2** sent for review" in texts(
        at
    )
    run(at.selectbox(key="train_threshold_class").set_value(0))
    assert (figures(at)["Precision"], figures(at)["Recall"]) == ("–", "0%")
    assert "A threshold of 0.71 makes at least 95% of the confident" in texts(at)


def test_a_chosen_threshold_belongs_to_the_model(trained: Project) -> None:
    at = opened(trained, "confidence")
    assert at.button(key="train_threshold_use").disabled
    assert "Now 0.65, the default." in texts(at)
    run(keyed(at.slider, "train_threshold").set_value(0.8))
    run(at.button(key="train_threshold_use").click())
    assert only_run(trained).review_below == 0.8
    assert "Now 0.80, chosen for this model." in texts(at)
    assert at.button(key="train_threshold_use").disabled
    assert keyed(at.slider, "train_threshold").value == 0.8
