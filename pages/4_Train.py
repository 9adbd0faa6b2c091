"""Train: the settings on the left; progress, the result, all runs and the search on the right."""

from __future__ import annotations

import streamlit as st

from pages.shared import guards, layout, loaders
from pages.shared.tabs import tabs
from pages.shared.words import t
from pages.train import form, live, result, runs, search
from wafer_core.messages import N_

TABS = {
    "result": N_("Result"),
    "runs": N_("Runs"),
    "search": N_("Search for settings"),
}

project = guards.require_project(layout.start(N_("Train")))
st.title(t("Train"))
summary = loaders.summary(project)
if not form.can_train(project, summary):
    st.stop()

left, right = st.columns([2, 5], gap="medium")
with left, guards.show_errors():
    config = form.show(project, summary)
with right:
    is_active = live.panel(project)
    opened, panel = tabs(TABS, "train_tab")
    with panel, guards.show_errors():
        if opened == "search":
            search.panel(project, turns=config["turns"])
        elif opened == "runs":
            runs.panel(project)
        else:
            result.panel(project, summary, is_active)
