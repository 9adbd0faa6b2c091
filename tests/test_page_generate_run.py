"""The newest run on Generate: wafers side by side, scores, levels, fit, cost, settings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from browsing import PAGES, chart, keys, refused, run, select_rows, tab, table, texts, visit
from wafer_core import images, jobs, simulator
from wafer_core.data import manifest, pictures, synthetic
from wafer_core.data.project import Project
from wafer_core.jobs.events import EventWriter
from wafer_core.networks import features
from wafer_core.workflows import submit
from wafers import marked

DENSITY, RADIUS = (simulator.FACTORS[name].title for name in ("density", "ring_radius"))


def add_run(project: Project, origin: str, **info: object) -> str:
    parent = next(r for r in pictures.originals(project, "alpha") if r.split == "train")
    made = [synthetic.SyntheticPicture(marked(900 + i), parent.file, {}) for i in range(4)]
    return synthetic.add(project, "alpha", origin, made, info)


def opened(at: AppTest, tab: str) -> AppTest:
    """Open a tab of the run."""
    at.session_state["generate_run_tab_wanted"] = tab
    return run(at)


def said(at: AppTest) -> str:
    """The texts of the page without the backslashes that keep Markdown from reading them."""
    return texts(at).replace("\\", "")


def tabs_of(at: AppTest) -> list[str]:
    return [each.label for each in at.tabs]


def frame(at: AppTest, column: str) -> Any:
    """The table with this column."""
    (found,) = [d.value for d in at.dataframe if column in d.value]
    return found


# -- the newest run ------------------------------------------------------------------------------


def test_a_run_is_shown_beside_its_originals_and_removed(project: Project) -> None:
    add_run(project, "generated", preset="classic", epochs=150, threshold=140, seed=7,
            steps={"shrink": 0.5, "train": 60.0}, device="CPU")  # fmt: skip
    at = visit("generate", project)
    assert "**Originals**" in texts(at)
    assert "**Synthetic**" in texts(at)
    assert "Classic DCGAN · 150 epochs · threshold 140 · seed 7 · 1 min 0 s on CPU" in said(at)
    assert "Not scored yet" in texts(at)
    run(at.button(key="generate_remove").click())
    assert synthetic.runs(project, "alpha", "generated") == ()
    assert "No synthetic wafers yet" in texts(at)


def test_the_newest_run_is_shown_and_another_one_can_be_chosen(project: Project) -> None:
    add_run(project, "generated", preset="default", seed=2)
    at = visit("generate", project)
    add_run(project, "augmented", config={"rotation_range": 45.0}, seed=1)
    run(at)
    box = at.selectbox(key="generate_run")
    assert ["Manual (transforms)" in option for option in box.options] == [True, False]
    assert box.options[1].startswith("Alpha · 4 wafers · Auto (diffusion) · ")
    assert "Transforms: Rotation" in said(at)
    assert box.value.startswith("alpha/augmented/")
    run(box.set_value(next(k for k in box_values(project) if "/generated/" in k)))
    assert "Auto (diffusion) · seed 2" in said(at)


def box_values(project: Project) -> list[str]:
    return [
        f"alpha/{origin}/{r.run}"
        for origin in synthetic.ORIGINS
        for r in synthetic.runs(project, "alpha", origin)
    ]


def test_a_run_that_just_ended_is_revealed_once(project: Project) -> None:
    at = visit("generate", project)
    name = add_run(project, "generated", preset="default")
    add_run(project, "generated", preset="default")
    at = visit("generate", project)
    assert at.session_state["generate_reveal"] is None  # nothing ended while the page was open
    newest = add_run(project, "generated", preset="default")
    run(at)
    assert at.selectbox(key="generate_run").value == f"alpha/generated/{newest}" != name
    assert any("@keyframes reveal" in str(h.proto.body) for h in at.get("html"))
    run(at)
    assert not any("@keyframes reveal" in str(h.proto.body) for h in at.get("html"))


def test_a_damaged_run_is_reported(project: Project) -> None:
    name = add_run(project, "generated", preset="default")
    folder = manifest.class_folder(project, "alpha") / "generated" / name
    (folder / "manifest.json").write_text("{")
    at = tab()
    at.query_params["project"] = project.path.name
    at.switch_page(PAGES["generate"])
    assert "manifest.json is damaged" in refused(at).replace("\\", "")
    assert "generate_remove" in keys(at.button)


# -- scores --------------------------------------------------------------------------------------

KID: dict[str, Any] = {
    "title": "KID", "value": 0.021, "same_counts": 0.02, "spread": 0.001, "floor": 0.01,
    "ceiling": 0.4, "ceiling_class": "Beta", "better": "lower", "sentence": "Close to real.",
}  # fmt: skip


def store_scores(project: Project, name: str, **more: Any) -> None:
    folder = manifest.class_folder(project, "alpha") / "generated" / name
    value = {
        "features": "wafernet", "title": "WaferNet", "weights": "abcd", "seconds": 1.25,
        "counts": {"made": 4}, "reference": "3 originals", "sentence": "All is well.",
        "scores": {"kid": KID}, **more,
    }  # fmt: skip
    (folder / "scores-wafernet.json").write_text(json.dumps(value))


def test_a_run_is_scored_and_its_scores_are_shown(
    project: Project, started: list[Path], downloads: dict[str, bytes]
) -> None:
    name = add_run(project, "generated", preset="classic", steps={"train": 60.0})
    at = opened(visit("generate", project), "scores")
    assert "Not scored yet" in texts(at)
    run(at.button(key="generate_score").click())
    spec = jobs.read_spec(started[0])
    assert spec.kind == "score"
    assert spec.parameters == {"class": "Alpha", "run": name, "features": "wafernet"}
    jobs.cancel(started[0])
    none = {**KID, "title": "FID", "value": None, "same_counts": None, "sentence": None,
            "note": "too few"}  # fmt: skip
    store_scores(project, name, scores={"kid": KID, "fid": none})
    run(at)
    assert "**WaferNet** · All is well." in said(at)
    shown = frame(at, "score")
    assert list(shown["score"]) == ["KID", "FID"]
    assert "- Close to real.\n- too few" in said(at)
    assert shown["real wafers"][0] == 0.01
    assert "4 synthetic wafers compared with 3 originals · weights abcd" in said(at)
    assert f"alpha-{name}-scores-wafernet.csv" in downloads
    assert at.button(key="generate_score").label == "Score again"


def test_a_score_has_the_same_value_in_figure_table_sentence_and_file(
    project: Project, downloads: dict[str, bytes]
) -> None:
    """All pictures gave 0.021, the number of pictures of the baseline 0.02: this one is shown."""
    name = add_run(project, "generated", preset="default")
    store_scores(project, name)
    at = visit("generate", project)
    figures = {m.label: (m.value, m.delta.replace("\\", "")) for m in at.metric}
    assert figures["Distance to real (KID)"] == ("0.02", "real wafers: 0.01")
    at = opened(at, "scores")
    assert list(frame(at, "score")["value"]) == [0.02]
    csv = downloads[f"alpha-{name}-scores-wafernet.csv"].decode("utf-8-sig")
    assert csv.splitlines()[1].startswith("KID,0.02,")


def test_class_agreement_is_in_the_table_and_other_weights_are_reported(
    project: Project, downloads: dict[str, bytes]
) -> None:
    name = add_run(project, "generated", preset="default", steps={"train": 6.0})
    agreement = {
        **KID, "title": "Class agreement", "value": 0.75, "same_counts": None, "spread": None,
        "instead": "Beta", "counts": {"made": 4}, "sentence": "3 of 4.",
        "details": {"made": 3, "made_low": 0.3, "made_high": 0.95},
    }  # fmt: skip
    scores = {"kid": KID, "agreement": agreement}
    store_scores(project, name, scores=scores, wafernet="abcd" * 16)
    at = opened(visit("generate", project), "scores")
    assert list(frame(at, "score")["95% interval"]) == ["", "0.30–0.95"]
    csv = downloads[f"alpha-{name}-scores-wafernet.csv"].decode("utf-8-sig")
    assert "Class agreement,0.75,,0.01,0.4,lower,0.30–0.95,3 / 4,Beta" in csv.replace(
        "higher", "lower"
    )
    (warning,) = [w.value for w in at.warning]
    assert "other weights of WaferNet (abcdabcd)" in warning.replace("\\", "")
    assert "Score the run again" in warning
    store_scores(project, name, scores=scores, wafernet=features.wafernet_checksum())
    assert not opened(visit("generate", project), "scores").warning


# -- levels --------------------------------------------------------------------------------------

SWEEP: dict[str, Any] = {
    "setting": "threshold", "values": [40.0, 140.0, 200.0], "kid": [0.5, 0.2, 0.1],
    "failed": [0.4, 0.2, 0.1], "best": 200.0, "counts": [60, 12],
}  # fmt: skip


def test_the_best_threshold_is_marked_and_applied_with_a_click(project: Project) -> None:
    name = add_run(project, "generated", preset="classic", threshold=140, sweep=SWEEP)
    folder = submit.create_job(
        project.path, "generate", {"classes": [{"name": "Alpha", "count": 4}]}
    )
    (folder / "samples").mkdir()
    writer = EventWriter(folder)
    for value in SWEEP["values"]:
        file = f"samples/{value:g}.png"
        (folder / file).write_bytes(images.encode_png(marked(1)))
        writer.append("metric", name="level", values={"class": "Alpha", "value": value,
                                                      "samples": file})  # fmt: skip
    writer.append("result", result={"classes": [{"name": "Alpha", "run": name}]})
    at = opened(visit("generate", project), "levels")
    assert chart(at, f"generate_sweep_{name}")
    shown = table(at, "generate_sweep_table")
    assert list(shown["level"]) == [40, 140, 200]
    assert list(shown["best"]) == ["", "", "best"]
    assert all(url.startswith("data:image/png") for url in shown["wafers"])
    assert at.button(key="generate_apply").label == "Use Threshold 200 (the best)"
    run(at.button(key="generate_apply").click())
    assert at.selectbox(key="generate_method").value == "dcgan"
    assert at.number_input(key="generate_threshold").value == 200
    select_rows(at, "generate_sweep_table", 0)
    run(at)
    run(at.button(key="generate_apply").click())
    assert at.number_input(key="generate_threshold").value == 40


def test_levels_are_shown_when_their_job_is_gone(project: Project) -> None:
    density = {**SWEEP, "setting": "density", "values": [0.5, 1.0, 2.0], "best": 0.5}
    add_run(project, "generated", preset="default", sweep=density)
    at = opened(visit("generate", project), "levels")
    assert "wafers" not in table(at, "generate_sweep_table")
    run(at.button(key="generate_apply").click())
    assert at.selectbox(key="generate_method").value == "auto"
    assert at.slider(key="generate_density").value == 0.5


# -- fit, cost, settings -------------------------------------------------------------------------


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


def test_a_physics_run_shows_its_fit_factors_and_levels(
    project: Project, downloads: dict[str, bytes]
) -> None:
    name = physics_run(project)
    at = visit("generate", project)
    assert at.selectbox(key="generate_run").options[0].startswith("Beta · 4 wafers · Physics")
    assert "Simulated as Donut · Most like Donut; a good fit. · seed 3 · 3 s" in said(at)
    at = opened(at, "fit")
    assert [s.value.replace("\\", "") for s in at.success] == ["Most like Donut; a good fit."]
    assert list(frame(at, "factor")["factor"]) == [DENSITY, RADIUS]
    assert f"Varied on purpose: **{DENSITY}** low (2 %), 12.5 %" in said(at)
    assert f"One wafer of each combination:** {DENSITY}" in said(at)
    lines = downloads[f"beta-{name}-levels.csv"].decode("utf-8-sig").splitlines()
    assert lines[0] == "file,pattern,cell,density_level,density,ring_radius"
    assert len(lines) == 5


def test_a_poor_fit_is_a_warning(project: Project) -> None:
    physics_run(project, fit={"sentence": "Nothing looks like it.", "ratio": 2.5, "shares": {}},
                levels={})  # fmt: skip
    at = opened(visit("generate", project), "fit")
    assert [w.value.replace("\\", "") for w in at.warning] == ["Nothing looks like it."]


def test_only_physics_runs_have_factors(project: Project) -> None:
    add_run(project, "augmented", config={}, seed=1)
    labels = tabs_of(visit("generate", project))
    assert {"Wafers", "Scores", "Settings"} <= set(labels)
    assert "Fit and factors" not in labels


def test_the_cost_of_a_run(project: Project, downloads: dict[str, bytes]) -> None:
    name = add_run(project, "generated", preset="classic", cost={
        "seconds": {"shrink": 0.5, "train": 60.0}, "memory_bytes": {"shrink": 3e8, "train": 5e8},
        "peak_memory_bytes": 5e8, "storage_bytes": 2e6, "network_bytes": 1.5e6, "device": "CPU",
    })  # fmt: skip
    at = opened(visit("generate", project), "cost")
    shown = frame(at, "memory (MB)")
    assert list(shown["seconds"]) == [0.5, 60.0]
    assert list(shown["memory (MB)"]) == [300, 500]
    assert (
        "60.5 s in total · 2.00 MB of pictures · 1.5 MB of network · at most 500 MB of memory · "
        "on CPU" in said(at)
    )
    assert f"alpha-{name}-cost.csv" in downloads


def test_everything_stored_with_a_run_can_be_downloaded(
    project: Project, downloads: dict[str, bytes]
) -> None:
    name = add_run(project, "generated", preset="classic", seed=7)
    opened(visit("generate", project), "settings")
    assert json.loads(downloads[f"alpha-{name}.json"])["seed"] == 7


@pytest.mark.parametrize(
    ("info", "origin", "title"),
    [
        ({"preset": "default"}, "generated", "Auto (diffusion)"),
        ({"preset": "classic"}, "generated", "Classic DCGAN"),
        ({"method": "physics"}, "generated", "Physics (simulator)"),
        ({}, "generated", "Auto (diffusion)"),  # of the first versions
        ({}, "augmented", "Manual (transforms)"),
    ],
)
def test_a_run_is_called_by_its_method(
    project: Project, info: dict[str, str], origin: str, title: str
) -> None:
    add_run(project, origin, **info)
    assert title in visit("generate", project).selectbox(key="generate_run").options[0]
