"""The chosen class: its name, what it combines, and what can be done to it."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from pages.classes import class_list
from pages.shared import guards
from pages.shared.words import escape, t, t_raw, tn
from wafer_core.data.project import Project
from wafer_core.data.summary import MIN_WAFERS, ClassSummary
from wafer_core.messages import N_

ACTIONS = {
    "up": N_("Move up in the list"),
    "down": N_("Move down in the list"),
    "delete": N_("Delete class"),
}


def toolbar(project: Project, classes: Sequence[ClassSummary], shown: ClassSummary) -> None:
    """Name and buttons of a class; each button acts on the class that it was drawn for."""
    slugs = [c.slug for c in classes]
    place = slugs.index(shown.slug)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.subheader(escape(shown.name), width="stretch", anchor=False)
        if st.button(t("Edit"), key=f"classes_edit_{shown.slug}", icon=":material/edit:"):
            st.dialog(t("Edit class"))(_edit)(project, classes, shown)
        key = f"classes_more_{shown.slug}"
        st.menu_button(
            t("More"),
            [action for action in ACTIONS if _order(slugs, place, action) != slugs],
            format_func=lambda action: t_raw(ACTIONS[action]),
            key=key,
            on_click=_act,
            args=(project, shown, slugs, key),
        )
    _facts(classes, shown)


def _facts(classes: Sequence[ClassSummary], shown: ClassSummary) -> None:
    """Description, combination and warnings."""
    names = {c.slug: c.name for c in classes}
    parts = [escape(shown.description)] if shown.description else []
    if shown.combines:
        combined = " + ".join(names.get(slug, slug) for slug in shown.combines)
        parts.append(t("Combines: **{names}**", names=combined))
    if parts:
        st.caption(" · ".join(parts))
    if shown.damage is not None:
        st.error(t(shown.damage), icon=":material/error:")
    if 0 < shown.originals < MIN_WAFERS:
        st.warning(
            tn(
                "Only {count} wafer; {least} are needed to train, validate and test this class. "
                "Its scores will mean little.",
                "Only {count} wafers; {least} are needed to train, validate and test this class. "
                "Its scores will mean little.",
                shown.originals,
                least=MIN_WAFERS,
            ),
            icon=":material/info:",
        )


def _order(slugs: Sequence[str], place: int, action: str) -> list[str]:
    """The order after an action."""
    order = list(slugs)
    if action == "delete":
        return order[:place] + order[place + 1 :]
    other = place + (1 if action == "down" else -1)
    if 0 <= other < len(order):
        order[place], order[other] = order[other], order[place]
    return order


def _act(project: Project, shown: ClassSummary, slugs: Sequence[str], key: str) -> None:
    action = st.session_state[key]
    if action == "delete":
        guards.attempt(_delete, project, shown)
    elif action is not None:
        order = _order(slugs, list(slugs).index(shown.slug), action)
        guards.attempt(project.reorder_classes, order)


def _delete(project: Project, shown: ClassSummary) -> None:
    project.delete_class(shown.slug)
    guards.notify(t("{name} is in the trash below and can be restored.", name=shown.name))


def add(project: Project) -> None:
    """The dialog for a new class."""
    with st.form("classes_new", border=False):
        name = st.text_input(
            t("Name"),
            key="classes_new_name",
            help=t("Any language. “none” for wafers without a pattern."),
        )
        description = st.text_input(
            t("Description (optional)"),
            key="classes_new_description",
            help=t("What belongs to the class and what does not, so that people label alike."),
        )
        if st.form_submit_button(t("Add"), type="primary"):
            with guards.show_errors():
                class_list.choose(project.add_class(name, description).slug)
                st.rerun()


def _edit(project: Project, classes: Sequence[ClassSummary], shown: ClassSummary) -> None:
    """The dialog for name, description and combination."""
    others = {c.slug: c.name for c in classes if c.slug != shown.slug}
    with st.form("classes_edit", border=False):
        name = st.text_input(t("Name"), shown.name, key=f"classes_edit_name_{shown.slug}")
        description = st.text_area(
            t("Description"), shown.description, key=f"classes_edit_description_{shown.slug}"
        )
        combines = st.multiselect(
            t("Combines"),
            list(others),
            [slug for slug in shown.combines if slug in others],
            format_func=lambda slug: others[slug],
            placeholder=t_raw("No other classes"),
            key=f"classes_edit_combines_{shown.slug}",
            help=t(
                "For wafers that show several patterns at once: the classes of these patterns. "
                "Training then overlays wafers of these classes to make more of this one."
            ),
        )
        if st.form_submit_button(t("Save"), type="primary"):
            with guards.show_errors():
                project.rename_class(shown.slug, name)
                project.describe_class(shown.slug, description)
                if tuple(combines) != shown.combines:
                    project.set_combines(shown.slug, combines)
                st.rerun()
