"""Generate: new wafers of a class, and two studies of what they are worth."""

from __future__ import annotations

import streamlit as st

from pages.generate import ablation, classes, form, learning_curve, live, result
from pages.shared import guards, layout, loaders
from pages.shared.tabs import tabs
from pages.shared.words import t
from wafer_core.messages import N_

PARTS = {
    "make": N_("Make wafers"),
    "ablation": N_("Does it help?"),
    "learning_curve": N_("How many do I need?"),
}
TABS = {"result": N_("Result"), "classes": N_("Per class")}

project = guards.require_project(layout.start(N_("Generate")))
st.title(t("Generate"))
summary = loaders.summary(project)
usable = [c for c in summary.classes if c.splits["train"]]
if not usable:
    st.info(t("There are no training wafers yet. Add some to a class first."))
    layout.link("classes", project, t("Go to Classes"))
    st.stop()
part, part_panel = tabs(PARTS, "generate_part")
with part_panel:
    if part == "ablation":
        ablation.show(project, summary)
    elif part == "learning_curve":
        learning_curve.show(project, summary)
    else:
        left, right = st.columns([2, 5], gap="medium")
        with left, guards.show_errors():
            entries = form.show(project, usable)
        with right:
            is_active = live.panel(project)
            opened, panel = tabs(TABS, "generate_tab")
            with panel, guards.show_errors():
                if opened == "classes":
                    classes.panel(usable, entries)
                else:
                    result.panel(project, summary, is_active)
