"""What the readers of fab formats share: damaged files, limits, texts, dates, numbers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import wraps
from math import isfinite
from typing import Concatenate, ParamSpec

from wafer_core.errors import PictureError, WaferError
from wafer_core.importers.die_maps import DieMap
from wafer_core.importers.items import MEGA

P = ParamSpec("P")

MAX_TEXT_BYTES = 64 * MEGA  # as text and tokens it takes several times that
MAX_CELLS = 100_000_000  # of all maps of one file; a few bytes may claim dies far apart
_MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]


def guarded(
    format_name: str, max_bytes: int = MAX_TEXT_BYTES
) -> Callable[
    [Callable[Concatenate[bytes, str, P], list[DieMap]]],
    Callable[Concatenate[bytes, str, P], list[DieMap]],
]:
    """Decorator of a reader: whatever it raises on damaged data becomes a ``PictureError``.

    Args:
        format_name: For the message.
        max_bytes: Of a file; larger ones are rejected.
    """

    def decorate(
        read: Callable[Concatenate[bytes, str, P], list[DieMap]],
    ) -> Callable[Concatenate[bytes, str, P], list[DieMap]]:
        @wraps(read)
        def checked(data: bytes, name: str, /, *args: P.args, **kwargs: P.kwargs) -> list[DieMap]:
            if len(data) > max_bytes:
                raise PictureError(
                    "{file}: the file is larger than {limit:.0f} MB; reduce or split it.",
                    file=name,
                    limit=max_bytes / MEGA,
                )
            try:
                return read(data, name, *args, **kwargs)
            except (WaferError, MemoryError):
                raise
            except Exception as exc:  # damaged data may lead to any error
                raise PictureError(
                    "{file} could not be read as {format}; it is damaged. Export it again.",
                    file=name,
                    format=format_name,
                ) from exc

        return checked

    return decorate


class CellLimit:
    """Counts the cells of the maps of one file, so that it cannot fill the memory."""

    def __init__(self, name: str) -> None:
        self.name, self.left = name, MAX_CELLS

    def take(self, height: int, width: int) -> None:
        """Count one map.

        Raises:
            PictureError: The maps of the file have too many cells together.
        """
        self.left -= height * width
        if self.left < 0:
            raise PictureError(
                "{file}: the maps of the file have more than {most:,} die positions; split the "
                "file, or check the coordinates.",
                file=self.name,
                most=MAX_CELLS,
            )


def decode_text(data: bytes) -> str:
    """The text of a file: UTF-8 or UTF-16 with a byte order mark, else UTF-8, Korean, Latin-1."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    for encoding in ("utf-8-sig", "cp949"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return data.decode("latin-1")


def decode_head(head: bytes) -> str:
    """The text of the first bytes of a file, which may end within a character."""
    return (
        decode_text(head)
        if head[:2] in (b"\xff\xfe", b"\xfe\xff")
        else head.lstrip(b"\xef\xbb\xbf").decode("latin-1")
    )


def iso_time(text: str) -> str:
    """Date and time in ISO 8601, of the forms that fab files use; empty if there is none.

    >>> iso_time("07-14-77 8:07:09"), iso_time("8:14:59 23-JUL-1992"), iso_time("20200327205747")
    ('1977-07-14T08:07:09', '1992-07-23T08:14:59', '2020-03-27T20:57:47')
    """
    clock = re.search(r"(?<!\d)(\d{1,2}):(\d\d)(?::(\d\d))?", text)
    hour, minute, second = (int(part or 0) for part in clock.groups()) if clock else (0, 0, 0)
    if packed := re.search(r"(?<!\d)(\d{4})(\d\d)(\d\d)(?:(\d\d)(\d\d)(\d\d)\d*)?(?!\d)", text):
        year, month, day, *rest = (int(part or 0) for part in packed.groups())
        if not clock:
            hour, minute, second = rest
    elif named := re.search(r"(\d{1,2})[- ]([A-Za-z]{3})[a-z]*[- ](\d{4}|\d\d)(?!\d)", text):
        if named[2].upper() not in _MONTHS:
            return ""
        day, month, year = int(named[1]), _MONTHS.index(named[2].upper()) + 1, int(named[3])
    elif first := re.search(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})", text):
        year, month, day = (int(part) for part in first.groups())
    elif last := re.search(r"(\d{1,2})[-/.](\d{1,2})[-/.](\d{4}|\d\d)(?!\d)", text):
        month, day, year = (int(part) for part in last.groups())
        if month > 12:
            month, day = day, month
    else:
        return ""
    if year < 100:
        year += 2000 if year < 70 else 1900
    try:
        return datetime(year, month, day, hour, minute, second).isoformat()
    except ValueError:
        return ""


def character_bin(code: str) -> int:
    """Bin of a one-character code: 0 to 9, A = 10 to Z = 35, a = 36 to z = 61, others from 100."""
    if code in "0123456789":
        return int(code)
    if "A" <= code <= "Z":
        return ord(code) - ord("A") + 10
    if "a" <= code <= "z":
        return ord(code) - ord("a") + 36
    return 100 + ord(code) % 60000


def whole(text: str) -> int | None:
    """A whole number such as “12” or “12.0”; ``None`` for anything else, such as “NA”."""
    try:
        value = int(text)
    except ValueError:
        real = number(text)
        if real is None or not real.is_integer():
            return None
        value = int(real)
    return value if abs(value) < 2**31 else None


def number(text: str) -> float | None:
    """A finite number; ``None`` for anything else, such as “NA”."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if isfinite(value) else None


def ratio(width: float | None, height: float | None) -> float | None:
    """Width of a die divided by its height; ``None`` unless both are plausible sizes."""
    if not (width and height and 0 < width < 1e12 and 0 < height < 1e12):
        return None
    return width / height if 0.01 <= width / height <= 100 else None


def first_of(values: Iterable[str]) -> str:
    """The first text that is not empty."""
    return next((value for value in values if value), "")
