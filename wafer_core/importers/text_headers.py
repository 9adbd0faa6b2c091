"""Headers of text maps: fields under the many names that programs give them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from wafer_core.importers.fab_files import whole

_KEYS = {
    "wafer": ("wafer id", "wafer no", "wafer number", "wafer name", "wafer", "waferid", "웨이퍼"),
    "lot": ("lot id", "lot no", "lot number", "lot name", "lot", "lotid", "wafer lots", "로트"),
    "product": ("device name", "device id", "device", "product id", "product", "part type", "제품"),
    "tester": ("tester id", "tester", "machine no", "machine", "prober id", "prober", "equipment"),
    "time": ("meas time", "test date", "test time", "start time", "date", "time", "end time"),
    "notch": ("flat notch", "notch", "flat", "fnloc", "flat location", "notch location"),
    "columns": ("map column", "map columns", "columns", "column", "cols", "ncols", "colct"),
    "rows": ("map row", "map rows", "rows", "row", "nrows", "nlines", "rowct"),
    "die width": ("dice sizex", "die size x", "die width", "index x", "xdies", "x size"),
    "die height": ("dice sizey", "die size y", "die height", "index y", "ydies", "y size"),
    "tested": ("total tested", "total die", "total dies", "gross die", "gross dies", "tested"),
    "passed": ("total pass", "pass die", "pass dies", "good dies", "number of good dies", "passed"),
    "pass bins": ("good die", "good bin", "good bins", "pass bin", "pass bins", "bcequ", "pasbin"),
    "no die": ("reference die", "null bin", "nulbc", "no die"),
}
_MEANING = {key: meaning for meaning, keys in _KEYS.items() for key in keys}
_FIELD = re.compile(r"([^\W\d][^:=]{0,40})[:=](.*)")
_UNMARKED = re.compile(r"(product|lot|wafer|device|date|notch|flat)[\s-](.*)", re.I)
_BIN_FIELD = re.compile(r"bin\s*0*(\w{1,4})", re.I)


@dataclass
class Header:
    """What the lines around a map say: texts by meaning, and names of bins by code."""

    fields: dict[str, str]
    bins: dict[str, str]

    def text(self, meaning: str) -> str:
        """What the header says; empty if nothing."""
        return self.fields.get(meaning, "")

    def whole(self, meaning: str) -> int | None:
        """A whole number at the beginning of a field."""
        return whole(self.text(meaning).replace(",", "").split(" ")[0])


def is_field(line: str) -> bool:
    """Whether a line is “key: value” or “key = value”."""
    return _FIELD.fullmatch(line.strip()) is not None


def read_header(lines: Sequence[str]) -> Header:
    """What lines around a map say; the first of equal fields counts."""
    header = Header({}, {})
    for line in lines:
        text = line.strip()
        found = _FIELD.fullmatch(text) or _UNMARKED.fullmatch(text)
        value = "" if found is None else found[2].strip()
        if found is None or not value:
            continue
        key = re.sub(r"[^\w]+|_", " ", found[1]).strip().lower()
        named = _BIN_FIELD.fullmatch(key)
        if named and not re.fullmatch(r"[\d\s.,%]+", value):
            header.bins[named[1]] = value
        elif key in _MEANING:
            header.fields.setdefault(_MEANING[key], value)
    return header
