"""Wishes about a job: cancel it, stop it and keep the best, forget it."""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path

import psutil

from wafer_core.errors import JobError
from wafer_core.files import TEMPORARY_PREFIX, storage_errors
from wafer_core.jobs.events import EventWriter
from wafer_core.jobs.state import CANCEL_FILE, STOP_FILE, list_jobs, read_state


def cancel(folder: Path) -> None:
    """Ask a job to end and to leave the project as it was before; an ended one stays as it is.

    Raises:
        JobError: No such job.
    """
    state = read_state(folder)
    if not state.is_active:
        return
    with storage_errors(folder / CANCEL_FILE):
        (folder / CANCEL_FILE).touch()
    if state.process is None:  # nobody is there to hear it; one that starts later will see it
        EventWriter(folder).append("cancelled")


def request_stop(folder: Path) -> None:
    """Ask a job to finish early and to keep the best so far.

    Raises:
        JobError: No such job.
    """
    if read_state(folder).is_active:
        with storage_errors(folder / STOP_FILE):
            (folder / STOP_FILE).touch()


def kill(folder: Path) -> None:
    """End a job's process at once, when it does not hear ``cancel``; shown as cancelled.

    Raises:
        JobError: No such job, or it runs on another machine.
    """
    cancel(folder)
    process = read_state(folder).process
    if process is None:
        return
    if not process.is_local:
        raise JobError(f"The job runs on {process.host}; end its process {process.pid} there.")
    if process.is_alive():
        try:
            psutil.Process(process.pid).kill()
        except psutil.Error as exc:
            raise JobError(f"The process {process.pid} could not be ended: {exc}.") from exc


def delete_job(folder: Path) -> None:
    """Forget an ended job: its folder goes, what it made stays.

    Raises:
        JobError: No such job, or it has not ended.
    """
    if read_state(folder).is_active:
        raise JobError(f"The job {folder.name} has not ended; cancel it first.")
    gone = folder.with_name(f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}")
    with storage_errors(folder):
        folder.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


def clear_finished(root: Path) -> int:
    """Forget all ended jobs of a project or of a workspace; returns how many."""
    ended = [state for state in list_jobs(root) if not state.is_active]
    for state in ended:
        delete_job(state.folder)
    return len(ended)
