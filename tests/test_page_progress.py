"""The progress bar of a page: its text, the time left, and that it disappears."""

from __future__ import annotations

import pytest

from pages.shared import progress
from wafer_core.messages import message


class Shown:
    """In place of Streamlit's bar: what was shown last."""

    def __init__(self, share: float, text: str) -> None:
        self.now: tuple[float, str] | None = (share, text)

    def progress(self, share: float, text: str) -> None:
        self.now = share, text

    def empty(self) -> None:
        self.now = None


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[Shown]:
    bars: list[Shown] = []

    def bar(share: float, text: str) -> Shown:
        bars.append(Shown(share, text))
        return bars[-1]

    clock = iter([0.0, 0.4, 2.0, 3.0, 8.0])
    monkeypatch.setattr(progress.st, "progress", bar)
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    return bars


def test_the_time_left_follows_from_the_recent_pace(shown: list[Shown]) -> None:
    with progress.bar("Importing …") as report:
        assert shown[0].now == (0.0, "Importing …")
        report(0.1)  # too early for an estimate
        assert shown[0].now == (0.1, "Importing …")
        report(0.25)
        begin, _, left = shown[0].now[1].partition(" · ")  # type: ignore[index]
        assert (begin, left.endswith(" left")) == ("Importing …", True)
        report(0.5, message("Storing"))
        assert shown[0].now == (0.5, "Storing · 2 s left")  # the pace of the last stretch
        report(1.0)
        assert shown[0].now == (1.0, "Storing")
    assert shown[0].now is None


def test_the_bar_disappears_when_the_work_fails(shown: list[Shown]) -> None:
    with pytest.raises(KeyError), progress.bar("Importing …"):
        raise KeyError
    assert shown[0].now is None
