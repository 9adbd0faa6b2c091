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
from wafer_core.jobs.context import Heartbeat
from wafer_core.jobs.events import EVENTS_FILE, Event, EventWriter, read_from
from wafer_core.jobs.launch import LOG_FILE
from wafer_core.jobs.queue import Place, device_turn
from wafer_core.jobs.spec import UPLOADS_FOLDER, JobSpec, project_of, read_spec
from wafer_core.messages import Message, counted, message
from wafer_core.process import ProcessId

logger = logging.getLogger(__name__)


class Terminated(SystemExit):
    """The system ended the process; raised so that unfinished work is undone."""


def run_job(folder: Path, listener: Callable[[Event], None] | None = None) -> dict[str, Any]:
    """Run a job in this process. Whatever happens is recorded, then raised.

    Args:
        folder: From ``create_job``.
        listener: Called with each event, from the thread that wrote it.

    Returns:
        The result of the job's workflow.

    Raises:
        JobError: The folder is no job, or the job was run before.
        Cancelled: The user cancelled it.
        WaferError: The workflow cannot do it.
    """
    folder = folder.resolve()
    spec = read_spec(folder)
    if any(event.type == "start" for event in read_from(folder / EVENTS_FILE)[0]):
        raise JobError(
            "The job {name} was run before; create a new one of the same kind.", name=folder.name
        )
    writer = EventWriter(folder, listener)
    with _log_to(folder / LOG_FILE), _sigterm_raises():
        try:
            writer.append("start", process=ProcessId.current().to_json())
            with Heartbeat(writer) as heartbeat:
                result = _work(folder, spec, writer, heartbeat)
            writer.append("result", result=result)
            return result
        except (Cancelled, KeyboardInterrupt):
            _append_end(writer, "cancelled", Cancelled().message)
            raise
        except WaferError as exc:
            logger.error("%s", exc)
            _append_failure(writer, exc.message, defect=False)
            raise
        except Terminated:
            text = message("The system ended the process of this job; start the job again.")
            _append_failure(writer, text, defect=False)
            raise
        except BaseException as exc:
            logger.exception("The job failed because of a program error")
            _append_failure(writer, _defect(exc), defect=True)
            raise
        finally:
            shutil.rmtree(folder / UPLOADS_FOLDER, ignore_errors=True)


def _work(folder: Path, spec: JobSpec, writer: EventWriter, heartbeat: Heartbeat) -> dict[str, Any]:
    """Wait for the device if the workflow needs it, then run the workflow."""
    # Slow imports, so only after the first event.
    from wafer_core.data.project import Project
    from wafer_core.workflows.context import WorkflowContext
    from wafer_core.workflows.recovery import recover
    from wafer_core.workflows.registry import find_workflow

    workflow = find_workflow(spec.kind)
    parameters = workflow.parameters.from_mapping(spec.parameters)
    device = _device_name(spec.device) if workflow.needs_device else "cpu"
    project = Project.open(project_of(folder))
    recover(project)
    context = WorkflowContext(folder, spec, project, writer, device)
    heartbeat.watch(context)

    def report_place(place: Place) -> None:
        text = counted(
            "Waiting for the {device}: 1 job is ahead, first “{title}”.",
            "Waiting for the {device}: {count:,} jobs are ahead, first “{title}”.",
            place.ahead,
            device=device.upper(),
            title=place.first,
        )
        writer.append("waiting", text, ahead=place.ahead)

    turn = (
        device_turn(
            device,
            title=spec.title,
            created=spec.created,
            on_wait=report_place,
            check=context.check_cancelled,
        )
        if workflow.needs_device
        else nullcontext()
    )
    with turn:
        context.check_cancelled()
        writer.append("running", device=device)
        result = workflow.run(context, parameters)
        context.flush()
    return result


def _device_name(name: str) -> str:
    """The name under which a device is locked: ``cuda`` is ``cuda:0``."""
    if name == "cpu":
        return name  # without the seconds that importing torch takes
    from wafer_core.device import choose_device

    device = choose_device(name)
    return "cpu" if device.type == "cpu" else f"{device.type}:{device.index or 0}"


def _defect(exc: BaseException) -> Message:
    if isinstance(exc, MemoryError) or type(exc).__name__ == "OutOfMemoryError":
        return message(
            "The device ran out of memory; choose a smaller batch size and start the job again."
        )
    return message(
        "The job failed because of a program error ({reason}); its log has the details.",
        reason=f"{type(exc).__name__}: {exc}".split("\n", 1)[0][:200],
    )


def _append_failure(writer: EventWriter, text: Message, defect: bool) -> None:
    _append_end(writer, "failed", text, error=str(text), defect=defect)


def _append_end(writer: EventWriter, type_: str, text: Message, **values: Any) -> None:
    """Record the end; where even that cannot be written, readers notice the dead process."""
    try:
        writer.append(type_, text, **values)
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
