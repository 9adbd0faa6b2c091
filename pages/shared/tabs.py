"""Tabs that stay open when the language changes or the user comes back to the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from pages.shared.words import t


def tabs(titles: Mapping[str, str], key: str) -> tuple[str, Any]:
    """Draw tabs; only the open one has to be filled.

    Streamlit knows a tab by its label, which depends on the language. The open tab is therefore
    kept under ``key`` in the session state, by its key in ``titles``.

    Args:
        titles: From a key to the title, which is translated here.
        key: Prefix of the keys in the session state.

    Returns:
        The key of the open tab, and its container.
    """
    labels = {name: t(title) for name, title in titles.items()}
    widget = f"{key}_label"
    wanted = st.session_state.pop(f"{key}_wanted", None)
    if wanted not in labels and st.session_state.get(widget) not in labels.values():
        wanted = st.session_state.get(key)
        wanted = wanted if wanted in labels else next(iter(labels))
    if wanted in labels:
        st.session_state[widget] = labels[wanted]
    panels = st.tabs(list(labels.values()), key=widget, on_change="rerun")
    name, panel = next((pair for pair in zip(labels, panels, strict=True) if pair[1].open),
                       (next(iter(labels)), panels[0]))  # fmt: skip
    st.session_state[key] = name
    return name, panel


def open_tab(key: str, name: str) -> None:
    """Open a tab in the next run of the page.

    Args:
        key: As given to ``tabs``.
        name: Key of the tab.
    """
    st.session_state[f"{key}_wanted"] = name
