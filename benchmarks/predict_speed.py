"""How many picture files a second become probabilities.

    python -m benchmarks.predict_speed [--count 500]

Simulated wafers are written as PNG files and go the way of the command ``predict``: listed, read
and decoded in threads, prepared, and named in all four turns. Loading the model is left aside. The
network has fresh weights: what it answers does not change how long it takes.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import torch

from benchmarks.machine import describe_machine, write_results
from wafer_core.device import choose_device, describe_device
from wafer_core.images import encode_png
from wafer_core.preparation import Preparation
from wafer_core.simulator import PATTERNS, simulate_many
from wafer_core.tasks.classification import networks
from wafer_core.tasks.classification.classifier import Classifier
from wafer_core.tasks.classification.predict import predict_files

RUNS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--count", type=int, default=500, help="files (500)")
    parser.add_argument("--device", default="auto")
    arguments = parser.parse_args()
    device = choose_device(arguments.device)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        files = write_wafers(Path(folder), arguments.count)
        for turns in (True, False):
            torch.manual_seed(0)
            network = networks.build("wafernet", len(PATTERNS))
            classifier = Classifier(
                network, "wafernet", Preparation(), PATTERNS, average_turns=turns, device=device
            )
            predict_files(classifier, files[:100])  # warm up
            times = [seconds(classifier, files) for _ in range(RUNS)]
            row = {
                "device": describe_device(device),
                "all_turns": turns,
                "files": len(files),
                "median_per_second": len(files) / sorted(times)[RUNS // 2],
                "best_per_second": len(files) / min(times),
            }
            print(row, flush=True)
            rows.append(row)
    lines = [
        f"# Files a second, from PNG to probabilities, on {describe_machine()}",
        "",
        "| answer from | files | a second, median | a second, best |",
        "|---|---|---|---|",
    ]
    for row in rows:
        forms = "all four turns (default)" if row["all_turns"] else "the picture as it lies"
        lines.append(
            f"| {forms} | {row['files']} | {row['median_per_second']:.0f} | "
            f"{row['best_per_second']:.0f} |"
        )
    write_results(f"predict_speed-{device.type}", rows, "\n".join(lines))


def write_wafers(folder: Path, count: int) -> list[Path]:
    """PNG files of simulated wafers, all patterns in turn."""
    files = []
    for index, pattern in enumerate(PATTERNS):
        each = (count + len(PATTERNS) - 1 - index) // len(PATTERNS)
        for number, picture in enumerate(simulate_many(pattern, each, seed=index)):
            files.append(folder / f"{pattern}-{number:04d}.png")
            files[-1].write_bytes(encode_png(picture))
    return files


def seconds(classifier: Classifier, files: list[Path]) -> float:
    """One pass over the files."""
    started = time.perf_counter()
    done = predict_files(classifier, files)
    if len(done.predictions) != len(files):
        raise SystemExit(f"{len(done.rejected)} files were refused: {done.rejected[0]}")
    if classifier.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
