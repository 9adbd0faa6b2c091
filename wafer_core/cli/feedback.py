"""``feedback``: list what users sent from the app."""

from __future__ import annotations

import argparse
from typing import Any

from wafer_core.cli.command import Command, say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--limit", type=int, default=0, metavar="N", help="only the newest N (0: all)"
    )


def run(args: argparse.Namespace) -> Any:
    """The feedback in the workspace (``WAFER_HOME``), the newest first."""
    from wafer_core.data import feedback, workspace

    found = feedback.list_feedback(workspace.workspace_path())
    for path in found.damaged:
        say(f"{path} is damaged and was left out; delete it.")
    entries = found.entries[: args.limit] if args.limit > 0 else found.entries
    return [entry.to_json() for entry in entries]


COMMAND = Command("list the feedback that users sent from the app", add_arguments, run)
