"""One run of synthetic wafers: how they look, how good they are, how they were made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import streamlit as st

from pages.generate import fit, methods, pictures, provenance, scores, sweep
from pages.shared import guards, loaders, times
from pages.shared.examples import examples
from pages.shared.tabs import tabs
from pages.shared.words import t, t_raw
from wafer_core.data import synthetic
from wafer_core.data.project import Project
from wafer_core.data.summary import ClassSummary, Summary
from wafer_core.data.synthetic import SyntheticRun
from wafer_core.messages import N_, Message, counted

SHOWN = "generate_run"  # session state: the run in the box
_NEWEST = "generate_newest"  # session state: the newest run of which project the page has shown

Draw = Callable[[Project, ClassSummary, SyntheticRun], None]


@dataclass(frozen=True)
class Tab:
    """A tab of a run.

    Attributes:
        title: For people.
        draw: Draws it.
        applies: Whether a run has it.
    """

    title: str
    draw: Draw
    applies: Callable[[SyntheticRun], bool] = lambda run: True


TABS = {
    "pictures": Tab(N_("Wafers"), pictures.show),
    "scores": Tab(N_("Scores"), scores.show),
    "levels": Tab(N_("Levels"), sweep.show, lambda run: bool(run.info.get("sweep"))),
    "fit": Tab(N_("Fit and factors"), fit.show, lambda run: methods.of_run(run) == "physics"),
    "cost": Tab(
        N_("Time and memory"),
        provenance.cost,
        lambda run: bool(run.info.get("steps") or run.info.get("cost")),
    ),
    "settings": Tab(N_("Settings"), provenance.settings, lambda run: bool(run.info)),
}


def panel(project: Project, summary: Summary, is_active: bool) -> None:
    """The chosen run, or what to do if there is none.

    Args:
        project: The project.
        summary: Of the project.
        is_active: Whether a job of this page is running.
    """
    runs = _runs(project, summary)
    if not runs:
        if not is_active:
            st.info(
                t(
                    "No synthetic wafers yet. Press Generate: the default settings suit wafer "
                    "maps of any pattern."
                )
            )
        st.caption(t("Synthetic wafers are used only for training and can be removed at any time."))
        examples(project, [c for c in summary.classes if c.splits["train"]])
        return
    chosen, run = _choose(project, runs)
    if run.damage is not None:
        st.error(t(run.damage), icon=":material/error:")
        return
    shown = {key: tab for key, tab in TABS.items() if tab.applies(run)}
    opened, container = tabs({key: tab.title for key, tab in shown.items()}, "generate_run_tab")
    with container:
        shown[opened].draw(project, chosen, run)


Runs = Sequence[tuple[ClassSummary, SyntheticRun]]


def _runs(project: Project, summary: Summary) -> Runs:
    """All runs of all classes, the newest first."""
    classes = {c.slug: c for c in summary.classes}
    runs = loaders.synthetic_runs(project)
    return [(classes[slug], run) for slug, run in runs if slug in classes]


def _choose(project: Project, runs: Runs) -> tuple[ClassSummary, SyntheticRun]:
    """The box of runs and the button that removes one; a run that is new is chosen."""
    by_key = {f"{c.slug}/{run.origin}/{run.run}": (c, run) for c, run in runs}
    newest = (project.path.name, next(iter(by_key)))
    known = st.session_state.get(_NEWEST)
    if known != newest:
        st.session_state[_NEWEST] = newest
        if known is None or known[0] != newest[0] or _time(known[1]) < _time(newest[1]):
            st.session_state[SHOWN] = newest[1]
            st.session_state[pictures.REVEAL] = newest[1] if known is not None else None
    if st.session_state.get(SHOWN) not in by_key:
        st.session_state[SHOWN] = newest[1]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        key = st.selectbox(
            t("Run"),
            list(by_key),
            format_func=lambda key: label(*by_key[key]),
            key=SHOWN,
            persist_state="session",
            label_visibility="collapsed",
            width="stretch",
        )
        c, run = by_key[key]
        st.button(
            t("Remove this run"),
            key="generate_remove",
            icon=":material/delete:",
            on_click=guards.attempt,
            args=(synthetic.delete, project, c.slug, run.origin, run.run),
            help=t("Its wafers are no longer used for training. They can be generated again."),
        )
    return c, run


def _time(key: str) -> str:
    return key.rpartition("/")[2]


def label(c: ClassSummary, run: SyntheticRun) -> str:
    """A run by its class, number of wafers, method and local time."""
    return t_raw(
        "{name} · {wafers} · {method} · {time}",
        name=c.name,
        wafers=counted("{count:,} wafer", "{count:,} wafers", len(run.records)),
        method=Message(methods.METHODS[methods.of_run(run)].title),
        time=times.local(run.run),
    )
