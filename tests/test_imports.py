"""Imports: stored at one moment, completed after a kill, undone and redone as a whole."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from wafer_core import files
from wafer_core.data import imports, pictures
from wafer_core.data.project import MAX_CLASSES, Project
from wafer_core.errors import ClassNameError, ProjectError, StorageError
from wafers import marked


def add(project: Project, batch: Mapping[str, range]) -> str:
    """Import small wafers into classes; returns the id of the import."""
    with pictures.Staging(project) as staging:
        for name, numbers in batch.items():
            for number in numbers:
                staging.add(name, pictures.NewPicture(marked(number), f"{name}-{number}.png"))
        run = staging.commit(source="drop.zip", rejected=2).run
    assert run is not None
    return run


def state_of(project: Project) -> dict[str, list[tuple[str, str]]]:
    """File and split of every original that exists, by class name."""
    found = {}
    for c in project.classes():
        folder = project.path / "classes" / c.slug / "originals"
        records = pictures.originals(project, c.slug)
        assert {r.file for r in records} <= {path.name for path in folder.glob("*.png")}
        found[c.name] = sorted((r.file, r.split) for r in records)
    return found


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project with one class of six wafers."""
    created = Project.create(tmp_path / "p")
    add(created, {"Alpha": range(6)})
    return created


def test_an_import_says_what_it_added(project: Project) -> None:
    add(project, {"Alpha": range(4, 9), "Beta": range(20, 23)})
    newest, first = imports.runs(project)
    assert [(c.name, len(c.records), c.duplicates, c.new is not None) for c in newest.classes] == [
        ("Alpha", 3, 2, False),
        ("Beta", 3, 0, True),
    ]
    assert (newest.total, newest.duplicates, newest.source, newest.rejected) == (
        6,
        2,
        "drop.zip",
        2,
    )
    assert newest.state == first.state == imports.DONE
    assert newest.id > first.id
    # the pictures are in their classes only
    assert not list((project.path / "imports").rglob("*.png"))


def test_an_import_without_anything_new_leaves_no_run(project: Project) -> None:
    with pictures.Staging(project) as staging:
        staging.add("Alpha", pictures.NewPicture(marked(0), "again.png"))
        done = staging.commit()
    assert done.run is None
    assert done.classes["Alpha"].duplicates == ("again.png",)
    assert len(imports.runs(project)) == 1


def test_undo_and_redo_give_the_same_project_again(project: Project) -> None:
    before = state_of(project)
    run = add(project, {"Alpha": range(4, 9), "Beta": range(20, 23)})
    after = state_of(project)
    done = imports.undo(project, run)
    assert (done.removed, done.kept, done.classes) == (6, 0, ("Beta",))
    assert state_of(project) == before
    assert not project.trash()
    with pytest.raises(ProjectError, match="undone already"):
        imports.undo(project, run)
    assert imports.redo(project, run).total == 6
    assert state_of(project) == after
    with pytest.raises(ProjectError, match="not undone"):
        imports.redo(project, run)


def test_undo_leaves_what_was_moved_or_deleted_since(project: Project) -> None:
    run = add(project, {"Beta": range(20, 24)})
    moved, deleted, *_ = pictures.originals(project, "beta")
    pictures.move_pictures(project, "beta", [moved.file], "alpha")
    pictures.delete_pictures(project, "beta", [deleted.file])
    assert imports.undo(project, run) == imports.Undone(2, 2, ("Beta",))
    assert moved.file in {r.file for r in pictures.originals(project, "alpha")}
    (item,) = project.trash()
    assert item.slug == "beta"


def test_undo_keeps_a_new_class_with_other_wafers(project: Project) -> None:
    run = add(project, {"Beta": range(20, 24)})
    add(project, {"Beta": range(30, 32)})
    assert imports.undo(project, run) == imports.Undone(4, 0, ())
    assert len(pictures.originals(project, "beta")) == 2


def test_redo_needs_the_class_of_the_wafers(project: Project) -> None:
    run = add(project, {"Alpha": range(10, 12)})
    imports.undo(project, run)
    project.delete_class("alpha")
    with pytest.raises(ProjectError, match=r"“Alpha” of this import is deleted"):
        imports.redo(project, run)
    imports.discard(project, run)
    with pytest.raises(ProjectError, match="no longer exists"):
        imports.find(project, run)


def test_a_done_import_is_not_discarded(project: Project) -> None:
    with pytest.raises(ProjectError, match="not undone"):
        imports.discard(project, imports.runs(project)[0].id)


def test_a_damaged_journal_is_left_out(project: Project) -> None:
    run = add(project, {"Beta": range(20, 24)})
    (project.path / "imports" / f"{run}.done" / "journal.json").write_text('{"created": 5}')
    assert [found.id for found in imports.runs(project)] != [run]
    with pytest.raises(ProjectError, match="damaged"):
        imports.find(project, run)


def test_too_many_classes_are_refused_before_anything_is_stored(project: Project) -> None:
    before = state_of(project)
    with pytest.raises(ClassNameError, match=str(MAX_CLASSES)):
        add(project, {f"Class {n}": range(n, n + 1) for n in range(MAX_CLASSES)})
    assert state_of(project) == before
    assert sorted(path.name for path in (project.path / "classes").iterdir()) == ["alpha"]


def test_a_project_that_is_deleted_meanwhile_does_not_come_back(project: Project) -> None:
    with pictures.Staging(project) as staging:
        staging.add("Beta", pictures.NewPicture(marked(30), "a.png"))
        shutil.rmtree(project.path)
        with pytest.raises((ProjectError, StorageError)):
            staging.commit()
    assert not project.path.exists()


class Killed(BaseException):
    """The process ends here."""


def killed_at(monkeypatch: pytest.MonkeyPatch, step: int, work: Callable[[], object]) -> bool:
    """Run until the given write, which does not happen; returns whether there was one."""
    calls = 0

    def count(real: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object, **more: object) -> object:
            nonlocal calls
            calls += 1
            if calls > step:
                raise Killed
            return real(*args, **more)

        return call

    with monkeypatch.context() as patch:
        patch.setattr(files, "write_bytes", count(files.write_bytes))
        patch.setattr(shutil, "copyfile", count(shutil.copyfile))
        patch.setattr(Path, "rename", count(Path.rename))
        patch.setattr(Path, "replace", count(Path.replace))
        patch.setattr(Path, "unlink", count(Path.unlink))
        patch.setattr(shutil, "rmtree", lambda *_, **__: None)  # a killed process cleans nothing
        try:
            work()
        except Killed:
            return True
    return False


def test_a_kill_at_any_write_leaves_all_of_an_import_or_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcomes = []
    for step in range(200):
        project = Project.create(tmp_path / f"p{step}")
        add(project, {"Alpha": range(3)})
        before = state_of(project)
        batch = {"Alpha": range(2, 5), "Beta": range(20, 23)}
        was_killed = killed_at(monkeypatch, step, lambda p=project, b=batch: add(p, b))  # type: ignore[misc]
        imports.complete(project)
        after = state_of(project)
        outcomes.append(after != before)
        if after != before:
            assert {name: len(files) for name, files in after.items()} == {"Alpha": 5, "Beta": 3}
            assert [run.state for run in imports.runs(project)] == [imports.DONE] * 2
            assert not list((project.path / "imports").rglob("*.png"))
        else:
            assert len(imports.runs(project)) == 1
        if not was_killed:
            break
    assert outcomes == sorted(outcomes)  # one commit point
    assert {False, True} == set(outcomes)


def test_a_kill_at_any_write_leaves_all_of_an_undo_or_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcomes = []
    for step in range(200):
        project = Project.create(tmp_path / f"p{step}")
        add(project, {"Alpha": range(3)})
        before = state_of(project)
        run = add(project, {"Alpha": range(2, 5), "Beta": range(20, 23)})
        after = state_of(project)
        was_killed = killed_at(monkeypatch, step, lambda p=project, r=run: imports.undo(p, r))  # type: ignore[misc]
        imports.complete(project)
        now = state_of(project)
        assert now in (before, after)
        outcomes.append(now == before)
        if now == before:
            imports.redo(project, run)
            assert state_of(project) == after
        if not was_killed:
            break
    assert outcomes == sorted(outcomes)
    assert {False, True} == set(outcomes)


def test_nothing_is_completed_while_another_process_writes(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = add(project, {"Beta": range(20, 24)})
    folder = project.path / "imports" / f"{run}.done"
    folder.rename(folder.with_suffix(".pending"))

    def locked(*_: object, **__: object) -> object:
        raise StorageError("locked")

    with monkeypatch.context() as patch:
        patch.setattr(files, "lock", locked)
        assert imports.complete(project) == 0
    assert imports.complete(project) == 1
    assert imports.complete(project) == 0
