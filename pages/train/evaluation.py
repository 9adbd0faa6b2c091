"""What to do about a model's mistakes, and how far its probabilities can be trusted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from pages.shared import guards, layout, loaders
from pages.shared.loaders import Judgement
from wafer_core import metrics, plots
from wafer_core.data import manifest, models
from wafer_core.data.models import ModelRun
from wafer_core.data.project import Project
from wafer_core.tasks.classification.predict import REVIEW_BELOW

SHOWN = 48  # wafers of one pair
EXAMPLES = 8  # rightly named wafers to compare with
STEPS = [i / 100 for i in range(100)]


# -- mistakes ------------------------------------------------------------------------------------


def mistakes(project: Project, judged: Judgement, shown: ModelRun) -> None:
    """The pairs that are confused most, with their wafers, the worst mistakes first."""
    names = list(judged.report["class_names"])
    pairs = metrics.confused_pairs(judged.report["evaluation"]["confusion"])
    if not pairs:
        st.success(f"No mistake on {len(judged.labels):,} test wafers.", icon=":material/check:")
        return
    worst = metrics.worst_first(judged.labels, judged.probabilities)
    left, right = st.columns([4, 5], gap="large")
    with left:
        pair = _choose_pair(pairs, names, len(worst) / len(judged.labels), shown)
    told = [judged.report["test_pictures"][i] for i in worst]
    if pair is not None:
        told = [p for p in told if (p["truth"], p["predicted"]) == (pair.truth, pair.answer)]
    with left:
        st.caption(
            "Look first at the mistakes that were sure. Lies such a wafer in the wrong class? Move "
            "it on Classes and train again. Where the answer was not sure, more wafers like it "
            "help; where two classes are confused both ways, ask whether people tell them apart."
        )
        if pair is not None:
            _examples(project, judged, names, pair)
    with right:
        _wafers(project, told, names, pair)
    _list(project, told, names, shown)


def _choose_pair(
    pairs: Sequence[metrics.Pair], names: Sequence[str], wrong: float, shown: ModelRun
) -> metrics.Pair | None:
    """A table of the pairs below a row of all, ``wrong`` of the wafers; ``None`` stands for it."""
    st.markdown("**Most confused** · select a row to see its wafers")
    table = pd.DataFrame(
        {
            "is": ["all mistakes", *(names[p.truth] for p in pairs)],
            "was called": ["", *(names[p.answer] for p in pairs)],
            "wafers": [sum(p.count for p in pairs), *(p.count for p in pairs)],
            "share": [100 * wrong, *(100 * p.share for p in pairs)],
        }
    )
    event = st.dataframe(
        table,
        key=f"evaluation_pairs_{shown.run}",
        hide_index=True,
        height="content" if len(table) <= 9 else 350,
        on_select="rerun",
        selection_mode="single-row-required",
        selection_default={"selection": {"rows": [0]}},
        column_config={
            "share": st.column_config.NumberColumn(
                format="%.0f%%", help="Of the test wafers of this class."
            ),
        },
    )
    rows = event["selection"]["rows"]
    row = rows[0] if rows and rows[0] < len(table) else 0
    return None if row == 0 else pairs[row - 1]


def _paths(project: Project, told: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    return tuple(
        str(manifest.class_folder(project, p["slug"]) / "originals" / p["file"]) for p in told
    )


def _wafers(
    project: Project,
    told: Sequence[Mapping[str, Any]],
    names: Sequence[str],
    pair: metrics.Pair | None,
) -> None:
    """The wafers of a pair, the surest answer first."""
    if pair is None:
        all_of_them = f"All {len(told):,} mistakes" if len(told) > 1 else "The only mistake"
        st.markdown(f"**{all_of_them}**, wrong and sure first")
    else:
        truth, answer = layout.plain(names[pair.truth]), layout.plain(names[pair.answer])
        other = f"{pair.reverse:,} the other way round" if pair.reverse else "none the other way"
        st.markdown(f"**{len(told):,}** “{truth}” called “{answer}”, the surest first · {other}")
    first = told[:SHOWN]
    captions = tuple(
        f"{max(p['probabilities']):.0%}" + (f" {names[p['predicted']]}" if pair is None else "")
        for p in first
    )
    st.image(
        loaders.sheet(_paths(project, first), 4, 128, captions),
        alt="wrongly named wafers, the surest answers first; below each how sure it was",
    )


def _examples(
    project: Project, judged: Judgement, names: Sequence[str], pair: metrics.Pair
) -> None:
    """Rightly named test wafers of both classes, to compare."""
    for index in (pair.truth, pair.answer):
        right = [p for p in judged.report["test_pictures"] if p["truth"] == p["predicted"] == index]
        right.sort(key=lambda p: -max(p["probabilities"]))
        st.caption(f"Rightly named “{layout.plain(names[index])}”, to compare")
        if right:
            st.image(
                loaders.sheet(_paths(project, right[:EXAMPLES]), EXAMPLES, 64),
                alt=f"rightly named wafers of {names[index]}",
            )
        else:
            st.caption("none in the test part")


def _list(
    project: Project, told: Sequence[Mapping[str, Any]], names: Sequence[str], shown: ModelRun
) -> None:
    """The same wafers as a list, to sort and to download."""
    table = pd.DataFrame(
        {
            "file": [p["file"] for p in told],
            "is": [names[p["truth"]] for p in told],
            "was called": [names[p["predicted"]] for p in told],
            "sure": [max(p["probabilities"]) for p in told],
            "truth got": [p["probabilities"][p["truth"]] for p in told],
        }
    )
    small = table[:SHOWN].copy()
    small.insert(0, "wafer", loaders.thumbnails(_paths(project, told[:SHOWN]), 40))
    percent = st.column_config.NumberColumn
    st.dataframe(
        small,
        key=f"evaluation_list_{shown.run}",
        hide_index=True,
        height="content" if len(small) <= 7 else 350,
        row_height=44,
        column_config={
            "wafer": st.column_config.ImageColumn(width="small"),
            "file": st.column_config.TextColumn(width="large"),
            "sure": percent(format="percent", help="Probability of the wrong answer."),
            "truth got": percent(format="percent", help="Probability of the right one."),
        },
    )
    st.download_button(
        "Download list (.csv)",
        table.to_csv(index=False).encode("utf-8-sig"),
        f"{shown.name} mistakes.csv",
        "text/csv",
        key="evaluation_csv",
    )


# -- confidence ----------------------------------------------------------------------------------


def confidence(project: Project, judged: Judgement, shown: ModelRun) -> None:
    """Whether the probabilities are honest, and below which one a person should look."""
    left, right = st.columns([4, 5], gap="large")
    with left:
        _reliability(judged, shown)
    with right:
        _thresholds(project, judged, shown)


def _reliability(judged: Judgement, shown: ModelRun) -> None:
    evaluation = judged.report["evaluation"]
    st.markdown("**Are the probabilities honest?**")
    cells = st.columns(2)
    error = evaluation.get("calibration_error")
    cells[0].metric(
        "Calibration error (ECE)",
        "–" if error is None else f"{error:.3f}",
        f"on {evaluation['count']:,} test wafers",
        delta_color="off",
        delta_arrow="off",
        help="Mean distance of the points from the diagonal, weighted by their wafers. 0 is "
        "honest, lower is better. With a hundred wafers chance alone makes some hundredths.",
    )
    temperature = shown.temperature
    cells[1].metric(
        "Temperature",
        "–" if temperature is None else f"{temperature:.2f}",
        "" if temperature is None else _temperature_text(temperature),
        delta_color="off",
        delta_arrow="off",
        help="Fitted on the validation part after training: the network's scores are divided by "
        "it, so that 80 % means right in 80 of 100.",
    )
    bins = metrics.reliability(judged.labels, judged.probabilities)
    st.plotly_chart(
        plots.reliability(
            [b.confidence for b in bins],
            [b.accuracy for b in bins],
            [b.accuracy_ends() for b in bins],
            [b.count for b in bins],
        ),
        key="evaluation_reliability",
        config={"displayModeBar": False},
    )
    st.caption(
        "Answers are grouped by the probability they state; each point says how many wafers it "
        "stands for. On the dotted line the model keeps its word; below it promises too much, "
        "above too little. Long bars mean few wafers: no reason to worry yet."
    )


def _temperature_text(temperature: float) -> str:
    if temperature > 1.05:
        return "makes it less sure"
    return "makes it surer" if temperature < 0.95 else "leaves it as it is"


def _thresholds(project: Project, judged: Judgement, shown: ModelRun) -> None:
    """What each threshold would bring, and the choice of one."""
    names = list(judged.report["class_names"])
    used = REVIEW_BELOW if shown.review_below is None else shown.review_below
    st.markdown("**When should a person look?**")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        threshold = st.slider(
            "Threshold", 0.0, 0.99, min(used, 0.99), 0.01, key=f"evaluation_threshold_{shown.run}",
            help="Predict calls an answer sure from this probability on; others go to review.",
        )  # fmt: skip
        about = st.selectbox("For", ["all classes", *names], key="evaluation_class")
    index = names.index(about) if about in names else None
    found = metrics.outcomes(judged.labels, judged.probabilities, STEPS, index)
    here = metrics.outcomes(judged.labels, judged.probabilities, [threshold], index)[0]
    total = here.right + here.wrong + here.review
    whose = "test wafers" if index is None else f"“{layout.plain(about)}” test wafers"
    precision = "–" if here.precision is None else f"{here.precision:.0%}"
    cells = st.columns(3)
    cells[0].metric(
        "Precision", precision, help="Of the sure answers, the share that is right."
        if index is None else "Of the sure answers that name this class, the share that is right.",
    )  # fmt: skip
    cells[1].metric(
        "Recall", f"{here.recall:.0%}" if total else "–",
        help="Of the wafers, the share with a sure and right answer.",
    )  # fmt: skip
    cells[2].metric(
        "To review", f"{here.review_share:.0%}" if total else "–",
        help="Of the wafers, the share that a person has to look at.",
    )  # fmt: skip
    st.markdown(
        f"At {threshold:.2f}, of {total:,} {whose}: **{here.right:,}** are named surely and "
        f"rightly, **{here.wrong:,}** surely and wrongly, **{here.review:,}** go to a person."
    )
    st.plotly_chart(
        plots.threshold_curves(
            STEPS,
            {
                "precision": [o.precision for o in found],
                "recall": [o.recall for o in found],
                "share sent to review": [o.review_share for o in found],
            },
            threshold,
        ),
        key="evaluation_thresholds",
        config={"displayModeBar": False},
    )
    _use(project, judged, shown, threshold, used)


def _use(
    project: Project, judged: Judgement, shown: ModelRun, threshold: float, used: float
) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button(
            "Use this threshold",
            key="evaluation_use",
            type="primary",
            disabled=abs(threshold - used) < 0.005,
            help="From then on Predict, here and on the command line, goes by it for this model.",
        ):
            with guards.errors_told():
                models.set_review_below(project, shown.run, threshold)
                guards.notify(f"Answers of “{shown.name}” below {threshold:.2f} go to review.")
                st.rerun()
        usual = ", the usual" if shown.review_below is None else ", chosen for this model"
        st.caption(f"Now {used:.2f}{usual}.", width="stretch")
    hints = []
    for wanted in (0.95, 0.99):
        lowest = metrics.lowest_threshold(judged.labels, judged.probabilities, wanted)
        if lowest is not None:
            hints.append(f"{wanted:.0%} of the sure answers are right from {lowest:.2f} on")
    told = "; ".join(hints) or "no threshold makes 95 % of the sure answers right"
    st.caption(f"On these {len(judged.labels):,} test wafers, {told}.")
