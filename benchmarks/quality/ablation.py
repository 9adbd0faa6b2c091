"""Do synthetic wafers help? Ten originals per class, with and without synthetic wafers.

    python -m wafer_core.pretraining.wafernet --output HALF.safetensors --data DATA.npz \\
        --leave-groups-out 0.5
    python -m benchmarks.quality.ablation DATA.npz [--weights HALF.safetensors]
        [--networks wafer_cnn] [--originals 10] [--synthetic 100] [--seeds 0 1 2 3 4]
        [--test-per-class 300] [--samples 20000] [--keep FOLDER]

Only lots that were left out of the generator's pretraining are used. Each seed splits them once
more: the originals (and a third as many validation wafers) come from one half, the test wafers from
the other. Each seed draws other originals, lots and initial weights; the interval of a difference
is Student's t over the seeds. The conditions, their training and their test are those of
``wafer_core benefit``.

``wafer_cnn`` is trained from scratch without augmentation, in every condition, so that “none” has
no augmentation at all. ``wafernet`` has its usual settings; it needs weights of a pretraining that
left these lots out.

More pictures are trained on for longer, as in the program. ``--samples`` gives every condition the
same number of training samples instead.

A row is written as soon as it is done, and finished rows are not repeated. With ``--keep`` the
synthetic wafers are stored in a folder and used again.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from scipy.special import stdtrit

from benchmarks.classifiers import use_weights
from benchmarks.machine import RESULTS, describe_machine, write_results
from benchmarks.tables import Row, grouped, mean, mean_by_class, number, table
from benchmarks.wafers import Labels, draw_few, left_out, read_labelled
from wafer_core.device import CoreWatch, choose_device
from wafer_core.images import Picture
from wafer_core.importers import Candidate
from wafer_core.metrics import evaluate
from wafer_core.networks import checkpoint
from wafer_core.networks.registry import NETWORKS, WEIGHTS
from wafer_core.progress import SILENT
from wafer_core.simulator import PATTERNS
from wafer_core.tasks.classification.train_data import TrainData
from wafer_core.tasks.studies.ablation import AblationConfig
from wafer_core.tasks.studies.conditions import (
    CONDITIONS,
    SYNTHESIZERS,
    StudyData,
    SynthesisRequest,
    by_class,
    train_condition,
)

KEY = ("network", "seed", "condition", "originals", "synthetic", "samples")
CELL = ("network", "originals", "synthetic", "samples")
GOALS = {"none": 3.0, "transforms": 1.0}  # points that generated should be above, from scratch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("data", type=Path, help="wafer data file with labels and lots")
    parser.add_argument("--weights", type=Path, help="of WaferNet, with half of the lots left out")
    parser.add_argument("--networks", nargs="+", default=["wafer_cnn", "wafernet"])
    parser.add_argument("--conditions", nargs="+", default=list(CONDITIONS), choices=CONDITIONS)
    parser.add_argument("--originals", type=int, default=10)
    parser.add_argument("--synthetic", type=int, default=100, help="per class and kind")
    parser.add_argument("--test-per-class", type=int, default=300, help="wafers at most")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--samples", type=int, help="per training, the same in all conditions")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="for synthetic wafers")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--name", default="benefit", help="of the results (benefit)")
    given = parser.parse_args()
    if given.weights is None and "wafernet" in given.networks:
        parser.error("wafernet needs --weights of a pretraining that left the test lots out")
    if given.weights is not None:
        use_weights(given.weights)
    device = choose_device(given.device)
    generator = checkpoint.read_description(WEIGHTS, "wafergen")["config"]
    candidates = left_out(read_labelled(given.data), generator)
    rows = finished_rows(given.name)
    finished = {tuple(row[key] for key in KEY) for row in rows}
    settings = {key: getattr(given, key) for key in ("originals", "synthetic", "samples")}
    for seed in given.seeds:
        data: StudyData | None = None
        for network in given.networks:
            for condition in given.conditions:
                row = {"network": network, "seed": seed, "condition": condition, **settings}
                if tuple(row[key] for key in KEY) in finished:
                    continue
                if data is None:
                    data = draw(candidates, given, seed, device)
                row |= train_row(data, network, condition, device, seed, given.samples)
                print(json.dumps({k: v for k, v in row.items() if k != "f1"}), flush=True)
                rows.append(row)
                write_results(given.name, rows, markdown(rows))


def draw(
    candidates: Sequence[Candidate], given: argparse.Namespace, seed: int, device: torch.device
) -> StudyData:
    """Originals of some lots with their synthetic wafers, and test wafers of other lots."""
    rng = np.random.default_rng([seed, 71])
    drawn = draw_few(candidates, given.originals, given.test_per_class, rng)
    kinds = {kind for condition in given.conditions for kind in CONDITIONS[condition].adds}
    synthetic = {
        kind: stored_or_synthesized(kind, drawn.data, given, seed, device)
        for kind in SYNTHESIZERS
        if kind in kinds
    }
    return StudyData(drawn.data, synthetic, drawn.pictures, drawn.labels, drawn.lots)


def stored_or_synthesized(
    kind: str, originals: TrainData, given: argparse.Namespace, seed: int, device: torch.device
) -> tuple[list[Picture], Labels]:
    """Synthetic wafers from the folder, or newly made ones."""
    if given.keep is None:
        return synthesize(kind, originals, given.synthetic, seed, device)
    digest = hashlib.sha256(b"".join(p.tobytes() for p in originals.train_pictures)).hexdigest()[:8]
    path = given.keep / f"{kind}-{given.originals}-{given.synthetic}-{seed}-{digest}.npz"
    if not path.exists():
        pictures, labels = synthesize(kind, originals, given.synthetic, seed, device)
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(path, *pictures, labels=labels)
    with np.load(path) as arrays:
        labels = arrays["labels"]
        return [arrays[f"arr_{k}"] for k in range(len(labels))], labels


def synthesize(
    kind: str, originals: TrainData, count: int, seed: int, device: torch.device
) -> tuple[list[Picture], Labels]:
    """``count`` synthetic wafers of each class, from its training originals."""
    pictures: list[Picture] = []
    start = time.perf_counter()
    classes = by_class(originals)
    for name, own in classes.items():
        others = {other: each for other, each in classes.items() if other != name}
        pictures += SYNTHESIZERS[kind](SynthesisRequest(own, count, seed, others), device, SILENT)
    seconds = time.perf_counter() - start
    print(f"seed {seed}: {len(pictures)} wafers ({kind}) in {seconds:.0f} s", flush=True)
    return pictures, np.repeat(np.arange(len(classes)), count)


def train_row(
    data: StudyData,
    network: str,
    condition: str,
    device: torch.device,
    seed: int,
    samples: int | None,
) -> Row:
    """Train and test one condition."""
    count = len(data.train_data(condition).train_pictures)
    config = AblationConfig(
        network=network,
        turns=NETWORKS[network].weights is not None,
        epochs=samples and max(1, round(samples / count)),
        seed=seed,
    ).training(0)
    watch = CoreWatch()

    def on_progress(_share: float) -> None:
        watch.adapt()

    done = train_condition(data, condition, config, device, on_progress)
    names = data.originals.class_names
    found = evaluate(data.test_labels, np.eye(len(names))[done.predicted], names)
    return {
        "pictures": done.pictures, "epochs": done.epochs, "seconds": done.seconds,
        "tested": found.count, "lots": len(set(data.test_lots)), "macro_f1": found.macro_f1,
        "accuracy": found.accuracy, "f1": {name: s.f1 for name, s in found.per_class.items()},
    }  # fmt: skip


def finished_rows(name: str) -> list[Row]:
    """Rows of an earlier run on a machine like this one."""
    for path in sorted(RESULTS.glob(f"{name}-*.json")):
        content = json.loads(path.read_text("utf-8"))
        rows: list[Row] = content.get("rows", [])
        if content.get("machine") == describe_machine() and all(set(KEY) <= set(r) for r in rows):
            return rows
    return []


class Gap(NamedTuple):
    """A difference of macro-F1 in points, half of its 95% interval, and the number of seeds."""

    points: float
    half: float
    seeds: int

    def __str__(self) -> str:
        if not self.seeds:
            return "–"
        return f"{self.points:+.1f}" if self.seeds < 2 else f"{self.points:+.1f} ± {self.half:.1f}"


def difference(rows: Sequence[Row], first: str, second: str) -> Gap:
    """The first condition minus the second, over the seeds that both have."""
    one, other = (
        {r["seed"]: r["macro_f1"] for r in rows if r["condition"] == name}
        for name in (first, second)
    )
    gaps = np.array([100 * (one[s] - other[s]) for s in sorted(set(one) & set(other))])
    if len(gaps) < 2:
        return Gap(float(gaps[0]) if len(gaps) else float("nan"), float("nan"), len(gaps))
    half = stdtrit(len(gaps) - 1, 0.975) * gaps.std(ddof=1) / len(gaps) ** 0.5
    return Gap(float(gaps.mean()), float(half), len(gaps))


def summarise(rows: Sequence[Row]) -> list[Row]:
    """For each network, settings and condition the mean scores and the differences to others."""
    found = []
    for cell, of_cell in grouped(rows, CELL).items():
        for condition in (c for c in CONDITIONS if any(r["condition"] == c for r in of_cell)):
            own = [r for r in of_cell if r["condition"] == condition]
            found.append({
                **dict(zip(CELL, cell, strict=True)), "condition": condition, "seeds": len(own),
                "macro_f1": mean(own, "macro_f1"), "lowest": min(r["macro_f1"] for r in own),
                "seconds": mean(own, "seconds"), "f1": mean_by_class(own),
                "gaps": {
                    other: difference(of_cell, condition, other)
                    for other in GOALS if condition not in (other, "none")
                },
            })  # fmt: skip
    return found


def verdict(summary: Row) -> list[str]:
    """Whether generated wafers reach their goals, from the summary of this condition."""
    is_pretrained = NETWORKS[summary["network"]].weights is not None
    sentences = []
    for other, goal in GOALS.items():
        gap: Gap = summary["gaps"][other]
        if not gap.seeds:
            continue
        if not is_pretrained:
            reached = "reached" if gap.points >= goal else "not reached"
            result = f"goal +{goal:.0f} {reached}"
        elif gap.seeds < 2:
            result = "one seed gives no interval"
        else:
            is_below = gap.points + gap.half < 0
            result = "significantly below" if is_below else "not significantly below"
        sentences.append(f"{gap.points:+.1f} points from {other}: {result}")
    return sentences


def markdown(rows: Sequence[Row]) -> str:
    """The table, the verdicts, and the F1 of each class."""
    tested = sorted({r["tested"] for r in rows})
    found = summarise(rows)

    def samples(row: Row) -> str:
        return f"{row['samples']:,}" if row["samples"] else "automatic"

    scores = [
        [r["network"], r["originals"], r["synthetic"], samples(r), r["condition"], r["seeds"],
         number(r["macro_f1"]), number(r["lowest"]), *(r["gaps"].get(other, "") for other in GOALS),
         number(r["seconds"], 0)]
        for r in found
    ]  # fmt: skip
    classes = [
        [r["network"], r["synthetic"], samples(r), r["condition"],
         *(number(r["f1"][name], 2) for name in PATTERNS)]
        for r in found
    ]  # fmt: skip
    verdicts = [
        f"- {r['network']}, {r['synthetic']} synthetic, samples {samples(r)}, seeds {r['seeds']}: "
        f"generated is {'; '.join(verdict(r))}."
        for r in found
        if r["condition"] == "generated" and verdict(r)
    ]
    return "\n".join(
        [
            f"# Do synthetic wafers help a classifier? {describe_machine()}", "",
            "Originals, test wafers and wafers of the generator's pretraining come from different "
            f"lots. {tested[0]:,} to {tested[-1]:,} real test wafers. Each seed draws other "
            "originals and lots. Differences in points of macro-F1 with Student's 95% interval "
            "over the seeds. *wafer_cnn* is trained from scratch without augmentation; *wafernet* "
            "has its usual settings. *Samples*: training samples, the same in all conditions; "
            "automatic: by the number of pictures, as in the program.", "",
            *table(["network", "originals", "synthetic", "samples", "condition", "seeds",
                    "macro-F1", "lowest", *(f"minus {other}" for other in GOALS), "training (s)"],
                   scores), "",
            *verdicts, "",
            "F1 of each class:", "",
            *table(["network", "synthetic", "samples", "condition", *PATTERNS], classes),
        ]
    )  # fmt: skip


if __name__ == "__main__":
    main()
