"""The result of one run: which one, its scores, its confusion matrix, and how it was trained."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from pages.shared import figures, layout, loaders, times
from pages.shared.charts import chart
from pages.shared.examples import examples
from pages.shared.loaders import StoredEvaluation
from pages.shared.tabs import open_tab, tabs
from pages.shared.words import chart_text, t, t_raw
from pages.train import confidence, diagnostics, form, live, mistakes, runs, settings, wafers
from wafer_core import plots
from wafer_core.data import models
from wafer_core.data.models import ModelRun
from wafer_core.data.project import Project
from wafer_core.data.summary import Summary
from wafer_core.errors import InputError
from wafer_core.messages import N_, counted, literal

TABS = {
    "scores": N_("Scores"),
    "mistakes": N_("Mistakes"),
    "confidence": N_("Confidence"),
    "diagnostics": N_("Under the hood"),
    "training": N_("Training"),
}
_STYLE = """<style>
.st-key-train_score [data-testid="stMetricValue"] {font-size: 3.4rem; line-height: 1.1;}
</style>"""


def panel(project: Project, summary: Summary, is_active: bool) -> None:
    """The chosen run, or what to do if there is none.

    Args:
        project: The project.
        summary: Of the project.
        is_active: Whether a training is running.
    """
    every = loaders.model_runs(project)
    if not every:
        if not is_active:
            st.info(t("No model yet. Press Train: the default settings suit most projects."))
        examples(project, [c for c in summary.classes if c.splits["train"]])
        return
    current = models.current_model(project)
    shown = runs.header(project, every, current)
    if shown.damage is not None:
        st.error(t(shown.damage), icon=":material/error:")
        return
    _out_of_date(project, shown)
    if shown.run != current and current is not None:
        _not_in_use(project, shown, next(r for r in every if r.run == current))
    evaluated = loaders.stored_evaluation(project, shown.run)
    if evaluated.report.evaluation is None:
        st.info(t("There are no test wafers, so its scores are unknown. Add wafers and retrain."))
        _training(project, evaluated, shown)
        return
    opened, container = tabs(TABS, "train_result_tab")
    with container:
        _DRAW[opened](project, evaluated, shown)


def _out_of_date(project: Project, shown: ModelRun) -> None:
    """What changed in the classes since this run, and the button to train again."""
    changes = loaders.model_changes(project, shown.run)
    if not changes:
        return
    left, right = st.columns([4, 1], vertical_alignment="center")
    some = "; ".join(t(change) for change in changes[:4])
    left.markdown(
        ":orange[:material/update:] "
        + t(
            "Out of date. Changes since this training: {changes}",
            changes=literal(some if len(changes) <= 4 else f"{some} …"),
        )
    )
    right.button(
        t("Train again"),
        key="train_again",
        width="stretch",
        icon=":material/play_arrow:",
        on_click=form.request_start,
        help=t("With the settings on the left."),
    )


def _not_in_use(project: Project, shown: ModelRun, current: ModelRun) -> None:
    """How this run compares with the one in use, and the way to see it in detail."""
    left, right = st.columns([5, 1], vertical_alignment="center")
    left.markdown(":orange[:material/info:] " + _compared(project, shown, current))
    if right.button(t("Compare"), key="train_compare", width="stretch"):
        runs.compare(current.run, shown.run)
        open_tab("train_tab", "runs")
        st.rerun()


def _compared(project: Project, shown: ModelRun, current: ModelRun) -> str:
    try:
        found = loaders.comparison(project, current.run, shown.run)
    except InputError:
        return t("Not in use. Predict uses “{name}”.", name=current.name)
    gap = found.macro_f1_difference
    fields = {
        "count": found.count, "gap": abs(gap.value), "name": current.name, "low": gap.low,
        "high": gap.high,
    }  # fmt: skip
    if gap.value < 0:
        text = t(
            "Not in use: on the same {count:,} test wafers, macro-F1 is **{gap:.3f} lower** than "
            "with “{name}” (95% interval {low:+.3f} to {high:+.3f}).",
            **fields,
        )
    else:
        text = t(
            "Not in use. On the same {count:,} test wafers, macro-F1 is **{gap:.3f} higher** than "
            "with “{name}” (95% interval {low:+.3f} to {high:+.3f}).",
            **fields,
        )
    return text + " " + t("The difference may be chance.") if gap.low <= 0 <= gap.high else text


def _scores(project: Project, evaluated: StoredEvaluation, shown: ModelRun) -> None:
    """The scores and the confusion matrix, then the table of the classes."""
    report = evaluated.report
    evaluation, ends = report.evaluation, report.intervals
    if evaluation is None or ends is None:
        return
    st.html(_STYLE)
    left, right = st.columns([2, 3], gap="medium")
    with left:
        with st.container(key="train_score"):
            figures.macro_f1(evaluation, ends, in_words=True)
        one, two = st.columns(2)
        with one:
            figures.accuracy(evaluation, ends)
        with two:
            figures.test_wafers(evaluation)
        figures.calibration(evaluation)
    with right:
        chosen = _confusion(evaluated, shown)
    if chosen is not None:
        wafers.cell(project, report, *chosen)
    for note in report.notes:
        st.caption(f":material/info: {t(note)}")
    figures.cautions(evaluation, ends)
    figures.per_class(evaluation, ends, f"{shown.name}.csv", "train")


def _confusion(evaluated: StoredEvaluation, shown: ModelRun) -> tuple[int, int] | None:
    """The matrix; returns truth and prediction of a clicked cell."""
    evaluation = evaluated.report.evaluation
    if evaluation is None:
        return None
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(t("**Confusion matrix** · click a cell"), width="stretch")
        unit = st.segmented_control(
            t("Unit"),
            ["counts", "row %"],
            default="counts",
            format_func=lambda key: t_raw("row %") if key == "row %" else t_raw("counts"),
            required=True,
            key="train_unit",
            label_visibility="collapsed",
        )
    names = [chart_text(name) for name in evaluated.report.class_names]
    figure = plots.confusion(
        evaluation.confusion, names, unit == "row %", layout.text_colour(), t_raw
    )
    event = chart(
        figure.update_layout(height=max(280, 36 * len(names) + 110)),
        f"train_confusion_{shown.run}_{unit}",
        on_select="rerun",
        selection_mode="points",
    )
    points = event["selection"]["points"]
    return (int(points[0]["y"]), int(points[0]["x"])) if points else None


def _training(project: Project, evaluated: StoredEvaluation, shown: ModelRun) -> None:
    """Steps, curves and settings of the training."""
    report = evaluated.report
    left, right = st.columns(2, gap="medium")
    with left:
        st.markdown(t("**Steps**"))
        live.steps(report.steps)
        st.caption(
            t(
                "{train:,} training and {validation:,} validation wafers · {epochs}, best: {best} "
                "· {time} on {device}",
                train=report.train_count,
                validation=report.validation_count,
                epochs=counted("{count:,} epoch", "{count:,} epochs", report.epochs),
                best=str(report.best_epoch or "–"),
                time=times.duration(report.seconds),
                device=report.device or "–",
            )
        )
    with right:
        st.markdown(t("**Settings**"))
        settings.table(report.config, shown.run)
    rows = models.curves(project, shown.run)
    if len(rows) > 1:
        live.curves(rows, report.best_epoch, "train_result", shown.run)


_DRAW: dict[str, Callable[[Project, StoredEvaluation, ModelRun], None]] = {
    "scores": _scores,
    "mistakes": mistakes.panel,
    "confidence": confidence.panel,
    "diagnostics": lambda project, _, shown: diagnostics.panel(project, shown),
    "training": _training,
}
