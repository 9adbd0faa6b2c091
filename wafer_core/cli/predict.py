"""``predict``: predict the class of pictures."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from wafer_core.cli.arguments import add_device, add_project
from wafer_core.cli.command import Command, open_project, say
from wafer_core.errors import InputError
from wafer_core.messages import message


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_project(parser)
    parser.add_argument(
        "--model",
        metavar="RUN",
        help="a trained model (the project's current one; before any is trained, or by the name "
        "standard, the included model of the nine WM-811K patterns)",
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
        help="predictions with a lower probability get the verdict review instead of confident "
        "(the threshold chosen for the model on the Train page, else 0.65)",
    )
    add_device(parser)


def run(args: argparse.Namespace) -> Any:
    """Predict at once, without a job: scripts call this for single wafers."""
    from wafer_core.device import choose_device
    from wafer_core.workflows import predict
    from wafer_core.workflows.foreground import progress_line

    predict.PredictParameters.from_mapping(
        {"sources": args.pictures, "review_below": args.review_below}
    )
    name, classifier = predict.find_classifier(
        open_project(args.project), args.model, choose_device(args.device)
    )
    if name == predict.STANDARD and args.model is None:
        say("No model is trained yet; using the included model of the nine WM-811K patterns.")
    sources = [Path(picture) for picture in args.pictures]
    with progress_line(sys.stderr, message("Predicting")) as progress:
        entries = predict.predictions_of(classifier, sources, args.review_below, progress)
    errors = [entry["error"] for entry in entries if "error" in entry]
    for error in errors:
        say(error)
    if len(errors) == len(entries):
        raise InputError("None of the pictures could be read; see the reasons above.")
    return entries


COMMAND = Command("predict the class of pictures", add_arguments, run)
