"""One wafer of a class, large, with what is known about it."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from pages.shared import gallery, guards, times
from pages.shared.words import escape, t
from wafer_core import drawing
from wafer_core.data import manifest
from wafer_core.data.manifest import PictureRecord
from wafer_core.data.project import Project

_SIZE = 400  # pixels
_PLACE = "classes_large"  # session state: which of the wafers is shown


def show(project: Project, slug: str, records: Sequence[PictureRecord], opened: str) -> None:
    """The content of the dialog.

    Args:
        project: The project.
        slug: The class.
        records: Wafers to page through.
        opened: File of the first one shown.
    """
    files = [r.file for r in records]
    start, place = st.session_state.get(_PLACE, ("", 0))
    if start != opened or place >= len(records):
        place = files.index(opened)
    st.session_state[_PLACE] = (opened, place)
    record = records[place]
    left, right = st.columns([3, 2], vertical_alignment="center")
    with guards.show_errors():
        picture = manifest.load(project, slug, record)
        name = record.source or record.file
        left.image(drawing.to_png(drawing.draw(picture, _SIZE)), width=_SIZE, alt=name)
        with right:
            st.markdown(f"**{escape(name)}**")
            st.write(t(gallery.die_message(picture)))
            st.write(t("Used for {split}", split=t(gallery.SPLITS[record.split])))
            if record.group:
                st.write(t("Lot or group: {group}", group=record.group))
            path = manifest.picture_path(project, slug, record)
            if path.exists():
                st.caption(t("Stored {when}", when=times.local(path.stat().st_mtime)))
    if len(records) > 1:
        with st.container(horizontal=True, vertical_alignment="center"):
            for label, step, icon in (
                (t("Previous"), -1, "chevron_left"),
                (t("Next"), 1, "chevron_right"),
            ):
                st.button(
                    label,
                    key=f"classes_large_{icon}",
                    icon=f":material/{icon}:",
                    disabled=not 0 <= place + step < len(records),
                    on_click=st.session_state.update,
                    args=({_PLACE: (opened, place + step)},),
                )
            st.caption(t("{place:,} of {count:,}", place=place + 1, count=len(records)))
