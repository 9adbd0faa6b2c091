"""Every text of the code is translated, with the same fields, and no translation is stale."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from pages.shared import loaders
from wafer_core.messages import Message, counted, message

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def update() -> ModuleType:
    """``locale/update.py`` as a module."""
    spec = importlib.util.spec_from_file_location("update", ROOT / "locale/update.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_no_text_is_untranslated_or_stale(update: ModuleType) -> None:
    for language in update.LANGUAGES:
        assert update.problems(language) == [], "run: python locale/update.py, then translate"


def test_a_missing_and_a_stale_translation_are_found(
    update: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = update.read("ko")
    gone = next(m for m in stored if m.id and m.string)
    stored.delete(gone.id)
    stored.add("A text that no code shows", "번역")
    monkeypatch.setattr(update, "read", lambda language: stored)
    found = update.problems("ko")
    assert f"untranslated: {update._texts(gone.id)[0]}" in found
    assert "stale: A text that no code shows" in found


def test_korean_fills_in_the_same_fields() -> None:
    catalogue = loaders.catalogue("ko")

    def translate(template: str, plural: str | None, count: int) -> str:
        if plural is None:
            return catalogue.gettext(template)
        return catalogue.ngettext(template, plural, count)

    def korean(text: Message) -> str:
        return text.render(translate)

    shown = korean(message("{name} is {value}; it must be true or false.", name="a", value="5"))
    assert "a" in shown
    assert "5" in shown
    assert shown != "a is 5; it must be true or false."
    wafers = korean(counted("{count:,} wafer", "{count:,} wafers", 1234))
    assert "1,234" in wafers
    assert "wafer" not in wafers


def test_no_template_is_an_f_string(update: ModuleType) -> None:
    """An f-string cannot be looked up in a catalogue; what varies is a field."""
    files = [ROOT / "app.py", *(ROOT / "pages").rglob("*.py"), *(ROOT / "wafer_core").rglob("*.py")]
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in files
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in update.KEYWORDS
        and node.args
        and isinstance(node.args[0], ast.JoinedStr | ast.BinOp)
    ]
    assert found == []
