"""Under the hood of a run: stored or computed diagnostics, beside another run, and the layers."""

from __future__ import annotations

import json
import shutil
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from browsing import keyed, keys, refused, run, texts
from wafer_core import plots
from wafer_core.data import manifest, models, pictures
from wafer_core.data.project import Project

FLAT = [(0.5, 0.5), (1.0, 1.1)]


def page(path: str, name: str) -> None:
    """The diagnostics of one run, as a tab of Train shows them."""
    from pathlib import Path

    from pages.train.diagnostics import panel
    from wafer_core.data import models
    from wafer_core.data.project import Project

    project = Project.open(Path(path))
    panel(project, next(r for r in models.list_models(project) if r.run == name))


def look(project: Project, name: str) -> AppTest:
    return run(AppTest.from_function(page, default_timeout=60, args=(str(project.path), name)))


def stored(weights: str | None, moved: float, dead: int, data: str = "same") -> dict[str, Any]:
    """What a training stores, of two layers."""
    return {
        "schema": 1,
        "data": data,
        "weights": weights,
        "pictures": 40,
        "movement": [
            {"layer": "stem", "weights": 100, "moved": moved, "fresh": False},
            {"layer": "middle", "weights": 10, "moved": None, "fresh": False},
            {"layer": "head", "weights": 10, "moved": 9.0, "fresh": weights is not None},
        ],
        "dead": [{"layer": "stem", "channels": 8, "dead": dead}],
        "manifold": {
            "points": 40, "ratio": 1.5, "ratio_high": 2.0, "flat_ratio": 1.25, "pairs": FLAT,
        },
    }  # fmt: skip


def store(project: Project, name: str, values: dict[str, Any] | None) -> None:
    """Change the diagnostics in the report of a run."""
    path = project.models_path / name / "report.json"
    report = json.loads(path.read_bytes())
    report.pop("hood", None)
    path.write_text(json.dumps(report if values is None else {**report, "hood": values}))


def second_run(project: Project, title: str) -> str:
    """The first run's folder under a later name."""
    old = models.list_models(project)[0].run
    new = "run-29990101-000000-000000"
    shutil.copytree(project.models_path / old, project.models_path / new)
    models.rename_model(project, new, title)
    return new


def figures(at: AppTest) -> dict[str, tuple[str, str]]:
    return {m.label: (m.value, m.delta.replace("\\", "")) for m in at.metric}


def chart_values(at: AppTest) -> list[Any]:
    return [json.loads(node.proto.spec) for node in at.get("plotly_chart")]  # type: ignore[union-attr]


@pytest.fixture
def name(trained: Project) -> str:
    return models.list_models(trained)[0].run


def test_an_older_run_is_examined_on_request(trained: Project, name: str) -> None:
    """The small project has few validation wafers, so the curvature is unknown."""
    store(trained, name, None)
    at = look(trained, name)
    assert figures(at) == {}
    at = run(keyed(at.button, "train_examine").click())
    shown = figures(at)
    assert set(shown) == {"Median weight change", "Inactive channels", "Geodesic / Euclidean"}
    # of two epochs the first, which only fits the last layer, may have been the best
    assert 0 <= float(shown["Median weight change"][0]) < 2
    assert shown["Inactive channels"][0].endswith("%")
    assert shown["Geodesic / Euclidean"][0] == "–"
    assert "twelve different validation wafers" in texts(at)
    assert figures(run(at)) == shown  # kept, not computed again
    assert "How to read it" in texts(at)


def test_missing_wafers_are_reported(trained: Project, name: str) -> None:
    store(trained, name, None)
    for c in trained.classes():
        for record in pictures.originals(trained, c.slug):
            if record.split == "validation":
                manifest.picture_path(trained, c.slug, record).unlink()
    at = look(trained, name)
    assert ".png" in refused(keyed(at.button, "train_examine").click())
    assert figures(at) == {}


def test_stored_diagnostics_are_shown_without_loading_the_network(
    trained: Project, name: str
) -> None:
    store(trained, name, stored("wafers", 0.25, 2))
    (trained.models_path / name / "model.safetensors").unlink()
    at = look(trained, name)
    assert figures(at) == {
        "Median weight change": ("0.25", ""),  # without the fresh last layer
        "Inactive channels": ("25.0%", ""),
        "Geodesic / Euclidean": ("1.50 (1.25)", ""),
    }
    assert "weights pretrained on wafer maps" in texts(at)
    assert "train the same network once more" in texts(at)
    movement, dead, flat = chart_values(at)
    assert movement["layout"]["yaxis"]["title"]["text"] == "relative weight change"
    assert movement["data"][0]["marker"]["color"] == [plots.BLUE, plots.BLUE, plots.GREY]
    assert movement["layout"]["yaxis"]["range"][1] == pytest.approx(1.05 * 0.25)  # not of the head
    assert movement["layout"]["xaxis"]["ticktext"] == ["stem", "middle", "head"]
    assert dead["layout"]["yaxis"]["title"]["text"] == "share of inactive channels"
    assert flat["layout"]["xaxis"]["title"]["text"].startswith("Euclidean distance")


def test_a_run_from_scratch_on_the_same_wafers_is_shown_beside_it(
    trained: Project, name: str
) -> None:
    store(trained, name, stored(None, 1.25, 4))
    models.rename_model(trained, name, "From nothing")
    other = second_run(trained, "Taught")
    store(trained, other, stored("wafers", 0.25, 2))
    at = look(trained, other)
    box = keyed(at.selectbox, "train_diagnostics_other")
    assert box.options == ["nothing", "From nothing (from random weights)"]
    assert box.value == name
    assert figures(at)["Median weight change"] == ("0.25", "5.12 in the other run")
    assert figures(at)["Inactive channels"] == ("25.0%", "50.0% in the other run")
    movement, beside, *_, flat = chart_values(at)
    assert movement["layout"]["yaxis"]["range"] == beside["layout"]["yaxis"]["range"]
    assert [trace["name"] for trace in flat["data"]] == [
        "flat", "Taught", "From nothing (other run)",
    ]  # fmt: skip
    at = run(box.set_value(""))
    assert figures(at)["Median weight change"] == ("0.25", "")
    assert len(chart_values(at)) == 3


def test_a_run_on_other_wafers_is_not_compared(trained: Project, name: str) -> None:
    store(trained, name, stored(None, 1.25, 4, data="other"))
    other = second_run(trained, "Later")
    store(trained, other, stored("wafers", 0.25, 2))
    at = look(trained, other)
    assert not keys(at.selectbox)


def test_names_are_shown_as_they_are(trained: Project, name: str) -> None:
    store(trained, name, stored(None, 1.25, 4))
    models.rename_model(trained, name, "a <b>bold</b> *name*")
    title = chart_values(look(trained, name))[0]["layout"]["title"]["text"]
    assert title == "a &lt;b&gt;bold&lt;/b&gt; *name*"


def test_the_layers_have_shapes_and_counts(trained: Project, name: str) -> None:
    store(trained, name, stored(None, 1.25, 4))
    at = look(trained, name)
    assert not keys(at.dataframe)
    at.session_state["train_layers"] = True
    run(at)
    (shown,) = [frame.value for frame in at.dataframe]
    assert shown["layer"].iloc[0] == "stem"
    assert shown["output shape"].iloc[0] == "32 × 32 × 32"
    assert shown["output shape"].iloc[-1] == "3"
    assert f"{shown['parameters'].sum():,} parameters" in texts(at)
