"""A run of the simulator: how well it fits the class, and the factors that were varied."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from pages.generate import factors
from pages.shared import downloads, loaders
from pages.shared.words import t, t_raw
from wafer_core import simulator
from wafer_core.data import manifest
from wafer_core.data.manifest import PictureRecord
from wafer_core.data.project import Project
from wafer_core.data.summary import ClassSummary
from wafer_core.data.synthetic import SyntheticRun
from wafer_core.messages import N_, Message
from wafer_core.simulator import fitted

_MAX_SHOWN = 60  # combinations of levels in one picture


def show(project: Project, c: ClassSummary, run: SyntheticRun) -> None:
    """The quality of the fit, the factors of the class, and the levels."""
    fit = run.info.get("fit", {})
    _quality(fit)
    left, right = st.columns([4, 5], gap="medium")
    with left:
        _factors(run)
    with right:
        for name, levels in run.info.get("levels", {}).items():
            if name in simulator.FACTORS:
                st.markdown(
                    t(
                        "Varied on purpose: **{factor}** {levels}",
                        factor=Message(simulator.FACTORS[name].title),
                        levels=", ".join(factors.level_text(name, level) for level in levels),
                    )
                )
        _levels(project, c, run)
        table = pd.DataFrame([_row(record.file, record.details) for record in run.records])
        name = f"{c.slug}-{run.run}-levels.csv"
        downloads.csv(table, name, "generate_levels_csv", N_("Factors of every wafer (CSV)"))


def _quality(fit: Mapping[str, Any]) -> None:
    ratio = fit.get("ratio")
    box = st.success if ratio is not None and ratio <= fitted.GOOD else st.info
    if ratio is not None and ratio > fitted.POOR:
        box = st.warning
    sentence = fit.get("sentence")
    box(
        t(Message.from_json(sentence))
        if sentence
        else t("This run does not say how well the simulator fits.")
    )
    shares = fit.get("shares", {})
    if len(shares) > 1:
        st.caption(
            " · ".join(
                t("{pattern} {share:.0%}", pattern=pattern, share=share)
                for pattern, share in shares.items()
            )
        )


def _factors(run: SyntheticRun) -> None:
    """The middle 80% of each factor in the class."""
    rows = []
    for name, (low, middle, high) in run.info.get("factors", {}).items():
        factor = simulator.FACTORS.get(name)
        if factor is not None:  # else a factor of another version
            rows.append((t_raw(factor.title), t_raw(factor.unit), low, middle, high))
    st.markdown(
        t(
            "**Factors of the class** (wafers most like {pattern})",
            pattern=str(run.info.get("pattern", "–")),
        )
    )
    number = st.column_config.NumberColumn
    st.dataframe(
        pd.DataFrame(rows, columns=["factor", "unit", "10%", "median", "90%"]),
        hide_index=True,
        key="generate_factors_table",
        column_config={
            "factor": st.column_config.TextColumn(t_raw("factor")),
            "unit": st.column_config.TextColumn(t_raw("unit")),
            "10%": number("10%", format="%.3g"),
            "median": number(t_raw("median"), format="%.3g"),
            "90%": number("90%", format="%.3g"),
        },
    )


def _levels(project: Project, c: ClassSummary, run: SyntheticRun) -> None:
    """The first wafer of each combination of levels, with the levels below."""
    first: dict[int, PictureRecord] = {}
    for record in run.records:
        if "cell" in record.details:
            first.setdefault(int(record.details["cell"]), record)
    if not first:
        st.caption(t("No factor was varied on purpose: all wafers vary as in the class."))
        return
    chosen = [first[cell] for cell in sorted(first)][:_MAX_SHOWN]
    titles = [
        t_raw(simulator.FACTORS[name].title)
        for name in chosen[0].details["levels"]
        if name in simulator.FACTORS
    ]
    st.markdown(t("**One wafer of each combination:** {factors}", factors=", ".join(titles)))
    folder = manifest.class_folder(project, c.slug) / run.origin / run.run
    captions = tuple(
        ", ".join(str(level) for level in r.details["levels"].values()) for r in chosen
    )
    paths = tuple(str(folder / record.file) for record in chosen)
    st.image(
        loaders.sheet(paths, 4, 128, captions),
        width="stretch",
        alt=t_raw("One wafer of each combination of levels"),
    )


def _row(file: str, details: Mapping[str, Any]) -> dict[str, Any]:
    levels = {f"{name}_level": level for name, level in details.get("levels", {}).items()}
    place = {"file": file, "pattern": details.get("pattern"), "cell": details.get("cell")}
    return {**place, **levels, **details.get("factors", {})}
