"""What made wafers are worth: Default against Classic, on lots that the generator never saw.

    python -m wafer_core.pretraining.wafergen --output HALF.safetensors --data DATA.npz \\
        --leave-groups-out 0.5
    python -m benchmarks.quality.generation DATA.npz [--weights HALF.safetensors] [--classes
        Scratch Loc]
        [--originals 60] [--made 400] [--presets default classic] [--classic-epochs 150]
        [--variety 1]

The lots that the generator's teaching left out are split once more, by the seed: originals come
from one part, the wafers that judge from the other, 300 a class at most. Scores are those of
``score`` (KID, recall and so on in WaferNet's features; *floor*: the originals themselves against
the wafers that judge). Class agreement, as ``score`` tells it: the share of made wafers that a
classifier, taught with the originals of all classes and nothing else, puts in their class; beside
it stands the same for the real wafers that judge, of this class and of all others. Default redraws
what such a classifier puts elsewhere, so that this figure flatters it; *independent* is therefore
the share that a classifier taught with 60 of the judging wafers of each class calls by its name.

Each class is written as soon as it is done.
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
from wafer_core.images import Picture, encode_png
from wafer_core.importers import Candidate, scan
from wafer_core.networks import checkpoint
from wafer_core.networks.registry import WEIGHTS
from wafer_core.pretraining.dies import lots_left_out
from wafer_core.simulator import PATTERNS
from wafer_core.tasks.augmentation.offline import AugmentConfig, augment
from wafer_core.tasks.evaluation.class_agreement import EACH, Classes, reference_classifier
from wafer_core.tasks.evaluation.scoring import score_synthetic
from wafer_core.tasks.generation.dcgan.training import GanConfig
from wafer_core.tasks.generation.diffusion import shipped
from wafer_core.tasks.generation.presets import GenerateResult, generate

JUDGED = 300  # wafers a class at most


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("data", type=Path, help="wafer data file with labels and groups")
    parser.add_argument("--weights", type=Path, default=WEIGHTS / f"{shipped.NAME}.safetensors")
    parser.add_argument("--classes", nargs="+", default=list(PATTERNS))
    parser.add_argument("--originals", type=int, default=60)
    parser.add_argument("--made", type=int, default=400)
    parser.add_argument("--presets", nargs="+", default=["transforms", "default", "classic"])
    parser.add_argument("--classic-epochs", type=int, default=150)
    parser.add_argument("--variety", type=float, default=GanConfig().variety, help="of default")
    parser.add_argument("--no-agreement", action="store_true", help="train no classifier")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--name", default="generation", help="of the table (generation)")
    given = parser.parse_args()
    device = choose_device(given.device)
    taught = checkpoint.read_description(given.weights.parent, given.weights.stem)["config"]
    network = shipped.load(device, given.weights.parent, given.weights.stem)
    shipped.load = lambda _: network  # type: ignore[assignment, misc]
    classes = draw(scan([given.data]).candidates, taught, given.originals, given.seed)
    rows: list[dict[str, Any]] = []
    for name in given.classes:
        for preset in given.presets:
            rows.append(one(name, preset, classes, device, given))
            print(json.dumps(rows[-1]), flush=True)
            write_results(given.name, rows, table(rows, taught, given))


def draw(
    candidates: list[Candidate], taught: dict[str, Any], count: int, seed: int
) -> dict[str, tuple[list[Picture], list[Picture]]]:
    """For each class, originals of some lots and judging wafers of others, none of them taught."""
    number = {group: k for k, group in enumerate(dict.fromkeys(c.group for c in candidates))}
    group = np.array([number[c.group] for c in candidates])
    out = lots_left_out(group, taught["leave_groups_out"], taught["seed"])
    rng = np.random.default_rng([seed, 60])
    lots = rng.permutation(np.unique(group[out]))
    known = out & np.isin(group, lots[: len(lots) // 2])
    found = {}
    for name in PATTERNS:
        mine = np.array([c.class_name == name for c in candidates])
        originals = rng.permutation(np.flatnonzero(known & mine))[:count]
        others = rng.permutation(np.flatnonzero(out & ~known & mine))[:JUDGED]
        found[name] = (
            [candidates[k].load().picture for k in originals],
            [candidates[k].load().picture for k in others],
        )
    return found


def one(
    name: str,
    preset: str,
    classes: dict[str, tuple[list[Picture], list[Picture]]],
    device: torch.device,
    given: argparse.Namespace,
) -> dict[str, Any]:
    """Make wafers of one class by one preset, and score them."""
    originals, real = classes[name]
    wall, cpu = time.perf_counter(), time.process_time()
    details: dict[str, Any] = {}
    if preset == "transforms":
        made = [p for p, _, _ in augment(originals, given.made, AugmentConfig(), given.seed)]
    else:
        config = GanConfig(
            preset=preset, epochs=given.classic_epochs, seed=given.seed, sweep=False,
            variety=given.variety,
        )  # fmt: skip
        others = {other: sides[0] for other, sides in classes.items() if other != name}
        for event in generate(originals, given.made, config, device, others=others):
            if isinstance(event, GenerateResult):
                made, details = event.pictures, event.details
    stored = sum(len(encode_png(picture)) for picture in made)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    scored_wall, scored_cpu = time.perf_counter(), time.process_time()
    known = None
    if not given.no_agreement:
        learned, kept = ({key: sides[k] for key, sides in classes.items()} for k in (0, 1))
        known = Classes(name, learned, kept)
    found = score_synthetic(
        made, originals, real, {}, classes=known, device=device, seed=given.seed
    )
    scored_wall, scored_cpu = time.perf_counter() - scored_wall, time.process_time() - scored_cpu
    scores = found.scores
    agreement: dict[str, Any] = {}
    if known is not None:
        told = scores["agreement"]
        agreement = {
            "agreement": told.value, "agreement_real": told.baseline,
            "agreement_others": told.reference,
            "agreement_details": dict(told.details), "agreement_counts": dict(told.counts),
            "instead": told.instead,
        }  # fmt: skip
        independent = reference_classifier([sides[1][:EACH] for sides in classes.values()], device)
        agrees = independent.predict(made) == list(classes).index(name)
        agreement["agreement_independent"] = float(agrees.mean())
    return {
        "class": name, "preset": preset, "originals": len(originals), "made": len(made),
        "judged": len(real),
        "epochs": given.classic_epochs if preset == "classic" else None,
        "kid": scores["kid"].value, "kid_spread": scores["kid"].spread,
        "kid_same_counts": scores["kid"].same_counts, "kid_floor": scores["kid"].baseline,
        "precision": scores["precision"].value, "recall": scores["recall"].value,
        "recall_same_counts": scores["recall"].same_counts,
        "recall_floor": scores["recall"].baseline, "copies": scores["copies"].value,
        "fid": scores["fid"].same_counts, "fid_floor": scores["fid"].baseline,
        **agreement,
        "seconds": wall, "cpu_seconds": cpu, "score_seconds": scored_wall,
        "score_cpu_seconds": scored_cpu, "bytes": stored,
        "peak_memory": details.get("cost", {}).get("peak_memory_bytes"),
        "steps": details.get("cost", {}).get("seconds"),
        "diversity": details.get("diversity"), "redrawn": details.get("redrawn"),
        "collapsed": details.get("collapsed"),
    }  # fmt: skip


def table(rows: list[dict[str, Any]], taught: dict[str, Any], given: argparse.Namespace) -> str:
    """Markdown."""
    left = taught["leave_groups_out"]
    epochs = sorted({r["epochs"] for r in rows if r["epochs"]})
    lines = [
        f"# {given.originals} originals a class, {given.made} made; {describe_machine()}",
        "",
        f"Generator: {taught['real_wafers']} real wafers of {1 - left:.0%} of the lots, "
        f"{taught['step']} steps. Originals and judging wafers are of other lots, each of their "
        f"own; seed {given.seed}. Classic: {', '.join(map(str, epochs)) or '–'} epochs (the "
        "recipe has 150).",
        "",
        "KID, precision and recall in WaferNet's features against the judging wafers. *Floor*: the "
        "originals against them, at equal counts; in brackets the recall of as many made ones, and "
        "its floor. *Copies*: share that repeats an original in any form. *Agrees*: a classifier "
        "taught with the originals alone puts it in its class; in brackets the same for the "
        "judging wafers of the class, and of all others. *Independent*: the same of a "
        "classifier taught with 60 judging wafers of each class. Seconds of making and storing, "
        "then of scoring: on the wall, and of the processor in brackets; other "
        "work shared the machine. Memory: of the process.",
        "",
        "| class | preset | originals | judged | KID | floor | precision | recall | copies "
        "| agrees | independent | make (s) | score (s) | memory (MB) |",
        "|" + "---|" * 14,
    ]
    for r in rows:
        agrees = "–"
        if "agreement" in r:
            ends = (_text(r[f"agreement_{which}"], 2) for which in ("real", "others"))
            agrees = f"{_text(r['agreement'], 2)} ({', '.join(ends)})"
        memory = f"{r['peak_memory'] / 2**20:.0f}" if r["peak_memory"] else "–"
        recall = _text(r["recall"], 2)
        if r.get("recall_same_counts") is not None:
            recall += f" ({_text(r['recall_same_counts'], 2)}, {_text(r['recall_floor'], 2)})"
        preset = r["preset"] + (f", {r['epochs']} epochs" if r["epochs"] else "")
        lines.append(
            f"| {r['class']} | {preset} | {r['originals']} | {r['judged']} | {_text(r['kid'])} | "
            f"{_text(r['kid_floor'])} | {_text(r['precision'], 2)} | {recall} | "
            f"{_text(r['copies'])} | {agrees} | {_text(r.get('agreement_independent'), 2)} | "
            f"{r['seconds']:.0f} ({r['cpu_seconds']:.0f}) | "
            f"{r['score_seconds']:.0f} ({r['score_cpu_seconds']:.0f}) | {memory} |"
        )
    lines += ["", *means(rows)]
    return "\n".join(lines)


def means(rows: list[dict[str, Any]]) -> list[str]:
    """What the table comes to, preset by preset."""
    lines = []
    classic = {r["class"]: r for r in rows if r["preset"] == "classic"}
    for preset in dict.fromkeys(r["preset"] for r in rows):
        mine = [r for r in rows if r["preset"] == preset]
        kid, floor = (np.mean([r[key] for r in mine]) for key in ("kid", "kid_floor"))
        recalls = [r["recall"] for r in mine]
        line = (
            f"- {preset}, {len(mine)} classes: mean KID {kid:.3f}, floor {floor:.3f}; recall "
            f"{np.mean(recalls):.2f}, 0.6 or more on {sum(x >= 0.6 for x in recalls)}; most copies "
            f"{max(r['copies'] for r in mine):.3f}"
        )
        if mine[0].get("agreement") is not None:
            line += f"; agreement {np.mean([r['agreement'] for r in mine]):.2f}"
            seen = [r["agreement_independent"] for r in mine if "agreement_independent" in r]
            if seen:
                line += f", independent {np.mean(seen):.2f}"
        both = [r for r in mine if r["class"] in classic and preset != "classic"]
        if both:
            third = sum(r["kid"] <= classic[r["class"]]["kid"] / 3 for r in both)
            faster = [classic[r["class"]]["cpu_seconds"] / r["cpu_seconds"] for r in both]
            line += (
                f"; KID at most a third of Classic's on {third} of {len(both)} classes; "
                f"{min(faster):.0f} to {max(faster):.0f} times less processor time than Classic"
            )
        lines.append(line + ".")
    return lines


def _text(value: float | None, digits: int = 3) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


if __name__ == "__main__":
    main()
