"""One wafer as a fab's file describes it: dies with bins, and where the wafer comes from.

Every reader of a fab format returns ``DieMap``s. What becomes pass and fail of the bins is decided
in one place, ``status``: by the file where it says so, else by a rule that the user sees.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from wafer_core.errors import PictureError
from wafer_core.images import FAIL, NO_DIE, PASS, Picture
from wafer_core.messages import Message

NO_BIN = 65535  # in a map of bins: no die there
DEFAULT_PASS_BINS = frozenset({1})
Bins = npt.NDArray[np.uint16]


@dataclass(frozen=True)
class Bin:
    """One entry of a bin table.

    Attributes:
        number: 0 to 65,534.
        name: As the file gives it; empty if it has none.
        passes: Whether dies of this bin pass; ``None``: the file does not say.
    """

    number: int
    name: str = ""
    passes: bool | None = None


@dataclass(frozen=True, slots=True)
class Defect:
    """One defect of an inspection.

    Attributes:
        row: Of its die in the map.
        column: Of its die in the map.
        x: Within the die, in nm.
        y: Within the die, in nm, upwards.
        size: Largest extent in nm; ``None`` if unknown.
        defect_class: Number of its class; ``None`` if unclassified.
        images: Names of its pictures.
    """

    row: int
    column: int
    x: float
    y: float
    size: float | None = None
    defect_class: int | None = None
    images: tuple[str, ...] = ()


@dataclass(frozen=True)
class DieMap:
    """One wafer: rows run downwards and columns to the right, with the notch down where known.

    Attributes:
        bins: (H, W) bin of each die, ``NO_BIN`` where there is no die. Readers crop it to the dies.
        wafer: Name of the wafer in its lot.
        lot: ``None`` if the file names none.
        flags: (H, W) whether the die passed, where the file says so itself (PRR flag, no defect);
            ``None``: by bins.
        table: The bins that the file describes.
        product: Device or product type.
        tester: Machine that measured it.
        time: When it was measured, ISO 8601, local time of the machine.
        label: Class of the wafer where the file holds one.
        defects: Of an inspection.
        defect_classes: Numbers and names of the defect classes that the file describes.
        aspect: Width of a die divided by its height; ``None`` if unknown.
        notch: Where the notch or flat is *in this map*: ``down``, ``up``, ``left``, ``right``;
            ``None`` if unknown.
        notes: What was guessed, skipped or repaired, for the user.
    """

    bins: Bins
    wafer: str = ""
    lot: str | None = None
    flags: npt.NDArray[np.bool_] | None = None
    table: tuple[Bin, ...] = ()
    product: str = ""
    tester: str = ""
    time: str = ""
    label: str | None = None
    defects: tuple[Defect, ...] = ()
    defect_classes: tuple[tuple[int, str], ...] = ()
    aspect: float | None = None
    notch: str | None = None
    notes: tuple[Message, ...] = field(default=())

    @property
    def dies(self) -> int:
        """Number of dies."""
        return int((self.bins != NO_BIN).sum())


def pass_bins(die_map: DieMap, rule: Collection[int] | None = None) -> tuple[frozenset[int], bool]:
    """The bins whose dies pass.

    Args:
        die_map: The wafer.
        rule: Bins that the user named; they take precedence over everything.

    Returns:
        The bins, and whether they are only the default (“bin 1 passes”), which the user should see.
    """
    if rule is not None:
        return frozenset(rule), False
    stated = [b for b in die_map.table if b.passes is not None]
    if any(b.passes for b in stated):
        return frozenset(b.number for b in stated if b.passes), False
    return DEFAULT_PASS_BINS, True


def status(
    die_map: DieMap,
    rule: Collection[int] | None = None,
    failing: Collection[int] | None = None,
) -> Picture:
    """The wafer map as it is stored: no die, pass, fail.

    Args:
        die_map: The wafer.
        rule: Bins that pass; ``None``: as the file says, else ``DEFAULT_PASS_BINS``.
        failing: Only these bins count as failing (“only bins 7 and 12”); the others pass.

    Returns:
        uint8 picture (H, W) of ``NO_DIE``, ``PASS``, ``FAIL``.

    Raises:
        PictureError: There is no die.
    """
    has_die = die_map.bins != NO_BIN
    if not has_die.any():
        raise PictureError("{wafer}: the wafer has no die; check the file.", wafer=die_map.wafer)
    if failing is not None:
        passes = ~np.isin(die_map.bins, list(failing))
    elif rule is None and die_map.flags is not None:
        passes = die_map.flags
    else:
        passes = np.isin(die_map.bins, list(pass_bins(die_map, rule)[0]))
    picture = np.full(die_map.bins.shape, NO_DIE, np.uint8)
    picture[has_die & passes] = PASS
    picture[has_die & ~passes] = FAIL
    return picture


def from_dies(
    x: npt.NDArray[np.int64], y: npt.NDArray[np.int64], bins: npt.NDArray[np.int64], name: str
) -> tuple[Bins, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """A map of bins from a list of dies; the last entry of a die counts (retests).

    Args:
        x: Column of each die (N,), any whole numbers.
        y: Row of each die (N,), downwards.
        bins: Bin of each die (N,), 0 to 65,534.
        name: Of the file, for messages.

    Returns:
        Bins (H, W) cropped to the dies; row and column of each entry (N,).

    Raises:
        PictureError: No die, or a map of over 4,000 × 4,000.
    """
    if not len(x):
        raise PictureError("{file}: no die has coordinates; check the file.", file=name)
    columns, rows = x - x.min(), y - y.min()
    height, width = int(rows.max()) + 1, int(columns.max()) + 1
    if max(height, width) > 4000:
        raise PictureError(
            "{file}: die coordinates span {width:,} × {height:,}; at most 4,000 × 4,000 can be "
            "read. Check the columns for x and y.",
            file=name,
            width=width,
            height=height,
        )
    if bins.min() < 0 or bins.max() >= NO_BIN:
        raise PictureError(
            "{file}: bins run from {low} to {high}; they must be 0 to 65,534.",
            file=name,
            low=int(bins.min()),
            high=int(bins.max()),
        )
    grid = np.full((height, width), NO_BIN, np.uint16)
    grid[rows, columns] = bins  # NumPy assigns in order, so the last entry of a die stays
    return grid, rows, columns
