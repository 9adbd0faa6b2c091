"""The wafers of the chosen class: look, sort, select, open, move, delete."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from pages.classes import large, ordering
from pages.shared import gallery, guards, layout, thumbnails, times
from pages.shared.words import escape, t, t_raw, tn
from wafer_core.data import manifest, pictures, synthetic
from wafer_core.data.manifest import PictureRecord
from wafer_core.data.project import Project
from wafer_core.data.summary import ClassSummary
from wafer_core.errors import ProjectError
from wafer_core.messages import N_

SHOWN = {
    "all": N_("All originals"),
    "train": N_("Training"),
    "validation": N_("Validation"),
    "test": N_("Test"),
    "augmented": N_("Augmented"),
    "generated": N_("Generated"),
}


def panel(project: Project, classes: Sequence[ClassSummary], shown: ClassSummary) -> None:
    """The wafers of a class: originals, or synthetic ones made from them."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        part = st.selectbox(
            t("Show"),
            list(SHOWN),
            format_func=lambda key: t_raw(SHOWN[key]),
            key="classes_part",
            persist_state="session",
            label_visibility="collapsed",
            width=160,
        )
        if part not in synthetic.ORIGINS:
            order = ordering.choose(project, shown)
            view = st.segmented_control(
                t("View"),
                list(gallery.VIEWS),
                default=gallery.GRID,
                required=True,
                format_func=lambda key: t_raw(gallery.VIEWS[key]),
                key="classes_view",
                persist_state="session",
                label_visibility="collapsed",
            )
    if part in synthetic.ORIGINS:
        _synthetic(project, shown, part)
        return
    try:
        originals = pictures.originals(project, shown.slug)
    except ProjectError:  # the name of the class is followed by what is wrong
        return
    records = [r for r in originals if part == "all" or r.split == part]
    if not records:
        st.info(t("No wafers here yet. Drop some onto this page."))
        return
    with guards.show_errors():
        records = ordering.apply(project, shown, records, order)
    key = f"classes_{shown.slug}"
    chosen = gallery.selected(records, key)
    open_now = _toolbar(project, classes, shown, records, chosen, key)
    folder = manifest.class_folder(project, shown.slug) / "originals"
    opened = gallery.select(folder, records, key, view)
    st.caption(_hint(view, order))
    if opened is not None:
        st.dialog(t("Wafer"), width="medium")(large.show)(project, shown.slug, records, opened)
    elif open_now and chosen:
        st.dialog(t("Wafer"), width="medium")(large.show)(
            project, shown.slug, chosen, chosen[0].file
        )


def _hint(view: str, order: str) -> str:
    """How to select, and what the order means."""
    if view == gallery.TABLE:
        text = t("Tick rows on the left to select wafers.")
    else:
        text = t("Click to select, double-click to open, draw a box to select many.")
    if order != ordering.WRONG:
        return text
    return f"{text} " + t(
        "The wafers to which the current model gives the lowest probability of this class come "
        "first. It has learned from the training wafers, so it finds wrong labels best among "
        "those of validation and test."
    )


def _toolbar(
    project: Project,
    classes: Sequence[ClassSummary],
    shown: ClassSummary,
    records: Sequence[PictureRecord],
    chosen: Sequence[PictureRecord],
    key: str,
) -> bool:
    """What can be done with the selected wafers; it is always there, so that nothing jumps.

    Returns:
        Whether *Open* was pressed.
    """
    files, none = [r.file for r in chosen], not chosen
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(
            tn("**{count:,}** selected", "**{count:,}** selected", len(chosen))
            if chosen
            else t("None selected"),
            width="stretch",
        )
        everything = len(chosen) == len(records)
        st.button(
            t("Select none") if everything else t("Select all"),
            key="classes_select_all",
            help=t("All {count:,} wafers that are listed, on all pages.", count=len(records)),
            on_click=thumbnails.set_selected,
            args=(key, [] if everything else [r.file for r in records]),
        )
        open_now = st.button(
            t("Open"), key="classes_open", icon=":material/zoom_in:", disabled=none
        )
        others = {c.slug: c.name for c in classes if c.slug != shown.slug}
        st.menu_button(
            t("Move to"),
            list(others) or [""],
            format_func=lambda slug: escape(others.get(slug, "–")),
            key="classes_move",
            icon=":material/drive_file_move:",
            disabled=none or not others,
            on_click=_move_chosen,
            args=(project, shown.slug, files, others, key),
        )
        st.button(
            t("Delete"),
            key="classes_delete_wafers",
            icon=":material/delete:",
            disabled=none,
            on_click=guards.attempt,
            args=(_delete, project, shown.slug, files, key),
        )
    return open_now


def _move_chosen(
    project: Project, slug: str, files: Sequence[str], names: dict[str, str], key: str
) -> None:
    target = st.session_state["classes_move"]

    def move() -> None:
        count = pictures.move_pictures(project, slug, files, target)
        thumbnails.set_selected(key, ())
        guards.notify(
            tn(
                "{count:,} wafer moved to {name}.",
                "{count:,} wafers moved to {name}.",
                count,
                name=names[target],
            )
        )

    if target is not None:
        guards.attempt(move)


def _delete(project: Project, slug: str, files: Sequence[str], key: str) -> None:
    pictures.delete_pictures(project, slug, files)
    thumbnails.set_selected(key, ())
    guards.notify(
        tn(
            "{count:,} wafer is in the trash below and can be restored.",
            "{count:,} wafers are in the trash below and can be restored.",
            len(files),
        )
    )


def _synthetic(project: Project, shown: ClassSummary, origin: str) -> None:
    """The wafers of one run of Augment or Generate; a run is deleted as a whole, on its page."""
    runs = synthetic.runs(project, shown.slug, origin)
    key = "augment" if origin == "augmented" else "generate"
    if not runs:
        st.info(t("Nothing made for this class yet."))
        layout.link(key, project, t("Go to {page}", page=t(layout.step(key).title)))
        return
    by_name = {run.run: run for run in reversed(runs)}
    name = st.selectbox(
        t("Run"),
        list(by_name),
        format_func=lambda run: " · ".join(
            (
                times.local(run),
                tn("{count:,} wafer", "{count:,} wafers", len(by_name[run].records)),
            )
        ),
        key=f"classes_run_{shown.slug}_{origin}",
    )
    run = by_name[name]
    if run.damage is not None:
        st.error(t(run.damage))
        return
    folder = manifest.class_folder(project, shown.slug) / origin / run.run
    gallery.look(folder, run.records, f"classes_{run.run}")
