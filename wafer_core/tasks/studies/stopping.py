"""Whether to keep collecting originals, from a learning curve and its intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from wafer_core.json_fields import Fields
from wafer_core.messages import N_, Message, counted, message
from wafer_core.metrics import power_law
from wafer_core.metrics.intervals import TOO_FEW
from wafer_core.metrics.paired import Difference
from wafer_core.tasks.studies.advice import MATTERS, MIN_LOTS, MIN_REPEATS, paragraph, points

STOP, COLLECT, UNKNOWN = "stop", "collect", "unknown"
TITLES = {
    STOP: N_("You can stop collecting"),
    COLLECT: N_("Keep collecting"),
    UNKNOWN: N_("Inconclusive"),
}

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Verdict:
    """Whether to keep collecting.

    Attributes:
        key: Of ``TITLES``.
        title: The same in words.
        sentence: With the scores that it is based on.
        doubling: How much twice as many originals would add to the F1 of the class; ``None``:
            unknown.
        synthetic: How much the most synthetic wafers add to all originals; ``None`` where none
            could be made.
        enough: The smallest number of originals that gives the same F1 as all, within ``MATTERS``.
    """

    key: str
    title: Message
    sentence: Message
    doubling: Difference | None = None
    synthetic: Difference | None = None
    enough: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Values for JSON; the texts stay messages, see ``files.json_value``."""
        return {
            "key": self.key,
            "title": self.title,
            "sentence": self.sentence,
            "doubling": self.doubling and self.doubling.to_json(),
            "made": self.synthetic and self.synthetic.to_json(),
            "enough": self.enough,
        }

    @classmethod
    def from_json(cls, value: object) -> Verdict:
        """Read what ``to_json`` gave; older versions stored plain English texts.

        Raises:
            DataError: A value is missing or of the wrong type.
        """
        fields = Fields(value)
        doubling, synthetic = (
            Difference.from_json(fields.free(key)) if key in fields else None
            for key in ("doubling", "made")
        )
        return cls(
            fields.choice("key", TITLES), fields.as_message("title"), fields.as_message("sentence"),
            doubling, synthetic, fields.whole("enough", low=1) if "enough" in fields else None,
        )  # fmt: skip


@dataclass(frozen=True)
class Evidence:
    """The number of test wafers of the class, of their lots, and of repeats of each training."""

    tested: int
    lots: int
    repeats: int

    def lacks(self) -> list[Message]:
        """What is missing for a verdict, one sentence each."""
        sentences = []
        if self.tested < TOO_FEW:
            sentences.append(
                counted(
                    "Only {count:,} test wafer of this class is available.",
                    "Only {count:,} test wafers of this class are available.",
                    self.tested,
                )
            )
        if self.lots < MIN_LOTS:
            sentences.append(
                counted(
                    "The test wafers come from {count:,} lot, and wafers of one lot are alike.",
                    "The test wafers come from {count:,} lots, and wafers of one lot are alike.",
                    self.lots,
                )
            )
        if self.repeats < MIN_REPEATS:
            sentences.append(
                message("Each training was done only once, so the seed variance is unknown.")
            )
        return sentences


@dataclass(frozen=True, eq=False)
class SyntheticGain:
    """What so many synthetic wafers add to all originals; ``resampled`` is (R,)."""

    count: int
    difference: Difference
    resampled: Floats


def decide(
    name: str,
    sizes: Sequence[int],
    f1: Floats,
    resampled: Floats,
    evidence: Evidence,
    synthetic: SyntheticGain | None = None,
    enough: int | None = None,
) -> Verdict:
    """Whether to keep collecting.

    Stop if twice as many originals would add less than ``MATTERS`` even at the upper end of the
    interval. Keep collecting if they would add something even at the lower end, and ``MATTERS`` or
    more by the fitted law itself. Everything else is inconclusive.

    Args:
        name: Of the class.
        sizes: A numbers of originals in ascending order.
        f1: (A,) F1 of the class.
        resampled: (R, A) the same with other lots and seeds.
        evidence: How many wafers, lots and repeats it is based on.
        synthetic: What the most synthetic wafers add.
        enough: The smallest number of originals that gives the same F1 as all.
    """
    full, lacks = sizes[-1], evidence.lacks()
    gain = synthetic.difference if synthetic else None
    if len(sizes) < 2:
        reasons = [
            *lacks,
            message("There is only one number of originals, and a curve needs two."),
            message("Add wafers of {name}.", name=name),
        ]
        return _verdict(UNKNOWN, reasons, [], None, gain, enough)
    law = power_law.fit(sizes, f1)
    value = float(law.doubling(full)[0])
    # The law never falls, so scores that fall are noise: the resampled ones vary about the law, not
    # about the measured ones. Otherwise, the more they fall, the more certain it would seem that
    # nothing can be gained.
    fitted = np.array([law.at(size)[0] for size in sizes])
    around_law = np.clip(fitted + resampled - resampled.mean(0), 0.0, 1.0)
    spread = power_law.fit(sizes, around_law).doubling(full)
    low, high = np.percentile(spread, (2.5, 97.5))
    doubling = Difference(value, min(float(low), value), max(float(high), value))
    facts = [
        message(
            "Another {count:,} originals of {name} would change its F1, now {f1:.3f}, by about "
            "{gain}.",
            count=full, name=name, f1=float(f1[-1]), gain=points(doubling),
        )
    ]  # fmt: skip
    if enough is not None:
        facts.append(
            message(
                "With {enough:,} originals F1 is the same as with all {count:,}, within "
                "{points:.0f} points.",
                enough=enough, count=full, points=100 * MATTERS,
            )
        )  # fmt: skip
    if synthetic is not None:
        facts += _synthetic_facts(synthetic, spread)
    if lacks:
        return _verdict(UNKNOWN, lacks, facts, doubling, gain, enough)
    if doubling.high < MATTERS:
        return _verdict(STOP, [], facts, doubling, gain, enough)
    if doubling.low > 0 and doubling.value >= MATTERS:
        return _verdict(COLLECT, [], facts, doubling, gain, enough)
    reason = message(
        "{wafers} of this class and {repeats} are too few to detect so small a difference.",
        wafers=counted("{count:,} test wafer", "{count:,} test wafers", evidence.tested),
        repeats=counted("{count:,} repeat", "{count:,} repeats", evidence.repeats),
    )
    return _verdict(UNKNOWN, [reason], facts, doubling, gain, enough)


def _synthetic_facts(synthetic: SyntheticGain, doubling: Floats) -> list[Message]:
    """How synthetic wafers compare with as many originals again."""
    low, high = np.percentile(synthetic.resampled - doubling, (2.5, 97.5))
    if low > 0:
        compared = message("That is more than collecting as many originals again.")
    elif high < 0:
        compared = message("That is less than collecting as many originals again.")
    else:
        compared = message("Whether collecting as many originals again adds more is unclear.")
    return [
        message(
            "{count:,} synthetic wafers added to all originals change it by {gain}.",
            count=synthetic.count, gain=points(synthetic.difference),
        ),
        compared,
    ]  # fmt: skip


def _verdict(
    key: str,
    reasons: Sequence[Message],
    facts: Sequence[Message],
    doubling: Difference | None,
    synthetic: Difference | None,
    enough: int | None,
) -> Verdict:
    title = Message(TITLES[key])
    sentence = paragraph([message("{title}.", title=title), *reasons, *facts])
    return Verdict(key, title, sentence, doubling, synthetic, enough)
