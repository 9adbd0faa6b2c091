"""What an import would store, before anything is stored: for pages and for ``import --dry-run``.

    found = preview([Path("lot.stdf")])
    found.files[0].wafers[0].failed          # as it would be stored
    found.files[0].guesses.pass_bins         # what was guessed and can be changed
    found = preview([Path("lot.stdf")], options=ReadOptions(pass_bins=frozenset({1, 2})))

``Preview.scan`` holds the candidates, so that nothing is searched twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from wafer_core.errors import PictureError
from wafer_core.images import Picture
from wafer_core.importers.colours import ColourTable
from wafer_core.importers.die_maps import NO_BIN, Bin, DieMap, pass_bins
from wafer_core.importers.items import (
    Candidate,
    FoundFile,
    Limits,
    Loaded,
    Rejected,
    Scan,
    Upload,
    unique,
)
from wafer_core.importers.numbers import UndecidedError
from wafer_core.importers.options import Box, ReadOptions
from wafer_core.importers.recognition import Recognised, recognise
from wafer_core.importers.scan import scan
from wafer_core.messages import Message
from wafer_core.progress import SILENT, Progress
from wafer_core.sampling import evenly_spaced

SAMPLES = 12  # pictures that are kept for a contact sheet
MAX_LISTED = 500  # files, and wafers of each file, in JSON
_DEFAULT_LIMITS = Limits()
_DEFAULT_OPTIONS = ReadOptions()


@dataclass(frozen=True)
class WaferPreview:
    """One wafer as it would be stored.

    Attributes:
        name: Of the file, and of the wafer in it.
        label: Its class; ``None`` if it is unknown.
        suggestion: A class to offer instead.
        lot: ``None`` if unknown.
        split: ``train``, ``validation`` or ``test`` if the data says it.
        recognised: Dies, yield and doubts; ``None`` if it cannot be read.
        error: Why it cannot be read.
    """

    name: str
    label: str | None
    suggestion: str | None
    lot: str | None
    split: str | None
    recognised: Recognised | None = None
    error: Message | None = None

    def to_json(self) -> dict[str, Any]:
        """JSON values, with texts in English."""
        found = self.recognised
        return {
            "name": self.name,
            "label": self.label,
            "lot": self.lot,
            "split": self.split,
            "shape": None if found is None else [found.height, found.width],
            "kind": None if found is None else "map" if found.is_map else "grey",
            "dies": None if found is None else found.dies,
            "failed": None if found is None else found.failed,
            "yield": None if found is None else found.yield_fraction,
            "doubt": str(found.doubt) if found and found.doubt else None,
            "error": None if self.error is None else str(self.error),
        }


@dataclass
class Guesses:
    """What was guessed about a file and can be changed by ``ReadOptions``.

    Attributes:
        colours: Roles of colours (``ReadOptions.colours``).
        box: Place of the wafer in a figure, in pixels (``ReadOptions.box``).
        bins: Number of dies of each bin, the most frequent first.
        table: Names of the bins, and whether they pass, as the file says it.
        pass_bins: Bins that pass (``ReadOptions.pass_bins``); empty without bins.
        rule: Who says which bins pass: ``file``, ``default``, ``user``; empty without bins.
        notch: Where the notch is in the maps (``ReadOptions.notch``); ``None`` if unknown.
        question: What has to be decided before the file can be read.
        option: Which option decides it: ``mask`` or ``pass_bins``.
    """

    colours: ColourTable | None = None
    box: Box | None = None
    bins: dict[int, int] = field(default_factory=dict)
    table: tuple[Bin, ...] = ()
    pass_bins: frozenset[int] = frozenset()
    rule: str = ""
    notch: str | None = None
    question: Message | None = None
    option: str = ""

    def to_json(self) -> dict[str, Any]:
        """JSON values; what does not apply to the file is left out."""
        values: dict[str, Any] = {}
        if self.colours is not None:
            values["colours"] = {
                "#{:02x}{:02x}{:02x}".format(*colour): role.value
                for colour, role in self.colours.roles.items()
            }
        if self.box is not None:
            values["box"] = list(self.box)
        if self.bins:
            names = {each.number: each.name for each in self.table}
            values["bins"] = [
                {
                    "number": number,
                    "name": names.get(number, ""),
                    "dies": count,
                    "passes": number in self.pass_bins,
                }
                for number, count in self.bins.items()
            ]
            values["rule"] = self.rule
        if self.question is not None:
            values["question"] = str(self.question)
            values["option"] = self.option
        return values


@dataclass
class FilePreview:
    """What was recognised in one file.

    Attributes:
        name: Of the file.
        format: Of ``formats.READERS``, or ``array``.
        count: Number of wafers in the file.
        wafers: Those that were looked at.
        labels: Number of wafers of each class; ``None`` counts those without one.
        lots: Number of wafers of each lot.
        splits: Number of wafers of each split that the data gives.
        notes: What was guessed, skipped or repaired.
        guesses: What can be changed.
    """

    name: str
    format: str
    count: int
    wafers: list[WaferPreview] = field(default_factory=list)
    labels: dict[str | None, int] = field(default_factory=dict)
    lots: dict[str, int] = field(default_factory=dict)
    splits: dict[str, int] = field(default_factory=dict)
    notes: list[Message] = field(default_factory=list)
    guesses: Guesses = field(default_factory=Guesses)

    @property
    def dies(self) -> int:
        """Dies of the wafers that were looked at."""
        return sum(w.recognised.dies for w in self.wafers if w.recognised)

    @property
    def failed(self) -> int:
        """Failed dies of the wafers that were looked at."""
        return sum(w.recognised.failed for w in self.wafers if w.recognised)

    def to_json(self) -> dict[str, Any]:
        """JSON values, with texts in English."""
        errors = [w.error for w in self.wafers if w.error is not None]
        all_bad = bool(errors) and len(errors) == len(self.wafers)
        return {
            "file": self.name,
            "format": self.format,
            "wafers": self.count,
            "looked_at": len(self.wafers),
            "dies": self.dies,
            "failed": self.failed,
            "yield": (self.dies - self.failed) / self.dies if self.dies else None,
            "labels": {name: n for name, n in self.labels.items() if name is not None},
            "unlabelled": self.labels.get(None, 0),
            "suggestion": next((w.suggestion for w in self.wafers if w.suggestion), None),
            "lots": self.lots,
            "splits": self.splits,
            "orientation": {"notch": self.guesses.notch},
            "notes": [str(note) for note in self.notes],
            "guesses": self.guesses.to_json(),
            "refused": str(errors[0]) if all_bad else None,
            "each": [wafer.to_json() for wafer in self.wafers[:MAX_LISTED]],
        }


@dataclass
class Preview:
    """What an import would store.

    Attributes:
        files: What was recognised in each file.
        rejected: Files that cannot be imported.
        notes: What was decided about the files together.
        scan: The candidates.
        samples: Some of the pictures, spread over the files.
    """

    files: list[FilePreview]
    rejected: list[Rejected]
    notes: list[Message]
    scan: Scan
    samples: list[Picture] = field(default_factory=list)

    @property
    def questions(self) -> list[FilePreview]:
        """Files that can be read in several ways, so that the user has to choose."""
        return [file for file in self.files if file.guesses.question is not None]

    def to_json(self) -> dict[str, Any]:
        """JSON values, with texts in English."""
        labels: Counter[str | None] = Counter()
        for file in self.files:
            labels.update(file.labels)
        listed = [file.to_json() for file in self.files[:MAX_LISTED]]
        refused = [
            {"file": bad.name, "format": None, "wafers": 0, "refused": str(bad.reason)}
            for bad in self.rejected[:MAX_LISTED]
        ]
        return {
            "wafers": sum(file.count for file in self.files),
            "labels": {name: n for name, n in labels.items() if name is not None},
            "unlabelled": labels.get(None, 0),
            "file_count": len(self.files),
            "rejected_count": len(self.rejected),
            "notes": [str(note) for note in self.notes],
            "files": listed + refused,
        }


def preview(
    sources: Sequence[Path | Upload],
    *,
    limits: Limits = _DEFAULT_LIMITS,
    options: ReadOptions = _DEFAULT_OPTIONS,
    by_file: Mapping[str, ReadOptions] | None = None,
    most: int | None = None,
    on_progress: Progress = SILENT,
) -> Preview:
    """Look at files as an import would.

    Args:
        sources: Files and folders on this machine, or uploads.
        limits: Limits of the import.
        options: What the user says about the files.
        by_file: The same for single files, by their names.
        most: Wafers of each file that are read, spread over the file; ``None``: all.
        on_progress: May raise to stop.
    """
    found = scan(sources, limits=limits, options=options, by_file=by_file)
    result = Preview([], list(found.rejected), list(found.notes), found)
    total = max(1, len(found.files))
    every = max(1, total // SAMPLES)
    per_file = max(1, SAMPLES // total)
    for number, file in enumerate(found.files):
        used = (by_file or {}).get(file.name, options)
        view, pictures = _look(file, used, most, per_file if number % every == 0 else 0)
        result.files.append(view)
        result.samples += pictures
        on_progress((number + 1) / total)
    del result.samples[SAMPLES:]
    return result


def _look(
    file: FoundFile, options: ReadOptions, most: int | None, samples: int
) -> tuple[FilePreview, list[Picture]]:
    """Read the wafers of one file, and keep some of the pictures."""
    view = FilePreview(file.name, file.format, len(file.candidates), notes=list(file.notes))
    count = view.count
    chosen = range(count) if most is None else evenly_spaced(count, most)
    kept = set(evenly_spaced(count, samples)) if samples else set()
    pictures: list[Picture] = []
    labels: Counter[str | None] = Counter()
    lots: Counter[str] = Counter()
    splits: Counter[str] = Counter()
    for candidate in file.candidates:
        labels[candidate.class_name] += 1
        if candidate.group is not None:
            lots[candidate.group] += 1
        if candidate.split is not None:
            splits[candidate.split] += 1
    view.labels, view.lots, view.splits = dict(labels), dict(lots), dict(splits)
    for index in chosen:
        wafer, loaded = _look_at(file.candidates[index], view.guesses)
        view.wafers.append(wafer)
        if loaded is not None:
            _note(view, loaded, options)
            if index in kept:
                pictures.append(loaded.picture)
    return view, pictures


def _look_at(candidate: Candidate, guesses: Guesses) -> tuple[WaferPreview, Loaded | None]:
    facts = (
        candidate.name,
        candidate.class_name,
        candidate.suggestion,
        candidate.group,
        candidate.split,
    )
    try:
        loaded = candidate.load()
    except UndecidedError as exc:
        guesses.question, guesses.option = exc.message, exc.option
        return WaferPreview(*facts, error=exc.message), None
    except PictureError as exc:
        return WaferPreview(*facts, error=exc.message), None
    return WaferPreview(*facts, recognise(loaded.picture)), loaded


def _note(view: FilePreview, loaded: Loaded, options: ReadOptions) -> None:
    """Take over what was guessed about one wafer."""
    guesses = view.guesses
    view.notes = unique([*view.notes, *loaded.notes])
    if loaded.colours is not None:
        guesses.colours = guesses.colours or loaded.colours
    guesses.box = guesses.box or loaded.box
    if loaded.die_map is not None:
        _note_bins(guesses, loaded.die_map, options)


def _note_bins(guesses: Guesses, die_map: DieMap, options: ReadOptions) -> None:
    numbers, counts = np.unique(die_map.bins[die_map.bins != NO_BIN], return_counts=True)
    bins = Counter(guesses.bins)
    bins.update(dict(zip(numbers.tolist(), counts.tolist(), strict=True)))
    guesses.bins = dict(bins.most_common())
    guesses.table = guesses.table or die_map.table
    guesses.notch = guesses.notch or die_map.notch
    if options.fail_bins is not None:
        guesses.rule, passing = "user", frozenset(guesses.bins) - options.fail_bins
    elif options.pass_bins is None and die_map.flags is not None:
        guesses.rule = "file"
        failed = set(np.unique(die_map.bins[(die_map.bins != NO_BIN) & ~die_map.flags]).tolist())
        passing = (guesses.pass_bins | set(numbers.tolist())) - failed
    else:
        passing, is_default = pass_bins(die_map, options.pass_bins)
        guesses.rule = "default" if is_default else "file" if options.pass_bins is None else "user"
    guesses.pass_bins = frozenset(passing)
