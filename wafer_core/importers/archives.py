"""Untrusted archives: zips are listed once and checked before unpacking, gz, bz2 and xz while they
are unpacked; nothing is extracted to the disk."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import stat
import struct
import zipfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import IO, Any

from wafer_core.errors import ArchiveError, PictureError, WaferError
from wafer_core.importers.items import MEGA, Limits, SourceFile

_END = struct.Struct("<4s4H2LH")  # end of central directory
_LOCATOR = struct.Struct("<4sLQL")  # position of its 64-bit form
_END64 = struct.Struct("<4sQ2H2L4Q")
_SMALLEST_ENTRY = 46  # bytes of one file in the central directory, without its name
_LONGEST_NAME = 400  # characters
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)


COMPRESSED_ENDINGS = (".gz", ".bz2", ".xz")


class _Member(io.RawIOBase):
    """A file that is being unpacked; damage raises ``PictureError``."""

    def __init__(self, stream: IO[bytes], name: str) -> None:
        self._stream, self._name = stream, name

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        try:
            return self._stream.read(size)
        except (MemoryError, WaferError):
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


def zip_names(file: SourceFile, limits: Limits) -> list[str] | None:
    """The names of the files in a zip; ``None`` if it cannot be opened."""
    try:
        archive, members = open_zip(file, limits)
    except WaferError:
        return None
    archive.close()
    return [member.filename for member in members]


def member_file(archive: zipfile.ZipFile, member: zipfile.ZipInfo, file: SourceFile) -> SourceFile:
    """One file of a zip, unpacked in memory when it is read.

    Args:
        archive: The zip.
        member: The file in it.
        file: The zip, under the name of the file in it.
    """
    name = file.name
    if len(name) > _LONGEST_NAME:  # 65,535 are possible, and messages repeat it
        name = f"{name[: _LONGEST_NAME // 2]}…{name[-_LONGEST_NAME // 2 :]}"
    opener = partial(_open_member, archive, member, name)
    return replace(file, name=name, size=member.file_size, open=opener, path=None)


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


class _Counter(io.RawIOBase):
    """The compressed bytes of a file; counts how many were read."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self.count = stream, 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self.count += len(data)
        return data

    def close(self) -> None:
        self._stream.close()
        super().close()


class _Unpacked(io.RawIOBase):
    """The content of a compressed file, with limits on its size and its ratio."""

    def __init__(self, file: SourceFile, kind: bytes, limits: Limits, intact: bool) -> None:
        self._file, self._limits, self._intact, self._count = file, limits, intact, 0
        self._source = _Counter(file.open())
        source: IO[bytes] = self._source  # type: ignore[assignment]
        self._stream = _COMPRESSED[kind](source)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        wanted = self._limits.max_pickle_bytes if size < 0 else size
        chunks = []
        try:
            while wanted > 0 and (chunk := self._stream.read1(min(wanted, _CHUNK))):
                chunks.append(chunk)
                wanted -= len(chunk)
                self._count += len(chunk)
                self._check()
        except (MemoryError, WaferError):
            raise
        except Exception as exc:  # a decompressor may raise anything on damaged data
            if not (self._intact and isinstance(exc, EOFError) and self._count):
                raise PictureError(
                    "{file} is damaged or cut off, so it cannot be unpacked; copy it again.",
                    file=self._file.name,
                ) from exc
        return b"".join(chunks)

    def _check(self) -> None:
        """Refuse what grows too large.

        Raises:
            ArchiveError: It does.
        """
        limits = self._limits
        too_dense = self._count > limits.max_ratio * max(self._source.count, 1)
        if self._count > limits.max_pickle_bytes or (
            too_dense and self._count >= limits.ratio_from_bytes
        ):
            raise ArchiveError(
                "{file} is rejected because it unpacks to more than {ratio:.0f} times its size, or "
                "to more than {most:,.0f} MB; unpack it yourself and add the content.",
                file=self._file.name,
                ratio=limits.max_ratio,
                most=limits.max_pickle_bytes / MEGA,
            )

    def close(self) -> None:
        self._stream.close()
        self._source.close()
        super().close()


_CHUNK = MEGA
_COMPRESSED: dict[bytes, Callable[[IO[bytes]], Any]] = {
    b"\x1f\x8b": lambda stream: gzip.GzipFile(fileobj=stream),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\x00": lzma.LZMAFile,
}


def unpacked(file: SourceFile, limits: Limits, intact: bool = False) -> SourceFile | None:
    """The content of a gz, bz2 or xz file, unpacked whenever it is read; ``None`` for other files.

    Args:
        file: The file.
        limits: Limits of the import.
        intact: Whether what is intact of a file that is cut off is read, for formats whose readers
            notice and report that.
    """
    head = file.head(6)
    kind = next((magic for magic in _COMPRESSED if head.startswith(magic)), None)
    if kind is None:
        return None
    opener = partial(_open_compressed, file, kind, limits, intact)
    return replace(file, size=None, path=None, open=opener)


def _open_compressed(file: SourceFile, kind: bytes, limits: Limits, intact: bool) -> IO[bytes]:
    return _Unpacked(file, kind, limits, intact)  # type: ignore[return-value]
