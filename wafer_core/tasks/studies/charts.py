"""Charts of the studies: scores of each condition, learning curves, and closeness to real wafers.

The texts come in the reader's language from ``translate``, as in ``wafer_core.plots``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from wafer_core import plots
from wafer_core.messages import N_, message
from wafer_core.plots import Translate
from wafer_core.tasks.studies.ablation_result import AblationResult
from wafer_core.tasks.studies.conditions import CONDITIONS
from wafer_core.tasks.studies.curve_result import CurveResult, Estimate

CONDITION_COLOURS = dict(
    zip(CONDITIONS, (plots.GREY, plots.BLUE, plots.VERMILION, plots.GREEN), strict=True)
)
_LINE_COLOURS = (plots.BLUE, plots.VERMILION, plots.GREEN, plots.PURPLE)
_OFFSET = 1.04  # factor between neighbouring lines, so that their error bars do not overlap
_MACRO_F1 = N_("macro-F1 on test wafers (higher is better)")


def score_range(values: Iterable[float]) -> tuple[float, float]:
    """Limits of an axis for scores from 0 to 1: it ends at 1 and begins below the lowest value."""
    low = min(values, default=0.0)
    return max(0.0, low - 0.15 * max(1.0 - low, 0.2)), 1.0


# -- does it help? -------------------------------------------------------------------------------


def ablation(found: AblationResult, translate: Translate = str) -> go.Figure:
    """Macro-F1 of each condition: every training, their mean, and the interval of the gain.

    The interval is that of the difference to originals only, drawn around the mean.
    """
    base = found.conditions["none"].macro_f1
    gains = {name: comparison.macro_f1 for name, comparison in found.gains.items()}
    drawn = [value for c in found.conditions.values() for value in c.macro_f1_by_seed]
    drawn += [max(0.0, base + gain.low) for gain in gains.values()]
    figure = _by_condition(drawn, translate)
    figure.add_hline(y=base, line={"dash": "dot", "color": plots.GREY})
    for name, condition in found.conditions.items():
        gain, title, mean = gains.get(name), translate(condition.title), condition.macro_f1
        _dots(figure, name, title, condition.macro_f1_by_seed, translate, 7, 0.45)
        hover = f"{title}: {mean:.3f}"
        bar: dict[str, Any] | None = None
        if gain:
            low = min(mean, max(0.0, base + gain.low))
            high = max(mean, min(1.0, base + gain.high))
            bar = {
                "array": [high - mean], "arrayminus": [mean - low],
                "color": CONDITION_COLOURS[name], "thickness": 2, "width": 8,
            }  # fmt: skip
            hover += "<br>" + translate(
                message("{gain:+.1f} points compared with originals only", gain=100 * gain.value)
            )
            hover += "<br>" + translate(
                message(
                    "95% interval: {low:+.1f} to {high:+.1f}",
                    low=100 * gain.low,
                    high=100 * gain.high,
                )
            )
        figure.add_scatter(
            x=[title], y=[mean], mode="markers", error_y=bar, cliponaxis=False, hovertext=[hover],
            hoverinfo="text", marker={"color": CONDITION_COLOURS[name], "size": 14},
        )  # fmt: skip
    return figure


def ablation_trainings(
    trainings: Sequence[tuple[str, float]], translate: Translate = str
) -> go.Figure:
    """The trainings that are done so far.

    Args:
        trainings: Condition and macro-F1 of each.
        translate: From a message to the reader's language.
    """
    figure = _by_condition([value for _, value in trainings], translate)
    for name, condition in CONDITIONS.items():
        values = [value for each, value in trainings if each == name]
        if values:
            _dots(figure, name, translate(message(condition.title)), values, translate, 10, 1.0)
    return figure


def _by_condition(values: Iterable[float], translate: Translate) -> go.Figure:
    return go.Figure().update_layout(
        height=300,
        margin={"l": 8, "r": 8, "t": 12, "b": 8},
        showlegend=False,
        xaxis={"title": translate(message("training set")), "type": "category", "fixedrange": True},
        yaxis={
            "title": translate(message(_MACRO_F1)),
            "range": score_range(values),
            "fixedrange": True,
        },
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
    )


def _dots(
    figure: go.Figure,
    name: str,
    title: str,
    values: Sequence[float],
    translate: Translate,
    size: int,
    opacity: float,
) -> None:
    """One small dot for each training of a condition."""
    hover = translate(message("{title}, one training", title=title))
    figure.add_scatter(
        x=[title] * len(values), y=list(values), mode="markers", opacity=opacity, cliponaxis=False,
        marker={"color": CONDITION_COLOURS[name], "size": size},
        hovertemplate=hover + ": %{y:.3f}<extra></extra>",
    )  # fmt: skip


# -- how many do I need? -------------------------------------------------------------------------


def learning_curve(found: CurveResult, translate: Translate = str) -> go.Figure:
    """F1 of the class by number of originals, one line for each number of synthetic wafers.

    The dotted line is the fitted law, continued to twice as many originals.
    """
    rows = found.rows
    sizes = sorted({row.size for row in rows})
    twice = 2 * sizes[-1]
    figure = _by_size(
        translate(message("F1 on test wafers (higher is better)")),
        [*sizes, twice] if found.law else sizes,
        translate,
        score_range(low_end(row.f1) for row in rows),
    )
    for place, synthetic in enumerate(sorted({row.synthetic for row in rows})):
        own = [row for row in rows if row.synthetic == synthetic]
        name = synthetic_wafers(synthetic, translate)
        figure.add_scatter(
            x=[row.size * _OFFSET**place for row in own],
            y=[row.f1.value for row in own],
            mode="lines+markers",
            name=name,
            line={"color": _colour(place)},
            marker={"size": 9},
            cliponaxis=False,
            error_y={
                "array": [(row.f1.high or row.f1.value) - row.f1.value for row in own],
                "arrayminus": [row.f1.value - low_end(row.f1) for row in own],
                "thickness": 1.5,
                "width": 5,
            },
            customdata=[
                translate(
                    message("{count:,} originals, {synthetic}", count=row.size, synthetic=name)
                )
                for row in own
            ],
            hovertemplate="%{customdata}: %{y:.3f}<extra></extra>",
        )
    if found.law:
        steps = [sizes[0] * (twice / sizes[0]) ** (k / 40) for k in range(41)]
        figure.add_scatter(
            x=steps, y=[found.law.at(n) for n in steps], mode="lines", hoverinfo="skip",
            name=translate(message("fitted curve")), line={"color": plots.GREY, "dash": "dot"},
        )  # fmt: skip
    return figure


def learning_curve_trainings(
    trainings: Sequence[Mapping[str, Any]], translate: Translate = str
) -> go.Figure:
    """The trainings that are done so far.

    Args:
        trainings: With ``size``, ``made`` and ``f1``, as the job reports them.
        translate: From a message to the reader's language.
    """
    figure = _by_size(
        translate(message("F1 on test wafers (higher is better)")),
        sorted({training["size"] for training in trainings}),
        translate,
        score_range(training["f1"] for training in trainings),
    )
    for place, synthetic in enumerate(sorted({training["made"] for training in trainings})):
        own = [training for training in trainings if training["made"] == synthetic]
        figure.add_scatter(
            x=[training["size"] * _OFFSET**place for training in own],
            y=[training["f1"] for training in own], mode="markers", cliponaxis=False,
            name=synthetic_wafers(synthetic, translate),
            marker={"color": _colour(place), "size": 9},
        )  # fmt: skip
    return figure


def closeness(found: CurveResult, translate: Translate = str) -> go.Figure:
    """KID of synthetic wafers by number of originals, with the real-real baseline."""
    rows = [row for row in found.quality if row.kid.value is not None]
    sizes = [row.size for row in rows]
    figure = _by_size(translate(message("KID (lower is closer to real)")), sizes, translate)
    for row in rows:
        values = row.kid.by_repeat
        figure.add_scatter(
            x=[row.size] * len(values), y=list(values), mode="markers", hoverinfo="skip",
            showlegend=False, opacity=0.4, marker={"color": plots.VERMILION, "size": 6},
        )  # fmt: skip
    figure.add_scatter(
        x=sizes, y=[row.kid.value for row in rows], mode="lines+markers",
        name=translate(message("synthetic wafers")), line={"color": plots.VERMILION},
        marker={"size": 9},
        customdata=[translate(message("{count:,} originals", count=size)) for size in sizes],
        hovertemplate="%{customdata}: %{y:.3f}<extra></extra>",
    )  # fmt: skip
    baseline = rows[0].kid.baseline if rows else None
    if baseline is not None:
        figure.add_scatter(
            x=sizes, y=[baseline] * len(rows), mode="lines",
            name=translate(message("real-real baseline: originals compared with each other")),
            line={"color": plots.GREY, "dash": "dot"},
        )  # fmt: skip
    return figure.update_layout(height=260)


def synthetic_wafers(count: int, translate: Translate = str) -> str:
    """Name of a line: how many synthetic wafers are added to the originals."""
    if not count:
        return translate(message("originals only"))
    return translate(message("{count:,} synthetic wafers", count=count))


def low_end(score: Estimate) -> float:
    """Lower end of the interval of a score; the score itself if it has none."""
    return score.value if score.low is None else score.low


def _colour(place: int) -> str:
    return _LINE_COLOURS[place % len(_LINE_COLOURS)]


def _by_size(
    y_title: str,
    sizes: Sequence[int],
    translate: Translate,
    limits: tuple[float, float] | None = None,
) -> go.Figure:
    ends = [math.log10(sizes[0]) - 0.06, math.log10(sizes[-1] * _OFFSET**3) + 0.06]
    return go.Figure().update_layout(
        height=320,
        margin={"l": 8, "r": 8, "t": 12, "b": 8},
        legend={"orientation": "h", "y": -0.25, "x": 0},
        xaxis={
            "title": translate(message("training originals of the class (logarithmic)")),
            "type": "log", "range": ends, "tickvals": list(sizes),
            "ticktext": [f"{size:,}" for size in sizes], "fixedrange": True,
        },
        yaxis={"title": y_title, "range": limits, "fixedrange": True},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
    )  # fmt: skip
