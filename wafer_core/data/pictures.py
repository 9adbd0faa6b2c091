"""Originals of a class: what they are, and how they come, move and go.

classes/<slug>/originals/<stem>-<sha8>.png     and manifest.json
"""

from __future__ import annotations

import contextlib
import re
import shutil
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from wafer_core import files, images
from wafer_core.data.manifest import (
    PictureRecord,
    class_folder,
    read_manifest,
    sync_batch,
    write_manifest,
)
from wafer_core.data.project import Project
from wafer_core.data.split import assign_parts
from wafer_core.errors import InputError, ProjectError
from wafer_core.images import Picture


@dataclass(frozen=True)
class NewPicture:
    """A picture about to become an original."""

    picture: Picture
    source: str = ""
    group: str | None = None


@dataclass(frozen=True)
class AddResult:
    """What became of a batch."""

    added: int
    duplicates: tuple[str, ...]  # sources whose picture the class has already


# -- reading -------------------------------------------------------------------------------------


def originals(project: Project, slug: str) -> tuple[PictureRecord, ...]:
    """Originals of a class in the order they came in."""
    return read_manifest(class_folder(project, slug) / "originals")[0]


# -- originals -----------------------------------------------------------------------------------


class Staging:
    """Pictures on their way in: written aside without a lock, made visible all at once.

    Use as a context manager; whatever is not committed is removed.
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        self._folder = project.path / f"{files.TEMPORARY_PREFIX}{uuid.uuid4().hex}"
        self._waiting: dict[str, list[PictureRecord]] = {}

    def __enter__(self) -> Staging:
        with files.storage_errors(self._folder):
            self._folder.mkdir()
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def add(self, class_name: str, new: NewPicture) -> None:
        """Write one picture aside.

        Raises:
            PictureError: It is no picture.
            StorageError: The disk is full.
        """
        picture = images.check_picture(new.picture, new.source or "picture")
        waiting = self._waiting.setdefault(class_name, [])
        key = f"group:{new.group}" if new.group else f"content:{images.orbit_hash(picture)[:16]}"
        # its part is decided in commit
        record = PictureRecord.of(
            picture, _stem(new.source), key=key, group=new.group, source=new.source
        )
        path = self._folder / f"{record.sha}.png"
        if not path.exists():
            files.write_bytes(path, images.encode_png(picture), sync=False)
        waiting.append(record)

    def commit(self, slugs: Mapping[str, str] | None = None) -> dict[str, AddResult]:
        """Make everything visible; classes that do not exist are added.

        Args:
            slugs: Folder of each class name, where the caller knows it.

        Returns:
            The result for each class name.
        """
        project = self._project
        results: dict[str, AddResult] = {}
        with project.lock():
            known = _known_parts(project)
            settings = project.settings
            folders: dict[str, Path] = {}
            had: dict[str, list[PictureRecord]] = {}
            new: dict[str, list[PictureRecord]] = {}
            # New classes come in the order of their names, whatever order the files had.
            for class_name, waiting in sorted(self._waiting.items()):
                slug = (slugs or {}).get(class_name) or project.ensure_class(class_name).slug
                if not (class_folder(project, slug) / "class.json").exists():
                    raise ProjectError(
                        f"The class “{class_name}” was deleted meanwhile; add it again."
                    )
                folders[class_name] = class_folder(project, slug) / "originals"
                had[class_name] = list(originals(project, slug))
                fresh, duplicates = _without_duplicates(waiting, {r.sha for r in had[class_name]})
                new[class_name] = fresh
                results[class_name] = AddResult(len(fresh), tuple(duplicates))
            parts = assign_parts(
                {name: [r.key for r in fresh] for name, fresh in new.items()},
                known,
                {name: Counter(r.part for r in have) for name, have in had.items()},
                settings.fractions,
                settings.split_seed,
            )
            for class_name, folder in folders.items():
                have = had[class_name]
                taken = {r.file for r in have}
                for record in new[class_name]:
                    name = record.file if record.file not in taken else f"{record.sha}.png"
                    taken.add(name)
                    have.append(
                        PictureRecord(**{**vars(record), "file": name, "part": parts[record.key]})
                    )
                    with files.storage_errors(folder):
                        folder.mkdir(parents=True, exist_ok=True)
                        shutil.copyfile(self._folder / f"{record.sha}.png", folder / name)
            sync_batch()
            for class_name, folder in folders.items():
                write_manifest(folder, had[class_name])
        return results


def add_originals(project: Project, slug: str, pictures: Iterable[NewPicture]) -> AddResult:
    """Add pictures to one class.

    Raises:
        PictureError: One of them is no picture; nothing is added.
        StorageError: The disk is full; nothing is added.
    """
    with Staging(project) as staging:
        for picture in pictures:
            staging.add(slug, picture)
        return staging.commit({slug: slug}).get(slug, AddResult(0, ()))


def delete_pictures(project: Project, slug: str, chosen: Iterable[str]) -> str:
    """Move originals to the trash.

    Args:
        chosen: Their files.

    Returns:
        The id for ``restore_pictures``.
    """
    wanted = set(chosen)
    with project.lock():
        have = originals(project, slug)
        gone = [r for r in have if r.file in wanted]
        if not gone:
            raise InputError("No picture is selected that is still there; reload the page.")
        source = class_folder(project, slug) / "originals"
        entries = [asdict(r) for r in gone]
        title = f"{len(gone)} of {_class_name(project, slug)}"
        trash = project.new_trash("pictures", title, {"slug": slug, "pictures": entries})
        with files.storage_errors(trash):
            (trash / "pictures").mkdir()
            for record in gone:
                shutil.copyfile(source / record.file, trash / "pictures" / record.file)
        write_manifest(source, [r for r in have if r.file not in wanted])
        _remove_files(source, gone)
    return trash.name


def restore_pictures(project: Project, trash_id: str) -> int:
    """Bring deleted originals back to their class, in the part they had.

    Returns:
        How many came back.

    Raises:
        ProjectError: They are no longer in the trash, or their class is not there.
    """
    with project.lock():
        trash = project.path / ".trash" / Path(trash_id).name
        if not (trash / "pictures").is_dir():
            raise ProjectError("This is no longer in the trash; it was restored or emptied.")
        info = files.read_json(trash / "info.json")
        slug = str(info["slug"])
        if not (class_folder(project, slug) / "class.json").exists():
            raise ProjectError("The class of these pictures is deleted; restore the class first.")
        records = [PictureRecord(**entry) for entry in info["pictures"]]
        count = _receive(project, slug, records, trash / "pictures")
        shutil.rmtree(trash, ignore_errors=True)
    return count


def move_pictures(project: Project, slug: str, chosen: Iterable[str], target: str) -> int:
    """Move originals to another class; each keeps its part of the split.

    Returns:
        How many were moved (a picture the target has already is dropped from the source only).
    """
    wanted = set(chosen)
    with project.lock():
        have = originals(project, slug)
        moving = [r for r in have if r.file in wanted]
        if target == slug or not moving:
            raise InputError("Select pictures, and another class to move them to.")
        if not (class_folder(project, target) / "class.json").exists():
            raise ProjectError("The class to move to was deleted meanwhile; reload the page.")
        source = class_folder(project, slug) / "originals"
        _receive(project, target, moving, source)
        write_manifest(source, [r for r in have if r.file not in wanted])
        _remove_files(source, moving)
    return len(moving)


def _receive(project: Project, slug: str, records: Sequence[PictureRecord], source: Path) -> int:
    """Copy records with their files into a class, skipping what it has."""
    folder = class_folder(project, slug) / "originals"
    have = list(originals(project, slug))
    fresh, _ = _without_duplicates(records, {r.sha for r in have})
    taken = {r.file for r in have}
    with files.storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for record in fresh:
            name = record.file if record.file not in taken else f"{record.sha}.png"
            taken.add(name)
            shutil.copyfile(source / record.file, folder / name)
            have.append(PictureRecord(**{**vars(record), "file": name}))
    sync_batch()
    write_manifest(folder, have)
    return len(fresh)


def _without_duplicates(
    records: Sequence[PictureRecord], have: set[str]
) -> tuple[list[PictureRecord], list[str]]:
    seen, fresh, duplicates = set(have), [], []
    for record in records:
        if record.sha in seen:
            duplicates.append(record.source)
        else:
            seen.add(record.sha)
            fresh.append(record)
    return fresh, duplicates


def _known_parts(project: Project) -> dict[str, str]:
    return {r.key: r.part for c in project.classes() for r in originals(project, c.slug)}


def _class_name(project: Project, slug: str) -> str:
    return next((c.name for c in project.classes() if c.slug == slug), slug)


def _remove_files(folder: Path, records: Iterable[PictureRecord]) -> None:
    """Remove what no manifest names any more; a file that stays does no harm."""
    for record in records:
        with contextlib.suppress(OSError):
            (folder / record.file).unlink(missing_ok=True)


def _stem(source: str) -> str:
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", Path(source.replace("\\", "/")).stem).strip("-")
    return plain[:40].strip("-") or "picture"
