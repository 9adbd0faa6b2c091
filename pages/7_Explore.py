"""Explore: lots and wafers in tables, where dies fail, yield over wafers and time, repeaters."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from pages.explore import actions, filters, lots, repeating, stacked, trends
from pages.shared import guards, layout, loaders, progress, tabs
from pages.shared.words import t
from wafer_core.data.wafer_table import Wafer, WaferTable
from wafer_core.messages import N_, listed

TABS = {
    "lots": N_("Lots"),
    "wafers": N_("Wafers"),
    "map": N_("Stack map"),
    "gallery": N_("Gallery"),
    "trends": N_("Trends"),
    "repeaters": N_("Repeaters"),
}


def read() -> WaferTable:
    """All originals; the first time, their dies are counted."""
    known = loaders.known_wafer_table(project)
    if known is not None:
        return known
    with progress.bar(t("Counting dies …")) as report:
        return loaders.wafer_table(project, report)


project = guards.require_project(layout.start(N_("Explore")))
st.title(t("Explore"), anchor=False)
with guards.show_errors():
    if not loaders.summary(project).originals:
        st.info(t("There are no wafers to explore yet. Add some to a class first."))
        layout.link("classes", project, t("Go to {page}", page=t("Classes")))
        st.stop()
    table = read()
    if table.unreadable:
        names = listed(table.unreadable)
        st.warning(t("These classes are damaged and left out: {classes}.", classes=names))
    wafers = filters.panel(table.wafers)
    if not wafers:
        st.info(t("No wafer matches. Change the filters above."))
        st.stop()
    bar = st.container(horizontal=True, vertical_alignment="center", key="explore_bar")
    shown, panel = tabs.tabs(TABS, "explore_tab")
    chosen: Sequence[Wafer] = wafers
    with panel:
        if shown == "lots":
            chosen = lots.lot_table(wafers)
        elif shown == "wafers":
            chosen = lots.wafer_table(wafers)
        elif shown == "map":
            stacked.panel(project, wafers)
        elif shown == "gallery":
            chosen = lots.gallery(project, wafers)
        elif shown == "trends":
            trends.panel(wafers)
        else:
            repeating.panel(project, wafers)
    with bar:
        actions.bar(project, chosen, len(wafers))
