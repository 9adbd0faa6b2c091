"""Originals of a class: adding, moving, deleting and restoring them.

classes/<slug>/originals/<stem>-<sha8>.png        and manifest.json
classes/<slug>/originals/<stem>-<sha8>.bins.png   bins of its dies, see wafer_bins
"""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from wafer_core import files, images, sampling
from wafer_core.data import imports, trash
from wafer_core.data.commits import Change
from wafer_core.data.given_splits import assign
from wafer_core.data.imports import ImportedClass
from wafer_core.data.manifest import (
    BINS_ENDING,
    MANIFEST,
    MAX_BYTES,
    Manifest,
    PictureRecord,
    class_folder,
    load,
    manifest_json,
    read_manifest,
)
from wafer_core.data.members import FILE_NAME, MEGABYTE, SLUG, Member
from wafer_core.data.project import Project
from wafer_core.data.wafer_facts import WaferFacts
from wafer_core.errors import InputError, ProjectError
from wafer_core.images import Picture
from wafer_core.importers.die_maps import Bins

MAX_PICTURE_BYTES = 64 * MEGABYTE
MEMBERS = (
    Member(rf"classes/{SLUG}/originals/manifest\.json", Manifest.from_json, MAX_BYTES),
    Member(rf"classes/{SLUG}/originals/{FILE_NAME}\.png", None, MAX_PICTURE_BYTES),
    Member(rf"classes/{SLUG}/originals/{FILE_NAME}\.bins\.png", None, MAX_PICTURE_BYTES),
)


@dataclass(frozen=True)
class NewPicture:
    """A picture about to become an original.

    Attributes:
        picture: (H, W).
        source: Where it comes from, for people.
        group: Lot; wafers of one group share a split.
        split: ``train``, ``validation`` or ``test`` if the data says it; ``None``: by the project.
        wafer: Lot, wafer, tester and bin table, if known.
        bins: Bins of the dies (H, W), if they say more than the picture.
    """

    picture: Picture
    source: str = ""
    group: str | None = None
    split: str | None = None
    wafer: WaferFacts | None = None
    bins: Bins | None = None


@dataclass(frozen=True)
class StagedPicture:
    """A picture whose files are in the temporary folder.

    Attributes:
        record: As it will be in the manifest, with its final split if ``is_split_given``.
        is_split_given: Whether the data says the split.
    """

    record: PictureRecord
    is_split_given: bool = False


@dataclass(frozen=True)
class AddResult:
    """The result of adding a batch of pictures.

    Attributes:
        added: Number of pictures added.
        duplicates: Sources of the pictures that the class already has.
    """

    added: int
    duplicates: tuple[str, ...]


def originals(project: Project, slug: str) -> tuple[PictureRecord, ...]:
    """Originals of a class in the order in which they were added.

    Raises:
        ProjectError: The manifest is damaged.
    """
    return read_manifest(class_folder(project, slug) / "originals").records


def load_evenly(
    project: Project, slug: str, sets: Sequence[tuple[Sequence[PictureRecord], int]]
) -> list[list[Picture]]:
    """Read at most so many originals of each set, spread evenly over their order.

    Args:
        project: The project.
        slug: The class.
        sets: Records, and how many of them to read; no file is read twice.
    """
    loaded: dict[str, Picture] = {}
    found = []
    for records, most in sets:
        chosen = [records[i] for i in sampling.evenly_spaced(len(records), most)]
        for record in chosen:
            if record.file not in loaded:
                loaded[record.file] = load(project, slug, record)
        found.append([loaded[record.file] for record in chosen])
    return found


@dataclass(frozen=True)
class CommitResult:
    """The result of adding a batch of pictures to several classes.

    Attributes:
        classes: The result for each class name.
        run: Id of the import, for ``imports.undo``; ``None`` if nothing was added.
    """

    classes: dict[str, AddResult]
    run: str | None = None


class Staging:
    """Pictures about to be added: written to a temporary folder, then made visible together.

    Use it as a context manager; what is not committed is removed.
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        self._folder = project.path / files.temporary_name()
        self._waiting: dict[str, list[StagedPicture]] = {}

    def __enter__(self) -> Staging:
        with files.storage_errors(self._folder):
            self._folder.mkdir()
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def add(self, class_name: str, new: NewPicture) -> None:
        """Write one picture to the temporary folder.

        Raises:
            PictureError: It cannot be stored.
            StorageError: The disk is full.
        """
        self.take(class_name, self.prepare(new))

    def prepare(self, new: NewPicture) -> StagedPicture:
        """Hash, encode and write one picture; several threads may do so at once.

        Raises:
            PictureError: It cannot be stored.
            StorageError: The disk is full.
        """
        picture = images.check_picture(new.picture, new.source or "picture")
        key = f"group:{new.group}" if new.group else f"content:{images.orbit_hash(picture)[:16]}"
        bins = None if new.bins is None else images.content_hash(new.bins)
        # without a given split it is assigned in commit
        record = PictureRecord.of(
            picture,
            _stem(new.source),
            key=key,
            group=new.group,
            source=new.source,
            split=new.split or "train",
            wafer=new.wafer,
            bins=bins,
        )
        self._write(f"{record.sha}.png", picture)
        if new.bins is not None:
            self._write(f"{bins}{BINS_ENDING}", new.bins)
        return StagedPicture(record, new.split is not None)

    def _write(self, name: str, values: Picture | Bins) -> None:
        """Write a file; two threads that write the same one write the same bytes."""
        data = (
            images.encode_png(values) if values.dtype == np.uint8 else images.encode_levels(values)  # type: ignore[arg-type]
        )
        with files.storage_errors(self._folder / name), open(f"{self._folder}/{name}", "wb") as f:  # noqa: PTH123
            f.write(data)

    def take(self, class_name: str, staged: StagedPicture) -> None:
        """Put a prepared picture into a class."""
        self._waiting.setdefault(class_name, []).append(staged)

    def commit(
        self,
        slugs: Mapping[str, str] | None = None,
        source: str = "",
        rejected: int = 0,
    ) -> CommitResult:
        """Make all pictures visible at one moment; missing classes are added.

        Args:
            slugs: Folder of each class name, where the caller knows it.
            source: Where the pictures came from, for people.
            rejected: Number of files that could not be read.

        Raises:
            ProjectError: A class was deleted meanwhile.
            ClassNameError: There are too many classes.
            StorageError: The disk is full.
        """
        project = self._project
        with project.lock():
            # New classes are added in the order of their names, whatever the order of the files.
            waiting = {
                name: [each.record for each in staged]
                for name, staged in sorted(self._waiting.items())
            }
            known = dict(slugs or {})
            planned = project.plan_classes(name for name in waiting if name not in known)
            known |= {name: c.slug for name, (c, _) in planned.items()}
            added = {name: c for name, (c, is_new) in planned.items() if is_new}
            present: dict[str, tuple[PictureRecord, ...]] = {}
            new: dict[str, list[PictureRecord]] = {}
            results: dict[str, AddResult] = {}
            for name in waiting:
                if name not in added:
                    _check_class(project, known[name])
                present[name] = originals(project, known[name])
                new[name], duplicates = _without_duplicates(waiting[name], present[name])
                results[name] = AddResult(len(new[name]), tuple(duplicates))
            given = {
                id(each.record)
                for staged in self._waiting.values()
                for each in staged
                if each.is_split_given
            }
            new = assign(
                new,
                given,
                _known_splits(project),
                {name: Counter(r.split for r in records) for name, records in present.items()},
                project.settings.fractions,
                project.settings.split_seed,
            )
            titles = {c.slug: c.name for c in project.classes()}
            batch = []
            for name, fresh in new.items():
                taken = {r.file for r in present[name]}
                records = tuple(replace(r, file=free_file(r, taken)) for r in fresh)
                count = len(results[name].duplicates)
                title = titles.get(known[name], name)
                batch.append(ImportedClass(known[name], title, records, count, added.get(name)))
            if not any(c.records or c.new for c in batch):
                return CommitResult(results)
            run = imports.commit(project, self._folder, batch, source, rejected)
        return CommitResult(results, run.id)


def add_originals(project: Project, slug: str, pictures: Iterable[NewPicture]) -> AddResult:
    """Add pictures to one class.

    Raises:
        PictureError: One of them cannot be stored; none is added.
        StorageError: The disk is full; none is added.
    """
    with Staging(project) as staging:
        for picture in pictures:
            staging.add(slug, picture)
        return staging.commit({slug: slug}).classes.get(slug, AddResult(0, ()))


def delete_pictures(project: Project, slug: str, chosen: Iterable[str]) -> str:
    """Move originals to the trash.

    Args:
        project: The project.
        slug: The class.
        chosen: Their files.

    Returns:
        The id for ``restore_pictures``.

    Raises:
        InputError: None of the files exists.
    """
    wanted = set(chosen)
    with project.lock():
        present = originals(project, slug)
        deleted = [r for r in present if r.file in wanted]
        if not deleted:
            raise InputError("None of the selected pictures exists any more; reload the page.")
        source = class_folder(project, slug) / "originals"
        name = next((c.name for c in project.classes() if c.slug == slug), slug)
        details = {"slug": slug, "pictures": [record.to_json() for record in deleted]}
        title = f"{len(deleted)} × {name}"
        with Change(project.path) as change:
            item = trash.add(change, project.path, trash.PICTURES, title, details)
            for record in deleted:
                for file in record.files:
                    change.move(source / file, item / trash.PICTURES / file)
            _list(change, source, [r for r in present if r.file not in wanted])
            change.commit()
    return item.name


def restore_pictures(project: Project, trash_id: str) -> int:
    """Restore deleted originals to their class, in the split they had.

    Returns:
        The number of pictures restored.

    Raises:
        ProjectError: They are no longer in the trash, or their class does not exist.
    """
    with project.lock():
        folder = trash.find(project.path, trash_id, trash.PICTURES)
        slug = trash.read(folder).slug
        if not (class_folder(project, slug) / "class.json").exists():
            raise ProjectError("The class of these pictures is deleted; restore the class first.")
        records = files.read_checked(folder / trash.LABEL, Manifest.from_json).records
        with Change(project.path) as change:
            count = _receive(change, project, slug, records, folder / trash.PICTURES)
            change.remove(folder)
            change.commit()
    return count


def move_pictures(project: Project, slug: str, chosen: Iterable[str], target: str) -> int:
    """Move originals to another class; each keeps its split.

    Returns:
        The number of pictures moved; one that the target already has is only removed from here.

    Raises:
        InputError: No picture is selected, or the target is the same class.
        ProjectError: The target was deleted meanwhile.
    """
    wanted = set(chosen)
    with project.lock():
        present = originals(project, slug)
        moving = [r for r in present if r.file in wanted]
        if target == slug or not moving:
            raise InputError("Select pictures, and another class to move them to.")
        _check_class(project, target)
        source = class_folder(project, slug) / "originals"
        with Change(project.path) as change:
            _receive(change, project, target, moving, source)
            for record in moving:  # those that the target has already
                for file in record.files:
                    change.remove(source / file)
            _list(change, source, [r for r in present if r.file not in wanted])
            change.commit()
    return len(moving)


def _check_class(project: Project, slug: str) -> None:
    if not (class_folder(project, slug) / "class.json").exists():
        raise ProjectError("The class “{slug}” was deleted meanwhile; reload the page.", slug=slug)


def _receive(
    change: Change, project: Project, slug: str, records: Sequence[PictureRecord], source: Path
) -> int:
    """Let a change move records with their files into a class, except those it already has."""
    folder = class_folder(project, slug) / "originals"
    present = list(originals(project, slug))
    fresh, _ = _without_duplicates(records, present)
    taken = {r.file for r in present}
    for record in fresh:
        moved = replace(record, file=free_file(record, taken))
        for old, new in zip(record.files, moved.files, strict=True):
            change.move(source / old, folder / new)
        present.append(moved)
    _list(change, folder, present)
    return len(fresh)


def _list(change: Change, folder: Path, records: Sequence[PictureRecord]) -> None:
    """Let a change replace the manifest of a folder, after its files are in their places."""
    change.json(folder / MANIFEST, manifest_json(records), indent=None)


def free_file(record: PictureRecord, taken: set[str]) -> str:
    """A file name for a record that no other one has; it is then taken."""
    file, number = record.file, 1
    while file in taken:
        file = f"{record.sha}.png" if number == 1 else f"{record.sha}-{number}.png"
        number += 1
    taken.add(file)
    return file


def _without_duplicates(
    records: Sequence[PictureRecord], present: Sequence[PictureRecord]
) -> tuple[list[PictureRecord], list[str]]:
    """The records with new content, and the sources of the others."""
    known, fresh, duplicates = {r.identity for r in present}, [], []
    for record in records:
        if record.identity in known:
            duplicates.append(record.source)
        else:
            known.add(record.identity)
            fresh.append(record)
    return fresh, duplicates


def _known_splits(project: Project) -> dict[str, str]:
    return {r.key: r.split for c in project.classes() for r in originals(project, c.slug)}


def _stem(source: str) -> str:
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", Path(source.replace("\\", "/")).stem).strip("-")
    return plain[:40].strip("-") or "picture"
