"""The list of wafers, and beside it one of several views of them."""

from __future__ import annotations

import streamlit as st

from pages.predict import compare, folders, matrix, state, summary, wafer, wafer_list
from pages.predict.state import PredictState
from pages.predict.wafer import Model
from pages.predict.wafer_list import Filters
from pages.shared.words import t, t_raw
from wafer_core.data.project import Project
from wafer_core.messages import N_

VIEWS = {
    "wafer": N_("Wafer"),
    "compare": N_("Similar training wafers"),
    "matrix": N_("Confusion matrix"),
    "classes": N_("Per class"),
    "folders": N_("Folders"),
}
_VIEW = "predict_view"  # key of the widget that chooses the view
# At 1280 × 800 all of it fits; a larger window shows more of the list.
_LIST_ONE = "max(24rem, calc(100vh - 16.5rem))"
_LIST_MANY = "max(20rem, calc(100vh - 25.5rem))"
_STYLE = """<style>
.stMainBlockContainer {padding-bottom: 1rem}
@media (min-width: 1200px) {.st-key-predict_top {flex-wrap: nowrap}}
.st-key-predict_results {container-type: inline-size}
.st-key-predict_results [data-testid="stElementContainer"] > .stHtml {line-height: 1.25}
@container (max-width: 680px) {
  .st-key-predict_body > [data-testid="stLayoutWrapper"] > [data-testid="stHorizontalBlock"] >
    [data-testid="stColumn"] {flex: 1 1 100%; min-width: 100%}
}
</style>"""


@st.fragment
def results(project: Project, now: PredictState, model: Model) -> None:
    """Everything below the drop zone; a click in it redraws only this."""
    match = state.folders(project, now)
    compared = matrix.compared(now, match)
    many = len(now.wafers) > 1
    st.html(_STYLE)
    with st.container(key="predict_results"):
        classes: tuple[str, ...] = ()
        if many:
            summary.summary_line(project, now, model.run, match)
            classes = wafer_list.class_filter(now.wafers)
        with st.container(key="predict_body"):
            left, right = st.columns([2, 3], gap="medium")
        with left:
            filters = Filters(classes)
            if many:
                filters = Filters(classes, *wafer_list.verdict_and_sort(compared is not None))
            matrix.cell_note(now)
            shown = wafer_list.filtered(now, filters, match)
            if not shown:
                st.info(t("No wafer passes the filter."))
            wafer_list.wafer_list(now, shown, _LIST_MANY if many else _LIST_ONE)
        with right:
            options = ["wafer", "compare"]
            options += ["matrix", "classes"] if compared else []
            options += ["folders"] if match.unknown else []
            view = _choose_view(now, options)
            chosen = next((w for w in shown if w.id == now.selected), None)
            if view == "matrix" and compared:
                matrix.matrix_view(now, compared, match)
            elif view == "classes" and compared:
                matrix.class_view(compared)
            elif view == "folders":
                folders.folders_view(project, now, match)
            elif chosen is not None and view == "compare":
                compare.compare_view(project, now, chosen, model)
            elif chosen is not None:
                wafer.wafer_view(project, now, chosen, model)


def _choose_view(now: PredictState, options: list[str]) -> str:
    """The view beside the list; a drop whose folders are unknown asks for them first."""
    wanted = now.next_view
    now.next_view = None
    if wanted == "matrix" and "folders" in options:
        wanted = "folders"
    if wanted is not None:
        st.session_state[_VIEW] = wanted if wanted in options else "wafer"
    elif st.session_state.get(_VIEW, "wafer") not in options:
        st.session_state[_VIEW] = "wafer"
    return str(
        st.segmented_control(
            t("View"),
            options,
            default=None if _VIEW in st.session_state else "wafer",
            required=True,
            format_func=lambda key: t_raw(VIEWS[key]),
            key=_VIEW,
            label_visibility="collapsed",
        )
    )
