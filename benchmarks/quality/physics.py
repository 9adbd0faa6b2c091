"""How realistic the wafers of the fitted simulator are, for nine classes of real wafers.

    python -m benchmarks.quality.physics DATA.npz [--originals 60] [--synthetic 200]
        [--held-out 200] [--seed 0]

The originals that the simulator is fitted to come from half of the lots, the real wafers to compare
with from the other half. The fitted simulator is compared with the simulator that draws from
ranges, as in the demo, and with real wafers among each other (the real-real baseline). The features
are WaferNet's, whose shipped weights were pretrained on these lots; the fit does not use WaferNet.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.machine import describe_machine, write_results
from benchmarks.tables import Row, grouped, mean, number, table
from benchmarks.wafers import load, lot_halves, lots_of, read_labelled
from wafer_core.images import is_map
from wafer_core.simulator import PATTERNS, simulate_many
from wafer_core.simulator.fit import fit
from wafer_core.simulator.fitted import simulate_class
from wafer_core.tasks.classification.pretrained import standard_classifier
from wafer_core.tasks.evaluation.scoring import score_synthetic

_MEANS = ("kid", "baseline", "precision", "recall", "agreement")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("data", type=Path, help="wafer data file with labels and lots")
    parser.add_argument("--originals", type=int, default=60, help="to fit to (60)")
    parser.add_argument("--synthetic", type=int, default=200, help="of each simulator (200)")
    parser.add_argument("--held-out", type=int, default=200, help="to compare with (200)")
    parser.add_argument("--classes", nargs="+", default=list(PATTERNS))
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    candidates = read_labelled(given.data)
    rng = np.random.default_rng([given.seed, 71])
    halves = {
        name: [
            [picture for picture in load(side[:most]) if is_map(picture)]
            for side, most in zip(sides, (given.originals, given.held_out), strict=True)
        ]
        for name, sides in lot_halves(candidates, lots_of(candidates), rng).items()
    }
    classifier = standard_classifier()
    rows: list[Row] = []
    for name in given.classes:
        originals, held_out = halves[name]
        start = time.perf_counter()
        model = fit(originals, given.seed, name)
        fit_seconds = time.perf_counter() - start
        sources = {
            "fitted": [w.picture for w in simulate_class(model, given.synthetic, given.seed)],
            "from ranges": simulate_many(name, given.synthetic, given.seed),
        }
        others = {other: sides[1] for other, sides in halves.items() if other != name}
        for source, synthetic in sources.items():
            found = score_synthetic(synthetic, originals, held_out, others, seed=given.seed)
            predicted = classifier.predict_proba(synthetic).argmax(1)
            kid, is_fitted = found.scores["kid"], source == "fitted"
            rows.append({
                "class": name, "source": source, "kid": kid.value, "baseline": kid.baseline,
                "reference": kid.reference, "kid_same_counts": kid.same_counts,
                **{key: found.scores[key].value for key in ("precision", "recall", "copies")},
                "agreement": float(np.mean([classifier.class_names[k] == name for k in predicted])),
                "fit_seconds": fit_seconds if is_fitted else None,
                "fit_ratio": model.fit.ratio if is_fitted else None,
                "counts": dict(found.counts),
            })  # fmt: skip
            print(json.dumps(rows[-1]), flush=True)
    write_results("physics", rows, markdown(rows, given))


def summarise(rows: Sequence[Row]) -> dict[str, dict[str, float]]:
    """Means over the classes, for each simulator."""
    return {
        source: {key: mean(own, key) for key in _MEANS}
        for (source,), own in grouped(rows, ("source",)).items()
    }


def markdown(rows: Sequence[Row], given: argparse.Namespace) -> str:
    """The table, and the means."""
    cells = [
        [r["class"], r["source"], *(number(r[key]) for key in ("kid", "kid_same_counts", "baseline",
                                                              "reference")),
         *(number(r[key], 2) for key in ("precision", "recall", "copies", "agreement",
                                         "fit_ratio")), number(r["fit_seconds"], 1)]
        for r in rows
    ]  # fmt: skip
    means = [
        f"Mean of {source}: {', '.join(f'{key} {value:.3f}' for key, value in found.items())}."
        for source, found in summarise(rows).items()
    ]
    return "\n".join(
        [
            f"# The fitted simulator and real wafers; {describe_machine()}", "",
            f"Fitted to {given.originals} originals per class, {given.synthetic} simulated, "
            f"compared with at most {given.held_out} wafers of other lots; WaferNet's features, "
            f"seed {given.seed}.", "",
            *table(["class", "simulator", "KID", "at the counts of the baseline", "baseline",
                    "nearest other class", "precision", "recall", "near copies",
                    "predicted as the class", "fit ratio", "fit (s)"], cells), "",
            *means,
        ]
    )  # fmt: skip


if __name__ == "__main__":
    main()
