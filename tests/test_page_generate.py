"""Generate: the table of classes, the GAN's settings, the job, live figures, runs removed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from browsing import chart, keyed, keys, run, table, texts, visit, with_more
from wafer_core import images, jobs
from wafer_core.data import pictures, workspace
from wafer_core.data.project import Project
from wafer_core.jobs.events import EventWriter
from wafer_core.tasks import gan
from wafers import fill, marked

AUTO, MANUAL = "Auto (GAN)", "Manual (transforms)"


def edit(at: AppTest, rows: dict[int, dict[str, object]]) -> AppTest:
    """Edit cells of the table of classes."""
    key = keyed(at.data_editor, "generate_table").key
    at.session_state[key] = {"edited_rows": rows, "added_rows": [], "deleted_rows": []}
    return run(at)


def add_run(project: Project, origin: str, **info: object) -> str:
    parent = next(r for r in pictures.originals(project, "alpha") if r.part == "train")
    made = [pictures.MadePicture(marked(900 + i), parent.file, {}) for i in range(4)]
    return pictures.add_made(project, "alpha", origin, made, info)


def test_without_wafers_the_page_leads_to_the_classes(home: Path) -> None:
    at = visit("generate", workspace.create_project(home, "Empty"))
    assert [t.value for t in at.title] == ["Generate"]
    assert "No wafers to learn from yet" in texts(at)
    assert "Go to Classes" in [link.proto.label for link in at.main.page_link]


def test_every_setting_of_the_gan_has_its_widget(project: Project) -> None:
    at = with_more("generate", project)
    widgets = {w.key: w for kind in (at.slider, at.toggle, at.selectbox, at.number_input)
               for w in kind}  # fmt: skip
    for name, spec in gan.PARAMETERS.items():
        assert widgets[f"generate_{name}"].label == spec.title
        assert spec.help in widgets[f"generate_{name}"].help
        assert widgets[f"generate_{name}"].value == spec.default
    assert at.number_input(key="generate_threshold").value == 140


def test_a_method_must_be_chosen_first(project: Project) -> None:
    at = visit("generate", project)
    shown = table(at, "generate_table")
    assert list(shown["class"]) == ["Alpha", "Beta", "Gamma"]
    assert set(shown["method"]) == {"–"}
    assert at.button(key="generate_make").disabled
    assert at.button(key="generate_make").label == "Choose a method in the table"
    assert "Nothing made yet" in texts(at)


def test_each_class_has_its_method_and_count(project: Project, started: list[Path]) -> None:
    at = visit("generate", project)
    edit(at, {0: {"method": AUTO, "how many": 30}, 2: {"method": MANUAL}})
    assert at.button(key="generate_make").label == "Generate 230 pictures"
    at.number_input(key="generate_epochs").set_value(120)
    at.number_input(key="generate_threshold").set_value(100)
    at.selectbox(key="generate_output").set_value("snap")
    run(at.number_input(key="generate_seed").set_value(5))
    run(at.button(key="generate_make").click())
    (folder,) = started
    spec = jobs.read_spec(folder)
    assert spec.kind == "generate"
    assert spec.parameters["classes"] == [
        {"name": "Alpha", "ai_use": True, "count": 30},
        {"name": "Gamma", "ai_use": False, "count": 200},
    ]
    assert spec.parameters["seed"] == 5
    config = gan.GanConfig.from_json({**spec.parameters["config"], "seed": 5})
    assert config == gan.GanConfig(epochs=120, threshold=100, output="snap", seed=5)


def test_what_is_set_under_more_counts_when_it_is_closed(
    project: Project, started: list[Path]
) -> None:
    at = with_more("generate", project)
    run(at.selectbox(key="generate_all").set_value(AUTO))
    at.number_input(key="generate_size").set_value(32)
    run(at.number_input(key="generate_learning_rate").set_value(0.001))
    at.session_state["generate_more"] = False
    run(at)
    assert "generate_size" not in keys(at.number_input)
    assert "Changed under More: Training size 32, Learning rate 0.001" in texts(at)
    run(at.button(key="generate_make").click())
    config = gan.GanConfig.from_json(jobs.read_spec(started[0]).parameters["config"])
    assert config == gan.GanConfig(size=32, learning_rate=0.001)


def test_one_method_for_all(project: Project, started: list[Path]) -> None:
    at = visit("generate", project)
    at.number_input(key="generate_count").set_value(10)
    run(at.selectbox(key="generate_all").set_value(MANUAL))
    run(at.button(key="generate_make").click())
    (folder,) = started
    classes = jobs.read_spec(folder).parameters["classes"]
    assert classes == [
        {"name": name, "ai_use": False, "count": 10} for name in ("Alpha", "Beta", "Gamma")
    ]


def test_a_gan_of_one_picture_is_refused_before_it_starts(project: Project) -> None:
    fill(project, "Rare", 1, start=40)
    (record,) = pictures.originals(project, "rare")
    assert record.part == "train"
    at = visit("generate", project)
    edit(at, {3: {"method": AUTO}})
    assert "Rare: one training original is too few for a GAN" in texts(at)
    assert at.button(key="generate_make").disabled
    edit(at, {3: {"method": MANUAL}})
    assert not at.button(key="generate_make").disabled


def test_a_running_job_shows_its_steps_losses_and_pictures(project: Project) -> None:
    folder = jobs.create_job(
        project.path,
        "generate",
        {"classes": [{"name": "Alpha", "ai_use": True, "count": 4}], "config": {}, "seed": 0},
    )
    (folder / "samples").mkdir()
    (folder / "samples" / "1.png").write_bytes(images.encode_png(np.zeros((8, 8), np.uint8)))
    writer = EventWriter(folder)
    writer.append("running", device="cpu")
    step = {"class": "Alpha", "step": "shrink", "title": "Shrink", "seconds": 0.5}
    writer.append("metric", name="step", values=step)
    for epoch in (1, 2):
        values = {"class": "Alpha", "epoch": epoch, "epochs": 10, "d_loss": 1.0, "g_loss": 2.0,
                  "seconds": 0.1, "samples": "samples/1.png" if epoch == 2 else None}  # fmt: skip
        writer.append("metric", name="gan_epoch", values=values)
    writer.append("progress", fraction=0.2, text="Alpha: epoch 2 of 10")
    at = visit("generate", project)
    assert chart(at, f"generate_losses_{folder.name}")
    assert "Made after epoch 2 of 10" in texts(at)
    assert any("Shrink" in set(d.value.get("step", [])) for d in at.dataframe)
    run(keyed(at.button, f"generate_cancel_{folder.name}").click())
    assert jobs.list_jobs(project.path)[0].status == "cancelled"


def test_a_run_is_shown_beside_its_originals_and_removed(project: Project) -> None:
    add_run(project, "generated", preset="classic", epochs=150, threshold=140, seed=7,
            steps={"shrink": 0.5, "train": 60.0}, device="CPU")  # fmt: skip
    at = visit("generate", project)
    assert "Made so far (1 run)" in texts(at)
    assert "Preset classic · 150 epochs · threshold 140 · seed 7" in texts(at)
    assert "**Originals**" in texts(at)
    assert "**Made**" in texts(at)
    (steps,) = [d.value for d in at.dataframe if list(d.value.columns) == ["step", "seconds"]]
    assert list(steps["seconds"]) == [0.5, 60.0]
    run(at.button(key="generate_remove").click())
    assert pictures.made(project, "alpha", "generated") == ()
    assert "Made so far (0 runs)" in texts(at)


def test_runs_of_both_methods_are_listed_the_newest_first(project: Project) -> None:
    add_run(project, "generated", preset="classic")
    add_run(project, "augmented", config={"rotation_range": 45.0}, seed=1)
    at = visit("generate", project)
    box = at.selectbox(key="generate_run")
    assert ["transforms" in option for option in box.options] == [True, False]
    assert "Transforms: Rotation 45.0 · seed 1" in texts(at)
    run(box.select_index(1))
    assert "Preset classic" in texts(at)


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_a_job_that_ended_badly_says_why(project: Project, status: str) -> None:
    folder = jobs.create_job(
        project.path, "generate", {"classes": [{"name": "Alpha", "ai_use": False, "count": 4}]}
    )
    EventWriter(folder).append(status, error="The class “Alpha” has no pictures; add some.")
    at = visit("generate", project)
    told = {"failed": "has no pictures", "cancelled": "as it was before"}[status]
    assert told in texts(at)
    assert not [k for k in keys(at.button) if k.startswith("generate_cancel")]
