"""What the weights of WaferNet are worth: few wafers a class, on lots that they never saw.

    python -m wafer_core.pretraining.wafernet --output HALF.safetensors --data DATA.npz \\
        --leave-groups-out 0.5
    python -m benchmarks.quality.wafernet DATA.npz HALF.safetensors [--per-class 5 10 50]
        [--seeds 0 1]
    python -m benchmarks.quality.wafernet DATA.npz HALF.safetensors --as-it-is

Pre-training saw half of the lots. The other half is split by lots once more, by the seed: from one
part come the training wafers (and a third as many to choose the epoch by), the other part judges,
300 wafers a class at most. Everything else is the program's default.

``--as-it-is`` trains nothing: the network's own nine names, on lots that taught it and on others.
The difference is what it knows by heart.

The shipped weights saw nearly all lots: judged with those, the figures would be too good.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.machine import describe_machine, write_results
from wafer_core.device import choose_device
from wafer_core.importers import Candidate, scan
from wafer_core.metrics import evaluate, intervals
from wafer_core.networks import registry
from wafer_core.simulator import PATTERNS
from wafer_core.tasks.classification.train import Classifier, TrainConfig, TrainData, train

JUDGED = 300  # wafers a class at most


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("data", type=Path, help="wafer data file with labels and groups")
    parser.add_argument("weights", type=Path, help="of a pre-training with lots left out")
    parser.add_argument("--per-class", type=int, nargs="+", default=[5, 10, 50])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--networks", nargs="+", default=["wafernet", "wafer_cnn"])
    parser.add_argument("--as-it-is", action="store_true", help="train nothing")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--name", default="wafernet", help="of the table (wafernet)")
    given = parser.parse_args()
    device = choose_device(given.device)
    half = Classifier.load(given.weights.parent, name=given.weights.stem)
    everything = scan([given.data]).candidates
    candidates = left_out(everything, half.config)
    if given.as_it_is:
        known = {id(c) for c in candidates}
        sides = {"left out": candidates, "taught": [c for c in everything if id(c) not in known]}
        by_heart = [own_names(half, name, side) for name, side in sides.items()]
        write_results(f"{given.name}-as_it_is", by_heart, table_of_names(by_heart))
        return
    with_weights(given.weights)
    rows = []
    for per_class in given.per_class:
        for seed in given.seeds:
            data, judged, truth = draw(candidates, per_class, seed)
            for network in given.networks:
                config = TrainConfig(network=network, seed=seed)
                row = one(config, data, judged, truth, device)
                rows.append({"per_class": per_class, "seed": seed, "network": network, **row})
                print(json.dumps(rows[-1]), flush=True)
    write_results(given.name, rows, table(rows, half.config))


def left_out(candidates: list[Candidate], config: dict[str, Any]) -> list[Candidate]:
    """Wafers of the lots that pre-training left out, see ``pretrain_wafers.split``."""
    lots = list(dict.fromkeys(c.group for c in candidates))
    order = np.random.default_rng(config["seed"]).permutation(len(lots))
    out = order[len(order) - round(config["leave_groups_out"] * len(order)) :]
    names = {lots[k] for k in out}
    return [c for c in candidates if c.group in names]


def own_names(network: Classifier, lots: str, candidates: list[Candidate]) -> dict[str, Any]:
    """Figures of a network's own names on some lots."""
    generator = np.random.default_rng(0)
    pictures, labels = [], []
    for label, name in enumerate(PATTERNS):
        mine = [c for c in candidates if c.class_name == name]
        chosen = [mine[k] for k in generator.permutation(len(mine))[:JUDGED]]
        pictures += [c.load().picture for c in chosen]
        labels += [label] * len(chosen)
    found = evaluate(np.array(labels), network.predict_proba(pictures), PATTERNS)
    row = {
        "lots": lots, "judged": found.count, "macro_f1": found.macro_f1,
        "accuracy": found.accuracy, "calibration_error": found.calibration_error,
        "f1": {name: each.f1 for name, each in found.per_class.items()},
    }  # fmt: skip
    print(json.dumps(row), flush=True)
    return row


def table_of_names(rows: list[dict[str, Any]]) -> str:
    """Markdown."""
    lines = [
        f"# The network's own nine names, nothing trained; {describe_machine()}", "",
        f"| lots | judged | macro-F1 | accuracy | calibration error | {' | '.join(PATTERNS)} |",
        "|---" * (5 + len(PATTERNS)) + "|",
    ]  # fmt: skip
    for row in rows:
        each = " | ".join(f"{row['f1'][name]:.2f}" for name in PATTERNS)
        lines.append(
            f"| {row['lots']} | {row['judged']} | {row['macro_f1']:.3f} | {row['accuracy']:.3f} | "
            f"{row['calibration_error']:.3f} | {each} |"
        )
    return "\n".join(lines)


def with_weights(path: Path) -> None:
    """Let trainings in this process start from these weights instead of the shipped ones."""
    registry.WEIGHTS = path.parent
    info = registry.NETWORKS["wafernet"]
    object.__setattr__(info, "weights", path.stem)


def draw(
    candidates: list[Candidate], per_class: int, seed: int
) -> tuple[TrainData, list[Any], np.ndarray]:
    """Training and validation wafers of one part of the lots, and those of the other to judge."""
    generator = np.random.default_rng([seed, 50])
    lots = generator.permutation(sorted({str(c.group) for c in candidates}))
    known = set(lots[: len(lots) // 2].tolist())
    train_part: list[tuple[Any, int]] = []
    lots_of: list[str] = []
    validation: list[tuple[Any, int]] = []
    judged: list[tuple[Any, int]] = []
    for label, name in enumerate(PATTERNS):
        mine = [c for c in candidates if c.class_name == name]
        inside = [c for c in mine if c.group in known]
        outside = [c for c in mine if c.group not in known]
        order = generator.permutation(len(inside))[: per_class + max(1, per_class // 3)]
        cut = round(len(order) * per_class / (per_class + max(1, per_class // 3)))
        train_part += [(inside[k].load().picture, label) for k in order[:cut]]
        lots_of += [str(inside[k].group) for k in order[:cut]]
        validation += [(inside[k].load().picture, label) for k in order[cut:]]
        chosen = generator.permutation(len(outside))[:JUDGED]
        judged += [(outside[k].load().picture, label) for k in chosen]

    def labels(part: list[tuple[Any, int]]) -> np.ndarray:
        return np.array([label for _, label in part], np.int64)

    data = TrainData(
        PATTERNS, [p for p, _ in train_part], labels(train_part),
        [p for p, _ in validation], labels(validation), lots_of,
    )  # fmt: skip
    return data, [p for p, _ in judged], labels(judged)


def one(
    config: TrainConfig, data: TrainData, judged: list[Any], truth: np.ndarray,
    device: torch.device,
) -> dict[str, Any]:  # fmt: skip
    """Train and judge."""
    started = time.perf_counter()
    epochs = 0
    for result in train(data, config, device):
        epochs = result.epoch
    classifier = result.best_classifier()
    seconds = time.perf_counter() - started
    found = evaluate(truth, classifier.predict_proba(judged), data.class_names)
    return {
        "trained_on": len(data.train_pictures), "judged": found.count, "seconds": seconds,
        "epochs": epochs, "macro_f1": found.macro_f1, "accuracy": found.accuracy,
        "calibration_error": found.calibration_error,
        "interval": intervals(found.confusion).macro_f1,
        "f1": {name: score.f1 for name, score in found.per_class.items()},
    }  # fmt: skip


def table(rows: list[dict[str, Any]], config: dict[str, Any]) -> str:
    """Markdown."""
    without = ", ".join(config["without"]) or "none"
    lines = [
        f"# Few wafers a class, on lots that pre-training never saw; {describe_machine()}",
        "",
        f"Pre-training: {config['real_wafers']} real wafers of "
        f"{100 - 100 * config['leave_groups_out']:.0f} % of the lots, {config['step']} steps; "
        f"patterns left out of it: {without}. Means over so many draws.",
        "",
        "| a class | network | draws | macro-F1 | lowest | accuracy | calibration error "
        "| train (s) | judged |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    classes = ["", "| a class | network | " + " | ".join(PATTERNS) + " |", "|---" * 11 + "|"]
    for per_class, network in dict.fromkeys((r["per_class"], r["network"]) for r in rows):
        mine = [r for r in rows if (r["per_class"], r["network"]) == (per_class, network)]

        def mean(key: str, mine: list[dict[str, Any]] = mine) -> float:
            return float(np.mean([r[key] for r in mine]))

        lines.append(
            f"| {per_class} | {network} | {len(mine)} | {mean('macro_f1'):.3f} | "
            f"{min(r['macro_f1'] for r in mine):.3f} | {mean('accuracy'):.3f} | "
            f"{mean('calibration_error'):.3f} | {mean('seconds'):.0f} | {mean('judged'):.0f} |"
        )
        scores = [f"{np.mean([r['f1'][name] for r in mine]):.2f}" for name in PATTERNS]
        classes.append(f"| {per_class} | {network} | " + " | ".join(scores) + " |")
    return "\n".join([*lines, "", "F1 of each class:", *classes])


if __name__ == "__main__":
    main()
