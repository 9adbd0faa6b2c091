"""Train: the settings, the job, live curves, the result, and what can be done to a run."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from browsing import (
    chart,
    keyed,
    keys,
    refused,
    run,
    select_points,
    select_rows,
    table,
    texts,
    visit,
    with_more,
)
from wafer_core import jobs, metrics
from wafer_core.data import models, pictures, workspace
from wafer_core.data.project import Project
from wafer_core.jobs.events import EventWriter
from wafer_core.jobs.process import ProcessId
from wafer_core.tasks.classification import config as training
from wafer_core.workflows import submit
from wafers import fill

RUNS = "results_runs"


def figures(at: AppTest) -> dict[str, str]:
    """The large numbers of the page."""
    return {m.label: m.value for m in at.metric}


def only_run(project: Project) -> models.ModelRun:
    (found,) = models.list_models(project)
    return found


def add_run(project: Project, name: str) -> str:
    """A second run: the first one's folder under a later name."""
    old = models.list_models(project)[0].run
    new = "run-29990101-000000-000000"
    shutil.copytree(project.models_path / old, project.models_path / new)
    models.rename_model(project, new, name)
    return new


@pytest.mark.parametrize("filled", [(), ("Alpha",)])
def test_fewer_than_two_classes_cannot_be_trained(home: Path, filled: tuple[str, ...]) -> None:
    empty = workspace.create_project(home, "Empty")
    for name in filled:
        fill(empty, name, 6)
    at = visit("train", empty)
    assert [t.value for t in at.title] == ["Train"]
    assert f"This project has {len(filled)}." in texts(at)
    assert "train_start" not in keys(at.button)


def test_every_setting_has_its_widget_and_its_help(project: Project) -> None:
    at = with_more("train", project)
    widgets = {w.key: w for kind in (at.slider, at.toggle, at.selectbox, at.number_input)
               for w in kind}  # fmt: skip
    for name, spec in training.PARAMETERS.items():
        assert widgets[f"train_{name}"].label == spec.title
        assert spec.help in widgets[f"train_{name}"].help
    assert at.selectbox(key="train_network").value == "wafernet"
    assert figures(at)["Classes"] == "3"
    originals = [r for c in project.classes() for r in pictures.originals(project, c.slug)]
    for label, part in (("Training wafers", "train"), ("Test", "test")):
        assert figures(at)[label] == str(sum(r.part == part for r in originals))
    assert "No model yet. Press Train" in texts(at)


def test_the_defaults_start_the_right_job(project: Project, started: list[Path]) -> None:
    at = visit("train", project)
    run(at.button(key="train_start").click())
    (folder,) = started
    spec = jobs.read_spec(folder)
    assert spec.kind == "train"
    assert set(spec.parameters) == {"config"}
    assert training.TrainConfig(**spec.parameters["config"]) == training.TrainConfig()
    assert [k for k in keys(at.button) if k == f"train_cancel_{folder.name}"]


def test_what_is_set_is_what_is_started(project: Project, started: list[Path]) -> None:
    at = with_more("train", project)
    at.selectbox(key="train_network").set_value("resnet18")
    at.number_input(key="train_epochs").set_value(5)
    at.number_input(key="train_batch_size").set_value(8)
    at.number_input(key="train_learning_rate").set_value(0.01)
    at.selectbox(key="train_balancing").set_value("balanced")
    at.toggle(key="train_turns").set_value(False)
    at.slider(key="train_zoom").set_value(0.2)
    at.number_input(key="train_seed").set_value(4)
    run(at.text_input(key="train_name").set_value("Night shift"))
    run(at.button(key="train_start").click())
    spec = jobs.read_spec(started[0])
    assert spec.parameters["name"] == "Night shift"
    expected = training.TrainConfig(
        network="resnet18", epochs=5, batch_size=8, learning_rate=0.01, balancing="balanced",
        turns=False, zoom=0.2, seed=4,
    )  # fmt: skip
    assert training.TrainConfig(**spec.parameters["config"]) == expected


def test_what_is_set_under_more_counts_when_it_is_closed(
    project: Project, started: list[Path]
) -> None:
    """Closed, its widgets are not drawn; what they were set to is said and used all the same."""
    at = visit("train", project)
    assert "train_patience" not in keys(at.number_input)
    assert "Changed under More" not in texts(at)
    at = with_more("train", project)
    at.number_input(key="train_patience").set_value(7)
    at.toggle(key="train_average_turns").set_value(False)
    run(at.number_input(key="train_seed").set_value(4))
    assert "Changed under More" not in texts(at)  # they are in sight
    at.session_state["train_more"] = False
    run(at)
    assert "train_patience" not in keys(at.number_input)
    told = "Answer from all four turns off, Early stopping: patience 7, Seed 4"
    assert f"Changed under More: {told}" in texts(at)
    run(at.switch_page("pages/6_Jobs.py"))
    run(at.switch_page("pages/4_Train.py"))
    run(at.button(key="train_start").click())
    config = training.TrainConfig(**jobs.read_spec(started[0]).parameters["config"])
    assert config == training.TrainConfig(patience=7, average_turns=False, seed=4)
    at.session_state["train_more"] = True
    assert run(at).number_input(key="train_patience").value == 7


@pytest.mark.parametrize("name", ["x" * 300, "..", "CON"])
def test_a_run_name_that_cannot_be_used_is_told(
    project: Project, started: list[Path], name: str
) -> None:
    at = visit("train", project)
    run(at.text_input(key="train_name").set_value(name))
    assert "run name" in refused(at.button(key="train_start").click())
    assert started == []
    assert jobs.list_jobs(project.path) == []


def test_classes_without_or_with_few_wafers_are_told(project: Project) -> None:
    project.add_class("Nothing")
    fill(project, "Rare", 1, start=40)
    at = visit("train", project)
    assert "Without wafers, and so left out: Nothing." in texts(at)
    assert "Too few wafers to test: Rare." in texts(at)


def test_classes_that_are_several_others_at_once_are_told(project: Project) -> None:
    assert "laid on each other" not in texts(visit("train", project))
    fill(project, "Alpha + Beta", 5, start=60)
    at = with_more("train", project)
    told = r"laid on each other for “Alpha \+ Beta” to learn from"
    assert told in texts(at)
    run(at.toggle(key="train_joint").set_value(False))
    assert told not in texts(at)


def test_a_running_training_shows_its_curves_and_can_be_stopped(project: Project) -> None:
    folder = submit.create_job(project.path, "train", {"name": "*Night* $x$"})
    writer = EventWriter(folder)
    writer.append("running", device="cpu")
    for epoch in (1, 2):
        losses = {"train_loss": 1 / epoch, "validation_loss": 1.0}
        scores = {"accuracy": 0.5, "macro_f1": 0.5, "is_best": epoch == 1}
        values = {"epoch": epoch, "epochs": 9, "seconds": 2.0, **losses, **scores}
        writer.append("metric", name="epoch", values=values)
    writer.append("progress", fraction=0.25, text="Epoch 3 of at most 9")
    at = visit("train", project)
    assert chart(at, f"train_loss_{folder.name}")
    assert chart(at, f"train_score_{folder.name}")
    assert "Epoch 2 of at most 9 · 2.00 s an epoch · best epoch so far 1" in texts(at)
    assert r"**Train \*Night\* \$x\$**" in texts(at)  # a name is shown as it is
    run(keyed(at.button, f"train_stop_{folder.name}").click())
    assert (folder / "stop").exists()
    assert "stopping …" in texts(at)
    assert keyed(at.button, f"train_stop_{folder.name}").disabled
    run(keyed(at.button, f"train_cancel_{folder.name}").click())
    assert jobs.read_state(folder).status == "cancelled"
    assert "as it was before" in texts(at)


def test_a_killed_training_is_shown_as_failed_with_its_log(project: Project) -> None:
    folder = submit.create_job(project.path, "train", {"name": "Night"})
    (folder / "log.txt").write_text("the last word\n")
    gone = {**ProcessId.current().to_json(), "pid": 2**22 - 3, "created": 1.0}
    EventWriter(folder).append("start", process=gone)
    at = visit("train", project)
    assert "was killed or the machine restarted" in texts(at)
    assert [c.value for c in at.code] == ["the last word"]
    assert not at.button(key="train_start").disabled


# -- runs ----------------------------------------------------------------------------------------


def test_the_result_of_a_run(trained: Project, downloads: dict[str, bytes]) -> None:
    at = visit("train", trained)
    report = models.report(trained, only_run(trained).run)
    evaluation = report["evaluation"]
    for label, figure in (("Macro-F1", "macro_f1"), ("Accuracy", "accuracy")):
        low, high = evaluation["intervals"][figure]
        assert figures(at)[label] == f"{evaluation[figure]:.2f} ({low:.2f}–{high:.2f})"
    assert figures(at)["Test wafers"] == str(evaluation["count"])
    assert list(table(at, RUNS)["name"]) == ["First"]
    assert list(table(at, RUNS)["current"]) == ["✓"]
    (scores,) = [d.value for d in at.dataframe if "precision" in d.value]
    assert list(scores["class"]) == ["Alpha", "Beta", "Gamma"]
    assert scores["interval"].str.fullmatch(r"\d\.\d\d–\d\.\d\d").all()
    assert at.button(key="results_use").disabled
    text = downloads["First.csv"].decode("utf-8-sig")
    assert text.splitlines()[0] == "class,precision,recall,f1,count,f1 low,f1 high"
    assert "Out of date" not in texts(at)


def test_a_cell_of_the_confusion_matrix_shows_its_wafers(trained: Project) -> None:
    report = models.report(trained, only_run(trained).run)
    told = report["test_pictures"][0]
    truth, answer = told["truth"], told["predicted"]
    count = sum((p["truth"], p["predicted"]) == (truth, answer) for p in report["test_pictures"])
    at = visit("train", trained)
    run(select_points(at, "results_confusion", [{"point_index": 0, "x": answer, "y": truth}]))
    names = report["class_names"]
    assert f"**{count}** “{names[truth]}” answered “{names[answer]}”" in texts(at)
    assert "The surest answers first" in texts(at)
    run(at.segmented_control(key="results_unit").set_value("row %"))
    assert chart(at, "results_confusion").endswith("row %")


def test_out_of_date_after_the_classes_changed(trained: Project) -> None:
    at = visit("train", trained)
    fill(trained, "Alpha", 2, start=300)
    assert "Out of date: " in texts(run(at))
    assert "out of date" in at.sidebar.caption[3].value


def test_use_another_run(trained: Project) -> None:
    first = only_run(trained).run
    second = add_run(trained, "Second")
    at = visit("train", trained)
    assert list(table(at, RUNS)["name"]) == ["Second", "First"]
    assert list(table(at, RUNS)["current"]) == ["", "✓"]
    run(select_rows(at, RUNS, 0))
    run(at.button(key="results_use").click())
    assert models.current_model(trained) == second != first
    assert list(table(at, RUNS)["current"]) == ["✓", ""]


def test_rename_a_run(trained: Project) -> None:
    shown = only_run(trained).run
    at = visit("train", trained)
    run(at.button(key="results_rename").click())
    at.text_input(key=f"results_new_name_{shown}").set_value("밤 근무")
    at.button(key=f"results_rename_do_{shown}").click()
    run(at.button(key="results_rename").click())
    assert only_run(trained).name == "밤 근무"
    assert list(table(at, RUNS)["name"]) == ["밤 근무"]


def test_a_run_renamed_to_nothing_is_told(trained: Project) -> None:
    shown = only_run(trained).run
    at = visit("train", trained)
    run(at.button(key="results_rename").click())
    at.text_input(key=f"results_new_name_{shown}").set_value("")
    at.button(key=f"results_rename_do_{shown}").click()
    assert "is empty" in refused(at.button(key="results_rename").click())
    assert only_run(trained).name == "First"


def test_delete_a_run(trained: Project) -> None:
    shown = only_run(trained).run
    at = visit("train", trained)
    run(at.button(key="results_delete").click())
    assert only_run(trained).run == shown  # only after the second press
    at.button(key=f"results_delete_do_{shown}").click()
    run(at.button(key="results_delete").click())
    assert models.list_models(trained) == ()
    assert "No model yet. Press Train" in texts(at)


def test_a_damaged_run_is_told_and_the_others_work(trained: Project) -> None:
    broken = add_run(trained, "Second")
    (trained.models_path / broken / "report.json").write_text("{")
    at = visit("train", trained)
    assert figures(at)["Macro-F1"]
    error = refused(select_rows(at, RUNS, 0))
    assert broken in error


def test_a_run_without_test_wafers_says_so(trained: Project) -> None:
    path = trained.models_path / only_run(trained).run / "report.json"
    report = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({**report, "evaluation": None, "test_pictures": []}), "utf-8")
    at = visit("train", trained)
    assert "how good this model is stays unknown" in texts(at)
    assert "Macro-F1" not in figures(at)


# -- mistakes and confidence ---------------------------------------------------------------------


def opened(project: Project, tab: str) -> AppTest:
    """The page with a tab of the chosen run open."""
    at = visit("train", project)
    at.session_state["results_tab"] = tab
    return run(at)


def retold(project: Project, answers: list[list[float]]) -> dict[str, Any]:
    """Put these probabilities into the run's report: one row for each test wafer."""
    path = project.models_path / only_run(project).run / "report.json"
    report: dict[str, Any] = json.loads(path.read_text("utf-8"))
    for told, row in zip(report["test_pictures"], answers, strict=True):
        told["probabilities"] = row
        told["predicted"] = int(np.argmax(row))
    labels = np.array([p["truth"] for p in report["test_pictures"]])
    found = metrics.evaluate(labels, np.array(answers), report["class_names"])
    report["evaluation"] = found.to_json()  # as versions wrote it that knew no intervals
    path.write_text(json.dumps(report), "utf-8")
    return report


def listed(at: AppTest) -> Any:
    """The list of mistakes."""
    (found,) = [d.value for d in at.dataframe if "truth got" in d.value]
    return found


ANSWERS = [[0.2, 0.7, 0.1], [0.05, 0.9, 0.05], [0.5, 0.1, 0.4]]  # wrong, right, wrong


def test_the_worst_mistakes_come_first(trained: Project, downloads: dict[str, bytes]) -> None:
    report = retold(trained, ANSWERS)
    at = opened(trained, "Mistakes")
    pairs = table(at, "evaluation_pairs")
    assert list(pairs["is"]) == ["all mistakes", "Alpha", "Gamma"]
    assert list(pairs["was called"]) == ["", "Beta", "Alpha"]
    assert list(pairs["wafers"]) == [2, 1, 1]
    assert list(pairs["share"]) == pytest.approx([200 / 3, 100, 100])
    told = listed(at)
    assert list(told["sure"]) == [0.7, 0.5]
    assert list(told["truth got"]) == [0.2, 0.4]
    assert told["wafer"].str.startswith("data:image/png").all()
    assert list(told["file"]) == [report["test_pictures"][i]["file"] for i in (0, 2)]
    assert "**All 2 mistakes**" in texts(at)
    assert len(downloads["First mistakes.csv"].decode("utf-8-sig").splitlines()) == 3


def test_a_pair_shows_its_wafers_and_right_ones_beside(trained: Project) -> None:
    retold(trained, ANSWERS)
    at = opened(trained, "Mistakes")
    run(select_rows(at, "evaluation_pairs", 1))
    assert "**1** “Alpha” called “Beta”, the surest first · none the other way" in texts(at)
    assert list(listed(at)["was called"]) == ["Beta"]
    assert "Rightly named “Beta”, to compare" in texts(at)
    assert "none in the test part" in texts(at)  # no Alpha was named rightly


def test_no_mistakes_is_said(trained: Project) -> None:
    retold(trained, [[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]])
    at = opened(trained, "Mistakes")
    assert "No mistake on 3 test wafers" in texts(at)


def test_a_report_of_an_earlier_version_gets_its_intervals(trained: Project) -> None:
    retold(trained, ANSWERS)
    at = visit("train", trained)
    assert re.fullmatch(r"0\.33 \(0\.\d\d–0\.\d\d\)", figures(at)["Accuracy"])
    assert "Too few test wafers" in texts(at)


def test_the_threshold_explorer(trained: Project) -> None:
    retold(trained, ANSWERS)
    at = opened(trained, "Confidence")
    assert chart(at, "evaluation_reliability")
    assert chart(at, "evaluation_thresholds")
    assert figures(at)["Calibration error (ECE)"] == f"{(0.7 + 0.1 + 0.5) / 3:.3f}"
    assert figures(at)["Temperature"] == f"{only_run(trained).temperature:.2f}"
    assert figures(at)["Precision"] == "50%"  # at 0.65: one sure and wrong, one sure and right
    assert (figures(at)["Recall"], figures(at)["To review"]) == ("33%", "33%")
    run(keyed(at.slider, "evaluation_threshold").set_value(0.8))
    assert (figures(at)["Precision"], figures(at)["To review"]) == ("100%", "67%")
    assert "**1** are named surely and rightly, **0** surely and wrongly, **2** go" in texts(at)
    run(at.selectbox(key="evaluation_class").set_value("Alpha"))
    assert (figures(at)["Precision"], figures(at)["Recall"]) == ("–", "0%")
    assert "95% of the sure answers are right from 0.71 on" in texts(at)


def test_a_chosen_threshold_is_the_models_own(trained: Project) -> None:
    at = opened(trained, "Confidence")
    assert at.button(key="evaluation_use").disabled
    assert r"Now 0.65, the usual." in texts(at)
    run(keyed(at.slider, "evaluation_threshold").set_value(0.8))
    run(at.button(key="evaluation_use").click())
    assert only_run(trained).review_below == 0.8
    assert "Now 0.80, chosen for this model." in texts(at)
    assert at.button(key="evaluation_use").disabled
    assert keyed(at.slider, "evaluation_threshold").value == 0.8
