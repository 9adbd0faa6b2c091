"""Lists of dies: a table with a row for each die, with its place and its bin."""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from wafer_core.errors import PictureError
from wafer_core.importers.cells import MAX_FIELD, Row, Table
from wafer_core.importers.die_grids import map_of_dies
from wafer_core.importers.die_maps import DieMap
from wafer_core.importers.fab_files import CellLimit, character_bin, iso_time
from wafer_core.importers.folders import word_list
from wafer_core.importers.labels import clean_label
from wafer_core.importers.numbers import UndecidedError
from wafer_core.importers.options import Mask, ReadOptions
from wafer_core.messages import Message, counted, message
from wafer_core.names import fold

MAX_WAFERS = 10_000  # of one file
_MAX_HEADER = 60  # rows before the names of the columns
_MAX_BIN = 65534
_MIN_PITCH = 10  # a larger common divisor of the coordinates is the pitch of the dies

# Names of columns, without blanks and signs, in the order of preference.
_COLUMNS: dict[str, tuple[str, ...]] = {
    "x": word_list(
        "x diex xdie dx xcoord coordx xcoordinate diexcoord xcoords xloc xpos posx "
        "xaddress xadr xindex indexx diecol diecolumn dicol column col colno columnno "
        "mapx waferx partx x좌표 좌표x 다이x 열 칼럼 컬럼"
    ),
    "y": word_list(
        "y diey ydie dy ycoord coordy ycoordinate dieycoord ycoords yloc ypos posy "
        "yaddress yadr yindex indexy dierow dirow row rowno mapy wafery party y좌표 좌표y "
        "다이y 행 로우"
    ),
    "bin": word_list(
        "hbin hardbin hwbin hbinnum hardbinnum hbinno hardbinno hardwarebin hb bin "
        "binno binnum binnumber bincode binid diebin hbinnumber 하드빈 하드웨어빈 빈 빈번호 빈코드 "
        "sbin softbin swbin sbinnum softbinnum sbinno softwarebin sb 소프트빈"
    ),
    "result": word_list(
        "result passfail pf testresult pass fail status judge judgement judgment "
        "verdict grade ispass isfail passflag failflag passed failed good bad defect 결과 "
        "판정 양불 합부 합격 불량 양품"
    ),
    "lot": word_list(
        "lot lotid lotno lotname lotnumber batch 로트 랏 롯트 로트번호 로트id 랏번호 lot번호"
    ),
    "wafer": word_list(
        "wafer waferid waferno wafername wafernumber wafernum wfid wf slot slotno "
        "waferindex 웨이퍼 웨이퍼번호 웨이퍼id 웨이퍼no 슬롯"
    ),
    "product": word_list(
        "device product deviceid productid devicename parttype 제품 제품명 디바이스"
    ),
    "tester": word_list(
        "tester testerid equipment equipmentid machine 테스터 장비 설비"
    ),
    "time": word_list(
        "time date datetime timestamp testtime testdate starttime endtime 일시 시간 날짜 측정일시"
    ),
    "label": word_list(
        "label class pattern failuretype defecttype patterntype classname 분류 유형 패턴 불량유형 "
        "클래스 라벨"
    ),
}  # fmt: skip
_PASS = frozenset(word_list("pass p ok good g passed true y yes 양품 합격 양 정상 적합"))
_FAIL = frozenset(word_list("fail f ng bad b failed reject false n no 불량 불합격 불 부적합 kill"))
_FACTS = ("lot", "wafer", "product", "tester", "time", "label")

Y_GUESS = message(
    "The table does not say whether y runs up or down; larger y was read as further down. Turn the "
    "maps if that is wrong."
)


@dataclass(frozen=True)
class Header:
    """Which column of a table holds what.

    Attributes:
        row: Number of the row with the names, from 0.
        columns: Column of each kind, see ``_COLUMNS``.
        names: Name of each kind's column.
        facts: What the rows before it say, such as the lot.
    """

    row: int
    columns: Mapping[str, int]
    names: Mapping[str, str]
    facts: Mapping[str, str]


def find_header(rows: Iterable[Row]) -> Header | None:
    """The names of the columns of a list of dies; ``None`` for any other table."""
    facts: dict[str, str] = {}
    for number, row in zip(range(_MAX_HEADER), rows, strict=False):
        columns, names = _match(row)
        if {"x", "y"} <= columns.keys() and columns.keys() & {"bin", "result"}:
            return Header(number, columns, names, facts)
        facts |= _fact(row)
    return None


def _match(row: Row) -> tuple[dict[str, int], dict[str, str]]:
    places: dict[str, int] = {}
    for place, cell in reversed(list(enumerate(row))):
        places[_letters(cell)] = place  # the first of two columns of one name counts
    columns, names = {}, {}
    for kind, known in _COLUMNS.items():
        found = next((name for name in known if name in places), None)
        if found is not None:
            columns[kind], names[kind] = places[found], found
    return columns, names


def _letters(name: str) -> str:
    return re.sub(r"[\W_]+", "", fold(re.sub(r"\(.*?\)|\[.*?\]", "", name[:MAX_FIELD])))


def _fact(row: Row) -> dict[str, str]:
    """What a row such as “Lot: A12” or “Lot, A12” says."""
    cells = [cell for cell in row if cell]
    if len(cells) == 1 and (match := re.match(r"([^:=]{1,40})[:=]\s*(.+)", cells[0])):
        cells = [match[1], match[2]]
    if len(cells) != 2:
        return {}
    key = _letters(cells[0])
    kind = next((kind for kind in _FACTS if key in _COLUMNS[kind]), None)
    return {} if kind is None else {kind: cells[1].strip(" :=")}


@dataclass
class _Wafer:
    """The dies of one wafer while the rows are read."""

    facts: dict[str, str]
    x: array[float] = field(default_factory=lambda: array("d"))
    y: array[float] = field(default_factory=lambda: array("d"))
    bins: array[int] = field(default_factory=lambda: array("l"))
    passed: array[int] = field(default_factory=lambda: array("b"))


def read_list(table: Table, header: Header, name: str, options: ReadOptions) -> list[DieMap]:
    """The wafers of a list of dies; the last test of a die counts.

    Args:
        table: The table.
        header: Its columns.
        name: Of the file, for messages.
        options: What 1 means in a column of results, if that is open.

    Raises:
        PictureError: No row is a die, or a value cannot be read.
    """
    reader = _Reader(table, header, name, options)
    rows = table.rows()
    kept = (row for row in rows if any(row)) if table.cells or table.delimiter else rows
    for number, row in enumerate(kept):
        if number > header.row and any(row):
            reader.add(row)
    return reader.wafers()


class _Reader:
    """Collects the dies of each wafer, row by row, in columns of numbers."""

    def __init__(self, table: Table, header: Header, name: str, options: ReadOptions) -> None:
        self._table, self._header, self._name = table, header, name
        self._columns = header.columns
        self._wafers: dict[tuple[str, str], _Wafer] = {}
        self._skipped = 0
        self._result = self._result_reader(options)

    def add(self, row: Row) -> None:
        """Take one row; a row without a place, such as a total, is counted and left out."""
        x, y = self._number(row, "x"), self._number(row, "y")
        if x is None or y is None:
            self._skipped += 1
            return
        facts = {kind: self._cell(row, kind) for kind in _FACTS if kind in self._columns}
        key = facts.get("lot", ""), facts.get("wafer", "")
        wafer = self._wafers.get(key)
        if wafer is None:
            if len(self._wafers) >= MAX_WAFERS:
                raise PictureError(
                    "{file}: the table has more than {most:,} wafers; split it, or check the "
                    "columns for lot and wafer.",
                    file=self._name,
                    most=MAX_WAFERS,
                )
            given = {kind: value for kind, value in facts.items() if value}
            wafer = self._wafers[key] = _Wafer({**self._header.facts, **given})
        verdict = self._result(self._cell(row, "result")) if "result" in self._columns else None
        found = self._bin(row, verdict)
        if found is None:
            self._skipped += 1
            return
        wafer.x.append(x)
        wafer.y.append(y)
        wafer.bins.append(found)
        wafer.passed.append(-1 if verdict is None else verdict)

    def wafers(self) -> list[DieMap]:
        """The maps of all wafers.

        Raises:
            PictureError: There is none.
        """
        if not any(len(wafer.x) for wafer in self._wafers.values()):
            raise PictureError(
                "{file}: no row of the table has numbers for x, y and bin; check the columns.",
                file=self._name,
            )
        limit = CellLimit(self._name)
        notes: list[Message] = [Y_GUESS]
        if self._skipped:
            notes.append(
                counted(
                    "{file}: {count:,} row without x, y or bin was left out.",
                    "{file}: {count:,} rows without x, y or bin were left out.",
                    self._skipped,
                    file=self._name,
                )
            )
        return [self._map(w, limit, tuple(notes)) for w in self._wafers.values() if len(w.x)]

    def _map(self, wafer: _Wafer, limit: CellLimit, notes: tuple[Message, ...]) -> DieMap:
        x = _indices(np.array(wafer.x), "x", self._name)
        y = _indices(np.array(wafer.y), "y", self._name)
        verdicts = np.array(wafer.passed, np.int8)
        has_verdicts = bool((verdicts >= 0).all())
        bins, flags = map_of_dies(
            x, y, np.array(wafer.bins, np.int64), verdicts > 0 if has_verdicts else None, limit
        )
        facts = wafer.facts
        return DieMap(
            bins,
            facts.get("wafer", ""),
            facts.get("lot"),
            flags,
            product=facts.get("product", ""),
            tester=facts.get("tester", ""),
            time=iso_time(facts.get("time", "")),
            label=clean_label(facts.get("label")),
            notes=notes,
        )

    def _cell(self, row: Row, kind: str) -> str:
        place = self._columns[kind]
        return row[place] if place < len(row) else ""

    def _number(self, row: Row, kind: str) -> float | None:
        return self._table.number(self._cell(row, kind))

    def _bin(self, row: Row, verdict: int | None) -> int | None:
        if "bin" not in self._columns:
            return None if verdict is None else 1 if verdict else 2
        cell = self._cell(row, "bin")
        value = self._table.number(cell)
        if value is None:
            if len(cell) != 1 or not cell.isalnum():
                return None if verdict is None else 1 if verdict else 2
            return character_bin(cell)
        if not 0 <= value <= _MAX_BIN or value != int(value):
            raise PictureError(
                "{file}: the bin {value} is no whole number from 0 to 65,534; check the column.",
                file=self._name,
                value=cell[:20],
            )
        return int(value)

    def _result_reader(self, options: ReadOptions) -> Callable[[str], int | None]:
        """From a cell of the results to 1 (passed), 0 (failed) or nothing."""
        header = self._header.names.get("result", "")
        one: int | None = None
        if header in ("pass", "ispass", "passflag", "passed", "good", "합격", "양품"):
            one = 1
        elif header in ("fail", "isfail", "failflag", "failed", "bad", "defect", "불량"):
            one = 0
        elif options.mask is not None:
            one = 0 if options.mask is Mask.FAIL else 1
        has_bins = "bin" in self._columns

        def read(cell: str) -> int | None:
            word = fold(cell)
            if word in _PASS or word in _FAIL:
                return int(word in _PASS)
            if word not in ("0", "1") or has_bins:
                return None
            if one is None:
                raise UndecidedError(
                    "{file}: the results are 0 and 1, and this can mean several things; say "
                    "whether 1 is a failed or a passed die.",
                    file=self._name,
                )
            return one if word == "1" else 1 - one

        return read


def _indices(values: npt.NDArray[np.float64], axis: str, name: str) -> npt.NDArray[np.int64]:
    """Whole numbers of columns or rows: places in mm or µm are divided by the pitch.

    Raises:
        PictureError: They are on no grid.
    """
    places = np.unique(values)
    if not np.isfinite(places).all() or np.abs(places).max() > 2**52:
        raise _no_grid(axis, name)
    if (places == np.rint(places)).all():
        whole = places.astype(np.int64)
        pitch = int(np.gcd.reduce(np.diff(whole))) if len(whole) > 1 else 1
        if pitch < _MIN_PITCH:
            return values.astype(np.int64)
        return np.asarray((values - places[0]) // pitch, np.int64)
    gaps = np.diff(places)
    gaps = gaps[gaps > 1e-6 * np.ptp(places)]
    steps = (values - places[0]) / gaps.min()
    if np.abs(steps - np.rint(steps)).max() > 0.2:
        raise _no_grid(axis, name)
    return np.asarray(np.rint(steps), np.int64)


def _no_grid(axis: str, name: str) -> PictureError:
    return PictureError(
        "{file}: the places in column {axis} are on no grid of dies; give the column and row of "
        "each die.",
        file=name,
        axis=axis,
    )
