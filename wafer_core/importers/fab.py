"""Files of testers and inspection tools: the content decides the format, compressed or not."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import PurePosixPath

import numpy as np

from wafer_core.errors import ArchiveError, PictureError
from wafer_core.images import NO_DIE, Picture
from wafer_core.importers import atdf, klarf, semi_xml, sinf, stdf, text_maps
from wafer_core.importers.colours import Colour, Role
from wafer_core.importers.die_maps import DieMap, pass_bins, status
from wafer_core.importers.items import Candidate, Limits, Loaded, Scan, SourceFile
from wafer_core.messages import message

HEAD_BYTES = 4096  # that ``recognises`` looks at
_LEAST_SIDE = 4  # pixels of a stored picture
_CHUNK = 2**20


@dataclass(frozen=True)
class FabFormat:
    """One format.

    Attributes:
        title: As people call it.
        recognises: Whether a file begins as this format; gets its first ``HEAD_BYTES``.
        read: Its wafers.
    """

    title: str
    recognises: Callable[[bytes], bool]
    read: Callable[[bytes, str], list[DieMap]]


# Text maps come last: they also recognise other tables of die codes.
FORMATS: dict[str, FabFormat] = {
    "stdf": FabFormat("STDF", stdf.recognises, stdf.read),
    "atdf": FabFormat("ATDF", atdf.recognises, atdf.read),
    "klarf": FabFormat("KLARF", klarf.recognises, klarf.read),
    "semi_xml": FabFormat("SEMI E142 / G85", semi_xml.recognises, semi_xml.read),
    "sinf": FabFormat("SINF", sinf.recognises, sinf.read),
    "text_map": FabFormat("text map", text_maps.recognises, text_maps.read),
}
_COMPRESSED = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open}


def find_format(head: bytes) -> FabFormat | None:
    """The format of a file by its beginning; ``None``: none of these."""
    return next((each for each in FORMATS.values() if each.recognises(head)), None)


def is_fab_file(file: SourceFile) -> bool:
    """Whether a file has one of these formats."""
    return find_format(file.head(HEAD_BYTES)) is not None


def fab_candidates(file: SourceFile, limits: Limits, colours: Mapping[Colour, Role] | None) -> Scan:
    """The wafers of one file.

    Raises:
        PictureError: It cannot be read, or is too large.
    """
    found = find_format(file.head(HEAD_BYTES))
    if found is None:
        raise PictureError("{file}: the file has no known wafer format.", file=file.name)
    wafers = found.read(file.read(limits.max_file_bytes), file.name)
    if not wafers:
        raise PictureError(
            "{file}: the {format} file holds no wafer; export it with its wafer records.",
            file=file.name,
            format=found.title,
        )
    return Scan([_candidate(file, wafer, len(wafers) > 1) for wafer in wafers])


def _candidate(file: SourceFile, wafer: DieMap, is_one_of_many: bool) -> Candidate:
    name = f"{file.name} {wafer.wafer}".strip() if is_one_of_many else file.name
    return Candidate(name, wafer.label or file.class_name, wafer.lot, partial(_load, wafer, name))


def _load(wafer: DieMap, name: str) -> Loaded:
    picture = _padded(status(replace(wafer, wafer=wafer.wafer or name)))
    notes = list(wafer.notes)
    if wafer.flags is None and pass_bins(wafer)[1]:
        notes.append(message("The file does not say which bins pass; bin 1 was taken to pass."))
    return Loaded(picture, None, tuple(notes))


def _padded(picture: Picture) -> Picture:
    """The picture (H, W) with rows and columns without dies up to the smallest storable size."""
    more = [max(0, _LEAST_SIDE - side) for side in picture.shape]
    edges = [(each // 2, each - each // 2) for each in more]
    return np.pad(picture, edges, constant_values=NO_DIE)


def unpacked(file: SourceFile, limits: Limits) -> SourceFile | None:
    """The content of a .gz, .bz2 or .xz file, recognised by its first bytes.

    A file that was cut off gives what is intact; the readers report that.

    Raises:
        ArchiveError: Too large, expands too much, or damaged from the start.
    """
    head = file.head(6)
    opener = next((o for magic, o in _COMPRESSED.items() if head.startswith(magic)), None)
    if opener is None:
        return None
    content = io.BytesIO()
    try:
        with file.open() as packed, opener(packed) as stream:
            while chunk := stream.read1(_CHUNK):  # all that is intact of a cut file
                content.write(chunk)
                size = content.tell()
                expands = size > limits.ratio_from_bytes and size > limits.max_ratio * file.size
                if size > limits.max_file_bytes or expands:
                    raise ArchiveError(
                        "{file}: unpacks to more than {size:,} MB, which is over the limit; unpack "
                        "it and split it.",
                        file=file.name,
                        size=size // _CHUNK,
                    )
    except (EOFError, OSError, zlib.error, lzma.LZMAError) as exc:
        if not content.tell():
            raise ArchiveError(
                "{file}: the compressed file is damaged ({reason}); copy it again.",
                file=file.name,
                reason=str(exc),
            ) from exc
    data = content.getvalue()
    name = str(PurePosixPath(file.name).with_suffix(""))
    return SourceFile(name, file.class_name, len(data), partial(io.BytesIO, data))
