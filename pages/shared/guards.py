"""What surrounds the work of a page: the open project, and errors as one sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import streamlit as st

from pages.shared.words import KEY as LANGUAGE_KEY
from pages.shared.words import t
from wafer_core.data import workspace
from wafer_core.data.project import Project
from wafer_core.errors import ProjectError, WaferError

OPEN_KEY = "open_project"  # session state: folder name of the project this tab works on
_LOST, _NOTE, _FAULT = "guards_lost", "guards_note", "guards_fault"  # session state


def select_project(folder: str | None) -> None:
    """Open a project in this tab; the URL names it, so links can be shared."""
    st.session_state[OPEN_KEY] = folder
    if folder:
        st.query_params["project"] = folder
    elif "project" in st.query_params:
        del st.query_params["project"]


def address(project: Project | None) -> dict[str, str]:
    """Query parameters of a link to another page: the project and the chosen language."""
    query = {} if project is None else {"project": project.path.name}
    chosen = st.session_state.get(LANGUAGE_KEY)
    return {**query, "lang": chosen} if chosen else query


def open_project() -> Project | None:
    """The project of this tab, or ``None``; a project that is gone is reported once and closed."""
    wanted = st.query_params.get("project") or st.session_state.get(OPEN_KEY)
    if not wanted:
        return None
    try:
        project = workspace.find_project(workspace.workspace_path(), wanted)
    except ProjectError as exc:
        select_project(None)
        st.session_state[_LOST] = exc
        return None
    if st.session_state.get(OPEN_KEY) != wanted or st.query_params.get("project") != wanted:
        select_project(wanted)
    return project


def show_lost_project() -> None:
    """Report that the open project is gone or damaged, if it is."""
    if lost := st.session_state.pop(_LOST, None):
        st.warning(t(lost))


def require_project(project: Project | None) -> Project:
    """Return the open project, or say what to do and end the page here."""
    if project is None:
        show_lost_project()
        st.info(
            t(
                "No project is open. Open or create one on the Home page, or try the demo "
                "(about 20 seconds)."
            )
        )
        st.page_link(
            "app.py",
            label=t("Go to Home"),
            icon=":material/home:",
            query_params=address(None),
        )
        st.stop()
    return project


@contextmanager
def show_errors() -> Iterator[None]:
    """Show an error that the user can correct as one sentence; defects stay visible."""
    try:
        yield
    except WaferError as exc:
        st.error(t(exc), icon=":material/error:")


def attempt(action: Callable[..., Any], *args: Any) -> None:
    """Do something as a button's ``on_click``, with the arguments that the button was drawn with.

    A callback runs before the page is drawn again, so it acts on what the tab showed, even if
    another tab has changed the project meanwhile. ``show_note`` shows its error.
    """
    try:
        action(*args)
    except WaferError as exc:
        st.session_state[_FAULT] = exc


def notify(text: str) -> None:
    """Show a short note after the next rerun.

    Args:
        text: Markdown.
    """
    st.session_state[_NOTE] = text


def show_note() -> None:
    """Show what ``notify`` and ``attempt`` kept."""
    if note := st.session_state.pop(_NOTE, None):
        st.toast(note)
    if fault := st.session_state.pop(_FAULT, None):
        st.error(t(fault), icon=":material/error:")
