"""Wafer maps in the XML forms of SEMI: E142 (MapData) and G85 (Map, Maps).

Sources: SEMI E142.1, XML Schema for Substrate Mapping (Layout, Substrate, SubstrateMap, Overlay,
BinCodeMap, BinDefinition, BinCode); SEMI G85, Specification for Map Data Format (Map, Device, Bin,
Data, Row). Rows of an array are those of a drawing, from top to bottom and from left to right;
OriginLocation and AxisDirection say how coordinates run. Orientation 0 is the notch at the bottom,
90 on the left.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element

import numpy as np

from wafer_core.errors import PictureError
from wafer_core.importers.die_grids import (
    check_rows,
    map_of_codes,
    map_of_dies,
    notch_down,
    side_of_degrees,
)
from wafer_core.importers.die_maps import NO_BIN, Bin, Bins, DieMap
from wafer_core.importers.fab_files import (
    CellLimit,
    character_bin,
    decode_head,
    guarded,
    iso_time,
    number,
    ratio,
    whole,
)
from wafer_core.importers.items import MEGA
from wafer_core.importers.untrusted_xml import parse_untrusted
from wafer_core.messages import Message, counted, message

_MAX_BYTES = 24 * MEGA
_ROOT = re.compile(r"<(?:\w+:)?(MapData|SubstrateMaps?|Maps?)[\s>]")
_WIDTHS = {"ascii": 1, "decimal": 3, "hexadecimal": 2, "integer2": 4}  # characters of a die
_WAFERS = ("wafer", "frame", "panel")  # a frame holds a wafer
_PASS, _FAIL = ("PASS", "GOOD"), ("FAIL", "BAD")
_NO_DIE = ("NULL", "REFERENCE", "SKIP", "EDGE", "UGLY")  # other values of BinQuality


def recognises(head: bytes) -> bool:
    """Whether a file is XML with the root element of E142 or G85."""
    text = decode_head(head).lstrip()
    return text.startswith("<") and _ROOT.search(text) is not None


@guarded("SEMI XML", _MAX_BYTES)
def read(data: bytes, name: str) -> list[DieMap]:
    """The wafers of a SEMI E142 or G85 file.

    Args:
        data: Content of the file.
        name: Of the file, for messages.

    Returns:
        One map for each bin code map.

    Raises:
        PictureError: Damaged, or with a document type or entities, or without a map.
    """
    root = parse_untrusted(data, name)
    limit = CellLimit(name)
    maps = [*_e142(root, limit), *_g85(root, limit)]
    if not maps:
        raise PictureError(
            "{file}: there is no map of bin codes in this XML; export the wafer map again.",
            file=name,
        )
    return maps


@dataclass
class _Codes:
    """How the codes of one map are read.

    Attributes:
        kind: BinType in lower case.
        null: Code of a position without a die.
        table: By number.
        no_die: Codes of positions that are no product dies.
    """

    kind: str
    null: str
    table: dict[int, Bin] = field(default_factory=dict)
    no_die: set[str] = field(default_factory=set)

    def define(self, attributes: Mapping[str, str]) -> None:
        """Add one BinDefinition or Bin."""
        code = attributes.get("BinCode", "").strip()
        quality = attributes.get("BinQuality", "").strip().upper()
        if not code:
            return
        if quality in _NO_DIE:
            self.no_die.add(code)
            return
        value = self.number(code)
        passes = True if quality in _PASS else False if quality in _FAIL else None
        label = attributes.get("BinDescription", "").strip() or (
            code if self.kind == "ascii" and not code.isdigit() else ""
        )
        if value < NO_BIN and (value not in self.table or passes is not None):
            self.table[value] = Bin(value, label, passes)

    def number(self, code: str) -> int:
        """Bin of a code.

        Raises:
            ValueError: Not of the kind that BinType says.
        """
        if self.kind == "ascii" and len(code) == 1:
            return character_bin(code)
        value = int(code, 16 if self.kind in ("hexadecimal", "integer2") else 10)
        if not 0 <= value <= NO_BIN:
            raise ValueError("a bin is out of range")
        return value

    def split(self, row: str) -> list[str]:
        """Codes of one row, which are separated by spaces or have a fixed width."""
        parts = row.split()
        if len(parts) > 1 or not parts:
            return parts
        width = len(self.null) or _WIDTHS.get(self.kind, 2)
        return [parts[0][at : at + width] for at in range(0, len(parts[0]), width)]

    def numbers(self, used: set[str]) -> dict[str, int]:
        """Bin of each code that occurs; ``NO_BIN`` for positions without a die."""
        return {
            code: NO_BIN if code == self.null or code in self.no_die else self.number(code)
            for code in used
        }


def _codes(attributes: Mapping[str, str], definitions: Iterator[Element]) -> _Codes:
    codes = _Codes(attributes.get("BinType", "Ascii").lower(), attributes.get("NullBin", ""))
    for definition in definitions:
        codes.define(definition.attrib)
    return codes


def _bins(
    codes: _Codes, lines: list[str], height: int | None, limit: CellLimit
) -> tuple[Bins, tuple[Message, ...]]:
    """Bins of an array of rows, and notes about them.

    Whole XML is not cut off, so another number of rows than stated is only reported.
    """
    rows = [row for row in (codes.split(line) for line in lines) if row]
    check_rows(rows, None, limit.name)
    numbers = codes.numbers(set().union(*rows))
    skipped = sum(row.count(code) for row in rows for code in codes.no_die if code != codes.null)
    notes = _skipped_note(skipped)
    if height and height != len(rows):
        notes += (
            message(
                "The file states {stated:,} rows, and its map has {found:,}.",
                stated=height,
                found=len(rows),
            ),
        )
    return map_of_codes(rows, numbers, limit), notes


def _skipped_note(count: int) -> tuple[Message, ...]:
    if not count:
        return ()
    return (
        counted(
            "{count:,} position is marked as reference, edge or skipped; it is no die.",
            "{count:,} positions are marked as reference, edge or skipped; they are no dies.",
            count,
        ),
    )


def _e142(root: Element, limit: CellLimit) -> Iterator[DieMap]:
    layouts = {each.get("LayoutId", ""): each for each in root.iter("Layout")}
    substrates = {each.get("SubstrateId", "").strip(): each for each in root.iter("Substrate")}
    for substrate_map in root.iter("SubstrateMap"):
        kind = substrate_map.get("SubstrateType", "Wafer").strip()
        if kind.lower() not in _WAFERS:
            raise PictureError(
                "{file} holds a map of a {kind}, not of a wafer; add wafer maps only.",
                file=limit.name,
                kind=kind[:40],
            )
        wafer = substrate_map.get("SubstrateId", "").strip()
        substrate = substrates.get(wafer)
        layout = layouts.get(substrate_map.get("LayoutSpecifier", "").rpartition("/")[2])
        for bin_map in substrate_map.iter("BinCodeMap"):
            codes = _codes(bin_map.attrib, bin_map.iter("BinDefinition"))
            cells = list(bin_map.iter("BinCode"))
            if cells and cells[0].get("X") is not None:
                bins, notes = _listed_bins(codes, cells, substrate_map, limit)
            else:
                lines = [line for cell in cells for line in (cell.text or "").splitlines()]
                dimension = None if layout is None else layout.find("Dimension")
                height = None if dimension is None else whole(dimension.get("Y", ""))
                bins, notes = _bins(codes, lines, height, limit)
            yield notch_down(
                DieMap(
                    bins=bins,
                    wafer=wafer,
                    lot=_text(substrate, "LotId") or None,
                    table=tuple(codes.table.values()),
                    product=_text(layout, "ProductId"),
                    time=iso_time(_text(substrate, "CreateDate")),
                    aspect=_e142_aspect(layout),
                    notch=side_of_degrees(substrate_map.get("Orientation", "0")),
                    notes=notes,
                )
            )


def _listed_bins(
    codes: _Codes, cells: list[Element], substrate_map: Element, limit: CellLimit
) -> tuple[Bins, tuple[Message, ...]]:
    """Bins of a list of dies with X and Y, which run as AxisDirection says."""
    texts = [(cell.text or "").strip() for cell in cells]
    values = codes.numbers(set(texts))
    numbers = np.array([values[text] for text in texts], np.int64)
    x, y = (np.array([int(cell.get(axis, "")) for cell in cells], np.int64) for axis in ("X", "Y"))
    direction = substrate_map.get("AxisDirection", "UpRight").lower()
    x = -x if direction.endswith("left") else x
    y = -y if direction.startswith("up") else y
    has_die = numbers != NO_BIN
    grid, _ = map_of_dies(x[has_die], y[has_die], numbers[has_die], None, limit)
    skipped = sum(text in codes.no_die and text != codes.null for text in texts)
    return grid, _skipped_note(skipped)


def _e142_aspect(layout: Element | None) -> float | None:
    for tag in ("StepSize", "DeviceSize"):
        size = None if layout is None else layout.find(tag)
        if size is not None and (
            found := ratio(number(size.get("X", "")), number(size.get("Y", "")))
        ):
            return found
    return None


def _text(parent: Element | None, tag: str) -> str:
    return "" if parent is None else (parent.findtext(tag) or "").strip()


def _g85(root: Element, limit: CellLimit) -> Iterator[DieMap]:
    for wafer_map in root.iter("Map"):
        wafer = wafer_map.get("SubstrateId") or wafer_map.get("WaferId") or ""
        for device in wafer_map.iter("Device"):
            texts = [row.text or "" for data in device.iter("Data") for row in data.iter()]
            lines = [line for text in texts for line in text.splitlines() if line.strip()]
            if not lines:
                continue
            codes = _codes(device.attrib, device.iter("Bin"))
            bins, notes = _bins(codes, lines, whole(device.get("Rows", "")), limit)
            yield notch_down(
                DieMap(
                    bins=bins,
                    wafer=wafer.strip(),
                    lot=(device.get("LotId") or wafer_map.get("LotId") or "").strip() or None,
                    table=tuple(codes.table.values()),
                    product=device.get("ProductId", "").strip(),
                    time=iso_time(device.get("CreateDate", "")),
                    aspect=_g85_aspect(device.attrib),
                    notch=side_of_degrees(device.get("Orientation", "")),
                    notes=notes,
                )
            )


def _g85_aspect(attributes: Mapping[str, str]) -> float | None:
    for width, height in (("StepSizeX", "StepSizeY"), ("DeviceSizeX", "DeviceSizeY")):
        found = ratio(number(attributes.get(width, "")), number(attributes.get(height, "")))
        if found:
            return found
    return None
