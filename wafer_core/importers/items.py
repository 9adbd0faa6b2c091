"""Input of an import, its limits, and the result of its scan."""

from __future__ import annotations

import bisect
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, overload

from wafer_core.errors import PictureError, WaferError
from wafer_core.images import Picture
from wafer_core.importers.colours import ColourTable
from wafer_core.importers.die_maps import DieMap
from wafer_core.messages import Message

logger = logging.getLogger(__name__)

MEGA = 2**20
_CHUNK = 4 * MEGA


@dataclass(frozen=True)
class Limits:
    """Limits that keep an upload from filling the memory or the disk of the server.

    Attributes:
        max_pixels: Of one picture, before it is decoded. The default is 5,600 × 5,600, which takes
            a few hundred MB during conversion.
        max_file_bytes: Of one picture or table, unpacked.
        max_array_bytes: Of one array after unpacking; all of WM-811K takes about 1.3 GB with one
            byte per die.
        max_pickle_bytes: Of LSWMD.pkl, which takes 2.1 GB and is read in pieces.
        max_pictures: In one array; each takes some memory before it is decoded.
        max_pages: Of one TIFF.
        max_members: Files in one zip.
        max_unpacked_bytes: Of all files in one zip.
        max_ratio: Unpacked over packed size. Pictures reach 2, tables of dies 50, zip bombs 1000.
        ratio_from_bytes: Smaller files may have any ratio.
    """

    max_pixels: int = 32_000_000
    max_file_bytes: int = 256 * MEGA
    max_array_bytes: int = 2048 * MEGA
    max_pickle_bytes: int = 8192 * MEGA
    max_pictures: int = 2_000_000
    max_pages: int = 2_000
    max_members: int = 20_000
    max_unpacked_bytes: int = 4096 * MEGA
    max_ratio: float = 200.0
    ratio_from_bytes: int = MEGA


@dataclass(frozen=True)
class Upload:
    """A file from the browser.

    Attributes:
        name: May contain ``/``. It is displayed and gives class names, but is never used as a path.
        data: The content.
        path: Where the content is instead, if it is on the disk.
    """

    name: str
    data: bytes = field(default=b"", repr=False)
    path: Path | None = None


@dataclass(frozen=True)
class Loaded:
    """A picture that was read, and what was decided about it.

    Attributes:
        picture: The picture.
        colours: Roles of its flat colours if it is a colour rendering; the user can change them.
        notes: For the user, such as that only the first frame was imported.
        die_map: Bins of the dies and where the wafer comes from, if the file says so; it has the
            shape of the picture.
        box: Left, top, right and bottom of the wafer in a figure, in pixels; the user can change
            it.
    """

    picture: Picture
    colours: ColourTable | None = None
    notes: tuple[Message, ...] = ()
    die_map: DieMap | None = None
    box: tuple[int, int, int, int] | None = None


@dataclass(frozen=True)
class Candidate:
    """One picture that can be imported; it is not decoded before ``load()``.

    Attributes:
        name: Of the file, and of the picture in it.
        class_name: ``None`` if it is unknown.
        group: Lot; wafers of one group stay in one split. ``None`` if it is unknown.
        load: Decodes it; raises ``PictureError`` if it is damaged.
        split: ``train``, ``validation`` or ``test`` if its folder or array says so.
        suggestion: A class to offer where none is known, such as the name of its zip.
        unlabelled: Whether its file has labels, but none for this one.
    """

    name: str
    class_name: str | None
    group: str | None
    load: Callable[[], Loaded] = field(repr=False)
    split: str | None = None
    suggestion: str | None = None
    unlabelled: bool = False


class LazyCandidates(Sequence[Candidate]):
    """Candidates of one file that are created when needed: an array may hold a million.

    Args:
        count: How many.
        create: The candidate at an index from 0.
    """

    def __init__(self, count: int, create: Callable[[int], Candidate]) -> None:
        self._count, self._create = count, create

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Candidate: ...
    @overload
    def __getitem__(self, index: slice) -> list[Candidate]: ...
    def __getitem__(self, index: int | slice) -> Candidate | list[Candidate]:
        if isinstance(index, slice):
            return [self._create(k) for k in range(self._count)[index]]
        return self._create(range(self._count)[index])


class Candidates(LazyCandidates):
    """The candidates of several files, one after the other."""

    def __init__(self, parts: Iterable[Sequence[Candidate]]) -> None:
        self._parts = [part for part in parts if len(part)]
        self._ends: list[int] = []
        total = 0
        for part in self._parts:
            total += len(part)
            self._ends.append(total)
        super().__init__(total, self._find)

    def _find(self, index: int) -> Candidate:
        part = bisect.bisect_right(self._ends, index)
        return self._parts[part][index - (self._ends[part - 1] if part else 0)]

    def __iter__(self) -> Iterator[Candidate]:
        for part in self._parts:
            yield from part


@dataclass(frozen=True)
class Rejected:
    """A file that cannot be imported, and a sentence that says why and what to do."""

    name: str
    reason: Message


def unique(notes: Iterable[Message]) -> list[Message]:
    """Each note once, in their order."""
    return list({str(note): note for note in notes}.values())


@dataclass(frozen=True)
class FoundFile:
    """One file in which something was found.

    Attributes:
        name: Of the file.
        format: Key of ``formats.READERS``.
        candidates: What it holds.
        notes: What was guessed, skipped or repaired, for the user.
    """

    name: str
    format: str
    candidates: Sequence[Candidate]
    notes: tuple[Message, ...] = ()


@dataclass
class Scan:
    """The result of looking through files.

    Attributes:
        files: What was found, in the order of the files.
        rejected: Files that cannot be imported.
        notes: What was decided about the files together, for the user.
    """

    files: list[FoundFile] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    notes: list[Message] = field(default_factory=list)

    @property
    def candidates(self) -> Candidates:
        """Everything that was found."""
        return Candidates(file.candidates for file in self.files)

    @property
    def all_notes(self) -> list[Message]:
        """All notes, each once."""
        return unique([*self.notes, *(note for file in self.files for note in file.notes)])


@dataclass(frozen=True)
class SourceFile:
    """One file on the disk, in an archive, or in memory.

    Attributes:
        name: For people.
        class_name: From its folder; ``None`` if it is unknown.
        size: Bytes; ``None`` for a compressed file, which is only known when it was unpacked.
        open: Opens it for reading.
        path: On the disk, if it is a file of its own.
        split: From its folder; ``None`` if it is unknown.
        suggestion: See ``Candidate``.
    """

    name: str
    class_name: str | None
    size: int | None
    open: Callable[[], IO[bytes]] = field(repr=False)
    path: Path | None = None
    split: str | None = None
    suggestion: str | None = None

    def head(self, count: int) -> bytes:
        """The first bytes of the file; empty if it cannot be read."""
        try:
            with self.open() as stream:
                return stream.read(count if self.size is None else min(count, self.size))
        except (OSError, WaferError):
            return b""

    def read(self, limit: int) -> bytes:
        """All bytes of the file.

        Raises:
            PictureError: It is larger than ``limit`` bytes, or cannot be read.
        """
        too_large = PictureError(
            "{file}: the file is larger than {limit:.0f} MB; reduce or split it.",
            file=self.name,
            limit=limit / MEGA,
        )
        if self.size is not None and self.size > limit:
            raise too_large
        with self.reading() as stream:
            if self.size is None:
                data = _read_chunks(stream, limit + 1)
            else:
                # read() allocates what is requested, so request no more than the file has
                data = stream.read(self.size + 1)
                if len(data) > self.size:  # it grew
                    data += stream.read(limit + 1 - len(data))
        if len(data) > limit:
            raise too_large
        return data

    @contextmanager
    def reading(self) -> Iterator[IO[bytes]]:
        """The open file.

        Raises:
            PictureError: It cannot be read.
        """
        try:
            with self.open() as stream:
                yield stream
        except OSError as exc:
            raise PictureError(
                "{file}: the file cannot be read ({reason}); check it and add it again.",
                file=self.name,
                reason=exc.strerror or str(exc),
            ) from exc

    def candidate(
        self, load: Callable[[], Loaded], name: str | None = None, group: str | None = None
    ) -> Candidate:
        """One picture of this file, with what the file's folder says about it."""
        return Candidate(
            name or self.name, self.class_name, group, load, self.split, self.suggestion
        )

    def named(self, name: str) -> SourceFile:
        """The same file under another name."""
        return replace(self, name=name)


def _read_chunks(stream: IO[bytes], limit: int) -> bytes:
    """At most ``limit`` bytes, without allocating them before they are there."""
    chunks, total = [], 0
    while total < limit and (chunk := stream.read(min(_CHUNK, limit - total))):
        chunks.append(chunk)
        total += len(chunk)
    return b"".join(chunks)


@contextmanager
def decoding(name: str) -> Iterator[None]:
    """Turn whatever a third-party decoder raises into a ``PictureError``; the log has the cause.

    Args:
        name: Of the file.

    Raises:
        PictureError: The file cannot be read.
    """
    try:
        yield
    except (WaferError, MemoryError):
        raise
    except Exception as exc:  # decoders raise anything on damaged or hostile bytes
        logger.warning("%s could not be read", name, exc_info=True)
        raise PictureError(
            "{file} could not be read; it is damaged or of an unknown kind. Export or copy it "
            "again.",
            file=name,
        ) from exc
