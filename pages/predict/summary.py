"""A batch at one look: how many wafers, mean yield, how many need review; report and CSV."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime

import streamlit as st

from pages.predict import state as states
from pages.predict.state import PredictedWafer, PredictState
from pages.predict.verdicts import VERDICTS
from pages.shared import times
from pages.shared.words import language, t, t_raw, tn
from wafer_core.data.folder_names import FolderMatch
from wafer_core.data.models import ModelRun
from wafer_core.data.project import Project
from wafer_core.errors import PictureError
from wafer_core.images import Picture
from wafer_core.tasks.classification import batch_summary, predictions, report_page


def summary_line(project: Project, state: PredictState, run: ModelRun, match: FolderMatch) -> None:
    """The figures of all wafers in one line, with the downloads."""
    wafers = states.newest_first(state.wafers)
    batch = batch_summary.summarise(
        [w.prediction for w in wafers], [w.found.yield_fraction for w in wafers]
    )
    figures = [tn("**{count:,}** wafer", "**{count:,}** wafers", batch.count)]
    if batch.mean_yield is not None:
        figures.append(t("mean yield **{share:.1%}**", share=batch.mean_yield))
    rows = [states.row(wafer, match) for wafer in wafers]
    with st.container(horizontal=True, vertical_alignment="center", key="predict_summary"):
        st.markdown(" · ".join(figures), width="content")
        for verdict, style in VERDICTS.items():
            count = batch.verdicts.get(verdict, 0)
            if count and style.button is not None:
                st.button(
                    t(style.button(count)),
                    key=f"predict_show_{verdict}",
                    icon=f":material/{style.icon}:",
                    help=t("Show them, the least certain first."),
                    on_click=_show_verdict,
                    args=(verdict,),
                )
        st.space("stretch")
        name = _file_name(project.name)
        st.download_button(
            t("Report"),
            lambda: _report(project, state, run, wafers, rows),
            f"{name}-predictions.html",
            "text/html",
            key="predict_report",
            icon=":material/description:",
            on_click="ignore",
            help=t("One HTML page with pictures, table, model and date; prints on two pages."),
        )
        st.download_button(
            t("CSV"),
            lambda: predictions.to_csv(rows),
            f"{name}-predictions.csv",
            "text/csv",
            key="predict_csv",
            icon=":material/table:",
            on_click="ignore",
            help=t("All wafers with the probability of every class, not rounded."),
        )


def _show_verdict(verdict: str) -> None:
    """Filter the list for the wafers of a verdict, the least certain first."""
    st.session_state["predict_verdict"] = verdict
    st.session_state["predict_sort"] = "uncertain"
    st.session_state["predict_classes"] = []
    st.session_state.pop("predict_page", None)


def _report(
    project: Project,
    state: PredictState,
    run: ModelRun,
    wafers: Sequence[PredictedWafer],
    rows: Sequence[predictions.PredictionRow],
) -> bytes:
    def load(position: int) -> Picture | None:
        try:
            return wafers[position].candidate.load().picture
        except PictureError:
            return None

    facts = report_page.ReportFacts(
        project.name,
        t_raw(run.name),
        times.local(datetime.now(UTC)),
        state.threshold,
        language(),
    )
    labelled = batch_summary.compare([r.prediction for r in rows], [r.truth for r in rows])
    page = report_page.report_page(rows, facts, load, labelled, t_raw)
    return page.encode("utf-8")


def _file_name(name: str) -> str:
    plain = re.sub(r"[^\w-]+", "-", name, flags=re.UNICODE).strip("-")[:60]
    return plain or "wafers"
