"""Does it help?: the tab on Generate: form, job, live figures, and what to keep."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from browsing import chart, errors_on, keyed, keys, run, texts, visit
from wafer_core import jobs
from wafer_core.data import dataset, studies, workspace
from wafer_core.data.project import Project
from wafer_core.jobs.events import EventWriter
from wafer_core.messages import message
from wafer_core.parameters import parameters_of
from wafer_core.tasks.studies.ablation import AblationConfig, seconds_ahead
from wafer_core.tasks.studies.conditions import CONDITIONS
from wafer_core.workflows import submit
from wafers import fill, small_project

MAKE, HELP = "Make wafers", "Does it help?"


def opened(project: Project) -> AppTest:
    """The page with the tab open."""
    at = visit("generate", project)
    at.session_state["generate_part_wanted"] = "ablation"
    return run(at)


def said(at: AppTest) -> str:
    """What the page says, without the signs that keep Markdown from reading it."""
    return texts(at).replace("\\", "")


def gain(value: float) -> dict[str, float]:
    return {"value": value, "low": value - 0.03, "high": value + 0.03, "lots": 0.03, "repeats": 0.0}


def found(**more: Any) -> dict[str, Any]:
    """A result as the job tells it."""
    names = ["Alpha", "Beta", "Gamma"]
    macro = {"none": 0.70, "transforms": 0.72, "generated": 0.76, "both": 0.75}
    clear = {"title": "Keep the generated wafers", "sentence": "Keep the *generated* wafers.",
            "keep": "generated", "more_test": None, "more_repeats": None}  # fmt: skip
    unknown = {**clear, "keep": "unknown", "title": "Cannot be told yet", "more_test": 120}
    return {
        "class_names": names,
        "arms": {
            arm: {
                "title": CONDITIONS[arm].title, "pictures": 100, "macro_f1": value,
                "macro_f1_by_seed": [value - 0.01, value + 0.01],
                "per_class": {"Alpha": value, "Beta": value, "Gamma": None},
                "epochs": [3, 4], "seconds": [2.0, 4.0],
            }
            for arm, value in macro.items()
        },
        "differences": [
            {"arm": arm, "against": "none", "macro_f1": gain(value - 0.7),
             "per_class": {"Alpha": gain(value - 0.7), "Beta": gain(0.1), "Gamma": None}}
            for arm, value in macro.items() if arm != "none"
        ],
        "seeds": [0, 1],
        "test": {"pictures": 9, "lots": 7, "per_class": {"Alpha": 5, "Beta": 4, "Gamma": 0}},
        "advice": clear, "sentence": clear["sentence"],
        "advice_per_class": {"Alpha": clear, "Beta": unknown},
        "config": {"network": "wafer_cnn", "seeds": 2, "made": None, "turns": True,
                   "epochs": None, "seed": 0},
        "made": {n: {"transforms": {"count": 5, "source": "stored"},
                     "generated": {"count": 5, "source": "made for the study"}} for n in names},
        "notes": ["A *note*."], "seconds": 75.0, "device": "CPU, 2 cores",
        "created": "2026-01-02T03:04:05+00:00", **more,
    }  # fmt: skip


def keep(project: Project, **more: Any) -> str:
    return studies.save(project, "benefit", found(**more), dataset.freeze(project)).id


def test_the_form_comes_from_the_settings_and_starts_a_study(
    project: Project, started: list[Path]
) -> None:
    at = visit("generate", project)
    assert {MAKE, HELP} <= {tab.label for tab in at.tabs}
    assert "benefit_start" not in keys(at.button)  # only the open tab is drawn
    assert "generate_make" in keys(at.button)
    at = opened(project)
    assert "generate_make" not in keys(at.button)
    at.session_state["benefit_more"] = True
    run(at)
    widgets = {w.key: w for kind in (at.selectbox, at.number_input, at.toggle) for w in kind}
    for name, spec in parameters_of(AblationConfig).items():
        assert widgets[f"benefit_{name}"].label == spec.title
        assert spec.help in widgets[f"benefit_{name}"].help
    assert "No result yet. Press “Find out”" in said(at)
    at.selectbox(key="benefit_network").set_value("wafer_cnn")
    at.number_input(key="benefit_seeds").set_value(5)
    at.number_input(key="benefit_made").set_value(40)
    at.toggle(key="benefit_turns").set_value(False)
    at.multiselect(key="benefit_classes").set_value(["Beta"])
    run(at.number_input(key="benefit_seed").set_value(7))
    run(at.button(key="benefit_start").click())
    (folder,) = started
    spec = jobs.read_spec(folder)
    assert spec.kind == "benefit"
    assert spec.parameters == {
        "config": {"network": "wafer_cnn", "seeds": 5, "made": 40, "turns": False, "epochs": None,
                   "seed": 7},
        "classes": ["Beta"],
    }  # fmt: skip


def test_the_time_is_said_beforehand(project: Project) -> None:
    at = opened(project)
    assert "12 trainings (4 ways, 3 repeats) · 3 test wafers · time without a GPU" in said(at)
    # 15 originals; 100 of each kind for three classes
    counts = {"none": 15, "transforms": 315, "generated": 315, "both": 615}
    seconds = seconds_ahead(counts, 300, AblationConfig())
    assert seconds is not None
    assert 90 <= seconds < 150
    assert "time without a GPU: about 2 min" in said(at)
    assert "Fewer than 10 test wafers: Alpha (1), Beta (1), Gamma (1)" in said(at)
    run(at.selectbox(key="benefit_network").set_value("resnet18"))
    assert "known after the first training" in said(at)


@pytest.mark.parametrize(
    ("counts", "sentence"),
    [({"Alpha": 8}, "this project has 1"), ({"Alpha": 2, "Beta": 2}, "There are no test wafers")],
)
def test_what_is_missing_is_said(home: Path, counts: dict[str, int], sentence: str) -> None:
    at = opened(small_project(home / "few", counts))
    assert sentence in said(at)
    assert "Go to Classes" in [link.proto.label for link in at.main.page_link]
    assert "benefit_start" not in keys(at.button)


def test_without_wafers_there_are_no_tabs(home: Path) -> None:
    at = visit("generate", workspace.create_project(home, "Empty"))
    assert HELP not in [t.label for t in at.tabs]


def test_a_running_study_shows_its_trainings_and_can_be_stopped(project: Project) -> None:
    folder = submit.create_job(project.path, "benefit", {})
    writer = EventWriter(folder)
    writer.append("running", device="cpu")
    at = opened(project)
    assert "Do synthetic wafers help WaferNet?" in said(at)
    for arm, value in (("none", 0.7), ("transforms", 0.72)):
        values = {"arm": arm, "title": CONDITIONS[arm].title, "seed": 0, "macro_f1": value}
        writer.append("metric", name="training", values=values)
    writer.append("progress", message("Repeat 1 of 3: with generated"), fraction=0.25)
    at = opened(project)
    assert chart(at, f"benefit_live_{folder.name}")
    assert "Repeat 1 of 3: with generated" in said(at)
    run(at.button(key=f"benefit_stop_{folder.name}").click())
    assert (folder / "stop").exists()
    run(at.button(key=f"benefit_cancel_{folder.name}").click())
    assert (folder / "cancel").exists()


def test_the_newest_result_says_what_to_keep(project: Project, downloads: dict[str, bytes]) -> None:
    keep(project, sentence="old")
    name = keep(project)
    at = opened(project)
    assert "Keep the *generated* wafers." in said(at)
    assert [s.value for s in at.success]
    assert "A *note*." in said(at)
    assert "Out of date" not in said(at)
    assert chart(at, f"benefit_chart_{name}")
    (shown,) = [d.value for d in at.dataframe if "advice" in d.value]
    assert list(shown["class"]) == ["Alpha", "Beta", "Gamma"]
    assert list(shown["test wafers"]) == [5, 4, 0]
    assert list(shown["With generated"])[:2] == [0.76, 0.76]
    assert shown["With generated, points (95%)"][0] == "+6.0 (+3.0 … +9.0)"
    assert list(shown["advice"]) == ["Keep the generated wafers", "Cannot be told yet",
                                     "No test wafers"]  # fmt: skip
    assert list(shown["more test wafers"]) == ["", "about 120", ""]
    assert (
        downloads[f"{name}.csv"].decode("utf-8-sig").splitlines()[1].startswith("Alpha,5,Keep the")
    )
    settings = "Settings: Network Wafer CNN (small, from scratch), Repeats 2"
    assert f"{settings} · seeds 0, 1 · 9 test wafers from 7" in said(at)
    assert any(
        "5 (made for the study)" in list(d.value.get("With generated", [])) for d in at.dataframe
    )


def test_what_cannot_be_told_is_no_success(project: Project) -> None:
    advice = {**found()["advice"], "keep": "unknown", "sentence": "Cannot be told yet."}
    keep(project, advice=advice)
    at = opened(project)
    assert [s.value for s in at.success] == []
    assert "Cannot be told yet." in said(at)


def test_a_result_goes_out_of_date_with_its_classes(project: Project) -> None:
    keep(project)
    fill(project, "Alpha", 2, start=7000)
    assert "Out of date. Changes since this study: “Alpha”: 2 added" in said(opened(project))


def test_a_damaged_result_is_reported(project: Project) -> None:
    name = keep(project)
    (project.path / "studies" / name / "study.json").write_text("{", "utf-8")
    at = visit("generate", project)
    at.session_state["generate_part_wanted"] = "ablation"
    (error,) = [e.value for e in at.run().error]
    assert "damaged" in error
    assert keyed(at.button, "benefit_start").label == "Find out"  # it can be done again


@pytest.mark.parametrize(
    "wrong",
    [
        {"arms": {}}, {"arms": 3}, {"advice": {"keep": "all"}}, {"class_names": ["Other"]},
        {"differences": [{"arm": "none"}]}, {"made": {"Alpha": {"count": 3}}}, {"notes": [3]},
        {"advice_per_class": []}, {"test": {}}, {"seconds": "long"}, {"config": None},
    ],
)  # fmt: skip
def test_a_result_that_is_no_study_is_reported(project: Project, wrong: dict[str, Any]) -> None:
    keep(project, **wrong)
    at = visit("generate", project)
    at.session_state["generate_part_wanted"] = "ablation"
    (error,) = errors_on(at.run())
    assert "The last result is damaged" in error
