"""What the numbers of an array or a table mean: die codes, bins, a mask, or grey.

It is decided once for all maps of an array, so that one file never becomes half maps and half grey
pictures.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from wafer_core.errors import PictureError
from wafer_core.images import FAIL, NO_DIE, PASS, Picture, from_die_codes
from wafer_core.importers.die_maps import NO_BIN, Bin, DieMap, pass_bins, status
from wafer_core.importers.items import Loaded
from wafer_core.importers.options import Mask, ReadOptions
from wafer_core.importers.outline import inscribed_ellipse, looks_round
from wafer_core.messages import Message, message

Numbers = npt.NDArray[np.generic]

MAX_CODE = 15  # larger whole numbers are bins only in a round map with a rim of zeros
_MAX_BIN = 999
_MAX_KINDS = 64  # different bins of such a map
_CHUNK = 1 << 22
_LOOKED_AT = 8  # maps of an array whose outline is checked


class UndecidedError(PictureError):
    """A file can be read in several ways, and the user has to choose.

    Attributes:
        option: Field of ``ReadOptions`` that decides.
    """

    option = "mask"


class PassBinsError(UndecidedError):
    """No die of a file passes by the default rule."""

    option = "pass_bins"


DEFAULT_RULE = message(
    "The file does not say which bins pass; bin 1 was taken to pass and the others to fail. Name "
    "the bins that pass if that is wrong."
)
ZERO_PASSES = message("−1 or empty was read as no die, 0 as pass and 1 as fail.")


@dataclass(frozen=True)
class Meaning:
    """What the numbers of an array mean.

    Attributes:
        kind: ``codes`` (0 no die, 1 pass, 2 fail), ``halves`` (0, 0.5 and 1 instead), ``levels``
            (0, 127 or 128, 255), ``bins``, ``mask`` (0 and 1), ``fractions`` or ``grey``.
        values: The different numbers of codes and bins.
        zero_is_die: Whether 0 is a die; −1 or NaN is no die then.
        passing: Bins that pass where neither the user nor the file says it.
        notes: What was guessed.
    """

    kind: str
    values: frozenset[int] = frozenset()
    zero_is_die: bool = False
    passing: frozenset[int] = frozenset({1})
    notes: tuple[Message, ...] = field(default=())


def find_meaning(values: Numbers, name: str) -> Meaning:
    """Decide what numbers mean.

    Args:
        values: (H, W) or (N, H, W), or all dies of several maps (D,).
        name: For messages.

    Raises:
        PictureError: Not numbers, empty, infinite, negative, or too large.
    """
    if values.dtype.kind not in "buif":
        raise PictureError(
            "{file}: the array contains {dtype} instead of numbers; save it as uint8.",
            file=name,
            dtype=str(values.dtype),
        )
    if values.size == 0:
        raise PictureError(
            "{file}: the array is empty, shape {shape}; save it again.",
            file=name,
            shape=str(values.shape),
        )
    if values.dtype.kind == "b":
        return Meaning("mask")
    facts = _survey(values, name)
    if facts.whole is None:
        return _fractions(facts, name)
    return _whole(values, facts.whole, facts.has_nan, name)


@dataclass
class _Survey:
    """Range of an array; ``whole``: its different whole numbers if there are no others."""

    low: float
    high: float
    has_nan: bool
    whole: frozenset[int] | None
    halves: bool


def _survey(values: Numbers, name: str) -> _Survey:
    flat = values.reshape(-1) if values.flags.c_contiguous else values.ravel(order="K")
    if values.dtype.kind in "ui":
        low, high = float(flat.min()), float(flat.max())
        _check_range(low, high, name)
        seen = np.zeros(65537, bool)
        for start in range(0, len(flat), _CHUNK):
            seen[flat[start : start + _CHUNK].astype(np.int64)] = True  # −1 is the last
        found = [k if k < 65536 else -1 for k in np.flatnonzero(seen).tolist()]
        return _Survey(low, high, False, frozenset(found), False)
    return _survey_floats(flat, name)


def _survey_floats(flat: Numbers, name: str) -> _Survey:
    low, high, has_nan, halves = np.inf, -np.inf, False, True
    whole: set[int] | None = set()
    for start in range(0, len(flat), _CHUNK):
        chunk = flat[start : start + _CHUNK].astype(np.float64)
        missing = np.isnan(chunk)
        if missing.any():
            has_nan = True
            chunk = chunk[~missing]
        if not len(chunk):
            continue
        low, high = min(low, float(chunk.min())), max(high, float(chunk.max()))
        if not np.isfinite((low, high)).all():
            raise _not_finite(name)
        _check_range(low, high, name)
        if whole is not None:
            is_whole = bool((chunk == np.rint(chunk)).all())
            whole = whole | set(np.unique(chunk).astype(int).tolist()) if is_whole else None
        halves = halves and bool(np.isin(chunk, (0, 0.5, 1)).all())
    if low > high:
        raise _not_finite(name)  # nothing but NaN
    found = None if whole is None else frozenset(whole)
    return _Survey(low, high, has_nan, found, halves and whole is None)


def _not_finite(name: str) -> PictureError:
    return PictureError(
        "{file}: the array contains NaN or infinity; use 0 for no die, 1 for pass and 2 for fail.",
        file=name,
    )


def _check_range(low: float, high: float, name: str) -> None:
    if low < -1 or high > 65535 or low == high == -1:
        raise PictureError(
            "{file}: values from {low:g} to {high:g} are neither dies (0, 1, 2) nor grey (0 to "
            "255); convert the array first.",
            file=name,
            low=low,
            high=high,
        )


def _fractions(facts: _Survey, name: str) -> Meaning:
    if facts.has_nan:
        raise _not_finite(name)
    _check_range(min(facts.low, 0) * 2, facts.high, name)  # no negative fractions
    if facts.halves:
        return Meaning("halves")
    return Meaning("fractions" if facts.high <= 1 else "grey")


def _whole(values: Numbers, found: frozenset[int], has_nan: bool, name: str) -> Meaning:
    rest = found - {-1}
    if -1 in found or has_nan:
        return _with_marker(values, rest, name)
    if rest <= {0, 1}:
        return Meaning("mask") if len(rest) == 2 else Meaning("codes", rest)
    if rest <= {0, 1, 2}:
        return Meaning("codes", rest)
    if len(rest) > 1 and rest <= {0, 127, 128, 255} and rest & {127, 128}:
        return Meaning("levels", rest)
    high = max(rest)
    is_small = high <= MAX_CODE
    if len(rest) > 1 and (is_small or (high <= _MAX_BIN and _has_zero_rim(values, rest))):
        return Meaning("bins", rest)
    return Meaning("grey", rest)


def _with_marker(values: Numbers, rest: frozenset[int], name: str) -> Meaning:
    """Maps in which −1 or NaN marks what is no die."""
    if max(rest, default=0) > _MAX_BIN or len(rest) > _MAX_KINDS:
        raise PictureError(
            "{file}: beside −1 or NaN for no die the array has {count:,} different values up to "
            "{high:,}; these are no bins. Use 0 for no die, 1 for pass and 2 for fail.",
            file=name,
            count=len(rest),
            high=max(rest, default=0),
        )
    if rest <= {0, 1}:
        return Meaning("bins", rest, True, frozenset({0}), (ZERO_PASSES,))
    if 0 in rest:
        counts = [int(np.count_nonzero(values == value)) for value in (0, 1)]
        if counts[0] > counts[1]:
            return Meaning("bins", rest, True, frozenset({0}), (ZERO_PASSES,))
    return Meaning("bins", rest)


def _has_zero_rim(values: Numbers, found: frozenset[int]) -> bool:
    """Whether the maps are round, with zeros around them: grey pictures hardly are."""
    if values.ndim < 2 or 0 not in found or len(found) > _MAX_KINDS:
        return False
    maps = values if values.ndim == 3 else values[None]
    chosen = maps[:: max(1, len(maps) // _LOOKED_AT)][:_LOOKED_AT]
    return all(looks_round(each != 0) for each in chosen)


def load_numbers(values: Numbers, meaning: Meaning, name: str, options: ReadOptions) -> Loaded:
    """One map or grey picture.

    Args:
        values: (H, W).
        meaning: Of the whole array.
        name: For messages.
        options: What the user says.

    Raises:
        PictureError: Every number is the same, or 0 and 1 can mean several things.
    """
    if meaning.kind == "mask":
        return _masked(values, name, options)
    if meaning.kind == "bins" or (
        meaning.kind == "codes" and (options.pass_bins or options.fail_bins) is not None
    ):
        return load_bins(bins_of(values, meaning), meaning, name, options)
    if (values == values.flat[0]).all():
        raise PictureError(
            "{file}: every value is {value:g}, so there is no wafer; leave it out.",
            file=name,
            value=float(values.flat[0]),
        )
    return Loaded(_plain(values, meaning, name))


def _plain(values: Numbers, meaning: Meaning, name: str) -> Picture:
    if meaning.kind == "codes":
        return from_die_codes(values, name)
    if meaning.kind == "halves":
        return from_die_codes(np.asarray(values, np.float64) * 2, name)
    if meaning.kind == "levels":
        picture = np.asarray(values, np.uint8)
        return np.where(picture == 128, PASS, picture).astype(np.uint8)
    if meaning.kind == "fractions":
        return np.asarray(np.rint(np.asarray(values, np.float64) * 255), np.uint8)
    high = float(values.max())
    scale = 1.0 if high <= 255 else 255 / high
    return np.asarray(np.rint(np.asarray(values, np.float64) * scale), np.uint8)


def bins_of(values: Numbers, meaning: Meaning) -> npt.NDArray[np.uint16]:
    """Bins (H, W) of a map, ``NO_BIN`` where there is no die."""
    numbers = np.asarray(values, np.float64)
    is_die = (numbers >= 0) if meaning.zero_is_die else (numbers > 0)  # NaN is neither
    return np.where(is_die, np.nan_to_num(numbers, nan=0.0), NO_BIN).astype(np.uint16)


def load_bins(
    bins: npt.NDArray[np.uint16], meaning: Meaning, name: str, options: ReadOptions
) -> Loaded:
    """A wafer map from bins without a bin table.

    Raises:
        PictureError: There is no die, or no bin of the whole array passes.
    """
    table: tuple[Bin, ...] = ()
    if meaning.passing != {1}:
        table = tuple(Bin(k, passes=k in meaning.passing) for k in sorted(meaning.values))
    in_file = meaning.values if meaning.zero_is_die else meaning.values - {0}
    loaded = load_die_map(DieMap(bins, table=table), name, options, in_file)
    return replace(loaded, notes=()) if in_file <= {1, 2} else loaded  # as in all data sets


def load_die_map(
    die_map: DieMap, name: str, options: ReadOptions, in_file: frozenset[int]
) -> Loaded:
    """A wafer map by the bins of a file.

    Args:
        die_map: The wafer.
        name: For messages.
        options: What the user says about bins.
        in_file: All bins of the file.

    Raises:
        PictureError: There is no die, or no bin of the whole file passes.
    """
    rule, failing = options.pass_bins, options.fail_bins
    notes = die_map.notes
    if failing is None and (rule is not None or die_map.flags is None):
        passing, is_default = pass_bins(die_map, rule)
        if is_default and not passing & in_file and in_file:
            raise PassBinsError(
                "{file}: the file does not say which bins pass, and it has no bin 1, only {bins}; "
                "name the bins that pass.",
                file=name,
                bins=", ".join(map(str, sorted(in_file)[:8])),
            )
        if is_default:
            notes = (*notes, DEFAULT_RULE)
    return Loaded(status(die_map, rule, failing), notes=notes, die_map=die_map)


def _masked(values: Numbers, name: str, options: ReadOptions) -> Loaded:
    ones = np.asarray(values != 0)
    if options.mask is None:
        raise UndecidedError(
            "{file}: the values are only 0 and 1, and this can mean several things; say whether 1 "
            "is a failed die, a passed die, or any die.",
            file=name,
        )
    if options.mask is Mask.DIE:
        picture = np.where(ones, PASS, NO_DIE)
    else:
        has_die = inscribed_ellipse(ones.shape) | ones
        one, zero = (FAIL, PASS) if options.mask is Mask.FAIL else (PASS, FAIL)
        picture = np.where(ones, one, np.where(has_die, zero, NO_DIE))
    return Loaded(picture.astype(np.uint8))
