"""The settings of a training, what it is based on, and the button that starts it."""

from __future__ import annotations

from typing import Any

import streamlit as st

from pages.shared import forms, guards, jobs_panel, layout
from pages.shared.networks import network_title
from pages.shared.words import t, t_raw
from pages.train import presets
from wafer_core.data.project import Project
from wafer_core.data.summary import Summary
from wafer_core.messages import listed
from wafer_core.networks import imagenet, registry
from wafer_core.tasks.classification.config import TrainConfig
from wafer_core.workflows import submit

_WANTED = "train_start_wanted"  # session state: another part of the page asked for a training


def can_train(project: Project, summary: Summary) -> bool:
    """Whether there are two classes to train with; otherwise the page says what to do."""
    ready = [c for c in summary.classes if c.splits["train"]]
    if len(ready) >= 2:
        return True
    st.info(
        t(
            "Training needs at least two classes with wafers; this project has {count}.",
            count=len(ready),
        )
    )
    layout.link("classes", project, t("Go to Classes"))
    return False


def request_start() -> None:
    """Start a training with the current settings in this run of the page, as ``on_click``."""
    st.session_state[_WANTED] = True


def show(project: Project, summary: Summary) -> dict[str, Any]:
    """Draw the button and the form; start a training if it was pressed.

    Returns:
        The chosen settings of ``TrainConfig``.
    """
    start = st.container()
    with guards.show_errors():
        presets.choose(project)
    name = st.text_input(
        t("Name of the run (optional)"),
        key="train_name",
        placeholder=t_raw("from the network"),
        help=t("To find it again in the list of runs."),
    )
    names = [c.name for c in summary.classes if c.combines]
    config = forms.settings(
        TrainConfig,
        "train",
        replace={"policy": presets.policy_parameter()},
        titles={"network": network_title},
        below={"network": _about_network},
    )
    with start:
        pressed = st.button(
            t("Train"),
            type="primary",
            key="train_start",
            icon=":material/play_arrow:",
            width="stretch",
        )
        _data(summary)
        if names and config["joint"]:
            st.caption(
                t("Also trained on overlays of other classes: {names}.", names=listed(names)),
                help=t("“Overlay wafers for mixed classes” under More settings switches it off."),
            )
    if st.session_state.pop(_WANTED, False) or pressed:
        parameters = {"config": config, **({"name": name} if name else {})}
        jobs_panel.launch(submit.create_job(project.path, "train", parameters))
    return config


def _data(summary: Summary) -> None:
    """What is trained, validated and tested with, and which classes lack wafers."""
    ready = [c for c in summary.classes if c.splits["train"]]
    counts = {split: sum(c.splits[split] for c in ready) for split in ready[0].splits}
    synthetic = sum(c.augmented + c.generated for c in ready)
    st.caption(
        t(
            "{classes} classes · {train:,} training, {validation:,} validation and {test:,} test "
            "wafers",
            classes=len(ready),
            train=counts["train"] + synthetic,
            validation=counts["validation"],
            test=counts["test"],
        ),
        help=t(
            "Training: {originals:,} originals and {synthetic:,} synthetic wafers. Validation "
            "wafers decide when to stop; test wafers are used once, for the result.",
            originals=counts["train"],
            synthetic=synthetic,
        ),
    )
    empty = [c.name for c in summary.classes if not c.splits["train"]]
    if empty:
        st.warning(t("Left out, because without training wafers: {names}.", names=listed(empty)))
    untested = [c.name for c in ready if not c.splits["test"]]
    if untested:
        st.warning(
            t(
                "No test wafers: {names}. These classes get no score. Use at least five wafers "
                "per class.",
                names=listed(untested),
            )
        )


def _about_network(network: str) -> None:
    st.caption(t(registry.NETWORKS[network].help))
    if network in imagenet.NAMES and imagenet.find(network) is None:
        st.caption(t(imagenet.missing_message(network)))
