"""Widgets for the settings of a task: its ``PARAMETERS`` say what a form shows and explains."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import streamlit as st

from wafer_core.parameters import Parameter

DEFAULTS = "defaults"


@contextmanager
def more(page: str, label: str = "More") -> Iterator[bool]:
    """What most people leave as it is, behind a line that opens.

    Its widgets are drawn only while it is open: a page with a dozen closed ones took 0.1 s longer.

    Yields:
        Whether it is open; ``parameter`` is told so and keeps the values of a closed one.
    """
    with st.expander(label, key=f"{page}_more", on_change="rerun") as box:
        yield bool(box.open)


def parameter(
    name: str,
    spec: Parameter,
    page: str,
    optional: bool = False,
    drawn: bool = True,
    words: Callable[[str], str] | None = None,
) -> Any:
    """Draw one setting; what was chosen stays when the user comes back to the page.

    Args:
        name: The setting's field in its config.
        spec: Its title, help, range and default.
        page: Prefix of the widget's key.
        optional: A number that may be left empty, to be chosen by the task.
        drawn: If not, nothing is drawn and what was set before still counts.
        words: How a choice is shown; as ``spec.titles`` say where missing.

    Returns:
        The chosen value, of the type of ``spec.default``; ``None`` if it was left empty.
    """
    key = f"{page}_{name}"
    if not drawn:
        return _kept(spec, key, optional)
    told = spec.help if not spec.harms else f"{spec.help}\n\n**On wafer maps:** {spec.harms}"
    options: dict[str, Any] = {"key": key, "help": told, "persist_state": "session"}
    default: Any = spec.default
    if isinstance(default, bool):
        return st.toggle(spec.title, value=default, **options)
    if spec.choices:
        titles = dict(zip(spec.choices, spec.titles or spec.choices, strict=True))
        return st.selectbox(
            spec.title,
            spec.choices,
            index=spec.choices.index(str(default)),
            format_func=words or titles.__getitem__,
            **options,
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
    low, high = st.slider(
        f"{spec.title} range",
        float(spec.minimum),
        float(spec.maximum),
        _first_range(spec),
        float(spec.step),
        key=key,
        disabled=not used,
        label_visibility="collapsed",
        persist_state="session",
    )
    return (low, high) if used else None


def _first_range(spec: Parameter) -> tuple[float, float]:
    """Where the two ends of a range stand before anyone moves them."""
    middle = 1.0 if spec.minimum <= 1 <= spec.maximum else (spec.minimum + spec.maximum) / 2
    return max(spec.minimum, middle - 0.2), min(spec.maximum, middle + 0.2)


def _kept(spec: Parameter, key: str, optional: bool) -> Any:
    """The value of a setting that is not drawn now: ``persist_state`` keeps it under its key."""
    if spec.is_range:
        used = st.session_state.get(f"{key}_used", False)
        return st.session_state.get(key, _first_range(spec)) if used else None
    return st.session_state.get(key, None if optional else spec.default)


def tell_hidden(values: Mapping[str, Any], parameters: Mapping[str, Parameter]) -> None:
    """Say which settings of a closed ``more`` are not at their default, so that none is forgotten.

    Args:
        values: As ``parameter`` returned them.
        parameters: Those under ``more``; ``None`` counts as the default.
    """
    told = differences({k: v for k, v in values.items() if v is not None}, parameters)
    if told != DEFAULTS:
        st.caption(f"Changed under More: {told}")


def differences(values: Mapping[str, Any], parameters: Mapping[str, Parameter]) -> str:
    """Settings that are not at their default, in a line; “defaults” if all are."""
    words = {True: "on", False: "off"}
    told = [
        f"{spec.title} {words[value] if isinstance(value, bool) else value}"
        for name, spec in parameters.items()
        if (value := values.get(name, spec.default)) != spec.default
    ]
    return ", ".join(told) or DEFAULTS
