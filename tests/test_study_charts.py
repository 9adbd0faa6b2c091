"""Charts of the studies: axes that end at 1, intervals, baselines, and translated texts."""

from __future__ import annotations

from typing import Any

import pytest

from wafer_core.messages import Message
from wafer_core.metrics.paired import Difference
from wafer_core.tasks.studies import charts
from wafer_core.tasks.studies.ablation_result import AblationResult, Comparison, ConditionResult
from wafer_core.tasks.studies.advice import Advice
from wafer_core.tasks.studies.conditions import CONDITIONS
from wafer_core.tasks.studies.curve_result import (
    CurveResult,
    CurveRow,
    Estimate,
    Law,
    QualityRow,
    QualityScore,
)
from wafer_core.tasks.studies.stopping import Verdict

NOTHING = Message("")


def ablation(scores: dict[str, float], half_width: float = 0.03) -> AblationResult:
    """A study of one class with two repeats of each condition."""
    conditions = {
        name: ConditionResult(CONDITIONS[name].message, 100, value, (value - 0.01, value + 0.01),
                              {"Alpha": value}, (3, 4), (2.0, 4.0))
        for name, value in scores.items()
    }  # fmt: skip
    comparisons = tuple(
        Comparison(name, "none", gap, {"Alpha": gap})
        for name, value in scores.items()
        if name != "none"
        for gap in [Difference(value - scores["none"], value - scores["none"] - half_width,
                               value - scores["none"] + half_width)]
    )  # fmt: skip
    advice = Advice("none", NOTHING, NOTHING)
    return AblationResult(("Alpha",), conditions, comparisons, (0, 1), 9, 7, {"Alpha": 9}, advice,
                          {})  # fmt: skip


def test_conditions_are_compared_with_the_originals_only() -> None:
    figure = charts.ablation(ablation({"none": 0.7, "transforms": 0.72, "generated": 0.76}))
    assert figure.layout.yaxis.title.text == "macro-F1 on test wafers (higher is better)"
    assert [line.y0 for line in figure.layout.shapes] == [0.7]
    means = {trace.x[0]: trace for trace in figure.data if trace.hoverinfo == "text"}
    assert list(means) == ["Originals only", "With transforms", "With generated"]
    assert means["Originals only"].error_y.array is None
    bar = means["With generated"].error_y
    assert (bar.array[0], bar.arrayminus[0]) == (pytest.approx(0.03), pytest.approx(0.03))
    assert "+6.0 points compared with originals only" in means["With generated"].hovertext[0]
    assert "95% interval: +3.0 to +9.0" in means["With generated"].hovertext[0]
    assert len(set(charts.CONDITION_COLOURS.values())) == len(CONDITIONS)


def test_the_axis_of_scores_ends_at_one_even_if_all_scores_are_one() -> None:
    figure = charts.ablation(ablation({"none": 1.0, "generated": 1.0}))
    low, high = figure.layout.yaxis.range
    assert high == 1
    assert low < 0.97  # the lower end of the interval
    bar = next(trace for trace in figure.data if trace.error_y.array is not None).error_y
    assert bar.array[0] == 0  # no score above 1
    assert charts.score_range([0.5, 0.9])[0] < 0.5
    assert charts.score_range([0.01]) == (0.0, 1.0)


def test_running_trainings_are_dots() -> None:
    figure = charts.ablation_trainings([("none", 0.7), ("none", 0.8), ("both", 0.9)])
    assert [list(trace.y) for trace in figure.data] == [[0.7, 0.8], [0.9]]
    assert [trace.x[0] for trace in figure.data] == ["Originals only", "With both"]


def curve(**more: Any) -> CurveResult:
    rows = tuple(
        CurveRow(size, synthetic, Estimate(value, value - 0.05, min(1.0, value + 0.03), (value,)),
                 Estimate(0.5, None, None, (0.5,)))
        for size in (5, 10, 20)
        for synthetic in (0, 100, 400)
        for value in [0.6 + size / 200 + synthetic / 9000]
    )  # fmt: skip
    recall = QualityScore(0.6, (), 0.8, {})
    quality = tuple(
        QualityRow(size, QualityScore(1 / size, (1 / size - 0.01, 1 / size + 0.01), 0.04, {}),
                   recall)
        for size in (5, 10, 20)
    )  # fmt: skip
    fields = {"law": Law(1.0, 1.0, 0.5), **more}
    verdict = Verdict("stop", NOTHING, NOTHING)
    return CurveResult("Alpha", rows, quality, fields["law"], verdict, 12, 7, 30)


def test_the_learning_curve_has_a_line_for_each_number_of_synthetic_wafers() -> None:
    figure = charts.learning_curve(curve())
    assert figure.layout.xaxis.type == "log"
    assert list(figure.layout.xaxis.ticktext) == ["5", "10", "20", "40"]
    assert figure.layout.yaxis.range[1] == 1
    lines = {trace.name: trace for trace in figure.data}
    assert list(lines) == [
        "originals only", "100 synthetic wafers", "400 synthetic wafers", "fitted curve",
    ]  # fmt: skip
    first = lines["originals only"]
    assert list(first.x) == [5, 10, 20]
    assert lines["400 synthetic wafers"].customdata[0] == "5 originals, 400 synthetic wafers"
    assert list(first.error_y.array) == pytest.approx([0.03] * 3)
    assert list(first.error_y.arrayminus) == pytest.approx([0.05] * 3)
    fitted = lines["fitted curve"]
    assert (fitted.x[-1], fitted.y[-1]) == (pytest.approx(40), pytest.approx(1 - 40**-0.5))


def test_without_a_law_the_axis_ends_at_all_originals() -> None:
    figure = charts.learning_curve(curve(law=None))
    assert list(figure.layout.xaxis.ticktext) == ["5", "10", "20"]
    assert "fitted curve" not in [trace.name for trace in figure.data]


def test_running_trainings_of_a_learning_curve() -> None:
    done = [{"size": 5, "made": 0, "f1": 0.7}, {"size": 5, "made": 100, "f1": 0.72}]
    figure = charts.learning_curve_trainings(done)
    assert [trace.name for trace in figure.data] == ["originals only", "100 synthetic wafers"]


def test_closeness_has_the_baseline_of_real_wafers() -> None:
    figure = charts.closeness(curve())
    assert figure.layout.yaxis.title.text == "KID (lower is closer to real)"
    baseline = next(t for t in figure.data if t.name and "baseline" in t.name)
    assert list(baseline.y) == [0.04] * 3


def test_every_text_is_translated() -> None:
    """The translation is asked for every text that the chart shows."""
    asked: list[str] = []

    def shout(text: Message) -> str:
        asked.append(str(text))
        return asked[-1].upper()

    figure = charts.ablation(ablation({"none": 0.7, "both": 0.8}), shout)
    assert figure.layout.yaxis.title.text == "MACRO-F1 ON TEST WAFERS (HIGHER IS BETTER)"
    assert {"Originals only", "With both", "WITH BOTH, one training"} <= set(asked)
    lines = [trace.name for trace in charts.learning_curve(curve(), shout).data]
    assert lines[:2] == ["ORIGINALS ONLY", "100 SYNTHETIC WAFERS"]
