"""What a command is, and what several of them do: open a project, run a job, print a sentence."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

EXIT_DEFECT, EXIT_INPUT, EXIT_CANCELLED = 1, 2, 130


@dataclass(frozen=True)
class Command:
    """One command.

    Attributes:
        help: One line for the list of commands.
        add_arguments: Adds its arguments to a parser.
        run: Does the work and returns the JSON value to print; ``None`` prints nothing.
    """

    help: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], Any]


def say(sentence: object, stream: Any = None) -> None:
    """Print one sentence to stderr, or to another stream, at once."""
    stream = stream or sys.stderr
    stream.write(f"{sentence}\n")
    stream.flush()


def open_project(path: Path) -> Any:
    """The project in a folder."""
    from wafer_core.data import imports

    return imports.open_project(path)


def run_job(project: Path, workflow: str, parameters: dict[str, Any], device: str = "auto") -> Any:
    """Create a job and run it in this process; its folder stays, and the app shows it."""
    from wafer_core.workflows.foreground import run_in_foreground
    from wafer_core.workflows.submit import create_job

    return run_in_foreground(create_job(project, workflow, parameters, device), sys.stderr)
