"""Charts from arrays: plotly figures with labelled axes, readable on light and dark pages.

Colours are from Okabe and Ito (2008) and distinguishable with every kind of colour vision. A chart
gets its texts in the reader's language from ``translate``, such as ``pages.shared.words.t_raw``;
names of classes and titles are passed in as they are to be shown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go

from wafer_core.messages import Message, message

BLUE, VERMILION, GREEN, PURPLE, GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#808A96"
COLOURS = (BLUE, VERMILION, GREEN, PURPLE, "#E69F00", "#56B4E9")
_MARGIN = {"l": 8, "r": 8, "t": 28, "b": 8}
_CLEAR = "rgba(0,0,0,0)"
_DOTTED = {"dash": "dot", "color": GREY}
_CROWDED = 24  # characters of all class names that fit above a confusion matrix side by side

Translate = Callable[[Message], str]


def _layout(figure: go.Figure, title: str | None = None, **more: Any) -> go.Figure:
    """Set the layout that all charts share."""
    heading = {} if title is None else {"title": {"text": title, "font": {"size": 14}}}
    common = {"margin": _MARGIN, "paper_bgcolor": _CLEAR, "plot_bgcolor": _CLEAR}
    return figure.update_layout(**{**common, **heading, **more})


def _legend(y: float = -0.3) -> dict[str, Any]:
    """A legend in one line below the chart."""
    return {"orientation": "h", "y": y, "x": 0}


def curves(
    epochs: Sequence[float],
    lines: Mapping[str, Sequence[float | None]],
    title: str,
    y_title: str,
    y_range: tuple[float, float] | None = None,
    best_epoch: float | None = None,
    height: int = 280,
    translate: Translate = str,
) -> go.Figure:
    """Curves over epochs.

    Args:
        epochs: (E,) epoch numbers.
        lines: (E,) values by name; ``None`` leaves a gap.
        title: Of the chart.
        y_title: Of the vertical axis.
        y_range: Of the vertical axis; ``None``: automatic.
        best_epoch: Marked by a dotted line.
        height: Pixels.
        translate: From a message to the reader's language.
    """
    figure = go.Figure()
    for (name, values), colour in zip(lines.items(), COLOURS, strict=False):
        figure.add_scatter(
            x=list(epochs), y=list(values), name=name, mode="lines", line={"color": colour}
        )
    if best_epoch is not None:
        best = translate(message("best"))
        figure.add_vline(x=best_epoch, line=_DOTTED, annotation_text=best)
    return _layout(
        figure,
        title,
        height=height,
        legend=_legend(),
        xaxis={"title": translate(message("epoch")), "rangemode": "tozero"},
        yaxis={"title": y_title, "range": y_range},
    )


def confusion(
    matrix: npt.NDArray[np.int64],
    class_names: Sequence[str],
    percent: bool = False,
    text: str | None = None,
    translate: Translate = str,
) -> go.Figure:
    """Confusion matrix with selectable cells.

    Args:
        matrix: (C, C) counts: rows are true classes, columns predictions.
        class_names: C names.
        percent: Show percentages of each row instead of counts.
        text: Colour of the numbers on pale cells; ``None``: the default of the page.
        translate: From a message to the reader's language.
    """
    counts = np.asarray(matrix, np.int64)
    C = len(class_names)
    rows = counts.sum(axis=1, keepdims=True)
    share = np.divide(counts, rows, out=np.zeros((C, C)), where=rows > 0)
    labels = [str(name) for name in class_names]
    figure = go.Figure(
        go.Heatmap(
            z=share,
            x=list(range(C)),
            y=list(range(C)),
            zmin=0,
            zmax=1,
            showscale=False,
            xgap=1,
            ygap=1,
            hoverinfo="skip",
            colorscale=[[0, "rgba(0,114,178,0.05)"], [1, "rgba(0,114,178,0.95)"]],
        )
    )
    y, x = (axis.ravel() for axis in np.mgrid[:C, :C])
    values = [
        (f"{share[r, c]:.0%}" if percent else f"{counts[r, c]:,}") if counts[r, c] else ""
        for r, c in zip(y, x, strict=True)
    ]
    hover = [
        translate(
            message(
                "{count:,} of {total:,} “{truth}” predicted as “{predicted}”",
                count=int(counts[r, c]),
                total=int(rows[r, 0]),
                truth=labels[r],
                predicted=labels[c],
            )
        )
        for r, c in zip(y, x, strict=True)
    ]
    dark = share.ravel() > 0.55
    for cells, colour in ((~dark, text), (dark, "#FFFFFF")):
        figure.add_scatter(
            x=x[cells],
            y=y[cells],
            mode="text",
            hoverinfo="skip",
            text=[value for value, chosen in zip(values, cells, strict=True) if chosen],
            textfont={} if colour is None else {"color": colour},
        )
    # Cells of a heat map cannot be selected; invisible markers on them can.
    figure.add_scatter(
        x=x,
        y=y,
        mode="markers",
        hovertext=hover,
        hoverinfo="text",
        marker={"size": 34, "symbol": "square", "color": VERMILION, "opacity": 0},
        selected={"marker": {"opacity": 0.25}},
        unselected={"marker": {"opacity": 0}},
    )
    ticks = {
        "tickvals": list(range(C)),
        "ticktext": labels,
        "fixedrange": True,
        "showgrid": False,
        "zeroline": False,
    }
    columns: dict[str, Any] = {
        "title": translate(message("predicted")),
        "side": "top",
        "range": [-0.5, C - 0.5],
    }
    if sum(map(len, labels)) > _CROWDED:
        columns["tickangle"] = -45  # the angle that plotly would choose lets names collide
    return _layout(
        figure,
        height=max(300, 46 * C + 120),
        showlegend=False,
        xaxis={**ticks, **columns},
        yaxis={**ticks, "title": translate(message("true")), "range": [C - 0.5, -0.5]},
    )


def layers(
    names: Sequence[str],
    values: Sequence[float | None],
    hover: Sequence[str],
    grey: Sequence[bool],
    title: str,
    y_title: str,
    y_max: float,
    percent: bool = False,
    translate: Translate = str,
) -> go.Figure:
    """One bar per layer of a network, from input to output.

    Args:
        names: L distinct layer names.
        values: (L,); ``None`` has no bar.
        hover: L hover texts.
        grey: Which bars are grey instead of coloured.
        title: Of the chart.
        y_title: Of the vertical axis.
        y_max: Upper end of the vertical axis, so that two charts can be compared.
        percent: Whether the values are shares.
        translate: From a message to the reader's language.
    """
    number = ".1%" if percent else ".3f"
    figure = go.Figure(
        go.Bar(
            x=list(range(len(names))),
            y=list(values),
            customdata=list(hover),
            marker={"color": [GREY if is_grey else BLUE for is_grey in grey]},
            hovertemplate="%{customdata}<br>%{y:" + number + "}<extra></extra>",
        )
    )
    step = max(1, -(-len(names) // 24))  # more tick labels than that are not readable
    return _layout(
        figure,
        title,
        height=340,
        bargap=0.2,
        xaxis={
            "title": translate(message("layer, from input to output")),
            "tickvals": list(range(0, len(names), step)),
            "ticktext": list(names[::step]),
            "tickangle": -60,
            "tickfont": {"size": 10},
        },
        yaxis={
            "title": y_title,
            "range": [0, y_max],
            "fixedrange": True,
            "tickformat": ".0%" if percent else "",
        },
    )


def distances(
    clouds: Mapping[str, Sequence[tuple[float, float]]],
    height: int = 400,
    translate: Translate = str,
) -> go.Figure:
    """Geodesic over Euclidean distance of pairs of points; a flat manifold is on the diagonal.

    Args:
        clouds: (P, 2) Euclidean and geodesic distances by name, in units of the mean Euclidean.
        height: Pixels.
        translate: From a message to the reader's language.
    """
    ends = [0.0, max((pair[0] for pairs in clouds.values() for pair in pairs), default=1.0)]
    euclidean = translate(message("Euclidean distance (mean = 1)"))
    geodesic = translate(message("geodesic distance"))
    figure = go.Figure()
    flat = translate(message("flat"))
    figure.add_scatter(x=ends, y=ends, mode="lines", name=flat, hoverinfo="skip", line=_DOTTED)
    for (name, pairs), colour in zip(clouds.items(), COLOURS, strict=False):
        figure.add_scatter(
            x=[pair[0] for pair in pairs],
            y=[pair[1] for pair in pairs],
            name=name,
            mode="markers",
            marker={"color": colour, "size": 5, "opacity": 0.6},
            hovertemplate=f"{euclidean}: %{{x:.2f}}<br>{geodesic}: %{{y:.2f}}<extra></extra>",
        )
    return _layout(
        figure,
        height=height,
        legend=_legend(-0.25),
        xaxis={"title": euclidean, "rangemode": "tozero"},
        yaxis={"title": geodesic, "rangemode": "tozero"},
    )


def probability_bars(
    class_names: Sequence[str],
    probabilities: Sequence[float],
    height: int | None = None,
    translate: Translate = str,
) -> go.Figure:
    """One bar per class, in class order; the highest one is coloured.

    Args:
        class_names: C names.
        probabilities: C values, 0 to 1.
        height: Pixels; ``None``: from the number of classes.
        translate: From a message to the reader's language.
    """
    values = [float(p) for p in probabilities]
    top = int(np.argmax(values)) if values else -1
    figure = go.Figure(
        go.Bar(
            y=[str(name) for name in class_names],
            x=values,
            orientation="h",
            marker={"color": [BLUE if i == top else "#9FB3C4" for i in range(len(values))]},
            text=[f"{p:.1%}" for p in values],
            textposition="outside",
            cliponaxis=False,
            hovertemplate="%{y}: %{x:.4f}<extra></extra>",
        )
    )
    title = translate(message("probability"))
    return _layout(
        figure,
        height=height or 34 * len(values) + 60,
        margin={**_MARGIN, "r": 48, "t": 4},
        bargap=0.3,
        xaxis={"title": title, "range": [0, 1.02], "tickformat": ".0%", "fixedrange": True},
        yaxis={"autorange": "reversed", "fixedrange": True, "tickfont": {"size": 13}},
    )


def reliability(
    confidence: Sequence[float],
    accuracy: Sequence[float],
    ends: Sequence[tuple[float, float]],
    counts: Sequence[int],
    height: int = 360,
    translate: Translate = str,
) -> go.Figure:
    """Reliability diagram: points of a well calibrated model are on the diagonal.

    Args:
        confidence: Mean predicted probability of each bin, 0 to 1.
        accuracy: Share of correct predictions in each bin.
        ends: 95% interval of that share.
        counts: Predictions in each bin; they set the size of its point.
        height: Pixels.
        translate: From a message to the reader's language.
    """
    figure = go.Figure()
    calibrated = translate(message("well calibrated"))
    figure.add_scatter(
        x=[0, 1], y=[0, 1], mode="lines", hoverinfo="skip", line=_DOTTED, name=calibrated
    )
    most = max(counts, default=1)
    hover = [
        translate(
            message(
                "{count:,} wafers: confidence {confidence:.0%}, accuracy {accuracy:.0%}",
                count=int(count),
                confidence=float(stated),
                accuracy=float(correct),
            )
        )
        for count, stated, correct in zip(counts, confidence, accuracy, strict=True)
    ]
    figure.add_scatter(
        x=list(confidence),
        y=list(accuracy),
        mode="markers+text",
        name=translate(message("this model")),
        cliponaxis=False,
        text=[f"{count:,}" for count in counts],
        # at the right edge the number would be cut off
        textposition=["middle left" if c > 0.9 else "middle right" for c in confidence],
        textfont={"size": 11, "color": GREY},
        marker={"color": BLUE, "size": [8 + 18 * (c / most) ** 0.5 for c in counts]},
        error_y={
            "array": [high - a for a, (_, high) in zip(accuracy, ends, strict=True)],
            "arrayminus": [a - low for a, (low, _) in zip(accuracy, ends, strict=True)],
            "color": "rgba(0,114,178,0.35)",
            "thickness": 1.5,
            "width": 0,
        },
        customdata=hover,
        hovertemplate="%{customdata}<extra></extra>",
    )
    axis = {"range": [-0.02, 1.06], "tickformat": ".0%", "dtick": 0.25, "fixedrange": True}
    return _layout(
        figure,
        height=height,
        showlegend=False,
        xaxis={**axis, "title": translate(message("predicted probability"))},
        yaxis={**axis, "title": translate(message("share of correct predictions"))},
    )


def threshold_curves(
    thresholds: Sequence[float],
    lines: Mapping[str, Sequence[float | None]],
    chosen: float,
    height: int = 320,
    translate: Translate = str,
) -> go.Figure:
    """Shares over the threshold, with the chosen one marked.

    Args:
        thresholds: (T,), 0 to 1.
        lines: (T,) shares by name, 0 to 1; ``None`` leaves a gap.
        chosen: The threshold to mark.
        height: Pixels.
        translate: From a message to the reader's language.
    """
    figure = go.Figure()
    for (name, values), colour in zip(lines.items(), (GREEN, BLUE, VERMILION), strict=False):
        figure.add_scatter(
            x=list(thresholds),
            y=list(values),
            name=name,
            mode="lines",
            line={"color": colour},
            hovertemplate="%{y:.1%}",
        )
    figure.add_vline(x=chosen, line=_DOTTED)
    title = translate(message("threshold"))
    return _layout(
        figure,
        height=height,
        hovermode="x unified",
        legend=_legend(),
        xaxis={"title": title, "range": [0, 1], "fixedrange": True, "hoverformat": ".2f"},
        yaxis={"range": [-0.02, 1.03], "tickformat": ".0%", "fixedrange": True},
    )


def trials(
    numbers: Sequence[int],
    scores: Sequence[float],
    hover: Sequence[str],
    default: float,
    height: int = 280,
    translate: Translate = str,
) -> go.Figure:
    """Score of each trial of a search, and the best score so far.

    Args:
        numbers: (T,) trial numbers, increasing.
        scores: (T,) macro-F1.
        hover: T hover texts.
        default: Score of the default settings, marked by a dotted line.
        height: Pixels.
        translate: From a message to the reader's language.
    """
    best = np.maximum.accumulate(np.asarray(scores, np.float64)) if scores else np.zeros(0)
    low, high = min([default, *scores]), max([default, *scores])
    edge = max(0.02, 0.1 * (high - low))  # a few equal scores would be alone in an empty chart
    figure = go.Figure()
    figure.add_scatter(
        x=list(numbers),
        y=list(best),
        name=translate(message("best so far")),
        mode="lines",
        line={"color": VERMILION, "shape": "hv"},
        hovertemplate="%{y:.3f}",
    )
    figure.add_scatter(
        x=list(numbers),
        y=list(scores),
        name=translate(message("trial")),
        mode="markers",
        customdata=list(hover),
        marker={"color": BLUE, "size": 9},
        hovertemplate="%{customdata}<br>%{y:.3f}<extra></extra>",
        cliponaxis=False,
    )
    figure.add_hline(
        y=default,
        line=_DOTTED,
        annotation_text=translate(message("default")),
        annotation_position="bottom right",
    )
    return _layout(
        figure,
        translate(message("Trials on validation wafers")),
        height=height,
        legend=_legend(),
        xaxis={
            "title": translate(message("trial")),
            "rangemode": "tozero",
            "dtick": max(1, len(numbers) // 12),
        },
        yaxis={
            "title": translate(message("macro-F1 (higher is better)")),
            "range": (low - edge, high + edge),
        },
    )
