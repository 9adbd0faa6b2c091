"""What the transforms do: originals above, the same wafers transformed below."""

from __future__ import annotations

from typing import Literal

import streamlit as st

from pages.shared import loaders
from pages.shared.words import t, t_raw
from wafer_core.data.project import Project
from wafer_core.data.summary import ClassSummary
from wafer_core.tasks.augmentation.offline import AugmentConfig

WAFERS = 8
_ROUND = "augment_round"  # session state: which wafers are shown


def preview(project: Project, shown: ClassSummary, config: AugmentConfig) -> None:
    """A few wafers before and after; follows the settings."""
    number = st.session_state.get(_ROUND, 0)
    sheet = loaders.augment_preview(project, shown.slug, config, WAFERS, number)
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(
                t("**Preview of {name}:** originals above, transformed below", name=shown.name),
                width="stretch",
            )
            st.button(
                t("Other wafers"),
                key="augment_shuffle",
                icon=":material/refresh:",
                on_click=st.session_state.update,
                args=({_ROUND: number + 1},),
            )
        few = min(WAFERS, shown.splits["train"])
        width: int | Literal["stretch"] = "stretch" if few == WAFERS else few * 80
        st.image(sheet, width=width, alt=t_raw("Originals above, transformed wafers below"))
