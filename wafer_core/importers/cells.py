"""Tables as rows of cells: from text with any delimiter, and from spreadsheets."""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from wafer_core.errors import PictureError
from wafer_core.importers.archives import open_zip
from wafer_core.importers.fab_files import decode_text
from wafer_core.importers.items import MEGA, Limits, SourceFile, decoding

MAX_TEXT_BYTES = 64 * MEGA
MAX_CELLS = 20_000_000  # of a spreadsheet, which is read as a whole
MAX_FIELD = 4096  # characters of a cell
SAMPLE = 400  # lines that decide on the delimiter and the kind of a table
_DECIMAL_COMMA = re.compile(r"[-+]?\d+,\d+")
_NUMBER = re.compile(r"[-+]?(?:\d+[.,]?\d*|[.,]\d+)(?:[eE][-+]?\d+)?")

Row = Sequence[str]


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes:
        name: Of the sheet; empty if the file is one table.
        text: Its lines, or
        cells: its rows, already divided.
        delimiter: Between the cells of a line; a blank: any white space.
        decimal_comma: Whether a comma separates decimals.
    """

    name: str = ""
    text: str = ""
    cells: Sequence[Row] = ()
    delimiter: str = ","
    decimal_comma: bool = False

    def rows(self) -> Iterator[Row]:
        """The rows, one by one; white space around cells is cut off."""
        if self.cells:
            yield from self.cells
            return
        lines = io.StringIO(self.text, newline=None)
        if self.delimiter == " ":
            yield from (line.split() for line in lines)
            return
        csv.field_size_limit(MAX_FIELD)
        for row in csv.reader(lines, delimiter=self.delimiter, skipinitialspace=True):
            yield [cell.strip() for cell in row]

    def sample(self) -> list[Row]:
        """The first rows that are not empty."""
        return list(itertools.islice((row for row in self.rows() if any(row)), SAMPLE))

    def number(self, cell: str) -> float | None:
        """The number in a cell; ``None`` if it is something else."""
        if not _NUMBER.fullmatch(cell):
            return None
        try:
            return float(cell.replace(",", ".") if self.decimal_comma else cell)
        except ValueError:  # 1,234.5
            return None


def is_text(head: bytes) -> bool:
    """Whether the first bytes of a file are text."""
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return True
    return (
        bool(head) and b"\0" not in head and sum(c < 32 and c not in b"\t\n\r\f" for c in head) == 0
    )


def text_table(data: bytes, name: str) -> Table:
    """The table of a text file: comma, semicolon, tab, bar or white space, in any usual encoding.

    Raises:
        PictureError: It is no text.
    """
    if not is_text(data[:4096]):
        raise PictureError("{file} is not a text file; export the table as CSV.", file=name)
    text = decode_text(data)
    lines = [line for line in itertools.islice(io.StringIO(text), SAMPLE) if line.strip()]
    if re.fullmatch(r"sep=.\s*", lines[0] if lines else ""):  # written by spreadsheets
        text = text.split("\n", 1)[1]
        lines = lines[1:]
    delimiter = _delimiter(lines)
    commas = any(_DECIMAL_COMMA.search(line) for line in lines)
    return Table(text=text, delimiter=delimiter, decimal_comma=commas and delimiter != ",")


def _delimiter(lines: Iterable[str]) -> str:
    """The character that divides most lines into the same number of cells."""
    best, most = " ", 0
    lines = list(lines)
    for character in ";\t|,":
        counts = Counter(line.count(character) for line in lines)
        counts.pop(0, None)
        if counts:
            count, times = counts.most_common(1)[0]
            # a decimal comma occurs in each cell, a delimiter between them
            score = times * (1000 + min(count, 999) * (character != ","))
            if times >= len(lines) / 2 and score > most:
                best, most = character, score
    return best


def sheets(file: SourceFile, limits: Limits) -> list[Table]:
    """The sheets of a spreadsheet.

    Raises:
        PictureError: It is damaged or too large.
        ArchiveError: It is a hostile zip.
    """
    from python_calamine import CalamineWorkbook

    data = file.read(limits.max_file_bytes)
    if data[:2] == b"PK":
        archive, _ = open_zip(file, limits)
        archive.close()
    tables = []
    with decoding(file.name):
        book = CalamineWorkbook.from_filelike(io.BytesIO(data))
        for name in book.sheet_names:
            sheet = book.get_sheet_by_name(name)
            if sheet.total_height * sheet.total_width > MAX_CELLS:
                raise PictureError(
                    "{file}: the sheet “{sheet}” has more than {most:,} cells; split it.",
                    file=file.name,
                    sheet=name[:40],
                    most=MAX_CELLS,
                )
            rows = [[_cell(value) for value in row] for row in sheet.to_python()]
            if any(any(row) for row in rows):
                tables.append(Table(name, cells=rows))
    return tables


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()[:MAX_FIELD]
