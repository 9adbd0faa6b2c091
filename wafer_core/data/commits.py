"""Changes of several files of a project at one moment.

.commits/<id>/plan.json    the steps, in order
.commits/<id>/0, 1, …      new files and folders, until they are in their places

A change is prepared in a temporary folder. Its rename to ``.commits/<id>`` is the commit point:
before it nothing has happened. After it the steps are carried out, if need be by the next process
that locks or opens the project. Every step may be repeated.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from wafer_core import files, names
from wafer_core.errors import DataError, ProjectError, StorageError, WaferError
from wafer_core.json_fields import REQUIRED, Fields

FOLDER = ".commits"
PLAN = "plan.json"
_SYNC_ALL_FROM = 16  # files; so many are written to the disk by one sync of all

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Step:
    """One rename.

    Attributes:
        source: What is renamed; ``None``: the file or folder of this step's number.
        target: Its new place; ``None``: it is deleted. A file there is replaced.
    """

    source: str | None
    target: str | None

    @classmethod
    def from_json(cls, value: object) -> Step:
        """Read one step of a plan.

        Raises:
            DataError: A value is of the wrong type, or no path inside a project.
        """
        fields = Fields(value)
        step = cls(fields.optional_text("source"), fields.optional_text("target"))
        for path in (step.source, step.target):
            if path is not None and not _is_inside(path):
                raise DataError("{path} is no path in a project", path=repr(path)[:60])
        if step == cls(None, None):
            raise DataError("a step without a path")
        return step


def _is_inside(path: str) -> bool:
    """Whether a path is relative and does not lead out of the project."""
    parts = PurePosixPath(path).parts
    return bool(parts) and not any(
        part in ("/", "..") or not names.is_folder_name(part.removeprefix(".")) for part in parts
    )


class Change:
    """A change that is being prepared; what is not committed is removed.

    Use it as a context manager. All paths are below the project's folder.

    Args:
        root: The project's folder.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folder = root / files.temporary_name()
        self._steps: list[Step] = []

    def __enter__(self) -> Change:
        with files.storage_errors(self._folder):
            self._folder.mkdir()
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def file(self, target: Path) -> Path:
        """The place to write a file to that will be at ``target``; one there is replaced."""
        return self._folder / self._add(None, target)

    def folder(self, target: Path) -> Path:
        """A new folder to fill that will be at ``target``."""
        path = self.file(target)
        with files.storage_errors(path):
            path.mkdir()
        return path

    def json(self, target: Path, value: Any, *, indent: int | None = 1) -> None:
        """Replace a JSON file."""
        files.write_json(self.file(target), value, indent=indent)

    def move(self, source: Path, target: Path) -> None:
        """Rename a file or folder of the project."""
        self._add(source, target)

    def remove(self, source: Path) -> None:
        """Delete a file or folder of the project; one that is missing is skipped."""
        self._add(source, None)

    def _add(self, source: Path | None, target: Path | None) -> str:
        self._steps.append(Step(self._relative(source), self._relative(target)))
        return str(len(self._steps) - 1)

    def _relative(self, path: Path | None) -> str | None:
        return None if path is None else path.relative_to(self._root).as_posix()

    def commit(self) -> None:
        """Carry out the change; the caller holds the project's lock.

        Raises:
            StorageError: The disk is full; nothing has changed.
        """
        if not self._steps:
            return
        target = self._root / FOLDER / names.timestamp_name("change")
        plan = {"steps": [vars(step) for step in self._steps]}
        files.write_json(self._folder / PLAN, plan, indent=None)
        with files.storage_errors(target):
            _sync(self._folder)
            target.parent.mkdir(exist_ok=True)
            self._folder.rename(target)
            files.sync_folder(target.parent)
        _carry_out(self._root, target)


def finish(root: Path) -> int:
    """Carry out the changes that an interrupted process committed; returns how many.

    The caller holds the project's lock. A change with a damaged plan is left alone.
    """
    count = 0
    for folder in pending(root):
        try:
            _carry_out(root, folder)
            count += 1
        except WaferError as exc:
            logger.error("%s: a committed change is not carried out: %s", folder, exc)
    return count


def pending(root: Path) -> list[Path]:
    """The folders of committed changes that are not carried out, the oldest first."""
    try:
        return sorted(path for path in (root / FOLDER).iterdir() if path.name[0] != ".")
    except OSError:
        return []


def _carry_out(root: Path, folder: Path) -> None:
    """Rename everything to its place.

    Raises:
        ProjectError: The plan is damaged.
        StorageError: A place cannot be written.
    """
    steps = files.read_checked(
        folder / PLAN, lambda value: Fields(value).items("steps", Step.from_json, REQUIRED)
    )
    for number, step in enumerate(steps):
        source = folder / str(number) if step.source is None else root / step.source
        # What is deleted goes to this folder, so that it disappears at once.
        target = folder / f"old-{number}" if step.target is None else root / step.target
        with files.storage_errors(target):
            _rename(source, target)
    files.remove_folder(folder)


def _rename(source: Path, target: Path) -> None:
    """Rename, unless it was done before or the place is gone."""
    with contextlib.suppress(FileNotFoundError):
        if target.parent.parent.is_dir():  # not below a class that was deleted meanwhile
            target.parent.mkdir(exist_ok=True)
        source.replace(target)


def _sync(folder: Path) -> None:
    """Write everything in a folder to the disk."""
    found = [Path(place, name) for place, _, names_ in os.walk(folder) for name in names_]
    if len(found) >= _SYNC_ALL_FROM and hasattr(os, "sync"):
        os.sync()
        return
    for path in found:
        with path.open("rb") as file:
            os.fsync(file.fileno())
    for place in {path.parent for path in found}:
        files.sync_folder(place)


def finish_if_free(root: Path) -> int:
    """The same as ``finish``; nothing while another process holds the lock and may do it itself."""
    if not pending(root):
        return 0
    try:
        with files.lock(root / ".lock", timeout=0.0):
            return finish(root)
    except (StorageError, ProjectError):  # locked, or not writable
        return 0
