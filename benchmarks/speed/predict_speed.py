"""Picture files per second, from PNG to probabilities.

    python -m benchmarks.speed.predict_speed [--count 1000] [--data DATA.npz]

Wafers are written as PNG files and processed as by the command ``predict``: listed, read and
decoded in threads, prepared, and classified. Loading the model is not included. The shipped model
rotates a wafer only if its first prediction is not confident, so easy wafers take less time. The
wafers are simulated, the same number of each pattern, or drawn from a data file. The shipped
weights were pretrained on most of that: with new wafers, fewer predictions are confident, and they
take a little longer.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from benchmarks.machine import describe_machine, write_results
from benchmarks.tables import Row, number, table
from wafer_core.device import choose_device, describe_device
from wafer_core.images import Picture, encode_png
from wafer_core.importers import scan
from wafer_core.networks import registry
from wafer_core.simulator import PATTERNS, simulate_many
from wafer_core.tasks.classification.classifier import Classifier
from wafer_core.tasks.classification.predict import predict_files

RUNS = 9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--count", type=int, default=1000, help="files (1000)")
    parser.add_argument("--data", type=Path, help="wafer data file (simulated wafers)")
    parser.add_argument("--device", default="auto")
    arguments = parser.parse_args()
    device = choose_device(arguments.device)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        files = write_wafers(Path(folder), arguments.count, arguments.data)
        for rotated in (True, False):
            classifier = Classifier.load(registry.WEIGHTS, device, "wafernet")
            classifier.average_turns = rotated
            predict_files(classifier, files[:100])  # warm up
            times = [seconds(classifier, files) for _ in range(RUNS)]
            row = {
                "device": str(describe_device(device)),
                "wafers": arguments.data.name if arguments.data else "simulated",
                "rotated": rotated,
                "files": len(files),
                "median_per_second": len(files) / sorted(times)[RUNS // 2],
                "best_per_second": len(files) / min(times),
            }
            print(row, flush=True)
            rows.append(row)
    lines = [
        f"# Files per second, from PNG to probabilities, on {describe_machine()}",
        "",
        *table(
            ["wafers", "rotated", "files", "per second, median", "per second, best"],
            [
                [
                    row["wafers"], "if not confident (default)" if row["rotated"] else "never",
                    row["files"], number(row["median_per_second"], 0),
                    number(row["best_per_second"], 0),
                ]
                for row in rows
            ],
        ),
    ]  # fmt: skip
    wafers = "real" if arguments.data else "simulated"
    write_results(f"predict_speed-{wafers}-{device.type}", rows, "\n".join(lines))


def write_wafers(folder: Path, count: int, data: Path | None = None) -> list[Path]:
    """PNG files CLASS-NUMBER of simulated wafers, or of a random sample of a data file."""
    wafers: list[tuple[str, Picture]] = []
    if data is None:
        for index, pattern in enumerate(PATTERNS):
            each = (count + len(PATTERNS) - 1 - index) // len(PATTERNS)
            wafers += [(pattern, picture) for picture in simulate_many(pattern, each, seed=index)]
    else:
        candidates = scan([data]).candidates
        chosen = np.random.default_rng(0).permutation(len(candidates))[:count]
        wafers = [(str(candidates[k].class_name), candidates[k].load().picture) for k in chosen]
    files = []
    for index, (name, picture) in enumerate(wafers):
        files.append(folder / f"{name}-{index:05d}.png")
        files[-1].write_bytes(encode_png(picture))
    return files


def seconds(classifier: Classifier, files: list[Path]) -> float:
    """One pass over the files."""
    start = time.perf_counter()
    done = predict_files(classifier, files)
    if len(done.predictions) != len(files):
        raise SystemExit(f"{len(done.rejected)} files were refused: {done.rejected[0]}")
    if classifier.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
