"""JSON objects read field by field, with the type and range of every value checked.

People copy, edit and exchange project folders, so nothing in them can be trusted. Each kind of
file has one ``from_json`` that reads it with ``Fields`` and raises ``DataError``;
``files.read_checked`` adds which file it was and how to repair it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, TypeVar

from wafer_core.errors import DataError
from wafer_core.messages import Message, message

T = TypeVar("T")

MAX_TEXT = 10_000
MAX_DEPTH = 24  # of free values; real ones need about eight


class _Required:
    """Marks a field without a default."""


REQUIRED: Final = _Required()


class Fields:
    """The fields of one JSON object.

    Every method raises ``DataError`` for a field that is missing (unless it has a default), of the
    wrong type, or out of range.

    Args:
        value: Any parsed JSON value.
    """

    def __init__(self, value: object) -> None:
        if not isinstance(value, Mapping):
            raise DataError("it is {value} instead of an object", value=shorten(value))
        self._values: Mapping[str, Any] = value

    def __contains__(self, key: str) -> bool:
        return self._values.get(key) is not None

    @staticmethod
    def _default(key: str, default: T | _Required) -> T:
        """The value of a field that is missing or null."""
        if isinstance(default, _Required):
            raise DataError("{key} is missing", key=key)
        return default

    def text(self, key: str, default: str | _Required = REQUIRED, most: int = MAX_TEXT) -> str:
        """A text of at most ``most`` characters."""
        value = self._values.get(key)
        if value is None:
            return self._default(key, default)
        if not isinstance(value, str) or len(value) > most:
            raise wrong(key, value, message("a text of at most {most:,} characters", most=most))
        return value

    def optional_text(self, key: str, most: int = MAX_TEXT) -> str | None:
        """The same; ``None`` where it is missing or null."""
        return self.text(key, most=most) if key in self else None

    def choice(
        self, key: str, choices: Collection[str], default: str | _Required = REQUIRED
    ) -> str:
        """One of some texts."""
        value = self.text(key, default)
        if value not in choices:
            raise wrong(key, value, message("one of {choices}", choices=", ".join(choices)))
        return value

    def flag(self, key: str, default: bool | _Required = REQUIRED) -> bool:
        """True or false."""
        value = self._values.get(key)
        if value is None:
            return self._default(key, default)
        if not isinstance(value, bool):
            raise wrong(key, value, message("true or false"))
        return value

    def number(
        self,
        key: str,
        default: float | _Required = REQUIRED,
        low: float = -math.inf,
        high: float = math.inf,
    ) -> float:
        """A finite number from ``low`` to ``high``."""
        value = self._values.get(key)
        if value is None:
            return self._default(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise wrong(key, value, message("a number"))
        # an int of hundreds of digits compares with a float, but does not convert to one
        if not low <= value <= high or not -1e300 < value < 1e300:
            raise wrong(
                key, value, message("a number from {low:g} to {high:g}", low=low, high=high)
            )
        return float(value)

    def optional_number(
        self, key: str, low: float = -math.inf, high: float = math.inf
    ) -> float | None:
        """The same; ``None`` where it is missing or null."""
        return self.number(key, low=low, high=high) if key in self else None

    def whole(
        self,
        key: str,
        default: int | _Required = REQUIRED,
        low: int = -(2**63),
        high: int = 2**63 - 1,
    ) -> int:
        """A whole number from ``low`` to ``high``."""
        value = self._values.get(key)
        if value is None:
            return self._default(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise wrong(
                key, value, message("a whole number from {low} to {high}", low=low, high=high)
            )
        return value

    def free(self, key: str, default: dict[str, Any] | _Required = REQUIRED) -> dict[str, Any]:
        """An object of any plain values, not nested too deeply; it is shown, not relied upon."""
        value = self._values.get(key)
        if value is None:
            return self._default(key, default)
        if not isinstance(value, dict):
            raise wrong(key, value, message("an object"))
        check_depth(key, value)
        return value

    def items(
        self, key: str, from_json: Callable[[object], T], default: tuple[T, ...] | _Required = ()
    ) -> tuple[T, ...]:
        """A list with every item converted."""
        value = self._values.get(key)
        if value is None:
            return self._default(key, default)
        if not isinstance(value, list):
            raise wrong(key, value, message("a list"))
        return tuple(from_json(item) for item in value)

    def mapping(self, key: str, from_json: Callable[[object], T]) -> dict[str, T]:
        """An object with every value converted."""
        return {name: from_json(value) for name, value in self.free(key).items()}

    def numbers(self, key: str) -> tuple[float, ...]:
        """A list of finite numbers; empty where it is missing."""
        return self.items(key, lambda value: Fields({key: value}).number(key))

    def wholes(self, key: str) -> tuple[int, ...]:
        """A list of whole numbers; empty where it is missing."""
        return self.items(key, lambda value: Fields({key: value}).whole(key))

    def as_message(self, key: str, default: Message | _Required = REQUIRED) -> Message:
        """A text for people; older versions stored plain English."""
        value = self._values.get(key)
        return self._default(key, default) if value is None else a_message(value)

    def texts(self, key: str, default: tuple[str, ...] | _Required = ()) -> tuple[str, ...]:
        """A list of texts."""
        return self.items(key, a_text, default)


def a_text(value: object) -> str:
    """A text in a list.

    Raises:
        DataError: It is none.
    """
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise DataError("{value} is not a short text", value=shorten(value))
    return value


def a_message(value: object) -> Message:
    """A text for people in a list; older versions stored plain English.

    Raises:
        DataError: It is none.
    """
    if not isinstance(value, str | Mapping):
        raise DataError("{value} is not a text", value=shorten(value))
    check_depth("a text", value)
    return Message.from_json(value)


def check_schema(fields: Fields, schema: int) -> None:
    """Refuse a file that a newer version wrote.

    Raises:
        DataError: The number of its format is missing or higher than ``schema``.
    """
    written = fields.whole("schema", low=1)
    if written > schema:
        raise DataError(
            "a newer version wrote it: format {written}, this version reads {known}; update "
            "Teachable Wafer",
            written=written,
            known=schema,
        )


def check_depth(key: str, value: object, depth: int = MAX_DEPTH) -> None:
    """Refuse values nested so deeply that reading or writing them would fail.

    Raises:
        DataError: They are.
    """
    if depth == 0:
        raise DataError("{key} is nested too deeply", key=key)
    if isinstance(value, dict):
        for item in value.values():
            check_depth(key, item, depth - 1)
    elif isinstance(value, list):
        for item in value:
            check_depth(key, item, depth - 1)


def wrong(key: str, value: object, expected: Message) -> DataError:
    """The error for a value of the wrong type or out of range."""
    return DataError(
        "{key} is {value} instead of {expected}", key=key, value=shorten(value), expected=expected
    )


def shorten(value: object) -> str:
    """A value for a message: its beginning as Python writes it, or what it is."""
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list):
        return "a list"
    text = repr(value) if not isinstance(value, int) or abs(value) < 1e20 else "a huge number"
    return text if len(text) <= 40 else f"{text[:40]}…"
