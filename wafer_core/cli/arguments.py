"""Options that several commands share, and options made from a task's list of settings."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wafer_core.parameters import Parameter


def add_project(parser: argparse.ArgumentParser, created: bool = False) -> None:
    """``--project``; ``created``: the command makes it where it does not exist."""
    note = "; created where it does not exist" if created else ""
    parser.add_argument(
        "--project", type=Path, required=True, metavar="DIR", help=f"the project's folder{note}"
    )


def add_seed(parser: argparse.ArgumentParser, help_: str) -> None:
    """``--seed``, 0 by default; the help says of what."""
    parser.add_argument("--seed", type=int, default=0, metavar="S", help=f"{help_} (0)")


def add_device(parser: argparse.ArgumentParser) -> None:
    """``--device``."""
    parser.add_argument(
        "--device",
        default="auto",
        metavar="NAME",
        help="auto (CUDA if there is one), cpu, cuda or cuda:N (auto)",
    )


def add_settings(
    parser: argparse.ArgumentParser,
    settings: Mapping[str, Parameter],
    renamed: Mapping[str, str] | None = None,
    automatic: Collection[str] = (),
) -> None:
    """One option for each setting of a task, with its help and its limits.

    Args:
        settings: What a task says of its settings.
        renamed: Options that are not called like their setting.
        automatic: Numbers that the task chooses itself where they are not given.
    """
    for name, setting in settings.items():
        option = "--" + (renamed or {}).get(name, name).replace("_", "-")
        text = setting.help.replace("%", "%%")
        default = setting.default
        if isinstance(default, bool):
            word = "on" if default else "off"
            parser.add_argument(
                option,
                dest=f"set_{name}",
                action=argparse.BooleanOptionalAction,
                default=None,
                help=f"{text} ({word})",
            )
        elif setting.choices:
            parser.add_argument(
                option,
                dest=f"set_{name}",
                metavar="NAME",
                help=f"{text} One of {', '.join(setting.choices)} ({default}).",
            )
        elif setting.is_range:
            parser.add_argument(
                option,
                dest=f"set_{name}",
                nargs=2,
                type=float,
                metavar=("LOW", "HIGH"),
                help=f"{text} (off)",
            )
        else:
            whole = isinstance(default, int)
            limits = f"{setting.minimum:g} to {setting.maximum:g}"
            shown = "chosen by itself" if name in automatic else f"{default:g}"
            parser.add_argument(
                option,
                dest=f"set_{name}",
                type=int if whole else float,
                metavar="N" if whole else "X",
                help=f"{text} From {limits} ({shown}).",
            )


def given_settings(args: argparse.Namespace, settings: Mapping[str, Parameter]) -> dict[str, Any]:
    """The settings that were given; the others keep the task's default."""
    values = {name: getattr(args, f"set_{name}") for name in settings}
    return {name: value for name, value in values.items() if value is not None}
