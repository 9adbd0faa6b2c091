"""Long work as processes of its own: a folder holds what to do, the events, and the result.

For pages and scripts::

    folder = workflows.submit.create_job(project.path, "train", {"config": {"epochs": 20}})
    start(folder)
    read_state(folder).status  # queued, waiting, running, done, failed, cancelled

This package does not depend on workflows: a job has the name of a workflow and JSON parameters.
"""

from __future__ import annotations

from wafer_core.jobs.control import cancel, clear_finished, delete_job, kill, request_stop
from wafer_core.jobs.launch import start
from wafer_core.jobs.spec import JobSpec, project_of, read_spec
from wafer_core.jobs.state import JobState, list_jobs, log_tail, read_state

__all__ = [
    "JobSpec",
    "JobState",
    "cancel",
    "clear_finished",
    "delete_job",
    "kill",
    "list_jobs",
    "log_tail",
    "project_of",
    "read_spec",
    "read_state",
    "request_stop",
    "start",
]
