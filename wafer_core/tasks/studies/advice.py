"""Which synthetic wafers to keep, from differences and their intervals, in plain sentences."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wafer_core.json_fields import Fields
from wafer_core.messages import N_, Message, counted, joined, message
from wafer_core.metrics.paired import Difference

MATTERS = 0.02  # of F1: two points; synthetic wafers that add less are not worth keeping
MIN_LOTS = 5  # of test wafers; with fewer, a difference may be peculiar to one lot
MIN_REPEATS = 2  # with one, the seed variance is unknown
_MAX_SEED_SHARE = 0.7  # of the interval that may be due to seeds before more repeats are advised
_MAX_REPEATS = 20  # of a study
_FIRST_REPEATS = 3  # advised where only one was done

UNKNOWN = "unknown"
# The keys of the conditions, and one for an unclear result.
KEEPS = {
    "none": N_("Keep no synthetic wafers"),
    "transforms": N_("Keep the transforms"),
    "generated": N_("Keep the generated wafers"),
    "both": N_("Keep both"),
    UNKNOWN: N_("Inconclusive"),
}
CEILING = N_("Nothing left to gain")
_NAMES = {
    "transforms": N_("transforms"),
    "generated": N_("generated wafers"),
    "both": N_("transforms and generated wafers together"),
}


@dataclass(frozen=True)
class Advice:
    """What to keep, and why.

    Attributes:
        keep: A key of ``KEEPS``.
        title: The same in words.
        sentence: With the scores that it is based on.
        more_test: About how many more test wafers would decide; ``None`` where more would not help.
        more_repeats: Recommended number of repeats; ``None`` where there are enough.
    """

    keep: str
    title: Message
    sentence: Message
    more_test: int | None = None
    more_repeats: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Values for JSON; the texts stay messages, see ``files.json_value``."""
        return vars(self).copy()

    @classmethod
    def from_json(cls, value: object) -> Advice:
        """Read what ``to_json`` gave; older versions stored plain English texts.

        Raises:
            DataError: A value is missing or of the wrong type.
        """
        fields = Fields(value)
        more = (
            fields.whole(key, low=1) if key in fields else None
            for key in ("more_test", "more_repeats")
        )
        return cls(
            fields.choice("keep", KEEPS), fields.as_message("title"),
            fields.as_message("sentence"), *more,
        )  # fmt: skip


def paragraph(sentences: Sequence[Message]) -> Message:
    """Sentences one after another, without a template to translate."""
    return joined(sentences, " ")


def advise(
    scores: Mapping[str, float],
    found: Mapping[tuple[str, str], Difference],
    *,
    tested: int,
    lots: int,
    seeds: int,
    class_name: str | None = None,
) -> Advice:
    """What to keep.

    A condition is kept if it helps significantly: the interval of its difference to the originals
    only is above 0. Both are kept only if that is significantly better than the better one alone.
    None is kept where the originals alone leave less than ``MATTERS`` to gain, or where no interval
    reaches ``MATTERS``. Otherwise the result is inconclusive.

    Args:
        scores: Mean F1 (macro, or of one class) of each condition, ``none`` among them.
        found: Differences, by (condition, the condition it is compared with).
        tested: Number of test wafers (of that class).
        lots: Number of lots that they come from.
        seeds: Number of trainings of each condition.
        class_name: The class; ``None``: the scores are macro-F1.
    """
    gains = {condition: found[condition, "none"] for condition in scores if condition != "none"}
    is_enough = lots >= MIN_LOTS and seeds >= MIN_REPEATS
    helpful = [condition for condition, gain in gains.items() if gain.low > 0]
    if is_enough and helpful:
        kept = _best(helpful, scores, found)
        return _advice(kept, _kept(kept, scores, found, gains, class_name))
    if scores["none"] > 1 - MATTERS:
        return Advice("none", Message(CEILING), _ceiling(scores["none"], gains, tested, class_name))
    if is_enough and all(gain.high < MATTERS for gain in gains.values()):
        return _advice("none", _none(gains, class_name))
    return _unknown(gains, tested, lots, seeds, class_name)


def _advice(keep: str, sentence: Message) -> Advice:
    return Advice(keep, Message(KEEPS[keep]), sentence)


def _best(
    helpful: Sequence[str],
    scores: Mapping[str, float],
    found: Mapping[tuple[str, str], Difference],
) -> str:
    """The one to keep: both only where that is significantly better than one alone."""
    single = [condition for condition in helpful if condition != "both"]
    if not single:
        return "both"
    best = max(single, key=lambda condition: scores[condition])
    beyond = found.get(("both", best))
    return "both" if "both" in helpful and beyond and beyond.low > 0 else best


def _score(class_name: str | None) -> Message:
    return message("macro-F1") if class_name is None else message("F1 of {name}", name=class_name)


def _name(condition: str) -> Message:
    return Message(_NAMES[condition])


def _kept(
    kept: str,
    scores: Mapping[str, float],
    found: Mapping[tuple[str, str], Difference],
    gains: Mapping[str, Difference],
    class_name: str | None,
) -> Message:
    sentences = [
        message(
            "{title}. On real test wafers, {score} rises from {before:.3f} to {after:.3f}: {gain}.",
            title=Message(KEEPS[kept]), score=_score(class_name), before=scores["none"],
            after=scores[kept], gain=points(gains[kept]),
        )
    ]  # fmt: skip
    beyond = found.get(("both", kept))
    if beyond is not None and beyond.low <= 0:
        other = _name("transforms" if kept == "generated" else "generated")
        sentences.append(
            message("Adding {others} as well brings no measurable improvement.", others=other)
        )
    gap = found.get(("generated", "transforms"))
    if gap is not None and kept in ("generated", "transforms"):
        if gap.low <= 0 <= gap.high:
            sentences.append(
                message("It is unclear whether transforms or generated wafers are better.")
            )
        elif kept == "generated":
            sentences.append(
                message("Generated wafers are better than transforms: {gap}.", gap=points(gap))
            )
    return paragraph([*sentences, *_harmful(gains)])


def _harmful(gains: Mapping[str, Difference]) -> list[Message]:
    """A sentence for each condition that makes the score worse."""
    return [
        message("The score falls with {name}; leave these out.", name=_name(condition))
        for condition, gain in gains.items()
        if gain.high < 0
    ]


def _best_result(gains: Mapping[str, Difference]) -> Message:
    best = max(gains, key=lambda condition: gains[condition].value)
    return message("Best result: {name}, {gain}.", name=_name(best), gain=points(gains[best]))


def _ceiling(
    score: float, gains: Mapping[str, Difference], tested: int, class_name: str | None
) -> Message:
    sentences = [
        message(
            "{title}: with originals only, {score} is already {value:.3f} on {wafers}.",
            title=Message(CEILING), score=_score(class_name), value=score,
            wafers=_test_wafers(tested, None),
        ),
        message("More difficult test wafers could still show a difference."),
    ]  # fmt: skip
    return paragraph([*sentences, *_harmful(gains)])


def _none(gains: Mapping[str, Difference], class_name: str | None) -> Message:
    sentences = [
        message(
            "{title}. None of them raises {score} by {points:.0f} points or more.",
            title=Message(KEEPS["none"]), score=_score(class_name), points=100 * MATTERS,
        ),
        _best_result(gains),
    ]  # fmt: skip
    return paragraph([*sentences, *_harmful(gains)])


def _test_wafers(tested: int, class_name: str | None) -> Message:
    if class_name is None:
        return counted("{count:,} test wafer", "{count:,} test wafers", tested)
    return counted(
        "{count:,} test wafer of {name}", "{count:,} test wafers of {name}", tested, name=class_name
    )


def _unknown(
    gains: Mapping[str, Difference], tested: int, lots: int, seeds: int, class_name: str | None
) -> Advice:
    wafers = _test_wafers(tested, class_name)
    has_lots = lots != tested  # else each wafer is a lot of its own
    if has_lots:
        from_lots = counted("{count:,} lot", "{count:,} lots", lots)
        wafers = message("{wafers} from {lots}", wafers=wafers, lots=from_lots)
    gain = max(gains.values(), key=lambda each: each.value)
    sentences = [
        message("{title}.", title=Message(KEEPS[UNKNOWN])),
        _best_result(gains),
        message("Tested on {wafers}.", wafers=wafers),
    ]
    more, repeats = needed(gain, tested, seeds)
    if seeds < MIN_REPEATS:
        repeats = _FIRST_REPEATS
    if lots < MIN_LOTS:
        more = max(more or 0, _rounded_up((MIN_LOTS - lots) * max(1.0, tested / max(1, lots))))
        if has_lots:
            sentences.append(message("Wafers of one lot are alike; add wafers from other lots."))
    if more:
        sentences.append(
            counted(
                "About {count:,} more test wafer would show a difference of {points:.0f} points.",
                "About {count:,} more test wafers would show a difference of {points:.0f} points.",
                more, points=100 * max(abs(gain.value), MATTERS),
            )
        )  # fmt: skip
    if seeds < MIN_REPEATS:
        sentences.append(
            message(
                "Set Repeats to {count}: with one, the seed variance is unknown.", count=repeats
            )
        )
    elif repeats:
        sentences.append(
            message(
                "Set Repeats to {count}: too much of the variation comes from the training seed.",
                count=repeats,
            )
        )
    return Advice(UNKNOWN, Message(KEEPS[UNKNOWN]), paragraph(sentences), more, repeats)


def needed(gain: Difference, tested: int, seeds: int) -> tuple[int | None, int | None]:
    """How many more test wafers, and how many repeats, it takes to detect a difference.

    The squares of the two half widths add up; that of lots shrinks with the number of wafers, that
    of seeds with the number of repeats. The difference to detect is the measured one, at least
    ``MATTERS``.

    Returns:
        About how many more wafers, and the total number of repeats; ``None`` where there are
        enough.
    """
    aim = max(abs(gain.value), MATTERS)
    by_lots, by_seeds = gain.lots or 0.0, gain.repeats or 0.0
    repeats = None
    if by_seeds > _MAX_SEED_SHARE * aim:
        wanted = seeds * (by_seeds / (_MAX_SEED_SHARE * aim)) ** 2
        repeats = min(_MAX_REPEATS, math.ceil(round(wanted, 6)))
        by_seeds = _MAX_SEED_SHARE * aim
        repeats = repeats if repeats > seeds else None
    more = tested * (by_lots**2 / (aim**2 - by_seeds**2) - 1)
    return (_rounded_up(more) if more > 0 else None), repeats


def _rounded_up(count: float) -> int:
    """A count rounded up to two digits; the estimate is no more precise."""
    step: int = 10 ** max(0, math.floor(math.log10(max(count, 1))) - 1)
    return math.ceil(round(count / step, 6)) * step


def points(difference: Difference) -> Message:
    """A difference in points with its interval: “+4.8 points (95% interval +2.1 to +7.6)”."""
    value, low, high = (
        f"{100 * x:+.1f}".replace("-", "−")
        for x in (difference.value, difference.low, difference.high)
    )
    return message("{value} points (95% interval {low} to {high})", value=value, low=low, high=high)
