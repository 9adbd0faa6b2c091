"""Search on the page Train: start one, watch its trials, use what it left."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from pages.shared import forms, guards, jobs_panel
from wafer_core import plots
from wafer_core.data import presets
from wafer_core.data.presets import Preset
from wafer_core.data.project import Project
from wafer_core.jobs import JobState
from wafer_core.parameters import Parameter, check_names
from wafer_core.tasks.augmentation import policies
from wafer_core.tasks.classification import config as training
from wafer_core.tasks.search import settings, space
from wafer_core.workflows import submit

DEFAULTS = "Defaults"
# session state: the box, what the form was filled with, and what the box is to show next
CHOSEN, _APPLIED, _WANTED = "train_preset", "train_preset_applied", "train_preset_wanted"

_HELP = """
A search trains your wafers again and again, each time with other settings or another way to vary
the wafers, and keeps what did best. It then trains that and the defaults once more with other luck,
so that you read an honest gain and not the luckiest of many tries.

It is worth its minutes when your classes are complete and the result still leaves something to wish
for. With a handful of wafers a class most differences are chance, and the verdict will say so: more
wafers then help more than other settings.

The test part stays unseen. What is found is a *preset*: choose it on the left and train with it.
"""


# -- presets --------------------------------------------------------------------------------------


def choose_preset(project: Project) -> None:
    """The select box of presets, where there are any; a new choice fills the form drawn after."""
    have = {p.name: p for p in presets.list_presets(project)}
    chosen = DEFAULTS
    wanted = st.session_state.pop(_WANTED, None)
    if wanted in have:
        st.session_state[CHOSEN] = wanted
        st.session_state[_APPLIED] = ""  # also if it was chosen before and changed by hand since
    if have:
        chosen = st.selectbox(
            "Preset",
            [DEFAULTS, *have],
            key=CHOSEN,
            persist_state="session",
            help="Fills the settings below: with the defaults, or with what a search found.",
        )
    before = st.session_state.get(_APPLIED, DEFAULTS)
    if chosen != before:
        st.session_state[_APPLIED] = chosen
        if not getattr(have.get(chosen), "damage", None):
            _fill(have.get(chosen, Preset(DEFAULTS, {})))
    if chosen not in have:
        return
    preset = have[chosen]
    if preset.damage:
        st.error(preset.damage, icon=":material/error:")
    else:
        st.caption(guards.plain(f"{preset.told.get('title', '')}: {verdict(preset.told)}"))


def _fill(preset: Preset) -> None:
    """Put a preset into the form; what it does not name becomes the default.

    Raises:
        ParameterError: A setting is unknown or cannot be used.
    """
    check_names(preset.settings, (*training.PARAMETERS, "seed"))
    config = training.TrainConfig(**preset.settings)
    for name in training.PARAMETERS:
        st.session_state[f"train_{name}"] = getattr(config, name)


def with_policy(spec: Parameter) -> Parameter:
    """The setting of the augmentation with the searched policy that the form holds, if any."""
    held = st.session_state.get("train_policy")
    if not isinstance(held, str) or held in spec.choices:
        return spec
    return dataclasses.replace(spec, choices=(*spec.choices, held))


def short(policy: str) -> str:
    """A policy in few words, where it is none of the listed ones."""
    return policy if policy in policies.RULES else policies.title(policy)


def verdict(told: Mapping[str, Any]) -> str:
    """What a search measured, in a line: the verdict, and the gain with its interval."""
    gain, ends = told.get("gain"), told.get("gain_interval")
    if not isinstance(gain, float | int) or not isinstance(ends, list | tuple) or len(ends) != 2:
        return "nothing is known of how good it is"
    return (
        f"{told.get('verdict', '')}, macro-F1 {gain:+.3f} ({ends[0]:+.3f} to {ends[1]:+.3f}) on "
        f"{told.get('judged', 0):,} wafers"
    )


# -- search ---------------------------------------------------------------------------------------


def panel(project: Project, turns: bool) -> None:
    """Start a search, and see the newest one.

    Args:
        project: To search on.
        turns: Whether quarter turns leave a pattern's name alone, as the form says.
    """
    st.caption(
        "Tries other settings and ways to vary your wafers for some minutes; the best stays as a "
        "preset.",
        help=_HELP,
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        what, minutes = (settings.PARAMETERS[name] for name in ("what", "minutes"))
        config = {
            "what": forms.parameter("what", what, "search"),
            # a slider would run to a day
            "minutes": st.number_input(
                minutes.title,
                1.0,
                minutes.maximum,
                10.0,
                1.0,
                format="%g",
                key="search_minutes",
                help=minutes.help,
                persist_state="session",
            ),
        }
        pressed = st.button("Search", type="primary", key="search_start", icon=":material/search:")
    if pressed:
        with guards.errors_told():
            parameters: dict[str, Any] = {"config": config}
            if not turns:
                parameters["turns"] = False
            jobs_panel.launch(submit.create_job(project.path, "search", parameters))
    jobs_panel.project_jobs(project, ("search",), _below, "search")
    _stored(project)


def _below(state: JobState) -> None:
    """What a search found, and its trials as they come."""
    if state.status == "done":
        _result(state)
    _trials(state)


def _result(state: JobState) -> None:
    """What a search found, and the button to use it."""
    result = state.result or {}
    found = result.get("verdict") == settings.VERDICTS[settings.BETTER]
    (st.success if found else st.info)(
        guards.plain(
            f"{result.get('preset')} ({result.get('title')}) is {verdict(result)}. "
            f"{result.get('protocol', '')}"
        )
    )
    for note in result.get("notes", []):
        st.caption(f":material/info: {guards.plain(note)}")
    name = str(result.get("preset"))
    if st.button(
        "Use as preset",
        key=f"search_use_{state.id}",
        icon=":material/check:",
        help="Fills the settings on the left; then press Train.",
    ):
        # This part of the page reruns alone, and the box may only be set before it is drawn.
        st.session_state[_WANTED] = name
        st.rerun()


def _trials(state: JobState) -> None:
    """Chart and table of the trials of one search."""
    told = state.metric("trial")
    scored = [t for t in told if t["score"] is not None and t["kind"] != "check"]
    if scored:
        st.plotly_chart(
            plots.trials(
                [t["number"] for t in scored],
                [t["score"] for t in scored],
                [f"{t['title']}<br>{'<br>'.join(t['settings'].split(' · '))}" for t in scored],
                scored[0]["score"],
            ),
            key=f"search_trials_{state.id}",
        )
    looked = state.metric("candidate")
    if looked:
        st.caption(_matching(looked))
    if not told:
        return
    frame = pd.DataFrame(
        {
            "trial": [t["number"] for t in told],
            "what": [t["title"] for t in told],
            "macro-F1": [t["score"] for t in told],
            "how it ended": ["again" if t["kind"] == "check" else t["status"] for t in told],
            "time": [jobs_panel.seconds_text(t["seconds"]) for t in told],
            "settings": [t["settings"] or "defaults" for t in told],
        }
    )
    st.dataframe(
        frame,
        key=f"search_table_{state.id}",
        hide_index=True,
        height="content" if len(told) <= 8 else 320,
        column_config={
            "macro-F1": st.column_config.NumberColumn(
                format="%.3f", help="On wafers of the validation part; the test part stays unseen."
            ),
            "how it ended": st.column_config.TextColumn(
                help="given up: it was below the median of the others half way. again: trained "
                "once more with other luck, which is the score that counts."
            ),
        },
    )
    if not state.is_active:
        st.download_button(
            "Trials as CSV",
            frame.to_csv(index=False).encode("utf-8-sig"),
            f"trials {state.id}.csv",
            "text/csv",
            key=f"search_csv_{state.id}",
        )


def _matching(looked: Sequence[Mapping[str, Any]]) -> str:
    """How density matching goes, in a line."""
    halves = []
    for half in sorted({c["half"] for c in looked}):
        own = [c for c in looked if c["half"] == half]
        tried = [c["loss"] for c in own if c["number"]]
        plain = next(c["loss"] for c in own if not c["number"])
        if tried:
            halves.append(f"{len(tried)} in half {half}, loss {min(tried):.3f} (plain {plain:.3f})")
    return (
        "Policies looked at without training: " + ("; ".join(halves) or "none yet")
        + ". The nearer a policy's loss is to that of plain wafers, the more its wafers still look "
        "like their class."
    )  # fmt: skip


def _stored(project: Project) -> None:
    """The presets of the project, to compare and to delete."""
    have = presets.list_presets(project)
    if not have:
        return
    with st.expander(f"Presets of this project ({len(have)})", key="search_presets"):
        st.dataframe(
            pd.DataFrame(
                {
                    "name": [p.name for p in have],
                    "what": [p.damage or str(p.told.get("title", "")) for p in have],
                    "macro-F1": [p.told.get("score") for p in have],
                    "against the default": ["" if p.damage else verdict(p.told) for p in have],
                    "settings": [space.describe(p.settings) or DEFAULTS for p in have],
                    "made (UTC)": [p.created[:16].replace("T", " ") for p in have],
                }
            ),
            hide_index=True,
            key="search_stored",
            column_config={"macro-F1": st.column_config.NumberColumn(format="%.3f")},
        )
        with st.container(horizontal=True, vertical_alignment="bottom"):
            gone = st.selectbox(
                "Preset to delete", [p.name for p in have], key="search_delete_name"
            )
            if st.button("Delete", key="search_delete", icon=":material/delete:"):
                with guards.errors_told():
                    presets.delete_preset(project, gone)
                    st.rerun()
