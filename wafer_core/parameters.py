"""The settings of a task, declared once: as fields of a frozen dataclass.

    @dataclass(frozen=True)
    class TrainConfig(Settings):
        epochs: int | None = declare(Parameter("Epochs", "How often …", None, 1, 2000, 1, kind=int))

Defaults, ranges and help are written there and nowhere else: the dataclass checks itself against
them, and forms and command-line options are made from ``parameters_of(TrainConfig)``. The
parameters of a job are such a dataclass too, with the settings of its task as a ``nested`` field.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self, cast

import numpy as np

from wafer_core.errors import ParameterError
from wafer_core.messages import N_
from wafer_core.names import clean_name

Range = tuple[float, float]
Value = bool | int | float | str | tuple[int | float | str, ...] | None
_MAX_SHOWN = 80  # characters of a wrong value in a message


@dataclass(frozen=True)
class Parameter:
    """One setting, for the form, the command line and the check.

    Attributes:
        title: A few words for a label.
        help: What it does and when to change it.
        default: Its type says what the setting is: a switch, a whole number, a number, one of
            ``choices``, or (where ``is_range``) a pair (low, high) that may be absent. ``None``: a
            number that the task chooses itself, of the type ``kind``. A tuple where ``is_list``.
        minimum: Smallest number allowed.
        maximum: Largest number allowed.
        step: Of a slider.
        choices: Allowed texts.
        titles: Of the choices, for people; empty: the choices are readable as they are.
        is_range: Whether it is a pair of numbers.
        is_list: Whether it is a list of numbers of the type ``kind``, of any length.
        harms: Why it is unsuitable for wafer maps; ``None``: it is suitable.
        main: Whether a form shows it at once; the others are under “More”.
        kind: Type of a number whose default does not show it.
        option: Name of the command-line option where it differs from the field.
    """

    title: str
    help: str
    default: Value = None
    minimum: float = 0.0
    maximum: float = 1.0
    step: float = 0.01
    choices: tuple[str, ...] = ()
    titles: tuple[str, ...] = ()
    is_range: bool = False
    is_list: bool = False
    harms: str | None = None
    main: bool = False
    kind: type = float
    option: str | None = None

    @property
    def is_whole(self) -> bool:
        """Whether its numbers are whole."""
        if self.default is None or isinstance(self.default, tuple):
            return self.kind is int
        return isinstance(self.default, int)

    @property
    def is_automatic(self) -> bool:
        """Whether it may be left empty, for the task to choose."""
        return self.default is None and not self.is_range and not self.choices

    def check(self, name: str, value: object) -> Value:
        """Return ``value`` as a plain Python value of this setting's type.

        Raises:
            ParameterError: Another type, not finite, or out of range.
        """
        if value is None and self.is_automatic:
            return None
        if self.is_list:
            if isinstance(value, Iterable) and not isinstance(value, str | Mapping):
                return tuple(self._check_number(name, item) for item in value)
            raise ParameterError(
                "{name} is {value}; give a list of numbers.", name=name, value=_shown(value)
            )
        if isinstance(self.default, bool):
            if isinstance(value, bool | np.bool_):
                return bool(value)
            raise ParameterError(
                "{name} is {value}; it must be true or false.", name=name, value=_shown(value)
            )
        if self.choices:
            if isinstance(value, str) and value in self.choices:
                return value
            raise ParameterError(
                "{name} is {value}; choose one of {choices}.",
                name=name,
                value=_shown(value),
                choices=", ".join(self.choices),
            )
        if self.is_range:
            return self._check_range(name, value)
        return self._check_number(name, value)

    def _check_range(self, name: str, value: object) -> Range | None:
        if value is None:
            return None
        if not isinstance(value, Iterable) or isinstance(value, str):
            raise ParameterError(
                "{name} is {value}; give a lowest and a highest value.",
                name=name,
                value=_shown(value),
            )
        ends = list(value)
        if len(ends) != 2:
            raise ParameterError(
                "{name} has {count} values; give a lowest and a highest value.",
                name=name,
                count=len(ends),
            )
        low, high = (float(cast(float, self._check_number(name, end))) for end in ends)
        if low > high:
            raise ParameterError(
                "{name} runs from {low:g} down to {high:g}; swap the two.",
                name=name,
                low=low,
                high=high,
            )
        return low, high

    def _check_number(self, name: str, value: object) -> int | float:
        whole = self.is_whole
        is_number = isinstance(value, int | float | np.integer | np.floating)
        if (
            isinstance(value, bool | np.bool_)
            or not is_number
            or not math.isfinite(cast(float, value))
            or (whole and value != int(cast(float, value)))
            or not self.minimum <= cast(float, value) <= self.maximum
        ):
            template = (
                N_("{name} is {value}; give a whole number between {low:,} and {high:,}.")
                if whole
                else N_("{name} is {value}; give a number between {low:g} and {high:g}.")
            )
            kind = int if whole else float
            raise ParameterError(
                template,
                name=name,
                value=_shown(value),
                low=kind(self.minimum),
                high=kind(self.maximum),
            )
        number = cast(float, value)
        return int(number) if whole else float(number)


@dataclass(frozen=True)
class Text(Parameter):
    """A text, such as a name or a path; ``None`` if it is not given and not ``required``.

    Attributes:
        required: Whether it must be given.
        is_list: Whether it is a list of texts; an empty one if it is not given.
        names: What it names, such as ``run``, if it is a name that is shown to people; it is then
            stored as ``names.clean_name`` returns it.
    """

    required: bool = False
    names: str | None = None

    def check(self, name: str, value: object) -> Value:
        """Return the text, or a tuple of texts.

        Raises:
            ParameterError: It is something else, or is missing.
            ClassNameError: It cannot be used as a name.
        """
        if self.is_list:
            texts = () if value is None else value if isinstance(value, list | tuple) else None
            if texts is None or not all(isinstance(text, str) for text in texts):
                raise ParameterError(
                    "{name} is {value}; give a list of texts.", name=name, value=_shown(value)
                )
            if self.required and not texts:
                raise ParameterError("{name} is empty; give at least one.", name=name)
            return tuple(texts)
        if value is None and not self.required:
            return None
        if not isinstance(value, str):
            raise ParameterError("{name} is {value}; give a text.", name=name, value=_shown(value))
        return value if self.names is None else clean_name(value, self.names)


def _shown(value: object) -> str:
    """A wrong value as a message shows it."""
    text = repr(value)
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"


SEED = Parameter(
    N_("Seed"),
    N_("The same seed gives the same result on the same machine."),
    0,
    0,
    2**63 - 1,
    1,
)


def declare(parameter: Parameter, key: str | None = None) -> Any:
    """A dataclass field with this setting's default; the setting is in its metadata.

    Args:
        parameter: The setting.
        key: Its name in JSON where that differs from the field's, such as ``class``.
    """
    default = () if parameter.is_list and parameter.default is None else parameter.default
    return field(default=default, metadata={"parameter": parameter, "key": key})


def nested(settings: type[Settings]) -> Any:
    """A dataclass field that holds the settings of a task; all default where it is missing."""
    return field(
        default_factory=settings,
        metadata={"settings": settings, "read": settings.from_mapping},
    )


def read_by(read: Callable[[Any], Any], default: Any = None) -> Any:
    """A dataclass field whose JSON value is checked and converted by a function."""
    return field(default=default, metadata={"read": read})


@dataclass(frozen=True)
class Settings:
    """Base of the settings of a task: checks and cleans every declared field.

    Raises:
        ParameterError: At the first setting that cannot be used.
    """

    def __post_init__(self) -> None:
        for name, parameter in parameters_of(type(self)).items():
            # A frozen dataclass has no other way to store the cleaned value (int 1 for float 1.0).
            object.__setattr__(self, name, parameter.check(name, getattr(self, name)))

    @classmethod
    def from_mapping(cls, values: object) -> Self:
        """The settings from JSON; what is missing keeps its default.

        Raises:
            ParameterError: It is no object, a setting is unknown, or a value cannot be used.
        """
        if not isinstance(values, Mapping):
            raise ParameterError(
                "The settings are {value}; give an object such as {example}.",
                value=_shown(values),
                example='{"seed": 0}',
            )
        by_key = {f.metadata.get("key") or f.name: f for f in fields(cls)}
        unknown = sorted(set(map(str, values)) - set(by_key))
        if unknown:  # a typing error would be silently ignored
            raise ParameterError(
                "There is no setting {unknown}; choose from {known}.",
                unknown=", ".join(map(repr, unknown)),
                known=", ".join(by_key),
            )
        given: dict[str, Any] = {}
        for key, value in values.items():
            read = by_key[key].metadata.get("read")
            given[by_key[key].name] = read(value) if read else value
        return cls(**given)


def parameters_of(settings: type[Settings]) -> dict[str, Parameter]:
    """The declared settings of a dataclass, by the names of their fields, in their order."""
    return {f.name: f.metadata["parameter"] for f in fields(settings) if "parameter" in f.metadata}


def nested_settings_of(settings: type[Settings]) -> dict[str, type[Settings]]:
    """The ``nested`` settings of a dataclass, by the names of their fields."""
    return {f.name: f.metadata["settings"] for f in fields(settings) if "settings" in f.metadata}
