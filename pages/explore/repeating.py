"""Repeaters: dies that fail at the same position of each exposure field."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st

from pages.explore.stacked import DOWNLOADABLE, stack_of
from pages.shared import charts, downloads, loaders
from pages.shared.words import t, t_raw
from wafer_core.data.project import Project
from wafer_core.data.wafer_table import Wafer
from wafer_core.tasks.yields import charts as yield_charts
from wafer_core.tasks.yields.repeaters import Field
from wafer_core.tasks.yields.stacking import Stack

SUGGESTED, OWN = "suggested", "own"


def panel(project: Project, wafers: Sequence[Wafer]) -> None:
    """The failing share by position in the field, of the suggested or of a chosen size."""
    stack = stack_of(project, wafers, same_grid_only=True)
    if stack is None:
        return
    left, right = st.columns([2, 3], gap="medium")
    with left:
        found = _field(stack)
    if found is None:
        return
    field, way = found
    with left:
        _verdict(field, way)
    with right:
        charts.chart(
            yield_charts.repeaters(field, translate=t_raw), "explore_field", config=DOWNLOADABLE
        )
        downloads.csv(_table(field), "repeaters.csv", "explore_field_csv")


def _field(stack: Stack) -> tuple[Field, str] | None:
    """Choose the size of the field, and test it."""
    key = _key(stack)
    titles = {SUGGESTED: t("Find the size"), OWN: t("Enter the size")}
    way = st.segmented_control(
        t("Exposure field (reticle)"),
        list(titles),
        default=SUGGESTED,
        required=True,
        format_func=titles.__getitem__,
        key="explore_field_way",
        persist_state="session",
        help=t(
            "A defect of the mask makes the same die of every exposure field fail. All sizes up "
            "to 8 × 8 dies that fit four times on the wafer are tried."
        ),
    )
    if way == SUGGESTED:
        with st.spinner(t("Trying all sizes …")):
            best = loaders.strongest_repeater(stack, key)
        if best is None:
            st.info(t("The grid is too small for four fields, or no die failed."))
            return None
        return best[2], way
    height, width = stack.tested.shape
    across, down = st.columns(2)
    columns = across.number_input(
        t("Columns of the field"), 1, width, min(3, width), key="explore_field_columns",
        persist_state="session", help=t("Dies of one exposure field from left to right."),
    )  # fmt: skip
    rows = down.number_input(
        t("Rows of the field"), 1, height, min(2, height), key="explore_field_rows",
        persist_state="session", help=t("Dies of one exposure field from top to bottom."),
    )  # fmt: skip
    if rows * columns == 1:
        st.info(t("Enter a field of more than one die."))
        return None
    return loaders.repeater_field(stack, key, int(rows), int(columns)), str(way)


def _verdict(field: Field, way: str) -> None:
    """Whether anything repeats, in one sentence, and where."""
    rows, columns = field.share.shape
    if not field.is_significant:
        text = (
            t(
                "Nothing repeats. The strongest period is {columns} × {rows} dies, and chance "
                "would give that too (p = {p:.2f}, corrected for {tried} sizes).",
                columns=columns,
                rows=rows,
                p=field.p_value,
                tried=field.tried,
            )
            if way == SUGGESTED
            else t(
                "Nothing repeats with a field of {columns} × {rows} dies: chance would give such "
                "differences too (p = {p:.2f}).",
                columns=columns,
                rows=rows,
                p=field.p_value,
            )
        )
        st.success(text, icon=":material/check:")
        return
    row, column = np.unravel_index(int(np.nanargmax(field.share)), field.share.shape)
    st.warning(
        t(
            "Something repeats every {columns} × {rows} dies (p = {p:.4f}). Most often fails "
            "column {column}, row {row} of the field: {share:.1%}, against {mean:.1%} on average.",
            columns=columns,
            rows=rows,
            p=field.p_value,
            column=int(column) + 1,
            row=int(row) + 1,
            share=float(field.share[row, column]),
            mean=float(np.nansum(field.share * field.dies) / max(int(field.dies.sum()), 1)),
        ),
        icon=":material/repeat:",
    )
    st.caption(
        t(
            "Fields are counted from the upper left corner of the grid; the true field may begin "
            "elsewhere, which shifts rows and columns. Compare with the size of your reticle."
        )
    )


def _table(field: Field) -> pd.DataFrame:
    row, column = np.indices(field.share.shape)
    return pd.DataFrame(
        {
            "column": column.ravel() + 1,
            "row": row.ravel() + 1,
            "failing share": field.share.ravel(),
            "dies": field.dies.ravel(),
        }
    )


def _key(stack: Stack) -> str:
    shape = str(stack.tested.shape).encode()
    return hashlib.sha256(shape + stack.failed.tobytes() + stack.tested.tobytes()).hexdigest()
