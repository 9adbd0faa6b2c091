"""Options that several commands have, and options made from the parameters of a task."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wafer_core.parameters import Parameter

_NO_LIMIT = 2**31  # a higher maximum is not worth naming
_PREFIX = "set_"  # of the attributes that hold the settings


def add_project(parser: argparse.ArgumentParser, created: bool = False) -> None:
    """``--project``; ``created``: the command creates it if it does not exist."""
    note = "; created if it does not exist" if created else ""
    parser.add_argument(
        "--project", type=Path, required=True, metavar="DIR", help=f"the project's folder{note}"
    )


def add_seed(parser: argparse.ArgumentParser, help_: str) -> None:
    """``--seed``, 0 by default; the help says what it is the seed of."""
    parser.add_argument("--seed", type=int, default=0, metavar="S", help=f"{help_} (0)")


def add_device(parser: argparse.ArgumentParser) -> None:
    """``--device``."""
    parser.add_argument(
        "--device",
        default="auto",
        metavar="NAME",
        help="auto (CUDA if there is one), cpu, cuda or cuda:N (auto)",
    )


def add_settings(parser: argparse.ArgumentParser, settings: Mapping[str, Parameter]) -> None:
    """One option for each setting, with its help, limits and default."""
    for name, setting in settings.items():
        option = "--" + (setting.option or name).replace("_", "-")
        parser.add_argument(option, dest=_PREFIX + name, **_description(setting))


def _description(setting: Parameter) -> dict[str, Any]:
    """The arguments of ``add_argument`` for a setting."""
    from wafer_core.parameters import Text

    text, default = setting.help.replace("%", "%%"), setting.default
    if isinstance(setting, Text):
        action = "append" if setting.is_list else "store"
        more = " May be given several times." if setting.is_list else ""
        return {
            "action": action,
            "required": setting.required,
            "metavar": "NAME",
            "help": text + more,
        }
    if isinstance(default, bool):
        return {
            "action": argparse.BooleanOptionalAction,
            "default": None,
            "help": f"{text} ({'on' if default else 'off'})",
        }
    if setting.choices:
        choices = ", ".join(setting.choices)
        return {"metavar": "NAME", "help": f"{text} One of {choices} ({default})."}
    if setting.is_range:
        metavar = ("LOW", "HIGH")
        return {"nargs": 2, "type": float, "metavar": metavar, "help": f"{text} (off)"}
    number: dict[str, Any] = {
        "type": int if setting.is_whole else float,
        "metavar": "N" if setting.is_whole else "X",
    }
    if isinstance(default, tuple):
        shown = " ".join(map(str, default)) or "automatic"
        return {**number, "nargs": "+", "help": f"{text} ({shown})"}
    shown = "automatic" if default is None else f"{default:g}"
    if setting.maximum < _NO_LIMIT:
        text = f"{text} From {setting.minimum:g} to {setting.maximum:g}."
    return {**number, "help": f"{text} ({shown})"}


def given_settings(args: argparse.Namespace, settings: Mapping[str, Parameter]) -> dict[str, Any]:
    """The settings that were given; the others keep their default."""
    values = {name: getattr(args, _PREFIX + name) for name in settings}
    return {name: value for name, value in values.items() if value is not None}
