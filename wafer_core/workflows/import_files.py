"""The job that brings pictures into a project.

Parameters: ``sources`` (paths; files that came through a browser are uploads of the job instead),
``class_name`` (all into this one) or ``None`` (each into the class of its folder),
``limit_per_class``, ``seed`` (of the choice under the limit), ``colours`` {"#rrggbb": role} that
overrules the guess.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wafer_core.errors import InputError, ParameterError
from wafer_core.names import clean_name
from wafer_core.workflows.workflow import Parameters, Workflow, known_only, whole_number

if TYPE_CHECKING:
    from wafer_core.importers import Colour, Role
    from wafer_core.jobs.context import JobContext

MAX_TOLD = 500  # rejected files in the result; more help nobody
_NAMES = ("sources", "class_name", "limit_per_class", "seed", "colours")


def check(parameters: Parameters) -> None:
    """Check what ``run`` reads."""
    known_only(parameters, _NAMES, "import")
    for source in parameters.get("sources", ()):
        if not Path(source).exists():
            raise InputError(f"{source} does not exist; check the path.")
    if parameters.get("class_name") is not None:
        clean_name(parameters["class_name"])
    if parameters.get("limit_per_class") is not None:
        whole_number(parameters["limit_per_class"], "limit per class", 1, 10_000_000)
    whole_number(parameters.get("seed", 0), "seed", 0, 2**63 - 1)
    _colours(parameters)


def run(context: JobContext) -> dict[str, Any]:
    """Scan, choose, decode, store; returns what was added, what was there, what was refused.

    Raises:
        InputError: Nothing in the sources can be imported at all.
    """
    from wafer_core import importers
    from wafer_core.data.ingest import import_candidates

    parameters = context.parameters
    context.progress(0.0, "Looking at the files")
    sources: list[Path | importers.Upload] = [Path(p) for p in parameters.get("sources", ())]
    sources += [importers.Upload(name, path.read_bytes()) for name, path in context.uploads]
    scan = importers.scan(sources, colours=_colours(parameters))
    candidates = importers.sample(
        scan.candidates, parameters.get("limit_per_class"), int(parameters.get("seed", 0))
    )
    if not candidates and not scan.rejected:
        raise InputError(
            "There is nothing to import; give pictures (PNG, JPEG, BMP, TIFF), wafer data (.npy, "
            ".npz, .csv), a folder or a zip of them."
        )

    def tell(fraction: float, text: str) -> None:
        context.check_cancelled()
        context.progress(fraction, text)

    report = import_candidates(
        context.project, candidates, parameters.get("class_name"), tell, scan.rejected
    )
    return {
        "total": report.total,
        "added": report.added,
        "duplicates": report.duplicates,
        "conflicts": report.conflicts,
        "rejected_count": len(report.rejected),
        "rejected": [
            {"name": bad.name, "reason": bad.reason} for bad in report.rejected[:MAX_TOLD]
        ],
    }


def _colours(parameters: Parameters) -> dict[Colour, Role] | None:
    """The user's roles of flat colours.

    Raises:
        ParameterError: Not {"#rrggbb": "no die", "pass" or "fail"}.
    """
    given = parameters.get("colours")
    if given is None or given == {}:
        return None
    from wafer_core.importers import Role

    table: dict[Colour, Role] = {}
    try:
        for text, role in given.items():
            red, green, blue = (int(part, 16) for part in re.findall("[0-9a-fA-F]{2}", text))
            table[red, green, blue] = Role(role)
    except (AttributeError, TypeError, ValueError) as exc:
        raise ParameterError(
            f"colours cannot be read ({exc}); give colours such as #ff0000 and for each no die, "
            "pass or fail."
        ) from exc
    return table


def _describe(parameters: Parameters) -> str:
    sources = [Path(source).name for source in parameters.get("sources", ())]
    return f"Import {sources[0]}" if len(sources) == 1 else "Import pictures"


WORKFLOW = Workflow("Import", run, check, _describe)
