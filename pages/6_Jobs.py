"""Jobs of all projects: what runs, waits, ended, failed, and why."""

from __future__ import annotations

import streamlit as st

from pages.shared import guards, jobs_panel, layout
from wafer_core import jobs
from wafer_core.data import workspace

layout.start("Jobs")
st.title("Jobs")
st.caption(
    "Long work runs in processes of its own: close the tab or restart the server, it goes on. "
    "One job at a time uses the device; the others wait in order."
)
home = workspace.workspace_path()
states = jobs.list_jobs(home)
if not states:
    st.info("No job has run yet. Import, Augment, Generate and Train start one.")
    st.stop()


@st.fragment(run_every=jobs_panel.ACTIVE_EVERY if any(s.is_active for s in states) else None)
def active_jobs() -> None:
    """What runs or waits, kept up to date."""
    active = [s for s in jobs.list_jobs(home) if s.is_active]
    st.subheader(f"Running and waiting ({len(active)})")
    if not active:
        st.caption("Nothing runs.")
    for state in active:
        jobs_panel.job_card(state, "jobs", stoppable=state.kind in jobs_panel.STOPPABLE)
        st.caption(f"in {state.project_path.name} on {state.device}")


active_jobs()
ended = sorted((s for s in states if not s.is_active), key=lambda s: s.id, reverse=True)
with st.container(horizontal=True, vertical_alignment="center"):
    st.subheader(f"Ended ({len(ended)})", width="stretch")
    if ended and st.button(
        "Clear list", key="jobs_clear", help="Removes the job folders; what the jobs made stays."
    ):
        with guards.show_errors():
            jobs.clear_finished(home)
            st.rerun()
for state in ended[:50]:
    jobs_panel.job_card(state, "jobs")
