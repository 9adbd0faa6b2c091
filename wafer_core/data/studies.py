"""What studies on a project found: studies/<kind>-<time>/ with study.json and dataset.json.

``dataset.json`` freezes the pictures that the study rests on, as a model's does; when classes
change afterwards, the study is shown as out of date.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wafer_core import files, names
from wafer_core.data import dataset
from wafer_core.data.project import Project
from wafer_core.errors import ProjectError

SCHEMA = 1
FOLDER = "studies"


@dataclass(frozen=True)
class Study:
    """One study.

    Attributes:
        id: Its folder; later ones of a kind sort later.
        kind: Of the job that made it.
        found: What it found, as that job describes.
        damage: What is wrong with its files; then nothing was found.
    """

    id: str
    kind: str
    found: Mapping[str, Any]
    damage: str | None = None


def save(
    project: Project,
    kind: str,
    found: Mapping[str, Any],
    frozen: dataset.Dataset,
    originals_only: bool = False,
) -> Study:
    """Keep what a study found; it appears at once and whole.

    Args:
        project: Where.
        kind: Of the job.
        found: JSON values.
        frozen: The pictures of the project.
        originals_only: Whether it rests on originals alone, so that it outlives made ones.

    Raises:
        StorageError: The disk is full or refuses.
    """
    name = names.timestamp_name(kind)
    root = project.path / FOLDER
    with files.storage_errors(root):
        root.mkdir(exist_ok=True)
    with files.new_folder(root / name) as folder:
        files.write_json(folder / "dataset.json", frozen.to_json(), indent=None)
        head = {"schema": SCHEMA, "kind": kind, "originals_only": originals_only}
        files.write_json(folder / "study.json", {**head, **found})
    return Study(name, kind, found)


def list_studies(project: Project, kind: str) -> tuple[Study, ...]:
    """All studies of a kind, the newest first; a damaged one says what is wrong with it."""
    found = []
    for folder in sorted((project.path / FOLDER).glob(f"{kind}-*"), reverse=True):
        if (folder / "study.json").exists():
            found.append(_read(folder, kind))
    return tuple(found)


def newest(project: Project, kind: str) -> Study | None:
    """The newest study of a kind; ``None`` without one."""
    found = list_studies(project, kind)
    return found[0] if found else None


def changes(project: Project, study_id: str) -> list[str]:
    """What changed in the classes since a study; empty if it is up to date.

    Raises:
        ModelError: Its ``dataset.json`` is damaged.
        ProjectError: The same, or it is gone.
    """
    folder = _folder(project, study_id)
    value, study = (files.read_json(folder / name) for name in ("dataset.json", "study.json"))
    before, now = dataset.Dataset.from_json(value), dataset.freeze(project)
    if isinstance(study, dict) and study.get("originals_only") is True:
        before, now = _originals(before), _originals(now)
    return dataset.changes_since(before, now)


def _originals(every: dataset.Dataset) -> dataset.Dataset:
    """Without what was made."""
    kept = tuple(entry for entry in every.entries if entry.origin == "originals")
    return dataset.Dataset(every.classes, kept)


def _folder(project: Project, study_id: str) -> Path:
    folder = project.path / FOLDER / study_id
    if not study_id or Path(study_id).name != study_id or study_id[0] == "." or not folder.is_dir():
        raise ProjectError(f"There is no study “{study_id[:80]}” any more; reload the page.")
    return folder


def _read(folder: Path, kind: str) -> Study:
    damaged = f"The study {folder} is damaged; delete it and start it again."
    try:
        value = files.read_json(folder / "study.json")
    except ProjectError:
        return Study(folder.name, kind, {}, damaged)
    if not isinstance(value, dict) or type(value.get("schema")) is not int:
        return Study(folder.name, kind, {}, damaged)
    if value["schema"] > SCHEMA:
        newer = f"The study {folder} was written by a newer version; update this one."
        return Study(folder.name, kind, {}, newer)
    return Study(folder.name, kind, value)
