"""Progress of work that a page does itself, with the time left; jobs report their own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from pages.shared import times
from pages.shared.words import t
from wafer_core.messages import Message
from wafer_core.progress import Pace, Progress

_SOONEST = 1.0  # seconds of work before the pace says anything


@contextmanager
def bar(text: str) -> Iterator[Progress]:
    """A bar that disappears when the work is done.

    Args:
        text: What is being done, as Markdown.

    Yields:
        To be called with the share done, 0 to 1, and a new text if there is one.
    """
    shown = st.progress(0.0, text)
    begun = time.monotonic()
    pace = Pace([(begun, 0.0)])
    latest = text

    def report(share: float, now: Message | None = None) -> None:
        nonlocal latest
        if now is not None:
            latest = t(now)
        moment = time.monotonic()
        pace.add(moment, share)
        left = pace.seconds_left(moment) if moment - begun >= _SOONEST else None
        if left and share < 1:
            shown.progress(
                share, t("{work} · {time} left", work=Message(latest), time=times.duration(left))
            )
        else:
            shown.progress(share, latest)

    try:
        yield Progress(report)
    finally:
        shown.empty()
