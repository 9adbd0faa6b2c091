"""Dates and time zones as files and browsers give them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

_IN_NAME = re.compile(r"(\d{8})-(\d{6})")  # as names.timestamp_name writes it


def parse_moment(value: datetime | float | str | None) -> datetime | None:
    """A date with its time zone; ``None`` if it is none.

    Args:
        value: A date, seconds since 1970, or a text: ISO 8601, or a folder name that contains a
            time, such as ``run-20261127-190135-123456``. Without a time zone it is UTC.
    """
    try:
        if isinstance(value, int | float):
            return datetime.fromtimestamp(value, UTC)
        if isinstance(value, str):
            if found := _IN_NAME.search(value):
                value = datetime.strptime("".join(found.groups()), "%Y%m%d%H%M%S")
            else:
                value = datetime.fromisoformat(value)
    except (ValueError, OverflowError, OSError):
        return None
    if value is None or value.tzinfo is not None:
        return value
    return value.replace(tzinfo=UTC)


def find_zone(name: str | None) -> ZoneInfo | None:
    """The time zone of a name such as ``Asia/Seoul``; ``None`` if it is unknown here."""
    try:
        return ZoneInfo(name) if name else None
    except (KeyError, ValueError, OSError):  # a name of a browser, or no data on this machine
        return None
