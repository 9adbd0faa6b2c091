"""What was recognised in a picture: dies, grid and yield, and whether it can be a wafer at all."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from wafer_core import images
from wafer_core.images import FAIL, NO_DIE, PASS, Picture
from wafer_core.importers import outline
from wafer_core.importers.items import MEGA, Candidate, Loaded
from wafer_core.messages import Message, counted, message

_LEAST_DIES = 40  # of 3,000 real wafers of WM-811K drawn at random, none has fewer than 474
_MOST_ELONGATED = 6.0  # grids of narrow dies reach 5:1
# Where failed dies meet passed ones, wafers are ragged: of the dies at the border, at least 11% of
# each simulated wafer have at most two neighbours of their own kind; 0.5% in smooth drawings.
_DRAWN_DIES, _DRAWN_BORDER, _MIN_RAGGED = 1500, 100, 0.03


@dataclass(frozen=True)
class Recognised:
    """What was recognised in one picture.

    Attributes:
        height: Rows: dies of a wafer map, else pixels.
        width: Columns.
        is_map: Whether it is a wafer map; otherwise a grey picture without dies.
        dies: Number of dies; 0 for a grey picture.
        failed: Number of failed dies.
        sha: Hash of shape and pixels, as in manifests.
        doubt: Why it is hardly a wafer; ``None`` without a doubt.
    """

    height: int
    width: int
    is_map: bool
    dies: int
    failed: int
    sha: str
    doubt: Message | None = None

    @property
    def yield_fraction(self) -> float | None:
        """Passed dies divided by all dies, 0 to 1; ``None`` without dies."""
        return (self.dies - self.failed) / self.dies if self.dies else None


def recognise(picture: Picture) -> Recognised:
    """Count the dies of a picture (H, W), and check whether it can be a wafer."""
    H, W = picture.shape
    is_map = images.is_map(picture)
    counts = images.die_counts(picture)
    return Recognised(
        H,
        W,
        is_map,
        counts.dies if is_map else 0,
        counts.failed if is_map else 0,
        images.content_hash(picture),
        find_doubt(picture),
    )


def find_doubt(picture: Picture) -> Message | None:
    """Why a picture is hardly a wafer; ``None`` where nothing speaks against it.

    Checks the input alone, before any network: whether there are dies, how many, and whether they
    fill a round wafer. This is the one place for such checks.

    Args:
        picture: (H, W), as it was recognised.
    """
    if not images.is_map(picture):
        return message("No dies were recognised; it was read as a grey picture.")
    has_die = picture != NO_DIE
    box = outline.cropped(has_die)
    H, W = box.shape
    dies = int(box.sum())
    if dies < _LEAST_DIES:
        return counted(
            "Only {count:,} die was recognised.", "Only {count:,} dies were recognised.", dies
        )
    if max(H / W, W / H) > _MOST_ELONGATED:
        return message(
            "The die grid of {width} × {height} is too elongated for a wafer.", width=W, height=H
        )
    fill, outside = outline.fill_and_outside(box)
    if outside > outline.MAX_OUTSIDE:
        return message("{share:.0%} of the dies lie outside a round wafer.", share=outside)
    if fill < outline.MIN_FILL:
        return message("Only {share:.0%} of the wafer area has dies.", share=fill)
    if dies >= _DRAWN_DIES and _is_drawn(picture):
        return message("The failed dies form flat areas with smooth edges, as in a drawing.")
    return None


def _is_drawn(picture: Picture) -> bool:
    """Whether the areas of failed dies of a map (H, W) have smooth edges."""
    failed, passed = picture == FAIL, picture == PASS
    near_failed, near_passed = _count_near(failed), _count_near(passed)
    border = (failed & (near_passed > 0)) | (passed & (near_failed > 0))
    ragged = border & np.where(failed, near_failed <= 3, near_passed <= 3)
    count = int(border.sum())
    return count >= _DRAWN_BORDER and ragged.sum() < _MIN_RAGGED * count


def _count_near(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
    """How many of the 3 × 3 dies around each are set."""
    padded = np.pad(mask.astype(np.uint8), 1)
    rows = padded[:-2] + padded[1:-1] + padded[2:]
    near: npt.NDArray[np.uint8] = rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]
    return near


class Observer:
    """Notes what is recognised while pictures are read for another purpose.

    A rendering of 4,000 pixels takes a second to read, so nothing is read twice: the pictures are
    kept up to a limit. Safe to use from several threads.

        observer = Observer()
        predictions = predict_candidates(classifier, observer.watch(found.candidates))
        observer.recognised[0].dies

    Args:
        max_bytes: Memory for the pictures that are kept; a wafer map takes about 3 kB.
    """

    def __init__(self, max_bytes: int = 32 * MEGA) -> None:
        self.recognised: dict[int, Recognised] = {}  # by position among the watched candidates
        self._kept: dict[int, Loaded] = {}
        self._bytes_left = max_bytes
        self._lock = threading.Lock()

    def watch(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """The same candidates; reading one of them notes what it shows."""
        return [self._watched(position, each) for position, each in enumerate(candidates)]

    def keep(self, position: int, candidate: Candidate) -> Candidate:
        """The candidate at a position, which is not read again if its picture was kept."""
        loaded = self._kept.get(position)
        return candidate if loaded is None else replace(candidate, load=lambda: loaded)

    def _watched(self, position: int, candidate: Candidate) -> Candidate:
        def load() -> Loaded:
            loaded = candidate.load()
            found = recognise(loaded.picture)
            with self._lock:
                self.recognised[position] = found
                if loaded.picture.nbytes <= self._bytes_left:
                    self._bytes_left -= loaded.picture.nbytes
                    self._kept[position] = loaded
            return loaded

        return replace(candidate, load=load)
