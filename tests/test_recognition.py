"""What is recognised in a picture, and whether it can be a wafer."""

from __future__ import annotations

import numpy as np
import pytest

from wafer_core import simulator
from wafer_core.images import FAIL, NO_DIE, PASS, content_hash
from wafer_core.importers import Candidate, Loaded
from wafer_core.importers.recognition import Observer, find_doubt, recognise
from wafers import disc


def test_dies_grid_and_yield_of_a_map() -> None:
    wafer = disc(20)
    y, x = np.nonzero(wafer == PASS)
    wafer[y[:4], x[:4]] = FAIL
    found = recognise(wafer)
    assert (found.height, found.width, found.is_map) == (20, 20, True)
    assert (found.dies, found.failed) == (len(y), 4)
    assert found.yield_fraction == pytest.approx(1 - 4 / len(y))
    assert found.sha == content_hash(wafer)
    assert found.doubt is None


def test_a_grey_picture_has_no_dies() -> None:
    grey = np.arange(600, dtype=np.uint16).reshape(20, 30).astype(np.uint8)
    found = recognise(grey)
    assert (found.dies, found.failed, found.yield_fraction) == (0, 0, None)
    assert "read as a grey picture" in str(found.doubt)


@pytest.mark.parametrize(
    ("picture", "reason"),
    [
        (np.full((12, 12), PASS, np.uint8), "of the dies lie outside a round wafer"),
        (np.full((4, 4), PASS, np.uint8), "Only 16 dies were recognised."),
        (np.where(np.eye(40) > 0, PASS, NO_DIE).astype(np.uint8), "20% of the dies"),
        (disc(60)[::10], "too elongated"),
    ],
)
def test_what_is_hardly_a_wafer_is_doubted(picture: np.ndarray, reason: str) -> None:
    assert reason in str(find_doubt(picture))


def test_a_map_with_gaps_is_doubted() -> None:
    wafer = disc(40)
    wafer[::2] = NO_DIE
    assert "of the wafer area has dies" in str(find_doubt(wafer))


@pytest.mark.parametrize("pattern", simulator.PATTERNS)
def test_wafers_are_not_doubted(pattern: str) -> None:
    for wafer in simulator.simulate_many(pattern, 20, 3):
        assert find_doubt(wafer) is None
        assert find_doubt(np.ascontiguousarray(np.rot90(wafer))) is None


def test_narrow_dies_are_not_doubted() -> None:
    assert find_doubt(disc(60)[::5]) is None


def test_an_observer_notes_what_is_read() -> None:
    wafers = [disc(20), disc(24)]
    watched = Observer()
    candidates = watched.watch(
        [Candidate(f"{k}.png", None, None, lambda w=w: Loaded(w)) for k, w in enumerate(wafers)]  # type: ignore[misc]
    )
    assert watched.recognised == {}
    assert candidates[1].load().picture is wafers[1]
    assert set(watched.recognised) == {1}
    assert watched.recognised[1].width == 24


def test_what_was_read_is_not_read_again_up_to_a_limit() -> None:
    reads = []

    def read(size: int) -> Loaded:
        reads.append(size)
        return Loaded(disc(size))

    sizes = [20, 30]
    found = [Candidate(str(s), None, None, lambda s=s: read(s)) for s in sizes]  # type: ignore[misc]
    observer = Observer(max_bytes=500)
    for candidate in observer.watch(found):
        candidate.load()
    again = [observer.keep(position, each) for position, each in enumerate(found)]
    assert [each.load().picture.shape[0] for each in again] == sizes
    assert reads == [20, 30, 30]
