"""Widgets for the settings of a task: its ``PARAMETERS`` say what a form shows and explains."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from wafer_core.tasks.parameters import Parameter


def parameter(name: str, spec: Parameter, page: str, optional: bool = False) -> Any:
    """Draw one setting; what was chosen stays when the user comes back to the page.

    Args:
        name: The setting's field in its config.
        spec: Its title, help, range and default.
        page: Prefix of the widget's key.
        optional: A number that may be left empty, to be chosen by the task.

    Returns:
        The chosen value, of the type of ``spec.default``; ``None`` if it was left empty.
    """
    key = f"{page}_{name}"
    told = spec.help if not spec.harms else f"{spec.help}\n\n**On wafer maps:** {spec.harms}"
    options: dict[str, Any] = {"key": key, "help": told, "persist_state": "session"}
    default: Any = spec.default
    if isinstance(default, bool):
        return st.toggle(spec.title, value=default, **options)
    if spec.choices:
        return st.selectbox(
            spec.title, spec.choices, index=spec.choices.index(str(default)), **options
        )
    if spec.is_range:
        return _range(spec, key, told)
    if optional:
        kind = int if isinstance(default, int) else float
        return st.number_input(
            spec.title,
            kind(spec.minimum),
            kind(spec.maximum),
            None,
            kind(spec.step),
            format="%d" if kind is int else "%g",
            placeholder="automatic",
            **options,
        )
    if isinstance(default, int):
        return st.number_input(
            spec.title, int(spec.minimum), int(spec.maximum), default, int(spec.step), **options
        )
    if spec.step < 0.001:  # a slider cannot be set that finely
        return st.number_input(
            spec.title,
            float(spec.minimum),
            float(spec.maximum),
            float(default or 0),
            float(spec.step),
            format="%g",
            **options,
        )
    return st.slider(
        spec.title,
        float(spec.minimum),
        float(spec.maximum),
        float(default or 0),
        float(spec.step),
        format="%g",
        **options,
    )


def _range(spec: Parameter, key: str, told: str) -> tuple[float, float] | None:
    """A pair of values that may be absent: a switch, and a slider with two ends."""
    used = st.toggle(spec.title, key=f"{key}_used", help=told, persist_state="session")
    middle = 1.0 if spec.minimum <= 1 <= spec.maximum else (spec.minimum + spec.maximum) / 2
    low, high = st.slider(
        f"{spec.title} range",
        float(spec.minimum),
        float(spec.maximum),
        (max(spec.minimum, middle - 0.2), min(spec.maximum, middle + 0.2)),
        float(spec.step),
        key=key,
        disabled=not used,
        label_visibility="collapsed",
        persist_state="session",
    )
    return (low, high) if used else None


def differences(values: Mapping[str, Any], parameters: Mapping[str, Parameter]) -> str:
    """Settings that are not at their default, in a line; “defaults” if all are."""
    told = [
        f"{spec.title} {values[name]}"
        for name, spec in parameters.items()
        if name in values and values[name] != spec.default
    ]
    return ", ".join(told) or "defaults"
