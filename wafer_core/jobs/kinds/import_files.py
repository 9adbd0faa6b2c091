"""The job that brings pictures into a project.

Parameters: ``sources`` (paths; files that came through a browser are uploads of the job instead),
``class_name`` (all into this one) or ``None`` (each into the class of its folder),
``limit_per_class``, ``seed`` (of the choice under the limit), ``colours`` {"#rrggbb": role} that
overrules the guess.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from wafer_core.errors import InputError
from wafer_core.jobs.kinds.kind import Kind, Parameters, known_only, whole_number
from wafer_core.names import clean_name

if TYPE_CHECKING:
    from wafer_core.jobs.context import JobContext

MAX_TOLD = 500  # rejected files in the result; the log has them all


def check(parameters: Parameters) -> None:
    """Check what ``run`` reads."""
    known_only(
        parameters, ("sources", "class_name", "limit_per_class", "seed", "colours"), "import"
    )
    for source in parameters.get("sources", ()):
        if not Path(source).exists():
            raise InputError(f"{source} does not exist; check the path.")
    if parameters.get("class_name") is not None:
        clean_name(parameters["class_name"])
    if parameters.get("limit_per_class") is not None:
        whole_number(parameters["limit_per_class"], "limit per class", 1, 10_000_000)
    whole_number(parameters.get("seed", 0), "seed", 0, 2**63 - 1)


def run(context: JobContext) -> dict[str, Any]:
    """Scan, choose, decode, store; returns what was added, what was there, and what was refused."""
    raise NotImplementedError


def _describe(parameters: Parameters) -> str:
    sources = [Path(source).name for source in parameters.get("sources", ())]
    return f"Import {sources[0]}" if len(sources) == 1 else "Import pictures"


KIND = Kind("Import", run, check, _describe)
