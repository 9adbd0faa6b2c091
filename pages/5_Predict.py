"""Predict: drag wafers onto the page, see a probability for each class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from pages.classes import upload
from pages.shared import gallery, guards, layout, loaders, progress
from pages.train import results
from wafer_core import drawing, metrics, plots
from wafer_core.data import manifest, models, pictures
from wafer_core.errors import PictureError
from wafer_core.images import Picture
from wafer_core.importers import Candidate, Loaded, Rejected, Upload, scan
from wafer_core.tasks.classification import predict

WORDS = {predict.CONFIDENT: "sure", predict.REVIEW: "please check"}
ASKED = "predict_asked"  # session state: candidates, answers and what they were asked of

project = guards.require_project(layout.start("Predict"))
st.title("Predict")
STANDARD = models.ModelRun(
    "standard", "Shipped: the nine WM-811K patterns", "wafernet", "", (), None, None, 0, 0, None
)
runs = [run for run in models.list_models(project) if run.damage is None]
if not runs:
    st.info(
        "Nothing is trained yet, so the shipped model answers: it knows the nine WM-811K patterns "
        "(Center, Donut, Edge-Loc, Edge-Ring, Loc, Near-full, Random, Scratch, none) and no class "
        "of yours. Train your own: with the defaults it takes a minute or two."
    )
    st.page_link("pages/4_Train.py", label="Go to Train", icon=":material/model_training:")


def choose_model() -> models.ModelRun:
    """The model to ask, the current one at first; the shipped one stands last."""
    current = models.current_model(project)
    choices = [*runs, STANDARD]
    start = next((i for i, run in enumerate(choices) if run.run == current), 0)
    labels = [f"{run.name} · macro-F1 {results.score(run.macro_f1)}" for run in runs]
    labels.append(STANDARD.name)

    def label(run: models.ModelRun) -> str:
        text = labels[choices.index(run)]
        # A select box tells its choices apart by their text.
        return f"{text} · {run.created[:19]}" if labels.count(text) > 1 else text

    run = st.selectbox(
        "Model",
        choices,
        index=start,
        format_func=label,
        key=f"predict_model_{current}_{len(runs)}",
        help="Macro-F1 on this project's test wafers: 0 to 1, higher is better.",
    )
    changes = [] if run == STANDARD else loaders.model_changes(project, run.run)
    if changes:
        st.caption(f":orange[:material/update: Out of date: {'; '.join(changes[:2])}.]")
    return run


def load_classifier(run: models.ModelRun) -> Any:
    """The chosen model on the device, shared among all tabs."""
    if run == STANDARD:
        return loaders.standard_classifier()
    return loaders.classifier(models.model_folder(project, run.run))


def threshold(run: models.ModelRun) -> float:
    """Below which probability the model's answers go to a person; chosen on Train."""
    return predict.REVIEW_BELOW if run.review_below is None else run.review_below


def sample_wafers(count: int) -> list[Candidate]:
    """Some wafers of the project's own test part, for those who have none at hand."""
    rng = np.random.default_rng(st.session_state.get("predict_turn", 0))
    records = [
        (c, r)
        for c in project.classes()
        for r in pictures.originals(project, c.slug)
        if r.part == "test"
    ]
    order = rng.permutation(len(records))[:count]

    def candidate(index: int) -> Candidate:
        c, record = records[index]
        return Candidate(
            record.source or record.file,
            c.name,
            record.group,
            lambda: Loaded(manifest.load(project, c.slug, record)),
        )

    return [candidate(int(index)) for index in order]


def ask(run: models.ModelRun, candidates: Sequence[Candidate], rejected: list[Rejected]) -> None:
    """Answer all of them and keep the answers for the reruns."""
    classifier = load_classifier(run)
    below = threshold(run)
    with progress.bar(f"Asking about {len(candidates):,} wafers …") as tell:
        done = predict.predict_candidates(classifier, candidates, below, tell)
    st.session_state[ASKED] = {
        "candidates": list(candidates),
        "answers": done.predictions,
        "rejected": rejected + done.rejected,
        "run": run.run,
        "project": str(project.path),
        "threshold": below,
    }


def reading(label: str, speaks: bool) -> str:
    """How to read the heat map."""
    name = layout.plain(label)
    if not speaks:
        return (
            f"No failed die speaks for “{name}”: the answer rests on what is not there, so the "
            "whole wafer is faded."
        )
    return (
        f"Strong colours: failed dies that speak for “{name}”; had they passed, the network would "
        "be less sure of it. Faded: makes no difference. If the strong places are not the pattern "
        "that you see, do not trust the answer."
    )


def one(answer: predict.Prediction, picture: Picture) -> None:
    """One wafer: the picture, and a bar for each class."""
    left, right = st.columns([2, 3], gap="large", vertical_alignment="center")
    with left:
        drawn = st.empty()
        st.caption(f"{layout.plain(answer.file)} · {gallery.die_text(picture)}")
        if st.toggle("What the answer rests on", key="predict_heat", persist_state="session"):
            image, speaks = loaders.heat(
                f"{project.path}/{run.run}", load_classifier(run), picture, 380
            )
            st.caption(reading(answer.label, speaks))
        else:
            image = drawing.to_png(drawing.draw(picture, 380))
        drawn.image(image, width=380, alt=answer.file)
    with right:
        sure = answer.verdict == predict.CONFIDENT
        colour, icon = ("green", "check_circle") if sure else ("orange", "help")
        st.subheader(f"{layout.plain(answer.label)} · {answer.probability:.1%}")
        hint = "" if sure else f": below {threshold(run):.0%}, a person should look"
        st.markdown(f":{colour}[:material/{icon}: **{WORDS[answer.verdict]}**]{hint}")
        st.plotly_chart(
            plots.probability_bars(list(answer.probabilities), list(answer.probabilities.values())),
            key="predict_bars",
            config={"displayModeBar": False},
        )


def table_of(asked: dict[str, Any]) -> pd.DataFrame:
    """Answers as a table, one row a wafer, without the thumbnails."""
    answers: list[predict.Prediction] = asked["answers"]
    table = pd.DataFrame(
        {
            "file": [a.file for a in answers],
            "answer": [a.label for a in answers],
            "probability": [a.probability for a in answers],
            "verdict": [WORDS[a.verdict] for a in answers],
        }
    )
    if any(a.truth for a in answers):
        table.insert(1, "folder", [a.truth or "" for a in answers])
    return table


def thumbnails(asked: dict[str, Any], positions: Sequence[int]) -> list[str]:
    """Small drawings of the shown rows, drawn once."""
    drawn: dict[int, str] = asked.setdefault("drawn", {})
    for position in positions:
        if position not in drawn:
            try:
                picture = asked["candidates"][position].load().picture
                drawn[position] = drawing.to_data_url(drawing.draw(picture, 48))
            except PictureError:
                drawn[position] = ""
    return [drawn[p] for p in positions]


def many(asked: dict[str, Any]) -> predict.Prediction | None:
    """Many wafers: a table to sort, filter and download; returns the selected row's answer."""
    answers: list[predict.Prediction] = asked["answers"]
    table = table_of(asked)
    labels = list(dict.fromkeys(a.label for a in answers))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        wanted = st.multiselect("Answer", labels, key="predict_filter_label", placeholder="all")
        states = ["all", *WORDS.values()] + (["wrong"] if "folder" in table else [])
        verdict = st.segmented_control(
            "Show", states, default="all", required=True, key="predict_filter_verdict"
        )
        st.download_button(
            "Download all (.csv)",
            csv(asked),
            "predictions.csv",
            "text/csv",
            key="predict_csv",
            icon=":material/download:",
        )
    keep = np.ones(len(table), bool)
    if wanted:
        keep &= table["answer"].isin(wanted).to_numpy()
    if verdict in WORDS.values():
        keep &= (table["verdict"] == verdict).to_numpy()
    if verdict == "wrong":
        keep &= (table["folder"] != table["answer"]).to_numpy()
    shown = table[keep]
    positions = [answers[i].position for i in np.flatnonzero(keep)]
    shown.insert(0, "wafer", thumbnails(asked, positions))
    event = st.dataframe(
        shown,
        key=f"predict_table_{asked['id']}_{verdict}_{'-'.join(wanted)}",
        hide_index=True,
        height=430,
        row_height=52,
        on_select="rerun",
        selection_mode="single-row-required" if len(shown) else "single-row",
        column_config={
            "wafer": st.column_config.ImageColumn(width="small"),
            "file": st.column_config.TextColumn(width="medium"),
            "probability": st.column_config.ProgressColumn(
                format="percent", min_value=0.0, max_value=1.0
            ),
        },
    )
    rows = event["selection"]["rows"]
    if not len(shown):
        st.caption("No wafer passes the filter.")
        return None
    row = rows[0] if rows and rows[0] < len(shown) else 0
    return answers[int(np.flatnonzero(keep)[row])]


def csv(asked: dict[str, Any]) -> bytes:
    """All answers with the probability of every class, never rounded."""
    answers: list[predict.Prediction] = asked["answers"]
    table = table_of(asked)
    more = pd.DataFrame([a.probabilities for a in answers]).add_prefix("p ")
    text: str = pd.concat([table, more], axis=1).to_csv(index=False)
    return text.encode("utf-8-sig")


def judged(asked: dict[str, Any]) -> None:
    """A confusion matrix, if the folders name classes of the model."""
    answers: list[predict.Prediction] = asked["answers"]
    names = list(answers[0].probabilities)
    known = [a for a in answers if a.truth in names]
    if len(known) < 2:
        return
    with st.expander(
        f"Answers against folder names ({len(known)} wafers)", icon=":material/grid_on:"
    ):
        found = metrics.evaluate(
            np.array([names.index(str(a.truth)) for a in known]),
            np.array([list(a.probabilities.values()) for a in known]),
            names,
        )
        ends = metrics.intervals(found.confusion).to_json(names)
        evaluation = {**found.to_json(), "intervals": ends}
        results.figures(evaluation)
        left, right = st.columns([4, 5], gap="large")
        with left:
            results.per_class(evaluation, "per_class.csv", "predict")
        with right:
            st.plotly_chart(
                plots.confusion(
                    np.array(evaluation["confusion"]), names, text=layout.text_colour()
                ),
                key="predict_confusion",
                config={"displayModeBar": False},
            )


left, right = st.columns([5, 2], gap="medium")
with right:
    run = choose_model()
with left:
    turn = st.session_state.get("predict_turn", 0)
    drop, folder = st.columns(2, gap="small")
    files = drop.file_uploader(
        "Drop test wafers",
        upload.TYPES,
        accept_multiple_files=True,
        key=f"predict_files_{turn}",
        help="One or hundreds: pictures, arrays, a .zip. They are not stored.",
    )
    tree = folder.file_uploader(
        "or a whole folder",
        upload.TYPES,
        accept_multiple_files="directory",
        key=f"predict_folder_{turn}",
        help="Sub-folders that are named like classes give a confusion matrix as well.",
    )
with right:
    if st.button(
        "Take 12 wafers of the test part",
        key="predict_sample",
        help="Originals that were kept apart from training.",
    ):
        st.session_state["predict_turn"] = turn + 1
        with guards.errors_told():
            ask(run, sample_wafers(12), [])
            st.session_state[ASKED]["id"] = f"sample{turn}"
            st.rerun()
dropped = [*files, *tree]
identity = "-".join(file.file_id for file in dropped)
asked = st.session_state.get(ASKED)
with guards.errors_told():
    if dropped and (asked is None or asked.get("id") != identity or asked["run"] != run.run):
        found = scan([Upload(file.name, file.getvalue()) for file in dropped])
        ask(run, found.candidates, found.rejected)
        asked = st.session_state[ASKED]
        asked["id"] = identity
    elif asked and (asked["project"] != str(project.path)):
        asked = None
    elif asked and asked["run"] != run.run:
        again = asked["id"]
        ask(run, asked["candidates"], [])
        asked = st.session_state[ASKED]
        asked["id"] = again
if asked and asked["threshold"] != threshold(run):  # another was chosen meanwhile
    asked["threshold"] = threshold(run)
    asked["answers"] = [
        replace(a, verdict=predict.verdict(a.probability, threshold(run))) for a in asked["answers"]
    ]
if not asked:
    st.info("Drop one wafer or hundreds above, or take some of the test part.")
    st.stop()
upload.tell_rejected(asked["rejected"])
if asked["answers"]:
    answers = asked["answers"]
    chosen = answers[0] if len(answers) == 1 else many(asked)
    if chosen is not None:
        with guards.errors_told():
            one(chosen, asked["candidates"][chosen.position].load().picture)
    if len(answers) > 1:
        judged(asked)
