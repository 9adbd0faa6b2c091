"""The command line: everything the pages do, for scripts.

Progress goes to stderr; the last line of stdout is one JSON value, with texts in English. Exit
codes: 0 done, 2 the input was wrong (one sentence on stderr), 130 cancelled, 1 anything else.

A new command is a file in this folder that ends in ``COMMAND = Command(...)``, and one line in
``COMMANDS``; a workflow needs only an entry in ``workflow_commands``. At module level these files
import nothing but the standard library and light modules, so that ``--help`` answers at once; what
a command needs, it imports in its functions.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from wafer_core import __version__
from wafer_core.cli import (
    doctor,
    feedback,
    import_files,
    jobs,
    predict,
    score,
    simulate,
    weights,
    workflow_commands,
)
from wafer_core.cli.command import EXIT_CANCELLED, EXIT_DEFECT, EXIT_INPUT, Command, say
from wafer_core.errors import Cancelled, InputError, WaferError
from wafer_core.messages import in_english

PROGRAM = "python -m wafer_core"

COMMANDS: dict[str, Command] = {
    "import": import_files.COMMAND,
    **workflow_commands.COMMANDS,
    "score": score.COMMAND,
    "predict": predict.COMMAND,
    "simulate": simulate.COMMAND,
    "weights": weights.COMMAND,
    "jobs": jobs.JOBS,
    "cancel": jobs.CANCEL,
    "job": jobs.JOB,
    "feedback": feedback.COMMAND,
    "doctor": doctor.COMMAND,
}


class _Parser(argparse.ArgumentParser):
    """Reports a wrong call in one sentence instead of the whole usage."""

    def __init__(self, **options: Any) -> None:
        # Abbreviations would make scripts break when an option is added.
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        sentence = message[:1].upper() + message[1:300]
        raise InputError(
            "{problem}; see {program} --help.", problem=sentence.rstrip("."), program=self.prog
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # class names in any script, also on Windows
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        _check_text(given)
        parser = _parser(given)
        chosen = parser.parse_args(given)
        if chosen.command is None:
            parser.error("a command is missing")
        result = COMMANDS[chosen.command].run(chosen)
        if result is not None:
            text = json.dumps(in_english(result), ensure_ascii=False, allow_nan=False)
            say(text, sys.stdout)
    except KeyboardInterrupt:
        say(Cancelled())
        return EXIT_CANCELLED
    except Cancelled as exc:
        say(exc)
        return EXIT_CANCELLED
    except InputError as exc:
        say(exc)
        return EXIT_INPUT
    except WaferError as exc:
        say(exc)
        return EXIT_DEFECT
    except SystemExit as exc:  # argparse, after --help and --version
        return int(exc.code or 0)
    return 0


def _check_text(given: Sequence[str]) -> None:
    """Refuse arguments that no file and no name of ours can have."""
    for argument in given:
        shown = argument.encode("utf-8", "replace").decode()
        if shown != argument or "\0" in argument:
            raise InputError(
                "The argument {value} is not valid UTF-8; rename the file or folder.",
                value=shown.replace("\0", "?")[:200],
            )


def _parser(given: Sequence[str]) -> argparse.ArgumentParser:
    """The parser, with the arguments of the chosen command only: others may be slow to find."""
    parser = _Parser(prog=PROGRAM, description="Teach a computer your own wafer defect patterns.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)
    chosen = next((word for word in given if not word.startswith("-")), None)
    for name, command in COMMANDS.items():
        sub = commands.add_parser(name, help=command.help, description=command.help)
        if name == chosen:
            command.add_arguments(sub)
    return parser
