"""Two runs side by side, on the test wafers of both."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from pages.shared import downloads, layout, loaders
from pages.shared.charts import chart
from pages.shared.words import chart_text, t, t_raw, tn
from pages.train import settings
from wafer_core import plots
from wafer_core.data import manifest
from wafer_core.data.models import ModelRun
from wafer_core.data.project import Project
from wafer_core.data.run_comparison import RunComparison, Wafer
from wafer_core.messages import counted
from wafer_core.metrics.paired import Difference

_MAX_SHOWN = 24  # wafers of each side


def show(found: RunComparison, first: ModelRun, second: ModelRun, project: Project) -> None:
    """Scores, matrices, settings, and the wafers that only one run predicts correctly."""
    if first.run == second.run:
        st.info(t("Choose two different runs."))
        return
    _scores(found, first, second)
    _matrices(found, first, second)
    _per_class(found, first, second)
    _settings(found, first, second)
    st.markdown(t("**Wafers that only one of them predicts correctly**"))
    st.caption(t("Label → prediction of the other run, the most confident mistakes first."))
    one, two = st.columns(2, gap="medium")
    with one:
        _wafers(project, found.only_first, first, 1)
    with two:
        _wafers(project, found.only_second, second, 0)


def _scores(found: RunComparison, first: ModelRun, second: ModelRun) -> None:
    wafers = counted("{count:,} test wafer", "{count:,} test wafers", found.count)
    st.caption(
        t("On the {wafers} that both runs were tested on.", wafers=wafers)
        + " "
        + t("Differences are “{second}” minus “{first}”.", first=first.name, second=second.name)
    )
    titles = (t("Macro-F1"), t("Accuracy"))
    values = (found.macro_f1, found.accuracy)
    gaps = (found.macro_f1_difference, found.accuracy_difference)
    for k, column in enumerate(st.columns(2, gap="medium")):
        with column:
            for cell, title, value, gap in zip(st.columns(2), titles, values, gaps, strict=True):
                cell.metric(
                    title,
                    f"{value[k]:.3f}",
                    f"{gap.value:+.3f}" if k else None,
                    "normal" if _is_clear(gap) else "off",
                )
            if k:
                st.caption(_sentence(found.macro_f1_difference))


def _is_clear(gap: Difference) -> bool:
    return gap.low > 0 or gap.high < 0


def _sentence(gap: Difference) -> str:
    interval = t("Macro-F1: 95% interval {low:+.3f} to {high:+.3f}.", low=gap.low, high=gap.high)
    if gap.low > 0:
        return interval + " " + t("The second run is better.")
    if gap.high < 0:
        return interval + " " + t("The second run is worse.")
    return interval + " " + t("The difference may be chance.")


def _matrices(found: RunComparison, first: ModelRun, second: ModelRun) -> None:
    names = [chart_text(name) for name in found.class_names]
    for column, run, matrix in zip(
        st.columns(2, gap="medium"), (first, second), found.confusion, strict=True
    ):
        with column:
            st.markdown(t("**{name}**", name=run.name))
            figure = plots.confusion(matrix, names, text=layout.text_colour(), translate=t_raw)
            chart(
                figure.update_layout(height=max(260, 30 * len(names) + 110)),
                f"train_compare_matrix_{run.run}",
            )


def _per_class(found: RunComparison, first: ModelRun, second: ModelRun) -> None:
    rows = [
        {
            "class": c.name,
            "tested": c.count,
            "first": c.f1[0],
            "second": c.f1[1],
            "difference": c.difference.value if c.difference else None,
            "low": c.difference.low if c.difference else None,
            "high": c.difference.high if c.difference else None,
        }
        for c in found.per_class
    ]
    table = pd.DataFrame(rows)
    number = st.column_config.NumberColumn
    st.markdown(t("**F1 of each class**"))
    st.dataframe(
        table,
        key="train_compare_classes",
        placeholder="–",
        hide_index=True,
        column_config={
            "class": st.column_config.TextColumn(t_raw("class")),
            "tested": number(t_raw("tested")),
            "first": number(first.name, format="%.3f"),
            "second": number(second.name, format="%.3f"),
            "difference": number(t_raw("difference"), format="%+.3f"),
            "low": number(t_raw("from (95%)"), format="%+.3f"),
            "high": number(t_raw("to (95%)"), format="%+.3f"),
        },
    )
    downloads.csv(table, f"{first.name} – {second.name}.csv", "train_compare_csv")


def _settings(found: RunComparison, first: ModelRun, second: ModelRun) -> None:
    """The settings that differ."""
    names = [name for name, _, _ in found.settings]
    one, two = ({row[0]: row[k] for row in found.settings} for k in (1, 2))
    rows = [
        (title, value, other)
        for (title, value), (_, other) in zip(
            settings.texts(one, names), settings.texts(two, names), strict=True
        )
    ]
    if first.train_count != second.train_count:
        counts = f"{first.train_count:,}", f"{second.train_count:,}"
        rows.append((t_raw("training wafers"), *counts))
    st.markdown(t("**Settings that differ**"))
    if not rows:
        st.caption(t("None: both runs have the same settings and as many training wafers."))
        return
    st.dataframe(
        pd.DataFrame(rows, columns=["setting", "first", "second"]),
        key="train_compare_settings",
        hide_index=True,
        column_config={
            "setting": st.column_config.TextColumn(t_raw("setting")),
            "first": st.column_config.TextColumn(first.name),
            "second": st.column_config.TextColumn(second.name),
        },
    )


def _wafers(project: Project, wafers: Sequence[Wafer], run: ModelRun, other: int) -> None:
    """Wafers that only one run predicts correctly, with what the other one predicts.

    Args:
        project: Theirs.
        wafers: The most confident mistakes of the other run first.
        run: The run that is right.
        other: Index of the other run.
    """
    st.markdown(
        tn(
            "{count:,} wafer: only “{name}” is correct",
            "{count:,} wafers: only “{name}” is correct",
            len(wafers),
            name=run.name,
        )
    )
    if not wafers:
        return
    shown = wafers[:_MAX_SHOWN]
    paths = tuple(str(manifest.class_folder(project, w.slug) / "originals" / w.file) for w in shown)
    captions = tuple(f"{w.truth} → {w.predicted[other]}" for w in shown)
    st.image(
        loaders.sheet(paths, 3, 110, captions),
        alt=t_raw("Wafers that only {name} predicts correctly", name=run.name),
    )
