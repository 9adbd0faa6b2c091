"""``augment``: multiply classes by transforms."""

from __future__ import annotations

import argparse
from typing import Any

from wafer_core.cli.arguments import add_project, add_seed, add_settings, given_settings
from wafer_core.cli.command import Command, open_project, run_job


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from wafer_core.tasks.augmentation.offline import PARAMETERS

    add_project(parser)
    parser.add_argument(
        "--class",
        dest="class_names",
        action="append",
        metavar="NAME",
        help="the class to multiply; may be given several times (all classes)",
    )
    parser.add_argument(
        "--count", type=int, required=True, metavar="N", help="how many to make for each class"
    )
    add_seed(parser, "the same seed makes the same pictures")
    add_settings(parser, PARAMETERS)


def run(args: argparse.Namespace) -> Any:
    from wafer_core.tasks.augmentation.offline import PARAMETERS

    project = open_project(args.project)
    names = args.class_names or [c.name for c in project.classes()]
    parameters = {
        "classes": [{"name": project.find_class(n).name, "count": args.count} for n in names],
        "config": given_settings(args, PARAMETERS),
        "seed": args.seed,
    }
    return run_job(args.project, "augment", parameters)


COMMAND = Command("multiply classes by transforms", add_arguments, run)
