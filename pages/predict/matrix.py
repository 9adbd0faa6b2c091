"""Predictions against folder names: the confusion matrix, whose cells filter the list."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from pages.predict import state as states
from pages.predict.state import PredictState
from pages.shared import figures, layout
from pages.shared.charts import chart
from pages.shared.words import chart_text, t, t_raw, tn
from wafer_core import plots
from wafer_core.data.folder_names import FolderMatch
from wafer_core.messages import listed
from wafer_core.tasks.classification import batch_summary
from wafer_core.tasks.classification.batch_summary import LabelledBatch

_HEIGHT = 410  # pixels


def compared(state: PredictState, match: FolderMatch) -> LabelledBatch | None:
    """The predictions of the wafers whose folder is a class, compared with it."""
    rows = [states.row(wafer, match) for wafer in state.wafers]
    return batch_summary.compare([r.prediction for r in rows], [r.truth for r in rows])


def matrix_view(state: PredictState, batch: LabelledBatch, match: FolderMatch) -> None:
    """The matrix with its main figures in one line."""
    _figures(batch)
    st.caption(t("Click a cell to list its wafers.") + _not_evaluated(match))
    names = batch.class_names

    def choose() -> None:
        points = st.session_state["predict_confusion"]["selection"]["points"]
        state.cell = _cell(points, names)
        st.session_state.pop("predict_page", None)

    colour = layout.text_colour()
    labels = [chart_text(name) for name in names]
    figure = plots.confusion(batch.scores.confusion, labels, text=colour, translate=t_raw)
    chart(
        figure.update_layout(height=_HEIGHT),
        "predict_confusion",
        on_select=choose,
        selection_mode="points",
    )


def class_view(batch: LabelledBatch) -> None:
    """Precision, recall and F1 of each class."""
    _figures(batch)
    figures.per_class(batch.scores, batch.intervals, "per_class.csv", "predict")


def cell_note(state: PredictState) -> None:
    """What the chosen cell holds, with a button that shows all wafers again."""
    if state.cell is None:
        return
    truth, predicted = state.cell
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(
            t("Folder **{truth}**, predicted **{predicted}**", truth=truth, predicted=predicted),
            width="content",
        )
        if st.button(t("Show all"), key="predict_cell_clear", type="tertiary"):
            state.cell = None
            st.rerun()


def _cell(points: Sequence[dict[str, float]], names: Sequence[str]) -> tuple[str, str] | None:
    if not points:
        return None
    row, column = int(points[0]["y"]), int(points[0]["x"])
    return names[row], names[column]


def _figures(batch: LabelledBatch) -> None:
    scores, ends = batch.scores, batch.intervals
    correct = int(scores.confusion.trace())
    told = [
        tn(
            "**{correct:,} of {count:,}** wafer correct",
            "**{correct:,} of {count:,}** wafers correct",
            scores.count,
            correct=correct,
        ),
        t("macro-F1 **{value}**", value=figures.score(scores.macro_f1)),
    ]
    if ends.macro_f1 is not None:
        told.append(t("95%: {low:.2f} to {high:.2f}", low=ends.macro_f1[0], high=ends.macro_f1[1]))
    st.markdown(" · ".join(told))


def _not_evaluated(match: FolderMatch) -> str:
    """The folders without a class, as the end of a caption."""
    left_out = [*match.ignored, *match.unknown]
    if not left_out:
        return ""
    told = t(
        "Not evaluated, because no class matches the folder: {folders}.",
        folders=listed(left_out, most=6),
    )
    return f"  \n:material/info: {told}"
