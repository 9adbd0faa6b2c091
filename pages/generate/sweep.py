"""Other thresholds or densities of a run: how near each comes to real wafers; a click applies."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from pages.shared import guards, loaders
from wafer_core import jobs, plots
from wafer_core.data.project import Project
from wafer_core.data.summary import ClassSummary
from wafer_core.data.synthetic import MadeRun
from wafer_core.jobs import JobState
from wafer_core.tasks.generation.dcgan import training


def show(project: Project, c: ClassSummary, run: MadeRun) -> None:
    """KID at each level, some wafers of each, and a button that fills the form with one of them."""
    found = run.info["sweep"]
    setting = str(found["setting"])
    title = training.PARAMETERS[setting].title
    st.caption(
        f"{training.PARAMETERS[setting].help} Each level made {found['counts'][0]} wafers, "
        f"compared with {found['counts'][1]} originals (WaferNet). "
        "Lower KID is closer to real; differences smaller than those between neighbours are noise."
    )
    left, right = st.columns([3, 6], gap="medium")
    with left:
        figure = plots.curves(
            found["values"], {"KID": found["kid"]}, f"{title}: KID at each level",
            "KID (lower is better)", best_epoch=found["best"],
        )  # fmt: skip
        figure.update_xaxes(title=title, rangemode="normal")
        st.plotly_chart(figure, key=f"generate_sweep_{run.run}")
    strips = _strips(project, c.name, run.run)
    rows = [
        {
            "level": value,
            "KID": kid,
            "dies that fail": failed,
            "": "best" if value == found["best"] else "",
            "wafers": _picture(strips.get(float(value))),
        }
        for value, kid, failed in zip(
            found["values"], found["kid"], found["failed"], strict=True
        )
    ]  # fmt: skip
    table = pd.DataFrame(rows)
    if not strips:  # the job was deleted meanwhile, or made elsewhere
        table = table.drop(columns="wafers")
    with right:
        chosen = st.dataframe(
            table,
            hide_index=True,
            row_height=44,
            key=f"generate_sweep_table_{run.run}",
            on_select="rerun",
            selection_mode="single-row",
            column_config={
                "level": st.column_config.NumberColumn(title, format="%g", width="small"),
                "": st.column_config.TextColumn(width="small"),
                "wafers": st.column_config.ImageColumn(width="large"),
                "KID": st.column_config.NumberColumn(format="%.3g", width="small"),
                "dies that fail": st.column_config.NumberColumn(format="percent", width="small"),
            },
        )
        selected = chosen["selection"]["rows"]
        value = found["values"][selected[0]] if selected else found["best"]
        st.button(
            f"Use {title.lower()} {value:g}{'' if selected else ' (the best)'}",
            key="generate_apply",
            icon=":material/check:",
            on_click=_apply,
            args=(str(run.info.get("preset", "classic")), setting, value),
            help="Fills the form above; select a row to use another level.",
        )


def _apply(preset: str, setting: str, value: float) -> None:
    whole = isinstance(training.PARAMETERS[setting].default, int)
    if preset in training.PRESETS:
        st.session_state["generate_preset"] = preset
    st.session_state[f"generate_{setting}"] = int(value) if whole else value
    guards.notify(
        f"{training.PARAMETERS[setting].title} is {value:g} now; generate again to use it."
    )


def _strips(project: Project, class_name: str, run: str) -> dict[float, Path]:
    """Strips of wafers by level, from the job that made a run."""
    for state in jobs.list_jobs(project.path, "generate"):
        if any(made.get("run") == run for made in _made(state)):
            found = {
                float(level["value"]): state.folder / str(level["samples"])
                for level in state.metric("level")
                if level["class"] == class_name
            }
            return {value: path for value, path in found.items() if path.exists()}
    return {}


def _made(state: JobState) -> list[Mapping[str, Any]]:
    return list((state.result or {}).get("classes", []))


def _picture(path: Path | None) -> str | None:
    return loaders.strip(str(path)) if path else None
