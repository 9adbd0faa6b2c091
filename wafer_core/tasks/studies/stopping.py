"""What a learning curve says: whether to go on collecting, with how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wafer_core.metrics import power_law
from wafer_core.metrics.intervals import TOO_FEW
from wafer_core.metrics.paired import Difference
from wafer_core.tasks.studies.advice import FEW_LOTS, FEW_REPEATS, MATTERS, points

STOP, COLLECT, UNKNOWN = "stop", "collect", "unknown"
TITLES = {
    STOP: "You can stop collecting",
    COLLECT: "Go on collecting",
    UNKNOWN: "Cannot be told yet",
}

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Verdict:
    """Whether to go on collecting.

    Attributes:
        key: Of ``TITLES``.
        title: That in words.
        sentence: With the figures that it rests on.
        doubling: What as many originals again would add to the class's F1; ``None``: unknown.
        made: What the most made pictures add with all originals; ``None`` where none could be made.
        enough: The smallest number of originals that does as well as all within ``MATTERS``.
    """

    key: str
    title: str
    sentence: str
    doubling: Difference | None = None
    made: Difference | None = None
    enough: int | None = None


def decide(
    name: str,
    sizes: Sequence[int],
    f1: Floats,
    drawn: Floats,
    made_drawn: Floats | None = None,
    *,
    made: Difference | None = None,
    count: int = 0,
    enough: int | None = None,
    tested: int,
    lots: int,
    repeats: int,
) -> Verdict:
    """Whether to go on collecting.

    Stop if twice as many originals would bring less than ``MATTERS`` even at the upper end of the
    interval; go on if they bring more than nothing even at the lower end, and ``MATTERS`` or more
    by the law itself. Everything else cannot be told.

    Args:
        name: Of the class.
        sizes: A numbers of originals, rising.
        f1: (A,) F1 of the class.
        drawn: (R, A) the same with other lots and repeats.
        made_drawn: (R,) what made pictures add, drawn alike.
        made: The same with its interval.
        count: So many made pictures.
        enough: The smallest number of originals that does as well as all.
        tested: Test pictures of the class.
        lots: That they come from.
        repeats: Of each training.
    """
    full = sizes[-1]
    few = []
    if tested < TOO_FEW:
        few.append(f"only {_counted(tested, 'test wafer')} of it can judge")
    if lots < FEW_LOTS:
        few.append(f"the test wafers come from {_counted(lots, 'lot')}, and a lot is alike")
    if repeats < FEW_REPEATS:
        few.append("everything was done once, so that luck cannot be seen")
    if len(sizes) < 2:
        few.append("there is one number of originals, and a curve needs two")
        told = f"{TITLES[UNKNOWN]}: {', and '.join(few)}. Add wafers of {name}."
        return Verdict(UNKNOWN, TITLES[UNKNOWN], told, None, made, enough)
    law = power_law.fit(sizes, f1)
    value = float(law.doubling(full)[0])
    # The law never falls, so figures that fall are luck: what is drawn varies about the law, not
    # about them. Else the more they fall, the surer it would seem that nothing is to be gained.
    fitted = np.array([law.at(size)[0] for size in sizes])
    about = np.clip(fitted + drawn - drawn.mean(0), 0.0, 1.0)
    spread = power_law.fit(sizes, about).doubling(full)
    low, high = np.percentile(spread, (2.5, 97.5))
    doubling = Difference(value, min(float(low), value), max(float(high), value))
    told = (
        f"Another {full:,} originals of {name} would bring its F1, now {f1[-1]:.3f}, about "
        f"{points(doubling)}."
    )
    if enough is not None:
        told += (
            f" Already {enough:,} do as well as all {full:,}, within {100 * MATTERS:.0f} points."
        )
    if made is not None and made_drawn is not None:
        told += f" {count:,} made wafers beside all originals bring {points(made)}: "
        gap = np.percentile(made_drawn - spread, (2.5, 97.5))
        if gap[0] > 0:
            told += "more than collecting as many originals again."
        elif gap[1] < 0:
            told += "less than collecting as many originals again."
        else:
            told += "whether that is more than as many originals again cannot be told apart."
    if few:
        key = UNKNOWN
    elif doubling.high < MATTERS:
        key = STOP
    else:
        key = COLLECT if doubling.low > 0 and doubling.value >= MATTERS else UNKNOWN
    why = ""
    if few:
        why = f": {', and '.join(few)}"
    elif key == UNKNOWN:
        why = (
            f": {_counted(tested, 'test wafer')} of it and {_counted(repeats, 'repeat')} are too "
            "few for so small a difference"
        )
    sentence = f"{TITLES[key]}{why}. {told}"
    return Verdict(key, TITLES[key], sentence, doubling, made, enough)


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' * (count != 1)}"
