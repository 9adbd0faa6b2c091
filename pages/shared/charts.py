"""Plotly charts with text that is readable in light and dark."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go
import streamlit as st

from pages.shared import layout


def chart(figure: go.Figure, key: str, **options: Any) -> Any:
    """Draw a chart in the colour of the page's text; Streamlit's own grey is too pale.

    Args:
        figure: Changed in place.
        key: Of the widget.
        options: Of ``st.plotly_chart``.

    Returns:
        What ``st.plotly_chart`` returns.
    """
    colour = layout.text_colour()
    if colour is not None:
        font = {"color": colour}
        axis = {"tickfont": font, "title": {"font": font}}
        figure.update_xaxes(axis).update_yaxes(axis)
        figure.update_layout(font=font, legend={"font": font}, title={"font": font})
    options.setdefault("config", {"displayModeBar": False})
    return st.plotly_chart(figure, key=key, **options)
