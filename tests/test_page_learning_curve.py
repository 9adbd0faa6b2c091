"""How many do I need?: the tab on Generate: form, job, live figures, and whether to stop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from browsing import chart, errors_on, keyed, keys, run, texts, visit
from wafer_core import jobs
from wafer_core.data import dataset, pictures, studies, synthetic
from wafer_core.data.project import Project
from wafer_core.jobs.events import EventWriter
from wafer_core.messages import message
from wafer_core.parameters import parameters_of
from wafer_core.tasks.studies.learning_curve import CurveConfig
from wafer_core.workflows import submit
from wafers import fill, marked, small_project

KIND = "learning_curve"


def opened(project: Project) -> AppTest:
    """The page with the tab open."""
    at = visit("generate", project)
    at.session_state["generate_part_wanted"] = "learning_curve"
    return run(at)


def said(at: AppTest) -> str:
    """What the page says, without the signs that keep Markdown from reading it."""
    return texts(at).replace("\\", "")


def verdict(key: str, sentence: str) -> dict[str, Any]:
    return {"key": key, "title": "You can stop collecting", "sentence": sentence}


def found(**more: Any) -> dict[str, Any]:
    """A result as the job tells it."""

    def figure(value: float) -> dict[str, Any]:
        return {"value": value, "low": value - 0.05, "high": value + 0.03, "by_repeat": [value]}

    def near(value: float | None, floor: float | None) -> dict[str, Any]:
        return {"value": value, "by_repeat": [] if value is None else [value - 0.01, value + 0.01],
                "floor": floor, "counts": {}, "note": None}  # fmt: skip

    return {
        "class": "Alpha", "better": "higher",
        "rows": [
            {"size": size, "made": made, "f1": figure(0.6 + size / 200 + made / 9000),
             "macro_f1": figure(0.5 + size / 200)}
            for size in (5, 10, 20) for made in (0, 100, 400)
        ],
        "quality": [{"size": size, "kid": near(1 / size, 0.04), "recall": near(0.6, 0.8)}
                    for size in (5, 10, 20)],
        "law": {"top": 1.0, "scale": 1.0, "exponent": 0.5},
        "verdict": verdict("stop", "You can stop *collecting*."),
        "sentence": "You can stop *collecting*.", "test": {"pictures": 12, "lots": 7, "all": 30},
        "notes": ["A *note*."], "stopped": False,
        "config": {"seeds": 2, "others": 60, "network": "wafernet", "sizes": [],
                   "made": [0, 100, 400], "seed": 0},
        "seconds": 75.0, "device": "CPU, 2 cores", "created": "2026-01-02T03:04:05+00:00", **more,
    }  # fmt: skip


def keep(project: Project, **more: Any) -> str:
    return studies.save(project, KIND, found(**more), dataset.freeze(project)).id


def test_the_form_comes_from_the_settings_and_starts_a_study(
    project: Project, started: list[Path]
) -> None:
    at = opened(project)
    assert "generate_make" not in keys(at.button)
    at.session_state["learning_curve_more"] = True
    run(at)
    widgets = {w.key: w for kind in (at.selectbox, at.number_input) for w in kind}
    for name, spec in parameters_of(CurveConfig).items():
        if spec.is_list:  # only on the command line
            continue
        assert widgets[f"learning_curve_{name}"].label == spec.title
        assert spec.help in widgets[f"learning_curve_{name}"].help
    assert "No result for Alpha yet. Press “Find out”" in said(at)
    at.number_input(key="learning_curve_seeds").set_value(2)
    at.number_input(key="learning_curve_others").set_value(15)
    run(at.number_input(key="learning_curve_seed").set_value(7))
    at.selectbox(key="learning_curve_class").set_value("beta")
    run(at)
    run(at.button(key="learning_curve_start").click())
    (folder,) = started
    spec = jobs.read_spec(folder)
    assert spec.kind == KIND
    assert spec.parameters == {
        "class": "Beta", "config": {"seeds": 2, "others": 15, "network": "wafernet", "seed": 7}
    }  # fmt: skip


def test_what_will_be_done_is_said_beforehand(project: Project) -> None:
    shown = said(opened(project))
    assert (
        "2, 5 originals, each with 0, 100, 400 synthetic wafers: 18 trainings · 1 test wafer"
        in shown
    )
    assert "time without a GPU: about" in shown
    assert "Fewer than 10 test wafers of the class: the result will be inconclusive" in shown


def test_what_is_missing_is_said(home: Path) -> None:
    alone = small_project(home / "alone", {"Alpha": 8})
    assert "this project has 1" in said(opened(alone))
    few = small_project(home / "few", {"Alpha": 1, "Beta": 8})
    at = opened(few)
    assert "Alpha has 1 training original and needs at least 4" in said(at)
    assert "learning_curve_start" not in keys(at.button)
    assert "Go to Classes" in [link.proto.label for link in at.main.page_link]
    at.selectbox(key="learning_curve_class").set_value("beta")
    assert "learning_curve_start" in keys(run(at).button)


def test_a_running_study_shows_its_trainings_and_can_be_stopped(project: Project) -> None:
    folder = submit.create_job(project.path, KIND, {"class": "Alpha"})
    writer = EventWriter(folder)
    writer.append("running", device="cpu")
    assert "How many wafers of Alpha?" in said(opened(project))
    for made, value in ((0, 0.7), (100, 0.72)):
        values = {"repeat": 0, "size": 5, "made": made, "f1": value, "seconds": 1.0}
        writer.append("metric", name="training", values=values)
    writer.append("progress", message("Repeat 1 of 3, 5 originals: making wafers"), fraction=0.25)
    at = opened(project)
    assert chart(at, f"learning_curve_live_{folder.name}")
    assert "5 originals: making wafers" in said(at)
    run(at.button(key=f"learning_curve_stop_{folder.name}").click())
    assert (folder / "stop").exists()
    run(at.button(key=f"learning_curve_cancel_{folder.name}").click())
    assert (folder / "cancel").exists()


def test_the_newest_result_of_the_class_says_whether_to_stop(
    project: Project, downloads: dict[str, bytes]
) -> None:
    keep(project, verdict=verdict("stop", "old"))
    name = keep(project)
    keep(project, **{"class": "Beta", "verdict": verdict("stop", "Of another class.")})
    at = opened(project)
    assert [s.value.replace("\\", "") for s in at.success] == ["You can stop *collecting*."]
    words = said(at)
    assert "A *note*." in words
    assert "Of another class" not in words
    assert "12 test wafers of the class from 7 lots, 30 in total · 1 min 15 s on CPU" in words
    assert chart(at, f"learning_curve_f1_{name}")
    assert chart(at, f"learning_curve_kid_{name}")
    shown = next(d.value for d in at.dataframe if "synthetic wafers" in d.value)
    assert list(shown["originals"]) == [5, 5, 5, 10, 10, 10, 20, 20, 20]
    assert list(shown["synthetic wafers"])[:3] == [0, 100, 400]
    assert shown["F1, 95%"][0] == "0.575–0.655"
    csv = downloads[f"{name}-f1.csv"].decode("utf-8-sig").splitlines()
    assert csv[1].startswith("5,0,0.625,")
    assert downloads[f"{name}-quality.csv"].decode("utf-8-sig").splitlines()[1] == (
        "5,0.2,0.04,0.6,0.8"
    )


@pytest.mark.parametrize(
    ("key", "place"), [("stop", "success"), ("collect", "warning"), ("unknown", "info")]
)
def test_the_verdict_has_its_colour(project: Project, key: str, place: str) -> None:
    keep(project, verdict=verdict(key, "So it is."))
    assert "So it is\\." in [box.value for box in getattr(opened(project), place)]


def test_a_result_without_synthetic_wafers_has_one_chart(project: Project) -> None:
    rows = [row for row in found()["rows"] if row["made"] == 0]
    name = keep(project, rows=rows, quality=[], law=None)
    at = opened(project)
    assert chart(at, f"learning_curve_f1_{name}")
    assert not [d for d in at.dataframe if "KID" in d.value]


def test_a_result_goes_out_of_date_with_its_originals(project: Project) -> None:
    keep(project)
    first = pictures.originals(project, "alpha")[0]
    made = synthetic.SyntheticPicture(marked(77), first.file)
    synthetic.add(project, "alpha", "generated", [made], {})  # it takes no part
    assert "Out of date" not in said(opened(project))
    fill(project, "Alpha", 2, start=7000)
    assert "Out of date. Changes since this study: “Alpha”: 2 added" in said(opened(project))


def test_a_damaged_result_is_reported(project: Project) -> None:
    name = keep(project)
    (project.path / "studies" / name / "study.json").write_text("{", "utf-8")
    at = visit("generate", project)
    at.session_state["generate_part_wanted"] = "learning_curve"
    (error,) = [e.value for e in at.run().error]
    assert "damaged" in error
    assert keyed(at.button, "learning_curve_start").label == "Find out"  # it can be done again


@pytest.mark.parametrize(
    "wrong",
    [
        {"rows": []}, {"rows": 3}, {"rows": [{"size": 0, "made": 0}]}, {"rows": [{"size": 5}]},
        {"quality": [{"size": 5}]}, {"quality": 3}, {"law": {"top": "1"}}, {"law": 5},
        {"law": {"top": 1.0, "scale": 1e300, "exponent": 0.5}}, {"verdict": {"key": "go"}},
        {"verdict": {"key": "stop"}}, {"test": {}}, {"notes": [3]}, {"config": None},
        {"seconds": "long"},
    ],
)  # fmt: skip
def test_a_result_that_is_no_study_is_reported(project: Project, wrong: dict[str, Any]) -> None:
    keep(project, **wrong)
    at = visit("generate", project)
    at.session_state["generate_part_wanted"] = "learning_curve"
    (error,) = errors_on(at.run())
    assert "The last result is damaged" in error
