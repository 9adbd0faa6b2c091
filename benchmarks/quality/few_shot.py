"""How good, and how fast, is a network that is trained with few pictures a class.

    python -m benchmarks.quality.few_shot DATA.npz [--per-class 60] [--seeds 0 1 2] [--whole-file]
        [--weights HALF.safetensors]

goes the user's own way: the commands ``import`` and ``train`` with their defaults, in processes of
their own, then judges the model on wafers of other lots (groups).

Half of the lots, drawn by the seed, are kept away from the import and judge the model. With
``--whole-file`` the import draws from the whole file and the lots that it happened to leave out
judge. That leaves one or two wafers of the rarest class, which then decide a ninth of macro-F1 by
luck; the table therefore always says how many wafers of each class were judged.

Is what the app reports true? The table sets the macro-F1 on the app's own test part, with the 95 %
interval that the app gives, beside that on other lots: a difference above 0 is praise too much.

WaferNet's shipped weights have seen most lots of WM-811K. On that file its figures here are those
of lots it knows, and too good; ``benchmarks.quality.wafernet`` judges it on lots that it never
saw, and
``--network wafer_cnn`` shows what training from nothing reaches. With ``--weights`` of a
pre-training that left lots out, all wafers here come from those, and WaferNet starts from them: as
for a user whose wafers nobody has seen.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import describe_machine, write_results
from benchmarks.quality.wafernet import left_out
from wafer_core.files import read_json
from wafer_core.importers import Candidate, sample, scan
from wafer_core.metrics import Evaluation, evaluate
from wafer_core.tasks.classification.train import Classifier

# ``python -m wafer_core`` whose WaferNet starts from the weights named first
_WITH_WEIGHTS = """
import sys
from pathlib import Path
from benchmarks.quality.wafernet import with_weights
from wafer_core.cli import main
with_weights(Path(sys.argv.pop(1)))
sys.exit(main())
"""

SEEN = (
    "The weights that ship with WaferNet have seen most lots of WM-811K. If this is that data, the "
    "figures are too good; see the results of `benchmarks.quality.wafernet`."
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("data", type=Path, help="wafer data file with labels and groups")
    parser.add_argument("--per-class", type=int, default=60, help="wafers imported a class (60)")
    parser.add_argument("--test-per-class", type=int, default=300, help="judged at most (300)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--network", default="wafernet", help="to train (wafernet, the default)")
    parser.add_argument("--whole-file", action="store_true", help="keep no lots away beforehand")
    parser.add_argument("--weights", type=Path, help="that WaferNet starts from (those shipped)")
    arguments = parser.parse_args()
    if arguments.weights and arguments.whole_file:
        parser.error("--weights takes its wafers from the lots left out, not from the whole file")
    rows = []
    for seed in arguments.seeds:
        rows.append(one_seed(arguments, seed))
        print(json.dumps(rows[-1]), flush=True)
    name = f"few_shot-{arguments.network}-{arguments.per_class}"
    name += "-whole_file" if arguments.whole_file else ""
    name += "-lots_left_out" if arguments.weights else ""
    has_seen = arguments.network == "wafernet" and not arguments.weights
    write_results(name, rows, table(rows, arguments.per_class, arguments.network, has_seen))


def command(weights: Path | None, *words: object) -> tuple[dict[str, Any], float]:
    """Run a command of ours; its JSON, and how many seconds it took with everything."""
    started = time.perf_counter()
    program = ["-c", _WITH_WEIGHTS, str(weights)] if weights else ["-m", "wafer_core"]
    done = subprocess.run(
        [sys.executable, *program, *map(str, words)],
        stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1]), time.perf_counter() - started


def one_seed(arguments: argparse.Namespace, seed: int) -> dict[str, Any]:
    """Import, train and judge once."""
    candidates = scan([arguments.data]).candidates
    weights = arguments.weights
    if weights:
        config = Classifier.load(weights.parent, name=weights.stem).config
        candidates = left_out(candidates, config)
    with tempfile.TemporaryDirectory() as folder:
        project, source = Path(folder) / "project", arguments.data
        if arguments.whole_file:
            # the same draw as the command's
            known = {str(c.group) for c in sample(candidates, arguments.per_class, seed)}
        else:
            source = Path(folder) / arguments.data.name  # lots carry their file's name
            known = keep_half(arguments.data, source, seed, {str(c.group) for c in candidates})
        _, import_seconds = command(
            weights, "import", "--project", project, source,
            "--limit-per-class", arguments.per_class, "--seed", seed,
        )  # fmt: skip
        told, train_seconds = command(
            weights, "train", "--project", project, "--seed", seed, "--model", arguments.network
        )
        classifier = Classifier.load(project / "models" / told["run"])
        report = read_json(project / "models" / told["run"] / "report.json")
    others = [c for c in candidates if c.group not in known]
    result, seconds = judge(classifier, sample(others, arguments.test_per_class, seed))
    return {
        "seed": seed,
        "macro_f1": result.macro_f1,
        "accuracy": result.accuracy,
        "calibration_error": result.calibration_error,
        "own_test_macro_f1": told["macro_f1"],
        "own_test_interval": report["evaluation"]["intervals"]["macro_f1"],
        "own_test_calibration_error": report["evaluation"]["calibration_error"],
        "own_test_count": report["evaluation"]["count"],
        "judged": result.count,
        "import_seconds": import_seconds,
        "train_seconds": train_seconds,
        "wafers_per_second": result.count / seconds,
        "f1": {name: score.f1 for name, score in result.per_class.items()},
        "judged_of": {name: score.count for name, score in result.per_class.items()},
    }


def keep_half(data: Path, half: Path, seed: int, lots_of: set[str]) -> set[str]:
    """Write the wafers of half of some lots to a file of their own; the names of those lots."""
    with np.load(data) as arrays:
        dies, offsets, shapes = arrays["dies"], arrays["offsets"], arrays["shapes"]
        label, classes, group = arrays["label"], arrays["classes"], arrays["group"]
    allowed = [lot for lot in np.unique(group) if f"{data.stem}:{lot}" in lots_of]
    lots = np.random.default_rng(seed).permutation(allowed)
    known = lots[: len(lots) // 2]
    kept = np.flatnonzero(np.isin(group, known))
    sizes = np.diff(offsets)[kept]
    np.savez(
        half,
        dies=np.concatenate([dies[offsets[i] : offsets[i + 1]] for i in kept]),
        offsets=np.concatenate([[0], np.cumsum(sizes)]),
        shapes=shapes[kept], label=label[kept], classes=classes, group=group[kept],
    )  # fmt: skip
    return {f"{data.stem}:{lot}" for lot in known}


def judge(classifier: Classifier, wafers: Sequence[Candidate]) -> tuple[Evaluation, float]:
    """Score on labelled wafers, and the seconds that prediction took."""
    names = classifier.class_names
    labels = np.array([names.index(str(c.class_name)) for c in wafers])
    pictures = [c.load().picture for c in wafers]
    classifier.predict_proba(pictures[:64])  # warm up
    started = time.perf_counter()
    probabilities = classifier.predict_proba(pictures)
    return evaluate(labels, probabilities, names), time.perf_counter() - started


def table(rows: Sequence[dict[str, Any]], per_class: int, network: str, has_seen: bool) -> str:
    """Markdown; ``has_seen`` says that the weights to start from saw such lots."""
    head = ["seed", "macro-F1", "accuracy", "calibration error", "train (s)", "judged"]
    lines = [
        f"# {per_class} wafers a class, {network} with defaults on {describe_machine()}",
        "",
        *([SEEN, ""] if has_seen else []),
        "Judged on wafers of other lots. `train` is the whole command, from start to result.",
        "",
        "| " + " | ".join(head) + " |",
        "|" + "---|" * len(head),
    ]
    for row in rows:
        lines.append(
            f"| {row['seed']} | {row['macro_f1']:.3f} | {row['accuracy']:.3f} | "
            f"{row['calibration_error']:.3f} | {row['train_seconds']:.0f} | {row['judged']} |"
        )
    scores = [row["macro_f1"] for row in rows]
    lines.append(
        f"| mean | {np.mean(scores):.3f} | {np.mean([r['accuracy'] for r in rows]):.3f} | "
        f"{np.mean([r['calibration_error'] for r in rows]):.3f} | "
        f"{np.mean([r['train_seconds'] for r in rows]):.0f} | |"
    )
    lines += ["", *own_test(rows)]
    lines += ["", "| class | F1, mean over seeds | judged, in each seed |", "|---|---|---|"]
    for name in sorted(rows[0]["f1"]):
        mean = np.mean([row["f1"][name] for row in rows])
        counts = ", ".join(str(row["judged_of"][name]) for row in rows)
        lines.append(f"| {name} | {mean:.2f} | {counts} |")
    return "\n".join(lines)


def own_test(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Markdown lines: what the app reports on its own test part, beside other lots."""
    lines = [
        "What the app reports on its own test part, beside what other lots show:",
        "",
        "| seed | own test part | 95 % | pictures | other lots | difference, points | within 95 % "
        "| calibration error, own | other lots |",
        "|" + "---|" * 9,
    ]
    for row in rows:
        low, high = row["own_test_interval"]
        lines.append(
            f"| {row['seed']} | {row['own_test_macro_f1']:.3f} | {low:.3f}–{high:.3f} | "
            f"{row['own_test_count']} | {row['macro_f1']:.3f} | {praise(row):+.1f} | "
            f"{'yes' if low <= row['macro_f1'] <= high else 'no'} | "
            f"{row['own_test_calibration_error']:.3f} | {row['calibration_error']:.3f} |"
        )
    points = [praise(row) for row in rows]
    own = np.mean([row["own_test_macro_f1"] for row in rows])
    lines.append(
        f"| mean | {own:.3f} | | | {np.mean([r['macro_f1'] for r in rows]):.3f} | "
        f"{np.mean(points):+.1f} | | "
        f"{np.mean([r['own_test_calibration_error'] for r in rows]):.3f} | "
        f"{np.mean([r['calibration_error'] for r in rows]):.3f} |"
    )
    return lines


def praise(row: dict[str, Any]) -> float:
    """Points of macro-F1 by which the own test part is above other lots."""
    return 100 * float(row["own_test_macro_f1"] - row["macro_f1"])


if __name__ == "__main__":
    main()
