"""Settings of a training under a name, left by a search: presets/<slug>.json.

A preset may come from another project or from anybody: it is data, read with checks, and the
training checks every setting again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from wafer_core import files, names
from wafer_core.data.project import Project
from wafer_core.errors import ParameterError, ProjectError

SCHEMA = 1
FOLDER = "presets"
_MAX_SETTINGS, _MAX_TEXT, _MAX_BYTES = 64, 8000, 200_000


@dataclass(frozen=True)
class Preset:
    """Settings of a training under a name.

    Attributes:
        name: For people; no two of a project share one.
        settings: Of ``TrainConfig``; those that it does not name keep their default.
        created: ISO 8601, UTC.
        told: What the search measured: ``score``, ``gain``, ``verdict`` and the like.
        damage: What is wrong with its file; then it has no settings.
    """

    name: str
    settings: Mapping[str, Any]
    created: str = ""
    told: Mapping[str, Any] = field(default_factory=dict)
    damage: str | None = None


def folder(project: Project) -> Path:
    """Where a project keeps its presets."""
    return project.path / FOLDER


def list_presets(project: Project) -> tuple[Preset, ...]:
    """All presets, the newest first; a damaged one says what is wrong with it."""
    found = []
    for path in sorted(folder(project).glob("*.json")):
        try:
            found.append(_read(path))
        except ProjectError as exc:
            found.append(Preset(path.stem, {}, damage=str(exc)))
    return tuple(sorted(found, key=lambda p: p.created, reverse=True))


def find_preset(project: Project, name: str) -> Preset:
    """The preset of a name.

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
    told = ", ".join(p.name for p in presets) or "none yet; search makes one"
    raise ParameterError(f"There is no preset “{name[:60]}” in this project; it has {told}.")


def save_preset(
    project: Project, name: str, settings: Mapping[str, Any], told: Mapping[str, Any]
) -> Preset:
    """Store settings under a name; a preset of the same name is replaced.

    Args:
        project: Where.
        name: For people.
        settings: Of ``TrainConfig``: names to switches, numbers and texts.
        told: JSON values to show with it.

    Raises:
        ClassNameError: The name cannot be used.
        StorageError: The disk is full or refuses.
    """
    clean = names.clean_name(name, "preset")
    created = datetime.now(UTC).isoformat(timespec="microseconds")
    preset = Preset(clean, dict(settings), created, dict(told))
    value = {
        "schema": SCHEMA,
        "name": clean,
        "created": created,
        "settings": preset.settings,
        "told": preset.told,
    }
    with project.lock():
        files.write_json(folder(project) / f"{names.slug(names.fold(clean))}.json", value)
    return preset


def delete_preset(project: Project, name: str) -> None:
    """Delete a preset, also a damaged one; models that were trained with it stay.

    Raises:
        ParameterError: There is none of this name.
    """
    with project.lock():
        for path in folder(project).glob("*.json"):
            try:
                own = _read(path).name
            except ProjectError:
                own = path.stem
            if names.same_name(own, name):
                with files.storage_errors(path):
                    path.unlink()
                return
    find_preset(project, name)  # says what there is


def free_name(project: Project, start: str) -> str:
    """``start`` with the first number that no preset of the project has."""
    have = {names.fold(p.name) for p in list_presets(project)}
    number = 1
    while names.fold(f"{start} {number}") in have:
        number += 1
    return f"{start} {number}"


def _read(path: Path) -> Preset:
    """Read one preset.

    Raises:
        ProjectError: It is damaged or of a newer version.
    """
    damaged = f"The preset {path} is damaged; delete it and search again."
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ProjectError(damaged)
    except OSError as exc:
        raise ProjectError(damaged) from exc
    value = files.read_json(path)
    if not isinstance(value, dict) or type(value.get("schema")) is not int:
        raise ProjectError(damaged)
    if value["schema"] > SCHEMA:
        raise ProjectError(f"The preset {path} was written by a newer version; update this one.")
    name, settings, told = value.get("name"), value.get("settings"), value.get("told")
    if (
        not isinstance(name, str)
        or not 0 < len(name) <= names.MAX_NAME_LENGTH
        or not isinstance(value.get("created"), str)
        or not isinstance(settings, dict)
        or not isinstance(told, dict)
        or len(settings) > _MAX_SETTINGS
        or not all(_is_plain(item) for item in settings.values())
    ):
        raise ProjectError(damaged)
    return Preset(name, settings, value["created"], told)


def _is_plain(value: Any) -> bool:
    """Whether a value can be a setting: a switch, a finite number, or a text of some length."""
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, bool | int) or (isinstance(value, str) and len(value) <= _MAX_TEXT)
