"""Classes: add wafers, look at them, sort, move, delete."""

from __future__ import annotations

import streamlit as st

from pages.classes import adding, class_list, last_import, toolbar, trash, wafers
from pages.shared import guards, layout, loaders
from pages.shared.words import t

project = guards.require_project(layout.start("Classes"))
summary = loaders.summary(project)

with st.container(horizontal=True, vertical_alignment="center"):
    st.title(t("Classes"), width="stretch", anchor=False)
    if st.button(t("Add class"), type="primary", key="classes_add", icon=":material/add:"):
        st.dialog(t("Add class"))(toolbar.add)(project)
adding.panel(project, summary.classes)
if summary.classes:
    trash.conflicts(project, summary.classes)
    left, right = st.columns([3, 7], gap="medium")
    with left:
        shown = class_list.class_list(summary.classes)
    with right:
        toolbar.toolbar(project, summary.classes, shown)
        wafers.panel(project, summary.classes, shown)
else:
    st.info(
        t(
            "No classes yet. Press **Add class**, or drop a folder (or .zip) with one subfolder "
            "per class: the names of the subfolders become the classes."
        )
    )
last_import.every_import(project)
trash.deleted(project)
