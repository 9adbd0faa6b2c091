"""Table and chart of the study, from the confusion matrices of its cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

import numpy as np

from benchmarks.machine import describe_machine
from benchmarks.quality.study_wafers import TREATMENTS
from wafer_core.plots import BLUE, GREEN, VERMILION
from wafer_core.simulator import PATTERNS

Array = np.ndarray[Any, np.dtype[np.float64]]
Row = dict[str, Any]

_DRAWS = 2000
_DOUBT = 0.5  # wafers of doubt a class, half for and half against, as in ``metrics.intervals``
_BALANCED_TEST = ("balanced",)  # treatments that make their own test part balanced, too


def figures(confusion: Array, is_balanced: bool = False) -> Array:
    """Precision, recall and F1 of each class (3, C), each 0 to 1, higher is better.

    Args:
        confusion: Counts (C, C), rows the truth, columns the answers; more axes may stand before.
        is_balanced: Weight the wafers so that every class that is there counts the same: what
            balanced draws of them give on average.

    Returns:
        (3, ..., C); NaN where a class has no wafer.
    """
    counts = np.asarray(confusion, np.float64)
    are = counts.sum(-1)
    if is_balanced:
        counts = counts / np.maximum(are, 1)[..., None]
    right = np.diagonal(counts, axis1=-2, axis2=-1)
    called, weight = counts.sum(-2), counts.sum(-1)
    found = np.stack(
        [
            right / np.maximum(called, 1e-12),
            right / np.maximum(weight, 1e-12),
            2 * right / np.maximum(called + weight, 1e-12),
        ]
    )
    return np.where(are > 0, found, np.nan)


def macro_f1(confusion: Array, is_balanced: bool = False, among: Array | None = None) -> Array:
    """Mean F1 over the classes that are there, or over ``among`` (C,) booleans of them."""
    f1 = figures(confusion, is_balanced)[2]
    return np.asarray(np.nanmean(f1 if among is None else f1[..., among], axis=-1))


def draws(confusion: Array, seed: int) -> Array:
    """Confusions (2000, C, C) that other wafers of the same kind may have given.

    Rubin's (1981) bootstrap, stratified by class: the shares of answers are drawn from their
    Dirichlet distribution, with half a wafer of doubt. Wafers count as independent of each other.
    """
    counts = np.asarray(confusion, np.float64)
    C, are = len(counts), counts.sum(1)
    rng = np.random.default_rng(seed)
    shares = rng.standard_gamma(counts + _DOUBT / C, (_DRAWS, C, C))
    shares /= np.maximum(shares.sum(2, keepdims=True), 1e-300)
    return np.asarray(shares * are[:, None])


@dataclass(frozen=True)
class Leak:
    """Macro-F1 as reported and in truth, their difference in points and its 95 % interval."""

    reported: float
    truth: float
    low: float
    high: float

    @property
    def points(self) -> float:
        """By which the reported figure is too high."""
        return 100 * (self.reported - self.truth)


def leak(rows: Sequence[Row]) -> Leak:
    """How far the reported macro-F1 is above that on held-out lots.

    Args:
        rows: Cells of one network, treatment and protocol that differ in their seed. The mix of the
            held-out lots is that of the own test part, natural or balanced, and only classes that
            are in both count. Where there are several seeds, they are drawn anew as well.
    """
    values, drawn = [], []
    for number, row in enumerate(rows):
        is_balanced = row["treatment"] in _BALANCED_TEST
        reported, held_out = (np.array(row[k]["confusion"]) for k in ("reported", "held_out"))
        among = (reported.sum(1) > 0) & (held_out.sum(1) > 0)

        values.append([float(macro_f1(m, is_balanced, among)) for m in (reported, held_out)])
        first, second = draws(reported, 2 * number), draws(held_out, 2 * number + 1)
        drawn.append(macro_f1(first, is_balanced, among) - macro_f1(second, is_balanced, among))
    chosen = np.random.default_rng(0).integers(len(rows), size=(len(rows), _DRAWS))
    means = np.mean([np.array(drawn)[chosen[k], np.arange(_DRAWS)] for k in range(len(rows))], 0)
    low, high = 100 * np.percentile(means, (2.5, 97.5))
    mean_reported, mean_truth = np.mean(values, 0)
    return Leak(float(mean_reported), float(mean_truth), float(low), float(high))


def mean_f1(rows: Sequence[Row], part: str, is_balanced: bool) -> float:
    """Macro-F1 on ``held_out`` or ``reported``, mean over seeds."""
    return float(np.mean([macro_f1(np.array(row[part]["confusion"]), is_balanced) for row in rows]))


def table(rows: Sequence[Row], about: Sequence[str], is_seen: bool) -> str:
    """Markdown.

    Args:
        rows: Finished cells.
        about: Sentences on the data.
        is_seen: WaferNet's weights may have seen the wafers that judge; its rows are marked.
    """

    def name(network: str) -> str:
        return f"{network} (weights have seen these lots)" if is_seen and (
            network == "wafernet") else network  # fmt: skip

    rows = _ordered(rows)
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["protocol"], row["network"], row["treatment"]), []).append(row)
    honest = {key[1:]: mine for key, mine in groups.items() if key[0] == "lots first"}
    leaky = {key[1:]: mine for key, mine in groups.items() if key[0] == "copies first"}
    lines = [
        f"# The nine classes, by lots and by copies; {describe_machine()}", "", *about,
        f"Seeds {sorted({row['seed'] for row in rows})}; figures are means over them.",
        "Macro-F1 from 0 to 1, higher is better. *natural*: on the mix of the test lots; "
        "*balanced*: each class weighted to count the same.", "",
        *(f"- **{key}**: {value.words}" for key, value in TREATMENTS.items()), "",
        "## Split by lots, multiplied inside the training part", "",
        "| network | wafers | macro-F1 natural | balanced | accuracy natural | calibration error | "
        "trained on | epochs | s an epoch | s in all | of the processor |", "|" + "---|" * 11,
    ]  # fmt: skip
    for (network, treatment), mine in honest.items():
        lines.append(
            f"| {name(network)} | {treatment} | {mean_f1(mine, 'held_out', False):.3f} | "
            f"{mean_f1(mine, 'held_out', True):.3f} | {_accuracy(mine):.3f} | "
            f"{np.mean([row['held_out']['calibration_error'] for row in mine]):.3f} | "
            f"{np.mean([sum(row['counts']['train']) for row in mine]):.0f} | "
            f"{np.mean([row['epochs'] for row in mine]):.0f} | "
            f"{np.mean([row['epoch_seconds'] for row in mine]):.1f} | "
            f"{np.mean([row['seconds'] for row in mine]):.0f} | "
            f"{np.mean([row['cpu_seconds'] for row in mine]):.0f} |"
        )
    lines += [
        "", "## Beside it: multiplied first, then split at random", "",
        "*reported* is what the own test part of such a study says, *in truth* the same network on "
        "lots that it never touched, in the same mix and over the classes that are in both. The "
        "leak is their difference in points, with its 95 % interval. *lots first* is the other "
        "protocol in that mix. A published class project of this kind reports an average F1 of "
        "0.829 as they come and 0.936 balanced.", "",
        "| network | wafers | reported | in truth | leak, points | 95 % | lots first |",
        "|" + "---|" * 7,
    ]  # fmt: skip
    for (network, treatment), mine in leaky.items():
        mix = treatment in _BALANCED_TEST
        found = leak(mine)
        other = honest.get((network, treatment))
        beside = f"{mean_f1(other, 'held_out', mix):.3f}" if other else "not run"
        lines.append(
            f"| {name(network)} | {treatment} | {found.reported:.3f} | {found.truth:.3f} | "
            f"{found.points:+.1f} | {found.low:+.1f} to {found.high:+.1f} | "
            f"{beside} |"
        )
    for is_balanced in (False, True):
        called = "balanced" if is_balanced else "natural"
        lines += [
            "", f"## Precision / recall / F1 of each class, split by lots, {called} mix", "",
            "| network | wafers | " + " | ".join(PATTERNS) + " |", "|" + "---|" * 11,
        ]  # fmt: skip
        for (network, treatment), mine in honest.items():
            scores = np.mean(
                [figures(np.array(row["held_out"]["confusion"]), is_balanced) for row in mine], 0
            )
            cells = [
                "–" if np.isnan(column).any() else " / ".join(f"{value:.2f}" for value in column)
                for column in scores.T
            ]
            lines.append(f"| {name(network)} | {treatment} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, *_counts(rows)])


def _counts(rows: Sequence[Row]) -> list[str]:
    """Markdown lines: wafers of each class that trained and judged, of the first seed."""
    first = [row for row in rows if row["seed"] == rows[0]["seed"]]
    counts = {"lots held out, natural": np.array(first[0]["held_out"]["confusion"]).sum(1)}
    for row in first:
        counts[f"trained on, {row['protocol']}, {row['treatment']}"] = row["counts"]["train"]
    return [
        "", f"## Wafers of each class, seed {rows[0]['seed']}", "",
        "| | " + " | ".join(PATTERNS) + " |", "|" + "---|" * 10,
        *(f"| {key} | " + " | ".join(map(str, value)) + " |" for key, value in counts.items()),
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


def summary(row: Row) -> Row:
    """The figures of one cell, without its confusion."""
    mix = row["treatment"] in _BALANCED_TEST
    kept = (
        "seed",
        "network",
        "treatment",
        "protocol",
        "epochs",
        "epoch_seconds",
        "seconds",
        "cpu_seconds",
    )
    return {
        **{key: row[key] for key in kept},
        "held_out_natural": mean_f1([row], "held_out", False),
        "held_out_balanced": mean_f1([row], "held_out", True),
        "reported": mean_f1([row], "reported", mix),
    }


def chart(rows: Sequence[Row]) -> str:
    """Bars as SVG: reported, in truth, and lots first, for each network and treatment."""
    leaky = [r for r in _ordered(rows) if r["protocol"] == "copies first"]
    keys = list(dict.fromkeys((r["network"], r["treatment"]) for r in leaky))
    left, step, width, scale = 230, 74, 760, 480
    height = 60 + step * len(keys)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        'font-family="sans-serif" font-size="13">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]

    def text(x: float, y: float, words: str, more: str = "") -> None:
        parts.append(f'<text x="{x:.0f}" y="{y:.0f}" {more}>{escape(words)}</text>')

    for tick in range(0, 11, 2):
        x = left + scale * tick / 10
        parts.append(f'<path d="M{x:.0f} 36V{height - 20}" stroke="#dddddd"/>')
        text(x, height - 6, f"{tick / 10:.1f}", 'text-anchor="middle"')
    text(left + scale, 14, "macro-F1", 'text-anchor="end"')
    series = (("copies first, reported", VERMILION), ("copies first, in truth", GREEN),
              ("lots first", BLUE))  # fmt: skip
    for number, (words, colour) in enumerate(series):
        x = 10 + 165 * number
        parts.append(f'<rect x="{x}" y="5" width="12" height="12" fill="{colour}"/>')
        text(x + 18, 15, words)
    for number, (network, treatment) in enumerate(keys):
        top = 44 + step * number
        mix = treatment in _BALANCED_TEST
        text(left - 10, top + 26, network, 'text-anchor="end"')
        text(left - 10, top + 43, f"{treatment} wafers and mix" if mix else treatment,
             'text-anchor="end" fill="#555555"')  # fmt: skip
        mine = [r for r in rows if (r["network"], r["treatment"]) == (network, treatment)]
        for place, (part, protocol) in enumerate(
            (("reported", "copies first"), ("held_out", "copies first"), ("held_out", "lots first"))
        ):
            some = [r for r in mine if r["protocol"] == protocol]
            if some:
                value = mean_f1(some, part, mix)
                y = top + 20 * place
                parts.append(
                    f'<rect x="{left}" y="{y}" width="{scale * value:.1f}" height="17" '
                    f'fill="{series[place][1]}"/>'
                )
                text(left + scale * value + 5, y + 13, f"{value:.3f}")
    return "\n".join([*parts, "</svg>", ""])
