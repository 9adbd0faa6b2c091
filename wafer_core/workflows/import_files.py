"""The job that imports pictures and wafer data into a project."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from wafer_core import importers
from wafer_core.data.ingest import import_candidates
from wafer_core.errors import InputError, ParameterError
from wafer_core.importers import Candidate, Colour, ReadOptions, Role
from wafer_core.importers.items import LazyCandidates, unique
from wafer_core.importers.options import read_colours
from wafer_core.messages import N_, Message, counted, listed, message
from wafer_core.parameters import SEED, Parameter, Settings, Text, declare, read_by
from wafer_core.workflows.context import WorkflowContext
from wafer_core.workflows.workflow import Workflow

MAX_REPORTED = 500  # rejected files in the result


def read_file_options(value: object) -> dict[str, ReadOptions]:
    """What the user says about single files, from JSON {"name": options}.

    Raises:
        ParameterError: It is something else.
    """
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ParameterError(
            "files is {value}; give an object with options for names of files.",
            value=repr(value)[:60],
        )
    return {str(name): ReadOptions.from_json(options) for name, options in value.items()}


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
    # what the user says about the files, and about single files by their names
    options: ReadOptions = read_by(ReadOptions.from_json, ReadOptions())
    files: Mapping[str, ReadOptions] | None = read_by(read_file_options)
    use_suggestions: bool = declare(
        Parameter(
            N_("Use the names of zips"),
            N_("Wafers without a class folder go to a class named after their zip or folder."),
            False,
        )
    )

    refuse_undecided: bool = declare(
        Parameter(
            N_("Refuse what is undecided"),
            N_("Import nothing if one of the files can be read in several ways."),
            False,
        )
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.colours:
            object.__setattr__(self, "options", replace(self.options, colours=self.colours))
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
        InputError: Nothing in the sources can be imported at all, or a file is undecided.
    """
    context.progress(0.0, message("Scanning the files"))
    sources: list[Path | importers.Upload] = [Path(path) for path in parameters.sources]
    sources += [importers.Upload(name, path=path) for name, path in context.uploads]
    scan = importers.scan(sources, options=parameters.options, by_file=parameters.files)
    notes = scan.all_notes
    found: Sequence[Candidate] = scan.candidates
    if parameters.use_suggestions and parameters.class_name is None:
        found, more = use_suggestions(found)
        notes += more
    candidates = importers.sample(found, parameters.limit_per_class, parameters.seed)
    if not candidates and not scan.rejected:
        names = [source.name for source in sources]
        raise InputError(
            "There is nothing to import in {files}; give pictures (PNG, JPEG, BMP, TIFF), wafer "
            "data (.npy, .npz, .csv, .xlsx, STDF, KLARF, SINF, E142, text maps, LSWMD.pkl), a "
            "folder or a zip of them.",
            files=listed(names),
        )
    report = import_candidates(
        context.project,
        candidates,
        parameters.class_name,
        context.progress,
        scan.rejected,
        before_storing=context.begin_storing,
        options=parameters.options,
        refuse_undecided=parameters.refuse_undecided,
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
        "notes": [str(note) for note in unique([*notes, *report.notes])],
        "unlabelled": report.unlabelled,
        "without_test": list(report.without_test),
    }


def use_suggestions(candidates: Sequence[Candidate]) -> tuple[Sequence[Candidate], list[Message]]:
    """The candidates in the classes that the names of their zips and folders suggest.

    Returns:
        The candidates, and a sentence for each class that was named so.
    """
    counts = Counter(c.suggestion for c in candidates if c.class_name is None and c.suggestion)
    if not counts:
        return candidates, []

    def named(index: int) -> Candidate:
        candidate = candidates[index]
        if candidate.class_name is None and candidate.suggestion:
            return replace(candidate, class_name=candidate.suggestion)
        return candidate

    notes = [
        counted(
            "{count:,} wafer has no class folder and goes to the class “{name}”, after its zip or "
            "folder.",
            "{count:,} wafers have no class folder and go to the class “{name}”, after their zip "
            "or folder.",
            count,
            name=name,
        )
        for name, count in counts.items()
    ]
    return LazyCandidates(len(candidates), named), notes


def _describe(parameters: ImportParameters) -> Message:
    if len(parameters.sources) == 1:
        return message("Import {name}", name=Path(parameters.sources[0]).name)
    return message("Import pictures")


WORKFLOW = Workflow("import", N_("Import"), ImportParameters, run, _describe)
