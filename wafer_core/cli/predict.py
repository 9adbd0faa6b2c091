"""``predict``: say which class pictures belong to."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from wafer_core.cli.arguments import add_device, add_project
from wafer_core.cli.command import Command, open_project, say
from wafer_core.errors import InputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_project(parser)
    parser.add_argument(
        "--model",
        metavar="RUN",
        help="which trained model (the project's current one; before any is trained, or by "
        "the name standard, the shipped model of the nine WM-811K patterns)",
    )
    parser.add_argument(
        "pictures",
        nargs="+",
        metavar="PICTURE",
        help="pictures of wafers, or folders, zips and wafer data files of them; one that cannot "
        "be read gives an entry with an error, and exit code 2 only if none can",
    )
    parser.add_argument(
        "--review-below",
        type=float,
        metavar="P",
        help="answers of a lower probability get the verdict review instead of confident "
        "(what was chosen for the model on the page Train, else 0.65)",
    )
    add_device(parser)


def run(args: argparse.Namespace) -> Any:
    """Name pictures at once, without a job: scripts call this for single wafers."""
    from wafer_core.device import choose_device
    from wafer_core.workflows import predict
    from wafer_core.workflows.foreground import ProgressLine

    predict.check({"sources": args.pictures, "review_below": args.review_below})
    name, classifier = predict.find_classifier(
        open_project(args.project), args.model, choose_device(args.device)
    )
    if name == predict.STANDARD and args.model is None:
        say("Nothing is trained yet: the shipped model of the nine WM-811K patterns answers.")
    line = ProgressLine(sys.stderr)
    try:
        entries = predict.answers(
            classifier,
            [Path(picture) for picture in args.pictures],
            args.review_below,
            lambda fraction: line.show(fraction, "Naming pictures"),
        )
    finally:
        line.close()
    bad = [entry["error"] for entry in entries if "error" in entry]
    for reason in bad:
        say(reason)
    if len(bad) == len(entries):
        raise InputError("None of the pictures could be read; see above why.")
    return entries


COMMAND = Command("say which class pictures belong to", add_arguments, run)
