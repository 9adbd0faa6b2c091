"""Bring the catalogues up to date with the texts in the code: ``python locale/update.py``.

New texts are added untranslated, texts that are gone are removed, translations stay. Nothing is
guessed: a changed text is untranslated again. ``--check`` writes nothing, lists what is missing or
stale, and exits with 1 if there is any.
"""

from __future__ import annotations

import string
import sys
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parents[1]
LANGUAGES = ("ko",)
ERRORS = [
    "WaferError",
    "InputError",
    "PictureError",
    "ArchiveError",
    "ClassNameError",
    "ParameterError",
    "ProjectError",
    "ModelError",
    "DataError",
    "JobError",
    "StorageError",
    "Cancelled",
]
KEYWORDS = {
    **dict.fromkeys(("t", "t_raw", "N_", "Message", "message", *ERRORS)),
    **dict.fromkeys(("tn", "tn_raw", "counted"), (1, 2)),
}


def extract() -> Catalog:
    """All texts that stand in the code."""
    catalogue = Catalog()
    for folder, method in (("wafer_core", "python"), ("pages", "python"), (".", "python")):
        mapping = [("app.py" if folder == "." else "**.py", method)]
        for file, line, text, comments, context in extract_from_dir(
            str(ROOT / folder), mapping, keywords=KEYWORDS, directory_filter=_no_other_folders
        ):
            del line  # line numbers would change the catalogue with every edit
            place = file if folder == "." else f"{folder}/{file}"
            catalogue.add(text, locations=[(place, 0)], user_comments=comments, context=context)
    return catalogue


def _no_other_folders(folder: str) -> bool:
    path = Path(folder)
    return (
        path == ROOT
        or (ROOT / "wafer_core") in [path, *path.parents]
        or (ROOT / "pages") in [path, *path.parents]
    )


def path_of(language: str) -> Path:
    """The catalogue of a language."""
    return ROOT / "locale" / language / "LC_MESSAGES" / "wafer.po"


def read(language: str) -> Catalog:
    """The catalogue of a language as it is stored."""
    path = path_of(language)
    if not path.exists():
        return Catalog(locale=language)
    with path.open("rb") as file:
        return read_po(file, locale=language)


def update(language: str) -> Catalog:
    """The stored catalogue with the texts of the code: no more, no fewer, nothing guessed."""
    stored, updated = read(language), Catalog(locale=language, project="Teachable Wafer")
    for message in extract():
        if not message.id:
            continue
        known = stored.get(message.id, message.context)
        translated = known.string if known else ("" if isinstance(message.id, str) else ("",))
        updated.add(
            message.id,
            translated,
            locations=sorted(set(message.locations)),
            context=message.context,
        )
    return updated


def problems(language: str) -> list[str]:
    """One line for each text that is untranslated, stale, or translated with other fields."""
    stored = read(language)
    found = []
    current = extract()
    for message in current:
        known = stored.get(message.id, message.context) if message.id else None
        if message.id and (known is None or not all(_texts(known.string))):
            found.append(f"untranslated: {_texts(message.id)[0]}")
        elif known is not None and message.id and _fields(message) != _fields_of(known.string):
            found.append(f"other fields: {_texts(message.id)[0]}")
    found += [
        f"stale: {_texts(m.id)[0]}" for m in stored if m.id and current.get(m.id, m.context) is None
    ]
    return found


def _texts(value: object) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value or ("",))  # type: ignore[arg-type]


def _fields(message: Message) -> set[str]:
    return _fields_of(_texts(message.id)[-1])


def _fields_of(value: object) -> set[str]:
    names: set[str] = set()
    for text in _texts(value):
        try:
            names |= {name for _, name, _, _ in string.Formatter().parse(text) if name}
        except ValueError:
            names.add("(cannot be parsed)")
    return names


def main() -> int:
    """Update, or with ``--check`` only list what is wrong."""
    if "--check" in sys.argv:
        found = [f"{language}: {line}" for language in LANGUAGES for line in problems(language)]
        sys.stdout.write("\n".join([*found, f"{len(found)} problems", ""]))
        return int(bool(found))
    for language in LANGUAGES:
        path = path_of(language)
        path.parent.mkdir(parents=True, exist_ok=True)
        catalogue = update(language)
        with path.open("wb") as file:
            write_po(file, catalogue, width=100, sort_output=True, include_lineno=False)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
