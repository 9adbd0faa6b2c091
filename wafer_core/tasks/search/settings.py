"""What can be set for a search, in words and numbers, and what comes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wafer_core.parameters import Parameter, check_all, check_seed

WHAT = {
    "both": "Augmentation in the first half of the time, then the settings.",
    "augmentation": "How wafers are varied while the network learns.",
    "settings": "Network, learning rate, epochs, batch size, balancing, smoothing, decay.",
}

PARAMETERS: dict[str, Parameter] = {
    "what": Parameter(
        "What to search",
        "Augmentation: how wafers are varied while the network learns; it compares none, the "
        "default, TrivialAugment, RandAugment and a policy searched for your wafers. Settings: "
        "network, learning rate, epochs, batch size, balancing, label smoothing, weight decay. "
        "Both: half of the time each.",
        "both", choices=tuple(WHAT), main=True,
    ),
    "minutes": Parameter(
        "Budget in minutes",
        "The search ends by then. Each trial is one training (three where classes are small), so "
        "allow at least ten times what one takes.",
        10.0, 0.1, 1440.0, 1.0, main=True,
    ),
    "trials": Parameter(
        "Trials at most",
        "Ends earlier, after so many trials beside the default; 0: as many as there is time for.",
        0, 0, 10_000, 1,
    ),
}  # fmt: skip

BETTER, NO_BETTER, UNCONFIRMED = "better", "no better", "unconfirmed"
VERDICTS = {
    BETTER: "better than the default",
    NO_BETTER: "no better than the default",
    UNCONFIRMED: "not confirmed by a second training",
}


@dataclass(frozen=True)
class SearchConfig:
    """What to search and for how long; ``PARAMETERS`` says what each means and may be."""

    what: str = "both"
    minutes: float = 10.0
    trials: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        check_all(self, PARAMETERS)
        object.__setattr__(self, "seed", check_seed(self.seed))


@dataclass(frozen=True)
class Trial:
    """One way of training that was tried.

    Attributes:
        number: From 0, the default.
        kind: ``default``, ``augmentation``, ``settings``, or ``check`` for one done again.
        title: For people.
        settings: Those that differ from the default.
        status: ``done``, ``given up`` (below the median), ``out of time`` or ``failed``.
        score: Macro-F1; ``None`` if it did not come to its end.
        best: The highest by then, the checks not counted.
        seconds: It took.
    """

    number: int
    kind: str
    title: str
    settings: Mapping[str, Any]
    status: str
    score: float | None
    best: float | None
    seconds: float


@dataclass(frozen=True)
class Outcome:
    """What a search leaves.

    Attributes:
        title: Of the best trial that is not the default.
        settings: Those of it that differ from the default; empty if nothing else was tried.
        score: Its macro-F1; from the second training unless ``verdict`` is ``unconfirmed``.
        interval: 95 %, of the score.
        default_score: The default's, from the same round.
        gain: Score less default score.
        gain_interval: 95 %.
        verdict: A key of ``VERDICTS``.
        judged: Wafers that judged.
        trials: All of them, the checks too.
        candidates: Policies that were looked at by density matching.
        protocol: How trials were judged.
        notes: Sentences for the user.
    """

    title: str
    settings: Mapping[str, Any]
    score: float
    interval: tuple[float, float] | None
    default_score: float
    gain: float
    gain_interval: tuple[float, float]
    verdict: str
    judged: int
    trials: tuple[Trial, ...]
    candidates: int
    protocol: str
    notes: tuple[str, ...]
