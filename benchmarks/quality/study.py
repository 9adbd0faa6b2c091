"""How good the networks are on the nine classes, and what a split through copies pretends.

    python -m wafer_core.pretraining.wafernet --output HALF.safetensors --data DATA.npz \\
        --leave-groups-out 0.5
    python -m benchmarks.quality.study DATA.npz --weights HALF.safetensors
        [--wafers 1500] [--minutes 25] [--seeds 0 1] [--networks wafer_cnn wafernet] [--epochs
        efficientnet_b0=3]

Two protocols on the same wafers:

lots first    65 / 20 / 15 % by lots, as an import splits; what multiplies wafers touches the
              training part only. The test part judges.
copies first  as in many published studies: multiply, then split the pictures 65 / 20 / 15 at
              random. Copies of one wafer, and wafers of one lot, are on all sides. What its own
              test part says is *reported*; the test lots of the other protocol, which it never
              touches, say what is true. The difference is what the leak is worth.

Each is done with the wafers as they come, with one turned copy of each, with all classes brought to
the same number, and (lots first only) with the program's own defaults; see ``TREATMENTS``. Figures
are those of the natural mix of the test lots, and of a balanced mix: each class weighted to count
the same, which is what balanced draws of them give on average.

Every finished cell (protocol, treatment, network, seed) lies in ``benchmarks/results/study``: the
same command goes on where it was stopped, and other seeds or networks add to it. ``--wafers`` thins
the training and validation part, each class in its share; all wafers of the test lots judge. Times
are seconds of processor time as well, which count the same on a machine that does other work.

WaferNet's shipped weights have seen most lots of WM-811K. With ``--weights`` of a pre-training that
left lots out, the whole study uses those lots. Without, its rows are marked.
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

from benchmarks.machine import RESULTS, describe_machine, write_results
from benchmarks.quality.study_table import chart, summary, table
from benchmarks.quality.study_wafers import PROTOCOLS, TREATMENTS, Wafers, by_lots, load, thin
from benchmarks.quality.wafernet import left_out, with_weights
from wafer_core import files
from wafer_core.data.split import DEFAULT_FRACTIONS
from wafer_core.device import choose_device, describe_device
from wafer_core.importers import scan
from wafer_core.metrics import evaluate
from wafer_core.networks import registry as networks
from wafer_core.simulator import PATTERNS
from wafer_core.tasks.classification.train import Classifier, TrainConfig, TrainData, train

CELLS = RESULTS / "study"


@dataclass(frozen=True)
class Cell:
    """One training of the study."""

    seed: int
    network: str
    treatment: str
    protocol: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("data", type=Path, help="wafer data file with labels and groups")
    parser.add_argument("--weights", type=Path, help="of a pre-training with lots left out")
    parser.add_argument("--wafers", type=int, help="to train and choose the epoch by (all)")
    parser.add_argument(
        "--minutes",
        type=float,
        help="no cell is begun later (no limit); 0 makes the table of what is done",
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument(
        "--networks", nargs="+", default=["wafer_cnn", "wafernet", "efficientnet_b0"]
    )
    parser.add_argument("--treatments", nargs="+", default=list(TREATMENTS), choices=TREATMENTS)
    parser.add_argument(
        "--epochs", type=named_number, nargs="*", default=[], metavar="NETWORK=NUMBER",
        help="instead of the program's own number, for a network that takes too long",
    )  # fmt: skip
    parser.add_argument("--device", default="auto")
    parser.add_argument("--name", default="study", help="of the table (study)")
    given = parser.parse_args()
    device = choose_device(given.device)
    candidates = scan([given.data]).candidates
    known = None
    if given.weights:
        known = Classifier.load(given.weights.parent, name=given.weights.stem).config
        candidates = left_out(candidates, known)
        with_weights(given.weights)
    wafers = load([c for c in candidates if c.class_name in PATTERNS and c.group])
    common = {
        "data": fingerprint(given.data), "weights": given.weights and fingerprints(given.weights),
        "lots": known and [known["leave_groups_out"], known["seed"]],
        "wafers": given.wafers, "device": device.type,
    }  # fmt: skip
    rows = []
    ends = math.inf if given.minutes is None else time.monotonic() + 60 * given.minutes
    for cell in cells(given.seeds, given.networks, given.treatments):
        config = TrainConfig(
            network=cell.network, seed=cell.seed, epochs=dict(given.epochs).get(cell.network),
            **TREATMENTS[cell.treatment].config,
        )  # fmt: skip
        path = CELLS / cell_name(cell, config, common)
        if not path.exists():
            if time.monotonic() > ends:
                continue
            pool = pool_of(wafers, given.wafers, cell.seed)
            files.write_json(path, run(cell, config, pool, device), indent=None)
        rows.append(files.read_json(path))
        print(json.dumps({k: rows[-1][k] for k in (*asdict(cell), "seconds")}), flush=True)
    if rows:
        text = table(rows, about(wafers, known, given), known is None)
        write_results(given.name, [summary(row) for row in rows], text, {".svg": chart(rows)})


def cells(seeds: list[int], networks: list[str], treatments: list[str]) -> Iterator[Cell]:
    """All trainings in the order that leaves most where time ends first."""
    for seed, treatment, network, protocol in itertools.product(
        seeds, treatments, networks, PROTOCOLS
    ):
        if treatment != "defaults" or protocol == "lots first":
            yield Cell(seed, network, treatment, protocol)


def pool_of(wafers: Wafers, count: int | None, seed: int) -> dict[str, Wafers]:
    """The lots of each part; the first two thinned to ``count`` wafers together."""
    parts = by_lots(wafers, DEFAULT_FRACTIONS, seed)
    if count is not None:
        share = min(1.0, count / (len(parts["train"]) + len(parts["validation"])))
        for part in ("train", "validation"):
            parts[part] = thin(parts[part], share, seed)
    return parts


def run(
    cell: Cell, config: TrainConfig, pool: dict[str, Wafers], device: torch.device
) -> dict[str, Any]:
    """Train, and judge on the own test part and on the lots held out."""
    began = time.perf_counter()
    parts = PROTOCOLS[cell.protocol](pool, TREATMENTS[cell.treatment], cell.seed)
    data, missing = TrainData(
        PATTERNS, parts["train"].pictures, parts["train"].labels,
        parts["validation"].pictures, parts["validation"].labels,
        parts["train"].groups.tolist(),
    ).without_empty()  # fmt: skip
    started, worked = time.perf_counter(), time.process_time()
    epoch_seconds = []
    for result in train(data, config, device):
        epoch_seconds.append(result.seconds)
    classifier = result.best_classifier()
    seconds, worked = time.perf_counter() - started, time.process_time() - worked
    judged = {"held_out": judge(classifier, pool["test"])}
    # one and the same where lots were split first
    own = parts["test"] if parts["test"] is not pool["test"] else None
    judged["reported"] = judge(classifier, own) if own else judged["held_out"]
    return {
        **asdict(cell), **judged,
        "counts": {part: some.counts(len(PATTERNS)) for part, some in parts.items()},
        "without_training_wafer": list(missing),
        "epochs": len(epoch_seconds), "epoch_seconds": float(np.mean(epoch_seconds)),
        "preparing_seconds": started - began, "seconds": seconds, "cpu_seconds": worked,
        "config": asdict(config), "machine": describe_machine(),
        "device": describe_device(device),
    }  # fmt: skip


def judge(classifier: Classifier, wafers: Wafers) -> dict[str, Any]:
    """Confusion over the nine patterns and the calibration error."""
    probabilities = np.zeros((len(wafers), len(PATTERNS)))
    columns = [PATTERNS.index(name) for name in classifier.class_names]
    probabilities[:, columns] = classifier.predict_proba(wafers.pictures)
    found = evaluate(wafers.labels, probabilities, PATTERNS)
    return {
        "confusion": found.confusion.tolist(), "calibration_error": found.calibration_error,
    }  # fmt: skip


def cell_name(cell: Cell, config: TrainConfig, common: dict[str, Any]) -> str:
    """File name of a cell; another one for other settings, data, or weights to start from."""
    settings = {**asdict(cell), "config": asdict(config), **common}
    if networks.NETWORKS[cell.network].weights is None:
        del settings["weights"]
    key = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:10]
    words = f"{cell.network}-{cell.treatment}-{cell.protocol}-{common['wafers'] or 'all'}"
    return f"{words.replace(' ', '_')}-seed{cell.seed}-{key}.json"


def fingerprint(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def fingerprints(weights: Path) -> list[str]:
    """Those of weights to start from, and of the names on which a last layer leans."""
    names = weights.with_name(f"{networks.names_file(weights.stem)}.safetensors")
    return [fingerprint(weights), fingerprint(names)]


def named_number(text: str) -> tuple[str, int]:
    """``network=number``."""
    name, _, number = text.partition("=")
    return name, int(number)


def about(wafers: Wafers, known: dict[str, Any] | None, given: argparse.Namespace) -> list[str]:
    """Sentences on the data, for the head of the table."""
    if known is None:
        source = "The whole file; the weights of WaferNet may have seen it."
    else:
        source = (
            f"The {100 * known['leave_groups_out']:.0f} % of the lots that WaferNet's pre-training "
            f"({known['real_wafers']} wafers of the other lots, {known['step']} steps) left out."
        )
    lots = len(np.unique(wafers.groups))
    limits = [f"{network} {number}" for network, number in given.epochs]
    return [
        f"{source} {len(wafers)} wafers of {lots} lots."
        + (f" Thinned to {given.wafers} to train and validate." if given.wafers else ""),
        *([f"Epochs limited by hand: {', '.join(limits)}."] if limits else []),
    ]


if __name__ == "__main__":
    main()
