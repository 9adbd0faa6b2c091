"""``jobs``, ``cancel``, ``job``: list, cancel and run the jobs of a project."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from wafer_core.cli.arguments import add_project
from wafer_core.cli.command import EXIT_DEFECT, Command, open_project
from wafer_core.errors import WaferError


def _job_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="the job's folder")


def _job(args: argparse.Namespace) -> None:
    """Run a job that another process created; its folder gets all results."""
    from wafer_core.workflows.runner import run_job

    try:
        run_job(args.folder)
    except WaferError:
        raise
    except Exception as exc:  # its traceback is in the log already
        raise SystemExit(EXIT_DEFECT) from exc


def _jobs(args: argparse.Namespace) -> Any:
    from wafer_core.jobs import list_jobs

    return [
        {
            "job": str(state.folder),
            "kind": state.kind,
            "title": state.title,
            "status": state.status,
            "fraction": state.fraction,
            "text": state.text,
        }
        for state in list_jobs(open_project(args.project).path)
    ]


def _cancel(args: argparse.Namespace) -> Any:
    from wafer_core.jobs import cancel, read_state

    cancel(args.folder)
    return {"job": str(args.folder), "status": read_state(args.folder).status}


JOBS = Command("list the jobs of a project", add_project, _jobs)
CANCEL = Command("cancel a job", _job_arguments, _cancel)
JOB = Command("run a job by its folder (used by the app)", _job_arguments, _job)
