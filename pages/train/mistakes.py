"""The mistakes of a run: which classes are confused, and the wafers, the most confident first."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from pages.shared import downloads, loaders
from pages.shared.loaders import StoredEvaluation
from pages.shared.words import t, t_raw, tn
from pages.train import wafers
from wafer_core import metrics
from wafer_core.data.models import ModelRun
from wafer_core.data.project import Project
from wafer_core.data.reports import RunReport, StoredPrediction
from wafer_core.messages import N_

_EXAMPLES = 8  # correctly predicted wafers to compare with


def panel(project: Project, evaluated: StoredEvaluation, shown: ModelRun) -> None:
    """The confused pairs of classes and the wafers of the selected one."""
    report = evaluated.report
    if report.evaluation is None:
        return
    pairs = metrics.confused_pairs(report.evaluation.confusion)
    if not pairs:
        st.success(
            tn(
                "No mistake on {count:,} test wafer.",
                "No mistake on {count:,} test wafers.",
                len(evaluated.labels),
            ),
            icon=":material/check:",
        )
        return
    order = metrics.worst_first(evaluated.labels, evaluated.probabilities)
    mistakes = [report.predictions[i] for i in order]
    left, right = st.columns([4, 5], gap="medium")
    with left:
        pair = _choose_pair(pairs, report.class_names, len(mistakes) / len(evaluated.labels), shown)
    if pair is not None:
        mistakes = [p for p in mistakes if (p.truth, p.predicted) == (pair.truth, pair.answer)]
    with right:
        st.markdown(_heading(pair, report.class_names, len(mistakes)))
        wafers.sheet(
            project, mistakes, report.class_names, "train_mistakes", with_names=pair is None
        )
    with left:
        st.caption(
            t(
                "Look at the confident mistakes first. If a wafer is mislabelled, move it to the "
                "right class and train again. Where the model was not confident, more wafers like "
                "these help. Where two classes are confused both ways, check whether people can "
                "tell them apart."
            )
        )
        if pair is not None:
            _examples(project, report, pair)
    _list(project, mistakes, report.class_names, shown)


def _choose_pair(
    pairs: Sequence[metrics.Pair], names: Sequence[str], wrong: float, shown: ModelRun
) -> metrics.Pair | None:
    """A table of the pairs; its first row, ``None``, stands for all mistakes.

    Args:
        pairs: The most frequent first.
        names: Of the classes.
        wrong: Share of the test wafers that are predicted wrongly.
        shown: The run.
    """
    st.markdown(t("**Confused classes** · select a row"))
    table = pd.DataFrame(
        {
            "pair": [
                t_raw("all mistakes"),
                *(f"{names[p.truth]} → {names[p.answer]}" for p in pairs),
            ],
            "wafers": [sum(p.count for p in pairs), *(p.count for p in pairs)],
            "share": [100 * wrong, *(100 * p.share for p in pairs)],
        }
    )
    event = st.dataframe(
        table,
        key=f"train_pairs_{shown.run}",
        hide_index=True,
        height="content" if len(table) <= 7 else 280,
        on_select="rerun",
        selection_mode="single-row-required",
        selection_default={"selection": {"rows": [0]}},
        column_config={
            "pair": st.column_config.TextColumn(t_raw("label → prediction")),
            "wafers": st.column_config.NumberColumn(t_raw("wafers"), width=60),
            "share": st.column_config.NumberColumn(
                t_raw("share"),
                format="%.0f%%",
                width=60,
                help=t("Of the test wafers of this class."),
            ),
        },
    )
    rows = event["selection"]["rows"]
    row = rows[0] if rows and rows[0] < len(table) else 0
    return None if row == 0 else pairs[row - 1]


def _heading(pair: metrics.Pair | None, names: Sequence[str], count: int) -> str:
    if pair is None:
        return tn(
            "**{count:,} mistake**, the most confident first",
            "**{count:,} mistakes**, the most confident first",
            count,
        )
    return t(
        "**{count:,}** of “{truth}” predicted as “{predicted}”, the most confident first · "
        "{reverse:,} the other way round",
        count=count,
        truth=names[pair.truth],
        predicted=names[pair.answer],
        reverse=pair.reverse,
    )


def _examples(project: Project, report: RunReport, pair: metrics.Pair) -> None:
    """Correctly predicted test wafers of both classes, to compare."""
    for index in (pair.truth, pair.answer):
        name = report.class_names[index]
        correct = [p for p in report.predictions if p.truth == p.predicted == index]
        correct = wafers.present(project, correct)
        correct.sort(key=lambda p: -max(p.probabilities))
        if not correct:
            st.caption(t("No test wafer of “{name}” was predicted correctly.", name=name))
            continue
        st.caption(t("Correctly predicted as “{name}”, to compare", name=name))
        paths = tuple(str(wafers.path_of(project, p)) for p in correct[:_EXAMPLES])
        st.image(
            loaders.sheet(paths, 4, 64),
            alt=t_raw("Correctly predicted wafers of {name}", name=name),
        )


def _list(
    project: Project, mistakes: Sequence[StoredPrediction], names: Sequence[str], shown: ModelRun
) -> None:
    """The same wafers as a table, to sort and to download."""
    table = pd.DataFrame(
        {
            "file": [p.file for p in mistakes],
            "label": [names[p.truth] for p in mistakes],
            "predicted": [names[p.predicted] for p in mistakes],
            "confidence": [max(p.probabilities) for p in mistakes],
            "probability of the label": [p.probabilities[p.truth] for p in mistakes],
        }
    )
    small = table[: wafers.MAX_SHOWN].copy()
    paths = tuple(str(wafers.path_of(project, p)) for p in mistakes[: wafers.MAX_SHOWN])
    small.insert(0, "wafer", loaders.thumbnails(paths, 40))
    text, number = st.column_config.TextColumn, st.column_config.NumberColumn
    with st.expander(t("As a table"), key="train_mistakes_table", on_change="rerun") as box:
        if box.open:
            st.dataframe(
                small,
                key=f"train_mistakes_list_{shown.run}",
                hide_index=True,
                height="content" if len(small) <= 7 else 350,
                row_height=44,
                column_config={
                    "wafer": st.column_config.ImageColumn(t_raw("wafer"), width="small"),
                    "file": text(t_raw("file")),
                    "label": text(t_raw("label")),
                    "predicted": text(t_raw("predicted")),
                    "confidence": number(
                        t_raw("confidence"),
                        format="percent",
                        help=t("Probability of the predicted class."),
                    ),
                    "probability of the label": number(
                        t_raw("probability of the label"), format="percent"
                    ),
                },
            )
    downloads.csv(
        table, f"{shown.name} mistakes.csv", "train_mistakes_csv", N_("Download list (CSV)")
    )
