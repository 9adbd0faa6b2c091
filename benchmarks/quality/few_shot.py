"""How well, and how fast, a network trains with few wafers per class, through the commands.

    python -m benchmarks.quality.few_shot DATA.npz [--per-class 60] [--seeds 0 1 2] [--whole-file]
        [--weights HALF.safetensors]

runs the commands ``import`` and ``train`` with their defaults, in processes of their own, as a user
would, then tests the model on wafers of other lots.

Half of the lots, drawn with the seed, are kept out of the import and are the test set. With
``--whole-file`` the import draws from the whole file, and the lots that it happened to leave out
are the test set. Then the rarest class has only one or two test wafers, which decide a ninth of
macro-F1; the table therefore gives the number of test wafers of each class.

The table also compares the score that the app reports on its own test split, with its 95% interval,
with the score on other lots: a difference above 0 means that the app is too optimistic.

WaferNet's shipped weights were pretrained on most lots of WM-811K, so on that file its scores here
are too high. ``benchmarks.quality.wafernet`` tests it on lots that pretraining left out, and
``--network wafer_cnn`` shows training from scratch. With ``--weights`` of a pretraining that left
lots out, all wafers come from those, and WaferNet starts from these weights: the situation of a
user with new wafers.
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

from benchmarks.classifiers import pretrained, score, score_row
from benchmarks.machine import describe_machine, write_results
from benchmarks.tables import Row, interval, mean, mean_by_class, number, table
from benchmarks.wafers import left_out, load, read_labelled
from wafer_core.files import read_json
from wafer_core.importers import sample
from wafer_core.tasks.classification.classifier import Classifier

ROOT = Path(__file__).resolve().parents[2]
# ``python -m wafer_core`` whose WaferNet starts from the weights in the first argument
_WITH_WEIGHTS = """
import sys
from pathlib import Path
from benchmarks.classifiers import use_weights
from wafer_core.cli import main
use_weights(Path(sys.argv.pop(1)))
sys.exit(main())
"""

CONTAMINATED = (
    "The weights that ship with WaferNet were pretrained on most lots of WM-811K. On that file the "
    "scores are too high; see the results of `benchmarks.quality.wafernet`."
)
_MEANS = (
    "macro_f1", "accuracy", "calibration_error", "train_seconds", "own_test_macro_f1",
    "own_test_calibration_error",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("data", type=absolute, help="wafer data file with labels and lots")
    parser.add_argument("--per-class", type=int, default=60, help="wafers to import (60)")
    parser.add_argument("--test-per-class", type=int, default=300, help="wafers at most (300)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--network", default="wafernet", help="to train (wafernet, the default)")
    parser.add_argument("--whole-file", action="store_true", help="import from all lots")
    parser.add_argument("--weights", type=absolute, help="for WaferNet to start from (shipped)")
    given = parser.parse_args()
    if given.weights and given.whole_file:
        parser.error("--weights uses the lots that were left out; it excludes --whole-file")
    rows: list[Row] = []
    for seed in given.seeds:
        rows.append(one_seed(given, seed))
        print(json.dumps(rows[-1]), flush=True)
    name = f"few_shot-{given.network}-{given.per_class}"
    name += "-whole_file" if given.whole_file else ""
    name += "-lots_left_out" if given.weights else ""
    is_contaminated = given.network == "wafernet" and not given.weights
    write_results(name, rows, markdown(rows, given.per_class, given.network, is_contaminated))


def absolute(path: str) -> Path:
    """A path that the commands can use, which run in the folder of the program."""
    return Path(path).resolve()


def run_command(weights: Path | None, *arguments: object) -> tuple[dict[str, Any], float]:
    """Run one of our commands; its JSON, and the seconds from start to result."""
    start = time.perf_counter()
    program = ["-c", _WITH_WEIGHTS, str(weights)] if weights else ["-m", "wafer_core"]
    done = subprocess.run(
        [sys.executable, *program, *map(str, arguments)],
        cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1]), time.perf_counter() - start


def one_seed(given: argparse.Namespace, seed: int) -> Row:
    """Import, train and test once."""
    candidates = read_labelled(given.data)
    if given.weights:
        candidates = left_out(candidates, pretrained(given.weights).config)
    with tempfile.TemporaryDirectory() as folder:
        project, source = Path(folder) / "project", given.data
        if given.whole_file:
            # the same sample as the command draws
            imported = {str(c.group) for c in sample(candidates, given.per_class, seed)}
        else:
            source = Path(folder) / given.data.name  # lots contain the name of their file
            imported = write_half(given.data, source, seed, {str(c.group) for c in candidates})
        _, import_seconds = run_command(
            given.weights, "import", "--project", project, source,
            "--limit-per-class", given.per_class, "--seed", seed,
        )  # fmt: skip
        trained, train_seconds = run_command(
            given.weights, "train", "--project", project, "--seed", seed, "--model", given.network
        )
        run = project / "models" / trained["run"]
        classifier = Classifier.load(run)
        own = read_json(run / "report.json")["evaluation"]
    test = sample([c for c in candidates if c.group not in imported], given.test_per_class, seed)
    labels = np.array([classifier.class_names.index(str(c.class_name)) for c in test])
    found = score(classifier, load(test), labels, classifier.class_names)
    return {
        "seed": seed,
        **score_row(found),
        "own_test_macro_f1": trained["macro_f1"],
        "own_test_interval": own["intervals"]["macro_f1"],
        "own_test_calibration_error": own["calibration_error"],
        "own_test_count": own["count"],
        "import_seconds": import_seconds,
        "train_seconds": train_seconds,
        "test_count": {name: each.count for name, each in found.per_class.items()},
    }


def write_half(data: Path, half: Path, seed: int, lots: set[str]) -> set[str]:
    """Write the wafers of half of some lots to a file of their own; returns these lots."""
    with np.load(data) as arrays:
        dies, offsets, shapes = arrays["dies"], arrays["offsets"], arrays["shapes"]
        label, classes, group = arrays["label"], arrays["classes"], arrays["group"]
    allowed = [lot for lot in np.unique(group) if f"{data.stem}:{lot}" in lots]
    order = np.random.default_rng(seed).permutation(allowed)
    chosen = order[: len(order) // 2]
    kept = np.flatnonzero(np.isin(group, chosen))
    sizes = np.diff(offsets)[kept]
    np.savez(
        half,
        dies=np.concatenate([dies[offsets[i] : offsets[i + 1]] for i in kept]),
        offsets=np.concatenate([[0], np.cumsum(sizes)]),
        shapes=shapes[kept], label=label[kept], classes=classes, group=group[kept],
    )  # fmt: skip
    return {f"{data.stem}:{lot}" for lot in chosen}


def compare_own_test(rows: Sequence[Row]) -> list[Row]:
    """The score on the own test split beside that on other lots, for each seed.

    Returns:
        Rows with ``points``, by which the own score is higher, and ``is_inside``, whether the
        score on other lots is in its 95% interval.
    """
    found = []
    for row in rows:
        low, high = row["own_test_interval"]
        points = 100 * (row["own_test_macro_f1"] - row["macro_f1"])
        is_inside = low <= row["macro_f1"] <= high
        found.append({"seed": row["seed"], "points": points, "is_inside": is_inside})
    return found


def markdown(rows: Sequence[Row], per_class: int, network: str, is_contaminated: bool) -> str:
    """The tables; ``is_contaminated``: the weights may have been pretrained on such lots."""
    means = {key: mean(rows, key) for key in _MEANS}
    compared = compare_own_test(rows)
    f1 = mean_by_class(rows)
    scores = [
        [row["seed"], number(row["macro_f1"]), number(row["accuracy"]),
         number(row["calibration_error"]), number(row["train_seconds"], 0), row.get("tested", "")]
        for row in [*rows, {"seed": "mean", **means}]
    ]  # fmt: skip
    own = [
        [row["seed"], number(row["own_test_macro_f1"]), interval(row["own_test_interval"]),
         row["own_test_count"], number(row["macro_f1"]), f"{each['points']:+.1f}",
         "yes" if each["is_inside"] else "no", number(row["own_test_calibration_error"]),
         number(row["calibration_error"])]
        for row, each in zip(rows, compared, strict=True)
    ]  # fmt: skip
    own.append(
        ["mean", number(means["own_test_macro_f1"]), "", "", number(means["macro_f1"]),
         f"{mean(compared, 'points'):+.1f}", "", number(means["own_test_calibration_error"]),
         number(means["calibration_error"])]
    )  # fmt: skip
    return "\n".join(
        [
            f"# {per_class} wafers per class, {network} with defaults; {describe_machine()}", "",
            *([CONTAMINATED, ""] if is_contaminated else []),
            "Tested on wafers of other lots. The training time is that of the whole command.", "",
            *table(["seed", "macro-F1", "accuracy", "calibration error", "training (s)",
                    "test wafers"], scores), "",
            "The score that the app reports on its own test split, and that on other lots:", "",
            *table(["seed", "own test split", "95%", "wafers", "other lots", "difference, points",
                    "within 95%", "calibration error, own", "other lots"], own), "",
            *table(["class", "mean F1", "test wafers of each seed"],
                   [[name, number(f1[name], 2),
                     ", ".join(str(row["test_count"][name]) for row in rows)]
                    for name in sorted(f1)]),
        ]
    )  # fmt: skip


if __name__ == "__main__":
    main()
