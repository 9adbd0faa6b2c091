"""38 classes of wafers with none, one, or two to four patterns, trained with few wafers each.

    python -m benchmarks.quality.combinations [--per-class 10] [--seeds 0 1]
        [--networks wafernet wafer_cnn] [--sources geometry clear plain noisy]
        [--overlay yes no] [--data DATA.npz] [--weights HALF.safetensors]

The classes are those of MixedWM38 (J. Wang, C. Xu, Z. Yang, J. Zhang and X. Li, *Deformable
convolutional networks for efficient mixed-type wafer defect pattern recognition*, IEEE Transactions
on Semiconductor Manufacturing 33(4), 2020): no pattern, eight single patterns, and 13 pairs, 12
triples and four quadruples of at most one of Center and Donut, one of Edge-Loc and Edge-Ring, Loc,
and Scratch.

Training overlays wafers of some classes to make more of the mixed-type classes; ``--overlay no``
trains without overlays.

Sources of the wafers:

geometry  discs, rings, sectors and lines (see ``geometry.py``), which were never used for
          pretraining: 52 by 52 dies as in MixedWM38, few other failures.
clear     the simulator by process factors, which pretraining never uses: 52 by 52 dies, few other
          failures, single clusters, rings that are (nearly) closed. A person recognises most.
plain     the simulator at random, with few other failures and strong patterns. Interrupted rings
          and loose clusters look alike, so not every mixture with a Donut can be recognised.
noisy     the simulator as in pretraining: 20 to 110 dies per side, up to 30% other failures,
          patterns of half strength. Nobody can recognise all of them.
real      overlays of wafers from DATA with one pattern each. They have the same die grid where
          possible, which the rarest pattern chooses; otherwise the others are resized to it. Each
          brings its own noise, so that little can be seen with four patterns. No lot is in two of
          the training, validation and test splits.

The pretraining of WaferNet matters here: it used *plain* and *noisy* wafers with up to four
patterns, and the shipped weights most lots of WM-811K. With ``--weights`` of a pretraining that
left lots out (see ``wafernet.py``), the real wafers come from those. (Pretraining with the
simulator of *clear* as well brought nothing there and cost half a point to a point on real wafers.)
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

from benchmarks.classifiers import fit_and_score, pretrained, use_weights
from benchmarks.machine import describe_machine, write_results
from benchmarks.quality import geometry
from benchmarks.tables import Row, grouped, interval, mean, mean_by_class, number, table
from benchmarks.wafers import FewShot, Labels, left_out, load, lots_of, read_labelled
from wafer_core.device import choose_device
from wafer_core.errors import InputError
from wafer_core.images import FAIL, NO_DIE, Picture, content_hash, resize
from wafer_core.importers import Candidate, sample
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
from wafer_core.tasks.classification.config import TrainConfig
from wafer_core.tasks.classification.train_data import TrainData

Patterns = tuple[str, ...]
Source = Callable[[Patterns, np.random.Generator], Picture]  # draws one wafer with some patterns

SPLITS = {"train": 0.4, "validation": 0.2, "test": 0.4}  # shares of the lots of real wafers
_PLAIN = WaferConfig(
    rows=(52, 52), aspect=(1, 1), background=(0.01, 0.08), strength=(0.8, 1), test_sites=0
)
# ranges of process factors instead of the usual ones, in the units of ``simulator.FACTORS``
_CLEAR = {
    "rows": (52, 52), "aspect": (1, 1), "density": (0, 10), "unevenness": (0, 0.3),
    "rim_weakness": (1, 2), "centre_weakness": (1, 1), "strength": (60, 100),
    "raggedness": (0.1, 0.6), "cluster_count": (1, 1), "arc": (300, 360),
}  # fmt: skip
_QUIET = replace(_PLAIN, background=(0, 0))  # for overlays: one background is enough
_MAX_WAFERS = 300  # of a pattern in a split that are overlaid; more only take time
_TRIES = 20  # per wafer, to draw one that is different from the others
_KEYS = ("source", "per_class", "network", "overlay")
_MEANS = ("macro_f1", "accuracy", "calibration_error", "seconds", "tested")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--sources", nargs="*", choices=tuple(SIMULATED), default=list(SIMULATED))
    parser.add_argument("--data", type=Path, help="real wafers with labels and lots, to overlay")
    parser.add_argument("--weights", type=Path, help="for WaferNet to start from (shipped)")
    parser.add_argument("--per-class", type=int, nargs="+", default=[10])
    parser.add_argument("--test-per-class", type=int, default=50)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--networks", nargs="+", default=["wafernet", "wafer_cnn"])
    parser.add_argument(
        "--overlay", nargs="+", choices=("yes", "no"), default=["yes", "no"],
        help="whether training overlays wafers for mixed-type classes",
    )  # fmt: skip
    parser.add_argument("--device", default="auto")
    parser.add_argument("--name", default="combinations", help="of the results")
    given = parser.parse_args()
    device = choose_device(given.device)
    config = pretrained(given.weights or registry.WEIGHTS / "wafernet").config
    candidates = read_labelled(given.data) if given.data else []
    if given.weights:
        candidates = left_out(candidates, config)
        use_weights(given.weights)
    rows: list[Row] = []
    for per_class, seed in itertools.product(given.per_class, given.seeds):
        sources = {name: dict.fromkeys(SPLITS, SIMULATED[name]) for name in given.sources}
        if given.data:
            sources["real"] = real_sources(candidates, seed)
        for source, of_splits in sources.items():
            drawn = draw(of_splits, per_class, given.test_per_class, seed)
            for network, overlay in itertools.product(given.networks, given.overlay):
                training = TrainConfig(network=network, seed=seed, joint=overlay == "yes")
                rows.append(
                    {"source": source, "per_class": per_class, "network": network,
                     "overlay": overlay, **fit_and_score(training, drawn, device), "seed": seed}
                )  # fmt: skip
                print(json.dumps({k: v for k, v in rows[-1].items() if k != "f1"}), flush=True)
    write_results(given.name, rows, markdown(rows, about(config, given)))


def combinations() -> tuple[Patterns, ...]:
    """The 38 classes of MixedWM38, fewest patterns first; the empty one is a normal wafer."""
    choices = (
        (None, "Center", "Donut"), (None, "Edge-Loc", "Edge-Ring"), (None, "Loc"),
        (None, "Scratch"),
    )  # fmt: skip
    found = [tuple(n for n in each if n is not None) for each in itertools.product(*choices)]
    # these cover the whole wafer and hide every other pattern
    found += [("Near-full",), ("Random",)]
    return tuple(sorted(found, key=len))


def title(patterns: Patterns) -> str:
    """Name of a class: its patterns, or the simulator's name of a normal wafer."""
    return " + ".join(patterns) or "none"


def draw(sources: dict[str, Source], per_class: int, test_per_class: int, seed: int) -> FewShot:
    """Training wafers, a third as many validation wafers, and test wafers."""
    counts = {"train": per_class, "validation": max(1, per_class // 3), "test": test_per_class}
    classes = combinations()
    found: dict[str, tuple[list[Picture], Labels]] = {}
    for index, (split, count) in enumerate(counts.items()):
        pictures: list[Picture] = []
        labels: list[int] = []
        for label, patterns in enumerate(classes):
            rng = np.random.default_rng([seed, index, label])
            drawn = draw_different(sources[split], patterns, count, rng)
            pictures += drawn
            labels += [label] * len(drawn)
        found[split] = pictures, np.array(labels, np.int64)
    names = tuple(title(patterns) for patterns in classes)
    mixed = {title(patterns): patterns for patterns in classes if len(patterns) > 1}
    data = TrainData(names, *found["train"], *found["validation"], combinations=mixed)
    return FewShot(data, *found["test"], [])


def draw_different(
    source: Source, patterns: Patterns, count: int, rng: np.random.Generator
) -> list[Picture]:
    """Up to ``count`` wafers; fewer where the source has no more different ones."""
    found: dict[str, Picture] = {}
    for _ in range(_TRIES * count):
        if len(found) == count:
            break
        picture = source(patterns, rng)
        found.setdefault(content_hash(picture), picture)
    return list(found.values())


def clear(patterns: Patterns, rng: np.random.Generator) -> Picture:
    """A wafer simulated by process factors, whose patterns a person recognises."""
    layers: list[Picture] = []
    for name in patterns or ("none",):
        ranges = {n: r for n, r in _CLEAR.items() if n in factors_of(name)}
        if name in ("Near-full", "Random"):  # their failures are the pattern
            del ranges["density"]
        elif layers:  # one background is enough
            ranges["density"] = (0.0, 0.0)
        if name == "Edge-Loc":  # never closed
            del ranges["arc"]
        fixed = {n: float(rng.uniform(*r)) for n, r in ranges.items()}
        seed = int(rng.integers(2**31))
        layers += simulate_factors(name, draw_values(name, 1, seed, fixed), seed)
    return overlay_maps(layers)


def plain(patterns: Patterns, rng: np.random.Generator) -> Picture:
    """A wafer simulated at random with strong patterns."""
    names = patterns or ("none",)
    layers = [simulate(name, rng, _QUIET if k else _PLAIN) for k, name in enumerate(names)]
    return overlay_maps(layers)


def noisy(patterns: Patterns, rng: np.random.Generator) -> Picture:
    """A wafer simulated as in pretraining."""
    return composite(patterns or ("none",), rng)


SIMULATED: dict[str, Source] = {
    "geometry": geometry.draw, "clear": clear, "plain": plain, "noisy": noisy,
}  # fmt: skip


def overlay_maps(pictures: Sequence[Picture]) -> Picture:
    """Wafer maps overlaid on the first one: a die fails if it fails on any of them."""
    overlaid = pictures[0].copy()
    for other in pictures[1:]:
        overlaid[(resize(other, overlaid.shape) == FAIL) & (overlaid != NO_DIE)] = FAIL
    return overlaid


def real_sources(candidates: Sequence[Candidate], seed: int) -> dict[str, Source]:
    """For each split a source of overlaid wafers from its own lots.

    Raises:
        InputError: A split has no wafers of some pattern.
    """
    lots = np.random.default_rng([seed, 38]).permutation(lots_of(candidates))
    ends = np.round(np.cumsum(list(SPLITS.values())) * len(lots)).astype(int)
    sources: dict[str, Source] = {}
    for split, own in zip(SPLITS, np.split(lots, ends[:-1]), strict=True):
        names = set(own.tolist())
        wafers = sample([c for c in candidates if c.group in names], _MAX_WAFERS, seed)
        sources[split] = overlays_of(wafers, split)
    return sources


def overlays_of(candidates: Sequence[Candidate], split: str = "training") -> Source:
    """A source that overlays these wafers.

    Raises:
        InputError: There are no wafers of some pattern.
    """
    wafers = {name: load(c for c in candidates if c.class_name == name) for name in PATTERNS}
    if missing := [name for name, pictures in wafers.items() if not pictures]:
        raise InputError(
            "The lots of the {split} split have no wafer of {names}; use a larger file or another "
            "seed.",
            split=split,
            names=", ".join(missing),
        )

    def draw_overlay(patterns: Patterns, rng: np.random.Generator) -> Picture:
        # The rarest pattern first: its wafers are equally likely, and it chooses the die grid.
        names = sorted(patterns or ("none",), key=lambda name: len(wafers[name]))
        chosen: list[Picture] = []
        for name in names:
            same = [p for p in wafers[name] if not chosen or p.shape == chosen[0].shape]
            choice = same or wafers[name]
            chosen.append(choice[int(rng.integers(len(choice)))])
        return overlay_maps(chosen)

    return draw_overlay


def about(config: dict[str, Any], given: argparse.Namespace) -> str:
    """What WaferNet was pretrained on."""
    sentence = (
        f"WaferNet was pretrained for {config['step']:,} steps on {config['real_wafers']:,} real "
        f"and {config['simulated']:,} simulated wafers."
    )
    if not given.data:
        return sentence
    if not given.weights:
        return (
            f"{sentence} These include most lots of WM-811K, as single wafers and overlaid: if the "
            "real wafers here are that data, the scores on them are too high."
        )
    share = f"{config['leave_groups_out']:.0%}"
    return f"{sentence} The real wafers here are from the {share} of the lots that it left out."


def summarise(rows: Sequence[Row]) -> list[Row]:
    """Means over the seeds, for each source and training.

    Returns:
        Rows with the means, ``interval``, ``f1`` by class, and ``f1_by_count``, the mean F1 of the
        classes with each number of patterns.
    """
    found = []
    for key, own in grouped(rows, _KEYS).items():
        f1 = mean_by_class(own)
        by_count: dict[int, list[float]] = {}
        for patterns in combinations():
            by_count.setdefault(len(patterns), []).append(f1[title(patterns)])
        found.append({
            **dict(zip(_KEYS, key, strict=True)), **{name: mean(own, name) for name in _MEANS},
            "interval": np.mean([row["interval"] for row in own], axis=0).tolist(), "f1": f1,
            "f1_by_count": {count: float(np.mean(each)) for count, each in by_count.items()},
        })  # fmt: skip
    return found


def markdown(rows: Sequence[Row], about: str) -> str:
    """The scores of each source and training, by number of patterns, and of each class."""
    found = summarise(rows)
    counts = sorted(found[0]["f1_by_count"])
    cells = [
        [*(r[key] for key in _KEYS), number(r["macro_f1"]), interval(r["interval"]),
         number(r["accuracy"]), number(r["calibration_error"]), number(r["seconds"], 0),
         number(r["tested"], 0), *(number(r["f1_by_count"][count], 2) for count in counts)]
        for r in found
    ]  # fmt: skip
    return "\n".join(
        [
            f"# 38 classes of wafers with none to four patterns; {describe_machine()}", "", about,
            "",
            f"Means over the seeds {sorted({row['seed'] for row in rows})}; the interval covers "
            "the choice of test wafers. *overlay*: training overlays wafers. The last columns are "
            "the mean F1 of the classes with that number of patterns.", "",
            *table(["source", "per class", "network", "overlay", "macro-F1", "95%", "accuracy",
                    "calibration error", "training (s)", "test wafers",
                    *(f"F1, {count} patterns" for count in counts)], cells), "",
            *table(["F1 of", *(", ".join(str(r[key]) for key in _KEYS) for r in found)],
                   [[title(p), *(number(r["f1"][title(p)], 2) for r in found)]
                    for p in combinations()]),
        ]
    )  # fmt: skip


if __name__ == "__main__":
    main()
