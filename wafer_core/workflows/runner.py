"""Runs one job from its folder to its last event."""

from __future__ import annotations

import logging
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import FrameType
from typing import Any

from wafer_core.errors import Cancelled, JobError, WaferError
from wafer_core.files import sweep_leftovers
from wafer_core.jobs.context import Heartbeat, JobContext
from wafer_core.jobs.events import EVENTS_FILE, Event, EventWriter, read_from
from wafer_core.jobs.launch import LOG_FILE
from wafer_core.jobs.process import ProcessId
from wafer_core.jobs.queue import Waiting, device_turn
from wafer_core.jobs.spec import UPLOADS_FOLDER, JobSpec, project_of, read_spec

logger = logging.getLogger(__name__)


class Terminated(SystemExit):
    """The system told the process to end; raised so that what was begun is undone."""


def run_job(folder: Path, listener: Callable[[Event], None] | None = None) -> dict[str, Any]:
    """Run a job in this process. Whatever happens, it is recorded, then raised.

    Args:
        folder: From ``create_job``.
        listener: Called with each event, from the thread that wrote it.

    Returns:
        The result of the job's kind.

    Raises:
        JobError: The folder is no job, or the job was run before.
        Cancelled: The user asked for it.
        WaferError: What the kind says is wrong.
    """
    folder = folder.resolve()
    spec = read_spec(folder)
    if any(event.type == "start" for event in read_from(folder / EVENTS_FILE)[0]):
        raise JobError(f"The job {folder.name} was run before; make a new one of the same kind.")
    writer = EventWriter(folder, listener)
    with _log_to(folder / LOG_FILE), _sigterm_raises():
        try:
            writer.append("start", process=ProcessId.current().to_json())
            with Heartbeat(writer) as heartbeat:
                result = _work(folder, spec, writer, heartbeat)
            writer.append("result", result=result)
            return result
        except (Cancelled, KeyboardInterrupt):
            _last_word(writer, "cancelled")
            raise
        except WaferError as exc:
            logger.error("%s", exc)
            _last_word(writer, "failed", error=str(exc), defect=False)
            raise
        except Terminated:
            sentence = "The system ended this job's process; start the job again."
            _last_word(writer, "failed", error=sentence, defect=False)
            raise
        except BaseException as exc:
            logger.exception("The job failed by a defect of this program")
            _last_word(writer, "failed", error=_defect(exc), defect=True)
            raise
        finally:
            shutil.rmtree(folder / UPLOADS_FOLDER, ignore_errors=True)


def _work(folder: Path, spec: JobSpec, writer: EventWriter, heartbeat: Heartbeat) -> dict[str, Any]:
    """Wait for the device if the kind needs it, then let the kind work."""
    from wafer_core.data.project import Project
    from wafer_core.workflows.registry import find_workflow  # heavy, so only after the first event

    kind = find_workflow(spec.kind)
    device = _device_name(spec.device) if kind.needs_device else "cpu"
    project = Project.open(project_of(folder))
    sweep_leftovers(project.path)
    context = JobContext(folder, spec, project, writer, device)
    heartbeat.watch(context)

    def tell(place: Waiting) -> None:
        others = "1 job is" if place.ahead == 1 else f"{place.ahead} jobs are"
        text = f"Waiting for the {device.upper()}: {others} ahead, first “{place.first}”."
        writer.append("waiting", ahead=place.ahead, text=text)

    turn = (
        device_turn(
            device,
            title=spec.title,
            created=spec.created,
            on_wait=tell,
            check=context.check_cancelled,
        )
        if kind.needs_device
        else nullcontext()
    )
    with turn:
        context.check_cancelled()
        writer.append("running", device=device)
        result = kind.run(context)
        context.flush()
    return result


def _device_name(asked: str) -> str:
    """The device by the name under which it is locked: ``cuda`` is ``cuda:0``."""
    if asked == "cpu":
        return asked  # without the seconds that loading torch takes
    from wafer_core.device import choose_device

    device = choose_device(asked)
    return "cpu" if device.type == "cpu" else f"{device.type}:{device.index or 0}"


def _defect(exc: BaseException) -> str:
    if isinstance(exc, MemoryError) or type(exc).__name__ == "OutOfMemoryError":
        return "The device ran out of memory; choose a smaller batch size and start the job again."
    word = f"{type(exc).__name__}: {exc}".split("\n", 1)[0][:200]
    return f"The job failed by a defect of this program ({word}); its log has the details."


def _last_word(writer: EventWriter, type_: str, **values: Any) -> None:
    """Record the end; where even that cannot be written, the dead process will be noticed."""
    try:
        writer.append(type_, **values)
    except WaferError as exc:
        logger.error("%s", exc)


@contextmanager
def _log_to(path: Path) -> Iterator[None]:
    """Send this package's log to the job's log, and nowhere else."""
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    package = logging.getLogger("wafer_core")
    level, propagate = package.level, package.propagate
    package.addHandler(handler)
    package.setLevel(logging.INFO)
    package.propagate = False
    try:
        yield
    finally:
        package.removeHandler(handler)
        package.setLevel(level)
        package.propagate = propagate
        handler.close()


@contextmanager
def _sigterm_raises() -> Iterator[None]:
    """Turn SIGTERM into an exception, so that temporary files are removed on the way out."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(signum: int, frame: FrameType | None) -> None:
        raise Terminated(128 + signum)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
