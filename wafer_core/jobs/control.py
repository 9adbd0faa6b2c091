"""Requests to a job (cancel, stop and keep the best, kill) and the removal of ended jobs."""

from __future__ import annotations

from pathlib import Path

import psutil

from wafer_core.errors import Cancelled, JobError
from wafer_core.files import remove_folder, storage_errors
from wafer_core.jobs.events import EventWriter
from wafer_core.jobs.state import CANCEL_FILE, STOP_FILE, list_jobs, read_state


def cancel(folder: Path) -> None:
    """Request a job to end without any change to the project; an ended job stays as it is.

    Raises:
        JobError: No such job.
    """
    state = read_state(folder)
    if not state.is_active:
        return
    with storage_errors(folder / CANCEL_FILE):
        (folder / CANCEL_FILE).touch()
    if state.process is None:  # no process sees the request yet; one that starts later will
        EventWriter(folder).append("cancelled", Cancelled().message)


def request_stop(folder: Path) -> None:
    """Request a job to finish early and to keep the best so far.

    Raises:
        JobError: No such job.
    """
    if read_state(folder).is_active:
        with storage_errors(folder / STOP_FILE):
            (folder / STOP_FILE).touch()


def kill(folder: Path) -> None:
    """End a job's process at once, for one that does not react to ``cancel``.

    Raises:
        JobError: No such job, or it runs on another machine.
    """
    cancel(folder)
    process = read_state(folder).process
    if process is None:
        return
    if not process.is_local:
        raise JobError(
            "The job runs on {host}; end the process {pid:d} there.",
            host=process.host,
            pid=process.pid,
        )
    if process.is_alive():
        try:
            psutil.Process(process.pid).kill()
        except psutil.Error as exc:
            raise JobError(
                "The process {pid:d} could not be ended ({reason}); ask the administrator.",
                pid=process.pid,
                reason=str(exc),
            ) from exc


def delete_job(folder: Path) -> None:
    """Remove the folder of an ended job; what the job made in the project stays.

    Raises:
        JobError: No such job, or it has not ended.
    """
    if read_state(folder).is_active:
        raise JobError("The job {name} has not ended; cancel it first.", name=folder.name)
    remove_folder(folder)


def clear_finished(root: Path) -> int:
    """Remove all ended jobs of a project or of a workspace; returns how many."""
    ended = [state for state in list_jobs(root) if not state.is_active]
    for state in ended:
        delete_job(state.folder)
    return len(ended)
