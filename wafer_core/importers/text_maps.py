"""Wafer maps as plain text: a header, and one or more characters a die.

There is no standard; forms in use are the text exports of probers and of their converters. A row
of the text is a row of dies, “.”, “-”, “_” and blanks are no die, and the header may name lot,
wafer, notch, passing bins and numbers of dies, against which the map is checked.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from wafer_core.errors import PictureError
from wafer_core.importers.die_grids import (
    check_rows,
    map_of_codes,
    notch_down,
    side_of_degrees,
    side_of_word,
)
from wafer_core.importers.die_maps import DEFAULT_PASS_BINS, NO_BIN, Bin, DieMap
from wafer_core.importers.fab_files import (
    CellLimit,
    character_bin,
    decode_head,
    decode_text,
    guarded,
    iso_time,
    number,
    ratio,
)
from wafer_core.importers.items import MEGA
from wafer_core.importers.text_grids import Block, Grid, find_blocks, is_die
from wafer_core.importers.text_headers import Header, is_field, read_header
from wafer_core.messages import Message, listed, message

_MAX_BYTES = 16 * MEGA
_DEFAULT_CODES = {"1", "01", "001", "P", "G"}  # pass, unless the header says otherwise
_GOOD = re.compile(r"\b(pass|good)\b", re.I)
_BAD = re.compile(r"\b(fail|bad|reject)\b", re.I)


def recognises(head: bytes) -> bool:
    """Whether the beginning of a file has a table of die codes, or a header of a wafer map."""
    if b"\0" in head[:512] and head[:2] not in (b"\xff\xfe", b"\xfe\xff"):
        return False
    lines = decode_head(head).splitlines()
    is_cut = len(head) >= 4096
    if is_cut:
        lines = lines[:-1]
    header = read_header(lines)
    if is_cut and {"wafer", "lot"} <= header.fields.keys():
        return True  # the map may follow later
    return next(find_blocks(lines, header.whole("columns")), None) is not None


@guarded("text map", _MAX_BYTES)
def read(data: bytes, name: str) -> list[DieMap]:
    """The wafers of a text map.

    Args:
        data: Content of the file.
        name: Of the file, for messages.

    Returns:
        One map for each table of codes.

    Raises:
        PictureError: There is no table of codes, or it is cut off.
    """
    lines = decode_text(data).splitlines()
    blocks = list(find_blocks(lines, read_header(lines).whole("columns")))
    if not blocks:
        raise PictureError(
            "{file}: no table of die codes was found; a text map has one line for each row of "
            "dies, all of one length.",
            file=name,
        )
    for block in blocks:
        for place in (block.first - 1, block.after):
            _check_is_no_row(block, lines[place] if 0 <= place < len(lines) else "", place, name)
    limit = CellLimit(name)
    return [_die_map(block, header, limit) for block, header in _with_headers(blocks, lines)]


def _check_is_no_row(block: Block, line: str, place: int, name: str) -> None:
    """Check a line beside a map: as long as a row, but no row, it may be a damaged one.

    Without it the map would be read as two wafers, or as a smaller one.
    """
    if len(line.rstrip()) == block.length and not is_field(line):
        raise PictureError(
            "{file}: line {line:,} looks like a damaged row of the map; export the file again.",
            file=name,
            line=place + 1,
        )


def _with_headers(blocks: Sequence[Block], lines: Sequence[str]) -> Iterator[tuple[Block, Header]]:
    """Each map with the lines before it; the last one also with those after it.

    What a header does not say holds on from the map before, but not its numbers of dies.
    """
    begin = 0
    inherited: dict[str, str] = {}
    for block in blocks:
        after = lines[block.after :] if block is blocks[-1] else []
        header = read_header([*lines[begin : block.first], *after])
        header.fields = {**inherited, **header.fields}
        inherited = {k: v for k, v in header.fields.items() if k not in ("tested", "passed")}
        begin = block.after
        yield block, header


def _die_map(block: Block, header: Header, limit: CellLimit) -> DieMap:
    check_rows(block.rows, header.whole("rows"), limit.name)
    counts = Counter(code for row in block.rows for code in row)
    notes: list[Message] = []
    empty = _empty_codes(block.rows, counts, header, notes)
    numbers = {code: NO_BIN if code in empty else value for code, value in _numbers(counts)}
    table = _table(counts, numbers, header, notes)
    found = DieMap(
        bins=map_of_codes(block.rows, numbers, limit),
        wafer=header.text("wafer"),
        lot=header.text("lot") or None,
        table=table,
        product=header.text("product"),
        tester=header.text("tester"),
        time=iso_time(header.text("time")),
        aspect=ratio(_size(header, "die width"), _size(header, "die height")),
        notch=_notch(header),
        notes=tuple(notes),
    )
    return notch_down(found)


def _notch(header: Header) -> str | None:
    text = header.text("notch")
    return side_of_word(text) or side_of_degrees(text)


def _size(header: Header, meaning: str) -> float | None:
    words = header.text(meaning).split()
    return number(words[0]) if words else None


def _empty_codes(
    rows: Grid, counts: Counter[str], header: Header, notes: list[Message]
) -> set[str]:
    """Codes of positions without a die."""
    empty = {code for code in counts if not is_die(code)}
    named = set(_bin_codes(header.text("no die")))
    empty |= named & counts.keys()
    corners = {rows[0][0], rows[0][-1], rows[-1][0], rows[-1][-1]}
    if not empty and _is_rim(next(iter(corners)), rows):
        empty = corners
        notes.append(
            message(
                "The code {code} fills the corners of the map; it was taken as no die.",
                code=rows[0][0],
            )
        )
    marks = sorted(code for code in empty if code.strip(" ._-"))
    if marks and corners != set(marks):
        notes.append(message("Positions with {codes} were taken as no die.", codes=listed(marks)))
    return empty


def _is_rim(code: str, rows: Grid) -> bool:
    """Whether a code stands in all four corners, and nowhere between other codes of a row."""
    corners = {rows[0][0], rows[0][-1], rows[-1][0], rows[-1][-1]}
    if corners != {code} or code in _DEFAULT_CODES:
        return False
    for row in rows:
        others = [place for place, other in enumerate(row) if other != code]
        if others and others[-1] - others[0] + 1 != len(others):
            return False
    return True


def _numbers(counts: Counter[str]) -> Iterator[tuple[str, int]]:
    """Bin of each code: its number in decimal, else in hexadecimal, else of its character."""
    codes = [code for code in counts if is_die(code)]
    wide = any(len(code.strip()) > 1 for code in codes)
    base = 10 if all(code.strip().isdecimal() for code in codes) else 16
    for place, code in enumerate(counts):
        text = code.strip()
        if not is_die(code):
            yield code, NO_BIN
        elif not wide and len(text) == 1:
            yield code, character_bin(text)
        else:
            try:
                yield code, int(text, base)
            except ValueError:  # a word, such as “OK”
                yield code, 1000 + place


def _table(
    counts: Counter[str], numbers: Mapping[str, int], header: Header, notes: list[Message]
) -> tuple[Bin, ...]:
    """The bins, and which pass: by the header, by its numbers of dies, else bin 1 or the letter P.

    Notes what does not agree with the numbers of dies in the header.
    """
    dies = {code: count for code, count in counts.items() if numbers[code] != NO_BIN}
    tested, passed = header.whole("tested"), header.whole("passed")
    total = sum(dies.values())
    if tested is not None and tested != total:
        notes.append(
            message(
                "The header states {stated:,} tested dies, and the map has {found:,}.",
                stated=tested,
                found=total,
            )
        )
    passing = _passing(dies, numbers, header, passed, notes)
    good = passing if passing is not None else set(DEFAULT_PASS_BINS)
    found = sum(count for code, count in dies.items() if numbers[code] in good)
    if passed is not None and passed != found:
        notes.append(
            message(
                "The header states {stated:,} passing dies, and the map has {found:,}.",
                stated=passed,
                found=found,
            )
        )
    names = {numbers.get(code, -1): text for code, text in _by_code(header.bins, dies)}
    table = {}
    for code in dies:
        value, text = numbers[code], code.strip()
        label = names.get(value, "" if text.isdecimal() else text)
        table[value] = Bin(value, label, None if passing is None else value in passing)
    return tuple(table[value] for value in sorted(table))


def _by_code(bins: Mapping[str, str], dies: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    """Names of bins by the code of the map, which may have leading zeros."""
    for code in dies:
        text = code.strip().lstrip("0") or "0"
        for named, label in bins.items():
            if (named.lstrip("0") or "0") == text:
                yield code, label


def _passing(
    dies: Mapping[str, int],
    numbers: Mapping[str, int],
    header: Header,
    passed: int | None,
    notes: list[Message],
) -> set[int] | None:
    """Bins that pass; ``None``: by the default rule."""
    stated = _stated_codes(dies, header)
    if stated:
        return {numbers[code] for code in stated}
    labels = dict(_by_code(header.bins, dies))
    good = {numbers[code] for code, label in labels.items() if _GOOD.search(label)}
    if good and any(_BAD.search(label) for label in labels.values()):
        return good
    default = [code for code in dies if numbers[code] in DEFAULT_PASS_BINS]
    if passed is not None and passed != sum(dies[code] for code in default):
        matching = [code for code, count in dies.items() if count == passed]
        if len(matching) == 1:
            return {numbers[matching[0]]}
    if default:
        return None
    letters = [code for code in dies if code.strip().upper() in ("P", "G", "PASS", "GOOD", "OK")]
    if letters:
        return {numbers[code] for code in letters}
    most = max(dies, key=lambda code: dies[code], default=None)
    if most is None:
        return None
    notes.append(
        message(
            "The file does not say which codes pass; the most frequent one, {code}, was taken.",
            code=most.strip(),
        )
    )
    return {numbers[most]}


def _stated_codes(dies: Mapping[str, int], header: Header) -> list[str]:
    """Codes that the header names as passing: “1, 2”, “Bin 1”, or “123” of one character each."""
    words = set(_bin_codes(header.text("pass bins")))
    width = max((len(code.strip()) for code in dies), default=1)
    if width == 1 and len(words) == 1 and not words & dies.keys():
        words = set(next(iter(words)))
    bare = {word.lstrip("0") or "0" for word in words}
    return [code for code in dies if (code.strip().lstrip("0") or "0") in bare]


def _bin_codes(text: str) -> list[str]:
    return [word for word in re.findall(r"\w+", text) if word.lower() not in ("bin", "bins")]
