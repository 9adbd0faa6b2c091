"""ATDF: the text form of STDF V4.

Source: ASCII Test Data Format (ATDF) Specification, Version 2 (Teradyne): records are
``NAME:field|field|…`` with the fields in an order of their own, the separator is the character
after ``FAR:A``, and a line that begins with a space continues the one before.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from wafer_core.importers.die_maps import DieMap
from wafer_core.importers.fab_files import (
    decode_head,
    decode_text,
    guarded,
    iso_time,
    number,
    whole,
)
from wafer_core.importers.stdf_wafers import (
    FAILED,
    NO_BIN_NUMBER,
    NO_COORDINATE,
    NO_VERDICT,
    SAME_PART,
    StdfRun,
    decoded,
)

_FAR = re.compile(r"\s*FAR:A(\W)\s*4\b")
_VERDICTS = {"P": 0, "F": FAILED, "A": FAILED}
Fields = list[str]


def recognises(head: bytes) -> bool:
    """Whether a file begins with the FAR of an ATDF file."""
    return _FAR.match(decode_head(head)) is not None


@guarded("ATDF")
def read(data: bytes, name: str, soft_bins: bool = False) -> list[DieMap]:
    """The wafers of an ATDF file.

    Args:
        data: Content of the file.
        name: Of the file, for messages.
        soft_bins: Whether maps hold soft bins instead of hard bins.

    Returns:
        One map for each WIR, in the order of the file.

    Raises:
        PictureError: Damaged, or no die with coordinates.
    """
    text = decode_text(data)
    begin = _FAR.match(text)
    if begin is None:
        raise ValueError("no FAR")
    run = decoded(name, lambda run: _decode(text, begin[1], run))
    return run.die_maps(soft_bins)


def _decode(text: str, separator: str, run: StdfRun) -> None:
    """Fill in what the records say."""
    readers: dict[str, Callable[[StdfRun, Fields], None]] = {
        "MIR": _mir,
        "MRR": _mrr,
        "SDR": _sdr,
        "HBR": _hbr,
        "SBR": _sbr,
        "WIR": _wir,
        "WRR": _wrr,
        "WCR": _wcr,
        "PRR": _prr,
    }
    for kind, content in _records(text, frozenset(readers)):
        fields = [field.strip() for field in content.split(separator)]
        readers[kind](run, fields + [""] * 12)


def _records(text: str, kinds: frozenset[str]) -> Iterator[tuple[str, str]]:
    """Names and contents of the records that matter, their lines joined.

    A last line without an end is left out unless it is an MRR: its last number may be cut off.
    """
    kind, parts = "", [""]
    for line in text.splitlines(keepends=True):
        if line[:1] == " ":
            if kind:
                parts.append(line[1:].rstrip("\r\n"))
            continue
        if kind:
            yield kind, "".join(parts)
        kind = line[:3] if line[3:4] == ":" and line[:3] in kinds else ""
        parts = [line[4:].rstrip("\r\n")]
    if kind and (kind == "MRR" or text.endswith(("\n", "\r"))):
        yield kind, "".join(parts)


def _mir(run: StdfRun, fields: Fields) -> None:
    run.lot, run.product, _, node, tester, _, start = fields[:7]
    run.testers[:0] = [node, tester]
    run.time = iso_time(start)


def _mrr(run: StdfRun, fields: Fields) -> None:
    run.complete = True  # it is the last record


def _sdr(run: StdfRun, fields: Fields) -> None:
    run.testers.append(fields[4])


def _hbr(run: StdfRun, fields: Fields) -> None:
    _bin(run, fields, soft=False)


def _sbr(run: StdfRun, fields: Fields) -> None:
    _bin(run, fields, soft=True)


def _bin(run: StdfRun, fields: Fields, soft: bool) -> None:
    bin_number = whole(fields[2])
    if bin_number is not None:
        run.add_bin(soft, bin_number, fields[5], fields[4])


def _wir(run: StdfRun, fields: Fields) -> None:
    run.begin_wafer(whole(fields[0]) or 0, fields[3], iso_time(fields[1]))


def _wrr(run: StdfRun, fields: Fields) -> None:
    run.end_wafer(whole(fields[0]) or 0, fields[3])


def _wcr(run: StdfRun, fields: Fields) -> None:
    flat, x_to, y_to, _, height, width = fields[:6]
    run.configure(number(width) or 0.0, number(height) or 0.0, flat, x_to, y_to)


def _prr(run: StdfRun, fields: Fields) -> None:
    head, hard, soft, x, y = (whole(fields[k]) for k in (0, 5, 6, 7, 8))
    if hard is None or not 0 <= hard <= NO_BIN_NUMBER:
        run.damaged += 1
        return
    x, y = (NO_COORDINATE if c is None or abs(c) > 32768 else c for c in (x, y))
    soft = soft if soft is not None and 0 <= soft <= NO_BIN_NUMBER else NO_BIN_NUMBER
    flags = _VERDICTS.get(fields[4].upper(), NO_VERDICT)
    flags |= SAME_PART if fields[9].upper() == "I" else 0
    run.add_part(head or 0, (x, y, hard, soft, flags), fields[2])
