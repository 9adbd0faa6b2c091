"""Bins of the dies of stored wafers, and changes of the rule that makes pass and fail of them.

classes/<slug>/originals/<stem>-<sha8>.bins.png    16-bit grey PNG; 65535 is no die

The stored picture stays 0, 127 and 255, so that everything else works on wafers with and without
bins. The bin table and the rule are in the manifest, see ``wafer_facts``.
"""

from __future__ import annotations

import io
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from wafer_core import images
from wafer_core.data.commits import Change
from wafer_core.data.manifest import (
    MANIFEST,
    PictureRecord,
    class_folder,
    manifest_json,
    picture_path,
    read_manifest,
)
from wafer_core.data.pictures import free_file
from wafer_core.data.project import Project
from wafer_core.data.wafer_facts import BY_USER, BinRule, WaferFacts
from wafer_core.errors import InputError, PictureError
from wafer_core.images import MAX_SIDE
from wafer_core.importers.die_maps import NO_BIN, Bins, DieMap, status


@dataclass(frozen=True)
class Changed:
    """The result of a change of the rule.

    Attributes:
        changed: Number of wafers whose picture is another one now.
        same: Number of wafers whose dies pass and fail as before.
        without_bins: Number of wafers that have no bins and are left as they are.
        rejected: Number of wafers that would have no passing die, so they are left as they are.
    """

    changed: int
    same: int
    without_bins: int
    rejected: int


def read_bins(project: Project, slug: str, record: PictureRecord) -> Bins | None:
    """Bins (H, W) of a stored wafer, ``NO_BIN`` where there is no die; ``None`` if it has none.

    Raises:
        PictureError: The file is missing or damaged.
    """
    if record.bins_file is None:
        return None
    path = picture_path(project, slug, record).with_name(record.bins_file)
    try:
        data = path.read_bytes()
    except OSError as exc:
        raise PictureError("{file} no longer exists; reload the page.", file=path.name) from exc
    bins = decode_bins(data, path.name)
    if bins.shape != (record.height, record.width):
        raise PictureError("{file} is damaged; import it again.", file=path.name)
    return bins


def decode_bins(data: bytes, name: str) -> Bins:
    """Bins from a file that this package stored.

    Raises:
        PictureError: It is damaged or was not stored by this package.
    """
    try:
        with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
            if not image.mode.startswith("I") or max(image.size) > MAX_SIDE:
                raise PictureError("{file} holds no bins; import it again.", file=name)
            return np.array(image).astype(np.uint16)
    except (PictureError, MemoryError):
        raise
    except Exception as exc:  # a decoder may raise anything on damaged data
        raise PictureError("{file} is damaged; import it again.", file=name) from exc


def count_bins(bins: Bins) -> dict[int, int]:
    """Number of dies of each bin, the most frequent first."""
    numbers, counts = np.unique(bins[bins != NO_BIN], return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return {int(numbers[k]): int(counts[k]) for k in order}


def change_rule(
    project: Project,
    slug: str,
    *,
    passing: Collection[int] | None = None,
    failing: Collection[int] | None = None,
    files: Iterable[str] | None = None,
) -> Changed:
    """Make pass and fail of the bins of a class anew; splits and lots stay.

    Args:
        project: The project.
        slug: The class.
        passing: Bins that pass.
        failing: Only these bins fail (“only bins 7 and 12”); takes precedence.
        files: Of the wafers; ``None``: all of the class.

    Raises:
        InputError: No bins are given, or none of the wafers has bins.
        StorageError: The disk is full; nothing has changed.
    """
    if passing is None and failing is None:
        raise InputError("Name the bins that pass, or those that fail.")
    wanted = None if files is None else set(files)
    rule = BinRule(
        BY_USER,
        None if failing is not None or passing is None else frozenset(passing),
        None if failing is None else frozenset(failing),
    )
    with project.lock():
        folder = class_folder(project, slug) / "originals"
        records = read_manifest(folder).records
        counts = {"changed": 0, "same": 0, "without_bins": 0, "rejected": 0}
        kept: list[PictureRecord] = []
        taken = {record.file for record in records}
        with Change(project.path) as change:
            for record in records:
                is_chosen = wanted is None or record.file in wanted
                outcome, new = (
                    _changed(change, project, slug, record, rule, taken)
                    if is_chosen
                    else ("", record)
                )
                if outcome:
                    counts[outcome] += 1
                kept.append(new)
            if not counts["changed"] + counts["same"] + counts["rejected"]:
                raise InputError(
                    "None of these wafers has bins; import them from a file with bins."
                )
            change.json(folder / MANIFEST, manifest_json(kept), indent=None)
            change.commit()
    return Changed(**counts)


def _changed(
    change: Change,
    project: Project,
    slug: str,
    record: PictureRecord,
    rule: BinRule,
    taken: set[str],
) -> tuple[str, PictureRecord]:
    """What becomes of one wafer, and its record."""
    bins = read_bins(project, slug, record)
    if bins is None:
        return "without_bins", record
    picture = status(DieMap(bins), rule.passing, rule.failing)
    if not images.is_map(picture):
        return "rejected", record
    facts = replace(record.wafer or WaferFacts(), rule=rule)
    new = PictureRecord.of(
        picture,
        record.file.rpartition("-")[0] or "wafer",
        **{
            name: getattr(record, name)
            for name in ("split", "key", "group", "source", "parent", "details", "bins")
        },
        wafer=facts,
    )
    if new.sha == record.sha:
        return "same", replace(record, wafer=facts)
    new = replace(new, file=free_file(new, taken))
    folder = class_folder(project, slug) / "originals"
    change.file(folder / new.file).write_bytes(images.encode_png(picture))
    if record.bins_file is not None and new.bins_file is not None:
        change.move(folder / record.bins_file, folder / new.bins_file)
    change.remove(folder / record.file)
    return "changed", new
