"""A project as one zip: download, and upload with every file checked before it appears."""

from __future__ import annotations

import io
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from wafer_core import files, names
from wafer_core.data import (
    folder_names,
    models,
    pictures,
    presets,
    studies,
    synthetic,
)
from wafer_core.data import (
    project_files as json_files,
)
from wafer_core.data.members import MEGABYTE, Member
from wafer_core.data.project import MAX_CLASSES, Project
from wafer_core.errors import ArchiveError, DataError, InputError

# Every store registers its files: what is not listed is neither downloaded nor accepted.
MEMBERS: tuple[Member, ...] = (
    *json_files.MEMBERS,
    *pictures.MEMBERS,
    *synthetic.MEMBERS,
    *models.MEMBERS,
    *presets.MEMBERS,
    *folder_names.MEMBERS,
    *studies.MEMBERS,
)
MAX_MEMBERS = 500_000
MAX_BYTES = 20 * 2**30  # unpacked; a project of 100,000 maps with models is far smaller
MAX_RATIO = 200  # unpacked over packed size, of members of more than a megabyte


def find_member(path: str) -> Member | None:
    """The kind of file that a path in a project is; ``None``: no file of a project."""
    return next((member for member in MEMBERS if member.matches(path)), None)


def project_files(project: Project) -> Iterator[tuple[str, Path]]:
    """The files of a project as (path in the project, path on the disk), without jobs and trash."""
    for path in sorted(project.path.rglob("*")):
        member = path.relative_to(project.path).as_posix()
        if find_member(member) is not None and path.is_file():
            yield member, path


def export_zip(project: Project, target: IO[bytes]) -> None:
    """Write a project as a zip: everything but jobs and trash.

    Args:
        project: The project.
        target: A writable binary file.
    """
    with project.lock(), zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for member, path in project_files(project):
            archive.write(path, f"{project.path.name}/{member}")


def import_zip(workspace: Path, data: bytes | IO[bytes], name: str) -> Project:
    """Add a project that ``export_zip`` wrote; it appears only after all of it was checked.

    Args:
        workspace: Where to add it.
        data: The zip.
        name: Its file name, for messages.

    Raises:
        ArchiveError: It is broken, hostile, damaged, or not a project.
        StorageError: The disk is full.
    """
    stream = io.BytesIO(data) if isinstance(data, bytes) else data
    try:
        archive = zipfile.ZipFile(stream)
    except MemoryError:
        raise
    except Exception as exc:  # the zip module may raise anything on hostile bytes
        raise ArchiveError(
            "{file} is not a zip, or it is broken; download the project again.", file=name
        ) from exc
    with archive:
        top, members = _check_members(archive, name)
        with files.storage_errors(workspace):
            workspace.mkdir(parents=True, exist_ok=True)
        with files.lock(workspace / ".lock"):
            target = files.free_folder(workspace, names.slug(top))
            with files.new_folder(target) as temporary:
                for path, (kind, info) in members.items():
                    _extract(archive, info, temporary / path, kind, name)
                _check_project(temporary, name)
    return Project.open(target)


def _check_members(
    archive: zipfile.ZipFile, name: str
) -> tuple[str, dict[str, tuple[Member, zipfile.ZipInfo]]]:
    """The one folder of the zip, and its files by their path in the project."""
    infos = [info for info in archive.infolist() if not info.is_dir()]
    if len(infos) > MAX_MEMBERS or sum(info.file_size for info in infos) > MAX_BYTES:
        raise ArchiveError("{file} holds more than a project can; it is not unpacked.", file=name)
    members: dict[str, tuple[Member, zipfile.ZipInfo]] = {}
    tops = set()
    for info in infos:
        top, _, rest = info.filename.partition("/")
        is_plain = (info.external_attr >> 16) & 0o170000 in (0, 0o100000)
        kind = find_member(rest)
        if kind is None or not is_plain or info.flag_bits & 1 or not names.is_folder_name(top):
            raise ArchiveError(
                "{file}: the file “{member}” does not belong in a project. Use a zip downloaded "
                "from Teachable Wafer (add pictures on the Classes page).",
                file=name,
                member=info.filename[:80],
            )
        is_bomb = info.file_size > MEGABYTE and info.file_size > MAX_RATIO * info.compress_size
        if info.file_size > kind.max_bytes or is_bomb:
            raise ArchiveError(
                "{file}: the file “{member}” would unpack to {size:,} bytes, more than it can "
                "need; download the project again.",
                file=name,
                member=info.filename[:80],
                size=info.file_size,
            )
        tops.add(top)
        members[rest] = kind, info
    if len(tops) != 1 or "project.json" not in members:
        raise ArchiveError(
            "{file} holds no project. Use a zip downloaded from Teachable Wafer (add pictures on "
            "the Classes page).",
            file=name,
        )
    return tops.pop(), members


def _extract(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path, kind: Member, name: str
) -> None:
    """Unpack one file; JSON is checked before it is written."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as out:
        for block in _blocks(archive, info, kind, name):
            out.write(block)


def _blocks(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, kind: Member, name: str
) -> Iterator[bytes]:
    """The content of one file in blocks; of a JSON file in one, after it was checked."""
    left = kind.max_bytes
    size = -1 if kind.from_json else MEGABYTE
    try:
        with archive.open(info) as source:
            # zipfile stops at the declared size, which was checked above
            while block := source.read(size):
                left -= len(block)
                if left < 0:
                    raise DataError("it is larger than {most:,} bytes", most=kind.max_bytes)
                if kind.from_json:
                    kind.from_json(files.parse_json(block))
                yield block
            if kind.from_json and left == kind.max_bytes:
                raise DataError("it is empty")
    except (MemoryError, GeneratorExit):
        raise
    except DataError as exc:
        raise ArchiveError(
            "{file}: the file “{member}” is damaged ({reason}); download the project again.",
            file=name,
            member=info.filename[:80],
            reason=exc.message,
        ) from exc
    except Exception as exc:  # a decompressor may raise anything on damaged data
        raise ArchiveError(
            "{file}: the file “{member}” cannot be unpacked; download the project again.",
            file=name,
            member=info.filename[:80],
        ) from exc


def _check_project(folder: Path, name: str) -> None:
    """Check what one file alone cannot show."""
    try:
        classes = Project.open(folder).classes()
    except InputError as exc:
        raise ArchiveError("{file} holds a damaged project.", file=name) from exc
    if len(classes) > MAX_CLASSES:
        raise ArchiveError(
            "{file} holds {count:,} classes; a project can have {most}.",
            file=name,
            count=len(classes),
            most=MAX_CLASSES,
        )
    repeated = [c for c, n in Counter(names.fold(c.name) for c in classes).items() if n > 1]
    if repeated:
        raise ArchiveError(
            "{file} holds several classes named “{name}”; rename all but one and download the "
            "project again.",
            file=name,
            name=repeated[0],
        )
