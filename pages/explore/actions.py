"""What can be done with the selected wafers: move them to a class, predict them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import streamlit as st

from pages.predict.intake import WAITING
from pages.shared import guards, layout
from pages.shared.words import escape, t, tn
from wafer_core.data import pictures
from wafer_core.data.project import Project
from wafer_core.data.wafer_table import Wafer, mean_yield

Places = tuple[tuple[str, str], ...]


def bar(project: Project, chosen: Sequence[Wafer], shown: int) -> None:
    """The size of the selection and its actions.

    Args:
        project: Holds the wafers.
        chosen: The selected wafers; all that are shown if none is selected.
        shown: Number of wafers that pass the filters.
    """
    lots = len({w.lot for w in chosen} - {""})
    facts = [tn("**{count:,}** wafer", "**{count:,}** wafers", len(chosen))]
    if len(chosen) < shown:
        facts[0] = tn(
            "**{count:,}** of {shown:,} wafers", "**{count:,}** of {shown:,} wafers", len(chosen),
            shown=shown,
        )  # fmt: skip
    if lots:
        facts.append(tn("{count:,} lot", "{count:,} lots", lots))
    share = mean_yield(chosen)
    if share is not None:
        facts.append(t("mean yield {share:.1%}", share=share))
    st.markdown(" · ".join(facts), width="stretch")
    places: Places = tuple((w.slug, w.record.file) for w in chosen)
    classes = {c.slug: c.name for c in project.classes()}
    st.menu_button(
        t("Move to class"),
        list(classes),
        format_func=lambda slug: escape(classes.get(slug, "–")),
        key="explore_move",
        icon=":material/drive_file_move:",
        disabled=len(classes) < 2,
        on_click=_move_chosen,
        args=(project, places, classes),
    )
    if st.button(
        t("Predict"),
        key="explore_predict",
        icon=":material/troubleshoot:",
        help=t("Opens Predict with these wafers."),
    ):
        st.session_state[WAITING] = list(places)
        st.switch_page(layout.step("predict").page, query_params=guards.address(project))


def _move_chosen(project: Project, places: Places, names: dict[str, str]) -> None:
    target = st.session_state["explore_move"]
    by_class: dict[str, list[str]] = defaultdict(list)
    for slug, file in places:
        if slug != target:
            by_class[slug].append(file)

    def move() -> None:
        count = sum(
            pictures.move_pictures(project, slug, files, target) for slug, files in by_class.items()
        )
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
