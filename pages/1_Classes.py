"""Classes: make them, drop wafers in, look, move, delete."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from pages.classes import upload
from pages.shared import gallery, guards, layout, loaders
from wafer_core import drawing
from wafer_core.data import manifest, pictures, synthetic
from wafer_core.data.project import Project
from wafer_core.data.summary import FEW, ClassSummary

project = guards.require_project(layout.start("Classes"))
summary = loaders.summary(project)
CHOSEN = "classes_chosen"  # session state: slug of the class that is shown

HOW_TO_SELECT = {  # and what for
    gallery.LOOK: "To open, move or delete wafers, choose **Select wafers** above.",
    gallery.SELECT: "Click a wafer, or draw a box around several, to open, move or delete them.",
    gallery.TABLE: "Tick wafers on the left to open, move or delete them.",
}


def choose(slug: str | None) -> None:
    """Show this class after the next rerun."""
    st.session_state[CHOSEN] = slug
    st.session_state["classes_round"] = st.session_state.get("classes_round", 0) + 1


@st.dialog("Add class")
def add_class(project: Project) -> None:
    """Ask for a name."""
    name = st.text_input(
        "Name", key="classes_new_name", help="Any language. “none” for wafers without a pattern."
    )
    description = st.text_input(
        "Description (optional)",
        key="classes_new_description",
        help="What belongs here and what does not, so that two people label alike.",
    )
    if st.button("Add", type="primary", key="classes_new_do"):
        with guards.show_errors():
            choose(project.add_class(name, description).slug)
            st.rerun()


@st.dialog("Edit class")
def edit_class(project: Project, shown: ClassSummary) -> None:
    """Ask for a new name and description."""
    name = st.text_input("Name", shown.name, key=f"classes_edit_name_{shown.slug}")
    description = st.text_area(
        "Description", shown.description, key=f"classes_edit_description_{shown.slug}"
    )
    if st.button("Save", type="primary", key=f"classes_edit_do_{shown.slug}"):
        with guards.show_errors():
            project.rename_class(shown.slug, name)
            project.describe_class(shown.slug, description)
            st.rerun()


@st.dialog("Wafer", width="large")
def show_large(project: Project, slug: str, chosen: list[manifest.PictureRecord]) -> None:
    """One picture, large, with what is known of it."""
    for record in chosen[:3]:
        with guards.show_errors():
            picture = manifest.load(project, slug, record)
            left, right = st.columns([3, 2], vertical_alignment="center")
            left.image(drawing.to_png(drawing.draw(picture, 420)), alt=record.source)
            right.markdown(f"**{layout.plain(record.source or record.file)}**")
            right.write(gallery.die_text(picture))
            right.write(f"Used for {gallery.PART_WORDS[record.part]}")
            if record.group:
                right.write(f"Lot or group: {record.group}")
            right.caption(f"SHA-256 {record.sha[:16]}…")


def class_table() -> ClassSummary:
    """All classes with their counts; returns the selected one."""
    slugs = [c.slug for c in summary.classes]
    wanted = st.session_state.get(CHOSEN)
    start = slugs.index(wanted) if wanted in slugs else 0
    table = pd.DataFrame(
        {
            "class": [c.name for c in summary.classes],
            "wafers": [c.originals for c in summary.classes],
            "training": [c.parts["train"] for c in summary.classes],
            "validation": [c.parts["validation"] for c in summary.classes],
            "test": [c.parts["test"] for c in summary.classes],
            "augmented": [c.augmented for c in summary.classes],
            "generated": [c.generated for c in summary.classes],
            "description": [c.description for c in summary.classes],
        }
    )
    most = max(int(table["wafers"].max()), 1)
    event = st.dataframe(
        table,
        # A new key whenever the rows change, so that the selection never points at a stranger.
        key=f"classes_table_{st.session_state.get('classes_round', 0)}_{hash(tuple(slugs))}",
        hide_index=True,
        height="content" if len(slugs) <= 10 else 390,
        on_select="rerun",
        selection_mode="single-row-required",
        selection_default={"selection": {"rows": [start]}},
        column_config={
            "wafers": st.column_config.ProgressColumn(
                "wafers", help="Originals", format="%d", min_value=0, max_value=most
            ),
            "training": st.column_config.NumberColumn(help="Originals the network learns from"),
            "validation": st.column_config.NumberColumn(
                help="Originals that tell when to stop training"
            ),
            "test": st.column_config.NumberColumn(
                help="Originals that judge it, never seen before"
            ),
        },
    )
    rows = event["selection"]["rows"]
    shown = summary.classes[rows[0] if rows and rows[0] < len(slugs) else start]
    st.session_state[CHOSEN] = shown.slug
    return shown


def class_toolbar(shown: ClassSummary) -> None:
    """The chosen class's name, and what can be done to the class."""
    slugs = [c.slug for c in summary.classes]
    place = slugs.index(shown.slug)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(layout.plain(shown.name), width="stretch")
        if st.button("Edit", key="classes_edit", icon=":material/edit:"):
            edit_class(project, shown)
        for label, other, icon in (("Up", place - 1, "upward"), ("Down", place + 1, "downward")):
            if st.button(
                label,
                key=f"classes_{label}",
                icon=f":material/arrow_{icon}:",
                disabled=not 0 <= other < len(slugs),
                help="The order of classes is the order of the bars in Predict.",
            ):
                slugs[place], slugs[other] = slugs[other], slugs[place]
                with guards.show_errors():
                    project.reorder_classes(slugs)
                    choose(shown.slug)
                    st.rerun()
        if st.button("Delete class", key="classes_delete", icon=":material/delete:"):
            with guards.show_errors():
                project.delete_class(shown.slug)
                choose(None)
                guards.notify(f"“{shown.name}” is in the trash below; it can be restored.")
                st.rerun()
    if shown.description:
        st.caption(shown.description)
    if 0 < shown.originals < FEW:
        st.warning(
            f"Only {shown.originals} of at least {FEW} wafers: too few to train, validate and "
            "test this class. Its figures will say little.",
            icon=":material/info:",
        )


def class_pictures(shown: ClassSummary) -> None:
    """The pictures of the chosen class: originals, or what was made of them."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        part = st.segmented_control(
            "Show",
            ["all", *gallery.PART_WORDS, "augmented", "generated"],
            default="all",
            required=True,
            format_func=lambda p: gallery.PART_WORDS.get(p, p),
            key="classes_part",
            persist_state="session",
        )
        view = st.segmented_control(
            "View", gallery.VIEWS, default=gallery.LOOK, required=True,
            key="classes_view", persist_state="session",
        )  # fmt: skip
    if part in synthetic.ORIGINS:
        made_runs(shown, part, view)
        return
    records = [
        r for r in pictures.originals(project, shown.slug) if part == "all" or r.part == part
    ]
    if not records:
        st.info("No wafers here yet. Drop some in the box above.")
        return
    key = f"classes_{shown.slug}_{part}"
    folder = manifest.class_folder(project, shown.slug) / "originals"
    chosen = gallery.gallery(folder, records, key, view)
    if not chosen:
        st.caption(HOW_TO_SELECT[view])
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.markdown(f"**{len(chosen)} selected**")
        if st.button("Open large", key="classes_large", icon=":material/zoom_in:"):
            show_large(project, shown.slug, chosen)
        others = [c for c in summary.classes if c.slug != shown.slug]
        target = st.selectbox(
            "Move to",
            others,
            format_func=lambda c: c.name,
            index=None,
            placeholder="Move to …",
            label_visibility="collapsed",
            key=f"classes_move_{shown.slug}",
            width=200,
        )
        if target is not None and st.button("Move", key="classes_move_do"):
            with guards.show_errors():
                count = pictures.move_pictures(
                    project, shown.slug, [r.file for r in chosen], target.slug
                )
                gallery.clear_selection(key)
                guards.notify(f"{count} moved to “{target.name}”.")
                st.rerun()
        if st.button("Delete", key="classes_delete_pictures", icon=":material/delete:"):
            with guards.show_errors():
                pictures.delete_pictures(project, shown.slug, [r.file for r in chosen])
                gallery.clear_selection(key)
                guards.notify(f"{len(chosen)} in the trash below; they can be restored.")
                st.rerun()


def made_runs(shown: ClassSummary, origin: str, view: str) -> None:
    """Pictures of one run of Augment or Generate."""
    runs = synthetic.runs(project, shown.slug, origin)
    if not runs:
        verb = "Augment" if origin == "augmented" else "Generate"
        st.info(f"Nothing made yet for this class. The {verb} page makes more of what you have.")
        return
    run = st.selectbox(
        "Run",
        list(reversed(runs)),
        format_func=lambda r: f"{r.run.removeprefix('run-')[:15]} · {len(r.records)} pictures",
        key=f"classes_run_{shown.slug}_{origin}",
    )
    folder = manifest.class_folder(project, shown.slug) / origin / run.run
    gallery.gallery(
        folder,
        run.records,
        f"classes_{run.run}",
        # A run is removed as a whole, on its page: there is nothing to select them for.
        gallery.LOOK if view == gallery.SELECT else view,
    )


def conflicts() -> None:
    """Pictures that lie in two classes, with the way out."""
    found = loaders.conflicts(project)
    if not found:
        return
    names = {c.slug: c.name for c in summary.classes}
    with st.expander(
        f"{len(found)} {'picture lies' if len(found) == 1 else 'pictures lie'} in more than one "
        "class: one of the labels must be wrong",
        icon=":material/warning:",
    ):
        for conflict in found[:30]:
            slug, file = conflict.places[0]
            path = manifest.class_folder(project, slug) / "originals" / file
            with st.container(horizontal=True, vertical_alignment="center"):
                st.image(loaders.thumbnails((str(path),), 64)[0], width=64, alt=file)
                for slug, file in conflict.places:
                    if st.button(
                        f"Delete from {names[slug]}", key=f"classes_conflict_{slug}_{file}"
                    ):
                        with guards.show_errors():
                            pictures.delete_pictures(project, slug, [file])
                            st.rerun()


def trash() -> None:
    """Deleted classes and pictures."""
    items = project.trash()
    if not items:
        return
    with st.expander(f"Trash ({len(items)})", icon=":material/delete:"):
        for item in items[:30]:
            with st.container(horizontal=True, vertical_alignment="center"):
                what = "Class" if item.what == "class" else "Pictures:"
                when = item.deleted[:16].replace("T", " ")
                st.markdown(f"{what} {layout.plain(item.title)} · {when} UTC", width="stretch")
                if st.button("Restore", key=f"classes_restore_{item.id}"):
                    with guards.show_errors():
                        if item.what == "class":
                            choose(project.restore_class(item.id).slug)
                        else:
                            pictures.restore_pictures(project, item.id)
                        st.rerun()
        if st.button("Delete for good", key="classes_empty_trash"):
            with guards.show_errors():
                project.empty_trash()
                st.rerun()


# -- the page ------------------------------------------------------------------------------------

with st.container(horizontal=True, vertical_alignment="center"):
    st.title("Classes", width="stretch")
    if st.button("Add class", type="primary", key="classes_add", icon=":material/add:"):
        add_class(project)
upload.upload_panel(project, [c.name for c in summary.classes], empty=not summary.originals)
if summary.classes:
    shown = class_table()
    conflicts()
    class_toolbar(shown)
    class_pictures(shown)
else:
    st.info(
        "No class yet. Press **Add class**, or drop a folder (or .zip) with one sub-folder a "
        "class: the folders' names become the classes."
    )
trash()
