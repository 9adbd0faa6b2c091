"""Home: an answer at once, the demo, projects, active jobs."""

from __future__ import annotations

import streamlit as st

from pages.home import answer, projects
from pages.shared import guards, jobs_panel, layout, loaders
from pages.shared.words import escape, t, t_raw
from wafer_core import jobs
from wafer_core.data import demo, workspace
from wafer_core.errors import ProjectError
from wafer_core.workflows import submit

project = layout.start("Home")
home = workspace.workspace_path()

st.title(t("Teach a computer your wafer defect patterns"), anchor=False)
guards.show_lost_project()

if project is not None:
    try:
        key, sentence = loaders.summary(project).advice()
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            st.markdown(t("**Next in {name}:** {step}", name=project.name, step=sentence))
            layout.link(key, project, t("Go to {page}", page=t(layout.step(key).title)))
    except ProjectError as exc:
        st.error(t(exc))

# -- an answer at once, and the demo ---------------------------------------------------------------

left, right = st.columns([5, 2], gap="medium")
with left.container(border=True, height="stretch"):
    answer.panel(home)
with right.container(border=True, height="stretch"):
    st.subheader(t("Try the demo"), anchor=False)
    st.caption(
        t(
            "A project of {count} simulated wafers with the nine patterns of WM-811K. A model is "
            "trained in about 20 seconds. No data needed.",
            count=demo.PER_CLASS * len(demo.DESCRIPTIONS),
        )
    )
    if st.button(t("Try the demo"), type="primary", key="home_demo", icon=":material/play_arrow:"):
        with guards.show_errors(), st.spinner(t("Creating wafers …")):
            described = {name: t_raw(text) for name, text in demo.DESCRIPTIONS.items()}
            created = demo.make_demo(home, t_raw(demo.TITLE), described)
            jobs.start(submit.create_job(created.path, "train", demo.TRAINING))
            projects.open_and_go(created, "pages/4_Train.py")

# -- projects --------------------------------------------------------------------------------------

projects.panel(home, project)
create, bring = st.columns(2, gap="medium")
with create.container(border=True, height="stretch"):
    projects.new_project(home, is_primary=False)
with bring.container(border=True, height="stretch"):
    projects.how_to_import()

# -- jobs and disk ---------------------------------------------------------------------------------

active = [state for state in jobs.list_jobs(home) if state.is_active]
if active:
    st.header(t("Active jobs"), anchor=False)
    for state in active:
        place = escape(loaders.project_name(state.project_path))
        text = jobs_panel.status_text(state)
        st.markdown(f"{jobs_panel.ICONS[state.status]} **{t(state.title)}** · {place} · {text}")
    layout.link("jobs", project, t("All jobs"))
projects.footer(home)
