"""What to generate: classes, method, count and settings, and the button that starts it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from pages.generate import factors
from pages.generate.methods import METHODS
from pages.shared import forms, guards, jobs_panel
from pages.shared.words import t, t_raw, tn
from wafer_core.data.project import Project
from wafer_core.data.summary import ClassSummary
from wafer_core.messages import Message, listed, message
from wafer_core.parameters import parameters_of
from wafer_core.tasks.generation.config import DEFAULT, MIN_PICTURES, PRESETS, GenerationConfig
from wafer_core.tasks.generation.presets import MAX_COUNT
from wafer_core.workflows import submit
from wafer_core.workflows.generate import GAN, PHYSICS

OVERRIDES = "generate_overrides"  # session state: what the table of classes changes
DEFAULT_COUNT = 200


@dataclass(frozen=True)
class Entry:
    """What is made of one class.

    Attributes:
        wafer_class: The class.
        method: A key of ``METHODS``; ``None``: nothing.
        count: How many wafers.
    """

    wafer_class: ClassSummary
    method: str | None
    count: int


@dataclass(frozen=True)
class Override:
    """A class that the table sets apart from the form; ``None`` where the form decides."""

    method: str | None = None
    count: int | None = None


@dataclass
class Start:
    """What the button starts, and why it cannot.

    Attributes:
        total: Number of wafers.
        parameters: Of the workflow ``generate``.
        reasons: What to change first; empty if it can start.
    """

    total: int
    parameters: dict[str, Any]
    reasons: list[Message] = field(default_factory=list)


def show(project: Project, usable: Sequence[ClassSummary]) -> list[Entry]:
    """Draw the button and the form, and start the job if the button was pressed.

    Args:
        project: The project.
        usable: Its classes with training wafers.

    Returns:
        What would be made, one entry for each class.
    """
    place = st.container()
    method = _method()
    count = st.number_input(
        t("Wafers per class"), 1, MAX_COUNT, DEFAULT_COUNT, 10, key="generate_count",
        persist_state="session",
    )  # fmt: skip
    by_slug = {c.slug: c for c in usable}
    chosen = st.multiselect(
        t("Classes"),
        list(by_slug),
        format_func=lambda slug: by_slug[slug].name,
        key="generate_classes",
        placeholder=t_raw("all classes"),
        persist_state="session",
        help=t("“Per class” on the right sets method and number for each class."),
    )
    entries = _entries(usable, method, int(count), chosen)
    wanted = [entry for entry in entries if entry.method]
    reasons = _too_few(wanted)
    levels = _levels(wanted)
    if levels is None:
        reasons.append(message("The levels of the process factors cannot be used; see below."))
    preset = METHODS[method].preset or DEFAULT
    config = _settings(preset, any(METHODS[e.method].mode == GAN for e in wanted if e.method))
    if not wanted:
        reasons.append(message("Choose a method for at least one class."))
    with place:
        _start(project, Start(sum(e.count for e in wanted), _parameters(wanted, config, levels),
                              reasons))  # fmt: skip
    return entries


def _method() -> str:
    method: str = st.selectbox(
        t("Method"),
        list(METHODS),
        format_func=lambda key: t_raw(METHODS[key].title),
        key="generate_method",
        persist_state="session",
        help="\n\n".join(
            t("**{title}**: {help}", title=Message(m.title), help=Message(m.help))
            for m in METHODS.values()
        ),
    )
    st.caption(t(METHODS[method].help))
    return method


def _entries(
    usable: Sequence[ClassSummary], method: str, count: int, chosen: Sequence[str]
) -> list[Entry]:
    """What is made of each class: as in the form, unless the table says otherwise."""
    overrides: Mapping[str, Override] = st.session_state.get(OVERRIDES, {})
    entries = []
    for c in usable:
        of_class = overrides.get(c.slug, Override())
        usual = method if not chosen or c.slug in chosen else None
        own = usual if of_class.method is None else of_class.method
        if own in METHODS and METHODS[own].mode == GAN:
            own = method if METHODS[method].mode == GAN else "auto"  # a job has one generator
        entries.append(Entry(c, own if own in METHODS else None, of_class.count or count))
    changed = sum(1 for slug in overrides if any(c.slug == slug for c in usable))
    if changed:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(
                tn(
                    "{count} class is set separately.",
                    "{count} classes are set separately.",
                    changed,
                ),
                width="content",
            )
            st.button(t("Reset"), key="generate_reset", type="tertiary", on_click=reset)
    return entries


def reset() -> None:
    """Forget what the table of classes changed, as ``on_click``."""
    st.session_state.pop(OVERRIDES, None)
    st.session_state["generate_round"] = st.session_state.get("generate_round", 0) + 1


def _too_few(wanted: Sequence[Entry]) -> list[Message]:
    """Why a generator cannot learn a class."""
    small = [
        entry.wafer_class.name
        for entry in wanted
        if entry.method
        and METHODS[entry.method].mode == GAN
        and entry.wafer_class.splits["train"] < MIN_PICTURES
    ]
    if not small:
        return []
    return [
        message(
            "{names}: a generator needs at least {count} training wafers. Add some, or choose "
            "Manual or Physics for this class.",
            names=listed(small),
            count=MIN_PICTURES,
        )
    ]


def _levels(wanted: Sequence[Entry]) -> factors.Levels | None:
    """The levels of process factors for the classes that are simulated."""
    simulated = [e for e in wanted if e.method and METHODS[e.method].mode == PHYSICS]
    if not simulated:
        return {}
    return factors.form([e.wafer_class.name for e in simulated], min(e.count for e in simulated))


def _settings(preset: str, drawn: bool) -> dict[str, Any]:
    """The settings of the generator, and the seed."""
    skip = {
        name
        for name in parameters_of(GenerationConfig)
        if name not in PRESETS[preset].settings and name != "seed"
    }
    if not drawn:
        skip |= set(PRESETS[preset].settings)
    chosen = forms.settings(GenerationConfig, "generate", skip=skip)
    return {"preset": preset, **chosen}


def _parameters(
    wanted: Sequence[Entry], config: Mapping[str, Any], levels: factors.Levels | None
) -> dict[str, Any]:
    classes = []
    for entry in wanted:
        mode = METHODS[entry.method].mode if entry.method else GAN
        of_class: dict[str, Any] = {
            "name": entry.wafer_class.name, "mode": mode, "count": entry.count,
        }  # fmt: skip
        if mode == PHYSICS and levels:
            of_class["levels"] = levels
        classes.append(of_class)
    settings = {name: value for name, value in config.items() if name != "seed"}
    return {"classes": classes, "config": settings, "seed": config["seed"]}


def _start(project: Project, start: Start) -> None:
    """The button, and beside it why it cannot be pressed."""
    pressed = st.button(
        tn("Generate {count:,} wafer", "Generate {count:,} wafers", start.total)
        if start.total
        else t("Generate"),
        type="primary",
        key="generate_make",
        icon=":material/auto_awesome:",
        width="stretch",
        disabled=bool(start.reasons),
    )
    for reason in start.reasons:
        st.caption(f":orange[:material/warning:] {t(reason)}")
    if pressed:
        with guards.show_errors():
            jobs_panel.launch(submit.create_job(project.path, "generate", start.parameters))
