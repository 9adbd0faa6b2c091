"""``weights``: list or fetch ImageNet weights."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from wafer_core.cli.command import Command
from wafer_core.errors import ParameterError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from wafer_core.tasks.imagenet import NAMES

    parser.add_argument(
        "action",
        choices=("list", "download"),
        help="list: what is here; download: put one's weights where training finds them",
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help=f"one of {', '.join(NAMES)}")
    parser.add_argument(
        "--from",
        dest="source",
        type=Path,
        metavar="FILE",
        help="take this file instead, torchvision's own .pth or the same as .safetensors; nothing "
        "is downloaded then",
    )


def run(args: argparse.Namespace) -> Any:
    """ImageNet weights: the only command that may use the internet, and only when asked."""
    from wafer_core.jobs.foreground import ProgressLine
    from wafer_core.tasks import imagenet

    if args.action == "list":
        if args.name or args.source:
            raise ParameterError("weights list takes neither a name nor --from; leave them out.")
        return [imagenet.describe(name) for name in imagenet.NAMES]
    if not args.name:
        raise ParameterError(
            f"weights download needs a name; choose one of {', '.join(imagenet.NAMES)}."
        )
    line = ProgressLine(sys.stderr)
    try:
        imagenet.install(args.name, args.source, lambda done: line.show(done, "Downloading"))
    finally:
        line.close()
    return imagenet.describe(args.name)


COMMAND = Command("list or fetch ImageNet weights", add_arguments, run)
