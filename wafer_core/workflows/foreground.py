"""A job in this process, for the command line: the same folder, with progress on a terminal."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from wafer_core.jobs.events import NO_TEXT, Event
from wafer_core.messages import Message
from wafer_core.progress import Pace, Progress
from wafer_core.workflows.runner import run_job

_PAUSE = 5.0  # seconds between two lines where the output is no terminal
_BAR = 24  # characters


def run_in_foreground(folder: Path, stream: TextIO) -> dict[str, Any]:
    """Run a job and show its progress; see ``run_job`` for what it raises."""
    line = ProgressLine(stream)
    try:
        return run_job(folder, line.show_event)
    finally:
        line.close()


@contextmanager
def progress_line(stream: TextIO, text: Message) -> Iterator[Progress]:
    """Show the progress of work that is no job.

    Args:
        stream: A terminal or a file.
        text: What is being done.

    Yields:
        To hand to the work.
    """
    line = ProgressLine(stream)
    try:
        yield Progress(line.show, text=text)
    finally:
        line.close()


class ProgressLine:
    """One line that is redrawn on a terminal; elsewhere a line every few seconds."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_terminal = stream.isatty()
        self._lock = threading.Lock()  # events come from the work and from the heartbeat
        self._pace = Pace([(time.monotonic(), 0.0)])
        self._last_line = 0.0
        self._fraction = 0.0

    def show_event(self, event: Event) -> None:
        """Show one event of a job."""
        with self._lock:
            if event.type == "running":
                self._pace = Pace([(time.monotonic(), 0.0)])
            elif event.type == "waiting":
                self._last_line = 0.0  # at once
                self._show(self._fraction, event.text)
            elif event.type == "progress":
                self._show(float(event.values.get("fraction") or 0.0), event.text)

    def show(self, fraction: float, text: Message | None = None) -> None:
        """Show the share that is done, 0 to 1, and what is being done."""
        with self._lock:
            self._show(fraction, text or NO_TEXT)

    def _show(self, fraction: float, text: Message) -> None:
        now = time.monotonic()
        self._fraction = fraction
        self._pace.add(now, fraction)
        percent = f"{100 * fraction:3.0f} %"
        left = self._left(now)
        if self._is_terminal:
            filled = round(_BAR * fraction)
            bar = "#" * filled + "-" * (_BAR - filled)
            width = shutil.get_terminal_size().columns
            shown = f"{percent} [{bar}]{left} {text}"[: width - 1]
            self._stream.write(f"\r{shown}\033[K")
        elif now - self._last_line >= _PAUSE:
            self._last_line = now
            self._stream.write(f"{percent}{left} {text}\n")
        self._stream.flush()

    def _left(self, now: float) -> str:
        seconds = self._pace.seconds_left(now)
        if seconds is None or not 0.0 < self._fraction < 1.0:
            return ""
        return f" {int(seconds) // 60}:{int(seconds) % 60:02d} left,"

    def close(self) -> None:
        """Leave the terminal on a clean line."""
        with self._lock:
            if self._is_terminal:
                self._stream.write("\r\033[K")
                self._stream.flush()
