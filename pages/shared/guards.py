"""What stands before and around a page's work: which project is open, and how errors are told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from wafer_core.data import workspace
from wafer_core.data.project import Project
from wafer_core.errors import ProjectError, WaferError

OPEN_KEY = "open_project"  # session state: folder name of the project this tab works on


def select_project(folder: str | None) -> None:
    """Open a project in this tab; its name stands in the address line, so links can be shared."""
    st.session_state[OPEN_KEY] = folder
    if folder:
        st.query_params["project"] = folder
    elif "project" in st.query_params:
        del st.query_params["project"]


def open_project() -> Project | None:
    """The project of this tab, or ``None``; a project that is gone is told once and let go."""
    asked = st.query_params.get("project") or st.session_state.get(OPEN_KEY)
    if not asked:
        return None
    try:
        project = workspace.find_project(workspace.workspace_path(), asked)
    except ProjectError as exc:
        select_project(None)
        st.session_state["guards_lost"] = str(exc)
        return None
    if st.session_state.get(OPEN_KEY) != asked or st.query_params.get("project") != asked:
        select_project(asked)
    return project


def tell_lost() -> None:
    """Say that the open project has gone, if it has."""
    if lost := st.session_state.pop("guards_lost", None):
        st.warning(lost)


def require_project(project: Project | None) -> Project:
    """Return the open project, or say what to do and end the page here."""
    if project is None:
        tell_lost()
        st.info("No project is open. Open or create one at home; the demo takes ten seconds.")
        st.page_link("app.py", label="Go to the home page", icon=":material/home:")
        st.stop()
    return project


@contextmanager
def errors_told() -> Iterator[None]:
    """Show what the user can mend as one sentence; real defects stay visible."""
    try:
        yield
    except WaferError as exc:
        st.error(str(exc), icon=":material/error:")


def notify(text: str) -> None:
    """Show a short note after the next rerun."""
    st.session_state["guards_note"] = text


def show_note() -> None:
    """Show what ``notify`` kept."""
    if note := st.session_state.pop("guards_note", None):
        st.toast(note)


def plain(text: str) -> str:
    """A name as Markdown that shows it as it is."""
    for sign in "\\`*_{}[]()#+-.!|$:~<>":
        text = text.replace(sign, f"\\{sign}")
    return text
