"""Which model predicts: the current one at first, the shipped one last."""

from __future__ import annotations

import streamlit as st

from pages.predict.wafer import Model
from pages.shared import loaders
from pages.shared.figures import score
from pages.shared.times import local
from pages.shared.words import t, t_raw
from wafer_core.data import models
from wafer_core.data.models import ModelRun
from wafer_core.data.project import Project
from wafer_core.errors import WaferError
from wafer_core.messages import N_
from wafer_core.tasks.classification import predict

SHIPPED = ModelRun(
    "standard", N_("Shipped: the nine WM-811K patterns"), "wafernet", "", (), None, None, 0, 0, None
)


def usable_runs(project: Project) -> list[ModelRun]:
    """The trained models that can predict, the newest first."""
    return [run for run in models.list_models(project) if run.damage is None]


def choose_run(project: Project, runs: list[ModelRun]) -> ModelRun:
    """The select box, and below it whether the model is out of date."""
    current = models.current_model(project)
    by_key = {run.run: run for run in [*runs, SHIPPED]}
    keys = list(by_key)
    names = [run.name for run in runs]

    def label(key: str) -> str:
        run = by_key[key]
        if run is SHIPPED:
            return t_raw(run.name)
        text = t_raw("{name} · macro-F1 {score}", name=run.name, score=score(run.macro_f1))
        return f"{text} · {local(run.created)}" if names.count(run.name) > 1 else text

    key = st.selectbox(
        t("Model"),
        keys,
        index=keys.index(current) if current in by_key else 0,
        format_func=label,
        key=f"predict_model_{current}_{len(runs)}",
        label_visibility="collapsed",
        help=t("Macro-F1 on this project's test wafers: 0 to 1, higher is better."),
    )
    run = by_key[key]
    try:
        changes = [] if run is SHIPPED else loaders.model_changes(project, run.run)
    except WaferError as exc:  # the model predicts although what it was trained on is damaged
        st.caption(f":orange[:material/error: {t(exc)}]")
        changes = []
    if changes:
        told = " ".join((t("Out of date:"), "; ".join(t(change) for change in changes[:2])))
        st.caption(f":orange[:material/update: {told}]")
    return run


def load_model(project: Project, run: ModelRun) -> Model:
    """The model on the device, shared by all tabs.

    Raises:
        ModelError: It is gone or damaged.
    """
    if run is SHIPPED:
        return Model(run, loaders.standard_classifier(), "standard")
    folder = models.model_folder(project, run.run)
    return Model(run, loaders.classifier(folder), loaders.model_key(folder))


def threshold(run: ModelRun) -> float:
    """Probability below which a wafer needs review; chosen on Train."""
    return predict.REVIEW_BELOW if run.review_below is None else run.review_below
