"""Progress in parts, and the time that is left."""

from __future__ import annotations

import pytest

from wafer_core.messages import Message, message
from wafer_core.progress import SILENT, Pace, Progress

READ, FIT = message("Reading"), message("Fitting")


class Recorder:
    """Keeps what was reported."""

    def __init__(self) -> None:
        self.shares: list[float] = []
        self.texts: list[Message | None] = []
        self.progress = Progress(self._report)

    def _report(self, share: float, text: Message | None) -> None:
        self.shares.append(share)
        self.texts.append(text)


def test_a_part_covers_a_part_of_the_whole() -> None:
    recorder = Recorder()
    part = recorder.progress.part(0.2, 0.6)
    for share in (0.0, 0.5, 1.0):
        part(share)
    part.part(0.5, 1.0)(0.5)
    assert recorder.shares == pytest.approx([0.2, 0.4, 0.6, 0.5])


def test_shares_outside_the_part_are_clipped() -> None:
    recorder = Recorder()
    part = recorder.progress.part(0.2, 0.6)
    part(-1)
    part(7)
    assert recorder.shares == pytest.approx([0.2, 0.6])


def test_consecutive_parts_are_in_the_ratio_of_their_shares() -> None:
    recorder = Recorder()
    for part in recorder.progress.split(1, 6, 3):
        part(0.0)
        part(1.0)
    assert recorder.shares == pytest.approx([0.0, 0.1, 0.1, 0.7, 0.7, 1.0])


def test_each_item_has_its_part() -> None:
    recorder = Recorder()
    for part in [*recorder.progress.each(2), *recorder.progress.each([1, 3])]:
        part(1.0)
    assert recorder.shares == pytest.approx([0.5, 1.0, 0.25, 1.0])
    assert recorder.progress.each(0) == recorder.progress.each([]) == []
    assert len(recorder.progress.split(0, 0)) == 2  # no division by zero


def test_the_nearest_text_is_reported() -> None:
    recorder = Recorder()
    named = recorder.progress.named(READ)
    named.part(0.0, 0.5)(0.1)
    named.part(0.0, 0.5, FIT)(0.1)
    named(0.1, FIT)
    recorder.progress(0.1)
    assert recorder.texts == [READ, FIT, FIT, None]


def test_silence() -> None:
    SILENT.part(0.0, 0.5)(0.3, READ)


# -- time left -----------------------------------------------------------------------------------


def test_a_steady_pace() -> None:
    """A quarter in 10 s: 30 s left; 4 s later 26 s."""
    pace = Pace([(100.0, 0.0)])
    pace.add(110.0, 0.25)
    assert pace.seconds_left(110.0) == pytest.approx(30)
    assert pace.seconds_left(114.0) == pytest.approx(26)
    assert pace.seconds_left(1000.0) == 0


def test_nothing_is_known_before_the_first_report() -> None:
    assert Pace().seconds_left(1.0) is None
    assert Pace([(0.0, 0.0)]).seconds_left(1.0) is None


def test_a_slow_beginning_does_not_count_for_long() -> None:
    """10 s for the first 2 %, then 0.5 s for each: at 10 % it is 90 × 0.5 s."""
    pace = Pace([(0.0, 0.0)])
    pace.add(10.0, 0.02)
    for k in range(1, 9):
        pace.add(10.0 + 0.5 * k, 0.02 + 0.01 * k)
    assert pace.seconds_left(14.0) == pytest.approx(45)


def test_near_the_end_the_last_stretch_counts() -> None:
    """95 % took 900 s; of the rest, the first half took 1 s: 1 s left, not 24."""
    pace = Pace([(0.0, 0.0)])
    pace.add(900.0, 0.95)
    pace.add(901.0, 0.975)
    assert pace.seconds_left(901.0) == pytest.approx(1)


def test_a_jump_is_a_fast_stretch() -> None:
    """A training that stops early jumps from 31 % to 95 % within a second."""
    pace = Pace([(0.0, 0.0)])
    pace.add(310.0, 0.31)
    pace.add(311.0, 0.95)
    assert pace.seconds_left(311.0) == pytest.approx(0.05 / 0.64)


def test_work_that_begins_anew_forgets_what_was_undone() -> None:
    pace = Pace([(0.0, 0.0)])
    pace.add(10.0, 0.5)
    pace.add(20.0, 0.25)
    pace.add(20.0, 0.25)
    assert pace.points == [(0.0, 0.0), (20.0, 0.25)]
    assert pace.seconds_left(20.0) == pytest.approx(60)


def test_the_end() -> None:
    pace = Pace([(0.0, 0.0)])
    pace.add(10.0, 1.0)
    assert pace.seconds_left(10.0) == 0


def test_long_work_keeps_few_points_and_the_same_estimate() -> None:
    pace = Pace([(0.0, 0.0)])
    for k in range(1, 50_001):
        pace.add(float(k), k / 100_000)
    assert len(pace.points) <= 401
    assert pace.seconds_left(50_000.0) == pytest.approx(50_000, rel=0.01)
