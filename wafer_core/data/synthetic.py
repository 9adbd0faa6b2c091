"""Made pictures of a class: runs of augmented and generated ones.

classes/<slug>/augmented/<run>/…               and manifest.json
classes/<slug>/generated/<run>/…               and manifest.json
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wafer_core import files, images, names
from wafer_core.data.manifest import (
    MANIFEST,
    PictureRecord,
    class_folder,
    read_manifest,
    write_manifest,
)
from wafer_core.data.project import Project
from wafer_core.errors import InputError, ProjectError
from wafer_core.images import Picture

ORIGINS = ("augmented", "generated")


@dataclass(frozen=True)
class MadePicture:
    """A picture made from an original (augmented) or by a model (generated)."""

    picture: Picture
    parent: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class MadeRun:
    """One run of Augment or Generate in one class."""

    run: str
    origin: str
    info: Mapping[str, Any]
    records: tuple[PictureRecord, ...]


def runs(project: Project, slug: str, origin: str) -> tuple[MadeRun, ...]:
    """Runs of one origin (``augmented`` or ``generated``) in a class, oldest first."""
    folder = class_folder(project, slug) / origin
    if not folder.is_dir():
        return ()
    found = []
    for path in sorted(folder.iterdir()):
        if not path.name.startswith(".") and (path / MANIFEST).exists():
            records, info = read_manifest(path)
            found.append(MadeRun(path.name, origin, info, records))
    return tuple(found)


def add(
    project: Project,
    slug: str,
    origin: str,
    pictures: Iterable[MadePicture],
    info: Mapping[str, Any],
) -> str:
    """Store one run of made pictures; they are used for training only.

    Args:
        origin: ``augmented`` or ``generated``.
        info: Provenance of the run: parameters, model, seed, threshold, quality figures.

    Returns:
        The run's name.

    Raises:
        ProjectError: The class was deleted meanwhile.
    """
    if origin not in ORIGINS:
        raise InputError(f"“{origin}” is not one of {', '.join(ORIGINS)}.")
    if not (class_folder(project, slug) / "class.json").exists():
        raise ProjectError("The class was deleted meanwhile; nothing was stored.")
    run = names.timestamp_name("run")
    folder = class_folder(project, slug) / origin / run
    folder.parent.mkdir(exist_ok=True)
    with files.new_folder(folder) as temporary:
        records = []
        for index, item in enumerate(pictures):
            picture = images.check_picture(item.picture, f"{origin} picture {index}")
            record = PictureRecord.of(
                picture, f"{origin[:3]}-{index:05d}", parent=item.parent, details=dict(item.details)
            )
            files.write_bytes(temporary / record.file, images.encode_png(picture), sync=False)
            records.append(record)
        write_manifest(temporary, records, info)
    return run


def delete(project: Project, slug: str, origin: str, run: str) -> None:
    """Remove one run of made pictures (they can be made again)."""
    if origin not in ORIGINS or not run or Path(run).name != run or run[0] == ".":
        raise ProjectError(f"“{run}” names no run; reload the page.")
    folder = class_folder(project, slug) / origin / run
    hidden = folder.with_name(f"{files.TEMPORARY_PREFIX}{uuid.uuid4().hex}")
    with project.lock(), files.storage_errors(folder):
        if folder.exists():
            folder.rename(hidden)  # gone at once, however long the removal takes
        shutil.rmtree(hidden, ignore_errors=True)
