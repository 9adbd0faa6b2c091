"""Imports: each batch of originals is stored at one moment and can be undone as a whole.

imports/<id>.<state>/journal.json     what the import adds to which class
imports/<id>.<state>/<sha>.png        its pictures, while they are not in their classes
imports/<id>.<state>/<sha>.bins.png   bins of their dies, named by their own hash

The state is part of the folder's name, so that it changes at once: ``pending`` (to be completed),
``done``, ``undoing`` (to be completed) and ``undone``. The pictures are written to a temporary
folder; its rename to ``<id>.pending`` is the commit point. Before it nothing has happened. After it
the import is completed, if need be by the next process that opens the project. Every step may be
repeated.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from wafer_core import files, names
from wafer_core.data import commits, trash
from wafer_core.data.manifest import (
    BINS_ENDING,
    PictureRecord,
    class_folder,
    read_manifest,
    sync_batch,
    write_manifest,
)
from wafer_core.data.project import Project, WaferClass
from wafer_core.errors import DataError, ProjectError, StorageError
from wafer_core.json_fields import REQUIRED, Fields

FOLDER = "imports"
JOURNAL = "journal.json"
PENDING, DONE, UNDOING, UNDONE = "pending", "done", "undoing", "undone"
STATES = (PENDING, DONE, UNDOING, UNDONE)


@dataclass(frozen=True)
class ImportedClass:
    """What an import adds to one class.

    Attributes:
        slug: Folder of the class.
        name: Its name at that time.
        records: The pictures added, with their splits.
        duplicates: Number of pictures that the class already had.
        new: The class, if the import adds it; ``None`` if it existed.
    """

    slug: str
    name: str
    records: tuple[PictureRecord, ...]
    duplicates: int = 0
    new: WaferClass | None = None

    @classmethod
    def from_json(cls, value: object) -> ImportedClass:
        """Read one class of a journal.

        Raises:
            DataError: A value is missing, of the wrong type, or out of range.
        """
        fields = Fields(value)
        slug = fields.text("slug")
        if not names.is_folder_name(slug):
            raise DataError("{slug} is not the name of a folder", slug=repr(slug)[:60])
        new = fields.free("new", {})
        return cls(
            slug,
            fields.text("name"),
            fields.items("pictures", PictureRecord.from_json, REQUIRED),
            fields.whole("duplicates", 0, low=0),
            WaferClass.from_json(new, slug) if new else None,
        )

    def to_json(self) -> dict[str, Any]:
        """The class as a journal holds it."""
        value: dict[str, Any] = {
            "slug": self.slug,
            "name": self.name,
            "pictures": [record.to_json() for record in self.records],
            "duplicates": self.duplicates,
        }
        return value if self.new is None else {**value, "new": self.new.to_json()}


@dataclass(frozen=True)
class ImportRun:
    """One import.

    Attributes:
        id: Later imports sort later.
        state: One of ``STATES``.
        created: ISO 8601, UTC.
        classes: What it adds to each class.
        source: Name of the first file or folder, for people.
        rejected: Number of files that could not be read.
    """

    id: str
    state: str
    created: str
    classes: tuple[ImportedClass, ...]
    source: str = ""
    rejected: int = 0

    @property
    def total(self) -> int:
        """Pictures added in all."""
        return sum(len(c.records) for c in self.classes)

    @property
    def duplicates(self) -> int:
        """Pictures that their class already had."""
        return sum(c.duplicates for c in self.classes)

    @classmethod
    def from_json(cls, value: object, run_id: str = "", state: str = DONE) -> ImportRun:
        """Read ``journal.json``.

        Raises:
            DataError: A value is missing, of the wrong type, or out of range.
        """
        fields = Fields(value)
        return cls(
            run_id,
            state,
            fields.text("created"),
            fields.items("classes", ImportedClass.from_json, REQUIRED),
            fields.text("source", ""),
            fields.whole("rejected", 0, low=0),
        )

    def to_json(self) -> dict[str, Any]:
        """The content of ``journal.json``."""
        return {
            "created": self.created,
            "source": self.source,
            "rejected": self.rejected,
            "classes": [c.to_json() for c in self.classes],
        }


@dataclass(frozen=True)
class Undone:
    """The result of undoing an import.

    Attributes:
        removed: Number of pictures removed from their classes.
        kept: Number of pictures that were moved or deleted since; they are left as they are.
        classes: Names of the classes that the import had added and that are gone again.
    """

    removed: int
    kept: int
    classes: tuple[str, ...] = ()


def commit(
    project: Project,
    folder: Path,
    classes: Sequence[ImportedClass],
    source: str = "",
    rejected: int = 0,
) -> ImportRun:
    """Store a batch of pictures in their classes, all or none; the caller holds the lock.

    Args:
        project: The project.
        folder: A folder inside the project with the files (``staged``) of every record; it is
            renamed.
        classes: What is added to which class.
        source: Where it came from, for people.
        rejected: Number of files that could not be read.

    Raises:
        StorageError: The disk is full; nothing has changed.
    """
    created = datetime.now(UTC).isoformat(timespec="seconds")
    run_id = names.timestamp_name("import")
    run = ImportRun(run_id, PENDING, created, tuple(classes), source, rejected)
    target = _folder(project, run_id, PENDING)
    files.write_json(folder / JOURNAL, run.to_json(), indent=None)
    with files.storage_errors(target):
        target.parent.mkdir(exist_ok=True)
        sync_batch()
        folder.rename(target)
        files.sync_folder(target.parent)
    return _apply(project, run)


def staged(record: PictureRecord) -> dict[str, str]:
    """Names of a record's files in the folder of an import, with those in its class."""
    files_ = {f"{record.sha}.png": record.file}
    if record.bins is not None and record.bins_file is not None:
        files_[f"{record.bins}{BINS_ENDING}"] = record.bins_file
    return files_


def runs(project: Project) -> tuple[ImportRun, ...]:
    """All imports, newest first; one whose journal is damaged is left out."""
    found = []
    for run_id, state in sorted(states(project).items(), reverse=True):
        with contextlib.suppress(ProjectError):
            found.append(_read(project, run_id, state))
    return tuple(found)


def find(project: Project, run_id: str) -> ImportRun:
    """One import.

    Raises:
        ProjectError: There is none, or its journal is damaged.
    """
    state = states(project).get(run_id)
    if state is None:
        raise ProjectError("This import no longer exists; reload the page.")
    return _read(project, run_id, state)


def undo(project: Project, run_id: str) -> Undone:
    """Take back what an import added; ``redo`` adds it again.

    Pictures that were moved or deleted since are left as they are. Classes that the import added
    are removed if they are empty then.

    Raises:
        ProjectError: There is no such import, or it is undone already.
        StorageError: The disk is full; nothing has changed.
    """
    with project.lock():
        complete(project)
        run = find(project, run_id)
        if run.state != DONE:
            raise ProjectError("This import is undone already; reload the page.")
        removed = sum(len(_present(project, c)) for c in run.classes)
        before = {c.slug for c in project.classes()}
        _take_back(project, _change(project, run, UNDOING))
        gone = before - {c.slug for c in project.classes()}
        return Undone(
            removed, run.total - removed, tuple(c.name for c in run.classes if c.slug in gone)
        )


def redo(project: Project, run_id: str) -> ImportRun:
    """Add again what an undone import had added.

    Raises:
        ProjectError: There is no such import, it is not undone, or a class was deleted since.
    """
    with project.lock():
        complete(project)
        run = _undone(project, run_id)
        for c in run.classes:
            if c.new is None and not (class_folder(project, c.slug) / "class.json").exists():
                raise ProjectError(
                    "The class “{name}” of this import is deleted; restore the class first.",
                    name=c.name,
                )
        return _apply(project, _change(project, run, PENDING))


def discard(project: Project, run_id: str) -> None:
    """Delete an undone import permanently.

    Raises:
        ProjectError: There is no such import, or it is not undone.
    """
    with project.lock():
        files.remove_folder(_folder(project, _undone(project, run_id).id, UNDONE))


def open_project(path: Path) -> Project:
    """Open a project, and complete the changes and imports that an interrupted process began.

    Raises:
        ProjectError: It does not exist, cannot be read, is damaged, or a newer version wrote it.
    """
    project = Project.open(path)
    commits.finish_if_free(path)
    complete(project)
    return project


def complete(project: Project) -> int:
    """Complete the imports that an interrupted process began; returns how many.

    Nothing is done while another process is writing to the project: it may be the import itself.
    """
    if not any(state in (PENDING, UNDOING) for state in states(project).values()):
        return 0
    count = 0
    try:
        with files.lock(project.path / ".lock", timeout=0.0), project.lock():
            for run_id, state in sorted(states(project).items()):
                if state in (PENDING, UNDOING):
                    run = _read(project, run_id, state)
                    (_apply if state == PENDING else _take_back)(project, run)
                    count += 1
    except (StorageError, ProjectError):  # locked, not writable, or a damaged journal
        return count
    return count


def _folder(project: Project, run_id: str, state: str) -> Path:
    return project.path / FOLDER / f"{run_id}.{state}"


def states(project: Project) -> dict[str, str]:
    """The state of each import."""
    try:
        found = [path.name.rpartition(".") for path in (project.path / FOLDER).iterdir()]
    except OSError:
        return {}
    return {run_id: state for run_id, _, state in found if run_id and state in STATES}


def _read(project: Project, run_id: str, state: str) -> ImportRun:
    path = _folder(project, run_id, state) / JOURNAL
    return files.read_checked(path, lambda value: ImportRun.from_json(value, run_id, state))


def _undone(project: Project, run_id: str) -> ImportRun:
    run = find(project, run_id)
    if run.state != UNDONE:
        raise ProjectError("This import is not undone; reload the page.")
    return run


def _change(project: Project, run: ImportRun, state: str) -> ImportRun:
    """Rename the folder of an import for its new state."""
    target = _folder(project, run.id, state)
    with files.storage_errors(target):
        _folder(project, run.id, run.state).rename(target)
        files.sync_folder(target.parent)
    return replace(run, state=state)


def _apply(project: Project, run: ImportRun) -> ImportRun:
    """Move the pictures of a pending import to their classes and list them there."""
    folder = _folder(project, run.id, PENDING)
    uses = Counter(name for c in run.classes for record in c.records for name in staged(record))
    for c in run.classes:
        root = class_folder(project, c.slug)
        if not (root / "class.json").exists():
            if c.new is None:  # deleted before an interrupted import was completed
                continue
            with files.storage_errors(root):  # never the project itself: it may be deleted
                root.parent.mkdir(exist_ok=True)
                root.mkdir(exist_ok=True)
            files.write_json(root / "class.json", c.new.to_json())
        present = list(read_manifest(root / "originals").records)
        known, taken = {r.identity for r in present}, {r.file for r in present}
        target = root / "originals"
        with files.storage_errors(root):
            target.mkdir(exist_ok=True)
            before = {path.name for path in target.iterdir()}
            for record in c.records:
                if record.identity not in known and record.file not in taken:
                    is_there = [
                        _place(f"{folder}/{name}", f"{target}/{file}", uses[name] == 1)
                        or file in before
                        for name, file in staged(record).items()
                    ]
                    if is_there[0]:
                        present.append(record if all(is_there) else replace(record, bins=None))
        sync_batch()
        write_manifest(root / "originals", present)
    if any(c.new for c in run.classes):
        project.store_suggestions()
    for path in folder.glob("*.png"):
        with contextlib.suppress(OSError):
            path.unlink()
    return _change(project, run, DONE)


def _place(source: str, target: str, is_last: bool) -> bool:
    """Move or copy a file, in texts because there are many; ``False`` if it is not there."""
    try:
        if is_last:
            os.replace(source, target)  # noqa: PTH105
        else:
            place, _, name = target.rpartition("/")
            part = f"{place}/{files.TEMPORARY_PREFIX}{name}"
            shutil.copyfile(source, part)
            os.replace(part, target)  # noqa: PTH105
    except FileNotFoundError:  # an interrupted process has moved it already
        return False
    return True


def _take_back(project: Project, run: ImportRun) -> None:
    """Take the pictures of an import out of their classes; remove new classes that are empty."""
    folder = _folder(project, run.id, UNDOING)
    for c in run.classes:
        root = class_folder(project, c.slug) / "originals"
        mine = {record.file for record in _present(project, c)}
        if mine:
            write_manifest(root, [r for r in read_manifest(root).records if r.file not in mine])
        listed = {r.file for r in read_manifest(root).records}
        with files.storage_errors(root):
            for record in c.records:
                if record.file not in listed:
                    for name, file in staged(record).items():
                        _place(str(root / file), str(folder / name), is_last=True)
        if c.new is not None and _is_empty(project, c.slug):
            files.remove_folder(project.path / trash.FOLDER / project.delete_class(c.slug))
    _change(project, run, UNDONE)


def _present(project: Project, imported: ImportedClass) -> list[PictureRecord]:
    """The pictures of an import that are still in their class."""
    mine = {(record.file, record.sha) for record in imported.records}
    folder = class_folder(project, imported.slug) / "originals"
    return [r for r in read_manifest(folder).records if (r.file, r.sha) in mine]


def _is_empty(project: Project, slug: str) -> bool:
    """Whether a class exists and has neither originals nor synthetic pictures."""
    folder = class_folder(project, slug)
    if not (folder / "class.json").exists() or read_manifest(folder / "originals").records:
        return False
    return not any(
        any(path.iterdir())
        for path in folder.iterdir()
        if path.is_dir() and path.name != "originals"
    )
