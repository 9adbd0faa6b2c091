"""The pictures of a class: originals, and runs of augmented and generated ones.

    classes/<slug>/originals/<stem>-<sha8>.png     and manifest.json
    classes/<slug>/augmented/<run>/…               and manifest.json
    classes/<slug>/generated/<run>/…               and manifest.json

Only what a manifest names exists. Files are written first, then the manifest is replaced at once,
so a killed import leaves nothing that anybody sees.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import threading
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from wafer_core import files, images, names
from wafer_core.data.project import Project
from wafer_core.data.split import PARTS, assign_parts
from wafer_core.errors import InputError, ProjectError
from wafer_core.images import Picture

MADE_ORIGINS = ("augmented", "generated")
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class PictureRecord:
    """One stored picture, as its manifest tells it."""

    file: str
    sha: str  # images.content_hash
    height: int
    width: int
    kind: str  # "map" or "grey"
    part: str  # "train", "validation" or "test"; made pictures always train
    key: str = ""  # what must not be split: the group, or the content in any rotation
    group: str | None = None  # lot or block given by the source
    source: str = ""  # file name it came from, for people
    parent: str | None = None  # made pictures: file of the original
    details: Mapping[str, Any] = field(default_factory=dict)  # made pictures: drawn parameters


@dataclass(frozen=True)
class NewPicture:
    """A picture about to become an original."""

    picture: Picture
    source: str = ""
    group: str | None = None


@dataclass(frozen=True)
class MadePicture:
    """A picture made from an original (augmented) or by a model (generated)."""

    picture: Picture
    parent: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class AddResult:
    """What became of a batch."""

    added: int
    duplicates: tuple[str, ...]  # sources whose picture the class has already


@dataclass(frozen=True)
class MadeRun:
    """One run of Augment or Generate in one class."""

    run: str
    origin: str
    info: Mapping[str, Any]
    records: tuple[PictureRecord, ...]


# -- reading -------------------------------------------------------------------------------------

# Manifests are parsed once for each version on disk: a page asks for them at every rerun.
_parsed: dict[Path, tuple[tuple[int, int, int], tuple[PictureRecord, ...], dict[str, Any]]] = {}
_parsed_lock = threading.Lock()
_PARSED_MOST = 2000


def class_folder(project: Project, slug: str) -> Path:
    """Folder of one class; a slug is one plain folder name.

    Raises:
        ProjectError: It is not.
    """
    if not slug or Path(slug).name != slug or slug.startswith("."):
        raise ProjectError(f"“{slug}” names no class folder; reload the page.")
    return project.path / "classes" / slug


def originals(project: Project, slug: str) -> tuple[PictureRecord, ...]:
    """Originals of a class in the order they came in."""
    return _manifest(class_folder(project, slug) / "originals")[0]


def made(project: Project, slug: str, origin: str) -> tuple[MadeRun, ...]:
    """Runs of one origin (``augmented`` or ``generated``) in a class, oldest first."""
    folder = class_folder(project, slug) / origin
    if not folder.is_dir():
        return ()
    runs = []
    for path in sorted(folder.iterdir()):
        if not path.name.startswith(".") and (path / MANIFEST).exists():
            records, info = _manifest(path)
            runs.append(MadeRun(path.name, origin, info, records))
    return tuple(runs)


def picture_path(
    project: Project, slug: str, record: PictureRecord, origin: str = "originals", run: str = ""
) -> Path:
    """Where a picture lies."""
    return class_folder(project, slug) / origin / run / record.file


def load(
    project: Project, slug: str, record: PictureRecord, origin: str = "originals", run: str = ""
) -> Picture:
    """Read one stored picture.

    Raises:
        PictureError: It is gone or damaged.
    """
    return images.read_png(picture_path(project, slug, record, origin, run))


def _manifest(folder: Path) -> tuple[tuple[PictureRecord, ...], dict[str, Any]]:
    path = folder / MANIFEST
    try:
        status = path.stat()
    except FileNotFoundError:
        return (), {}
    version = (status.st_mtime_ns, status.st_size, status.st_ino)
    with _parsed_lock:
        known = _parsed.get(path)
    if known and known[0] == version:
        return known[1], known[2]
    raw = files.read_json(path)
    try:
        records = tuple(PictureRecord(**entry) for entry in raw["pictures"])
        info = dict(raw.get("info", {}))
        if any(Path(r.file).name != r.file or r.part not in PARTS for r in records):
            raise ValueError("a record names a path or an unknown part")
    except (TypeError, KeyError, AttributeError, ValueError) as exc:
        raise ProjectError(f"{path} is damaged ({exc}); restore it from a backup.") from exc
    with _parsed_lock:
        if len(_parsed) >= _PARSED_MOST:
            _parsed.clear()
        _parsed[path] = (version, records, info)
    return records, info


def _write_manifest(
    folder: Path, records: Iterable[PictureRecord], info: Mapping[str, Any] | None = None
) -> None:
    entries = [{k: v for k, v in asdict(r).items() if v not in (None, "", {})} for r in records]
    value = {"info": dict(info or {}), "pictures": entries}
    files.write_json(folder / MANIFEST, value, indent=None)


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
        sha = images.content_hash(picture)
        waiting = self._waiting.setdefault(class_name, [])
        record = PictureRecord(
            file=f"{_stem(new.source)}-{sha[:8]}.png",
            sha=sha,
            height=picture.shape[0],
            width=picture.shape[1],
            kind="map" if images.is_map(picture) else "grey",
            part="train",  # decided in commit
            key=f"group:{new.group}" if new.group else f"content:{images.orbit_hash(picture)[:16]}",
            group=new.group,
            source=new.source,
        )
        path = self._folder / f"{sha}.png"
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
            changed: list[tuple[Path, list[PictureRecord]]] = []
            # New classes come in the order of their names, whatever order the files had.
            for class_name, waiting in sorted(self._waiting.items()):
                slug = (slugs or {}).get(class_name) or project.ensure_class(class_name).slug
                if not (class_folder(project, slug) / "class.json").exists():
                    raise ProjectError(
                        f"The class “{class_name}” was deleted meanwhile; add it again."
                    )
                have = list(originals(project, slug))
                fresh, duplicates = _without_duplicates(waiting, {r.sha for r in have})
                parts = assign_parts(
                    [r.key for r in fresh],
                    known,
                    Counter(r.part for r in have),
                    settings.fractions,
                    settings.split_seed,
                )
                known |= parts
                folder = class_folder(project, slug) / "originals"
                taken = {r.file for r in have}
                for record in fresh:
                    name = record.file if record.file not in taken else f"{record.sha}.png"
                    taken.add(name)
                    have.append(
                        PictureRecord(**{**vars(record), "file": name, "part": parts[record.key]})
                    )
                    with files.storage_errors(folder):
                        folder.mkdir(parents=True, exist_ok=True)
                        shutil.copyfile(self._folder / f"{record.sha}.png", folder / name)
                changed.append((folder, have))
                results[class_name] = AddResult(len(fresh), tuple(duplicates))
            _sync_batch()
            for folder, have in changed:
                _write_manifest(folder, have)
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
        _write_manifest(source, [r for r in have if r.file not in wanted])
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
        _write_manifest(source, [r for r in have if r.file not in wanted])
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
    _sync_batch()
    _write_manifest(folder, have)
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


def _sync_batch() -> None:
    """One sync for a batch of files instead of one for each."""
    if hasattr(os, "sync"):
        os.sync()


def _stem(source: str) -> str:
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", Path(source.replace("\\", "/")).stem).strip("-")
    return plain[:40].strip("-") or "picture"


# -- augmented and generated ---------------------------------------------------------------------


def add_made(
    project: Project,
    slug: str,
    origin: str,
    pictures: Iterable[MadePicture],
    info: Mapping[str, Any],
) -> str:
    """Store one run of made pictures; they are used for training only.

    Args:
        origin: ``augmented`` or ``generated``.
        info: Provenance of the run: parameters, model, seed, threshold, quality figures.

    Returns:
        The run's name.

    Raises:
        ProjectError: The class was deleted meanwhile.
    """
    if origin not in MADE_ORIGINS:
        raise InputError(f"“{origin}” is not one of {', '.join(MADE_ORIGINS)}.")
    if not (class_folder(project, slug) / "class.json").exists():
        raise ProjectError("The class was deleted meanwhile; nothing was stored.")
    run = names.timestamp_name("run")
    folder = class_folder(project, slug) / origin / run
    folder.parent.mkdir(exist_ok=True)
    with files.new_folder(folder) as temporary:
        records = []
        for index, item in enumerate(pictures):
            picture = images.check_picture(item.picture, f"{origin} picture {index}")
            sha = images.content_hash(picture)
            record = PictureRecord(
                file=f"{origin[:3]}-{index:05d}-{sha[:8]}.png",
                sha=sha,
                height=picture.shape[0],
                width=picture.shape[1],
                kind="map" if images.is_map(picture) else "grey",
                part="train",
                parent=item.parent,
                details=dict(item.details),
            )
            files.write_bytes(temporary / record.file, images.encode_png(picture), sync=False)
            records.append(record)
        _write_manifest(temporary, records, info)
    return run


def delete_run(project: Project, slug: str, origin: str, run: str) -> None:
    """Remove one run of made pictures (they can be made again)."""
    if origin not in MADE_ORIGINS or not run or Path(run).name != run or run[0] == ".":
        raise ProjectError(f"“{run}” names no run; reload the page.")
    folder = class_folder(project, slug) / origin / run
    hidden = folder.with_name(f"{files.TEMPORARY_PREFIX}{uuid.uuid4().hex}")
    with project.lock(), files.storage_errors(folder):
        if folder.exists():
            folder.rename(hidden)  # gone at once, however long the removal takes
        shutil.rmtree(hidden, ignore_errors=True)
