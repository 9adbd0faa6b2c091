"""The order of the wafers of a class: by date, by yield, or by how likely the label is wrong."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from pages.shared import loaders, progress
from pages.shared.words import t, t_raw
from wafer_core.data.manifest import PictureRecord
from wafer_core.data.project import Project
from wafer_core.data.summary import ClassSummary
from wafer_core.messages import N_

NEWEST, OLDEST, YIELD, WRONG = "newest", "oldest", "yield", "wrong"
TITLES = {
    NEWEST: N_("Newest first"),
    OLDEST: N_("Oldest first"),
    YIELD: N_("Lowest yield first"),
    WRONG: N_("Likely mislabelled first"),
}


def choose(project: Project, shown: ClassSummary) -> str:
    """The select box; the last order is offered where the current model knows the class."""
    options = [NEWEST, OLDEST, YIELD]
    if loaders.knows_class(project, shown.slug):
        options.append(WRONG)
    return str(
        st.selectbox(
            t("Sort by"),
            options,
            format_func=lambda key: t_raw(TITLES[key]),
            key="classes_order",
            persist_state="session",
            label_visibility="collapsed",
            width=210,
        )
        or NEWEST
    )


def apply(
    project: Project, shown: ClassSummary, records: Sequence[PictureRecord], order: str
) -> list[PictureRecord]:
    """The records in the chosen order.

    Raises:
        WaferError: The model or a wafer cannot be read.
    """
    if order == OLDEST:
        return list(records)
    if order == NEWEST:
        return list(reversed(records))
    with progress.bar(
        t("Computing yields …") if order == YIELD else t("Predicting the wafers of this class …")
    ) as report:
        if order == YIELD:
            values = loaders.yields(project, shown.slug, records, report)
        else:
            values = loaders.probabilities_of(project, shown.slug, records, report)
    return [record for _, record in sorted(zip(values, records, strict=True), key=lambda p: p[0])]
