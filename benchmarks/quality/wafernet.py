"""Few-shot training from WaferNet's weights, on lots that pretraining left out.

    python -m wafer_core.pretraining.wafernet --output HALF.safetensors --data DATA.npz \\
        --leave-groups-out 0.5
    python -m benchmarks.quality.wafernet DATA.npz HALF.safetensors [--per-class 5 10 50]
        [--seeds 0 1]
    python -m benchmarks.quality.wafernet DATA.npz HALF.safetensors --no-training

The network was pretrained on half of the lots. The other half is split by lots once more: the
training wafers (and a third as many validation wafers) come from one part, the test wafers, at most
300 per class, from the other. All other settings are the defaults.

``--no-training`` tests the pretrained head on lots that were left out and on lots of the
pretraining. The difference shows how much it memorised.

The shipped weights were pretrained on nearly all lots: with them the scores would be too high.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.classifiers import fit_and_score, pretrained, score, score_row, use_weights
from benchmarks.machine import describe_machine, write_results
from benchmarks.tables import Row, grouped, mean, mean_by_class, number, table
from benchmarks.wafers import draw_few, left_out, load, read_labelled
from wafer_core.device import choose_device
from wafer_core.importers import Candidate
from wafer_core.simulator import PATTERNS
from wafer_core.tasks.classification.classifier import Classifier
from wafer_core.tasks.classification.config import TrainConfig

TEST_PER_CLASS = 300  # wafers at most
_MEANS = ("macro_f1", "accuracy", "calibration_error", "seconds", "tested")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("data", type=Path, help="wafer data file with labels and lots")
    parser.add_argument("weights", type=Path, help="of a pretraining with lots left out")
    parser.add_argument("--per-class", type=int, nargs="+", default=[5, 10, 50])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--networks", nargs="+", default=["wafernet", "wafer_cnn"])
    parser.add_argument("--no-training", action="store_true", help="test the pretrained head")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--name", default="wafernet", help="of the results (wafernet)")
    given = parser.parse_args()
    device = choose_device(given.device)
    network = pretrained(given.weights)
    everything = read_labelled(given.data)
    candidates = left_out(everything, network.config)
    rows: list[Row] = []
    if given.no_training:
        kept = {id(c) for c in candidates}
        of_pretraining = [c for c in everything if id(c) not in kept]
        rows = [
            head_scores(network, "left out", candidates),
            head_scores(network, "pretraining", of_pretraining),
        ]
        write_results(f"{given.name}-no_training", rows, head_table(rows))
        return
    use_weights(given.weights)
    for per_class in given.per_class:
        for seed in given.seeds:
            rng = np.random.default_rng([seed, 50])
            drawn = draw_few(candidates, per_class, TEST_PER_CLASS, rng)
            for name in given.networks:
                config = TrainConfig(network=name, seed=seed)
                row = fit_and_score(config, drawn, device)
                rows.append({"per_class": per_class, "seed": seed, "network": name, **row})
                print(json.dumps(rows[-1]), flush=True)
    write_results(given.name, rows, markdown(rows, network.config))


def head_scores(network: Classifier, lots: str, candidates: Sequence[Candidate]) -> Row:
    """Scores of the pretrained head on some lots."""
    rng = np.random.default_rng(0)
    chosen: list[Candidate] = []
    for name in PATTERNS:
        own = [c for c in candidates if c.class_name == name]
        chosen += [own[k] for k in rng.permutation(len(own))[:TEST_PER_CLASS]]
    labels = np.array([PATTERNS.index(str(c.class_name)) for c in chosen])
    row = {"lots": lots, **score_row(score(network, load(chosen), labels))}
    print(json.dumps(row), flush=True)
    return row


def head_table(rows: Sequence[Row]) -> str:
    """Markdown."""
    head = ["lots", "test wafers", "macro-F1", "accuracy", "calibration error", *PATTERNS]
    cells = [
        [
            row["lots"], row["tested"], number(row["macro_f1"]), number(row["accuracy"]),
            number(row["calibration_error"]), *(number(row["f1"][name], 2) for name in PATTERNS),
        ]
        for row in rows
    ]  # fmt: skip
    title = f"# The pretrained head with nine classes, without training; {describe_machine()}"
    return "\n".join([title, "", *table(head, cells)])


def summarise(rows: Sequence[Row]) -> list[Row]:
    """Means over the draws, for each number of wafers and network."""
    return [
        {
            "per_class": per_class, "network": network, "draws": len(own),
            **{key: mean(own, key) for key in _MEANS},
            "lowest": min(row["macro_f1"] for row in own), "f1": mean_by_class(own),
        }
        for (per_class, network), own in grouped(rows, ("per_class", "network")).items()
    ]  # fmt: skip


def markdown(rows: Sequence[Row], config: dict[str, Any]) -> str:
    """The table, and the F1 of each class."""
    found = summarise(rows)
    share = 1 - config["leave_groups_out"]
    return "\n".join(
        [
            f"# Few wafers per class, on lots that were left out of pretraining; "
            f"{describe_machine()}",
            "",
            f"Pretraining: {config['real_wafers']:,} real wafers from {share:.0%} of the lots, "
            f"{config['step']:,} steps; patterns left out: "
            f"{', '.join(config['without']) or 'none'}. Means over the draws.",
            "",
            *table(
                ["per class", "network", "draws", "macro-F1", "lowest", "accuracy",
                 "calibration error", "training (s)", "test wafers"],
                [[r["per_class"], r["network"], r["draws"], number(r["macro_f1"]),
                  number(r["lowest"]), number(r["accuracy"]), number(r["calibration_error"]),
                  number(r["seconds"], 0), number(r["tested"], 0)] for r in found],
            ),
            "",
            "F1 of each class:",
            "",
            *table(
                ["per class", "network", *PATTERNS],
                [[r["per_class"], r["network"], *(number(r["f1"][n], 2) for n in PATTERNS)]
                 for r in found],
            ),
        ]
    )  # fmt: skip


if __name__ == "__main__":
    main()
