"""What several test files need: a workspace of its own, a trained project, jobs that wait."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from wafer_core import jobs
from wafer_core.data.project import Project
from wafer_core.workflows import submit
from wafers import small_project

if TYPE_CHECKING:
    from playwright import sync_api

    from real_browser import Server

TINY = {"config": {"epochs": 2, "seed": 0}, "name": "First"}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty workspace that the app uses."""
    path = tmp_path / "home"
    monkeypatch.setenv("WAFER_HOME", str(path))
    monkeypatch.setenv("WAFER_LOCKS", str(tmp_path / "locks"))
    return path


@pytest.fixture(scope="session")
def project_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of eight small wafers; copied by ``project``, which is quicker than to make."""
    folder = tmp_path_factory.mktemp("made") / "small"
    return small_project(folder, {"Alpha": 8, "Beta": 8, "Gamma": 8}).path


@pytest.fixture
def project(home: Path, project_once: Path) -> Project:
    """The three classes in the app's workspace."""
    shutil.copytree(project_once, home / "small")
    return Project.open(home / "small")


@pytest.fixture(scope="session")
def trained_once(tmp_path_factory: pytest.TempPathFactory, project_once: Path) -> Path:
    """The same project with a model of two epochs; copied by ``trained``."""
    from wafer_core.workflows.runner import run_job

    path = tmp_path_factory.mktemp("trained") / "small"
    shutil.copytree(project_once, path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WAFER_LOCKS", str(path.parent / "locks"))
        run_job(submit.create_job(path, "train", TINY, "cpu"))
    return path


@pytest.fixture
def trained(home: Path, trained_once: Path) -> Project:
    """A trained project in the app's workspace."""
    shutil.copytree(trained_once, home / "small")
    return Project.open(home / "small")


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Folders of the jobs that the app started; no process begins."""
    folders: list[Path] = []
    monkeypatch.setattr(jobs, "start", folders.append)
    return folders


@pytest.fixture
def downloads(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """What the download buttons of the page hold, by file name (AppTest does not hand it out)."""
    import streamlit as st

    held: dict[str, bytes] = {}
    original = st.download_button

    def button(label: str, data: object, file_name: str, *args: object, **more: object) -> bool:
        held[file_name] = data() if callable(data) else data  # type: ignore[assignment]
        return original(label, held[file_name], file_name, *args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(st, "download_button", button)
    return held


@pytest.fixture
def server(home: Path, tmp_path: Path) -> Iterator[Server]:
    """A running app with an empty workspace."""
    from real_browser import running

    with running(home, tmp_path / "server.log") as found:
        yield found


@pytest.fixture(scope="module")
def one_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running app for all tests of a file, which each bring a project of their own."""
    from real_browser import running

    folder = tmp_path_factory.mktemp("server")
    (folder / "home").mkdir()
    with running(folder / "home", folder / "server.log") as found:
        yield found


@pytest.fixture(scope="module")
def chromium() -> Iterator[sync_api.Browser]:
    """One browser for all tests of a file."""
    from playwright import sync_api

    from real_browser import FLAGS, find_browser

    path = find_browser()
    with sync_api.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: sync_api.Browser) -> Iterator[sync_api.Page]:
    """A tab of 1280 × 800 pixels."""
    from real_browser import tab

    with tab(chromium) as opened:
        yield opened
