"""The formats that are read. The content of a file decides which it is, not its name."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath

from wafer_core.errors import PictureError
from wafer_core.importers import atdf, klarf, lswmd, semi_xml, sinf, stdf, text_maps, tiff
from wafer_core.importers.archives import COMPRESSED_ENDINGS, zip_names
from wafer_core.importers.array_sets import read_npz
from wafer_core.importers.arrays import NPY_MAGIC
from wafer_core.importers.cells import is_text
from wafer_core.importers.die_files import Read, read_die_file
from wafer_core.importers.items import Candidate, FoundFile, Limits, Loaded, Scan, SourceFile
from wafer_core.importers.options import ReadOptions
from wafer_core.importers.pictures import PICTURE_ENDINGS, PICTURE_MAGICS, decode_picture
from wafer_core.importers.tables import NoTableError, read_spreadsheet, read_text_table
from wafer_core.messages import N_

HEAD = 8192  # bytes that decide on the format
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # .xls
_TABLE_ENDINGS = frozenset((".csv", ".tsv", ".tab", ".txt", ".dat", ".asc", ".prn", ""))


@dataclass(frozen=True)
class Reader:
    """How files of one format are read.

    Attributes:
        title: For people.
        recognises: Whether a file with these first bytes has the format.
        endings: File name extensions, in lower case and with the dot, for files whose content says
            nothing, because they are damaged or empty.
        read: Lists the pictures of one file.
    """

    title: str
    recognises: Callable[[bytes], bool]
    endings: frozenset[str]
    read: Callable[[SourceFile, Limits, ReadOptions], Scan]


def _read_picture(file: SourceFile, limits: Limits, options: ReadOptions) -> Scan:
    head = file.head(4)
    if head in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return _read_tiff(file, limits, options)
    load = partial(_load_picture, file, limits, options, 0)
    return Scan([FoundFile(file.name, "picture", [file.candidate(load)])])


def _read_tiff(file: SourceFile, limits: Limits, options: ReadOptions) -> Scan:
    """All pages of a TIFF."""
    with file.reading() as stream:
        if stream.seekable():
            found = tiff.pages(stream, file.name, limits)
        else:
            data = io.BytesIO(file.read(limits.max_file_bytes))
            found = tiff.pages(data, file.name, limits)
    candidates: list[Candidate] = []
    for number, at in enumerate(found):
        name = file.name if len(found) == 1 else f"{file.name}[{number}]"
        first = 0 if len(found) == 1 else at
        load = partial(_load_picture, file.named(name), limits, options, first)
        candidates.append(file.candidate(load, name))
    return Scan([FoundFile(file.name, "picture", candidates)])


def _load_picture(file: SourceFile, limits: Limits, options: ReadOptions, page: int) -> Loaded:
    data = file.read(limits.max_file_bytes)
    return decode_picture(tiff.page_data(data, page), file.name, options, limits)


def _die_file(
    title: str, module_recognises: Callable[[bytes], bool], read: Read, *endings: str
) -> Reader:
    def scan(file: SourceFile, limits: Limits, options: ReadOptions) -> Scan:
        return Scan([read_die_file(read, title, file, limits, options)])

    return Reader(title, module_recognises, frozenset(endings), scan)


def _read_table(file: SourceFile, limits: Limits, options: ReadOptions) -> Scan:
    try:
        return read_text_table(file, limits, options)
    except NoTableError as exc:
        if ending(file.name) in (".csv", ".tsv"):
            raise
        raise unknown(file) from exc  # any other text, such as notes


def _begins(*magics: bytes) -> Callable[[bytes], bool]:
    return lambda head: head.startswith(magics)


def _is_picture(head: bytes) -> bool:
    return head.startswith(PICTURE_MAGICS) and (head[:4] != b"RIFF" or head[8:12] == b"WEBP")


# In the order in which they are tried. Arrays and zips are not in it: they are read together with
# the files beside them, see ``scan``.
READERS: dict[str, Reader] = {
    "picture": Reader(N_("picture"), _is_picture, PICTURE_ENDINGS, _read_picture),
    "STDF": _die_file("STDF", stdf.recognises, stdf.read, ".stdf", ".std"),
    "ATDF": _die_file("ATDF", atdf.recognises, atdf.read, ".atdf", ".atd"),
    "pickle": Reader(
        N_("table of WM-811K"), lswmd.recognises, frozenset((".pkl", ".pickle")), lswmd.read_table
    ),
    "xls": Reader(N_("spreadsheet"), _begins(_OLE), frozenset((".xls",)), read_spreadsheet),
    "KLARF": _die_file("KLARF", klarf.recognises, klarf.read, ".klarf", ".kla"),
    "XML map": _die_file("XML map", semi_xml.recognises, semi_xml.read, ".xml"),
    "SINF": _die_file("SINF", sinf.recognises, sinf.read, ".sinf"),
    "text map": _die_file("text map", text_maps.recognises, text_maps.read),
    "table": Reader(N_("table"), is_text, _TABLE_ENDINGS, _read_table),
}
REPORT_CUTS = frozenset(("STDF", "ATDF"))  # formats whose readers report files that are cut off
ARRAY, ZIP, NPZ, SPREADSHEET = "array", "zip", "npz", "spreadsheet"
CONTAINERS = {".npy": ARRAY, ".zip": ZIP, ".npz": NPZ, ".xlsx": SPREADSHEET, ".xlsm": SPREADSHEET}
_ZIP_READERS = {NPZ: read_npz, SPREADSHEET: read_spreadsheet}


def ending(name: str) -> str:
    """The file name extension that says the format, in lower case: ``.stdf`` of ``a.stdf.gz``."""
    path = PurePosixPath(name)
    if path.suffix.lower() in COMPRESSED_ENDINGS:
        path = path.with_suffix("")
    return path.suffix.lower()


def find_format(file: SourceFile, limits: Limits) -> str | None:
    """Key of the format of a file: of ``READERS``, ``array``, ``zip``, ``npz`` or ``spreadsheet``;
    ``None`` for a file of no known kind."""
    head = file.head(HEAD)
    if head.startswith(NPY_MAGIC):
        return ARRAY
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _kind_of_zip(file, limits)
    last = ending(file.name)
    is_table = last in (".csv", ".tsv")
    for key, reader in READERS.items():
        # a table of numbers may look like a text map
        if key == "text map" and is_table:
            continue
        if key == "table" and not (last in _TABLE_ENDINGS or is_table):
            continue
        if head and reader.recognises(head):
            return key
    if last in CONTAINERS:
        return CONTAINERS[last]
    return next((k for k, r in READERS.items() if last and last in r.endings), None)


def _kind_of_zip(file: SourceFile, limits: Limits) -> str:
    """What a zip is, by the names in it."""
    names = zip_names(file, limits)
    if names is None:  # damaged: its name says what it should be
        return CONTAINERS.get(ending(file.name), ZIP)
    if "xl/workbook.xml" in names or "xl/workbook.bin" in names or "content.xml" in names:
        return SPREADSHEET
    if names and all(name.endswith(".npy") and "/" not in name for name in names):
        return NPZ
    return ZIP


def read_file(file: SourceFile, kind: str, limits: Limits, options: ReadOptions) -> Scan:
    """The pictures of one file of a known format.

    Raises:
        InputError: It cannot be read.
    """
    if kind in _ZIP_READERS:
        return _ZIP_READERS[kind](file, limits, options)
    return READERS[kind].read(file, limits, options)


def unknown(file: SourceFile) -> PictureError:
    """The error of a file of no known kind."""
    return PictureError(
        "{file}: files of this kind cannot be imported; use PNG, JPEG, BMP, TIFF, GIF or WebP "
        "pictures, wafer data (.npy, .npz, .csv, .xlsx, STDF, KLARF, SINF, E142, text maps, "
        "LSWMD.pkl), or a .zip of them.",
        file=file.name,
    )
