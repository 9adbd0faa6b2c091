"""How near wafers of the fitted simulator come to real ones of nine classes.

    python -m benchmarks.quality.physics DATA.npz [--originals 60] [--made 200]
        [--held-out 200] [--seed 0]

From one half of the lots come the originals that the simulator is fitted to, from the other half
the wafers that judge. Beside the fitted simulator: as many wafers of the simulator from ranges,
as in the demo, and real against real (the floor). The features are WaferNet's; its shipped weights
know these lots. The fit never asks WaferNet.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import describe_machine, write_results
from wafer_core.images import Picture, is_map
from wafer_core.importers import Candidate, scan
from wafer_core.simulator import PATTERNS, simulate_many
from wafer_core.simulator.fit import fit
from wafer_core.simulator.fitted import simulate_class
from wafer_core.tasks.classification.pretrained import standard_classifier
from wafer_core.tasks.evaluation.scoring import score_synthetic


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("data", type=Path, help="wafer data file with labels and groups")
    parser.add_argument("--originals", type=int, default=60, help="fitted to (60)")
    parser.add_argument("--made", type=int, default=200, help="wafers of each simulator (200)")
    parser.add_argument("--held-out", type=int, default=200, help="judged by, at most (200)")
    parser.add_argument("--classes", nargs="+", default=list(PATTERNS))
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    candidates = scan([given.data]).candidates
    training, judging = parts(candidates, given.originals, given.held_out, given.seed)
    classifier = standard_classifier()
    rows: list[dict[str, Any]] = []
    for name in given.classes:
        began = time.perf_counter()
        model = fit(training[name], given.seed, name)
        fitted = time.perf_counter() - began
        sources = {
            "fitted": [w.picture for w in simulate_class(model, given.made, given.seed)],
            "from ranges": simulate_many(name, given.made, given.seed),
        }
        others = {other: wafers for other, wafers in judging.items() if other != name}
        for source, made in sources.items():
            scores = score_synthetic(made, training[name], judging[name], others, seed=given.seed)
            said = classifier.predict_proba(made).argmax(1)
            kid = scores.scores["kid"]
            rows.append({
                "class": name, "source": source, "kid": kid.value, "floor": kid.baseline,
                "ceiling": kid.reference, "kid_same_counts": kid.same_counts,
                **{key: scores.scores[key].value for key in ("precision", "recall", "copies")},
                "agreement": float(np.mean([classifier.class_names[k] == name for k in said])),
                "fit_seconds": fitted if source == "fitted" else None,
                "fit_ratio": model.fit.ratio if source == "fitted" else None,
                "counts": dict(scores.counts),
            })  # fmt: skip
            print(json.dumps(rows[-1]), flush=True)
    write_results("physics", rows, table(rows, given))


def parts(
    candidates: list[Candidate], originals: int, held_out: int, seed: int
) -> tuple[dict[str, list[Picture]], dict[str, list[Picture]]]:
    """Wafers of each class to fit to and to judge by, from two halves of the lots."""
    generator = np.random.default_rng([seed, 71])
    lots = generator.permutation(sorted({str(c.group) for c in candidates}))
    first = set(lots[: len(lots) // 2].tolist())
    found: tuple[dict[str, list[Picture]], dict[str, list[Picture]]] = ({}, {})
    for name in PATTERNS:
        mine = [c for c in candidates if c.class_name == name]
        for part, most in ((0, originals), (1, held_out)):
            half = [c for c in mine if (str(c.group) in first) == (part == 0)]
            chosen = generator.permutation(len(half))[:most]
            wafers = [half[k].load().picture for k in chosen]
            found[part][name] = [wafer for wafer in wafers if is_map(wafer)]
    return found


def table(rows: list[dict[str, Any]], given: argparse.Namespace) -> str:
    """Markdown."""
    lines = [
        f"# Fitted simulator against real wafers; {describe_machine()}",
        "",
        f"Fitted to {given.originals} originals a class, {given.made} made, judged by at most "
        f"{given.held_out} wafers of other lots; WaferNet's features, seed {given.seed}.",
        "",
        "| class | simulator | KID | at the floor's counts | floor | ceiling | precision | recall "
        "| near copies | said to be of the class | fit ratio | fit (s) |",
        "|---" * 12 + "|",
    ]

    def shown(value: float | None, digits: int = 3) -> str:
        return "" if value is None else f"{value:.{digits}f}"

    for r in rows:
        lines.append(
            f"| {r['class']} | {r['source']} | {shown(r['kid'])} | {shown(r['kid_same_counts'])} | "
            f"{shown(r['floor'])} | {shown(r['ceiling'])} | {shown(r['precision'], 2)} | "
            f"{shown(r['recall'], 2)} | {shown(r['copies'], 2)} | {shown(r['agreement'], 2)} | "
            f"{shown(r['fit_ratio'], 2)} | {shown(r['fit_seconds'], 1)} |"
        )
    for source in dict.fromkeys(r["source"] for r in rows):
        mine = [r for r in rows if r["source"] == source]
        means = {
            key: float(np.mean([r[key] for r in mine if r[key] is not None]))
            for key in ("kid", "floor", "precision", "recall", "agreement")
        }
        told = ", ".join(f"{key} {value:.3f}" for key, value in means.items())
        lines += ["", f"Mean of {source}: {told}."]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
