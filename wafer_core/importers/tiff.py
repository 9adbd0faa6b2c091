"""The pages of a TIFF, found by their directories alone.

Source: TIFF 6.0 (Adobe 1992), section 2, and BigTIFF (Aware Systems).
"""

from __future__ import annotations

import struct
from typing import IO

from wafer_core.errors import PictureError
from wafer_core.importers.items import Limits

_SUBFILE_TYPE = 254  # tag; bit 0: a smaller version of another page
_MAX_ENTRIES = 4096  # of one page


def pages(stream: IO[bytes], name: str, limits: Limits) -> list[int]:
    """Where the directory of each page is in the file; previews of other pages are left out.

    Args:
        stream: The file, which can seek.
        name: For messages.
        limits: Limits of the import.

    Raises:
        PictureError: It has too many pages.
    """
    head = stream.read(16)
    order = "<" if head[:2] == b"II" else ">"
    is_big = head[2:4] in (b"+\0", b"\0+")
    at = _number(head[8:16] if is_big else head[4:8], order)
    found: list[int] = []
    seen: set[int] = set()
    while at and at not in seen:
        seen.add(at)
        if len(seen) > limits.max_pages:
            raise PictureError(
                "{file}: the TIFF has more than {most:,} pages; split it.",
                file=name,
                most=limits.max_pages,
            )
        entry, wide = (20, 8) if is_big else (12, 2)
        stream.seek(at)
        count = _number(stream.read(wide), order)
        if not 0 < count <= _MAX_ENTRIES:
            break
        entries = stream.read(count * entry)
        following = stream.read(8 if is_big else 4)
        if len(entries) < count * entry:
            break
        if not _is_preview(entries, entry, order) or not found:
            found.append(at)
        at = _number(following, order)
    return found or [0]


def _number(data: bytes, order: str) -> int:
    form = {2: "H", 4: "I", 8: "Q"}.get(len(data))
    return int(struct.unpack(order + form, data)[0]) if form else 0


def _is_preview(entries: bytes, size: int, order: str) -> bool:
    for start in range(0, len(entries), size):
        entry = entries[start : start + size]
        if _number(entry[:2], order) == _SUBFILE_TYPE:
            value = entry[8:12] if size == 12 else entry[12:20]
            return bool(_number(value, order) & 1)
    return False


def page_data(data: bytes, at: int) -> bytes:
    """The same file with another first page."""
    if at == 0:
        return data
    order = "<" if data[:2] == b"II" else ">"
    if data[2:4] in (b"+\0", b"\0+"):
        return data[:8] + struct.pack(order + "Q", at) + data[16:]
    return data[:4] + struct.pack(order + "I", at) + data[8:]
