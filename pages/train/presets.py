"""Presets: settings that a search found, to fill the form with."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from pages.shared import guards, times
from pages.shared.words import t, t_raw
from wafer_core.data import presets
from wafer_core.data.project import Project
from wafer_core.messages import Message
from wafer_core.parameters import Parameter, parameters_of
from wafer_core.tasks.augmentation import policies
from wafer_core.tasks.classification.config import TrainConfig
from wafer_core.tasks.search import space

DEFAULTS = ""  # in the box: no preset
# Session state: the box, the preset that the form was filled with, the one to choose next.
CHOSEN, _APPLIED, _WANTED = "train_preset", "train_preset_applied", "train_preset_wanted"


def choose(project: Project) -> None:
    """The box of presets, if there are any; a new choice fills the form that is drawn after it.

    Raises:
        ParameterError: A setting of the chosen preset cannot be used.
    """
    stored = {p.name: p for p in presets.list_presets(project)}
    wanted = st.session_state.pop(_WANTED, None)
    if wanted in stored:
        st.session_state[CHOSEN] = wanted
        st.session_state[_APPLIED] = None  # also if its settings were changed by hand since
    chosen = DEFAULTS
    if stored:
        chosen = st.selectbox(
            t("Preset"),
            [DEFAULTS, *stored],
            format_func=lambda name: name or t_raw("Defaults"),
            key=CHOSEN,
            persist_state="session",
            help=t("Fills the settings below with the defaults, or with what a search found."),
        )
    preset = stored.get(chosen)
    if chosen != st.session_state.get(_APPLIED, DEFAULTS):
        st.session_state[_APPLIED] = chosen
        if preset is None or preset.damage is None:
            _fill(preset.settings if preset else {})
    if preset is None:
        return
    if preset.damage is not None:
        st.error(t(preset.damage), icon=":material/error:")
    else:
        st.caption(verdict(preset.summary))


def use(name: str) -> None:
    """Fill the form with a preset in the next run of the page."""
    st.session_state[_WANTED] = name


def _fill(settings: Mapping[str, Any]) -> None:
    """Put settings into the form; those that are missing become the default.

    Raises:
        ParameterError: A setting is unknown or cannot be used.
    """
    config = TrainConfig.from_mapping(settings)
    for name in parameters_of(TrainConfig):
        st.session_state[f"train_{name}"] = getattr(config, name)


def policy_parameter() -> Parameter:
    """The setting Augmentation, with the searched policy that the form holds, if any."""
    spec = parameters_of(TrainConfig)["policy"]
    held = st.session_state.get("train_policy")
    choices = spec.choices
    if isinstance(held, str) and held not in choices:
        choices = (*choices, held)
    titles = tuple(t_raw(policies.title(choice)) for choice in choices)
    return dataclasses.replace(spec, choices=choices, titles=titles)


def verdict(summary: Mapping[str, Any]) -> str:
    """What a search measured, in one line of Markdown."""
    return t(_verdict(summary))


def _verdict(summary: Mapping[str, Any]) -> Message:
    gain, ends = summary.get("gain"), summary.get("gain_interval")
    numbers = [gain, *ends] if isinstance(ends, list | tuple) else []
    if len(numbers) != 3 or not all(isinstance(n, int | float) for n in numbers):
        return Message("It is not known how good these settings are.")
    return Message(
        "{title}: {verdict}, macro-F1 {gain:+.3f} (95% interval {low:+.3f} to {high:+.3f}) on "
        "{count:,} wafers",
        {
            "title": Message.from_json(summary.get("title", "")),
            "verdict": Message.from_json(summary.get("verdict", "")),
            "gain": numbers[0],
            "low": numbers[1],
            "high": numbers[2],
            "count": int(summary.get("judged") or 0),
        },
    )


def table(project: Project) -> None:
    """All presets of a project, to compare and to delete."""
    stored = presets.list_presets(project)
    if not stored:
        return
    with st.expander(t("Presets of this project ({count})", count=len(stored)),
                     key="search_presets"):  # fmt: skip
        st.dataframe(
            pd.DataFrame(
                {
                    "name": [p.name for p in stored],
                    "score": [p.summary.get("score") for p in stored],
                    "result": [t_raw(p.damage or _verdict(p.summary)) for p in stored],
                    "settings": [
                        t_raw(space.describe(p.settings)) if p.settings else t_raw("defaults")
                        for p in stored
                    ],
                    "created": [times.local(p.created) for p in stored],
                }
            ),
            hide_index=True,
            key="search_stored",
            column_config={
                "name": st.column_config.TextColumn(t_raw("name")),
                "score": st.column_config.NumberColumn(t_raw("macro-F1"), format="%.3f"),
                "result": st.column_config.TextColumn(t_raw("compared with the default")),
                "settings": st.column_config.TextColumn(t_raw("settings")),
                "created": st.column_config.TextColumn(t_raw("created")),
            },
        )
        with st.container(horizontal=True, vertical_alignment="bottom"):
            name = st.selectbox(
                t("Preset to delete"), [p.name for p in stored], key="search_delete_name"
            )
            st.button(
                t("Delete"),
                key="search_delete",
                icon=":material/delete:",
                on_click=guards.attempt,
                args=(presets.delete_preset, project, name),
            )
