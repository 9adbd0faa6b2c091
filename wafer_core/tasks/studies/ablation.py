"""Does it help? An ablation: the same classifier without synthetic wafers, and with them.

    for event in compare(data, AblationConfig(seeds=3), device):
        if isinstance(event, AblationResult):
            print(event.advice.sentence)

Whether synthetic wafers are worth keeping only shows on real ones: every condition is tested on
test originals alone, several times with different seeds, and each difference has an interval.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from wafer_core.messages import N_, message
from wafer_core.metrics.paired import Predictions, differences
from wafer_core.networks.registry import NETWORKS, TITLES
from wafer_core.parameters import SEED, Parameter, Settings, declare
from wafer_core.progress import SILENT, Progress
from wafer_core.tasks.classification.config import TrainConfig
from wafer_core.tasks.studies.ablation_result import AblationResult, Comparison, ConditionResult
from wafer_core.tasks.studies.advice import advise
from wafer_core.tasks.studies.conditions import CONDITIONS, StudyData, Training, train_condition

SYNTHETIC_PER_CLASS = 100  # that are made where none are stored
# Measured on two busy cores: benchmarks.quality.wafernet and .generation.
_SECONDS_PER_SAMPLE = {"wafernet": 0.002, "wafer_cnn": 0.003}
_SECONDS_PER_SYNTHETIC = 0.1
# A fitted last layer costs about ten epochs: eight rotations and reflections of each picture, and
# the folds.
_EPOCHS_OF_FIT = 10


@dataclass(frozen=True)
class AblationConfig(Settings):
    """The settings of an ablation."""

    network: str = declare(
        Parameter(
            N_("Network"),
            N_(
                "Which classifier is trained with and without synthetic wafers. WaferNet is "
                "pretrained on wafer maps and gains little from more; wafer_cnn starts from "
                "scratch."
            ),
            "wafernet", choices=tuple(NETWORKS), titles=TITLES, main=True,
        )
    )  # fmt: skip
    seeds: int = declare(
        Parameter(
            N_("Repeats"),
            N_(
                "How often each condition is trained, each time with another seed. More repeats "
                "take longer and detect smaller differences; with one, the seed variance is "
                "unknown."
            ),
            # the fewest that show the seed variance
            3, 1, 20, 1, main=True,
        )
    )  # fmt: skip
    made: int | None = declare(
        Parameter(
            N_("Synthetic wafers per class"),
            N_(
                "How many synthetic wafers of each class are added. Leave empty to use all that "
                "are stored; where none are stored, as many as of the other kind, or 100, are made "
                "for the study."
            ),
            None, 1, 5000, 10, main=True, kind=int,
        )
    )  # fmt: skip
    turns: bool = declare(
        Parameter(
            N_("Augment during training"),
            N_(
                "On: wafers are rotated and mirrored during training, as in a normal training. "
                "Off: no augmentation, to see the effect of the synthetic wafers alone."
            ),
            True, main=True,
        )
    )  # fmt: skip
    epochs: int | None = declare(
        Parameter(
            N_("Epochs"),
            N_(
                "How many times every picture is used. Leave empty to choose it for each condition "
                "from its number of pictures, as in a normal training."
            ),
            None, 1, 2000, 1, kind=int,
        )
    )  # fmt: skip
    seed: int = declare(SEED)

    def training(self, repeat: int) -> TrainConfig:
        """Settings of one training; ``repeat`` counts from 0."""
        # Without augmentation nothing but the pictures varies, in training and in prediction.
        plain: dict[str, Any] = {
            "turns": False, "joint": False, "rotation_share": 0.0, "average_turns": False,
        }  # fmt: skip
        return TrainConfig(
            network=self.network,
            epochs=self.epochs,
            seed=self.seed + repeat,
            **({} if self.turns else plain),
        )


# -- the study -----------------------------------------------------------------------------------


def compare(
    data: StudyData,
    config: AblationConfig,
    device: torch.device,
    on_progress: Progress = SILENT,
    should_stop: Callable[[], bool] = lambda: False,
) -> Iterator[Training | AblationResult]:
    """Train every condition as often as configured, and compare.

    Args:
        data: Originals, synthetic pictures and test originals.
        config: Of the study.
        device: Where to compute.
        on_progress: Called within trainings too; may raise to cancel.
        should_stop: Checked after each repeat of all conditions; true ends the study with the
            repeats that are done.

    Yields:
        Each training, and at the end one ``AblationResult``.

    Raises:
        InputError: There is nothing to train on, to compare, or to test on.
        ParameterError: The learning rate made the loss infinite.
    """
    data.check()
    weights = [work(data, condition, config) for condition in data.conditions]
    trainings: list[Training] = []
    stopped = False
    for repeat, progress in enumerate(on_progress.each(config.seeds)):
        if repeat and should_stop():
            stopped = True
            break
        for condition, part in zip(data.conditions, progress.each(weights), strict=True):
            text = message(
                "Repeat {number} of {count}: {condition}",
                number=repeat + 1, count=config.seeds, condition=CONDITIONS[condition].message,
            )  # fmt: skip
            part = part.named(text)
            part(0.0)
            training = train_condition(data, condition, config.training(repeat), device, part)
            trainings.append(training)
            yield training
    yield conclude(data, trainings, stopped)


def conclude(
    data: StudyData, trainings: Sequence[Training], stopped: bool = False
) -> AblationResult:
    """The result of some trainings; every condition has the same seeds."""
    runs = {
        name: [t for t in trainings if t.condition == name]
        for name in CONDITIONS
        if any(t.condition == name for t in trainings)
    }
    names = data.originals.class_names
    predictions = Predictions(
        data.test_labels,
        np.stack([np.stack([t.predicted for t in each]) for each in runs.values()]),
        data.test_lots or [str(k) for k in range(len(data.test_labels))],
        len(names),
    )
    pairs = [(name, "none") for name in runs if name != "none"]
    pairs += [(a, b) for a, b in (("generated", "transforms"), ("both", "transforms"),
                                  ("both", "generated")) if {a, b} <= set(runs)]  # fmt: skip
    index = {name: k for k, name in enumerate(runs)}
    measured = differences(predictions, [(index[a], index[b]) for a, b in pairs])
    comparisons = tuple(
        Comparison(first, second, macro_f1, dict(zip(names, per_class, strict=True)))
        for (first, second), (macro_f1, per_class) in zip(pairs, measured, strict=True)
    )
    macro_f1, f1 = predictions.macro_f1(), predictions.f1().mean(1)  # (A, S), (A, C)
    counts = np.bincount(data.test_labels, minlength=len(names))
    conditions = {
        name: ConditionResult(
            CONDITIONS[name].message,
            runs[name][0].pictures,
            float(macro_f1[k].mean()),
            tuple(macro_f1[k].tolist()),
            {n: float(f1[k, c]) if counts[c] else None for c, n in enumerate(names)},
            tuple(t.epochs for t in runs[name]),
            tuple(t.seconds for t in runs[name]),
        )
        for name, k in index.items()
    }
    seeds = tuple(sorted({t.seed for t in trainings}))
    lots = np.array(predictions.lots)
    advice_per_class = {
        names[c]: advise(
            {name: float(f1[k, c]) for name, k in index.items()},
            {(x.condition, x.against): gap for x in comparisons
             if (gap := x.per_class[names[c]]) is not None},
            tested=int(counts[c]), lots=len(set(lots[data.test_labels == c])), seeds=len(seeds),
            class_name=names[c],
        )
        for c in predictions.present
    }  # fmt: skip
    advice = advise(
        {name: found.macro_f1 for name, found in conditions.items()},
        {(x.condition, x.against): x.macro_f1 for x in comparisons},
        tested=len(data.test_labels), lots=predictions.lot_count, seeds=len(seeds),
    )  # fmt: skip
    return AblationResult(
        names, conditions, comparisons, seeds, len(data.test_labels), predictions.lot_count,
        dict(zip(names, counts.tolist(), strict=True)), advice, advice_per_class, stopped,
    )  # fmt: skip


def macro_f1_of(data: StudyData, training: Training) -> float:
    """Macro-F1 of one training on the test pictures."""
    classes = len(data.originals.class_names)
    lots = range(len(data.test_labels))
    predictions = Predictions(data.test_labels, training.predicted[None, None], lots, classes)
    return float(predictions.macro_f1()[0, 0])


# -- how long it takes -----------------------------------------------------------------------------


def work(data: StudyData, condition: str, config: AblationConfig) -> float:
    """How long a training of a condition takes, in samples seen."""
    added = sum(len(data.synthetic[kind][0]) for kind in CONDITIONS[condition].adds)
    return samples_seen(len(data.originals.train_pictures) + added, config)


def samples_seen(pictures: int, config: AblationConfig) -> float:
    """Samples that the network processes in a training of so many pictures."""
    fit = _EPOCHS_OF_FIT if NETWORKS[config.network].weights else 0
    return pictures * float((config.training(0).resolved(pictures).epochs or 1) + fit)


def seconds_ahead(counts: Mapping[str, int], to_make: int, config: AblationConfig) -> float | None:
    """About how long a study takes on two cores; ``None`` for a network that was never timed.

    Args:
        counts: Training pictures of each condition.
        to_make: Pictures that the generator has to make for the study.
        config: Of the study.
    """
    if config.network not in _SECONDS_PER_SAMPLE:
        return None
    samples = config.seeds * sum(samples_seen(count, config) for count in counts.values())
    return samples * _SECONDS_PER_SAMPLE[config.network] + to_make * _SECONDS_PER_SYNTHETIC
