"""Augment: multiply a class by transforms, and see what they do before making any."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from pages.shared import forms, guards, jobs_panel, layout, loaders
from wafer_core.data import synthetic
from wafer_core.data.summary import ClassSummary
from wafer_core.tasks.augmentation import offline
from wafer_core.workflows import submit

ALL = "All classes"
PREVIEW = 8

project = guards.require_project(layout.start("Augment"))
st.title("Augment")
summary = loaders.summary(project)
usable = [c for c in summary.classes if c.parts["train"]]
if not usable:
    st.info("No wafers to multiply yet. Add some to a class first.")
    st.page_link("pages/1_Classes.py", label="Go to Classes", icon=":material/category:")
    st.stop()
st.caption(
    "New pictures are made of training originals only and train only: validation and test stay as "
    "they came, so the reported figures stay honest."
)


def preview(shown: ClassSummary, config: offline.AugmentConfig) -> None:
    """Originals above, what becomes of them below; follows the sliders."""
    rounds = st.session_state.get("augment_round", 0)
    sheet = loaders.augment_preview(project, shown.slug, config, PREVIEW, rounds)
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown("**Before** (above) and **after** (below)", width="stretch")
            if st.button("Other wafers", key="augment_shuffle", icon=":material/refresh:"):
                st.session_state["augment_round"] = rounds + 1
                st.rerun()
        st.image(sheet, width="stretch", alt="originals above, transformed below")


def settings() -> offline.AugmentConfig:
    """The form: the four that suit wafers, and the rest."""
    chosen = {}
    for name, spec in offline.PARAMETERS.items():
        if spec.main:
            chosen[name] = forms.parameter(name, spec, "augment")
    rest = {name: spec for name, spec in offline.PARAMETERS.items() if not spec.main}
    with forms.more("augment", "More (each with a word on wafer maps)") as is_open:
        for name, spec in rest.items():
            chosen[name] = forms.parameter(name, spec, "augment", drawn=is_open)
            if is_open and spec.harms and chosen[name] != spec.default:
                st.caption(f":orange[:material/warning: {spec.harms}]")
    if not is_open:
        forms.tell_hidden(chosen, rest)
    return offline.AugmentConfig.from_json(chosen)


left, right = st.columns([2, 5], gap="large")
with left, guards.errors_told():
    names = [ALL, *(c.name for c in usable)]
    target = st.selectbox("Class", names, key="augment_class", persist_state="session")
    config = settings()
    chosen = usable if target == ALL else [c for c in usable if c.name == target]
with right:
    with guards.errors_told():
        preview(chosen[0], config)
    count = st.number_input(
        "How many to make (each class)",
        1,
        offline.MAX_COUNT,
        100,
        10,
        key="augment_count",
        help="Two to ten times the originals is usual; more adds time, not knowledge.",
        persist_state="session",
    )
    seed = st.number_input(
        "Seed",
        0,
        2**31,
        0,
        key="augment_seed",
        help="The same seed makes the same pictures again.",
        persist_state="session",
    )
    if not config.changes_something:
        st.warning("No transform is on: only copies would be made. Turn on at least one.")
    label = f"Make {count * len(chosen):,} pictures"
    if st.button(label, type="primary", key="augment_make", disabled=not config.changes_something):
        with guards.errors_told():
            jobs_panel.launch(
                submit.create_job(
                    project.path,
                    "augment",
                    {
                        "classes": [{"name": c.name, "count": int(count)} for c in chosen],
                        "config": config.to_json(),
                        "seed": int(seed),
                    },
                )
            )
    jobs_panel.project_jobs(project, ("augment",))

# -- runs ----------------------------------------------------------------------------------------

runs = [(c, run) for c in summary.classes for run in synthetic.runs(project, c.slug, "augmented")]
st.subheader(f"Runs ({len(runs)})")
if not runs:
    st.caption("Nothing made yet.")
    st.stop()
event = st.dataframe(
    pd.DataFrame(
        {
            "class": [c.name for c, _ in runs],
            "run (UTC)": [run.run.removeprefix("run-")[:15] for _, run in runs],
            "pictures": [len(run.records) for _, run in runs],
            "transforms": [forms.differences(run.info.get("config", {}), offline.PARAMETERS)
                           for _, run in runs],
        }
    ),
    hide_index=True,
    on_select="rerun",
    selection_mode="multi-row",
    key=f"augment_runs_{hash(tuple(run.run for _, run in runs))}",
)  # fmt: skip
picked = [runs[i] for i in event["selection"]["rows"] if i < len(runs)]
if st.button(
    f"Remove {len(picked)} selected {'run' if len(picked) == 1 else 'runs'}",
    key="augment_remove",
    disabled=not picked,
    help="Select runs in the table. Originals are never touched.",
):
    with guards.errors_told():
        for c, run in picked:
            synthetic.delete(project, c.slug, "augmented", run.run)
        st.rerun()
