"""``train``: train a network on a project."""

from __future__ import annotations

import argparse
from dataclasses import fields
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
    from wafer_core.tasks.classification.config import PARAMETERS, TrainConfig

    add_project(parser)
    parser.add_argument(
        "--name", metavar="NAME", help="of the run, for the list of runs (made from the network's)"
    )
    parser.add_argument(
        "--preset",
        metavar="NAME",
        help="settings that a search left in the project; options given here overrule them",
    )
    add_seed(parser, "the same seed gives the same network on the same machine")
    add_device(parser)
    automatic = {field.name for field in fields(TrainConfig) if field.default is None}
    add_settings(parser, PARAMETERS, {"network": "model"}, automatic)


def run(args: argparse.Namespace) -> Any:
    from wafer_core.tasks.classification.config import PARAMETERS

    project = open_project(args.project)
    config = given_settings(args, PARAMETERS)
    if args.preset is not None:
        from wafer_core.data import presets

        config = {**presets.find_preset(project, args.preset).settings, **config}
    parameters = {"config": {**config, "seed": args.seed}}
    if args.name is not None:
        parameters["name"] = args.name
    result = run_job(project.path, "train", parameters, args.device)
    for note in result["notes"]:
        say(note)
    return result


COMMAND = Command("train a network on a project", add_arguments, run)
