"""``weights``: list or fetch weights that others publish."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from wafer_core.cli.command import Command
from wafer_core.errors import ParameterError
from wafer_core.messages import message


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from wafer_core.networks import imagenet, inception

    names = ", ".join((*imagenet.NAMES, inception.NAME))
    parser.add_argument(
        "action",
        choices=("list", "download"),
        help="list: which weights are here; download: store weights for training and scores",
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help=f"one of {names}")
    parser.add_argument(
        "--from",
        dest="source",
        type=Path,
        metavar="FILE",
        help="use this file, the published .pth or the same as .safetensors, instead of a download",
    )


def run(args: argparse.Namespace) -> Any:
    """The only command that may use the internet, and only for ``download``."""
    from wafer_core.networks import imagenet, inception
    from wafer_core.workflows.foreground import progress_line

    names = (*imagenet.NAMES, inception.NAME)

    def describe(name: str) -> Any:
        return inception.describe() if name == inception.NAME else imagenet.describe(name)

    if args.action == "list":
        if args.name or args.source:
            raise ParameterError("weights list takes neither a name nor --from; leave them out.")
        return [describe(name) for name in names]
    if not args.name:
        raise ParameterError(
            "weights download needs a name; choose one of {names}.", names=", ".join(names)
        )
    with progress_line(sys.stderr, message("Downloading")) as progress:
        if args.name == inception.NAME:
            inception.install(args.source, progress)
        else:
            imagenet.install(args.name, args.source, progress)
    return describe(args.name)


COMMAND = Command("list or fetch weights that others publish", add_arguments, run)
