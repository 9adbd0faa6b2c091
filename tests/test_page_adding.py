"""Classes: wafers dropped onto the page or a class, reviewed, imported, undone."""

from __future__ import annotations

import errno
import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from browsing import drop, keyed, keys, left_out, png, refused, run, texts, typed, visit, zipped
from pages.classes import adding
from wafer_core import jobs
from wafer_core.data import imports, manifest, pictures, workspace
from wafer_core.data.project import Project
from wafer_core.images import FAIL, PASS
from wafer_core.jobs.events import EventWriter
from wafer_core.workflows import submit
from wafer_core.workflows.runner import run_job
from wafers import marked

PATTERNS = ("A", "B", "C")


@pytest.fixture
def empty(home: object) -> Project:
    """A project without classes."""
    return workspace.create_project(workspace.workspace_path(), "Empty")


def counts(project: Project) -> dict[str, int]:
    return {c.name: len(pictures.originals(project, c.slug)) for c in project.classes()}


def dropped(project: Project, *files: tuple[str, bytes], on: str = "") -> AppTest:
    """The page after a drop."""
    return drop(visit("classes", project), "classes", *files, on=on)


def imported(at: AppTest) -> AppTest:
    """Press Import."""
    return run(at.button(key="classes_add_do").click())


def button(at: AppTest) -> str:
    return str(at.button(key="classes_add_do").label)


def choose(at: AppTest, name: str) -> AppTest:
    return run(keyed(at.selectbox, "classes_add_class").set_value(name))


def folders(count: int = 4) -> bytes:
    """A zip with three folders of wafers."""
    return zipped(
        {f"top/{name}/{i}.png": png(100 * n + i) for n, name in enumerate(PATTERNS)
         for i in range(count)}
    )  # fmt: skip


# -- where a drop goes ---------------------------------------------------------------------------


def test_a_zip_with_folders_makes_the_classes(empty: Project) -> None:
    at = dropped(empty, ("wafers.zip", folders()))
    assert "**12 wafers** found → A (4), B (4), C (4)" in texts(at)
    assert button(at) == "Import 12 wafers"
    imported(at)
    assert counts(empty) == {"A": 4, "B": 4, "C": 4}
    assert [s.value for s in at.success] == [r"Imported 12 wafers: A \(4\), B \(4\), C \(4\)"]
    assert "classes_add_do" not in keys(at.button)


def test_a_dropped_folder_tree_makes_the_classes(empty: Project) -> None:
    at = dropped(empty, ("mine/A/1.png", png(1)), ("mine/B/1.png", png(2)))
    imported(at)
    assert counts(empty) == {"A": 1, "B": 1}


def test_a_drop_on_a_class_goes_to_it_and_says_so(project: Project) -> None:
    at = dropped(project, ("one.png", png(501)), ("two.png", png(502)), on="beta")
    assert "**2 wafers** found → Beta" in texts(at)
    assert button(at) == "Import 2 wafers into Beta"
    imported(at)
    assert counts(project) == {"Alpha": 8, "Beta": 10, "Gamma": 8}
    assert [s.value for s in at.subheader] == ["Beta"]


def test_the_class_of_the_last_drop_does_not_stick(project: Project) -> None:
    """Fixed: after a drop into one class the next nine folders went into it without a word."""
    at = imported(dropped(project, ("one.png", png(501)), on="beta"))
    drop(at, "classes", ("wafers.zip", folders()))
    assert keyed(at.selectbox, "classes_add_class").value == ""
    assert "→ A (4), B (4), C (4)" in texts(at)
    imported(at)
    assert counts(project) == {"Alpha": 8, "Beta": 9, "Gamma": 8, "A": 4, "B": 4, "C": 4}


def test_folders_of_several_classes_dropped_on_one_class_ask(project: Project) -> None:
    at = dropped(project, ("wafers.zip", folders()), on="beta")
    assert r"The folders name 3 classes \(A, B, C\)\. Should all wafers go to Beta?" in texts(
        at
    ).replace("(A, B, C)", r"\(A, B, C\)\.").replace(r"\.. ", r"\. ")
    assert at.button(key="classes_add_do").disabled
    answer = keyed(at.radio, "classes_add_where")
    assert answer.value is None
    run(answer.set_value("folders"))
    assert button(at) == "Import 12 wafers"
    run(keyed(at.radio, "classes_add_where").set_value("one"))
    assert button(at) == "Import 12 wafers into Beta"
    imported(at)
    assert counts(project) == {"Alpha": 8, "Beta": 20, "Gamma": 8}


def test_loose_files_need_a_class(project: Project) -> None:
    at = dropped(project, ("one.png", png(501)), ("two.png", png(502)))
    assert "Choose the class that they go to." in texts(at)
    assert at.button(key="classes_add_do").disabled
    imported(choose(at, "Beta"))
    assert counts(project) == {"Alpha": 8, "Beta": 10, "Gamma": 8}


def test_files_outside_of_the_class_folders_are_left_out_and_counted(project: Project) -> None:
    files = {"A/1.png": png(501), "B/1.png": png(502), "loose.png": png(503)}
    at = dropped(project, ("wafers.zip", zipped(files)))
    assert "1 file without a class folder is left out" in texts(at)
    imported(at)
    assert counts(project) == {"Alpha": 8, "Beta": 8, "Gamma": 8, "A": 1, "B": 1}


def test_a_typed_class_name_adds_the_class(project: Project) -> None:
    at = dropped(project, ("one.png", png(501)))
    run(typed(keyed(at.selectbox, "classes_add_class"), "New one"))
    typed(keyed(at.selectbox, "classes_add_class"), "New one")
    imported(at)
    assert counts(project)["New one"] == 1


def test_discard_forgets_the_drop(project: Project) -> None:
    at = dropped(project, ("one.png", png(501)), on="beta")
    run(at.button(key="classes_add_discard").click())
    assert "classes_add_do" not in keys(at.button)
    assert counts(project) == {"Alpha": 8, "Beta": 8, "Gamma": 8}


def test_a_drop_belongs_to_its_project(project: Project, empty: Project) -> None:
    at = dropped(project, ("one.png", png(501)), on="beta")
    at.query_params["project"] = empty.path.name
    run(at)
    assert "classes_add_do" not in keys(at.button)


# -- what came -----------------------------------------------------------------------------------


def test_duplicates_and_conflicts_are_reported(project: Project) -> None:
    at = dropped(project, ("again.png", png(0)), ("other.png", png(1000)), ("new.png", png(503)),
                 on="alpha")  # fmt: skip
    imported(at)
    assert counts(project)["Alpha"] == 10
    (report,) = [s.value for s in at.success]
    assert r"Imported 2 wafers: Alpha \(2\)" in report
    assert r"Already in their class, stored once: Alpha \(1\)" in report
    assert "1 wafer is in more than one class" in report


def test_an_import_of_nothing_new_says_so(project: Project) -> None:
    at = imported(dropped(project, ("again.png", png(0)), on="alpha"))
    assert any("Nothing new was imported." in w.value for w in at.warning)
    assert "classes_undo_last" not in keys(at.button)


def test_an_import_is_undone_as_a_whole_and_can_be_done_again(project: Project) -> None:
    at = imported(dropped(project, ("wafers.zip", folders())))
    run(at.button(key="classes_undo_last").click())
    assert counts(project) == {"Alpha": 8, "Beta": 8, "Gamma": 8}
    assert [t.value for t in at.toast] == ["12 wafers removed. Classes removed: A, B, C."]
    newest = imports.runs(project)[0]
    assert "**undone**" in texts(at)
    run(at.button(key=f"classes_import_redo_{newest.id}").click())
    assert counts(project)["A"] == 4
    run(at.button(key=f"classes_import_undo_{newest.id}").click())
    run(at.button(key=f"classes_import_discard_{newest.id}").click())
    assert newest.id not in {found.id for found in imports.runs(project)}


def test_bad_files_are_reported_and_the_good_ones_kept(project: Project) -> None:
    bad = {
        "text.png": b"this is text, not a picture",
        "cut.png": png(504)[:60],
        "empty.png": b"",
        "objects.npy": _npy(np.array([{"a": 1}], object)),
        "nan.npy": _npy(np.full((8, 8), np.nan)),
        "words.csv": b"this,is\nno,wafer",
        "broken.zip": b"PK\x03\x04 and then nothing",
        "climbs.zip": zipped({"../../evil.png": png(1), "Good/fine.png": png(505)}),
    }
    at = dropped(project, *bad.items(), ("good.png", png(506)), on="alpha")
    sentences = left_out(at)
    for name in bad:
        assert any(name in sentence for sentence in sentences), name
    imported(at)
    assert counts(project)["Alpha"] == 9
    assert not list(project.path.parent.rglob("evil*"))
    assert len(left_out(at)) == len(bad)
    assert imports.runs(project)[0].rejected == len(bad)


def test_only_bad_files_import_nothing(empty: Project) -> None:
    at = dropped(empty, ("climbs.zip", zipped({"../evil.png": png(1)})))
    assert at.button(key="classes_add_do").disabled
    (sentence,) = left_out(at)
    assert "climbs.zip" in sentence
    assert counts(empty) == {}


def test_the_roles_of_colours_can_be_changed(empty: Project) -> None:
    """A rendering in which the many green dies passed; the user says it is the other way round."""
    wafer = marked(7)
    colours = np.zeros((*wafer.shape, 3), np.uint8)
    colours[...] = (255, 255, 255)
    colours[wafer == PASS] = (0, 160, 60)
    colours[wafer == FAIL] = (210, 30, 30)
    stream = io.BytesIO()
    Image.fromarray(colours.repeat(4, 0).repeat(4, 1)).save(stream, "PNG")
    at = dropped(empty, ("drawn.zip", zipped({"Loc/drawn.png": stream.getvalue()})))
    green = next(box for box in at.selectbox if str(box.key).endswith("#00a03c"))
    red = next(box for box in at.selectbox if str(box.key).endswith("#d21e1e"))
    assert (green.value, red.value) == ("pass", "fail")
    green.set_value("fail")
    run(red.set_value("pass"))
    imported(at)
    (record,) = pictures.originals(empty, empty.find_class("Loc").slug)
    stored = manifest.load(empty, empty.find_class("Loc").slug, record)
    assert stored.shape == wafer.shape
    assert ((stored == FAIL) == (wafer == PASS)).all()
    assert ((stored == PASS) == (wafer == FAIL)).all()


def test_a_full_disk_is_reported_and_nothing_is_half_stored(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = dropped(project, ("one.png", png(501)), on="beta")

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        patch.setattr(Path, "replace", full)
        patch.setattr(Path, "rename", full)
        assert "disk" in refused(at.button(key="classes_add_do").click()).lower()
    assert counts(project) == {"Alpha": 8, "Beta": 8, "Gamma": 8}


# -- by a job ------------------------------------------------------------------------------------


def test_many_wafers_are_imported_by_a_job(
    project: Project, started: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adding, "AT_ONCE", 2)
    files = [(f"{n}.png", png(600 + n)) for n in range(3)]
    at = imported(dropped(project, *files, on="gamma"))
    (state,) = jobs.list_jobs(project.path)
    assert started == [state.folder]
    assert state.kind == "import"
    assert state.spec.parameters["class_name"] == "Gamma"
    assert state.spec.uploads == ("0.png", "1.png", "2.png")
    run_job(state.folder)
    run(at)
    assert [s.value for s in at.success] == [r"Imported 3 wafers: Gamma \(3\)"]
    run(at.button(key="classes_undo_last").click())
    assert counts(project) == {"Alpha": 8, "Beta": 8, "Gamma": 8}


@pytest.mark.parametrize("event", ["running", "failed", "result"])
def test_an_import_that_is_running_or_failed_is_shown(project: Project, event: str) -> None:
    folder = submit.create_job(project.path, "import", {"class_name": "Alpha"})
    EventWriter(folder).append(event, text="The disk is full; delete something.")
    at = visit("classes", project)
    assert ("disk is full" in texts(at)) == (event == "failed")
    assert any(b.label == "Cancel" for b in at.button) == (event == "running")


def _npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()
