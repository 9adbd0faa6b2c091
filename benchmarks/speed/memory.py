"""How much memory the commands take at their peak.

    python -m benchmarks.speed.memory [--per-class 50]

Simulated wafers of nine classes go the way of a user: ``import``, ``train`` with its defaults,
``predict`` of all of them, ``generate`` of 100 for a class. The resident memory of a command and of
the processes it started is read twenty times a second; what libraries share counts in each.
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
        asked = f'[{{"name": "{PATTERNS[0]}", "ai_use": true}}]'
        commands = {
            "import": [str(source)],
            "train": [],
            "predict": [str(source)],
            "generate": ["--class-list", asked, "--count", "100"],
        }
        for name, arguments in commands.items():
            row = {"command": name, **peak([name, "--project", str(project), *arguments])}
            print(row, flush=True)
            rows.append(row)
    lines = [
        f"# Memory at its peak, {given.per_class} wafers a class, on {describe_machine()}",
        "",
        "| command | MB | seconds |",
        "|---|---|---|",
        *(f"| `{r['command']}` | {r['megabytes']:,.0f} | {r['seconds']:.0f} |" for r in rows),
    ]
    write_results("memory", rows, "\n".join(lines))


def peak(arguments: list[str]) -> dict[str, float]:
    """Run a command and watch it."""
    started, most = time.perf_counter(), 0
    process = psutil.Popen(
        [sys.executable, "-m", "wafer_core", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while process.poll() is None:
        try:
            family = [process, *process.children(recursive=True)]
            most = max(most, sum(member.memory_info().rss for member in family))
        except psutil.NoSuchProcess:  # ended meanwhile
            continue
        time.sleep(0.05)
    if process.returncode:
        raise SystemExit(f"{arguments} ended with {process.returncode}")
    return {"megabytes": most / 2**20, "seconds": time.perf_counter() - started}


if __name__ == "__main__":
    main()
