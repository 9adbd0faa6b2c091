"""Tables of wafers: lists of dies, pivoted tables, and tables with a cell for each die."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from wafer_core.errors import InputError, PictureError
from wafer_core.importers.cells import MAX_TEXT_BYTES, Row, Table, sheets, text_table
from wafer_core.importers.die_files import found_wafers
from wafer_core.importers.die_lists import find_header, read_list
from wafer_core.importers.items import FoundFile, Limits, Loaded, Rejected, Scan, SourceFile
from wafer_core.importers.numbers import Meaning, find_meaning, load_numbers
from wafer_core.importers.options import ReadOptions
from wafer_core.importers.pictures import storable
from wafer_core.names import fold

FORMAT = "table"
_MAX_SIDE = 4096
_EMPTY = frozenset(("", "nan", "na", "n/a", "none", "null", "-", ".", "_", "x", "#n/a"))
_WORDS = {"pass": 1.0, "p": 1.0, "ok": 1.0, "good": 1.0, "fail": 2.0, "f": 2.0, "ng": 2.0,
          "bad": 2.0, "양품": 1.0, "불량": 2.0, "합격": 1.0, "불합격": 2.0}  # fmt: skip


class NoTableError(PictureError):
    """A text that is no table of dies at all."""


def read_text_table(file: SourceFile, limits: Limits, options: ReadOptions) -> Scan:
    """The wafers of a table in text: .csv, .tsv, .txt with any delimiter.

    Raises:
        PictureError: It is no table of dies.
    """
    del limits
    data = file.read(MAX_TEXT_BYTES)
    if not data:
        raise PictureError("{file}: the file is empty (0 bytes); export it again.", file=file.name)
    return Scan([_read(text_table(data, file.name), file, options)])


def read_spreadsheet(file: SourceFile, limits: Limits, options: ReadOptions) -> Scan:
    """The wafers of a spreadsheet; sheets that are no table of dies are rejected one by one.

    Raises:
        PictureError: It is damaged, too large, or empty.
    """
    scan = Scan()
    tables = sheets(file, limits)
    if not tables:
        raise PictureError("{file}: the table is empty; export it again.", file=file.name)
    for table in tables:
        name = file.name if len(tables) == 1 else f"{file.name}/{table.name}"
        try:
            scan.files.append(_read(table, file.named(name), options))
        except InputError as exc:
            scan.rejected.append(Rejected(name, exc.message))
    return scan


def _read(table: Table, file: SourceFile, options: ReadOptions) -> FoundFile:
    sample = table.sample()
    if not sample:
        raise PictureError("{file}: the table is empty; export it again.", file=file.name)
    header = find_header(sample)
    if header is not None:
        return found_wafers(read_list(table, header, file.name, options), FORMAT, file, options)
    values = _grid(table, file.name)
    meaning = find_meaning(values, file.name)
    if np.isfinite(values).all() and meaning.kind == "grey":
        raise PictureError(
            "{file}: the table has values up to {high:g}, so they are no dies; give 0 (no die), 1 "
            "(pass) and 2 (fail), bins, or columns with the names x, y and bin.",
            file=file.name,
            high=float(values.max()),
        )

    def load() -> Loaded:
        return _load(values, meaning, file.name, options)

    return FoundFile(file.name, FORMAT, [file.candidate(load)], meaning.notes)


def _load(
    values: npt.NDArray[np.float64], meaning: Meaning, name: str, options: ReadOptions
) -> Loaded:
    loaded = load_numbers(values, meaning, name, options)
    return Loaded(storable(loaded.picture, name), None, loaded.notes, loaded.die_map)


def _grid(table: Table, name: str) -> npt.NDArray[np.float64]:
    """The numbers of a table with a cell for each die, NaN for empty ones.

    Names of rows and columns, as of pivoted tables, are left out.
    """
    rows: list[list[float]] = []
    first_row: list[str] | None = None
    has_blanks = False
    for number, cells in enumerate(table.rows(), start=1):
        if not any(cells) and not table.cells and len(cells) < 2:
            continue
        if first_row is None:
            first_row = list(cells)
            if _is_header(first_row, table):
                continue
        values = [_value(cell, table) for cell in cells]
        if None in values[1:] or (values[0] is None and not _is_name(cells[0])):
            wrong = cells[values.index(None)]
            raise _no_die(wrong, number, name, PictureError if rows else NoTableError)
        has_blanks = has_blanks or any(cell == "" for cell in cells)
        rows.append([math.nan if value is None else value for value in values])
        if len(rows) > _MAX_SIDE or len(cells) > _MAX_SIDE + 1:
            raise PictureError(
                "{file}: the table has more than {most:,} rows or columns, and no columns named x, "
                "y and bin; check it.",
                file=name,
                most=_MAX_SIDE,
            )
    if not rows or first_row is None:
        raise PictureError("{file}: the table is empty; export it again.", file=name)
    width = max(map(len, rows))
    for number, row in enumerate(rows, start=1):
        if len(row) != width and not has_blanks:
            raise PictureError(
                "{file}: row {row} has {count} values and the first row has {first}; give a "
                "rectangular table of 0 (no die), 1 (pass) and 2 (fail).",
                file=name,
                row=number,
                count=len(row),
                first=len(rows[0]),
            )
        row += [math.nan] * (width - len(row))
    return _without_names(np.array(rows, np.float64), first_row, table)


def _value(cell: str, table: Table) -> float | None:
    """The number of a die; NaN for an empty cell, ``None`` for anything else."""
    found = table.number(cell)
    if found is not None:
        return found
    word = fold(cell)
    return math.nan if word in _EMPTY else _WORDS.get(word)


def _is_name(cell: str) -> bool:
    """Whether the first cell of a row may be its name, such as “y=3” or “row 3”."""
    return any(c.isdigit() for c in cell) and any(c.isalpha() for c in cell)


def _is_header(row: Row, table: Table) -> bool:
    """Whether a first row only names the columns: 0 to n, coordinates, or x=1, x=2 …"""
    if len(row) < 5:
        return False
    if not any(cell == "" for cell in row[1:]) and all(_is_name(cell) for cell in row[1:]):
        return True
    numbers = [table.number(cell) for cell in row[1:]]
    return _counts(numbers)


def _counts(numbers: Sequence[float | None]) -> bool:
    """Whether numbers rise or fall by 1 from each to the next, and there are enough of them."""
    known = [number for number in numbers if number is not None]
    if len(known) != len(numbers) or len(known) < 4:
        return False
    steps = np.diff(known)
    return bool((steps == 1).all() or (steps == -1).all())


def _without_names(
    values: npt.NDArray[np.float64], first_row: Sequence[str], table: Table
) -> npt.NDArray[np.float64]:
    """The dies alone: the first column is left out where it only names the rows."""
    has_header = _is_header(first_row, table)
    column = values[:, 0]
    names_rows = len(values) >= 4 and (
        _counts(column.tolist()) or (np.isnan(column).all() and table.number(first_row[0]) is None)
    )
    if has_header and names_rows and values.shape[1] > 4:
        values = values[:, 1:]
    while values.shape[1] > 1 and np.isnan(values[:, -1]).all():  # lines that end in a delimiter
        values = values[:, :-1]
    return values


def _no_die(cell: str, number: int, name: str, kind: type[PictureError]) -> PictureError:
    return kind(
        "{file}: row {row} contains “{cell}”; give a table of 0 (no die), 1 (pass) and 2 (fail), "
        "or columns with the names x, y and bin.",
        file=name,
        row=number,
        cell=cell[:20],
    )
