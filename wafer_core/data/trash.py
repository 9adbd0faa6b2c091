"""The trash of a project: deleted classes and pictures, until it is emptied.

.trash/<id>/info.json        what it is, and where it came from
.trash/<id>/class/           the folder of a class, or
.trash/<id>/pictures/        originals of a class
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from wafer_core import files, names
from wafer_core.data.commits import Change
from wafer_core.errors import DataError, ProjectError
from wafer_core.json_fields import Fields
from wafer_core.messages import Message

FOLDER = ".trash"
LABEL = "info.json"
CLASS, PICTURES = "class", "pictures"


@dataclass(frozen=True)
class TrashItem:
    """Something deleted that can be restored.

    Attributes:
        id: Its folder in the trash.
        what: ``class`` or ``pictures``.
        title: Name of the class, or number of pictures and their class.
        deleted: ISO 8601, UTC.
        slug: Folder of the class that was deleted, or that the pictures belong to.
        combined_by: Of a class: what the classes that combined it combined, by slug.
        damage: Why it cannot be restored.
    """

    id: str
    what: str
    title: str
    deleted: str
    slug: str = ""
    combined_by: Mapping[str, tuple[str, ...]] | None = None
    damage: Message | None = None

    @classmethod
    def from_json(cls, value: object, item_id: str = "") -> TrashItem:
        """Read ``info.json``.

        Raises:
            DataError: A value is missing, of the wrong type, or out of range.
        """
        fields = Fields(value)
        slug = fields.text("slug")
        if not names.is_folder_name(slug):
            raise DataError("{slug} is not the name of a folder", slug=repr(slug))
        combined = Fields(fields.free("combined_by", {}))
        return cls(
            item_id,
            fields.choice("what", (CLASS, PICTURES)),
            names.visible(fields.text("title")) or item_id,
            fields.text("deleted"),
            slug,
            {other: combined.texts(other) for other in fields.free("combined_by", {})},
        )


def add(change: Change, project: Path, what: str, title: str, details: Mapping[str, Any]) -> Path:
    """Let a change put something into the trash.

    Returns:
        Its future folder there, with its label; what is deleted is to be moved into it.
    """
    deleted = datetime.now(UTC).isoformat(timespec="seconds")
    folder = project / FOLDER / names.timestamp_name(what)
    value = {"what": what, "title": title, "deleted": deleted, **details}
    files.write_json(change.folder(folder) / LABEL, value)
    return folder


def find(project: Path, trash_id: str, what: str) -> Path:
    """The folder of something in the trash.

    Raises:
        ProjectError: It is no longer there.
    """
    folder = project / FOLDER / trash_id
    if not names.is_folder_name(trash_id) or not (folder / what).is_dir():
        raise ProjectError("This is no longer in the trash; it was restored or deleted.")
    return folder


def read(folder: Path) -> TrashItem:
    """The label of something in the trash.

    Raises:
        ProjectError: It is damaged.
    """
    return files.read_checked(folder / LABEL, lambda v: TrashItem.from_json(v, folder.name))


def items(project: Path) -> tuple[TrashItem, ...]:
    """What can be restored, newest first; a damaged item says what is wrong with it."""
    found = []
    for folder in sorted((project / FOLDER).glob("*-*"), reverse=True):
        what = next((w for w in (CLASS, PICTURES) if (folder / w).is_dir()), None)
        if what is not None:
            try:
                found.append(read(folder))
            except ProjectError as exc:
                found.append(TrashItem(folder.name, what, folder.name, "", damage=exc.message))
    return tuple(sorted(found, key=lambda item: item.deleted, reverse=True))
