"""The documents name what there is: pages, commands, file types, environment variables."""

from __future__ import annotations

import importlib.util
import re
import shlex
from pathlib import Path
from types import ModuleType

import pytest

from pages.help import documents
from wafer_core import __version__, cli
from wafer_core.importers.formats import CONTAINERS, READERS

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text("utf-8")
COMMAND_LINE = (ROOT / "docs" / "command-line.md").read_text("utf-8")
EXAMPLES = [line for line in COMMAND_LINE.splitlines() if line.startswith("python -m wafer_core ")]
ENGLISH = sorted((ROOT / "docs").glob("*.md"))


def titles() -> list[str]:
    """Titles of all pages, as their files and their menu have them."""
    pages = sorted((ROOT / "pages").glob("*.py"), key=lambda p: int(p.stem.partition("_")[0]))
    return ["Home", *(p.stem.partition("_")[2] for p in pages)]


def generator() -> ModuleType:
    """``docs/command_line.py`` as a module."""
    spec = importlib.util.spec_from_file_location("command_line", ROOT / "docs/command_line.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 120


def test_every_page_has_its_row() -> None:
    rows = re.findall(r"^\| (\w+) \| .{20,} \|$", README, re.MULTILINE)
    assert [row for row in rows if row in titles()] == titles()


@pytest.mark.parametrize("language", ["", "ko"])
def test_every_page_is_explained(language: str) -> None:
    text = (ROOT / "docs" / language / "pages.md").read_text("utf-8")
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert len(headings) == len(titles())
    if not language:
        assert headings == titles()


@pytest.mark.parametrize("title", titles())
def test_every_page_shows_its_title(title: str) -> None:
    path = ROOT / "app.py" if title == "Home" else next((ROOT / "pages").glob(f"*_{title}.py"))
    assert re.search(rf'layout\.start\((N_\()?"{title}"', path.read_text("utf-8"))


def test_the_command_line_page_is_up_to_date() -> None:
    assert generator().text() == COMMAND_LINE, "run: python docs/command_line.py"


@pytest.mark.parametrize("line", EXAMPLES)
def test_every_example_is_understood(line: str) -> None:
    arguments = shlex.split(line)[3:]
    chosen = cli._parser(arguments).parse_args(arguments)
    assert chosen.command == line.split()[3]


@pytest.mark.parametrize("language", ["", "ko"])
def test_every_file_type_is_named(language: str) -> None:
    text = (ROOT / "docs" / language / "file-formats.md").read_text("utf-8")
    spelled = {"jpg": "JPEG", "jpe": "JPEG", "tif": "TIFF", "dib": "BMP"}
    read = [*CONTAINERS, *(ending for reader in READERS.values() for ending in reader.endings)]
    endings = {ending.lstrip(".") for ending in read} - {""}
    assert {"png", "csv", "zip"} <= endings
    for ending in endings:
        assert re.search(rf"\b{spelled.get(ending, ending)}\b", text, re.IGNORECASE), ending


def test_every_environment_variable_is_named() -> None:
    files = [*(ROOT / "wafer_core").rglob("*.py"), *(ROOT / "pages").rglob("*.py"), ROOT / "app.py"]
    used = {
        name for path in files for name in re.findall(r'"(WAFER_[A-Z_]+)"', path.read_text("utf-8"))
    }
    for language in ("", "ko"):
        named = set(
            re.findall(
                r"WAFER_[A-Z_]+", (ROOT / "docs" / language / "running.md").read_text("utf-8")
            )
        )
        assert named == used


def test_the_two_commands_of_a_fresh_machine() -> None:
    blocks = re.findall(r"```(?:bash|bat)\n(.*?)```", README, re.DOTALL)
    start, start_windows, test, test_windows = blocks[:4]
    for block, needs in (
        (start, "requirements.txt"), (start_windows, "requirements.txt"),
        (test, "requirements-dev.txt"), (test_windows, "requirements-dev.txt"),
    ):  # fmt: skip
        assert len(block.strip().splitlines()) == 1
        assert "-m venv .venv && " in block
        assert f"install -r {needs} && " in block
    assert "streamlit run app.py" in start
    assert test.strip().endswith("-m pytest")
    assert f"<!-- test command -->\n```bash\n{test}```" in README


def test_the_changelog_begins_with_this_version() -> None:
    first = re.search(r"^## \[?(\S+?)\]?(?:\s|$)", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.M)
    assert first is not None
    assert first.group(1) in (__version__, "Unreleased")


def test_links_to_files_exist() -> None:
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", path.read_text("utf-8")):
            assert (path.parent / target).exists(), f"{path.name}: {target}"


def test_each_document_is_there_in_korean() -> None:
    """The command line is made from the program, whose options are English."""
    assert {p.name for p in (ROOT / "docs/ko").glob("*.md")} == {
        p.name for p in ENGLISH if p.name != "command-line.md"
    }


@pytest.mark.parametrize("path", ENGLISH, ids=lambda p: p.name)
def test_a_korean_document_has_the_same_sections(path: Path) -> None:
    korean = ROOT / "docs" / "ko" / path.name
    if path.name == "command-line.md":
        assert not korean.exists()
        return
    levels = [re.findall(r"^(#+) ", p.read_text("utf-8"), re.MULTILINE) for p in (path, korean)]
    assert levels[0] == levels[1]


def test_the_korean_figures_are_those_of_the_english_document() -> None:
    english, korean = (
        sorted(re.findall(r"\d+\.\d+", (ROOT / "docs" / name).read_text("utf-8")))
        for name in ("figures.md", "ko/figures.md")
    )
    assert korean == english


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_help_page_shows_every_picture_and_follows_every_link(language: str) -> None:
    found = {topic: documents.read(path) for topic, path in documents.paths(language).items()}
    assert set(found) == {path.stem for path in ENGLISH}
    for document in found.values():
        text = document.path.read_text("utf-8")
        folder = document.path.parent
        blocks = [b for s in document.sections for b in documents.blocks(s, folder, "&lang=ko")]
        shown = [block[0] for block in blocks if not isinstance(block, str)]
        pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", text)
        assert shown == [(folder / picture).resolve() for picture in pictures]
        assert not any(".md)" in block for block in blocks if isinstance(block, str))


def test_the_pictures_are_small_and_there_in_both_languages() -> None:
    folder = ROOT / "docs" / "images"
    english, korean = ({p.name for p in f.glob("*.png")} for f in (folder, folder / "ko"))
    assert english == korean
    assert "predict.png" in english
    assert max(p.stat().st_size for p in folder.rglob("*.png")) <= 150_000
