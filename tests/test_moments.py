"""Dates and time zones as files and browsers give them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from wafer_core.moments import find_zone, parse_moment
from wafer_core.names import timestamp_name

KOREAN = timezone(timedelta(hours=9))


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        (0, datetime(1970, 1, 1, tzinfo=UTC)),
        (1.5, datetime(1970, 1, 1, 0, 0, 1, 500_000, tzinfo=UTC)),
        ("run-20261127-190135-123456", datetime(2026, 11, 27, 19, 1, 35, tzinfo=UTC)),
        ("2026-11-27T19:01:35", datetime(2026, 11, 27, 19, 1, 35, tzinfo=UTC)),
        ("2026-11-27T19:01:35+09:00", datetime(2026, 11, 27, 19, 1, 35, tzinfo=KOREAN)),
        (datetime(2026, 1, 2), datetime(2026, 1, 2, tzinfo=UTC)),
        (datetime(2026, 1, 2, tzinfo=KOREAN), datetime(2026, 1, 2, tzinfo=KOREAN)),
        (None, None),
        ("yesterday", None),
        ("", None),
        ("run-20269999-999999", None),
        (1e300, None),
        (float("nan"), None),
    ],
)
def test_moments(value: datetime | float | str | None, moment: datetime | None) -> None:
    assert parse_moment(value) == moment


def test_the_time_in_a_folder_name_is_now() -> None:
    moment = parse_moment(timestamp_name("run"))
    assert moment is not None
    assert abs(datetime.now(UTC) - moment) < timedelta(seconds=5)


def test_zones() -> None:
    assert str(find_zone("Asia/Seoul")) == "Asia/Seoul"
    for name in (None, "", "Mars/Olympus", "../../etc/passwd", "/etc/passwd", "\x00", "a" * 5000):
        assert find_zone(name) is None
