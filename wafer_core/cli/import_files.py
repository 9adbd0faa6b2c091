"""``import``: add pictures and wafer data to a project."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from wafer_core.cli.arguments import add_project, add_seed
from wafer_core.cli.command import Command, run_job, say
from wafer_core.errors import InputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_project(parser, created=True)
    parser.add_argument(
        "sources",
        nargs="+",
        metavar="SOURCE",
        help="a folder with one sub-folder for each class, a zip of one, a picture, or a wafer "
        "data file (.npy, .npz, .csv, .xlsx, STDF, ATDF, KLARF, SINF, E142 and G85 XML, text maps, "
        "LSWMD.pkl), also compressed by gz or bz2",
    )
    parser.add_argument(
        "--class", dest="class_name", metavar="NAME", help="put all pictures into this class"
    )
    parser.add_argument(
        "--limit-per-class",
        type=int,
        metavar="N",
        help="at most N pictures of each class, chosen at random",
    )
    parser.add_argument(
        "--pass-bins",
        metavar="BINS",
        help="bins that pass, such as 1,2 or 1-3; all others fail (as the file says, else bin 1)",
    )
    parser.add_argument(
        "--fail-bins",
        metavar="BINS",
        help="only these bins count as failing, such as 7,12; all others pass",
    )
    parser.add_argument(
        "--mask",
        choices=("fail", "pass", "die"),
        help="what 1 means in arrays of 0 and 1: a failed die, a passed die, or any die",
    )
    parser.add_argument(
        "--notch",
        choices=("down", "left", "up", "right"),
        help="where the notch is in maps whose files do not say it; they are turned to have it "
        "down",
    )
    parser.add_argument(
        "--mirrored", action="store_true", help="columns run to the left; mirror the maps"
    )
    parser.add_argument(
        "--upside-down", action="store_true", help="rows run upwards; turn the maps upside down"
    )
    parser.add_argument(
        "--own-split",
        action="store_true",
        help="ignore folders and arrays named train, validation and test; split the wafers anew",
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="store nothing; print what was recognised in each file",
    )
    add_seed(parser, "seed of that choice, and of the split of a new project")


def run(args: argparse.Namespace) -> Any:
    from wafer_core.data.project import Project
    from wafer_core.importers.numbers import UndecidedError
    from wafer_core.workflows.import_files import ImportParameters

    options: dict[str, Any] = {
        "pass_bins": args.pass_bins,
        "fail_bins": args.fail_bins,
        "mask": args.mask,
        "notch": args.notch,
        "mirrored": args.mirrored,
        "upside_down": args.upside_down,
        "keep_split": not args.own_split,
    }
    parameters = {
        "sources": [str(Path(source).absolute()) for source in args.sources],
        "class_name": args.class_name,
        "limit_per_class": args.limit_per_class,
        "seed": args.seed,
        "options": options,
        "use_suggestions": True,
        "refuse_undecided": True,
    }
    checked = ImportParameters.from_mapping(parameters)  # before a project is created for nothing
    if args.dry_run:
        return _dry_run(args.sources, checked.options)
    Project.open_or_create(args.project, seed=args.seed)
    try:
        result = run_job(args.project, "import", parameters)
    except UndecidedError as exc:
        raise InputError(
            "{reason} Use {option}.", reason=exc.message, option=_OPTIONS[exc.option]
        ) from exc
    for rejected in result["rejected"]:
        say(rejected["reason"])
    for note in result["notes"]:
        say(note)
    if not result["added"] and not result["duplicates"]:
        raise InputError("Nothing could be imported; see the reasons above.")
    if result["without_test"]:
        say(_without_test(result["without_test"]))
    return result


def _without_test(names: list[str]) -> str:
    return (
        f"No test wafers, so a model is not evaluated on: {', '.join(names)}. Use at least five "
        "wafers per class."
    )


def _dry_run(sources: list[str], options: Any) -> Any:
    """Print what was recognised; nothing is stored, and no project is created."""
    from wafer_core.importers import preview
    from wafer_core.messages import message
    from wafer_core.workflows.foreground import progress_line

    with progress_line(sys.stderr, message("Looking at the files")) as progress:
        found = preview([Path(source) for source in sources], options=options, on_progress=progress)
    for file in found.questions:
        say(f"{file.guesses.question} Use {_OPTIONS[file.guesses.option]}.")
    for rejected in found.rejected:
        say(rejected.reason)
    return found.to_json()


_OPTIONS = {
    "mask": "--mask fail, --mask pass or --mask die",
    "pass_bins": "--pass-bins, for example --pass-bins 1,2",
}
COMMAND = Command("add pictures and wafer data to a project", add_arguments, run)
