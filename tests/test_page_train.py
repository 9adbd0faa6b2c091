"""Train: the settings, the job with its steps and curves, the result, and what to do with a run."""

from __future__ import annotations

import json
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
    texts,
    visit,
    with_more,
)
from wafer_core import jobs
from wafer_core.data import models, pictures, workspace
from wafer_core.data.project import Project
from wafer_core.jobs.events import EventWriter
from wafer_core.messages import message
from wafer_core.parameters import parameters_of
from wafer_core.process import ProcessId
from wafer_core.tasks.classification.config import TrainConfig
from wafer_core.workflows import submit
from wafers import fill

OLDER, NEWER = "run-20000101-000000-000000", "run-29990101-000000-000000"


def figures(at: AppTest) -> dict[str, str]:
    """The large figures of the page."""
    return {m.label: m.value for m in at.metric}


def frame(at: AppTest, *columns: str) -> Any:
    """The table with these columns."""
    (found,) = [d.value for d in at.dataframe if set(columns) <= set(d.value.columns)]
    return found


def only_run(project: Project) -> models.ModelRun:
    (found,) = models.list_models(project)
    return found


def add_run(project: Project, name: str, run_name: str = NEWER) -> str:
    """A second run: a copy of the first one's folder."""
    old = models.list_models(project)[0].run
    shutil.copytree(project.models_path / old, project.models_path / run_name)
    models.rename_model(project, run_name, name)
    return run_name


def rewrite(project: Project, run_name: str, **changes: object) -> None:
    """Change fields of a run's report."""
    path = project.models_path / run_name / "report.json"
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **changes}), "utf-8")


# -- form ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("filled", [(), ("Alpha",)])
def test_fewer_than_two_classes_cannot_be_trained(home: Path, filled: tuple[str, ...]) -> None:
    empty = workspace.create_project(home, "Empty")
    for name in filled:
        fill(empty, name, 6)
    at = visit("train", empty)
    assert [title.value for title in at.title] == ["Train"]
    assert f"this project has {len(filled)}." in texts(at)
    assert "train_start" not in keys(at.button)


def test_every_setting_has_its_widget_and_its_help(project: Project) -> None:
    at = with_more("train", project)
    widgets = {w.key: w for kind in (at.slider, at.toggle, at.selectbox, at.number_input)
               for w in kind}  # fmt: skip
    for name, spec in parameters_of(TrainConfig).items():
        assert widgets[f"train_{name}"].label == spec.title
        assert spec.help in widgets[f"train_{name}"].help
    assert at.selectbox(key="train_network").value == "wafernet"
    splits = [r.split for c in project.classes() for r in pictures.originals(project, c.slug)]
    counts = {split: splits.count(split) for split in ("train", "validation", "test")}
    assert "3 classes · {train} training, {validation} validation and {test} test wafers".format(
        **counts
    ) in texts(at)


def test_without_a_model_the_page_says_what_to_do_and_shows_the_classes(project: Project) -> None:
    at = visit("train", project)
    assert "No model yet. Press Train" in texts(at)
    assert "One training wafer of each class" in texts(at)


def test_the_defaults_start_the_right_job(project: Project, started: list[Path]) -> None:
    at = visit("train", project)
    run(at.button(key="train_start").click())
    (folder,) = started
    spec = jobs.read_spec(folder)
    assert spec.kind == "train"
    assert set(spec.parameters) == {"config"}
    assert TrainConfig.from_mapping(spec.parameters["config"]) == TrainConfig()
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
    expected = TrainConfig(
        network="resnet18", epochs=5, batch_size=8, learning_rate=0.01, balancing="balanced",
        turns=False, zoom=0.2, seed=4,
    )  # fmt: skip
    assert TrainConfig.from_mapping(spec.parameters["config"]) == expected


def test_what_is_set_under_more_settings_counts_when_it_is_closed(
    project: Project, started: list[Path]
) -> None:
    """Closed, its widgets are not drawn; their changed values are named and still used."""
    at = visit("train", project)
    assert "train_patience" not in keys(at.number_input)
    assert "Changed under More settings" not in texts(at)
    at = with_more("train", project)
    run(at.number_input(key="train_patience").set_value(7))
    at.session_state["train_more"] = False
    run(at)
    assert "train_patience" not in keys(at.number_input)
    assert "Changed under More settings: Early stopping" in texts(at)
    run(at.button(key="train_start").click())
    config = TrainConfig.from_mapping(jobs.read_spec(started[0]).parameters["config"])
    assert config == TrainConfig(patience=7)


@pytest.mark.parametrize(
    ("name", "problem"),
    [("x" * 300, "300 characters"), ("..", "reserved name"), ("CON", "reserved name")],
)
def test_a_run_name_that_cannot_be_used_is_refused(
    project: Project, started: list[Path], name: str, problem: str
) -> None:
    at = visit("train", project)
    run(at.text_input(key="train_name").set_value(name))
    assert problem in refused(at.button(key="train_start").click())
    assert started == []
    assert jobs.list_jobs(project.path) == []


def test_classes_without_or_with_few_wafers_are_named(project: Project) -> None:
    project.add_class("Nothing")
    fill(project, "Rare", 1, start=40)
    at = visit("train", project)
    assert "Left out, because without training wafers: Nothing." in texts(at)
    assert "No test wafers: Rare." in texts(at)


def test_classes_that_combine_others_are_named(project: Project) -> None:
    assert "overlays" not in texts(visit("train", project))
    fill(project, "Alpha + Beta", 5, start=60)
    at = with_more("train", project)
    sentence = r"Also trained on overlays of other classes: Alpha \+ Beta"
    assert sentence in texts(at)
    run(at.toggle(key="train_joint").set_value(False))
    assert sentence not in texts(at)


# -- the job -------------------------------------------------------------------------------------


def test_a_running_training_shows_its_steps_and_curves_and_can_be_stopped(
    project: Project,
) -> None:
    folder = submit.create_job(project.path, "train", {"name": "*Night* $x$"})
    writer = EventWriter(folder)
    writer.append("running", device="cpu")
    step = {"title": message("Reading the wafers").to_json(), "seconds": 0.25}
    writer.append("metric", name="step", values=step)
    writer.append("progress", message("Epoch 1"), fraction=0.1)
    at = visit("train", project)
    assert "Reading the wafers · 0\\.2 s" in texts(at)
    assert "Epoch 1" in texts(at)
    for epoch in (1, 2):
        losses = {"train_loss": 1 / epoch, "validation_loss": 1.0}
        scores = {"accuracy": 0.5, "macro_f1": 0.5, "is_best": epoch == 1}
        values = {"epoch": epoch, "epochs": 9, "seconds": 2.0, **losses, **scores}
        writer.append("metric", name="epoch", values=values)
    writer.append("progress", message("Epoch 3 of at most 9"), fraction=0.25)
    at = visit("train", project)
    assert chart(at, f"train_live_loss_{folder.name}")
    assert chart(at, f"train_live_score_{folder.name}")
    assert "Epoch 2 of at most 9 · 2.00 s per epoch · best epoch so far 1" in texts(at)
    assert r"**Train \*Night\* \$x\$**" in texts(at)  # a name is shown as it is
    run(keyed(at.button, f"train_stop_{folder.name}").click())
    assert (folder / "stop").exists()
    assert "Finishing …" in texts(at)
    assert keyed(at.button, f"train_stop_{folder.name}").disabled
    run(keyed(at.button, f"train_cancel_{folder.name}").click())
    assert jobs.read_state(folder).status == "cancelled"


def test_a_killed_training_is_shown_as_failed_with_its_log(project: Project) -> None:
    folder = submit.create_job(project.path, "train", {"name": "Night"})
    (folder / "log.txt").write_text("the last word\n")
    gone = {**ProcessId.current().to_json(), "pid": 2**22 - 3, "created": 1.0}
    EventWriter(folder).append("start", process=gone)
    at = visit("train", project)
    assert "was killed or the machine restarted" in texts(at)
    assert [c.value for c in at.code] == ["the last word"]
    assert not at.button(key="train_start").disabled


def test_a_training_that_is_done_has_no_card_but_its_result(trained: Project) -> None:
    at = visit("train", trained)
    assert "Train First" not in texts(at)
    assert "Macro-F1" in figures(at)


# -- the result ----------------------------------------------------------------------------------


def test_the_result_leads_with_its_score_and_interval(
    trained: Project, downloads: dict[str, bytes]
) -> None:
    at = visit("train", trained)
    evaluation = models.report(trained, only_run(trained).run)["evaluation"]
    assert figures(at)["Macro-F1"] == f"{evaluation['macro_f1']:.2f}"
    assert figures(at)["Accuracy"] == f"{evaluation['accuracy']:.2f}"
    low, high = evaluation["intervals"]["macro_f1"]
    assert f"macro-F1 would be between {low:.2f} and {high:.2f}" in texts(at)
    assert figures(at)["Test wafers"] == str(evaluation["count"])
    assert at.selectbox(key="train_run").options[0].startswith("First · ")
    assert at.selectbox(key="train_run").options[0].endswith("in use")
    scores = frame(at, "precision")
    assert list(scores["class"]) == ["Alpha", "Beta", "Gamma"]
    assert scores["interval"].str.fullmatch(r"\d\.\d\d–\d\.\d\d").all()
    text = downloads["First.csv"].decode("utf-8-sig")
    assert text.splitlines()[0] == "class,precision,recall,f1,count,f1 low,f1 high"
    assert "Out of date" not in texts(at)
    assert "train_use" not in keys(at.button)
    assert "train_try" in keys(at.button)


def test_a_class_without_test_wafers_has_no_score(trained: Project) -> None:
    report = models.report(trained, only_run(trained).run)
    evaluation = report["evaluation"]
    evaluation["per_class"]["Gamma"] = {"precision": 0, "recall": 0, "f1": 0, "count": 0}
    evaluation["intervals"]["per_class"]["Gamma"] = None
    evaluation["left_out"] = ["Gamma"]
    rewrite(trained, only_run(trained).run, evaluation=evaluation)
    at = visit("train", trained)
    scores = frame(at, "precision")
    assert scores["f1"].isna().tolist() == [False, False, True]
    assert list(scores["interval"])[2] == "–"
    assert "Not evaluated, because without test wafers: Gamma." in texts(at)


def test_a_cell_of_the_confusion_matrix_shows_its_wafers(trained: Project) -> None:
    report = models.report(trained, only_run(trained).run)
    first = report["test_pictures"][0]
    truth, predicted = first["truth"], first["predicted"]
    count = sum((p["truth"], p["predicted"]) == (truth, predicted) for p in report["test_pictures"])
    at = visit("train", trained)
    points = [{"point_index": 0, "x": predicted, "y": truth}]
    run(select_points(at, "train_confusion", points))
    names = report["class_names"]
    assert f"**{count}** wafer" in texts(at)
    assert f"of “{names[truth]}” predicted as “{names[predicted]}”" in texts(at)
    run(at.segmented_control(key="train_unit").set_value("row %"))
    assert chart(at, "train_confusion").endswith("row %")


def test_the_steps_and_settings_of_a_training(trained: Project) -> None:
    at = opened(trained, "training")
    for title in ("Reading the wafers", "Calibrating the probabilities", "Testing"):
        assert title in texts(at)
    shown = frame(at, "setting").set_index("setting")["value"]
    assert shown["Network"] == "WaferNet"
    assert shown["Epochs"] == "2"
    assert shown["Rotations and reflections"] == "on"


def test_out_of_date_after_the_classes_changed_and_one_click_trains_again(
    trained: Project, started: list[Path]
) -> None:
    at = visit("train", trained)
    fill(trained, "Alpha", 2, start=300)
    assert "Out of date. Changes since this training: " in texts(run(at))
    run(at.button(key="train_again").click())
    (folder,) = started
    assert jobs.read_spec(folder).kind == "train"


def test_a_damaged_run_is_reported_and_the_others_work(trained: Project) -> None:
    broken = add_run(trained, "Second")
    (trained.models_path / broken / "report.json").write_text("{")
    at = visit("train", trained)
    assert figures(at)["Macro-F1"]
    box = at.selectbox(key="train_run")
    assert box.options[0].startswith("Damaged run · 2999-01-01")
    assert "report.json is damaged" in refused(box.set_value(broken)).replace("\\", "")


def test_a_run_without_test_wafers_says_so(trained: Project) -> None:
    rewrite(trained, only_run(trained).run, evaluation=None, test_pictures=[])
    at = visit("train", trained)
    assert "There are no test wafers, so its scores are unknown." in texts(at)
    assert "Macro-F1" not in figures(at)


def test_a_report_of_an_earlier_version_gets_its_intervals(trained: Project) -> None:
    report = models.report(trained, only_run(trained).run)
    del report["evaluation"]["intervals"]
    rewrite(trained, only_run(trained).run, evaluation=report["evaluation"], steps=None)
    at = visit("train", trained)
    assert "With other test wafers, macro-F1 would be between" in texts(at)


# -- runs ----------------------------------------------------------------------------------------


def opened(project: Project, tab: str) -> AppTest:
    """The page with a tab of the chosen run open."""
    at = visit("train", project)
    at.session_state["train_result_tab_wanted"] = tab
    return run(at)


def runs_tab(project: Project) -> AppTest:
    """The page with the tab Runs open."""
    at = visit("train", project)
    at.session_state["train_tab_wanted"] = "runs"
    return run(at)


def test_the_run_in_use_is_shown_first_and_another_one_can_be_used(trained: Project) -> None:
    first = only_run(trained).run
    second = add_run(trained, "Second")
    at = visit("train", trained)
    box = at.selectbox(key="train_run")
    assert [option.split(" · ")[0] for option in box.options] == ["Second", "First"]
    assert box.value == first
    run(box.set_value(second))
    assert "Not in use. On the same 3 test wafers, macro\\-F1 is" in texts(at) or (
        "Not in use. On the same 3 test wafers, macro-F1 is" in texts(at)
    )
    run(at.button(key="train_use").click())
    assert models.current_model(trained) == second
    assert "train_try" in keys(at.button)


def test_the_run_of_a_training_that_just_ended_is_shown(trained: Project) -> None:
    at = visit("train", trained)
    second = add_run(trained, "Second")
    run(at)
    assert at.selectbox(key="train_run").value == second
    run(at.selectbox(key="train_run").set_value(only_older(trained)))
    run(at)
    assert at.selectbox(key="train_run").value == only_older(trained)  # the choice stays


def only_older(project: Project) -> str:
    return models.list_models(project)[-1].run


def test_a_worse_run_says_how_much_worse_it_is(trained: Project) -> None:
    report = models.report(trained, only_run(trained).run)
    right = [{**p, "predicted": p["truth"], "probabilities": np.eye(3)[p["truth"]].tolist()}
             for p in report["test_pictures"]]  # fmt: skip
    wrong = [{**p, "predicted": 0, "probabilities": [1.0, 0.0, 0.0]} for p in right]
    rewrite(trained, only_run(trained).run, test_pictures=right)
    second = add_run(trained, "Second")
    rewrite(trained, second, test_pictures=wrong)
    at = visit("train", trained)
    run(at.selectbox(key="train_run").set_value(second))
    # Alpha: F1 0.5; Beta and Gamma: 0
    assert f"**{1 - 0.5 / 3:.3f} lower** than with “First”" in texts(at)
    run(at.button(key="train_compare").click())
    assert at.selectbox(key="train_compare_first").value == only_older(trained)
    assert at.selectbox(key="train_compare_second").value == second


def test_all_runs_are_listed_and_downloaded(trained: Project, downloads: dict[str, bytes]) -> None:
    add_run(trained, "Second")
    at = runs_tab(trained)
    shown = frame(at, "in use")
    assert list(shown["name"]) == ["Second", "First"]
    assert list(shown["in use"]) == ["", "✓"]
    assert list(shown["network"]) == ["WaferNet", "WaferNet"]
    assert len(downloads["runs.csv"].decode("utf-8-sig").splitlines()) == 3


def test_two_runs_side_by_side(trained: Project, downloads: dict[str, bytes]) -> None:
    report = models.report(trained, only_run(trained).run)
    right = [{**p, "predicted": p["truth"], "probabilities": np.eye(3)[p["truth"]].tolist()}
             for p in report["test_pictures"]]  # fmt: skip
    wrong = [{**p, "predicted": 0, "probabilities": [1.0, 0.0, 0.0]} for p in right]
    rewrite(trained, only_run(trained).run, test_pictures=right)
    second = add_run(trained, "Second")
    rewrite(trained, second, test_pictures=wrong, config={**report["config"], "epochs": 7})
    at = runs_tab(trained)
    assert [m.value for m in at.metric] == ["1.000", "1.000", "0.167", "0.333"]
    assert [m.delta for m in at.metric][2:] == ["-0.833", "-0.667"]
    f1 = frame(at, "tested", "first")
    assert list(f1["first"]) == [1, 1, 1]
    assert list(f1["second"]) == [0.5, 0, 0]
    settings = frame(at, "setting", "first")
    assert settings.to_numpy().tolist() == [["Epochs", "2", "7"]]
    assert "2 wafers: only “First” is correct" in texts(at)
    assert "0 wafers: only “Second” is correct" in texts(at)
    assert "First – Second.csv" in downloads
    run(at.selectbox(key="train_compare_second").set_value(only_older(trained)))
    assert "Choose two different runs." in texts(at)


def test_runs_without_common_test_wafers_are_not_compared(trained: Project) -> None:
    second = add_run(trained, "Second")
    rewrite(trained, second, test_pictures=[])
    at = visit("train", trained)
    at.session_state["train_tab_wanted"] = "runs"
    assert "no test wafers in common" in refused(at)


def test_one_run_cannot_be_compared(trained: Project) -> None:
    assert "Train again with other settings to compare two runs here." in texts(runs_tab(trained))


def test_rename_a_run(trained: Project) -> None:
    shown = only_run(trained).run
    at = visit("train", trained)
    run(at.menu_button(key="train_run_more").click("Rename"))
    at.text_input(key=f"train_new_name_{shown}").set_value("밤 근무")
    at.button(key=f"train_rename_do_{shown}").click()
    run(at.menu_button(key="train_run_more").click("Rename"))
    assert only_run(trained).name == "밤 근무"
    assert at.selectbox(key="train_run").options[0].startswith("밤 근무 · ")


def test_a_run_renamed_to_nothing_is_refused(trained: Project) -> None:
    shown = only_run(trained).run
    at = visit("train", trained)
    run(at.menu_button(key="train_run_more").click("Rename"))
    at.text_input(key=f"train_new_name_{shown}").set_value("")
    at.button(key=f"train_rename_do_{shown}").click()
    assert "Enter a model name" in refused(at.menu_button(key="train_run_more").click("Rename"))
    assert only_run(trained).name == "First"


def test_delete_a_run(trained: Project) -> None:
    shown = only_run(trained).run
    at = visit("train", trained)
    run(at.menu_button(key="train_run_more").click("Delete"))
    assert only_run(trained).run == shown  # only after the second press
    at.button(key=f"train_delete_do_{shown}").click()
    run(at.menu_button(key="train_run_more").click("Delete"))
    assert models.list_models(trained) == ()
    assert "No model yet. Press Train" in texts(at)
