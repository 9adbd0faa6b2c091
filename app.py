"""Home: projects, the demo, running jobs, disk use."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import streamlit as st

from pages.shared import guards, jobs_panel, layout, loaders
from wafer_core import jobs
from wafer_core.data import demo, workspace
from wafer_core.data.project import Project
from wafer_core.data.workspace import ProjectInfo
from wafer_core.workflows import submit

project = layout.start("Home")
home = workspace.workspace_path()

st.title("Teach a computer your wafer defect patterns")
guards.show_lost_project()


def open_and_go(opened: Project, page: str = "pages/1_Classes.py") -> None:
    """Open a project in this tab and go to one of its pages."""
    guards.select_project(opened.path.name)
    st.switch_page(page, query_params={"project": opened.path.name})


def ago(moment: datetime) -> str:
    """How long ago, roughly."""
    seconds = (datetime.now(UTC) - moment).total_seconds()
    for size, word in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {word}{'s' if count > 1 else ''} ago"
    return "just now"


# -- what to do next -----------------------------------------------------------------------------

projects = workspace.list_projects(home)
if project is not None:
    key, sentence = loaders.summary(project).advice()
    target = layout.step(key)
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.markdown(f"**Next in {layout.plain(project.name)}:** {sentence}")
        st.page_link(
            target.page,
            label=f"Go to {target.title}",
            icon=target.icon,
            query_params={"project": project.path.name},
        )
elif not projects:
    st.markdown(
        "Make classes, drop in a few wafer maps of each, train, and drag test wafers onto the "
        "page. **New here? Try the demo:** it makes a project of simulated wafers and trains it, "
        "so that you see predictions within two minutes."
    )

start_demo, create, upload = st.columns(3, gap="medium")
with start_demo.container(border=True, height="stretch"):
    st.subheader("Try the demo")
    st.caption(
        "360 simulated wafers of the nine WM-811K patterns, easier than real ones. Nothing of "
        "yours is needed."
    )
    if st.button("Try the demo", type="primary" if not projects else "secondary", key="home_demo"):
        with guards.show_errors(), st.spinner("Making wafers …"):
            made = demo.make_demo(home)
            jobs.start(submit.create_job(made.path, "train", demo.TRAINING))
            open_and_go(made, "pages/4_Train.py")
with create.container(border=True, height="stretch"), st.form("home_create", border=False):
    st.subheader("New project")
    name = st.text_input(
        "Name", placeholder="Line 3, March", key="home_name", help="Any language; can be changed."
    )
    if st.form_submit_button("Create", type="primary" if projects else "secondary"):
        with guards.show_errors():
            open_and_go(workspace.create_project(home, name))
with upload.container(border=True, height="stretch"):
    st.subheader("Bring a project")
    file = st.file_uploader(
        "A project downloaded here or on another server (.zip)", type="zip", key="home_zip"
    )
    if file is not None and st.button("Add this project", key="home_import"):
        with guards.show_errors(), st.spinner("Checking and unpacking …"):
            open_and_go(workspace.import_zip(home, file, file.name))

# -- projects ------------------------------------------------------------------------------------


def project_row(info: ProjectInfo) -> None:
    """One project with what can be done to it."""
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        with st.container(width="stretch", gap=None):
            st.markdown(f"**{layout.plain(info.name)}**" + (" · open" if is_open(info) else ""))
            st.caption(
                info.damage
                or f"{info.classes} classes · {info.originals:,} wafers · {info.models} models · "
                f"{ago(info.changed)}"
            )
        if info.damage is None and st.button(
            "Open", key=f"home_open_{info.folder}", type="primary", icon=":material/folder_open:"
        ):
            open_and_go(Project(info.path))
        choice = st.menu_button(
            "More",
            ["Rename", "Duplicate", "Download", "Delete"],
            key=f"home_more_{info.folder}",
        )
        if choice == "Rename":
            rename(info)
        elif choice == "Duplicate":
            with guards.show_errors(), st.spinner("Copying …"):
                copy = workspace.duplicate_project(home, Project(info.path))
                guards.notify(f"“{copy.name}” made.")
                st.rerun()
        elif choice == "Download":
            download(info)
        elif choice == "Delete":
            with guards.show_errors():
                trash_id = workspace.trash_project(home, Project(info.path))
                if is_open(info):
                    guards.select_project(None)
                st.session_state["home_trashed"] = (trash_id, info.name)
                st.rerun()


def is_open(info: ProjectInfo) -> bool:
    """Whether this tab works on it."""
    return project is not None and project.path == info.path


@st.dialog("Rename project")
def rename(info: ProjectInfo) -> None:
    """Ask for a new name."""
    new = st.text_input("Name", info.name, key=f"home_rename_{info.folder}")
    if st.button("Rename", type="primary", key=f"home_rename_do_{info.folder}"):
        with guards.show_errors():
            Project.open(info.path).rename(new)
            st.rerun()


@st.dialog("Download project")
def download(info: ProjectInfo) -> None:
    """Pack a project, then offer the zip.

    It is packed before the button is drawn: a button that packs when it is pressed loses what it
    would pack as soon as the page runs anew, so that a press at the wrong moment gets nothing.
    """
    st.write("Classes, pictures and models in one zip; another server can open it.")
    stream = io.BytesIO()
    with guards.show_errors():
        with st.spinner("Packing …", show_time=True):
            workspace.export_zip(Project.open(info.path), stream)
        st.download_button(
            "Download .zip",
            stream.getvalue(),
            f"{info.folder}.zip",
            "application/zip",
            type="primary",
            on_click="ignore",
        )


if projects or workspace.list_trash(home):
    st.header("Projects")
if trashed := st.session_state.get("home_trashed"):
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.markdown(f"“{layout.plain(trashed[1])}” is in the trash.")
        if st.button("Undo", key="home_undo"):
            del st.session_state["home_trashed"]
            with guards.show_errors():
                workspace.restore_project(home, trashed[0])
                st.rerun()
for info in projects:
    project_row(info)
if trash := workspace.list_trash(home):
    with st.expander(f"Trash ({len(trash)})"):
        for trash_id, title in trash:
            with st.container(horizontal=True, vertical_alignment="center"):
                st.markdown(layout.plain(title), width="stretch")
                if st.button("Restore", key=f"home_restore_{trash_id}"):
                    with guards.show_errors():
                        workspace.restore_project(home, trash_id)
                        st.session_state.pop("home_trashed", None)
                        st.rerun()
        if st.button("Delete for good", key="home_empty_trash"):
            workspace.empty_trash(home)
            st.session_state.pop("home_trashed", None)
            st.rerun()

# -- jobs and disk -------------------------------------------------------------------------------

running = [state for state in jobs.list_jobs(home) if state.is_active]
if running:
    st.header("Running jobs")
    for state in running:
        st.markdown(
            f"{jobs_panel.ICONS[state.status]} **{layout.plain(state.title)}** in "
            f"{layout.plain(state.project_path.name)} · "
            f"{layout.plain(jobs_panel.status_text(state))}"
        )
    st.page_link("pages/6_Jobs.py", label="All jobs", icon=":material/pending_actions:")
if home.is_dir():
    used, free = loaders.disk_use(str(home))
    used_mb, free_gb = max(1, round(used / 2**20)), free / 2**30
    st.caption(f"Projects are in `{home}` · {used_mb:,} MB used · {free_gb:,.0f} GB free")
