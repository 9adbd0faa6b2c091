"""Do the scores of synthetic pictures measure what they should? Tested on degraded wafers.

    python -m benchmarks.quality.score_validation [DATA] [--pattern Center] [--features wafernet]

DATA is a wafer data file with labels and lots; without it, wafers are simulated. Two sets of wafers
of one class come from different lots. One is degraded step by step: dies drawn at random, blurred
failures, wafers replaced by those of another class, or fewer different wafers. At each step it is
scored against the other set. The second part tests the distance of near copies: wafers of new lots,
and rotated copies with some failed dies moved, against 60 originals of each class.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.ndimage import gaussian_filter

from benchmarks.machine import describe_machine, write_results
from benchmarks.tables import Row, number, table
from benchmarks.wafers import load, lot_halves, lots_of, read_labelled
from wafer_core.images import FAIL, NO_DIE, PASS, Picture
from wafer_core.metrics import copies, generation
from wafer_core.networks import features
from wafer_core.simulator import PATTERNS, simulate_many
from wafer_core.tasks.evaluation import scoring

COUNT = 100  # wafers of a set
DRAWS = 3  # pairs of sets, whose mean is reported
ORIGINALS, NEW = 60, 150  # of each class, for the near copies
SCORES = ("KID", "FID", "precision", "recall")
MOVED = (0.0, 0.1, 0.2, 0.3)  # shares of failed dies that are moved in copies

Degrade = Callable[[Sequence[Picture], float, np.random.Generator], list[Picture]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("data", type=Path, nargs="?", help="wafer data file (simulated wafers)")
    parser.add_argument("--pattern", default="Center", help="the class (Center)")
    parser.add_argument("--other", default="Donut", help="the class to mix in (Donut)")
    parser.add_argument("--features", default="wafernet", choices=tuple(features.FEATURES))
    parser.add_argument("--weights", type=Path, help="of features that do not ship")
    given = parser.parse_args()
    start = time.process_time()
    network = features.load(given.features, torch.device("cpu"), given.weights)
    wafers = Wafers(given.data)
    rows = [identities(network, wafers, given.pattern)]
    for name, (levels, degrade) in degradations(wafers, given.other).items():
        rows += series(network, wafers, given.pattern, name, levels, degrade)
    near = [near_copies(wafers, pattern) for pattern in PATTERNS]
    rows[0]["speed"] = speed(wafers, given.pattern)
    seconds = time.process_time() - start
    source = "real wafers" if given.data else "simulated wafers"
    text = markdown(rows, near, f"{given.pattern}, {source}, {network.title}", seconds)
    print(text)
    suffix = "" if given.data else "-simulated"
    write_results(f"score_validation{suffix}-{given.features}", [*rows, *near], text)


class Wafers:
    """Draws two sets of wafers of a class from different lots."""

    def __init__(self, data: Path | None) -> None:
        self._candidates = read_labelled(data) if data else []

    def two_sets(self, pattern: str, counts: tuple[int, int], seed: int) -> list[list[Picture]]:
        """Two sets of at most so many wafers."""
        if not self._candidates:
            return [simulate_many(pattern, n, 2 * seed + i) for i, n in enumerate(counts)]
        own = [c for c in self._candidates if c.class_name == pattern]
        halves = lot_halves(own, lots_of(own), np.random.default_rng(seed))[pattern]
        return [load(half[:n]) for half, n in zip(halves, counts, strict=True)]


def scores_of(
    network: features.FeatureNetwork, synthetic: Sequence[Picture], real: Sequence[Picture]
) -> npt.NDArray[np.float64]:
    """The four scores of two sets, (4,)."""
    a, b = network.extract(synthetic).features, network.extract(real).features
    half = min(len(a), len(b)) // 2
    return np.array(
        [
            generation.kernel_distance(a, b, half)[0],
            generation.frechet_distance(a, b),
            *generation.precision_recall(a, b),
        ]
    )


def identities(network: features.FeatureNetwork, wafers: Wafers, pattern: str) -> Row:
    """A set against itself, and two sets both ways round."""
    left, right = wafers.two_sets(pattern, (COUNT, COUNT), 0)
    itself = scores_of(network, left, left)
    both = [network.extract(side).features for side in (left, right)]
    forward, backward = (
        (generation.frechet_distance(a, b), generation.squared_mmd(a, b))
        for a, b in (both, both[::-1])
    )
    return {
        "degraded": "no",
        "itself": dict(zip(SCORES, itself.tolist(), strict=True)),
        "fid_both_ways": [forward[0], backward[0]],
        "squared_mmd_both_ways": [forward[1], backward[1]],
    }


def degradations(wafers: Wafers, other: str) -> dict[str, tuple[list[float], Degrade]]:
    """Ways to degrade wafers, by name: the levels, and a function."""

    def noise(pictures: Sequence[Picture], share: float, rng: np.random.Generator) -> list[Picture]:
        noisy = []
        for picture in pictures:
            drawn = np.where(rng.random(picture.shape) < 0.5, FAIL, PASS)
            hit = (rng.random(picture.shape) < share) & (picture != NO_DIE)
            noisy.append(np.where(hit, drawn, picture).astype(np.uint8))
        return noisy

    def blur(pictures: Sequence[Picture], sigma: float, _: np.random.Generator) -> list[Picture]:
        return [blurred(picture, sigma) if sigma else picture for picture in pictures]

    def mix(pictures: Sequence[Picture], share: float, rng: np.random.Generator) -> list[Picture]:
        count = round(share * len(pictures))
        foreign = wafers.two_sets(other, (count, 0), int(rng.integers(1000)))[0]
        return [*foreign, *pictures[len(foreign) :]]

    def collapse(
        pictures: Sequence[Picture], different: float, _: np.random.Generator
    ) -> list[Picture]:
        return [pictures[i % int(different)] for i in range(len(pictures))]

    return {
        "share of random dies": ([0, 0.02, 0.05, 0.1, 0.2, 0.4], noise),
        "blur in dies": ([0, 0.7, 1, 1.5, 2, 3], blur),
        f"share of {other}": ([0, 0.1, 0.25, 0.5, 0.75, 1], mix),
        "number of different wafers": ([COUNT, 50, 20, 10, 5, 2], collapse),
    }


def blurred(picture: Picture, sigma: float) -> Picture:
    """As many failed dies as before, where the blurred map of them is highest."""
    dies, failed = picture != NO_DIE, picture == FAIL
    count = int(failed.sum())
    # a tiny share of the original breaks ties where the map is flat
    values = gaussian_filter(failed.astype(float), sigma) + 1e-9 * failed
    order = np.argsort(-np.where(dies, values, -1), axis=None, kind="stable")[:count]
    out = np.where(dies, PASS, NO_DIE).astype(np.uint8)
    out.flat[order] = FAIL
    return out


def series(
    network: features.FeatureNetwork,
    wafers: Wafers,
    pattern: str,
    name: str,
    levels: list[float],
    degrade: Degrade,
) -> list[Row]:
    """The scores at each level, as means over the draws."""
    sets = [wafers.two_sets(pattern, (COUNT, COUNT), seed) for seed in range(DRAWS)]
    rows = []
    for level in levels:
        found = [
            scores_of(network, degrade(first, level, np.random.default_rng(seed)), second)
            for seed, (first, second) in enumerate(sets)
        ]
        mean = np.mean(found, 0).tolist()
        rows.append({"degraded": name, "level": level, **dict(zip(SCORES, mean, strict=True))})
    return rows


def rises(rows: Sequence[Row], score: str) -> int:
    """In how many steps of a series a score rises."""
    return sum(after[score] > before[score] for before, after in itertools.pairwise(rows))


def speed(wafers: Wafers, pattern: str) -> dict[str, float]:
    """Seconds for all scores of 400 synthetic wafers, with 60 originals per class; WaferNet."""
    synthetic, real = wafers.two_sets(pattern, (400, ORIGINALS), 5)
    others = {
        name: wafers.two_sets(name, (ORIGINALS, 0), 5)[0] for name in PATTERNS if name != pattern
    }
    scoring.score_synthetic(synthetic[:8], [], real[:8], {})  # warm up
    features.clear_cache()
    start, cpu = time.perf_counter(), time.process_time()
    scoring.score_synthetic(synthetic, real[:39], real[39:], others)
    return {"wall": time.perf_counter() - start, "cpu": time.process_time() - cpu}


def near_copies(wafers: Wafers, pattern: str) -> Row:
    """Distances of wafers of new lots, and of copies with moved dies, to the nearest original."""
    originals, new = wafers.two_sets(pattern, (ORIGINALS, NEW), 1)
    vectors = copies.dihedral_vectors(originals)
    rng = np.random.default_rng(0)
    nearest = copies.nearest(copies.vectors(new), vectors)
    row: dict[str, Any] = {
        "pattern": pattern,
        "originals": len(originals),
        "new": len(new),
        "new_lowest": float(nearest.distance.min()),
        "new_median": float(np.median(nearest.distance)),
        "new_near": int(nearest.near_copies.sum()),
    }
    for share in MOVED:
        rotated = [np.rot90(move_failures(picture, share, rng)).copy() for picture in originals]
        row[f"copies_{share:.0%}"] = copies.nearest(copies.vectors(rotated), vectors).share
    return row


def move_failures(picture: Picture, share: float, rng: np.random.Generator) -> Picture:
    """The wafer with this share of its failed dies moved elsewhere."""
    failed, passed = np.argwhere(picture == FAIL), np.argwhere(picture == PASS)
    count = min(round(share * len(failed)), len(passed))
    out = picture.copy()
    for dies, state in ((failed, PASS), (passed, FAIL)):
        chosen = dies[rng.permutation(len(dies))[:count]]
        out[chosen[:, 0], chosen[:, 1]] = state
    return out


def markdown(rows: Sequence[Row], near: Sequence[Row], title: str, seconds: float) -> str:
    """The tables."""
    identity, steps = rows[0], rows[1:]
    itself, took = identity["itself"], identity["speed"]
    fid, mmd = (
        abs(a - b) for a, b in (identity["fid_both_ways"], identity["squared_mmd_both_ways"])
    )
    series_of = {
        name: [row for row in steps if row["degraded"] == name]
        for name in dict.fromkeys(row["degraded"] for row in steps)
    }
    return "\n".join(
        [
            f"# Validation of the scores of synthetic pictures ({title})", "",
            f"On {describe_machine()}, {seconds:.0f} CPU seconds. {COUNT} wafers per set, means of "
            f"{DRAWS} draws.", "",
            f"A set against itself: FID {itself['FID']:.1e}, precision {itself['precision']:.2f}, "
            f"recall {itself['recall']:.2f}, KID {itself['KID']:.1e} (computed between halves of "
            "one source, KID is below 0 as often as above).",
            f"Two sets both ways: FID differs by {fid:.1e}, squared MMD by {mmd:.1e}.",
            "All scores of 400 synthetic wafers, 60 originals and eight other classes: "
            f"{took['cpu']:.1f} CPU seconds ({took['wall']:.1f} s on a shared machine).", "",
            *table(["degraded by", "level", *SCORES],
                   [[r["degraded"], f"{r['level']:g}", *(f"{r[name]:.3g}" for name in SCORES)]
                    for r in steps]), "",
            *table(["degraded by", "KID rises", "FID rises"],
                   [[name, *(f"in {rises(own, score)} of {len(own) - 1} steps"
                             for score in ("KID", "FID"))] for name, own in series_of.items()]), "",
            "Near copies: distance 1 - φ to the nearest original, near up to "
            f"{copies.NEAR}.", "",
            *table(["class", "wafers of new lots", "nearest", "median", "near",
                    *(f"copies found, {share:.0%} moved" for share in MOVED)],
                   [[r["pattern"], r["new"], number(r["new_lowest"], 2), number(r["new_median"], 2),
                     r["new_near"], *(f"{r[f'copies_{share:.0%}']:.0%}" for share in MOVED)]
                    for r in near]),
        ]
    )  # fmt: skip


if __name__ == "__main__":
    main()
