"""What a network is trained and judged on: the project's pictures, frozen at one moment."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from wafer_core import images
from wafer_core.data import manifest, pictures, synthetic
from wafer_core.data.project import Project
from wafer_core.data.split import PARTS
from wafer_core.errors import ModelError
from wafer_core.images import Picture


@dataclass(frozen=True)
class Entry:
    """One picture of a dataset."""

    slug: str  # class folder
    origin: str  # "originals", "augmented" or "generated"
    run: str  # "" for originals
    file: str
    sha: str
    part: str


@dataclass(frozen=True)
class Conflict:
    """One picture that lies in several classes: one of them must be wrong."""

    sha: str
    places: tuple[tuple[str, str], ...]  # (slug, file)


@dataclass(frozen=True)
class Dataset:
    """Classes in order, as (slug, name), and their pictures."""

    classes: tuple[tuple[str, str], ...]
    entries: tuple[Entry, ...]

    @property
    def class_names(self) -> tuple[str, ...]:
        """Display names in class order."""
        return tuple(name for _, name in self.classes)

    @property
    def fingerprint(self) -> str:
        """Equal exactly when the same pictures lie in the same classes and parts."""
        digest = hashlib.sha256(repr(self.classes).encode())
        for line in sorted(f"{e.slug} {e.origin} {e.part} {e.sha}" for e in self.entries):
            digest.update(line.encode())
        return digest.hexdigest()

    def part(self, part: str, include_made: bool = True) -> tuple[Entry, ...]:
        """Entries of one part; only training ever holds made pictures."""
        return tuple(
            e for e in self.entries if e.part == part and (include_made or e.origin == "originals")
        )

    def counts(self) -> dict[str, dict[str, int]]:
        """For each slug: originals by part, and ``augmented`` and ``generated``."""
        keys = (*PARTS, *synthetic.ORIGINS)
        table = {slug: dict.fromkeys(keys, 0) for slug, _ in self.classes}
        for entry in self.entries:
            table[entry.slug][entry.part if entry.origin == "originals" else entry.origin] += 1
        return table

    def to_json(self) -> dict[str, Any]:
        """The content of ``dataset.json``."""
        return {
            "classes": [list(pair) for pair in self.classes],
            "fingerprint": self.fingerprint,
            "entries": [list(asdict(e).values()) for e in self.entries],
        }

    @classmethod
    def from_json(cls, value: Any) -> Dataset:
        """Read ``dataset.json``.

        Raises:
            ModelError: It is not one.
        """
        try:
            classes = tuple((str(slug), str(name)) for slug, name in value["classes"])
            entries = tuple(Entry(*map(str, entry)) for entry in value["entries"])
        except (TypeError, KeyError, ValueError) as exc:
            raise ModelError(f"dataset.json is damaged ({exc}); train again.") from exc
        return cls(classes, entries)


def freeze(project: Project) -> Dataset:
    """The project's pictures as they are now.

    Made pictures whose original was moved, deleted, or is not a training picture are left out: a
    copy of a test wafer must never train.
    """
    classes = project.classes()
    entries: list[Entry] = []
    for c in classes:
        records = pictures.originals(project, c.slug)
        entries += [Entry(c.slug, "originals", "", r.file, r.sha, r.part) for r in records]
        parents = {r.file for r in records if r.part == "train"}
        for origin in synthetic.ORIGINS:
            for run in synthetic.runs(project, c.slug, origin):
                entries += [
                    Entry(c.slug, origin, run.run, r.file, r.sha, "train")
                    for r in run.records
                    if r.parent is None or r.parent in parents
                ]
    return Dataset(tuple((c.slug, c.name) for c in classes), tuple(entries))


def load_part(
    project: Project,
    dataset: Dataset,
    part: str,
    include_made: bool = True,
    progress: Callable[[float], None] | None = None,
) -> tuple[list[Picture], npt.NDArray[np.int64]]:
    """Read the pictures of one part.

    Args:
        progress: Called now and then with the share done, 0 to 1; may raise to stop.

    Returns:
        Pictures, and the index of each one's class (N,).

    Raises:
        PictureError: A picture is gone or damaged.
    """
    entries = dataset.part(part, include_made)
    index = {slug: i for i, (slug, _) in enumerate(dataset.classes)}
    labels = np.array([index[e.slug] for e in entries], np.int64)
    paths = [manifest.class_folder(project, e.slug) / e.origin / e.run / e.file for e in entries]
    loaded: list[Picture] = []
    with ThreadPoolExecutor(4) as pool:  # decoding releases the interpreter
        for picture in pool.map(images.read_png, paths):
            loaded.append(picture)
            if progress and len(loaded) % 256 == 0:
                progress(len(loaded) / len(paths))
    return loaded, labels


def bonds(
    project: Project, dataset: Dataset, part: str, include_made: bool = True
) -> tuple[list[str], npt.NDArray[np.bool_]]:
    """What the pictures of one part hang together with, in the order of ``load_part``.

    Returns:
        A key for each picture: its lot, or what its turned copies share; of a made one that of its
        original, "" where it has none. And (N,) which ones were made.
    """
    keys: dict[tuple[str, str, str, str], str] = {}
    for slug, _ in dataset.classes:
        of_original = {r.file: r.key or r.sha for r in pictures.originals(project, slug)}
        keys |= {(slug, "originals", "", file): key for file, key in of_original.items()}
        for origin in synthetic.ORIGINS if include_made else ():
            for run in synthetic.runs(project, slug, origin):
                keys |= {
                    (slug, origin, run.run, r.file): of_original.get(r.parent or "", "")
                    for r in run.records
                }
    entries = dataset.part(part, include_made)
    made = np.array([e.origin != "originals" for e in entries], bool)
    return [keys.get((e.slug, e.origin, e.run, e.file), e.sha) for e in entries], made


def find_conflicts(project: Project) -> tuple[Conflict, ...]:
    """Pictures that lie in more than one class."""
    places: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for c in project.classes():
        for record in pictures.originals(project, c.slug):
            places[record.sha].append((c.slug, record.file))
    return tuple(
        Conflict(sha, tuple(where)) for sha, where in sorted(places.items()) if len(where) > 1
    )


def changes_since(old: Dataset, new: Dataset) -> list[str]:
    """What changed between two moments, in words; empty if nothing did."""
    if old.fingerprint == new.fingerprint:
        return []
    changes = []
    before, after = dict(old.classes), dict(new.classes)
    for slug, name in after.items():
        if slug not in before:
            changes.append(f"class “{name}” added")
        elif before[slug] != name:
            changes.append(f"class “{before[slug]}” renamed to “{name}”")
    changes += [f"class “{name}” deleted" for slug, name in old.classes if slug not in after]
    kept = [slug for slug in after if slug in before]
    if kept != [slug for slug in before if slug in after]:
        changes.append("classes reordered")
    was, now = _tally(old.entries, set(kept)), _tally(new.entries, set(kept))
    for slug in kept:
        added = (now[slug] - was[slug]).total()
        removed = (was[slug] - now[slug]).total()
        told = [f"{n} {word}" for n, word in ((added, "added"), (removed, "removed")) if n]
        if told:
            changes.append(f"“{after[slug]}”: {' and '.join(told)}")
    return changes


def _tally(entries: Iterable[Entry], slugs: set[str]) -> defaultdict[str, Counter[Any]]:
    table: defaultdict[str, Counter[Any]] = defaultdict(Counter)
    for e in entries:
        if e.slug in slugs:
            table[e.slug][e.sha, e.origin, e.part] += 1
    return table
