"""How good a trained model is: list of runs, and the tabs of one of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from pages.shared import guards, jobs_panel, layout, loaders
from pages.shared.loaders import Judgement
from pages.train import diagnostics, evaluation
from wafer_core import metrics, plots
from wafer_core.data import manifest, models
from wafer_core.data.models import ModelRun
from wafer_core.data.project import Project

SHOWN_IN_CELL = 48  # pictures of one confusion cell


def clock(seconds: float) -> str:
    """Time of day that many seconds from now (the server's)."""
    return f"{datetime.now() + timedelta(seconds=seconds):%H:%M}"


def score(value: float | None) -> str:
    """A score with three digits, or a dash."""
    return "–" if value is None else f"{value:.3f}"


def with_interval(value: float | None, ends: Sequence[float] | None) -> str:
    """A score with its interval: 0.81 (0.74–0.87)."""
    if value is None or ends is None:
        return score(value)
    return f"{value:.2f} ({ends[0]:.2f}–{ends[1]:.2f})"


def runs_table(runs: Sequence[ModelRun], current: str | None) -> ModelRun:
    """All runs to compare; returns the selected one (the current one at first)."""
    start = next((i for i, r in enumerate(runs) if r.run == current), 0)
    event = st.dataframe(
        pd.DataFrame(
            {
                "current": ["✓" if r.run == current else "" for r in runs],
                "name": [r.name for r in runs],
                "macro-F1": [r.macro_f1 for r in runs],
                "accuracy": [r.accuracy for r in runs],
                "tested on": [r.test_count for r in runs],
                "trained on": [r.train_count for r in runs],
                "classes": [len(r.class_names) for r in runs],
                "network": [r.network for r in runs],
                "time": [jobs_panel.seconds_text(r.seconds) for r in runs],
                "made (UTC)": [r.created[:16].replace("T", " ") for r in runs],
            }
        ),
        key=f"results_runs_{hash(tuple((r.run, r.name) for r in runs))}_{current}",
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row-required",
        selection_default={"selection": {"rows": [start]}},
        height="content" if len(runs) <= 8 else 320,
        column_config={
            "macro-F1": st.column_config.NumberColumn(
                format="%.3f",
                help="Mean F1 over the classes, each counting the same; 0 to 1, higher is better.",
            ),
            "accuracy": st.column_config.NumberColumn(
                format="%.3f", help="Share of test wafers named rightly; frequent classes dominate."
            ),
            "tested on": st.column_config.NumberColumn(
                help="Test originals. Compare runs only if they were tested on the same ones."
            ),
        },
    )
    rows = event["selection"]["rows"]
    return runs[rows[0] if rows and rows[0] < len(runs) else start]


def run_toolbar(project: Project, shown: ModelRun, current: str | None) -> None:
    """The chosen run's name, whether it is stale, and what can be done to it."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(layout.plain(shown.name), width="stretch")
        if st.button(
            "Use for Predict", key="results_use", disabled=shown.run == current, type="primary"
        ):
            project.set_current_model(shown.run)
            st.rerun()
        if st.button("Rename", key="results_rename", icon=":material/edit:"):
            _rename(project, shown)
        if st.button("Delete", key="results_delete", icon=":material/delete:"):
            _delete(project, shown)
    changes = loaders.model_changes(project, shown.run)
    if changes:
        st.warning(
            f"Out of date: {'; '.join(changes[:4])}{' …' if len(changes) > 4 else ''} since it "
            "was trained. Train again to include that.",
            icon=":material/update:",
        )


@st.dialog("Rename run")
def _rename(project: Project, shown: ModelRun) -> None:
    name = st.text_input("Name", shown.name, key=f"results_new_name_{shown.run}")
    if st.button("Rename", type="primary", key=f"results_rename_do_{shown.run}"):
        with guards.errors_told():
            models.rename_model(project, shown.run, name)
            st.rerun()


@st.dialog("Delete run")
def _delete(project: Project, shown: ModelRun) -> None:
    st.write(f"“{shown.name}” and its report are deleted for good. The wafers stay.")
    if st.button("Delete", type="primary", key=f"results_delete_do_{shown.run}"):
        with guards.errors_told():
            models.delete_model(project, shown.run)
            st.rerun()


def run_result(project: Project, shown: ModelRun) -> None:
    """How good one run is, in tabs; only the open one is computed."""
    judged = loaders.judgement(project, shown.run)
    for note in judged.report.get("notes", []):
        st.caption(f":material/info: {note}")
    if not judged.report.get("evaluation"):
        st.info("No test wafers, so how good this model is stays unknown. Add wafers, train again.")
        _training(project, judged.report, shown)
        return
    tabs = st.tabs(list(TABS), key="results_tab", on_change="rerun")
    for tab, draw in zip(tabs, TABS.values(), strict=True):
        if tab.open:
            with tab:
                draw(project, judged, shown)


def overview(project: Project, judged: Judgement, shown: ModelRun) -> None:
    """Figures, table, confusion matrix and curves."""
    result = judged.report["evaluation"]
    figures(result)
    left, right = st.columns([4, 5], gap="large")
    with left:
        per_class(result, f"{shown.name}.csv")
    with right:
        confusion(project, judged.report, shown)
    _training(project, judged.report, shown)


TABS: dict[str, Callable[[Project, Judgement, ModelRun], None]] = {
    "Result": overview,
    "Mistakes": evaluation.mistakes,
    "Confidence": evaluation.confidence,
    "Under the hood": lambda project, _, shown: diagnostics.under_the_hood(project, shown),
}


def figures(judged: Mapping[str, Any]) -> None:
    """The headline: scores with their interval, count, direction and floor.

    Args:
        judged: From ``Evaluation.to_json``, with ``intervals``.
    """
    names = [n for n, s in judged["per_class"].items() if s["count"]]
    ends = judged["intervals"]
    cells = st.columns(4)
    between = (
        "In brackets the 95 % interval: where it would lie with other test wafers; wafers of one "
        "lot, which are named rightly or wrongly together, count as fewer. "
    )
    cells[0].metric(
        "Macro-F1",
        with_interval(judged["macro_f1"], ends["macro_f1"]),
        help=f"Mean F1 over the classes, each counting the same. {between}0 to 1, higher is "
        f"better; guessing among {len(names)} classes reaches about {1 / max(len(names), 1):.2f}.",
    )
    cells[1].metric(
        "Accuracy",
        with_interval(judged["accuracy"], ends["accuracy"]),
        help=f"Share of the test wafers named rightly. {between}Always answering the most "
        f"frequent class would reach {_most_frequent(judged):.2f}.",
    )
    cells[2].metric("Test wafers", f"{judged['count']:,}", help="Originals it never saw.")
    cells[3].metric(
        "Calibration error",
        score(judged.get("calibration_error")),
        help=f"How far the probabilities are from the truth (ECE), on {judged['count']:,} wafers. "
        "0 is honest, lower is better.",
    )
    if judged.get("left_out"):
        st.caption(f"Not judged, without test wafers: {', '.join(judged['left_out'])}.")
    for sentence in metrics.doubts(judged, ends):
        st.caption(f":orange[:material/warning:] {layout.plain(sentence)}")


def _most_frequent(judged: Mapping[str, Any]) -> float:
    counts = [s["count"] for s in judged["per_class"].values()]
    return float(max(counts, default=0) / max(sum(counts), 1))


def per_class(judged: Mapping[str, Any], file_name: str, page: str = "results") -> None:
    """Precision, recall, F1 with its interval and count of each class."""
    ends = judged["intervals"]["per_class"]
    table = pd.DataFrame(
        [{"class": name, **values} for name, values in judged["per_class"].items()]
    )
    table = table[["class", "precision", "recall", "f1", "count"]]
    shown = table.copy()
    between = [f"{e[0]:.2f}–{e[1]:.2f}" if (e := ends[name]) else "" for name in table["class"]]
    shown.insert(4, "interval", between)
    number = st.column_config.NumberColumn
    st.dataframe(
        shown,
        hide_index=True,
        height="content" if len(shown) <= 14 else 520,
        column_config={
            "precision": number(
                format="%.2f", help="Of the wafers called this, the share that are."
            ),
            "recall": number(format="%.2f", help="Of the wafers that are this, the share found."),
            "f1": number("F1", format="%.2f", help="Both in one; higher is better."),
            "interval": st.column_config.TextColumn(
                "95 %", help="Where F1 would lie with as many other test wafers, 19 times of 20."
            ),
            "count": number("tested", help="With few, one wafer more or less moves it far."),
        },
    )
    table["f1 low"] = [ends[name][0] if ends[name] else None for name in table["class"]]
    table["f1 high"] = [ends[name][1] if ends[name] else None for name in table["class"]]
    st.download_button(
        "Download table (.csv)",
        table.to_csv(index=False).encode("utf-8-sig"),
        file_name,
        "text/csv",
        key=f"{page}_csv_per_class",
    )


def confusion(project: Project, report: Mapping[str, Any], shown: ModelRun) -> None:
    """The matrix; a click on a cell shows its pictures."""
    names = list(report["class_names"])
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown("**Confusion matrix** · click a cell to see its wafers", width="stretch")
        unit = st.segmented_control(
            "Unit", ["counts", "row %"], default="counts", required=True,
            key="results_unit", label_visibility="collapsed",
        )  # fmt: skip
    matrix = np.array(report["evaluation"]["confusion"])
    event = st.plotly_chart(
        plots.confusion(matrix, names, unit == "row %", layout.text_colour()),
        key=f"results_confusion_{shown.run}_{unit}",
        on_select="rerun",
        selection_mode="points",
        config={"displayModeBar": False},
    )
    chosen = event["selection"]["points"]
    if chosen:
        cell_pictures(project, report, truth=int(chosen[0]["y"]), answer=int(chosen[0]["x"]))


def cell_pictures(project: Project, report: Mapping[str, Any], truth: int, answer: int) -> None:
    """Test wafers of one cell, the surest first: wrong and sure is what to look at."""
    names = report["class_names"]
    mine = [p for p in report["test_pictures"] if p["truth"] == truth and p["predicted"] == answer]
    mine.sort(key=lambda p: -p["probabilities"][answer])
    st.markdown(
        f"**{len(mine)}** “{layout.plain(names[truth])}” answered “{layout.plain(names[answer])}”"
    )
    paths = tuple(
        str(manifest.class_folder(project, p["slug"]) / "originals" / p["file"])
        for p in mine[:SHOWN_IN_CELL]
    )
    if paths:
        st.image(loaders.sheet(paths, 8, 72), alt="wafers of this cell, the surest answers first")
        st.caption("The surest answers first. A wafer in the wrong class? Move it on Classes.")


def training_curves(
    rows: Sequence[Mapping[str, Any]], best_epoch: float | None, page: str, name: str
) -> None:
    """Loss and validation scores over the epochs, while it trains and afterwards.

    Args:
        rows: One an epoch, with the fields of ``EpochResult``.
        best_epoch: Marked in both charts.
        page: Prefix of the charts' keys.
        name: Of the job or run, their end.
    """
    epochs = [row["epoch"] or 0 for row in rows]

    def lines(**fields: str) -> dict[str, list[float | None]]:
        return {title: [row.get(field) for row in rows] for title, field in fields.items()}

    if len(rows) < 2:  # one point is no curve
        row = rows[0]
        score = (
            "" if row.get("macro_f1") is None else f", validation macro-F1 {row['macro_f1']:.3f}"
        )
        st.caption(f"First epoch: training loss {row['train_loss']:.3f}{score}.")
        return
    loss = lines(training="train_loss", validation="validation_loss")
    scores = lines(**{"macro-F1": "macro_f1", "accuracy": "accuracy"})
    left, right = st.columns(2, gap="medium")
    left.plotly_chart(
        plots.curves(epochs, loss, "Loss", "loss (lower is better)", best_epoch=best_epoch),
        key=f"{page}_loss_{name}",
    )
    right.plotly_chart(
        plots.curves(
            epochs,
            scores,
            "On validation wafers",
            "score (higher is better)",
            (0, 1.02),
            best_epoch,
        ),
        key=f"{page}_score_{name}",
    )


def _training(project: Project, report: Mapping[str, Any], shown: ModelRun) -> None:
    with st.expander("How it was trained"):
        _curves(project, report, shown)


def _curves(project: Project, report: Mapping[str, Any], shown: ModelRun) -> None:
    rows = models.curves(project, shown.run)
    if rows:
        training_curves(rows, report.get("best_epoch"), "results", shown.run)
    st.caption(
        f"{report.get('train_count', 0):,} training and {report.get('validation_count', 0):,} "
        f"validation wafers · {report.get('epochs', '?')} epochs, best {report.get('best_epoch')} "
        f"· {jobs_panel.seconds_text(report.get('seconds'))} on {report.get('device', '?')}"
    )
    st.json(report.get("config", {}), expanded=False)
