"""How the tests of pages use the app: open a page, find a widget, select, drop files."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from streamlit.testing.v1 import AppTest

from wafer_core import images
from wafer_core.data.project import Project
from wafers import marked

APP = Path(__file__).parents[1] / "app.py"
PAGES = {
    path.stem.partition("_")[2].lower(): f"pages/{path.name}"
    for path in sorted((APP.parent / "pages").glob("*.py"))
}


def tab() -> AppTest:
    """A browser tab that has not loaded anything."""
    return AppTest.from_file(APP, default_timeout=60)


def visit(page: str, project: Project | None = None) -> AppTest:
    """A new tab on a page, of a project if one is given; the page must render.

    Args:
        page: ``home`` or a key of ``PAGES``.
        project: Opened by its name in the address line, as by a shared link.
    """
    at = tab()
    if project is not None:
        at.query_params["project"] = project.path.name
    if page != "home":
        at.switch_page(PAGES[page])
    return run(at)


def with_more(page: str, project: Project) -> AppTest:
    """A new tab on a page with “More” open: all settings are in sight."""
    at = visit(page, project)
    at.session_state[f"{page}_more"] = True
    return run(at)


def run(target: Any) -> AppTest:
    """Run the page; no exception may reach it, and no sentence about an error.

    Args:
        target: The tab, or a widget in it that was just set.
    """
    at: AppTest = target.run()
    assert errors_on(at) == []
    return at


def errors_on(at: AppTest) -> list[str]:
    """Errors on the page; an exception fails the test."""
    assert [e.value for e in at.exception] == []
    return [e.value for e in at.error]


def refused(target: Any) -> str:
    """Run the page and return the one error that it must show."""
    (error,) = errors_on(target.run())
    return error


def labelled(elements: Sequence[Any], label: str) -> Any:
    """The one element of this label."""
    (found,) = [e for e in elements if e.label == label]
    return found


def keyed(elements: Sequence[Any], start: str) -> Any:
    """The one element whose key begins so; the rest of such keys depends on what is shown."""
    (found,) = [e for e in elements if e.key and e.key.startswith(start)]
    return found


def keys(elements: Sequence[Any]) -> set[str]:
    """The keys of some elements."""
    return {e.key for e in elements}


def texts(at: AppTest) -> str:
    """All that the page says in Markdown, captions, notes and headings."""
    found = (at.markdown, at.caption, at.info, at.warning, at.success, at.subheader, at.header)
    return "\n".join(str(e.value) for elements in found for e in elements)


def chart(at: AppTest, start: str) -> str:
    """The key of a chart, found by how it begins."""
    ids = [str(node.proto.id) for node in at.get("plotly_chart")]  # type: ignore[union-attr]
    (found,) = {i.partition("-")[2].partition("-")[2] for i in ids if f"-{start}" in i}
    return found


def select_rows(at: AppTest, start: str, *rows: int) -> AppTest:
    """Select rows of a table by its key's beginning, as a click would."""
    key = keyed(at.dataframe, start).key
    at.session_state[key] = {"selection": {"rows": list(rows), "columns": [], "cells": []}}
    return at


def select_points(at: AppTest, start: str, points: Sequence[Mapping[str, Any]]) -> AppTest:
    """Select points of a chart, as a click or a box would."""
    at.session_state[chart(at, start)] = {
        "selection": {
            "points": [dict(p) for p in points],
            "point_indices": [p["point_index"] for p in points],
            "box": [],
            "lasso": [],
        }
    }
    return at


def table(at: AppTest, start: str) -> Any:
    """A table's values, by its key's beginning."""
    return keyed(at.dataframe, start).value


def left_out(at: AppTest) -> list[str]:
    """The sentences about files that were left out."""
    tables = [d.value for d in at.dataframe if list(d.value.columns) == ["reason"]]
    return [t.value for t in at.text] + [str(why) for frame in tables for why in frame["reason"]]


def drop(at: AppTest, page: str, *files: tuple[str, bytes], on: str = "") -> AppTest:
    """Drop files anywhere on a page.

    Args:
        at: The tab.
        page: Begins the key of its uploader.
        files: Names, with folders, and contents.
        on: ``data-drop-target`` of the element that they are dropped on.
    """
    box = keyed(at.file_uploader, f"{page}_files_")
    mark = f"dropped-on={on}/" if on else ""
    return run(box.set_value([(f"{mark}{n}", d, "application/octet-stream") for n, d in files]))


def typed(box: Any, text: str) -> Any:
    """Type what a select box does not list; AppTest itself can only choose from the list."""
    box.options.append(text)
    return box.set_value(text)


def png(number: int) -> bytes:
    """The file of one small wafer."""
    return images.encode_png(marked(number))


def zipped(members: Mapping[str, bytes]) -> bytes:
    """A zip of these files."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return stream.getvalue()
