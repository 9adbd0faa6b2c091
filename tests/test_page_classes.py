"""Classes: added, changed, ordered, deleted, restored; their wafers shown, sorted, moved."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from browsing import errors_on, keys, labelled, refused, run, table, texts, visit
from pages.shared import gallery
from wafer_core import images
from wafer_core.data import imports, manifest, pictures, synthetic, workspace
from wafer_core.data.project import Project
from wafers import fill, marked


@pytest.fixture
def empty(home: object) -> Project:
    """A project without classes."""
    return workspace.create_project(workspace.workspace_path(), "Empty")


def names(project: Project) -> list[str]:
    return [c.name for c in project.classes()]


def counts(project: Project) -> dict[str, int]:
    return {c.name: len(pictures.originals(project, c.slug)) for c in project.classes()}


def files(project: Project, slug: str) -> list[str]:
    return [r.file for r in pictures.originals(project, slug)]


def choose(at: AppTest, slug: str) -> AppTest:
    """Click the row of a class."""
    at.session_state["classes_chosen"] = slug
    return run(at)


def select(at: AppTest, slug: str, chosen: list[str]) -> AppTest:
    """Click wafers of a class."""
    at.session_state[f"classes_{slug}_selected"] = set(chosen)
    return run(at)


def act(at: AppTest, slug: str, label: str) -> AppTest:
    """Choose from the menu of a class."""
    return at.menu_button(key=f"classes_more_{slug}").click(label).run()


def heading(at: AppTest) -> str:
    (found,) = [s.value for s in at.subheader]
    return str(found)


# -- classes -------------------------------------------------------------------------------------


def test_an_empty_project_says_what_to_do(empty: Project) -> None:
    at = visit("classes", empty)
    assert [t.value for t in at.title] == ["Classes"]
    assert keys(at.button) == {"classes_add"}
    assert "No classes yet. Press **Add class**" in texts(at)


def test_a_filled_project_shows_the_first_class(project: Project) -> None:
    at = visit("classes", project)
    assert heading(at) == "Alpha"
    assert at.menu_button(key="classes_more_alpha").options == [
        "Move down in the list",
        "Delete class",
    ]
    assert "None selected" in texts(at)
    assert at.button(key="classes_open").disabled


def test_add_a_class(empty: Project) -> None:
    at = visit("classes", empty)
    run(at.button(key="classes_add").click())
    at.text_input(key="classes_new_name").set_value("긁힘")
    at.text_input(key="classes_new_description").set_value("A line.")
    labelled(at.button, "Add").click()
    run(at.button(key="classes_add").click())
    (added,) = empty.classes()
    assert (added.name, added.description) == ("긁힘", "A line.")
    assert heading(at) == "긁힘"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("", "Enter a class name"),
        ("x" * 300, "300 characters"),
        ("..", "is a reserved name"),
        ("con", "is a reserved name"),
        ("ALPHA", "already a class “Alpha”"),
    ],
)
def test_a_class_name_that_cannot_be_used_is_refused(
    project: Project, name: str, sentence: str
) -> None:
    at = visit("classes", project)
    run(at.button(key="classes_add").click())
    at.text_input(key="classes_new_name").set_value(name)
    labelled(at.button, "Add").click()
    assert sentence in refused(at.button(key="classes_add").click())
    assert names(project) == ["Alpha", "Beta", "Gamma"]


def test_edit_name_and_description(project: Project) -> None:
    at = choose(visit("classes", project), "beta")
    run(at.button(key="classes_edit_beta").click())
    assert at.text_input(key="classes_edit_name_beta").value == "Beta"
    at.text_input(key="classes_edit_name_beta").set_value("Ring 💍")
    at.text_area(key="classes_edit_description_beta").set_value("All the way round.")
    labelled(at.button, "Save").click()
    run(at.button(key="classes_edit_beta").click())
    assert names(project) == ["Alpha", "Ring 💍", "Gamma"]
    assert project.find_class("Ring 💍").slug == "beta"
    assert heading(at) == "Ring 💍"
    assert r"All the way round\." in texts(at)


def test_a_class_shows_and_edits_what_it_combines(project: Project) -> None:
    project.add_class("Alpha + Beta")
    slug = project.find_class("Alpha + Beta").slug
    at = choose(visit("classes", project), slug)
    assert r"Combines: **Alpha \+ Beta**" in texts(at)
    run(at.button(key=f"classes_edit_{slug}").click())
    at.multiselect(key=f"classes_edit_combines_{slug}").set_value(["beta", "gamma"])
    labelled(at.button, "Save").click()
    run(at.button(key=f"classes_edit_{slug}").click())
    assert project.find_class(slug).combines == ("beta", "gamma")
    assert r"Combines: **Beta \+ Gamma**" in texts(at)


def test_one_combined_class_is_refused(project: Project) -> None:
    at = visit("classes", project)
    run(at.button(key="classes_edit_alpha").click())
    at.multiselect(key="classes_edit_combines_alpha").set_value(["beta"])
    labelled(at.button, "Save").click()
    assert "two or more classes" in refused(at.button(key="classes_edit_alpha").click())


def test_a_name_with_markup_is_shown_as_it_is(project: Project) -> None:
    project.rename_class("alpha", "*A* <b> $x$")
    assert heading(visit("classes", project)) == r"\*A\* \<b\> \$x\$"


def test_reorder(project: Project) -> None:
    at = visit("classes", project)
    assert errors_on(act(at, "alpha", "Move down in the list")) == []
    assert names(project) == ["Beta", "Alpha", "Gamma"]
    act(at, "beta", "Move down in the list")
    assert names(project) == ["Alpha", "Beta", "Gamma"]


def test_delete_and_restore_a_class_with_its_wafers(project: Project) -> None:
    at = choose(visit("classes", project), "gamma")
    act(at, "gamma", "Delete class")
    assert names(project) == ["Alpha", "Beta"]
    assert [t.value for t in at.toast] == ["Gamma is in the trash below and can be restored."]
    (item,) = project.trash()
    run(at.button(key=f"classes_restore_{item.id}").click())
    assert counts(project) == {"Alpha": 8, "Beta": 8, "Gamma": 8}
    assert heading(at) == "Gamma"


def test_delete_permanently_asks_and_names_what_goes(project: Project) -> None:
    project.delete_class("alpha")
    pictures.delete_pictures(project, "beta", files(project, "beta")[:2])
    at = visit("classes", project)
    run(at.button(key="classes_empty_trash").click())
    assert "- Class Alpha" in texts(at)
    assert "- Wafers: 2 × Beta" in texts(at)
    assert len(project.trash()) == 2
    at.button(key="classes_empty_trash_do").click()
    run(at.button(key="classes_empty_trash").click())
    assert project.trash() == ()
    assert "classes_empty_trash" not in keys(at.button)


def test_a_class_with_few_wafers_warns(project: Project) -> None:
    fill(project, "Rare", 1, start=90)
    at = choose(visit("classes", project), "rare")
    assert "Only 1 wafer; 5 are needed" in texts(at)


def test_a_damaged_class_is_shown_with_the_reason(project: Project) -> None:
    (project.path / "classes" / "beta" / "originals" / "manifest.json").write_text("[]")
    at = visit("classes", project)
    assert "Alpha" in heading(at)
    at.session_state["classes_chosen"] = "beta"
    assert any("damaged" in error for error in errors_on(at.run()))


# -- two tabs ------------------------------------------------------------------------------------


def test_delete_in_a_tab_whose_class_is_gone_says_so_and_deletes_nothing(project: Project) -> None:
    """Fixed: the page of the other tab showed the next class, which the press then deleted."""
    here, there = visit("classes", project), visit("classes", project)
    assert errors_on(act(there, "alpha", "Delete class")) == []
    (error,) = errors_on(act(here, "alpha", "Delete class"))
    assert "no longer exists" in error
    assert names(project) == ["Beta", "Gamma"]


def test_a_class_edited_in_one_tab_and_deleted_in_the_other(project: Project) -> None:
    """No other class takes the new name."""
    here, there = visit("classes", project), visit("classes", project)
    run(here.button(key="classes_edit_alpha").click())
    here.text_input(key="classes_edit_name_alpha").set_value("Renamed here")
    act(there, "alpha", "Delete class")
    labelled(here.button, "Save").click()
    here.run()
    assert names(project) == ["Beta", "Gamma"]
    run(there.button(key=f"classes_restore_{project.trash()[0].id}").click())
    assert sum(counts(project).values()) == 24


def test_two_tabs_rename_to_the_same_name(project: Project) -> None:
    here, there = visit("classes", project), choose(visit("classes", project), "beta")
    run(here.button(key="classes_edit_alpha").click())
    run(there.button(key="classes_edit_beta").click())
    here.text_input(key="classes_edit_name_alpha").set_value("Ring")
    labelled(here.button, "Save").click()
    run(here.button(key="classes_edit_alpha").click())
    there.text_input(key="classes_edit_name_beta").set_value("ring")
    labelled(there.button, "Save").click()
    assert "already a class “Ring”" in refused(there.button(key="classes_edit_beta").click())
    assert names(project) == ["Ring", "Beta", "Gamma"]


def test_wafers_deleted_in_another_tab_take_no_others_with_them(project: Project) -> None:
    at = select(visit("classes", project), "alpha", files(project, "alpha")[:1])
    pictures.delete_pictures(project, "alpha", files(project, "alpha")[:1])
    (error,) = errors_on(at.button(key="classes_delete_wafers").click().run())
    assert "None of the selected pictures exists any more" in error
    assert counts(project)["Alpha"] == 7


def test_wafers_are_moved_out_of_the_class_that_the_tab_showed(project: Project) -> None:
    at = select(visit("classes", project), "alpha", files(project, "alpha")[:1])
    project.delete_class("alpha")
    at.menu_button(key="classes_move").click("gamma").run()
    assert errors_on(at)
    assert counts(project) == {"Beta": 8, "Gamma": 8}


def test_restore_in_two_tabs(project: Project) -> None:
    project.delete_class("alpha")
    (item,) = project.trash()
    here, there = visit("classes", project), visit("classes", project)
    run(here.button(key=f"classes_restore_{item.id}").click())
    (error,) = errors_on(there.button(key=f"classes_restore_{item.id}").click().run())
    assert "no longer in the trash" in error
    assert names(project) == ["Alpha", "Beta", "Gamma"]


def test_undo_of_an_import_in_two_tabs(project: Project) -> None:
    newest = imports.runs(project)[0]
    key = f"classes_import_undo_{newest.id}"
    here, there = visit("classes", project), visit("classes", project)
    run(here.button(key=key).click())
    (error,) = errors_on(there.button(key=key).click().run())
    assert "undone already" in error
    assert sum(counts(project).values()) == 16


def test_a_conflict_solved_in_another_tab_deletes_nothing_more(project: Project) -> None:
    pictures.add_originals(project, "beta", [pictures.NewPicture(marked(0), "twice.png")])
    here, there = visit("classes", project), visit("classes", project)
    run(labelled(here.button, "Delete from Beta").click())
    assert errors_on(labelled(there.button, "Delete from Beta").click().run())
    assert counts(project) == {"Alpha": 8, "Beta": 8, "Gamma": 8}


# -- wafers --------------------------------------------------------------------------------------


def test_open_a_wafer_large_and_go_to_the_next(project: Project) -> None:
    records = list(reversed(pictures.originals(project, "alpha")))
    at = select(visit("classes", project), "alpha", [r.file for r in records[:2]])
    assert "**2** selected" in texts(at)
    run(at.button(key="classes_open").click())
    counted = images.die_counts(manifest.load(project, "alpha", records[0]))
    assert f"{counted.dies:,} dies in 20 × 20 · {counted.failed:,} failed" in texts(at)
    assert f"yield {counted.yield_fraction:.1%}" in texts(at)
    assert "1 of 2" in texts(at)
    assert records[0].sha[:12] not in texts(at)  # nothing that only machines read


def test_select_all_selects_every_wafer_listed(project: Project) -> None:
    at = visit("classes", project)
    run(at.button(key="classes_select_all").click())
    assert "**8** selected" in texts(at)
    run(at.button(key="classes_select_all").click())
    assert "None selected" in texts(at)


def test_delete_selected_wafers_and_restore_them(project: Project) -> None:
    gone = files(project, "alpha")[:2]
    at = select(visit("classes", project), "alpha", gone)
    run(at.button(key="classes_delete_wafers").click())
    assert not set(gone) & set(files(project, "alpha"))
    assert "None selected" in texts(at)
    run(at.button(key=f"classes_restore_{project.trash()[0].id}").click())
    assert set(gone) <= set(files(project, "alpha"))


def test_move_selected_wafers(project: Project) -> None:
    moved = pictures.originals(project, "alpha")[2]
    at = select(visit("classes", project), "alpha", [moved.file])
    run(at.menu_button(key="classes_move").click("gamma"))
    assert counts(project) == {"Alpha": 7, "Beta": 8, "Gamma": 9}
    assert moved.sha in {r.sha for r in pictures.originals(project, "gamma")}
    assert [t.value for t in at.toast] == ["1 wafer moved to Gamma."]


def test_a_selection_never_points_at_another_wafer(project: Project) -> None:
    """Fixed: another tab deleted the selected wafer and added one; the new one was selected."""
    at = select(visit("classes", project), "alpha", files(project, "alpha")[:1])
    pictures.delete_pictures(project, "alpha", files(project, "alpha")[:1])
    fill(project, "Alpha", 1, start=720)
    assert "None selected" in texts(run(at))


def test_show_one_split(project: Project) -> None:
    at = visit("classes", project)
    run(at.selectbox(key="classes_part").set_value("test"))
    run(at.segmented_control(key="classes_view").set_value(gallery.TABLE))
    assert set(table(at, "classes_alpha_table")["split"]) == {"test"}
    run(at.selectbox(key="classes_part").set_value("generated"))
    assert "Nothing made for this class yet." in texts(at)


def test_the_order_of_the_wafers(trained: Project) -> None:
    at = visit("classes", trained)
    run(at.segmented_control(key="classes_view").set_value(gallery.TABLE))

    def shown(order: str) -> list[str]:
        run(at.selectbox(key="classes_order").set_value(order))
        return list(table(at, "classes_alpha_table")["file"])

    records = pictures.originals(trained, "alpha")
    added = [r.source for r in records]
    assert shown("oldest") == added
    assert shown("newest") == added[::-1]
    yields = {
        r.source: images.die_counts(manifest.load(trained, "alpha", r)).yield_fraction or 0
        for r in records
    }
    assert [yields[name] for name in shown("yield")] == sorted(yields.values())
    assert sorted(shown("wrong")) == sorted(added)
    assert "lowest probability of this class come first" in texts(at)


def test_wrong_labels_come_first(trained: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    from pages.shared import loaders

    class Fixed:
        def predict_proba(self, given: list[images.Picture]) -> np.ndarray:
            first = np.array([(p == images.FAIL).sum() / 20 for p in given])
            return np.stack([first, 1 - first, 0 * first], axis=1)

    monkeypatch.setattr(loaders, "classifier", lambda folder: Fixed())
    loaders._chunk_probabilities.clear()
    at = visit("classes", trained)
    run(at.segmented_control(key="classes_view").set_value(gallery.TABLE))
    run(at.selectbox(key="classes_order").set_value("wrong"))
    listed = list(table(at, "classes_alpha_table")["file"])
    fails = {
        r.source: int((manifest.load(trained, "alpha", r) == images.FAIL).sum())
        for r in pictures.originals(trained, "alpha")
    }
    assert [fails[name] for name in listed] == sorted(fails.values())
    loaders._chunk_probabilities.clear()


def test_without_a_model_wafers_are_not_sorted_by_it(project: Project) -> None:
    at = visit("classes", project)
    assert at.selectbox(key="classes_order").options == [
        "Newest first",
        "Oldest first",
        "Lowest yield first",
    ]


def test_synthetic_wafers_are_shown_by_run(project: Project) -> None:
    parent = next(r for r in pictures.originals(project, "alpha") if r.split == "train")
    made = [synthetic.SyntheticPicture(marked(800 + i), parent.file, {}) for i in range(3)]
    run_name = synthetic.add(project, "alpha", "augmented", made, {})
    at = visit("classes", project)
    run(at.selectbox(key="classes_part").set_value("augmented"))
    box = at.selectbox(key="classes_run_alpha_augmented")
    assert box.value == run_name
    assert box.options[0].endswith("UTC · 3 wafers")
    assert [i.alt for found in at.image for i in found.proto.imgs] == ["Contact sheet of 3 wafers"]


def test_pages_of_a_class_with_many_wafers(project: Project) -> None:
    fill(project, "Many", gallery.PER_PAGE + 3, start=5000)
    at = choose(visit("classes", project), "many")
    run(at.segmented_control(key="classes_view").set_value(gallery.TABLE))
    assert len(table(at, "classes_many_table")) == gallery.PER_PAGE
    run(at.button(key="classes_select_all").click())
    assert f"**{gallery.PER_PAGE + 3}** selected" in texts(at)
    (pages,) = at.pagination
    run(pages.set_value(2))
    assert len(table(at, "classes_many_table")) == 3


def test_a_wafer_in_two_classes_is_a_conflict_with_a_way_out(project: Project) -> None:
    pictures.add_originals(project, "beta", [pictures.NewPicture(marked(0), "twice.png")])
    at = visit("classes", project)
    assert any(e.label.startswith("1 wafer is in more than one class") for e in at.expander)
    run(labelled(at.button, "Delete from Beta").click())
    assert counts(project) == {"Alpha": 8, "Beta": 8, "Gamma": 8}
    assert not any("more than one class" in e.label for e in at.expander)


def test_a_grey_picture_is_described_as_one(project: Project) -> None:
    grey = np.arange(400, dtype=np.uint8).reshape(20, 20)
    slug = project.add_class("SEM").slug
    pictures.add_originals(project, slug, [pictures.NewPicture(grey, "sem.png")])
    at = select(choose(visit("classes", project), slug), slug, files(project, slug))
    run(at.button(key="classes_open").click())
    assert "20 × 20 pixels, grey values 0 to 255" in texts(at)


def test_a_damaged_picture_is_drawn_empty_and_says_so_when_opened(project: Project) -> None:
    record = pictures.originals(project, "alpha")[0]
    manifest.picture_path(project, "alpha", record).write_bytes(b"gone")
    at = select(visit("classes", project), "alpha", [record.file])
    assert record.file in refused(at.button(key="classes_open").click()).replace("\\", "")


def test_new_wafers_show_without_a_reload(project: Project) -> None:
    at = visit("classes", project)
    run(at.segmented_control(key="classes_view").set_value(gallery.TABLE))
    fill(project, "Alpha", 3, start=700)
    run(at)
    assert len(table(at, "classes_alpha_table")) == 11


def test_a_project_that_was_copied_by_hand_is_completed_when_it_is_opened(
    project: Project, home: Path
) -> None:
    """An import that was interrupted after its commit point is completed by the next page."""
    newest = imports.runs(project)[0]
    (project.path / "imports" / f"{newest.id}.done").rename(
        project.path / "imports" / f"{newest.id}.pending"
    )
    visit("classes", project)
    assert imports.find(project, newest.id).state == imports.DONE
