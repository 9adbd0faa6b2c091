"""The parameter ``classes`` of workflows: a list such as [{"name": "Scratch", "count": 50}]."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from wafer_core.errors import ParameterError
from wafer_core.messages import N_, Message, counted, message
from wafer_core.parameters import Parameter, Settings, Text, declare

MAX_COUNT = 100_000  # wafers of one class in one job; a larger number is a typing error
_EXAMPLE = '{"name": "Scratch", "count": 50}'


@dataclass(frozen=True)
class ClassEntry(Settings):
    """One class and how many wafers to make of it."""

    name: str = declare(Text(N_("Class"), N_("The name of the class."), required=True))
    count: int = declare(
        Parameter(N_("Wafers"), N_("How many wafers to make."), 100, 1, MAX_COUNT, 1)
    )


E = TypeVar("E", bound=ClassEntry)


def class_list(entry: type[E]) -> Callable[[object], tuple[E, ...]]:
    """A function that reads the JSON list into entries, for ``parameters.read_by``."""

    def read(value: object) -> tuple[E, ...]:
        if not isinstance(value, list | tuple):
            raise ParameterError(
                "classes must be a list such as {example}.", example=f"[{_EXAMPLE}]"
            )
        return tuple(_read_entry(item, entry) for item in value)

    return read


def _read_entry(value: object, entry: type[E]) -> E:
    if not isinstance(value, Mapping) or not isinstance(value.get("name"), str):
        raise ParameterError(
            "{value} is not a class; give an object such as {example}.",
            value=repr(value)[:80],
            example=_EXAMPLE,
        )
    try:
        return entry.from_mapping(value)
    except ParameterError as exc:
        raise ParameterError(
            "Class “{name}”: {problem}", name=value["name"], problem=exc.message
        ) from exc


def check_entries(entries: Sequence[ClassEntry]) -> None:
    """Refuse an empty list and a class that is listed twice.

    Raises:
        ParameterError: Naming the class.
    """
    if not entries:
        raise ParameterError("classes must be a list such as {example}.", example=f"[{_EXAMPLE}]")
    seen: set[str] = set()
    for entry in entries:
        if entry.name in seen:
            raise ParameterError(
                "The class “{name}” is listed twice; list it once.", name=entry.name
            )
        seen.add(entry.name)


def classes_message(entries: Sequence[ClassEntry]) -> Message:
    """“Scratch”, or “3 classes”, for titles."""
    if len(entries) == 1:
        return message("{name}", name=entries[0].name)
    return counted("{count:,} class", "{count:,} classes", len(entries))
