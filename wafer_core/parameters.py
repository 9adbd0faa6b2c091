"""One setting of a task: what a form says about it, and what it may be.

A task lists its settings as ``dict[str, Parameter]``; its frozen config checks itself against that
list and the pages draw their forms from it, so that no limit is written down twice.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from wafer_core.errors import ParameterError

Range = tuple[float, float]
Value = bool | int | float | str | Range | None


@dataclass(frozen=True)
class Parameter:
    """A setting, for the form and for the check.

    The type of ``default`` says what the setting is: a switch, a whole number, a number, one of
    ``choices``, or (where ``is_range``) a pair (low, high) that may be absent.
    """

    title: str
    help: str
    default: Value
    minimum: float = 0.0
    maximum: float = 1.0
    step: float = 0.01
    choices: tuple[str, ...] = ()
    titles: tuple[str, ...] = ()  # of the choices, for people; empty: they speak for themselves
    is_range: bool = False
    harms: str | None = None  # why it is bad for wafer maps; None: harmless
    main: bool = False  # shown at once; the others under "More"

    def check(self, name: str, value: object) -> Value:
        """Return ``value`` as a plain Python value of this setting's type.

        Raises:
            ParameterError: Another type, not finite, or out of range.
        """
        if isinstance(self.default, bool):
            if isinstance(value, bool | np.bool_):
                return bool(value)
            raise ParameterError(f"{name} is {value!r}; it must be true or false.")
        if self.choices:
            if isinstance(value, str) and value in self.choices:
                return value
            raise ParameterError(f"{name} is {value!r}; choose one of {', '.join(self.choices)}.")
        if self.is_range:
            return self._check_range(name, value)
        return self._check_number(name, value)

    def _check_range(self, name: str, value: object) -> Range | None:
        if value is None:
            return None
        if not isinstance(value, Iterable) or isinstance(value, str):
            raise ParameterError(f"{name} is {value!r}; give a lowest and a highest value.")
        ends = list(value)
        if len(ends) != 2:
            raise ParameterError(f"{name} has {len(ends)} values; give a lowest and a highest one.")
        low, high = (float(self._check_number(name, end)) for end in ends)
        if low > high:
            raise ParameterError(f"{name} runs from {low:g} down to {high:g}; swap the two.")
        return low, high

    def _check_number(self, name: str, value: object) -> int | float:
        bounds = f"between {self.minimum:g} and {self.maximum:g}"
        whole = isinstance(self.default, int)
        kind = "a whole number" if whole else "a number"
        wrong = ParameterError(f"{name} is {value!r}; give {kind} {bounds}.")
        if isinstance(value, bool | np.bool_):
            raise wrong
        if not isinstance(value, int | float | np.integer | np.floating):
            raise wrong
        if not math.isfinite(value) or (whole and value != int(value)):
            raise wrong
        if not self.minimum <= value <= self.maximum:
            raise wrong
        return int(value) if whole else float(value)


def check_all(config: Any, parameters: Mapping[str, Parameter]) -> None:
    """Check and clean every setting of a frozen dataclass, from its ``__post_init__``.

    Raises:
        ParameterError: At the first setting that cannot be used.
    """
    for name, parameter in parameters.items():
        # A frozen dataclass has no other way to store the cleaned value (int 1 for float 1.0).
        object.__setattr__(config, name, parameter.check(name, getattr(config, name)))


def check_names(values: Mapping[str, object], parameters: Iterable[str]) -> None:
    """Refuse settings that a task does not have (a typing error would be silently ignored).

    Raises:
        ParameterError: Naming the unknown settings and the known ones.
    """
    unknown = sorted(set(values) - set(parameters))
    if unknown:
        raise ParameterError(
            f"There is no setting {', '.join(map(repr, unknown))}; choose among "
            f"{', '.join(parameters)}."
        )


def check_seed(seed: object) -> int:
    """Return ``seed`` as an int.

    Raises:
        ParameterError: Not a whole number from 0 to 2⁶³ - 1.
    """
    whole = isinstance(seed, int | np.integer) and not isinstance(seed, bool)
    if not whole or not 0 <= int(cast(int, seed)) < 2**63:
        raise ParameterError(f"seed is {seed!r}; give a whole number, 0 or more.")
    return int(cast(int, seed))
