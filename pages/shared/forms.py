"""Forms for the settings of a task: the settings declare what a form shows and explains."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import streamlit as st

from pages.shared.words import t, t_raw
from wafer_core.messages import N_, Message
from wafer_core.parameters import Parameter, Settings, parameters_of

MORE = N_("More settings")
_MAX_INT = 2**53 - 1  # largest whole number that a browser holds exactly
_FINEST_SLIDER = 0.001  # a slider cannot be set more finely


def settings(
    config: type[Settings],
    page: str,
    *,
    skip: Collection[str] = (),
    replace: Mapping[str, Parameter] | None = None,
    titles: Mapping[str, Callable[[str], str]] | None = None,
    below: Mapping[str, Callable[[Any], None]] | None = None,
    more_label: str = MORE,
) -> dict[str, Any]:
    """Draw a form for all settings of a task: the main ones, and the others in an expander.

    Args:
        config: The settings.
        page: Prefix of the keys of the widgets.
        skip: Settings that the page sets itself.
        replace: Other declarations of some settings, such as with more choices.
        titles: From a choice to its text, for settings whose choices are not known in advance.
        below: Draws something below a setting, such as help about the chosen value.
        more_label: Title of the expander; English, translated here.

    Returns:
        The chosen value of each setting, by its field.
    """
    specs = {n: s for n, s in parameters_of(config).items() if n not in skip} | dict(replace or {})
    chosen: dict[str, Any] = {}

    def draw(names: Collection[str], drawn: bool = True) -> None:
        for name in names:
            text = (titles or {}).get(name)
            spec = specs[name]
            chosen[name] = parameter(name, spec, page, drawn=drawn, titles=text)
            if drawn and spec.harms and chosen[name] != spec.default:
                st.caption(f":orange[:material/warning: {t(spec.harms)}]")
            if drawn and below and name in below:
                below[name](chosen[name])

    draw([name for name, spec in specs.items() if spec.main])
    rest = {name: spec for name, spec in specs.items() if not spec.main}
    if rest:
        with more(page, more_label) as is_open:
            draw(list(rest), is_open)
        if not is_open:
            _show_hidden(chosen, rest)
    return chosen


@contextmanager
def more(page: str, label: str = MORE) -> Iterator[bool]:
    """An expander for settings that most people leave as they are.

    Its widgets are drawn only while it is open, which saves 0.1 s for a dozen of them.

    Args:
        page: Prefix of its key.
        label: English, translated here.

    Yields:
        Whether it is open; ``parameter`` keeps the values of a closed one.
    """
    with st.expander(t(label), key=f"{page}_more", on_change="rerun") as box:
        yield bool(box.open)


def parameter(
    name: str,
    spec: Parameter,
    page: str,
    drawn: bool = True,
    titles: Callable[[str], str] | None = None,
) -> Any:
    """Draw one setting; what was chosen is kept when the user returns to the page.

    Args:
        name: The field of the setting.
        spec: Its declaration.
        page: Prefix of the key of the widget.
        drawn: If not, nothing is drawn and the value chosen earlier still counts.
        titles: From a choice to its text; ``spec.titles`` where missing.

    Returns:
        The chosen value, of the type of ``spec.default``; ``None`` if it was left empty.
    """
    key = f"{page}_{name}"
    empty = spec.is_automatic
    if not drawn:
        return _kept(spec, key, empty)
    title = t(spec.title)
    text = t(spec.help)
    if spec.harms:
        text = "\n\n".join((text, t("**On wafer maps:** {harm}", harm=Message(spec.harms))))
    options: dict[str, Any] = {"key": key, "help": text, "persist_state": "session"}
    default: Any = spec.default
    if isinstance(default, bool):
        return st.toggle(title, value=default, **options)
    if spec.choices:
        known = dict(zip(spec.choices, spec.titles or spec.choices, strict=True))
        return st.selectbox(
            title,
            spec.choices,
            index=spec.choices.index(str(default)),
            format_func=titles or (lambda choice: t_raw(known[choice])),
            **options,
        )
    if spec.is_range:
        return _range(spec, title, key, text)
    low, high = spec.minimum, spec.maximum
    if spec.is_whole or isinstance(default, int):
        return st.number_input(
            title,
            int(max(low, -_MAX_INT)),
            int(min(high, _MAX_INT)),
            None if empty else int(default),
            int(spec.step),
            format="%d",
            placeholder=t_raw("automatic"),
            **options,
        )
    if empty or spec.step < _FINEST_SLIDER:
        return st.number_input(
            title,
            float(low),
            float(high),
            None if empty else float(default),
            float(spec.step),
            format="%g",
            placeholder=t_raw("automatic"),
            **options,
        )
    return st.slider(
        title, float(low), float(high), float(default), float(spec.step), format="%g", **options
    )


def _range(spec: Parameter, title: str, key: str, text: str) -> tuple[float, float] | None:
    """A pair of values that may be absent: a switch, and a slider with two ends."""
    used = st.toggle(title, key=f"{key}_used", help=text, persist_state="session")
    low, high = st.slider(
        t("{title} range", title=Message(spec.title)),
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
    """The two ends of a range before anyone moves them."""
    middle = 1.0 if spec.minimum <= 1 <= spec.maximum else (spec.minimum + spec.maximum) / 2
    return max(spec.minimum, middle - 0.2), min(spec.maximum, middle + 0.2)


def _kept(spec: Parameter, key: str, empty: bool) -> Any:
    """The value of a setting that is not drawn now; ``persist_state`` keeps it under its key."""
    if spec.is_range:
        used = st.session_state.get(f"{key}_used", False)
        return st.session_state.get(key, _first_range(spec)) if used else None
    return st.session_state.get(key, None if empty else spec.default)


def _show_hidden(values: Mapping[str, Any], parameters: Mapping[str, Parameter]) -> None:
    """Name the changed settings of a closed expander, so that none is forgotten.

    Args:
        values: As ``parameter`` returned them; ``None`` counts as the default.
        parameters: The settings in the expander.
    """
    if changed := _changed({k: v for k, v in values.items() if v is not None}, parameters):
        st.caption(t("Changed under More settings: {changed}", changed=changed))


def differences(values: Mapping[str, Any], parameters: Mapping[str, Parameter]) -> str:
    """Settings that are not at their default, in one line; “defaults” if all are.

    For tables; ``words.escape`` it for Markdown.
    """
    return _changed(values, parameters) or t_raw("defaults")


def _changed(values: Mapping[str, Any], parameters: Mapping[str, Parameter]) -> str:
    return ", ".join(
        f"{t_raw(spec.title)} {value_text(value, spec)}"
        for name, spec in parameters.items()
        if (value := values.get(name, spec.default)) != spec.default
    )


def value_text(value: Any, spec: Parameter) -> str:
    """The value of a setting, for a table."""
    if isinstance(value, bool):
        return t_raw("on") if value else t_raw("off")
    if value is None:
        return t_raw("automatic")
    if spec.choices and spec.titles and value in spec.choices:
        return t_raw(spec.titles[spec.choices.index(value)])
    if isinstance(value, list | tuple):
        return " – ".join(f"{end:g}" if isinstance(end, float) else str(end) for end in value)
    return f"{value:g}" if isinstance(value, float) else str(value)
