"""Jobs of all projects: what runs, waits, has ended or failed, and why."""

from __future__ import annotations

import streamlit as st

from pages.shared import guards, jobs_panel, layout
from pages.shared.words import t, tn
from wafer_core import jobs
from wafer_core.data import workspace

PER_PAGE = 20

layout.start("Jobs")
st.title(t("Jobs"), anchor=False)
st.caption(
    t(
        "Long work runs in processes of its own: it goes on when you close the tab or the server "
        "restarts. One job at a time uses the device; the others wait in order."
    )
)
home = workspace.workspace_path()
states = jobs.list_jobs(home)
if not states:
    st.info(t("No job has run yet. Import, Augment, Generate and Train start jobs."))
    st.stop()


@st.fragment(run_every=jobs_panel.ACTIVE_EVERY if any(s.is_active for s in states) else None)
def active_jobs() -> None:
    """What runs or waits, kept up to date."""
    active = [s for s in jobs.list_jobs(home) if s.is_active]
    st.subheader(t("Running and waiting ({count})", count=len(active)), anchor=False)
    if not active:
        st.caption(t("Nothing is running."))
    for state in active:
        stoppable = state.kind in jobs_panel.STOPPABLE
        jobs_panel.job_card(state, "jobs", stoppable=stoppable, project=True)


def clear(ended: list[jobs.JobState]) -> None:
    """Remove these jobs from the list."""
    for state in ended:
        jobs.delete_job(state.folder)
    guards.notify(tn("{count:,} job removed.", "{count:,} jobs removed.", len(ended)))


active_jobs()
ended = sorted((s for s in states if not s.is_active), key=lambda s: s.id, reverse=True)
with st.container(horizontal=True, vertical_alignment="center"):
    st.subheader(t("Ended ({count})", count=len(ended)), width="stretch", anchor=False)
    if ended:
        st.button(
            t("Clear list"),
            key="jobs_clear",
            help=t("Removes these jobs from the list; what they made stays."),
            on_click=guards.attempt,
            args=(clear, ended),
        )
pages = max(1, -(-len(ended) // PER_PAGE))
number = st.pagination(pages, key=f"jobs_page_of_{pages}") if pages > 1 else 1
for state in ended[(number - 1) * PER_PAGE : number * PER_PAGE]:
    jobs_panel.job_card(state, "jobs", project=True)
