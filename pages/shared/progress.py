"""How far what a page does itself has come, with the time left; jobs tell their own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import streamlit as st

from pages.shared.jobs_panel import seconds_text

_SOONEST = 1.0  # seconds of work before the pace says anything


@contextmanager
def bar(text: str) -> Iterator[Callable[..., None]]:
    """A bar that goes when the work is done.

    Args:
        text: What is being done.

    Yields:
        To be called with the share done, 0 to 1, and a new text if there is one.
    """
    shown = st.progress(0.0, text)
    begun = time.perf_counter()
    latest = text

    def tell(share: float, now: str | None = None) -> None:
        nonlocal latest
        latest = now or latest
        worked = time.perf_counter() - begun
        share = min(max(share, 0.0), 1.0)
        left = ""
        if 0 < share < 1 and worked >= _SOONEST:
            left = f" · {seconds_text(worked * (1 - share) / share)} left"
        shown.progress(share, latest + left)

    try:
        yield tell
    finally:
        shown.empty()
