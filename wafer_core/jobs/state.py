"""The state of a job, read from its folder by any process, also after the job's process has died.

Pages read the state of every job of every project each second, so what was read is cached: only
new lines are read, and an ended job costs one look at its file's size.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from wafer_core.errors import Cancelled, JobError
from wafer_core.jobs.events import EVENTS_FILE, NO_TEXT, Event, read_from
from wafer_core.jobs.launch import LOG_FILE
from wafer_core.jobs.spec import JOBS_FOLDER, SPEC_FILE, JobSpec, project_of, read_spec
from wafer_core.messages import Message, message
from wafer_core.process import ProcessId
from wafer_core.progress import Pace

Status = Literal["queued", "waiting", "running", "done", "failed", "cancelled"]
Request = Literal["cancel", "stop"]
ACTIVE: tuple[Status, ...] = ("queued", "waiting", "running")

CANCEL_FILE = "cancel"  # requests are empty files beside the spec: any process may leave one
STOP_FILE = "stop"

START_GRACE = 30.0  # seconds from creation to the first event of the process
SILENCE_ELSEWHERE = 60.0  # seconds without an event after which a job on another machine is dead
SILENCE_HERE = 900.0  # the same on this machine, where the process is seen: it may be suspended
_MAX_CACHED = 4000


@dataclass(frozen=True)
class JobState:
    """A job at one moment.

    Attributes:
        folder: The job's folder.
        spec: What it is to do.
        status: Its status.
        fraction: Share that is done, 0 to 1.
        text: What it does now, or how it ended.
        eta_seconds: Time left; ``None`` if unknown.
        elapsed_seconds: Time of work so far, or in all; ``None`` if it has not begun.
        started: When the work began, after waiting; seconds since 1970.
        finished: When it ended; seconds since 1970.
        metrics: {"name", "t", …values} of all live curves, in order.
        result: Of a job that is done.
        error: Of a failed job; one sentence.
        log_tail: The end of a failed job's log.
        request: What the user wants and the job has not done yet.
        process: Its process, if known.
        device: The device in use, else the one of the spec.
    """

    folder: Path
    spec: JobSpec
    status: Status
    fraction: float
    text: Message
    eta_seconds: float | None
    elapsed_seconds: float | None
    started: float | None
    finished: float | None
    metrics: tuple[Mapping[str, Any], ...]
    result: Mapping[str, Any] | None
    error: Message | None
    log_tail: str
    request: Request | None
    process: ProcessId | None
    device: str

    @property
    def id(self) -> str:
        """The folder's name; later jobs sort later."""
        return self.folder.name

    @property
    def kind(self) -> str:
        """Name of its workflow, such as ``train``."""
        return self.spec.kind

    @property
    def title(self) -> Message:
        """For people."""
        return self.spec.title

    @property
    def project_path(self) -> Path:
        """The project that it works on."""
        return project_of(self.folder)

    @property
    def is_active(self) -> bool:
        """Whether it has not ended."""
        return self.status in ACTIVE

    def metric(self, name: str) -> list[Mapping[str, Any]]:
        """The points of one live curve."""
        return [point for point in self.metrics if point["name"] == name]


@dataclass
class _Record:
    """The sum of a job's events so far.

    Attributes:
        signature: Inode, size and time of the events file as it was read.
        offset: Bytes that were read.
        last_event: Time of the last event; seconds since 1970.
        last_clock: The same on the monotonic clock of ``Event.clock``.
        started_clock: When the work began, on that clock.
        is_storing: Whether the result may be there already.
        heard: ``time.monotonic()`` of this process at the last event. Set when new events are
            read, so that a clock that is set does not make a living job look dead.
    """

    spec: JobSpec
    heard: float
    signature: tuple[int, int, int] = (0, 0, 0)
    offset: int = 0
    status: Status = "queued"
    fraction: float = 0.0
    text: Message = NO_TEXT
    started: float | None = None
    finished: float | None = None
    pace: Pace = field(default_factory=Pace)
    last_event: float = 0.0
    last_clock: float = 0.0
    started_clock: float = 0.0
    launched_elsewhere: bool = False
    process: ProcessId | None = None
    device: str = ""
    is_storing: bool = False
    metrics: list[Mapping[str, Any]] = field(default_factory=list)
    result: Mapping[str, Any] | None = None
    error: Message | None = None
    ended: JobState | None = None

    def is_replaced_by(self, signature: tuple[int, int, int]) -> bool:
        """Whether the file is another one than the one that was read, not the same one grown."""
        inode, size, _ = self.signature
        if not inode or signature == self.signature:
            return False
        return signature[0] != inode or signature[1] <= size

    def add(self, event: Event) -> None:
        """Apply one event; nothing counts after the end, nor a line with values of other types."""
        with contextlib.suppress(TypeError, ValueError, AttributeError, KeyError, OverflowError):
            self._apply(event)

    def _apply(self, event: Event) -> None:
        values = event.values
        self.last_event = max(self.last_event, event.time)
        if self.status not in ACTIVE:
            return
        if event.type != "launched":  # of another process, with another clock
            self.last_clock = event.clock
        match event.type:
            case "launched":
                self.process = self.process or ProcessId.from_json(values.get("process"))
                self.launched_elsewhere = "process" not in values
            case "start":
                self.process = ProcessId.from_json(values.get("process")) or self.process
            case "waiting":
                self.status = "waiting"
                self.text = event.text
            case "running":
                self.status = "running"
                self.started = event.time
                self.device = str(values.get("device") or self.spec.device)
                self.text = NO_TEXT
                self.started_clock = event.clock
                self.pace = Pace([(event.clock, 0.0)])
            case "progress":
                fraction = min(1.0, max(0.0, float(values.get("fraction") or 0.0)))
                self.text, self.fraction = event.text, fraction
                self.pace.add(event.clock, self.fraction)
            case "storing":
                self.is_storing = True
            case "metric":
                fields, name = values["values"], values["name"]
                if isinstance(name, str) and isinstance(fields, dict):
                    self.metrics.append({**fields, "name": name, "t": event.time})
            case "result":
                self._end("done", event.time, message("Done."))
                self.fraction = 1.0
                result = values.get("result")
                self.result = result if isinstance(result, dict) else {}
            case "failed":
                self._end("failed", event.time, event.text)
                self.error = self.text
            case "cancelled":
                self._end("cancelled", event.time, Cancelled().message)

    def _end(self, status: Status, when: float, text: Message) -> None:
        self.status, self.finished, self.text = status, when, text


_records: OrderedDict[Path, _Record] = OrderedDict()
_lock = threading.Lock()


def read_state(folder: Path) -> JobState:
    """The state of a job now.

    Raises:
        JobError: The folder is no job, or it was deleted.
    """
    folder = folder.absolute()
    with _lock:
        record = _updated(folder)
        if record.ended is not None:
            return record.ended
        state = _state_of(folder, record)
        if record.status not in ACTIVE:  # by its own last event, which is final
            record.ended = state
        return state


def list_jobs(root: Path, kind: str | None = None) -> list[JobState]:
    """All jobs of a project, or of all projects of a workspace; the newest first.

    Args:
        root: A project's folder, or the folder that holds projects.
        kind: Only jobs of this kind.
    """
    states = []
    for folder in _job_folders(root):
        try:
            state = read_state(folder)
        except JobError:  # deleted this moment, or not a job
            continue
        if kind is None or state.kind == kind:
            states.append(state)
    return sorted(states, key=lambda state: state.spec.created, reverse=True)


def log_tail(folder: Path, lines: int = 30) -> str:
    """The last lines that the job's process printed."""
    try:
        with (folder / LOG_FILE).open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 400 * lines))
            data = file.read()
    except OSError:
        return ""
    return "\n".join(data.decode("utf-8", "replace").splitlines()[-lines:])


def _job_folders(root: Path) -> Iterator[Path]:
    projects = [root] if (root / "project.json").exists() else _visible(root)
    for project in projects:
        yield from _visible(project / JOBS_FOLDER)


def _visible(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if not entry.name.startswith(".")]
    except OSError:
        return []
    return [folder / name for name in names]


def _updated(folder: Path) -> _Record:
    """The record of a job with its new lines read."""
    record = _records.get(folder)
    path = folder / EVENTS_FILE
    try:
        status = path.stat()
        signature = (status.st_ino, status.st_size, status.st_mtime_ns)
    except OSError:
        signature = (0, 0, 0)
        if record is not None and not (folder / SPEC_FILE).exists():
            del _records[folder]
            record = None  # read_spec then raises the reason
    if record is not None and record.is_replaced_by(signature):
        record = None  # another job, or a restored backup
    is_new = record is None
    if record is None:
        record = _records[folder] = _Record(read_spec(folder), time.monotonic())
        while len(_records) > _MAX_CACHED:
            _records.popitem(last=False)
    _records.move_to_end(folder)
    if signature != record.signature:
        events, record.offset = read_from(path, record.offset)
        for event in events:
            record.add(event)
        record.signature = signature
        record.heard = time.monotonic()
    if is_new:  # how old the last event is can only be read from the wall clock
        record.heard -= max(0.0, time.time() - (record.last_event or record.spec.created))
    return record


def _state_of(folder: Path, record: _Record) -> JobState:
    """The state by the events, the process and the requests."""
    status, text, error, finished = record.status, record.text, record.error, record.finished
    request: Request | None = None
    if status in ACTIVE:
        if (folder / CANCEL_FILE).exists():
            request = "cancel"
        elif (folder / STOP_FILE).exists():
            request = "stop"
        death = _death(record)
        if death is not None:
            finished = record.last_event or record.spec.created
            if request == "cancel":
                status, text = "cancelled", message("Cancelled; its process was ended.")
            else:
                status, text, error = "failed", death, death
            request = None
        elif request == "cancel":
            text = message("Cancelling …")
        elif request == "stop":
            text = message("Finishing early and keeping the best so far …")
        elif status == "queued":
            text = (
                message("In the cluster's queue …")
                if record.launched_elsewhere
                else message("Starting …")
            )
    # Now by the clock of the job's process, as far as it is still alive.
    now = record.last_clock + (time.monotonic() - record.heard if finished is None else 0.0)
    return JobState(
        folder=folder,
        spec=record.spec,
        status=status,
        fraction=record.fraction,
        text=text,
        eta_seconds=record.pace.seconds_left(now) if status == "running" else None,
        elapsed_seconds=None if record.started is None else max(0.0, now - record.started_clock),
        started=record.started,
        finished=finished,
        metrics=tuple(record.metrics),
        result=record.result,
        error=error,
        log_tail=log_tail(folder) if status == "failed" else "",
        request=request,
        process=record.process,
        device=record.device or record.spec.device,
    )


def _death(record: _Record) -> Message | None:
    """One sentence if the process of a job that has not ended is dead, else ``None``."""
    process = record.process
    silence = time.monotonic() - record.heard
    if process is None:
        if record.launched_elsewhere or silence < START_GRACE:
            return None
        return message(
            "The process of this job never started; read the end of its log and start it again."
        )
    if process.is_local and not process.is_alive():
        if record.is_storing:
            return message(
                "The process of this job was killed while it was storing the result. Look whether "
                "the result is there before you start the job again."
            )
        return message(
            "The process of this job was killed or the machine restarted. The project is "
            "unchanged; start the job again."
        )
    if silence > (SILENCE_HERE if process.is_local else SILENCE_ELSEWHERE):
        return message(
            "The process of this job on {host} has not responded for {seconds:.0f} s; check that "
            "machine and start the job again.",
            host=process.host,
            seconds=silence,
        )
    return None
