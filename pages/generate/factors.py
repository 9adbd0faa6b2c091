"""Levels of process factors for wafers that Physics makes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import streamlit as st

from pages.shared import guards
from wafer_core.errors import ParameterError
from wafer_core.simulator import FACTORS, LEVELS, PATTERNS, Factor, factors_of

Levels = dict[str, list[str | float]]
_KEY = "generate_factor"


def form(names: Sequence[str], count: int) -> Levels | None:
    """Which factors are varied, over which levels; closed until someone wants it.

    Args:
        names: The classes that Physics makes.
        count: Wafers of the class with the fewest, to say how many each combination has.

    Returns:
        The levels of each chosen factor; empty: everything as in the class; ``None``: what was
        typed cannot be used, and the page says why.
    """
    with st.expander(
        "Levels of process factors (Physics)", key="generate_physics", on_change="rerun"
    ) as box:
        if not box.open:
            return _kept(names)
        st.caption(
            "Without a choice here, wafers vary as those of the class do. With one, every "
            "combination of levels is made equally often and the rest stays as in the class: a "
            "test set that shows which level a classifier gives up at."
        )
        bearing = bearing_on(names)
        chosen = st.multiselect(
            "Factors",
            list(bearing),
            format_func=lambda name: bearing[name].title,
            key=f"{_KEY}s",
            placeholder="none: as in the class",
            help="What is varied on purpose. A factor that the pattern of a class does not have "
            "is refused when the class is made.",
            persist_state="session",
        )
        levels: Levels = {}
        for name in chosen:
            with guards.errors_told():
                levels[name] = _levels(name, FACTORS[name])
        if len(levels) < len(chosen):
            return None
        cells = math.prod(len(found) for found in levels.values())
        if cells > count:
            st.warning(
                f"{cells:,} combinations are more than {count:,} wafers a class; make more, or "
                "take fewer levels."
            )
            return None
        if levels:
            each = count // cells
            more = f" or {each + 1:,}" if count % cells else ""
            st.caption(f"{cells:,} combinations, {each:,}{more} wafers of each in a class.")
    return levels


def bearing_on(names: Sequence[str]) -> dict[str, Factor]:
    """The factors of the patterns that classes are named after; all where a name is no pattern."""
    known = {pattern.casefold(): pattern for pattern in PATTERNS}
    patterns = [known.get(name.casefold()) for name in names]
    if not patterns or None in patterns:
        return FACTORS
    common = set.intersection(*(set(factors_of(pattern)) for pattern in patterns if pattern))
    return {name: factor for name, factor in FACTORS.items() if name in common}


def told(name: str, level: str | float) -> str:
    """A level with its value: ``low (2 %)``."""
    value = FACTORS[name].value(level, FACTORS[name].title)
    shown = with_unit(FACTORS[name], value)
    return f"{level} ({shown})" if level in LEVELS else shown


def with_unit(factor: Factor, value: float) -> str:
    """A value in its factor's unit: ``45°``, ``1.5 ×``."""
    space = "" if factor.unit == "°" else " "
    return f"{value:.3g}{space}{factor.unit}".strip()


def _levels(name: str, factor: Factor) -> list[str | float]:
    low, high = factor.limits
    given = st.multiselect(
        factor.title,
        LEVELS,
        default=LEVELS,
        format_func=lambda level: _told(name, level),
        accept_new_options=True,
        key=f"{_KEY}_{name}",
        help=f"{factor.help} Low, mid, high, or type a number from {with_unit(factor, low)} to "
        f"{with_unit(factor, high)}.",
        persist_state="session",
    )
    return _read(name, given)


def _read(name: str, given: Sequence[str]) -> list[str | float]:
    """Levels as they were chosen or typed.

    Raises:
        ParameterError: None is left, or what was typed is no level.
    """
    factor = FACTORS[name]
    if not given:
        raise ParameterError(f"{factor.title} has no level; choose one, or leave the factor out.")
    found: list[str | float] = []
    for level in given:
        typed = str(level).removesuffix(factor.unit).strip() or level
        value = factor.value(typed, factor.title)  # says what is wrong
        found.append(level if level in LEVELS else value)
    return found


def _told(name: str, level: str) -> str:
    return told(name, level) if level in LEVELS else level  # what was typed stays so


def _kept(names: Sequence[str]) -> Levels | None:
    """What was chosen before the expander was closed; told, so that it is not forgotten."""
    chosen = [
        name for name in st.session_state.get(f"{_KEY}s", []) if name in bearing_on(names)
    ]  # fmt: skip
    levels: Levels = {}
    for name in chosen:
        with guards.errors_told():
            levels[name] = _read(name, st.session_state.get(f"{_KEY}_{name}", LEVELS))
    if levels:
        st.caption(f"Varied: {', '.join(FACTORS[name].title for name in levels)}")
    return levels if len(levels) == len(chosen) else None
