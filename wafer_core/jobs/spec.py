"""What a job is to do: ``jobs/<id>/spec.json``, written once and never changed."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wafer_core.errors import JobError, ProjectError
from wafer_core.files import json_value, new_folder, read_checked, storage_errors, write_json
from wafer_core.json_fields import Fields, check_schema
from wafer_core.messages import Message, message

SCHEMA = 1
SPEC_FILE = "spec.json"
JOBS_FOLDER = "jobs"
UPLOADS_FOLDER = "uploads"
MAX_TIME = 1e11  # seconds since 1970, some thousand years
START_AGAIN = message("Delete the job and start it again.")


@dataclass(frozen=True)
class JobSpec:
    """One job. Its project is the folder that holds ``jobs``, so that a project can be moved.

    Attributes:
        kind: Name of the workflow that runs it.
        parameters: Of the workflow; JSON values.
        title: For people: “Train WaferNet”.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        created: Seconds since 1970; earlier jobs get a device first.
        uploads: File names that the user's computer gave to uploads/0000, 0001, …
    """

    kind: str
    parameters: Mapping[str, Any]
    title: Message
    device: str
    created: float
    uploads: tuple[str, ...] = field(default=())

    @classmethod
    def from_json(cls, value: object) -> JobSpec:
        """Read ``spec.json``.

        Raises:
            DataError: A value is missing, of the wrong type, or out of range.
        """
        fields = Fields(value)
        check_schema(fields, SCHEMA)
        title = "title_message" if "title_message" in fields else "title"
        return cls(
            kind=fields.text("kind", most=60),
            parameters=fields.free("parameters"),
            title=fields.as_message(title),
            device=fields.text("device", most=60),
            created=fields.number("created", low=0, high=MAX_TIME),
            uploads=fields.texts("uploads"),
        )

    def to_json(self) -> dict[str, Any]:
        """All fields, with the version of this format; ``title`` is also stored in English."""
        return {
            "schema": SCHEMA,
            "kind": self.kind,
            "title": str(self.title),
            "title_message": self.title.to_json(),
            "device": self.device,
            "created": self.created,
            "parameters": json_value(self.parameters),
            "uploads": list(self.uploads),
        }


def write_job(
    project: Path,
    kind: str,
    parameters: Mapping[str, Any],
    device: str,
    title: Message,
    uploads: Iterable[tuple[str, bytes]] = (),
) -> Path:
    """Write the folder of a job; ``launch.start`` starts it.

    Args:
        project: The project's folder.
        kind: Name of the workflow that runs it.
        parameters: Of that workflow, already checked; JSON values.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        title: For people.
        uploads: Names and contents of files from a browser. They are stored in the job's folder
            under numbers until it ends, because an uploaded name is never used as a path.

    Returns:
        The job's folder.

    Raises:
        ProjectError: The project's folder does not exist.
    """
    if not project.is_dir():
        raise ProjectError(
            "{path} is missing because it was deleted or renamed. Open another project.",
            path=str(project),
        )
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
            names.append(name.encode("utf-8", "replace").decode())
        spec = JobSpec(kind, parameters, title, device, created, tuple(names))
        write_json(temporary / SPEC_FILE, spec.to_json())
    return folder


def read_spec(folder: Path) -> JobSpec:
    """Read a job's spec.

    Raises:
        JobError: The folder is no job, is damaged, or was written by a newer version.
    """
    return read_checked(folder / SPEC_FILE, JobSpec.from_json, error=JobError, remedy=START_AGAIN)


def project_of(folder: Path) -> Path:
    """The project that a job's folder belongs to."""
    return folder.parent.parent
