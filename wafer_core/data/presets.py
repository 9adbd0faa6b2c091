"""Named training settings found by a search: presets/<slug>.json.

A preset may come from another project or from anybody: its values are checked when it is read, and
the training checks every setting again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from wafer_core import files, names
from wafer_core.data.members import SLUG, Member
from wafer_core.data.project import Project
from wafer_core.errors import DataError, ParameterError, ProjectError
from wafer_core.json_fields import Fields, check_schema, shorten
from wafer_core.messages import Message, message

SCHEMA = 1
FOLDER = "presets"
SEARCH_AGAIN = message("Delete the preset and search again.")
_MAX_SETTINGS, _MAX_TEXT, _MAX_BYTES = 64, 8000, 200_000


@dataclass(frozen=True)
class Preset:
    """Training settings under a name.

    Attributes:
        name: For people; unique in a project.
        settings: Of ``TrainConfig``; settings it does not list keep their default.
        created: ISO 8601, UTC.
        summary: What the search measured: ``score``, ``gain``, ``verdict`` and the like.
        damage: Why it cannot be read; it then has no settings.
    """

    name: str
    settings: Mapping[str, Any]
    created: str = ""
    summary: Mapping[str, Any] = field(default_factory=dict)
    damage: Message | None = None

    @classmethod
    def from_json(cls, value: object) -> Preset:
        """Read a preset.

        Raises:
            DataError: A value is missing, of the wrong type, or out of range.
        """
        fields = Fields(value)
        check_schema(fields, SCHEMA)
        name = names.visible(fields.text("name", most=names.MAX_NAME_LENGTH))
        settings = fields.free("settings")
        if not name or len(settings) > _MAX_SETTINGS:
            raise DataError("the name is empty or there are too many settings")
        for key, setting in settings.items():
            _check_setting(key, setting)
        summary = fields.free("summary" if "summary" in fields else "told")  # told: until 0.1
        return cls(name, settings, fields.text("created"), summary)

    def to_json(self) -> dict[str, Any]:
        """The content of the file."""
        return {
            "schema": SCHEMA,
            "name": self.name,
            "created": self.created,
            "settings": dict(self.settings),
            "summary": dict(self.summary),
        }


def _check_setting(key: str, value: object) -> None:
    """Check that a value can be a setting: a switch, a finite number, or a text."""
    is_number = isinstance(value, int | float) and math.isfinite(value)
    if not is_number and not (isinstance(value, str) and len(value) <= _MAX_TEXT):
        raise DataError("the setting {key} is {value}", key=key[:60], value=shorten(value))


MEMBERS = (Member(rf"{FOLDER}/{SLUG}\.json", Preset.from_json, _MAX_BYTES),)


def folder(project: Project) -> Path:
    """Folder of a project's presets."""
    return project.path / FOLDER


def list_presets(project: Project) -> tuple[Preset, ...]:
    """All presets, newest first; a damaged one says what is wrong with it."""
    found = [preset for _, preset in _read_all(project)]
    return tuple(sorted(found, key=lambda p: p.created, reverse=True))


def _read_all(project: Project) -> list[tuple[Path, Preset]]:
    found = []
    for path in sorted(folder(project).glob("*.json")):
        try:
            preset = files.read_checked(
                path, Preset.from_json, remedy=SEARCH_AGAIN, max_bytes=_MAX_BYTES
            )
        except ProjectError as exc:
            preset = Preset(path.stem, {}, damage=exc.message)
        found.append((path, preset))
    return found


def find_preset(project: Project, name: str) -> Preset:
    """The preset with a name.

    Raises:
        ParameterError: There is none.
        ProjectError: Its file is damaged.
    """
    presets = list_presets(project)
    for preset in presets:
        if names.same_name(preset.name, name):
            if preset.damage:
                raise ProjectError(preset.damage)
            return preset
    if not presets:
        raise ParameterError(
            "There is no preset “{name}” because this project has none; a search creates one.",
            name=name[:60],
        )
    raise ParameterError(
        "There is no preset “{name}” in this project; it has {known}.",
        name=name[:60],
        known=", ".join(p.name for p in presets),
    )


def save_preset(
    project: Project, name: str, settings: Mapping[str, Any], summary: Mapping[str, Any]
) -> Preset:
    """Store settings under a name; a preset with the same name is replaced.

    Args:
        project: The project.
        name: For people.
        settings: Of ``TrainConfig``: switches, numbers and texts by name.
        summary: JSON values to show with it.

    Raises:
        ClassNameError: The name cannot be used.
        StorageError: The disk is full or not writable.
    """
    created = datetime.now(UTC).isoformat(timespec="microseconds")
    preset = Preset(names.clean_name(name, "preset"), dict(settings), created, dict(summary))
    with project.lock():
        path = folder(project) / f"{names.slug(names.fold(preset.name))}.json"
        files.write_json(path, preset.to_json())
    return preset


def delete_preset(project: Project, name: str) -> None:
    """Delete a preset, also a damaged one; models trained with it stay.

    Raises:
        ParameterError: There is none with this name.
    """
    with project.lock():
        for path, preset in _read_all(project):
            if names.same_name(preset.name, name):
                with files.storage_errors(path):
                    path.unlink()
                return
    find_preset(project, name)  # says which presets there are


def free_name(project: Project, start: str) -> str:
    """``start`` with the first number that no preset of the project has."""
    taken = {names.fold(p.name) for p in list_presets(project)}
    number = 1
    while names.fold(f"{start} {number}") in taken:
        number += 1
    return f"{start} {number}"
