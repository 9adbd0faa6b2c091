"""Presets: stored under their name, checked when read, listed even if one is damaged."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from wafer_core.data import presets, workspace
from wafer_core.data.project import Project
from wafer_core.errors import ClassNameError, ParameterError, ProjectError

SETTINGS = {"learning_rate": 0.001, "epochs": 7, "turns": False, "policy": "rotate 0.5 0.3"}
SUMMARY = {"score": 0.91, "verdict": "better than the default", "interval": [0.88, 0.94]}


@pytest.fixture
def empty(tmp_path: Path) -> Project:
    return Project.create(tmp_path / "p", "P")


def path_of(project: Project) -> Path:
    (found,) = presets.folder(project).glob("*.json")
    return found


def test_a_fresh_project_has_none(empty: Project) -> None:
    assert presets.list_presets(empty) == ()
    with pytest.raises(ParameterError, match="this project has none; a search creates one"):
        presets.find_preset(empty, "Search 1")


def test_a_saved_preset_is_found(empty: Project) -> None:
    saved = presets.save_preset(empty, " Night  shift ", SETTINGS, SUMMARY)
    assert saved.name == "Night shift"
    assert presets.find_preset(empty, "night SHIFT") == saved
    assert presets.list_presets(empty) == (saved,)
    value = json.loads(path_of(empty).read_text("utf-8"))
    assert value["schema"] == 1
    assert value["settings"] == SETTINGS
    assert value["summary"] == SUMMARY
    with pytest.raises(ParameterError, match="it has Night shift"):
        presets.find_preset(empty, "Day")


def test_the_newest_comes_first_and_a_name_is_replaced(empty: Project) -> None:
    for name in ("Search 1", "밤 근무", "Search 2"):
        presets.save_preset(empty, name, {}, {})
    assert [p.name for p in presets.list_presets(empty)] == ["Search 2", "밤 근무", "Search 1"]
    presets.save_preset(empty, "SEARCH 1", SETTINGS, {})
    assert [p.name for p in presets.list_presets(empty)] == ["SEARCH 1", "Search 2", "밤 근무"]
    assert presets.find_preset(empty, "Search 1").settings == SETTINGS


def test_a_free_name_counts_up(empty: Project) -> None:
    assert presets.free_name(empty, "Search") == "Search 1"
    presets.save_preset(empty, "search 1", {}, {})
    presets.save_preset(empty, "Search 3", {}, {})
    assert presets.free_name(empty, "Search") == "Search 2"


def test_a_preset_is_deleted(empty: Project) -> None:
    presets.save_preset(empty, "One", {}, {})
    presets.save_preset(empty, "Two", {}, {})
    presets.delete_preset(empty, "one")
    assert [p.name for p in presets.list_presets(empty)] == ["Two"]
    with pytest.raises(ParameterError, match="There is no preset “one”"):
        presets.delete_preset(empty, "one")


@pytest.mark.parametrize("name", ["", "..", "CON", "x" * 300, "a\x00b"])
def test_a_name_that_cannot_be_used_is_refused(empty: Project, name: str) -> None:
    with pytest.raises(ClassNameError, match=r"name|reserved"):
        presets.save_preset(empty, name, {}, {})
    assert presets.list_presets(empty) == ()


def changed(**changes: Any) -> dict[str, Any]:
    whole = {"schema": 1, "name": "N", "created": "2026", "settings": SETTINGS, "told": SUMMARY}
    return {k: v for k, v in {**whole, **changes}.items() if v is not ...}


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000,
        *(
            json.dumps(changed(**c)).encode()
            for c in (
                {"schema": "1"}, {"schema": True}, {"schema": None}, {"name": 3}, {"name": ""},
                {"name": "x" * 81}, {"settings": []}, {"settings": {"a": [1]}},
                {"settings": {"a": None}}, {"settings": {"a": "x" * 9000}}, {"told": 3},
                {"settings": {"a": float("nan")}}, {"settings": {str(k): 1 for k in range(65)}},
                {"created": 3}, {"told": {"a": "x" * 300_000}},
            )
        ),
    ],
)  # fmt: skip
def test_a_damaged_preset_is_listed_as_damaged_beside_the_others(
    empty: Project, content: bytes
) -> None:
    presets.save_preset(empty, "Good", SETTINGS, SUMMARY)
    (presets.folder(empty) / "bad.json").write_bytes(content)
    good, bad = presets.list_presets(empty)
    assert good.name == "Good"
    assert bad.name == "bad"
    assert bad.settings == {}
    assert "bad.json" in str(bad.damage)
    with pytest.raises(ProjectError, match=r"bad\.json"):
        presets.find_preset(empty, "bad")
    presets.delete_preset(empty, "bad")
    assert presets.list_presets(empty) == (good,)


def test_a_preset_of_a_newer_version_asks_for_an_update(empty: Project) -> None:
    presets.save_preset(empty, "Old", {}, {})
    path_of(empty).write_text(json.dumps(changed(schema=2)), "utf-8")
    assert "newer version" in str(presets.list_presets(empty)[0].damage)


def test_a_preset_travels_with_its_project(empty: Project, tmp_path: Path) -> None:
    presets.save_preset(empty, "밤 근무", SETTINGS, SUMMARY)
    (presets.folder(empty) / "strange.sh").write_text("x")
    target = io.BytesIO()
    workspace.export_zip(empty, target)
    brought = workspace.import_zip(tmp_path / "home", target.getvalue(), "p.zip")
    assert presets.find_preset(brought, "밤 근무").settings == SETTINGS
    assert [p.suffix for p in presets.folder(brought).iterdir()] == [".json"]
