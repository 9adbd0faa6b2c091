"""Input of an import, its limits, and the result of its scan."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from wafer_core.errors import PictureError
from wafer_core.images import Picture
from wafer_core.importers.colours import ColourTable
from wafer_core.messages import Message

MEGA = 2**20


@dataclass(frozen=True)
class Limits:
    """Limits that keep an upload from filling the memory or the disk of the server.

    Attributes:
        max_pixels: Of one picture, before it is decoded. The default is 5,600 × 5,600, which takes
            a few hundred MB during conversion.
        max_file_bytes: Of one picture or table on the disk.
        max_array_bytes: Of one array after unpacking; all of WM-811K takes about 1.3 GB with one
            byte per die.
        max_pictures: In one array; each takes some memory before it is decoded.
        max_members: Files in one zip.
        max_unpacked_bytes: Of all files in one zip.
        max_ratio: Unpacked over packed size. Pictures reach 2, tables of dies 50, zip bombs 1000.
        ratio_from_bytes: Smaller files may have any ratio.
    """

    max_pixels: int = 32_000_000
    max_file_bytes: int = 256 * MEGA
    max_array_bytes: int = 2048 * MEGA
    max_pictures: int = 2_000_000
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
    """

    name: str
    data: bytes = field(repr=False)


@dataclass(frozen=True)
class Loaded:
    """A picture that was read, and what was decided about it.

    Attributes:
        picture: The picture.
        colours: Roles of its flat colours if it is a colour rendering; the user can change them.
        notes: For the user, such as that only the first frame was imported.
    """

    picture: Picture
    colours: ColourTable | None = None
    notes: tuple[Message, ...] = ()


@dataclass(frozen=True)
class Candidate:
    """One picture that can be imported; it is not decoded before ``load()``.

    Attributes:
        name: Of the file, and of the picture in it.
        class_name: ``None`` if it is unknown.
        group: Lot; wafers of one group stay in one split. ``None`` if it is unknown.
        load: Decodes it; raises ``PictureError`` if it is damaged.
    """

    name: str
    class_name: str | None
    group: str | None
    load: Callable[[], Loaded] = field(repr=False)


@dataclass(frozen=True)
class Rejected:
    """A file that cannot be imported, and a sentence that says why and what to do."""

    name: str
    reason: Message


@dataclass
class Scan:
    """The result of looking through files."""

    candidates: list[Candidate] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)


@dataclass(frozen=True)
class SourceFile:
    """One file on the disk, in a zip, or in memory.

    Attributes:
        name: For people.
        class_name: From its folder; ``None`` if it is unknown.
        size: Bytes.
        open: Opens it for reading.
        path: On the disk, if it is a file of its own.
    """

    name: str
    class_name: str | None
    size: int
    open: Callable[[], IO[bytes]] = field(repr=False)
    path: Path | None = None

    def head(self, count: int) -> bytes:
        """The first bytes of the file; empty if it cannot be read."""
        try:
            with self.open() as stream:
                return stream.read(min(count, self.size))
        except (OSError, PictureError):
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
        if self.size > limit:
            raise too_large
        try:
            with self.open() as stream:
                # read() allocates what is requested, so request no more than the file has
                data = stream.read(self.size + 1)
                if len(data) > self.size:  # it grew
                    data += stream.read(limit + 1 - len(data))
        except OSError as exc:
            raise PictureError(
                "{file}: the file cannot be read ({reason}); check it and add it again.",
                file=self.name,
                reason=exc.strerror or str(exc),
            ) from exc
        if len(data) > limit:
            raise too_large
        return data
