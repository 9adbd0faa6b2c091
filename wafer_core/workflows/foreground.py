"""A job in this process, for the command line: the same folder, progress on a terminal."""

from __future__ import annotations

import shutil
import threading
import time
from pathlib import Path
from typing import Any, TextIO

from wafer_core.jobs.events import Event
from wafer_core.workflows.runner import run_job

_PAUSE = 5.0  # seconds between two lines where output is no terminal
_BAR = 24  # characters


def run_in_foreground(folder: Path, stream: TextIO) -> dict[str, Any]:
    """Run a job and show its progress; see ``run_job`` for what it raises."""
    line = ProgressLine(stream)
    try:
        return run_job(folder, line.take)
    finally:
        line.close()


class ProgressLine:
    """One line that is drawn anew on a terminal; elsewhere a line now and then."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_terminal = stream.isatty()
        self._lock = threading.Lock()  # events come from the work and from the heartbeat
        self._began = time.monotonic()
        self._last = 0.0
        self._fraction = 0.0

    def take(self, event: Event) -> None:
        """Show one event."""
        with self._lock:
            if event.type == "running":
                self._began = time.monotonic()
            elif event.type == "waiting":
                self._last = 0.0  # told at once
                self._show(self._fraction, str(event.values.get("text", "")))
            elif event.type == "progress":
                fraction = float(event.values.get("fraction") or 0.0)
                self._show(fraction, str(event.values.get("text", "")))

    def show(self, fraction: float, text: str) -> None:
        """Show the progress of work that is no job."""
        with self._lock:
            self._show(fraction, text)

    def _show(self, fraction: float, text: str) -> None:
        self._fraction = fraction
        percent = f"{100 * self._fraction:3.0f} %"
        left = self._left()
        if self._is_terminal:
            filled = round(_BAR * self._fraction)
            bar = "#" * filled + "-" * (_BAR - filled)
            width = shutil.get_terminal_size().columns
            shown = f"{percent} [{bar}]{left} {text}"[: width - 1]
            self._stream.write(f"\r{shown}\033[K")
        elif time.monotonic() - self._last >= _PAUSE:
            self._last = time.monotonic()
            self._stream.write(f"{percent}{left} {text}\n")
        self._stream.flush()

    def _left(self) -> str:
        if not 0.0 < self._fraction < 1.0:
            return ""
        worked = time.monotonic() - self._began
        seconds = worked * (1.0 - self._fraction) / self._fraction
        return f" {int(seconds) // 60}:{int(seconds) % 60:02d} left,"

    def close(self) -> None:
        """Leave the terminal on a clean line."""
        with self._lock:
            if self._is_terminal:
                self._stream.write("\r\033[K")
                self._stream.flush()
