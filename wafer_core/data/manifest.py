"""Manifests: which pictures a folder of a class holds, and what is known of each.

Only what a manifest names exists. Files are written first, then the manifest is replaced at once,
so a killed import leaves nothing that anybody sees.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from wafer_core import files, images
from wafer_core.data.project import Project
from wafer_core.data.split import PARTS
from wafer_core.errors import ProjectError
from wafer_core.images import Picture

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

    @classmethod
    def of(cls, picture: Picture, begin: str, **told: Any) -> PictureRecord:
        """The record of a picture; its file's name ends with the begin of its content's hash.

        Args:
            picture: Checked, see ``images.check_picture``.
            begin: Of the file's name.
            **told: Fields that the picture itself does not tell; ``part`` is "train" if not told.
        """
        sha = images.content_hash(picture)
        return cls(
            file=f"{begin}-{sha[:8]}.png",
            sha=sha,
            height=picture.shape[0],
            width=picture.shape[1],
            kind="map" if images.is_map(picture) else "grey",
            **{"part": "train", **told},
        )


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


def read_manifest(folder: Path) -> tuple[tuple[PictureRecord, ...], dict[str, Any]]:
    """What a folder of pictures holds, in the order it came in, and what is told of all of it.

    Raises:
        ProjectError: It is damaged.
    """
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


def write_manifest(
    folder: Path, records: Iterable[PictureRecord], info: Mapping[str, Any] | None = None
) -> None:
    """Replace what a folder of pictures holds, at once; the files must lie there already."""
    entries = [{k: v for k, v in asdict(r).items() if v not in (None, "", {})} for r in records]
    value = {"info": dict(info or {}), "pictures": entries}
    files.write_json(folder / MANIFEST, value, indent=None)


def sync_batch() -> None:
    """One sync for a batch of files instead of one for each."""
    if hasattr(os, "sync"):
        os.sync()
