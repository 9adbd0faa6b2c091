"""KLARF 1.0 to 1.2 and 1.8: the result files of inspection tools, as wafers with defects.

Source: KLA Results File Format, versions 1.2 and 1.8 (KLA). The dies are those of the
SampleTestPlan; XINDEX runs to the right and YINDEX upwards, so that rows are turned over. A die
fails if it holds a defect; which defects count can be chosen.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import replace
from math import ceil, floor

import numpy as np

from wafer_core.errors import PictureError
from wafer_core.importers import klarf_12, klarf_18
from wafer_core.importers.die_grids import (
    map_of_dies,
    quarter_turns,
    side_of_degrees,
    side_of_word,
    turned_note,
)
from wafer_core.importers.die_maps import Bin, Defect, DieMap
from wafer_core.importers.fab_files import (
    CellLimit,
    decode_head,
    decode_text,
    first_of,
    guarded,
    iso_time,
    number,
    ratio,
)
from wafer_core.importers.items import MEGA
from wafer_core.importers.klarf_content import Dies, InspectedWafer, KlarfFile, RawDefect, cut_off
from wafer_core.messages import N_, Message, counted, message

CLEAN, DEFECTIVE = 1, 2
TABLE = (Bin(CLEAN, N_("no defect"), True), Bin(DEFECTIVE, N_("defect"), False))
_MAX_BYTES, _MAX_DIES = 32 * MEGA, 5_000_000
_FIRST_STATEMENT = re.compile(
    r'\s*(FileVersion\s+1\s+\d+\s*;|Record\s+FileRecord\s+"1\.\d+")', re.I
)


def recognises(head: bytes) -> bool:
    """Whether a file begins as KLARF of any version."""
    return _FIRST_STATEMENT.match(decode_head(head)) is not None


@guarded("KLARF", _MAX_BYTES)
def read(
    data: bytes,
    name: str,
    classes: Collection[int] | None = None,
    min_size: float | None = None,
) -> list[DieMap]:
    """The wafers of a KLARF file.

    Args:
        data: Content of the file.
        name: Of the file, for messages.
        classes: Numbers of the defect classes that make a die fail; ``None``: all.
        min_size: Smallest size in nm of a defect that makes a die fail; defects without a size
            count. ``None``: all.

    Returns:
        One map for each wafer, with all defects, also those that do not count.

    Raises:
        PictureError: Damaged, or no wafer with dies.
    """
    text = decode_text(data)
    is_18 = text[:4096].lstrip().lower().startswith("record")
    content = klarf_18.parse(text, name) if is_18 else klarf_12.parse(text, name)
    if not content.ended and content.wafers and content.wafers[-1].defects is None:
        raise cut_off(name)  # without its defects the wafer would look clean
    limit = CellLimit(name)
    found: list[DieMap] = []
    empty = dies = 0
    plan: Dies | None = None
    for wafer in content.wafers:
        if wafer.is_empty:
            empty += 1
            continue
        counting = [d for d in wafer.defects or [] if _counts(d, classes, min_size)]
        found.append(_die_map(wafer, content, plan, counting, limit))
        plan = wafer.plan or plan
        dies += found[-1].dies
        if dies > _MAX_DIES:
            raise PictureError(
                "{file}: the wafers of the file have more than {most:,} dies; split it.",
                file=name,
                most=_MAX_DIES,
            )
    if not found:
        raise PictureError(
            "{file}: no wafer has a SampleTestPlan or a DefectList; export the file again with "
            "its dies.",
            file=name,
        )
    if not content.ended:
        note = message("The file does not end as it should; what comes before was read.")
        found[-1] = replace(found[-1], notes=(*found[-1].notes, note))
    if empty:
        note = counted(
            "{count:,} wafer of the file has no dies and no defects; it was left out.",
            "{count:,} wafers of the file have no dies and no defects; they were left out.",
            empty,
        )
        found[0] = replace(found[0], notes=(*found[0].notes, note))
    return found


def _counts(defect: RawDefect, classes: Collection[int] | None, min_size: float | None) -> bool:
    if classes is not None and defect.defect_class not in classes:
        return False
    return min_size is None or defect.size is None or defect.size >= min_size


def _die_map(
    wafer: InspectedWafer,
    content: KlarfFile,
    plan_before: Dies | None,
    counting: list[RawDefect],
    limit: CellLimit,
) -> DieMap:
    notes: list[Message] = []
    defects = wafer.defects or []
    dies = {
        die: CLEAN
        for die in _inspected(wafer, content, plan_before, notes)
        if die not in wafer.removed
    }
    outside = {(d.x_index, d.y_index) for d in defects} - dies.keys()
    if outside:
        notes.append(
            counted(
                "{count:,} die with a defect is not in the SampleTestPlan; it was added.",
                "{count:,} dies with a defect are not in the SampleTestPlan; they were added.",
                len(outside),
            )
        )
        dies |= dict.fromkeys(sorted(outside), CLEAN)
    dies |= dict.fromkeys(((d.x_index, d.y_index) for d in counting), DEFECTIVE)
    if wafer.without_die:
        notes.append(
            counted(
                "{count:,} defect without a die was left out.",
                "{count:,} defects without a die were left out.",
                wafer.without_die,
            )
        )
    width, height = _lengths(wafer, content, "diepitch") or (0.0, 0.0)
    notch = _notch(wafer)
    turns = quarter_turns(notch) if width and height else 0
    if turns:
        notes.append(turned_note())
    turned = _Turn(turns, width, height)
    places = np.array([turned.die(x, y) for x, y in dies], np.int64).reshape(-1, 2)
    bins = np.array(list(dies.values()), np.int64)
    x, y = places[:, 0], -places[:, 1]
    grid, flags = map_of_dies(x, y, bins, bins == CLEAN, limit)
    left, top = int(x.min()), int(y.min())
    return DieMap(
        bins=grid,
        wafer=_text(wafer, "waferid"),
        lot=_text(wafer, "lotid") or None,
        flags=flags,
        table=TABLE,
        product=_text(wafer, "deviceid"),
        tester=" ".join(part for part in wafer.fields.get("inspectionstationid", []) if part),
        time=first_of(
            iso_time(" ".join(wafer.fields.get(keyword, [])))
            for keyword in ("resulttimestamp", "filetimestamp")
        ),
        defects=tuple(turned.defect(d, left, top) for d in defects),
        defect_classes=tuple(sorted(content.classes.items())),
        aspect=ratio(*turned.size),
        notch="down" if turns else notch,
        notes=tuple(notes),
    )


class _Turn:
    """Counterclockwise quarter turns of die numbers and of positions within a die.

    Args:
        turns: 0 to 3.
        width: Of a die before, in nm.
        height: Of a die before, in nm.
    """

    def __init__(self, turns: int, width: float, height: float) -> None:
        self.turns, self.before = turns, (width, height)
        self.size = (height, width) if turns % 2 else (width, height)

    def die(self, x: int, y: int) -> tuple[int, int]:
        for _ in range(self.turns):
            x, y = -y, x
        return x, y

    def defect(self, raw: RawDefect, left: int, top: int) -> Defect:
        column, row = self.die(raw.x_index, raw.y_index)
        x, y = raw.x, raw.y
        width, height = self.before
        for _ in range(self.turns):
            x, y = height - y, x
            width, height = height, width
        return Defect(-row - top, column - left, x, y, raw.size, raw.defect_class, raw.images)


def _inspected(
    wafer: InspectedWafer, content: KlarfFile, plan_before: Dies | None, notes: list[Message]
) -> Dies:
    """The inspected dies: as listed, as of the wafer before, or all that fit on the wafer."""
    if wafer.plan is not None:
        return wafer.plan
    if plan_before is not None:
        notes.append(
            message("The file lists no dies for this wafer; those of the wafer before were taken.")
        )
        return plan_before
    dies = list(_dies_on_wafer(wafer, content))
    if dies:
        notes.append(
            message(
                "The file lists no dies; all that fit on the wafer by its size and the die pitch "
                "were taken."
            )
        )
    else:
        notes.append(message("The file lists no dies; only those with a defect are known."))
    return dies


def _dies_on_wafer(wafer: InspectedWafer, content: KlarfFile) -> Iterator[tuple[int, int]]:
    """Dies whose four corners are on the wafer.

    SampleCenterLocation is the centre of the wafer, seen from the lower left corner of die (0, 0).
    """
    pitch = _lengths(wafer, content, "diepitch")
    centre = _lengths(wafer, content, "samplecenterlocation") or (0.0, 0.0)
    diameter = _diameter(wafer, content)
    if not pitch or not diameter or min(pitch) < diameter / 500 or min(pitch) <= 0:
        return
    radius = diameter / 2
    (left, right), (bottom, top) = (
        (floor((c - radius) / p), ceil((c + radius) / p))
        for c, p in zip(centre, pitch, strict=True)
    )
    for y in range(bottom, top + 1):
        for x in range(left, right + 1):
            far_x = max(abs(x * pitch[0] - centre[0]), abs((x + 1) * pitch[0] - centre[0]))
            far_y = max(abs(y * pitch[1] - centre[1]), abs((y + 1) * pitch[1] - centre[1]))
            if far_x**2 + far_y**2 <= radius**2:
                yield x, y


def _diameter(wafer: InspectedWafer, content: KlarfFile) -> float | None:
    """Of the wafer in nm: SampleSize is “1 mm” in versions up to 1.2 and “nm 0” in 1.8."""
    sizes = [number(text) or 0.0 for text in wafer.fields.get("samplesize", [])]
    if len(sizes) < 2:
        return None
    return sizes[1] * 1e6 if content.nm != 1 else sizes[0]


def _lengths(wafer: InspectedWafer, content: KlarfFile, field: str) -> tuple[float, float] | None:
    """Two lengths in nm."""
    values = [number(text) for text in wafer.fields.get(field, [])[:2]]
    if len(values) < 2 or values[0] is None or values[1] is None:
        return None
    return values[0] * content.nm, values[1] * content.nm


def _notch(wafer: InspectedWafer) -> str | None:
    text = _text(wafer, "orientationmarklocation")
    return side_of_word(text) or side_of_degrees(text)


def _text(wafer: InspectedWafer, field: str) -> str:
    return "".join(wafer.fields.get(field, [])[:1]).strip()
