"""The settings of a search, and what it reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wafer_core.messages import N_, Message
from wafer_core.parameters import SEED, Parameter, Settings, declare

# kinds of trials
DEFAULT, AUGMENTATION, SETTINGS, CHECK = "default", "augmentation", "settings", "check"
# how a trial ended
DONE, PRUNED, OUT_OF_TIME, FAILED = "done", "given up", "out of time", "failed"
STATUSES = {
    DONE: N_("done"),
    PRUNED: N_("stopped early"),
    OUT_OF_TIME: N_("out of time"),
    FAILED: N_("failed"),
}

BETTER, NO_BETTER, UNCONFIRMED = "better", "no better", "unconfirmed"
VERDICTS = {
    BETTER: N_("better than the default"),
    NO_BETTER: N_("no better than the default"),
    UNCONFIRMED: N_("not confirmed by a second training"),
}


@dataclass(frozen=True)
class SearchConfig(Settings):
    """What to search, and for how long."""

    what: str = declare(
        Parameter(
            N_("What to search"),
            N_(
                "Augmentation: how wafers are varied during training. Compares no augmentation, "
                "the default, TrivialAugment, RandAugment and a policy searched for your wafers. "
                "Settings: network, learning rate, epochs, batch size, class balancing, label "
                "smoothing and weight decay. Both: half of the time each."
            ),
            "both",
            choices=("both", AUGMENTATION, SETTINGS),
            titles=(N_("Both"), N_("Augmentation"), N_("Settings")),
            main=True,
        )
    )
    minutes: float = declare(
        Parameter(
            N_("Time budget in minutes"),
            N_(
                "The search ends within this time. Each trial is one training (three where classes "
                "are small), so allow at least ten times as long as one takes."
            ),
            10.0, 0.1, 1440.0, 1.0, main=True,
        )
    )  # fmt: skip
    trials: int = declare(
        Parameter(
            N_("Maximum number of trials"),
            N_(
                "Ends the search after this many trials besides the default. 0: as many as fit in "
                "the time."
            ),
            0, 0, 10_000, 1,
        )
    )  # fmt: skip
    seed: int = declare(SEED)


@dataclass(frozen=True)
class Trial:
    """One way of training that was tried.

    Attributes:
        number: From 0, the default.
        kind: ``default``, ``augmentation``, ``settings``, or ``check`` for a repeated one.
        title: For people.
        settings: Those that differ from the default.
        status: A key of ``STATUSES``.
        score: Macro-F1 in [0, 1]; ``None`` if the trial did not finish.
        best: The highest score so far, checks excluded.
        seconds: How long it took.
    """

    number: int
    kind: str
    title: Message
    settings: Mapping[str, Any]
    status: str
    score: float | None
    best: float | None
    seconds: float


@dataclass(frozen=True)
class Outcome:
    """The result of a search.

    Attributes:
        title: Of the best trial that is not the default.
        settings: Its settings that differ from the default; empty if nothing else was tried.
        score: Its macro-F1; from the second training unless ``verdict`` is ``unconfirmed``.
        interval: 95% interval of the score.
        default_score: Macro-F1 of the default, evaluated on the same wafers.
        gain: ``score`` minus ``default_score``.
        gain_interval: 95% interval of the gain.
        verdict: A key of ``VERDICTS``.
        evaluated: Number of wafers that the scores were computed on.
        trials: All trials, checks included.
        candidates: Number of policies evaluated by density matching.
        protocol: How trials were evaluated.
        notes: Remarks for the user.
    """

    title: Message
    settings: Mapping[str, Any]
    score: float
    interval: tuple[float, float] | None
    default_score: float
    gain: float
    gain_interval: tuple[float, float]
    verdict: str
    evaluated: int
    trials: tuple[Trial, ...]
    candidates: int
    protocol: Message
    notes: tuple[Message, ...]
