"""Search files, folders, zips and uploads for pictures, without decoding them.

``READERS`` maps each format to its reader. The file name extension chooses the reader, and the
first bytes of the file where the extension is unknown.
"""

from __future__ import annotations

import io
import os
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

import numpy as np

from wafer_core.errors import ArchiveError, InputError, PictureError
from wafer_core.importers.archives import member_file, open_zip
from wafer_core.importers.arrays import ARRAY_ENDINGS, array_candidates
from wafer_core.importers.colours import Colour, Role
from wafer_core.importers.fab import fab_candidates, is_fab_file, unpacked
from wafer_core.importers.items import (
    Candidate,
    Limits,
    Loaded,
    Rejected,
    Scan,
    SourceFile,
    Upload,
)
from wafer_core.importers.pictures import PICTURE_ENDINGS, PICTURE_MAGICS, decode_picture
from wafer_core.messages import message

_DEFAULT_LIMITS = Limits()
_JUNK = frozenset(("thumbs.db", "desktop.ini", "__macosx"))


def scan(
    sources: Sequence[Path | Upload],
    *,
    limits: Limits = _DEFAULT_LIMITS,
    colours: Mapping[Colour, Role] | None = None,
) -> Scan:
    """List every picture in the sources; bad files are rejected and good ones kept.

    The class of a picture is the name of its folder within the source: a folder, a zip, or all
    uploads of one drop. One folder around everything is not a class if it has subfolders. Labels
    in a data file take precedence.

    Args:
        sources: Files and folders on this machine, or uploads.
        limits: Limits of the import.
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
            reason = message(
                "{file}: there is no such file or folder; check the path {path}.",
                file=source.name,
                path=str(source),
            )
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
    """At most ``limit_per_class`` random candidates per class, in their order.

    Args:
        candidates: From ``scan``.
        limit_per_class: ``None`` keeps all.
        seed: The same seed chooses the same candidates.
    """
    if limit_per_class is None:
        return list(candidates)
    members: dict[str | None, list[int]] = {}
    for index, candidate in enumerate(candidates):
        members.setdefault(candidate.class_name, []).append(index)
    kept: list[int] = []
    for name, indices in members.items():
        # Each class has its own random stream, so that another class does not change the choice.
        rng = np.random.default_rng([seed, zlib.crc32((name or "").encode("utf-8"))])
        count = min(max(limit_per_class, 0), len(indices))
        kept += rng.choice(indices, count, replace=False).tolist()
    return [candidates[index] for index in sorted(kept)]


def folder_classes(names: Sequence[str]) -> list[str | None]:
    """The folder that names the class of each path; ``None`` without one."""
    parts = [PurePosixPath(name).parts for name in names]
    tops = {part[0] if len(part) > 1 else None for part in parts}
    wrapped = len(tops) == 1 and None not in tops and any(len(part) > 2 for part in parts)
    start = 1 if wrapped else 0
    return [part[-2] if len(part) - start > 1 else None for part in parts]


def _is_junk(name: str) -> bool:
    """Whether a path is a hidden file, a preview cache or a resource fork."""
    return any(
        (part.startswith(".") and part != "..") or part.lower() in _JUNK
        for part in PurePosixPath(name).parts
    )


def _disk_file(path: Path, name: str, class_name: str | None) -> SourceFile:
    try:
        size = path.stat().st_size
    except OSError:
        size = 0  # deleted meanwhile; reading it reports the error

    def open_file() -> IO[bytes]:
        return path.open("rb")

    # bytes that are not UTF-8 are lone surrogates here, which no file of ours can store
    shown = name.encode("utf-8", "replace").decode()
    return SourceFile(shown, class_name, size, open_file, path)


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
    """Hand one file to the reader of its format. ``inside``: it is a member of a zip."""
    try:
        file = unpacked(file, limits) or file
        reader = _find_reader(file)
        if reader is None:
            raise PictureError(
                "{file}: files of this kind cannot be imported; use PNG, JPEG, BMP, TIFF or GIF "
                "pictures, .npy, .npz or .csv wafer data, STDF, ATDF, KLARF, SINF, SEMI E142 or "
                "G85 files, text maps, or a .zip of them.",
                file=file.name,
            )
        if inside and reader.is_archive:
            raise ArchiveError(
                "{file}: a zip inside a zip is not opened; unpack it first.", file=file.name
            )
        result = reader.scan(file, limits, colours)
        found.candidates += result.candidates
        found.rejected += result.rejected
    except InputError as exc:
        found.rejected.append(Rejected(file.name, exc.message))
    except OSError as exc:
        reason = message(
            "{file}: the file cannot be read ({reason}); check it.",
            file=file.name,
            reason=exc.strerror or str(exc),
        )
        found.rejected.append(Rejected(file.name, reason))


def _scan_zip(file: SourceFile, limits: Limits, colours: Mapping[Colour, Role] | None) -> Scan:
    found = Scan()
    archive, members = open_zip(file, limits)
    useful = [member for member in members if not _is_junk(member.filename)]
    classes = folder_classes([member.filename for member in useful])
    for member, class_name in zip(useful, classes, strict=True):
        name = f"{PurePosixPath(file.name).name}/{member.filename}"
        inner = member_file(archive, member, name, class_name or file.class_name)
        _scan_file(inner, found, limits, colours, inside=True)
    return found


def _scan_picture(file: SourceFile, limits: Limits, colours: Mapping[Colour, Role] | None) -> Scan:
    load = partial(_load_picture, file, limits, colours)
    return Scan([Candidate(file.name, file.class_name, None, load)])


def _load_picture(
    file: SourceFile, limits: Limits, colours: Mapping[Colour, Role] | None
) -> Loaded:
    return decode_picture(file.read(limits.max_file_bytes), file.name, colours, limits)


@dataclass(frozen=True)
class Reader:
    """How files of one format are read.

    Attributes:
        endings: File name extensions, in lower case and with the dot.
        magics: First bytes of its files, for files with another extension.
        scan: Lists the pictures of one file.
        is_archive: Whether a file contains other files.
    """

    endings: frozenset[str]
    magics: tuple[bytes, ...]
    scan: Callable[[SourceFile, Limits, Mapping[Colour, Role] | None], Scan]
    is_archive: bool = False


READERS = {
    "picture": Reader(PICTURE_ENDINGS, PICTURE_MAGICS, _scan_picture),
    "array": Reader(ARRAY_ENDINGS, (b"\x93NUMPY",), array_candidates),
    "zip": Reader(frozenset((".zip",)), (), _scan_zip, is_archive=True),
    "fab": Reader(frozenset(), (), fab_candidates),  # by content alone
}


def _find_reader(file: SourceFile) -> Reader | None:
    """The reader of a file by its extension, else by its first bytes."""
    ending = PurePosixPath(file.name).suffix.lower()
    for reader in READERS.values():
        if ending in reader.endings:
            return reader
    head = file.head(16)
    found = next((r for r in READERS.values() if head.startswith(r.magics) and r.magics), None)
    return found or (READERS["fab"] if is_fab_file(file) else None)
