"""The JSON files of a project: ``project.json`` and ``class.json``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wafer_core import names
from wafer_core.data.members import MEGABYTE, SLUG, Member
from wafer_core.data.split import check_fractions
from wafer_core.errors import DataError, ParameterError
from wafer_core.json_fields import Fields, check_schema
from wafer_core.messages import Message

SCHEMA = 1
MAX_SMALL_FILE = MEGABYTE  # bytes of project.json and class.json


@dataclass(frozen=True)
class ProjectSettings:
    """The content of ``project.json``.

    Attributes:
        name: Display name.
        created: ISO 8601, UTC.
        split_seed: Seed of the assignment of originals to splits.
        fractions: Shares of the training, validation and test split.
        current_model: The run that Predict uses; ``None``: the newest.
    """

    name: str
    created: str
    split_seed: int
    fractions: Mapping[str, float]
    current_model: str | None = None
    schema: int = SCHEMA

    @classmethod
    def from_json(cls, value: object) -> ProjectSettings:
        """Read ``project.json``.

        Raises:
            DataError: A value is missing, of the wrong type, or out of range.
        """
        fields = Fields(value)
        check_schema(fields, SCHEMA)
        fractions = fields.free("fractions")
        try:
            fractions = check_fractions(fractions)
        except ParameterError as exc:
            raise DataError(exc.message) from exc
        return cls(
            _read_name(fields),
            fields.text("created", ""),
            fields.whole("split_seed", low=0),
            fractions,
            fields.optional_text("current_model", names.MAX_FOLDER_BYTES),
        )


@dataclass(frozen=True)
class WaferClass:
    """One class.

    Attributes:
        slug: Its folder; never changes.
        name: Display name.
        description: What belongs to the class.
        order: Its position among the classes.
        combines: Slugs of the classes whose patterns its wafers show together; ``None``: not
            decided yet, so that the names may still suggest it when a class is added.
        is_older: Whether a version without ``combines`` wrote the file.
        damage: Why the file cannot be read; the name is then that of the folder.
    """

    slug: str
    name: str
    description: str = ""
    order: int = 0
    combines: tuple[str, ...] | None = None
    is_older: bool = False
    damage: Message | None = None

    @classmethod
    def from_json(cls, value: object, slug: str = "") -> WaferClass:
        """Read ``class.json``.

        Raises:
            DataError: A value is missing, of the wrong type, or out of range.
        """
        fields = Fields(value)
        return cls(
            slug,
            _read_name(fields),
            fields.text("description", "", most=MAX_SMALL_FILE),
            fields.whole("order", 0, -1_000_000, 1_000_000),
            fields.texts("combines") if "combines" in fields else None,
            is_older=isinstance(value, Mapping) and "combines" not in value,
        )

    def to_json(self) -> dict[str, Any]:
        """The content of ``class.json``."""
        return {
            "name": self.name,
            "description": self.description,
            "order": self.order,
            "combines": None if self.combines is None else list(self.combines),
        }


def _read_name(fields: Fields) -> str:
    """A display name; characters that cannot be seen are left out."""
    name = names.visible(fields.text("name", most=1000))
    if not name:
        raise DataError("the name has no visible character")
    return name


MEMBERS = (
    Member(r"project\.json", ProjectSettings.from_json, MAX_SMALL_FILE),
    Member(rf"classes/{SLUG}/class\.json", WaferClass.from_json, MAX_SMALL_FILE),
)
