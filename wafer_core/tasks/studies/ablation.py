"""Does it help? The same classifier with none, transforms, generated, and both.

    for event in compare(data, BenefitConfig(seeds=3), device):
        if isinstance(event, Benefit):
            print(event.advice.sentence)

Whether made pictures are worth keeping is only known from wafers that nobody made: every arm is
judged on test originals alone, several times over, and a difference is told with its interval.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from wafer_core.metrics.paired import Answers, Difference, differences, lots_of
from wafer_core.tasks.studies.ablation_config import (
    AUTOMATIC,
    MADE,
    PARAMETERS,
    BenefitConfig,
    looks,
    seconds_ahead,
)
from wafer_core.tasks.studies.advice import KEEPS, Advice, advise
from wafer_core.tasks.studies.conditions import ARMS, StudyData, Training, train_arm

__all__ = [
    "AUTOMATIC",
    "MADE",
    "PARAMETERS",
    "Benefit",
    "BenefitConfig",
    "compare",
    "is_result",
    "looks",
    "macro_f1_of",
    "seconds_ahead",
]

BETTER = "higher"  # the direction of every figure


@dataclass(frozen=True, eq=False)
class Benefit:
    """What a study found.

    Attributes:
        arms: Those that were trained, in the order of ``answers``.
        answers: Of all trainings that were finished in all arms.
        trainings: All of these.
        differences: For each pair (arm, the one it is held against), that of macro-F1 and of the
            F1 of each class.
        advice: What to keep.
        advice_per_class: The same for each class by itself; those without test pictures are
            missing.
        class_names: In class order.
        stopped: It was ended before all repeats were done.
    """

    arms: tuple[str, ...]
    answers: Answers
    trainings: tuple[Training, ...]
    differences: Mapping[tuple[str, str], tuple[Difference, list[Difference | None]]]
    advice: Advice
    advice_per_class: Mapping[str, Advice]
    class_names: tuple[str, ...]
    stopped: bool

    def to_json(self) -> dict[str, Any]:
        """Plain values; nothing is rounded."""
        macro, f1 = self.answers.macro_f1(), self.answers.f1()
        counts = np.bincount(self.answers.labels, minlength=len(self.class_names))
        arms = {}
        for a, name in enumerate(self.arms):
            mine = [t for t in self.trainings if t.arm == name]
            arms[name] = {
                "title": ARMS[name].title,
                "pictures": mine[0].pictures,
                "macro_f1": float(macro[a].mean()),
                "macro_f1_by_seed": macro[a].tolist(),
                "per_class": {
                    label: float(f1[a, :, c].mean()) if counts[c] else None
                    for c, label in enumerate(self.class_names)
                },
                "epochs": [t.epochs for t in mine],
                "seconds": [t.seconds for t in mine],
            }
        told = [
            {
                "arm": arm,
                "against": against,
                "macro_f1": macro_f1.to_json(),
                "per_class": {
                    label: found and found.to_json()
                    for label, found in zip(self.class_names, per_class, strict=True)
                },
            }
            for (arm, against), (macro_f1, per_class) in self.differences.items()
        ]
        return {
            "class_names": list(self.class_names),
            "better": BETTER,
            "arms": arms,
            "differences": told,
            "seeds": sorted({t.seed for t in self.trainings}),
            "test": {
                "pictures": int(counts.sum()),
                "lots": lots_of(self.answers),
                "per_class": dict(zip(self.class_names, counts.tolist(), strict=True)),
            },
            "sentence": self.advice.sentence,
            "advice": asdict(self.advice),
            "advice_per_class": {name: asdict(a) for name, a in self.advice_per_class.items()},
            "stopped": self.stopped,
        }


def is_result(value: Mapping[str, Any]) -> bool:
    """Whether this is what ``Benefit.to_json`` told: a stored study may come from anybody."""
    number = int | float

    def has(ends: Any) -> bool:
        return all(isinstance(ends[key], number) for key in ("value", "low", "high"))

    try:
        names, arms = value["class_names"], value["arms"]
        advice = [value["advice"], *value["advice_per_class"].values()]
        return (
            set(arms) <= set(ARMS)
            and "none" in arms
            and set(value["test"]["per_class"]) == set(names)
            and set(value["advice_per_class"]) <= set(names)
            and all(isinstance(a["sentence"], str) and a["keep"] in KEEPS for a in advice)
            and all(isinstance(a["title"], str) for a in advice)
            and all(isinstance(a["more_test"], int | None) for a in advice)
            and all(isinstance(x, number) for arm in arms.values() for x in arm["seconds"])
            and all(isinstance(arm["macro_f1"], number) for arm in arms.values())
            and all(isinstance(x, number) for arm in arms.values() for x in arm["macro_f1_by_seed"])
            and all(set(arm["per_class"]) == set(names) for arm in arms.values())
            and all(arm["seconds"] and arm["epochs"] and arm["pictures"] for arm in arms.values())
            and all(d["arm"] in arms and d["against"] in arms for d in value["differences"])
            and all(has(d["macro_f1"]) for d in value["differences"])
            and all(
                set(d["per_class"]) == set(names)
                and all(ends is None or has(ends) for ends in d["per_class"].values())
                for d in value["differences"]
            )
        )
    except (KeyError, TypeError, AttributeError, ValueError):
        return False


def compare(
    data: StudyData,
    config: BenefitConfig,
    device: torch.device,
    tell: Callable[[float, str], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Iterator[Training | Benefit]:
    """Train every arm as often as asked for, and compare.

    Args:
        data: Originals, what was made of them, and originals that judge.
        config: How.
        device: Where to compute.
        tell: Called with the share done and a text, within trainings too; may raise to cancel.
        should_stop: Asked after each repeat of all arms; true: what is done by then counts.

    Yields:
        Each training, and at last one ``Benefit``.

    Raises:
        InputError: There is nothing to learn from, to compare, or to judge by.
        ParameterError: The learning rate made the loss infinite.
    """
    data.check()
    arms = data.arms
    weights = {arm: work(data, arm, config) for arm in arms}
    total = config.seeds * sum(weights.values())
    done, trainings, stopped = 0.0, [], False
    for repeat in range(config.seeds):
        if repeat and should_stop is not None and should_stop():
            stopped = True
            break
        for arm in arms:
            text = f"Repeat {repeat + 1} of {config.seeds}: {ARMS[arm].title.lower()}"

            def within(share: float, arm: str = arm, text: str = text, done: float = done) -> None:
                if tell:
                    tell((done + weights[arm] * share) / total, text)

            within(0.0)
            trainings.append(train_arm(data, arm, config.training(repeat), device, within))
            done += weights[arm]
            yield trainings[-1]
    yield conclude(data, tuple(trainings), stopped)


def conclude(data: StudyData, trainings: tuple[Training, ...], stopped: bool = False) -> Benefit:
    """What trainings say; every arm has the same seeds."""
    arms = tuple(arm for arm in ARMS if any(t.arm == arm for t in trainings))
    called = np.stack([np.stack([t.called for t in trainings if t.arm == arm]) for arm in arms])
    names = data.originals.class_names
    lots = data.test_lots or [str(k) for k in range(len(data.test_labels))]
    answers = Answers(data.test_labels, called, lots, len(names))
    pairs = [(arm, "none") for arm in arms if arm != "none"]
    pairs += [(a, b) for a, b in (("generated", "transforms"), ("both", "transforms"),
                                  ("both", "generated")) if {a, b} <= set(arms)]  # fmt: skip
    index = {arm: k for k, arm in enumerate(arms)}
    found = dict(
        zip(pairs, differences(answers, [(index[a], index[b]) for a, b in pairs]), strict=True)
    )
    macro = answers.macro_f1().mean(1)
    f1 = answers.f1().mean(1)
    counts = np.bincount(data.test_labels, minlength=len(names))
    advice = advise(
        {arm: float(macro[k]) for arm, k in index.items()},
        {pair: overall for pair, (overall, _) in found.items()},
        tested=len(data.test_labels), lots=lots_of(answers), seeds=called.shape[1],
    )  # fmt: skip
    per_class = {}
    for c in answers.present:
        own_lots = {x for x, label in zip(lots, data.test_labels, strict=True) if label == c}
        per_class[names[c]] = advise(
            {arm: float(f1[k, c]) for arm, k in index.items()},
            {pair: own for pair, (_, each) in found.items() if (own := each[c]) is not None},
            tested=int(counts[c]), lots=len(own_lots), seeds=called.shape[1], of=names[c],
        )  # fmt: skip
    return Benefit(arms, answers, trainings, found, advice, per_class, names, stopped)


def work(data: StudyData, arm: str, config: BenefitConfig) -> float:
    """How long a training of an arm takes, in pictures looked at."""
    count = len(data.originals.train_pictures) + sum(len(data.made[k][0]) for k in ARMS[arm].adds)
    return looks(count, config)


def macro_f1_of(data: StudyData, training: Training) -> float:
    """Macro-F1 of one training on the test pictures."""
    classes = len(data.originals.class_names)
    lots = range(len(data.test_labels))
    answers = Answers(data.test_labels, training.called[None, None], lots, classes)
    return float(answers.macro_f1()[0, 0])
