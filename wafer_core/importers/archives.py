"""Untrusted zip files: listed once, checked before unpacking, never extracted to the disk."""

from __future__ import annotations

import io
import re
import stat
import struct
import zipfile
from functools import partial
from typing import IO

from wafer_core.errors import ArchiveError, PictureError
from wafer_core.importers.items import MEGA, Limits, SourceFile

_END = struct.Struct("<4s4H2LH")  # end of central directory
_LOCATOR = struct.Struct("<4sLQL")  # position of its 64-bit form
_END64 = struct.Struct("<4sQ2H2L4Q")
_SMALLEST_ENTRY = 46  # bytes of one file in the central directory, without its name
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)


class _Member(io.RawIOBase):
    """A file that is being unpacked; damage raises ``PictureError``."""

    def __init__(self, stream: IO[bytes], name: str) -> None:
        self._stream, self._name = stream, name

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        try:
            return self._stream.read(size)
        except MemoryError:
            raise
        except Exception as exc:  # a decompressor may raise anything on damaged data
            raise _damaged_member(self._name) from exc

    def close(self) -> None:
        self._stream.close()
        super().close()


def _damaged_member(name: str) -> PictureError:
    return PictureError("{file} is damaged inside the zip; pack it again.", file=name)


def open_zip(file: SourceFile, limits: Limits) -> tuple[zipfile.ZipFile, list[zipfile.ZipInfo]]:
    """Open a zip and list its files, after all checks that need no unpacking.

    Args:
        file: The zip; one that has no path is read into memory.
        limits: Limits of the import.

    Raises:
        ArchiveError: Broken, encrypted, hostile or too large.
    """
    name = file.name
    try:
        # Opened by its path, ZipFile closes the file itself; bytes need no closing.
        if file.path is not None:
            with file.path.open("rb") as stream:
                _check_directory(stream, name, limits)
            archive = zipfile.ZipFile(file.path)
        else:
            memory = io.BytesIO(file.read(limits.max_unpacked_bytes))
            _check_directory(memory, name, limits)
            archive = zipfile.ZipFile(memory)
    except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError, struct.error) as exc:
        raise _broken(name) from exc
    members = archive.infolist()
    try:
        _check_members(members, name, limits)
    except ArchiveError:
        archive.close()
        raise
    return archive, [member for member in members if not member.is_dir()]


def _broken(name: str) -> ArchiveError:
    return ArchiveError("{file} is not a zip, or it is damaged; pack or copy it again.", file=name)


def _check_directory(stream: IO[bytes], name: str, limits: Limits) -> None:
    """Reject a central directory that is too long before the zip module reads all of it."""
    size = stream.seek(0, io.SEEK_END)
    tail_start = max(size - _END.size - 65535, 0)
    stream.seek(tail_start)
    tail = stream.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < _END.size:
        raise _broken(name)
    _, _, _, _, count, directory, _, _ = _END.unpack_from(tail, at)
    place = tail_start + at - _LOCATOR.size
    if place >= 0:
        stream.seek(place)
        magic, _, end64, _ = _LOCATOR.unpack(stream.read(_LOCATOR.size))
        if magic == b"PK\x06\x07" and end64 + _END64.size <= size:
            stream.seek(end64)
            fields = _END64.unpack(stream.read(_END64.size))
            count, directory = max(count, fields[7]) if count != 0xFFFF else fields[7], fields[8]
    # The count may be wrong on purpose, but each file takes some bytes of the directory.
    most = limits.max_members * (_SMALLEST_ENTRY + 1024)
    if count > limits.max_members or directory > most:
        raise _too_many(name, limits)
    stream.seek(0)


def _too_many(name: str, limits: Limits) -> ArchiveError:
    return ArchiveError(
        "{file}: the zip contains more than {most:,} files; split it into smaller ones.",
        file=name,
        most=limits.max_members,
    )


def _check_members(members: list[zipfile.ZipInfo], name: str, limits: Limits) -> None:
    if len(members) > limits.max_members:
        raise _too_many(name, limits)
    total = packed = 0
    for member in members:
        path = member.orig_filename.replace("\\", "/")
        if path.startswith("/") or re.match(r"[A-Za-z]:", path) or ".." in path.split("/"):
            raise ArchiveError(
                "{file}: the zip is rejected because “{member}” points outside of it; pack only "
                "the folder with the pictures.",
                file=name,
                member=path[:60],
            )
        if stat.S_ISLNK(member.external_attr >> 16):
            raise ArchiveError(
                "{file}: the zip is rejected because “{member}” is a link; pack the files "
                "themselves.",
                file=name,
                member=path[:60],
            )
        if member.flag_bits & 1:
            raise ArchiveError(
                "{file}: the zip has a password; pack it again without one.", file=name
            )
        total += member.file_size
        packed += member.compress_size
        bomb = member.file_size > limits.max_ratio * max(member.compress_size, 1)
        if bomb and member.file_size >= limits.ratio_from_bytes:
            raise _bomb(name, path[:60], limits)
    if total > limits.max_unpacked_bytes:
        raise ArchiveError(
            "{file}: the zip would unpack to {size:,.0f} MB, more than {most:,.0f} MB; split it "
            "into smaller ones.",
            file=name,
            size=total / MEGA,
            most=limits.max_unpacked_bytes / MEGA,
        )
    if total >= limits.ratio_from_bytes and total > limits.max_ratio * max(packed, 1):
        raise _bomb(name, "*", limits)


def _bomb(name: str, member: str, limits: Limits) -> ArchiveError:
    return ArchiveError(
        "{file}: the zip is rejected because “{member}” would unpack to more than {ratio:.0f} "
        "times its size; pack it again with another program.",
        file=name,
        member=member,
        ratio=limits.max_ratio,
    )


def member_file(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str, class_name: str | None
) -> SourceFile:
    """One file of a zip, unpacked in memory when it is read."""
    opener = partial(_open_member, archive, member, name)
    return SourceFile(name, class_name, member.file_size, opener)


def _open_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> IO[bytes]:
    if member.compress_type not in _METHODS:
        raise PictureError(
            "{file} is packed with a method that is not supported; pack it as a standard zip.",
            file=name,
        )
    try:
        stream = archive.open(member)
    except MemoryError:
        raise
    except Exception as exc:  # the zip module may raise anything on damaged data
        raise _damaged_member(name) from exc
    return _Member(stream, name)  # type: ignore[return-value]
