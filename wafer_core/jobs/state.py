"""How a job stands, read from its folder by anybody, at any time, also after its process died.

Pages ask every second for every job of every project: what was read once is kept, only new lines
are read, and a job that has ended costs one look at its file's size.
"""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from wafer_core.errors import JobError
from wafer_core.jobs.events import EVENTS_FILE, Event, read_from
from wafer_core.jobs.launch import LOG_FILE
from wafer_core.jobs.process import ProcessId
from wafer_core.jobs.spec import JOBS_FOLDER, SPEC_FILE, JobSpec, project_of, read_spec

Status = Literal["queued", "waiting", "running", "done", "failed", "cancelled"]
ACTIVE: tuple[Status, ...] = ("queued", "waiting", "running")

CANCEL_FILE = "cancel"  # wishes are empty files beside the spec: any process may leave one
STOP_FILE = "stop"

START_GRACE = 30.0  # seconds from creation to the first word of the process
SILENCE_ELSEWHERE = 60.0  # seconds without a heartbeat, on another machine
SILENCE_HERE = 900.0  # the same on this one, where the process is seen: it may be suspended
_MAX_CACHED = 4000


@dataclass(frozen=True)
class JobState:
    """A job at one moment."""

    folder: Path
    spec: JobSpec
    status: Status
    fraction: float  # done, 0..1
    text: str  # what it does now, or how it ended
    eta_seconds: float | None  # time left; None while nobody can know
    started: float | None  # seconds since 1970: when the work began, after waiting
    finished: float | None
    metrics: tuple[Mapping[str, Any], ...]  # {"name", "t", …values}, in order
    result: Mapping[str, Any] | None
    error: str | None  # one sentence
    log_tail: str  # of a failed job
    wish: Literal["cancel", "stop"] | None  # asked for and not yet obeyed
    process: ProcessId | None
    device: str  # the one in use, else the one asked for

    @property
    def id(self) -> str:
        """The folder's name; later jobs sort later."""
        return self.folder.name

    @property
    def kind(self) -> str:
        """Import, train, search and so on: a key of ``workflows.registry.WORKFLOWS``."""
        return self.spec.kind

    @property
    def title(self) -> str:
        """For people."""
        return self.spec.title

    @property
    def project_path(self) -> Path:
        """The project it works in."""
        return project_of(self.folder)

    @property
    def is_active(self) -> bool:
        """Whether it has not ended."""
        return self.status in ACTIVE

    @property
    def elapsed_seconds(self) -> float | None:
        """Seconds of work so far, or in all."""
        if self.started is None:
            return None
        return max(0.0, (self.finished or time.time()) - self.started)

    def metric(self, name: str) -> list[Mapping[str, Any]]:
        """The points of one live curve."""
        return [point for point in self.metrics if point["name"] == name]


@dataclass
class _Record:
    """What the events of one job have added up to so far."""

    spec: JobSpec
    signature: tuple[int, int, int] = (0, 0, 0)
    offset: int = 0
    status: Status = "queued"
    fraction: float = 0.0
    text: str = ""
    started: float | None = None
    finished: float | None = None
    last_progress: float = 0.0
    last_word: float = 0.0
    launched_elsewhere: bool = False
    process: ProcessId | None = None
    device: str = ""
    metrics: list[Mapping[str, Any]] = field(default_factory=list)
    result: Mapping[str, Any] | None = None
    error: str | None = None
    ended: JobState | None = None

    def is_replaced_by(self, signature: tuple[int, int, int]) -> bool:
        """Whether the file is not the one that was read before, grown."""
        inode, size, _ = self.signature
        if not inode or signature == self.signature:
            return False
        return signature[0] != inode or signature[1] <= size

    def take(self, event: Event) -> None:
        values = event.values
        self.last_word = max(self.last_word, event.time)
        if self.status not in ACTIVE:
            return  # nothing after the end counts
        match event.type:
            case "launched":
                self.process = self.process or ProcessId.from_json(values.get("process"))
                self.launched_elsewhere = "process" not in values
            case "start":
                self.process = ProcessId.from_json(values.get("process")) or self.process
            case "waiting":
                self.status = "waiting"
                self.text = str(values.get("text", ""))
            case "running":
                self.status = "running"
                self.started = self.last_progress = event.time
                self.device = str(values.get("device") or self.spec.device)
                self.text = ""
            case "progress":
                self.fraction = min(1.0, max(0.0, float(values.get("fraction") or 0.0)))
                self.text = str(values.get("text", ""))
                self.last_progress = event.time
            case "metric":
                point = values.get("values")
                fields = point if isinstance(point, dict) else {}
                self.metrics.append({**fields, "name": values.get("name"), "t": event.time})
            case "result":
                self._end("done", event.time, "Done.")
                self.fraction = 1.0
                result = values.get("result")
                self.result = result if isinstance(result, dict) else {}
            case "failed":
                self._end("failed", event.time, str(values.get("error", "")))
                self.error = self.text
            case "cancelled":
                self._end("cancelled", event.time, "Cancelled; the project is as it was before.")

    def _end(self, status: Status, when: float, text: str) -> None:
        self.status, self.finished, self.text = status, when, text


_records: OrderedDict[Path, _Record] = OrderedDict()
_lock = threading.Lock()


def read_state(folder: Path) -> JobState:
    """How a job stands now.

    Raises:
        JobError: The folder is no job, or it was deleted.
    """
    folder = folder.absolute()
    with _lock:
        record = _updated(folder)
        if record.ended is not None:
            return record.ended
        state = _judge(folder, record)
        if record.status not in ACTIVE:  # by its own word, which is final
            record.ended = state
        return state


def list_jobs(root: Path, kind: str | None = None) -> list[JobState]:
    """All jobs of a project, or of all projects of a workspace; the newest first.

    Args:
        root: A project's folder, or the folder that holds projects.
        kind: Only these.
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
    """The end of what the job's process printed."""
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
            record = None  # read_spec tells what is wrong
    if record is not None and record.is_replaced_by(signature):
        record = None  # another job, or a restored backup, lies there now
    if record is None:
        record = _records[folder] = _Record(read_spec(folder))
        while len(_records) > _MAX_CACHED:
            _records.popitem(last=False)
    _records.move_to_end(folder)
    if signature != record.signature:
        events, record.offset = read_from(path, record.offset)
        for event in events:
            record.take(event)
        record.signature = signature
    return record


def _judge(folder: Path, record: _Record) -> JobState:
    """Look whether the process lives, and put everything together."""
    status, text, error, finished = record.status, record.text, record.error, record.finished
    wish: Literal["cancel", "stop"] | None = None
    if status in ACTIVE:
        if (folder / CANCEL_FILE).exists():
            wish = "cancel"
        elif (folder / STOP_FILE).exists():
            wish = "stop"
        death = _death(record)
        if death is not None:
            finished = record.last_word or record.spec.created
            if wish == "cancel":
                status, text = "cancelled", "Cancelled; its process was ended."
            else:
                status, text, error = "failed", death, death
            wish = None
        elif wish == "cancel":
            text = "Cancelling …"
        elif wish == "stop":
            text = "Finishing early, keeping the best so far …"
        elif status == "queued":
            text = "Starting …" if not record.launched_elsewhere else "In the cluster's queue …"
    return JobState(
        folder=folder,
        spec=record.spec,
        status=status,
        fraction=record.fraction,
        text=text,
        eta_seconds=_eta(record) if status == "running" else None,
        started=record.started,
        finished=finished,
        metrics=tuple(record.metrics),
        result=record.result,
        error=error,
        log_tail=log_tail(folder) if status == "failed" else "",
        wish=wish,
        process=record.process,
        device=record.device or record.spec.device,
    )


def _death(record: _Record) -> str | None:
    """One sentence if the process of a job that has not ended is dead, else ``None``."""
    process = record.process
    if process is None:
        if record.launched_elsewhere or time.time() - record.spec.created < START_GRACE:
            return None
        return (
            "The process of this job never began; look at the end of its log, and start it again."
        )
    silence = time.time() - record.last_word
    if process.is_local and not process.is_alive():
        return (
            "The process of this job was killed or the machine restarted; the project is as it "
            "was before, so start the job again."
        )
    if silence > (SILENCE_HERE if process.is_local else SILENCE_ELSEWHERE):
        return (
            f"The process of this job on {process.host} has given no sign of life for "
            f"{silence:.0f} s; look at that machine, and start the job again."
        )
    return None


def _eta(record: _Record) -> float | None:
    """Seconds left, from the pace so far; the seconds since the last progress count down."""
    if record.started is None or record.fraction <= 0.0:
        return None
    worked = record.last_progress - record.started
    left = worked * (1.0 - record.fraction) / record.fraction
    return max(0.0, left - (time.time() - record.last_progress))
