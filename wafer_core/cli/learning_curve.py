"""``learning-curve``: how many originals of a class are needed, and whether made ones do too."""

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
    from wafer_core.tasks.studies.curve_config import MADE, PARAMETERS, SIZES

    add_project(parser)
    parser.add_argument(
        "--class", dest="class_name", required=True, metavar="NAME", help="to look at"
    )
    for name, numbers, what in (
        ("sizes", SIZES, "originals; those that there are, and all"),
        ("made", MADE, "made wafers; 0 is always among them"),
    ):
        parser.add_argument(
            f"--{name}",
            type=int,
            nargs="+",
            metavar="N",
            help=f"numbers of {what} ({' '.join(map(str, numbers))})",
        )
    add_seed(parser, "of orders, made wafers and trainings")
    add_device(parser)
    add_settings(parser, PARAMETERS)


def run(args: argparse.Namespace) -> Any:
    from wafer_core.tasks.studies.curve_config import PARAMETERS

    config: dict[str, Any] = {**given_settings(args, PARAMETERS), "seed": args.seed}
    for name in ("sizes", "made"):
        if getattr(args, name) is not None:
            config[name] = getattr(args, name)
    project = open_project(args.project)
    parameters = {"class": project.find_class(args.class_name).name, "config": config}
    result = run_job(project.path, "learning_curve", parameters, args.device)
    for note in result["notes"]:
        say(note)
    say(result["sentence"])
    return result


COMMAND = Command("find out how many originals of a class are needed", add_arguments, run)
