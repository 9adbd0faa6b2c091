"""Provenance of a run of synthetic pictures: how it was made and what it cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from wafer_core.errors import DataError
from wafer_core.json_fields import Fields, shorten
from wafer_core.messages import Message

Number = int | float


@dataclass(frozen=True)
class Provenance:
    """What the manifest of a run says about all of its pictures.

    Attributes:
        method: ``gan``, ``transforms`` or ``physics``; empty in the first versions.
        preset: Of the generator; empty for other methods.
        seed: ``None`` where it is unknown.
        device: What computed it; ``None`` where it is unknown.
        steps: Seconds of each step.
        values: All of it as stored, with the types of known fields checked.
    """

    method: str = ""
    preset: str = ""
    seed: int | None = None
    device: Message | None = None
    steps: Mapping[str, Number] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_json(cls, value: object) -> Provenance:
        """Read ``info`` of a manifest.

        Raises:
            DataError: A known field has the wrong type or is out of range.
        """
        fields = Fields(value)
        for name in ("config", "levels"):
            fields.free(name, {})
        fields.text("pattern", "")
        for name in ("epochs", "threshold", "originals"):
            fields.optional_number(name)
        if "device" in fields:
            fields.as_message("device")
        for levels in fields.free("levels", {}).values():
            _list_of(levels, str | int | float)
        for factor in fields.free("factors", {}).values():
            _list_of(factor, int | float, 3)
        _check(fields, "fit", _check_fit)
        _check(fields, "cost", _check_cost)
        _check(fields, "sweep", _check_sweep)
        return cls(
            fields.text("method", ""),
            fields.text("preset", ""),
            fields.whole("seed", low=0) if "seed" in fields else None,
            fields.as_message("device") if "device" in fields else None,
            _numbers(fields, "steps"),
            dict(value) if isinstance(value, Mapping) else {},
        )


def _check(fields: Fields, name: str, check: Callable[[Fields], None]) -> None:
    if name in fields:
        check(Fields(fields.free(name)))


def _check_fit(fields: Fields) -> None:
    """How well the simulator fits a class."""
    if "sentence" in fields:
        fields.as_message("sentence")
    fields.optional_number("ratio")
    _numbers(fields, "shares")


def _check_cost(fields: Fields) -> None:
    _numbers(fields, "seconds")
    _numbers(fields, "memory_bytes")
    for name in ("storage_bytes", "network_bytes", "peak_memory_bytes"):
        fields.optional_number(name, low=0)
    if "device" in fields:
        fields.as_message("device")


def _check_sweep(fields: Fields) -> None:
    """KID at each level of one setting."""
    fields.text("setting")
    best = fields.number("best")
    values = fields.items("values", a_number)
    others = [fields.items(name, a_number) for name in ("kid", "failed")]
    if any(len(other) != len(values) for other in others) or best not in values:
        raise DataError("the levels of the sweep do not match")
    if len(fields.items("counts", a_number)) != 2:
        raise DataError("the sweep does not have two counts")


def a_number(value: object) -> Number:
    """A number in a list.

    Raises:
        DataError: It is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise DataError("{value} is not a number", value=shorten(value))
    return value


def _numbers(fields: Fields, name: str) -> dict[str, Number]:
    """An object of numbers."""
    values = fields.free(name, {})
    for value in values.values():
        a_number(value)
    return values


def _list_of(values: object, kind: Any, count: int | None = None) -> None:
    if (
        not isinstance(values, list)
        or (count is not None and len(values) != count)
        or any(isinstance(value, bool) or not isinstance(value, kind) for value in values)
    ):
        raise DataError("{value} is not a list of levels", value=shorten(values))
