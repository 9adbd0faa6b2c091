"""How fast the command line answers: ``--help`` has to come in under half a second.

python benchmarks/cli_startup.py
"""

from __future__ import annotations

import json
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from wafer_core import __version__  # noqa: E402 – the line above finds it
from wafer_core.cli import COMMANDS  # noqa: E402

LIMIT_SECONDS = 0.5
RUNS = 10


def seconds_of(*arguments: str, runs: int = RUNS) -> list[float]:
    """Wall times of a command, after one run that warms the disk cache."""
    command = [sys.executable, "-m", "wafer_core", *arguments]
    times = []
    for _ in range(runs + 1):
        began = time.perf_counter()
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - began)
    return times[1:]


def main() -> int:
    times = seconds_of("--help")
    result = {
        "version": __version__,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "help_median_seconds": round(statistics.median(times), 3),
        "help_slowest_seconds": round(max(times), 3),
        "limit_seconds": LIMIT_SECONDS,
        "help_of_commands_seconds": {
            name: round(seconds_of(name, "--help", runs=1)[0], 3) for name in COMMANDS
        },
    }
    target = ROOT / "benchmarks" / "results"
    target.mkdir(exist_ok=True)
    name = f"cli_startup-{platform.system().lower()}-{platform.machine()}-{__version__}.json"
    (target / name).write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))
    return int(result["help_slowest_seconds"] > LIMIT_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
