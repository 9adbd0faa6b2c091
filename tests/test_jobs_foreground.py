"""Progress of a job on a terminal and in a log."""

from __future__ import annotations

import io

import pytest

from wafer_core.jobs.events import Event
from wafer_core.messages import message
from wafer_core.workflows import foreground
from wafer_core.workflows.foreground import ProgressLine, progress_line


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def progress(fraction: float, text: str) -> Event:
    return Event(0.0, "progress", {"fraction": fraction, "text": text})


def test_a_terminal_sees_one_line_with_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    stream = Terminal()
    line = ProgressLine(stream)
    line.show_event(Event(0.0, "running", {"device": "cpu"}))
    line.show_event(progress(0.5, "Epoch 5 of 10 " + "x" * 100))
    shown = stream.getvalue()
    assert shown.startswith("\r 50 % [############------------]")
    assert "\n" not in shown
    assert len(shown) <= 60 + len("\r\033[K")
    line.close()
    assert stream.getvalue().endswith("\r\033[K")


def test_a_log_gets_a_line_every_few_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    clock = [100.0]
    monkeypatch.setattr(foreground.time, "monotonic", lambda: clock[0])
    line = ProgressLine(stream)
    line.show_event(Event(0.0, "running", {}))
    for second in range(12):
        clock[0] = 100.0 + second
        line.show_event(progress(second / 20, f"step {second}"))
    line.close()
    assert stream.getvalue().splitlines() == [
        "  0 % step 0",
        " 25 % 0:15 left, step 5",
        " 50 % 0:10 left, step 10",
    ]


def test_work_that_is_no_job_has_a_line_too() -> None:
    stream = io.StringIO()
    with progress_line(stream, message("Predicting")) as progress:
        progress(0.5)
    assert stream.getvalue() == " 50 % 0:00 left, Predicting\n"


def test_waiting_is_shown_at_once() -> None:
    stream = io.StringIO()
    line = ProgressLine(stream)
    line.show_event(progress(0.0, "first"))
    line.show_event(Event(0.0, "waiting", {"text": "Waiting for the CPU: 1 job is ahead."}))
    line.show_event(Event(0.0, "heartbeat", {}))
    assert stream.getvalue().splitlines()[-1] == "  0 % Waiting for the CPU: 1 job is ahead."
