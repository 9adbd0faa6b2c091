"""Search on the Train page: start it, watch it, use and delete its presets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from browsing import chart, keys, refused, run, texts, visit
from wafer_core import jobs
from wafer_core.data import presets
from wafer_core.data.project import Project
from wafer_core.jobs.events import EventWriter
from wafer_core.messages import message
from wafer_core.parameters import parameters_of
from wafer_core.tasks.classification.config import TrainConfig
from wafer_core.tasks.search.settings import SearchConfig
from wafer_core.workflows import submit

POLICY = "rotate 0.5 0.3 + noise 1 0.2"
SETTINGS = {"policy": POLICY, "epochs": 7, "balancing": "natural", "label_smoothing": 0.1}
TOLD: dict[str, Any] = {
    "title": "Searched policy",
    "score": 0.9,
    "interval": [0.85, 0.95],
    "gain": 0.05,
    "gain_interval": [0.01, 0.09],
    "verdict": "better than the default",
    "judged": 20,
    "protocol": "Evaluated in a test.",
}


def opened(project: Project) -> AppTest:
    """The page with the tab Search open."""
    at = visit("train", project)
    at.session_state["train_tab_wanted"] = "search"
    return run(at)


def listed(at: AppTest, column: str) -> Any:
    """The table with this column."""
    (found,) = [d.value for d in at.dataframe if column in d.value]
    return found


def said(at: AppTest) -> str:
    """What the page says, without the signs that keep Markdown from reading it."""
    return texts(at).replace("\\", "")


def trial(number: int, kind: str, title: str, score: float | None, **more: Any) -> dict[str, Any]:
    return {
        "number": number, "kind": kind, "title": title, "settings": "", "score": score,
        "status": "done" if score is not None else "given up", "best": score, "seconds": 2.0,
        **more,
    }  # fmt: skip


def add_search(project: Project, is_done: bool, **told: Any) -> Path:
    """A search that runs, or that left the preset “Search 1”."""
    folder = submit.create_job(project.path, "search", {})
    writer = EventWriter(folder)
    writer.append("running", device="cpu")
    for values in (
        trial(0, "default", "Default", 0.85),
        trial(1, "augmentation", "Searched *policy*", 0.9, settings="augmentation x"),
        trial(2, "settings", "Settings 2", None, settings="epochs 7"),
        trial(3, "check", "Searched *policy*", 0.88),
    ):
        writer.append("metric", name="trial", values=values)
    for number, loss in enumerate((0.2, 0.31, 0.25)):
        values = {"number": number, "half": 1, "policy": POLICY, "loss": loss, "best": loss}
        writer.append("metric", name="candidate", values=values)
    writer.append("progress", message("Trial 4: epochs 9"), fraction=0.4)
    if is_done:
        preset = presets.save_preset(project, "Search 1", SETTINGS, {**TOLD, **told})
        result = {"preset": preset.name, **TOLD, **told, "notes": ["A *note*."]}
        writer.append("result", result=result)
    return folder


def test_the_tab_explains_and_starts_a_search(project: Project, started: list[Path]) -> None:
    at = visit("train", project)
    assert "search_start" not in keys(at.button)  # only the open tab is drawn
    at = opened(project)
    for name, spec in parameters_of(SearchConfig).items():
        if spec.main:
            (widget,) = [
                w
                for w in (*at.selectbox, *at.slider, *at.number_input)
                if w.key == f"search_{name}"
            ]
            assert widget.help == spec.help
    (caption,) = [c for c in at.caption if "for some minutes" in c.value]
    assert "The test split is not used." in caption.help
    at.selectbox(key="search_what").set_value("augmentation")
    at.number_input(key="search_minutes").set_value(25.0)
    run(at.button(key="search_start").click())
    (folder,) = started
    spec = jobs.read_spec(folder)
    assert spec.kind == "search"
    assert spec.parameters == {"config": {"what": "augmentation", "minutes": 25.0}}


def test_a_direction_that_matters_goes_along(project: Project, started: list[Path]) -> None:
    at = opened(project)
    run(at.toggle(key="train_turns").set_value(False))
    run(at.button(key="search_start").click())
    assert jobs.read_spec(started[0]).parameters["turns"] is False


def test_a_running_search_shows_its_trials_and_can_be_stopped(project: Project) -> None:
    folder = add_search(project, is_done=False)
    at = opened(project)
    assert chart(at, f"search_trials_{folder.name}")
    shown = listed(at, "status")
    assert list(shown["what"]) == [
        "Default",
        "Searched *policy*",
        "Settings 2",
        "Searched *policy*",
    ]
    assert list(shown["status"]) == ["done", "done", "stopped early", "repeated"]
    assert list(shown["macro-F1"])[:2] == [0.85, 0.9]
    assert "2 in half 1, lowest loss 0.250 (without augmentation 0.200)" in said(at)
    assert f"search_csv_{folder.name}" not in keys(at.get("download_button"))
    run(at.button(key=f"search_stop_{folder.name}").click())
    assert (folder / "stop").exists()
    run(at.button(key=f"search_cancel_{folder.name}").click())
    assert (folder / "cancel").exists()


def test_what_a_search_found_fills_the_form_and_trains(
    project: Project, started: list[Path], downloads: dict[str, bytes]
) -> None:
    folder = add_search(project, is_done=True)
    at = opened(project)
    sentence = (
        "better than the default, macro-F1 +0.050 (95% interval +0.010 to +0.090) on 20 wafers"
    )
    assert sentence in said(at)
    assert at.success
    assert "A *note*." in said(at)
    (data,) = [v for k, v in downloads.items() if k.startswith("trials")]
    assert len(data.decode("utf-8-sig").splitlines()) == 5
    run(at.button(key=f"search_use_{folder.name}").click())
    assert at.selectbox(key="train_preset").value == "Search 1"
    assert at.number_input(key="train_epochs").value == 7
    assert at.selectbox(key="train_balancing").value == "natural"
    assert "Augmentation Searched (1 sub-policy)" in said(at)
    run(at.button(key="train_start").click())
    config = jobs.read_spec(started[0]).parameters["config"]
    assert TrainConfig.from_mapping(config) == TrainConfig.from_mapping(SETTINGS)


def test_the_searched_policy_is_shown_under_more(project: Project) -> None:
    presets.save_preset(project, "Mine", SETTINGS, TOLD)
    at = visit("train", project)
    run(at.selectbox(key="train_preset").set_value("Mine"))
    at.session_state["train_more"] = True
    run(at)
    box = at.selectbox(key="train_policy")
    assert box.value == POLICY
    assert box.options[-1] == "Searched (1 sub-policy)"
    run(box.set_value("default"))
    assert at.selectbox(key="train_policy").value == "default"
    assert at.number_input(key="train_epochs").value == 7


def test_the_defaults_come_back(project: Project, started: list[Path]) -> None:
    presets.save_preset(
        project, "Mine", SETTINGS, {**TOLD, "verdict": "no better than the default"}
    )
    at = visit("train", project)
    assert at.selectbox(key="train_preset").value == ""
    assert at.selectbox(key="train_preset").options[0] == "Defaults"
    run(at.selectbox(key="train_preset").set_value("Mine"))
    assert "Searched policy: no better than the default" in said(at)
    assert at.number_input(key="train_epochs").value == 7
    at.number_input(key="train_epochs").set_value(9)  # by hand, and kept
    run(at.number_input(key="train_batch_size").set_value(4))
    assert at.number_input(key="train_epochs").value == 9
    run(at.selectbox(key="train_preset").set_value(""))
    run(at.button(key="train_start").click())
    config = jobs.read_spec(started[0]).parameters["config"]
    assert TrainConfig.from_mapping(config) == TrainConfig()


@pytest.mark.parametrize("settings", [{"polcy": "x"}, {"epochs": -1}, {"policy": "invert 1 1"}])
def test_settings_that_cannot_be_used_are_refused(
    project: Project, settings: dict[str, Any]
) -> None:
    presets.save_preset(project, "Bad", settings, TOLD)
    at = visit("train", project)
    assert refused(at.selectbox(key="train_preset").set_value("Bad"))
    assert at.number_input(key="train_epochs").value is None


def test_a_damaged_preset_is_reported_and_can_be_deleted(project: Project) -> None:
    presets.save_preset(project, "Good", SETTINGS, TOLD)
    (presets.folder(project) / "bad.json").write_text("{")
    at = visit("train", project)
    assert "bad.json" in refused(at.selectbox(key="train_preset").set_value("bad")).replace(
        "\\", ""
    )
    at = opened(project)
    assert list(listed(at, "settings")["name"]) == ["Good", "bad"]
    at.session_state["search_presets"] = True
    run(at.selectbox(key="search_delete_name").set_value("bad"))
    run(at.button(key="search_delete").click())
    assert [p.name for p in presets.list_presets(project)] == ["Good"]
    assert list(listed(at, "settings")["name"]) == ["Good"]


def test_a_project_without_presets_has_no_box(project: Project) -> None:
    at = visit("train", project)
    assert "train_preset" not in keys(at.selectbox)
