"""All runs of a project: choose one, rename, delete, and compare two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from pages.shared import downloads, guards, loaders, times
from pages.shared.networks import network_title
from pages.shared.words import t, t_raw
from pages.train import comparison, wafers
from wafer_core.data import models
from wafer_core.data.models import ModelRun
from wafer_core.data.project import Project
from wafer_core.messages import N_

_ACTIONS = {"rename": N_("Rename"), "delete": N_("Delete")}
SHOWN = "train_run"  # session state: the run in the box
_NEWEST = "train_newest"  # session state: the newest run of which project the page has shown
_PAIR = "train_pair"  # session state: two runs to compare


def label(run: ModelRun, current: str | None) -> str:
    """A run by its name and local time."""
    if run.damage is not None:
        return t_raw("Damaged run · {time}", time=times.local(run.run))
    text = f"{run.name} · {times.local(run.created)}"
    return t_raw("{run} · in use", run=text) if run.run == current else text


def header(project: Project, every: Sequence[ModelRun], current: str | None) -> ModelRun:
    """The box of runs and the buttons of the chosen one.

    At first the run in use is chosen; when a training ends, its run is.

    Args:
        project: The project.
        every: Its runs, the newest first; at least one.
        current: The run in use.
    """
    by_name = {run.run: run for run in every}
    known, newest = st.session_state.get(_NEWEST), (project.path.name, every[0].run)
    if known != newest:
        is_new = known is not None and known[0] == newest[0] and known[1] < newest[1]
        st.session_state[SHOWN] = newest[1] if is_new or current is None else current
        st.session_state[_NEWEST] = newest
        if is_new:
            st.session_state.pop(wafers.MOVED, None)  # the new run includes the moved wafers
    if st.session_state.get(SHOWN) not in by_name:
        st.session_state[SHOWN] = current if current in by_name else newest[1]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.selectbox(
            t("Run"),
            list(by_name),
            format_func=lambda name: label(by_name[name], current),
            key=SHOWN,
            persist_state="session",
            label_visibility="collapsed",
            width="stretch",
        )
        shown = by_name[chosen]
        _main_button(project, shown, current)
        choice = st.menu_button(
            t("More"),
            list(_ACTIONS) if shown.damage is None else ["delete"],
            format_func=lambda action: t_raw(_ACTIONS[action]),
            key="train_run_more",
        )
    if choice == "rename":
        st.dialog(t("Rename run"))(_rename)(project, shown)
    elif choice == "delete":
        st.dialog(t("Delete run"))(_delete)(project, shown)
    return shown


def _main_button(project: Project, shown: ModelRun, current: str | None) -> None:
    """Try the run in use, or use another one."""
    if shown.damage is not None:
        return
    if shown.run != current:
        st.button(
            t("Use this run"),
            type="primary",
            key="train_use",
            icon=":material/check:",
            on_click=guards.attempt,
            args=(project.set_current_model, shown.run),
            help=t("Predict then uses this run."),
        )
    elif st.button(
        t("Try it on new wafers"), type="primary", key="train_try", icon=":material/troubleshoot:"
    ):
        st.switch_page("pages/5_Predict.py", query_params=guards.address(project))


def _rename(project: Project, shown: ModelRun) -> None:
    with st.form("train_rename_form", border=False):
        name = st.text_input(t("Name"), shown.name, key=f"train_new_name_{shown.run}")
        if st.form_submit_button(t("Rename"), type="primary", key=f"train_rename_do_{shown.run}"):
            with guards.show_errors():
                models.rename_model(project, shown.run, name)
                st.rerun()


def _delete(project: Project, shown: ModelRun) -> None:
    st.write(
        t(
            "“{name}” and its report are deleted permanently. The wafers stay. Predict then uses "
            "the newest other run.",
            name=shown.name,
        )
    )
    if st.button(t("Delete"), type="primary", key=f"train_delete_do_{shown.run}"):
        with guards.show_errors():
            models.delete_model(project, shown.run)
            st.rerun()


def compare(first: str, second: str) -> None:
    """Choose two runs for the comparison, in the next run of the page."""
    st.session_state[_PAIR] = (first, second)


def panel(project: Project) -> None:
    """The table of all runs, and the comparison of two of them."""
    every = loaders.model_runs(project)
    if not every:
        st.info(t("No model yet. Press Train: the default settings suit most projects."))
        return
    current = models.current_model(project)
    _table(every, current)
    usable = {run.run: run for run in every if run.damage is None}
    if len(usable) < 2:
        st.caption(t("Train again with other settings to compare two runs here."))
        return
    st.subheader(t("Compare two runs"))
    first, second = _pair(usable, current)
    with guards.show_errors():
        comparison.show(
            loaders.comparison(project, first, second), usable[first], usable[second], project
        )


def _pair(usable: Mapping[str, ModelRun], current: str | None) -> tuple[str, str]:
    """The boxes of the two runs; at first the one in use and the newest other one."""
    keys = ("train_compare_first", "train_compare_second")
    wanted = st.session_state.pop(_PAIR, None)
    others = [run for run in usable if run != current]
    default = (current if current in usable else others[-1], others[0])
    for number, key in enumerate(keys):
        if wanted and wanted[number] in usable:
            st.session_state[key] = wanted[number]
        elif st.session_state.get(key) not in usable:
            st.session_state[key] = default[number]
    one, two = st.columns(2, gap="medium")
    first, second = (
        column.selectbox(
            title,
            list(usable),
            format_func=lambda name: label(usable[name], current),
            key=key,
            persist_state="session",
        )
        for column, title, key in zip((one, two), (t("First"), t("Second")), keys, strict=True)
    )
    return first, second


def _table(every: Sequence[ModelRun], current: str | None) -> None:
    """One row per run, and the download."""
    table = pd.DataFrame(
        {
            "in use": ["✓" if run.run == current else "" for run in every],
            "name": [run.name if run.damage is None else t_raw("damaged run") for run in every],
            "macro-F1": [run.macro_f1 for run in every],
            "accuracy": [run.accuracy for run in every],
            "created": [times.local(run.created) for run in every],
            "network": [network_title(run.network) for run in every],
            "time": [times.duration(run.seconds) for run in every],
            "trained on": [run.train_count for run in every],
            "tested on": [run.test_count for run in every],
            "classes": [len(run.class_names) for run in every],
        }
    )
    text, number = st.column_config.TextColumn, st.column_config.NumberColumn
    st.dataframe(
        table,
        key="train_runs",
        placeholder="–",
        hide_index=True,
        height="content" if len(every) <= 6 else 260,
        column_config={
            "in use": text(t_raw("in use"), width=50),
            "name": text(t_raw("name")),
            "macro-F1": number(
                t_raw("macro-F1"),
                width=70,
                format="%.3f",
                help=t("Mean F1 of the classes, each with equal weight; higher is better."),
            ),
            "accuracy": number(
                t_raw("accuracy"),
                width=70,
                format="%.3f",
                help=t("Share of the test wafers that are predicted correctly."),
            ),
            "tested on": number(
                t_raw("tested on"),
                help=t("Test wafers. Below, two runs are compared on the wafers both have."),
            ),
            "trained on": number(t_raw("trained on")),
            "classes": number(t_raw("classes")),
            "network": text(t_raw("network")),
            "time": text(t_raw("time")),
            "created": text(t_raw("created")),
        },
    )
    downloads.csv(table, "runs.csv", "train_runs_csv")
