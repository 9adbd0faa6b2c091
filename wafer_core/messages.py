"""Texts for people: an English template and its fields, so that a page can translate them.

Core is independent of the language. What it reports (an error, a note, a progress text) is a
``Message``; ``str()`` gives English, as on the command line and in logs. Pages look the template
up in the catalogue of the chosen language and fill in the same fields (``pages.shared.words``).

Templates are found by their call: ``Message("…")``, ``N_("…")`` and the error classes are the
keywords of extraction (``locale/update.py``), so a template is always a literal.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_SPEC = re.compile(r"[+]?,?(\.\d)?[dfg%s]?")  # templates may come from a file: no huge widths


def N_(template: str) -> str:  # noqa: N802 – the gettext idiom for “translate this later”
    """Mark a text for translation and return it unchanged."""
    return template


class _Formatter(string.Formatter):
    """``str.format`` without attributes, indices and widths."""

    def get_field(self, field_name: str, args: Any, kwargs: Mapping[str, Any]) -> Any:
        return kwargs[field_name], field_name

    def format_field(self, value: Any, format_spec: str) -> str:
        if not _SPEC.fullmatch(format_spec):
            raise ValueError(f"format {format_spec!r}")
        return format(value, format_spec)


_FORMATTER = _Formatter()


def fill(template: str, fields: Mapping[str, Any]) -> str:
    """Put the fields into a template; a template that they do not fit is returned as it is.

    Args:
        template: With ``{name}``, ``{count:,}``, ``{share:.1%}``; without fields it is literal, so
            that braces in it mean nothing.
        fields: By name.
    """
    if not fields:
        return template
    try:
        return _FORMATTER.vformat(template, (), fields)
    except (KeyError, ValueError, TypeError, IndexError):
        return template


@dataclass(frozen=True)
class Message:
    """One text for a person.

    Attributes:
        template: English, with ``{name}`` in the place of a field.
        fields: By name; numbers, texts, or other messages.
        plural: The template for any number but one; chosen by the field ``count``.
    """

    template: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    plural: str | None = None

    def __str__(self) -> str:
        one = self.plural is None or self.fields.get("count") == 1
        return fill(self.template if one else str(self.plural), self.fields)

    def render(
        self,
        translate: Callable[[str, str | None, int], str],
        show: Callable[[str], str] = str,
    ) -> str:
        """The text in another language.

        Args:
            translate: From (template, plural, count) to the template to use.
            show: Applied to text fields, such as an escape for Markdown.
        """
        count = self.fields.get("count", 1)
        template = translate(self.template, self.plural, count if isinstance(count, int) else 2)
        filled = {
            name: value.render(translate, show)
            if isinstance(value, Message)
            else show(value)
            if isinstance(value, str)
            else value
            for name, value in self.fields.items()
        }
        return fill(template, filled)

    def to_json(self) -> dict[str, Any]:
        """The parts, for a file; ``from_json`` reads them."""
        fields = {
            name: value.to_json() if isinstance(value, Message) else value
            for name, value in self.fields.items()
        }
        more = {} if self.plural is None else {"plural": self.plural}
        return {"template": self.template, "fields": fields, **more}

    @classmethod
    def from_json(cls, value: object) -> Message:
        """Read a message; a plain text, as older versions stored it, is shown as it is."""
        if isinstance(value, Message):
            return value
        if not isinstance(value, Mapping):
            return literal(str(value))
        template, fields, plural = value.get("template"), value.get("fields"), value.get("plural")
        if not isinstance(template, str) or not isinstance(fields, Mapping):
            return literal("")
        read = {
            str(name): cls.from_json(item)
            if isinstance(item, Mapping)
            else item
            if isinstance(item, str | int | float)
            else str(item)
            for name, item in fields.items()
        }
        return cls(template, read, plural if isinstance(plural, str) else None)


def message(template: str, /, **fields: Any) -> Message:
    """A message with its fields as keywords."""
    return Message(template, fields)


def counted(singular: str, plural: str, count: int, /, **fields: Any) -> Message:
    """A message that depends on a number: ``counted("{count:,} wafer", "{count:,} wafers", 3)``."""
    return Message(singular, {**fields, "count": count}, plural)


def literal(text: str) -> Message:
    """A text that is not translated, such as a name."""
    return Message("{text}", {"text": text})


def listed(names: Iterable[object], most: int = 3) -> Message:
    """Names in one line: “A, B, C” or “A, B, C and 4 more”."""
    every = [str(name) for name in names]
    shown = ", ".join(every[:most])
    if len(every) <= most:
        return literal(shown)
    return Message("{names} and {count:,} more", {"names": shown, "count": len(every) - most})


def joined(messages: Sequence[Message], separator: str) -> Message:
    """Whole texts one after another, such as the sentences of a paragraph."""
    fields = {f"part{k}": each for k, each in enumerate(messages)}
    return Message(separator.join(f"{{{name}}}" for name in fields), fields)


def in_english(value: Any) -> Any:
    """JSON values with every message in them, also a stored one, as its English text."""
    if isinstance(value, Message):
        return str(value)
    if isinstance(value, Mapping):
        if {"template", "fields"} <= set(value) <= {"template", "fields", "plural"}:
            return str(Message.from_json(value))
        return {key: in_english(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [in_english(item) for item in value]
    return value
