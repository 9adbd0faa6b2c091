"""How good, and how fast, is a network that is trained with few pictures a class.

    python -m benchmarks.few_shot DATA.npz [--per-class 60] [--seeds 0 1 2]

goes the user's own way: the commands ``import`` and ``train`` with their defaults, in processes of
their own, then judges the model on wafers of lots (groups) that were not imported at all.
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
from wafer_core.importers import Candidate, sample, scan
from wafer_core.metrics import Evaluation, evaluate
from wafer_core.tasks.classifier import Classifier


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("data", type=Path, help="wafer data file with labels and groups")
    parser.add_argument("--per-class", type=int, default=60, help="wafers imported a class (60)")
    parser.add_argument("--test-per-class", type=int, default=300, help="judged at most (300)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    arguments = parser.parse_args()
    candidates = scan([arguments.data]).candidates
    rows = []
    for seed in arguments.seeds:
        row = one_seed(candidates, arguments.data, arguments.per_class, arguments.test_per_class,
                       seed)  # fmt: skip
        print(json.dumps(row), flush=True)
        rows.append(row)
    write_results(f"few_shot-{arguments.per_class}", rows, table(rows, arguments.per_class))


def command(*words: object) -> tuple[dict[str, Any], float]:
    """Run a command of ours; its JSON, and how many seconds it took with everything."""
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "wafer_core", *map(str, words)],
        stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1]), time.perf_counter() - started


def one_seed(
    candidates: Sequence[Candidate], data: Path, per_class: int, test_per_class: int, seed: int
) -> dict[str, Any]:
    """Import, train and judge once."""
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "project"
        _, import_seconds = command(
            "import", "--project", project, data, "--limit-per-class", per_class, "--seed", seed
        )
        told, train_seconds = command("train", "--project", project, "--seed", seed)
        classifier = Classifier.load(project / "models" / told["run"])
    # the same draw as the command's
    known = {c.group for c in sample(candidates, per_class, seed)}
    others = [c for c in candidates if c.group not in known]
    result, seconds = judge(classifier, sample(others, test_per_class, seed))
    return {
        "seed": seed,
        "macro_f1": result.macro_f1,
        "accuracy": result.accuracy,
        "calibration_error": result.calibration_error,
        "own_test_macro_f1": told["macro_f1"],
        "judged": result.count,
        "import_seconds": import_seconds,
        "train_seconds": train_seconds,
        "wafers_per_second": result.count / seconds,
        "f1": {name: score.f1 for name, score in result.per_class.items()},
    }


def judge(classifier: Classifier, wafers: Sequence[Candidate]) -> tuple[Evaluation, float]:
    """Score on labelled wafers, and the seconds that prediction took."""
    names = classifier.class_names
    labels = np.array([names.index(str(c.class_name)) for c in wafers])
    pictures = [c.load().picture for c in wafers]
    classifier.predict_proba(pictures[:64])  # warm up
    started = time.perf_counter()
    probabilities = classifier.predict_proba(pictures)
    return evaluate(labels, probabilities, names), time.perf_counter() - started


def table(rows: Sequence[dict[str, Any]], per_class: int) -> str:
    """Markdown."""
    head = ["seed", "macro-F1", "accuracy", "calibration error", "train (s)", "judged"]
    lines = [
        f"# {per_class} wafers a class, trained with defaults on {describe_machine()}",
        "",
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
    names = list(rows[0]["f1"])
    lines += ["", "F1 a class, mean over seeds:", "", "| " + " | ".join(names) + " |"]
    lines += ["|" + "---|" * len(names)]
    means = [np.mean([row["f1"][name] for row in rows]) for name in names]
    lines += ["| " + " | ".join(f"{m:.2f}" for m in means) + " |", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
