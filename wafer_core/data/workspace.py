"""All projects of one server: ``WAFER_HOME``, with one folder per project and a trash."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from wafer_core import files, names
from wafer_core.data import imports, models, pictures
from wafer_core.data.project import Project
from wafer_core.data.project_zip import export_zip as export_zip
from wafer_core.data.project_zip import import_zip as import_zip
from wafer_core.data.project_zip import project_files
from wafer_core.errors import InputError, ProjectError
from wafer_core.messages import Message, message

TRASH = ".trash"


@dataclass(frozen=True)
class ProjectInfo:
    """What Home shows of a project.

    Attributes:
        folder: Its folder's name.
        path: Its folder.
        name: Display name; of a damaged project its folder's.
        classes: Number of classes.
        originals: Number of originals.
        models: Number of models.
        changed: When somebody last worked on it, UTC.
        damage: Why it, or a part of it, cannot be read.
        can_open: Whether it can be opened in spite of the damage.
    """

    folder: str
    path: Path
    name: str
    classes: int
    originals: int
    models: int
    changed: datetime
    damage: Message | None = None
    can_open: bool = True


def workspace_path() -> Path:
    """Folder of all projects: ``WAFER_HOME``, or ``workspace`` in the current folder."""
    return Path(os.environ.get("WAFER_HOME") or "workspace").resolve()


def project_folders(workspace: Path) -> list[Path]:
    """Folders that are projects, including those that are damaged or may not be read."""
    try:
        paths = sorted(path for path in workspace.iterdir() if not path.name.startswith("."))
    except OSError:
        return []
    return [path for path in paths if _is_project(path)]


def _is_project(path: Path) -> bool:
    try:
        return (path / "project.json").exists()
    except PermissionError:  # it is shown, so that somebody can correct the permission
        return True
    except OSError:
        return False


def list_projects(workspace: Path) -> list[ProjectInfo]:
    """All projects, the one worked on last first; a damaged one says what is wrong with it."""
    return sorted(map(_info, project_folders(workspace)), key=lambda p: p.changed, reverse=True)


def _info(path: Path) -> ProjectInfo:
    changed = _last_change(path)
    try:
        project = Project.open(path)
        name, classes = project.name, project.classes()
    except InputError as exc:
        return ProjectInfo(path.name, path, path.name, 0, 0, 0, changed, exc.message, False)
    except OSError as exc:
        damage = message(
            "{path} cannot be read ({reason}); ask for read permission.",
            path=str(path),
            reason=exc.strerror or str(exc),
        )
        return ProjectInfo(path.name, path, path.name, 0, 0, 0, changed, damage, False)
    count = 0
    part = next((c.damage for c in classes if c.damage), None)
    for c in classes:
        try:
            count += len(pictures.originals(project, c.slug))
        except InputError as exc:
            part = part or exc.message
    trained = len(models.runs(project))
    return ProjectInfo(path.name, path, name, len(classes), count, trained, changed, part)


def _last_change(path: Path) -> datetime:
    """When somebody last worked on a project: its classes, models, jobs or settings."""
    watched = [path / "project.json", path / "classes", path / "models", path / "jobs"]
    with contextlib.suppress(OSError):
        watched += list(path.glob("classes/*/originals/manifest.json"))
    times = [0.0]
    for place in watched:
        with contextlib.suppress(OSError):
            times.append(place.stat().st_mtime)
    return datetime.fromtimestamp(max(times), UTC)


def find_project(workspace: Path, folder: str) -> Project:
    """Open a project by the name of its folder, which may come from an address line.

    Raises:
        ProjectError: There is none with this name.
    """
    if not names.is_folder_name(folder):
        raise ProjectError(
            "There is no project “{name}”; choose one on the home page.", name=folder[:60]
        )
    return imports.open_project(workspace / folder)


def create_project(workspace: Path, name: str, seed: int = 0) -> Project:
    """Create an empty project; its folder is named after it.

    Raises:
        ClassNameError: The name cannot be used.
    """
    title = names.clean_name(name, "project")
    with files.storage_errors(workspace):
        workspace.mkdir(parents=True, exist_ok=True)
    with files.lock(workspace / ".lock"):
        return Project.create(files.free_folder(workspace, names.slug(title)), title, seed)


def duplicate_project(workspace: Path, project: Project) -> Project:
    """Copy a project with its pictures and models, without its jobs and trash."""
    name = names.clean_name(f"{project.name} (copy)"[: names.MAX_NAME_LENGTH], "project")
    with files.lock(workspace / ".lock"), project.lock():
        target = files.free_folder(workspace, names.slug(name))
        with files.new_folder(target) as temporary:
            for member, path in project_files(project):
                copy = temporary / member
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, copy)
            Project(temporary).rename(name)
            (temporary / ".lock").unlink(missing_ok=True)
    return Project.open(target)


def trash_project(workspace: Path, project: Project) -> str:
    """Move a project to the workspace's trash.

    Returns:
        The id for ``restore_project``.
    """
    # A folder's name has 255 bytes at most, and the time is added.
    trash_id = names.timestamp_name(project.path.name[:200])
    target = workspace / TRASH / trash_id
    writing = files.lock(workspace / ".lock"), _unless_writing(project.path)
    with writing[0], writing[1], files.storage_errors(target):
        target.parent.mkdir(exist_ok=True)
        project.path.rename(target)
    return trash_id


@contextlib.contextmanager
def _unless_writing(folder: Path) -> Iterator[None]:
    """Wait until nobody stores anything in a project; one that cannot be locked is taken as it is.

    Raises:
        StorageError: Another process has been writing for long.
    """
    with contextlib.ExitStack() as stack:
        if os.access(folder, os.W_OK):
            stack.enter_context(files.lock(folder / ".lock"))
        yield


def list_trash(workspace: Path) -> list[tuple[str, str]]:
    """Deleted projects as (id, name), newest first; a damaged one has the name of its folder."""
    try:
        paths = [path for path in (workspace / TRASH).iterdir() if _is_project(path)]
    except OSError:
        return []
    found = []
    for path in paths:
        try:
            name = Project(path).name
        except ProjectError:
            name = path.name
        found.append((path.name, name))
    return sorted(found, key=lambda item: item[0][-22:], reverse=True)


def restore_project(workspace: Path, trash_id: str) -> Project:
    """Restore a deleted project.

    Raises:
        ProjectError: It is no longer in the trash, or damaged.
    """
    source = workspace / TRASH / trash_id
    with files.lock(workspace / ".lock"):
        if not names.is_folder_name(trash_id) or not _is_project(source):
            raise ProjectError("This project is no longer in the trash.")
        folder = re.sub(r"-\d{8}-\d{6}-\d{6}$", "", source.name)
        target = files.free_folder(workspace, folder)
        with files.storage_errors(target):
            source.rename(target)
    return Project.open(target)


def delete_from_trash(workspace: Path, trash_ids: Iterable[str]) -> None:
    """Delete projects in the trash permanently; those that are gone already are skipped."""
    for trash_id in trash_ids:
        if names.is_folder_name(trash_id):
            files.remove_folder(workspace / TRASH / trash_id)


def disk_use(path: Path) -> tuple[int, int]:
    """Bytes used below ``path``, and bytes free on its disk. Slow for many files: cache it."""
    anchor = path if path.exists() else path.parent
    return sum(_sizes(path)), shutil.disk_usage(anchor).free


def _sizes(folder: Path) -> Iterator[int]:
    """Sizes of the files below a folder; files that disappear meanwhile are skipped."""
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    for entry in entries:
        with contextlib.suppress(OSError):
            if entry.is_dir(follow_symlinks=False):
                yield from _sizes(Path(entry.path))
            elif entry.is_file(follow_symlinks=False):
                yield entry.stat(follow_symlinks=False).st_size
