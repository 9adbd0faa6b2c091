"""Pictures in a class's folder that no manifest lists, as interrupted older versions left them.

They are not shown and not used. One whose content the project has elsewhere is removed; any other
goes to the trash, because somebody may have copied it there by hand.
"""

from __future__ import annotations

import re
from pathlib import Path

from wafer_core import files, images
from wafer_core.data import imports, trash
from wafer_core.data.commits import Change
from wafer_core.data.manifest import Manifest, PictureRecord, class_folder, read_manifest
from wafer_core.data.members import FILE_NAME
from wafer_core.data.project import Project, WaferClass
from wafer_core.errors import PictureError, StorageError, WaferError

_OURS = re.compile(rf"{FILE_NAME}\.png")
_CUT = re.compile(r"([A-Za-z0-9_-]+-[0-9a-f]{8}|[0-9a-f]{64})\.png")


def sweep(project: Project) -> int:
    """Remove the orphans of all classes; returns how many.

    Nothing is done while another process is writing to the project.
    """
    classes = project.classes()
    if not any(_orphans(project, c) for c in classes):
        return 0
    try:
        with files.lock(project.path / ".lock", timeout=0.0), project.lock():
            if any(
                state in (imports.PENDING, imports.UNDOING) for state in imports.states(project)
            ):
                return 0  # what it has moved already is not listed yet
            known = _known(project)
            return sum(_remove(project, c, _orphans(project, c), known) for c in classes)
    except StorageError:
        return 0


def _orphans(project: Project, wafer_class: WaferClass) -> list[Path]:
    """Pictures that are not in the manifest; none where it cannot be read."""
    folder = class_folder(project, wafer_class.slug) / "originals"
    try:
        listed = {record.file for record in read_manifest(folder).records}
        names = [path for path in folder.iterdir() if path.name not in listed]
    except (WaferError, OSError):
        return []
    return [path for path in names if _OURS.fullmatch(path.name) and path.is_file()]


def _known(project: Project) -> set[str]:
    """Content hashes of all originals, and of those in the trash."""
    records: list[PictureRecord] = []
    for c in project.classes():
        try:
            records += read_manifest(class_folder(project, c.slug) / "originals").records
        except WaferError:
            continue
    for item in project.trash():
        folder = project.path / trash.FOLDER / item.id
        try:
            records += files.read_checked(folder / trash.LABEL, Manifest.from_json).records
        except WaferError:
            continue
    return {record.sha for record in records}


def _remove(project: Project, c: WaferClass, orphans: list[Path], known: set[str]) -> int:
    """Remove the orphans of one class, or put them into the trash."""
    unknown: list[tuple[Path, PictureRecord]] = []
    with Change(project.path) as change:
        for path in orphans:
            try:
                picture = images.read_png(path)
            except PictureError:
                if _CUT.fullmatch(path.name):  # the kill came while it was written
                    change.remove(path)
                continue
            key = f"content:{images.orbit_hash(picture)[:16]}"
            record = PictureRecord.of(picture, "x", key=key, source=path.name)
            if record.sha in known:
                change.remove(path)
            else:
                unknown.append((path, record))
        if unknown:
            title = f"{len(unknown)} × {c.name}"
            entries = [{**record.to_json(), "file": path.name} for path, record in unknown]
            details = {"slug": c.slug, "pictures": entries}
            item = trash.add(change, project.path, trash.PICTURES, title, details)
            for path, _ in unknown:
                change.move(path, item / trash.PICTURES / path.name)
        change.commit()
    return len(orphans)
