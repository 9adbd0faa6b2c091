"""Other thresholds or densities of a run: how realistic each is, and a button that applies one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from pages.generate import methods
from pages.shared import guards, loaders
from pages.shared.charts import chart
from pages.shared.words import t, t_raw
from wafer_core import jobs, plots
from wafer_core.data.project import Project
from wafer_core.data.summary import ClassSummary
from wafer_core.data.synthetic import SyntheticRun
from wafer_core.jobs import JobState
from wafer_core.messages import Message
from wafer_core.parameters import Parameter, parameters_of
from wafer_core.tasks.generation.config import GenerationConfig


def show(project: Project, c: ClassSummary, run: SyntheticRun) -> None:
    """KID at each level, some wafers of each, and a button that fills the form with a level."""
    found = run.info["sweep"]
    setting = str(found["setting"])
    spec = parameters_of(GenerationConfig).get(setting)
    if spec is None:
        st.info(t("The levels of this run are of a setting that this version does not have."))
        return
    st.caption(
        t(
            "{help} At each level {synthetic:,} wafers were generated and compared with {real:,} "
            "originals (WaferNet). A lower KID is closer to real; differences smaller than those "
            "between neighbouring levels are noise.",
            help=Message(spec.help),
            synthetic=found["counts"][0],
            real=found["counts"][1],
        )
    )
    figure = plots.curves(
        found["values"],
        {"KID": found["kid"]},
        t_raw("{setting}: KID at each level", setting=Message(spec.title)),
        t_raw("KID (lower is better)"),
        best_epoch=found["best"],
        translate=t_raw,
    )
    figure.update_xaxes(title=t_raw(spec.title), rangemode="normal")
    chart(figure, f"generate_sweep_{run.run}")
    value = _choose(project, c, run, found, spec)
    texts = {"setting": Message(spec.title), "value": float(value)}
    st.button(
        t("Use {setting} {value:g} (the best)", **texts)
        if value == found["best"]
        else t("Use {setting} {value:g}", **texts),
        key="generate_apply",
        icon=":material/check:",
        on_click=_apply,
        args=(methods.of_run(run), setting, value),
        help=t("Fills the form on the left; select a row to use another level."),
    )


def _choose(
    project: Project,
    c: ClassSummary,
    run: SyntheticRun,
    found: Mapping[str, Any],
    spec: Parameter,
) -> float:
    """The table of the levels; returns the level of the selected row, else the best."""
    strips = _strips(project, c.name, run.run)
    rows = [
        {
            "level": value,
            "KID": kid,
            "failed": failed,
            "best": t_raw("best") if value == found["best"] else "",
            "wafers": _picture(strips.get(float(value))),
        }
        for value, kid, failed in zip(found["values"], found["kid"], found["failed"], strict=True)
    ]
    table = pd.DataFrame(rows)
    if not strips:  # the job was deleted, or ran elsewhere
        table = table.drop(columns="wafers")
    number = st.column_config.NumberColumn
    event = st.dataframe(
        table,
        hide_index=True,
        row_height=44,
        key=f"generate_sweep_table_{run.run}",
        on_select="rerun",
        selection_mode="single-row",
        column_config={
            "level": number(t_raw(spec.title), format="%g", width="small"),
            "KID": number("KID", format="%.3g", width="small"),
            "failed": number(t_raw("failed dies"), format="percent", width="small"),
            "best": st.column_config.TextColumn("", width="small"),
            "wafers": st.column_config.ImageColumn(t_raw("wafers"), width="large"),
        },
    )
    selected = event["selection"]["rows"]
    value: float = found["values"][selected[0]] if selected else found["best"]
    return value


def _apply(method: str, setting: str, value: float) -> None:
    spec = parameters_of(GenerationConfig)[setting]
    st.session_state["generate_method"] = method
    st.session_state[f"generate_{setting}"] = int(value) if spec.is_whole else value
    guards.notify(
        t(
            "{setting} is {value:g} now. Generate again to use it.",
            setting=Message(spec.title),
            value=float(value),
        )
    )


def _strips(project: Project, class_name: str, run: str) -> dict[float, Path]:
    """Strips of wafers by level, from the job that made a run."""
    for state in jobs.list_jobs(project.path, "generate"):
        if any(entry.get("run") == run for entry in _entries(state)):
            found = {
                float(level["value"]): state.folder / str(level["samples"])
                for level in state.metric("level")
                if level["class"] == class_name
            }
            return {value: path for value, path in found.items() if path.exists()}
    return {}


def _entries(state: JobState) -> list[Mapping[str, Any]]:
    return list((state.result or {}).get("classes", []))


def _picture(path: Path | None) -> str | None:
    return loaders.strip(str(path)) if path else None
