"""The machine that a benchmark runs on, and the files of its results."""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import torch

import wafer_core
from wafer_core.device import available_cores

RESULTS = Path(__file__).parent / "results"


def describe_machine() -> str:
    """Processor, cores, and the versions that affect the speed."""
    return (
        f"{_processor()}, {available_cores()} cores, torch {torch.__version__.split('+')[0]}, "
        f"Python {platform.python_version()}, Teachable Wafer {wafer_core.__version__}"
    )


def write_results(
    name: str, rows: Sequence[dict[str, Any]], markdown: str, figure: go.Figure | None = None
) -> None:
    """Write ``<name>-<processor>-<version>.json`` and ``.md`` to ``benchmarks/results``.

    A figure is written as ``.plotly.json``, for ``plotly.io.read_json``.
    """
    hardware = re.sub(r"[^A-Za-z0-9]+", "-", f"{_processor()} {available_cores()} cores").strip("-")
    stem = f"{name}-{hardware}-{wafer_core.__version__}"
    content = json.dumps({"machine": describe_machine(), "rows": rows}, indent=1)
    texts = {".json": content, ".md": markdown.rstrip()}
    if figure is not None:
        texts[".plotly.json"] = figure.to_json()
    RESULTS.mkdir(exist_ok=True)
    for ending, text in texts.items():
        (RESULTS / f"{stem}{ending}").write_text(text + "\n", "utf-8")
    print(f"written: benchmarks/results/{stem}.md")


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        found = re.search(r"model name\s*:\s*(.+)", cpuinfo.read_text())
        if found:
            return re.sub(r"\((R|TM)\)", "", found[1]).strip()
    return platform.processor() or platform.machine()
