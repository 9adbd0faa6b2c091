"""Which folder is which class: asked once where the names differ, then remembered."""

from __future__ import annotations

import streamlit as st

from pages.predict.state import PredictState
from pages.shared import guards
from pages.shared.words import escape, t, t_raw, tn
from wafer_core.data import folder_names
from wafer_core.data.folder_names import FolderMatch
from wafer_core.data.project import Project
from wafer_core.messages import N_

_NO_CLASS = ""  # option of the select boxes
_MOST = 60  # folders in one form
NO_CLASS_TITLE = N_("not a class")


def folders_view(project: Project, state: PredictState, match: FolderMatch) -> None:
    """One select box for each folder that no class matches; the answers are kept."""
    names = list(state.wafers[0].prediction.probabilities)
    counts = {folder: sum(w.folder == folder for w in state.wafers) for folder in match.unknown}
    asked = list(match.unknown)[:_MOST]
    st.subheader(t("Which folder is which class?"), anchor=False)
    st.caption(
        t(
            "These folders have other names than the classes. The answer is remembered in this "
            "project. Folders that are no class are not evaluated."
        )
    )
    with st.form("predict_folders", border=False), st.container(height=330, border=False):
        answers: dict[str, str | None] = {}
        for number, folder in enumerate(asked):
            left, right = st.columns(2, vertical_alignment="center")
            left.markdown(
                f"**{escape(folder)}** · "
                + tn("{count:,} wafer", "{count:,} wafers", counts[folder])
            )
            options = [_NO_CLASS, *names]
            suggested = match.unknown[folder]
            chosen = right.selectbox(
                t("Class of {folder}", folder=folder),
                options,
                index=options.index(suggested) if suggested in names else 0,
                format_func=lambda name: name or t_raw(NO_CLASS_TITLE),
                key=f"predict_folder_{number}_{folder}",
                label_visibility="collapsed",
            )
            answers[folder] = chosen or None
        submitted = st.form_submit_button(t("Save"), type="primary")
    if submitted:
        with guards.show_errors():
            folder_names.remember(project, answers)
            state.next_view = "matrix"
            st.rerun()
