"""How many picture files a second become probabilities.

    python -m benchmarks.speed.predict_speed [--count 1000] [--data DATA.npz]

Wafers are written as PNG files and go the way of the command ``predict``: listed, read and decoded
in threads, prepared, and named. Loading the model is left aside. The shipped model answers; it
looks at the other turns of a wafer only where its first answer is not sure, so that easy wafers
take less time. They are simulated, all patterns in turn, or drawn from a data file as they come
there. The shipped weights know most of that: new wafers are less often sure and take a bit longer.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from benchmarks.machine import describe_machine, write_results
from wafer_core.device import choose_device, describe_device
from wafer_core.images import Picture, encode_png
from wafer_core.importers import scan
from wafer_core.networks import registry
from wafer_core.simulator import PATTERNS, simulate_many
from wafer_core.tasks.classification.predict import predict_files
from wafer_core.tasks.classification.train import Classifier

RUNS = 9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--count", type=int, default=1000, help="files (1000)")
    parser.add_argument("--data", type=Path, help="wafer data file; else wafers are simulated")
    parser.add_argument("--device", default="auto")
    arguments = parser.parse_args()
    device = choose_device(arguments.device)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        files = write_wafers(Path(folder), arguments.count, arguments.data)
        for turns in (True, False):
            classifier = Classifier.load(registry.WEIGHTS, device, "wafernet")
            classifier.average_turns = turns
            predict_files(classifier, files[:100])  # warm up
            times = [seconds(classifier, files) for _ in range(RUNS)]
            row = {
                "device": describe_device(device),
                "wafers": arguments.data.name if arguments.data else "simulated",
                "turns": turns,
                "files": len(files),
                "median_per_second": len(files) / sorted(times)[RUNS // 2],
                "best_per_second": len(files) / min(times),
            }
            print(row, flush=True)
            rows.append(row)
    lines = [
        f"# Files a second, from PNG to probabilities, on {describe_machine()}",
        "",
        "| wafers | answer from | files | a second, median | a second, best |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        forms = "the other turns too where unsure (default)" if row["turns"] else "as it lies"
        lines.append(
            f"| {row['wafers']} | {forms} | {row['files']} | {row['median_per_second']:.0f} | "
            f"{row['best_per_second']:.0f} |"
        )
    wafers = "real" if arguments.data else "simulated"
    write_results(f"predict_speed-{wafers}-{device.type}", rows, "\n".join(lines))


def write_wafers(folder: Path, count: int, data: Path | None = None) -> list[Path]:
    """PNG files CLASS-NUMBER of simulated wafers, all patterns in turn, or at random of a file."""
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
    for number, (name, picture) in enumerate(wafers):
        files.append(folder / f"{name}-{number:05d}.png")
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
