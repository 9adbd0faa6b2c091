"""Which folder of a dropped tree is which class, and what a project remembers of it."""

from __future__ import annotations

import json

import pytest

from wafer_core.data import folder_names
from wafer_core.data.folder_names import FolderNames, match_folders, remember, suggest_class
from wafer_core.data.project import Project
from wafer_core.errors import DataError, ProjectError

CLASSES = ["Center", "Edge-Loc", "Edge-Ring", "Loc", "Scratch", "none"]


def test_equal_names_need_no_question() -> None:
    match = match_folders(["scratch", "CENTER", "scratch"], CLASSES, FolderNames())
    assert match.known == {"scratch": "Scratch", "CENTER": "Center"}
    assert match.unknown == {}
    assert match.ignored == ()


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("edge_ring", "Edge-Ring"),
        ("EdgeLoc", "Edge-Loc"),
        ("스크래치", "Scratch"),
        ("정상", "none"),
        ("Scratchs", "Scratch"),
        ("Lot 7", None),
        ("…", None),
    ],
)
def test_other_names_are_suggested_but_asked(folder: str, expected: str | None) -> None:
    match = match_folders([folder], CLASSES, FolderNames())
    assert match.unknown == {folder: expected}
    assert suggest_class(folder, CLASSES) == expected


def test_a_korean_class_is_suggested_for_an_english_folder() -> None:
    assert suggest_class("Scratch", ["중심", "긁힘"]) == "긁힘"


def test_answers_are_remembered(project: Project) -> None:
    assert folder_names.read_folder_names(project) == FolderNames()
    remember(project, {"스크래치": "Scratch", "Lot 7": None})
    remember(project, {"lot 8": None})
    kept = folder_names.read_folder_names(project)
    match = match_folders(["스크래치", "LOT 7", "Lot 8", "Lot 9"], CLASSES, kept)
    assert match.known == {"스크래치": "Scratch"}
    assert match.ignored == ("LOT 7", "Lot 8")
    assert list(match.unknown) == ["Lot 9"]


def test_an_answer_for_a_class_that_the_model_lacks_is_asked_again(project: Project) -> None:
    remember(project, {"스크래치": "Scratch"})
    kept = folder_names.read_folder_names(project)
    assert list(match_folders(["스크래치"], ["Ring"], kept).unknown) == ["스크래치"]


def test_the_oldest_answers_are_forgotten(project: Project) -> None:
    many = {f"folder {n}": None for n in range(folder_names.MAX_FOLDERS + 5)}
    remember(project, many)
    kept = folder_names.read_folder_names(project).classes
    assert len(kept) == folder_names.MAX_FOLDERS
    assert "folder 0" not in kept


@pytest.mark.parametrize(
    "value",
    [[], {"schema": 1}, {"schema": 99, "folders": {}}, {"schema": 1, "folders": {"a": 5}},
     {"schema": 1, "folders": {"a": "x" * 500}}, {"schema": 1, "folders": []}],
)  # fmt: skip
def test_a_damaged_file_is_refused(project: Project, value: object) -> None:
    with pytest.raises(DataError):
        FolderNames.from_json(value)
    (project.path / folder_names.FILE).write_text(json.dumps(value), "utf-8")
    with pytest.raises(ProjectError, match=r"folder_names\.json"):
        folder_names.read_folder_names(project)


def test_the_file_belongs_to_a_project() -> None:
    from wafer_core.data import project_zip

    assert any(member.matches(folder_names.FILE) for member in project_zip.MEMBERS)
