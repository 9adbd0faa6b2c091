"""Jobs on a page: progress, time left, result, cancel; any tab reads them from their folders."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import streamlit as st

from pages.shared import guards, loaders, times
from pages.shared.times import duration as seconds_text  # noqa: F401
from pages.shared.words import escape, t, t_raw, tn
from wafer_core import jobs
from wafer_core.data import workspace
from wafer_core.data.project import Project
from wafer_core.jobs import JobState
from wafer_core.messages import N_, Message, message

ACTIVE_EVERY = 1.5  # seconds between two looks while a job runs
IDLE_EVERY = 20.0  # and while none does: another tab may have started one
_IN_SIDEBAR = 4  # jobs
STOPPABLE = ("train", "search", "benefit", "learning_curve")  # kinds that keep the best so far
ICONS = {
    "queued": ":material/schedule:",
    "waiting": ":material/hourglass_empty:",
    "running": ":material/progress_activity:",
    "done": ":material/check_circle:",
    "failed": ":material/error:",
    "cancelled": ":material/cancel:",
}
STATUS = {
    "queued": N_("Starting …"),
    "waiting": N_("Waiting"),
    "running": N_("Working …"),
    "done": N_("Done"),
    "failed": N_("Failed"),
    "cancelled": N_("Cancelled"),
}


def status_text(state: JobState) -> str:
    """What a job does or how it ended, in one line of Markdown."""
    if state.status == "failed":
        return t(state.error or STATUS["failed"])
    if state.status == "waiting" and state.request is None:
        return t(_waiting(state))
    if state.status == "running":
        work = _or(state.text, STATUS["running"])
        if not state.eta_seconds:
            return t("{share:.0%} · {work}", share=state.fraction, work=work)
        left = times.duration(state.eta_seconds)
        return t("{share:.0%} · {work} · {time} left", share=state.fraction, work=work, time=left)
    if state.status == "done":
        return result_text(state) or t(STATUS["done"])
    return t(_or(state.text, STATUS[state.status]))


def _or(text: Message, otherwise: str) -> Message:
    return text if text.template else Message(otherwise)


def _waiting(state: JobState) -> Message:
    """Which job of this workspace is in front; nothing is said about those of others."""
    home = workspace.workspace_path()
    ahead = [
        s
        for s in jobs.list_jobs(home)
        if s.is_active and s.id != state.id and s.spec.created <= state.spec.created
        and s.status in ("running", "waiting")
    ]  # fmt: skip
    running = [s for s in ahead if s.status == "running"] or ahead
    if not running:
        return message("Waiting: another program on this machine is using the device.")
    first = running[-1]
    return message(
        "Waiting for “{job}” in {project}.",
        job=first.title,
        project=loaders.project_name(first.project_path),
    )


def result_text(state: JobState) -> str:
    """The result of a job that is done, in a few words of Markdown; empty where there is none."""
    result: Mapping[str, Any] = state.result or {}
    score = result.get("macro_f1")
    if state.kind == "train" and isinstance(score, int | float):
        return t("macro-F1 {score:.2f}", score=score)
    if state.kind == "train" and "run" in result:
        return t("trained, not tested")
    count = result.get("total", result.get("count"))
    if state.kind == "generate":
        entries = result.get("classes")
        made = entries if isinstance(entries, list) else []
        count = sum(e.get("count", 0) for e in made if isinstance(e, Mapping))
    if state.kind in ("import", "augment", "generate") and isinstance(count, int):
        return tn("{count:,} wafer", "{count:,} wafers", count)
    sentence = result.get("sentence")
    return t(Message.from_json(sentence)) if sentence else ""


def device_name(device: str) -> str:
    """``cuda:0`` as people call it."""
    kind, _, number = device.partition(":")
    if kind == "cpu":
        return t_raw("CPU")
    if kind == "cuda":
        return t_raw("GPU {number}", number=number or "0")
    return t_raw("automatic device")


def _active() -> list[JobState]:
    return [s for s in jobs.list_jobs(workspace.workspace_path()) if s.is_active]


def _watch(key: str, active: list[JobState]) -> None:
    """Rerun the whole page when a job has ended or begun: counts and results have changed."""
    now = {s.id for s in active}
    before = st.session_state.get(key)
    st.session_state[key] = now
    if before is not None and before != now:
        st.rerun()


def sidebar_status() -> None:
    """The active jobs of all projects and the device, in the side bar."""
    active = _active()
    # A first look outside the timer, so that the timer only ever sees changes.
    st.session_state["jobs_panel_active"] = {s.id for s in active}
    known = loaders.device_text() is not None

    @st.fragment(run_every=ACTIVE_EVERY if active or not known else IDLE_EVERY)
    def panel() -> None:
        active = _active()
        _watch("jobs_panel_active", active)
        for state in active[:_IN_SIDEBAR]:
            st.progress(state.fraction, text=f"{t(state.title)} · {status_text(state)}")
        if len(active) > _IN_SIDEBAR:
            st.caption(t("and {count:,} more under Jobs", count=len(active) - _IN_SIDEBAR))
        device = loaders.device_text()
        text = t(device) if device else t("Looking for a GPU …")
        st.caption(f":material/memory: {text}")

    panel()


def job_card(state: JobState, key: str, stoppable: bool = False, project: bool = False) -> None:
    """One job with its progress, its result and its buttons.

    Args:
        state: The job.
        key: Begins the keys of its buttons.
        stoppable: Whether it can end early and keep the best so far.
        project: Whether to name its project.
    """
    with st.container(border=True):
        left, right = st.columns([5, 2], vertical_alignment="center")
        left.markdown(f"{ICONS[state.status]} **{t(state.title)}** · {status_text(state)}")
        left.caption(_details(state, project))
        if state.is_active:
            left.progress(state.fraction)
            with right.container(horizontal=True, horizontal_alignment="right"):
                if state.request == "stop":
                    st.caption(t("Finishing …"))
                elif state.request == "cancel":
                    st.caption(t("Cancelling …"))
                if stoppable:
                    st.button(
                        t("Stop and keep the best"),
                        key=f"{key}_stop_{state.id}",
                        disabled=state.request is not None,
                        help=t("End now, or after this epoch, and keep the best so far."),
                        on_click=guards.attempt,
                        args=(jobs.request_stop, state.folder),
                    )
                st.button(
                    t("Cancel"),
                    key=f"{key}_cancel_{state.id}",
                    disabled=state.request == "cancel",
                    help=t("End the job; the project stays as it was before."),
                    on_click=guards.attempt,
                    args=(jobs.cancel, state.folder),
                )
        elif state.status == "failed" and state.log_tail:
            with st.expander(t("End of its log")):
                st.code(state.log_tail, language=None)


def _details(state: JobState, project: bool) -> str:
    """Where, when, how long and on what, as Markdown."""
    parts = [escape(loaders.project_name(state.project_path))] if project else []
    parts.append(times.local(state.spec.created))
    if state.elapsed_seconds is not None:
        parts.append(times.duration(state.elapsed_seconds))
    if state.started is not None:
        parts.append(device_name(state.device))
    return " · ".join(parts)


def project_jobs(
    project: Project,
    kinds: tuple[str, ...],
    below: Callable[[JobState], None] | None = None,
    key: str | None = None,
    show_done: bool = True,
) -> bool:
    """Jobs of one project and of some kinds: the active ones, else how the last one ended.

    Args:
        project: The project.
        kinds: Of jobs.
        below: Draws more of a job, below its card.
        key: Begins the keys of its buttons.
        show_done: Whether to show the last one too if it succeeded.

    Returns:
        Whether any of them is active.
    """
    states = [s for s in jobs.list_jobs(project.path) if s.kind in kinds]
    if not states:
        return False
    is_active = any(s.is_active for s in states)

    @st.fragment(run_every=ACTIVE_EVERY if is_active else None)
    def panel() -> None:
        now = sorted(
            (s for s in jobs.list_jobs(project.path) if s.kind in kinds), key=lambda s: s.id
        )
        for state in [s for s in now if s.is_active] or now[-1:]:
            if state.status == "done" and not show_done:
                continue
            job_card(state, key or f"jobs_panel_{kinds[0]}", stoppable=state.kind in STOPPABLE)
            if below is not None:
                below(state)

    panel()
    return is_active


def launch(folder: Path) -> None:
    """Start a job that was just created, and show it."""
    jobs.start(folder)
    st.rerun()
