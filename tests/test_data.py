"""A project on disk: splits, classes, pictures, frozen datasets, interrupted writes."""

from __future__ import annotations

import errno
import json
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wafer_core import files, names
from wafer_core.data import dataset, manifest, pictures, synthetic
from wafer_core.data.project import Project
from wafer_core.data.split import DEFAULT_FRACTIONS, SPLITS, assign_splits, check_fractions
from wafer_core.errors import (
    ClassNameError,
    InputError,
    ModelError,
    ParameterError,
    ProjectError,
    StorageError,
)
from wafer_core.messages import message
from wafers import disc, fill, marked, small_project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return small_project(tmp_path / "p", {"Scratch": 20, "도넛": 8})


# -- split ---------------------------------------------------------------------------------------


def test_five_pictures_are_split_three_one_one() -> None:
    parts = assign_splits({"A": "abcde"}, {}, {}, DEFAULT_FRACTIONS, seed=0)
    assert Counter(parts.values()) == {"train": 3, "validation": 1, "test": 1}


@given(
    st.lists(st.integers(0, 30).map(str), min_size=1, max_size=80),
    st.integers(0, 9),
    st.randoms(),
)
@settings(max_examples=50, deadline=None)
def test_a_split_ignores_the_order_and_never_changes(keys, seed, random) -> None:
    parts = assign_splits({"A": keys}, {}, {}, DEFAULT_FRACTIONS, seed)
    shuffled = list(keys)
    random.shuffle(shuffled)
    assert assign_splits({"A": shuffled}, {}, {}, DEFAULT_FRACTIONS, seed) == parts
    later = assign_splits({"A": [*keys, "new"]}, parts, {}, DEFAULT_FRACTIONS, seed)
    assert {k: later[k] for k in parts} == parts


def test_lots_with_several_classes_keep_the_fractions_of_every_class() -> None:
    """Every part gets its share of each class, and of the lots where two classes are mixed.

    Twenty lots hold A alone, twenty B alone, twenty both: taken one class after the other, parts
    that A has filled would get lots of B alone.
    """
    alone_a = [f"a{k}" for k in range(20) for _ in range(6)]
    alone_b = [f"b{k}" for k in range(20) for _ in range(6)]
    both = [f"ab{k}" for k in range(20) for _ in range(6)]
    keys = {"A": [*alone_a, *both], "B": [*alone_b, *both]}
    mixed = Counter()
    for seed in range(20):
        parts = assign_splits(keys, {}, {}, DEFAULT_FRACTIONS, seed)
        for of_class in keys.values():
            shares = Counter(parts[key] for key in of_class)
            for part, share in DEFAULT_FRACTIONS.items():
                assert shares[part] / 240 == pytest.approx(share, abs=0.026)  # a lot
        mixed.update(parts[key] for key in set(both))
    for part, share in DEFAULT_FRACTIONS.items():
        assert mixed[part] / 400 == pytest.approx(share, abs=0.06)


def test_a_known_lot_stays_and_counts_for_all_classes() -> None:
    keys = {"A": ["x"] * 10 + ["y"] * 3, "B": ["x"] * 10 + ["z"]}
    parts = assign_splits(keys, {"x": "test"}, {}, DEFAULT_FRACTIONS, 0)
    assert parts == {"x": "test", "y": "train", "z": "train"}


def test_the_fractions_are_met() -> None:
    parts = Counter(
        assign_splits({"A": map(str, range(1000))}, {}, {}, DEFAULT_FRACTIONS, 3).values()
    )
    assert parts == {"train": 650, "validation": 200, "test": 150}


@pytest.mark.parametrize(
    "bad",
    [
        {"train": 1},
        {"train": 0, "validation": 0.5, "test": 0.5},
        {"train": float("nan"), "validation": 0.2, "test": 0.1},
    ],
)
def test_bad_fractions_are_a_clear_error(bad: dict[str, float]) -> None:
    with pytest.raises(ParameterError, match="three shares that add up to 1"):
        check_fractions(bad)


def test_groups_and_rotated_copies_share_a_split(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "p")
    a, b = project.add_class("A").slug, project.add_class("B").slug
    rotated = [pictures.NewPicture(np.rot90(marked(7), k).copy(), f"t{k}.png") for k in range(4)]
    lots = [pictures.NewPicture(marked(i), f"w{i}.png", f"lot{i // 5}") for i in range(10, 60)]
    pictures.add_originals(project, a, rotated + lots[:30])
    pictures.add_originals(project, b, lots[25:])
    records = pictures.originals(project, a) + pictures.originals(project, b)
    splits: dict[str, set[str]] = {}
    for record in records:
        splits.setdefault(record.key, set()).add(record.split)
    assert all(len(found) == 1 for found in splits.values())
    assert len({r.key for r in records if r.source.startswith("t")}) == 1


# -- names and classes ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "why"),
    [("", "Enter a class name"), ("  \t", "Enter a class name"), ("x" * 300, "300 characters"),
     ("..", "reserved"), ("CON", "reserved"), ("lpt1.txt", "reserved"),
     ("a\x07b", "control character"), ("a\ud800", "control character")],
)  # fmt: skip
def test_a_bad_class_name_is_a_clear_error(project: Project, name: str, why: str) -> None:
    with pytest.raises(ClassNameError, match=why):
        project.add_class(name)
    assert len(project.classes()) == 2


@pytest.mark.parametrize("name", ["스크래치", "🍩 ring", "a/b\\c:d", "../../etc", "Ünï", ".x"])
def test_any_script_is_a_name_and_never_a_path(project: Project, name: str) -> None:
    added = project.add_class(name)
    assert project.find_class(name) == added
    assert (project.path / "classes" / added.slug / "class.json").is_file()
    assert added.slug.isascii()
    assert not set(added.slug) & set("/\\:.")


@pytest.mark.parametrize(
    "name",
    ["\u200b", "\u200b\u2060\ufeff", "\u3164", "\u2800 \u2800", "\ufe0f", "\u0301", "\u200d"],
)
def test_a_name_without_a_visible_character_is_refused(project: Project, name: str) -> None:
    with pytest.raises(ClassNameError, match="Enter a class name"):
        project.add_class(name)


@pytest.mark.parametrize("code", [*range(0x202A, 0x202F), *range(0x2066, 0x206A)])
def test_a_character_that_reverses_the_text_is_refused(project: Project, code: int) -> None:
    with pytest.raises(ClassNameError, match="reverses the reading direction"):
        project.add_class(f"Scr{chr(code)}atch2")


def test_other_invisible_characters_are_removed_and_joined_emoji_stay() -> None:
    assert names.clean_name("\ufeffEdge\u00ad\u200b Ring\u200e") == "Edge Ring"
    family = "👨‍👩‍👧"
    assert names.clean_name(f"\u200d{family}\u200d \u200d x") == f"{family} x"
    assert names.same_name("Scr\u200datch", "scratch")


def test_a_name_that_is_no_text_is_a_clear_error() -> None:
    for value in (None, 5, ["a"]):
        with pytest.raises(ClassNameError, match="enter a text"):
            names.clean_name(value)


def test_names_that_differ_in_case_only_are_refused(project: Project) -> None:
    with pytest.raises(ClassNameError, match="differs in more"):
        project.add_class("SCRATCH")
    with pytest.raises(ClassNameError, match="differs in more"):
        project.rename_class(project.find_class("도넛").slug, "scratch")
    project.rename_class(project.find_class("Scratch").slug, "SCRATCH")
    assert project.find_class("scratch").name == "SCRATCH"


@given(st.text(min_size=1, max_size=30))
@settings(max_examples=100, deadline=None)
def test_slug_is_a_safe_folder_name(name: str) -> None:
    slug = names.slug(name)
    assert slug
    assert all(c.isascii() and (c.isalnum() or c == "-") for c in slug)
    assert slug.upper() not in {"CON", "PRN", "AUX", "NUL", "COM1", "LPT1"}


def test_reorder_and_describe(project: Project) -> None:
    scratch, donut = project.classes()
    project.reorder_classes([donut.slug, scratch.slug, "gone"])
    project.describe_class(donut.slug, "  ring of fails ")
    assert [c.name for c in project.classes()] == ["도넛", "Scratch"]
    assert project.classes()[0].description == "ring of fails"


def test_deleted_class_comes_back_even_if_its_name_is_taken(project: Project) -> None:
    slug = project.find_class("Scratch").slug
    before = pictures.originals(project, slug)
    trash_id = project.delete_class(slug)
    assert [c.name for c in project.classes()] == ["도넛"]
    assert [item.title for item in project.trash()] == ["Scratch"]
    project.add_class("scratch")
    restored = project.restore_class(trash_id)
    assert restored.name == "Scratch (2)"
    assert pictures.originals(project, restored.slug) == before
    with pytest.raises(ProjectError, match="no longer in the trash"):
        project.restore_class(trash_id)


# -- pictures ------------------------------------------------------------------------------------


def test_the_same_picture_is_stored_once_and_reported(project: Project) -> None:
    slug = project.find_class("Scratch").slug
    again = [pictures.NewPicture(marked(0), "copy.png"), pictures.NewPicture(marked(500), "x.png")]
    result = pictures.add_originals(project, slug, again)
    assert (result.added, result.duplicates) == (1, ("copy.png",))
    assert len(pictures.originals(project, slug)) == 21


def test_stored_picture_reads_back_and_keeps_its_source(project: Project) -> None:
    slug = project.find_class("Scratch").slug
    record = pictures.originals(project, slug)[3]
    assert np.array_equal(manifest.load(project, slug, record), marked(3))
    assert record.file == f"Scratch-3-{record.sha[:8]}.png"
    assert (record.kind, record.source) == ("map", "Scratch-3.png")


def test_deleted_and_restored_pictures_keep_their_split(project: Project) -> None:
    slug = project.find_class("Scratch").slug
    before = pictures.originals(project, slug)
    trash_id = pictures.delete_pictures(project, slug, [r.file for r in before[:4]])
    assert pictures.originals(project, slug) == before[4:]
    assert pictures.restore_pictures(project, trash_id) == 4
    assert {(r.sha, r.split) for r in pictures.originals(project, slug)} == {
        (r.sha, r.split) for r in before
    }


def test_moved_pictures_keep_their_split_and_conflicts_are_found(project: Project) -> None:
    scratch, donut = (c.slug for c in project.classes())
    chosen = pictures.originals(project, scratch)[:3]
    assert pictures.move_pictures(project, scratch, [r.file for r in chosen], donut) == 3
    assert {(r.sha, r.split) for r in chosen} <= {
        (r.sha, r.split) for r in pictures.originals(project, donut)
    }
    assert dataset.find_conflicts(project) == ()
    pictures.add_originals(project, scratch, [pictures.NewPicture(marked(0), "back.png")])
    (conflict,) = dataset.find_conflicts(project)
    assert [slug for slug, _ in conflict.places] == [scratch, donut]


def test_an_empty_selection_is_a_clear_error(project: Project) -> None:
    slug = project.find_class("Scratch").slug
    with pytest.raises(InputError, match="None of the selected pictures exists"):
        pictures.delete_pictures(project, slug, ["gone.png"])
    with pytest.raises(InputError, match="another class"):
        pictures.move_pictures(project, slug, ["gone.png"], slug)


def test_synthetic_pictures_are_for_training_only_and_follow_their_original(
    project: Project,
) -> None:
    slug = project.find_class("Scratch").slug
    train = [r for r in pictures.originals(project, slug) if r.split == "train"]
    made = [synthetic.SyntheticPicture(marked(2000 + i), r.file, {"theta": i})
            for i, r in enumerate(train[:6])]  # fmt: skip
    run = synthetic.add(project, slug, "augmented", made, {"seed": 0})
    frozen = dataset.freeze(project)
    assert frozen.counts()[slug]["augmented"] == 6
    assert {e.split for e in frozen.entries if e.origin == "augmented"} == {"train"}
    pictures.delete_pictures(project, slug, [train[0].file])
    assert dataset.freeze(project).counts()[slug]["augmented"] == 5
    synthetic.delete(project, slug, "augmented", run)
    assert synthetic.runs(project, slug, "augmented") == ()


@pytest.mark.parametrize("run", ["../originals", "", ".x", "a/b"])
def test_a_run_name_is_never_a_path(project: Project, run: str) -> None:
    slug = project.find_class("Scratch").slug
    with pytest.raises(ProjectError, match="There is no run"):
        synthetic.delete(project, slug, "augmented", run)
    assert len(pictures.originals(project, slug)) == 20


# -- frozen dataset ------------------------------------------------------------------------------


def test_dataset_round_trip_and_load(project: Project) -> None:
    frozen = dataset.freeze(project)
    assert dataset.Dataset.from_json(json.loads(json.dumps(frozen.to_json()))) == frozen
    total = Counter()
    for part in SPLITS:
        loaded, labels = dataset.load_split(project, frozen, part)
        total.update(frozen.class_names[i] for i in labels)
        assert len(loaded) == len(labels)
    assert total == {"Scratch": 20, "도넛": 8}


def test_changes_are_described(project: Project) -> None:
    old = dataset.freeze(project)
    assert dataset.changes_since(old, dataset.freeze(project)) == []
    slug = project.find_class("Scratch").slug
    fill(project, "Scratch", 2, start=9000)
    fill(project, "Loc", 1, start=9100)
    pictures.delete_pictures(project, slug, [pictures.originals(project, slug)[0].file])
    project.rename_class(project.find_class("도넛").slug, "Donut")
    assert [str(change) for change in dataset.changes_since(old, dataset.freeze(project))] == [
        "class “도넛” renamed to “Donut”",
        "class “Loc” added",
        "“Scratch”: 2 added and 1 removed",
    ]


@pytest.mark.parametrize("value", [None, [], {"classes": [], "entries": [[1]]}, {"classes": 3}])
def test_a_damaged_dataset_is_a_clear_error(tmp_path: Path, value: object) -> None:
    (tmp_path / "dataset.json").write_text(json.dumps(value))
    with pytest.raises(ModelError, match=r"dataset\.json is damaged \(.*\)\. Train again\."):
        dataset.read(tmp_path, message("Train again."))


# -- disasters -----------------------------------------------------------------------------------


def test_a_full_disk_is_a_clear_error_and_loses_nothing(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    slug = project.find_class("Scratch").slug
    before = pictures.originals(project, slug)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(StorageError, match="the disk is full"):
        pictures.add_originals(project, slug, [pictures.NewPicture(marked(777), "a.png")])
    monkeypatch.undo()
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="the disk is full"):
        project.rename("New")
    monkeypatch.undo()
    assert pictures.originals(project, slug) == before
    assert project.name == "Small"
    assert not list(project.path.rglob(f"{files.TEMPORARY_PREFIX}*"))


def test_a_deleted_project_is_a_clear_error_everywhere(project: Project) -> None:
    project.path.rename(project.path.with_name("elsewhere"))
    for call in (
        lambda: project.classes(),
        lambda: project.add_class("X"),
        lambda: project.settings,
        lambda: Project.open(project.path),
    ):
        with pytest.raises(ProjectError, match=r"exist|missing"):
            call()


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"schema": 1}', '{"schema": 99}', "nul"])
def test_a_damaged_project_file_is_a_clear_error(project: Project, text: str) -> None:
    (project.path / "project.json").write_text(text)
    with pytest.raises(ProjectError, match=r"project\.json"):
        Project.open(project.path)


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"pictures": [{}]}', '{"pictures": [{"file": "../../x", "sha": "", '
             '"height": 4, "width": 4, "kind": "map", "part": "train"}]}'])  # fmt: skip
def test_a_damaged_manifest_is_a_clear_error(project: Project, text: str) -> None:
    slug = project.find_class("Scratch").slug
    (project.path / "classes" / slug / "originals" / "manifest.json").write_text(text)
    with pytest.raises(ProjectError, match=r"manifest\.json is damaged"):
        pictures.originals(project, slug)


def test_a_project_is_not_created_in_a_folder_with_files(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ProjectError, match="is not empty"):
        Project.create(tmp_path)


def test_a_new_folder_is_complete_or_absent(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), files.new_folder(tmp_path / "run") as folder:
        (folder / "a").write_text(str(1 / 0))
    assert list(tmp_path.iterdir()) == []
    with files.new_folder(tmp_path / "run") as folder:
        (folder / "a").write_text("1")
    assert (tmp_path / "run" / "a").read_text() == "1"
    with pytest.raises(StorageError), files.new_folder(tmp_path / "run"):
        pass


def test_only_old_temporary_files_are_removed(project: Project) -> None:
    old, young = (project.path / f"{files.TEMPORARY_PREFIX}{name}" for name in ("old", "young"))
    for folder in (old, young):
        folder.mkdir()
        (folder / "half.png").write_bytes(b"x")
    os.utime(old, (0, 0))
    before = dataset.freeze(project)
    assert files.sweep_leftovers(project.path) == 1
    assert (old.exists(), young.exists()) == (False, True)
    assert dataset.freeze(project) == before


def test_concurrent_imports_lose_no_picture(project: Project) -> None:
    """Two tabs import into one class at the same time."""
    from concurrent.futures import ThreadPoolExecutor

    slug = project.find_class("Scratch").slug

    def add(start: int) -> int:
        new = [pictures.NewPicture(marked(start + i), f"{start}-{i}.png") for i in range(5)]
        return pictures.add_originals(project, slug, new).added

    with ThreadPoolExecutor(4) as pool:
        added = list(pool.map(add, [3000, 4000, 5000, 6000]))
    assert added == [5, 5, 5, 5]
    assert len(pictures.originals(project, slug)) == 40


def test_disc_is_a_wafer() -> None:
    assert set(np.unique(disc())) == {0, 127}
