"""``import``: add pictures and wafer data to a project."""

from __future__ import annotations

import argparse
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
        "data file (.npy, .npz, .csv)",
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
    add_seed(parser, "seed of that choice, and of the split of a new project")


def run(args: argparse.Namespace) -> Any:
    from wafer_core.data.project import Project
    from wafer_core.workflows.import_files import ImportParameters

    parameters = {
        "sources": [str(Path(source).absolute()) for source in args.sources],
        "class_name": args.class_name,
        "limit_per_class": args.limit_per_class,
        "seed": args.seed,
    }
    ImportParameters.from_mapping(parameters)  # before a project is created for nothing
    Project.open_or_create(args.project, seed=args.seed)
    result = run_job(args.project, "import", parameters)
    for rejected in result["rejected"]:
        say(rejected["reason"])
    if not result["added"] and not result["duplicates"]:
        raise InputError("Nothing could be imported; see the reasons above.")
    return result


COMMAND = Command("add pictures and wafer data to a project", add_arguments, run)
