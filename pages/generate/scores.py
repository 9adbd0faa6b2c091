"""How realistic the wafers of a run are: each score beside its baseline and reference."""

from __future__ import annotations

import contextlib
from typing import Any

import pandas as pd
import streamlit as st

from pages.shared import downloads, jobs_panel
from pages.shared.words import t, t_raw
from wafer_core import jobs
from wafer_core.data import synthetic
from wafer_core.data.project import Project
from wafer_core.data.summary import ClassSummary
from wafer_core.data.synthetic import SyntheticRun
from wafer_core.errors import DataError
from wafer_core.messages import N_, Message
from wafer_core.networks import features
from wafer_core.tasks.evaluation.scores import SCORES, Score
from wafer_core.tasks.evaluation.scoring import GenerationScores
from wafer_core.tasks.evaluation.sentences import number
from wafer_core.workflows import submit

# The scores in large figures: what each is called for people who do not know its name.
_HEADLINES = {
    "kid": N_("Distance to real (KID)"),
    "recall": N_("Variety covered"),
    "agreement": N_("Class agreement"),
    "copies": N_("Near copies"),
}


def _stored(project: Project, c: ClassSummary, run: SyntheticRun) -> dict[str, GenerationScores]:
    """The scores of a run by feature network; empty if it was never scored."""
    found = {}
    for name, scores in synthetic.stored_scores(run).items():
        with contextlib.suppress(DataError):  # scoring again replaces a damaged file
            found[name] = GenerationScores.from_json(scores.values)
    return found


def headline(project: Project, c: ClassSummary, run: SyntheticRun) -> None:
    """The most important scores in large figures, and what they mean in words."""
    if run.info.get("collapsed") is True:
        st.warning(t(Message.from_json(run.info.get("said", ""))))
    stored = _stored(project, c, run)
    if not stored:
        st.info(t("Not scored yet. Open the tab Scores to compare with originals."))
        return
    found = stored.get("wafernet") or next(iter(stored.values()))
    for cell, name in zip(st.columns(len(_HEADLINES)), _HEADLINES, strict=True):
        score = found.scores.get(name)
        value = None if score is None else score.comparable
        cell.metric(
            t(_HEADLINES[name]),
            "–" if score is None else number(score, value),
            None
            if score is None or score.baseline is None
            else t("real wafers: {value}", value=number(score, score.baseline)),
            "off",
            delta_arrow="off",
            help=t(SCORES[name].help),
        )
    st.markdown(t(found.sentence))


def show(project: Project, c: ClassSummary, run: SyntheticRun) -> None:
    """All scores in a table with sentences, and the button to score with another network."""
    stored = _stored(project, c, run)
    if not stored:
        st.info(t("Not scored yet. Scoring compares these wafers with originals."))
    for found in stored.values():
        _table(found, f"{c.slug}-{run.run}-scores-{found.features}.csv")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        network = st.selectbox(
            t("Compare with"),
            list(features.FEATURES),
            format_func=lambda key: t_raw(features.FEATURES[key].title),
            key="generate_score_features",
            width=300,
            help=t(
                "The network whose features are compared. WaferNet is pretrained on wafer maps and "
                "included; Inception is used in published figures and needs its weights."
            ),
        )
        active = any(s.is_active for s in jobs.list_jobs(project.path) if s.kind == "score")
        if st.button(
            t("Score again") if network in stored else t("Score this run"),
            key="generate_score",
            disabled=active,
            icon=":material/speed:",
        ):
            parameters = {"class": c.name, "run": run.run, "features": network}
            jobs_panel.launch(submit.create_job(project.path, "score", parameters))
    if active:
        st.caption(t("A run is being scored."))


def _table(found: GenerationScores, file_name: str) -> None:
    _check_weights(found)
    st.markdown(
        t("**{network}** · {sentence}", network=Message(found.title), sentence=found.sentence)
    )  # fmt: skip
    rows = [
        {
            "score": t_raw(SCORES[name].title),
            "value": score.comparable,
            "spread": score.spread,
            "real wafers": score.baseline,
            "nearest other class": score.reference,
            "better": t_raw("lower") if SCORES[name].better == "lower" else t_raw("higher"),
            **_agreement(score),
        }
        for name, score in found.scores.items()
    ]
    table = pd.DataFrame(rows)
    shown = table.drop(columns=["wafers", "taken for instead"], errors="ignore")
    if "95% interval" in shown:
        shown["95% interval"] = shown["95% interval"].fillna("")
    figure, text = st.column_config.NumberColumn, st.column_config.TextColumn
    st.dataframe(
        shown,
        hide_index=True,
        key=f"generate_scores_{found.features}",
        placeholder="–",
        column_config={
            "score": text(t_raw("score")),
            "value": figure(t_raw("value"), format="%.3g"),
            "spread": figure("±", format="%.3g", help=t("Standard deviation over random subsets.")),
            "real wafers": figure(
                t_raw("real-real baseline"),
                format="%.3g",
                help=t("The same score of other real wafers of the class."),
            ),
            "nearest other class": figure(
                t_raw("other class"),
                format="%.3g",
                help=t("The same score of real wafers of the nearest other class."),
            ),
            "better": text(t_raw("better")),
            "95% interval": text(t_raw("95% interval")),
        },
    )
    texts = [score.sentence or score.note for score in found.scores.values()]
    sentences = [t(text) for text in texts if text is not None]
    st.markdown("\n".join(f"- {sentence}" for sentence in sentences))
    st.caption(
        t(
            "{count:,} synthetic wafers compared with {reference} · weights {weights} · "
            "{seconds:.1f} s",
            count=found.counts.get("made", 0),
            reference=found.reference,
            weights=found.weights,
            seconds=found.seconds,
        )
    )
    downloads.csv(table, file_name, f"generate_csv_{file_name}")


def _agreement(score: Score) -> dict[str, Any]:
    """The columns that only class agreement has."""
    low, high = score.details.get("made_low"), score.details.get("made_high")
    if low is None or high is None:
        return {}
    return {
        "95% interval": f"{low:.2f}–{high:.2f}",
        "wafers": f"{score.details['made'] or 0:.0f} / {score.counts['made']}",
        "taken for instead": score.instead,
    }


def _check_weights(found: GenerationScores) -> None:
    """Warn about scores that other weights gave; they cannot be compared with new ones."""
    now = features.wafernet_checksum()
    then = found.wafernet
    if then and not now.startswith(then):
        st.warning(
            t(
                "These scores were computed with other weights of WaferNet ({then}) than the "
                "current ones ({now}), so they cannot be compared with newer scores. Score the run "
                "again.",
                then=then[:8],
                now=now[:8],
            )
        )
