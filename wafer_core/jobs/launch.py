"""How a job's process is started: on this machine or by a cluster's scheduler."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from wafer_core.errors import JobError, ParameterError
from wafer_core.files import storage_errors
from wafer_core.jobs.events import EventWriter
from wafer_core.jobs.spec import read_spec
from wafer_core.process import ProcessId

LOG_FILE = "log.txt"
_PACKAGE_PARENT = Path(__file__).resolve().parents[2]


def start(folder: Path, launcher: str | None = None) -> None:
    """Start a job and return at once; ``state.read_state`` follows it.

    Args:
        folder: From ``create_job``.
        launcher: A key of ``LAUNCHERS``; else the environment's ``WAFER_LAUNCHER``, else local.

    Raises:
        JobError: The folder is no job, or its process could not be started.
        ParameterError: No such launcher.
    """
    name = launcher or os.environ.get("WAFER_LAUNCHER") or "local"
    if name not in LAUNCHERS:
        raise ParameterError(
            "The launcher “{name}” is unknown; set WAFER_LAUNCHER to one of {known}.",
            name=name,
            known=", ".join(LAUNCHERS),
        )
    read_spec(folder)
    launched = LAUNCHERS[name](folder.resolve())
    EventWriter(folder).append("launched", launcher=name, **launched)


def job_command(folder: Path) -> list[str]:
    """The command that runs a job."""
    return [sys.executable, "-m", "wafer_core", "job", str(folder)]


def job_environment() -> dict[str, str]:
    """The environment of a job's process, in which the package is found from any folder."""
    paths = [str(_PACKAGE_PARENT), os.environ.get("PYTHONPATH", "")]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path for path in paths if path),
        "PYTHONUNBUFFERED": "1",  # the last line before a crash is the one that is needed
        "PYTHONUTF8": "1",
        "PYTHONFAULTHANDLER": "1",  # a crash inside a library leaves its stack in the log
    }


def spawn(command: list[str], folder: Path) -> subprocess.Popen[bytes]:
    """Start a process that outlives this one; its output goes to the job's log.

    Raises:
        JobError: The system could not start it.
    """
    detached: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        detached = {
            "creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.DETACHED_PROCESS
        }
    with storage_errors(folder / LOG_FILE):
        log = (folder / LOG_FILE).open("ab")
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=_PACKAGE_PARENT,
            env=job_environment(),
            **detached,
        )
    except OSError as exc:
        raise JobError(
            "The job {name} could not be started: {reason}. Free some memory and try again.",
            name=folder.name,
            reason=exc.strerror or str(exc),
        ) from exc
    finally:
        log.close()
    # Without a wait, an ended child stays in the process table as a zombie.
    threading.Thread(target=process.wait, name=f"reap-{process.pid}", daemon=True).start()
    return process


def _local(folder: Path) -> dict[str, Any]:
    process = spawn(job_command(folder), folder)
    return {"process": ProcessId.of(process.pid).to_json()}


def _slurm(folder: Path) -> dict[str, Any]:
    """Submit the job to Slurm; the nodes must see the project's disk under the same path.

    ``WAFER_SLURM_PARTITION``, ``WAFER_SLURM_GPUS`` (1) and ``WAFER_SLURM_HOURS`` (24) describe
    the resources.
    """
    try:
        import submitit
    except ImportError as exc:
        raise JobError(
            "Slurm needs the package submitit, which is missing; run: pip install submitit"
        ) from exc
    try:
        hours = float(os.environ.get("WAFER_SLURM_HOURS", "24"))
        gpus = int(os.environ.get("WAFER_SLURM_GPUS", "1"))
    except ValueError as exc:
        raise ParameterError(
            "WAFER_SLURM_HOURS and WAFER_SLURM_GPUS must be numbers: {reason}.", reason=str(exc)
        ) from exc
    executor = submitit.AutoExecutor(folder=folder / "slurm", cluster="slurm")
    executor.update_parameters(
        name=f"wafer-{folder.name}",
        timeout_min=round(hours * 60),
        gpus_per_node=gpus,
        slurm_setup=[f"export PYTHONPATH={shlex.quote(job_environment()['PYTHONPATH'])}"],
    )
    partition = os.environ.get("WAFER_SLURM_PARTITION")
    if partition:
        executor.update_parameters(slurm_partition=partition)
    return {"slurm_job": str(executor.submit(run_logged, str(folder)).job_id)}


def run_logged(folder: str) -> int:
    """Run the job on a node of the cluster, as a process with its log; returns its exit code."""
    return spawn(job_command(Path(folder)), Path(folder)).wait()


# A launcher starts ``job_command(folder)`` somewhere and returns what is known about it. Without a
# ``process`` the job may stay in the scheduler's queue for any time.
LAUNCHERS: dict[str, Callable[[Path], dict[str, Any]]] = {"local": _local, "slurm": _slurm}
