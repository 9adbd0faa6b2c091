"""The pictures of a project, frozen at one moment, for training and evaluation."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from wafer_core import files, images
from wafer_core.data import manifest, pictures, synthetic
from wafer_core.data.project import Project
from wafer_core.data.split import SPLITS
from wafer_core.errors import DataError, InputError, ModelError, ProjectError
from wafer_core.images import Picture
from wafer_core.json_fields import REQUIRED, Fields, shorten
from wafer_core.messages import Message, listed, message
from wafer_core.names import is_folder_name

MAX_BYTES = 64 * 2**20


class Entry(NamedTuple):
    """One picture of a dataset.

    Attributes:
        slug: Folder of its class.
        origin: ``originals``, ``augmented`` or ``generated``.
        run: Of a synthetic picture; empty for originals.
        file: File name.
        sha: ``images.content_hash``.
        split: ``train``, ``validation`` or ``test``.
    """

    slug: str
    origin: str
    run: str
    file: str
    sha: str
    split: str


@dataclass(frozen=True)
class Conflict:
    """One picture that lies in several classes; at most one of these labels is right.

    Attributes:
        sha: ``images.content_hash``.
        places: (slug, file) of each copy.
    """

    sha: str
    places: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Dataset:
    """Classes and their pictures at one moment.

    Attributes:
        classes: (slug, name) in class order.
        entries: All pictures.
        combines: Slugs of the single-pattern classes that each combined class shows; ``None``:
            frozen by a version that had the names decide.
    """

    classes: tuple[tuple[str, str], ...]
    entries: tuple[Entry, ...]
    combines: Mapping[str, tuple[str, ...]] | None = field(default_factory=dict)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Display names in class order."""
        return tuple(name for _, name in self.classes)

    @property
    def combinations(self) -> dict[str, tuple[str, ...]]:
        """Names of the classes that each combined class shows, for ``TrainData``.

        A class that is not part of the dataset is listed by its slug.
        """
        names = dict(self.classes)
        return {
            names[slug]: tuple(names.get(part, part) for part in parts)
            for slug, parts in (self.combines or {}).items()
            if slug in names
        }

    @property
    def fingerprint(self) -> str:
        """Equal for two datasets with the same pictures in the same classes and splits."""
        digest = hashlib.sha256(repr(self.classes).encode())
        for line in sorted(f"{e.slug} {e.origin} {e.split} {e.sha}" for e in self.entries):
            digest.update(line.encode())
        return digest.hexdigest()

    def subset(self, split: str, include_synthetic: bool = True) -> tuple[Entry, ...]:
        """Entries of one split; only the training split contains synthetic pictures."""
        return tuple(
            e
            for e in self.entries
            if e.split == split and (include_synthetic or e.origin == "originals")
        )

    def counts(self) -> dict[str, dict[str, int]]:
        """For each slug the number of originals by split, of augmented and generated pictures."""
        keys = (*SPLITS, *synthetic.ORIGINS)
        table = {slug: dict.fromkeys(keys, 0) for slug, _ in self.classes}
        for entry in self.entries:
            table[entry.slug][entry.split if entry.origin == "originals" else entry.origin] += 1
        return table

    def to_json(self) -> dict[str, Any]:
        """The content of ``dataset.json``."""
        return {
            "classes": [list(pair) for pair in self.classes],
            "combines": self.combines and {k: list(v) for k, v in self.combines.items()},
            "fingerprint": self.fingerprint,
            "entries": [list(entry) for entry in self.entries],
        }

    @classmethod
    def from_json(cls, value: object) -> Dataset:
        """Read ``dataset.json``.

        Raises:
            DataError: A value is missing, of the wrong type, or out of range.
        """
        fields = Fields(value)
        classes = fields.items("classes", _class, REQUIRED)
        slugs = {slug for slug, _ in classes}
        entries = fields.items("entries", _entry, REQUIRED)
        if len(slugs) < len(classes) or any(entry.slug not in slugs for entry in entries):
            raise DataError("the classes and pictures do not match")
        if "combines" not in fields:
            return cls(classes, entries, None)
        combines = Fields(fields.free("combines"))
        found = {slug: combines.texts(slug) for slug in fields.free("combines")}
        return cls(classes, entries, found)


def _class(value: object) -> tuple[str, str]:
    """A class of ``dataset.json``: slug and name."""
    match value:
        case [str() as slug, str() as name] if is_folder_name(slug):
            return slug, name
    raise DataError("{value} is not a class", value=shorten(value))


def _entry(value: object) -> Entry:
    """A picture of ``dataset.json``: the values of ``Entry``."""
    match value:
        case [str(), str() as origin, str() as run, str() as file, str(), str() as split] if (
            origin in ("originals", *synthetic.ORIGINS)
            and split in SPLITS
            and (not run or is_folder_name(run))
        ):
            manifest.picture_file(file)
            return Entry(*value)
    raise DataError("{value} is not a picture", value=shorten(value))


def read(folder: Path, remedy: Message) -> Dataset:
    """The dataset that was frozen in a folder.

    Args:
        folder: Of a model or a study.
        remedy: How to repair a damaged one.

    Raises:
        ModelError: It is missing or damaged.
    """
    return files.read_checked(
        folder / "dataset.json",
        Dataset.from_json,
        error=ModelError,
        remedy=remedy,
        max_bytes=MAX_BYTES,
    )


def freeze(project: Project) -> Dataset:
    """The pictures of a project as they are now.

    Synthetic pictures whose original was moved, deleted, or is not a training picture are left
    out, so that a copy of a test wafer is never used for training.

    Raises:
        ProjectError: A class is damaged.
    """
    classes = project.classes()
    entries: list[Entry] = []
    for c in classes:
        records = pictures.originals(project, c.slug)
        entries += [Entry(c.slug, "originals", "", r.file, r.sha, r.split) for r in records]
        parents = {r.file for r in records if r.split == "train"}
        for origin in synthetic.ORIGINS:
            for run in synthetic.runs(project, c.slug, origin):
                entries += [
                    Entry(c.slug, origin, run.run, r.file, r.sha, "train")
                    for r in run.records
                    if r.parent is None or r.parent in parents
                ]
    named = tuple((c.slug, c.name) for c in classes)
    return Dataset(named, tuple(entries), project.combinations())


def trainable(frozen: Dataset) -> tuple[Dataset, list[Message]]:
    """The classes that can be trained, and a remark for each that cannot.

    Raises:
        InputError: Fewer than two classes have training wafers.
    """
    have = {entry.slug for entry in frozen.entries if entry.split == "train"}
    classes = tuple((slug, name) for slug, name in frozen.classes if slug in have)
    if len(classes) == 1:
        raise InputError(
            "Training needs two classes with wafers, and only “{name}” has any; add another class.",
            name=classes[0][1],
        )
    if not classes:
        raise InputError(
            "Training needs two classes with wafers, and none has any; add classes and wafers."
        )
    notes = [
        message("The class “{name}” has no training wafers and was left out.", name=name)
        for slug, name in frozen.classes
        if slug not in have
    ]
    entries = tuple(e for e in frozen.entries if e.slug in have)
    return Dataset(classes, entries, frozen.combines), notes


def load_split(
    project: Project,
    dataset: Dataset,
    split: str,
    include_synthetic: bool = True,
    on_progress: Callable[[float], None] | None = None,
) -> tuple[list[Picture], npt.NDArray[np.int64]]:
    """Read the pictures of one split.

    Args:
        project: The project.
        dataset: Of the project.
        split: ``train``, ``validation`` or ``test``.
        include_synthetic: Whether to read synthetic pictures too.
        on_progress: Called from time to time with the share done, 0 to 1; may raise ``Cancelled``.

    Returns:
        The pictures, and the class index of each (N,).

    Raises:
        PictureError: A picture no longer exists or is damaged.
    """
    entries = dataset.subset(split, include_synthetic)
    index = {slug: i for i, (slug, _) in enumerate(dataset.classes)}
    labels = np.array([index[e.slug] for e in entries], np.int64)
    paths = [manifest.class_folder(project, e.slug) / e.origin / e.run / e.file for e in entries]
    loaded: list[Picture] = []
    with ThreadPoolExecutor(4) as pool:  # decoding releases the interpreter lock
        for picture in pool.map(images.read_png, paths):
            loaded.append(picture)
            if on_progress and len(loaded) % 256 == 0:
                on_progress(len(loaded) / len(paths))
    return loaded, labels


def group_labels(
    project: Project, dataset: Dataset, split: str, include_synthetic: bool = True
) -> tuple[list[str], npt.NDArray[np.bool_]]:
    """Group labels of the pictures of one split, in the order of ``load_split``.

    Args:
        project: The project.
        dataset: Of the project.
        split: ``train``, ``validation`` or ``test``.
        include_synthetic: As for ``load_split``.

    Returns:
        One label per picture: its lot, or what its rotated copies share; for a synthetic picture
        that of its original, or "" without one. And (N,) which pictures are synthetic.
    """
    labels: dict[tuple[str, str, str, str], str] = {}
    for slug, _ in dataset.classes:
        of_original = {r.file: r.key or r.sha for r in pictures.originals(project, slug)}
        labels |= {(slug, "originals", "", file): label for file, label in of_original.items()}
        for origin in synthetic.ORIGINS if include_synthetic else ():
            for run in synthetic.runs(project, slug, origin):
                labels |= {
                    (slug, origin, run.run, r.file): of_original.get(r.parent or "", "")
                    for r in run.records
                }
    entries = dataset.subset(split, include_synthetic)
    is_synthetic = np.array([e.origin != "originals" for e in entries], bool)
    return [labels.get((e.slug, e.origin, e.run, e.file), e.sha) for e in entries], is_synthetic


def find_conflicts(project: Project) -> tuple[Conflict, ...]:
    """Pictures that lie in more than one class; damaged classes are skipped."""
    places: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for c in project.classes():
        try:
            records = pictures.originals(project, c.slug)
        except ProjectError:
            continue
        for record in records:
            places[record.sha].append((c.slug, record.file))
    return tuple(
        Conflict(sha, tuple(where)) for sha, where in sorted(places.items()) if len(where) > 1
    )


def changes_since(old: Dataset, new: Dataset) -> list[Message]:
    """What changed between two moments; empty if nothing did."""
    changes: list[Message] = []
    before, after = dict(old.classes), dict(new.classes)
    kept = [slug for slug in after if slug in before]
    if old.fingerprint != new.fingerprint:
        for slug, name in after.items():
            if slug not in before:
                changes.append(message("class “{name}” added", name=name))
            elif before[slug] != name:
                changes.append(
                    message("class “{old}” renamed to “{name}”", old=before[slug], name=name)
                )
        changes += [
            message("class “{name}” deleted", name=name)
            for slug, name in old.classes
            if slug not in after
        ]
        if kept != [slug for slug in before if slug in after]:
            changes.append(message("classes reordered"))
        was, now = _tally(old.entries, set(kept)), _tally(new.entries, set(kept))
        for slug in kept:
            added = (now[slug] - was[slug]).total()
            removed = (was[slug] - now[slug]).total()
            if added or removed:
                changes.append(_count_change(after[slug], added, removed))
    if old.combines is not None:
        for slug in kept:
            parts = (new.combines or {}).get(slug, ())
            if set(parts) != set(old.combines.get(slug, ())):
                changes.append(_combination_change(after, slug, parts))
    return changes


def _count_change(name: str, added: int, removed: int) -> Message:
    if not removed:
        return message("“{name}”: {added:,} added", name=name, added=added)
    if not added:
        return message("“{name}”: {removed:,} removed", name=name, removed=removed)
    return message(
        "“{name}”: {added:,} added and {removed:,} removed", name=name, added=added, removed=removed
    )


def _combination_change(names: Mapping[str, str], slug: str, parts: Iterable[str]) -> Message:
    shown = [names.get(part, part) for part in parts]
    if not shown:
        return message("“{name}” no longer combines classes", name=names[slug])
    return message("“{name}” now combines {parts}", name=names[slug], parts=listed(shown, 5))


def _tally(entries: Iterable[Entry], slugs: set[str]) -> defaultdict[str, Counter[Any]]:
    table: defaultdict[str, Counter[Any]] = defaultdict(Counter)
    for e in entries:
        if e.slug in slugs:
            table[e.slug][e.sha, e.origin, e.split] += 1
    return table
