"""KLARF 1.8: nested records with lengths in nm.

Source: KLA Results File Format, version 1.8 (KLA): ``Record NAME "id" { … }``,
``Field NAME n {value, …}``, ``List NAME { Columns n { type NAME, … } Data n { row; … } }``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from wafer_core.importers.klarf_content import (
    DefectColumns,
    InspectedWafer,
    KlarfFile,
    Names,
    RawDefect,
    cut_off,
    pairs,
)

_TOKEN = re.compile(r'"([^"\n]*)"|([{};,])|([^\s{};,"]+)')
_IDENTIFIED = {"lotrecord": "lotid", "waferrecord": "waferid"}
_QUOTED = '"'
_MAX_DEPTH = 20
Fields = dict[str, list[str]]
Token = tuple[str, str]  # mark (brace, comma, semicolon or quote; empty for words) and text


def parse(text: str, name: str) -> KlarfFile:
    """What the records say.

    Raises:
        PictureError: Cut off.
        ValueError: A row is damaged.
    """
    file = _Records(text, name).read()
    if not file.ended:
        raise cut_off(name)
    return file


class _Records:
    """Reads one token after another, with the records that are open."""

    def __init__(self, text: str, name: str) -> None:
        self.name = name
        self.tokens: Iterator[Token] = (
            (_QUOTED, found[1]) if found[1] is not None else (found[2] or "", found[3] or "")
            for found in _TOKEN.finditer(text)
        )
        self.file = KlarfFile(1.0)
        self.open: list[tuple[str, Fields]] = []
        self.outer: list[list[Fields]] = []  # of each wafer: fields of the records around it

    def read(self) -> KlarfFile:
        for mark, word in self.tokens:
            keyword = word.lower() if not mark else ""
            if mark == "}" and self.open:
                self.open.pop()
            elif keyword == "record":
                self._record()
            elif keyword == "field" and self.open:
                name = self._next()[1].lower()
                self.open[-1][1][name] = self._values()
            elif keyword == "list":
                self._list(self._next()[1].lower())
        # The fields of a lot may stand after its wafers, so they are added at the end.
        for wafer, outer in zip(self.file.wafers, self.outer, strict=True):
            for fields in reversed(outer):
                wafer.fields = {**fields, **wafer.fields}
        self.file.ended = not self.open
        return self.file

    def _next(self) -> Token:
        found = next(self.tokens, None)
        if found is None:
            raise cut_off(self.name)
        return found

    def _skip_to_brace(self) -> list[Token]:
        skipped = []
        while (found := self._next())[0] != "{":
            skipped.append(found)
        return skipped

    def _wafer(self) -> InspectedWafer | None:
        inside = any(kind == "waferrecord" for kind, _ in self.open)
        return self.file.wafers[-1] if inside else None

    def _record(self) -> None:
        kind = self._next()[1].lower()
        before = self._skip_to_brace()
        fields: Fields = {}
        if before and kind in _IDENTIFIED:
            fields[_IDENTIFIED[kind]] = [before[0][1]]
        if kind == "waferrecord":
            self.file.add_wafer(InspectedWafer(fields), self.name)
            self.outer.append([outer for _, outer in self.open])
        if len(self.open) >= _MAX_DEPTH:
            raise ValueError("records are nested too deeply")
        self.open.append((kind, fields))

    def _values(self) -> list[str]:
        """``n {a, b, c}``"""
        self._skip_to_brace()
        values = []
        while (found := self._next())[0] != "}":
            if found[0] in ("", _QUOTED):
                values.append(found[1])
        return values

    def _list(self, kind: str) -> None:
        self._skip_to_brace()
        columns: list[str] = []
        while (found := self._next())[0] != "}":
            if found[1].lower() == "columns":
                columns = [value.upper() for value in self._values()[1::2]]  # “type NAME”
            elif found[1].lower() == "data":
                self._skip_to_brace()
                self._data(kind, columns)

    def _data(self, kind: str, columns: list[str]) -> None:
        wafer = self._wafer()
        take = None
        found: list[RawDefect | None] = []
        if kind == "defectlist" and wafer is not None:
            take = DefectColumns(columns, self.file.nm)
        for values, images in self._rows():
            if kind == "classlookuplist":
                self.file.add_class(values[0], values[1])
            elif wafer is None:
                continue
            elif take is not None:
                if len(values) != len(columns):
                    raise ValueError("a defect has the wrong number of values")
                found.append(take.take(values, images))
            elif kind == "sampletestplanlist":
                wafer.add_plan(pairs(values[:2]))
            elif kind == "removeddielist":
                wafer.removed.update(pairs(values[:2]))
        if take is not None and wafer is not None:
            wafer.add_defects(found)

    def _rows(self) -> Iterator[tuple[list[str], Names]]:
        """Rows ``a b c;`` in which ``Images n { "name" "type" 1 "kind", … }`` is one value."""
        values: list[str] = []
        images: Names = ()
        while (found := self._next())[0] != "}":
            if found[0] == ";":
                yield values, images
                values, images = [], ()
            elif found == ("", "Images"):
                images = tuple(self._image_names())
                values.append("")
            elif found[0] != ",":
                values.append(found[1])
        if values:
            yield values, images

    def _image_names(self) -> Iterator[str]:
        """The first value of each group between commas."""
        self._skip_to_brace()
        is_first = True
        while (found := self._next())[0] != "}":
            if is_first and found[0] in ("", _QUOTED):
                yield found[1]
            is_first = found[0] == ","
