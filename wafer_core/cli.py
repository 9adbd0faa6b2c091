"""The command line: everything the pages do, for scripts.

Progress goes to stderr; the last line of stdout is one JSON value. Exit codes: 0 done, 2 the input
was wrong (one sentence on stderr), 130 cancelled, 1 anything else. Only the standard library is
imported before a command is chosen, so that ``--help`` answers at once.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NoReturn

from wafer_core import __version__
from wafer_core.cli_arguments import (
    add_device,
    add_project,
    add_seed,
    add_settings,
    given_settings,
)
from wafer_core.errors import Cancelled, InputError, ParameterError, WaferError

PROGRAM = "python -m wafer_core"
EXIT_DEFECT, EXIT_INPUT, EXIT_CANCELLED = 1, 2, 130


class _Parser(argparse.ArgumentParser):
    """Tells a wrong call in one sentence instead of the whole usage."""

    def __init__(self, **options: Any) -> None:
        # Abbreviations would make scripts break when an option is added.
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        sentence = message[:1].upper() + message[1:]
        raise InputError(f"{sentence.rstrip('.')}; see {self.prog} --help.")


@dataclass(frozen=True)
class Command:
    """One command: a line for the list, its arguments, what it does."""

    help: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], Any]  # returns the JSON value to print, None for none


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
            _say(json.dumps(result, ensure_ascii=False, allow_nan=False), sys.stdout)
    except (KeyboardInterrupt, Cancelled) as exc:
        _say(str(exc) or "Cancelled; the project is as it was before.")
        return EXIT_CANCELLED
    except InputError as exc:
        _say(str(exc))
        return EXIT_INPUT
    except WaferError as exc:
        _say(str(exc))
        return EXIT_DEFECT
    except SystemExit as exc:  # argparse, after --help and --version
        return int(exc.code or 0)
    return 0


def _say(sentence: str, stream: Any = None) -> None:
    stream = stream or sys.stderr
    stream.write(sentence + "\n")
    stream.flush()


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


# -- commands ------------------------------------------------------------------------------------


def _run_job(project: Path, kind: str, parameters: dict[str, Any], device: str = "auto") -> Any:
    """Make a job and run it here; its folder stays, and any tab of the app shows it."""
    from wafer_core.jobs import create_job
    from wafer_core.jobs.foreground import run_in_foreground

    return run_in_foreground(create_job(project, kind, parameters, device), sys.stderr)


def _open(path: Path) -> Any:
    from wafer_core.data.project import Project

    return Project.open(path)


def _import_arguments(parser: argparse.ArgumentParser) -> None:
    add_project(parser, created=True)
    parser.add_argument(
        "sources",
        nargs="+",
        metavar="SOURCE",
        help="a folder with one sub-folder a class, a zip of one, a picture, or a wafer data file "
        "(.npy, .npz, .csv)",
    )
    parser.add_argument(
        "--class", dest="class_name", metavar="NAME", help="put all pictures into this class"
    )
    parser.add_argument(
        "--limit-per-class",
        type=int,
        metavar="N",
        help="at most N pictures a class, drawn at random",
    )
    add_seed(parser, "seed of that draw, and of the split of a new project")


def _import(args: argparse.Namespace) -> Any:
    from wafer_core.data.project import Project
    from wafer_core.jobs.kinds import import_files

    parameters = {
        "sources": [str(Path(source).resolve()) for source in args.sources],
        "class_name": args.class_name,
        "limit_per_class": args.limit_per_class,
        "seed": args.seed,
    }
    import_files.check(parameters)  # before an empty project is made for nothing
    Project.open_or_create(args.project, seed=args.seed)
    result = _run_job(args.project, "import", parameters)
    for refused in result["rejected"]:
        _say(refused["reason"])
    if not result["added"] and not result["duplicates"]:
        raise InputError("Nothing could be imported; see above why.")
    return result


def _augment_arguments(parser: argparse.ArgumentParser) -> None:
    from wafer_core.tasks.augment import PARAMETERS

    add_project(parser)
    parser.add_argument(
        "--class",
        dest="class_names",
        action="append",
        metavar="NAME",
        help="the class to multiply; may be given several times (all classes)",
    )
    parser.add_argument(
        "--count", type=int, required=True, metavar="N", help="how many to make for each class"
    )
    add_seed(parser, "the same seed makes the same pictures")
    add_settings(parser, PARAMETERS)


def _augment(args: argparse.Namespace) -> Any:
    from wafer_core.tasks.augment import PARAMETERS

    project = _open(args.project)
    names = args.class_names or [c.name for c in project.classes()]
    parameters = {
        "classes": [{"name": project.find_class(n).name, "count": args.count} for n in names],
        "config": given_settings(args, PARAMETERS),
        "seed": args.seed,
    }
    return _run_job(args.project, "augment", parameters)


def _generate_arguments(parser: argparse.ArgumentParser) -> None:
    from wafer_core.tasks.gan import PARAMETERS, PRESETS

    add_project(parser)
    parser.add_argument(
        "--class-list",
        required=True,
        metavar="JSON",
        help='the classes, such as \'[{"name": "Scratch", "ai_use": true, "count": 50}]\', or '
        "@FILE; ai_use true: a GAN makes the pictures (true), false: transforms do; "
        "count overrules --count",
    )
    parser.add_argument(
        "--count", type=int, default=100, metavar="N", help="how many to make for each class (100)"
    )
    parser.add_argument(
        "--preset",
        default="classic",
        metavar="NAME",
        help=f"recipe of the GAN, one of {', '.join(PRESETS)} (classic)",
    )
    add_seed(parser, "the same seed makes the same pictures on the same machine")
    add_device(parser)
    add_settings(parser, PARAMETERS)


def _generate(args: argparse.Namespace) -> Any:
    from wafer_core.tasks.gan import PARAMETERS

    project = _open(args.project)
    text = args.class_list
    try:
        if text.startswith("@"):
            text = Path(text[1:]).read_text(encoding="utf-8")
        classes = json.loads(text)
    except (OSError, ValueError) as exc:
        raise ParameterError(
            f'--class-list cannot be read as JSON ({exc}); give [{{"name": "Scratch"}}].'
        ) from exc
    if isinstance(classes, list):
        classes = [{"count": args.count, **c} if isinstance(c, dict) else c for c in classes]
    parameters = {
        "classes": classes,
        "config": {"preset": args.preset, **given_settings(args, PARAMETERS)},
        "seed": args.seed,
    }
    return _run_job(project.path, "generate", parameters, args.device)


def _train_arguments(parser: argparse.ArgumentParser) -> None:
    from wafer_core.tasks.training import PARAMETERS, TrainConfig

    add_project(parser)
    parser.add_argument(
        "--name", metavar="NAME", help="of the run, for the list of runs (made from the network's)"
    )
    add_seed(parser, "the same seed gives the same network on the same machine")
    add_device(parser)
    automatic = {field.name for field in fields(TrainConfig) if field.default is None}
    add_settings(parser, PARAMETERS, {"network": "model"}, automatic)


def _train(args: argparse.Namespace) -> Any:
    from wafer_core.tasks.training import PARAMETERS

    parameters = {"config": {**given_settings(args, PARAMETERS), "seed": args.seed}}
    if args.name is not None:
        parameters["name"] = args.name
    result = _run_job(_open(args.project).path, "train", parameters, args.device)
    for note in result["notes"]:
        _say(note)
    return result


def _predict_arguments(parser: argparse.ArgumentParser) -> None:
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


def _predict(args: argparse.Namespace) -> Any:
    """Name pictures at once, without a job: scripts call this for single wafers."""
    from wafer_core.device import choose_device
    from wafer_core.jobs.foreground import ProgressLine
    from wafer_core.jobs.kinds import predict

    predict.check({"sources": args.pictures, "review_below": args.review_below})
    name, classifier = predict.find_classifier(
        _open(args.project), args.model, choose_device(args.device)
    )
    if name == predict.STANDARD and args.model is None:
        _say("Nothing is trained yet: the shipped model of the nine WM-811K patterns answers.")
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
        _say(reason)
    if len(bad) == len(entries):
        raise InputError("None of the pictures could be read; see above why.")
    return entries


def _weights_arguments(parser: argparse.ArgumentParser) -> None:
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


def _weights(args: argparse.Namespace) -> Any:
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


def _job_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="the job's folder")


def _job(args: argparse.Namespace) -> None:
    """Run a job that somebody else made; what it has to say is in its folder."""
    from wafer_core.jobs.runner import run_job

    try:
        run_job(args.folder)
    except WaferError:
        raise
    except Exception as exc:  # its traceback is in the log already
        raise SystemExit(EXIT_DEFECT) from exc


def _jobs_arguments(parser: argparse.ArgumentParser) -> None:
    add_project(parser)


def _jobs(args: argparse.Namespace) -> Any:
    from wafer_core.jobs import list_jobs

    return [
        {
            "job": str(state.folder),
            "kind": state.kind,
            "title": state.title,
            "status": state.status,
            "fraction": state.fraction,
            "text": state.text,
        }
        for state in list_jobs(_open(args.project).path)
    ]


def _cancel(args: argparse.Namespace) -> Any:
    from wafer_core.jobs import cancel, read_state

    cancel(args.folder)
    return {"job": str(args.folder), "status": read_state(args.folder).status}


COMMANDS: dict[str, Command] = {
    "import": Command("bring pictures into a project", _import_arguments, _import),
    "augment": Command("multiply classes by transforms", _augment_arguments, _augment),
    "generate": Command("make pictures by a GAN or transforms", _generate_arguments, _generate),
    "train": Command("train a network on a project", _train_arguments, _train),
    "predict": Command("say which class pictures belong to", _predict_arguments, _predict),
    "weights": Command("list or fetch ImageNet weights", _weights_arguments, _weights),
    "jobs": Command("list the jobs of a project", _jobs_arguments, _jobs),
    "cancel": Command("cancel a job", _job_arguments, _cancel),
    "job": Command("run a job's folder (the app calls this)", _job_arguments, _job),
}
