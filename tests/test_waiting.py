"""A page's own progress: what it says, and that it goes."""

from __future__ import annotations

import pytest

from pages.shared import progress as waiting


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
    made: list[Shown] = []

    def progress(share: float, text: str) -> Shown:
        made.append(Shown(share, text))
        return made[-1]

    clock = iter([0.0, 0.4, 2.0, 3.0, 8.0])
    monkeypatch.setattr(waiting.st, "progress", progress)
    monkeypatch.setattr(waiting.time, "perf_counter", lambda: next(clock))
    return made


def test_the_time_left_follows_from_the_pace_and_the_bar_goes(shown: list[Shown]) -> None:
    with waiting.bar("Importing …") as tell:
        assert shown[0].now == (0.0, "Importing …")
        tell(0.1)  # too soon to know
        assert shown[0].now == (0.1, "Importing …")
        tell(0.25)
        assert shown[0].now == (0.25, "Importing … · 6 s left")
        tell(0.5, "storing")
        assert shown[0].now == (0.5, "storing · 3 s left")
        tell(1.0)
        assert shown[0].now == (1.0, "storing")
    assert shown[0].now is None


def test_the_bar_goes_when_the_work_breaks(shown: list[Shown]) -> None:
    with pytest.raises(KeyError), waiting.bar("Importing …"):
        raise KeyError
    assert shown[0].now is None
