"""``weights``: list or fetch weights that others publish."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from wafer_core.cli.command import Command
from wafer_core.errors import ParameterError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from wafer_core.networks import imagenet, inception

    names = ", ".join((*imagenet.NAMES, inception.NAME))
    parser.add_argument(
        "action",
        choices=("list", "download"),
        help="list: what is here; download: put one's weights where training and score find them",
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help=f"one of {names}")
    parser.add_argument(
        "--from",
        dest="source",
        type=Path,
        metavar="FILE",
        help="take this file instead, the published .pth or the same as .safetensors; nothing "
        "is downloaded then",
    )


def run(args: argparse.Namespace) -> Any:
    """The only command that may use the internet, and only when asked."""
    from wafer_core.networks import imagenet, inception
    from wafer_core.workflows.foreground import ProgressLine

    names = (*imagenet.NAMES, inception.NAME)

    def describe(name: str) -> Any:
        return inception.describe() if name == inception.NAME else imagenet.describe(name)

    if args.action == "list":
        if args.name or args.source:
            raise ParameterError("weights list takes neither a name nor --from; leave them out.")
        return [describe(name) for name in names]
    if not args.name:
        raise ParameterError(f"weights download needs a name; choose one of {', '.join(names)}.")
    line = ProgressLine(sys.stderr)

    def show(done: float) -> None:
        line.show(done, "Downloading")

    try:
        if args.name == inception.NAME:
            inception.install(args.source, show)
        else:
            imagenet.install(args.name, args.source, show)
    finally:
        line.close()
    return describe(args.name)


COMMAND = Command("list or fetch weights that others publish", add_arguments, run)
