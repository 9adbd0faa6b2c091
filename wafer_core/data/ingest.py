"""Import of the pictures that a scan found: all good ones, or none if it is cancelled.

Pictures are decoded, hashed and encoded by several threads: NumPy and zlib release Python's lock.
"""

from __future__ import annotations

import itertools
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from wafer_core.data import dataset, pictures
from wafer_core.data.project import Project
from wafer_core.data.wafer_facts import BinRule, WaferFacts, says_more
from wafer_core.errors import ClassNameError, PictureError
from wafer_core.importers import Candidate, Loaded, ReadOptions, Rejected
from wafer_core.importers.die_maps import NO_BIN
from wafer_core.importers.items import unique
from wafer_core.importers.numbers import UndecidedError
from wafer_core.messages import Message, counted, message
from wafer_core.names import clean_name, fold
from wafer_core.progress import SILENT, Progress

_CHUNK = 64  # pictures that a thread reads at once
_MAX_THREADS = 8
_MAX_NOTES = 50


@dataclass(frozen=True)
class ImportReport:
    """The result of an import.

    Attributes:
        added: Number of pictures added, by class name.
        duplicates: Number of pictures that the class already had, by class name.
        rejected: Files that were not imported.
        conflicts: Number of pictures of the project that are in several classes now.
        run: Id of the import, for ``imports.undo``; ``None`` if nothing was added.
        notes: What was guessed, for the user.
        unlabelled: Number of wafers without a label in files with labels; they were left out.
        without_test: Classes of this import that have no test wafer.
    """

    added: dict[str, int] = field(default_factory=dict)
    duplicates: dict[str, int] = field(default_factory=dict)
    rejected: tuple[Rejected, ...] = ()
    conflicts: int = 0
    run: str | None = None
    notes: tuple[Message, ...] = ()
    unlabelled: int = 0
    without_test: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        """Number of pictures added."""
        return sum(self.added.values())


def import_candidates(
    project: Project,
    candidates: Sequence[Candidate],
    class_name: str | None = None,
    on_progress: Progress = SILENT,
    rejected: Sequence[Rejected] = (),
    source: str = "",
    before_storing: Callable[[], None] = lambda: None,
    options: ReadOptions | None = None,
    refuse_undecided: bool = False,
) -> ImportReport:
    """Decode and store pictures; bad ones are reported and good ones are kept.

    Args:
        project: The project.
        candidates: From ``importers.scan``.
        class_name: Class of all of them; ``None``: each has its own.
        on_progress: May raise ``Cancelled``; the project is then unchanged.
        rejected: Files that the scan rejected, for the report.
        source: Where they came from, for people.
        before_storing: Called before anything in the project changes; may raise ``Cancelled``.
        options: With which they were scanned; the rule of the bins is stored with the wafers.
        refuse_undecided: Refuse all if one of them can be read in several ways.

    Raises:
        UndecidedError: One can be read in several ways; the project is unchanged.
        StorageError: The disk is full; the project is unchanged.
    """
    refused = list(rejected)
    notes: list[Message] = []
    unlabelled = 0
    names = _ClassNames(class_name)
    # A class that is renamed during the import keeps its folder, and gets the wafers.
    folders = {fold(c.name): c.slug for c in project.classes()}
    with pictures.Staging(project) as staging:
        read = _Reader(staging, names, options or ReadOptions(), refuse_undecided)
        done = 0
        for chunk in _in_threads(read, candidates):
            for each in chunk:
                if isinstance(each, Rejected):
                    refused.append(each)
                elif each is None:
                    unlabelled += 1
                else:
                    staging.take(each.class_name, each.staged)
                    if each.notes and len(notes) < _MAX_NOTES:
                        notes = unique([*notes, *each.notes])
            done += len(chunk)
            text = message("{done:,} of {total:,} pictures read", done=done, total=len(candidates))
            on_progress(done / len(candidates), text)
        if unlabelled:
            notes.append(
                counted(
                    "{count:,} wafer without a label was left out; choose a class to import it.",
                    "{count:,} wafers without a label were left out; choose a class to import "
                    "them.",
                    unlabelled,
                )
            )
        on_progress(1.0, message("Storing the pictures"))
        known = {name: folders[key] for key, name in names.spelling.items() if key in folders}
        present = {c.slug for c in project.classes()}
        slugs = {name: slug for name, slug in known.items() if slug in present}
        before_storing()
        stored = staging.commit(slugs, source=source, rejected=len(refused))
    results = stored.classes
    return ImportReport(
        {name: result.added for name, result in results.items()},
        {name: len(result.duplicates) for name, result in results.items() if result.duplicates},
        tuple(refused),
        len(dataset.find_conflicts(project)),
        stored.run,
        tuple(notes),
        unlabelled,
        tuple(_without_test(project, set(results))),
    )


def _without_test(project: Project, names: set[str]) -> list[str]:
    """The classes among ``names`` that have no test wafer."""
    return [
        c.name
        for c in project.classes()
        if c.name in names and all(r.split != "test" for r in pictures.originals(project, c.slug))
    ]


class _ClassNames:
    """The class of each picture, as it is stored; each spelling is checked once."""

    def __init__(self, one: str | None) -> None:
        self._one = one
        self._known: dict[str, str] = {}
        self.spelling: dict[str, str] = {}  # “Scratch” and “scratch” in one import are one class

    def of(self, candidate: Candidate) -> str:
        """The name.

        Raises:
            PictureError: It has none, or one that cannot be used.
        """
        given = self._one or candidate.class_name
        if given is None:
            raise PictureError(
                "{file} has no class folder; choose a class for it, or move it to a folder named "
                "after its class.",
                file=candidate.name,
            )
        if given not in self._known:
            try:
                name = clean_name(given)
            except ClassNameError as exc:
                raise PictureError(
                    "{file}: {reason}", file=candidate.name, reason=exc.message
                ) from exc
            self._known[given] = self.spelling.setdefault(fold(name), name)
        return self._known[given]

    def is_missing(self, candidate: Candidate) -> bool:
        """Whether a picture is left out because its file has labels, but none for it."""
        return candidate.unlabelled and self._one is None


@dataclass(frozen=True)
class _Read:
    """A picture that is in the temporary folder."""

    class_name: str
    staged: pictures.StagedPicture
    notes: tuple[Message, ...]


class _Reader:
    """Reads candidates and writes them to the temporary folder."""

    def __init__(
        self,
        staging: pictures.Staging,
        names: _ClassNames,
        options: ReadOptions,
        refuse_undecided: bool,
    ) -> None:
        self._staging, self._names, self._options = staging, names, options
        self._refuse_undecided = refuse_undecided

    def __call__(
        self, candidates: Sequence[tuple[str | Rejected | None, Candidate]]
    ) -> list[_Read | Rejected | None]:
        """The result for each candidate; ``None`` for one without a label."""
        found: list[_Read | Rejected | None] = []
        for name, candidate in candidates:
            if not isinstance(name, str):
                found.append(name)
                continue
            try:
                loaded = candidate.load()
                staged = self._staging.prepare(self._new(candidate, loaded))
                found.append(_Read(name, staged, loaded.notes))
            except PictureError as exc:
                if self._refuse_undecided and isinstance(exc, UndecidedError):
                    raise
                found.append(Rejected(candidate.name, exc.message))
        return found

    def named(self, candidate: Candidate) -> tuple[str | Rejected | None, Candidate]:
        """A candidate with its class; in one thread, because spellings are counted."""
        if self._names.is_missing(candidate):
            return None, candidate
        try:
            return self._names.of(candidate), candidate
        except PictureError as exc:
            return Rejected(candidate.name, exc.message), candidate

    def _new(self, candidate: Candidate, loaded: Loaded) -> pictures.NewPicture:
        new = pictures.NewPicture(loaded.picture, candidate.name, candidate.group, candidate.split)
        die_map = loaded.die_map
        if die_map is None or die_map.bins.shape != loaded.picture.shape:
            return new
        keeps = says_more(die_map, set(np.unique(die_map.bins).tolist()) - {NO_BIN})
        rule = (
            BinRule.of(die_map, self._options.pass_bins, self._options.fail_bins) if keeps else None
        )
        facts = WaferFacts.of(die_map, rule)
        return pictures.NewPicture(
            new.picture,
            new.source,
            new.group,
            new.split,
            None if facts == WaferFacts() else facts,
            die_map.bins if keeps else None,
        )


def _in_threads(
    read: _Reader, candidates: Sequence[Candidate]
) -> Iterator[list[_Read | Rejected | None]]:
    """Read candidates in their order, some chunks ahead."""
    waiting: deque[Future[list[_Read | Rejected | None]]] = deque()
    threads = min(_MAX_THREADS, _cores())
    pool = ThreadPoolExecutor(threads)
    try:
        rest = iter(candidates)
        while chunk := [read.named(each) for each in itertools.islice(rest, _CHUNK)]:
            waiting.append(pool.submit(read, chunk))
            if len(waiting) > 2 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _cores() -> int:
    """Number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
