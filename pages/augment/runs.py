"""The runs of Augment: the newest one as pictures, and all of them in a table to delete."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import pandas as pd
import streamlit as st

from pages.shared import forms, guards, loaders, times
from pages.shared.words import t, t_raw, tn
from wafer_core.data import synthetic
from wafer_core.data.project import Project
from wafer_core.data.summary import ClassSummary
from wafer_core.data.synthetic import SyntheticRun
from wafer_core.parameters import parameters_of
from wafer_core.tasks.augmentation.offline import AugmentConfig

SHOWN = 12  # wafers of a run
Found = tuple[ClassSummary, SyntheticRun]


def find_runs(project: Project, classes: Sequence[ClassSummary]) -> list[Found]:
    """All runs of all classes, newest first."""
    found = [(c, run) for c in classes for run in synthetic.runs(project, c.slug, "augmented")]
    return sorted(found, key=lambda pair: pair[1].run, reverse=True)


def newest(project: Project, found: Sequence[Found]) -> None:
    """A few wafers of one run, the newest at first: originals above, augmented below."""
    readable = [(c, run) for c, run in found if run.damage is None and run.records]
    if not readable:
        return
    names = {run.run: f"{times.local(run.run)} · {c.name}" for c, run in readable}
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(t("**Result:** originals above, augmented below"), width="stretch")
        chosen = st.selectbox(
            t("Run"),
            list(names),
            format_func=names.__getitem__,
            key=f"augment_shown_{readable[0][1].run}",
            label_visibility="collapsed",
            width=320,
        )
    c, run = next(pair for pair in readable if pair[1].run == chosen)
    sheet = loaders.augmented_pairs(project, c.slug, run.run, SHOWN)
    few = min(SHOWN, len(run.records))
    width: int | Literal["stretch"] = "stretch" if few == SHOWN else few * 54
    st.image(sheet, width=width, alt=t_raw("Originals above, augmented wafers below"))


def table(project: Project, found: Sequence[Found]) -> None:
    """All runs, with a button to delete the selected ones."""
    st.subheader(t("Runs ({count})", count=len(found)), anchor=False)
    if not found:
        st.caption(t("Nothing made yet."))
        return
    parameters = parameters_of(AugmentConfig)
    event = st.dataframe(
        pd.DataFrame(
            {
                "class": [c.name for c, _ in found],
                "time": [times.local(run.run) for _, run in found],
                "wafers": [len(run.records) for _, run in found],
                "changes": [
                    t_raw(run.damage)
                    if run.damage
                    else forms.differences(run.info.get("config", {}), parameters)
                    for _, run in found
                ],
            }
        ),
        hide_index=True,
        on_select="rerun",
        selection_mode="multi-row",
        key=f"augment_runs_{hash(tuple(run.run for _, run in found))}",
        column_config={
            "class": t_raw("Class"),
            "time": t_raw("Time"),
            "wafers": t_raw("Wafers"),
            "changes": st.column_config.TextColumn(t_raw("Changed settings"), width="large"),
        },
    )
    picked = [found[i] for i in event["selection"]["rows"] if i < len(found)]
    st.button(
        tn("Delete {count} selected run", "Delete {count} selected runs", len(picked))
        if picked
        else t("Delete selected runs"),
        key="augment_remove",
        icon=":material/delete:",
        disabled=not picked,
        help=t("Select runs in the table first. Originals are never touched."),
        on_click=guards.attempt,
        args=(_delete, project, [(c.slug, run.run) for c, run in picked]),
    )


def _delete(project: Project, runs: Sequence[tuple[str, str]]) -> None:
    for slug, run in runs:
        synthetic.delete(project, slug, "augmented", run)
    guards.notify(tn("{count} run deleted.", "{count} runs deleted.", len(runs)))
