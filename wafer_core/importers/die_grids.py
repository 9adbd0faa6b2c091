"""From dies or tables of codes to a map of bins with the notch down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from wafer_core.errors import PictureError
from wafer_core.importers.die_maps import NO_BIN, Bins, DieMap, from_dies
from wafer_core.importers.fab_files import CellLimit
from wafer_core.messages import Message, message

Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

_QUARTER_TURNS = {"down": 0, "left": 1, "up": 2, "right": 3}  # counterclockwise, to notch down


def side_of_degrees(text: str) -> str | None:
    """Where the notch is, of an angle clockwise from the bottom (SEMI G85, E142, KLARF 1.8)."""
    sides = {0: "down", 90: "left", 180: "up", 270: "right"}
    try:
        return sides.get(round(float(text)) % 360)
    except (ValueError, OverflowError):
        return None


def side_of_word(text: str) -> str | None:
    """Where the notch is, of a word such as “Down”, “bottom” or “L”."""
    words = {"down": "DB", "up": "UT", "left": "L", "right": "R"}
    word = text.strip().upper()
    known = ("DOWN", "BOTTOM", "UP", "TOP", "LEFT", "RIGHT")
    if not word or not any(each.startswith(word) for each in known):
        return None
    return next(side for side, letters in words.items() if word[0] in letters)


def quarter_turns(notch: str | None) -> int:
    """Counterclockwise quarter turns that bring the notch down."""
    return _QUARTER_TURNS.get(notch or "down", 0)


def notch_down(die_map: DieMap) -> DieMap:
    """Turn a map so that the notch points down, if the file says where it is.

    Only for maps without defects, whose positions within a die would have to turn too.
    """
    turns = quarter_turns(die_map.notch)
    if not turns:
        return die_map
    flags, aspect = die_map.flags, die_map.aspect
    return replace(
        die_map,
        bins=np.ascontiguousarray(np.rot90(die_map.bins, turns)),
        flags=None if flags is None else np.ascontiguousarray(np.rot90(flags, turns)),
        aspect=1 / aspect if aspect and turns % 2 else aspect,
        notch="down",
        notes=(*die_map.notes, turned_note()),
    )


def turned_note() -> Message:
    """The note of a map that was turned."""
    return message("The file has the notch or flat on another side; it was turned to point down.")


def map_of_dies(
    x: Integers,
    y: Integers,
    bins: Integers,
    passed: Flags | None,
    limit: CellLimit,
) -> tuple[Bins, Flags | None]:
    """Bins and pass flags (H, W) from a list of dies; the last entry of a die counts.

    Args:
        x: Column (N,), to the right.
        y: Row (N,), downwards.
        bins: Bin (N,).
        passed: Whether each die passed (N,).
        limit: Of the file.

    Raises:
        PictureError: No die, or coordinates too far apart.
    """
    if len(x):
        height, width = int(np.ptp(y)) + 1, int(np.ptp(x)) + 1
        if max(height, width) <= 4000:  # else from_dies raises
            limit.take(height, width)
    grid, rows, columns = from_dies(x, y, bins, limit.name)
    if passed is None:
        return grid, None
    flags = np.zeros(grid.shape, np.bool_)
    flags[rows, columns] = passed
    return grid, flags


def map_of_codes(
    rows: Sequence[Sequence[str]], numbers: Mapping[str, int], limit: CellLimit
) -> Bins:
    """Bins (H, W) from a table of codes, cropped to the dies.

    Args:
        rows: Codes, all rows of one length.
        numbers: Bin of each code; ``NO_BIN`` where there is no die.
        limit: Of the file.

    Raises:
        PictureError: No die, or too many cells.
    """
    limit.take(len(rows), len(rows[0]))
    grid = np.empty((len(rows), len(rows[0])), np.uint16)
    for row, codes in enumerate(rows):
        grid[row] = [numbers[code] for code in codes]
    has_die = grid != NO_BIN
    if not has_die.any():
        raise PictureError("{file}: the map has no die; check the file.", file=limit.name)
    down, across = np.flatnonzero(has_die.any(1)), np.flatnonzero(has_die.any(0))
    return np.ascontiguousarray(grid[down[0] : down[-1] + 1, across[0] : across[-1] + 1])


def check_rows(rows: Sequence[Sequence[str]], height: int | None, name: str) -> None:
    """Check that a table of codes is whole.

    Args:
        rows: Codes.
        height: Number of rows that the header states, if it does.
        name: Of the file.

    Raises:
        PictureError: Rows are missing or have different lengths.
    """
    if not rows or (height is not None and len(rows) < height):
        raise PictureError(
            "{file}: the map has {found:,} rows instead of {expected:,}; it is cut off. Export it "
            "again.",
            file=name,
            found=len(rows),
            expected=height or 1,
        )
    for number, row in enumerate(rows, 1):
        if len(row) != len(rows[0]):
            raise PictureError(
                "{file}: row {row:,} of the map has {found:,} dies and the first {expected:,}; it "
                "is damaged. Export it again.",
                file=name,
                row=number,
                found=len(row),
                expected=len(rows[0]),
            )
