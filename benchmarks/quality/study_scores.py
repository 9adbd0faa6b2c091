"""Scores of the study from confusion matrices, with a table and a chart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go

from benchmarks.classifiers import score
from benchmarks.machine import describe_machine
from benchmarks.quality.study_wafers import TREATMENTS, Wafers
from benchmarks.tables import Row, grouped, mean, number, table
from wafer_core.metrics.paired import PRIOR
from wafer_core.plots import BLUE, GREEN, VERMILION
from wafer_core.simulator import PATTERNS
from wafer_core.tasks.classification.classifier import Classifier

Array = np.ndarray[Any, np.dtype[np.float64]]

LOTS_FIRST, COPIES_FIRST = "lots first", "copies first"
_RESAMPLES = 2000
_BALANCED_TEST = ("balanced",)  # treatments that balance their own test split as well


def confusion_row(classifier: Classifier, wafers: Wafers) -> Row:
    """Confusion matrix over the nine patterns, and calibration error."""
    found = score(classifier, wafers.pictures, wafers.labels)
    return {"confusion": found.confusion.tolist(), "calibration_error": found.calibration_error}


def class_scores(confusion: Array, is_balanced: bool = False) -> Array:
    """Precision, recall and F1 of each class, each 0 to 1, higher is better.

    Args:
        confusion: Counts (..., C, C); rows are true classes, columns predictions.
        is_balanced: Give every class the same weight: the scores of balanced samples on average.

    Returns:
        (3, ..., C); NaN where a class has no wafers.
    """
    counts = np.asarray(confusion, np.float64)
    support = counts.sum(-1)
    if is_balanced:
        counts = counts / np.maximum(support, 1)[..., None]
    correct = np.diagonal(counts, axis1=-2, axis2=-1)
    predicted, weight = counts.sum(-2), counts.sum(-1)
    scores = np.stack(
        [
            correct / np.maximum(predicted, 1e-12),
            correct / np.maximum(weight, 1e-12),
            2 * correct / np.maximum(predicted + weight, 1e-12),
        ]
    )
    return np.where(support > 0, scores, np.nan)


def macro_f1(confusion: Array, is_balanced: bool = False, among: Array | None = None) -> Array:
    """Mean F1 over the classes that have wafers, or over ``among`` (C,) booleans of them."""
    f1 = class_scores(confusion, is_balanced)[2]
    return np.asarray(np.nanmean(f1 if among is None else f1[..., among], axis=-1))


def resampled(confusion: Array, seed: int) -> Array:
    """Confusion matrices (2000, C, C) as other wafers of the same kind might have given.

    Bayesian bootstrap (Rubin 1981), stratified by class: the shares of predictions are drawn from
    their Dirichlet distribution with prior pseudo-counts. Wafers are taken as independent.
    """
    counts = np.asarray(confusion, np.float64)
    C, support = len(counts), counts.sum(1)
    rng = np.random.default_rng(seed)
    shares = rng.standard_gamma(counts + PRIOR / C, (_RESAMPLES, C, C))
    shares /= np.maximum(shares.sum(2, keepdims=True), 1e-300)
    return np.asarray(shares * support[:, None])


@dataclass(frozen=True)
class Leak:
    """By how much a leaking test split overestimates macro-F1.

    Attributes:
        reported: Macro-F1 on the own test split.
        true: Macro-F1 on held-out lots.
        low: Lower end of the 95% interval of their difference, in points.
        high: Upper end.
    """

    reported: float
    true: float
    low: float
    high: float

    @property
    def points(self) -> float:
        """The overestimate in points."""
        return 100 * (self.reported - self.true)


def leak(rows: Sequence[Row]) -> Leak:
    """By how much the reported macro-F1 is above that on held-out lots.

    Args:
        rows: Cells of one network, treatment and protocol with different seeds. The held-out lots
            are scored in the mix of the own test split, natural or balanced, and on the classes
            that both contain. Several seeds are resampled as well.
    """
    values, drawn = [], []
    for number_, row in enumerate(rows):
        is_balanced = row["treatment"] in _BALANCED_TEST
        reported, held_out = (np.array(row[key]["confusion"]) for key in ("reported", "held_out"))
        among = (reported.sum(1) > 0) & (held_out.sum(1) > 0)
        values.append([float(macro_f1(m, is_balanced, among)) for m in (reported, held_out)])
        first, second = resampled(reported, 2 * number_), resampled(held_out, 2 * number_ + 1)
        drawn.append(macro_f1(first, is_balanced, among) - macro_f1(second, is_balanced, among))
    chosen = np.random.default_rng(0).integers(len(rows), size=(len(rows), _RESAMPLES))
    samples = np.arange(_RESAMPLES)
    means = np.mean([np.array(drawn)[chosen[k], samples] for k in range(len(rows))], 0)
    low, high = 100 * np.percentile(means, (2.5, 97.5))
    mean_reported, mean_true = np.mean(values, 0)
    return Leak(float(mean_reported), float(mean_true), float(low), float(high))


def summarise(row: Row) -> Row:
    """The scores of one cell, without its confusion matrices."""
    kept = ("seed", "network", "treatment", "protocol", "epochs", "epoch_seconds", "seconds",
            "cpu_seconds")  # fmt: skip
    held_out, reported = (np.array(row[key]["confusion"]) for key in ("held_out", "reported"))
    return {
        **{key: row[key] for key in kept},
        "held_out_natural": float(macro_f1(held_out)),
        "held_out_balanced": float(macro_f1(held_out, True)),
        "reported": float(macro_f1(reported, row["treatment"] in _BALANCED_TEST)),
    }


# -- table and chart -------------------------------------------------------------------------------


def markdown(rows: Sequence[Row], about: Sequence[str], is_contaminated: bool) -> str:
    """The tables.

    Args:
        rows: Finished cells.
        about: Sentences on the data.
        is_contaminated: WaferNet may have been pretrained on the test wafers; its rows are marked.
    """

    def name(network: str) -> str:
        is_marked = is_contaminated and network == "wafernet"
        return f"{network} (pretrained on these lots)" if is_marked else network

    groups = grouped(_ordered(rows), ("protocol", "network", "treatment"))
    by_lots = {key[1:]: own for key, own in groups.items() if key[0] == LOTS_FIRST}
    by_copies = {key[1:]: own for key, own in groups.items() if key[0] == COPIES_FIRST}
    first, second = [], []
    for (network, treatment), own in by_lots.items():
        found = [summarise(row) for row in own]
        first.append(
            [name(network), treatment, number(mean(found, "held_out_natural")),
             number(mean(found, "held_out_balanced")), number(_accuracy(own)),
             number(mean([row["held_out"] for row in own], "calibration_error")),
             number(float(np.mean([sum(row["counts"]["train"]) for row in own])), 0),
             number(mean(own, "epochs"), 0), number(mean(own, "epoch_seconds"), 1),
             number(mean(own, "seconds"), 0), number(mean(own, "cpu_seconds"), 0)]
        )  # fmt: skip
    for (network, treatment), own in by_copies.items():
        mix = "held_out_balanced" if treatment in _BALANCED_TEST else "held_out_natural"
        other = [summarise(row) for row in by_lots.get((network, treatment), [])]
        leaked = leak(own)
        second.append(
            [name(network), treatment, number(leaked.reported), number(leaked.true),
             f"{leaked.points:+.1f}", f"{leaked.low:+.1f} to {leaked.high:+.1f}",
             number(mean(other, mix))]
        )  # fmt: skip
    lines = [
        f"# The nine classes, split by lots and by copies; {describe_machine()}", "", *about,
        f"Seeds {sorted({row['seed'] for row in rows})}; the scores are means over them.",
        "Macro-F1, 0 to 1, higher is better. *natural*: in the mix of the test lots; *balanced*: "
        "each class has the same weight.", "",
        *(f"- **{key}**: {value.title}" for key, value in TREATMENTS.items()), "",
        "## Split by lots, then augmented within the training split", "",
        *table(["network", "wafers", "macro-F1 natural", "balanced", "accuracy natural",
                "calibration error", "trained on", "epochs", "s per epoch", "s in total",
                "CPU s"], first), "",
        "## For comparison: augmented first, then split at random", "",
        "*reported* is the score on the test split of such a study, *true* that of the same "
        "network on lots that it never used, in the same mix and on the classes that both "
        "contain. The leak is the difference in points with its 95% interval. *lots first* is "
        "the other protocol in that mix. A published class project of this kind reports an "
        "average F1 of 0.829 for the natural and 0.936 for the balanced mix.", "",
        *table(["network", "wafers", "reported", "true", "leak, points", "95%", "lots first"],
               second),
    ]  # fmt: skip
    for mix, is_balanced in (("natural", False), ("balanced", True)):
        cells = []
        for (network, treatment), own in by_lots.items():
            confusions = np.array([row["held_out"]["confusion"] for row in own])
            each = class_scores(confusions, is_balanced).mean(1).T
            cells.append([name(network), treatment, *(
                "–" if np.isnan(column).any() else " / ".join(f"{v:.2f}" for v in column)
                for column in each
            )])  # fmt: skip
        lines += [
            "", f"## Precision / recall / F1 of each class, split by lots, {mix} mix", "",
            *table(["network", "wafers", *PATTERNS], cells),
        ]  # fmt: skip
    return "\n".join([*lines, *_counts(rows)])


def _counts(rows: Sequence[Row]) -> list[str]:
    """Number of training and test wafers of each class, of the first seed."""
    first = [row for row in rows if row["seed"] == rows[0]["seed"]]
    counts = {"test, held-out lots": np.array(first[0]["held_out"]["confusion"]).sum(1)}
    for row in _ordered(first):
        counts[f"training, {row['protocol']}, {row['treatment']}"] = row["counts"]["train"]
    return [
        "", f"## Wafers of each class, seed {rows[0]['seed']}", "",
        *table(["", *PATTERNS], [[key, *value] for key, value in counts.items()]),
    ]  # fmt: skip


def _ordered(rows: Sequence[Row]) -> list[Row]:
    """By network, then by treatment."""
    networks = list(dict.fromkeys(row["network"] for row in rows))
    treatments = list(TREATMENTS)
    return sorted(
        rows, key=lambda r: (networks.index(r["network"]), treatments.index(r["treatment"]))
    )


def _accuracy(rows: Sequence[Row]) -> float:
    matrices = [np.array(row["held_out"]["confusion"]) for row in rows]
    return float(np.mean([np.trace(m) / m.sum() for m in matrices]))


def chart(summaries: Sequence[Row]) -> go.Figure:
    """Bars of macro-F1 for each network and treatment: reported, true, and lots first.

    Args:
        summaries: From ``summarise``.
    """
    groups = grouped(_ordered(summaries), ("network", "treatment", "protocol"))
    keys = [key[:2] for key in groups if key[2] == COPIES_FIRST]
    figure = go.Figure()
    for title, protocol, is_reported, colour in (
        ("copies first, reported", COPIES_FIRST, True, VERMILION),
        ("copies first, true", COPIES_FIRST, False, GREEN),
        ("lots first", LOTS_FIRST, False, BLUE),
    ):
        values = []
        for network, treatment in keys:
            mix = "balanced" if treatment in _BALANCED_TEST else "natural"
            column = "reported" if is_reported else f"held_out_{mix}"
            values.append(mean(groups.get((network, treatment, protocol), []), column))
        figure.add_bar(
            x=values, y=[" ".join(key) for key in keys], name=title, orientation="h",
            marker_color=colour, texttemplate="%{x:.3f}",
        )  # fmt: skip
    figure.update_xaxes(title="macro-F1 (higher is better)", range=[0, 1])
    figure.update_yaxes(autorange="reversed")
    return figure.update_layout(barmode="group", height=80 + 70 * len(keys))
