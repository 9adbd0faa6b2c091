"""Levels of process factors, for wafers from the simulator."""

from __future__ import annotations

import math
from collections.abc import Sequence

import streamlit as st

from pages.shared import guards
from pages.shared.words import t, t_raw
from wafer_core.errors import ParameterError
from wafer_core.messages import Message, counted, message
from wafer_core.simulator import FACTORS, LEVELS, PATTERNS, Factor, factors_of

Levels = dict[str, list[str | float]]
_KEY = "generate_factor"


def form(names: Sequence[str], count: int) -> Levels | None:
    """Which factors are varied on purpose, and at which levels.

    Args:
        names: The classes that are simulated.
        count: Wafers of the class with the fewest, to say how many each combination gets.

    Returns:
        The levels of each chosen factor; empty: all factors vary as in the class; ``None``: the
        levels cannot be used, and the page says why.
    """
    with st.expander(
        t("Levels of process factors"), key="generate_physics", on_change="rerun"
    ) as box:
        if not box.open:
            return _closed(names)
        st.caption(
            t(
                "Without factors here, wafers vary as those of the class do. With factors, all "
                "combinations of their levels are made equally often and the rest stays as in the "
                "class: a test set that shows at which level a classifier fails."
            )
        )
        suitable = suitable_factors(names)
        chosen = st.multiselect(
            t("Factors"),
            list(suitable),
            format_func=lambda name: t_raw(suitable[name].title),
            key=f"{_KEY}s",
            placeholder=t_raw("none: as in the class"),
            help=t("Factors that the pattern of a class does not have are refused."),
            persist_state="session",
        )
        levels: Levels = {}
        for name in chosen:
            with guards.show_errors():
                levels[name] = _levels(name, FACTORS[name])
        if len(levels) < len(chosen):
            return None
        return _checked(levels, count)


def _checked(levels: Levels, count: int) -> Levels | None:
    """The levels, if there are wafers enough for all their combinations."""
    cells = math.prod(len(found) for found in levels.values())
    if cells > count:
        st.warning(
            t(
                "{cells:,} combinations are more than {count:,} wafers per class. Make more "
                "wafers, or choose fewer levels.",
                cells=cells,
                count=count,
            )
        )
        return None
    if levels:
        each = count // cells
        number = f"{each:,}–{each + 1:,}" if count % cells else f"{each:,}"
        combinations = counted("{count:,} combination", "{count:,} combinations", cells)
        st.caption(
            t("{combinations}, {each} wafers of each.", combinations=combinations, each=number)
        )
    return levels


def suitable_factors(names: Sequence[str]) -> dict[str, Factor]:
    """The factors of the patterns that classes are named after; all if a name is no pattern."""
    known = {pattern.casefold(): pattern for pattern in PATTERNS}
    patterns = [known.get(name.casefold()) for name in names]
    if not patterns or None in patterns:
        return FACTORS
    common = set.intersection(*(set(factors_of(pattern)) for pattern in patterns if pattern))
    return {name: factor for name, factor in FACTORS.items() if name in common}


def level_text(name: str, level: str | float) -> str:
    """A level with its value, such as ``low (2 %)``; for select boxes."""
    value = FACTORS[name].value(level, t_raw(FACTORS[name].title))
    shown = with_unit(FACTORS[name], value)
    if level not in LEVELS:
        return shown
    titles = {"low": t_raw("low"), "mid": t_raw("mid"), "high": t_raw("high")}
    return f"{titles[str(level)]} ({shown})"


def with_unit(factor: Factor, value: float) -> str:
    """A value in the unit of its factor: ``45°``, ``1.5 ×``."""
    space = "" if factor.unit == "°" else " "
    return f"{value:.3g}{space}{t_raw(factor.unit)}".strip()


def _levels(name: str, factor: Factor) -> list[str | float]:
    low, high = factor.limits
    given = st.multiselect(
        t(factor.title),
        LEVELS,
        default=LEVELS,
        format_func=lambda level: level_text(name, level) if level in LEVELS else level,
        accept_new_options=True,
        key=f"{_KEY}_{name}",
        help=t(
            "{help} Choose low, mid, high, or type a number from {low} to {high}.",
            help=Message(factor.help),
            low=with_unit(factor, low),
            high=with_unit(factor, high),
        ),
        persist_state="session",
    )
    return _read(name, given)


def _read(name: str, given: Sequence[str]) -> list[str | float]:
    """Levels as they were chosen or typed.

    Raises:
        ParameterError: There is none, or what was typed is no level.
    """
    factor = FACTORS[name]
    if not given:
        raise ParameterError(
            "{factor} has no level; choose one, or remove the factor.",
            factor=message(factor.title),
        )
    found: list[str | float] = []
    for level in given:
        typed = str(level).removesuffix(factor.unit).strip() or level
        value = factor.value(typed)  # raises if it is none
        found.append(level if level in LEVELS else value)
    return found


def _closed(names: Sequence[str]) -> Levels | None:
    """The levels chosen before the expander was closed, named so that none is forgotten."""
    suitable = suitable_factors(names)
    chosen = [name for name in st.session_state.get(f"{_KEY}s", []) if name in suitable]
    levels: Levels = {}
    for name in chosen:
        with guards.show_errors():
            levels[name] = _read(name, st.session_state.get(f"{_KEY}_{name}", LEVELS))
    if levels:
        titles = ", ".join(t_raw(FACTORS[name].title) for name in levels)
        st.caption(t("Varied: {factors}", factors=titles))
    return levels if len(levels) == len(chosen) else None
