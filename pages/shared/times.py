"""Dates and durations for people: in the time zone and the language of this tab."""

from __future__ import annotations

from datetime import UTC, datetime

import streamlit as st

from pages.shared.words import t_raw, tn_raw
from wafer_core.moments import find_zone, parse_moment


def local(moment: datetime | float | str | None) -> str:
    """A date and time as the browser's clock shows it, such as ``2026-11-27 21:45``.

    Args:
        moment: See ``wafer_core.moments.parse_moment``.
    """
    found = parse_moment(moment)
    if found is None:
        return "–"
    zone = find_zone(st.context.timezone)
    text = f"{found.astimezone(zone or UTC):%Y-%m-%d %H:%M}"
    return text if zone else f"{text} UTC"


def ago(moment: datetime) -> str:
    """How long ago, roughly."""
    seconds = (datetime.now(UTC) - moment).total_seconds()
    if seconds >= 86_400:
        return tn_raw("{count} day ago", "{count} days ago", int(seconds // 86_400))
    if seconds >= 3600:
        return tn_raw("{count} hour ago", "{count} hours ago", int(seconds // 3600))
    if seconds >= 60:
        return tn_raw("{count} minute ago", "{count} minutes ago", int(seconds // 60))
    return t_raw("just now")


def duration(seconds: float | None, exact: bool = False) -> str:
    """A duration: ``12 s``, ``3 min 5 s``, ``1 h 20 min``.

    Args:
        seconds: How long; ``None`` gives a dash.
        exact: Tenths of a second below ten seconds.
    """
    if seconds is None:
        return "–"
    if exact and seconds < 10:
        return t_raw("{seconds:.1f} s", seconds=float(seconds))
    whole = round(seconds)
    if whole < 60:
        return t_raw("{seconds} s", seconds=whole)
    if whole < 3600:
        return t_raw("{minutes} min {seconds} s", minutes=whole // 60, seconds=whole % 60)
    return t_raw("{hours} h {minutes} min", hours=whole // 3600, minutes=whole % 3600 // 60)
