"""Dates and durations for people: in the time zone and the language of this tab."""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

import streamlit as st

from pages.shared.words import t_raw, tn_raw

_IN_NAME = re.compile(r"(\d{8})-(\d{6})")  # as names.timestamp_name writes it


def local(moment: datetime | float | str | None) -> str:
    """A date and time as the browser's clock shows it, such as ``2026-11-27 21:45``.

    Args:
        moment: A date, seconds since 1970, or a text: ISO 8601, or a folder name that holds a
            time, such as ``run-20261127-190135-123456``. Without a time zone it is UTC.
    """
    found = _parse(moment)
    if found is None:
        return "–"
    zone = _zone()
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


def _parse(moment: datetime | float | str | None) -> datetime | None:
    if moment is None or isinstance(moment, datetime):
        return moment
    try:
        if isinstance(moment, int | float):
            return datetime.fromtimestamp(moment, UTC)
        if found := _IN_NAME.search(moment):
            return datetime.strptime("".join(found.groups()), "%Y%m%d%H%M%S").replace(tzinfo=UTC)
        parsed = datetime.fromisoformat(moment)
    except (ValueError, OverflowError, OSError):
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _zone() -> tzinfo | None:
    """The browser's time zone; ``None`` if it is unknown here."""
    try:
        name = st.context.timezone
        return ZoneInfo(name) if name else None
    except (KeyError, ValueError, OSError):  # a zone that this machine has no data for
        return None
