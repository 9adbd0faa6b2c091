"""Which wafers the page is about: by class, lot, product, yield and name."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from pages.shared.words import t, t_raw
from wafer_core.data.wafer_table import Wafer

NO_LOT = ""


def lot_name(lot: str) -> str:
    """A lot for tables and options."""
    return lot or t_raw("no lot")


def panel(wafers: Sequence[Wafer]) -> list[Wafer]:
    """Draw the filters; an empty filter lets all wafers pass.

    Returns:
        The wafers that pass.
    """
    products = {w.product for w in wafers} - {""}
    widths = [3, 3, 3, 3, 3] if products else [3, 3, 3, 3]
    columns = iter(st.columns(widths, vertical_alignment="top"))
    with next(columns):
        classes = _choose(
            t("Class"), dict.fromkeys(w.class_name for w in wafers), "explore_class", str
        )
    with next(columns):
        lots = sorted({w.lot for w in wafers}, key=lambda lot: (not lot, lot))
        chosen_lots = _choose(t("Lot"), dict.fromkeys(lots), "explore_lot", lot_name)
    kept_products: set[str] = set()
    if products:
        with next(columns):
            names = dict.fromkeys(sorted(products))
            kept_products = _choose(t("Product"), names, "explore_product", str)
    with next(columns):
        text = st.text_input(
            t("Name contains"),
            key="explore_text",
            persist_state="session",
            help=t("Part of the name of the file or the wafer."),
        )
    with next(columns):
        low, high = st.slider(
            t("Yield"),
            0,
            100,
            (0, 100),
            format="%d%%",
            key="explore_yield",
            persist_state="session",
            help=t("Pictures without dies have no yield; they show only with the full range."),
        )
    wanted = text.strip().lower()
    return [
        w
        for w in wafers
        if (not classes or w.class_name in classes)
        and (not chosen_lots or w.lot in chosen_lots)
        and (not kept_products or w.product in kept_products)
        and (not wanted or wanted in f"{w.record.source}\n{w.wafer}\n{w.record.file}".lower())
        and _in_range(w.yield_fraction, low, high)
    ]


def _in_range(share: float | None, low: int, high: int) -> bool:
    if (low, high) == (0, 100):
        return True
    return share is not None and low <= 100 * share <= high


def _choose(label: str, options: dict[str, None], key: str, show: Callable[[str], str]) -> set[str]:
    chosen = st.multiselect(
        label,
        list(options),
        format_func=show,
        key=key,
        persist_state="session",
        placeholder=t_raw("all"),
    )
    return set(chosen)
