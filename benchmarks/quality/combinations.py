"""38 classes of wafers with none, one, or two to four patterns at once, learned from few of each.

    python -m benchmarks.quality.combinations [--per-class 10] [--seeds 0 1] [--networks
        wafernet wafer_cnn]
        [--sources geometry clear plain noisy] [--laid yes no]
        [--data DATA.npz] [--weights HALF.safetensors]

The classes are those of MixedWM38 (J. Wang, C. Xu, Z. Yang, J. Zhang and X. Li, *Deformable
convolutional networks for efficient mixed-type wafer defect pattern recognition*, IEEE Transactions
on Semiconductor Manufacturing 33(4), 2020): no pattern, eight alone, and 13 pairs, 12 triples and
four quadruples of at most one of Center and Donut, one of Edge-Loc and Edge-Ring, Loc, and Scratch.

Training lays wafers of some classes on each other to make more of the others, as their names say
(``joint``); ``--laid no`` learns from the wafers of a class alone.

Where the wafers come from:

geometry  discs, rings, sectors and lines with ruler and compasses (see ``geometry.py``), with which
        nothing was taught: 52 by 52 dies as in MixedWM38, few failures besides.
clear   the simulator by process factors, from which pre-training never draws: 52 by 52 dies, few
        failures besides the patterns, single clusters, rings that are closed or nearly so. A person
        can name most of them.
plain   the simulator at random, with few failures besides the patterns, and these strong. Rings in
        lobes and loose clusters look alike: not every one with a Donut can be named.
noisy   the simulator as pre-training draws from it: 20 to 110 dies a side, up to 30 % of the dies
        failed besides, patterns of half strength. Many cannot be named by anybody.
real    wafers of DATA with one pattern each, laid on each other: a die fails where it fails on any.
        They come from one die grid where there is one, which the rarest pattern chooses; else the
        others are brought to it. Each brings its own noise, so that with four of them little can
        be seen. No lot is in two of the parts that train, validate and judge.

What the weights of WaferNet know beforehand counts here: pre-training saw wafers of *plain* and
*noisy* with up to four patterns, and the shipped weights saw most lots of WM-811K. With
``--weights`` of a pre-training that left lots out (see ``wafernet.py``), the real wafers
come from those. (Teaching WaferNet with the simulator of *clear* as well brought nothing there and
cost half a point to a point on real wafers.)
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import describe_machine, write_results
from benchmarks.quality import geometry
from benchmarks.quality.wafernet import left_out, one, with_weights
from wafer_core.device import choose_device
from wafer_core.errors import InputError
from wafer_core.images import FAIL, NO_DIE, Picture, content_hash, resize
from wafer_core.importers import Candidate, sample, scan
from wafer_core.networks import registry
from wafer_core.pretraining.composites import composite
from wafer_core.simulator import (
    PATTERNS,
    WaferConfig,
    draw_values,
    factors_of,
    simulate,
    simulate_factors,
)
from wafer_core.tasks.classification.train import Classifier, TrainConfig, TrainData

Patterns = tuple[str, ...]
# one wafer of a class: its patterns, and where chance comes from
Draw = Callable[[Patterns, np.random.Generator], Picture]

PARTS = {"train": 0.4, "validation": 0.2, "test": 0.4}  # shares of the lots of real wafers
_PLAIN = WaferConfig(
    rows=(52, 52), aspect=(1, 1), background=(0.01, 0.08), strength=(0.8, 1), test_sites=0
)
# ranges of process factors instead of the usual ones; in the units of ``simulator.FACTORS``
_CLEAR = {
    "rows": (52, 52), "aspect": (1, 1), "density": (0, 10), "unevenness": (0, 0.3),
    "rim_weakness": (1, 2), "centre_weakness": (1, 1), "strength": (60, 100),
    "raggedness": (0.1, 0.6), "cluster_count": (1, 1), "arc": (300, 360),
}  # fmt: skip
_QUIET = replace(_PLAIN, background=(0, 0))  # for what is laid upon it: one background is enough
_KEPT = 300  # wafers of a pattern in a part that are laid on others: more take only time
_TRIES = 20  # to draw a wafer that is not there yet
_KEYS = ("source", "per_class", "network", "laid")
_MEANS = ("macro_f1", "accuracy", "calibration_error", "seconds", "judged")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--sources", nargs="*", choices=tuple(SIMULATED), default=list(SIMULATED))
    parser.add_argument("--data", type=Path, help="real wafers with labels and groups, to be laid")
    parser.add_argument("--weights", type=Path, help="that WaferNet starts from (those shipped)")
    parser.add_argument("--per-class", type=int, nargs="+", default=[10])
    parser.add_argument("--test-per-class", type=int, default=50)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--networks", nargs="+", default=["wafernet", "wafer_cnn"])
    parser.add_argument(
        "--laid", nargs="+", choices=("yes", "no"), default=["yes", "no"],
        help="whether training lays wafers on each other for classes that are several at once",
    )  # fmt: skip
    parser.add_argument("--device", default="auto")
    parser.add_argument("--name", default="combinations", help="of the table")
    given = parser.parse_args()
    device = choose_device(given.device)
    weights = given.weights or registry.WEIGHTS / "wafernet"
    taught = Classifier.load(weights.parent, name=weights.stem).config
    candidates = scan([given.data]).candidates if given.data else []
    if given.weights:
        candidates = left_out(candidates, taught)
        with_weights(given.weights)
    rows = []
    for per_class, seed in itertools.product(given.per_class, given.seeds):
        sources = {name: dict.fromkeys(PARTS, SIMULATED[name]) for name in given.sources}
        if given.data:
            sources["real"] = lay_real(candidates, seed)
        for source, of_parts in sources.items():
            data, judged, truth = draw(of_parts, per_class, given.test_per_class, seed)
            for network, laid in itertools.product(given.networks, given.laid):
                config = TrainConfig(network=network, seed=seed, joint=laid == "yes")
                row = one(config, data, judged, truth, device)
                about = {"source": source, "per_class": per_class, "network": network, "laid": laid}
                rows.append({**about, **row, "seed": seed})
                print(json.dumps({k: v for k, v in rows[-1].items() if k != "f1"}), flush=True)
    write_results(given.name, rows, table(rows, known(taught, given)))


def combinations() -> tuple[Patterns, ...]:
    """The 38 classes of MixedWM38, fewest patterns first; the empty one is a normal wafer."""
    choices = (
        (None, "Center", "Donut"), (None, "Edge-Loc", "Edge-Ring"), (None, "Loc"),
        (None, "Scratch"),
    )  # fmt: skip
    found = [tuple(n for n in each if n is not None) for each in itertools.product(*choices)]
    # these cover the whole wafer: nothing else can be seen below them
    found += [("Near-full",), ("Random",)]
    return tuple(sorted(found, key=len))


def title(patterns: Patterns) -> str:
    """Name of a class: its patterns, or the simulator's name of a normal wafer."""
    return " + ".join(patterns) or "none"


def draw(
    sources: dict[str, Draw], per_class: int, test_per_class: int, seed: int
) -> tuple[TrainData, list[Picture], np.ndarray]:
    """Wafers to train on, a third as many to choose the epoch by, and those that judge."""
    counts = {"train": per_class, "validation": max(1, per_class // 3), "test": test_per_class}
    classes = combinations()
    found: dict[str, tuple[list[Picture], np.ndarray]] = {}
    for number, (part, count) in enumerate(counts.items()):
        pictures, labels = [], []
        for label, patterns in enumerate(classes):
            rng = np.random.default_rng([seed, number, label])
            made = different(sources[part], patterns, count, rng)
            pictures += made
            labels += [label] * len(made)
        found[part] = pictures, np.array(labels, np.int64)
    names = tuple(title(patterns) for patterns in classes)
    return TrainData(names, *found["train"], *found["validation"]), *found["test"]


def different(
    source: Draw, patterns: Patterns, count: int, rng: np.random.Generator
) -> list[Picture]:
    """Up to ``count`` wafers of a class; fewer where there are no more different ones."""
    seen: set[str] = set()
    made: list[Picture] = []
    tries = 0
    while len(made) < count and tries < _TRIES * count:
        picture = source(patterns, rng)
        tries += 1
        key = content_hash(picture)
        if key not in seen:
            seen.add(key)
            made.append(picture)
    return made


def clear(patterns: Patterns, rng: np.random.Generator) -> Picture:
    """A simulated wafer by process factors, of which a person can say what is on it."""
    laid: list[Picture] = []
    for name in patterns or ("none",):
        ranges = {n: r for n, r in _CLEAR.items() if n in factors_of(name)}
        if name in ("Near-full", "Random"):  # their failures are the pattern
            del ranges["density"]
        elif laid:  # one background is enough
            ranges["density"] = (0.0, 0.0)
        if name == "Edge-Loc":  # open by its nature
            del ranges["arc"]
        fixed = {n: float(rng.uniform(*r)) for n, r in ranges.items()}
        seed = int(rng.integers(2**31))
        laid += simulate_factors(name, draw_values(name, 1, seed, fixed), seed)
    return lay(laid)


def plain(patterns: Patterns, rng: np.random.Generator) -> Picture:
    """A simulated wafer at random, its patterns strong."""
    names = patterns or ("none",)
    return lay([simulate(name, rng, _QUIET if k else _PLAIN) for k, name in enumerate(names)])


def noisy(patterns: Patterns, rng: np.random.Generator) -> Picture:
    """A simulated wafer as pre-training draws them."""
    return composite(patterns or ("none",), rng)


SIMULATED: dict[str, Draw] = {
    "geometry": geometry.draw, "clear": clear, "plain": plain, "noisy": noisy,
}  # fmt: skip


def lay(pictures: Sequence[Picture]) -> Picture:
    """Lay wafer maps on the first one: a die fails where it fails on any of them."""
    whole = pictures[0].copy()
    for other in pictures[1:]:
        whole[(resize(other, whole.shape) == FAIL) & (whole != NO_DIE)] = FAIL
    return whole


def lay_real(candidates: Sequence[Candidate], seed: int) -> dict[str, Draw]:
    """For each part a way to draw from its own lots.

    Raises:
        InputError: A part has no wafer of some pattern.
    """
    lots = np.random.default_rng([seed, 38]).permutation(sorted({str(c.group) for c in candidates}))
    ends = np.round(np.cumsum(list(PARTS.values())) * len(lots)).astype(int)
    parts = zip(PARTS, np.split(lots, ends[:-1]), strict=True)
    drawn: dict[str, Draw] = {}
    for part, own in parts:
        names = set(own.tolist())
        mine = sample([c for c in candidates if c.group in names], _KEPT, seed)
        drawn[part] = pool(mine, part)
    return drawn


def pool(candidates: Sequence[Candidate], part: str = "part") -> Draw:
    """A way to draw wafers that are laid on each other from these."""
    of: dict[str, list[Picture]] = {name: [] for name in PATTERNS}
    for candidate in candidates:
        if candidate.class_name in of:
            of[candidate.class_name].append(candidate.load().picture)
    missing = [name for name, pictures in of.items() if not pictures]
    if missing:
        raise InputError(
            f"The lots of the {part} part hold no wafer of {', '.join(missing)}; give a larger "
            "file or another seed."
        )

    def one_wafer(patterns: Patterns, rng: np.random.Generator) -> Picture:
        # the rarest first: each of its wafers is as likely as any other, and the grid is its own
        names = sorted(patterns or ("none",), key=lambda name: len(of[name]))
        chosen: list[Picture] = []
        for name in names:
            same = [p for p in of[name] if not chosen or p.shape == chosen[0].shape]
            choice = same or of[name]
            chosen.append(choice[int(rng.integers(len(choice)))])
        return lay(chosen)

    return one_wafer


def known(config: dict[str, Any], given: argparse.Namespace) -> str:
    """What the weights of WaferNet know beforehand."""
    told = (
        f"WaferNet starts from weights of {config['step']} steps on {config['real_wafers']} real "
        f"wafers and {config['simulated']} simulated ones"
    )
    if not given.data:
        return f"{told}."
    if not given.weights:
        return (
            f"{told}. It has seen most lots of WM-811K, alone and laid on each other: if the real "
            "ones are that data, its figures on them are too good."
        )
    share = f"{100 * config['leave_groups_out']:.0f} %"
    return f"{told}. The real ones here are of the {share} of the lots that this left out."


def table(rows: Sequence[dict[str, Any]], told: str) -> str:
    """Markdown: the figures of each source and network, by number of patterns, and each class."""
    counts = sorted({len(patterns) for patterns in combinations()})
    head = [
        "wafers", "a class", "network", "laid", "macro-F1", "95 %", "accuracy",
        "calibration error", "train (s)", "judged",
        *(f"F1, {number} patterns" for number in counts),
    ]  # fmt: skip
    lines = [
        f"# 38 classes of wafers with none to four patterns; {describe_machine()}",
        "",
        told,
        "",
        f"Mean over seeds {sorted({row['seed'] for row in rows})}; the interval is that of so many "
        "judged wafers. *laid*: training also laid wafers on each other. The last columns are the "
        "mean F1 of the classes with so many patterns.",
        "",
        "| " + " | ".join(head) + " |",
        "|" + "---|" * len(head),
    ]
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(str(row[name]) for name in _KEYS), []).append(row)
    classes = {}
    for key, mine in groups.items():
        f1 = {name: float(np.mean([r["f1"][name] for r in mine])) for name in mine[0]["f1"]}
        classes[key] = f1
        low, high = np.mean([row["interval"] for row in mine], axis=0)
        mean = {name: float(np.mean([row[name] for row in mine])) for name in _MEANS}
        by_count = [
            np.mean([f1[title(p)] for p in combinations() if len(p) == number]) for number in counts
        ]
        cells = [
            *key, f"{mean['macro_f1']:.3f}", f"{low:.3f}–{high:.3f}",
            f"{mean['accuracy']:.3f}", f"{mean['calibration_error']:.3f}",
            f"{mean['seconds']:.0f}", f"{mean['judged']:.0f}", *(f"{v:.2f}" for v in by_count),
        ]  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    lines += ["", "| F1 of | " + " | ".join(", ".join(key) for key in classes) + " |"]
    lines.append("|" + "---|" * (1 + len(classes)))
    for patterns in combinations():
        scores = " | ".join(f"{f1[title(patterns)]:.2f}" for f1 in classes.values())
        lines.append(f"| {title(patterns)} | {scores} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
