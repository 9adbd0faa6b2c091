"""What a job says while it runs: JSON lines in ``events.jsonl``.

One line is one ``write`` of one process, so that a reader never sees lines mixed. A process that
is killed may leave half a line; readers skip it.

Types of events, in the order of a job's life:

    launched   how the process was started, and its process
    start      the process has begun: {"process": {pid, created, host}}
    waiting    other jobs hold the device: {"ahead", "text"}
    running    the work begins: {"device"}
    progress   {"fraction" 0..1, "text"}
    metric     {"name", "values": {…}}: one point of a live curve
    heartbeat  nothing to say, but alive
    result     the end, done: {"result": {…}}
    failed     the end: {"error": one sentence, "defect": bool}
    cancelled  the end, as the user wished
"""

from __future__ import annotations

import json
import math
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wafer_core.errors import JobError
from wafer_core.files import storage_errors

EVENTS_FILE = "events.jsonl"
_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)


@dataclass(frozen=True)
class Event:
    """One line: when (seconds since 1970), what, and its values."""

    time: float
    type: str
    values: Mapping[str, Any]


class EventWriter:
    """Appends events of one job; any thread may call it."""

    def __init__(self, folder: Path, listener: Callable[[Event], None] | None = None) -> None:
        self.folder = folder
        self.last_write = time.monotonic()
        self._path = folder / EVENTS_FILE
        self._listener = listener
        self._lock = threading.Lock()

    def append(self, type_: str, **values: Any) -> None:
        """Write one event.

        Raises:
            JobError: The job's folder is gone.
            StorageError: The disk is full or refuses.
        """
        event = Event(round(time.time(), 3), type_, plain(values))
        line = json.dumps({"t": event.time, "type": type_, **event.values}, ensure_ascii=False)
        with self._lock:
            if not self.folder.is_dir():
                raise JobError(f"The job folder {self.folder} is gone; its project was deleted.")
            with storage_errors(self._path):
                _write_line(self._path, line.encode("utf-8") + b"\n")
            self.last_write = time.monotonic()
        if self._listener is not None:
            self._listener(event)


def _write_line(path: Path, line: bytes) -> None:
    descriptor = os.open(path, _FLAGS, 0o644)
    try:
        size = os.fstat(descriptor).st_size
        if size:  # half a line of a process that was killed must not spoil ours
            os.lseek(descriptor, size - 1, os.SEEK_SET)
            if os.read(descriptor, 1) != b"\n":
                line = b"\n" + line
        written = os.write(descriptor, line)
        if written < len(line):  # the disk is nearly full; the second attempt tells why
            os.write(descriptor, line[written:])
    finally:
        os.close(descriptor)


def plain(value: Any) -> Any:
    """A value as JSON can hold it: array scalars become numbers, NaN and infinity ``None``."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):  # NumPy and torch scalars and arrays
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def read_from(path: Path, offset: int = 0) -> tuple[list[Event], int]:
    """Read the whole lines after ``offset``.

    Args:
        path: An ``events.jsonl``; a missing one has no events.
        offset: Bytes that were read before.

    Returns:
        The events, and the offset after the last whole line.
    """
    try:
        with path.open("rb") as file:
            file.seek(offset)
            data = file.read()
    except FileNotFoundError:
        return [], 0
    end = data.rfind(b"\n") + 1
    events = [event for line in data[:end].splitlines() if (event := _parse(line))]
    return events, offset + end


def _parse(line: bytes) -> Event | None:
    try:
        values = json.loads(line)
        return Event(float(values.pop("t")), str(values.pop("type")), values)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None  # torn, or of a hand that should not have been here
