"""The chosen wafer large: verdict, probabilities, heat map, and what was recognised."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import streamlit as st

from pages.predict import actions, colours
from pages.predict.state import PredictedWafer, PredictState
from pages.predict.verdicts import VERDICTS
from pages.shared import bars, guards, loaders
from pages.shared.words import escape, t, t_raw, tn
from wafer_core import drawing
from wafer_core.data.models import ModelRun
from wafer_core.data.project import Project
from wafer_core.importers.recognition import Recognised
from wafer_core.tasks.classification.predict import UNKNOWN

SIZE = 560  # pixels of the large drawing, about twice its size on the page
_BARS = 330  # pixels beyond which the bars scroll


@dataclass(frozen=True)
class Model:
    """The model that predicts.

    Attributes:
        run: Its run, or the shipped one.
        classifier: Loaded.
        key: Distinguishes models and their versions in caches.
    """

    run: ModelRun
    classifier: Any
    key: str


def wafer_view(project: Project, state: PredictState, wafer: PredictedWafer, model: Model) -> None:
    """One wafer with everything that is known of it."""
    prediction = wafer.prediction
    verdict(state, wafer)
    left, right = st.columns([1, 1], gap="medium")
    with left, st.container(gap="small"):
        drawn = st.empty()
        shows_heat = st.toggle(
            t("Show why (heat map)"),
            True,
            key="predict_heat",
            persist_state="session",
            help=t(
                "Strong colours: failed dies that support the prediction. If they are not the "
                "pattern that you see, do not trust the prediction."
            ),
        )
        reading = st.empty()
    with right, st.container(gap="small"):
        bars.probability_bars(prediction.probabilities, t_raw("Probability of each class"), _BARS)
        _recognised(wafer)
        with st.container(horizontal=True, gap="small", key="predict_actions"):
            actions.class_actions(project, state, wafer)
            colours.colour_roles(state, wafer, model.classifier)
            st.button(
                t("Compare with training wafers"),
                key="predict_compare",
                icon=":material/compare:",
                on_click=lambda: setattr(state, "next_view", "compare"),
            )
    with guards.show_errors():
        picture = state.picture(wafer)
        if not shows_heat or not state.has_shown(model.key, wafer):
            drawn.image(
                drawing.to_png(drawing.draw(picture, SIZE)), width="stretch", alt=prediction.file
            )
        if shows_heat:  # last, because it takes a moment when it is new
            image, supports = loaders.heat(model.key, model.classifier, picture, SIZE)
            drawn.image(image, width="stretch", alt=prediction.file)
            reading.caption(_reading(prediction.label, wafer.found.is_map, supports))


def verdict(state: PredictState, wafer: PredictedWafer) -> None:
    """The prediction and what to make of it, in words."""
    prediction = wafer.prediction
    style = VERDICTS[prediction.verdict]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.subheader(
            f"{escape(prediction.label)} · {prediction.probability:.1%}",
            anchor=False,
            width="content",
        )
        st.badge(t(style.title), icon=f":material/{style.icon}:", color=style.colour)
        doubt = wafer.found.doubt
        if doubt is not None and prediction.verdict != UNKNOWN:
            icon = ":material/indeterminate_question_box:"
            st.badge(t("Is this a wafer?"), icon=icon, color="orange")
            st.caption(t(doubt), width="content")
        elif prediction.reason is not None:
            st.caption(t(prediction.reason), width="content")


def _reading(label: str, is_map: bool, supports: bool) -> str:
    """How to read the heat map."""
    if not is_map:
        return t("Strong places support “{name}”.", name=label)
    if not supports:
        return t(
            "No failed die supports “{name}”; the decision comes from the absence of failures.",
            name=label,
        )
    return t(
        "Strong colours: failed dies that support “{name}”.",
        name=label,
    )


def _recognised(wafer: PredictedWafer) -> None:
    """The file and what was recognised in it: grid, dies, yield."""
    st.caption(f"**{escape(wafer.prediction.file)}**  \n{recognised_text(wafer.found)}")


def recognised_text(found: Recognised) -> str:
    """Grid, dies and yield in one line, as Markdown."""
    if not found.is_map:
        return t("{width} × {height} pixels, grey", width=found.width, height=found.height)
    return " · ".join(
        [
            t("grid {width} × {height}", width=found.width, height=found.height),
            tn("{count:,} die", "{count:,} dies", found.dies),
            t("{count:,} failed", count=found.failed),
            t("yield {share:.1%}", share=found.yield_fraction or 0.0),
        ]
    )
