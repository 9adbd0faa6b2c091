"""All originals of a project in one table, with the dies of each and what is known about it.

Dies are counted once per content and kept in ``die_counts.json`` beside ``project.json``: a
project of 10,000 wafers opens without decoding a picture. The file can be deleted at any time.
"""

from __future__ import annotations

import contextlib
import logging
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from wafer_core import files, images
from wafer_core.data import manifest, pictures
from wafer_core.data.manifest import PictureRecord
from wafer_core.data.project import Project
from wafer_core.errors import DataError, PictureError, ProjectError, StorageError
from wafer_core.json_fields import Fields
from wafer_core.progress import SILENT, Progress

COUNTS = "die_counts.json"
MAX_BYTES = 256 * 2**20
_KEY = 24  # characters of the content hash that identify a wafer in COUNTS
_BATCH = 512  # wafers between two reports of progress
_LAST_NUMBER = re.compile(r"(\d+)\D*$")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Wafer:
    """One original.

    Attributes:
        slug: Folder of its class.
        class_name: Of its class.
        record: Its record in the manifest of the class.
        dies: Number of dies; ``None`` for a picture without dies or a damaged one.
        failed: Number of failed dies; ``None`` likewise.
        lot: Lot or group; empty if unknown, as the following.
        wafer: Name in its lot.
        product: Device or product type.
        tester: Machine that measured it.
        time: When it was measured, ISO 8601.
    """

    slug: str
    class_name: str
    record: PictureRecord
    dies: int | None = None
    failed: int | None = None
    lot: str = ""
    wafer: str = ""
    product: str = ""
    tester: str = ""
    time: str = ""

    @property
    def yield_fraction(self) -> float | None:
        """Passed dies divided by all dies, 0 to 1; ``None`` without dies."""
        if not self.dies or self.failed is None:
            return None
        return (self.dies - self.failed) / self.dies

    @property
    def number(self) -> int | None:
        """The number of the wafer in its lot: the last number of its name; ``None`` without one."""
        found = _LAST_NUMBER.search(self.wafer)
        return int(found[1]) if found and len(found[1]) <= 9 else None


@dataclass(frozen=True)
class WaferTable:
    """The originals of a project.

    Attributes:
        wafers: In the order of the classes, and in each in the order they were added.
        unreadable: Names of classes whose manifest is damaged; their wafers are missing.
    """

    wafers: tuple[Wafer, ...]
    unreadable: tuple[str, ...] = ()


@dataclass(frozen=True)
class Lot:
    """The wafers of one lot.

    Attributes:
        lot: Its name; empty for wafers without a lot.
        wafers: Number of wafers.
        classes: Number of wafers of each class name, most frequent first.
        products: Known products, sorted.
        dies: Of all wafers.
        failed: Of all wafers.
        yields: Yield of each wafer that has dies, 0 to 1.
        first_time: Earliest known time; empty if none is known.
    """

    lot: str
    wafers: int
    classes: tuple[tuple[str, int], ...]
    products: tuple[str, ...]
    dies: int
    failed: int
    yields: tuple[float, ...]
    first_time: str

    @property
    def yield_fraction(self) -> float | None:
        """Passed dies of the whole lot divided by its dies; ``None`` without dies."""
        return (self.dies - self.failed) / self.dies if self.dies else None


def read_table(project: Project, on_progress: Progress = SILENT) -> WaferTable:
    """The originals of a project; dies that were not counted before are counted and kept.

    Args:
        project: The project.
        on_progress: Called while dies are counted.

    Raises:
        ProjectError: The project is gone or damaged.
    """
    places: list[tuple[str, str, PictureRecord]] = []
    unreadable = []
    for c in project.classes():
        try:
            records = pictures.originals(project, c.slug)
        except ProjectError:
            unreadable.append(c.name)
            continue
        places += [(c.slug, c.name, record) for record in records]
    counts = _read_counts(project)
    missing = [
        (slug, record)
        for slug, _, record in places
        if record.kind == "map" and record.sha[:_KEY] not in counts
    ]
    if missing:
        counts |= _count(project, missing, on_progress)
        kept = {record.sha[:_KEY] for _, _, record in places}
        _write_counts(project, {key: pair for key, pair in counts.items() if key in kept})
    wafers = tuple(
        _wafer(slug, name, record, counts.get(record.sha[:_KEY])) for slug, name, record in places
    )
    return WaferTable(wafers, tuple(unreadable))


def _wafer(slug: str, name: str, record: PictureRecord, counted: tuple[int, int] | None) -> Wafer:
    dies, failed = counted if counted and record.kind == "map" else (None, None)
    return Wafer(
        slug,
        name,
        record,
        dies,
        failed,
        record.group or "",
        *(str(getattr(record, fact, "") or "") for fact in ("wafer", "product", "tester", "time")),
    )


def _count(
    project: Project, missing: Sequence[tuple[str, PictureRecord]], on_progress: Progress
) -> dict[str, tuple[int, int]]:
    def count(place: tuple[str, PictureRecord]) -> tuple[int, int] | None:
        try:
            found = images.die_counts(manifest.load(project, *place))
        except PictureError:  # counted again next time
            return None
        return found.dies, found.failed

    counted: dict[str, tuple[int, int]] = {}
    with ThreadPoolExecutor(4) as pool:  # decoding releases the interpreter lock
        for start in range(0, len(missing), _BATCH):
            on_progress(start / len(missing))
            batch = missing[start : start + _BATCH]
            for (_, record), pair in zip(batch, pool.map(count, batch), strict=True):
                if pair is not None:
                    counted[record.sha[:_KEY]] = pair
    return counted


def _read_counts(project: Project) -> dict[str, tuple[int, int]]:
    path = project.path / COUNTS
    if not path.exists():
        return {}
    try:
        return files.read_checked(path, _counts, max_bytes=MAX_BYTES)
    except ProjectError:  # everything is counted again
        _log.warning("%s is damaged; the dies are counted again", path)
        return {}


def _counts(value: object) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    for key, pair in Fields(value).free("counts").items():
        match pair:
            case [int() as dies, int() as failed] if 0 <= failed <= dies:
                found[key] = (dies, failed)
            case _:
                raise DataError("{key} has no counts", key=key[:_KEY])
    return found


def _write_counts(project: Project, counts: dict[str, tuple[int, int]]) -> None:
    with contextlib.suppress(StorageError):  # a full disk must not keep anybody from looking
        files.write_json(project.path / COUNTS, {"counts": counts}, indent=None)


def group_lots(wafers: Iterable[Wafer]) -> tuple[Lot, ...]:
    """The lots of some wafers by name; wafers without a lot come last, as one."""
    by_lot: dict[str, list[Wafer]] = defaultdict(list)
    for wafer in wafers:
        by_lot[wafer.lot].append(wafer)
    return tuple(
        _lot(name, by_lot[name]) for name in sorted(by_lot, key=lambda name: (not name, name))
    )


def _lot(name: str, wafers: Sequence[Wafer]) -> Lot:
    return Lot(
        name,
        len(wafers),
        tuple(Counter(w.class_name for w in wafers).most_common()),
        tuple(sorted({w.product for w in wafers} - {""})),
        sum(w.dies or 0 for w in wafers),
        sum(w.failed or 0 for w in wafers),
        tuple(share for w in wafers if (share := w.yield_fraction) is not None),
        min((w.time for w in wafers if w.time), default=""),
    )


def numbered(wafers: Iterable[Wafer]) -> Iterator[tuple[int, Wafer]]:
    """Each wafer with its number in its lot.

    Where a lot has wafers without a number or two with the same, its wafers count from 1 in the
    order in which they were added.
    """
    by_lot: dict[str, list[Wafer]] = defaultdict(list)
    for wafer in wafers:
        if wafer.lot:
            by_lot[wafer.lot].append(wafer)
    for members in by_lot.values():
        numbers = [w.number for w in members]
        distinct = len(set(numbers)) == len(members) and None not in numbers
        for order, wafer in enumerate(members, 1):
            number = wafer.number
            yield (number if distinct and number is not None else order), wafer


def mean_yield(wafers: Iterable[Wafer]) -> float | None:
    """Mean yield of the wafers that have dies, 0 to 1; ``None`` if none has."""
    shares = [share for w in wafers if (share := w.yield_fraction) is not None]
    return float(np.mean(shares)) if shares else None
