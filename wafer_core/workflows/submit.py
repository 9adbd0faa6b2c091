"""From a workflow's name and parameters to a job that can be started."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from wafer_core.errors import ParameterError
from wafer_core.files import json_value
from wafer_core.jobs.spec import write_job
from wafer_core.messages import Message
from wafer_core.workflows.registry import find_workflow


def create_job(
    project: Path,
    workflow: str,
    parameters: Mapping[str, Any],
    device: str = "auto",
    *,
    title: Message | None = None,
    uploads: Iterable[tuple[str, bytes]] = (),
) -> Path:
    """Check the parameters and write the job's folder; ``jobs.start`` starts it.

    Args:
        project: The project's folder.
        workflow: A key of ``registry.MODULES``.
        parameters: Of that workflow; JSON values. They are checked now, so that a wrong one is
            reported to the person who typed it and leaves no job.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        title: For people; made from the workflow and its parameters if missing.
        uploads: Names and contents of files from a browser.

    Returns:
        The job's folder.

    Raises:
        JobError: There is no such workflow.
        ParameterError: A parameter cannot be used.
        ProjectError: The project's folder does not exist.
    """
    chosen = find_workflow(workflow)
    checked = chosen.parameters.from_mapping(parameters)
    try:
        json.dumps(json_value(parameters), ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as exc:
        raise ParameterError(
            "A text among the settings is not valid UTF-8; type it again."
        ) from exc
    return write_job(
        project, workflow, parameters, device, title or chosen.title_of(checked), uploads
    )
