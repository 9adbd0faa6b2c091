"""Do made wafers help? Ten originals a class, with and without what is made of them.

    python -m wafer_core.pretraining.wafernet --output HALF.safetensors --data DATA.npz \\
        --leave-groups-out 0.5
    python -m benchmarks.quality.ablation DATA.npz [--weights HALF.safetensors] [--networks
        wafer_cnn]
        [--originals 10] [--made 100] [--seeds 0 1 2 3 4] [--judged 300] [--looks 20000]
        [--keep FOLDER]

Only lots that the generator's teaching left out are used. Each seed splits them once more: from one
part come the originals (and a third as many to choose the epoch by), the other part judges. Each
seed is another draw of originals, of lots and of luck; the interval of a difference is Student's t
over the seeds. The arms, their training and their judging are those of ``wafer_core benefit``.

``wafer_cnn`` learns from nothing and turns no wafer while it learns, in any arm, so that “none” has
no augmentation. ``wafernet`` has its real settings; it needs weights that did not see those lots.

More pictures are trained on for longer, as in the program. ``--looks`` gives every arm the same
work instead: so many pictures looked at in all.

A row is written as soon as it is done, and one that is there already is not done again. With
``--keep`` what was made stays in a folder and is not made again either.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.machine import RESULTS, describe_machine, write_results
from wafer_core.device import CoreWatch, choose_device
from wafer_core.images import Picture
from wafer_core.importers import Candidate, scan
from wafer_core.metrics import evaluate
from wafer_core.networks import checkpoint, registry
from wafer_core.networks.registry import NETWORKS, WEIGHTS
from wafer_core.pretraining.dies import lots_left_out
from wafer_core.simulator import PATTERNS
from wafer_core.tasks.classification.config import TrainData
from wafer_core.tasks.generation.diffusion import shipped
from wafer_core.tasks.studies.ablation_config import BenefitConfig
from wafer_core.tasks.studies.conditions import ARMS, MAKERS, Order, StudyData, by_class, train_arm

Labels = npt.NDArray[np.int64]
KEY = ("network", "seed", "arm", "originals", "made", "looks")
GOALS = {"none": 3.0, "transforms": 1.0}  # points that generated is to be above, from scratch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("data", type=Path, help="wafer data file with labels and groups")
    parser.add_argument("--weights", type=Path, help="of WaferNet, with half of the lots left out")
    parser.add_argument("--networks", nargs="+", default=["wafer_cnn", "wafernet"])
    parser.add_argument("--arms", nargs="+", default=list(ARMS), choices=list(ARMS))
    parser.add_argument("--originals", type=int, default=10)
    parser.add_argument("--made", type=int, default=100, help="of a class and kind")
    parser.add_argument("--judged", type=int, default=300, help="wafers of a class at most")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--looks", type=int, help="pictures looked at, the same in all arms")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="for what is made")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--name", default="benefit", help="of the table (benefit)")
    given = parser.parse_args()
    if given.weights is None and "wafernet" in given.networks:
        parser.error("wafernet needs --weights that did not see the lots that judge")
    if given.weights is not None:
        registry.WEIGHTS = in_place_of_shipped(given.weights)
    device = choose_device(given.device)
    candidates = unseen(scan([given.data]).candidates)
    rows = done_before(given.name)
    known = {tuple(row[k] for k in KEY) for row in rows}
    settings = {"originals": given.originals, "made": given.made, "looks": given.looks}
    for seed in given.seeds:
        data: StudyData | None = None
        for network in given.networks:
            for arm in given.arms:
                row = {"network": network, "seed": seed, "arm": arm, **settings}
                if tuple(row[k] for k in KEY) in known:
                    continue
                if data is None:
                    data = draw(candidates, given, seed, device)
                row |= one(data, network, arm, device, seed, given.looks)
                print(json.dumps({k: v for k, v in row.items() if k != "f1"}), flush=True)
                rows.append(row)
                write_results(given.name, rows, table(rows))


def in_place_of_shipped(weights: Path) -> Path:
    """A folder in which these weights have the name of those that ship."""
    folder = Path(tempfile.mkdtemp(prefix="weights-"))
    for ending in (".safetensors", ".json", "-names.safetensors", "-names.json"):
        source = weights.with_name(weights.stem + ending)
        shutil.copyfile(source, folder / f"wafernet{ending}")
    return folder


def unseen(candidates: list[Candidate]) -> list[Candidate]:
    """Wafers of the lots that the generator that ships was not taught with."""
    taught = checkpoint.read_description(WEIGHTS, shipped.NAME)["config"]
    number = {group: k for k, group in enumerate(dict.fromkeys(c.group for c in candidates))}
    group = np.array([number[c.group] for c in candidates])
    out = lots_left_out(group, taught["leave_groups_out"], taught["seed"])
    return [c for c, is_out in zip(candidates, out, strict=True) if is_out]


def draw(
    candidates: list[Candidate], given: argparse.Namespace, seed: int, device: torch.device
) -> StudyData:
    """Originals of some lots with what is made of them, and wafers of other lots to judge."""
    generator = np.random.default_rng([seed, 71])
    lots = generator.permutation(sorted({str(c.group) for c in candidates}))
    known = set(lots[: len(lots) // 2].tolist())
    parts: dict[str, tuple[list[Candidate], list[int]]] = {
        part: ([], []) for part in ("train", "validation", "test")
    }
    spare = max(1, given.originals // 3)
    for label, name in enumerate(PATTERNS):
        mine = [c for c in candidates if c.class_name == name]
        inside = [c for c in mine if str(c.group) in known]
        outside = [c for c in mine if str(c.group) not in known]
        order = generator.permutation(len(inside))
        chosen = {
            "train": [inside[k] for k in order[: given.originals]],
            "validation": [inside[k] for k in order[given.originals : given.originals + spare]],
            "test": [outside[k] for k in generator.permutation(len(outside))[: given.judged]],
        }
        for part, found in chosen.items():
            parts[part][0].extend(found)
            parts[part][1].extend([label] * len(found))
    pictures = {part: [c.load().picture for c in found] for part, (found, _) in parts.items()}
    labels = {part: np.array(found, np.int64) for part, (_, found) in parts.items()}
    originals = TrainData(
        PATTERNS, pictures["train"], labels["train"], pictures["validation"], labels["validation"],
        [str(c.group) for c in parts["train"][0]],
    )  # fmt: skip
    kinds = {kind for arm in given.arms for kind in ARMS[arm].adds}
    made = {kind: kept(kind, originals, given, seed, device) for kind in MAKERS if kind in kinds}
    test_lots = [str(c.group) for c in parts["test"][0]]
    return StudyData(originals, made, pictures["test"], labels["test"], test_lots)


def kept(
    kind: str, originals: TrainData, given: argparse.Namespace, seed: int, device: torch.device
) -> tuple[list[Picture], Labels]:
    """What was made before and kept, else what is made now."""
    if given.keep is None:
        return make(kind, originals, given.made, seed, device)
    digest = hashlib.sha256(b"".join(p.tobytes() for p in originals.train_pictures)).hexdigest()[:8]
    path = given.keep / f"{kind}-{given.originals}-{given.made}-{seed}-{digest}.npz"
    if not path.exists():
        pictures, labels = make(kind, originals, given.made, seed, device)
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(path, *pictures, labels=labels)
    with np.load(path) as found:
        labels = found["labels"]
        return [found[f"arr_{k}"] for k in range(len(labels))], labels


def make(
    kind: str, originals: TrainData, count: int, seed: int, device: torch.device
) -> tuple[list[Picture], Labels]:
    """So many pictures of each class, from its training originals."""
    made: list[Picture] = []
    labels: list[int] = []
    began = time.perf_counter()
    learned = by_class(originals)
    for label, (name, mine) in enumerate(learned.items()):
        others = {other: each for other, each in learned.items() if other != name}
        made += MAKERS[kind](Order(mine, count, seed, others), device, lambda share: None)
        labels += [label] * count
    print(f"seed {seed}: {len(made)} by {kind} in {time.perf_counter() - began:.0f} s", flush=True)
    return made, np.array(labels, np.int64)


def one(
    data: StudyData, network: str, arm: str, device: torch.device, seed: int, looks: int | None
) -> dict[str, Any]:
    """Train an arm and judge it."""
    count = len(data.learning(arm).train_pictures)
    config = BenefitConfig(
        network=network,
        turns=NETWORKS[network].weights is not None,
        epochs=looks and max(1, round(looks / count)),
        seed=seed,
    ).training(0)
    watch = CoreWatch()

    def adapt(_share: float) -> None:
        watch.adapt()

    done = train_arm(data, arm, config, device, adapt)
    names = data.originals.class_names
    found = evaluate(data.test_labels, np.eye(len(names))[done.called], names)
    return {
        "pictures": done.pictures, "epochs": done.epochs, "seconds": done.seconds,
        "judged": found.count, "lots": len(set(data.test_lots)), "macro_f1": found.macro_f1,
        "accuracy": found.accuracy, "f1": {name: s.f1 for name, s in found.per_class.items()},
    }  # fmt: skip


def done_before(name: str) -> list[dict[str, Any]]:
    """Rows of an earlier start on a machine like this one."""
    for path in sorted(RESULTS.glob(f"{name}-*.json")):
        content = json.loads(path.read_text("utf-8"))
        rows = [{"looks": None, **row} for row in content.get("rows", [])]
        if content.get("machine") == describe_machine() and all(set(KEY) <= set(r) for r in rows):
            return rows
    return []


def difference(rows: list[dict[str, Any]], arm: str, against: str) -> tuple[float, float, int]:
    """Mean difference of macro-F1 in points, half of its 95 % interval, and over how many seeds.

    Args:
        rows: Of one cell of the table.
        arm: The first.
        against: Is taken from it.
    """
    from scipy.special import stdtrit

    first, other = (
        {r["seed"]: r["macro_f1"] for r in rows if r["arm"] == which} for which in (arm, against)
    )
    gaps = np.array([100 * (first[s] - other[s]) for s in sorted(set(first) & set(other))])
    if len(gaps) < 2:
        return (float(gaps[0]) if len(gaps) else float("nan")), float("nan"), len(gaps)
    half = stdtrit(len(gaps) - 1, 0.975) * gaps.std(ddof=1) / len(gaps) ** 0.5
    return float(gaps.mean()), float(half), len(gaps)


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown."""
    judged = sorted({r["judged"] for r in rows})
    lines = [
        f"# Do made wafers help a classifier? {describe_machine()}",
        "",
        "Originals, judging wafers and what the generator was taught with are of different lots. "
        f"{judged[0]:,} to {judged[-1]:,} wafers judge, all of them real. Each seed is another "
        "draw of originals and lots. Differences in points of macro-F1, with Student's 95 % "
        "interval over the seeds. *wafer_cnn* learns from nothing, without turning wafers while it "
        "learns; *wafernet* has its real settings. *Looks*: pictures looked at in training, the "
        "same in all arms; as usual: by their number, as in the program.",
        "",
        "| network | originals | made | looks | arm | seeds | macro-F1 | lowest | less none "
        "| less transforms | train (s) |",
        "|" + "---|" * 11,
    ]
    classes = [
        "",
        "F1 of each class:",
        "",
        "| network | made | looks | arm | " + " | ".join(PATTERNS) + " |",
        "|" + "---|" * (4 + len(PATTERNS)),
    ]
    verdicts = [""]
    cells = ("network", "originals", "made", "looks")
    for cell in dict.fromkeys(tuple(r[k] for k in cells) for r in rows):
        mine = [r for r in rows if tuple(r[k] for k in cells) == cell]
        network, originals, made, looks = cell
        work = f"{looks:,}" if looks else "as usual"
        for arm in (arm for arm in ARMS if any(r["arm"] == arm for r in mine)):
            own = [r for r in mine if r["arm"] == arm]
            macro = [r["macro_f1"] for r in own]
            gaps = [text(difference(mine, arm, a)) if arm != a else "" for a in GOALS]
            lines.append(
                f"| {network} | {originals} | {made} | {work} | {arm} | {len(own)} | "
                f"{np.mean(macro):.3f} | {min(macro):.3f} | {gaps[0]} | "
                f"{gaps[1] if arm != 'none' else ''} | {np.mean([r['seconds'] for r in own]):.0f} |"
            )
            f1 = [f"{np.mean([r['f1'][name] for r in own]):.2f}" for name in PATTERNS]
            classes.append(f"| {network} | {made} | {work} | {arm} | {' | '.join(f1)} |")
        verdicts += verdict(mine, f"{network}, {made} made, looks {work}")
    return "\n".join([*lines, *verdicts, *classes])


def verdict(rows: list[dict[str, Any]], title: str) -> list[str]:
    """Whether the goal is reached, in a line."""
    if not {"none", "transforms", "generated"} <= {r["arm"] for r in rows}:
        return []
    told = []
    for against, goal in GOALS.items():
        value, half, seeds = difference(rows, "generated", against)
        if NETWORKS[rows[0]["network"]].weights is None:
            reached = "reached" if value >= goal else "not reached"
            told.append(f"{value:+.1f} points against {against}, goal +{goal:.0f}: {reached}")
        else:
            below = "significantly below" if value + half < 0 else "not significantly below"
            below = below if seeds > 1 else "one seed cannot tell how sure that is"
            told.append(f"{value:+.1f} points against {against}: {below}")
    return [f"- {title}, {seeds} seed{'s' * (seeds != 1)}: generated is {'; '.join(told)}."]


def text(told: tuple[float, float, int]) -> str:
    """A difference with its interval."""
    value, half, seeds = told
    return f"{value:+.1f}" if seeds < 2 else f"{value:+.1f} ± {half:.1f}"


if __name__ == "__main__":
    main()
