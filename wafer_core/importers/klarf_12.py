"""KLARF 1.0 to 1.2: statements ``Keyword values ;`` with lengths in µm.

Source: KLA Results File Format, version 1.2 (KLA): statements SampleTestPlan, DefectRecordSpec,
DefectList, ClassLookup, TiffFileName; the form of IMAGELIST differs between programs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from wafer_core.errors import PictureError
from wafer_core.importers.fab_files import whole
from wafer_core.importers.klarf_content import (
    DefectColumns,
    InspectedWafer,
    KlarfFile,
    cut_off,
    pairs,
)

_NM, _MAX_FIELDS = 1000.0, 500
_QUOTED_OR_END = re.compile(r'"[^"\n]*"|;')
_TOKEN = re.compile(r'"([^"\n]*)"|([^\s"]+)')
Row = tuple[list[str], list[str]]  # values by column, page numbers of its pictures


def parse(text: str, name: str) -> KlarfFile:
    """What the statements say.

    Raises:
        PictureError: Cut off, or a defect does not have the values that DefectRecordSpec names.
    """
    if not text.rstrip("\0 \t\r\n\x1a").endswith(";"):
        raise cut_off(name)
    return _Statements(name).read(text)


class _Statements:
    """Reads one statement after another; fields hold until they are stated again."""

    def __init__(self, name: str) -> None:
        self.name, self.file = name, KlarfFile(_NM)
        self.fields: dict[str, list[str]] = {}
        self.wafer: InspectedWafer | None = None
        self.columns: list[str] = []
        self.picture = ""

    def read(self, text: str) -> KlarfFile:
        for statement in _statements(text):
            keyword, *rest = statement.split(None, 1)
            self._statement(keyword.lower(), rest[0] if rest else "")
        self._end_wafer()
        return self.file

    def _statement(self, keyword: str, rest: str) -> None:
        if keyword in ("fileversion", "lotid", "waferid") and self._has_content():
            self._end_wafer()
        if keyword == "sampletestplan":
            self._plan(_tokens(rest))
        elif keyword == "removeddielist":
            self._current().removed.update(pairs(_tokens(rest)[1:]))
        elif keyword == "classlookup":
            values = _tokens(rest)[1:]
            for class_number, class_name in zip(values[::2], values[1::2], strict=False):
                self.file.add_class(class_number, class_name)
        elif keyword == "defectrecordspec":
            self.columns = [column.upper() for column in _tokens(rest)[1:]]
        elif keyword == "tifffilename":
            self.picture = "".join(_tokens(rest)[:1])
        elif keyword == "defectlist":
            self._defects(rest)
        elif keyword == "endoffile":
            self.file.ended = True
        else:
            if keyword == "waferid":
                self._current()
            if len(self.fields) < _MAX_FIELDS or keyword in self.fields:
                self.fields[keyword] = _tokens(rest)

    def _plan(self, values: list[str]) -> None:
        """``N x y x y …``"""
        dies = pairs(values[1:])
        stated = whole(values[0]) if values else 0
        if stated is not None and stated > len(dies):
            raise PictureError(
                "{file}: SampleTestPlan states {stated:,} dies and lists {found:,}; export the "
                "file again.",
                file=self.name,
                stated=stated,
                found=len(dies),
            )
        self._current().add_plan(dies)

    def _has_content(self) -> bool:
        wafer = self.wafer
        return wafer is not None and (wafer.plan is not None or wafer.defects is not None)

    def _current(self) -> InspectedWafer:
        if self.wafer is None:
            self.wafer = InspectedWafer()
        return self.wafer

    def _end_wafer(self) -> None:
        if self.wafer is not None:
            self.wafer.fields = dict(self.fields)
            self.file.add_wafer(self.wafer, self.name)
        self.wafer, self.picture = None, ""

    def _defects(self, body: str) -> None:
        tokens: list[str] = []
        starts = set()
        for line in body.split("\n"):
            starts.add(len(tokens))
            tokens += _tokens(line)
        if not tokens:
            self._current().add_defects([])
            return
        if not self.columns:
            raise PictureError(
                "{file}: DefectRecordSpec is missing before the DefectList; export the file again.",
                file=self.name,
            )
        columns = DefectColumns(self.columns, self.file.nm)
        rows = _rows(tokens, starts, self.columns, self.name)
        self._current().add_defects(
            columns.take(values, tuple(_image_name(self.picture, page) for page in pages))
            for values, pages in rows
        )


def _image_name(picture: str, page: str) -> str:
    """Name of a picture: its file, with the page of a TIFF, which may hold many."""
    if picture and not picture.lower().endswith((".tif", ".tiff")):
        return picture
    return f"{picture}#{page}"


def _statements(text: str) -> Iterator[str]:
    """The parts before each semicolon that does not stand in quotes."""
    begin = 0
    for found in _QUOTED_OR_END.finditer(text):
        if found[0] == ";":
            if statement := text[begin : found.start()].strip():
                yield statement
            begin = found.end()
    if rest := text[begin:].strip():
        yield rest


def _tokens(text: str) -> list[str]:
    if '"' not in text:
        return text.split()
    return [found[2] if found[1] is None else found[1] for found in _TOKEN.finditer(text)]


def _rows(tokens: list[str], starts: set[int], columns: list[str], name: str) -> list[Row]:
    """Rows of a defect list, whose lines may be broken.

    The pictures of a defect stand in its row as ``page type`` pairs, in two forms: after their
    number, or without it, as many as IMAGECOUNT says. A form is right if its rows fill the list
    and each begins on a line of its own; if no form is, rows may begin anywhere.
    """
    forms = ["fixed"]
    if "IMAGELIST" in columns:
        forms = ["counted", "plain"] if "IMAGECOUNT" in columns else ["counted"]
    elif "IMAGECOUNT" in columns:
        forms = ["fixed", "plain"]
    for line_starts in (starts, None):
        for form in forms:
            rows, complete = _rows_of_form(form, tokens, line_starts, columns)
            if complete:
                return rows
    rows, _ = _rows_of_form(forms[0], tokens, starts, columns)
    raise PictureError(
        "{file}: defect {count:,} of the DefectList does not have the values that DefectRecordSpec "
        "names ({columns}); export the file again.",
        file=name,
        count=max(len(rows), 1),
        columns=len(columns),
    )


def _rows_of_form(
    form: str, tokens: list[str], starts: set[int] | None, columns: list[str]
) -> tuple[list[Row], bool]:
    """The rows as far as they fit, and whether all do.

    Args:
        form: ``fixed`` (no pictures), ``counted`` or ``plain``.
        tokens: Values of all rows.
        starts: Where lines begin; ``None``: rows may begin anywhere.
        columns: Names of the columns.
    """
    at = columns.index("IMAGELIST") if "IMAGELIST" in columns else len(columns)
    after = max(len(columns) - at - 1, 0)
    rows: list[Row] = []
    begin = 0
    while begin < len(tokens):
        pages = _pages(form, tokens, begin, columns, at)
        end = len(tokens) + 1 if pages is None else pages[1] + after
        if pages is None or end > len(tokens) or (starts is not None and begin not in starts):
            return rows, False
        first, last = pages
        rows.append(([*tokens[begin : begin + at], "", *tokens[last:end]], tokens[first:last:2]))
        begin = end
    return rows, True


def _pages(
    form: str, tokens: list[str], begin: int, columns: list[str], at: int
) -> tuple[int, int] | None:
    """Where the pictures of a row begin and end; ``None`` if there is no number of them."""
    first = begin + at
    if form == "fixed":
        return first, first
    place = first if form == "counted" else begin + columns.index("IMAGECOUNT")
    count = whole(tokens[place]) if place < len(tokens) else None
    if count is None or count < 0:
        return None
    first += form == "counted"
    return first, first + 2 * count
