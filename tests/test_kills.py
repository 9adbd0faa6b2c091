"""Killed processes: nothing is lost, nothing is half done, nothing is left behind.

``benchmarks/robustness/kills.py`` does the same two hundred times.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from wafer_core import files, process
from wafer_core.data import commits, imports, ingest, pictures, synthetic, workspace
from wafer_core.data.commits import Change
from wafer_core.data.project import Project
from wafer_core.errors import ProjectError, StorageError
from wafer_core.images import encode_png
from wafer_core.importers import Upload, scan
from wafer_core.progress import Progress
from wafer_core.workflows.recovery import recover, recover_all
from wafers import fill, marked

ROOT = Path(__file__).parents[1]
DEAD = "0123abcd" * 4


@pytest.mark.parametrize(
    "work",
    [
        ("import", "upload", "augment", "undo", "delete project"),
        ("generate", "duplicate", "import zip", "move", "delete", "restore", "delete class"),
    ],
    ids=lambda work: "+".join(work),
)
def test_ten_kills(work: tuple[str, ...]) -> None:
    command = [
        sys.executable,
        "-m",
        "benchmarks.robustness.kills",
        "--kills",
        "10",
        "--work",
        *work,
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert (found["kills"], found["lost"], found["half"], found["leftovers"]) == (10, 0, 0, 0)


def process_that_ended() -> str:
    """The tag of a process of this machine that is dead."""
    code = "from wafer_core import process; print(process.tag())"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip()


def test_temporary_files_of_dead_processes_are_removed_at_once(tmp_path: Path) -> None:
    dead, other = process_that_ended(), f"deadbeef-1-{'0' * 12}"
    assert process.is_tag_alive(process.tag()) is True
    assert process.is_tag_alive(dead) is False
    assert process.is_tag_alive(other) is None
    assert process.is_tag_alive("no tag") is None
    for tag in (dead, other, process.tag()):
        (tmp_path / "a" / f".tmp-{tag}-{DEAD}").mkdir(parents=True)
        (tmp_path / "a" / f".tmp-{tag}-{DEAD}" / "x.png").write_bytes(b"x")
    (tmp_path / "a" / f".tmp-{DEAD}").write_bytes(b"by an older version")
    assert files.sweep_leftovers(tmp_path, deep=False) == 0
    assert files.sweep_leftovers(tmp_path) == 1
    left = {path.name for path in (tmp_path / "a").iterdir()}
    assert left == {f".tmp-{other}-{DEAD}", f".tmp-{process.tag()}-{DEAD}", f".tmp-{DEAD}"}
    assert files.sweep_leftovers(tmp_path, older_than=-1.0) == 2  # never that of a living process
    assert [path.name for path in (tmp_path / "a").iterdir()] == [f".tmp-{process.tag()}-{DEAD}"]


# -- changes of several files --------------------------------------------------------------------


def prepared(project: Project) -> Change:
    """A change that is ready to be committed."""
    change = Change(project.path).__enter__()
    change.json(project.path / "a.json", 1)
    change.move(project.path / "b.txt", project.path / "c.txt")
    change.remove(project.path / "d.txt")
    (change.folder(project.path / "folder") / "e.txt").write_text("e")
    for name in "bd":
        (project.path / f"{name}.txt").write_text(name)
    return change


def test_a_change_is_made_at_its_commit(project: Project) -> None:
    change = prepared(project)
    before = sorted(path.name for path in project.path.iterdir() if path.suffix)
    assert {"b.txt", "d.txt"} < set(before)
    assert "a.json" not in before
    change.commit()
    names = {path.name for path in project.path.iterdir()}
    assert {"a.json", "c.txt", "folder"} < names
    assert not {"b.txt", "d.txt"} & names
    assert (project.path / "folder" / "e.txt").read_text() == "e"
    assert commits.pending(project.path) == []


def test_a_change_that_is_not_committed_leaves_nothing(project: Project) -> None:
    before = sorted(project.path.rglob("*"))
    with Change(project.path) as change:
        change.json(project.path / "a.json", 1)
        assert sorted(project.path.rglob("*")) != before
    assert sorted(project.path.rglob("*")) == before


def test_a_committed_change_is_completed_by_whoever_locks_next(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    change = prepared(project)
    with monkeypatch.context() as patch:
        patch.setattr(commits, "_carry_out", lambda *_: None)  # the kill
        change.commit()
    assert len(commits.pending(project.path)) == 1
    assert not (project.path / "a.json").exists()
    with files.lock(project.path / ".lock"):
        pass  # by a process that does not know of changes
    with project.lock():
        assert (project.path / "a.json").exists()
        assert (project.path / "c.txt").read_text() == "b"
    assert commits.pending(project.path) == []


@pytest.mark.parametrize(
    "plan",
    [b"", b"[]", b'{"steps": 5}', b'{"steps": [{}]}',
     b'{"steps": [{"source": "project.json", "target": "../out.json"}]}',
     b'{"steps": [{"source": "/etc/passwd", "target": null}]}'],
)  # fmt: skip
def test_a_damaged_plan_changes_nothing_and_locks_nobody_out(project: Project, plan: bytes) -> None:
    folder = project.path / commits.FOLDER / "change-1"
    folder.mkdir(parents=True)
    (folder / commits.PLAN).write_bytes(plan)
    project.rename("Still here")
    assert imports.open_project(project.path).name == "Still here"
    assert folder.exists()


# -- projects that are deleted or renamed meanwhile ----------------------------------------------


def test_a_project_deleted_under_an_upload_leaves_no_ghost(home: Path, project: Project) -> None:
    with pictures.Staging(project) as staging:
        staging.add("Alpha", pictures.NewPicture(marked(900), "a.png"))
        workspace.trash_project(home, project)
        with pytest.raises((ProjectError, StorageError)):
            staging.commit()
    assert not project.path.exists()
    assert workspace.list_projects(home) == []
    [(trash_id, _)] = workspace.list_trash(home)
    assert len(pictures.originals(workspace.restore_project(home, trash_id), "alpha")) == 8


@pytest.mark.parametrize("write", [
    lambda p: p.rename("X"), lambda p: p.add_class("X"), lambda p: p.set_current_model("x"),
    lambda p: p.delete_class("alpha"), lambda p: fill(p, "Alpha", 1, 900),
    lambda p: synthetic.add(p, "alpha", "generated", [synthetic.SyntheticPicture(marked(9))], {}),
])  # fmt: skip
def test_nothing_written_to_a_deleted_project_brings_it_back(
    home: Path, project: Project, write: object
) -> None:
    workspace.trash_project(home, project)
    with pytest.raises((ProjectError, StorageError)):
        write(project)  # type: ignore[operator]
    assert not project.path.exists()


def test_a_lock_that_is_waited_for_creates_no_folder(tmp_path: Path) -> None:
    """``filelock`` makes the folder of its file: a project that was deleted came back empty."""
    folder = tmp_path / "deleted"
    folder.mkdir()
    real = files.filelock.FileLock.acquire

    def deleted_first(self: object, *given: object, **more: object) -> object:
        if folder.exists():
            folder.rename(tmp_path / "trash")
        return real(self, *given, **more)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files.filelock.FileLock, "acquire", deleted_first)
        with pytest.raises(ProjectError, match="no longer exists"), files.lock(folder / ".lock"):
            pass
    assert not folder.exists()


def test_a_class_renamed_during_an_upload_is_not_split(project: Project) -> None:
    uploads = [Upload(f"Alpha/{i}.png", encode_png(marked(800 + i))) for i in range(30)]

    def rename(fraction: float, text: object = None) -> None:
        if fraction > 0.5 and project.classes()[0].name == "Alpha":
            project.rename_class("alpha", "Edge")

    report = ingest.import_candidates(
        project, scan(uploads).candidates, on_progress=Progress(rename)
    )
    assert report.total == 30
    assert [c.name for c in project.classes()] == ["Edge", "Beta", "Gamma"]
    assert len(pictures.originals(project, "alpha")) == 38


# -- orphans, and the files of dead jobs ---------------------------------------------------------


def test_pictures_that_belong_to_nothing_are_removed_or_put_into_the_trash(
    project: Project,
) -> None:
    folder = project.path / "classes" / "alpha" / "originals"
    known = next((project.path / "classes" / "beta" / "originals").glob("*.png"))
    (folder / "copy-00000000.png").write_bytes(known.read_bytes())
    (folder / "cut-0a0b0c0d.png").write_bytes(b"\x89PNG")
    (folder / "by hand.png").write_bytes(b"not ours")
    (folder / "photo.png").write_bytes(b"no wafer, but somebody put it here")
    (folder / "new.png").write_bytes(encode_png(marked(901)))
    recover(project)
    listed = {r.file for r in pictures.originals(project, "alpha")}
    left = {path.name for path in folder.glob("*.png")} - listed
    assert left == {"by hand.png", "photo.png"}
    [item] = project.trash()
    assert item.title == "1 × Alpha"
    assert pictures.restore_pictures(project, item.id) == 1
    assert len(pictures.originals(project, "alpha")) == 9
    recover(project)
    assert project.trash() == ()


def test_a_damaged_manifest_makes_no_orphans(project: Project) -> None:
    folder = project.path / "classes" / "alpha" / "originals"
    (folder / "manifest.json").write_text("[]")
    count = len(list(folder.glob("*.png")))
    recover(project)
    assert len(list(folder.glob("*.png"))) == count == 8
    assert project.trash() == ()


def test_the_server_sweeps_all_projects_although_one_is_damaged(
    home: Path, project: Project
) -> None:
    dead = process_that_ended()
    left = [home / f".tmp-{dead}-{DEAD}", project.path / "classes" / f".tmp-{dead}-{DEAD}",
            home / ".trash" / f".tmp-{dead}-{DEAD}"]  # fmt: skip
    for path in left:
        path.mkdir(parents=True)
    (home / "bad").mkdir()
    (home / "bad" / "project.json").write_text("[]")
    recover_all(home)
    assert [path for path in left if path.exists()] == []
