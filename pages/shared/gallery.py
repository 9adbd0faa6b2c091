"""Many stored wafers: a page of thumbnails to look at or to select from, or a table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import streamlit as st

from pages.shared import loaders, thumbnails
from pages.shared.words import t_raw
from wafer_core import images
from wafer_core.data.manifest import PictureRecord
from wafer_core.messages import N_, Message, message

PER_PAGE = 60
_SIZE = 80  # pixels of one wafer on the page
_DRAWN = 96  # pixels of its drawing
COLUMNS = 12  # of a contact sheet
GRID, TABLE = "grid", "table"
VIEWS = {GRID: N_("Pictures"), TABLE: N_("Table")}
SPLITS = {"train": N_("training"), "validation": N_("validation"), "test": N_("test")}


def look(folder: Path, records: Sequence[PictureRecord], key: str) -> None:
    """One page of pictures without a selection.

    Args:
        folder: Where the files are.
        records: All of them; only the chosen page is read.
        key: Prefix of the keys of the widgets.
    """
    shown = _page(records, key)
    sheet = loaders.sheet(_paths(folder, shown), COLUMNS, _DRAWN)
    label = t_raw("Contact sheet of {count} wafers", count=len(shown))
    st.image(sheet, width="stretch", alt=label)


def select(
    folder: Path, records: Sequence[PictureRecord], key: str, view: str = GRID
) -> str | None:
    """One page of pictures to select from; ``selected`` returns the selection.

    Args:
        folder: Where the files are.
        records: All of them in the order shown; only the chosen page is read.
        key: Prefix of the keys of the widgets, and of the selection.
        view: A key of ``VIEWS``.

    Returns:
        The file that was opened just now.
    """
    shown = _page(records, key)
    paths = _paths(folder, shown)
    if view == TABLE:
        _table(shown, paths, key)
        return None
    drawn = loaders.thumbnails(paths, _DRAWN)
    pictures = [
        thumbnails.Thumbnail(r.file, url, _title(r)) for r, url in zip(shown, drawn, strict=True)
    ]
    return thumbnails.select(pictures, key, t_raw("Wafers"), _SIZE)


def selected(records: Sequence[PictureRecord], key: str) -> list[PictureRecord]:
    """The selected ones among some records."""
    files = thumbnails.selected(key)
    return [r for r in records if r.file in files]


def _page(records: Sequence[PictureRecord], key: str) -> Sequence[PictureRecord]:
    pages = max(1, -(-len(records) // PER_PAGE))
    number = st.pagination(pages, key=f"{key}_page_of_{pages}") if pages > 1 else 1
    return records[(number - 1) * PER_PAGE : number * PER_PAGE]


def _paths(folder: Path, records: Sequence[PictureRecord]) -> tuple[str, ...]:
    return tuple(str(folder / r.file) for r in records)


def _title(record: PictureRecord) -> str:
    title = f"{record.source or record.file} · {record.width} × {record.height}"
    return f"{title} · {t_raw(SPLITS[record.split])}"


def _table(shown: Sequence[PictureRecord], paths: tuple[str, ...], key: str) -> None:
    """A table whose selection is the same as that of the pictures."""
    files = [r.file for r in shown]
    version = f"{key}_table_{hash(paths)}_{st.session_state.get(f'{key}_reset', 0)}"

    def change() -> None:
        rows = st.session_state[version]["selection"]["rows"]
        chosen = {files[i] for i in rows if i < len(files)}
        others = thumbnails.selected(key) - set(files)
        st.session_state[f"{key}_selected"] = others | chosen

    marked = [i for i, file in enumerate(files) if file in thumbnails.selected(key)]
    st.dataframe(
        pd.DataFrame(
            {
                "wafer": loaders.thumbnails(paths, 48),
                "file": [r.source or r.file for r in shown],
                "split": [t_raw(SPLITS[r.split]) for r in shown],
                "group": [r.group or "" for r in shown],
                "width": [r.width for r in shown],
                "height": [r.height for r in shown],
                "kind": [
                    t_raw("wafer map") if r.kind == "map" else t_raw("grey picture") for r in shown
                ],
            }
        ),
        key=version,
        hide_index=True,
        row_height=52,
        height=480,
        on_select=change,
        selection_mode="multi-row",
        selection_default={"selection": {"rows": marked}},
        column_config={
            "wafer": st.column_config.ImageColumn(t_raw("Wafer"), width="small"),
            "file": st.column_config.TextColumn(t_raw("File"), width="medium"),
            "split": t_raw("Split"),
            "group": t_raw("Lot or group"),
            "width": t_raw("Width"),
            "height": t_raw("Height"),
            "kind": t_raw("Kind"),
        },
    )


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
