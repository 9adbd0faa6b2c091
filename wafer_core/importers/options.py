"""What a user can say about the files of an import, where the files do not say it themselves."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from wafer_core.errors import ParameterError
from wafer_core.importers.colours import Colour, Role
from wafer_core.importers.die_maps import NO_BIN
from wafer_core.messages import N_

SIDES = ("down", "left", "up", "right")
MAX_BINS = 1000  # in one rule
Box = tuple[int, int, int, int]


class Mask(StrEnum):
    """What 1 means in an array of 0 and 1."""

    FAIL = "fail"
    PASS = "pass"
    DIE = "die"


MASK_TITLES = {
    Mask.FAIL: N_("1 is a failed die; the other dies of the round wafer passed"),
    Mask.PASS: N_("1 is a passed die; the other dies of the round wafer failed"),
    Mask.DIE: N_("1 is a die, all passed; 0 is no die"),
}


@dataclass(frozen=True)
class ReadOptions:
    """How files are read; without any, the files and their content decide.

    Attributes:
        colours: Roles of colours of renderings that replace the guess where they match.
        pass_bins: Bins that pass; all others fail. ``None``: as the file says, else bin 1.
        fail_bins: Only these bins fail; all others pass. Takes precedence over ``pass_bins``.
        mask: What 1 means in arrays of 0 and 1, which are rejected without an answer.
        notch: Side of the notch or flat in maps whose files do not say it: ``down``, ``left``,
            ``up`` or ``right``. The maps are turned so that it points down.
        mirrored: The columns of maps run to the left: they are mirrored left to right.
        upside_down: The rows of maps run upwards: they are mirrored top to bottom.
        box: Left, top, right and bottom of the wafer in a figure, in pixels, if the guess is wrong.
        keep_split: Whether folders and arrays named train, validation and test set the split.
    """

    colours: Mapping[Colour, Role] = field(default_factory=dict)
    pass_bins: frozenset[int] | None = None
    fail_bins: frozenset[int] | None = None
    mask: Mask | None = None
    notch: str | None = None
    mirrored: bool = False
    upside_down: bool = False
    box: Box | None = None
    keep_split: bool = True

    @property
    def turns(self) -> bool:
        """Whether maps are turned or mirrored."""
        return self.mirrored or self.upside_down or self.notch not in (None, "down")

    @classmethod
    def from_json(cls, value: object) -> ReadOptions:
        """Read the parameters of a job.

        Raises:
            ParameterError: Unknown, or a value cannot be used.
        """
        if value is None:
            return cls()
        if not isinstance(value, Mapping) or not set(value) <= set(_READERS):
            raise ParameterError(
                "The options of reading are {value}; choose from {known}.",
                value=repr(value)[:80],
                known=", ".join(_READERS),
            )
        read: dict[str, Any] = {name: _READERS[name](item) for name, item in value.items()}
        return cls(**read)

    def to_json(self) -> dict[str, Any]:
        """The inverse of ``from_json``; what is not set is left out."""
        values: dict[str, Any] = {
            "colours": {"#{:02x}{:02x}{:02x}".format(*c): r.value for c, r in self.colours.items()},
            "pass_bins": None if self.pass_bins is None else sorted(self.pass_bins),
            "fail_bins": None if self.fail_bins is None else sorted(self.fail_bins),
            "mask": self.mask and self.mask.value,
            "notch": self.notch,
            "mirrored": self.mirrored,
            "upside_down": self.upside_down,
            "box": self.box and list(self.box),
        }
        kept = {name: item for name, item in values.items() if item not in (None, False, {})}
        return kept if self.keep_split else {**kept, "keep_split": False}


def read_colours(value: object) -> dict[Colour, Role]:
    """Roles of colours from JSON: {"#rrggbb": "no die", "pass" or "fail"}.

    Raises:
        ParameterError: It is something else.
    """
    table: dict[Colour, Role] = {}
    if value is None:
        return table
    try:
        for text, role in value.items():  # type: ignore[attr-defined]
            red, green, blue = (int(part, 16) for part in re.findall("[0-9a-fA-F]{2}", text))
            table[red, green, blue] = Role(role)
    except (AttributeError, TypeError, ValueError) as exc:
        raise ParameterError(
            "colours cannot be read ({reason}); give colours such as #ff0000 and for each no die, "
            "pass or fail.",
            reason=str(exc),
        ) from exc
    return table


def read_bins(value: object) -> frozenset[int] | None:
    """Bin numbers from JSON, or from a text such as “1,2” or “1 2 10-15”.

    Raises:
        ParameterError: Not whole numbers from 0 to 65,534, or too many.
    """
    if value is None:
        return None
    try:
        if isinstance(value, str):
            found: set[int] = set()
            for part in re.split(r"[\s,;]+", value.strip()):
                low, _, high = part.partition("-")
                numbers = range(int(low), int(high or low) + 1)
                if len(numbers) > MAX_BINS or not numbers:
                    raise ValueError(part)
                found.update(numbers)
        else:
            found = {item for item in value if type(item) is int}  # type: ignore[attr-defined]
            if len(found) != len(set(value)):  # type: ignore[call-overload]
                raise ValueError(value)
    except (TypeError, ValueError) as exc:
        raise _wrong_bins(value) from exc
    if not found or len(found) > MAX_BINS or min(found) < 0 or max(found) >= NO_BIN:
        raise _wrong_bins(value)
    return frozenset(found)


def _wrong_bins(value: object) -> ParameterError:
    return ParameterError(
        "The bins are {value}; give whole numbers from 0 to 65,534 such as 1,2 (at most {most:,}).",
        value=repr(value)[:60],
        most=MAX_BINS,
    )


def _read_mask(value: object) -> Mask | None:
    return None if value is None else Mask(_choice("mask", value, tuple(Mask)))


def _read_notch(value: object) -> str | None:
    return None if value is None else _choice("notch", value, SIDES)


def _choice(name: str, value: object, choices: tuple[str, ...]) -> str:
    if isinstance(value, str) and value in choices:
        return value
    raise ParameterError(
        "{name} is {value}; choose one of {choices}.",
        name=name,
        value=repr(value)[:60],
        choices=", ".join(choices),
    )


def _read_flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise ParameterError(
        "An option of reading is {value}; it must be true or false.", value=repr(value)[:60]
    )


def _read_box(value: object) -> Box | None:
    if value is None:
        return None
    if (
        isinstance(value, list | tuple)
        and len(value) == 4
        and all(type(side) is int and 0 <= side <= 100_000 for side in value)
        and value[0] < value[2]
        and value[1] < value[3]
    ):
        return value[0], value[1], value[2], value[3]
    raise ParameterError(
        "box is {value}; give left, top, right and bottom in pixels.", value=repr(value)[:60]
    )


_READERS = {
    "colours": read_colours,
    "pass_bins": read_bins,
    "fail_bins": read_bins,
    "mask": _read_mask,
    "notch": _read_notch,
    "mirrored": _read_flag,
    "upside_down": _read_flag,
    "box": _read_box,
    "keep_split": _read_flag,
}
