"""Scores of the networks on the nine classes, and how much a leaking split overestimates them.

    python -m wafer_core.pretraining.wafernet --output HALF.safetensors --data DATA.npz \\
        --leave-groups-out 0.5
    python -m benchmarks.quality.study DATA.npz --weights HALF.safetensors
        [--wafers 1500] [--minutes 25] [--seeds 0 1] [--networks wafer_cnn wafernet]
        [--epochs efficientnet_b0=3]

Two protocols on the same wafers:

lots first    65 / 20 / 15 by lots, as an import splits; only the training split is augmented. The
              test split is the test set.
copies first  as in many published studies: augment, then split the pictures 65 / 20 / 15 at random.
              Copies of one wafer, and wafers of one lot, are in all splits. The score on its own
              test split is *reported*; the test lots of the other protocol, which it never uses,
              give the *true* score. The difference is the effect of the leak.

Each is run with the wafers unchanged, with one augmented copy of each, with all classes balanced,
and (lots first only) with the default settings; see ``TREATMENTS``. Scores are those of the natural
mix of the test lots and of a balanced mix, in which each class has the same weight.

Every finished cell (protocol, treatment, network, seed) is cached in ``benchmarks/cache/study``:
the same command continues where it stopped, and other seeds or networks are added. ``--wafers``
thins the training and validation splits, with the same share of each class; the test lots stay
complete. CPU seconds are given too, since they do not depend on other work of the machine.

WaferNet's shipped weights were pretrained on most lots of WM-811K. With ``--weights`` of a
pretraining that left lots out, the whole study uses those lots. Without it, its rows are marked.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.classifiers import fit, pretrained, use_weights
from benchmarks.machine import RESULTS, describe_machine, write_results
from benchmarks.quality.study_scores import chart, confusion_row, markdown, summarise
from benchmarks.quality.study_wafers import (
    PROTOCOLS,
    TREATMENTS,
    Splits,
    Wafers,
    read_wafers,
    split_by_lots,
    thin,
)
from benchmarks.tables import Row
from benchmarks.wafers import left_out, read_labelled
from wafer_core import files
from wafer_core.data.split import DEFAULT_FRACTIONS
from wafer_core.device import choose_device, describe_device
from wafer_core.networks import registry
from wafer_core.simulator import PATTERNS
from wafer_core.tasks.classification.config import TrainConfig
from wafer_core.tasks.classification.train_data import TrainData

CACHE = RESULTS.parent / "cache" / "study"


@dataclass(frozen=True)
class Cell:
    """One training of the study."""

    seed: int
    network: str
    treatment: str
    protocol: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("data", type=Path, help="wafer data file with labels and lots")
    parser.add_argument("--weights", type=Path, help="of a pretraining with lots left out")
    parser.add_argument("--wafers", type=int, help="for training and validation (all)")
    parser.add_argument(
        "--minutes",
        type=float,
        help="start no cell later than this (no limit); 0 only writes the table of finished cells",
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument(
        "--networks", nargs="+", default=["wafer_cnn", "wafernet", "efficientnet_b0"]
    )
    parser.add_argument("--treatments", nargs="+", default=list(TREATMENTS), choices=TREATMENTS)
    parser.add_argument(
        "--epochs", type=named_number, nargs="*", default=[], metavar="NETWORK=NUMBER",
        help="fixed number of epochs, for a network that takes too long",
    )  # fmt: skip
    parser.add_argument("--device", default="auto")
    parser.add_argument("--name", default="study", help="of the results (study)")
    given = parser.parse_args()
    device = choose_device(given.device)
    candidates = read_labelled(given.data)
    pretraining = None
    if given.weights:
        pretraining = pretrained(given.weights).config
        candidates = left_out(candidates, pretraining)
        use_weights(given.weights)
    wafers = read_wafers(candidates)
    common = {
        "data": checksum(given.data),
        "weights": given.weights and weight_checksums(given.weights),
        "lots": pretraining and [pretraining["leave_groups_out"], pretraining["seed"]],
        "wafers": given.wafers, "device": device.type,
    }  # fmt: skip
    rows: list[Row] = []
    end = math.inf if given.minutes is None else time.monotonic() + 60 * given.minutes
    for cell in cells(given.seeds, given.networks, given.treatments):
        config = TrainConfig(
            network=cell.network, seed=cell.seed, epochs=dict(given.epochs).get(cell.network),
            **TREATMENTS[cell.treatment].config,
        )  # fmt: skip
        path = CACHE / cell_name(cell, config, common)
        if not path.exists():
            if time.monotonic() > end:
                continue
            splits = splits_of(wafers, given.wafers, cell.seed)
            files.write_json(path, run(cell, config, splits, device), indent=None)
        rows.append(files.read_json(path))
        print(json.dumps({k: rows[-1][k] for k in (*asdict(cell), "seconds")}), flush=True)
    if rows:
        text = markdown(rows, about(wafers, pretraining, given), pretraining is None)
        summaries = [summarise(row) for row in rows]
        write_results(given.name, summaries, text, chart(summaries))


def cells(seeds: list[int], networks: list[str], treatments: list[str]) -> Iterator[Cell]:
    """All trainings, those first that are most useful if the time runs out."""
    for seed, treatment, network, protocol in itertools.product(
        seeds, treatments, networks, PROTOCOLS
    ):
        if treatment != "defaults" or protocol == "lots first":
            yield Cell(seed, network, treatment, protocol)


def splits_of(wafers: Wafers, count: int | None, seed: int) -> Splits:
    """Splits by lots, with training and validation thinned to ``count`` wafers together."""
    splits = split_by_lots(wafers, DEFAULT_FRACTIONS, seed)
    if count is not None:
        share = min(1.0, count / (len(splits["train"]) + len(splits["validation"])))
        for name in ("train", "validation"):
            splits[name] = thin(splits[name], share, seed)
    return splits


def run(cell: Cell, config: TrainConfig, by_lots: Splits, device: torch.device) -> Row:
    """Train, and test on the own test split and on the held-out lots."""
    start = time.perf_counter()
    splits = PROTOCOLS[cell.protocol](by_lots, TREATMENTS[cell.treatment], cell.seed)
    train, validation = splits["train"], splits["validation"]
    data, missing = TrainData(
        PATTERNS, train.pictures, train.labels, validation.pictures, validation.labels,
        train.lots.tolist(),
    ).without_empty_classes()  # fmt: skip
    preparing = time.perf_counter() - start
    classifier, row = fit(config, data, device)
    held_out = confusion_row(classifier, by_lots["test"])
    is_same = splits["test"] is by_lots["test"]
    reported = held_out if is_same else confusion_row(classifier, splits["test"])
    return {
        **asdict(cell), **row, "held_out": held_out, "reported": reported,
        "counts": {name: some.counts() for name, some in splits.items()},
        "without_training_wafers": list(missing), "preparing_seconds": preparing,
        "config": asdict(config), "machine": describe_machine(),
        "device": str(describe_device(device)),
    }  # fmt: skip


def cell_name(cell: Cell, config: TrainConfig, common: dict[str, Any]) -> str:
    """File name of a cell; it differs with the settings, the data and the weights."""
    settings = {**asdict(cell), "config": asdict(config), **common}
    if registry.NETWORKS[cell.network].weights is None:
        del settings["weights"]
    key = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:10]
    words = f"{cell.network}-{cell.treatment}-{cell.protocol}-{common['wafers'] or 'all'}"
    return f"{words.replace(' ', '_')}-seed{cell.seed}-{key}.json"


def checksum(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def weight_checksums(weights: Path) -> list[str]:
    """Those of the weights and of their pretrained head."""
    head = weights.with_name(f"{registry.pretrained_head_file(weights.stem)}.safetensors")
    return [checksum(weights), checksum(head)]


def named_number(text: str) -> tuple[str, int]:
    """``network=number``."""
    name, _, number = text.partition("=")
    return name, int(number)


def about(
    wafers: Wafers, pretraining: dict[str, Any] | None, given: argparse.Namespace
) -> list[str]:
    """Sentences on the data, for the head of the table."""
    if pretraining is None:
        source = "The whole file; WaferNet may have been pretrained on it."
    else:
        source = (
            f"The {pretraining['leave_groups_out']:.0%} of the lots that WaferNet's pretraining "
            f"({pretraining['real_wafers']:,} wafers of the other lots, "
            f"{pretraining['step']:,} steps) left out."
        )
    lots = len(np.unique(wafers.lots))
    limits = [f"{network} {number}" for network, number in given.epochs]
    thinned = f" Thinned to {given.wafers:,} for training and validation." if given.wafers else ""
    return [
        f"{source} {len(wafers):,} wafers from {lots:,} lots.{thinned}",
        *([f"Fixed number of epochs: {', '.join(limits)}."] if limits else []),
    ]


if __name__ == "__main__":
    main()
