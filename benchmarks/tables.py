"""Rows of results: groups, means, and Markdown."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

Row = dict[str, Any]


def grouped(rows: Iterable[Row], keys: Sequence[str]) -> dict[tuple[Any, ...], list[Row]]:
    """Rows by the values of some keys, in the order of their first appearance."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row[key] for key in keys), []).append(row)
    return groups


def mean(rows: Sequence[Row], key: str) -> float:
    """Mean of a value over the rows that have it; NaN if none has."""
    values = [row[key] for row in rows if row.get(key) is not None]
    return float(np.mean(values)) if values else math.nan


def mean_by_class(rows: Sequence[Row], key: str = "f1") -> dict[str, float]:
    """Mean of a value of each class over the rows."""
    return {name: float(np.mean([row[key][name] for row in rows])) for name in rows[0][key]}


def table(head: Sequence[object], rows: Iterable[Sequence[object]]) -> list[str]:
    """Lines of a Markdown table."""
    return [f"| {' | '.join(map(str, cells))} |" for cells in (head, ["---"] * len(head), *rows)]


def number(value: float | None, digits: int = 3) -> str:
    """A number for a table; a dash where it is unknown."""
    return "–" if value is None or math.isnan(value) else f"{value:.{digits}f}"


def interval(ends: Sequence[float], digits: int = 3) -> str:
    """Both ends of an interval."""
    return "–".join(number(end, digits) for end in ends)
