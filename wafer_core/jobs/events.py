"""The events of a job: JSON lines in ``events.jsonl``.

One line is one ``write`` of one process, so that a reader never sees lines mixed. A process that
is killed may leave half a line; readers skip it.

Types of events, in the order of a job's life:

    launched   the launcher has started the process: {"launcher", "process"}
    start      the process has begun: {"process": {pid, created, host, start}}
    waiting    other jobs hold the device: {"ahead", text}
    running    the work begins: {"device"}
    progress   {"fraction" 0..1, text}
    metric     {"name", "values": {…}}: one point of a live curve
    storing    the result is being stored; it may be there even if no event follows
    heartbeat  nothing has happened, but the process lives
    result     the end, done: {"result": {…}}
    failed     the end: {"error": one English sentence, "defect": bool, text}
    cancelled  the end, at the user's request: {text}

Each has ``t``, seconds since 1970, and ``m``, seconds on a monotonic clock, for durations.
A text is stored twice: ``text`` is English, ``message`` its template and fields for translation.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wafer_core.errors import DataError, JobError
from wafer_core.files import json_value, storage_errors
from wafer_core.jobs.spec import MAX_TIME
from wafer_core.json_fields import check_depth
from wafer_core.messages import Message

EVENTS_FILE = "events.jsonl"
NO_TEXT = Message("")
_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)


@dataclass(frozen=True)
class Event:
    """One line.

    Attributes:
        time: Seconds since 1970.
        type: See the module.
        values: See the module.
        clock: Seconds on the monotonic clock of the job's machine (``time.monotonic``).
    """

    time: float
    type: str
    values: Mapping[str, Any]
    clock: float = 0.0

    @property
    def text(self) -> Message:
        """Its text for people; older versions stored the English text only."""
        for key in ("message", "text", "error"):
            if self.values.get(key):
                return Message.from_json(self.values[key])
        return NO_TEXT


class EventWriter:
    """Appends events of one job; any thread may call it.

    Args:
        folder: The job's folder.
        listener: Called with each event, from the thread that wrote it.
    """

    def __init__(self, folder: Path, listener: Callable[[Event], None] | None = None) -> None:
        self.folder = folder
        self.last_write = time.monotonic()
        self._path = folder / EVENTS_FILE
        self._listener = listener
        self._lock = threading.Lock()

    def append(self, type_: str, text: Message | None = None, /, **values: Any) -> None:
        """Write one event.

        Args:
            type_: See the module.
            text: For people.
            values: See the module.

        Raises:
            JobError: The job's folder is gone.
            StorageError: The disk is full or read-only.
        """
        if text is not None:
            values |= {"text": str(text), "message": text.to_json()}
        clock = round(time.monotonic(), 3)
        event = Event(round(time.time(), 3), type_, json_value(values), clock)
        record = {"t": event.time, "m": clock, "type": type_, **event.values}
        line = json.dumps(record, ensure_ascii=False)
        with self._lock:
            if not self.folder.is_dir():
                raise JobError(
                    "The job folder {folder} is gone because its project was deleted; start the "
                    "job again in another project.",
                    folder=str(self.folder),
                )
            with storage_errors(self._path):
                _write_line(self._path, line.encode("utf-8") + b"\n")
            self.last_write = time.monotonic()
        if self._listener is not None:
            self._listener(event)


def _write_line(path: Path, line: bytes) -> None:
    descriptor = os.open(path, _FLAGS, 0o644)
    try:
        size = os.fstat(descriptor).st_size
        if size:  # half a line of a process that was killed must not spoil this one
            os.lseek(descriptor, size - 1, os.SEEK_SET)
            if os.read(descriptor, 1) != b"\n":
                line = b"\n" + line
        written = os.write(descriptor, line)
        if written < len(line):  # the disk is nearly full; the second attempt raises the reason
            os.write(descriptor, line[written:])
    finally:
        os.close(descriptor)


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
        when, type_ = float(values.pop("t")), str(values.pop("type"))
        # Older versions did not store the second clock.
        clock = float(values.pop("m", when))
        check_depth("an event", values)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        return None  # half a line, or no event
    except DataError:
        return None
    return Event(when, type_, values, clock) if 0 <= when < MAX_TIME > clock >= 0 else None
