"""The hostile corpus of ``hostile.py``: by the command line, through all pages, as parameters."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import hostile
import pytest
from test_page_benefit import found as benefit_result
from test_page_learning_curve import found as curve_result

from browsing import PAGES, tab
from wafer_core.data import dataset, pictures, presets, studies, workspace
from wafer_core.data.project import Project
from wafer_core.errors import ArchiveError, ClassNameError, ProjectError
from wafer_core.names import clean_name
from wafer_core.workflows import submit
from wafer_core.workflows.runner import run_job
from wafers import small_project

ROOT = Path(__file__).parents[1]
MEMORY = 1400 * 2**20  # bytes that the address space of a command may grow by
DAMAGED = 11  # copies of a project, each with a dozen files damaged


def run_all(commands: Sequence[Sequence[str]], folder: Path, memory: int = MEMORY) -> list[Any]:
    """Run commands in one process with little memory."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "many_commands.py"), str(memory)],
        input=json.dumps(commands),
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "WAFER_LOCKS": str(folder / "locks")},
        timeout=200,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    results: list[Any] = json.loads(done.stdout)
    return results


def complaint(result: Any) -> str:
    """What is wrong with how a command ended; empty if nothing is."""
    text = result["err"] + result["trace"]
    if result["code"] not in (0, 2) or "Traceback" in text or "Error" in result["trace"]:
        return f"exit code {result['code']}: {text[-500:]}"
    if long := [line for line in text.splitlines() if len(line) > 1500]:
        return f"a line of {len(long[0])} characters: {long[0][:300]}"
    return ""


# -- files ---------------------------------------------------------------------------------------


def test_hostile_files_by_the_command_line(tmp_path: Path) -> None:
    """Each is a sentence that names it, or read; none takes the memory, and none stops the rest."""
    project = small_project(tmp_path / "p", {"A": 6, "B": 6})
    before = {r.sha for c in project.classes() for r in pictures.originals(project, c.slug)}
    (tmp_path / "files").mkdir()
    paths = []
    for name, data in hostile.bad_files():
        (tmp_path / "files" / name).write_bytes(data)
        paths.append(tmp_path / "files" / name)
    (tmp_path / "places").mkdir()
    paths += [p for p in hostile.bad_places(tmp_path / "places") if p != Path("/dev/stdin")]
    commands = [["import", "--project", str(project.path), "--class", "A", str(p)] for p in paths]
    results = run_all(commands, tmp_path)
    wrong = {}
    for path, result in zip(paths, results, strict=True):
        shown = re.sub(r"[^ -~]", "?", path.name)
        if problem := complaint(result):
            wrong[shown] = problem
        elif (
            result["code"] == 2
            and path.name.isprintable()
            and path.name[-180:] not in result["err"]
        ):
            wrong[shown] = f"not named: {result['err'][-300:]}"
        elif result["seconds"] > 10:
            wrong[shown] = f"took {result['seconds']} s"
    assert wrong == {}
    assert len(paths) > 300
    assert not list(tmp_path.rglob("unpickled-by-a-reader"))
    assert not list(tmp_path.rglob(".tmp-*"))
    kept = {r.sha for c in project.classes() for r in pictures.originals(project, c.slug)}
    assert before <= kept
    assert [c.name for c in project.classes()] == ["A", "B"]


def test_the_good_files_of_a_hostile_folder_are_kept(tmp_path: Path) -> None:
    folder = tmp_path / "drop" / "Mine"
    folder.mkdir(parents=True)
    slow = re.compile("classes|many|pages|tiny|thin|large|huge|one-line|bomb|zeros|far|columns")
    for name, data in hostile.bad_files():
        if not slow.search(name):
            (folder / name).write_bytes(data)
    for number in range(5):
        (folder / f"good-{number}.png").write_bytes(hostile.picture_bytes("PNG", number))
    [result] = run_all([["import", "--project", str(tmp_path / "p"), str(folder)]], tmp_path)
    assert complaint(result) == ""
    found = json.loads(result["out"])
    assert sum(found["added"].values()) >= 5
    assert found["rejected_count"] > 150
    assert not list(tmp_path.rglob("unpickled-by-a-reader"))


# -- parameters of the command line --------------------------------------------------------------


def test_hostile_parameters_of_the_command_line(tmp_path: Path) -> None:
    project = small_project(tmp_path / "p", {"Alpha": 6, "Beta": 6})
    picture = tmp_path / "x.png"
    picture.write_bytes(hostile.picture_bytes("PNG"))
    p, x = str(project.path), str(picture)
    commands = []
    for part in (*hostile.PARTS, *hostile.UNUSABLE):
        # ``/`` and ``..`` are folders, so reading them is what was asked for
        source = [part] if part.strip("/.~") else []
        one = json.dumps([{"name": part, "count": 1, "ai_use": False}])
        commands += [
            *(["import", "--project", p, s] for s in source),
            ["import", "--project", p, "--class", part, x],
            ["jobs", "--project", part],
            ["job", part],
            ["cancel", part],
            ["augment", "--project", p, "--class", part, "--count", part],
            ["train", "--project", p, "--preset", part],
            ["train", "--project", p, "--epochs", part],
            ["generate", "--project", p, "--class-list", part],
            ["generate", "--project", p, "--class-list", one],
            ["score", "--project", p, "--class", f"{part}!"],
            ["weights", part],
            ["feedback", part],
            [part],
        ]
    for part in hostile.PARTS[::3]:
        commands += [
            ["predict", "--project", p, "--model", part, x],
            ["predict", "--project", part, x],
        ]
    results = run_all(commands, tmp_path, 3 * MEMORY)
    wrong = {
        " ".join(word[:30] for word in command): problem
        for command, result in zip(commands, results, strict=True)
        if (problem := complaint(result))
    }
    assert wrong == {}
    assert [c.name for c in project.classes()][:2] == ["Alpha", "Beta"]


# -- names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", hostile.UNUSABLE, ids=ascii)
def test_a_name_that_nobody_can_read_is_refused_or_made_readable(name: str) -> None:
    try:
        cleaned = clean_name(name)
    except ClassNameError as exc:
        str(exc).encode("utf-8")
    else:
        assert cleaned.isprintable()
        assert cleaned.strip() == cleaned != ""


# -- projects ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with everything that is stored: models, runs, scores, studies, jobs, trash."""
    path = tmp_path_factory.mktemp("full") / "full"
    project = small_project(path, {"Alpha": 8, "Beta": 8, "Gamma": 8})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WAFER_LOCKS", str(path.parent / "locks"))
        config = {"config": {"epochs": 2, "seed": 0}, "name": "First"}
        run_job(submit.create_job(path, "train", config, "cpu"))
        classes = [{"name": "Alpha", "count": 6, "mode": "physics"}]
        run_job(submit.create_job(path, "generate", {"classes": classes}, "cpu"))
        run_job(submit.create_job(path, "augment", {"classes": [{"name": "Beta"}]}, "cpu"))
    for kind, result in (("benefit", benefit_result()), ("learning_curve", curve_result())):
        studies.save(project, kind, result, dataset.freeze(project))
    presets.save_preset(project, "P", {"epochs": 3}, {"title": "x"})
    pictures.delete_pictures(project, "alpha", [pictures.originals(project, "alpha")[0].file])
    project.delete_class("gamma")
    return path


def exceptions(page: str, project: str | None) -> Iterator[str]:
    """What a page raises; errors that it shows are fine."""
    at = tab()
    if project is not None:
        at.query_params["project"] = project
    if page != "home":
        at.switch_page(PAGES[page])
    yield from (str(e.value) for e in at.run().exception)


def test_damaged_projects_over_all_pages(home: Path, full: Path, tmp_path: Path) -> None:
    """No page of any project raises, and Home shows them all."""
    home.mkdir()
    what = {}
    for number, (damage, contents) in enumerate(hostile.damaged_projects(full, DAMAGED)):
        hostile.write_project(home / f"h{number}", contents)
        what[f"h{number}"] = damage
        data = hostile.zip_project(contents)
        try:
            workspace.import_zip(tmp_path / "zips", data, f"z{number}.zip")
        except ArchiveError as exc:
            assert str(exc).startswith(f"z{number}.zip")  # noqa: PT017
    assert {row.folder for row in workspace.list_projects(home)} == set(what)
    wrong = [f"home: {text}" for text in exceptions("home", None)]
    for folder, damage in what.items():
        try:
            Project.open(home / folder)
        except ProjectError:
            continue  # the pages say so, which is tested once below
        for page in PAGES:
            wrong += [f"{page}: {text} {damage}" for text in exceptions(page, folder)]
    assert wrong == []


def test_many_damaged_projects_leave_home_usable(home: Path, full: Path) -> None:
    """46 zips gave a traceback on one or more pages, one of them to all users."""
    home.mkdir()
    good = json.loads((full / "project.json").read_text("utf-8"))
    for number in range(60):
        (home / f"p{number}").mkdir()
        (home / f"p{number}" / "project.json").write_bytes(hostile.damaged(good, number)[1])
    (home / "whole").mkdir()
    (home / "whole" / "project.json").write_text(json.dumps({**good, "name": "Whole"}), "utf-8")
    at = tab().run()
    assert [e.value for e in at.exception] == []
    assert any("Whole" in m.value for m in at.markdown)
    assert sum("material/error" in m.value for m in at.markdown) > 30


@pytest.mark.parametrize("part", [p for p in hostile.PARTS if "\ud800" not in p], ids=ascii)
def test_hostile_projects_in_the_address(home: Path, part: str) -> None:
    home.mkdir(exist_ok=True)
    at = tab()
    at.query_params["project"] = part
    at.run()
    assert [e.value for e in at.exception] == []
    for shown in (*at.markdown, *at.warning, *at.error, *at.info, *at.caption):
        assert "](http" not in shown.value
        assert not re.search(r"(?<!\\)<(b|a|img)\b", shown.value) or part not in shown.value
