"""What the scores of synthetic pictures mean, in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from wafer_core.messages import N_, Message, counted, joined, message
from wafer_core.metrics.shares import difference
from wafer_core.tasks.evaluation.scores import SCORES, Score

# Positions between the real-real baseline and the nearest other class, and the verdict below each.
_VERDICTS = (
    (
        0.05,
        N_(
            "As realistic as real wafers: {score} is {share:.0%} of the distance from real wafers "
            "to the nearest other class (“{name}”)."
        ),
    ),
    (
        0.15,
        N_(
            "Close to realistic: {score} is {share:.0%} of the distance from real wafers to the "
            "nearest other class (“{name}”)."
        ),
    ),
    (
        1.00,
        N_(
            "Not yet realistic: {score} is {share:.0%} of the distance from real wafers to the "
            "nearest other class (“{name}”)."
        ),
    ),
)
_NOT_REALISTIC = N_(
    "Not realistic: {score} is no better than for the nearest other class (“{name}”)."
)
_UNRELIABLE = 0.5  # share of held-out originals that a classifier must recognise to be relied on
_MANY_COPIES = 0.02  # share of near copies above which a generator repeats its training data


def reference_set(training: int, held_out: int, enough: bool) -> Message:
    """The real pictures that synthetic ones are compared with, as a phrase.

    Args:
        training: Number of training originals.
        held_out: Number of originals that were not trained on.
        enough: Whether the held-out ones are enough; else training originals are used as well.
    """
    if not enough:
        return message(
            "all {total:,} originals including training originals, because only {count:,} were "
            "held out (the scores are too optimistic)",
            total=training + held_out,
            count=held_out,
        )
    if training:
        return counted(
            "{count:,} original that was not used for training",
            "{count:,} originals that were not used for training",
            held_out,
        )
    return counted("{count:,} original", "{count:,} originals", held_out)


def too_few(name: str, fewest: int, counts: Mapping[str, int]) -> Message:
    """Why a score cannot be computed.

    Args:
        name: A key of ``SCORES``.
        fewest: Number of pictures that it needs on each side.
        counts: ``made`` and ``real``.
    """
    return message(
        "{score} needs at least {fewest} synthetic and {fewest} real wafers, and there are "
        "{synthetic:,} and {real:,}. Add wafers.",
        score=message(SCORES[name].title),
        fewest=fewest,
        synthetic=counts["made"],
        real=counts["real"],
    )


def rank_deficient(counts: Mapping[str, int], width: int) -> Message:
    """The caution for a FID of fewer pictures than features."""
    return message(
        "FID is too high: {count:,} wafers are fewer than the {width:,} features "
        "(rank-deficient). Use KID, or compare FID only with its baseline.",
        count=min(counts["made"], counts["real"]),
        width=width,
    )


def with_sentence(score: Score, network: str) -> Score:
    """The score with its sentence.

    Args:
        score: Without a sentence.
        network: Title of the feature network.
    """
    if score.value is None:
        return replace(score, sentence=score.note)
    write = {"copies": _copies, "is": _inception, "agreement": _agreement}.get(score.name)
    return replace(score, sentence=write(score) if write else _general(score, network))


def _general(score: Score, network: str) -> Message:
    title = message(SCORES[score.name].title)
    named = {"score": title, "network": network, "value": number(score, score.comparable)}
    if score.same_counts is None:
        return message("{score} ({network}) is {value}.", **named)
    if score.name == "kid":
        parts = [message("{score} ({network}) is {value}.", **named)]
    else:
        parts = [
            message(
                "{score} ({network}) is {value} with {count:,} wafers per side.",
                **named,
                count=score.counts["each"],
            )
        ]
    if score.baseline is None:
        parts.append(message("There are too few real wafers for a real-real baseline."))
        return joined(parts, " ")
    parts.append(message("The real-real baseline is {value}.", value=number(score, score.baseline)))
    if score.reference is not None:
        parts.append(
            message(
                "The nearest other class (“{name}”) has {value}.",
                name=str(score.reference_class),
                value=number(score, score.reference),
            )
        )
    if score.place is not None:
        parts.append(_verdict(score, score.place))
    return joined(parts, " ")


def _verdict(score: Score, place: float) -> Message:
    template = next((words for end, words in _VERDICTS if place < end), _NOT_REALISTIC)
    return message(
        template,
        score=message(SCORES[score.name].title),
        share=place,
        name=str(score.reference_class),
    )


def number(score: Score, value: float | None) -> str:
    """A value of a score as people read it: a percentage or three significant digits."""
    if value is None:
        return "–"
    if score.name in ("precision", "recall", "copies", "agreement"):
        return f"{value:.0%}" if value == 0 or value >= 0.1 else f"{value:.1%}"
    return f"{value:.3g}"


def _inception(score: Score) -> Message:
    value = number(score, score.comparable)
    caution = message("It cannot be high for a single class; use KID instead.")
    if score.baseline is None or score.same_counts is None:
        return joined([message("Inception Score is {value}.", value=value), caution], " ")
    measured = message(
        "Inception Score is {value} with {count:,} wafers; as many real wafers have {real}.",
        value=value,
        count=score.counts["each"],
        real=number(score, score.baseline),
    )
    return joined([measured, caution], " ")


def _copies(score: Score) -> Message:
    details, copies = score.details, int(score.details["copies"] or 0)
    parts = [
        counted(
            "{copies:,} of {count:,} synthetic wafer ({share}) repeats a training original.",
            "{copies:,} of {count:,} synthetic wafers ({share}) repeat a training original.",
            score.counts["made"],
            copies=copies,
            share=number(score, score.value),
        )
    ]
    if score.baseline is not None:
        parts.append(
            message("Among real wafers it is {share}.", share=number(score, score.baseline))
        )
    among, distance = details["distance_among_originals"], details["distance"]
    if among is not None and distance is not None:
        parts.append(
            message(
                "The median distance to the nearest original is {distance:.2f}; between originals "
                "it is {among:.2f}.",
                distance=distance,
                among=among,
            )
        )
    if score.value is not None and score.value > max(_MANY_COPIES, 2 * (score.baseline or 0.0)):
        parts.append(message("The generator repeats its training data."))
    return joined(parts, " ")


def _agreement(score: Score) -> Message:
    """Class agreement, compared with held-out originals that the classifier has not seen either."""
    counts, details = score.counts, score.details
    hits, real_hits = int(details["made"] or 0), int(details["real"] or 0)
    parts = [
        message(
            "A classifier trained on {training:,} originals of {classes:,} classes assigns "
            "{hits:,} of {synthetic:,} synthetic wafers to their class: {share} (95% interval "
            "{low:.0%} to {high:.0%}).",
            training=counts["training"],
            classes=counts["classes"],
            hits=hits,
            synthetic=counts["made"],
            share=number(score, score.value),
            low=details["made_low"] or 0.0,
            high=details["made_high"] or 0.0,
        )
    ]
    for key, value, template in (
        (
            "real",
            score.baseline,
            N_("Held-out originals of the class ({count:,}): {share} ({low:.0%} to {high:.0%})."),
        ),
        (
            "others",
            score.reference,
            N_("Originals of other classes ({count:,}): {share} ({low:.0%} to {high:.0%})."),
        ),
    ):
        if counts[key]:
            parts.append(
                message(
                    template,
                    count=counts[key],
                    share=number(score, value),
                    low=details[f"{key}_low"] or 0.0,
                    high=details[f"{key}_high"] or 0.0,
                )
            )
    if score.instead is not None:
        parts.append(
            counted(
                "{count:,} synthetic wafer is assigned to “{name}”.",
                "{count:,} synthetic wafers are assigned to “{name}”.",
                int(details["instead"] or 0),
                name=score.instead,
            )
        )
    gap = difference((hits, counts["made"]), (real_hits, counts["real"]))
    parts.append(_agreement_verdict(gap, score.baseline or 0.0))
    return joined(parts, " ")


def _agreement_verdict(gap: tuple[float, float] | None, baseline: float) -> Message:
    """What the difference between synthetic and held-out wafers means.

    Args:
        gap: 95% interval of the difference; ``None`` without held-out wafers.
        baseline: Class agreement of the held-out wafers.
    """
    if gap is None:
        return message("No originals of the class were held out to compare with.")
    if baseline < _UNRELIABLE:
        return message(
            "The classifier does not recognise the class reliably, so this score means little; "
            "add originals."
        )
    if gap[1] < 0:
        return message("Synthetic wafers are recognised less often than real ones.")
    if gap[0] > 0:
        return message(
            "Synthetic wafers are recognised more often than real ones, so they may vary too "
            "little; check the recall."
        )
    return message("No significant difference from real wafers.")


def summary(scores: Mapping[str, Score], compared_with: Message) -> Message:
    """All scores in a few sentences.

    Args:
        scores: By name, with their sentences.
        compared_with: From ``reference_set``.
    """
    kid, recall, agreement, copies = (
        scores.get(name) for name in ("kid", "recall", "agreement", "copies")
    )
    parts: list[Message] = []
    if kid is not None and kid.value is None:
        parts = [kid.note] if kid.note else []
    elif kid is not None:
        if kid.place is not None:
            parts.append(_verdict(kid, kid.place))
        else:
            parts.append(message("KID is {value}.", value=number(kid, kid.comparable)))
        if recall is not None and recall.comparable is not None:
            parts.append(
                message(
                    "Covers {share:.0%} of the variety of real wafers.", share=recall.comparable
                )
            )
        if agreement is not None and agreement.value is not None:
            parts.append(
                message("Class agreement: {share}.", share=number(agreement, agreement.comparable))
            )
        if copies is not None and copies.value is not None:
            parts.append(message("Near copies: {share}.", share=number(copies, copies.comparable)))
    parts.append(message("Compared with {reference}.", reference=compared_with))
    return joined(parts, " ")
