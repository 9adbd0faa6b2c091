"""What the two studies have in common: the newest result, and its table with a download."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import streamlit as st

from pages.shared import loaders
from pages.shared.words import t
from wafer_core.data.project import Project
from wafer_core.data.studies import Study
from wafer_core.errors import DataError
from wafer_core.messages import Message

R = TypeVar("R")


def newest(
    project: Project,
    study: Study | None,
    read: Callable[[object], R],
    show: Callable[[R, str], None],
    nothing: str | None,
) -> None:
    """Show the newest study.

    Args:
        project: The project.
        study: The study; ``None``: there is none.
        read: Reads what is stored; raises ``DataError`` if it is damaged.
        show: Draws it; takes what was read and the name of the study.
        nothing: Text if there is none, as Markdown; ``None``: no text, because one is running.
    """
    if study is None:
        if nothing:
            st.info(nothing)
        return
    found: R | None = None
    if study.damage is None:
        try:
            found = read(study.result)
        except DataError:
            found = None
    if found is None:
        st.error(
            t(study.damage)
            if study.damage
            else t("The last result is damaged. Press “Find out” to do it again."),
            icon=":material/error:",
        )
        return
    if changed := loaders.study_changes(project, study.id):
        st.warning(
            t(
                "Out of date. Changes since this study: {changes}",
                changes=Message("; ".join(t(change) for change in changed)),
            ),
            icon=":material/update:",
        )
    show(found, study.id)
