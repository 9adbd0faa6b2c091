"""Tables of lots and of wafers to select from, and the wafers of one lot side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from pages.explore.filters import lot_name
from pages.shared import downloads, loaders
from pages.shared.words import t, t_raw, tn_raw
from wafer_core.data import manifest
from wafer_core.data.project import Project
from wafer_core.data.wafer_table import Lot, Wafer, group_lots, numbered
from wafer_core.tasks.classification.predictions import neutralise

PER_LOT = 25  # wafers of a full lot
_COLUMNS, _CELL = 9, 120  # of the gallery: three rows fit above the fold
_HEIGHT = 400
_SHARES = ("yield", "lowest yield", "highest yield")  # columns, 0 to 1


def lot_table(wafers: Sequence[Wafer]) -> Sequence[Wafer]:
    """One row for each lot.

    Returns:
        The wafers of the selected lots; all wafers if none is selected.
    """
    lots = group_lots(wafers)
    frame = pd.DataFrame([_lot_row(lot) for lot in lots])
    rows = _select(frame, "explore_lots")
    if not rows:
        return wafers
    names = {lots[row].lot for row in rows}
    return [w for w in wafers if w.lot in names]


def _lot_row(lot: Lot) -> dict[str, Any]:
    return {
        "lot": lot.lot,
        "wafers": lot.wafers,
        "yield": lot.yield_fraction,
        "lowest yield": min(lot.yields, default=None),
        "highest yield": max(lot.yields, default=None),
        "dies": lot.dies,
        "failed": lot.failed,
        "classes": ", ".join(f"{name} ({count})" for name, count in lot.classes[:5]),
        "product": ", ".join(lot.products),
        "time": lot.first_time.replace("T", " "),
    }


def wafer_table(wafers: Sequence[Wafer]) -> Sequence[Wafer]:
    """One row for each wafer.

    Returns:
        The selected wafers; all wafers if none is selected.
    """
    frame = pd.DataFrame(
        {
            "lot": [w.lot for w in wafers],
            "wafer": [w.wafer for w in wafers],
            "class": [w.class_name for w in wafers],
            "yield": [w.yield_fraction for w in wafers],
            "dies": pd.array([w.dies for w in wafers], dtype="Int64"),
            "failed": pd.array([w.failed for w in wafers], dtype="Int64"),
            "product": [w.product for w in wafers],
            "tester": [w.tester for w in wafers],
            "time": [w.time.replace("T", " ") for w in wafers],
            "file": [w.record.source or w.record.file for w in wafers],
        }
    )
    rows = _select(frame, "explore_wafers")
    return [wafers[row] for row in rows] if rows else wafers


def _select(frame: pd.DataFrame, key: str) -> list[int]:
    """Draw a table to select rows of, and its download; columns without a value are left out."""
    shown = frame.drop(columns=[name for name in frame if _is_empty(frame[name])])
    if "lot" in shown:
        shown["lot"] = [lot_name(name) for name in shown["lot"]]
    for name in (n for n in shown if n in _SHARES):
        shown[name] = 100 * shown[name].astype("float64")
    event = st.dataframe(
        shown,
        key=f"{key}_{pd.util.hash_pandas_object(frame).sum()}",
        hide_index=True,
        height=min(_HEIGHT, 38 + 35 * len(shown)),
        placeholder="–",
        on_select="rerun",
        selection_mode="multi-row",
        column_config=_columns(),
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(
            t("Click a heading to sort; tick rows on the left to select. None selected means all."),
            width="stretch",
        )
        downloads.csv(safe(frame), f"{key.partition('_')[2]}.csv", f"{key}_csv")
    return [row for row in event["selection"]["rows"] if row < len(frame)]


def _is_empty(column: pd.Series[Any]) -> bool:
    return bool((column.isna() | (column == "")).all())


def _columns() -> dict[str, Any]:
    config = st.column_config
    share: dict[str, Any] = {"format": "%.1f%%", "width": "small"}
    return {
        "lot": config.TextColumn(t_raw("Lot")),
        "wafer": config.TextColumn(t_raw("Wafer")),
        "class": config.TextColumn(t_raw("Class")),
        "wafers": config.NumberColumn(t_raw("Wafers"), width="small"),
        "yield": config.NumberColumn(t_raw("Yield"), **share),
        "lowest yield": config.NumberColumn(t_raw("Lowest yield"), **share),
        "highest yield": config.NumberColumn(t_raw("Highest yield"), **share),
        "dies": config.NumberColumn(t_raw("Dies"), format="localized", width="small"),
        "failed": config.NumberColumn(t_raw("Failed dies"), format="localized", width="small"),
        "classes": config.TextColumn(t_raw("Classes")),
        "product": config.TextColumn(t_raw("Product")),
        "tester": config.TextColumn(t_raw("Tester")),
        "time": config.TextColumn(t_raw("Time")),
        "file": config.TextColumn(t_raw("File")),
    }


def safe(frame: pd.DataFrame) -> pd.DataFrame:
    """A table for a download, in which no text can be taken for a formula."""
    texts = {
        name: [neutralise(value) if isinstance(value, str) else value for value in frame[name]]
        for name in frame
        if frame[name].dtype == object or pd.api.types.is_string_dtype(frame[name])
    }
    return frame.assign(**texts)


def gallery(project: Project, wafers: Sequence[Wafer]) -> Sequence[Wafer]:
    """The wafers of one lot in the order of their numbers, 25 at a time.

    Returns:
        The wafers of this lot.
    """
    lots = group_lots(wafers)
    by_name = {lot.lot: lot for lot in lots}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.selectbox(
            t("Lot"),
            list(by_name),
            format_func=lambda lot: (
                f"{lot_name(lot)} · "
                + tn_raw(
                    "{count:,} wafer",
                    "{count:,} wafers",
                    by_name[lot].wafers if lot in by_name else 0,
                )
            ),
            key="explore_gallery_lot",
            width=320,
        )
        members = [w for w in wafers if w.lot == name]
        ordered = sorted(numbered(members), key=lambda pair: pair[0])
        ordered = ordered or list(enumerate(members, 1))
        pages = -(-len(ordered) // PER_LOT)
        number = st.pagination(pages, key=f"explore_gallery_of_{pages}") if pages > 1 else 1
    shown = ordered[(number - 1) * PER_LOT : number * PER_LOT]
    captions = tuple(_caption(position, wafer) for position, wafer in shown)
    paths = tuple(str(manifest.picture_path(project, w.slug, w.record)) for _, w in shown)
    sheet = loaders.sheet(paths, _COLUMNS, _CELL, captions)
    label = t_raw("Contact sheet of {count} wafers", count=len(shown))
    st.image(sheet, width=_COLUMNS * _CELL, alt=label)
    st.caption(t("Below each wafer: its number in the lot and its yield."))
    return [w for _, w in ordered]


def _caption(position: int, wafer: Wafer) -> str:
    share = wafer.yield_fraction
    return f"{position}" if share is None else f"{position} · {share:.1%}"
