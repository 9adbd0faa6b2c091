"""Peak memory of the commands.

    python -m benchmarks.speed.memory [--per-class 50]

Simulated wafers of nine classes: ``import``, ``train`` with its defaults, ``predict`` of all of
them, and ``generate`` of 100 for one class. The resident memory of a command and of its child
processes is read twenty times a second; shared libraries count in each process.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from benchmarks.machine import describe_machine, write_results
from benchmarks.speed.predict_speed import write_wafers
from benchmarks.tables import table
from wafer_core.simulator import PATTERNS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--per-class", type=int, default=50)
    given = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        source, project = Path(folder) / "source", Path(folder) / "project"
        source.mkdir()
        for file in write_wafers(source, given.per_class * len(PATTERNS)):
            pattern = source / file.stem.rpartition("-")[0]
            pattern.mkdir(exist_ok=True)
            file.rename(pattern / file.name)
        classes = f'[{{"name": "{PATTERNS[0]}", "ai_use": true}}]'
        commands = {
            "import": [str(source)],
            "train": [],
            "predict": [str(source)],
            "generate": ["--class-list", classes, "--count", "100"],
        }
        for name, arguments in commands.items():
            row = {"command": name, **peak([name, "--project", str(project), *arguments])}
            print(row, flush=True)
            rows.append(row)
    lines = [
        f"# Peak memory, {given.per_class} wafers per class, on {describe_machine()}",
        "",
        *table(
            ["command", "MB", "seconds"],
            [[r["command"], f"{r['megabytes']:,.0f}", f"{r['seconds']:.0f}"] for r in rows],
        ),
    ]
    write_results("memory", rows, "\n".join(lines))


def peak(arguments: list[str]) -> dict[str, float]:
    """Peak memory and wall time of a command."""
    start, most = time.perf_counter(), 0
    process = psutil.Popen(
        [sys.executable, "-m", "wafer_core", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while process.poll() is None:
        try:
            family = [process, *process.children(recursive=True)]
            most = max(most, sum(member.memory_info().rss for member in family))
        except psutil.NoSuchProcess:  # it has just ended
            continue
        time.sleep(0.05)
    if process.returncode:
        raise SystemExit(f"{arguments} ended with {process.returncode}")
    return {"megabytes": most / 2**20, "seconds": time.perf_counter() - start}


if __name__ == "__main__":
    main()
