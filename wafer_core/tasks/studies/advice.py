"""Which made pictures to keep, from differences and their intervals, in words for an engineer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from wafer_core.metrics.paired import Difference

MATTERS = 0.02  # of F1: two points; pictures that bring less are not worth their keep
FEW_LOTS = 5  # below it, what is seen may be the habit of one lot
FEW_REPEATS = 2  # of one training, nobody knows how much is luck
_REPEATS_SHARE = 0.7  # of the width that repeats may take before more of them are asked for
_MOST_REPEATS = 20  # that a study does
_FIRST_REPEATS = 3  # where only one was done

UNKNOWN = "unknown"
# What can be kept; the keys of the arms, and that nobody can tell yet.
KEEPS = {
    "none": "Keep none",
    "transforms": "Keep the transforms",
    "generated": "Keep the generated wafers",
    "both": "Keep both",
    UNKNOWN: "Cannot be told yet",
}
_WITH = {
    "transforms": "the transforms",
    "generated": "the generated wafers",
    "both": "both, transforms and generated wafers",
}


@dataclass(frozen=True)
class Advice:
    """What to keep, and why.

    Attributes:
        keep: A key of ``KEEPS``.
        title: That in words.
        sentence: With the figures that it rests on.
        more_test: About so many more test wafers would tell; ``None`` where more are not the
            remedy.
        more_repeats: So many repeats in all are advised; ``None`` where there are enough.
    """

    keep: str
    title: str
    sentence: str
    more_test: int | None = None
    more_repeats: int | None = None


def advise(
    figures: Mapping[str, float],
    found: Mapping[tuple[str, str], Difference],
    *,
    tested: int,
    lots: int,
    seeds: int,
    of: str | None = None,
) -> Advice:
    """What to keep.

    Something is kept if it helps beyond doubt: the interval of its difference to the originals
    alone lies above 0. Both are kept only if that is clearly better than either that helps. None is
    kept where no interval reaches ``MATTERS``. Otherwise it cannot be told.

    Args:
        figures: Mean F1 (of all classes or of one) of each arm, ``none`` among them.
        found: Differences of (arm, against).
        tested: Test wafers (of that class).
        lots: That they come from.
        seeds: Trainings of each arm.
        of: The class, where it is one; else the mean over all.
    """
    added = {arm: found[arm, "none"] for arm in figures if arm != "none"}
    if lots >= FEW_LOTS and seeds >= FEW_REPEATS:
        helps = [arm for arm, gain in added.items() if gain.low > 0]
        if helps:
            kept = _best(helps, figures, found)
            return Advice(kept, KEEPS[kept], _kept(kept, figures, found, added, of))
        if all(gain.high < MATTERS for gain in added.values()):
            return Advice("none", KEEPS["none"], _none(added, of))
    return _unknown(added, tested, lots, seeds, of)


def _best(
    helps: Sequence[str],
    figures: Mapping[str, float],
    found: Mapping[tuple[str, str], Difference],
) -> str:
    """The one to keep of those that help: both only where that is clearly better than one."""
    single = [arm for arm in helps if arm != "both"]
    if not single:
        return "both"
    best = max(single, key=lambda arm: figures[arm])
    beside = found.get(("both", best))
    return "both" if "both" in helps and beside and beside.low > 0 else best


def _kept(
    kept: str,
    figures: Mapping[str, float],
    found: Mapping[tuple[str, str], Difference],
    added: Mapping[str, Difference],
    of: str | None,
) -> str:
    figure = "Macro-F1" if of is None else f"The F1 of {of}"
    told = (
        f"{KEEPS[kept]}. {figure} on test wafers, all of them real, rises from "
        f"{figures['none']:.3f} to {figures[kept]:.3f}: {points(added[kept])}."
    )
    beside = found.get(("both", kept))
    if beside is not None and beside.low <= 0:
        other = "transforms" if kept == "generated" else "generated wafers"
        told += f" Adding the {other} as well brings no more that could be seen."
    apart = found.get(("generated", "transforms"))
    if apart is not None and kept in ("generated", "transforms"):
        if apart.low <= 0 <= apart.high:
            told += " Whether transforms or generated wafers do it cannot be told apart."
        elif kept == "generated":
            told += f" They do better than transforms: {points(apart)}."
    harmful = [_WITH[arm] for arm, gain in added.items() if gain.high < 0]
    if harmful:
        told += f" Leave out {' and '.join(harmful)}: the figure falls with them."
    return told


def _none(added: Mapping[str, Difference], of: str | None) -> str:
    figure = "macro-F1" if of is None else f"the F1 of {of}"
    best = max(added, key=lambda arm: added[arm].value)
    told = (
        f"{KEEPS['none']}. Nothing that was made brings {figure} as much as "
        f"{100 * MATTERS:.0f} points; the most is {points(added[best])}, with {_WITH[best]}."
    )
    harmful = [_WITH[arm] for arm, gain in added.items() if gain.high < 0]
    return told + (f" It falls with {' and with '.join(harmful)}." if harmful else "")


def _unknown(
    added: Mapping[str, Difference], tested: int, lots: int, seeds: int, of: str | None
) -> Advice:
    best = max(added, key=lambda arm: added[arm].value)
    gain = added[best]
    from_lots = "" if lots == tested else f" from {lots:,} lot{'s' * (lots != 1)}"
    told = (
        f"{KEEPS[UNKNOWN]}. The most is seen with {_WITH[best]}, {points(gain)}, on {tested:,} "
        f"test wafer{'s' * (tested != 1)}{'' if of is None else f' of {of}'}{from_lots}."
    )
    more, repeats = needed(gain, tested, seeds)
    if seeds < FEW_REPEATS:
        repeats = _FIRST_REPEATS
    if lots < FEW_LOTS:
        more = max(more or 0, _up((FEW_LOTS - lots) * max(1.0, tested / max(1, lots))))
        if from_lots:
            told += " Wafers of a lot are alike: add wafers of other lots."
    if more:
        aim = f"{100 * max(abs(gain.value), MATTERS):.0f} points"
        told += f" About {more:,} more would tell a difference of {aim}."
    if repeats:
        told += f" Repeat each training {repeats} times: too much of this is luck of training."
    return Advice(UNKNOWN, KEEPS[UNKNOWN], told, more, repeats)


def needed(gain: Difference, tested: int, seeds: int) -> tuple[int | None, int | None]:
    """How many more test wafers, and how many repeats in all, would tell a difference from 0.

    The squares of the two half widths add up; that of lots shrinks with the number of wafers, that
    of repeats with their number. What is to be told is the difference itself, ``MATTERS`` at least.

    Returns:
        About so many more wafers, and repeats in all; ``None`` where there are enough.
    """
    aim = max(abs(gain.value), MATTERS)
    lots, luck = gain.lots or 0.0, gain.repeats or 0.0
    repeats = None
    if luck > _REPEATS_SHARE * aim:
        wanted = seeds * (luck / (_REPEATS_SHARE * aim)) ** 2
        repeats = min(_MOST_REPEATS, math.ceil(round(wanted, 6)))
        luck = _REPEATS_SHARE * aim
        repeats = repeats if repeats > seeds else None
    more = tested * (lots**2 / (aim**2 - luck**2) - 1)
    return (_up(more) if more > 0 else None), repeats


def _up(count: float) -> int:
    """A count rounded up to two digits: more would feign a precision that is not there."""
    step: int = 10 ** max(0, math.floor(math.log10(max(count, 1))) - 1)
    return math.ceil(round(count / step, 6)) * step


def points(difference: Difference) -> str:
    """A difference in points of F1, with its interval: “+4.8 points (+2.1 to +7.6)”."""
    value, low, high = (
        f"{100 * x:+.1f}".replace("-", "−")
        for x in (difference.value, difference.low, difference.high)
    )
    return f"{value} points (95 % interval {low} to {high})"
