"""Training on all wafers of the lots that the weights were pretrained on.

    python -m wafer_core.pretraining.wafernet --output HALF.safetensors --data DATA.npz \\
        --leave-groups-out 0.5
    python -m benchmarks.quality.whole_file DATA.npz HALF.safetensors [--seeds 0 1 2]
        [--networks wafernet wafer_cnn] [--test-share 0.25]

This is the situation of WM-811K with the weights that ship. The lots of the pretraining are split
65 / 20 / 15 by lots, as an import does, and trained on with the default settings. All lots that the
pretraining left out are the test set, so that even rare classes have many test wafers. Scores are
those of the natural mix and of a balanced mix, in which each class has the same weight.

To see what more lots would bring, ``--test-share`` tests on the same lots (the last ones to be
pretrained on) for pretrainings that left out more or fewer lots.

The test split of the project is scored too, as in the app. For WaferNet that score is too high
because the weights were pretrained on these lots; the app says so where that is the case.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.classifiers import fit, pretrained, use_weights
from benchmarks.machine import describe_machine, write_results
from benchmarks.quality.study_scores import class_scores, confusion_row, macro_f1, resampled
from benchmarks.quality.study_wafers import read_wafers, split_by_lots
from benchmarks.tables import Row, grouped, interval, mean, number, table
from benchmarks.wafers import left_out, read_labelled
from wafer_core.data.split import DEFAULT_FRACTIONS
from wafer_core.device import choose_device
from wafer_core.simulator import PATTERNS
from wafer_core.tasks.classification.config import TrainConfig
from wafer_core.tasks.classification.train_data import TrainData

MIXES = {"natural": False, "balanced": True}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("data", type=Path, help="wafer data file with labels and lots")
    parser.add_argument("weights", type=Path, help="of a pretraining with lots left out")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--networks", nargs="+", default=["wafernet"])
    parser.add_argument("--test-share", type=float, help="of all lots (all that were left out)")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--name", default="whole_file", help="of the results (whole_file)")
    given = parser.parse_args()
    device = choose_device(given.device)
    network = pretrained(given.weights)
    candidates = read_labelled(given.data)
    most = network.config["leave_groups_out"]
    share = given.test_share or most
    if share > most:
        parser.error(
            f"{given.weights} was pretrained on some of these lots; --test-share at most {most}"
        )
    test = read_wafers(left_out(candidates, {**network.config, "leave_groups_out": share}))
    out = {id(c) for c in left_out(candidates, network.config)}
    wafers = read_wafers([c for c in candidates if id(c) not in out])
    other_lots = confusion_row(network, test)
    rows: list[Row] = [
        {"network": "wafernet, pretrained head", "seed": 0, "trained_on": 0,
         "other_lots": other_lots}
    ]  # fmt: skip
    use_weights(given.weights)
    for seed in given.seeds:
        splits = split_by_lots(wafers, DEFAULT_FRACTIONS, seed)
        train, validation = splits["train"], splits["validation"]
        data = TrainData(
            PATTERNS, train.pictures, train.labels, validation.pictures, validation.labels,
            train.lots.tolist(),
        )  # fmt: skip
        for name in given.networks:
            classifier, row = fit(TrainConfig(network=name, seed=seed), data, device)
            row |= {"network": name, "seed": seed, "other_lots": confusion_row(classifier, test)}
            row["own_test"] = confusion_row(classifier, splits["test"])
            rows.append(row)
            print(name, seed, json.dumps(scores_of(row["other_lots"])), flush=True)
    write_results(given.name, rows, markdown(rows, test.counts(), network.config))


def scores_of(tested: Row) -> dict[str, float]:
    """Macro-F1 of both mixes, from a confusion matrix."""
    confusion = np.array(tested["confusion"])
    return {mix: float(macro_f1(confusion, even)) for mix, even in MIXES.items()}


def summarise(rows: Sequence[Row]) -> list[Row]:
    """Means over the seeds of each network.

    Returns:
        For each network its sizes, and for each mix the mean, the lowest and (of the first seed)
        the 95% interval of macro-F1, and precision, recall and F1 (3, C) of each class.
    """
    found = []
    for (network,), own in grouped(rows, ("network",)).items():
        confusions = np.array([row["other_lots"]["confusion"] for row in own])
        row: Row = {
            "network": network, "seeds": len(own), "trained_on": own[0]["trained_on"],
            "epochs": mean(own, "epochs"), "seconds": mean(own, "seconds"),
            "calibration_error": mean([r["other_lots"] for r in own], "calibration_error"),
            "own_test": mean([scores_of(r["own_test"]) for r in own if "own_test" in r], "natural"),
        }  # fmt: skip
        for mix, even in MIXES.items():
            scores = macro_f1(confusions, even)
            drawn = macro_f1(resampled(confusions[0], 0), even)
            row[mix] = {
                "macro_f1": float(scores.mean()), "lowest": float(scores.min()),
                "interval": np.percentile(drawn, (2.5, 97.5)).tolist(),
                "per_class": class_scores(confusions, even).mean(1),
            }  # fmt: skip
        found.append(row)
    return found


def markdown(rows: Sequence[Row], counts: Sequence[int], config: dict[str, Any]) -> str:
    """The table, and the scores of each class.

    Args:
        rows: One a training.
        counts: Test wafers of each pattern.
        config: Settings of the pretraining.
    """
    found = summarise(rows)
    head = [
        "network", "seeds", "trained on", "epochs",
        *(cell for mix in MIXES for cell in (f"{mix} mix", "lowest", "95%")),
        "calibration error", "own test split, natural mix", "training (s)",
    ]  # fmt: skip
    cells, classes = [], []
    for row in found:
        scores = [
            cell
            for mix in MIXES
            for cell in (number(row[mix]["macro_f1"]), number(row[mix]["lowest"]),
                         interval(row[mix]["interval"]))
        ]  # fmt: skip
        cells.append(
            [row["network"], row["seeds"], row["trained_on"], number(row["epochs"], 0), *scores,
             number(row["calibration_error"]), number(row["own_test"]), number(row["seconds"], 0)]
        )  # fmt: skip
        for mix in MIXES:
            each = [" / ".join(f"{v:.2f}" for v in column) for column in row[mix]["per_class"].T]
            classes.append([row["network"], mix, *each])
    return "\n".join(
        [
            f"# All wafers of a file; {describe_machine()}",
            "",
            f"Pretraining: {config['real_wafers']:,} wafers from "
            f"{1 - config['leave_groups_out']:.0%} of the lots, {config['step']:,} steps.",
            f"Tested on {sum(counts):,} wafers of lots that were in neither pretraining nor "
            "training. Macro-F1, 0 to 1, higher is better. The 95% interval is that of the first "
            "seed; it covers the choice of test wafers, not of training wafers.",
            "",
            *table(head, cells),
            "",
            "Precision / recall / F1 of each class:",
            "",
            *table(
                ["network", "mix", *PATTERNS], [*classes, ["number of test wafers", "", *counts]]
            ),
        ]
    )


if __name__ == "__main__":
    main()
