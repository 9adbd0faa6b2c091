"""``simulate``: a test set of simulated wafers for all combinations of process factors."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wafer_core.cli.arguments import add_seed
from wafer_core.cli.command import Command, open_project, say
from wafer_core.errors import InputError, ParameterError
from wafer_core.messages import message

if TYPE_CHECKING:
    from wafer_core.progress import Progress
    from wafer_core.simulator.factorial import DesignWafer
    from wafer_core.simulator.fitted import PhysicsModel


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from wafer_core.simulator import FACTORS, PATTERNS

    parser.add_argument(
        "--output", type=Path, required=True, metavar="PATH",
        help="a new folder for pictures and levels.csv, or a new wafer data file (.npz)",
    )  # fmt: skip
    parser.add_argument(
        "--pattern", metavar="NAME", help=f"the pattern of the wafers: one of {', '.join(PATTERNS)}"
    )
    parser.add_argument(
        "--project", type=Path, metavar="DIR",
        help="instead of a pattern: fit the simulator to a class of this project",
    )  # fmt: skip
    parser.add_argument("--class", dest="class_name", metavar="NAME", help="the class to fit")
    names = ", ".join(
        f"{name} ({f.limits[0]:g} to {f.limits[1]:g}{f' {f.unit}' if f.unit else ''})"
        for name, f in FACTORS.items()
    )
    parser.add_argument(
        "--factor", action="append", default=[], metavar="NAME=LEVELS",
        help="a factor to vary and its levels: low, mid, high or numbers, such as "
        "scratch_length=low,120; may be given several times: all combinations are made. "
        f"Factors: {names.replace('%', '%%')}",
    )  # fmt: skip
    parser.add_argument(
        "--per-cell", type=int, default=1, metavar="N", help="wafers of each combination (1)"
    )
    add_seed(parser, "the same seed makes the same wafers")


def run(args: argparse.Namespace) -> Any:
    from wafer_core.simulator import factorial, fit
    from wafer_core.simulator.test_sets import write_test_set
    from wafer_core.workflows.foreground import progress_line

    if (args.pattern is None) == (args.project is None) or bool(args.class_name) != bool(
        args.project
    ):
        raise ParameterError("Give either --pattern NAME, or --project DIR and --class NAME.")
    factors = dict(_factor(given) for given in args.factor)
    if len(factors) < len(args.factor):
        raise ParameterError("A factor is given twice; give all its levels at once.")
    total = factorial.design_size(factors, args.per_cell)
    if args.output.exists():  # before the fit, which takes long
        raise InputError("{path} exists; give a new folder or file.", path=str(args.output))
    source: PhysicsModel | str = args.pattern or ""
    class_name = args.pattern
    result: dict[str, Any] = {}
    if args.project:
        class_name, originals = _originals(args.project, args.class_name)
        source = fit.fit(originals, args.seed, class_name)
        say(source.fit.sentence)
        result = {"class": class_name, "fit": source.fit.to_json()}
    wafers = factorial.factorial_design(source, factors, args.per_cell, args.seed)
    with progress_line(sys.stderr, message("Simulating")) as progress:
        table = write_test_set(_counted(wafers, total, progress), args.output, class_name)
    pattern = source.pattern if not isinstance(source, str) else source
    return {
        "output": str(args.output), "table": str(table), "pattern": pattern, "count": total,
        "cells": total // args.per_cell, "levels": factors, **result,
    }  # fmt: skip


def _factor(given: str) -> tuple[str, list[str | float]]:
    """``scratch_length=low,120`` as a name and its levels."""
    from wafer_core.simulator import LEVELS

    name, equals, words = given.partition("=")
    if not equals:
        raise ParameterError(
            "--factor {given} has no levels; give {given}=low,mid,high.", given=given
        )
    chosen: list[str | float] = []
    for word in words.split(","):
        try:
            chosen.append(word.strip() if word.strip() in LEVELS else float(word))
        except ValueError as exc:
            raise ParameterError(
                "--factor {given}: “{word}” is not a level; give low, mid, high or a number.",
                given=given,
                word=word,
            ) from exc
    return name.strip(), chosen


def _originals(path: Path, class_name: str) -> tuple[str, list[Any]]:
    """Name and training originals of a class."""
    from wafer_core.data import manifest, pictures

    project = open_project(path)
    found = project.find_class(class_name)
    records = [r for r in pictures.originals(project, found.slug) if r.split == "train"]
    return found.name, [manifest.load(project, found.slug, record) for record in records]


def _counted(
    wafers: Iterable[DesignWafer], total: int, progress: Progress
) -> Iterator[DesignWafer]:
    for number, wafer in enumerate(wafers):
        if number % 100 == 0:
            progress(number / total)
        yield wafer


COMMAND = Command("make a test set of simulated wafers", add_arguments, run)
