"""What goes into an import and what comes out of its scan."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from wafer_core.errors import PictureError
from wafer_core.images import Picture
from wafer_core.importers.colours import ColourTable

MEGA = 2**20


@dataclass(frozen=True)
class Limits:
    """What is refused, so that no upload can fill the memory or the disk of the server."""

    # One picture, before it is decoded: 5,600 × 5,600, a few hundred MB while it is converted.
    max_pixels: int = 32_000_000
    # One picture or table as it lies on the disk.
    max_file_bytes: int = 256 * MEGA
    # One array after unpacking; all of WM-811K takes about 1.3 GB as one byte a die.
    max_array_bytes: int = 2048 * MEGA
    # Members of one zip. More takes long to list and longer to look at.
    max_members: int = 20_000
    # All members of one zip, unpacked.
    max_unpacked_bytes: int = 4096 * MEGA
    # Unpacked over packed size. Pictures reach 2, tables of dies 50, bombs 1000.
    max_ratio: float = 200.0
    # Members below this size may have any ratio: they cannot hurt.
    ratio_from_bytes: int = MEGA


@dataclass(frozen=True)
class Upload:
    """A file that came through the browser.

    The name may hold ``/``. It is shown and gives class names, and is never used as a path.
    """

    name: str
    data: bytes = field(repr=False)


@dataclass(frozen=True)
class Loaded:
    """A picture that was read, and what was decided on the way."""

    picture: Picture
    # The roles of its flat colours, if it was a colour rendering; to be shown and changed.
    colours: ColourTable | None = None
    # Sentences for the user, such as that only the first frame was taken.
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Candidate:
    """One picture that may be imported; nothing of it is decoded before ``load()``."""

    name: str
    class_name: str | None
    # Wafers of one group (a lot) must stay in one part of the split; ``None`` if unknown.
    group: str | None
    # Raises PictureError with a sentence if the picture is bad.
    load: Callable[[], Loaded] = field(repr=False)


@dataclass(frozen=True)
class Rejected:
    """A file that cannot be imported, and the sentence that says why and what to do."""

    name: str
    reason: str


@dataclass
class Scan:
    """What an import found."""

    candidates: list[Candidate] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)


@dataclass(frozen=True)
class SourceFile:
    """One file wherever it lies: on the disk, in a zip, in memory."""

    name: str
    class_name: str | None
    size: int
    open: Callable[[], IO[bytes]] = field(repr=False)
    path: Path | None = None  # where it lies, if it is a file of its own

    def read(self, limit: int) -> bytes:
        """All bytes of the file.

        Raises:
            PictureError: It is larger than ``limit`` bytes, or cannot be read.
        """
        too_large = PictureError(
            f"{self.name}: the file is larger than {limit / MEGA:.0f} MB; shrink or split it first."
        )
        if self.size > limit:
            raise too_large
        try:
            with self.open() as stream:
                # as much as it should hold: what is asked for is set aside, read or not
                data = stream.read(self.size + 1)
                if len(data) > self.size:  # it grew
                    data += stream.read(limit + 1 - len(data))
        except OSError as exc:
            raise PictureError(
                f"{self.name}: the file cannot be read ({exc.strerror or exc}); "
                "check it and add it again."
            ) from exc
        if len(data) > limit:
            raise too_large
        return data
