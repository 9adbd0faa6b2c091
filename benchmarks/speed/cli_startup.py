"""Start-up time of the command line: ``--help`` must take less than half a second.

python -m benchmarks.speed.cli_startup
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.machine import describe_machine, write_results
from benchmarks.tables import table
from wafer_core.cli import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
LIMIT_SECONDS = 0.5
RUNS = 10


def seconds_of(*arguments: str, runs: int = RUNS) -> list[float]:
    """Wall times of a command, after one run to warm the disk cache."""
    command = [sys.executable, "-m", "wafer_core", *arguments]
    times = []
    for _ in range(runs + 1):
        start = time.perf_counter()
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - start)
    return times[1:]


def main() -> int:
    times = seconds_of("--help")
    commands = {name: round(seconds_of(name, "--help", runs=1)[0], 3) for name in COMMANDS}
    row = {
        "help_median_seconds": round(statistics.median(times), 3),
        "help_slowest_seconds": round(max(times), 3),
        "limit_seconds": LIMIT_SECONDS,
        "help_of_commands_seconds": commands,
    }
    lines = [
        f"# Command line start-up on {describe_machine()}",
        "",
        *table(
            ["command", "seconds"],
            [
                [f"--help, median of {RUNS} (limit {LIMIT_SECONDS})", row["help_median_seconds"]],
                *([f"{name} --help", seconds] for name, seconds in commands.items()),
            ],
        ),
    ]
    print("\n".join(lines))
    write_results("cli_startup", [row], "\n".join(lines))
    return int(max(times) > LIMIT_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
