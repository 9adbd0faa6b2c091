"""Augment: multiply classes by transforms, and see what they do before making any."""

from __future__ import annotations

import streamlit as st

from pages.augment import preview, runs
from pages.shared import forms, guards, jobs_panel, layout, loaders
from pages.shared.words import t, t_raw, tn
from wafer_core.messages import N_
from wafer_core.tasks.augmentation import offline
from wafer_core.workflows import submit

ALL = ""  # value of the select box

project = guards.require_project(layout.start("Augment"))
st.title(t("Augment"), anchor=False)
summary = loaders.summary(project)
usable = {c.slug: c for c in summary.classes if c.splits["train"]}
if not usable:
    st.info(t("There are no wafers to augment yet. Add some to a class first."))
    layout.link("classes", project, t("Go to {page}", page=t("Classes")))
    st.stop()
st.caption(
    t(
        "New wafers are made only from training wafers and used only for training, so the scores "
        "stay honest."
    )
)
left, right = st.columns([2, 5], gap="large")
with left, guards.show_errors():
    target = st.selectbox(
        t("Class"),
        [ALL, *usable],
        format_func=lambda slug: usable[slug].name if slug else t_raw("All classes"),
        key="augment_class",
        persist_state="session",
    )
    values = forms.settings(
        offline.AugmentConfig,
        "augment",
        more_label=N_("More transforms (some are unsuitable for wafer maps)"),
    )
    config = offline.AugmentConfig.from_mapping(values)
chosen = list(usable.values()) if target == ALL else [usable[target]]
with right:
    with guards.show_errors():
        preview.preview(project, chosen[0], config)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        count = st.number_input(
            t("Wafers to make per class"),
            1,
            offline.MAX_COUNT,
            100,
            10,
            key="augment_count",
            help=t("Two to ten times the originals is usual; more takes time and adds little."),
            persist_state="session",
            width=220,
        )
        seed = st.number_input(
            t("Seed"),
            0,
            2**31,
            0,
            key="augment_seed",
            help=t("The same seed gives the same wafers again."),
            persist_state="session",
            width=140,
        )
        wants_run = st.button(
            tn("Make {count:,} wafer", "Make {count:,} wafers", count * len(chosen)),
            type="primary",
            key="augment_make",
            disabled=not config.changes_something,
        )
    if not config.changes_something:
        st.warning(t("No transform is on, so only copies would be made. Turn on at least one."))
    if wants_run:
        with guards.show_errors():
            jobs_panel.launch(
                submit.create_job(
                    project.path,
                    "augment",
                    {
                        "classes": [{"name": c.name, "count": int(count)} for c in chosen],
                        "config": values,
                        "seed": int(seed),
                    },
                )
            )
    jobs_panel.project_jobs(project, ("augment",))
    found = runs.find_runs(project, summary.classes)
    runs.newest(project, found)
    runs.table(project, found)
