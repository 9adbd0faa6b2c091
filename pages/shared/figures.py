"""Scores of an evaluation: metrics with their intervals, and the table of the classes."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from pages.shared import downloads
from pages.shared.words import t, t_raw
from wafer_core import metrics
from wafer_core.messages import N_, listed
from wafer_core.metrics import Evaluation, Intervals
from wafer_core.metrics.shares import Interval


def score(value: float | None) -> str:
    """A score with three digits, or a dash."""
    return "–" if value is None else f"{value:.3f}"


def figures(evaluation: Evaluation, ends: Intervals) -> None:
    """All metrics in one row, and below it what makes them uncertain."""
    one, two, three, four = st.columns(4)
    with one:
        macro_f1(evaluation, ends)
    with two:
        accuracy(evaluation, ends)
    with three:
        test_wafers(evaluation)
    with four:
        calibration(evaluation)
    cautions(evaluation, ends)


def macro_f1(evaluation: Evaluation, ends: Intervals, in_words: bool = False) -> None:
    """Macro-F1 as a metric, with its interval; its help says what guessing would reach.

    Args:
        evaluation: Of any wafers.
        ends: Its intervals.
        in_words: Whether the interval is a sentence.
    """
    tested = sum(1 for scores in evaluation.per_class.values() if scores.count)
    text = t(
        "Mean F1 of the classes, each with equal weight; 0 to 1, higher is better. Guessing among "
        "{count} classes reaches about {chance:.2f}. The 95% interval says where the score would "
        "be with other test wafers; wafers of one lot are alike and count as fewer.",
        count=tested,
        chance=1 / max(tested, 1),
    )
    _metric(t("Macro-F1"), evaluation.macro_f1, None if in_words else ends.macro_f1, text)
    if in_words and ends.macro_f1 is not None:
        low, high = ends.macro_f1
        st.caption(
            t(
                "With other test wafers, macro-F1 would be between {low:.2f} and {high:.2f} "
                "(95% interval).",
                low=low,
                high=high,
            )
        )


def accuracy(evaluation: Evaluation, ends: Intervals) -> None:
    """Accuracy as a metric, with its interval; its help says what the largest class would reach."""
    counts = [scores.count for scores in evaluation.per_class.values()]
    text = t(
        "Share of the test wafers that are predicted correctly. Always predicting the most "
        "frequent class would reach {share:.2f}.",
        share=max(counts, default=0) / max(sum(counts), 1),
    )
    _metric(t("Accuracy"), evaluation.accuracy, ends.accuracy, text)


def _metric(label: str, value: float | None, ends: Interval | None, text: str) -> None:
    shown = "–" if value is None else f"{value:.2f}"
    below = ends and f"{ends[0]:.2f}–{ends[1]:.2f}"
    st.metric(label, shown, below, "off", help=text, delta_arrow="off")


def test_wafers(evaluation: Evaluation) -> None:
    """The number of test wafers as a metric."""
    text = t("Originals that were not used for training.")
    st.metric(t("Test wafers"), f"{evaluation.count:,}", help=text)


def calibration(evaluation: Evaluation) -> None:
    """The calibration error as a metric."""
    text = t(
        "Expected calibration error: how far the predicted probabilities are from the share that "
        "is correct, on {count:,} wafers. Lower is better.",
        count=evaluation.count,
    )
    st.metric(t("Calibration error"), score(evaluation.calibration_error), help=text)


def cautions(evaluation: Evaluation, ends: Intervals) -> None:
    """What makes the scores uncertain, one line each."""
    if evaluation.left_out:
        left_out = listed(evaluation.left_out, most=8)
        st.caption(t("Not evaluated, because without test wafers: {classes}.", classes=left_out))
    names = list(evaluation.per_class)
    for caution in metrics.cautions(evaluation.to_json(), ends.to_json(names)):
        st.caption(f":orange[:material/warning:] {t(caution)}")


def per_class(evaluation: Evaluation, ends: Intervals, file_name: str, page: str) -> None:
    """Precision, recall, F1 with its interval and count of each class, and the download.

    Args:
        evaluation: Of any wafers.
        ends: Its intervals.
        file_name: Of the CSV.
        page: Prefix of the widgets' keys.
    """
    rows = [
        {
            "class": name,
            "precision": scores.precision if scores.count else None,
            "recall": scores.recall if scores.count else None,
            "f1": scores.f1 if scores.count else None,
            "count": scores.count,
        }
        for name, scores in evaluation.per_class.items()
    ]
    table = pd.DataFrame(rows)
    shown = table.copy()
    texts = ["–" if each is None else f"{each[0]:.2f}–{each[1]:.2f}" for each in ends.per_class]
    shown.insert(4, "interval", texts)
    number = st.column_config.NumberColumn
    st.dataframe(
        shown,
        key=f"{page}_per_class",
        hide_index=True,
        placeholder="–",
        height="content" if len(shown) <= 12 else 440,
        column_config={
            "class": st.column_config.TextColumn(t_raw("class")),
            "precision": number(
                t_raw("precision"),
                format="%.2f",
                help=t("Of the wafers predicted as this class, the share that belong to it."),
            ),
            "recall": number(
                t_raw("recall"),
                format="%.2f",
                help=t("Of the wafers of this class, the share that are predicted as it."),
            ),
            "f1": number("F1", format="%.2f", help=t("Harmonic mean of precision and recall.")),
            "interval": st.column_config.TextColumn(
                "95%", help=t("Where F1 would be with as many other test wafers, 19 times in 20.")
            ),
            "count": number(
                t_raw("tested"), help=t("Test wafers. With few of them, one more changes a lot.")
            ),
        },
    )
    table["f1 low"] = [each and each[0] for each in ends.per_class]
    table["f1 high"] = [each and each[1] for each in ends.per_class]
    downloads.csv(table, file_name, f"{page}_csv_per_class", N_("Download table (CSV)"))
