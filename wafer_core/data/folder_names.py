"""Which folder of a dropped tree holds which class: asked once, remembered in the project.

folder_names.json    folder name to class name, or to null for a folder that is no class
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from wafer_core import files, names
from wafer_core.data.members import MEGABYTE, Member
from wafer_core.data.project import Project
from wafer_core.errors import DataError
from wafer_core.json_fields import Fields, check_schema
from wafer_core.messages import message

FILE = "folder_names.json"
SCHEMA = 1
MAX_FOLDERS = 2000  # remembered; the newest ones stay
_SIMILAR = 0.75  # similarity of letters from which a class is suggested
_REMEDY = message("Delete the file; the folders are then asked for again.")

# Names of the nine WM-811K patterns in Korean fabs, for the suggestion.
_TRANSLATIONS = {
    "center": ("중심", "센터", "중앙"),
    "donut": ("도넛", "도너츠", "도넛형"),
    "edgeloc": ("엣지로컬", "에지로컬", "가장자리국부", "엣지국부"),
    "edgering": ("엣지링", "에지링", "가장자리링", "가장자리고리"),
    "loc": ("로컬", "국부", "국소"),
    "nearfull": ("전면", "전체", "니어풀"),
    "random": ("랜덤", "무작위", "임의"),
    "scratch": ("스크래치", "스크레치", "긁힘"),
    "none": ("없음", "정상", "양품", "무결함"),
}


@dataclass(frozen=True)
class FolderNames:
    """What a project remembers.

    Attributes:
        classes: Folder name, as ``names.fold`` gives it, to class name; ``None``: no class.
    """

    classes: Mapping[str, str | None] = field(default_factory=dict)

    @classmethod
    def from_json(cls, value: object) -> FolderNames:
        """Read ``folder_names.json``.

        Raises:
            DataError: A value is missing or of the wrong type.
        """
        fields = Fields(value)
        check_schema(fields, SCHEMA)
        read: dict[str, str | None] = {}
        for folder, name in fields.free("folders").items():
            if not isinstance(name, str | None) or len(name or "") > names.MAX_NAME_LENGTH:
                raise DataError("the class of {folder} is not a name", folder=folder[:40])
            read[folder] = name
        return cls(read)

    def to_json(self) -> dict[str, Any]:
        """The content of ``folder_names.json``."""
        return {"schema": SCHEMA, "folders": dict(self.classes)}


@dataclass(frozen=True)
class FolderMatch:
    """What the folders of a drop are.

    Attributes:
        known: Folder name to class name.
        ignored: Folders that were said to be no class.
        unknown: Folder name to the suggested class name, or ``None`` without a suggestion.
    """

    known: Mapping[str, str]
    ignored: tuple[str, ...]
    unknown: Mapping[str, str | None]


def read_folder_names(project: Project) -> FolderNames:
    """What the project remembers; nothing before the first question.

    Raises:
        ProjectError: The file is damaged.
    """
    path = project.path / FILE
    if not path.exists():
        return FolderNames()
    return files.read_checked(path, FolderNames.from_json, remedy=_REMEDY, max_bytes=MEGABYTE)


def remember(project: Project, answers: Mapping[str, str | None]) -> None:
    """Keep which folder is which class.

    Args:
        project: Where.
        answers: Folder name to class name; ``None``: the folder is no class.

    Raises:
        ProjectError: The file is damaged.
        StorageError: The disk is full or not writable.
    """
    with project.lock():
        known = dict(read_folder_names(project).classes)
        for folder, name in answers.items():
            known.pop(names.fold(folder), None)
            known[names.fold(folder)] = name
        kept = dict(list(known.items())[-MAX_FOLDERS:])
        files.write_json(project.path / FILE, FolderNames(kept).to_json())


def match_folders(
    folders: Iterable[str], class_names: Sequence[str], remembered: FolderNames
) -> FolderMatch:
    """Sort folder names into classes, folders that are none, and open questions.

    Args:
        folders: Names of the folders, each once or more.
        class_names: Of the model.
        remembered: Earlier answers; one that names a class the model lacks is asked again.
    """
    by_fold = {names.fold(name): name for name in class_names}
    known: dict[str, str] = {}
    ignored: list[str] = []
    unknown: dict[str, str | None] = {}
    for folder in dict.fromkeys(folders):
        folded = names.fold(folder)
        answer = remembered.classes.get(folded, "")
        if folded in by_fold:
            known[folder] = by_fold[folded]
        elif answer is None:
            ignored.append(folder)
        elif names.fold(answer) in by_fold:
            known[folder] = by_fold[names.fold(answer)]
        else:
            unknown[folder] = suggest_class(folder, class_names)
    return FolderMatch(known, tuple(ignored), unknown)


def suggest_class(folder: str, class_names: Sequence[str]) -> str | None:
    """The class that a folder most likely holds; ``None`` where no name is near.

    >>> suggest_class("edge_ring", ["Center", "Edge-Ring"])
    'Edge-Ring'
    >>> suggest_class("스크래치", ["Loc", "Scratch"])
    'Scratch'
    """
    wanted = _letters(folder)
    by_letters = {_letters(name): name for name in class_names}
    if not wanted:
        return None
    for english, korean in _TRANSLATIONS.items():
        alike = {english, *korean}
        if wanted in alike:
            for letters, name in by_letters.items():
                if letters in alike:
                    return name
    if wanted in by_letters:
        return by_letters[wanted]
    near = difflib.get_close_matches(wanted, [k for k in by_letters if k], 1, _SIMILAR)
    return by_letters[near[0]] if near else None


def _letters(name: str) -> str:
    """Letters and digits alone, in lower case."""
    return re.sub(r"[\W_]+", "", names.fold(name))


MEMBERS = (Member(r"folder_names\.json", FolderNames.from_json, MEGABYTE),)
