"""Classes: made, changed, ordered, deleted, brought back; wafers dropped, looked at, moved."""

from __future__ import annotations

import errno
import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from browsing import (
    chart,
    keyed,
    keys,
    labelled,
    left_out,
    png,
    refused,
    run,
    select_points,
    select_rows,
    table,
    texts,
    told,
    typed,
    visit,
    zipped,
)
from pages.classes import upload
from pages.shared import gallery
from wafer_core import images, jobs
from wafer_core.data import manifest, pictures, synthetic, workspace
from wafer_core.data.project import Project
from wafer_core.images import FAIL, PASS
from wafer_core.jobs.events import EventWriter
from wafer_core.workflows import submit
from wafers import fill, marked

TABLE = "classes_table"


@pytest.fixture
def empty(home: object) -> Project:
    """A project without classes."""
    return workspace.create_project(workspace.workspace_path(), "Empty")


def names(project: Project) -> list[str]:
    return [c.name for c in project.classes()]


def counts(project: Project) -> dict[str, int]:
    return {c.name: len(pictures.originals(project, c.slug)) for c in project.classes()}


def add_wafers(at: AppTest) -> AppTest:
    """Open the drop zone; it is open from the beginning in an empty project only."""
    at.session_state["upload_open"] = True
    return run(at)


def sheets(at: AppTest) -> list[str]:
    """What the pictures on the page show."""
    return [image.alt for found in at.image for image in found.proto.imgs]


def selecting(project: Project) -> AppTest:
    """The page with wafers that can be clicked."""
    at = visit("classes", project)
    return run(at.segmented_control(key="classes_view").set_value(gallery.SELECT))


def drop(at: AppTest, *files: tuple[str, bytes]) -> AppTest:
    """Drop files into the left box."""
    box = keyed(add_wafers(at).file_uploader, "upload_files")
    return run(box.set_value([(name, data, "application/octet-stream") for name, data in files]))


def imported(at: AppTest) -> AppTest:
    """Press Import."""
    return run(at.button(key="upload_do").click())


# -- classes -------------------------------------------------------------------------------------


def test_an_empty_project_says_what_to_do(empty: Project) -> None:
    at = visit("classes", empty)
    assert [t.value for t in at.title] == ["Classes"]
    assert keys(at.button) == {"classes_add"}
    assert keys(at.file_uploader) == {"upload_files_0", "upload_folder_0"}
    assert "No class yet. Press **Add class**" in texts(at)


def test_a_filled_project_shows_counts_and_the_first_class(project: Project) -> None:
    at = visit("classes", project)
    shown = table(at, TABLE)
    assert list(shown["class"]) == ["Alpha", "Beta", "Gamma"]
    assert list(shown["wafers"]) == [8, 8, 8]
    assert (shown["training"] + shown["validation"] + shown["test"] == shown["wafers"]).all()
    assert [s.value for s in at.subheader] == ["Alpha"]
    assert at.button(key="classes_Up").disabled
    assert not at.button(key="classes_Down").disabled
    assert sheets(at) == ["Contact sheet of 8 wafers"]
    assert "choose **Select wafers** above" in texts(at)
    assert keys(at.file_uploader) == set()  # the drop zone is closed, and not drawn


def test_add_a_class(empty: Project) -> None:
    at = visit("classes", empty)
    run(at.button(key="classes_add").click())
    at.text_input(key="classes_new_name").set_value("긁힘")
    at.text_input(key="classes_new_description").set_value("A line.")
    at.button(key="classes_new_do").click()
    run(at.button(key="classes_add").click())
    (made,) = empty.classes()
    assert (made.name, made.description) == ("긁힘", "A line.")
    assert [s.value for s in at.subheader] == ["긁힘"]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("", "is empty"),
        ("x" * 300, "300 characters"),
        ("..", "keep it for themselves"),
        ("con", "keep it for themselves"),
        ("ALPHA", "a class “Alpha” already"),
    ],
)
def test_a_class_name_that_cannot_be_used_is_told(
    project: Project, name: str, sentence: str
) -> None:
    at = visit("classes", project)
    run(at.button(key="classes_add").click())
    at.text_input(key="classes_new_name").set_value(name)
    at.button(key="classes_new_do").click()
    assert sentence in refused(at.button(key="classes_add").click())
    assert names(project) == ["Alpha", "Beta", "Gamma"]


def test_edit_name_and_description(project: Project) -> None:
    at = visit("classes", project)
    run(select_rows(at, TABLE, 1))
    run(at.button(key="classes_edit").click())
    assert at.text_input(key="classes_edit_name_beta").value == "Beta"
    at.text_input(key="classes_edit_name_beta").set_value("Ring 💍")
    at.text_area(key="classes_edit_description_beta").set_value("All the way round.")
    at.button(key="classes_edit_do_beta").click()
    run(at.button(key="classes_edit").click())
    assert names(project) == ["Alpha", "Ring 💍", "Gamma"]
    assert project.find_class("Ring 💍").slug == "beta"
    assert [s.value for s in at.subheader] == ["Ring 💍"]
    assert "All the way round." in texts(at)


def test_a_name_with_markdown_is_shown_as_it_is(project: Project) -> None:
    project.rename_class("alpha", "*A* <b> $x$")
    assert r"\*A\* \<b\> \$x\$" in texts(visit("classes", project))


def test_reorder(project: Project) -> None:
    at = visit("classes", project)
    run(at.button(key="classes_Down").click())
    assert names(project) == ["Beta", "Alpha", "Gamma"]
    assert [s.value for s in at.subheader] == ["Alpha"]
    run(at.button(key="classes_Up").click())
    assert names(project) == ["Alpha", "Beta", "Gamma"]
    assert list(table(at, TABLE)["class"]) == ["Alpha", "Beta", "Gamma"]


def test_delete_and_restore_a_class_with_its_wafers(project: Project) -> None:
    at = visit("classes", project)
    run(select_rows(at, TABLE, 2))
    run(at.button(key="classes_delete").click())
    assert names(project) == ["Alpha", "Beta"]
    assert [t.value for t in at.toast] == ["“Gamma” is in the trash below; it can be restored."]
    (item,) = project.trash()
    run(at.button(key=f"classes_restore_{item.id}").click())
    assert counts(project) == {"Alpha": 8, "Beta": 8, "Gamma": 8}
    assert [s.value for s in at.subheader] == ["Gamma"]


def test_delete_for_good(project: Project) -> None:
    project.delete_class("alpha")
    at = visit("classes", project)
    run(at.button(key="classes_empty_trash").click())
    assert project.trash() == ()
    assert "classes_empty_trash" not in keys(at.button)


def test_a_class_with_few_wafers_warns(project: Project) -> None:
    fill(project, "Rare", 1, start=90)
    at = visit("classes", project)
    run(select_rows(at, TABLE, 3))
    assert "Only 1 of at least 5 wafers" in texts(at)


def test_two_tabs_edit_one_class(project: Project) -> None:
    """The class that one tab edits is deleted in the other: no other class takes the new name."""
    here, there = visit("classes", project), visit("classes", project)
    run(here.button(key="classes_edit").click())
    here.text_input(key="classes_edit_name_alpha").set_value("Renamed here")
    run(there.button(key="classes_delete").click())
    here.button(key="classes_edit_do_alpha").click()
    run(here.button(key="classes_edit").click())
    assert names(project) == ["Beta", "Gamma"]
    run(there.button(key=f"classes_restore_{project.trash()[0].id}").click())
    assert sum(counts(project).values()) == 24


def test_two_tabs_rename_to_the_same_name(project: Project) -> None:
    here, there = visit("classes", project), visit("classes", project)
    for at in (here, there):
        run(at.button(key="classes_edit").click())
    here.text_input(key="classes_edit_name_alpha").set_value("Ring")
    here.button(key="classes_edit_do_alpha").click()
    run(here.button(key="classes_edit").click())
    run(select_rows(there, TABLE, 1))
    run(there.button(key="classes_edit").click())
    there.text_input(key="classes_edit_name_beta").set_value("ring")
    there.button(key="classes_edit_do_beta").click()
    assert "a class “Ring” already" in refused(there.button(key="classes_edit").click())
    assert names(project) == ["Ring", "Beta", "Gamma"]


# -- wafers in -----------------------------------------------------------------------------------


def test_a_zip_with_folders_makes_the_classes(empty: Project) -> None:
    at = visit("classes", empty)
    members = {f"top/{name}/{i}.png": png(10 * i + len(name)) for name in ("Donut", "Loc")
               for i in range(4)}  # fmt: skip
    drop(at, ("wafers.zip", zipped(members)))
    assert "**8 pictures found:** Donut (4), Loc (4)" in texts(at)
    assert at.button(key="upload_do").label == "Import 8 pictures"
    imported(at)
    assert counts(empty) == {"Donut": 4, "Loc": 4}
    assert [s.value for s in at.success] == ["Imported 4 to Donut, 4 to Loc."]
    assert "upload_do" not in keys(at.button)


def test_a_dropped_folder_tree_makes_the_classes(empty: Project) -> None:
    at = visit("classes", empty)
    files = [(f"mine/{name}/1.png", png(n), "image/png") for n, name in enumerate(("A", "B"))]
    run(keyed(at.file_uploader, "upload_folder").set_value(files))
    imported(at)
    assert counts(empty) == {"A": 1, "B": 1}


def test_loose_files_need_a_class(project: Project) -> None:
    at = visit("classes", project)
    drop(at, ("one.png", png(501)), ("two.png", png(502)))
    assert "2 of them lie in no folder" in texts(at)
    assert at.button(key="upload_do").disabled
    run(at.selectbox(key="upload_class").set_value("Beta"))
    imported(at)
    assert counts(project) == {"Alpha": 8, "Beta": 10, "Gamma": 8}


def test_a_typed_class_name_adds_the_class(project: Project) -> None:
    at = visit("classes", project)
    drop(at, ("one.png", png(501)))
    run(typed(at.selectbox(key="upload_class"), "New one"))
    typed(at.selectbox(key="upload_class"), "New one")
    imported(at)
    assert counts(project)["New one"] == 1


def test_the_same_wafer_again_is_stored_once_and_told(project: Project) -> None:
    at = visit("classes", project)
    drop(at, ("again.png", png(0)), ("new.png", png(503)))
    run(at.selectbox(key="upload_class").set_value("Alpha"))
    imported(at)
    assert counts(project)["Alpha"] == 9
    assert "1 were in their class already and are stored once." in texts(at)


def test_rubbish_is_told_and_the_good_are_kept(project: Project) -> None:
    at = visit("classes", project)
    bad = {
        "text.png": b"this is text, not a picture",
        "cut.png": png(504)[:60],
        "empty.png": b"",
        "objects.npy": _npy(np.array([{"a": 1}], object)),
        "rank.npy": _npy(np.zeros(5)),
        "nan.npy": _npy(np.full((8, 8), np.nan)),
        "words.csv": b"this,is\nno,wafer",
        "broken.zip": b"PK\x03\x04 and then nothing",
        "climbs.zip": zipped({"../../evil.png": png(1), "Good/fine.png": png(505)}),
    }
    drop(at, *bad.items(), ("good.png", png(506)))
    run(at.selectbox(key="upload_class").set_value("Alpha"))
    sentences = left_out(at)
    for name in bad:
        assert any(name in sentence for sentence in sentences), name
    imported(at)
    assert counts(project)["Alpha"] == 9
    assert not list(project.path.parent.rglob("evil*"))
    assert len(left_out(at)) == len(bad)


def test_only_rubbish_imports_nothing(empty: Project) -> None:
    at = visit("classes", empty)
    drop(at, ("climbs.zip", zipped({"../evil.png": png(1)})))
    assert at.button(key="upload_do").disabled
    (sentence,) = left_out(at)
    assert "climbs.zip" in sentence
    assert names(empty) == []


def test_the_guess_of_colours_can_be_changed(empty: Project) -> None:
    """A rendering in which the many green dies passed; the user says it is the other way round."""
    wafer = marked(7)
    colours = np.zeros((*wafer.shape, 3), np.uint8)
    colours[...] = (255, 255, 255)
    colours[wafer == PASS] = (0, 160, 60)
    colours[wafer == FAIL] = (210, 30, 30)
    stream = io.BytesIO()
    Image.fromarray(colours.repeat(4, 0).repeat(4, 1)).save(stream, "PNG")
    at = visit("classes", empty)
    drop(at, ("drawn.zip", zipped({"Loc/drawn.png": stream.getvalue()})))
    green = at.selectbox(key="upload_colour_#00a03c")
    red = at.selectbox(key="upload_colour_#d21e1e")
    assert (green.value, red.value) == ("pass", "fail")
    green.set_value("fail")
    run(red.set_value("pass"))
    imported(at)
    (record,) = pictures.originals(empty, empty.find_class("Loc").slug)
    stored = manifest.load(empty, empty.find_class("Loc").slug, record)
    assert stored.shape == wafer.shape
    assert ((stored == FAIL) == (wafer == PASS)).all()
    assert ((stored == PASS) == (wafer == FAIL)).all()


def test_a_full_disk_is_told_and_nothing_is_half_stored(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = visit("classes", project)
    drop(at, ("one.png", png(501)))
    run(at.selectbox(key="upload_class").set_value("Beta"))

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        patch.setattr(Path, "replace", full)
        patch.setattr(Path, "rename", full)
        assert "disk" in refused(at.button(key="upload_do").click()).lower()
    assert counts(project) == {"Alpha": 8, "Beta": 8, "Gamma": 8}


def test_many_pictures_are_imported_by_a_job(
    project: Project, started: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload, "AT_ONCE", 2)
    at = visit("classes", project)
    drop(at, *((f"{n}.png", png(600 + n)) for n in range(3)))
    run(at.selectbox(key="upload_class").set_value("Gamma"))
    imported(at)
    (state,) = jobs.list_jobs(project.path)
    assert started == [state.folder]
    assert state.kind == "import"
    assert state.spec.parameters["class_name"] == "Gamma"
    assert state.spec.uploads == ("0.png", "1.png", "2.png")


def test_new_pictures_show_without_a_reload(project: Project) -> None:
    at = visit("classes", project)
    fill(project, "Alpha", 3, start=700)
    assert list(table(run(at), TABLE)["wafers"]) == [11, 8, 8]


def test_the_drop_zone_stays_open_where_it_was_opened(project: Project) -> None:
    at = add_wafers(visit("classes", project))
    run(at.button(key="classes_Down").click())
    assert len(at.file_uploader) == 2
    run(at.switch_page("pages/6_Jobs.py"))
    run(at.switch_page("pages/1_Classes.py"))
    assert len(at.file_uploader) == 0


@pytest.mark.parametrize(("event", "drop_zones"), [("running", 2), ("failed", 2), ("result", 0)])
def test_an_import_that_runs_or_failed_is_seen_at_once(
    project: Project, event: str, drop_zones: int
) -> None:
    folder = submit.create_job(project.path, "import", {"class_name": "Alpha"})
    EventWriter(folder).append(event, error="The disk is full; delete something.")
    at = visit("classes", project)
    assert len(at.file_uploader) == drop_zones
    assert ("disk is full" in texts(at)) == (event == "failed")


# -- wafers shown --------------------------------------------------------------------------------


def test_the_sheet_can_be_clicked_once_one_wants_to_select(project: Project) -> None:
    at = selecting(project)
    assert chart(at, "classes_alpha_all").endswith("_sheet")
    assert sheets(at) == []
    assert "Click a wafer, or draw a box around several" in texts(at)
    run(at.switch_page("pages/6_Jobs.py"))
    run(at.switch_page("pages/1_Classes.py"))
    assert at.segmented_control(key="classes_view").value == gallery.SELECT


def test_open_a_wafer_large(project: Project) -> None:
    at = selecting(project)
    run(select_points(at, "classes_alpha_all", [{"point_index": 0}]))
    assert "**1 selected**" in texts(at)
    run(at.button(key="classes_large").click())
    record = pictures.originals(project, "alpha")[0]
    counted = images.die_counts(manifest.load(project, "alpha", record))
    assert f"{counted.dies:,} dies · {counted.failed:,} failed" in texts(at)
    assert f"yield {counted.yield_fraction:.1%}" in texts(at)
    assert f"SHA-256 {record.sha[:16]}" in texts(at)


def test_delete_selected_wafers_and_restore_them(project: Project) -> None:
    at = selecting(project)
    gone = [r.file for r in pictures.originals(project, "alpha")[:2]]
    run(select_points(at, "classes_alpha_all", [{"point_index": 0}, {"point_index": 1}]))
    run(at.button(key="classes_delete_pictures").click())
    assert not set(gone) & {r.file for r in pictures.originals(project, "alpha")}
    assert "selected**" not in texts(at)
    run(at.button(key=f"classes_restore_{project.trash()[0].id}").click())
    assert set(gone) <= {r.file for r in pictures.originals(project, "alpha")}


def test_move_selected_wafers_from_the_table_view(project: Project) -> None:
    at = visit("classes", project)
    run(at.segmented_control(key="classes_view").set_value(gallery.TABLE))
    moved = pictures.originals(project, "alpha")[2]
    run(select_rows(at, "classes_alpha_all", 2))
    run(at.selectbox(key="classes_move_alpha").select_index(1))
    run(at.button(key="classes_move_do").click())
    assert counts(project) == {"Alpha": 7, "Beta": 8, "Gamma": 9}
    assert moved.sha in {r.sha for r in pictures.originals(project, "gamma")}
    assert [t.value for t in at.toast] == ["1 moved to “Gamma”."]


def test_a_wafer_deleted_in_another_tab_takes_no_other_with_it(project: Project) -> None:
    at = selecting(project)
    run(select_points(at, "classes_alpha_all", [{"point_index": 0}]))
    record = pictures.originals(project, "alpha")[0]
    pictures.delete_pictures(project, "alpha", [record.file])
    at.button(key="classes_delete_pictures").click().run()
    assert told(at) == []  # the sheet has a new version, so nothing is selected any more
    assert counts(project)["Alpha"] == 7


def test_a_selection_never_points_at_another_wafer(project: Project) -> None:
    """Fixed: another tab deleted the selected wafer and added one; the new one was selected."""
    at = selecting(project)
    run(select_points(at, "classes_alpha_all", [{"point_index": 0}]))
    record = pictures.originals(project, "alpha")[0]
    pictures.delete_pictures(project, "alpha", [record.file])
    fill(project, "Alpha", 1, start=720)
    assert "selected**" not in texts(run(at))


def test_show_one_part_of_the_split(project: Project) -> None:
    at = visit("classes", project)
    run(at.segmented_control(key="classes_part").set_value("test"))
    run(at.segmented_control(key="classes_view").set_value(gallery.TABLE))
    assert set(table(at, "classes_alpha_test")["part"]) == {"test"}
    run(at.segmented_control(key="classes_part").set_value("generated"))
    assert "The Generate page makes more of what you have." in texts(at)


def test_made_pictures_are_shown_by_run(project: Project) -> None:
    parent = next(r for r in pictures.originals(project, "alpha") if r.part == "train")
    made = [synthetic.MadePicture(marked(800 + i), parent.file, {}) for i in range(3)]
    run_name = synthetic.add(project, "alpha", "augmented", made, {})
    at = visit("classes", project)
    run(at.segmented_control(key="classes_part").set_value("augmented"))
    assert at.selectbox(key="classes_run_alpha_augmented").value.run == run_name
    assert sheets(at) == ["Contact sheet of 3 wafers"]
    run(at.segmented_control(key="classes_view").set_value(gallery.TABLE))
    assert len(table(at, f"classes_{run_name}")) == 3


def test_pages_of_a_class_with_many_wafers(project: Project) -> None:
    fill(project, "Many", gallery.PER_PAGE + 3, start=5000)
    at = visit("classes", project)
    run(select_rows(at, TABLE, 3))
    run(at.segmented_control(key="classes_view").set_value(gallery.TABLE))
    assert len(table(at, "classes_many_all")) == gallery.PER_PAGE
    (pages,) = at.pagination
    run(pages.set_value(2))
    assert len(table(at, "classes_many_all")) == 3


def test_a_wafer_in_two_classes_is_a_conflict_with_a_way_out(project: Project) -> None:
    new = [pictures.NewPicture(marked(0), "twice.png")]
    pictures.add_originals(project, "beta", new)
    at = visit("classes", project)
    assert any(e.label.startswith("1 picture lies in more than one class") for e in at.expander)
    run(labelled(at.button, "Delete from Beta").click())
    assert counts(project) == {"Alpha": 8, "Beta": 8, "Gamma": 8}
    assert not any("more than one class" in e.label for e in at.expander)


def test_a_grey_picture_is_told_as_one(project: Project) -> None:
    grey = np.arange(400, dtype=np.uint8).reshape(20, 20)
    pictures.add_originals(project, project.add_class("SEM").slug,
                           [pictures.NewPicture(grey, "sem.png")])  # fmt: skip
    at = selecting(project)
    run(select_rows(at, TABLE, 3))
    run(select_points(at, "classes_sem_all", [{"point_index": 0}]))
    run(at.button(key="classes_large").click())
    assert "20 × 20 pixels, grey from 0 to 255" in texts(at)


def test_a_damaged_picture_file_is_drawn_as_nothing(project: Project) -> None:
    record = pictures.originals(project, "alpha")[0]
    manifest.picture_path(project, "alpha", record).write_bytes(b"gone")
    at = selecting(project)
    select_points(at, "classes_alpha_all", [{"point_index": 0}])
    run(at)
    assert record.file in refused(at.button(key="classes_large").click())


def _npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()
