"""Yield by the number of the wafer in its lot, and by date."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from pages.explore.filters import lot_name
from pages.explore.stacked import DOWNLOADABLE
from pages.shared import charts
from pages.shared.words import chart_text, t, t_raw
from wafer_core.data.wafer_table import Wafer, numbered
from wafer_core.tasks.yields import charts as yield_charts


def panel(wafers: Sequence[Wafer]) -> None:
    """Both charts side by side; where the facts are missing, a sentence says so."""
    left, right = st.columns(2, gap="medium")
    with left:
        _by_number(wafers)
    with right:
        _by_time(wafers)


def _by_number(wafers: Sequence[Wafer]) -> None:
    points = [
        (number, share, wafer)
        for number, wafer in numbered(wafers)
        if (share := wafer.yield_fraction) is not None
    ]
    if not points:
        st.info(t("No wafer has both a lot and dies, so there is no order in a lot to show."))
        return
    figure = yield_charts.over_number(
        [number for number, _, _ in points],
        [share for _, share, _ in points],
        [_name(wafer) for _, _, wafer in points],
        translate=t_raw,
    )
    charts.chart(figure, "explore_numbers", config=DOWNLOADABLE)
    st.caption(
        t(
            "Where the wafers of a lot have no numbers, they are counted in the order in which "
            "they were added. The line is the mean."
        )
    )


def _by_time(wafers: Sequence[Wafer]) -> None:
    points = [w for w in wafers if w.time and w.yield_fraction is not None]
    if not points:
        st.info(t("No wafer has a time. Files such as STDF and KLARF hold it; pictures do not."))
        return
    figure = yield_charts.over_time(
        [w.time for w in points],
        [w.yield_fraction or 0.0 for w in points],
        [_name(w) for w in points],
        translate=t_raw,
    )
    charts.chart(figure, "explore_times", config=DOWNLOADABLE)
    st.caption(t("The line is the mean of each day."))


def _name(wafer: Wafer) -> str:
    return chart_text(f"{lot_name(wafer.lot)} · {wafer.wafer or wafer.record.source}")
