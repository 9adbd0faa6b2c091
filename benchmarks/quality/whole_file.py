"""What is reached with all the wafers of a file that taught the weights to start from.

    python -m wafer_core.pretraining.wafernet --output HALF.safetensors --data DATA.npz \\
        --leave-groups-out 0.5
    python -m benchmarks.quality.whole_file DATA.npz HALF.safetensors [--seeds 0 1 2]
        [--networks wafernet wafer_cnn] [--judged-by 0.25]

So it is for WM-811K and the weights that ship. The lots that taught the pre-training are split
65 / 20 / 15 % by lots, as an import of them is, and trained on with the program's defaults. All
lots that it left out judge: as many wafers of rare classes as there can be. Figures are those of
their natural mix, and of a balanced mix: each class weighted to count the same.

What would more lots bring? With ``--judged-by`` the same lots, the last to be taken in, judge
pre-trainings that left out more or fewer.

*own test part* is what the app would say of it. For WaferNet that is too good, since the weights
have seen these lots; Train says so where that is the case.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import describe_machine, write_results
from benchmarks.quality.study import judge
from benchmarks.quality.study_table import draws, figures, macro_f1
from benchmarks.quality.study_wafers import by_lots, load
from benchmarks.quality.wafernet import left_out, with_weights
from wafer_core.data.split import DEFAULT_FRACTIONS
from wafer_core.device import choose_device
from wafer_core.importers import scan
from wafer_core.simulator import PATTERNS
from wafer_core.tasks.classification.train import Classifier, TrainConfig, TrainData, train

MIXES = {"natural": False, "balanced": True}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("data", type=Path, help="wafer data file with labels and groups")
    parser.add_argument("weights", type=Path, help="of a pre-training with lots left out")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--networks", nargs="+", default=["wafernet"])
    parser.add_argument("--judged-by", type=float, help="share of all lots (those left out)")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--name", default="whole_file", help="of the table (whole_file)")
    given = parser.parse_args()
    device = choose_device(given.device)
    start = Classifier.load(given.weights.parent, name=given.weights.stem)
    candidates = [c for c in scan([given.data]).candidates if c.class_name in PATTERNS and c.group]
    away = {id(c) for c in left_out(candidates, start.config)}
    share = given.judged_by or start.config["leave_groups_out"]
    if share > start.config["leave_groups_out"]:
        parser.error(f"some of these lots taught {given.weights}; --judged-by a smaller share")
    judging = load(left_out(candidates, {**start.config, "leave_groups_out": share}))
    taught = load([c for c in candidates if id(c) not in away])
    as_it_is = judge(start, judging)
    rows: list[dict[str, Any]] = [
        {"network": "wafernet as it is", "seed": 0, "trained_on": 0, "other_lots": as_it_is}
    ]
    with_weights(given.weights)
    for seed in given.seeds:
        parts = by_lots(taught, DEFAULT_FRACTIONS, seed)
        data = TrainData(
            PATTERNS, parts["train"].pictures, parts["train"].labels,
            parts["validation"].pictures, parts["validation"].labels,
            parts["train"].groups.tolist(),
        )  # fmt: skip
        for network in given.networks:
            started, epochs = time.perf_counter(), 0
            for result in train(data, TrainConfig(network=network, seed=seed), device):
                epochs = result.epoch
            classifier = result.best_classifier()
            rows.append(
                {
                    "network": network, "seed": seed, "trained_on": len(parts["train"]),
                    "epochs": epochs, "seconds": time.perf_counter() - started,
                    "own_test": judge(classifier, parts["test"]),
                    "other_lots": judge(classifier, judging),
                }
            )  # fmt: skip
            print(network, seed, json.dumps(summary(rows[-1]["other_lots"])), flush=True)
    write_results(given.name, rows, table(rows, judging.counts(len(PATTERNS)), start.config))


def summary(judged: dict[str, Any]) -> dict[str, float]:
    """Macro-F1 of both mixes."""
    confusion = np.array(judged["confusion"])
    return {mix: float(macro_f1(confusion, even)) for mix, even in MIXES.items()}


def table(rows: Sequence[dict[str, Any]], counts: Sequence[int], taught: dict[str, Any]) -> str:
    """Markdown; rows of a network that differ in their seed become one, of means.

    Args:
        rows: One a training.
        counts: Wafers of each pattern that judged.
        taught: Settings of the pre-training.
    """
    lines = [
        f"# All the wafers of a file; {describe_machine()}",
        "",
        f"Pre-training: {taught['real_wafers']} wafers, "
        f"{100 - 100 * taught['leave_groups_out']:.0f} % of the lots, {taught['step']} steps.",
        f"Judged by {sum(counts)} wafers of lots that neither pre-training nor training has seen. "
        "Macro-F1, 0 to 1, higher is better; the 95 % interval is that of the first seed, from "
        "which wafers judged, not from which taught.",
        "",
        "| network | seeds | trained on | epochs | natural mix | lowest | 95 % | balanced mix "
        "| lowest | 95 % | calibration error | own test part, natural | s |",
        "|" + "---|" * 13,
    ]
    classes = []
    for network in dict.fromkeys(row["network"] for row in rows):
        mine = [row for row in rows if row["network"] == network]
        confusions = np.array([row["other_lots"]["confusion"] for row in mine])
        words = [network, str(len(mine)), str(mine[0]["trained_on"])]
        words.append(f"{np.mean([row.get('epochs', 0) for row in mine]):.0f}")
        for even in MIXES.values():
            scores = macro_f1(confusions, even)
            low, high = np.percentile(macro_f1(draws(confusions[0], 0), even), (2.5, 97.5))
            words += [f"{scores.mean():.3f}", f"{scores.min():.3f}", f"{low:.3f}–{high:.3f}"]
        errors = [row["other_lots"]["calibration_error"] for row in mine]
        words.append(f"{np.mean(errors):.3f}")
        own = [
            float(macro_f1(np.array(r["own_test"]["confusion"]))) for r in mine if "own_test" in r
        ]
        words += [
            f"{np.mean(own):.3f}" if own else "",
            f"{np.mean([r.get('seconds', 0) for r in mine]):.0f}",
        ]
        lines.append(f"| {' | '.join(words)} |")
        for mix, even in MIXES.items():
            each = figures(confusions, even).mean(1)  # precision, recall, F1 (3, C)
            cells = [" / ".join(f"{value:.2f}" for value in column) for column in each.T]
            classes.append(f"| {network} | {mix} | {' | '.join(cells)} |")
    head = f"| network | mix | {' | '.join(PATTERNS)} |"
    counted = f"| wafers that judge | | {' | '.join(map(str, counts))} |"
    return "\n".join(
        [*lines, "", "Precision / recall / F1 of each class:", "", head,
         "|" + "---|" * (2 + len(PATTERNS)), *classes, counted]
    )  # fmt: skip


if __name__ == "__main__":
    main()
