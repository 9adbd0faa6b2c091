"""Manifests: the pictures of one folder and what is known about each.

A picture exists only if the manifest lists it. Files are written first and the manifest is then
replaced atomically, so an interrupted import leaves nothing visible.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wafer_core import files, images
from wafer_core.data.members import FILE_NAME
from wafer_core.data.project import Project
from wafer_core.data.split import SPLITS
from wafer_core.data.wafer_facts import WaferFacts
from wafer_core.errors import DataError, ProjectError
from wafer_core.images import MAX_SIDE, Picture
from wafer_core.json_fields import REQUIRED, Fields
from wafer_core.messages import Message
from wafer_core.names import is_folder_name

MANIFEST = "manifest.json"
BINS_ENDING = ".bins.png"
MAX_BYTES = 64 * 2**20
_FILE = re.compile(rf"{FILE_NAME}\.png")
_SHA = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class PictureRecord:
    """One stored picture.

    Attributes:
        file: File name.
        sha: ``images.content_hash``.
        height: Pixels.
        width: Pixels.
        kind: ``map`` or ``grey``.
        split: ``train``, ``validation`` or ``test``; always ``train`` for synthetic pictures.
        key: Pictures with equal keys share a split: the group, or the content in any rotation.
        group: Lot or block given by the source.
        source: Name of the imported file, for people.
        parent: File of the original that an augmented picture was made from.
        details: Provenance of a synthetic picture, such as its random parameters.
        wafer: Lot, wafer, tester and bin table, if the file said them.
        bins: Content hash of the bins of the dies, which are stored beside the picture.
    """

    file: str
    sha: str
    height: int
    width: int
    kind: str
    split: str
    key: str = ""
    group: str | None = None
    source: str = ""
    parent: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    wafer: WaferFacts | None = None
    bins: str | None = None

    @property
    def bins_file(self) -> str | None:
        """File of its bins; ``None`` without bins."""
        return None if self.bins is None else f"{self.file.removesuffix('.png')}{BINS_ENDING}"

    @property
    def files(self) -> tuple[str, ...]:
        """Its files in the folder of the manifest."""
        return (self.file,) if self.bins_file is None else (self.file, self.bins_file)

    @property
    def identity(self) -> str:
        """Equal for two records of the same wafer; perfect wafers of a lot look alike."""
        named = self.wafer.identity if self.wafer else ""
        return f"{self.sha}:{named}" if named else self.sha

    @classmethod
    def of(cls, picture: Picture, stem: str, **known: Any) -> PictureRecord:
        """The record of a picture; its file name ends with the start of its content hash.

        Args:
            picture: Checked, see ``images.check_picture``.
            stem: Start of the file name.
            **known: Fields that do not follow from the picture; ``split`` defaults to ``train``.
        """
        sha = images.content_hash(picture)
        return cls(
            file=f"{stem}-{sha[:8]}.png",
            sha=sha,
            height=picture.shape[0],
            width=picture.shape[1],
            kind="map" if images.is_map(picture) or known.get("bins") else "grey",
            **{"split": "train", **known},
        )

    @classmethod
    def from_json(cls, value: object) -> PictureRecord:
        """Read one record of a manifest.

        Raises:
            DataError: A value is missing, of the wrong type, or out of range.
        """
        fields = Fields(value)
        file, sha = picture_file(fields.text("file")), fields.text("sha")
        bins = fields.optional_text("bins")
        for each in (sha, bins or sha):
            if not _SHA.fullmatch(each):
                raise DataError("sha is {value} instead of 64 hex digits", value=repr(each)[:40])
        return cls(
            file,
            sha,
            fields.whole("height", low=1, high=MAX_SIDE),
            fields.whole("width", low=1, high=MAX_SIDE),
            fields.choice("kind", ("map", "grey")),
            fields.choice("part", SPLITS),  # the name of the key since the first version
            fields.text("key", ""),
            fields.optional_text("group"),
            fields.text("source", ""),
            picture_file(fields.text("parent")) if "parent" in fields else None,
            _details(fields.free("details")) if "details" in fields else {},
            WaferFacts.from_json(fields.free("wafer")) if "wafer" in fields else None,
            bins,
        )

    def to_json(self) -> dict[str, Any]:
        """The record as a manifest holds it; empty fields are left out."""
        values = {
            ("part" if name == "split" else name): value for name, value in vars(self).items()
        }
        values["wafer"] = self.wafer.to_json() if self.wafer else None
        return {name: value for name, value in values.items() if value not in (None, "", {})}


def picture_file(name: str) -> str:
    """Return the file name of a stored picture from an untrusted file.

    Raises:
        DataError: It is not one plain name.
    """
    if not _FILE.fullmatch(name):
        raise DataError("{name} is not the name of a stored picture", name=repr(name)[:60])
    return name


def _details(value: dict[str, Any]) -> dict[str, Any]:
    """Check the details that pages rely on."""
    fields = Fields(value)
    if "grid_of" in fields:
        picture_file(fields.text("grid_of"))
    fields.whole("cell", 0, low=0)
    fields.free("levels", {})
    fields.free("factors", {})
    return value


@dataclass(frozen=True)
class Manifest:
    """The content of ``manifest.json``.

    Attributes:
        records: Pictures in the order in which they were added.
        info: Provenance of all of them.
    """

    records: tuple[PictureRecord, ...] = ()
    info: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_json(cls, value: object) -> Manifest:
        """Read ``manifest.json``.

        Raises:
            DataError: A value is missing, of the wrong type, or out of range.
        """
        fields = Fields(value)
        records = fields.items("pictures", PictureRecord.from_json, REQUIRED)
        return cls(records, fields.free("info", {}))


# A page reads the manifests at every rerun: each version on disk is parsed once.
_parsed: dict[Path, tuple[tuple[int, int, int], Manifest]] = {}
_parsed_lock = threading.Lock()
_MAX_PARSED = 2000


def class_folder(project: Project, slug: str) -> Path:
    """Folder of one class.

    Raises:
        ProjectError: The slug is not one plain folder name.
    """
    if not is_folder_name(slug):
        raise ProjectError("There is no class folder “{slug}”; reload the page.", slug=slug[:60])
    return project.path / "classes" / slug


def picture_path(
    project: Project, slug: str, record: PictureRecord, origin: str = "originals", run: str = ""
) -> Path:
    """Path of a stored picture."""
    return class_folder(project, slug) / origin / run / record.file


def load(
    project: Project, slug: str, record: PictureRecord, origin: str = "originals", run: str = ""
) -> Picture:
    """Read one stored picture.

    Raises:
        PictureError: It no longer exists or is damaged.
    """
    return images.read_png(picture_path(project, slug, record, origin, run))


def read_manifest(folder: Path, remedy: Message = files.RESTORE) -> Manifest:
    """The manifest of a folder of pictures; a folder without one is empty.

    Args:
        folder: The folder.
        remedy: How to repair a damaged one.

    Raises:
        ProjectError: It is damaged.
    """
    path = folder / MANIFEST
    try:
        status = path.stat()
    except FileNotFoundError:
        return Manifest()
    except OSError:  # reading it reports why
        return files.read_checked(path, Manifest.from_json, remedy=remedy, max_bytes=MAX_BYTES)
    version = (status.st_mtime_ns, status.st_size, status.st_ino)
    with _parsed_lock:
        known = _parsed.get(path)
    if known and known[0] == version:
        return known[1]
    found = files.read_checked(path, Manifest.from_json, remedy=remedy, max_bytes=MAX_BYTES)
    with _parsed_lock:
        if len(_parsed) >= _MAX_PARSED:
            _parsed.clear()
        _parsed[path] = (version, found)
    return found


def write_manifest(
    folder: Path, records: Iterable[PictureRecord], info: Mapping[str, Any] | None = None
) -> None:
    """Replace the manifest of a folder; the files must exist already."""
    files.write_json(folder / MANIFEST, manifest_json(records, info), indent=None)


def manifest_json(
    records: Iterable[PictureRecord], info: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The content of ``manifest.json``."""
    return {"info": dict(info or {}), "pictures": [record.to_json() for record in records]}


def sync_batch() -> None:
    """Write all cached files to the disk: one sync for a batch instead of one per file."""
    if hasattr(os, "sync"):
        os.sync()
