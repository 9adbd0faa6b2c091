"""What a score of made pictures means, in one sentence each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from wafer_core.metrics.shares import difference

# Shares of the way from real to the nearest other class, and what to call what lies below each.
_WORDS = (
    (0.05, "as real pictures differ among themselves"),
    (0.15, "close to real"),
    (1.00, "not like real yet"),
)
_BEYOND = "no nearer to real than another class is"
_HARDLY_KNOWN = 0.5  # share of held-out originals that a classifier must know to judge by it
_MANY_COPIES = 0.02  # share of near copies above which a generator repeats what it was shown


@dataclass(frozen=True)
class ScoreInfo:
    """One score of the list.

    Attributes:
        title: Its name.
        better: ``lower`` or ``higher``.
        help: What it measures, in words for an engineer.
    """

    title: str
    better: str
    help: str


SCORES: dict[str, ScoreInfo] = {
    "kid": ScoreInfo(
        "KID",
        "lower",
        "Kernel distance between made and real pictures, around 0 for two sets of real ones; does "
        "not depend on how many there are.",
    ),
    "fid": ScoreInfo(
        "FID",
        "lower",
        "Fréchet distance between made and real pictures; too high where there are few pictures, "
        "so compare it with its floor only.",
    ),
    "precision": ScoreInfo(
        "Precision",
        "higher",
        "Share of the made pictures that lie among the real ones: low where they look like no "
        "wafer.",
    ),
    "recall": ScoreInfo(
        "Recall",
        "higher",
        "Share of the real pictures that lie among the made ones: low where the generator makes "
        "the same few again and again.",
    ),
    "agreement": ScoreInfo(
        "Class agreement",
        "higher",
        "Share of the made pictures that a classifier, trained on the training originals of all "
        "classes and on nothing that was made, puts in their class. It knows the originals that "
        "they were made from, so copies score high: read it beside near copies. The preset Default "
        "redraws what such a classifier puts elsewhere, which lifts the figure by a few points.",
    ),
    "copies": ScoreInfo(
        "Near copies",
        "lower",
        "Share of the made pictures that repeat an original they were made from, turned or "
        "mirrored or as it was.",
    ),
    "is": ScoreInfo(
        "Inception Score",
        "higher",
        "How sure the network is of each picture, and of how many classes; pictures of one class "
        "cannot score high.",
    ),
}


@dataclass(frozen=True)
class Score:
    """One figure and what to hold it against.

    Attributes:
        name: A key of ``SCORES``.
        value: Of all pictures; ``None`` where it cannot be computed, and ``note`` says why.
        spread: Standard deviation over KID's draws, or over the splits of the Inception Score.
        same_counts: The value at the counts of the floor and the ceiling.
        floor: Real against real.
        ceiling: Another class against real.
        ceiling_class: Which.
        counts: ``made`` and ``real`` of the value, ``each`` of the three that are compared, and the
            size of a draw or of a split.
        details: Further figures.
        sentence: What it means.
        note: Why it cannot be computed, or what to mind.
        instead: Class that made pictures of this one are taken for most, if any are.
    """

    name: str
    value: float | None = None
    spread: float | None = None
    same_counts: float | None = None
    floor: float | None = None
    ceiling: float | None = None
    ceiling_class: str | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    details: Mapping[str, float | None] = field(default_factory=dict)
    sentence: str = ""
    note: str | None = None
    instead: str | None = None

    @property
    def place(self) -> float | None:
        """Where it lies from the floor, 0, to the ceiling, 1; beyond either it is clipped."""
        if self.same_counts is None or self.floor is None or self.ceiling is None:
            return None
        way = self.ceiling - self.floor
        # another class that is as near as real pictures are leaves nothing to measure by
        if way == 0 or (way > 0) != (SCORES[self.name].better == "lower"):
            return None
        return min(1.0, max(0.0, (self.same_counts - self.floor) / way))


def reference(training: int, held_out: int, enough: bool) -> str:
    """What made pictures are compared with."""
    if enough:
        learned = "that were not learned from" if training else "given as real"
        return f"{held_out} originals {learned}"
    return (
        f"all {training + held_out} originals, also those it learned from, because only {held_out} "
        "were held out: that flatters"
    )


def too_few(title: str, fewest: int, counts: Mapping[str, int]) -> str:
    """Why a score cannot be computed."""
    return (
        f"{title} needs {fewest} or more made and real pictures, and there are {counts['made']} "
        f"and {counts['real']}; add pictures."
    )


def rank_deficient(counts: Mapping[str, int], width: int) -> str:
    """What to mind where there are fewer pictures than features."""
    fewest = min(counts["made"], counts["real"])
    return (
        f"{fewest} pictures do not fill {width} features (rank-deficient): FID is too high by an "
        "amount that depends on the counts; take KID, or compare it with its floor."
    )


def worded(score: Score, network: str) -> Score:
    """The score with its sentence."""
    if score.value is None:
        return replace(score, sentence=score.note or "")
    title = SCORES[score.name].title
    write = {"copies": _copies, "is": _inception, "agreement": _agreement}.get(score.name)
    if write is not None:
        return replace(score, sentence=write(score))
    shown = f"{title} ({network}) is {number(score, score.same_counts)}"
    if score.same_counts is None:
        return replace(score, sentence=f"{title} ({network}) is {number(score, score.value)}.")
    if score.name != "kid":
        shown += f" with {score.counts['each']} pictures on each side"
    if score.floor is None:
        told = "there are too few real pictures to say what real ones would reach"
        return replace(score, sentence=f"{shown}; {told}.")
    shown += f"; real pictures reach {number(score, score.floor)}"
    if score.ceiling is not None:
        shown += f", the nearest other class ({score.ceiling_class}) {number(score, score.ceiling)}"
    if score.place is None:
        return replace(score, sentence=f"{shown}.")
    return replace(score, sentence=f"{shown}: {_phrase(score.place)}.")


def number(score: Score, value: float | None) -> str:
    """A figure as people read it."""
    if value is None:
        return "unknown"
    if score.name in ("precision", "recall", "copies", "agreement"):
        return f"{value:.0%}" if value == 0 or value >= 0.1 else f"{value:.1%}"
    return f"{value:.3g}"


def _phrase(place: float) -> str:
    words = next((words for end, words in _WORDS if place < end), _BEYOND)
    return f"{place:.0%} of the way, {words}"


def _inception(score: Score) -> str:
    told = f"Inception Score is {number(score, score.value)}"
    if score.floor is not None and score.same_counts is not None:
        told += (
            f" ({score.same_counts:.3g} of {score.counts['each']} pictures, as many real ones "
            f"{score.floor:.3g})"
        )
    return f"{told}; of one class alone it cannot be high, so take KID."


def _copies(score: Score) -> str:
    details = score.details
    told = (
        f"{details['copies']:.0f} of {score.counts['made']} made pictures "
        f"({number(score, score.value)}) repeat an original"
    )
    if score.floor is not None:
        told += f", where {number(score, score.floor)} of the real ones do"
    among = details["distance_among_originals"]
    if among is not None:
        told += (
            f"; the nearest original is typically {details['distance']:.2f} away, and {among:.2f} "
            "among originals"
        )
    many = score.value is not None and score.value > max(_MANY_COPIES, 2 * (score.floor or 0.0))
    return told + (": it repeats what it was shown." if many else ".")


def _agreement(score: Score) -> str:
    """Beside what originals reach that the classifier did not see either."""
    counts, details = score.counts, score.details
    made, real = int(details["made"] or 0), int(details["real"] or 0)
    told = (
        f"A classifier trained on {counts['training']} originals of {counts['classes']} classes "
        f"puts {made} of {counts['made']} made pictures in their class: "
        f"{number(score, score.value)} (95 % interval {_ends(score, 'made')})"
    )
    if counts["real"]:
        told += (
            f"; of {counts['real']} held-out originals of it {number(score, score.floor)} "
            f"({_ends(score, 'real')})"
        )
    if counts["others"]:
        told += (
            f"; of {counts['others']} originals of other classes {number(score, score.ceiling)} "
            f"({_ends(score, 'others')})"
        )
    if score.instead is not None:
        told += f"; {details['instead']:.0f} made ones are taken for {score.instead}"
    gap = difference((made, counts["made"]), (real, counts["real"]))
    if gap is None:
        return f"{told}. No original of the class was held out to say what real ones reach."
    if (score.floor or 0.0) < _HARDLY_KNOWN:
        meaning = "it hardly knows the class itself, so this says little: add originals"
    elif gap[1] < 0:
        meaning = "made pictures are recognised less often than real ones"
    elif gap[0] > 0:
        meaning = "made pictures are more typical of the class than real ones; look at recall too"
    else:
        meaning = "as often as real ones, as far as so many can tell"
    return f"{told}: {meaning}."


def _ends(score: Score, which: str) -> str:
    """An interval as people read it."""
    low, high = (100 * (score.details[f"{which}_{end}"] or 0.0) for end in ("low", "high"))
    return f"{low:.0f} to {high:.0f} %"


def summary(scores: Mapping[str, Score], against: str) -> str:
    """All scores in one sentence."""
    kid, recall, copies = scores["kid"], scores["recall"], scores["copies"]
    if kid.value is None:
        return f"{kid.note} Compared with {against}."
    parts = []
    if kid.place is not None:
        parts.append(f"{_phrase(kid.place)}, from real to {kid.ceiling_class} (KID)")
    else:
        parts.append(f"KID {number(kid, kid.value)}")
    covered = recall.value if recall.same_counts is None else recall.same_counts
    if covered is not None:
        parts.append(f"{covered:.0%} of the real kinds are made")
    agreement = scores.get("agreement")
    if agreement is not None and agreement.value is not None:
        parts.append(f"{number(agreement, agreement.value)} are put in their class")
    if copies.value is not None:
        parts.append(f"{number(copies, copies.value)} are near copies")
    told = "; ".join(parts)
    return f"{told[:1].upper()}{told[1:]}. Compared with {against}."
