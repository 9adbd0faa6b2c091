"""A training as a job: its steps, and whether its run replaces the one in use."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wafer_core import jobs
from wafer_core.data import models
from wafer_core.data.project import Project
from wafer_core.messages import Message
from wafer_core.workflows import submit
from wafer_core.workflows.runner import run_job
from wafers import fill

TINY = {"config": {"epochs": 2, "seed": 0}, "name": "Second"}


def train(project: Project) -> tuple[Path, dict[str, Any]]:
    """Train once more with the settings of the first run; its job folder and result."""
    folder = submit.create_job(project.path, "train", TINY, "cpu")
    run_job(folder)
    return folder, dict(jobs.read_state(folder).result or {})


def predict(project: Project, run: str, correct: bool) -> None:
    """Let a run have predicted all test wafers correctly, or all wrongly."""
    path = project.models_path / run / "report.json"
    report = json.loads(path.read_text("utf-8"))
    classes = len(report["class_names"])
    for picture in report["test_pictures"]:
        picture["predicted"] = (picture["truth"] + (not correct)) % classes
        picture["probabilities"] = np.eye(classes)[picture["predicted"]].tolist()
    path.write_text(json.dumps(report), "utf-8")


def test_a_worse_run_is_kept_but_does_not_replace_the_one_in_use(trained: Project) -> None:
    (first,) = models.list_models(trained)
    assert first.macro_f1 is not None
    assert first.macro_f1 < 1  # with the same seed the second run will predict the same
    predict(trained, first.run, correct=True)
    folder, result = train(trained)
    assert result["is_current"] is False
    assert models.current_model(trained) == first.run
    assert [m.name for m in models.list_models(trained)] == ["Second", "First"]
    note = str(Message.from_json(result["notes"][-1]))
    assert f"macro-F1 is {1 - first.macro_f1:.3f} lower than with “First”" in note
    titles = [str(step["title"]["template"]) for step in jobs.read_state(folder).metric("step")]
    assert titles == [
        "Reading the wafers",
        "Fitting the last layer and choosing its regularization",
        "Fine-tuning all layers",
        "Calibrating the probabilities",
        "Testing on the test split",
        "Computing diagnostics",
    ]
    report = models.read_report(trained, result["run"])
    assert [step.title.template for step in report.steps] == titles
    assert sum(step.seconds for step in report.steps) == pytest.approx(report.seconds, abs=0.2)


def test_a_better_run_and_one_with_other_classes_are_used(trained: Project) -> None:
    (first,) = models.list_models(trained)
    predict(trained, first.run, correct=False)
    _, result = train(trained)
    assert result["is_current"] is True
    assert models.current_model(trained) == result["run"]
    predict(trained, result["run"], correct=True)
    fill(trained, "Delta", 6, start=9000)
    _, result = train(trained)  # worse on the old test wafers, but it knows the new class
    assert result["is_current"] is True


def test_a_damaged_report_of_the_run_in_use_does_not_lose_the_new_one(trained: Project) -> None:
    (first,) = models.list_models(trained)
    (trained.models_path / first.run / "report.json").write_text("[]")
    _, result = train(trained)
    assert result["is_current"] is True
    assert models.current_model(trained) == result["run"]
