"""All projects of one server: ``WAFER_HOME``, one folder a project, and a trash."""

from __future__ import annotations

import io
import os
import re
import shutil
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import IO

from wafer_core import files, names
from wafer_core.data import pictures
from wafer_core.data.project import Project
from wafer_core.errors import ArchiveError, ProjectError

# What a project zip may hold; anything else in it is a stranger's.
_MEMBER = re.compile(
    r"project\.json"
    r"|classes/[a-z0-9-]+/class\.json"
    r"|classes/[a-z0-9-]+/originals/([A-Za-z0-9_-]+\.png|manifest\.json)"
    r"|classes/[a-z0-9-]+/(augmented|generated)/run-[0-9-]+/([A-Za-z0-9_-]+\.png|manifest\.json)"
    r"|models/[A-Za-z0-9_-]+/[A-Za-z0-9_-]+\.(safetensors|json|csv)"
    r"|presets/[a-z0-9-]+\.json"
    r"|studies/[a-z0-9_]+-[0-9-]+/(study|dataset)\.json"
)
MAX_MEMBERS = 500_000
MAX_BYTES = 20 * 2**30  # unpacked; a project of 100,000 maps with models is far below


@dataclass(frozen=True)
class ProjectInfo:
    """What Home shows of a project."""

    folder: str
    path: Path
    name: str
    classes: int
    originals: int
    models: int
    changed: datetime  # UTC
    damage: str | None = None  # the sentence, if it cannot be opened


def workspace_path() -> Path:
    """Folder of all projects: ``WAFER_HOME``, or ``workspace`` in the current folder."""
    return Path(os.environ.get("WAFER_HOME") or "workspace").resolve()


def project_folders(workspace: Path) -> list[Path]:
    """Folders that are projects (damaged ones included)."""
    if not workspace.is_dir():
        return []
    return sorted(
        path
        for path in workspace.iterdir()
        if not path.name.startswith(".") and (path / "project.json").exists()
    )


def list_projects(workspace: Path) -> list[ProjectInfo]:
    """All projects, the one worked on last first."""
    return sorted(map(_info, project_folders(workspace)), key=lambda p: p.changed, reverse=True)


def _info(path: Path) -> ProjectInfo:
    changed = _last_change(path)
    try:
        project = Project.open(path)
        classes = project.classes()
        count = sum(len(pictures.originals(project, c.slug)) for c in classes)
        models = len(list_runs(project))
        return ProjectInfo(path.name, path, project.name, len(classes), count, models, changed)
    except ProjectError as exc:
        return ProjectInfo(path.name, path, path.name, 0, 0, 0, changed, str(exc))


def list_runs(project: Project) -> list[str]:
    """Names of the model folders, oldest first."""
    if not project.models_path.is_dir():
        return []
    return sorted(p.name for p in project.models_path.iterdir() if (p / "model.json").exists())


def _last_change(path: Path) -> datetime:
    """When somebody last worked on a project: its classes, models, jobs or settings."""
    watched = [path / "project.json", path / "classes", path / "models", path / "jobs"]
    watched += list(path.glob("classes/*/originals/manifest.json"))
    times = [p.stat().st_mtime for p in watched if p.exists()]
    return datetime.fromtimestamp(max(times, default=0.0), UTC)


def find_project(workspace: Path, folder: str) -> Project:
    """Open a project by its folder's name, which may come from an address line.

    Raises:
        ProjectError: There is none of this name.
    """
    if not folder or Path(folder).name != folder or folder.startswith("."):
        raise ProjectError(f"“{folder[:60]}” names no project; choose one on the home page.")
    return Project.open(workspace / folder)


def create_project(workspace: Path, name: str, seed: int = 0) -> Project:
    """Make an empty project; its folder is named after it.

    Raises:
        ClassNameError: The name cannot be used.
    """
    title = names.clean_name(name, "project")
    with files.storage_errors(workspace):
        workspace.mkdir(parents=True, exist_ok=True)
    with files.lock(workspace / ".lock"):
        return Project.create(_free_folder(workspace, names.slug(title)), title, seed)


def duplicate_project(workspace: Path, project: Project) -> Project:
    """Copy a project with its pictures and models; jobs stay where they ran."""
    name = names.clean_name(f"{project.name} (copy)"[: names.MAX_NAME_LENGTH], "project")
    with files.lock(workspace / ".lock"), project.lock():
        target = _free_folder(workspace, names.slug(name))
        with files.new_folder(target) as temporary:
            shutil.copytree(
                project.path,
                temporary,
                dirs_exist_ok=True,
                ignore=shutil.ignore_patterns(
                    "jobs", ".trash", ".lock", f"{files.TEMPORARY_PREFIX}*"
                ),
            )
    copy = Project.open(target)
    copy.rename(name)
    return copy


def trash_project(workspace: Path, project: Project) -> str:
    """Move a project to the workspace's trash.

    Returns:
        The id for ``restore_project``.
    """
    trash_id = names.timestamp_name(project.path.name)
    target = workspace / ".trash" / trash_id
    with files.lock(workspace / ".lock"), files.storage_errors(target):
        target.parent.mkdir(exist_ok=True)
        project.path.rename(target)
    return trash_id


def list_trash(workspace: Path) -> list[tuple[str, str]]:
    """Deleted projects as (id, name), newest first."""
    found = []
    for path in (workspace / ".trash").glob("*/project.json"):
        try:
            name = Project(path.parent).name
        except ProjectError:
            name = path.parent.name
        found.append((path.parent.name, name))
    return sorted(found, key=lambda item: item[0][-22:], reverse=True)


def restore_project(workspace: Path, trash_id: str) -> Project:
    """Bring a deleted project back.

    Raises:
        ProjectError: It is no longer in the trash.
    """
    source = workspace / ".trash" / Path(trash_id).name
    with files.lock(workspace / ".lock"):
        if not (source / "project.json").exists():
            raise ProjectError("This project is no longer in the trash.")
        folder = re.sub(r"-\d{8}-\d{6}-\d{6}$", "", source.name)
        target = _free_folder(workspace, folder)
        with files.storage_errors(target):
            source.rename(target)
    return Project.open(target)


def empty_trash(workspace: Path) -> None:
    """Delete for good the projects in the trash."""
    shutil.rmtree(workspace / ".trash", ignore_errors=True)


def _free_folder(workspace: Path, base: str) -> Path:
    path, number = workspace / base, 2
    while path.exists():
        path, number = workspace / f"{base}-{number}", number + 1
    return path


# -- zip -----------------------------------------------------------------------------------------


def export_zip(project: Project, target: IO[bytes]) -> None:
    """Write a project as a zip: classes, pictures and models, without jobs and trash.

    Args:
        target: A writable binary file.
    """
    with project.lock(), zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(project.path.rglob("*")):
            member = path.relative_to(project.path).as_posix()
            if path.is_file() and _MEMBER.fullmatch(member):
                archive.write(path, f"{project.path.name}/{member}")


def import_zip(workspace: Path, data: bytes | IO[bytes], name: str) -> Project:
    """Bring in a project that ``export_zip`` wrote.

    Args:
        data: The zip.
        name: Its file name, for messages.

    Raises:
        ArchiveError: It is broken, hostile or no project.
        ProjectError: Its ``project.json`` is damaged.
    """
    stream = io.BytesIO(data) if isinstance(data, bytes) else data
    try:
        archive = zipfile.ZipFile(stream)
    except (zipfile.BadZipFile, OSError, ValueError) as exc:
        raise ArchiveError(f"{name}: not a zip, or broken; download the project again.") from exc
    with archive:
        members = _project_members(archive, name)
        with files.storage_errors(workspace):
            workspace.mkdir(parents=True, exist_ok=True)
        top = next(iter(members)).parts[0]
        with files.lock(workspace / ".lock"):
            target = _free_folder(workspace, names.slug(top))
            with files.new_folder(target) as temporary:
                _extract(archive, members, temporary, name)
                _ = Project.open(temporary).classes()
    return Project.open(target)


def _project_members(archive: zipfile.ZipFile, name: str) -> dict[PurePosixPath, zipfile.ZipInfo]:
    """Members by path, all of them known kinds inside one folder."""
    infos = [info for info in archive.infolist() if not info.is_dir()]
    if len(infos) > MAX_MEMBERS or sum(info.file_size for info in infos) > MAX_BYTES:
        raise ArchiveError(f"{name}: holds more than a project can; it is not unpacked.")
    members: dict[PurePosixPath, zipfile.ZipInfo] = {}
    for info in infos:
        top, _, rest = info.filename.partition("/")
        strange = (info.external_attr >> 16) & 0o170000 not in (0, 0o100000) or info.flag_bits & 1
        if strange or not _MEMBER.fullmatch(rest) or top in ("", ".", ".."):
            raise ArchiveError(
                f"{name}: the member “{info.filename[:80]}” does not belong in a project; "
                "use a zip downloaded from Teachable Wafer (pictures go to the Classes page)."
            )
        members[PurePosixPath(info.filename)] = info
    tops = {path.parts[0] for path in members}
    if len(tops) != 1 or not any(path.parts[1:] == ("project.json",) for path in members):
        raise ArchiveError(
            f"{name}: holds no project.json; use a zip downloaded from Teachable Wafer "
            "(pictures go to the Classes page)."
        )
    return members


def _extract(
    archive: zipfile.ZipFile,
    members: dict[PurePosixPath, zipfile.ZipInfo],
    folder: Path,
    name: str,
) -> None:
    for path, info in members.items():
        target = folder.joinpath(*path.parts[1:])
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with archive.open(info) as source, target.open("wb") as out:
                # zipfile stops at the declared size, which was summed above.
                shutil.copyfileobj(source, out)
        except (zipfile.BadZipFile, EOFError, NotImplementedError) as exc:
            raise ArchiveError(
                f"{name}: the member “{info.filename[:80]}” is broken; download it again."
            ) from exc


def disk_use(path: Path) -> tuple[int, int]:
    """Bytes used below ``path``, and bytes free on its disk. Slow for many files: cache it."""
    used = sum(entry.stat().st_size for entry in path.rglob("*") if entry.is_file())
    anchor = path if path.exists() else path.parent
    return used, shutil.disk_usage(anchor).free
