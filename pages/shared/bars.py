"""Probabilities as bars, without a chart library: drawn at once, readable in both themes."""

from __future__ import annotations

import html
from collections.abc import Mapping

import streamlit as st

_IN_CLASS_ORDER = 14  # classes; more are sorted by probability and scroll
_STYLE = """<style>
.wafer-bars {display: grid; grid-template-columns: fit-content(45%) minmax(4rem, 1fr) auto;
  gap: 0.3rem 0.7rem; align-items: center; font-size: 0.95rem; line-height: 1.25;
  overflow-y: auto}
.wafer-bars .name {overflow-wrap: anywhere}
.wafer-bars .track {height: 0.95rem; border-radius: 3px; overflow: hidden;
  background: color-mix(in srgb, currentColor 10%, transparent)}
.wafer-bars .track i {display: block; height: 100%; min-width: 1px; border-radius: 3px;
  background: #6F8FA8}
.wafer-bars .top .track i, .wafer-bars .track.top i {background: #1B86C8}
.wafer-bars .value {text-align: right; font-variant-numeric: tabular-nums}
.wafer-bars .top {font-weight: 650}
</style>"""


def probability_bars(
    probabilities: Mapping[str, float], label: str, height: int | None = None
) -> None:
    """One bar a class in class order, the highest in colour.

    Args:
        probabilities: Class name to probability, 0 to 1.
        label: What the bars show, for a screen reader; translated.
        height: Pixels beyond which the bars scroll.
    """
    top = max(probabilities, key=lambda name: probabilities[name], default="")
    names = list(probabilities)
    if len(names) > _IN_CLASS_ORDER:
        names.sort(key=lambda name: -probabilities[name])
    rows = []
    for name in names:
        share = min(max(float(probabilities[name]), 0.0), 1.0)
        mark = " top" if name == top else ""
        rows.append(
            f'<span class="name{mark}">{html.escape(name)}</span>'
            f'<span class="track{mark}"><i style="width:{100 * share:.2f}%"></i></span>'
            f'<span class="value{mark}">{share:.1%}</span>'
        )
    limit = f"max-height:{height}px" if height else ""
    st.html(
        f'{_STYLE}<div class="wafer-bars" role="group" aria-label="{html.escape(label)}" '
        f'style="{limit}">{"".join(rows)}</div>'
    )
