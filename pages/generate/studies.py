"""What the pages of studies share: the newest result, or a sentence where there is none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from pages.shared import guards, loaders
from wafer_core.data.project import Project
from wafer_core.data.studies import Study


def newest(
    project: Project,
    found: Study | None,
    is_result: Callable[[Mapping[str, Any]], bool],
    show: Callable[[Mapping[str, Any], str], None],
    nothing: str | None,
) -> None:
    """Show the newest study.

    Args:
        project: Whose.
        found: The study; ``None``: there is none.
        is_result: Whether what is stored is whole.
        show: Draws what was found; takes it and the name of the study.
        nothing: What is said where there is none; ``None``: nothing, since one is on its way.
    """
    if found is None:
        if nothing:
            st.info(nothing)
    elif found.damage or not is_result(found.found):
        told = found.damage or "The last result is damaged; press “Find out” to do it again."
        st.error(told, icon=":material/error:")
    else:
        if changed := loaders.study_changes(project, found.id):
            st.warning(
                guards.plain(f"Out of date, because of changes since: {'; '.join(changed)}."),
                icon=":material/update:",
            )
        show(found.found, found.id)
