"""Turning maps whose files do not say where the notch is."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from wafer_core.images import is_map
from wafer_core.importers.die_grids import quarter_turns
from wafer_core.importers.die_maps import Defect
from wafer_core.importers.items import Loaded
from wafer_core.importers.options import ReadOptions

T = TypeVar("T", bound=np.generic)


def oriented(loaded: Loaded, options: ReadOptions) -> Loaded:
    """A wafer map turned and mirrored as the user says, with the notch down.

    Columns and rows are mirrored first; a notch that the file states is not turned again.
    """
    die_map = loaded.die_map
    if not options.turns or not is_map(loaded.picture):
        return loaded
    is_known = die_map is not None and die_map.notch is not None
    turns = 0 if is_known else quarter_turns(options.notch)

    def turn(grid: npt.NDArray[T]) -> npt.NDArray[T]:
        if options.mirrored:
            grid = grid[:, ::-1]
        if options.upside_down:
            grid = grid[::-1]
        return np.ascontiguousarray(np.rot90(grid, turns))

    picture = turn(loaded.picture)
    if die_map is None:
        return replace(loaded, picture=picture)
    aspect = die_map.aspect
    places = turn(np.arange(die_map.bins.size).reshape(die_map.bins.shape))
    new_place = np.empty(die_map.bins.size, np.int64)
    new_place[places.ravel()] = np.arange(places.size)

    def moved(defect: Defect) -> Defect:
        at = int(new_place[defect.row * die_map.bins.shape[1] + defect.column])
        return replace(defect, row=at // places.shape[1], column=at % places.shape[1])

    return replace(
        loaded,
        picture=picture,
        die_map=replace(
            die_map,
            bins=turn(die_map.bins),
            flags=None if die_map.flags is None else turn(die_map.flags),
            aspect=1 / aspect if aspect and turns % 2 else aspect,
            notch="down" if options.notch or is_known else None,
            defects=tuple(moved(defect) for defect in die_map.defects),
        ),
    )
