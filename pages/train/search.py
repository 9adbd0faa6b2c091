"""A search for settings: start it, watch its trials, use the result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from pages.shared import downloads, forms, guards, jobs_panel, times
from pages.shared.charts import chart
from pages.shared.words import chart_text, t, t_raw
from pages.train import presets
from wafer_core import plots
from wafer_core.data.project import Project
from wafer_core.jobs import JobState
from wafer_core.messages import N_, Message
from wafer_core.parameters import parameters_of
from wafer_core.tasks.search import settings
from wafer_core.tasks.search.settings import SearchConfig
from wafer_core.workflows import submit

HELP = N_(
    "A search trains again and again, each time with other settings or other augmentation, and "
    "keeps the best. It then trains the best and the defaults once more with other seeds, so that "
    "the reported gain is not just the luckiest of many trials.\n\nUse it when your classes are "
    "complete and the result still leaves something to gain. With a handful of wafers per class "
    "most differences are chance, and the result will say so: more wafers then help more than "
    "other settings.\n\nThe test split is not used. The result is a *preset*: choose it on the "
    "left and train with it."
)


def panel(project: Project, turns: bool) -> None:
    """Start a search, and see the newest one.

    Args:
        project: To search on.
        turns: Whether wafers may be rotated and mirrored, as chosen in the form.
    """
    st.caption(
        t("Tries other settings for some minutes and keeps the best as a preset."), help=t(HELP)
    )
    specs = parameters_of(SearchConfig)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        config = {
            "what": forms.parameter("what", specs["what"], "search"),
            # up to a day, too long for a slider
            "minutes": st.number_input(
                t(specs["minutes"].title),
                1.0,
                specs["minutes"].maximum,
                10.0,
                1.0,
                format="%g",
                key="search_minutes",
                help=t(specs["minutes"].help),
                persist_state="session",
            ),
        }
        pressed = st.button(
            t("Search"), type="primary", key="search_start", icon=":material/search:"
        )
    if pressed:
        with guards.show_errors():
            parameters: dict[str, Any] = {"config": config}
            if not turns:
                parameters["turns"] = False
            jobs_panel.launch(submit.create_job(project.path, "search", parameters))
    jobs_panel.project_jobs(project, ("search",), _below, "search")
    presets.table(project)


def _below(state: JobState) -> None:
    """The result of a search that is done, and its trials as they come."""
    if state.status == "done":
        _result(state)
    _trials(state)


def _result(state: JobState) -> None:
    result: Mapping[str, Any] = state.result or {}
    verdict = str(Message.from_json(result.get("verdict", "")))
    box = st.success if verdict == settings.VERDICTS[settings.BETTER] else st.info
    box(
        "\n\n".join(
            (
                t("Preset “{name}”", name=str(result.get("preset"))),
                presets.verdict(result),
                t(Message.from_json(result.get("protocol", ""))),
            )
        )
    )
    for note in result.get("notes", []):
        st.caption(f":material/info: {t(Message.from_json(note))}")
    pressed = st.button(
        t("Use as preset"),
        key=f"search_use_{state.id}",
        icon=":material/check:",
        help=t("Fills the settings on the left; then press Train."),
    )
    if pressed:
        # This fragment reruns alone, and the box can only be set before it is drawn.
        presets.use(str(result.get("preset")))
        st.rerun()


def _trials(state: JobState) -> None:
    """Chart and table of the trials of one search."""
    trials = state.metric("trial")
    scored = [
        trial for trial in trials if trial["score"] is not None and trial["kind"] != settings.CHECK
    ]
    if scored:
        chart(
            plots.trials(
                [trial["number"] for trial in scored],
                [trial["score"] for trial in scored],
                [_hover(trial) for trial in scored],
                scored[0]["score"],
                translate=t_raw,
            ),
            f"search_trials_{state.id}",
        )
    if candidates := state.metric("candidate"):
        st.caption(_density_matching(candidates))
    if not trials:
        return
    table = pd.DataFrame(
        {
            "trial": [trial["number"] for trial in trials],
            "what": [t_raw(Message.from_json(trial["title"])) for trial in trials],
            "macro-F1": [trial["score"] for trial in trials],
            "status": [_status(trial) for trial in trials],
            "time": [times.duration(trial["seconds"]) for trial in trials],
            "settings": [_settings(trial) or t_raw("defaults") for trial in trials],
        }
    )
    text = st.column_config.TextColumn
    st.dataframe(
        table,
        key=f"search_table_{state.id}",
        placeholder="–",
        hide_index=True,
        height="content" if len(trials) <= 8 else 320,
        column_config={
            "trial": st.column_config.NumberColumn(t_raw("trial")),
            "what": text(t_raw("what")),
            "macro-F1": st.column_config.NumberColumn(
                t_raw("macro-F1"),
                format="%.3f",
                help=t("On validation wafers; the test split is not used."),
            ),
            "status": text(
                t_raw("status"),
                help=t(
                    "Stopped early: below the median of the other trials halfway. Repeated: "
                    "trained once more with other seeds; this score counts."
                ),
            ),
            "time": text(t_raw("time")),
            "settings": text(t_raw("settings")),
        },
    )
    if not state.is_active:
        name = t_raw("trials {time}.csv", time=times.local(state.id).replace(":", "-"))
        downloads.csv(table, name, f"search_csv_{state.id}", N_("Trials (CSV)"))


def _hover(trial: Mapping[str, Any]) -> str:
    parts = (t_raw(Message.from_json(trial["title"])), *_settings(trial).split(" · "))
    return "<br>".join(chart_text(part) for part in parts)


def _settings(trial: Mapping[str, Any]) -> str:
    return t_raw(Message.from_json(trial["settings"]))


def _status(trial: Mapping[str, Any]) -> str:
    if trial["kind"] == settings.CHECK:
        return t_raw("repeated")
    return t_raw(settings.STATUSES.get(trial["status"], str(trial["status"])))


def _density_matching(candidates: Sequence[Mapping[str, Any]]) -> str:
    """Progress of density matching, in one line."""
    parts = []
    for half in sorted({c["half"] for c in candidates}):
        own = [c for c in candidates if c["half"] == half]
        tried = [c["loss"] for c in own if c["number"]]
        if tried:
            parts.append(
                t(
                    "{count:,} in half {half}, lowest loss {best:.3f} (without augmentation "
                    "{plain:.3f})",
                    count=len(tried),
                    half=half,
                    best=min(tried),
                    plain=next(c["loss"] for c in own if not c["number"]),
                )
            )
    found = "; ".join(parts) or t("none yet")
    return t(
        "Policies evaluated without training: {found}. The closer the loss of a policy is to that "
        "of unchanged wafers, the more its wafers still look like their class.",
        found=Message(found),
    )
