"""``score``: score synthetic wafers against real ones, in folders or of a stored run."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wafer_core.cli.arguments import add_device, add_seed
from wafer_core.cli.command import Command, open_project, run_job, say
from wafer_core.errors import InputError, ParameterError
from wafer_core.messages import in_english, message

if TYPE_CHECKING:
    from wafer_core.tasks.evaluation.class_agreement import Classes

_MOST = 5000  # pictures of a folder that are used


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from wafer_core.networks.features import FEATURES

    folder = "a folder, zip, picture or wafer data file"
    parser.add_argument("--real", type=Path, metavar="DIR", help=f"real wafers: {folder}")
    parser.add_argument("--fake", type=Path, metavar="DIR", help="synthetic wafers, the same way")
    parser.add_argument(
        "--training",
        type=Path,
        metavar="DIR",
        help="the originals that they were made from: near copies are searched among these, and "
        "these against --real are the baseline (without it: --real, and two halves of it)",
    )
    parser.add_argument(
        "--other",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="wafers of another class, as reference; may be given several times; with --training "
        "also for class agreement: every second lot trains the classifier",
    )
    parser.add_argument(
        "--project", type=Path, metavar="DIR", help="score a stored run of this project instead"
    )
    parser.add_argument("--class", dest="class_name", metavar="NAME", help="the class of that run")
    parser.add_argument("--run", metavar="RUN", help="its name (the newest of the class)")
    parser.add_argument(
        "--features",
        default="wafernet",
        choices=tuple(FEATURES),
        help="the network whose features are compared: wafernet is included; inception is used in "
        "published figures and needs its weights (wafernet)",
    )
    parser.add_argument(
        "--weights",
        type=Path,
        metavar="FILE",
        help="weights of inception (those stored by “weights download inception_v3”)",
    )
    add_seed(parser, "the same seed gives the same scores")
    add_device(parser)


def run(args: argparse.Namespace) -> Any:
    folders = {"--real": args.real, "--fake": args.fake}
    if args.project is not None:
        if any(folders.values()) or args.training or args.other or args.class_name is None:
            raise ParameterError(
                "A stored run is named by --project and --class, without --real, --fake, "
                "--training and --other; leave them out."
            )
        return _stored(args)
    missing = [name for name, path in folders.items() if path is None]
    if missing or args.class_name or args.run:
        raise ParameterError(
            "Give --real and --fake for two folders, or --project and --class for a stored run; "
            "see score --help."
        )
    return _folders(args)


def _stored(args: argparse.Namespace) -> Any:
    project = open_project(args.project)
    parameters = {
        "class": project.find_class(args.class_name).name,
        "run": args.run,
        "features": args.features,
        "weights": None if args.weights is None else str(args.weights.resolve()),
        "seed": args.seed,
    }
    result = run_job(project.path, "score", parameters, args.device)
    say(in_english(result["sentence"]))
    return result


def _folders(args: argparse.Namespace) -> Any:
    """Score folders at once, without a job: there is no project to store the scores in."""
    from wafer_core.device import choose_device
    from wafer_core.parameters import SEED
    from wafer_core.tasks.evaluation.scoring import score_synthetic
    from wafer_core.workflows.foreground import progress_line

    SEED.check("seed", args.seed)
    fake, _ = _read(args.fake)
    real, lots = _read(args.real)
    training = _read(args.training)[0] if args.training else []
    others = {str(path): _read(path) for path in args.other}
    with progress_line(sys.stderr, message("Comparing the wafers")) as progress:
        scores = score_synthetic(
            fake,
            training,
            real,
            {name: pictures for name, (pictures, _) in others.items()},
            classes=_classes(args, training, real, others),
            features=args.features,
            weights=args.weights,
            device=choose_device(args.device),
            lots=lots,
            seed=args.seed,
            on_progress=progress,
            most=(_MOST, _MOST),
        )
    say(scores.sentence)
    return scores.to_json()


def _classes(
    args: argparse.Namespace,
    training: list[Any],
    real: list[Any],
    others: dict[str, tuple[list[Any], list[str | None]]],
) -> Classes | None:
    """Originals for class agreement, if there are any: half of the lots of each other class."""
    from wafer_core.tasks.evaluation.class_agreement import Classes

    if not training or not others:
        return None
    name = str(args.training)
    learned, kept = {name: training}, {name: real}
    for other, (pictures, lots) in others.items():
        # Lots alternate, because wafers of one lot are alike.
        number: dict[str, int] = {}
        half = [number.setdefault(lot or f"#{i}", len(number)) % 2 for i, lot in enumerate(lots)]
        learned[other] = [p for p, side in zip(pictures, half, strict=True) if not side]
        kept[other] = [p for p, side in zip(pictures, half, strict=True) if side]
    return Classes(name, learned, kept)


def _read(path: Path) -> tuple[list[Any], list[str | None]]:
    """Pictures of a source, and their lots if known; bad ones are reported and left out.

    Raises:
        InputError: There are no pictures.
    """
    from wafer_core.errors import PictureError
    from wafer_core.importers import scan

    found = scan([path])
    for rejected in found.rejected:
        say(rejected.reason)
    if len(found.candidates) > _MOST:
        say(f"{path}: only the first {_MOST:,} of {len(found.candidates):,} pictures are used.")
    pictures, lots = [], []
    for candidate in found.candidates[:_MOST]:
        try:
            pictures.append(candidate.load().picture)
            lots.append(candidate.group)
        except PictureError as exc:
            say(str(exc))
    if not pictures:
        raise InputError(
            "{path} has no picture that can be read; see the reasons above, or check the path.",
            path=str(path),
        )
    return pictures, lots


COMMAND = Command("score synthetic wafers against real ones", add_arguments, run)
