"""Results of studies on a project: studies/<kind>-<time>/ with study.json and dataset.json.

``dataset.json`` freezes the pictures that the study used, as for a model: when the classes change
afterwards, the study is shown as out of date.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from wafer_core import files, names
from wafer_core.data import dataset
from wafer_core.data.members import MEGABYTE, Member
from wafer_core.data.project import Project
from wafer_core.errors import ProjectError
from wafer_core.json_fields import MAX_DEPTH, Fields, check_depth, check_schema
from wafer_core.messages import Message, message

SCHEMA = 1
FOLDER = "studies"
START_AGAIN = message("Delete the study and start it again.")
_MAX_BYTES = 16 * MEGABYTE


@dataclass(frozen=True)
class Study:
    """One study.

    Attributes:
        id: Its folder; later ones of a kind sort later.
        kind: The workflow that made it.
        result: What that workflow stored; its own ``from_json`` checks it.
        damage: Why it cannot be read; there is then no result.
        originals_only: Whether the study used originals only.
    """

    id: str
    kind: str
    result: Mapping[str, Any]
    damage: Message | None = None
    originals_only: bool = False

    @classmethod
    def from_json(cls, value: object, study_id: str = "", kind: str = "") -> Study:
        """Read ``study.json``.

        Raises:
            DataError: A value is missing, of the wrong type, or out of range.
        """
        fields = Fields(value)
        check_schema(fields, SCHEMA)
        check_depth("the result", value, MAX_DEPTH)
        result = dict(value) if isinstance(value, Mapping) else {}
        only = fields.flag("originals_only", False)
        return cls(study_id, fields.text("kind", kind), result, originals_only=only)


_FOLDER = rf"{FOLDER}/[a-z0-9_-]{{1,60}}-[0-9-]{{1,60}}"
MEMBERS = (
    Member(rf"{_FOLDER}/study\.json", Study.from_json, _MAX_BYTES),
    Member(rf"{_FOLDER}/dataset\.json", dataset.Dataset.from_json, dataset.MAX_BYTES),
)


def save(
    project: Project,
    kind: str,
    result: Mapping[str, Any],
    frozen: dataset.Dataset,
    originals_only: bool = False,
) -> Study:
    """Store the result of a study.

    Args:
        project: The project.
        kind: The workflow.
        result: JSON values.
        frozen: The pictures of the project when the study began.
        originals_only: Whether the study used originals only, so that changes of synthetic
            pictures do not make it out of date.

    Raises:
        StorageError: The disk is full or not writable.
    """
    name = names.timestamp_name(kind)
    root = project.path / FOLDER
    with files.storage_errors(root):
        root.mkdir(exist_ok=True)
    with files.new_folder(root / name) as folder:
        files.write_json(folder / "dataset.json", frozen.to_json(), indent=None)
        head = {"schema": SCHEMA, "kind": kind, "originals_only": originals_only}
        files.write_json(folder / "study.json", {**head, **result})
    return Study(name, kind, result, originals_only=originals_only)


def list_studies(project: Project, kind: str) -> tuple[Study, ...]:
    """All studies of a kind, newest first; a damaged one says what is wrong with it."""
    found = []
    for folder in sorted((project.path / FOLDER).glob(f"{kind}-*"), reverse=True):
        if (folder / "study.json").exists():
            try:
                found.append(_read(folder, kind))
            except ProjectError as exc:
                found.append(Study(folder.name, kind, {}, exc.message))
    return tuple(found)


def newest(project: Project, kind: str) -> Study | None:
    """The newest study of a kind; ``None`` without any."""
    found = list_studies(project, kind)
    return found[0] if found else None


def changes(project: Project, study_id: str) -> list[Message]:
    """What changed in the classes since a study; empty if it is up to date.

    Raises:
        ModelError: Its dataset is damaged.
        ProjectError: It is damaged or no longer exists.
    """
    folder = project.path / FOLDER / study_id
    if not names.is_folder_name(study_id) or not folder.is_dir():
        raise ProjectError(
            "There is no study “{name}” any more; reload the page.", name=study_id[:80]
        )
    before, now = dataset.read(folder, START_AGAIN), dataset.freeze(project)
    if _read(folder, "").originals_only:
        before, now = _originals(before), _originals(now)
    return dataset.changes_since(before, now)


def _originals(frozen: dataset.Dataset) -> dataset.Dataset:
    """The dataset without synthetic pictures."""
    return replace(frozen, entries=tuple(e for e in frozen.entries if e.origin == "originals"))


def _read(folder: Path, kind: str) -> Study:
    return files.read_checked(
        folder / "study.json",
        lambda value: Study.from_json(value, folder.name, kind),
        remedy=START_AGAIN,
        max_bytes=_MAX_BYTES,
    )
