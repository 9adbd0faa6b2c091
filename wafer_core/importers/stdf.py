"""STDF V4 and V4-2007: the binary result files of testers.

Source: Standard Test Data Format (STDF) Specification, Version 4 (Teradyne), sections “STDF Record
Structure”, “Data Type Codes and Representation”, “Optional Fields and Missing/Invalid Data”, and
those of the records named below. Only the records that describe wafers are unpacked; all others,
such as the many test results, are skipped by their length.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from datetime import UTC, datetime

from wafer_core.errors import PictureError
from wafer_core.importers.die_maps import DieMap
from wafer_core.importers.fab_files import guarded
from wafer_core.importers.items import MEGA
from wafer_core.importers.stdf_wafers import NO_COORDINATE, StdfRun, decoded

_VAX = 0  # CPU_TYPE of machines with another form of numbers
_MAX_BYTES = 256 * MEGA
# REC_TYP and REC_SUB of the specification, V4-2007 included; 180 and 181 are free for programs.
_KNOWN = {
    (0, 10), (0, 20), (0, 30),
    (1, 10), (1, 20), (1, 30), (1, 40), (1, 50), (1, 60), (1, 62), (1, 63), (1, 70), (1, 80),
    (1, 90), (1, 91), (1, 92), (1, 93), (1, 94),
    (2, 10), (2, 20), (2, 30),
    (5, 10), (5, 20),
    (10, 30),
    (15, 10), (15, 15), (15, 20), (15, 30),
    (20, 10), (20, 20),
    (50, 10), (50, 30),
}  # fmt: skip
_FREE = (180, 181)
_NO_SOFT_BIN = b"\xff\xff"


def recognises(head: bytes) -> bool:
    """Whether a file begins as STDF: a FAR of two bytes, in either byte order."""
    return head[:2] in (b"\x02\x00", b"\x00\x02") and head[2:4] == b"\x00\x0a"


@guarded("STDF", _MAX_BYTES)
def read(data: bytes, name: str, soft_bins: bool = False) -> list[DieMap]:
    """The wafers of an STDF file.

    Args:
        data: Content of the file.
        name: Of the file, for messages.
        soft_bins: Whether maps hold soft bins instead of hard bins.

    Returns:
        One map for each WIR, in the order of the file.

    Raises:
        PictureError: Not STDF V4, or no die with coordinates.
    """
    if not recognises(data) or len(data) < 6:
        raise PictureError("{file} does not begin as an STDF file; export it again.", file=name)
    if data[5] != 4:
        raise PictureError(
            "{file}: STDF version {version} is not supported; convert the file to version 4.",
            file=name,
            version=int(data[5]),
        )
    run = decoded(name, lambda run: _Decoder(data, run).decode())
    return run.die_maps(soft_bins)


class _Decoder:
    """Walks through the records of one file."""

    def __init__(self, data: bytes, run: StdfRun) -> None:
        # The length of the FAR tells the order of bytes; CPU_TYPE should tell the same.
        self._order = "<" if data[0] == 2 else ">"
        self._vax = data[4] == _VAX
        self._data, self._run = data, run
        self._prr = struct.Struct(self._order + "BBBHHHhh")
        self._no_place = struct.pack(self._order + "hh", NO_COORDINATE, NO_COORDINATE)

    def decode(self) -> None:
        """Read all records, as far as they are intact."""
        data, size = self._data, len(self._data)
        header = struct.Struct(self._order + "HBB").unpack_from
        readers: dict[tuple[int, int], Callable[[bytes], None]] = {
            (1, 10): self._mir,
            (1, 20): self._mrr,
            (1, 40): self._hbr,
            (1, 50): self._sbr,
            (1, 80): self._sdr,
            (2, 10): self._wir,
            (2, 20): self._wrr,
            (2, 30): self._wcr,
            (5, 20): self._part,
        }
        known, at = _KNOWN, 0
        while at + 4 <= size:
            length, *pair = header(data, at)
            kind = (pair[0], pair[1])
            end = at + 4 + length
            if end > size or (kind not in known and not self._goes_on(kind, end)):
                break
            reader = readers.get(kind)
            if reader is not None:
                reader(data[at + 4 : end])
            at = end

    def _goes_on(self, kind: tuple[int, int], end: int) -> bool:
        """Whether an unknown record is one of a program, and not the middle of a damaged one."""
        if kind[0] in _FREE or end == len(self._data):
            return True
        return tuple(self._data[end + 2 : end + 4]) in _KNOWN

    def _text(self, record: bytes, at: int) -> tuple[str, int]:
        """Cn: a length byte and that many characters; empty where the record ends before."""
        if at >= len(record):
            return "", at
        end = at + 1 + record[at]
        raw = record[at + 1 : end]
        return _as_text(raw), end

    def _texts(self, record: bytes, at: int, count: int) -> list[str]:
        found = []
        for _ in range(count):
            text, at = self._text(record, at)
            found.append(text)
        return found

    def _values(self, form: str, record: bytes) -> tuple[int, ...]:
        """Fixed fields at the start of a record; those after its end are 0."""
        layout = struct.Struct(self._order + form)
        return layout.unpack(record[: layout.size].ljust(layout.size, b"\0"))

    def _mir(self, record: bytes) -> None:
        run = self._run
        start = self._values("II", record)[1]
        run.time = _iso(start)
        # after SETUP_T, START_T, STAT_NUM, MODE_COD, RTST_COD, PROT_COD, BURN_TIM, CMOD_COD
        run.lot, run.product, node, tester = self._texts(record, 15, 4)
        run.testers[:0] = [node, tester]

    def _mrr(self, record: bytes) -> None:
        self._run.complete = True  # it is the last record

    def _sdr(self, record: bytes) -> None:
        if len(record) > 2:
            self._run.testers.append(self._texts(record, 3 + record[2], 2)[1])

    def _hbr(self, record: bytes) -> None:
        self._bin(record, soft=False)

    def _sbr(self, record: bytes) -> None:
        self._bin(record, soft=True)

    def _bin(self, record: bytes, soft: bool) -> None:
        if len(record) >= 4:
            bin_number = self._values("BBH", record)[2]
            verdict = record[8:9].decode("latin-1")
            self._run.add_bin(soft, bin_number, self._text(record, 9)[0], verdict)

    def _wir(self, record: bytes) -> None:
        head, _, start = self._values("BBI", record)
        self._run.begin_wafer(head, self._text(record, 6)[0], _iso(start))

    def _wrr(self, record: bytes) -> None:
        if record:
            self._run.end_wafer(record[0], self._text(record, 26)[0])

    def _wcr(self, record: bytes) -> None:
        height, width = (self._real(record[at : at + 4]) for at in (4, 8))
        flat, x_to, y_to = (record[at : at + 1].decode("latin-1") for at in (13, 18, 19))
        self._run.configure(width, height, flat, x_to, y_to)

    def _real(self, raw: bytes) -> float:
        """R4: an IEEE number, or one of a VAX; 0 where the record ends before."""
        if len(raw) < 4:
            return 0.0
        if not self._vax:
            return float(struct.unpack(self._order + "f", raw)[0])
        bits = int.from_bytes(raw[1::-1] + raw[3:1:-1], "big")
        sign, exponent, fraction = bits >> 31, bits >> 23 & 0xFF, bits & 0x7FFFFF
        if not exponent:
            return 0.0
        return float((-1.0) ** sign * (0.5 + fraction / 2**24) * 2.0 ** (exponent - 128))

    def _part(self, record: bytes) -> None:
        if len(record) < 7:  # not even a hard bin
            self._run.damaged += 1
            return
        if len(record) < 13:  # missing fields at the end: soft bin, coordinates
            soft_bin = record[7:9] if len(record) >= 9 else _NO_SOFT_BIN
            record = record[:7] + soft_bin + self._no_place
        head, _, flags, _, hard, soft, x, y = self._prr.unpack_from(record)
        part_id = record[18 : 18 + record[17]] if len(record) > 17 else b""
        self._run.add_part(head, (x, y, hard, soft, flags), part_id)


def _iso(seconds: int) -> str:
    """A date and time of the file, seconds since 1970 in the local time of the tester."""
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat() if seconds else ""


def _as_text(raw: bytes) -> str:
    for encoding in ("utf-8", "cp949"):
        try:
            return raw.decode(encoding).strip(" \0")
        except UnicodeDecodeError:
            continue
    return raw.decode("latin-1").strip(" \0")
