"""The README names what there is: every page, command, file type and environment variable."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from pages.classes import upload
from wafer_core import __version__, cli

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text("utf-8")
EXAMPLES = [line for line in README.splitlines() if line.startswith("python -m wafer_core ")]


def titles() -> list[str]:
    """Titles of all pages, as their files and their menu have them."""
    return ["Home", *(p.stem.partition("_")[2] for p in sorted((ROOT / "pages").glob("*.py")))]


def test_every_page_has_its_row() -> None:
    rows = re.findall(r"^\| (\w+) \| .{20,} \|$", README, re.MULTILINE)
    assert [row for row in rows if row in titles()] == titles()


@pytest.mark.parametrize("title", titles())
def test_every_page_shows_its_title(title: str) -> None:
    path = ROOT / "app.py" if title == "Home" else next((ROOT / "pages").glob(f"*_{title}.py"))
    assert f'layout.start("{title}")' in path.read_text("utf-8")


def test_every_command_has_an_example() -> None:
    shown = {line.split()[3] for line in EXAMPLES}
    assert shown == set(cli.COMMANDS)


@pytest.mark.parametrize("line", EXAMPLES)
def test_every_example_is_understood(line: str) -> None:
    arguments = shlex.split(line)[3:]
    chosen = cli._parser(arguments).parse_args(arguments)
    assert chosen.command == line.split()[3]


def test_every_file_type_is_named() -> None:
    spelled = {"jpg": "JPEG", "tif": "TIFF", "tiff": "TIFF", "zip": "zips"}
    for ending in upload.TYPES:
        word = spelled.get(ending, ending)
        assert re.search(rf"\b{word}\b", README, re.IGNORECASE), ending


def test_every_environment_variable_is_named() -> None:
    files = [*(ROOT / "wafer_core").rglob("*.py"), *(ROOT / "pages").rglob("*.py"), ROOT / "app.py"]
    used = {
        name for path in files for name in re.findall(r"WAFER_[A-Z_]+", path.read_text("utf-8"))
    }
    told = set(re.findall(r"WAFER_[A-Z_]+", README))
    assert told - {"WAFER_CHROMIUM"} <= used
    # The three of a cluster's queue are explained beside the launcher that reads them.
    assert {n for n in used - told if not n.startswith("WAFER_SLURM_")} == set()


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
    for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"):
        text = (ROOT / name).read_text("utf-8")
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", text):
            assert (ROOT / target).exists(), f"{name}: {target}"
