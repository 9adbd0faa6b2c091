"""The projects of this server: open, rename, copy, download, delete, restore."""

from __future__ import annotations

import contextlib
import io
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from pages.shared import guards, loaders, times
from pages.shared.words import escape, t, t_raw, tn
from wafer_core.data import workspace
from wafer_core.data.project import Project
from wafer_core.data.workspace import ProjectInfo
from wafer_core.errors import ProjectError
from wafer_core.messages import N_

_TRASHED = "home_trashed"  # session state: id and name of the project deleted last
_DROPPED = "home_dropped_project"  # session state: name and content of a zip
ACTIONS = {
    "rename": N_("Rename"),
    "duplicate": N_("Duplicate"),
    "download": N_("Download"),
    "delete": N_("Delete"),
}


def open_and_go(opened: Project, page: str = "pages/1_Classes.py") -> None:
    """Open a project in this tab and go to one of its pages."""
    guards.select_project(opened.path.name)
    st.switch_page(page, query_params=guards.address(opened))


def panel(home: Path, open_project: Project | None) -> None:
    """All projects, and the trash."""
    projects, trash = workspace.list_projects(home), workspace.list_trash(home)
    if projects or trash:
        st.header(t("Projects"), anchor=False)
    if trashed := st.session_state.get(_TRASHED):
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            st.markdown(t("“{name}” is in the trash.", name=trashed[1]))
            st.button(t("Undo"), key="home_undo", on_click=guards.attempt,
                      args=(_restore, home, trashed[0]))  # fmt: skip
    for info in projects:
        is_open = open_project is not None and open_project.path == info.path
        _row(home, info, is_open)
    if trash:
        _trash(home, trash)


def _row(home: Path, info: ProjectInfo, is_open: bool) -> None:
    """One project with its buttons."""
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        with st.container(width="stretch", gap=None):
            name = f"**{escape(info.name)}**"
            opened = t("open")
            st.markdown(f"{name} · {opened}" if is_open else name)
            if info.can_open:
                st.caption(_facts(info))
            if info.damage is not None:
                st.markdown(f":red[:material/error: {t(info.damage)}]")
        if info.can_open and st.button(
            t("Open"),
            key=f"home_open_{info.folder}",
            type="primary",
            icon=":material/folder_open:",
        ):
            with guards.show_errors():
                open_and_go(Project.open(info.path))
        key = f"home_more_{info.folder}"
        choice = st.menu_button(
            t("More"),
            list(ACTIONS) if info.can_open else ["delete"],
            format_func=lambda action: t_raw(ACTIONS[action]),
            key=key,
            on_click=_delete_if_chosen,
            args=(home, info, key),
        )
    if choice == "rename":
        st.dialog(t("Rename project"))(_rename)(info)
    elif choice == "duplicate":
        with guards.show_errors(), st.spinner(t("Copying …")):
            copy = workspace.duplicate_project(home, Project.open(info.path))
            guards.notify(t("“{name}” was created.", name=copy.name))
            st.rerun()
    elif choice == "download":
        st.dialog(t("Download project"))(_download)(info)


def _facts(info: ProjectInfo) -> str:
    parts = (
        tn("{count} class", "{count} classes", info.classes),
        tn("{count:,} wafer", "{count:,} wafers", info.originals),
        tn("{count} model", "{count} models", info.models),
        t("changed {when}", when=times.ago(info.changed)),
    )
    return " · ".join(parts)


def _delete_if_chosen(home: Path, info: ProjectInfo, key: str) -> None:
    if st.session_state[key] == "delete":
        guards.attempt(_delete, home, info)


def _delete(home: Path, info: ProjectInfo) -> None:
    if info.can_open and Project.open(info.path).name != info.name:
        raise ProjectError("This project was renamed or replaced in another tab; look again.")
    trash_id = workspace.trash_project(home, Project(info.path))
    if st.session_state.get(guards.OPEN_KEY) == info.folder:
        guards.select_project(None)
    st.session_state[_TRASHED] = (trash_id, info.name)


def _restore(home: Path, trash_id: str) -> None:
    st.session_state.pop(_TRASHED, None)
    workspace.restore_project(home, trash_id)


def _trash(home: Path, trash: list[tuple[str, str]]) -> None:
    with st.expander(t("Trash ({count})", count=len(trash)), icon=":material/delete:"):
        for trash_id, title in trash:
            with st.container(horizontal=True, vertical_alignment="center"):
                st.markdown(f"{escape(title)} · {times.local(trash_id)}", width="stretch")
                st.button(
                    t("Restore"),
                    key=f"home_restore_{trash_id}",
                    on_click=guards.attempt,
                    args=(_restore, home, trash_id),
                )
        if st.button(t("Delete permanently …"), key="home_empty_trash"):
            st.dialog(t("Delete permanently?"))(_empty_trash)(home, trash)


def _empty_trash(home: Path, trash: list[tuple[str, str]]) -> None:
    """Ask first, and name what is deleted."""
    st.write(t("These projects with all their wafers and models are deleted for good:"))
    st.markdown("\n".join(f"- {escape(title)}" for _, title in trash))
    if st.button(t("Delete permanently"), type="primary", key="home_empty_trash_do"):
        with guards.show_errors():
            workspace.delete_from_trash(home, [trash_id for trash_id, _ in trash])
            st.session_state.pop(_TRASHED, None)
            st.rerun()


def _rename(info: ProjectInfo) -> None:
    """Ask for a new name."""
    with st.form("home_rename", border=False):
        new = st.text_input(t("Name"), info.name, key=f"home_rename_{info.folder}")
        if st.form_submit_button(t("Rename"), type="primary"):
            with guards.show_errors():
                Project.open(info.path).rename(new)
                st.rerun()


def _download(info: ProjectInfo) -> None:
    """Pack a project, then offer the zip.

    It is packed before the button is drawn: a button that packs when it is pressed loses its data
    as soon as the page reruns.
    """
    st.write(t("Classes, wafers and models in one zip file, to be imported on any server."))
    stream = io.BytesIO()
    with guards.show_errors():
        with st.spinner(t("Packing …"), show_time=True):
            workspace.export_zip(Project.open(info.path), stream)
        st.download_button(
            t("Download .zip"),
            stream.getvalue(),
            f"{info.folder}.zip",
            "application/zip",
            type="primary",
            on_click="ignore",
        )


def new_project(home: Path, is_primary: bool) -> None:
    """The form for a new project."""
    with st.form("home_create", border=False):
        st.subheader(t("New project"), anchor=False)
        name = st.text_input(
            t("Name"),
            placeholder=t_raw("Line 3, March"),
            key="home_name",
            help=t("Any language; it can be changed later."),
        )
        if st.form_submit_button(t("Create"), type="primary" if is_primary else "secondary"):
            with guards.show_errors():
                open_and_go(workspace.create_project(home, name))


def how_to_import() -> None:
    """Where to drop a project that was downloaded here or on another server."""
    st.subheader(t("Import a project"), anchor=False)
    st.markdown(
        t(
            "Drop the .zip file of a downloaded project anywhere on this page, or choose it with "
            "*Browse files* above."
        )
    )


def keep_if_project(files: Sequence[Any]) -> bool:
    """Keep a dropped file that is a downloaded project, to offer its import.

    Args:
        files: Streamlit's uploaded files.

    Returns:
        Whether there is one.
    """
    for file in files:
        if file.name.lower().endswith(".zip"):
            with contextlib.suppress(zipfile.BadZipFile, OSError, ValueError):
                names = zipfile.ZipFile(file).namelist()
                if any(re.fullmatch(r"[^/]+/project\.json", name) for name in names):
                    st.session_state[_DROPPED] = (file.name, file.getvalue())
                    return True
    return False


def offer_dropped(home: Path) -> None:
    """Offer the import of a project that was dropped on the page."""
    dropped: tuple[str, bytes] | None = st.session_state.get(_DROPPED)
    if dropped is None:
        return
    name, data = dropped
    st.info(t("{file} is a project of Teachable Wafer.", file=name), icon=":material/folder_zip:")
    with st.container(horizontal=True):
        wants_import = st.button(
            t("Import this project"), key="home_import_dropped", type="primary"
        )
        st.button(t("Discard"), key="home_discard_dropped", on_click=_forget_dropped)
    if wants_import:
        with guards.show_errors(), st.spinner(t("Checking and unpacking …")):
            imported = workspace.import_zip(home, data, name)
            _forget_dropped()
            open_and_go(imported)


def _forget_dropped() -> None:
    st.session_state.pop(_DROPPED, None)


def footer(home: Path) -> None:
    """Where the projects are, and the disk space."""
    if home.is_dir():
        used, free = loaders.disk_use(str(home))
        st.caption(
            t(
                "Projects are in {path} · {used:,.0f} MB used · {free:,.0f} GB free",
                path=str(home),
                used=max(1, round(used / 2**20)),
                free=free / 2**30,
            )
        )
