"""Wafers that are in two classes, and what was deleted."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from pages.classes import class_list
from pages.shared import guards, loaders, times
from pages.shared.words import t, t_raw, tn
from wafer_core.data import manifest, pictures, trash
from wafer_core.data.project import Project, TrashItem
from wafer_core.data.summary import ClassSummary

_SHOWN = 30


def conflicts(project: Project, classes: Sequence[ClassSummary]) -> None:
    """Wafers that are in more than one class, with a button for each class to delete it from."""
    found = loaders.conflicts(project)
    if not found:
        return
    names = {c.slug: c.name for c in classes}
    title = tn(
        "{count:,} wafer is in more than one class: one of its labels is wrong",
        "{count:,} wafers are in more than one class: one of their labels is wrong",
        len(found),
    )
    with st.expander(title, icon=":material/warning:"):
        for conflict in found[:_SHOWN]:
            slug, file = conflict.places[0]
            path = manifest.class_folder(project, slug) / "originals" / file
            with st.container(horizontal=True, vertical_alignment="center"):
                st.image(loaders.thumbnails((str(path),), 64)[0], width=64, alt=t_raw("Wafer"))
                for slug, file in conflict.places:
                    st.button(
                        t("Delete from {name}", name=names.get(slug, slug)),
                        key=f"classes_conflict_{slug}_{file}",
                        on_click=guards.attempt,
                        args=(pictures.delete_pictures, project, slug, [file]),
                    )


def deleted(project: Project) -> None:
    """Deleted classes and wafers, to be restored or deleted permanently."""
    items = project.trash()
    if not items:
        return
    with st.expander(t("Trash ({count})", count=len(items)), icon=":material/delete:"):
        for item in items[:_SHOWN]:
            with st.container(horizontal=True, vertical_alignment="center"):
                st.markdown(f"{_name(item)} · {times.local(item.deleted)}", width="stretch")
                if item.damage is not None:
                    st.caption(t(item.damage))
                    continue
                _button(t("Restore"), f"classes_restore_{item.id}", _restore, project, item)
        if st.button(t("Delete permanently …"), key="classes_empty_trash"):
            st.dialog(t("Delete permanently?"))(_empty)(project, items)


def _name(item: TrashItem) -> str:
    if item.what == trash.CLASS:
        return t("Class {name}", name=item.title)
    return t("Wafers: {title}", title=item.title)


def _button(
    label: str, key: str, action: Callable[[Project, TrashItem], None], project: Project,
    item: TrashItem,
) -> None:  # fmt: skip
    st.button(label, key=key, on_click=guards.attempt, args=(action, project, item))


def _restore(project: Project, item: TrashItem) -> None:
    if item.what == trash.CLASS:
        class_list.choose(project.restore_class(item.id).slug)
    else:
        pictures.restore_pictures(project, item.id)


def _empty(project: Project, items: Sequence[TrashItem]) -> None:
    """Ask first, and name what is deleted."""
    st.write(t("This is deleted for good:"))
    st.markdown("\n".join(f"- {_name(item)}" for item in items[:_SHOWN]))
    if len(items) > _SHOWN:
        st.write(t("and {count:,} more", count=len(items) - _SHOWN))
    if st.button(t("Delete permanently"), type="primary", key="classes_empty_trash_do"):
        with guards.show_errors():
            project.delete_from_trash(item.id for item in items)
            st.rerun()
