"""What a benchmark ran on, and where its results go."""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

import wafer_core
from wafer_core.device import available_cores

RESULTS = Path(__file__).parent / "results"


def describe_machine() -> str:
    """Processor, cores, and the versions that matter for speed."""
    return (
        f"{_processor()}, {available_cores()} cores, torch {torch.__version__.split('+')[0]}, "
        f"Python {platform.python_version()}, Teachable Wafer {wafer_core.__version__}"
    )


def write_results(
    name: str, rows: list[dict[str, Any]], markdown: str, others: Mapping[str, str] | None = None
) -> None:
    """Write ``<name>-<processor>-<version>.json`` and ``.md`` to ``benchmarks/results``.

    ``others`` are more texts by the ending of their file.
    """
    hardware = re.sub(r"[^A-Za-z0-9]+", "-", f"{_processor()} {available_cores()} cores").strip("-")
    path = RESULTS / f"{name}-{hardware}-{wafer_core.__version__}"
    RESULTS.mkdir(exist_ok=True)
    content = {"machine": describe_machine(), "rows": rows}
    path.with_name(path.name + ".json").write_text(json.dumps(content, indent=1) + "\n", "utf-8")
    path.with_name(path.name + ".md").write_text(markdown.rstrip() + "\n", "utf-8")
    for ending, text in (others or {}).items():
        path.with_name(path.name + ending).write_text(text, "utf-8")
    print(f"written: benchmarks/results/{path.name}.md")


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        found = re.search(r"model name\s*:\s*(.+)", cpuinfo.read_text())
        if found:
            return re.sub(r"\((R|TM)\)", "", found[1]).strip()
    return platform.processor() or platform.machine()
