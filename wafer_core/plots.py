"""Charts from arrays: plotly figures with real axis names, readable in light and dark.

Colours are Okabe and Ito's (2008), told apart by every kind of colour vision.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go

from wafer_core.messages import Message, message

BLUE, VERMILION, GREEN, PURPLE, GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#808A96"
COLOURS = (BLUE, VERMILION, GREEN, PURPLE, "#E69F00", "#56B4E9")
_MARGIN = {"l": 8, "r": 8, "t": 28, "b": 8}
_CLEAR = "rgba(0,0,0,0)"


def curves(
    epochs: Sequence[float],
    lines: Mapping[str, Sequence[float | None]],
    title: str,
    y_title: str,
    y_range: tuple[float, float] | None = None,
    best_epoch: float | None = None,
    height: int = 280,
) -> go.Figure:
    """Curves over epochs.

    Args:
        epochs: (E,) epoch numbers.
        lines: Name to (E,) values; ``None`` leaves a gap.
        title: Of the chart.
        y_title: Of the vertical axis.
        y_range: Its range; automatic if ``None``.
        best_epoch: Marked by a dotted line.
        height: Pixels.
    """
    figure = go.Figure()
    for (name, values), colour in zip(lines.items(), COLOURS, strict=False):
        figure.add_scatter(
            x=list(epochs), y=list(values), name=name, mode="lines", line={"color": colour}
        )
    if best_epoch is not None:
        figure.add_vline(x=best_epoch, line={"dash": "dot", "color": GREY}, annotation_text="best")
    return figure.update_layout(
        title={"text": title, "font": {"size": 14}},
        height=height,
        margin=_MARGIN,
        legend={"orientation": "h", "y": -0.3, "x": 0},
        xaxis={"title": "epoch", "rangemode": "tozero"},
        yaxis={"title": y_title, "range": y_range},
        paper_bgcolor=_CLEAR,
        plot_bgcolor=_CLEAR,
    )


def confusion(
    matrix: npt.NDArray[np.int64], class_names: Sequence[str], percent: bool = False,
    text: str | None = None, translate: Callable[[Message], str] = str,
) -> go.Figure:  # fmt: skip
    """Confusion matrix whose cells can be clicked.

    Args:
        matrix: (C, C) counts, rows truth, columns prediction.
        class_names: C names.
        percent: Show each row's percentages instead of counts.
        text: Colour of the figures on pale cells; None: as the page's other small print.
        translate: From a message to the reader's language.
    """
    counts = np.asarray(matrix, np.int64)
    C = len(class_names)
    rows = counts.sum(axis=1, keepdims=True)
    share = np.divide(counts, rows, out=np.zeros((C, C)), where=rows > 0)
    labels = [str(name) for name in class_names]
    figure = go.Figure(
        go.Heatmap(
            z=share, x=list(range(C)), y=list(range(C)), zmin=0, zmax=1, showscale=False,
            xgap=1, ygap=1, hoverinfo="skip",
            colorscale=[[0, "rgba(0,114,178,0.05)"], [1, "rgba(0,114,178,0.95)"]],
        )
    )  # fmt: skip
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
            x=x[cells], y=y[cells], mode="text", hoverinfo="skip",
            text=[value for value, chosen in zip(values, cells, strict=True) if chosen],
            textfont={} if colour is None else {"color": colour},
        )  # fmt: skip
    # Heat map cells cannot be selected; invisible squares on them can.
    figure.add_scatter(
        x=x, y=y, mode="markers", hovertext=hover, hoverinfo="text",
        marker={"size": 34, "symbol": "square", "color": VERMILION, "opacity": 0},
        selected={"marker": {"opacity": 0.25}}, unselected={"marker": {"opacity": 0}},
    )  # fmt: skip
    ticks = {
        "tickvals": list(range(C)), "ticktext": labels, "fixedrange": True, "showgrid": False,
        "zeroline": False,
    }  # fmt: skip
    return figure.update_layout(
        height=max(300, 46 * C + 120),
        margin=_MARGIN,
        showlegend=False,
        xaxis={**ticks, "title": translate(message("predicted")), "side": "top",
               "range": [-0.5, C - 0.5]},
        yaxis={**ticks, "title": translate(message("true")), "range": [C - 0.5, -0.5]},
        paper_bgcolor=_CLEAR,
        plot_bgcolor=_CLEAR,
    )  # fmt: skip


def layers(
    names: Sequence[str],
    values: Sequence[float | None],
    hover: Sequence[str],
    grey: Sequence[bool],
    title: str,
    y_title: str,
    y_max: float,
    percent: bool = False,
) -> go.Figure:
    """One bar a layer of a network, from the picture to the answer.

    Args:
        names: L layers, all different.
        values: (L,); ``None`` has no bar.
        hover: What to say of each.
        grey: Those to draw without colour.
        title: Of the chart.
        y_title: Of the vertical axis.
        y_max: Its upper end, so that two charts can be compared.
        percent: The values are shares.
    """
    figure = go.Figure(
        go.Bar(
            x=list(range(len(names))), y=list(values), customdata=list(hover),
            marker={"color": [GREY if plain else BLUE for plain in grey]},
            hovertemplate="%{customdata}<br>%{y:" + (".1%" if percent else ".3f")
            + "}<extra></extra>",
        )
    )  # fmt: skip
    step = max(1, -(-len(names) // 24))  # more names than that cannot be read
    return figure.update_layout(
        title={"text": title, "font": {"size": 14}},
        height=340,
        margin=_MARGIN,
        bargap=0.2,
        xaxis={
            "title": "layer, from picture to answer", "tickvals": list(range(0, len(names), step)),
            "ticktext": list(names[::step]), "tickangle": -60, "tickfont": {"size": 10},
        },
        yaxis={
            "title": y_title, "range": [0, y_max], "fixedrange": True,
            "tickformat": ".0%" if percent else "",
        },
        paper_bgcolor=_CLEAR,
        plot_bgcolor=_CLEAR,
    )  # fmt: skip


def distances(clouds: Mapping[str, Sequence[tuple[float, float]]], height: int = 400) -> go.Figure:
    """Distance along a surface over distance straight through space; flat lies on the diagonal.

    Args:
        clouds: Name to (P, 2) pairs: Euclidean and geodesic, in units of the mean Euclidean.
        height: Pixels.
    """
    ends = [0.0, max((pair[0] for pairs in clouds.values() for pair in pairs), default=1.0)]
    figure = go.Figure()
    figure.add_scatter(
        x=ends, y=ends, mode="lines", name="flat", hoverinfo="skip",
        line={"dash": "dot", "color": GREY},
    )  # fmt: skip
    for (name, pairs), colour in zip(clouds.items(), COLOURS, strict=False):
        figure.add_scatter(
            x=[pair[0] for pair in pairs], y=[pair[1] for pair in pairs], name=name,
            mode="markers", marker={"color": colour, "size": 5, "opacity": 0.6},
            hovertemplate="straight %{x:.2f}, along %{y:.2f}<extra></extra>",
        )  # fmt: skip
    return figure.update_layout(
        height=height,
        margin=_MARGIN,
        legend={"orientation": "h", "y": -0.25, "x": 0},
        xaxis={"title": "straight-line distance (1 = its mean)", "rangemode": "tozero"},
        yaxis={"title": "distance from wafer to wafer", "rangemode": "tozero"},
        paper_bgcolor=_CLEAR,
        plot_bgcolor=_CLEAR,
    )


def probability_bars(
    class_names: Sequence[str], probabilities: Sequence[float], height: int | None = None
) -> go.Figure:
    """One bar a class, in class order, the highest in colour.

    Args:
        class_names: C names.
        probabilities: C values, 0 to 1.
        height: Pixels; by the number of classes if ``None``.
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
    return figure.update_layout(
        height=height or 34 * len(values) + 60,
        margin={**_MARGIN, "r": 48, "t": 4},
        bargap=0.3,
        xaxis={"title": "probability", "range": [0, 1.02], "tickformat": ".0%", "fixedrange": True},
        yaxis={"autorange": "reversed", "fixedrange": True, "tickfont": {"size": 13}},
        paper_bgcolor=_CLEAR,
        plot_bgcolor=_CLEAR,
    )


def reliability(
    confidence: Sequence[float],
    accuracy: Sequence[float],
    ends: Sequence[tuple[float, float]],
    counts: Sequence[int],
    height: int = 360,
) -> go.Figure:
    """Reliability diagram: honest probabilities lie on the diagonal.

    Args:
        confidence: Mean stated probability of each bin, 0 to 1.
        accuracy: Share of it that is right.
        ends: 95 % interval of that share.
        counts: Answers in it; the size of its point.
        height: Pixels.
    """
    figure = go.Figure()
    figure.add_scatter(
        x=[0, 1], y=[0, 1], mode="lines", hoverinfo="skip", line={"dash": "dot", "color": GREY},
        name="honest",
    )  # fmt: skip
    most = max(counts, default=1)
    figure.add_scatter(
        x=list(confidence), y=list(accuracy), mode="markers+text", name="this model",
        cliponaxis=False,
        text=[f"{count:,}" for count in counts], textposition="middle right",
        textfont={"size": 11, "color": GREY},
        marker={"color": BLUE, "size": [8 + 18 * (c / most) ** 0.5 for c in counts]},
        error_y={
            "array": [high - a for a, (_, high) in zip(accuracy, ends, strict=True)],
            "arrayminus": [a - low for a, (low, _) in zip(accuracy, ends, strict=True)],
            "color": "rgba(0,114,178,0.35)", "thickness": 1.5, "width": 0,
        },
        customdata=list(counts),
        hovertemplate="%{customdata} wafers: says %{x:.0%}, right %{y:.0%}<extra></extra>",
    )  # fmt: skip
    axis = {"range": [-0.02, 1.06], "tickformat": ".0%", "dtick": 0.25, "fixedrange": True}
    return figure.update_layout(
        height=height,
        margin=_MARGIN,
        showlegend=False,
        xaxis={**axis, "title": "probability it states"},
        yaxis={**axis, "title": "share that is right"},
        paper_bgcolor=_CLEAR,
        plot_bgcolor=_CLEAR,
    )


def threshold_curves(
    thresholds: Sequence[float],
    lines: Mapping[str, Sequence[float | None]],
    chosen: float,
    height: int = 320,
) -> go.Figure:
    """Shares over the threshold, with the chosen one marked.

    Args:
        thresholds: (T,), 0 to 1.
        lines: Name to (T,) shares, 0 to 1; ``None`` leaves a gap.
        chosen: The threshold that is looked at.
        height: Pixels.
    """
    figure = go.Figure()
    for (name, values), colour in zip(lines.items(), (GREEN, BLUE, VERMILION), strict=False):
        figure.add_scatter(
            x=list(thresholds), y=list(values), name=name, mode="lines", line={"color": colour},
            hovertemplate="%{y:.1%}",
        )  # fmt: skip
    figure.add_vline(x=chosen, line={"dash": "dot", "color": GREY})
    return figure.update_layout(
        height=height,
        margin=_MARGIN,
        hovermode="x unified",
        legend={"orientation": "h", "y": -0.3, "x": 0},
        xaxis={"title": "threshold", "range": [0, 1], "fixedrange": True, "hoverformat": ".2f"},
        yaxis={"range": [-0.02, 1.03], "tickformat": ".0%", "fixedrange": True},
        paper_bgcolor=_CLEAR,
        plot_bgcolor=_CLEAR,
    )


def trials(
    numbers: Sequence[int],
    scores: Sequence[float],
    hover: Sequence[str],
    default: float,
    height: int = 280,
) -> go.Figure:
    """Score of each trial of a search, and the best by then.

    Args:
        numbers: (T,) of the trials, rising.
        scores: (T,) macro-F1.
        hover: What to say of each.
        default: Score of the default; a dotted line.
        height: Pixels.
    """
    best = np.maximum.accumulate(np.asarray(scores, np.float64)) if scores else np.zeros(0)
    low, high = min([default, *scores]), max([default, *scores])
    edge = max(0.02, 0.1 * (high - low))  # a few equal scores would else hang in an empty chart
    figure = go.Figure()
    figure.add_scatter(
        x=list(numbers), y=list(best), name="best so far", mode="lines",
        line={"color": VERMILION, "shape": "hv"}, hovertemplate="%{y:.3f}",
    )  # fmt: skip
    figure.add_scatter(
        x=list(numbers), y=list(scores), name="trial", mode="markers", customdata=list(hover),
        marker={"color": BLUE, "size": 9}, hovertemplate="%{customdata}<br>%{y:.3f}<extra></extra>",
        cliponaxis=False,
    )  # fmt: skip
    figure.add_hline(
        y=default, line={"dash": "dot", "color": GREY}, annotation_text="default",
        annotation_position="bottom right",
    )  # fmt: skip
    return figure.update_layout(
        title={"text": "Trials on validation wafers", "font": {"size": 14}},
        height=height,
        margin=_MARGIN,
        legend={"orientation": "h", "y": -0.3, "x": 0},
        xaxis={"title": "trial", "rangemode": "tozero", "dtick": max(1, len(numbers) // 12)},
        yaxis={"title": "macro-F1 (higher is better)", "range": (low - edge, high + edge)},
        paper_bgcolor=_CLEAR,
        plot_bgcolor=_CLEAR,
    )
