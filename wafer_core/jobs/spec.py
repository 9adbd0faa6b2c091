"""What a job is to do: ``jobs/<id>/spec.json``, written once and never changed."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wafer_core.errors import JobError, ProjectError
from wafer_core.files import new_folder, read_json, storage_errors, write_json
from wafer_core.jobs.events import plain

SCHEMA = 1
SPEC_FILE = "spec.json"
JOBS_FOLDER = "jobs"
UPLOADS_FOLDER = "uploads"


@dataclass(frozen=True)
class JobSpec:
    """One job. Its project is not named: it is the folder that holds ``jobs``, also when moved."""

    kind: str
    parameters: Mapping[str, Any]
    title: str  # for people: “Train wafer_cnn”
    device: str  # auto, cpu, cuda, cuda:N
    created: float  # seconds since 1970; earlier jobs get a device first
    uploads: tuple[str, ...] = field(default=())  # names people gave to uploads/0000, 0001, …

    def to_json(self) -> dict[str, Any]:
        """All fields, with the version of this format."""
        return {
            "schema": SCHEMA,
            "kind": self.kind,
            "title": self.title,
            "device": self.device,
            "created": self.created,
            "parameters": plain(self.parameters),
            "uploads": list(self.uploads),
        }


def write_job(
    project: Path,
    kind: str,
    parameters: Mapping[str, Any],
    device: str,
    title: str,
    uploads: Iterable[tuple[str, bytes]] = (),
) -> Path:
    """Write the folder of a job; ``launch.start`` begins it.

    Args:
        project: The project's folder.
        kind: The name of the workflow that ``runner`` will look up.
        parameters: Of that workflow, already checked; JSON values.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        title: For people.
        uploads: Names and contents of files from a browser. They are stored in the job's folder
            under numbers until it ends, because an uploaded name is never a path.

    Returns:
        The job's folder.

    Raises:
        ProjectError: The project's folder does not exist.
    """
    if not project.is_dir():
        raise ProjectError(f"{project} is missing; it was deleted or renamed. Open another one.")
    created = time.time()
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(created))
    name = f"{stamp}-{int(created % 1 * 1e6):06d}-{kind}-{uuid.uuid4().hex[:4]}"  # sorts by time
    folder = project.resolve() / JOBS_FOLDER / name
    with storage_errors(folder):
        folder.parent.mkdir(exist_ok=True)
    with new_folder(folder) as temporary:
        names = []
        for number, (name, data) in enumerate(uploads):
            target = temporary / UPLOADS_FOLDER / f"{number:04d}"
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(data)
            names.append(name)
        spec = JobSpec(kind, parameters, title, device, created, tuple(names))
        write_json(temporary / SPEC_FILE, spec.to_json())
    return folder


def read_spec(folder: Path) -> JobSpec:
    """Read a job's spec.

    Raises:
        JobError: The folder is no job, is damaged, or was written by a newer version.
    """
    try:
        value = read_json(folder / SPEC_FILE)
    except ProjectError as exc:
        raise JobError(f"{folder} is not a job that can be read: {exc}") from exc
    try:
        if int(value["schema"]) > SCHEMA:
            raise JobError(f"The job {folder} was written by a newer version; update this one.")
        return JobSpec(
            kind=str(value["kind"]),
            parameters=dict(value["parameters"]),
            title=str(value["title"]),
            device=str(value["device"]),
            created=float(value["created"]),
            uploads=tuple(str(name) for name in value.get("uploads", ())),
        )
    except (KeyError, TypeError, ValueError) as exc:
        raise JobError(
            f"{folder / SPEC_FILE} is damaged ({exc!r}); delete the job and start it again."
        ) from exc


def project_of(folder: Path) -> Path:
    """The project that a job's folder lies in."""
    return folder.parent.parent
