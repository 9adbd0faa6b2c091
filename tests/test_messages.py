"""Texts for people: templates with fields, in English, in other languages, and on disk."""

from __future__ import annotations

import json

import pytest

from wafer_core.errors import Cancelled, InputError, WaferError
from wafer_core.messages import (
    N_,
    Message,
    counted,
    fill,
    in_english,
    joined,
    listed,
    literal,
    message,
)

KOREAN = {
    "{name}: {text}": "{name} – {text}",
    "{count:,} wafer": "웨이퍼 {count:,}장",
    "at {share:.1%}": "{share:.1%}에서",
}


def korean(template: str, plural: str | None, count: int) -> str:
    return KOREAN.get(template, template)


@pytest.mark.parametrize(
    ("template", "fields", "text"),
    [
        ("{count:,} wafers", {"count": 12345}, "12,345 wafers"),
        ("{share:.1%} of {total:.3f}", {"share": 0.1234, "total": 2}, "12.3% of 2.000"),
        ("{gain:+.2f}", {"gain": 0.5}, "+0.50"),
        ("{low:g} to {high:g}", {"low": 1.0, "high": 2.5}, "1 to 2.5"),
        ("no fields, braces {stay}", {}, "no fields, braces {stay}"),
    ],
)
def test_fields_are_filled_in(template: str, fields: dict[str, object], text: str) -> None:
    assert str(message(template, **fields)) == fill(template, fields) == text


@pytest.mark.parametrize(
    "template",
    [
        "{missing}",
        "{name.__class__}",
        "{name[0]}",
        "{name:>1000000000}",
        "{name!r:d}",
        "{name:.2f}",
        "{",
        "{0}",
    ],
)
def test_a_template_that_does_not_fit_is_shown_as_it_is(template: str) -> None:
    """Templates may come from a file: nothing is looked up, and no huge text is made."""
    assert str(message(template, name="x")) == template


def test_a_number_decides_the_form() -> None:
    forms = ("{count:,} wafer", "{count:,} wafers")
    assert [str(counted(*forms, n)) for n in (0, 1, 2, 1000)] == [
        "0 wafers",
        "1 wafer",
        "2 wafers",
        "1,000 wafers",
    ]


def test_messages_inside_messages_are_translated_too() -> None:
    inner = counted("{count:,} wafer", "{count:,} wafers", 3)
    text = message("{name}: {text}", name="A*", text=inner)
    assert str(text) == "A*: 3 wafers"
    assert text.render(korean) == "A* – 웨이퍼 3장"
    assert text.render(korean, lambda name: name.replace("*", r"\*")) == r"A\* – 웨이퍼 3장"


def test_a_message_survives_the_disk() -> None:
    text = message(
        "{name}: {text}", name="긁힘", text=counted("{count:,} wafer", "{count:,} wafers", 2)
    )
    again = Message.from_json(json.loads(json.dumps(text.to_json())))
    assert again == text
    assert again.render(korean) == "긁힘 – 웨이퍼 2장"


@pytest.mark.parametrize(
    ("stored", "text"),
    [
        ("a text of an older version, {braces} too", "a text of an older version, {braces} too"),
        (None, "None"),
        ({"template": "{n} left", "fields": {"n": [1]}}, "[1] left"),
        ({"template": "x", "fields": {}, "plural": 7}, "x"),
        ({"template": 1, "fields": {}}, ""),
        ({"template": "x"}, ""),
        ({}, ""),
    ],
)
def test_what_is_on_disk_may_be_anything(stored: object, text: str) -> None:
    assert str(Message.from_json(stored)) == text


def test_names_in_one_line() -> None:
    assert str(listed([])) == ""
    assert str(listed(["A", "B"])) == "A, B"
    assert str(listed("ABCDE")) == "A, B, C and 2 more"
    assert str(literal("{not} a field")) == "{not} a field"
    assert N_("x") == "x"


def test_sentences_after_one_another() -> None:
    text = joined([message("{n:,} wafers.", n=1000), literal("Done {x}.")], " ")
    assert str(text) == "1,000 wafers. Done {x}."


def test_messages_in_json_become_english() -> None:
    text = message("{n:,} wafers", n=1000)
    value = {"a": text, "b": [text.to_json(), {"template": "stays"}], "c": (1, None, "x")}
    assert in_english(value) == {
        "a": "1,000 wafers",
        "b": ["1,000 wafers", {"template": "stays"}],
        "c": [1, None, "x"],
    }


def test_errors_carry_their_message() -> None:
    error = InputError("{name} has {count:,} wafers; add some.", name="Loc", count=1000)
    assert str(error) == "Loc has 1,000 wafers; add some."
    assert error.message.fields == {"name": "Loc", "count": 1000}
    again = WaferError(error.message)
    assert (str(again), again.message) == (str(error), error.message)
    assert str(InputError("100% {sure}")) == "100% {sure}"
    assert str(Cancelled()) == "Cancelled. The project is unchanged."
