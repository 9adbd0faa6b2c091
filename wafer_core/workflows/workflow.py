"""What a kind of job is, and the words all kinds use for their parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wafer_core.errors import ParameterError

if TYPE_CHECKING:
    from wafer_core.jobs.context import JobContext

Parameters = Mapping[str, Any]


def accept(parameters: Parameters) -> None:
    """Accept any parameters."""


@dataclass(frozen=True)
class Workflow:
    """One kind of job.

    Attributes:
        title: For people: “Train”.
        run: Does the work and returns the result, a JSON object. It leaves the project as it was
            when it raises.
        check: Raises ``ParameterError`` for parameters that cannot be used.
        describe_with: Makes a title for some parameters; ``None``: the kind's.
        needs_device: Whether it computes for long on the device, and so waits for its turn.
    """

    title: str
    run: Callable[[JobContext], dict[str, Any]]
    check: Callable[[Parameters], None] = accept
    describe_with: Callable[[Parameters], str] | None = None
    needs_device: bool = False

    def describe(self, parameters: Parameters) -> str:
        """A title for a job of this kind."""
        return self.describe_with(parameters) if self.describe_with else self.title


def known_only(parameters: Parameters, names: Iterable[str], kind: str) -> None:
    """Refuse a parameter that the kind does not read.

    Raises:
        ParameterError: Naming it.
    """
    known = tuple(names)
    for name in parameters:
        if name not in known:
            raise ParameterError(
                f"A job of kind {kind} has no parameter “{name}”; it has {', '.join(known)}."
            )


def settings_of(parameters: Parameters, names: Iterable[str], of: str) -> dict[str, Any]:
    """Return the parameter ``config``: settings of a task by their names; none: an empty dict.

    Args:
        parameters: Of the job.
        names: Settings that the task has.
        of: Whose they are, for messages: “a training”.

    Raises:
        ParameterError: They are no settings, or one is unknown.
    """
    from wafer_core.parameters import check_names

    config = parameters.get("config", {})
    if not isinstance(config, Mapping):
        raise ParameterError(f"config is {config!r}; give the settings of {of}.")
    check_names(config, names)
    return dict(config)


def whole_number(value: Any, name: str, minimum: int, maximum: int) -> int:
    """Return ``value`` if it is a whole number in range.

    Raises:
        ParameterError: It is not.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not minimum <= value <= maximum:
        raise ParameterError(
            f"{name} is {value!r}; give a whole number from {minimum:,} to {maximum:,}."
        )
    return value


def class_list(value: Any) -> list[dict[str, Any]]:
    """Return the entries of a ``classes`` parameter: each a dict that has a name.

    Raises:
        ParameterError: It is no such list, is empty, or names a class twice.
    """
    if not isinstance(value, list) or not value:
        raise ParameterError('classes must be a list such as [{"name": "Scratch", "count": 50}].')
    seen = set()
    for entry in value:
        if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
            raise ParameterError(f'{entry!r} is no class; give {{"name": "Scratch", "count": 50}}.')
        if entry["name"] in seen:
            raise ParameterError(f"The class “{entry['name']}” is listed twice; list it once.")
        seen.add(entry["name"])
    return value
