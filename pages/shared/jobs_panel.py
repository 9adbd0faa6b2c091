"""Jobs on a page: progress, time left, cancel; read from their folders by any tab."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import streamlit as st

from pages.shared import guards, loaders
from wafer_core import jobs
from wafer_core.data import workspace
from wafer_core.data.project import Project
from wafer_core.errors import WaferError
from wafer_core.jobs import JobState

ACTIVE_EVERY = 1.5  # seconds between looks while something runs
IDLE_EVERY = 20.0  # and while nothing does: another tab may have started something
STOPPABLE = ("train", "search", "benefit", "learning_curve")  # kinds that keep the best so far
ICONS = {
    "queued": ":material/schedule:",
    "waiting": ":material/hourglass_empty:",
    "running": ":material/progress_activity:",
    "done": ":material/check_circle:",
    "failed": ":material/error:",
    "cancelled": ":material/cancel:",
}


def seconds_text(seconds: float | None) -> str:
    """A duration for people: ``12 s``, ``3 min 05 s``, ``1 h 20 min``."""
    if seconds is None:
        return "–"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def status_text(state: JobState) -> str:
    """What a job is doing, in a line."""
    if state.status == "failed":
        return state.error or "failed"
    if state.status == "running":
        left = f" · {seconds_text(state.eta_seconds)} left" if state.eta_seconds else ""
        return f"{state.fraction:.0%} · {state.text or 'working'}{left}"
    if state.status == "done":
        return f"done in {seconds_text(state.elapsed_seconds)}"
    return state.text or state.status


def _active(root_only: str | None = None) -> list[JobState]:
    states = jobs.list_jobs(workspace.workspace_path())
    return [
        s for s in states if s.is_active and (root_only is None or str(s.project_path) == root_only)
    ]


def _watch(key: str, active: list[JobState]) -> None:
    """Rerun the whole page when a job has ended or begun: counts and results have changed."""
    now = {s.id for s in active}
    before = st.session_state.get(key)
    st.session_state[key] = now
    if before is not None and before != now:
        st.rerun()


def sidebar_status() -> None:
    """The running jobs of all projects and the device, in the side bar."""
    active = _active()
    # A first look outside the timer, so that the timer only ever sees changes.
    st.session_state["jobs_panel_active"] = {s.id for s in active}
    known = loaders.device_text() is not None

    @st.fragment(run_every=ACTIVE_EVERY if active or not known else IDLE_EVERY)
    def panel() -> None:
        active = _active()
        _watch("jobs_panel_active", active)
        for state in active[:4]:
            st.progress(state.fraction, text=guards.plain(f"{state.title} · {status_text(state)}"))
        if len(active) > 4:
            st.caption(f"and {len(active) - 4} more under Jobs")
        device = loaders.device_text() or "looking for a GPU …"
        st.markdown(f":small[:gray[:material/memory: {device}]]")

    panel()


def job_card(state: JobState, key: str, stoppable: bool = False) -> None:
    """One job with its progress and what can be asked of it."""
    with st.container(border=True):
        left, right = st.columns([5, 2], vertical_alignment="center")
        left.markdown(
            f"{ICONS[state.status]} **{guards.plain(state.title)}** · "
            f"{guards.plain(status_text(state))}"
        )
        if state.is_active:
            left.progress(state.fraction)
            with right.container(horizontal=True, horizontal_alignment="right"):
                if state.wish:
                    st.caption("stopping …" if state.wish == "stop" else "cancelling …")
                if stoppable:
                    st.button(
                        "Stop and keep the best",
                        key=f"{key}_stop_{state.id}",
                        disabled=state.wish is not None,
                        help="End now, or after this epoch, and keep the best so far.",
                        on_click=_ask,
                        args=(jobs.request_stop, state),
                    )
                st.button(
                    "Cancel",
                    key=f"{key}_cancel_{state.id}",
                    disabled=state.wish == "cancel",
                    help="Stop; the project stays as it was before.",
                    on_click=_ask,
                    args=(jobs.cancel, state),
                )
            if fault := st.session_state.pop(_fault_of(state), None):
                st.error(fault)
        elif state.status == "failed" and state.log_tail:
            with st.expander("End of its log"):
                st.code(state.log_tail, language=None)


def _ask(action: Callable[..., None], state: JobState) -> None:
    """As a callback: it runs before the page, which may begin anew before it comes to a button."""
    try:
        action(state.folder)
    except WaferError as exc:
        st.session_state[_fault_of(state)] = str(exc)


def _fault_of(state: JobState) -> str:
    return f"jobs_panel_fault_{state.id}"


def project_jobs(
    project: Project,
    kinds: tuple[str, ...],
    below: Callable[[JobState], None] | None = None,
    key: str | None = None,
) -> bool:
    """Jobs of one project and of some kinds: those that run, else how the last one ended.

    Args:
        project: Where.
        kinds: Of jobs.
        below: Draws more of a job, below its card.
        key: Begins the keys of its buttons.

    Returns:
        Whether any of them is under way.
    """
    states = [s for s in jobs.list_jobs(project.path) if s.kind in kinds]
    if not states:
        return False
    under_way = any(s.is_active for s in states)

    @st.fragment(run_every=ACTIVE_EVERY if under_way else None)
    def panel() -> None:
        now = sorted(
            (s for s in jobs.list_jobs(project.path) if s.kind in kinds), key=lambda s: s.id
        )
        for state in [s for s in now if s.is_active] or now[-1:]:
            job_card(state, key or f"jobs_panel_{kinds[0]}", stoppable=state.kind in STOPPABLE)
            if below is not None:
                below(state)

    panel()
    return under_way


def launch(folder: Path) -> None:
    """Start a job that was just created, and show it."""
    jobs.start(folder)
    st.rerun()
