"""Train: settings, live curves, an honest result, and the list of runs."""

from __future__ import annotations

from typing import Any

import streamlit as st

from pages.shared import forms, guards, jobs_panel, layout, loaders
from pages.train import results, search
from wafer_core.data import models
from wafer_core.jobs import JobState
from wafer_core.networks import imagenet, registry
from wafer_core.parameters import Parameter
from wafer_core.tasks.augmentation import policies
from wafer_core.tasks.classification import overlay, train
from wafer_core.workflows import submit

SEED = Parameter(
    "Seed", "Same seed, same wafers, same machine: the same model again.", 0, 0, 2**31, 1
)

project = guards.require_project(layout.start("Train"))
st.title("Train")
summary = loaders.summary(project)
ready = [c for c in summary.classes if c.parts["train"]]
if len(ready) < 2:
    st.info(
        "Training needs at least two classes with wafers: a computer learns differences. "
        f"This project has {len(ready)}."
    )
    st.page_link("pages/1_Classes.py", label="Go to Classes", icon=":material/category:")
    st.stop()


def settings() -> dict[str, Any]:
    """The form; every default is fine."""
    defaults = train.TrainConfig()
    chosen: dict[str, Any] = {}

    def draw(main: bool, drawn: bool = True) -> None:
        for name, spec in train.PARAMETERS.items():
            if spec.main == main:
                optional = getattr(defaults, name) is None
                if name == "policy":
                    spec = search.with_policy(spec)
                words = policies.title if name == "policy" else None
                value = forms.parameter(name, spec, "train", optional, drawn, words)
                if name == "network":
                    st.caption(registry.NETWORKS[value].help)
                    if value in imagenet.NAMES and imagenet.find(value) is None:
                        st.caption(imagenet.missing_sentence(value))
                chosen[name] = value

    draw(main=True)
    with forms.more("train") as is_open:
        draw(main=False, drawn=is_open)
        chosen["seed"] = forms.parameter("seed", SEED, "train", drawn=is_open)
    if not is_open:
        hidden = {n: s for n, s in train.PARAMETERS.items() if not s.main}
        shown = {**chosen, "policy": search.short(chosen["policy"])}
        forms.tell_hidden(shown, {**hidden, "seed": SEED})
    return chosen


def live(state: JobState) -> None:
    """Curves that grow while it trains."""
    epochs = state.metric("epoch")
    if not epochs:
        return
    last = epochs[-1]
    spent = sum(e["seconds"] for e in epochs) / len(epochs)
    best = max((e["epoch"] for e in epochs if e["is_best"]), default=None)
    results.training_curves(epochs, best, "train", state.id)
    end = "" if state.eta_seconds is None else f" · ends about {results.clock(state.eta_seconds)}"
    st.caption(
        f"Epoch {last['epoch']} of at most {last['epochs']} · {spent:.2f} s an epoch · "
        f"best epoch so far {best or '–'}{end}"
    )


def live_curves(state: JobState) -> None:
    """Those of a training that runs."""
    if state.is_active:
        live(state)


left, right = st.columns([2, 5], gap="large")
with left:
    with guards.errors_told():
        search.choose_preset(project)
    with guards.errors_told():
        config = settings()
with right:
    originals = {p: sum(c.parts[p] for c in ready) for p in ("train", "validation", "test")}
    made = sum(c.augmented + c.generated for c in ready)
    cells = st.columns(4)
    cells[0].metric(
        "Training wafers",
        f"{originals['train'] + made:,}",
        help=f"{originals['train']:,} originals and {made:,} made of them.",
    )
    cells[1].metric(
        "Validation",
        f"{originals['validation']:,}",
        help="Originals that tell when to stop; never trained on.",
    )
    cells[2].metric(
        "Test",
        f"{originals['test']:,}",
        help="Originals that judge the result; seen once, at last.",
    )
    cells[3].metric("Classes", len(ready))
    empty = [c.name for c in summary.classes if not c.parts["train"]]
    if empty:
        st.warning(f"Without wafers, and so left out: {', '.join(empty)}.")
    untested = [c.name for c in ready if not c.parts["test"]]
    if untested:
        st.warning(
            f"Too few wafers to test: {', '.join(untested)}. Their figures will be missing; "
            "five wafers a class are the least.",
            icon=":material/info:",
        )
    several = overlay.mention([c.name for c in ready]) if config["joint"] else ""
    if several:
        st.caption(
            f"Wafers of other classes are laid on each other for {guards.plain(several)} to "
            "learn from, as the name says. “Lay wafers on each other” under More switches that off."
        )
    train_tab, search_tab = st.tabs(["Train", "Search"], key="train_tab", on_change="rerun")
    with train_tab:
        name = st.text_input(
            "Name of the run (optional)",
            key="train_name",
            placeholder="made from the network's name",
            help="To find it again in the list below.",
        )
        if st.button("Train", type="primary", key="train_start", icon=":material/play_arrow:"):
            with guards.errors_told():
                jobs_panel.launch(
                    submit.create_job(
                        project.path,
                        "train",
                        {"config": config, **({"name": name} if name else {})},
                    )
                )
        jobs_panel.project_jobs(project, ("train",), live_curves, "train")
    if search_tab.open:
        with search_tab:
            search.panel(project, config["turns"])

# -- runs ----------------------------------------------------------------------------------------

runs = models.list_models(project)
st.subheader(f"Runs ({len(runs)})")
if not runs:
    st.caption("No model yet. Press Train: the defaults are fine.")
    st.stop()
current = models.current_model(project)
shown = results.runs_table(runs, current)
if shown.damage:
    st.error(shown.damage)
else:
    with guards.errors_told():
        results.run_toolbar(project, shown, current)
        results.run_result(project, shown)
