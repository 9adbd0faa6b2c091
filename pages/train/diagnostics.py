"""Under the hood of a run: weight change, inactive channels, curvature of the features, layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any, NamedTuple

import pandas as pd
import streamlit as st

from pages.shared import guards, loaders
from pages.shared.charts import chart
from pages.shared.words import chart_text, t, t_raw
from wafer_core import plots
from wafer_core.data import dataset, models
from wafer_core.data.models import ModelRun
from wafer_core.data.project import Project
from wafer_core.data.reports import RunReport
from wafer_core.errors import WaferError
from wafer_core.messages import N_, Message

MOVEMENT_HELP = N_(
    "**How to read it.** One bar per layer, from the picture on the left to the prediction on the "
    "right: how far training moved its weights, relative to their length before "
    "(‖w − w₀‖ / ‖w₀‖). A pretrained network with low bars, say below 0.3, uses what it learned "
    "before; near 1 a layer was learned anew. Often the first layers stay and the last ones move: "
    "edges are alike in all pictures, your classes are not. From scratch, bars of one half and "
    "more are usual, and a low bar is a layer that hardly learned. Normalisation makes single "
    "bars imprecise; compare them with each other. A last layer that started at random is grey and "
    "may reach out of the chart."
)
INACTIVE_HELP = N_(
    "**How to read it.** A channel is inactive if its output is zero for all wafers examined: it "
    "costs time and contributes nothing. A few are usual, and with few wafers some only wait for a "
    "pattern that is not among them. If a third or more of a layer is inactive, the network is "
    "larger than the data need, or the learning rate was so high that channels were switched off "
    "for good; lower it and compare. Channels that are inactive in both runs are no loss."
)
CURVATURE_HELP = N_(
    "**How to read it.** Each wafer is a point in the feature space of the last layer. Two points "
    "are a straight line apart, or further if the path leads from wafer to similar wafer. Where "
    "both distances agree (dotted line) the wafers lie on a flat surface, and the last layer can "
    "separate them with straight cuts; the longer the path, the more the surface is curved or "
    "falls into groups. Few points make any path longer, so compare the ratio with that of a flat "
    "cloud of as many points (in brackets) and with the other run. A high ratio is not a fault: "
    "well separated classes lengthen the path too. It is one if the classes are also confused."
)
_INITIAL = {
    "wafers": N_("weights pretrained on wafer maps"),
    "imagenet": N_("ImageNet weights"),
    "": N_("random weights"),
}
FIGURES = {
    "moved": (
        N_("Median weight change"),
        N_("Of all layers except a last one that started at random. 0: nothing changed."),
    ),
    "inactive": (
        N_("Inactive channels"),
        N_("Of the channels of all activations, on the wafers examined. Lower is better."),
    ),
    "curvature": (
        N_("Geodesic / Euclidean"),
        N_(
            "Mean over all pairs of wafers, 1 or more; in brackets that of a flat cloud of as many "
            "points. Lower is flatter."
        ),
    ),
}
_NOTHING = ""  # in the box: no other run


class Shown(NamedTuple):
    """A run that is drawn.

    Attributes:
        place: ``own`` or ``other``, for keys.
        name: Display name.
        values: Its diagnostics, see ``tasks.classification.diagnostics``.
    """

    place: str
    name: str
    values: Mapping[str, Any]


def panel(project: Project, run: ModelRun) -> None:
    """The diagnostics of one run, beside those of another one on the same wafers.

    Raises:
        ModelError: The run is gone.
    """
    values = _diagnostics(project, run, loaders.stored_evaluation(project, run.run).report)
    if values is None:
        return
    shown = [Shown("own", run.name, values)]
    other = _choose_other(project, run, values)
    if other is not None:
        shown.append(other)
    _figures(shown)
    st.markdown(t("##### How far the weights moved"))
    _bars(run, shown, "moved", t_raw("relative weight change"), _movement_bars)
    st.caption(t(MOVEMENT_HELP))
    st.markdown(t("##### Inactive channels"))
    _bars(run, shown, "inactive", t_raw("share of inactive channels"), _inactive_bars)
    st.caption(t(INACTIVE_HELP))
    st.markdown(t("##### Curvature of the feature space"))
    _curvature(run, shown)
    st.caption(t(CURVATURE_HELP))
    with st.expander(
        t("Layers, shapes and parameters"), key="train_layers", on_change="rerun"
    ) as box:
        if box.open:
            _layers(run)


def _diagnostics(project: Project, run: ModelRun, report: RunReport) -> Mapping[str, Any] | None:
    """The stored diagnostics, or those computed here on request; ``None`` before that."""
    if report.diagnostics:
        return report.diagnostics
    held: dict[tuple[str, str], Mapping[str, Any]] = st.session_state.setdefault(
        "train_diagnostics", {}
    )
    key = (str(project.path), run.run)
    if key not in held:
        st.info(t("An earlier version trained this run and stored no diagnostics."))
        if not st.button(
            t("Compute now"), key=f"train_examine_{run.run}", icon=":material/search:"
        ):
            return None
        with guards.show_errors(), st.spinner(t("Examining the layers …")):
            held[key] = _examine(project, run, report)
    return held.get(key)


def _examine(project: Project, run: ModelRun, report: RunReport) -> Mapping[str, Any]:
    from wafer_core.networks import initial_weights
    from wafer_core.tasks.classification import diagnostics

    trained_on = models.trained_on(project, run.run)
    pictures, _ = dataset.load_split(project, dataset.trainable(trained_on)[0], "validation")
    classifier = loaders.classifier(models.model_folder(project, run.run))
    initial = initial_weights.initialize(
        run.network,
        len(run.class_names),
        initial_weights.transfer_of(run.network, report.config),
        int(report.config.get("seed", 0)),
    )
    value = diagnostics.examine(
        classifier.network, initial, classifier.preparation, pictures, classifier.device
    )
    return {**value, "data": trained_on.fingerprint}


def _choose_other(project: Project, run: ModelRun, values: Mapping[str, Any]) -> Shown | None:
    """Another run on the same data; at first one from scratch, the best comparison."""
    others: dict[str, Shown] = {}
    for each in loaders.model_runs(project):
        if each.run != run.run and each.damage is None:
            try:
                other = loaders.stored_evaluation(project, each.run).report.diagnostics
            except WaferError:  # deleted in another tab
                continue
            if other and other.get("data") == values.get("data"):
                others[each.run] = Shown("other", each.name, other)
    if not others:
        st.caption(
            t(
                "To see what the pretrained weights were worth, train the same network once more "
                "on the same wafers with “Start from” set to scratch. Both runs are then shown "
                "side by side here."
            )
        )
        return None
    scratch = [key for key, other in others.items() if not other.values.get("weights")]
    choices = [_NOTHING, *others]
    chosen = st.selectbox(
        t("Compare with"),
        choices,
        index=choices.index(scratch[0]) if scratch else 0,
        format_func=lambda key: _title(others[key]) if key else t_raw("nothing"),
        key=f"train_diagnostics_other_{run.run}",
        help=t("Runs on the same wafers with the same split."),
    )
    return others.get(chosen)


def _initial(values: Mapping[str, Any]) -> Message:
    return Message(_INITIAL.get(values.get("weights") or "", _INITIAL[""]))


def _title(shown: Shown) -> str:
    return t_raw("{name} (from {weights})", name=shown.name, weights=_initial(shown.values))


def _figures(shown: Sequence[Shown]) -> None:
    figures = [_figures_of(each.values) for each in shown]
    for cell, (key, (title, text)) in zip(st.columns(len(FIGURES)), FIGURES.items(), strict=True):
        other = t("{figure} in the other run", figure=figures[1][key]) if len(shown) > 1 else None
        cell.metric(t(title), figures[0][key], other, "off", help=t(text), delta_arrow="off")
    values = shown[0].values
    st.caption(
        t(
            "Computed on {count:,} validation wafers; started from {weights}.",
            count=values["pictures"],
            weights=_initial(values),
        )
    )


def _figures_of(values: Mapping[str, Any]) -> dict[str, str]:
    moved = [r["moved"] for r in values["movement"] if r["moved"] is not None and not r["fresh"]]
    inactive, channels = (sum(r[key] for r in values["dead"]) for key in ("dead", "channels"))
    curvature = values.get("manifold")
    return {
        "moved": f"{median(moved):.3g}" if moved else "–",
        "inactive": f"{inactive / channels:.1%}" if channels else "–",
        "curvature": f"{curvature['ratio']:.2f} ({curvature['flat_ratio']:.2f})"
        if curvature
        else "–",
    }


Bars = tuple[list[str], list[float | None], list[str], list[bool]]


def _movement_bars(values: Mapping[str, Any]) -> Bars:
    """Names, heights, hover texts, and whether a bar is grey."""
    rows = values["movement"]
    return (
        [r["layer"] for r in rows],
        [r["moved"] for r in rows],
        [t_raw("{layer}: {count:,} weights", layer=r["layer"], count=r["weights"]) for r in rows],
        [r["fresh"] for r in rows],
    )


def _inactive_bars(values: Mapping[str, Any]) -> Bars:
    """The same for inactive channels."""
    rows = values["dead"]
    return (
        [r["layer"] for r in rows],
        [r["dead"] / r["channels"] for r in rows],
        [
            t_raw(
                "{layer}: {count:,} of {channels:,} channels",
                layer=r["layer"],
                count=r["dead"],
                channels=r["channels"],
            )
            for r in rows
        ],
        [False] * len(rows),
    )


def _bars(
    run: ModelRun,
    shown: Sequence[Shown],
    key: str,
    y_title: str,
    bars: Callable[[Mapping[str, Any]], Bars],
) -> None:
    """A bar chart of each run, with one scale for both."""
    drawn = [bars(each.values) for each in shown]
    heights = [
        value
        for _, values, _, grey in drawn
        for value, is_fresh in zip(values, grey, strict=True)
        # a last layer that started small moves by many times its length and may leave the chart
        if value is not None and not is_fresh
    ]
    if not heights:
        st.info(t("There were no validation wafers to examine."))
        return
    for column, each, (names, values, hover, grey) in zip(
        st.columns(len(shown), gap="medium"), shown, drawn, strict=True
    ):
        figure = plots.layers(
            names, values, hover, grey, chart_text(each.name), y_title,
            max(0.05, 1.05 * max(heights)), percent=key == "inactive", translate=t_raw,
        )  # fmt: skip
        with column:
            chart(figure, f"train_{key}_{run.run}_{each.place}")


def _curvature(run: ModelRun, shown: Sequence[Shown]) -> None:
    clouds = {
        chart_text(
            each.name if each.place == "own" else t_raw("{name} (other run)", name=each.name)
        ): each.values["manifold"]["pairs"]
        for each in shown
        if each.values.get("manifold")
    }
    if not clouds:
        st.info(t("This takes twelve different validation wafers; add wafers and train again."))
        return
    chart(plots.distances(clouds, translate=t_raw), f"train_curvature_{run.run}")


def _layers(run: ModelRun) -> None:
    from wafer_core.networks import registry
    from wafer_core.tasks.classification import diagnostics

    size = registry.NETWORKS[run.network].size
    rows = diagnostics.summary(registry.build(run.network, len(run.class_names)), size)
    st.dataframe(
        pd.DataFrame(
            {
                "layer": [r.layer for r in rows],
                "kind": [r.kind for r in rows],
                "output shape": [" × ".join(map(str, r.shape)) for r in rows],
                "parameters": [r.parameters for r in rows],
            }
        ),
        key=f"train_layers_{run.run}",
        hide_index=True,
        height="content" if len(rows) <= 12 else 420,
        column_config={
            "layer": st.column_config.TextColumn(t_raw("layer")),
            "kind": st.column_config.TextColumn(t_raw("kind")),
            "output shape": st.column_config.TextColumn(t_raw("output shape")),
            "parameters": st.column_config.NumberColumn(t_raw("parameters")),
        },
    )
    st.caption(
        t(
            "{count:,} parameters in {layers} layers, for a picture of {size} × {size} cells in 3 "
            "channels. Functions without weights are not listed.",
            count=sum(r.parameters for r in rows),
            layers=len(rows),
            size=size,
        )
    )
