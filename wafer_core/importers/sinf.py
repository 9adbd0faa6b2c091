"""SINF: wafer maps of probers as text, one header line a field and one RowData line a row.

Source: Simplified Integrator Nested Format (SINF), a subset of the INF results files of KLA: fields
DEVICE, LOT, WAFER, FNLOC, ROWCT, COLCT, BCEQU, DUTMS, XDIES, YDIES; ``RowData`` of two hexadecimal
digits a die (three digits are decimal), ``__`` no die, ``@@`` a die that was not inspected. Without
BCEQU, bin 01 passes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from wafer_core.errors import PictureError
from wafer_core.importers.die_grids import check_rows, map_of_codes, notch_down
from wafer_core.importers.die_maps import NO_BIN, Bin, DieMap
from wafer_core.importers.fab_files import (
    CellLimit,
    decode_head,
    decode_text,
    guarded,
    number,
    ratio,
    whole,
)
from wafer_core.importers.items import MEGA
from wafer_core.messages import Message, counted, listed, message

_MAX_BYTES = 24 * MEGA
_FIELD = re.compile(r"[A-Za-z]+")
_HEX = re.compile(r"[0-9A-Fa-f]+")
_NAMING = ("DEVICE", "LOT", "WAFER")
_SIDES = {0: "up", 90: "right", 180: "down", 270: "left"}  # of FNLOC, in degrees


def recognises(head: bytes) -> bool:
    """Whether a file begins with fields of a SINF header."""
    lines = decode_head(head).lstrip().splitlines()[:40]
    names = {_field(line)[0] for line in lines}
    known = {"DEVICE", "LOT", "WAFER", "FNLOC", "ROWCT", "COLCT", "BCEQU", "ROWDATA"}
    return len(names & known) >= 3 and bool(names & {"ROWCT", "COLCT", "ROWDATA"})


@guarded("SINF", _MAX_BYTES)
def read(data: bytes, name: str) -> list[DieMap]:
    """The wafers of a SINF file; most have one.

    Args:
        data: Content of the file.
        name: Of the file, for messages.

    Returns:
        One map for each header that is followed by rows.

    Raises:
        PictureError: Rows are missing or damaged, or there is no die.
    """
    limit = CellLimit(name)
    maps = [
        _die_map(fields, lines, limit) for fields, lines in _sections(decode_text(data)) if lines
    ]
    if not maps:
        raise PictureError("{file}: there are no RowData lines; export the file again.", file=name)
    return maps


def _sections(text: str) -> Iterable[tuple[dict[str, str], list[str]]]:
    """Header and rows of each wafer."""
    fields: dict[str, str] = {}
    lines: list[str] = []
    for line in text.splitlines():
        key, value = _field(line)
        if key == "ROWDATA":
            lines.append(value)
        if not key or key == "ROWDATA":
            continue
        if lines and key in _NAMING:
            yield fields, lines
            fields, lines = {}, []
        fields[key] = value
    yield fields, lines


def _field(line: str) -> tuple[str, str]:
    """Name in upper case and value of a line; an empty name if it is no field."""
    key, _, value = line.partition(":")
    key = key.strip().upper()
    return (key, value.strip()) if _FIELD.fullmatch(key) else ("", "")


def _die_map(fields: dict[str, str], lines: Sequence[str], limit: CellLimit) -> DieMap:
    columns = whole(fields.get("COLCT", ""))
    rows = [_codes(line, columns) for line in lines]
    check_rows(rows, whole(fields.get("ROWCT", "")), limit.name)
    if columns is not None and columns != len(rows[0]):
        raise PictureError(
            "{file}: the rows have {found:,} dies and COLCT says {expected:,}; export the file "
            "again.",
            file=limit.name,
            found=len(rows[0]),
            expected=columns,
        )
    used = sorted(set().union(*rows))
    base = 10 if all(len(code) > 2 for code in used) else 16
    numbers = {code: int(code, base) if _HEX.fullmatch(code) else NO_BIN for code in used}
    if any(value > NO_BIN for value in numbers.values()):
        raise ValueError("a bin has too many digits")
    good = [int(code, base) for code in re.split(r"[\s,]+", fields.get("BCEQU", "")) if code]
    # As the specification says; a header without BCEQU is no guess of this program.
    passing = set(good or [1])
    bins = sorted({value for value in numbers.values() if value != NO_BIN} | passing)
    notes: list[Message] = []
    other = [code for code in used if numbers[code] == NO_BIN and code.strip("_")]
    if other:
        dies = sum(row.count(code) for row in rows for code in other)
        notes.append(
            counted(
                "{count:,} position with the code {codes} was not inspected; it is no die.",
                "{count:,} positions with the codes {codes} were not inspected; they are no dies.",
                dies,
                codes=listed(other),
            )
        )
    if not good:
        notes.append(message("The file names no passing bins (BCEQU); bin 01 passes."))
    degrees = whole(fields.get("FNLOC", ""))
    found = DieMap(
        bins=map_of_codes(rows, numbers, limit),
        wafer=fields.get("WAFER", ""),
        lot=fields.get("LOT") or None,
        table=tuple(Bin(value, "", value in passing) for value in bins),
        product=fields.get("DEVICE", ""),
        aspect=ratio(number(fields.get("XDIES", "")), number(fields.get("YDIES", ""))),
        notch=None if degrees is None else _SIDES.get(degrees % 360),
        notes=tuple(notes),
    )
    return notch_down(found)


def _codes(line: str, columns: int | None) -> list[str]:
    """The codes of a row, which may stand without spaces."""
    codes = line.split()
    if len(codes) == 1 and columns and columns > 1 and len(line) % columns == 0:
        width = len(line) // columns
        codes = [line[at : at + width] for at in range(0, len(line), width)]
    return codes
