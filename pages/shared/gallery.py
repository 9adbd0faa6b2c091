"""Many wafers at once: a contact sheet a page to look at, to choose from by mouse, or a table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from pages.shared import loaders
from pages.shared.words import t
from wafer_core import images
from wafer_core.data.manifest import PictureRecord
from wafer_core.messages import Message, message

COLUMNS, ROWS = 12, 5
PER_PAGE = COLUMNS * ROWS
CELL = 96  # pixels of one wafer in the sheet
# The picture comes first: a chart that can be clicked takes the browser 0.15 s more to draw.
LOOK, SELECT, TABLE = "Look", "Select wafers", "Table"
VIEWS = (LOOK, SELECT, TABLE)
PART_WORDS = {"train": "training", "validation": "validation", "test": "test"}


def gallery(
    folder: Path, records: Sequence[PictureRecord], key: str, view: str = LOOK
) -> list[PictureRecord]:
    """Show one page of pictures.

    Args:
        folder: Where the files lie.
        records: All of them; only the chosen page is read.
        key: Prefix of the widgets' keys.
        view: One of ``VIEWS``: a sheet, a sheet that can be clicked, or a table with thumbnails
            (for the keyboard, and for sorting).

    Returns:
        The selected records.
    """
    pages = max(1, -(-len(records) // PER_PAGE))
    number = 1
    if pages > 1:
        number = st.pagination(pages, key=f"{key}_page_of_{pages}")
    shown = records[(number - 1) * PER_PAGE : number * PER_PAGE]
    paths = tuple(str(folder / r.file) for r in shown)
    # Other pictures start with nothing selected, so that no selection points at a stranger.
    version = f"{key}_{hash(paths)}_{st.session_state.get(f'{key}_round', 0)}"
    if view == LOOK:
        st.image(loaders.sheet(paths, COLUMNS, CELL), width="stretch", alt=_sheet_title(shown))
        return []
    chosen = (_table if view == TABLE else _sheet)(shown, paths, version)
    return [shown[i] for i in sorted(set(chosen)) if i < len(shown)]


def clear_selection(key: str) -> None:
    """Start the next rerun with nothing selected."""
    st.session_state[f"{key}_round"] = st.session_state.get(f"{key}_round", 0) + 1


def sheet_figure(
    image: str, count: int, hover: Sequence[str], columns: int = COLUMNS, cell: int = 84
) -> go.Figure:
    """A contact sheet whose wafers can be clicked.

    Args:
        image: The sheet as a data URL.
        count: How many wafers it holds.
        hover: A text for each.
        columns: Wafers side by side.
        cell: Height of a row on the page in pixels.
    """
    rows = max(1, -(-count // columns))
    figure = go.Figure()
    figure.add_layout_image(
        source=image, x=0, y=0, sizex=columns, sizey=rows, xref="x", yref="y",
        sizing="stretch", layer="below",
    )  # fmt: skip
    figure.add_scatter(
        x=[i % columns + 0.5 for i in range(count)],
        y=[i // columns + 0.5 for i in range(count)],
        mode="markers",
        marker={"size": cell - 8, "symbol": "square", "color": "#0B6BA8", "opacity": 0.0},
        selected={"marker": {"opacity": 0.30}},
        unselected={"marker": {"opacity": 0.0}},
        text=list(hover),
        hovertemplate="%{text}<extra></extra>",
    )
    axis = {"visible": False, "fixedrange": True}
    figure.update_layout(
        height=rows * cell + 4,
        margin={"l": 0, "r": 0, "t": 2, "b": 2},
        xaxis={**axis, "range": [0, columns]},
        yaxis={**axis, "range": [rows, 0]},
        dragmode="select",
        showlegend=False,
        plot_bgcolor="rgba(0,0,0,0)",
        paper_bgcolor="rgba(0,0,0,0)",
    )
    return figure


def _sheet_title(shown: Sequence[PictureRecord]) -> str:
    return f"Contact sheet of {len(shown)} wafers"


def _sheet(shown: Sequence[PictureRecord], paths: tuple[str, ...], key: str) -> list[int]:
    columns = COLUMNS
    hover = [f"{r.source or r.file}<br>{r.width} × {r.height} · {PART_WORDS[r.split]}"
             for r in shown]  # fmt: skip
    event = st.plotly_chart(
        sheet_figure(loaders.sheet(paths, columns, CELL), len(shown), hover, columns),
        key=f"{key}_sheet",
        on_select="rerun",
        selection_mode=("points", "box", "lasso"),
        config={"displaylogo": False, "modeBarButtons": [["select2d", "lasso2d"]]},
        alt=_sheet_title(shown),
    )
    return list(event["selection"]["point_indices"])


def _table(shown: Sequence[PictureRecord], paths: tuple[str, ...], key: str) -> list[int]:
    table = pd.DataFrame(
        {
            "wafer": loaders.thumbnails(paths, 48),
            "file": [r.source or r.file for r in shown],
            "part": [PART_WORDS[r.split] for r in shown],
            "lot / group": [r.group or "" for r in shown],
            "width": [r.width for r in shown],
            "height": [r.height for r in shown],
            "kind": ["wafer map" if r.kind == "map" else "grey picture" for r in shown],
        }
    )
    event = st.dataframe(
        table,
        key=f"{key}_table",
        hide_index=True,
        row_height=52,
        height=480,
        on_select="rerun",
        selection_mode="multi-row",
        column_config={"wafer": st.column_config.ImageColumn("wafer", width="small")},
    )
    return list(event["selection"]["rows"])


def die_message(picture: images.Picture) -> Message:
    """Size, dies and yield of a wafer map, or the grey range of another picture."""
    H, W = picture.shape
    if not images.is_map(picture):
        return message(
            "{width} × {height} pixels, grey values {low} to {high}",
            width=W,
            height=H,
            low=int(picture.min()),
            high=int(picture.max()),
        )
    counts = images.die_counts(picture)
    return message(
        "{dies:,} dies in {width} × {height} · {failed:,} failed · yield {share:.1%}",
        width=W,
        height=H,
        dies=counts.dies,
        failed=counts.failed,
        share=counts.yield_fraction or 0.0,
    )


def die_text(picture: images.Picture) -> str:
    """The same in the language of this tab, as Markdown."""
    return t(die_message(picture))
