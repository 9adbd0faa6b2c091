"""Generate: the form, the table of classes, the levels of the simulator, the job."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from browsing import (
    chart,
    keyed,
    keys,
    refused,
    run,
    texts,
    typed,
    visit,
    with_more,
)
from wafer_core import images, jobs, simulator
from wafer_core.data import pictures, synthetic, workspace
from wafer_core.data.project import Project
from wafer_core.jobs.events import EventWriter
from wafer_core.messages import message
from wafer_core.parameters import parameters_of
from wafer_core.tasks.generation.config import PRESETS, GenerationConfig
from wafer_core.workflows import submit
from wafers import fill, marked

AUTO, DCGAN = "Auto (diffusion)", "Classic DCGAN"
MANUAL, PHYSICS = "Manual (transforms)", "Physics (simulator)"


def edit(at: AppTest, rows: dict[int, dict[str, object]]) -> AppTest:
    """Edit cells of the table of classes."""
    at.session_state["generate_tab_wanted"] = "classes"
    run(at)
    key = keyed(at.data_editor, "generate_table").key
    at.session_state[key] = {"edited_rows": rows, "added_rows": [], "deleted_rows": []}
    return run(at)


def add_run(project: Project, origin: str, **info: object) -> str:
    parent = next(r for r in pictures.originals(project, "alpha") if r.split == "train")
    made = [synthetic.SyntheticPicture(marked(900 + i), parent.file, {}) for i in range(4)]
    return synthetic.add(project, "alpha", origin, made, info)


def frame(at: AppTest, column: str) -> object:
    """The table with this column."""
    (found,) = [d.value for d in at.dataframe if column in d.value]
    return found


def config_of(folder: Path) -> GenerationConfig:
    return GenerationConfig.from_mapping(jobs.read_spec(folder).parameters["config"])


# -- the form ------------------------------------------------------------------------------------


def test_without_wafers_the_page_leads_to_the_classes(home: Path) -> None:
    at = visit("generate", workspace.create_project(home, "Empty"))
    assert [title.value for title in at.title] == ["Generate"]
    assert "There are no training wafers yet" in texts(at)
    assert "Go to Classes" in [link.proto.label for link in at.main.page_link]


@pytest.mark.parametrize(("method", "preset"), [("auto", "default"), ("dcgan", "classic")])
def test_every_setting_of_a_generator_has_its_widget(
    project: Project, method: str, preset: str
) -> None:
    at = with_more("generate", project)
    run(at.selectbox(key="generate_method").set_value(method))
    at.session_state["generate_more"] = True
    run(at)
    widgets = {w.key: w for kind in (at.slider, at.toggle, at.selectbox, at.number_input)
               for w in kind}  # fmt: skip
    assert PRESETS[preset].help in widgets["generate_method"].help
    assert PRESETS[preset].help in texts(at)
    for name, spec in parameters_of(GenerationConfig).items():
        if name not in (*PRESETS[preset].settings, "seed"):
            assert f"generate_{name}" not in widgets
            continue
        assert widgets[f"generate_{name}"].label == spec.title
        assert spec.help in widgets[f"generate_{name}"].help
        assert widgets[f"generate_{name}"].value == spec.default


def test_the_defaults_generate_all_classes_by_diffusion(
    project: Project, started: list[Path]
) -> None:
    at = visit("generate", project)
    assert at.selectbox(key="generate_method").options == [AUTO, DCGAN, MANUAL, PHYSICS]
    assert at.button(key="generate_make").label == "Generate 600 wafers"
    assert "No synthetic wafers yet. Press Generate" in texts(at)
    run(at.button(key="generate_make").click())
    (folder,) = started
    assert config_of(folder) == GenerationConfig("default")
    assert jobs.read_spec(folder).parameters["classes"] == [
        {"name": name, "mode": "gan", "count": 200} for name in ("Alpha", "Beta", "Gamma")
    ]


def test_some_classes_by_transforms(project: Project, started: list[Path]) -> None:
    at = visit("generate", project)
    at.selectbox(key="generate_method").set_value("transforms")
    at.multiselect(key="generate_classes").set_value(["alpha", "gamma"])
    run(at.number_input(key="generate_count").set_value(10))
    assert "generate_variety" not in keys(at.slider)  # a setting of the generator
    run(at.button(key="generate_make").click())
    assert jobs.read_spec(started[0]).parameters["classes"] == [
        {"name": name, "mode": "transforms", "count": 10} for name in ("Alpha", "Gamma")
    ]


def test_each_class_can_have_its_method_and_number(project: Project, started: list[Path]) -> None:
    at = visit("generate", project)
    run(at.selectbox(key="generate_method").set_value("dcgan"))
    edit(at, {0: {"count": 30}, 1: {"method": "– nothing –"}, 2: {"method": MANUAL}})
    assert at.button(key="generate_make").label == "Generate 230 wafers"
    assert "3 classes are set separately." in texts(at)
    at.number_input(key="generate_epochs").set_value(120)
    at.number_input(key="generate_threshold").set_value(100)
    run(at.selectbox(key="generate_output").set_value("snap"))
    at.session_state["generate_more"] = True
    run(at)
    run(at.number_input(key="generate_seed").set_value(5))
    at.session_state["generate_tab_wanted"] = "result"
    run(at)  # the table is closed, and what it set is kept
    run(at.button(key="generate_make").click())
    spec = jobs.read_spec(started[0])
    assert spec.kind == "generate"
    assert spec.parameters["classes"] == [
        {"name": "Alpha", "mode": "gan", "count": 30},
        {"name": "Gamma", "mode": "transforms", "count": 200},
    ]
    assert spec.parameters["seed"] == 5
    assert config_of(started[0]) == GenerationConfig(
        "classic", epochs=120, threshold=100, output="snap"
    )
    run(at.button(key="generate_reset").click())
    assert at.button(key="generate_make").label == "Generate 600 wafers"


def test_what_is_set_under_more_settings_counts_when_it_is_closed(
    project: Project, started: list[Path]
) -> None:
    at = visit("generate", project)
    run(at.selectbox(key="generate_method").set_value("dcgan"))
    at.session_state["generate_more"] = True
    run(at)
    at.number_input(key="generate_size").set_value(32)
    run(at.number_input(key="generate_learning_rate").set_value(0.001))
    at.session_state["generate_more"] = False
    run(at)
    assert "generate_size" not in keys(at.number_input)
    changed = "Changed under More settings: Training size 32, Learning rate 0.001"
    assert changed in texts(at).replace("\\", "")
    run(at.button(key="generate_make").click())
    assert config_of(started[0]) == GenerationConfig("classic", size=32, learning_rate=0.001)


def test_the_button_says_why_it_cannot_start(project: Project) -> None:
    fill(project, "Rare", 1, start=40)
    (record,) = pictures.originals(project, "rare")
    assert record.split == "train"
    at = visit("generate", project)
    assert at.button(key="generate_make").disabled
    assert "Rare: a generator needs at least 2 training wafers" in texts(at)
    edit(at, {3: {"method": MANUAL}})
    assert not at.button(key="generate_make").disabled
    edit(at, {k: {"method": "– nothing –"} for k in range(4)})
    assert at.button(key="generate_make").disabled
    assert "Choose a method for at least one class" in texts(at)


# -- the job -------------------------------------------------------------------------------------


def test_a_running_job_shows_its_steps_losses_and_wafers(project: Project) -> None:
    folder = submit.create_job(
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
    writer.append("progress", message("Alpha: epoch 2 of 10"), fraction=0.2)
    at = visit("generate", project)
    assert chart(at, f"generate_losses_{folder.name}")
    assert "After epoch 2 of 10" in texts(at)
    assert "Shrink · 0\\.5 s" in texts(at)
    run(keyed(at.button, f"generate_cancel_{folder.name}").click())
    assert jobs.list_jobs(project.path)[0].status == "cancelled"


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_a_job_that_ended_badly_says_why(project: Project, status: str) -> None:
    folder = submit.create_job(
        project.path, "generate", {"classes": [{"name": "Alpha", "ai_use": False, "count": 4}]}
    )
    EventWriter(folder).append(status, error="The class “Alpha” has no pictures; add some.")
    at = visit("generate", project)
    sentence = {"failed": "has no pictures", "cancelled": "Cancelled"}[status]
    assert sentence in texts(at)
    assert not [k for k in keys(at.button) if k.startswith("generate_cancel")]


# -- the simulator -------------------------------------------------------------------------------


def opened(at: AppTest, tab: str) -> AppTest:
    """Open a tab of the run."""
    at.session_state["generate_run_tab_wanted"] = tab
    return run(at)


def simulated(project: Project, **rows: int) -> AppTest:
    """The page with Beta simulated and the other classes left out, with the factors open."""
    at = visit("generate", project)
    at.session_state["generate_physics"] = True
    at.selectbox(key="generate_method").set_value("physics")
    at.multiselect(key="generate_classes").set_value(["beta"])
    return run(at.number_input(key="generate_count").set_value(rows.get("count", 25)))


def test_physics_varies_as_the_class_does(project: Project, started: list[Path]) -> None:
    at = simulated(project)
    at.session_state["generate_physics"] = False
    run(at)
    assert "generate_factors" not in keys(at.multiselect)
    run(at.button(key="generate_make").click())
    assert jobs.read_spec(started[0]).parameters["classes"] == [
        {"name": "Beta", "mode": "physics", "count": 25}
    ]


def test_physics_with_levels_of_factors(project: Project, started: list[Path]) -> None:
    at = simulated(project)
    options = at.multiselect(key="generate_factors").options
    assert options == [factor.title for factor in simulator.FACTORS.values()]
    run(at.multiselect(key="generate_factors").set_value(["density", "notch_rotation"]))
    density = at.multiselect(key="generate_factor_density")
    assert density.options == ["low (2 %)", "mid (8 %)", "high (20 %)"]
    assert simulator.FACTORS["density"].help in density.help.replace("\\", "")
    run(typed(density, "12.5 %").set_value(["low", "12.5 %"]))
    assert "6 combinations, 4–5 wafers of each" in texts(at)
    run(at.button(key="generate_make").click())
    classes = jobs.read_spec(started[0]).parameters["classes"]
    levels = {"density": ["low", 12.5], "notch_rotation": ["low", "mid", "high"]}
    assert classes == [{"name": "Beta", "mode": "physics", "count": 25, "levels": levels}]
    at.session_state["generate_physics"] = False
    run(at)
    titles = [simulator.FACTORS[name].title for name in levels]
    assert f"Varied: {', '.join(titles)}" in texts(at)
    run(at.button(key="generate_make").click())
    assert jobs.read_spec(started[1]).parameters["classes"] == classes


def test_factors_are_those_of_the_pattern_that_a_class_is_named_after(project: Project) -> None:
    fill(project, "scratch", 2, start=60)
    at = visit("generate", project)
    at.session_state["generate_physics"] = True
    at.selectbox(key="generate_method").set_value("physics")
    run(at.multiselect(key="generate_classes").set_value(["scratch"]))
    titles = at.multiselect(key="generate_factors").options
    assert simulator.FACTORS["scratch_length"].title in titles
    assert simulator.FACTORS["ring_radius"].title not in titles


def test_levels_that_cannot_be_made_stop_the_button(project: Project) -> None:
    at = simulated(project, count=5)
    run(at.multiselect(key="generate_factors").set_value(["density", "notch_rotation"]))
    assert "9 combinations are more than 5 wafers" in texts(at)
    assert at.button(key="generate_make").disabled
    assert "The levels of the process factors cannot be used" in texts(at)
    run(at.multiselect(key="generate_factor_density").set_value(["low"]))
    assert not at.button(key="generate_make").disabled
    box = typed(at.multiselect(key="generate_factor_density"), "much")
    error = refused(box.set_value(["much"]))
    assert simulator.FACTORS["density"].title in error
    assert "use low, mid, high or a number" in error
    assert at.button(key="generate_make").disabled
    empty = at.multiselect(key="generate_factor_density").set_value([])
    assert "has no level" in refused(empty)
