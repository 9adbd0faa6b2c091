"""An answer at once: the shipped model on a dropped wafer, before any project exists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from pages.classes import upload
from pages.shared import gallery, loaders, thumbnails
from pages.shared.words import chart_text, t, t_raw
from wafer_core import drawing, plots
from wafer_core.data import demo
from wafer_core.importers import Candidate, Loaded, Rejected, Upload, scan
from wafer_core.messages import N_
from wafer_core.tasks.classification import predict
from wafer_core.tasks.classification.predict import Prediction

_KEY = "home_answer"  # session state
_SIZE = 300  # pixels of the large wafer
_MOST = 12  # wafers of one drop
SAMPLES = (N_("Sample 1"), N_("Sample 2"), N_("Sample 3"))


@dataclass
class Answer:
    """What the model said about a drop.

    Attributes:
        candidates: The wafers.
        predictions: One for each that could be read.
        rejected: The others.
        left_out: Number of wafers beyond the limit.
        shown: Which prediction is shown large.
    """

    candidates: list[Candidate]
    predictions: list[Prediction]
    rejected: list[Rejected]
    left_out: int = 0
    shown: int = 0


def panel() -> None:
    """The drop zone, three samples to click, and the answer."""
    drop, samples = st.columns([5, 4], gap="medium", vertical_alignment="center")
    turn = st.session_state.get("home_turn", 0)
    files = drop.file_uploader(
        t("Drop a wafer map here to see what it shows"),
        upload.TYPES,
        accept_multiple_files=True,
        key=f"home_drop_{turn}",
        on_change=_answer_drop,
        args=(f"home_drop_{turn}",),
        help=t(
            "A picture, an array or a table of dies. Nothing is stored. The answer comes from the "
            "shipped model, which knows the nine patterns of WM-811K."
        ),
    )
    with samples:
        st.markdown(t("… or click a sample"))
        wafers = loaders.sample_wafers()
        pictures = [
            thumbnails.Thumbnail(str(k), url, t_raw(title), t_raw(title))
            for k, (title, url) in enumerate(zip(SAMPLES, wafers.images, strict=True))
        ]
        thumbnails.pick(pictures, "home_samples", t_raw("Sample wafers"), _answer_sample, columns=3)
    answer: Answer | None = st.session_state.get(_KEY)
    if answer is not None:
        _show(answer, is_sample=not files)


def _answer_drop(key: str) -> None:
    files = st.session_state[key]
    if not files:
        st.session_state.pop(_KEY, None)
        return
    found = scan([Upload(file.name, file.getvalue()) for file in files])
    _answer(found.candidates, found.rejected)


def _answer_sample(number: str) -> None:
    picture = loaders.sample_wafers().pictures[int(number)]
    title = t_raw(SAMPLES[int(number)])
    st.session_state["home_turn"] = st.session_state.get("home_turn", 0) + 1  # empties the drop
    _answer([Candidate(title, None, None, lambda: Loaded(picture))], [])


def _answer(candidates: Sequence[Candidate], rejected: Sequence[Rejected]) -> None:
    chosen = list(candidates[:_MOST])
    found = predict.predict_candidates(loaders.standard_classifier(), chosen)
    left_out = len(candidates) - len(chosen)
    st.session_state[_KEY] = Answer(
        chosen, found.predictions, [*rejected, *found.rejected], left_out
    )


def _show(answer: Answer, is_sample: bool) -> None:
    upload.show_rejected(answer.rejected)
    if not answer.predictions:
        return
    if len(answer.predictions) > 1:
        _choose(answer)
    shown = answer.predictions[answer.shown]
    picture = answer.candidates[shown.position].load().picture
    left, right = st.columns([2, 3], gap="medium", vertical_alignment="center")
    with left:
        image = drawing.to_png(drawing.draw(picture, _SIZE))
        st.image(image, width=_SIZE, alt=shown.file)
        st.caption(t("{file} · {facts}", file=shown.file, facts=gallery.die_message(picture)))
    with right:
        st.subheader(verdict(shown))
        st.caption(explanation(shown))
        names = [chart_text(name) for name in shown.probabilities]
        st.plotly_chart(
            plots.probability_bars(names, list(shown.probabilities.values()), translate=t_raw),
            key="home_bars",
            config={"displayModeBar": False},
        )
    if answer.left_out:
        st.caption(
            t(
                "{count:,} more wafers were dropped. Create a project to test all of them.",
                count=answer.left_out,
            )
        )
    elif not is_sample:
        st.caption(
            t("Other patterns, or your own names for them? Create a project and train a model.")
        )


def _choose(answer: Answer) -> None:
    """The wafers of one drop, to choose which is shown large."""

    def show(number: str) -> None:
        answer.shown = int(number)

    pictures = [
        thumbnails.Thumbnail(
            str(k),
            drawing.to_data_url(drawing.draw(answer.candidates[p.position].load().picture, 96)),
            f"{p.file} · {p.label}",
        )
        for k, p in enumerate(answer.predictions)
    ]
    thumbnails.pick(
        pictures,
        "home_dropped",
        t_raw("Dropped wafers"),
        show,
        columns=_MOST,
        chosen=str(answer.shown),
    )


def verdict(prediction: Prediction) -> str:
    """The answer in one line of Markdown."""
    fields: dict[str, Any] = {"label": prediction.label, "share": prediction.probability}
    if prediction.verdict == predict.CONFIDENT:
        return t("This looks like {label} ({share:.1%})", **fields)
    return t("Probably {label} ({share:.1%}), please review", **fields)


def explanation(prediction: Prediction) -> str:
    """What the pattern is, and how sure the model is, as Markdown."""
    pattern = demo.DESCRIPTIONS.get(prediction.label, "")
    if prediction.verdict == predict.CONFIDENT:
        return t(pattern) if pattern else ""
    return t(
        "Below {threshold:.0%} the model is not sure enough; a person should look at the wafer.",
        threshold=predict.REVIEW_BELOW,
    )
