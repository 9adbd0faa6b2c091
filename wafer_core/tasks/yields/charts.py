"""Charts of the yield view: plotly figures with real axes.

The colour scale is Cividis, which people with any kind of colour vision read alike (Nuñez et al.
2018). The texts come in the reader's language from ``translate``, as in ``wafer_core.plots``; names
of wafers are passed in as they are to be shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from wafer_core.messages import Message, message
from wafer_core.plots import BLUE, VERMILION, Translate
from wafer_core.tasks.yields.profiles import Profile
from wafer_core.tasks.yields.repeaters import Field
from wafer_core.tasks.yields.stacking import Floats, Stack

_CLEAR = "rgba(0,0,0,0)"
_MOST_DOTS = 2000
_COMPASS = [0, 90, 180, 270, 360]


def _layout(figure: go.Figure, height: int, **more: Any) -> go.Figure:
    return figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 30, "b": 8},
        paper_bgcolor=_CLEAR,
        plot_bgcolor=_CLEAR,
        showlegend=False,
        **more,
    )


def _title(text: str) -> dict[str, Any]:
    return {"text": text, "font": {"size": 14}}


def stack_map(stack: Stack, height: int = 440, translate: Translate = str) -> go.Figure:
    """Failing share of each die; row and column count from the upper left corner."""
    share = stack.share
    hover = np.stack([stack.failed, stack.tested], axis=-1)
    figure = go.Figure(
        _shares(
            share,
            translate,
            customdata=hover,
            hovertemplate=_hover(
                translate,
                message(
                    "column {x}, row {y}: {share} failed", x="%{x}", y="%{y}", share="%{z:.1%}"
                ),
                message(
                    "{failed} of {dies} dies",
                    failed="%{customdata[0]:,.4~r}",
                    dies="%{customdata[1]:,.4~r}",
                ),
            ),
        )
    )
    H, W = share.shape
    return _layout(
        figure,
        height,
        xaxis=_die_axis(translate(message("die column")), W) | {"constrain": "domain"},
        yaxis=_die_axis(translate(message("die row")), H)
        | {"autorange": "reversed", "scaleanchor": "x", "scaleratio": W / H, "constrain": "domain"},
    )


def _shares(share: Floats, translate: Translate, **more: Any) -> go.Heatmap:
    """A heat map of failing shares; the scale ends at the largest one."""
    known = share[~np.isnan(share)]
    return go.Heatmap(
        z=share,
        x=list(range(1, share.shape[1] + 1)),
        y=list(range(1, share.shape[0] + 1)),
        zmin=0.0,
        zmax=max(float(known.max(initial=0.0)), 0.01),
        colorscale="Cividis",
        hoverongaps=False,
        colorbar={
            "title": {"text": translate(message("failing share")), "side": "top"},
            "tickformat": ".0%" if float(known.max(initial=0.0)) > 0.05 else ".1%",
            "thickness": 12,
        },
        **more,
    )


def _hover(translate: Translate, *lines: Message) -> str:
    return "<br>".join(map(translate, lines)) + "<extra></extra>"


def _die_axis(title: str, count: int) -> dict[str, Any]:
    axis: dict[str, Any] = {"title": title, "showgrid": False, "zeroline": False}
    return axis | ({"dtick": 1} if count <= 12 else {})


def radial(profile: Profile, height: int = 215, translate: Translate = str) -> go.Figure:
    """Failing share over the radius."""
    figure = _profile(profile, translate(message("radius {low} to {high}")), ".1f", translate)
    axis = {"title": translate(message("radius (0 centre, 1 edge)")), "range": [0, 1]}
    return _layout(figure, height, xaxis=axis, title=_title(translate(message("By radius"))))


def angular(profile: Profile, height: int = 215, translate: Translate = str) -> go.Figure:
    """Failing share over the angle."""
    figure = _profile(profile, translate(message("angle {low}° to {high}°")), ".0f", translate)
    axis = {
        "title": translate(message("angle, clockwise from the top")),
        "tickvals": _COMPASS,
        "ticksuffix": "°",
        "range": [0, 360],
    }
    return _layout(figure, height, xaxis=axis, title=_title(translate(message("By angle"))))


def _profile(profile: Profile, interval: str, number: str, translate: Translate) -> go.Figure:
    low, high = profile.edges[:-1], profile.edges[1:]
    hover = [
        interval.replace("{low}", format(a, number)).replace("{high}", format(b, number))
        for a, b in zip(low, high, strict=True)
    ]
    figure = go.Figure(
        go.Bar(
            x=(low + high) / 2,
            y=profile.share,
            width=high - low,
            customdata=hover,
            marker={"color": BLUE, "line": {"color": "white", "width": 0.5}},
            hovertemplate="%{customdata}: %{y:.2%}<extra></extra>",
        )
    )
    return figure.update_yaxes(
        title=translate(message("failing share")), tickformat=".0%", rangemode="tozero"
    )


def zones(
    yields: Mapping[str, float | None], height: int = 440, translate: Translate = str
) -> go.Figure:
    """Yield of each zone.

    Args:
        yields: By the title of the zone, 0 to 1.
        height: Pixels.
        translate: From a message to the reader's language.
    """
    figure = go.Figure(
        go.Bar(
            y=list(yields),
            x=list(yields.values()),
            orientation="h",
            marker={"color": BLUE},
            text=["" if value is None else f"{value:.1%}" for value in yields.values()],
            textposition="auto",  # inside where it fits
            insidetextanchor="end",
            insidetextfont={"color": "#FFFFFF"},
            hovertemplate="%{y}: %{x:.2%}<extra></extra>",
        )
    )
    return _layout(
        figure,
        height,
        title=_title(translate(message("By zone"))),
        xaxis={
            "title": translate(message("yield")),
            "tickformat": ".0%",
            "range": [0, 1],
            "nticks": 4,
        },
        yaxis={"autorange": "reversed"},
    )


def over_number(
    numbers: Sequence[int],
    yields: Sequence[float],
    names: Sequence[str],
    height: int = 420,
    translate: Translate = str,
) -> go.Figure:
    """Yield of each wafer over its number in the lot, and the mean of each number.

    Args:
        numbers: (N,).
        yields: (N,), 0 to 1.
        names: N hover texts.
        height: Pixels.
        translate: From a message to the reader's language.
    """
    where, share = np.asarray(numbers, np.int64), np.asarray(yields, np.float64)
    distinct = np.unique(where)
    means = [float(share[where == number].mean()) for number in distinct]
    figure = _dots(where.tolist(), share.tolist(), names)
    figure.add_scatter(
        x=distinct.tolist(),
        y=means,
        mode="lines+markers",
        line={"color": VERMILION, "width": 2},
        marker={"size": 5},
        hovertemplate=_hover(
            translate, message("number {number}: mean {mean}", number="%{x}", mean="%{y:.1%}")
        ),
    )
    return _yields(
        figure,
        height,
        translate(message("Yield by wafer in the lot")),
        {"title": translate(message("number of the wafer in its lot"))},
        translate,
    )


def over_time(
    times: Sequence[str],
    yields: Sequence[float],
    names: Sequence[str],
    height: int = 420,
    translate: Translate = str,
) -> go.Figure:
    """Yield of each wafer over the time of its test, and the mean of each day.

    Args:
        times: (N,) ISO 8601.
        yields: (N,), 0 to 1.
        names: N hover texts.
        height: Pixels.
        translate: From a message to the reader's language.
    """
    figure = _dots(list(times), yields, names)
    by_day: dict[str, list[float]] = {}
    for moment, share in zip(times, yields, strict=True):
        by_day.setdefault(moment[:10], []).append(share)
    days = sorted(by_day)
    figure.add_scatter(
        x=[f"{day}T12:00:00" for day in days],
        y=[float(np.mean(by_day[day])) for day in days],
        mode="lines+markers",
        line={"color": VERMILION, "width": 2},
        marker={"size": 5},
        hovertemplate=_hover(
            translate, message("{day}: mean {mean}", day="%{x|%Y-%m-%d}", mean="%{y:.1%}")
        ),
    )
    return _yields(
        figure,
        height,
        translate(message("Yield by date")),
        {"title": translate(message("time of the test")), "type": "date"},
        translate,
    )


def _dots(x: Sequence[Any], yields: Sequence[float], names: Sequence[str]) -> go.Figure:
    """One dot for each wafer, for a random choice of them if there are very many."""
    shown = np.random.default_rng(0).permutation(len(x))[:_MOST_DOTS]
    return go.Figure(
        go.Scatter(
            x=[x[i] for i in shown],
            y=[yields[i] for i in shown],
            mode="markers",
            customdata=[names[i] for i in shown],
            marker={"color": BLUE, "size": 5, "opacity": 0.4},
            hovertemplate="%{customdata}: %{y:.1%}<extra></extra>",
        )
    )


def _yields(
    figure: go.Figure, height: int, title: str, axis: dict[str, Any], translate: Translate
) -> go.Figure:
    return _layout(
        figure,
        height,
        title=_title(title),
        xaxis=axis,
        yaxis={"title": translate(message("yield")), "tickformat": ".0%"},
    )


def repeaters(field: Field, height: int = 400, translate: Translate = str) -> go.Figure:
    """Failing share by position in the exposure field."""
    rows, columns = field.share.shape
    figure = go.Figure(
        _shares(
            field.share,
            translate,
            customdata=field.dies,
            xgap=1,
            ygap=1,
            hovertemplate=_hover(
                translate,
                message(
                    "column {x}, row {y}: {share} failed", x="%{x}", y="%{y}", share="%{z:.2%}"
                ),
                message("{dies} dies of the grid", dies="%{customdata:,}"),
            ),
        )
    )
    bright = field.share > 0.5 * float(np.nanmax(field.share))
    for cells, colour in ((bright, "#000000"), (~bright & ~np.isnan(field.share), "#FFFFFF")):
        y, x = np.nonzero(cells)
        figure.add_scatter(
            x=x + 1,
            y=y + 1,
            mode="text",
            hoverinfo="skip",
            text=[f"{value:.1%}" for value in field.share[cells]],
            textfont={"color": colour, "size": 12 if columns <= 8 else 9},
        )
    return _layout(
        figure,
        height,
        xaxis=_die_axis(translate(message("column in the field")), columns),
        yaxis=_die_axis(translate(message("row in the field")), rows) | {"autorange": "reversed"},
    )
