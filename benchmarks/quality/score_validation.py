"""Whether the scores of made pictures measure what they should, on pictures that are made worse.

    python -m benchmarks.quality.score_validation [DATA] [--pattern Center] [--features wafernet]

DATA is a wafer data file with labels and groups; without it wafers are simulated. From wafers of
one class come two sets of other lots each. One is spoiled step by step: dies drawn anew by a coin,
failed dies blurred, wafers replaced by another class's, or fewer and fewer different wafers. At
each step it is held against the other set. Then the distance of near copies: wafers of new lots,
and turned copies with some failed dies moved, against 60 originals of each class.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.ndimage import gaussian_filter

from benchmarks.machine import describe_machine, write_results
from wafer_core.images import FAIL, NO_DIE, PASS, Picture
from wafer_core.importers import scan
from wafer_core.metrics import copies, generation
from wafer_core.networks import features
from wafer_core.simulator import PATTERNS, simulate_many
from wafer_core.tasks.evaluation import scoring

COUNT = 100  # wafers of a set
DRAWS = 3  # sets for each figure, whose mean is told
ORIGINALS, NEW = 60, 150  # of each class, for the copies
FIGURES = ("KID", "FID", "precision", "recall")
Spoil = Callable[[Sequence[Picture], float, np.random.Generator], list[Picture]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("data", type=Path, nargs="?", help="wafer data file (simulated wafers)")
    parser.add_argument("--pattern", default="Center", help="the class (Center)")
    parser.add_argument("--other", default="Donut", help="that it is mixed with (Donut)")
    parser.add_argument("--features", default="wafernet", choices=tuple(features.FEATURES))
    parser.add_argument("--weights", type=Path, help="of features that do not ship")
    given = parser.parse_args()
    began = time.process_time()
    network = features.load(given.features, torch.device("cpu"), given.weights)
    wafers = Wafers(given.data)
    rows = [same_and_symmetric(network, wafers, given.pattern)]
    for name, (levels, spoil) in spoilings(wafers, given.other).items():
        rows += series(network, wafers, given.pattern, name, levels, spoil)
    near = [near_copies(wafers, pattern) for pattern in PATTERNS]
    rows[0]["speed"] = speed(wafers, given.pattern)
    seconds = time.process_time() - began
    source = "real wafers" if given.data else "simulated wafers"
    text = table(rows, near, f"{given.pattern}, {source}, {network.title}", seconds)
    print(text)
    suffix = "" if given.data else "-simulated"
    write_results(f"score_validation{suffix}-{given.features}", [*rows, *near], text)


class Wafers:
    """Sets of wafers of a class; those of two sets come from different lots."""

    def __init__(self, data: Path | None) -> None:
        self._candidates: dict[str, list[Any]] = {}
        for candidate in scan([data]).candidates if data else []:
            self._candidates.setdefault(candidate.class_name or "", []).append(candidate)

    def two(self, pattern: str, counts: tuple[int, int], seed: int) -> list[list[Picture]]:
        """Two sets of at most so many wafers."""
        if not self._candidates:
            return [simulate_many(pattern, n, 2 * seed + i) for i, n in enumerate(counts)]
        rng = np.random.default_rng(seed)
        known = self._candidates[pattern]
        lots = sorted({c.group for c in known})
        first = {lots[i] for i in rng.permutation(len(lots))[: len(lots) // 2]}
        sides = [[c for c in known if (c.group in first) is side] for side in (True, False)]
        return [
            [side[i].load().picture for i in rng.permutation(len(side))[:n]]
            for side, n in zip(sides, counts, strict=True)
        ]


def figures(network: features.FeatureNetwork, made: list[Picture], real: list[Picture]) -> Any:
    """The four figures of two sets, (4,)."""
    a, b = network.extract(made).features, network.extract(real).features
    half = min(len(a), len(b)) // 2
    return np.array(
        [
            generation.kernel_distance(a, b, half)[0],
            generation.frechet_distance(a, b),
            *generation.precision_recall(a, b),
        ]
    )


def same_and_symmetric(
    network: features.FeatureNetwork, wafers: Wafers, pattern: str
) -> dict[str, Any]:
    """A set against itself, and two sets both ways round."""
    left, right = wafers.two(pattern, (COUNT, COUNT), 0)
    itself = figures(network, left, left)
    seen = [network.extract(side).features for side in (left, right)]
    there, back = (
        (generation.frechet_distance(a, b), generation.squared_mmd(a, b))
        for a, b in (seen, seen[::-1])
    )
    return {
        "spoiled": "nothing",
        "itself": dict(zip(FIGURES, itself.tolist(), strict=True)),
        "fid_there_and_back": [there[0], back[0]],
        "squared_mmd_there_and_back": [there[1], back[1]],
    }


def spoilings(wafers: Wafers, other: str) -> dict[str, tuple[list[float], Spoil]]:
    """Ways to make wafers worse, by name: levels, and how."""

    def noise(pictures: Sequence[Picture], share: float, rng: np.random.Generator) -> list[Picture]:
        spoiled = []
        for picture in pictures:
            drawn = np.where(rng.random(picture.shape) < 0.5, FAIL, PASS)
            hit = (rng.random(picture.shape) < share) & (picture != NO_DIE)
            spoiled.append(np.where(hit, drawn, picture).astype(np.uint8))
        return spoiled

    def blur(pictures: Sequence[Picture], sigma: float, _: np.random.Generator) -> list[Picture]:
        if not sigma:
            return list(pictures)
        return [blurred(picture, sigma) for picture in pictures]

    def mix(pictures: Sequence[Picture], share: float, rng: np.random.Generator) -> list[Picture]:
        count = round(share * len(pictures))
        foreign = wafers.two(other, (count, 0), int(rng.integers(1000)))[0]
        return [*foreign, *pictures[len(foreign) :]]

    def collapse(
        pictures: Sequence[Picture], different: float, _: np.random.Generator
    ) -> list[Picture]:
        return [pictures[i % int(different)] for i in range(len(pictures))]

    return {
        "dies drawn anew, share": ([0, 0.02, 0.05, 0.1, 0.2, 0.4], noise),
        "blur, dies": ([0, 0.7, 1, 1.5, 2, 3], blur),
        f"{other} among them, share": ([0, 0.1, 0.25, 0.5, 0.75, 1], mix),
        "different wafers": ([COUNT, 50, 20, 10, 5, 2], collapse),
    }


def blurred(picture: Picture, sigma: float) -> Picture:
    """As many failed dies as before, where the blurred map of them is highest."""
    dies, failed = picture != NO_DIE, picture == FAIL
    count = int(failed.sum())
    # the tiny part of the original breaks ties where it is flat
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
    spoil: Spoil,
) -> list[dict[str, Any]]:
    """The figures at each level, mean over the draws."""
    sets = [wafers.two(pattern, (COUNT, COUNT), seed) for seed in range(DRAWS)]
    rows = []
    for level in levels:
        found = [
            figures(network, spoil(made, level, np.random.default_rng(seed)), real)
            for seed, (made, real) in enumerate(sets)
        ]
        mean = np.mean(found, 0).tolist()
        rows.append({"spoiled": name, "level": level, **dict(zip(FIGURES, mean, strict=True))})
    return rows


def speed(wafers: Wafers, pattern: str) -> dict[str, float]:
    """Seconds that all scores of 400 made wafers take, from 60 originals a class; WaferNet."""
    made, real = wafers.two(pattern, (400, ORIGINALS), 5)
    others = {name: wafers.two(name, (ORIGINALS, 0), 5)[0] for name in PATTERNS if name != pattern}
    scoring.score_synthetic(made[:8], [], real[:8], {})  # warm
    features.clear_cache()
    began, cpu = time.perf_counter(), time.process_time()
    scoring.score_synthetic(made, real[:39], real[39:], others)
    return {"wall": time.perf_counter() - began, "processor": time.process_time() - cpu}


def near_copies(wafers: Wafers, pattern: str) -> dict[str, Any]:
    """How far wafers of new lots and copies with moved dies lie from the nearest original."""
    originals, new = wafers.two(pattern, (ORIGINALS, NEW), 1)
    known = copies.dihedral_vectors(originals)
    rng = np.random.default_rng(0)
    fresh = copies.nearest(copies.vectors(new), known)
    row = {
        "pattern": pattern,
        "originals": len(originals),
        "new": len(new),
        "new_lowest": float(fresh.distance.min()),
        "new_median": float(np.median(fresh.distance)),
        "new_near": int(fresh.near_copies.sum()),
    }
    for share in (0.0, 0.1, 0.2, 0.3):
        turned = [np.rot90(moved(picture, share, rng)).copy() for picture in originals]
        row[f"copies_{share:.0%}"] = copies.nearest(copies.vectors(turned), known).share
    return row


def moved(picture: Picture, share: float, rng: np.random.Generator) -> Picture:
    """The wafer with this share of its failed dies somewhere else."""
    failed, passed = np.argwhere(picture == FAIL), np.argwhere(picture == PASS)
    count = min(round(share * len(failed)), len(passed))
    out = picture.copy()
    gone = failed[rng.permutation(len(failed))[:count]]
    come = passed[rng.permutation(len(passed))[:count]]
    out[gone[:, 0], gone[:, 1]] = PASS
    out[come[:, 0], come[:, 1]] = FAIL
    return out


def table(
    rows: list[dict[str, Any]], near: list[dict[str, Any]], title: str, seconds: float
) -> str:
    same = rows[0]
    fid, mmd = same["fid_there_and_back"], same["squared_mmd_there_and_back"]
    itself, took = same["itself"], same["speed"]
    lines = [
        f"# Scores of made pictures, validated ({title})",
        "",
        f"On {describe_machine()}, {seconds:.0f} s of processor time. "
        f"{COUNT} wafers a set, mean of {DRAWS} draws.",
        "",
        f"A set against itself: FID {itself['FID']:.1e}, precision {itself['precision']:.2f}, "
        f"recall {itself['recall']:.2f}, KID {itself['KID']:.1e} (draws of half of it are "
        "two sets from one source, and KID is as often below 0 as above it).",
        f"Two sets both ways: FID differs by {abs(fid[0] - fid[1]):.1e}, squared MMD by "
        f"{abs(mmd[0] - mmd[1]):.1e}.",
        f"All scores of 400 made wafers, 60 originals and eight other classes: "
        f"{took['processor']:.1f} s of processor time ({took['wall']:.1f} s on a shared machine).",
        "",
        "| spoiled by | level | KID | FID | precision | recall |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows[1:]:
        shown = " | ".join(f"{row[name]:.3g}" for name in FIGURES)
        lines.append(f"| {row['spoiled']} | {row['level']:g} | {shown} |")
    lines += ["", "| spoiled by | KID rises | FID rises |", "|---|---|---|"]
    for name in dict.fromkeys(row["spoiled"] for row in rows[1:]):
        steps = [row for row in rows[1:] if row["spoiled"] == name]
        told = [
            f"{sum(b[f] > a[f] for a, b in itertools.pairwise(steps))} of {len(steps) - 1} steps"
            for f in ("KID", "FID")
        ]
        lines.append(f"| {name} | {told[0]} | {told[1]} |")
    lines += [
        "",
        f"Near copies: distance 1 - φ to the nearest of the originals, near below {copies.NEAR}.",
        "",
        "| class | wafers of new lots | nearest | median | near | turned copies found | 10 % of "
        "the failed dies moved | 20 % | 30 % |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in near:
        found = " | ".join(f"{row[f'copies_{share}%']:.0%}" for share in (0, 10, 20, 30))
        lines.append(
            f"| {row['pattern']} | {row['new']} | {row['new_lowest']:.2f} | "
            f"{row['new_median']:.2f} | {row['new_near']} | {found} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
