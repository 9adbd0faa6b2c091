"""Are the probabilities of a run reliable, and below which one should a person look?"""

from __future__ import annotations

import streamlit as st

from pages.shared import guards
from pages.shared.charts import chart
from pages.shared.loaders import StoredEvaluation
from pages.shared.words import t, t_raw
from wafer_core import metrics, plots
from wafer_core.data import models
from wafer_core.data.models import ModelRun
from wafer_core.data.project import Project
from wafer_core.messages import Message, counted
from wafer_core.tasks.classification.predict import REVIEW_BELOW

_STEPS = [i / 100 for i in range(100)]
_ALL = -1  # in the box of classes
_TARGETS = (0.95, 0.99)  # of the precision


def panel(project: Project, evaluated: StoredEvaluation, shown: ModelRun) -> None:
    """The reliability diagram, and the choice of the review threshold."""
    left, right = st.columns([4, 5], gap="medium")
    with left:
        _reliability(evaluated, shown)
    with right:
        _thresholds(project, evaluated, shown)


def _reliability(evaluated: StoredEvaluation, shown: ModelRun) -> None:
    evaluation, temperature = evaluated.report.evaluation, shown.temperature
    st.markdown(t("**Are the probabilities reliable?**"))
    one, two = st.columns(2)
    error = evaluation.calibration_error if evaluation else None
    one.metric(
        t("Calibration error"),
        "–" if error is None else f"{error:.3f}",
        help=t(
            "Expected calibration error: the mean distance of the points from the diagonal, "
            "weighted by their wafers. 0 is best. With a hundred wafers, chance alone gives a few "
            "hundredths."
        ),
    )
    two.metric(
        t("Temperature"),
        "–" if temperature is None else f"{temperature:.2f}",
        help=t(
            "Fitted on the validation split: the logits are divided by it so that of the "
            "predictions with 80%, 80 in 100 are correct. Above 1 it lowers the confidence, below "
            "1 it raises it."
        ),
    )
    bins = metrics.reliability(evaluated.labels, evaluated.probabilities)
    chart(
        plots.reliability(
            [b.confidence for b in bins],
            [b.accuracy for b in bins],
            [b.accuracy_interval() for b in bins],
            [b.count for b in bins],
            translate=t_raw,
        ),
        "train_reliability",
    )
    st.caption(
        t(
            "Predictions are grouped by their probability; the number beside a point counts its "
            "wafers. Points on the dotted line are well calibrated; below it the model is "
            "overconfident, above it underconfident. Long bars mean few wafers."
        )
    )


def _thresholds(project: Project, evaluated: StoredEvaluation, shown: ModelRun) -> None:
    """What each threshold leads to, and the choice of one."""
    names = evaluated.report.class_names
    used = REVIEW_BELOW if shown.review_below is None else shown.review_below
    st.markdown(t("**When should a person look?**"))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        threshold = st.slider(
            t("Threshold"),
            0.0,
            0.99,
            min(used, 0.99),
            0.01,
            key=f"train_threshold_{shown.run}",
            help=t("Predictions with at least this probability are confident; others need review."),
        )
        chosen = st.selectbox(
            t("Class"),
            range(_ALL, len(names)),
            format_func=lambda k: t_raw("all classes") if k == _ALL else names[k],
            key="train_threshold_class",
        )
    index = None if chosen == _ALL else chosen
    steps = metrics.outcomes(evaluated.labels, evaluated.probabilities, _STEPS, index)
    here = metrics.outcomes(evaluated.labels, evaluated.probabilities, [threshold], index)[0]
    _outcome(here, index is None)
    chart(
        plots.threshold_curves(
            _STEPS,
            {
                t_raw("precision"): [o.precision for o in steps],
                t_raw("recall"): [o.recall for o in steps],
                t_raw("share sent for review"): [o.review_share for o in steps],
            },
            threshold,
            translate=t_raw,
        ),
        "train_thresholds",
    )
    _choose(project, shown, threshold, used)
    _hints(evaluated)


def _outcome(here: metrics.Outcome, of_all: bool) -> None:
    """Precision, recall and review share at the chosen threshold."""
    total = here.correct + here.wrong + here.review
    one, two, three = st.columns(3)
    one.metric(
        t("Precision"),
        "–" if here.precision is None else f"{here.precision:.0%}",
        help=t("Of the confident predictions, the share that is correct.")
        if of_all
        else t("Of the confident predictions of this class, the share that is correct."),
    )
    two.metric(
        t("Recall"),
        f"{here.recall:.0%}" if total else "–",
        help=t("Of the wafers, the share that is predicted confidently and correctly."),
    )
    three.metric(
        t("For review"),
        f"{here.review_share:.0%}" if total else "–",
        help=t("Of the wafers, the share that a person has to look at."),
    )
    st.markdown(
        t(
            "At {threshold:.2f}, of {wafers}: **{correct:,}** confident and correct, **{wrong:,}** "
            "confident but wrong, **{review:,}** sent for review.",
            threshold=here.threshold,
            wafers=counted("{count:,} test wafer", "{count:,} test wafers", total),
            correct=here.correct,
            wrong=here.wrong,
            review=here.review,
        )
    )


def _choose(project: Project, shown: ModelRun, threshold: float, used: float) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            t("Use this threshold"),
            key="train_threshold_use",
            type="primary",
            disabled=abs(threshold - used) < 0.005,
            help=t("From then on, Predict uses it for this model, also on the command line."),
            on_click=guards.attempt,
            args=(_set, project, shown, threshold),
        )
        st.caption(
            t("Now {used:.2f}, the default.", used=used)
            if shown.review_below is None
            else t("Now {used:.2f}, chosen for this model.", used=used),
            width="stretch",
        )


def _set(project: Project, shown: ModelRun, threshold: float) -> None:
    models.set_review_below(project, shown.run, threshold)
    guards.notify(
        t(
            "Predictions of “{name}” below {threshold:.2f} are sent for review.",
            name=shown.name,
            threshold=threshold,
        )
    )


def _hints(evaluated: StoredEvaluation) -> None:
    """The thresholds that give a high precision."""
    found = {
        target: metrics.lowest_threshold(evaluated.labels, evaluated.probabilities, target)
        for target in _TARGETS
    }
    lines = [
        t(
            "A threshold of {threshold:.2f} makes at least {target:.0%} of the confident "
            "predictions correct.",
            threshold=threshold,
            target=target,
        )
        if threshold
        else t("Even without a threshold, at least {target:.0%} are correct.", target=target)
        for target, threshold in found.items()
        if threshold is not None
    ]
    if not lines:
        lines = [t("No threshold makes 95% of the confident predictions correct.")]
    count = counted("{count:,} test wafer", "{count:,} test wafers", len(evaluated.labels))
    lines.append(t("Measured on {wafers}.", wafers=Message(t(count))))
    st.caption(" ".join(lines))
