"""Look through files, folders, zips and uploads for pictures, without decoding any."""

from __future__ import annotations

import io
import os
import zlib
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

import numpy as np

from wafer_core.errors import InputError
from wafer_core.importers.archives import member_file, open_zip
from wafer_core.importers.arrays import ARRAY_ENDINGS, array_candidates
from wafer_core.importers.colours import Colour, Role
from wafer_core.importers.items import (
    Candidate,
    Limits,
    Loaded,
    Rejected,
    Scan,
    SourceFile,
    Upload,
)
from wafer_core.importers.pictures import PICTURE_ENDINGS, decode_picture

_DEFAULT_LIMITS = Limits()
_JUNK = frozenset(("thumbs.db", "desktop.ini", "__macosx"))
KNOWN_ENDINGS = PICTURE_ENDINGS | ARRAY_ENDINGS | {".zip"}


def scan(
    sources: Sequence[Path | Upload],
    *,
    limits: Limits = _DEFAULT_LIMITS,
    colours: Mapping[Colour, Role] | None = None,
) -> Scan:
    """List every picture in the sources; bad files are rejected and the good ones kept.

    The class of a picture is the folder that it lies in directly, inside of its source: a folder,
    a zip, or all uploads of one drop. One folder around everything is not a class if it has
    folders in it. A data file with labels of its own knows its classes better.

    Args:
        sources: Files and folders on this machine, or uploads.
        limits: What is refused.
        colours: Roles of colours of renderings that replace the guess where they match.
    """
    found = Scan()
    uploads: list[tuple[str, Upload]] = []
    for source in sources:
        if isinstance(source, Upload):
            name = source.name.replace("\\", "/").lstrip("/")
            if not _is_junk(name):
                uploads.append((name, source))
        elif source.is_dir():
            _scan_folder(source, found, limits, colours)
        elif source.is_file():
            _scan_file(_disk_file(source, source.name, None), found, limits, colours)
        else:
            reason = f"{source.name}: there is no such file or folder; check the path {source}."
            found.rejected.append(Rejected(source.name, reason))
    classes = folder_classes([name for name, _ in uploads])
    for (name, upload), class_name in zip(uploads, classes, strict=True):
        opener = partial(io.BytesIO, upload.data)
        file = SourceFile(name, class_name, len(upload.data), opener)
        _scan_file(file, found, limits, colours)
    return found


def sample(
    candidates: Sequence[Candidate], limit_per_class: int | None, seed: int
) -> list[Candidate]:
    """At most ``limit_per_class`` candidates a class, chosen evenly; their order stays.

    Args:
        candidates: What was found.
        limit_per_class: ``None`` keeps all.
        seed: The same seed chooses the same ones.
    """
    if limit_per_class is None:
        return list(candidates)
    members: dict[str | None, list[int]] = {}
    for index, candidate in enumerate(candidates):
        members.setdefault(candidate.class_name, []).append(index)
    kept: list[int] = []
    for name, indices in members.items():
        # A stream of its own for each class: one class more does not change the others.
        rng = np.random.default_rng([seed, zlib.crc32((name or "").encode("utf-8"))])
        count = min(max(limit_per_class, 0), len(indices))
        kept += rng.choice(indices, count, replace=False).tolist()
    return [candidates[index] for index in sorted(kept)]


def folder_classes(names: Sequence[str]) -> list[str | None]:
    """For each path with ``/`` the folder that names its class."""
    parts = [PurePosixPath(name).parts for name in names]
    tops = {part[0] if len(part) > 1 else None for part in parts}
    wrapped = len(tops) == 1 and None not in tops and any(len(part) > 2 for part in parts)
    start = 1 if wrapped else 0
    return [part[-2] if len(part) - start > 1 else None for part in parts]


def _is_junk(name: str) -> bool:
    """Whether a path is what computers leave behind: hidden files, previews, resource forks."""
    return any(
        (part.startswith(".") and part != "..") or part.lower() in _JUNK
        for part in PurePosixPath(name).parts
    )


def _disk_file(path: Path, name: str, class_name: str | None) -> SourceFile:
    try:
        size = path.stat().st_size
    except OSError:
        size = 0  # gone meanwhile; reading it says so

    def open_file() -> IO[bytes]:
        return path.open("rb")

    return SourceFile(name, class_name, size, open_file, path)


def _scan_folder(
    folder: Path, found: Scan, limits: Limits, colours: Mapping[Colour, Role] | None
) -> None:
    paths: list[tuple[str, Path]] = []
    for place, folders, files in os.walk(folder):  # does not follow links to folders
        folders.sort()
        for file in sorted(files):
            path = Path(place, file)
            name = path.relative_to(folder).as_posix()
            if not _is_junk(name):
                paths.append((name, path))
    classes = folder_classes([name for name, _ in paths])
    for (name, path), class_name in zip(paths, classes, strict=True):
        _scan_file(_disk_file(path, name, class_name), found, limits, colours)


def _scan_file(
    file: SourceFile,
    found: Scan,
    limits: Limits,
    colours: Mapping[Colour, Role] | None,
    inside: bool = False,
) -> None:
    """Sort one file by its ending. ``inside``: it is a member of a zip."""
    ending = PurePosixPath(file.name).suffix.lower()
    try:
        if ending in PICTURE_ENDINGS:
            load = partial(_load_picture, file, limits, colours)
            found.candidates.append(Candidate(file.name, file.class_name, None, load))
        elif ending in ARRAY_ENDINGS:
            arrays = array_candidates(file, limits, colours)
            found.candidates += arrays.candidates
            found.rejected += arrays.rejected
        elif ending == ".zip" and inside:
            reason = f"{file.name}: a zip inside of a zip is not opened; unpack it first."
            found.rejected.append(Rejected(file.name, reason))
        elif ending == ".zip":
            _scan_zip(file, found, limits, colours)
        else:
            reason = (
                f"{file.name}: files of this kind are not read; give PNG, JPEG, BMP, TIFF or GIF "
                "pictures, .npy, .npz or .csv wafer data, or a .zip of them."
            )
            found.rejected.append(Rejected(file.name, reason))
    except InputError as exc:
        found.rejected.append(Rejected(file.name, str(exc)))
    except OSError as exc:
        reason = f"{file.name}: the file cannot be read ({exc.strerror or exc}); check it."
        found.rejected.append(Rejected(file.name, reason))


def _scan_zip(
    file: SourceFile, found: Scan, limits: Limits, colours: Mapping[Colour, Role] | None
) -> None:
    archive, members = open_zip(file, limits)
    useful = [member for member in members if not _is_junk(member.filename)]
    classes = folder_classes([member.filename for member in useful])
    for member, class_name in zip(useful, classes, strict=True):
        name = f"{PurePosixPath(file.name).name}/{member.filename}"
        inner = member_file(archive, member, name, class_name or file.class_name)
        _scan_file(inner, found, limits, colours, inside=True)


def _load_picture(
    file: SourceFile, limits: Limits, colours: Mapping[Colour, Role] | None
) -> Loaded:
    return decode_picture(file.read(limits.max_file_bytes), file.name, colours, limits)
