"""Files of dies with bins, such as STDF: from their wafers to candidates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from wafer_core.images import MIN_SIDE
from wafer_core.importers.die_maps import NO_BIN, DieMap
from wafer_core.importers.items import FoundFile, Limits, Loaded, SourceFile, unique
from wafer_core.importers.numbers import load_die_map
from wafer_core.importers.options import ReadOptions
from wafer_core.importers.pictures import storable

Read = Callable[[bytes, str], list[DieMap]]


def read_die_file(
    read: Read, format_name: str, file: SourceFile, limits: Limits, options: ReadOptions
) -> FoundFile:
    """The wafers of one file.

    Args:
        read: Reader of the format.
        format_name: For people.
        file: The file.
        limits: Limits of the import.
        options: What the user says.

    Raises:
        PictureError: The file is damaged or holds no wafer.
    """
    wafers = read(file.read(limits.max_file_bytes), file.name)
    return found_wafers(wafers, format_name, file, options)


def found_wafers(
    wafers: Sequence[DieMap], format_name: str, file: SourceFile, options: ReadOptions
) -> FoundFile:
    """The candidates of some wafers of one file; their lots are groups."""
    notes = [note for wafer in wafers for note in wafer.notes]
    in_file: set[int] = set()
    for wafer in wafers:
        in_file.update(np.unique(wafer.bins[wafer.bins != NO_BIN]).tolist())
    several_lots = len({wafer.lot for wafer in wafers}) > 1
    candidates = []
    for number, wafer in enumerate(wafers, 1):
        parts = [wafer.lot] if several_lots and wafer.lot else []
        parts = [*parts, wafer.wafer or str(number)] if len(wafers) > 1 else []
        name = "/".join([file.name, *parts])
        load = partial(_load, wafer, name, options, frozenset(in_file))
        candidate = file.candidate(load, name, wafer.lot or None)
        if wafer.label is not None:
            candidate = replace(candidate, class_name=wafer.label, suggestion=None)
        candidates.append(candidate)
    return FoundFile(file.name, format_name, candidates, tuple(unique(notes)))


def _load(wafer: DieMap, name: str, options: ReadOptions, in_file: frozenset[int]) -> Loaded:
    loaded = load_die_map(_padded(wafer), name, options, in_file)
    picture = storable(loaded.picture, name)
    same = picture.shape == loaded.picture.shape
    return replace(loaded, picture=picture, die_map=loaded.die_map if same else None)


def _padded(wafer: DieMap) -> DieMap:
    """A wafer of very few dies with places without dies around it, so that it can be stored."""
    more = [max(0, MIN_SIDE - side) for side in wafer.bins.shape]
    if not any(more):
        return wafer
    (top, _), (left, _) = edges = [(each // 2, each - each // 2) for each in more]
    return replace(
        wafer,
        bins=np.pad(wafer.bins, edges, constant_values=NO_BIN),
        flags=None if wafer.flags is None else np.pad(wafer.flags, edges),
        defects=tuple(
            replace(each, row=each.row + top, column=each.column + left) for each in wafer.defects
        ),
    )
