"""``search``: find settings and augmentation for a project, and leave them as a preset."""

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
    from wafer_core.tasks.search.settings import PARAMETERS

    add_project(parser)
    parser.add_argument(
        "--name", metavar="NAME", help="of the preset, for train --preset (Search and a number)"
    )
    parser.add_argument(
        "--turns",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="quarter turns and mirroring do not change a pattern's name (on)",
    )
    add_seed(parser, "of folds, trainings and what is proposed")
    add_device(parser)
    add_settings(parser, PARAMETERS)


def run(args: argparse.Namespace) -> Any:
    from wafer_core.tasks.search.settings import PARAMETERS

    parameters: dict[str, Any] = {
        "config": {**given_settings(args, PARAMETERS), "seed": args.seed},
        "turns": args.turns,
    }
    if args.name is not None:
        parameters["name"] = args.name
    result = run_job(open_project(args.project).path, "search", parameters, args.device)
    for note in result["notes"]:
        say(note)
    say(
        f"{result['preset']}: {result['verdict']}, {result['title']}. Train with "
        f'--preset "{result["preset"]}".'
    )
    return result


COMMAND = Command("search settings and augmentation, within some minutes", add_arguments, run)
