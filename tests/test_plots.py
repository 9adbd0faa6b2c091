"""Charts: their values, and texts that all go through the translation."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest

from wafer_core import plots
from wafer_core.messages import Message

CHARTS: dict[str, Callable[..., go.Figure]] = {
    "curves": lambda **more: plots.curves(
        [1, 2], {"«a»": [0.1, None]}, "«t»", "«y»", None, 2, **more
    ),
    "confusion": lambda **more: plots.confusion(np.array([[3, 1], [0, 2]]), ["«a»", "«b»"], **more),
    "layers": lambda **more: plots.layers(
        ["«a»"], [0.5], ["«h»"], [True], "«t»", "«y»", 1.0, **more
    ),
    "distances": lambda **more: plots.distances({"«a»": [(0.5, 0.6)]}, **more),
    "bars": lambda **more: plots.probability_bars(["«a»", "«b»"], [0.3, 0.7], **more),
    "reliability": lambda **more: plots.reliability([0.7], [0.6], [(0.5, 0.8)], [9], **more),
    "thresholds": lambda **more: plots.threshold_curves([0, 1], {"«a»": [0.1, 1.0]}, 0.5, **more),
    "trials": lambda **more: plots.trials([1, 2], [0.5, 0.7], ["«h»", "«h»"], 0.6, **more),
}


def texts(value: Any, key: str = "") -> set[str]:
    """All texts that a chart shows."""
    if isinstance(value, dict):
        return set().union(*(texts(item, name) for name, item in value.items() if name != "type"))
    if isinstance(value, list):
        return set().union(*(texts(item, key) for item in value))
    shown = ("text", "title", "name", "hovertext", "customdata", "ticktext")
    return {value} if isinstance(value, str) and key in shown else set()


@pytest.mark.parametrize("chart", CHARTS)
def test_every_text_of_a_chart_is_translated(chart: str) -> None:
    english, marked = CHARTS[chart](), CHARTS[chart](translate=lambda m: f"«{m}»")
    assert english.layout.height == marked.layout.height
    for text in texts(json.loads(marked.to_json())):
        assert text.startswith("«") or not any(c.isalpha() for c in text), text
    assert not any(str(text).startswith("««") for text in texts(json.loads(english.to_json())))


def test_a_cell_of_the_confusion_matrix_says_what_it_counts() -> None:
    figure = plots.confusion(np.array([[3, 1], [0, 2]]), ["A", "B"])
    assert figure.data[-1].hovertext[1] == "1 of 4 “A” predicted as “B”"
    assert set(figure.data[1].text) | set(figure.data[2].text) == {"3", "1", "", "2"}
    percent = plots.confusion(np.array([[3, 1], [0, 2]]), ["A", "B"], percent=True)
    assert set(percent.data[1].text) | set(percent.data[2].text) == {"75%", "25%", "", "100%"}


def test_the_highest_probability_is_coloured() -> None:
    figure = plots.probability_bars(["A", "B"], [0.3, 0.7])
    assert list(figure.data[0].marker.color)[1] == plots.BLUE
    assert plots.probability_bars([], []).data[0].x == ()


def test_the_best_score_so_far_never_falls() -> None:
    figure = plots.trials([1, 2, 3], [0.5, 0.7, 0.6], ["", "", ""], 0.6)
    assert list(figure.data[0].y) == [0.5, 0.7, 0.7]
    assert plots.trials([], [], [], 0.5).data[0].y == ()


def test_a_chart_in_another_language_keeps_its_numbers() -> None:
    def korean(found: Message) -> str:
        return found.render(lambda template, plural, count: template.replace("wafers", "웨이퍼"))

    figure = plots.reliability([0.7], [0.6], [(0.5, 0.8)], [1234], translate=korean)
    assert figure.data[1].customdata[0] == "1,234 웨이퍼: confidence 70%, accuracy 60%"
