"""How a run was made, what it cost, and everything that is stored about it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from pages.generate import methods
from pages.shared import downloads, forms, times
from pages.shared.words import t, t_raw
from wafer_core.data import synthetic
from wafer_core.data.project import Project
from wafer_core.data.summary import ClassSummary
from wafer_core.data.synthetic import SyntheticRun
from wafer_core.messages import N_, Message, counted, in_english, joined, message
from wafer_core.parameters import parameters_of
from wafer_core.simulator import fit
from wafer_core.tasks.augmentation.offline import AugmentConfig
from wafer_core.tasks.generation.presets import RECIPES

_NOT_SHOWN = ("scores", "cost", "steps", "factors", "sweep")  # they have tabs of their own


def line(run: SyntheticRun) -> str:
    """How a run was made, in one line of Markdown."""
    info, provenance = run.info, run.provenance
    method = methods.of_run(run)
    parts: list[Message] = []
    if method == "transforms":
        changed = forms.differences(info.get("config", {}), parameters_of(AugmentConfig))
        parts.append(message("Transforms: {settings}", settings=changed))
    elif method == "physics":
        parts.append(message("Simulated as {pattern}", pattern=str(info.get("pattern", "–"))))
        sentence = info.get("fit", {}).get("sentence")
        parts += [Message.from_json(sentence)] if sentence else []
    else:
        parts.append(message(methods.METHODS[method].title))
        if method == "dcgan":
            epochs, threshold = info.get("epochs"), info.get("threshold")
            parts += [counted("{count:,} epoch", "{count:,} epochs", epochs)] if epochs else []
            parts += [message("threshold {value}", value=threshold)] if threshold else []
    if provenance.seed is not None:
        parts.append(message("seed {seed}", seed=provenance.seed))
    seconds = sum(provenance.steps.values())
    if seconds:
        time = times.duration(seconds)
        parts.append(
            message("{time} on {device}", time=time, device=provenance.device)
            if provenance.device is not None
            else message("{time}", time=time)
        )
    return t(joined(parts, " · "))


def cost(project: Project, c: ClassSummary, run: SyntheticRun) -> None:
    """Time, memory and storage of every step."""
    stored, titles = run.info.get("cost", {}), _titles(run)
    seconds: Mapping[str, float] = stored.get("seconds") or run.info.get("steps", {})
    memory = stored.get("memory_bytes", {})
    rows = []
    for name, value in seconds.items():
        row: dict[str, Any] = {"step": t_raw(titles.get(name, name)), "seconds": round(value, 2)}
        if memory:
            row["memory (MB)"] = round(memory.get(name, 0) / 1e6)
        if f"{name} (GPU)" in memory:
            row["GPU memory (MB)"] = round(memory[f"{name} (GPU)"] / 1e6)
        rows.append(row)
    table = pd.DataFrame(rows)
    number = st.column_config.NumberColumn
    st.dataframe(
        table,
        hide_index=True,
        key="generate_cost",
        column_config={
            "step": st.column_config.TextColumn(t_raw("step")),
            "seconds": number(t_raw("seconds")),
            "memory (MB)": number(t_raw("memory (MB)")),
            "GPU memory (MB)": number(t_raw("GPU memory (MB)")),
        },
    )
    size = stored.get("storage_bytes") or _bytes_on_disk(project, c, run)
    parts = [
        message("{seconds:.1f} s in total", seconds=sum(seconds.values())),
        message("{megabytes:.2f} MB of pictures", megabytes=size / 1e6),
    ]
    for name, template in (
        ("network_bytes", N_("{megabytes:.1f} MB of network")),
        ("peak_memory_bytes", N_("at most {megabytes:,.0f} MB of memory")),
    ):
        if stored.get(name):
            parts.append(Message(template, {"megabytes": stored[name] / 1e6}))
    device = stored.get("device") or run.info.get("device")
    if device:
        parts.append(message("on {device}", device=Message.from_json(device)))
    st.caption(t(joined(parts, " · ")))
    downloads.csv(table, f"{c.slug}-{run.run}-cost.csv", "generate_cost_csv")


def _titles(run: SyntheticRun) -> Mapping[str, str]:
    """Titles of the steps of a run; two presets may have different steps of one name."""
    if methods.of_run(run) == "physics":
        return fit.STEPS
    recipe = RECIPES.get(run.provenance.preset)
    return {name: step.title for name, step in recipe.steps.items()} if recipe else {}


def _bytes_on_disk(project: Project, c: ClassSummary, run: SyntheticRun) -> int:
    folder = synthetic.run_folder(project, c.slug, run.origin, run.run)
    return sum(path.stat().st_size for path in folder.glob("*.png"))


def settings(project: Project, c: ClassSummary, run: SyntheticRun) -> None:
    """Everything that is stored with the run, as it is stored."""
    st.json(in_english({k: v for k, v in run.info.items() if k not in _NOT_SHOWN}), expanded=2)
    st.download_button(
        t("Download all (JSON)"),
        json.dumps(dict(run.info), indent=1, ensure_ascii=False),
        f"{c.slug}-{run.run}.json",
        "application/json",
        key="generate_info",
        icon=":material/download:",
    )
