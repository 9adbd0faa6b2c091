"""What a KLARF file says, in the same form for all its versions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from wafer_core.errors import PictureError
from wafer_core.importers.fab_files import number, whole

MAX_WAFERS = 1000  # of one file
Names = tuple[str, ...]
Dies = list[tuple[int, int]]


class RawDefect(NamedTuple):
    """One row of a DefectList.

    Attributes:
        x_index: Column of its die.
        y_index: Row of its die, upwards.
        x: XREL in nm, from the lower left corner of the die.
        y: YREL in nm.
        size: DSIZE, else the larger of XSIZE and YSIZE, in nm; ``None`` if unknown.
        defect_class: CLASSNUMBER; ``None`` if unknown.
        images: Names of its pictures.
    """

    x_index: int
    y_index: int
    x: float
    y: float
    size: float | None
    defect_class: int | None
    images: Names


class DefectColumns:
    """Takes what is needed from the values of a defect.

    Args:
        columns: Names of the columns, in upper case.
        nm: Nanometres in one unit of length.

    Raises:
        ValueError: XINDEX or YINDEX is missing.
    """

    def __init__(self, columns: Sequence[str], nm: float) -> None:
        places = {column: k for k, column in enumerate(columns)}
        self.x_index, self.y_index = places["XINDEX"], places["YINDEX"]
        self.x, self.y = places.get("XREL"), places.get("YREL")
        self.sizes = [places.get(column) for column in ("DSIZE", "XSIZE", "YSIZE")]
        self.defect_class = places.get("CLASSNUMBER")
        self.nm = nm

    def take(self, values: Sequence[str], images: Names) -> RawDefect | None:
        """One defect; ``None`` if its die is unknown (“NA”)."""
        x_index, y_index = whole(values[self.x_index]), whole(values[self.y_index])
        if x_index is None or y_index is None:
            return None
        diameter, width, height = (self._length(values, place) for place in self.sizes)
        return RawDefect(
            x_index,
            y_index,
            self._length(values, self.x) or 0.0,
            self._length(values, self.y) or 0.0,
            diameter or max(width or 0.0, height or 0.0) or None,
            None if self.defect_class is None else whole(values[self.defect_class]),
            images,
        )

    def _length(self, values: Sequence[str], place: int | None) -> float | None:
        value = None if place is None else number(values[place])
        return None if value is None else value * self.nm


@dataclass
class InspectedWafer:
    """One wafer of a KLARF file.

    Attributes:
        fields: Values by keyword in lower case, such as ``diepitch``; those of the lot too.
        plan: Column and row of each inspected die, upwards; ``None`` if the file lists none.
        removed: Dies that were taken out of the inspection.
        defects: ``None`` if there is no DefectList, not even an empty one.
        without_die: Number of defects whose die is unknown.
    """

    fields: dict[str, list[str]] = field(default_factory=dict)
    plan: Dies | None = None
    removed: set[tuple[int, int]] = field(default_factory=set)
    defects: list[RawDefect] | None = None
    without_die: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether there are neither dies nor a DefectList, so that it may only be a name."""
        return self.defects is None if self.plan is None else not (self.plan or self.defects)

    def add_plan(self, dies: Dies) -> None:
        """Add the dies of one SampleTestPlan; a wafer may have one for each test."""
        if self.plan is None:
            self.plan = []
        self.plan += dies

    def add_defects(self, found: Iterable[RawDefect | None]) -> None:
        """Add the defects of one DefectList; ``None`` are those without a die."""
        if self.defects is None:
            self.defects = []
        for defect in found:
            if defect is None:
                self.without_die += 1
            else:
                self.defects.append(defect)


@dataclass
class KlarfFile:
    """What a KLARF file says.

    Attributes:
        nm: Nanometres in one unit of length.
        wafers: In the order of the file.
        classes: Numbers and names of the defect classes.
        ended: Whether the file has its EndOfFile, or all its braces.
    """

    nm: float
    ended: bool = False
    wafers: list[InspectedWafer] = field(default_factory=list)
    classes: dict[int, str] = field(default_factory=dict)

    def add_wafer(self, wafer: InspectedWafer, name: str) -> None:
        """Add a wafer.

        Raises:
            PictureError: There are too many.
        """
        if len(self.wafers) >= MAX_WAFERS:
            raise PictureError(
                "{file}: the file has more than {most:,} wafers; split it.",
                file=name,
                most=MAX_WAFERS,
            )
        self.wafers.append(wafer)

    def add_class(self, class_number: str, class_name: str) -> None:
        """Add one entry of the ClassLookup."""
        value = whole(class_number)
        if value is not None:
            self.classes[value] = class_name


def cut_off(name: str) -> PictureError:
    """The error of a file that ends within a statement or before its defects."""
    return PictureError("{file}: the file is cut off; export or copy it again.", file=name)


def pairs(values: Sequence[str]) -> Dies:
    """Dies of “x y x y …”.

    Raises:
        ValueError: Not pairs of whole numbers.
    """
    numbers = [whole(value) for value in values]
    if len(numbers) % 2:
        raise ValueError("an odd number of values")
    dies = []
    for x, y in zip(numbers[::2], numbers[1::2], strict=True):
        if x is None or y is None:
            raise ValueError("not a whole number")
        dies.append((x, y))
    return dies
