"""Wafers of one test run, as STDF and its text form ATDF describe it.

Both readers fill a ``StdfRun`` record by record; what the records mean is decided here. Source:
Standard Test Data Format (STDF) Specification, Version 4 (Teradyne), sections “Wafer Information
Record (WIR)”, “Wafer Results Record (WRR)”, “Wafer Configuration Record (WCR)”, “Part Results
Record (PRR)”, “Hardware Bin Record (HBR)”, “Software Bin Record (SBR)”. V4-2007 adds records that
say nothing about dies, and changes none of these.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from wafer_core.errors import PictureError
from wafer_core.importers.die_grids import (
    Flags,
    Integers,
    map_of_dies,
    notch_down,
    side_of_word,
)
from wafer_core.importers.die_maps import DEFAULT_PASS_BINS, Bin, DieMap
from wafer_core.importers.fab_files import CellLimit, first_of, ratio
from wafer_core.messages import Message, counted, message

NO_COORDINATE = -32768
NO_BIN_NUMBER = 65535
FAILED, NO_VERDICT = 0x08, 0x10  # bits 3 and 4 of PART_FLG
SAME_PART = 0x01  # bit 0: this test supersedes the last one of the same PART_ID

MAX_PARTS, MAX_WAFERS = 5_000_000, 10_000  # of one file

# x, y, hard bin, soft bin, PART_FLG
Part = tuple[int, int, int, int, int]


@dataclass
class TestedWafer:
    """One wafer while its records are read.

    Attributes:
        name: WAFER_ID.
        time: START_T, ISO 8601.
        parts: Tests in their order, those with coordinates: five numbers each, as in ``Part``.
        places: Coordinates of the parts by PART_ID, if they are kept.
        without_place: Number of parts that have no coordinates.
        notes: For the user.
    """

    name: str
    time: str = ""
    parts: array[int] = field(default_factory=lambda: array("i"))
    places: dict[object, tuple[int, int]] = field(default_factory=dict)
    without_place: int = 0
    notes: list[Message] = field(default_factory=list)

    def columns(self) -> Integers:
        """The parts as an array (5, N)."""
        return np.array(self.parts, np.int64).reshape(-1, 5).T


@dataclass
class StdfRun:
    """What a test file says.

    Attributes:
        file: Name of the file.
        keep_ids: Whether to keep the places of all parts by their PART_ID, which takes memory.
        lost_retests: Number of retests that give only the PART_ID of the part.
        lot: LOT_ID of the MIR.
        product: PART_TYP of the MIR.
        testers: NODE_NAM and TSTR_TYP of the MIR, HAND_ID of the SDR: the first that is given.
        time: START_T of the MIR, ISO 8601.
        flat: WF_FLAT of the WCR: U, D, L or R.
        x_to: POS_X of the WCR: L or R.
        y_to: POS_Y of the WCR: U or D.
        aspect: Width of a die divided by its height; the unit does not matter.
        hard_bins: Of the HBRs: name and P or F.
        soft_bins: Of the SBRs: name and P or F.
        complete: Whether the file ends with an MRR, as it should.
        damaged: Number of parts that could not be read.
    """

    file: str
    keep_ids: bool = False
    lost_retests: int = 0
    lot: str = ""
    product: str = ""
    testers: list[str] = field(default_factory=list)
    time: str = ""
    flat: str = ""
    x_to: str = ""
    y_to: str = ""
    aspect: float | None = None
    hard_bins: dict[int, tuple[str, str]] = field(default_factory=dict)
    soft_bins: dict[int, tuple[str, str]] = field(default_factory=dict)
    complete: bool = False
    damaged: int = 0
    wafers: list[TestedWafer] = field(default_factory=list)
    _open: dict[int, TestedWafer] = field(default_factory=dict)
    _parts: int = 0

    def begin_wafer(self, head: int, name: str, time: str) -> None:
        """WIR: the parts of this test head now belong to another wafer."""
        if len(self.wafers) >= MAX_WAFERS:
            raise PictureError(
                "{file}: the file has more than {most:,} wafers; split it.",
                file=self.file,
                most=MAX_WAFERS,
            )
        wafer = TestedWafer(name, time)
        self.wafers.append(wafer)
        self._open[head] = wafer

    def end_wafer(self, head: int, name: str) -> None:
        """WRR: may name a wafer that the WIR did not."""
        if (wafer := self._open.get(head)) and not wafer.name:
            wafer.name = name

    def configure(self, width: float, height: float, flat: str, x_to: str, y_to: str) -> None:
        """WCR: size of a die, place of the flat, directions of the axes."""
        self.aspect = ratio(width, height) or self.aspect
        self.flat, self.x_to, self.y_to = flat.upper(), x_to.upper(), y_to.upper()

    def add_part(self, head: int, part: Part, part_id: object) -> None:
        """PRR: the result of one part.

        Args:
            head: Test head; several sites of a head test one wafer.
            part: Coordinates, bins and flags.
            part_id: Empty if there is none.
        """
        wafer = self._open.get(head)
        if wafer is None:  # 255 stands for all heads; without a WIR there is one wafer
            wafer = self.wafers[-1] if self.wafers else self._first(head)
        if NO_COORDINATE in part[:2]:
            place = None
            if part[4] & SAME_PART and part_id:
                self.lost_retests += 1
                place = wafer.places.get(part_id)
            if place is None:
                wafer.without_place += 1
                return
            part = (*place, *part[2:])
        elif part_id and self.keep_ids:
            wafer.places[part_id] = part[:2]
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise PictureError(
                "{file}: the file has more than {most:,} parts; split it.",
                file=self.file,
                most=MAX_PARTS,
            )
        wafer.parts.extend(part)

    def _first(self, head: int) -> TestedWafer:
        self.begin_wafer(head, "", "")
        return self.wafers[-1]

    def add_bin(self, soft: bool, bin_number: int, name: str, verdict: str) -> None:
        """HBR or SBR: one bin; it may be repeated for each site."""
        bins = self.soft_bins if soft else self.hard_bins
        old_name, old_verdict = bins.get(bin_number, ("", ""))
        verdict = verdict.upper()
        bins[bin_number] = (
            name or old_name,
            verdict if verdict in ("P", "F") else old_verdict,
        )

    def die_maps(self, soft_bins: bool = False) -> list[DieMap]:
        """The wafers, one map each.

        Args:
            soft_bins: Whether maps hold soft bins; hard bins where a part has none.

        Raises:
            PictureError: No wafer has dies with coordinates.
        """
        wafers = [wafer for wafer in _joined(self.wafers) if wafer.parts]
        if not wafers:
            parts = sum(wafer.without_place for wafer in self.wafers)
            raise PictureError(
                "{file}: no die has coordinates (parts without: {parts:,}); it is no wafer test, "
                "or it was cut off before the first die.",
                file=self.file,
                parts=parts,
            )
        table = self._table(soft_bins)
        limit = CellLimit(self.file)
        maps, errors = [], []
        for order, wafer in enumerate(wafers, 1):
            try:
                maps.append(self._die_map(order, wafer, table, soft_bins, limit))
            except PictureError as exc:  # coordinates too far apart
                errors.append(exc)
        if not maps:
            raise errors[0]
        notes = (*self._damage(), *(error.message for error in errors))
        maps[-1] = replace(maps[-1], notes=(*maps[-1].notes, *notes))
        return maps

    def _damage(self) -> Iterable[Message]:
        if not self.complete:
            yield message("The file is cut off or damaged; what comes before was read.")
        if self.damaged:
            yield counted(
                "{count:,} damaged entry was left out.",
                "{count:,} damaged entries were left out.",
                self.damaged,
            )

    def _table(self, soft_bins: bool) -> tuple[Bin, ...]:
        bins = self.soft_bins if soft_bins else self.hard_bins
        return tuple(
            Bin(bin_number, name, {"P": True, "F": False}.get(verdict))
            for bin_number, (name, verdict) in sorted(bins.items())
            if bin_number < NO_BIN_NUMBER
        )

    def _die_map(
        self,
        order: int,
        wafer: TestedWafer,
        table: tuple[Bin, ...],
        soft_bins: bool,
        limit: CellLimit,
    ) -> DieMap:
        x, y, hard, soft, part_flags = wafer.columns()
        bins = np.where(soft == NO_BIN_NUMBER, hard, soft) if soft_bins else hard
        bins = np.where(bins >= NO_BIN_NUMBER, 0, bins)
        if self.x_to == "L":
            x = -x
        if self.y_to == "U":
            y = -y
        passed = _passed(bins, part_flags, table)
        grid, flags = map_of_dies(x, y, bins, passed, limit)
        found = DieMap(
            bins=grid,
            wafer=wafer.name or str(order),
            lot=self.lot or None,
            flags=flags,
            table=table,
            product=self.product,
            tester=first_of(self.testers),
            time=wafer.time or self.time,
            aspect=self.aspect,
            notch=side_of_word(self.flat),
            notes=(*wafer.notes, *self._notes(wafer, len(x))),
        )
        again = len(x) - found.dies
        if again:
            note = counted(
                "{count:,} test of a die was repeated; the last one counts.",
                "{count:,} tests of dies were repeated; the last one of each die counts.",
                again,
            )
            found = replace(found, notes=(*found.notes, note))
        return notch_down(found)

    def _notes(self, wafer: TestedWafer, tests: int) -> Iterable[Message]:
        if wafer.without_place:
            yield counted(
                "{count:,} part has no coordinates and was left out.",
                "{count:,} parts have no coordinates and were left out.",
                wafer.without_place,
            )
        if self.x_to not in ("L", "R") or self.y_to not in ("U", "D"):
            yield message(
                "The file does not say where x and y point; x to the right and y downwards were "
                "assumed."
            )


def _passed(bins: Integers, part_flags: Integers, table: tuple[Bin, ...]) -> Flags | None:
    """Whether each part passed: by its flag, else by its bin; ``None`` if no flag is valid."""
    unknown = (part_flags & NO_VERDICT) != 0
    if unknown.all():
        return None
    passed: Flags = (part_flags & FAILED) == 0
    good = [b.number for b in table if b.passes] or list(DEFAULT_PASS_BINS)
    passed[unknown] = np.isin(bins[unknown], good)
    return passed


def _joined(wafers: list[TestedWafer]) -> list[TestedWafer]:
    """Join the parts of wafers that were tested in several runs of one file.

    A second run with all the dies of the first one stays a wafer of its own; one with fewer dies
    (a retest of the failures) or with others (a continued test) belongs to the first.
    """
    joined: list[TestedWafer] = []
    by_name: dict[str, TestedWafer] = {}
    for wafer in wafers:
        first = by_name.get(wafer.name) if wafer.name else None
        if first is not None and not _covers(wafer, first):
            first.parts += wafer.parts
            first.without_place += wafer.without_place
            note = message("The wafer was tested in several runs; they were joined.")
            if note not in first.notes:
                first.notes.append(note)
            continue
        joined.append(wafer)
        if wafer.parts:
            by_name[wafer.name] = wafer
    return joined


def _covers(wafer: TestedWafer, first: TestedWafer) -> bool:
    """Whether a wafer has at least nine tenths of the dies of another."""
    (x, y), (first_x, first_y) = (each.columns()[:2] for each in (wafer, first))
    others = np.unique(first_x * 65536 + first_y)
    return bool(np.isin(others, x * 65536 + y).sum() >= 0.9 * len(others))


def decoded(name: str, decode: Callable[[StdfRun], None]) -> StdfRun:
    """What a file says; with the PART_IDs only where some retest needs them.

    Args:
        name: Of the file.
        decode: Fills in what the records say.
    """
    run = StdfRun(name)
    decode(run)
    if run.lost_retests:
        run = StdfRun(name, keep_ids=True)
        decode(run)
    return run
