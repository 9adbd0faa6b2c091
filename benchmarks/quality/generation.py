"""How realistic generated wafers are: transforms, Auto (diffusion) and Classic DCGAN compared.

    python -m wafer_core.pretraining.wafergen --output HALF.safetensors --data DATA.npz \\
        --leave-groups-out 0.5
    python -m benchmarks.quality.generation DATA.npz [--weights HALF.safetensors]
        [--classes Scratch Loc] [--originals 60] [--synthetic 400] [--presets default classic]
        [--classic-epochs 150] [--variety 1]

The lots that were left out of the generator's pretraining are split once more, by the seed: the
originals come from one half, the real wafers to compare with, at most 300 per class, from the
other. The scores are those of ``score`` (KID, recall and so on in WaferNet's features); the
baseline is that of the originals and the other real wafers.

Class agreement is the share of synthetic wafers that a classifier, fitted to the originals of all
classes, puts in their class; beside it is the same for the real wafers of the class, and of all
other classes. Auto redraws wafers that such a classifier puts elsewhere, so its agreement is too
high. *independent* is therefore the agreement of a classifier fitted to 60 of the other real wafers
of each class.

Each class is written as soon as it is done.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.machine import describe_machine, write_results
from benchmarks.tables import Row, grouped, mean, number, table
from benchmarks.wafers import left_out, load, lot_halves, read_labelled
from wafer_core.device import choose_device
from wafer_core.images import Picture, encode_png
from wafer_core.importers import Candidate
from wafer_core.networks import checkpoint
from wafer_core.networks.registry import WEIGHTS
from wafer_core.simulator import PATTERNS
from wafer_core.tasks.augmentation.offline import AugmentConfig, augment
from wafer_core.tasks.evaluation.class_agreement import EACH, Classes, reference_classifier
from wafer_core.tasks.evaluation.scoring import score_synthetic
from wafer_core.tasks.generation.config import GenerationConfig
from wafer_core.tasks.generation.diffusion import network as masked_diffusion
from wafer_core.tasks.generation.presets import generate
from wafer_core.tasks.generation.steps import GenerateResult

HELD_OUT = 300  # real wafers per class at most
ENOUGH_RECALL = 0.6  # share of the variety of real wafers that should be covered

Halves = dict[str, tuple[list[Picture], list[Picture]]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("data", type=Path, help="wafer data file with labels and lots")
    parser.add_argument(
        "--weights", type=Path, default=WEIGHTS / f"{masked_diffusion.NAME}.safetensors"
    )
    parser.add_argument("--classes", nargs="+", default=list(PATTERNS))
    parser.add_argument("--originals", type=int, default=60)
    parser.add_argument("--synthetic", type=int, default=400)
    parser.add_argument("--presets", nargs="+", default=["transforms", "default", "classic"])
    parser.add_argument("--classic-epochs", type=int, default=150)
    parser.add_argument(
        "--variety", type=float, default=GenerationConfig().variety, help="of default"
    )
    parser.add_argument("--no-agreement", action="store_true", help="train no classifier")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--name", default="generation", help="of the results (generation)")
    given = parser.parse_args()
    device = choose_device(given.device)
    pretraining = checkpoint.read_description(given.weights.parent, given.weights.stem)["config"]
    network = masked_diffusion.load(device, given.weights.parent, given.weights.stem)
    masked_diffusion.load = lambda _: network  # type: ignore[assignment, misc]
    halves = draw(read_labelled(given.data), pretraining, given.originals, given.seed)
    rows: list[Row] = []
    for name in given.classes:
        for preset in given.presets:
            rows.append(generate_row(name, preset, halves, device, given))
            print(json.dumps(rows[-1]), flush=True)
            write_results(given.name, rows, markdown(rows, pretraining, given))


def draw(
    candidates: Sequence[Candidate], pretraining: dict[str, Any], originals: int, seed: int
) -> Halves:
    """For each class, originals of some lots and other real wafers of other lots."""
    out = left_out(candidates, pretraining)
    names = {c.group for c in out}
    lots = [lot for lot in dict.fromkeys(str(c.group) for c in candidates) if lot in names]
    halves = lot_halves(out, lots, np.random.default_rng([seed, 60]))
    return {
        name: (load(first[:originals]), load(second[:HELD_OUT]))
        for name, (first, second) in halves.items()
    }


def generate_row(
    name: str, preset: str, halves: Halves, device: torch.device, given: argparse.Namespace
) -> Row:
    """Generate wafers of one class with one preset, and score them."""
    originals, held_out = halves[name]
    wall, cpu = time.perf_counter(), time.process_time()
    details: dict[str, Any] = {}
    if preset == "transforms":
        made = augment(originals, given.synthetic, AugmentConfig(), given.seed)
        synthetic = [picture for picture, _, _ in made]
    else:
        config = GenerationConfig(
            preset=preset, epochs=given.classic_epochs, seed=given.seed, sweep=False,
            variety=given.variety,
        )  # fmt: skip
        others = {other: sides[0] for other, sides in halves.items() if other != name}
        for event in generate(originals, given.synthetic, config, device, others=others):
            if isinstance(event, GenerateResult):
                synthetic, details = event.pictures, event.details
    size = sum(len(encode_png(picture)) for picture in synthetic)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    score_wall, score_cpu = time.perf_counter(), time.process_time()
    classes = None
    if not given.no_agreement:
        training, other = ({key: sides[k] for key, sides in halves.items()} for k in (0, 1))
        classes = Classes(name, training, other)
    scores = score_synthetic(
        synthetic, originals, held_out, {}, classes=classes, device=device, seed=given.seed
    ).scores
    score_wall, score_cpu = time.perf_counter() - score_wall, time.process_time() - score_cpu
    agreement: Row = {}
    if classes is not None:
        found = scores["agreement"]
        independent = reference_classifier([sides[1][:EACH] for sides in halves.values()], device)
        agrees = independent.predict(synthetic) == list(halves).index(name)
        agreement = {
            "agreement": found.value, "agreement_real": found.baseline,
            "agreement_others": found.reference, "agreement_details": dict(found.details),
            "agreement_counts": dict(found.counts), "instead": found.instead,
            "agreement_independent": float(agrees.mean()),
        }  # fmt: skip
    cost = details.get("cost", {})
    return {
        "class": name, "preset": preset, "originals": len(originals), "synthetic": len(synthetic),
        "held_out": len(held_out),
        "epochs": given.classic_epochs if preset == "classic" else None,
        "kid": scores["kid"].value, "kid_spread": scores["kid"].spread,
        "kid_same_counts": scores["kid"].same_counts, "kid_baseline": scores["kid"].baseline,
        "precision": scores["precision"].value, "recall": scores["recall"].value,
        "recall_same_counts": scores["recall"].same_counts,
        "recall_baseline": scores["recall"].baseline, "copies": scores["copies"].value,
        "fid": scores["fid"].same_counts, "fid_baseline": scores["fid"].baseline, **agreement,
        "seconds": wall, "cpu_seconds": cpu, "score_seconds": score_wall,
        "score_cpu_seconds": score_cpu, "bytes": size,
        "peak_memory": cost.get("peak_memory_bytes"), "steps": cost.get("seconds"),
        **{key: details.get(key) for key in ("diversity", "redrawn", "collapsed")},
    }  # fmt: skip


def summarise(rows: Sequence[Row]) -> list[Row]:
    """Means over the classes of each preset, compared with Classic DCGAN where it was run."""
    classic = {row["class"]: row for row in rows if row["preset"] == "classic"}
    found = []
    for (preset,), own in grouped(rows, ("preset",)).items():
        both = [r for r in own if r["class"] in classic and preset != "classic"]
        faster = [classic[r["class"]]["cpu_seconds"] / r["cpu_seconds"] for r in both]
        found.append({
            "preset": preset, "classes": len(own),
            **{key: mean(own, key) for key in ("kid", "kid_baseline", "recall", "agreement",
                                               "agreement_independent")},
            "enough_recall": sum(r["recall"] >= ENOUGH_RECALL for r in own),
            "most_copies": max(r["copies"] for r in own),
            "compared": len(both),
            "third_of_kid": sum(r["kid"] <= classic[r["class"]]["kid"] / 3 for r in both),
            "times_faster": [min(faster), max(faster)] if both else None,
        })  # fmt: skip
    return found


def markdown(rows: Sequence[Row], pretraining: dict[str, Any], given: argparse.Namespace) -> str:
    """The table, and the means."""
    epochs = sorted({r["epochs"] for r in rows if r["epochs"]})
    cells = []
    for r in rows:
        recall, agreement = number(r["recall"], 2), number(r.get("agreement"), 2)
        if r["recall_same_counts"] is not None:
            recall += f" ({number(r['recall_same_counts'], 2)}, {number(r['recall_baseline'], 2)})"
        if "agreement" in r:
            real, others = (number(r[f"agreement_{key}"], 2) for key in ("real", "others"))
            agreement += f" ({real}, {others})"
        preset = r["preset"] + (f", {r['epochs']} epochs" if r["epochs"] else "")
        memory = r["peak_memory"] and r["peak_memory"] / 2**20
        cells.append(
            [r["class"], preset, r["originals"], r["held_out"], number(r["kid"]),
             number(r["kid_baseline"]), number(r["precision"], 2), recall, number(r["copies"]),
             agreement, number(r.get("agreement_independent"), 2),
             f"{r['seconds']:.0f} ({r['cpu_seconds']:.0f})",
             f"{r['score_seconds']:.0f} ({r['score_cpu_seconds']:.0f})", number(memory, 0)]
        )  # fmt: skip
    sentences = []
    for s in summarise(rows):
        sentence = (
            f"- {s['preset']}, {s['classes']} classes: mean KID {number(s['kid'])}, baseline "
            f"{number(s['kid_baseline'])}; recall {number(s['recall'], 2)}, at least "
            f"{ENOUGH_RECALL} in {s['enough_recall']}; most copies {number(s['most_copies'])}; "
            f"agreement {number(s['agreement'], 2)}, independent "
            f"{number(s['agreement_independent'], 2)}"
        )
        if s["times_faster"]:
            low, high = s["times_faster"]
            sentence += (
                f"; KID at most a third of that of Classic DCGAN in {s['third_of_kid']} of "
                f"{s['compared']} classes; {low:.0f} to {high:.0f} times less CPU time"
            )
        sentences.append(f"{sentence}.")
    return "\n".join(
        [
            f"# {given.originals} originals per class, {given.synthetic} synthetic wafers; "
            f"{describe_machine()}", "",
            f"Generator: pretrained on {pretraining['real_wafers']:,} real wafers from "
            f"{1 - pretraining['leave_groups_out']:.0%} of the lots, {pretraining['step']:,} "
            "steps. Originals and other real wafers come from other lots, each from their own; "
            f"seed {given.seed}. Classic DCGAN: {', '.join(map(str, epochs)) or '–'} epochs (150 "
            "by default).", "",
            "KID, precision and recall in WaferNet's features against the other real wafers. "
            "*Baseline*: the originals against them, at equal counts; in brackets the recall of as "
            "many synthetic wafers, and its baseline. *Copies*: share that repeats an original, "
            "rotated or reflected or not. *Agreement*: a classifier fitted to the originals puts "
            "it in its class; in brackets the same for the real wafers of the class, and of all "
            "others. *Independent*: the same with a classifier fitted to 60 other real wafers of "
            "each class. Seconds of generating and storing, then of scoring; CPU seconds in "
            "brackets; other work shared the machine. Memory of the process.", "",
            *table(["class", "preset", "originals", "other real", "KID", "baseline", "precision",
                    "recall", "copies", "agreement", "independent", "generate (s)", "score (s)",
                    "memory (MB)"], cells), "",
            *sentences,
        ]
    )  # fmt: skip


if __name__ == "__main__":
    main()
