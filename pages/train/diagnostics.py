"""Under the hood of a run: what moved, what is dead, how the features lie, layer by layer."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any, NamedTuple

import pandas as pd
import streamlit as st

from pages.shared import guards, loaders
from wafer_core import plots
from wafer_core.data import dataset, models
from wafer_core.data.models import ModelRun
from wafer_core.data.project import Project
from wafer_core.errors import WaferError

READ_MOVEMENT = (
    "**How to read it.** One bar a layer, from the picture on the left to the answer on the right: "
    "how far training carried its weights, in lengths of what they were before (‖w − w₀‖ / ‖w₀‖). "
    "A network that has seen pictures before and shows low bars, say below 0.3, uses what it "
    "knew; near 1 a layer was as good as learned anew, and its old weights were worth little. "
    "Often the first layers stay and the last ones move: edges are edges everywhere, your classes "
    "are yours. From chance, bars of a half and more are usual, and a low one is a layer that "
    "hardly learned. A norm behind a layer undoes its length, so single figures are coarse; see "
    "how the bars compare. A last layer that started fresh is drawn in "
    "grey and may reach out of the chart."
)
READ_DEAD = (
    "**How to read it.** A channel is dead when none of the wafers that were looked at makes it "
    "exceed zero: it takes time and tells nothing. A few are usual, and with few wafers some only "
    "wait for a pattern that is not among them. A third or more in a layer means that the network "
    "is larger than the data need, or that the learning rate was so high that channels were pushed "
    "beyond recall; lower it and compare. Dead channels that both runs share are no loss: nothing "
    "in these wafers excites them."
)
READ_MANIFOLD = (
    "**How to read it.** Each wafer is a point in the space that the last layer looks at. "
    "Two points are a straight line apart, or further if one has to walk from wafer to similar "
    "wafer. Where both agree (the dotted line), the surface of the wafers is flat, and the last "
    "layer can part them with straight cuts; the longer the walk, the more it is curved or falls "
    "into separate groups. With few points no walk is straight, so the ratio is not to be held "
    "against 1 but against that of a flat cloud of as many points (in brackets), and against the "
    "other run on the same wafers. A higher ratio is no fault by itself: classes that stand well "
    "apart also lengthen the walk, which then leads over few bridges. It is one if the classes are "
    "confused as well: then the last layer has to cut along a curve, which it cannot."
)
NOTHING = "nothing"
_STARTS = {"wafers": "weights that had seen wafers", "imagenet": "ImageNet weights"}


class Shown(NamedTuple):
    """A run that is drawn."""

    place: str  # "own" or "other"
    name: str
    hood: Mapping[str, Any]


def under_the_hood(project: Project, run: ModelRun) -> None:
    """All of it for one run, beside another one on the same wafers where there is one.

    Raises:
        ModelError: The run is gone.
    """
    found = _found(project, run, models.report(project, run.run))
    if found is None:
        return
    shown = [Shown("own", run.name, found)]
    other = _choose_other(project, run, found)
    if other is not None:
        shown.append(other)
    _headline(shown)
    st.markdown("##### How far the weights moved")
    _side_by_side(run, shown, "moved", "moved: ‖w − w₀‖ / ‖w₀‖", _movement_bars)
    st.caption(READ_MOVEMENT)
    st.markdown("##### Dead channels")
    _side_by_side(run, shown, "dead", "share of channels that are dead", _dead_bars)
    st.caption(READ_DEAD)
    st.markdown("##### How flat the features lie")
    _manifold(run, shown)
    st.caption(READ_MANIFOLD)
    with st.expander("Layers, shapes and parameters"):
        if st.toggle("Show the layers", key=f"hood_layers_{run.run}"):
            _summary(run)


def _found(project: Project, run: ModelRun, report: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """What the training noted, or what was computed here on demand; ``None`` before that."""
    if report.get("hood"):
        noted: Mapping[str, Any] = report["hood"]
        return noted
    held: dict[tuple[str, str], Mapping[str, Any]] = st.session_state.setdefault("hood_found", {})
    key = (str(project.path), run.run)
    if key not in held:
        st.info("This run was trained before the program looked under the hood.")
        if not st.button("Look now", key=f"hood_look_{run.run}", icon=":material/search:"):
            return None
        with guards.errors_told(), st.spinner("Looking at its layers …"):
            held[key] = _examine(project, run, report)
    return held.get(key)


def _examine(project: Project, run: ModelRun, report: Mapping[str, Any]) -> Mapping[str, Any]:
    from wafer_core.networks import initial_weights
    from wafer_core.tasks.classification import diagnostics as hood
    from wafer_core.workflows.train import trainable

    trained_on = models.trained_on(project, run.run)
    pictures, _ = dataset.load_part(project, trainable(trained_on)[0], "validation")
    classifier = loaders.classifier(models.model_folder(project, run.run))
    config = report.get("config", {})
    start = initial_weights.begin(
        run.network, len(run.class_names), initial_weights.of_config(run.network, config),
        int(config.get("seed", 0)),
    )  # fmt: skip
    value = hood.examine(
        classifier.network, start, classifier.preparation, pictures, classifier.device
    )
    return {**value, "data": trained_on.fingerprint}


def _choose_other(project: Project, run: ModelRun, found: Mapping[str, Any]) -> Shown | None:
    """Another run on the same data; at first one from chance, which is what to compare with."""
    others: dict[str, Shown] = {}
    for each in models.list_models(project):
        if each.run != run.run and each.damage is None:
            try:
                hood = models.report(project, each.run).get("hood")
            except WaferError:  # deleted in another tab
                continue
            if hood and hood.get("data") == found.get("data"):
                others[each.run] = Shown("other", each.name, hood)
    if not others:
        st.caption(
            "To see what the start was worth, train the same network once more on the same wafers "
            "with “Start from” set to scratch: both then stand side by side here."
        )
        return None
    scratch = [key for key, other in others.items() if not other.hood.get("weights")]
    choices = [NOTHING, *others]
    chosen = st.selectbox(
        "Beside it", choices, index=choices.index(scratch[0]) if scratch else 0,
        format_func=lambda key: key if key == NOTHING else _told(others[key]),
        key=f"hood_other_{run.run}",
        help="Runs on the same wafers, each in the same part.",
    )  # fmt: skip
    return others.get(chosen)


def _start_text(hood: Mapping[str, Any]) -> str:
    return _STARTS.get(hood.get("weights") or "", "chance")


def _told(shown: Shown) -> str:
    return f"{shown.name} (from {_start_text(shown.hood)})"


HEADLINES = {
    "Median movement": "Over the layers, without a fresh last one. 0: nothing moved.",
    "Dead channels": "Of all activations' channels, on the wafers that were looked at. Lower is "
    "better.",
    "Geodesic / Euclidean": "Mean over all pairs of wafers, 1 or more; in brackets that of a flat "
    "cloud of as many points. Lower is flatter.",
}


def _headline(shown: Sequence[Shown]) -> None:
    figures = [_figures(each.hood) for each in shown]
    for cell, (name, text) in zip(st.columns(len(HEADLINES)), HEADLINES.items(), strict=True):
        beside = f"{figures[1][name]} beside it" if len(shown) > 1 else None
        cell.metric(name, figures[0][name], beside, "off", help=text, delta_arrow="off")
    hood = shown[0].hood
    st.caption(
        f"Looked at on {hood['pictures']:,} validation wafers; started from {_start_text(hood)}."
    )


def _figures(hood: Mapping[str, Any]) -> dict[str, str]:
    moved = [r["moved"] for r in hood["movement"] if r["moved"] is not None and not r["fresh"]]
    dead, channels = (sum(r[key] for r in hood["dead"]) for key in ("dead", "channels"))
    flat = hood["manifold"]
    values = (
        f"{median(moved):.3g}" if moved else "–",
        f"{dead / channels:.1%}" if channels else "–",
        f"{flat['ratio']:.2f} ({flat['flat_ratio']:.2f})" if flat else "–",
    )
    return dict(zip(HEADLINES, values, strict=True))


Bars = tuple[list[str], list[float | None], list[str], list[bool]]


def _movement_bars(hood: Mapping[str, Any]) -> Bars:
    rows = hood["movement"]
    return (
        [r["layer"] for r in rows],
        [r["moved"] for r in rows],
        [f"{r['layer']}: {r['weights']:,} weights" for r in rows],
        [r["fresh"] for r in rows],
    )


def _dead_bars(hood: Mapping[str, Any]) -> Bars:
    rows = hood["dead"]
    return (
        [r["layer"] for r in rows],
        [r["dead"] / r["channels"] for r in rows],
        [f"{r['layer']}: {r['dead']:,} of {r['channels']:,} channels" for r in rows],
        [False] * len(rows),
    )


def _side_by_side(
    run: ModelRun,
    shown: Sequence[Shown],
    key: str,
    y_title: str,
    bars: Callable[[Mapping[str, Any]], Bars],
) -> None:
    drawn = [bars(each.hood) for each in shown]
    heights = [
        value
        for _, values, _, grey in drawn
        for value, is_fresh in zip(values, grey, strict=True)
        # a last layer that started small moves by many times its length and may leave the chart
        if value is not None and not is_fresh
    ]
    if not heights:
        st.info("There were no validation wafers to look at.")
        return
    for column, each, (names, values, hover, grey) in zip(
        st.columns(len(shown), gap="medium"), shown, drawn, strict=True
    ):
        column.plotly_chart(
            plots.layers(
                names, values, hover, grey, html.escape(each.name), y_title,
                max(0.05, 1.05 * max(heights)), percent=key == "dead",
            ),
            key=f"hood_{key}_{run.run}_{each.place}",
        )  # fmt: skip


def _manifold(run: ModelRun, shown: Sequence[Shown]) -> None:
    clouds = {
        html.escape(each.name) + (" (beside it)" if each.place == "other" else ""): each.hood[
            "manifold"
        ]["pairs"]
        for each in shown
        if each.hood["manifold"]
    }
    if not clouds:
        st.info("This takes twelve different validation wafers; add wafers and train again.")
        return
    st.plotly_chart(plots.distances(clouds), key=f"hood_manifold_{run.run}")


def _summary(run: ModelRun) -> None:
    from wafer_core.networks import registry
    from wafer_core.tasks.classification import diagnostics as hood

    size = registry.NETWORKS[run.network].size
    rows = hood.summary(registry.build(run.network, len(run.class_names)), size)
    st.dataframe(
        pd.DataFrame(
            {
                "layer": [r.layer for r in rows],
                "kind": [r.kind for r in rows],
                "output shape": [" × ".join(map(str, r.shape)) for r in rows],
                "parameters": [r.parameters for r in rows],
            }
        ),
        key=f"hood_summary_{run.run}",
        hide_index=True,
        height="content" if len(rows) <= 12 else 420,
    )
    st.caption(
        f"{sum(r.parameters for r in rows):,} parameters in {len(rows)} layers, for a picture of "
        f"{size} × {size} cells in 3 channels. Functions without weights of their own in the code "
        "of a layer are not listed."
    )
