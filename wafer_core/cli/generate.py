"""``generate``: make pictures by a GAN, by transforms or by the simulator."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from wafer_core.cli.arguments import (
    add_device,
    add_project,
    add_seed,
    add_settings,
    given_settings,
)
from wafer_core.cli.command import Command, open_project, run_job
from wafer_core.errors import ParameterError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from wafer_core.tasks.generation.dcgan.training import PARAMETERS, PRESETS, GanConfig

    add_project(parser)
    parser.add_argument(
        "--class-list",
        required=True,
        metavar="JSON",
        help='the classes, such as \'[{"name": "Scratch", "ai_use": true, "count": 50}]\', or '
        "@FILE; ai_use true: a GAN makes the pictures (true), false: transforms do; instead, "
        '"mode" is gan, transforms or physics (the simulator fitted to the class, with "levels" '
        'such as {"ring_width": ["low", "high"]}); count overrules --count',
    )
    parser.add_argument(
        "--count", type=int, default=100, metavar="N", help="how many to make for each class (100)"
    )
    parser.add_argument(
        "--preset",
        default=GanConfig().preset,
        metavar="NAME",
        help=f"how pictures are made, one of {', '.join(PRESETS)} ({GanConfig().preset})",
    )
    add_seed(parser, "the same seed makes the same pictures on the same machine")
    add_device(parser)
    add_settings(parser, PARAMETERS)


def run(args: argparse.Namespace) -> Any:
    from wafer_core.tasks.generation.dcgan.training import PARAMETERS

    project = open_project(args.project)
    text = args.class_list
    try:
        if text.startswith("@"):
            text = Path(text[1:]).read_text(encoding="utf-8")
        classes = json.loads(text)
    except (OSError, ValueError) as exc:
        raise ParameterError(
            f'--class-list cannot be read as JSON ({exc}); give [{{"name": "Scratch"}}].'
        ) from exc
    if isinstance(classes, list):
        classes = [{"count": args.count, **c} if isinstance(c, dict) else c for c in classes]
    parameters = {
        "classes": classes,
        "config": {"preset": args.preset, **given_settings(args, PARAMETERS)},
        "seed": args.seed,
    }
    return run_job(project.path, "generate", parameters, args.device)


COMMAND = Command("make pictures by a GAN, transforms or the simulator", add_arguments, run)
