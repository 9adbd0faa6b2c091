"""Augment: the form, the preview, the job that is started, the result, runs deleted."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest

from browsing import keyed, keys, refused, run, select_rows, table, texts, visit, with_more
from pages.shared import loaders
from wafer_core import jobs
from wafer_core.data import manifest, pictures, synthetic, workspace
from wafer_core.data.project import Project
from wafer_core.parameters import parameters_of
from wafer_core.tasks.augmentation import offline
from wafer_core.workflows import submit
from wafer_core.workflows.runner import run_job


def parameters(started: list[Path]) -> dict[str, object]:
    """Of the one job that was started."""
    (folder,) = started
    spec = jobs.read_spec(folder)
    assert spec.kind == "augment"
    return dict(spec.parameters)


def test_without_wafers_the_page_leads_to_the_classes(home: Path) -> None:
    empty = workspace.create_project(home, "Empty")
    empty.add_class("Alpha")
    at = visit("augment", empty)
    assert [t.value for t in at.title] == ["Augment"]
    assert "There are no wafers to augment yet" in texts(at)
    assert "Go to Classes" in [link.proto.label for link in at.main.page_link]
    assert keys(at.button) == set()


def test_every_setting_has_its_widget_and_its_help(project: Project) -> None:
    at = with_more("augment", project)
    widgets = {w.key: w for kind in (at.slider, at.toggle, at.selectbox, at.number_input)
               for w in kind}  # fmt: skip
    for name, spec in parameters_of(offline.AugmentConfig).items():
        widget = widgets[f"augment_{name}_used" if spec.is_range else f"augment_{name}"]
        assert widget.label == spec.title
        assert spec.help in widget.help
        assert (spec.harms or "") in widget.help
    assert at.toggle(key="augment_horizontal_flip").value
    assert at.slider(key="augment_rotation_range").value == 90


def test_the_defaults_start_the_right_job(project: Project, started: list[Path]) -> None:
    at = visit("augment", project)
    assert at.button(key="augment_make").label == "Make 300 wafers"
    run(at.button(key="augment_make").click())
    assert parameters(started) == {
        "classes": [{"name": name, "count": 100} for name in ("Alpha", "Beta", "Gamma")],
        "config": asdict(offline.AugmentConfig()),
        "seed": 0,
    }


def test_what_is_set_is_what_is_started(project: Project, started: list[Path]) -> None:
    at = with_more("augment", project)
    at.selectbox(key="augment_class").set_value("beta")
    at.slider(key="augment_rotation_range").set_value(10.0)
    at.toggle(key="augment_vertical_flip").set_value(False)
    at.slider(key="augment_zoom_range").set_value(0.2)
    at.selectbox(key="augment_fill_mode").set_value("constant")
    at.toggle(key="augment_brightness_range_used").set_value(True)
    run(at.number_input(key="augment_count").set_value(7))
    at.slider(key="augment_brightness_range").set_range(0.5, 1.5)
    run(at.number_input(key="augment_seed").set_value(3))
    assert "an Edge-Ring may become a Donut" in texts(at)  # the word where it harms wafer maps
    run(at.button(key="augment_make").click())
    given = parameters(started)
    assert given["classes"] == [{"name": "Beta", "count": 7}]
    assert given["seed"] == 3
    expected = offline.AugmentConfig(
        rotation_range=10.0, vertical_flip=False, zoom_range=0.2, fill_mode="constant",
        brightness_range=(0.5, 1.5),
    )  # fmt: skip
    assert offline.AugmentConfig.from_mapping(given["config"]) == expected  # type: ignore[arg-type]


def test_what_is_set_under_more_counts_when_it_is_closed(
    project: Project, started: list[Path]
) -> None:
    """Closed, its widgets are not drawn; what they were set to is said and used all the same."""
    at = with_more("augment", project)
    run(at.toggle(key="augment_brightness_range_used").set_value(True))
    at.selectbox(key="augment_fill_mode").set_value("constant")
    run(at.slider(key="augment_zoom_range").set_value(0.2))
    at.session_state["augment_more"] = False
    run(at)
    assert "augment_zoom_range" not in keys(at.slider)
    assert "Changed under More settings: " in texts(at)
    assert r"Zoom 0\.2" in texts(at)
    run(at.switch_page("pages/6_Jobs.py"))
    run(at.switch_page("pages/2_Augment.py"))
    run(at.button(key="augment_make").click())
    expected = offline.AugmentConfig(
        zoom_range=0.2, fill_mode="constant", brightness_range=(0.8, 1.2)
    )
    assert offline.AugmentConfig.from_mapping(parameters(started)["config"]) == expected  # type: ignore[arg-type]
    at.session_state["augment_more"] = True
    assert run(at).slider(key="augment_zoom_range").value == 0.2


def test_settings_stay_when_one_comes_back_to_the_page(project: Project) -> None:
    at = visit("augment", project)
    run(at.slider(key="augment_rotation_range").set_value(10.0))
    run(at.switch_page("pages/1_Classes.py"))
    run(at.switch_page("pages/2_Augment.py"))
    assert at.slider(key="augment_rotation_range").value == 10


def test_the_preview_follows_the_sliders(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def preview(project: Project, slug: str, config: object, count: int, turn: int) -> str:
        seen.append((slug, config, turn))
        return drawn(project, slug, config, count, turn)  # type: ignore[arg-type]

    drawn = loaders.augment_preview
    monkeypatch.setattr(loaders, "augment_preview", preview)
    at = visit("augment", project)
    run(at.slider(key="augment_shear_range").set_value(0.5))
    run(at.button(key="augment_shuffle").click())
    run(at.selectbox(key="augment_class").set_value("gamma"))
    plain, sheared = offline.AugmentConfig(), offline.AugmentConfig(shear_range=0.5)
    assert seen[0] == ("alpha", plain, 0)
    assert seen[1] == ("alpha", sheared, 0)
    assert seen[-1] == ("gamma", sheared, 1)


def test_without_any_transform_nothing_can_be_made(project: Project) -> None:
    at = visit("augment", project)
    at.slider(key="augment_rotation_range").set_value(0.0)
    at.slider(key="augment_shear_range").set_value(0.0)
    at.toggle(key="augment_horizontal_flip").set_value(False)
    run(at.toggle(key="augment_vertical_flip").set_value(False))
    assert "No transform is on" in texts(at)
    assert at.button(key="augment_make").disabled


def test_a_class_deleted_in_another_tab_leaves_the_list(project: Project) -> None:
    at = visit("augment", project)
    run(at.selectbox(key="augment_class").set_value("gamma"))
    project.delete_class("gamma")
    run(at)
    assert at.selectbox(key="augment_class").value == ""  # all classes


def test_runs_are_shown_listed_and_deleted(project: Project) -> None:
    run_job(
        submit.create_job(
            project.path,
            "augment",
            {
                "classes": [{"name": "Alpha", "count": 3}, {"name": "Beta", "count": 2}],
                "config": {"rotation_range": 45.0},
            },
        )
    )
    at = visit("augment", project)
    listed = table(at, "augment_runs")
    assert dict(zip(listed["class"], listed["wafers"], strict=True)) == {"Alpha": 3, "Beta": 2}
    assert set(listed["changes"]) == {"Rotation 45"}
    assert "5 wafers" in texts(at)
    # the newest run is shown at once
    assert "**Result:** originals above, augmented below" in texts(at)
    assert keyed(at.selectbox, "augment_shown").options[0].endswith("Beta")
    assert at.button(key="augment_remove").disabled
    run(select_rows(at, "augment_runs", 1))
    assert at.button(key="augment_remove").label == "Delete 1 selected run"
    run(at.button(key="augment_remove").click())
    assert synthetic.runs(project, "alpha", "augmented") == ()
    assert len(synthetic.runs(project, "beta", "augmented")[0].records) == 2
    assert len(pictures.originals(project, "alpha")) == 8


def test_a_run_deleted_in_another_tab_leaves_nothing_selected(project: Project) -> None:
    """Fixed: with another run made meanwhile, that one would have been removed."""

    def add() -> str:
        train = [r for r in pictures.originals(project, "alpha") if r.split == "train"]
        picture = manifest.load(project, "alpha", train[0])
        made = [synthetic.SyntheticPicture(picture.T.copy(), train[0].file, {})]
        return synthetic.add(project, "alpha", "augmented", made, {})

    name = add()
    at = visit("augment", project)
    run(select_rows(at, "augment_runs", 0))
    synthetic.delete(project, "alpha", "augmented", name)
    add()
    run(at)
    assert at.button(key="augment_remove").disabled
    assert "Runs (1)" in texts(at)


def test_a_full_disk_is_reported(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    from wafer_core.errors import StorageError

    def full(*_: object, **__: object) -> Path:
        raise StorageError("The disk is full; delete something and try again.")

    monkeypatch.setattr(submit, "create_job", full)
    at = visit("augment", project)
    assert "disk is full" in refused(at.button(key="augment_make").click())
