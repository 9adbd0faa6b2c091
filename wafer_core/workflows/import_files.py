"""The job that imports pictures and wafer data into a project."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wafer_core import importers
from wafer_core.data.ingest import import_candidates
from wafer_core.errors import InputError, ParameterError
from wafer_core.importers import Colour, Role
from wafer_core.messages import N_, Message, listed, message
from wafer_core.parameters import SEED, Parameter, Settings, Text, declare, read_by
from wafer_core.workflows.context import WorkflowContext
from wafer_core.workflows.workflow import Workflow

MAX_REPORTED = 500  # rejected files in the result


def read_colours(value: object) -> dict[Colour, Role]:
    """The user's roles of flat colours, from JSON {"#rrggbb": "no die", "pass" or "fail"}.

    Raises:
        ParameterError: It is something else.
    """
    table: dict[Colour, Role] = {}
    if value is None:
        return table
    try:
        for text, role in value.items():  # type: ignore[attr-defined]
            red, green, blue = (int(part, 16) for part in re.findall("[0-9a-fA-F]{2}", text))
            table[red, green, blue] = Role(role)
    except (AttributeError, TypeError, ValueError) as exc:
        raise ParameterError(
            "colours cannot be read ({reason}); give colours such as #ff0000 and for each no die, "
            "pass or fail.",
            reason=str(exc),
        ) from exc
    return table


@dataclass(frozen=True)
class ImportParameters(Settings):
    """What to import. Files from a browser are uploads of the job, not sources.

    Raises:
        InputError: A source does not exist.
    """

    sources: tuple[str, ...] = declare(
        Text(
            N_("Sources"),
            N_(
                "Paths of pictures, wafer data files, folders with one sub-folder a class, or zips."
            ),
            is_list=True,
        )
    )
    class_name: str | None = declare(
        Text(
            N_("Class"),
            N_("Put all pictures into this class. Without it, each goes to its folder's class."),
            names="class",
            option="class",
        )
    )
    limit_per_class: int | None = declare(
        Parameter(
            N_("Limit per class"),
            N_("Import at most this many pictures of each class, chosen at random."),
            None,
            1,
            10_000_000,
            1,
            kind=int,
        )
    )
    seed: int = declare(SEED)
    colours: Mapping[Colour, Role] | None = read_by(read_colours)  # overrules the recognised roles

    def __post_init__(self) -> None:
        super().__post_init__()
        check_sources(self.sources)


def check_sources(sources: tuple[str, ...]) -> None:
    """Refuse a path that does not exist.

    Raises:
        InputError: Naming it.
    """
    for source in sources:
        try:
            source.encode("utf-8")  # a job's parameters are stored as text
            is_there = Path(source).exists()
        except UnicodeEncodeError as exc:
            raise InputError(
                "{path}: the name is not valid UTF-8; rename the file.",
                path=source.encode("utf-8", "replace").decode(),
            ) from exc
        except (OSError, ValueError):  # too long, in a circle of links, or with a NUL
            is_there = False
        if not is_there:
            raise InputError("{path} does not exist; check the path.", path=source[-200:])


def run(context: WorkflowContext, parameters: ImportParameters) -> dict[str, Any]:
    """Scan, choose, decode and store; returns what was added, already there, or rejected.

    Raises:
        InputError: Nothing in the sources can be imported at all.
    """
    context.progress(0.0, message("Scanning the files"))
    sources: list[Path | importers.Upload] = [Path(path) for path in parameters.sources]
    sources += [importers.Upload(name, path.read_bytes()) for name, path in context.uploads]
    scan = importers.scan(sources, colours=parameters.colours or None)
    candidates = importers.sample(scan.candidates, parameters.limit_per_class, parameters.seed)
    if not candidates and not scan.rejected:
        names = [source.name for source in sources]
        raise InputError(
            "There is nothing to import in {files}; give pictures (PNG, JPEG, BMP, TIFF), wafer "
            "data (.npy, .npz, .csv), a folder or a zip of them.",
            files=listed(names),
        )
    report = import_candidates(
        context.project,
        candidates,
        parameters.class_name,
        context.progress,
        scan.rejected,
        before_storing=context.begin_storing,
    )
    return {
        "total": report.total,
        "added": report.added,
        "duplicates": report.duplicates,
        "conflicts": report.conflicts,
        "rejected_count": len(report.rejected),
        "rejected": [
            {"name": bad.name, "reason": str(bad.reason)} for bad in report.rejected[:MAX_REPORTED]
        ],
    }


def _describe(parameters: ImportParameters) -> Message:
    if len(parameters.sources) == 1:
        return message("Import {name}", name=Path(parameters.sources[0]).name)
    return message("Import pictures")


WORKFLOW = Workflow("import", N_("Import"), ImportParameters, run, _describe)
