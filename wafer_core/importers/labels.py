"""Class names from label arrays: names, numbers, one-hot rows, and flags of several patterns."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from wafer_core.errors import PictureError
from wafer_core.messages import Message, counted, message
from wafer_core.names import fold

# The columns of arr_1 of MixedWM38 (Wang et al. 2020, doi 10.1109/TSM.2020.3020985), and the
# classes of WM-811K in alphabetical order, as label encoders number them.
MIXED_WM38 = (
    "Center", "Donut", "Edge-Loc", "Edge-Ring", "Loc", "Near-full", "Scratch", "Random",
)  # fmt: skip
WM811K = (
    "Center", "Donut", "Edge-Loc", "Edge-Ring", "Loc", "Near-full", "Random", "Scratch", "none",
)  # fmt: skip
NONE = "none"
MAX_COLUMNS = 256
_EMPTY = frozenset(
    ("", "[]", "nan", "null", "na", "n/a", "nat", "unlabelled", "unlabeled", "unknown", "-", "?")
)
_NESTED = re.compile(r"(?:\[|\((?=['\"]))+\s*['\"]?(.*?)['\"]?\s*,?\s*[\])]+", re.DOTALL)


@dataclass(frozen=True)
class Labels:
    """A class name for each wafer.

    Attributes:
        names: ``None`` for a wafer without a label.
        unlabelled: Number of wafers without a label.
        notes: What was guessed, for the user.
    """

    names: Sequence[str | None]
    unlabelled: int = 0
    notes: tuple[Message, ...] = field(default=())

    @classmethod
    def of(cls, names: Sequence[str | None], notes: tuple[Message, ...] = ()) -> Labels:
        """Count those without a label."""
        return cls(names, sum(name is None for name in names), notes)

    def note(self, file: str) -> Message | None:
        """How many wafers have no label; ``None`` if all have one."""
        if not self.unlabelled:
            return None
        return counted(
            "{file}: {count:,} of {total:,} wafers has no label.",
            "{file}: {count:,} of {total:,} wafers have no label.",
            self.unlabelled,
            file=file,
            total=len(self.names),
        )


def clean_label(value: Any) -> str | None:
    """One label; ``None`` if it is empty, [] or nan.

    >>> clean_label([["Edge-Ring"]]), clean_label("['Loc']"), clean_label("[]"), clean_label(b"a")
    ('Edge-Ring', 'Loc', None, 'a')
    """
    for _ in range(4):
        if isinstance(value, np.ndarray):
            value = value.ravel().tolist()
        if isinstance(value, list | tuple):
            if len(value) > 1:
                return " + ".join(filter(None, map(clean_label, value))) or None
            value = value[0] if value else None
    if value is None:
        return None
    if isinstance(value, float):
        if not np.isfinite(value):
            return None
        value = int(value) if value.is_integer() else value
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    inner = _NESTED.fullmatch(text.strip())
    text = (inner[1] if inner else text).strip()
    return None if fold(text) in _EMPTY else text


def read_labels(
    values: npt.NDArray[Any], classes: Sequence[str] | None, count: int, name: str
) -> Labels:
    """The class names of ``count`` wafers.

    Args:
        values: (N,) or (N, 1) names or numbers, or (N, K) of 0 and 1: one-hot, or flags of the
            patterns on a wafer.
        classes: Names of the numbers or columns; ``None`` if the file has none.
        count: Number of wafers.
        name: Of the labels, for messages.

    Raises:
        PictureError: Another shape or other values.
    """
    if values.ndim > 1 and values.shape[1:] == (1,) * (values.ndim - 1):
        values = values.reshape(-1)
    if values.ndim == 2 and values.shape[0] == count and _is_binary(values):
        return _from_columns(values.astype(np.int64), classes)
    if values.dtype.kind == "f" and (np.isnan(values) | (values == np.rint(values))).all():
        values = np.where(np.isnan(values), -1, values).astype(np.int64)
    if values.shape != (count,) or values.dtype.kind not in "uiUSOb":
        raise PictureError(
            "{file}: the labels are {dtype} of shape {shape}; give {count:,} numbers or names, one "
            "per picture.",
            file=name,
            dtype=str(values.dtype),
            shape=str(values.shape),
            count=count,
        )
    if values.dtype.kind in "uib":
        return _from_numbers(values, classes, name)
    cleaned: dict[Any, str | None] = {}

    def clean(value: Any) -> str | None:
        if not isinstance(value, str | bytes):
            return clean_label(value)
        if value not in cleaned:
            cleaned[value] = clean_label(value)
        return cleaned[value]

    return Labels.of([clean(value) for value in values.tolist()])


def _is_binary(values: npt.NDArray[Any]) -> bool:
    return values.dtype.kind in "buif" and bool(np.isin(values, (0, 1)).all())


def is_label_table(values: npt.NDArray[Any]) -> bool:
    """Whether a table (N, K) is one-hot or flags: 0 and 1, a few in each row."""
    return _is_binary(values) and values.shape[1] <= MAX_COLUMNS


def _from_numbers(values: npt.NDArray[Any], classes: Sequence[str] | None, name: str) -> Labels:
    numbers = values.astype(np.int64)
    known = numbers[numbers != -1]
    if classes is None:
        return Labels.of([None if k == -1 else str(k) for k in numbers.tolist()])
    if len(known) and not (known.min() >= 0 and known.max() < len(classes)):
        raise PictureError(
            "{file}: the labels {low} to {high} do not match the {count} names in “classes”; "
            "number them from 0.",
            file=name,
            low=int(numbers.min()),
            high=int(numbers.max()),
            count=len(classes),
        )
    return Labels.of([None if k == -1 else clean_label(classes[k]) for k in numbers.tolist()])


def _from_columns(flags: npt.NDArray[np.int64], classes: Sequence[str] | None) -> Labels:
    """One-hot rows, or flags: several patterns are joined by “+”, none at all is ``none``."""
    columns = flags.shape[1]
    notes: tuple[Message, ...] = ()
    names: Sequence[str]
    if classes is not None and len(classes) == columns:
        names = classes
    elif columns in (len(MIXED_WM38), len(WM811K)):
        names = MIXED_WM38 if columns == len(MIXED_WM38) else WM811K
        data = "MixedWM38" if columns == len(MIXED_WM38) else "WM-811K"
        notes = (
            message(
                "The {count} columns of the labels were named after the patterns of {data}: "
                "{names}. Rename the classes if that is wrong.",
                count=columns,
                data=data,
                names=", ".join(names),
            ),
        )
    else:
        names = [str(k) for k in range(columns)]
    kinds, which = np.unique(flags, axis=0, return_inverse=True)
    joined = [" + ".join(names[k] for k in np.flatnonzero(kind).tolist()) or NONE for kind in kinds]
    return Labels.of([joined[k] for k in which.ravel().tolist()], notes)
