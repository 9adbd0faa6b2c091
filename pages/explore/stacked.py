"""Where dies fail over all chosen wafers: stack map, radial and angular profile, zones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st

from pages.shared import charts, downloads, loaders, progress
from pages.shared.words import t, t_raw, tn
from wafer_core.data.project import Project
from wafer_core.data.wafer_table import Wafer
from wafer_core.progress import SILENT
from wafer_core.tasks.yields import charts as yield_charts
from wafer_core.tasks.yields import profiles, stacking
from wafer_core.tasks.yields.stacking import Stack

_QUICK = 500  # wafers that are read without a progress bar
# Only the button that saves the picture.
DOWNLOADABLE = {"displaylogo": False, "modeBarButtons": [["toImage"]], "displayModeBar": True}


def stack_of(
    project: Project, wafers: Sequence[Wafer], same_grid_only: bool = False
) -> Stack | None:
    """The stack of some wafers; without dies a sentence says so and the result is ``None``."""
    with_dies = [w for w in wafers if w.dies]
    if not with_dies:
        st.info(t("None of these wafers has dies; grey pictures cannot be stacked."))
        return None
    if len(with_dies) <= _QUICK:
        maps = loaders.die_maps(project, with_dies, SILENT)
    else:
        with progress.bar(t("Reading wafers …")) as report:
            maps = loaders.die_maps(project, with_dies, report)
    stack = stacking.stack(maps, same_grid_only)
    if stack.on_grid < len(maps) and same_grid_only:
        left_out = len(maps) - stack.on_grid
        st.caption(
            tn(
                "{count:,} wafer with another die grid is left out.",
                "{count:,} wafers with other die grids are left out.",
                left_out,
            )
        )
    if len(maps) < len(with_dies):
        st.caption(
            t(
                "Too many dies for the memory: {count:,} of {total:,} wafers, spread evenly.",
                count=len(maps),
                total=len(with_dies),
            )
        )
    return stack


def panel(project: Project, wafers: Sequence[Wafer]) -> None:
    """The stack map, and beside it failing share by radius, angle and zone."""
    stack = stack_of(project, wafers)
    if stack is None:
        return
    left, middle, right = st.columns([5, 4, 3], gap="small")
    with left:
        figure = yield_charts.stack_map(stack, translate=t_raw)
        charts.chart(figure, "explore_stack", config=DOWNLOADABLE)
    radial, angular = profiles.radial_profile(stack), profiles.angular_profile(stack)
    with middle:
        figure = yield_charts.radial(radial, translate=t_raw)
        charts.chart(figure, "explore_radial", config=DOWNLOADABLE)
        figure = yield_charts.angular(angular, translate=t_raw)
        charts.chart(figure, "explore_angular", config=DOWNLOADABLE)
    with right:
        by_title = {
            t_raw(profiles.ZONES[key]): value for key, value in profiles.zone_yields(stack).items()
        }
        figure = yield_charts.zones(by_title, translate=t_raw)
        charts.chart(figure, "explore_zones", config=DOWNLOADABLE)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(_explanation(stack), width="stretch")
        downloads.csv(_table(stack), "stack-map.csv", "explore_stack_csv")


def _explanation(stack: Stack) -> str:
    H, W = stack.tested.shape
    text = tn(
        "{count:,} wafer on a grid of {width} × {height} dies.",
        "{count:,} wafers on a grid of {width} × {height} dies.",
        stack.wafers,
        width=W,
        height=H,
    )
    if stack.grids > 1:
        text += " " + t(
            "{count:,} of them have this grid; the others, with {others:,} other grids, were "
            "resampled to it by area.",
            count=stack.on_grid,
            others=stack.grids - 1,
        )
    zones = t(
        "The centre ends at half the radius, the edge begins at {edge:.0%} of it.",
        edge=profiles.EDGE,
    )
    return f"{text} {zones}"


def _table(stack: Stack) -> pd.DataFrame:
    """One row for each die of the grid."""
    row, column = np.nonzero(~np.isnan(stack.share))
    return pd.DataFrame(
        {
            "column": column + 1,
            "row": row + 1,
            "failed": stack.failed[row, column],
            "tested": stack.tested[row, column],
            "failing share": stack.share[row, column],
        }
    )
