"""The command line: everything the pages do, for scripts.

Progress goes to stderr; the last line of stdout is one JSON value. Exit codes: 0 done, 2 the input
was wrong (one sentence on stderr), 130 cancelled, 1 anything else.

A new command is one file beside this one that ends in ``COMMAND = Command(...)``, and one line in
`COMMANDS`. Those files import nothing but the standard library and this package at their top, so
that ``--help`` answers at once; what a command needs it imports where it needs it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from wafer_core import __version__
from wafer_core.cli import (
    augment,
    benefit,
    generate,
    import_files,
    jobs,
    learning_curve,
    predict,
    score,
    search,
    simulate,
    weights,
    workflow_commands,
)
from wafer_core.cli.command import EXIT_CANCELLED, EXIT_DEFECT, EXIT_INPUT, Command, say
from wafer_core.errors import Cancelled, InputError, WaferError

PROGRAM = "python -m wafer_core"

COMMANDS: dict[str, Command] = {
    "import": import_files.COMMAND,
    "augment": augment.COMMAND,
    "generate": generate.COMMAND,
    "score": score.COMMAND,
    "benefit": benefit.COMMAND,
    "learning-curve": learning_curve.COMMAND,
    "train": workflow_commands.COMMAND,
    "search": search.COMMAND,
    "predict": predict.COMMAND,
    "simulate": simulate.COMMAND,
    "weights": weights.COMMAND,
    "jobs": jobs.JOBS,
    "cancel": jobs.CANCEL,
    "job": jobs.JOB,
}


class _Parser(argparse.ArgumentParser):
    """Tells a wrong call in one sentence instead of the whole usage."""

    def __init__(self, **options: Any) -> None:
        # Abbreviations would make scripts break when an option is added.
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        sentence = message[:1].upper() + message[1:]
        raise InputError(f"{sentence.rstrip('.')}; see {self.prog} --help.")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # class names in any script, also on Windows
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        parser = _parser(given)
        chosen = parser.parse_args(given)
        if chosen.command is None:
            parser.error("a command is missing")
        result = COMMANDS[chosen.command].run(chosen)
        if result is not None:
            say(json.dumps(result, ensure_ascii=False, allow_nan=False), sys.stdout)
    except (KeyboardInterrupt, Cancelled) as exc:
        say(str(exc) or "Cancelled; the project is as it was before.")
        return EXIT_CANCELLED
    except InputError as exc:
        say(str(exc))
        return EXIT_INPUT
    except WaferError as exc:
        say(str(exc))
        return EXIT_DEFECT
    except SystemExit as exc:  # argparse, after --help and --version
        return int(exc.code or 0)
    return 0


def _parser(given: Sequence[str]) -> argparse.ArgumentParser:
    """The parser, with the arguments of the chosen command only: theirs may be slow to know."""
    parser = _Parser(prog=PROGRAM, description="Teach a computer your own wafer defect patterns.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)
    chosen = next((word for word in given if not word.startswith("-")), None)
    for name, command in COMMANDS.items():
        sub = commands.add_parser(name, help=command.help, description=command.help)
        if name == chosen:
            command.add_arguments(sub)
    return parser
