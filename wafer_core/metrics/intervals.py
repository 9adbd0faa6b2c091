"""Confidence intervals of test scores, and cautions where they are too wide to rely on.

The intervals come from the Bayesian bootstrap (Rubin 1981): instead of resampling the pictures of
each class, the shares of its predictions are drawn from their Dirichlet distribution. Unlike the
ordinary bootstrap it does not give 1.00 to 1.00 after 10 of 10 correct predictions. Measured on
nine classes of 5 to 100 pictures, at accuracies of 0.80 and 0.95: a 95% interval contains the true
macro-F1 in 89 to 96% of the cases, and the true F1 of a class in 93 to 96% (ordinary bootstrap: 87
to 97% and 41 to 94%).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from wafer_core.messages import Message, counted, message
from wafer_core.metrics.shares import Interval

TOO_FEW = 10  # test pictures of a class below which its scores mean little
TOO_WIDE = 0.2  # width of an interval beyond which a class may be good or poor

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Intervals:
    """Confidence intervals of the scores of one evaluation.

    Attributes:
        level: Nominal coverage, such as 0.95.
        macro_f1: Lower and upper end; ``None`` without pictures.
        accuracy: The same.
        per_class: Of the F1 of each class, in class order; ``None`` for a class without pictures.
    """

    level: float
    macro_f1: Interval | None
    accuracy: Interval | None
    per_class: tuple[Interval | None, ...]

    def to_json(self, class_names: Sequence[str]) -> dict[str, Any]:
        """Plain values for ``report.json``."""
        return {
            "level": self.level,
            "macro_f1": self.macro_f1 and list(self.macro_f1),
            "accuracy": self.accuracy and list(self.accuracy),
            "per_class": {
                name: ends and list(ends)
                for name, ends in zip(class_names, self.per_class, strict=True)
            },
        }


def design_effect(is_correct: npt.NDArray[np.bool_], groups: Sequence[str]) -> float:
    """Design effect of grouped pictures (Kish 1965, *Survey Sampling*).

    Pictures of one lot tend to be predicted correctly or wrongly together, so that N of them carry
    the information of N / effect independent ones. It is the variance of the accuracy between
    groups over that of N independent pictures, at least 1 and at most the value for groups whose
    pictures are all predicted alike.

    Args:
        is_correct: (N,) whether each prediction is correct.
        groups: N group labels, such as lots.
    """
    N = len(is_correct)
    names, group = np.unique(np.asarray(groups, str), return_inverse=True)
    G, accuracy = len(names), float(np.mean(is_correct)) if N else 0.0
    if G < 2 or G == N or accuracy in (0.0, 1.0):
        return 1.0
    deviation = np.bincount(group, is_correct - accuracy, G)
    between = G / (G - 1) * float(deviation @ deviation) / N**2
    sizes = np.bincount(group, minlength=G)
    return float(np.clip(between / (accuracy * (1 - accuracy) / N), 1.0, float(sizes @ sizes) / N))


def intervals(
    confusion: npt.NDArray[np.int64],
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
    effect: float = 1.0,
) -> Intervals:
    """Intervals of macro-F1, accuracy and the F1 of each class, stratified by class.

    Args:
        confusion: Counts (C, C): rows are true classes, columns predictions.
        level: Nominal coverage, 0 to 1.
        resamples: Number of bootstrap samples.
        seed: The same seed gives the same intervals.
        effect: From ``design_effect``; 1: all pictures are independent.
    """
    counts = np.asarray(confusion, np.float64) / effect
    C = len(counts)
    rng = np.random.default_rng(seed)
    support, predicted, correct = counts.sum(1), counts.sum(0), np.diag(counts)
    total, present = support.sum(), np.flatnonzero(support > 0)
    if not total:
        return Intervals(level, None, None, (None,) * C)
    tails = 50 * (1 - level), 50 * (1 + level)

    def ends(drawn: Floats, figure: float) -> Interval:
        low, high = np.percentile(drawn, tails)
        return min(float(low), figure), max(float(high), figure)

    # Prior pseudo-counts: one picture in total over all classes, half of it correct and half wrong
    # (Jeffreys' prior). One per class would add up and pull the mean of the classes down.
    prior = 0.5 / C
    drawn_correct = np.zeros((resamples, C))
    drawn_predicted = np.zeros((resamples, C))
    for i in present:
        cells = np.union1d(np.flatnonzero(counts[i]), i)
        shape = np.append(counts[i, cells] + np.where(cells == i, prior, 0.0), prior)
        shares = rng.standard_gamma(shape, (resamples, len(shape)))
        shares *= support[i] / shares.sum(1, keepdims=True)
        drawn_correct[:, i] = shares[:, np.searchsorted(cells, i)]
        drawn_predicted[:, cells] += shares[:, :-1]
    macro = _f1(drawn_correct, support, drawn_predicted)[:, present].mean(1)
    # A single class against all others has a prior of its own.
    recall = rng.beta(correct + 0.5, support - correct + 0.5, (resamples, C))
    false_alarms = rng.beta(
        predicted - correct + 0.5, total - support - predicted + correct + 0.5, (resamples, C)
    )
    single = _f1(recall * support, support, recall * support + false_alarms * (total - support))
    f1 = _f1(correct, support, predicted)
    per_class = [ends(single[:, i], float(f1[i])) if support[i] else None for i in range(C)]
    return Intervals(
        level,
        ends(macro, float(f1[present].mean())),
        ends(drawn_correct.sum(1) / total, float(correct.sum() / total)),
        tuple(per_class),
    )


def _f1(correct: Floats, support: Floats, predicted: Floats) -> Floats:
    value: Floats = 2 * correct / np.maximum(support + predicted, 1e-12)
    return value


def cautions(evaluation: Mapping[str, Any], ends: Mapping[str, Any]) -> list[Message]:
    """Sentences about scores that rest on too few test pictures.

    Args:
        evaluation: From ``Evaluation.to_json``.
        ends: From ``Intervals.to_json``.
    """
    counts = {name: score["count"] for name, score in evaluation["per_class"].items()}
    few = [f"{name} ({count})" for name, count in counts.items() if 0 < count < TOO_FEW]
    found = []
    if few:
        found.append(
            message(
                "Fewer than {fewest} test wafers, too few for reliable scores: {classes}. Add "
                "wafers of these classes.",
                fewest=TOO_FEW,
                classes=", ".join(few),
            )
        )
    wide = [
        f"{name} ({interval[0]:.2f}–{interval[1]:.2f}, n = {counts[name]})"
        for name, interval in ends["per_class"].items()
        if interval and counts[name] >= TOO_FEW and interval[1] - interval[0] > TOO_WIDE
    ]
    if wide:
        found.append(
            counted(
                "The F1 of this class is uncertain: {classes}. Add test wafers to narrow the "
                "interval.",
                "The F1 of these classes is uncertain: {classes}. Add test wafers to narrow the "
                "intervals.",
                len(wide),
                classes=", ".join(wide),
            )
        )
    macro = ends["macro_f1"]
    if macro and macro[1] - macro[0] > TOO_WIDE:
        found.append(
            message(
                "The macro-F1 is between {low:.2f} and {high:.2f}: models that differ by less "
                "than that may be equally good.",
                low=macro[0],
                high=macro[1],
            )
        )
    return found
