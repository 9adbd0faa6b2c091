"""What a command is, and what several of them do: open a project, run a job, say a sentence."""

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
    """One command: a line for the list, its arguments, what it does."""

    help: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], Any]  # returns the JSON value to print, None for none


def say(sentence: str, stream: Any = None) -> None:
    """One sentence to stderr, or to another stream, at once."""
    stream = stream or sys.stderr
    stream.write(sentence + "\n")
    stream.flush()


def open_project(path: Path) -> Any:
    """The project in a folder."""
    from wafer_core.data.project import Project

    return Project.open(path)


def run_job(project: Path, kind: str, parameters: dict[str, Any], device: str = "auto") -> Any:
    """Make a job and run it here; its folder stays, and any tab of the app shows it."""
    from wafer_core.workflows.foreground import run_in_foreground
    from wafer_core.workflows.submit import create_job

    return run_in_foreground(create_job(project, kind, parameters, device), sys.stderr)
