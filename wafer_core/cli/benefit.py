"""``benefit``: whether made wafers help a classifier, on wafers that nobody made."""

from __future__ import annotations

import argparse
from typing import Any

from wafer_core.cli.arguments import (
    add_device,
    add_project,
    add_seed,
    add_settings,
    given_settings,
)
from wafer_core.cli.command import Command, open_project, run_job, say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from wafer_core.tasks.studies.ablation_config import AUTOMATIC, PARAMETERS

    add_project(parser)
    parser.add_argument(
        "--class",
        dest="classes",
        action="append",
        metavar="NAME",
        help="only made wafers of this class take part; may be given several times (all)",
    )
    add_seed(parser, "of the first training and of what is made")
    add_device(parser)
    add_settings(parser, PARAMETERS, automatic=AUTOMATIC)


def run(args: argparse.Namespace) -> Any:
    from wafer_core.tasks.studies.ablation_config import PARAMETERS

    parameters: dict[str, Any] = {
        "config": {**given_settings(args, PARAMETERS), "seed": args.seed},
    }
    project = open_project(args.project)
    if args.classes is not None:
        parameters["classes"] = [project.find_class(name).name for name in args.classes]
    result = run_job(project.path, "benefit", parameters, args.device)
    for note in result["notes"]:
        say(note)
    say(result["sentence"])
    return result


COMMAND = Command("find out whether made wafers help a classifier", add_arguments, run)
