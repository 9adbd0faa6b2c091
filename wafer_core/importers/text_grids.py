"""Tables of die codes in a text: where they are, and how lines are divided into dies."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

MIN_ROWS, MIN_COLUMNS = 4, 4
_MIN_PLAIN_COLUMNS = 6  # with spaces between and no gaps; a table of x, y and bins has fewer
_MAX_CODES = 64
_ROW_LABEL = re.compile(r"\s*(?:[Rr][Oo][Ww]|[Rr]|[Yy])?\s*[-+]?\d+\s*[:|]")
_ROW = re.compile(r"[\w\s.\-*#@~+?!$%&/\\^<>()]+")
_DECIMAL = re.compile(r"[-+]?\d+\.\d+(e[-+]?\d+)?", re.I)  # a measured value, no row of dies
_DIE = re.compile(r"\w*[^\W_]\w*")  # a code with a letter or digit names a bin

Grid = list[list[str]]


@dataclass(frozen=True)
class Block:
    """A table of codes.

    Attributes:
        first: Number of its first line in the text, from 0.
        after: Number of the line after it.
        rows: Codes, all rows of one length; blanks where the text has none.
        length: Characters of its longest line.
    """

    first: int
    after: int
    rows: Grid
    length: int


def is_die(code: str) -> bool:
    """Whether a code names a bin; others, such as “.”, “__” or blanks, are no die."""
    return _DIE.fullmatch(code.strip()) is not None


def find_blocks(lines: Sequence[str], width: int | None = None) -> Iterator[Block]:
    """The tables of die codes among lines.

    Args:
        lines: Of the text, without line ends.
        width: Number of columns that a header states, if there is one.
    """
    first = 0
    for number in range(len(lines) + 1):
        line = lines[number] if number < len(lines) else ""
        if line.strip() and (_ROW.fullmatch(_without_label(line)) is not None):
            continue
        if number - first >= MIN_ROWS:
            rows = _grid([_without_label(each) for each in lines[first:number]], width)
            if rows is not None and _is_map(rows):
                length = max(len(each.rstrip()) for each in lines[first:number])
                yield Block(first, number, rows, length)
        first = number + 1


def _without_label(line: str) -> str:
    """A line without a row label such as “Row 3:” or “12 |”."""
    found = _ROW_LABEL.match(line)
    return line[found.end() :].rstrip().rstrip("|") if found else line.rstrip()


def _is_map(rows: Grid) -> bool:
    """Whether a table looks like a wafer: few codes, two of which name a third of its dies.

    Words and programs have many letters, none of which is frequent, and tables of numbers have
    decimals.
    """
    counts = Counter(code for row in rows for code in row)
    dies = Counter({code: count for code, count in counts.items() if is_die(code)})
    mixed = sum(n for code, n in counts.items() if not is_die(code) and re.search(r"[^\W_]", code))
    cells, total = len(rows) * len(rows[0]), sum(dies.values())
    if len(counts) > _MAX_CODES or total < 0.2 * cells or mixed > 0.05 * cells:
        return False
    letters = {code: count for code, count in dies.items() if not code.strip().isdigit()}
    if len(letters) > 4 and sum(letters.values()) > 0.5 * total > max(dies.values()):
        return False
    return sum(count for _, count in dies.most_common(2)) >= 0.35 * total


def _grid(lines: list[str], width: int | None) -> Grid | None:
    """Divide lines into dies; ``None`` if they are no table."""
    words = [line.split() for line in lines]
    single = all(len(row) == 1 for row in words)
    if single or any(len(word) > 4 for row in words for word in row):
        measured = [len(row) > 1 and any(map(_DECIMAL.fullmatch, row)) for row in words]
        found = None if sum(measured) * 2 > len(lines) else _characters(lines, width)
    else:
        found = _separated(lines, words)
        codes = set().union(*found) if found else set()
        if found and len(found[0]) < _MIN_PLAIN_COLUMNS and all(map(is_die, codes)):
            return None
    if found is None or len(found) < MIN_ROWS or len(found[0]) < MIN_COLUMNS:
        return None
    return found


def _separated(lines: list[str], words: list[list[str]]) -> Grid | None:
    """Codes with spaces between them; where rows differ, their place in the line tells."""
    if len({len(row) for row in words}) == 1:
        return _without_numbering(words)
    ends = [[found.end() for found in re.finditer(r"\S+", line)] for line in lines]
    steps = Counter(after - before for row in ends for before, after in pairwise(row))
    step = min(steps)
    last = min(row[0] for row in ends)
    if any((end - last) % step for row in ends for end in row):
        return None
    count = max((row[-1] - last) // step for row in ends) + 1
    if count * len(lines) > 20 * sum(map(len, lines)):
        return None
    grid = [[""] * count for _ in lines]
    for row, (places, codes) in enumerate(zip(ends, words, strict=True)):
        for end, code in zip(places, codes, strict=True):
            grid[row][(end - last) // step] = code
    return _without_numbering(grid)


def _without_numbering(grid: Grid) -> Grid:
    """Leave out a first column or a first row that only counts."""
    if len(grid) > MIN_ROWS and _counts_up([row[0] for row in grid[1:]]):
        grid = [row[1:] for row in grid]
    if len(grid) > MIN_ROWS and _counts_up([code for code in grid[0] if code]):
        grid = grid[1:]
    return grid


def _counts_up(codes: Sequence[str]) -> bool:
    """Whether codes are whole numbers in steps of 1 or −1."""
    if len(codes) < MIN_ROWS or not all(re.fullmatch(r"[-+]?\d{1,4}", code) for code in codes):
        return False
    steps = {int(after) - int(before) for before, after in pairwise(codes)}
    return steps in ({1}, {-1})


def _characters(lines: list[str], width: int | None) -> Grid | None:
    """Codes of one or more characters without spaces between them; blanks are no die."""
    lengths = {len(line) for line in lines}
    if len(lengths) > 1 and not any(line.startswith(" ") for line in lines):
        return None  # words, unless blanks at the ends were cut off
    length = max(lengths)
    if sum(map(len, lines)) * 10 < length * len(lines):
        return None
    padded = [line.ljust(length) for line in lines]
    size = _code_size(padded, width)
    return [[line[at : at + size] for at in range(0, length, size)] for line in padded]


def _code_size(lines: list[str], width: int | None) -> int:
    """Characters of one die: as a header states, else the most that divide codes and gaps alike."""
    length = len(lines[0])
    if width and length % width == 0 and length // width <= 4:
        return length // width
    for size in (4, 3, 2):
        if length % size or length // size < MIN_COLUMNS:
            continue
        cells = {line[at : at + size] for line in lines for at in range(0, length, size)}
        gaps = [cell for cell in cells if len(set(cell)) == 1 and not is_die(cell)]
        codes = [cell for cell in cells if cell.isalnum()]
        if gaps and codes and len(gaps) + len(codes) == len(cells) and _are_numbers(codes):
            return size
    return 1


def _are_numbers(codes: Sequence[str]) -> bool:
    """Whether most codes look like numbers with leading zeros, as wide codes do."""
    return sum(code.startswith("0") for code in codes) * 2 >= len(codes)
