"""Generate: the table of classes, the GAN's settings, the job, live figures, runs removed."""

from __future__ import annotations

import json
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
    select_rows,
    table,
    texts,
    typed,
    visit,
    with_more,
)
from wafer_core import images, jobs, simulator
from wafer_core.data import manifest, pictures, synthetic, workspace
from wafer_core.data.project import Project
from wafer_core.jobs.events import EventWriter
from wafer_core.networks import features
from wafer_core.parameters import parameters_of
from wafer_core.tasks.generation.config import PRESETS, GenerationConfig
from wafer_core.workflows import submit
from wafers import fill, marked

AUTO, MANUAL, PHYSICS = "Auto (GAN)", "Manual (transforms)", "Physics (simulator)"


def edit(at: AppTest, rows: dict[int, dict[str, object]]) -> AppTest:
    """Edit cells of the table of classes."""
    key = keyed(at.data_editor, "generate_table").key
    at.session_state[key] = {"edited_rows": rows, "added_rows": [], "deleted_rows": []}
    return run(at)


def add_run(project: Project, origin: str, **info: object) -> str:
    parent = next(r for r in pictures.originals(project, "alpha") if r.split == "train")
    made = [synthetic.SyntheticPicture(marked(900 + i), parent.file, {}) for i in range(4)]
    return synthetic.add(project, "alpha", origin, made, info)


def test_without_wafers_the_page_leads_to_the_classes(home: Path) -> None:
    at = visit("generate", workspace.create_project(home, "Empty"))
    assert [t.value for t in at.title] == ["Generate"]
    assert "No wafers to learn from yet" in texts(at)
    assert "Go to Classes" in [link.proto.label for link in at.main.page_link]


@pytest.mark.parametrize("preset", list(PRESETS))
def test_every_setting_of_a_preset_has_its_widget(project: Project, preset: str) -> None:
    at = with_more("generate", project)
    run(at.selectbox(key="generate_preset").set_value(preset))
    at.session_state["generate_more"] = True
    run(at)
    widgets = {w.key: w for kind in (at.slider, at.toggle, at.selectbox, at.number_input)
               for w in kind}  # fmt: skip
    assert PRESETS[preset].help in widgets["generate_preset"].help
    for name, spec in parameters_of(GenerationConfig).items():
        if name not in PRESETS[preset].settings:
            assert f"generate_{name}" not in widgets
            continue
        assert widgets[f"generate_{name}"].label == spec.title
        assert spec.help in widgets[f"generate_{name}"].help
        assert widgets[f"generate_{name}"].value == spec.default


def test_default_is_chosen_before_anyone_chooses(project: Project, started: list[Path]) -> None:
    at = visit("generate", project)
    assert at.selectbox(key="generate_preset").value == "default"
    assert PRESETS["default"].help in texts(at)
    run(at.selectbox(key="generate_all").set_value(AUTO))
    run(at.button(key="generate_make").click())
    config = GenerationConfig.from_mapping(jobs.read_spec(started[0]).parameters["config"])
    assert config == GenerationConfig("default")


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
    run(at.selectbox(key="generate_preset").set_value("classic"))
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
        {"name": "Alpha", "mode": "gan", "count": 30},
        {"name": "Gamma", "mode": "transforms", "count": 200},
    ]
    assert spec.parameters["seed"] == 5
    config = GenerationConfig.from_mapping({**spec.parameters["config"], "seed": 5})
    assert config == GenerationConfig("classic", epochs=120, threshold=100, output="snap", seed=5)


def test_what_is_set_under_more_counts_when_it_is_closed(
    project: Project, started: list[Path]
) -> None:
    at = with_more("generate", project)
    at.selectbox(key="generate_preset").set_value("classic")
    run(at.selectbox(key="generate_all").set_value(AUTO))
    at.session_state["generate_more"] = True
    run(at)
    at.number_input(key="generate_size").set_value(32)
    run(at.number_input(key="generate_learning_rate").set_value(0.001))
    at.session_state["generate_more"] = False
    run(at)
    assert "generate_size" not in keys(at.number_input)
    assert "Changed under More: Training size 32, Learning rate 0.001" in texts(at)
    run(at.button(key="generate_make").click())
    config = GenerationConfig.from_mapping(jobs.read_spec(started[0]).parameters["config"])
    assert config == GenerationConfig("classic", size=32, learning_rate=0.001)


def test_one_method_for_all(project: Project, started: list[Path]) -> None:
    at = visit("generate", project)
    at.number_input(key="generate_count").set_value(10)
    run(at.selectbox(key="generate_all").set_value(MANUAL))
    run(at.button(key="generate_make").click())
    (folder,) = started
    classes = jobs.read_spec(folder).parameters["classes"]
    assert classes == [
        {"name": name, "mode": "transforms", "count": 10} for name in ("Alpha", "Beta", "Gamma")
    ]


def test_a_gan_of_one_picture_is_refused_before_it_starts(project: Project) -> None:
    fill(project, "Rare", 1, start=40)
    (record,) = pictures.originals(project, "rare")
    assert record.split == "train"
    at = visit("generate", project)
    edit(at, {3: {"method": AUTO}})
    assert "Rare: one training original is too few for a GAN" in texts(at)
    assert at.button(key="generate_make").disabled
    edit(at, {3: {"method": MANUAL}})
    assert not at.button(key="generate_make").disabled


def test_a_running_job_shows_its_steps_losses_and_pictures(project: Project) -> None:
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
    writer.append("progress", fraction=0.2, text="Alpha: epoch 2 of 10")
    at = visit("generate", project)
    assert chart(at, f"generate_losses_{folder.name}")
    assert "Made after epoch 2 of 10" in texts(at)
    assert any("Shrink" in set(d.value.get("step", [])) for d in at.dataframe)
    run(keyed(at.button, f"generate_cancel_{folder.name}").click())
    assert jobs.list_jobs(project.path)[0].status == "cancelled"


def opened(at: AppTest, title: str) -> AppTest:
    """Open a tab of the run's information."""
    at.session_state["generate_tab"] = title
    return run(at)


def test_physics_takes_as_the_class_has_it(project: Project, started: list[Path]) -> None:
    at = visit("generate", project)
    edit(at, {1: {"method": PHYSICS, "how many": 24}})
    assert "generate_factors" not in keys(at.multiselect)
    run(at.button(key="generate_make").click())
    assert jobs.read_spec(started[0]).parameters["classes"] == [
        {"name": "Beta", "mode": "physics", "count": 24}
    ]


def test_physics_with_levels_of_factors(project: Project, started: list[Path]) -> None:
    at = visit("generate", project)
    at.session_state["generate_physics"] = True
    edit(at, {0: {"method": AUTO}, 1: {"method": PHYSICS, "how many": 25}})
    options = at.multiselect(key="generate_factors").options
    assert options == [factor.title for factor in simulator.FACTORS.values()]
    run(at.multiselect(key="generate_factors").set_value(["density", "notch_rotation"]))
    density = at.multiselect(key="generate_factor_density")
    assert density.options == ["low (2 %)", "mid (8 %)", "high (20 %)"]
    assert simulator.FACTORS["density"].help in density.help
    run(typed(density, "12.5 %").set_value(["low", "12.5 %"]))
    assert "6 combinations, 4 or 5 wafers of each in a class" in texts(at)
    run(at.button(key="generate_make").click())
    classes = jobs.read_spec(started[0]).parameters["classes"]
    levels = {"density": ["low", 12.5], "notch_rotation": ["low", "mid", "high"]}
    assert classes == [
        {"name": "Alpha", "mode": "gan", "count": 200},
        {"name": "Beta", "mode": "physics", "count": 25, "levels": levels},
    ]
    at.session_state["generate_physics"] = False
    run(at)
    assert "Varied: Random defect density, Notch rotation" in texts(at)
    run(at.button(key="generate_make").click())
    assert jobs.read_spec(started[1]).parameters["classes"] == classes


def test_factors_are_those_of_the_pattern_that_a_class_is_named_after(project: Project) -> None:
    fill(project, "scratch", 2, start=60)
    at = visit("generate", project)
    at.session_state["generate_physics"] = True
    edit(at, {3: {"method": PHYSICS}})
    titles = at.multiselect(key="generate_factors").options
    assert "Scratch length" in titles
    assert "Ring radius" not in titles


def test_levels_that_cannot_be_made_stop_the_button(project: Project) -> None:
    at = visit("generate", project)
    at.session_state["generate_physics"] = True
    edit(at, {1: {"method": PHYSICS, "how many": 5}})
    run(at.multiselect(key="generate_factors").set_value(["density", "notch_rotation"]))
    assert "9 combinations are more than 5 wafers" in texts(at)
    assert at.button(key="generate_make").disabled
    run(at.multiselect(key="generate_factor_density").set_value(["low"]))
    assert not at.button(key="generate_make").disabled
    box = typed(at.multiselect(key="generate_factor_density"), "much")
    assert "Random defect density is 'much'; give low, mid, high" in refused(
        box.set_value(["much"])
    )
    assert at.button(key="generate_make").disabled
    empty = at.multiselect(key="generate_factor_density").set_value([])
    assert "has no level" in refused(empty)


def physics_run(project: Project, **more: object) -> str:
    factors = {"density": 2.0, "ring_radius": 45.0}
    fit = {"sentence": "Most like Donut; a good fit.", "ratio": 1.1,
           "shares": {"Donut": 0.9, "Loc": 0.1}}  # fmt: skip
    info = {"method": "physics", "pattern": "Donut", "seed": 3, "fit": fit,
            "factors": {name: [v, v, v] for name, v in factors.items()},
            "levels": {"density": ["low", 12.5]},
            "steps": {"fit": 2.0, "simulate": 1.0}}  # fmt: skip
    made = [
        synthetic.SyntheticPicture(
            marked(950 + k),
            None,
            {"pattern": "Donut", "factors": factors, "cell": k % 2,
             "levels": {"density": ["low", 12.5][k % 2]}},
        )
        for k in range(4)
    ]  # fmt: skip
    return synthetic.add(project, "beta", "generated", made, {**info, **more})


def test_a_physics_run_tells_its_fit_factors_and_levels(
    project: Project, downloads: dict[str, str]
) -> None:
    name = physics_run(project)
    at = visit("generate", project)
    assert "Beta · 4 by physics" in at.selectbox(key="generate_run").options[0]
    assert "Physics: Donut · seed 3 · 3 s · Most like Donut; a good fit." in texts(at)
    opened(at, "Fit and factors")
    assert [s.value for s in at.success] == ["Most like Donut; a good fit."]
    (shown,) = [d.value for d in at.dataframe if "factor" in d.value]
    assert list(shown["factor"]) == ["Random defect density", "Ring radius"]
    assert "Varied on purpose: **Random defect density** low (2 %), 12.5 %" in texts(at)
    assert "One wafer of each combination:** Random defect density" in texts(at)
    lines = downloads[f"beta-{name}-levels.csv"].splitlines()
    assert lines[0] == "file,pattern,cell,density_level,density,ring_radius"
    assert len(lines) == 5


def test_a_bad_fit_is_a_warning(project: Project) -> None:
    physics_run(project, fit={"sentence": "Nothing looks like it.", "ratio": 2.5, "shares": {}},
                levels={})  # fmt: skip
    at = opened(visit("generate", project), "Fit and factors")
    assert [w.value for w in at.warning] == ["Nothing looks like it."]


def test_only_physics_runs_have_factors(project: Project) -> None:
    add_run(project, "augmented", config={}, seed=1)
    at = visit("generate", project)
    assert [tab.label for tab in at.tabs][-3:] == ["Pictures", "Scores", "Settings"]
    assert "Fit and factors" not in [tab.label for tab in at.tabs]


def test_a_run_is_scored_and_its_scores_are_shown(
    project: Project, started: list[Path], downloads: dict[str, bytes]
) -> None:
    name = add_run(project, "generated", preset="classic", steps={"train": 60.0})
    at = opened(visit("generate", project), "Scores")
    assert "Not scored yet" in texts(at)
    run(at.button(key="generate_score").click())
    spec = jobs.read_spec(started[0])
    assert spec.kind == "score"
    assert spec.parameters == {"class": "Alpha", "run": name, "features": "wafernet"}
    jobs.cancel(started[0])
    told = {"title": "KID", "value": 0.02, "spread": 0.001, "floor": 0.01, "ceiling": 0.4,
            "better": "lower", "sentence": "Close to real."}  # fmt: skip
    none = {**told, "title": "FID", "value": None, "sentence": "", "note": "too few"}
    folder = manifest.class_folder(project, "alpha") / "generated" / name
    (folder / "scores-wafernet.json").write_text(json.dumps({
        "features": "wafernet", "title": "WaferNet", "weights": "abcd", "seconds": 1.25,
        "counts": {"made": 4}, "reference": "3 originals", "sentence": "All is well.",
        "scores": {"kid": told, "fid": none},
    }))  # fmt: skip
    run(at)
    assert "**WaferNet** · All is well" in texts(at)
    (shown,) = [d.value for d in at.dataframe if "score" in d.value]
    assert list(shown["score"]) == ["KID", "FID"]
    assert "- Close to real\\.\n- too few" in texts(at)
    assert shown["floor: real against real"][0] == 0.01
    assert "4 made wafers against 3 originals; weights abcd" in texts(at)
    assert f"alpha-{name}-scores-wafernet.csv" in downloads
    assert at.button(key="generate_score").label == "Score again"


def test_class_agreement_stands_in_the_table_and_other_weights_are_told(
    project: Project, downloads: dict[str, bytes]
) -> None:
    name = add_run(project, "generated", preset="default", steps={"train": 6.0})
    folder = manifest.class_folder(project, "alpha") / "generated" / name
    told = {"title": "KID", "value": 0.02, "spread": 0.001, "floor": 0.01, "ceiling": 0.4,
            "better": "lower", "sentence": "Close to real."}  # fmt: skip
    agrees = {**told, "title": "Class agreement", "value": 0.75, "spread": None, "instead": "Beta",
              "counts": {"made": 4}, "details": {"made": 3, "made_low": 0.3, "made_high": 0.95},
              "sentence": "3 of 4."}  # fmt: skip
    stored = {
        "features": "wafernet", "title": "WaferNet", "weights": "abcd", "seconds": 1.25,
        "wafernet": "abcd" * 16, "counts": {"made": 4}, "reference": "3 originals",
        "sentence": "All is well.", "scores": {"kid": told, "agreement": agrees},
    }  # fmt: skip
    (folder / "scores-wafernet.json").write_text(json.dumps(stored))
    at = opened(visit("generate", project), "Scores")
    (shown,) = [d.value for d in at.dataframe if "score" in d.value]
    assert list(shown["95 % interval"]) == ["", "0.30 to 0.95"]
    stored_table = str(downloads[f"alpha-{name}-scores-wafernet.csv"])
    assert "Class agreement,0.75,,0.01,0.4,lower,0.30 to 0.95,3 of 4,Beta" in stored_table
    (warning,) = [w.value for w in at.warning]
    assert "other weights of WaferNet (abcdabcd)" in warning
    assert "Score the run again" in warning
    (folder / "scores-wafernet.json").write_text(
        json.dumps({**stored, "wafernet": features.wafernet_checksum()})
    )
    assert not opened(visit("generate", project), "Scores").warning


SWEEP = {"setting": "threshold", "values": [40.0, 140.0, 200.0], "kid": [0.5, 0.2, 0.1],
         "failed": [0.4, 0.2, 0.1], "best": 200.0, "counts": [60, 12]}  # fmt: skip


def test_the_best_threshold_is_marked_and_applied_with_a_click(
    project: Project, started: list[Path]
) -> None:
    name = add_run(project, "generated", preset="classic", threshold=140, sweep=SWEEP)
    folder = submit.create_job(
        project.path, "generate", {"classes": [{"name": "Alpha", "count": 4}]}
    )  # fmt: skip
    (folder / "samples").mkdir()
    writer = EventWriter(folder)
    for value in SWEEP["values"]:  # type: ignore[attr-defined]
        file = f"samples/{value:g}.png"
        (folder / file).write_bytes(images.encode_png(marked(1)))
        writer.append("metric", name="level", values={"class": "Alpha", "value": value,
                                                      "samples": file})  # fmt: skip
    writer.append("result", result={"classes": [{"name": "Alpha", "run": name}]})
    at = opened(visit("generate", project), "Levels")
    assert chart(at, f"generate_sweep_{name}")
    shown = table(at, "generate_sweep_table")
    assert list(shown["level"]) == [40, 140, 200]
    assert list(shown[""]) == ["", "", "best"]
    assert all(url.startswith("data:image/png") for url in shown["wafers"])
    assert at.button(key="generate_apply").label == "Use threshold 200 (the best)"
    run(at.button(key="generate_apply").click())
    assert at.selectbox(key="generate_preset").value == "classic"
    assert at.number_input(key="generate_threshold").value == 200
    select_rows(at, "generate_sweep_table", 0)
    run(at)
    run(at.button(key="generate_apply").click())
    assert at.number_input(key="generate_threshold").value == 40


def test_levels_are_told_when_their_job_is_gone(project: Project) -> None:
    density = {**SWEEP, "setting": "density", "values": [0.5, 1.0, 2.0], "best": 0.5}
    add_run(project, "generated", preset="default", sweep=density)
    at = opened(visit("generate", project), "Levels")
    assert "wafers" not in table(at, "generate_sweep_table")
    run(at.button(key="generate_apply").click())
    assert at.selectbox(key="generate_preset").value == "default"
    assert at.slider(key="generate_density").value == 0.5


def test_the_cost_of_a_run(project: Project) -> None:
    add_run(project, "generated", preset="classic", cost={
        "seconds": {"shrink": 0.5, "train": 60.0}, "memory_bytes": {"shrink": 3e8, "train": 5e8},
        "peak_memory_bytes": 5e8, "storage_bytes": 2e6, "network_bytes": 1.5e6, "device": "CPU",
    })  # fmt: skip
    at = opened(visit("generate", project), "Cost")
    (shown,) = [d.value for d in at.dataframe if "memory (MB)" in d.value]
    assert list(shown["seconds"]) == [0.5, 60.0]
    assert list(shown["memory (MB)"]) == [300, 500]
    assert "60.5 s in all · 2.00 MB of pictures · 1.5 MB of network · at most 500 MB" in texts(at)


def test_all_that_is_stored_with_a_run_can_be_had(
    project: Project, downloads: dict[str, bytes]
) -> None:
    name = add_run(project, "generated", preset="classic", seed=7)
    opened(visit("generate", project), "Settings")
    assert json.loads(downloads[f"alpha-{name}.json"])["seed"] == 7


def test_a_run_is_shown_beside_its_originals_and_removed(project: Project) -> None:
    add_run(project, "generated", preset="classic", epochs=150, threshold=140, seed=7,
            steps={"shrink": 0.5, "train": 60.0}, device="CPU")  # fmt: skip
    at = visit("generate", project)
    assert "Made so far (1 run)" in texts(at)
    assert "Preset classic · 150 epochs · threshold 140 · seed 7" in texts(at)
    assert "**Originals**" in texts(at)
    assert "**Made**" in texts(at)
    opened(at, "Cost")
    (steps,) = [d.value for d in at.dataframe if list(d.value.columns) == ["step", "seconds"]]
    assert list(steps["seconds"]) == [0.5, 60.0]
    run(at.button(key="generate_remove").click())
    assert synthetic.runs(project, "alpha", "generated") == ()
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
    folder = submit.create_job(
        project.path, "generate", {"classes": [{"name": "Alpha", "ai_use": False, "count": 4}]}
    )
    EventWriter(folder).append(status, error="The class “Alpha” has no pictures; add some.")
    at = visit("generate", project)
    told = {"failed": "has no pictures", "cancelled": "as it was before"}[status]
    assert told in texts(at)
    assert not [k for k in keys(at.button) if k.startswith("generate_cancel")]


def test_mode_collapse_is_a_warning(project: Project) -> None:
    said = {"template": "Mode collapse: {share:.0%}", "fields": {"share": 0.25}}
    add_run(project, "generated", collapsed=True, said=said)
    assert [w.value for w in visit("generate", project).warning] == ["Mode collapse: 25%"]
