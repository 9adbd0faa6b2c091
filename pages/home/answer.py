"""An answer at once: the shipped model on a dropped wafer, before any project exists."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import streamlit as st

from pages.home import projects
from pages.shared import bars, drop_zone, gallery, loaders, rejected, thumbnails
from pages.shared.words import t, t_raw
from wafer_core import drawing
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


def panel(home: Path) -> None:
    """The drop zone, three samples to click, and the answer.

    Args:
        home: The workspace.
    """
    files = drop_zone.drop_zone(
        "home_files",
        t_raw("Drop a wafer map here to see what it shows"),
        t_raw("Drop the wafer to see what it shows"),
    )
    if files:
        if not projects.keep_if_project(files):
            found = scan([Upload(file.name, file.getvalue()) for file in files])
            _answer(found.candidates, found.rejected)
        drop_zone.taken()
        st.rerun()
    projects.offer_dropped(home)
    answer: Answer | None = st.session_state.get(_KEY)
    if answer is None:
        text, samples = st.columns([4, 5], gap="medium", vertical_alignment="center")
        text.markdown(t("No wafer at hand? **Click a sample.**"))
        text.caption(
            t(
                "The shipped model answers. It knows the nine patterns of WM-811K; nothing is "
                "stored."
            )
        )
        with samples:
            _samples()
        return
    rejected.show_rejected(answer.rejected)
    if answer.predictions:
        _show(answer)
    _samples(small=True)


def _samples(small: bool = False) -> None:
    wafers = loaders.sample_wafers()
    pictures = [
        thumbnails.Thumbnail(str(k), url, t_raw(title), "" if small else t_raw(title))
        for k, (title, url) in enumerate(zip(SAMPLES, wafers.images, strict=True))
    ]
    columns = 12 if small else 3
    label = t_raw("Sample wafers")
    thumbnails.pick(pictures, "home_samples", label, _answer_sample, columns=columns)


def _answer_sample(number: str) -> None:
    picture = loaders.sample_wafers().pictures[int(number)]
    title = t_raw(SAMPLES[int(number)])
    _answer([Candidate(title, None, None, lambda: Loaded(picture))], [])


def _answer(candidates: Sequence[Candidate], refused: Sequence[Rejected]) -> None:
    # Each is decoded once for the prediction and all drawings; a large picture takes a second.
    chosen = [replace(c, load=functools.cache(c.load)) for c in candidates[:_MOST]]
    found = predict.predict_candidates(loaders.standard_classifier(), chosen)
    left_out = len(candidates) - len(chosen)
    st.session_state[_KEY] = Answer(
        chosen, found.predictions, [*refused, *found.rejected], left_out
    )


def _show(answer: Answer) -> None:
    if len(answer.predictions) > 1:
        _choose(answer)
    shown = answer.predictions[answer.shown]
    picture = answer.candidates[shown.position].load().picture
    left, right = st.columns([4, 5], gap="medium", vertical_alignment="center")
    with left:
        image = drawing.to_png(drawing.draw(picture, _SIZE))
        st.image(image, width=_SIZE, alt=shown.file)
        st.caption(t("{file} · {facts}", file=shown.file, facts=gallery.die_message(picture)))
    with right:
        st.subheader(verdict(shown), anchor=False)
        st.caption(explanation(shown))
        bars.probability_bars(shown.probabilities, t_raw("Probability of each pattern"))
    if answer.left_out:
        st.caption(
            t(
                "{count:,} more wafers were dropped. Create a project to test all of them.",
                count=answer.left_out,
            )
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
    if prediction.verdict == predict.UNKNOWN:
        return t("No known pattern; the nearest one is {label}", **fields)
    if prediction.verdict == predict.CONFIDENT:
        return t("This looks like {label} ({share:.1%})", **fields)
    return t("Probably {label} ({share:.1%}), please review", **fields)


def explanation(prediction: Prediction) -> str:
    """Why the model is not confident, or what the pattern is, as Markdown."""
    if prediction.reason is not None:
        return t(prediction.reason)
    pattern = demo.DESCRIPTIONS.get(prediction.label, "")
    return t(pattern) if pattern else ""
