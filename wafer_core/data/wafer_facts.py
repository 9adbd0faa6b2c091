"""What a manifest knows about the wafer of a picture: lot, wafer, tester, bins and their rule.

The bins themselves are beside the picture, see ``wafer_bins``.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from wafer_core.errors import DataError
from wafer_core.importers.die_maps import NO_BIN, Bin, DieMap, pass_bins
from wafer_core.json_fields import Fields

MAX_TABLE = 2000  # bins
BY_FILE, BY_DEFAULT, BY_USER = "file", "default", "user"
_TEXTS = ("lot", "wafer", "product", "tester", "time")
_SIDES = ("down", "up", "left", "right")


@dataclass(frozen=True)
class BinRule:
    """Which bins pass, and who says so.

    Attributes:
        source: ``file``, ``default`` (“bin 1 passes”) or ``user``.
        passing: Bins that pass; ``None``: the file says it for each die, or ``failing`` decides.
        failing: Only these bins fail.
    """

    source: str
    passing: frozenset[int] | None = None
    failing: frozenset[int] | None = None

    @classmethod
    def of(
        cls,
        die_map: DieMap,
        passing: Collection[int] | None = None,
        failing: Collection[int] | None = None,
    ) -> BinRule:
        """The rule that was used for a wafer; ``passing`` and ``failing`` are the user's."""
        if failing is not None:
            return cls(BY_USER, failing=frozenset(failing))
        if passing is not None:
            return cls(BY_USER, frozenset(passing))
        if die_map.flags is not None:
            return cls(BY_FILE)
        found, is_default = pass_bins(die_map)
        return cls(BY_DEFAULT if is_default else BY_FILE, found)

    @classmethod
    def from_json(cls, value: object) -> BinRule:
        """Read a rule.

        Raises:
            DataError: A value is of the wrong type or out of range.
        """
        fields = Fields(value)
        return cls(
            fields.choice("source", (BY_FILE, BY_DEFAULT, BY_USER)),
            _bins(fields, "passing"),
            _bins(fields, "failing"),
        )

    def to_json(self) -> dict[str, Any]:
        """The rule as a manifest holds it."""
        value: dict[str, Any] = {"source": self.source}
        if self.passing is not None:
            value["passing"] = sorted(self.passing)
        if self.failing is not None:
            value["failing"] = sorted(self.failing)
        return value


def _bins(fields: Fields, key: str) -> frozenset[int] | None:
    if key not in fields:
        return None
    return frozenset(fields.items(key, _bin_number, ()))


def _bin_number(value: object) -> int:
    if type(value) is int and 0 <= value < NO_BIN:
        return value
    raise DataError("{value} is not the number of a bin", value=repr(value)[:40])


@dataclass(frozen=True)
class WaferFacts:
    """Where the wafer of a picture comes from.

    Attributes:
        lot: Empty if unknown, as all texts.
        wafer: Name of the wafer in its lot.
        product: Device or product type.
        tester: Machine that measured it.
        time: When it was measured, ISO 8601, local time of the machine.
        notch: Where the notch or flat is in the picture; ``None`` if unknown.
        aspect: Width of a die divided by its height; ``None`` if unknown.
        table: The bins that the file describes.
        rule: Which bins pass; ``None`` without bins.
    """

    lot: str = ""
    wafer: str = ""
    product: str = ""
    tester: str = ""
    time: str = ""
    notch: str | None = None
    aspect: float | None = None
    table: tuple[Bin, ...] = field(default=())
    rule: BinRule | None = None

    @classmethod
    def of(cls, die_map: DieMap, rule: BinRule | None) -> WaferFacts:
        """The facts of a wafer that was read from a file."""
        return cls(
            (die_map.lot or "")[:200],
            die_map.wafer[:200],
            die_map.product[:200],
            die_map.tester[:200],
            die_map.time[:40],
            die_map.notch,
            die_map.aspect,
            die_map.table[:MAX_TABLE],
            rule,
        )

    @property
    def identity(self) -> str:
        """Distinguishes wafers that look alike; empty if the file names neither lot nor wafer."""
        return f"{self.lot}/{self.wafer}" if self.lot or self.wafer else ""

    @classmethod
    def from_json(cls, value: object) -> WaferFacts:
        """Read the facts of a record.

        Raises:
            DataError: A value is of the wrong type or out of range.
        """
        fields = Fields(value)
        texts = {name: fields.text(name, "", most=200) for name in _TEXTS}
        return cls(
            **texts,
            notch=fields.choice("notch", _SIDES) if "notch" in fields else None,
            aspect=fields.optional_number("aspect", low=1e-3, high=1e3),
            table=fields.items("table", _read_bin, ()),
            rule=BinRule.from_json(fields.free("rule")) if "rule" in fields else None,
        )

    def to_json(self) -> dict[str, Any]:
        """The facts as a manifest holds them; what is unknown is left out."""
        value: dict[str, Any] = {name: getattr(self, name) for name in (*_TEXTS, "notch", "aspect")}
        value = {name: item for name, item in value.items() if item not in ("", None)}
        if self.table:
            value["table"] = [_bin_json(each) for each in self.table]
        if self.rule is not None:
            value["rule"] = self.rule.to_json()
        return value


def _bin_json(each: Bin) -> dict[str, Any]:
    value: dict[str, Any] = {"number": each.number}
    if each.name:
        value["name"] = each.name[:80]
    if each.passes is not None:
        value["passes"] = each.passes
    return value


def _read_bin(value: object) -> Bin:
    fields = Fields(value)
    passes = fields.flag("passes") if "passes" in fields else None
    return Bin(
        fields.whole("number", low=0, high=NO_BIN - 1), fields.text("name", "", most=80), passes
    )


def says_more(die_map: DieMap, numbers: Collection[int]) -> bool:
    """Whether bins say more than pass and fail, so that they are worth keeping.

    Args:
        die_map: The wafer.
        numbers: Its different bins.
    """
    return bool(die_map.table) or not set(numbers) <= {1, 2}
