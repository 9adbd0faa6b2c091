"""Time to simulate a test set of 12,000 wafers, and to fit the simulator to a class.

    python -m benchmarks.speed.physics_speed [--count 12000]

One process on one core; CPU seconds, because the machine may be shared, and wall seconds for what
is written to disk. Wafers are simulated by process factors, or drawn from ranges as in the demo. On
disk are the pictures and the table of the command ``simulate``. The fit is to 60 simulated wafers
of each pattern.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.machine import describe_machine, write_results
from benchmarks.tables import number, table
from wafer_core.simulator import PATTERNS, draw_values, simulate_factors, simulate_many
from wafer_core.simulator.factorial import factorial_design
from wafer_core.simulator.fit import fit
from wafer_core.simulator.fitted import simulate_class
from wafer_core.simulator.test_sets import write_test_set

LEVELS: dict[str, list[str | float]] = {
    "density": ["low", "mid", "high"],
    "notch_rotation": [0, 45, 90, 135],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--count", type=int, default=12_000, help="wafers (12,000)")
    count = parser.parse_args().count
    fit(simulate_many("Loc", 2, 0))  # warm up
    rows: list[dict[str, Any]] = []
    for pattern in PATTERNS:
        rows.append(time_pattern(pattern, count // len(PATTERNS)))
        print(rows[-1], flush=True)
    simulated = sum(row["simulate"] for row in rows)
    drawn = sum(row["from_ranges"] for row in rows)
    with tempfile.TemporaryDirectory() as folder:
        per_cell = count // 12
        wafers = factorial_design("Loc", LEVELS, per_cell, 0)
        start = time.perf_counter()
        on_disk = seconds(lambda: write_test_set(wafers, Path(folder) / "set", "Loc"))
        wall = time.perf_counter() - start
    lines = [
        f"# Simulated wafers, one process; {describe_machine()}",
        "",
        f"{rows[0]['wafers'] * len(rows):,} wafers of nine patterns: {simulated:.1f} s by factors, "
        f"{drawn:.1f} s drawn from ranges. A test set of {12 * per_cell:,} wafers on disk, in 12 "
        f"design cells, with its table: {on_disk:.1f} s (wall time {wall:.1f} s, "
        f"load {os.getloadavg()[0]:.1f}).",
        "",
        *table(
            ["pattern", "wafers", "by factors (s)", "from ranges (s)", "fit to 60 (s)",
             "400 fitted (s)"],
            [[r["pattern"], f"{r['wafers']:,}", number(r["simulate"], 2),
              number(r["from_ranges"], 2), number(r["fit"], 1), number(r["fitted_400"], 2)]
             for r in rows],
        ),
    ]  # fmt: skip
    rows.append(
        {
            "pattern": "Loc, on disk",
            "wafers": 12 * per_cell,
            "on_disk": on_disk,
            "on_disk_wall": wall,
        }
    )
    write_results("physics_speed", rows, "\n".join(lines))


def seconds(work: Callable[[], object]) -> float:
    """CPU seconds of a call."""
    start = time.process_time()
    work()
    return time.process_time() - start


def time_pattern(pattern: str, count: int) -> dict[str, Any]:
    """CPU seconds for one pattern."""
    class_wafers = simulate_many(pattern, 60, 1)
    models: list[Any] = []
    return {
        "pattern": pattern,
        "wafers": count,
        "simulate": seconds(
            lambda: simulate_factors(pattern, draw_values(pattern, count, 0), 0)
        ),
        "from_ranges": seconds(lambda: simulate_many(pattern, count, 0)),
        "fit": seconds(lambda: models.append(fit(class_wafers))),
        "fitted_400": seconds(lambda: simulate_class(models[0], 400, 0)),
    }  # fmt: skip


if __name__ == "__main__":
    main()
