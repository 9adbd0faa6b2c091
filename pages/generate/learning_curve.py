"""How many do I need? Start the study for a class, watch it, and read whether to go on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from pages.generate import studies
from pages.shared import forms, guards, jobs_panel
from wafer_core import plots
from wafer_core.data import studies as stored
from wafer_core.data.project import Project
from wafer_core.data.summary import ClassSummary, Summary
from wafer_core.jobs import JobState
from wafer_core.metrics.intervals import TOO_FEW
from wafer_core.parameters import Parameter
from wafer_core.tasks.studies import curve_config, stopping
from wafer_core.workflows import learning_curve as kind
from wafer_core.workflows import submit

SEED = Parameter(
    "Seed", "The same seed, wafers and machine give the same result again.", 0, 0, 2**31, 1
)
_COLOURS = (plots.BLUE, plots.VERMILION, plots.GREEN, plots.PURPLE)
_ASIDE = 1.04  # lines stand so far beside each other that their bars can be told apart
_TELL = {stopping.STOP: st.success, stopping.COLLECT: st.warning, stopping.UNKNOWN: st.info}

_HELP = """
A classifier is trained with some originals of a class, then with more, up to all that you have;
each time also with made wafers beside them. Your **test wafers**, which are real and were used for
nothing else, judge how well the class is found (**F1**, 0 to 1, higher is better; one *point* is
0.01).

The curve rises fast at first and then ever slower. Its shape says what **as many originals again**
would bring: if that is less than two points even at the upper end of its interval, you can stop
collecting. Wafers of a lot come together, as they do from a line.

Only this class is given made wafers here, so that many of them outweigh the other classes: a line
that lies below that of originals alone may be due to this.

The second chart shows how near the made wafers come to real ones (**KID**, lower is nearer), beside
what your originals reach among themselves.
"""


def show(project: Project, summary: Summary) -> None:
    """The tab: the form, the job, and the newest result of the class."""
    st.caption(
        "Trains with more and more originals of a class, with and without made wafers, and says "
        "whether you can stop collecting.",
        help=_HELP,
    )
    ready = [c for c in summary.classes if c.parts["train"]]
    if len(ready) < 2:
        st.info(
            "A classifier tells classes apart, so two classes with wafers are needed; this project "
            f"has {len(ready)}."
        )
        st.page_link("pages/1_Classes.py", label="Go to Classes", icon=":material/category:")
        return
    left, right = st.columns([2, 5], gap="large")
    with left, guards.errors_told():
        chosen = st.selectbox(
            "Class",
            ready,
            format_func=lambda c: c.name,
            key="learning_curve_class",
            help="The class that you ask about; the others keep their originals.",
        )
        config = _settings()
    with right, guards.errors_told():
        _start(project, chosen, ready, config)
        under_way = jobs_panel.project_jobs(project, (kind.NAME,), _live, kind.NAME)
        nothing = (
            f"No result for {guards.plain(chosen.name)} yet. Press “Find out”: the answer says "
            "what more originals would bring, and whether made wafers bring more."
        )
        found = _newest(project, chosen)
        studies.newest(project, found, kind.is_result, result, None if under_way else nothing)


def _newest(project: Project, c: ClassSummary) -> stored.Study | None:
    """The newest study of a class; a damaged one belongs to none and is told with all."""
    every = stored.list_studies(project, kind.NAME)
    return next((s for s in every if s.damage or s.found.get("class") == c.name), None)


def _settings() -> dict[str, Any]:
    """The form; every default is fine."""
    main = {name: spec for name, spec in curve_config.PARAMETERS.items() if spec.main}
    rest = {n: s for n, s in curve_config.PARAMETERS.items() if not s.main} | {"seed": SEED}
    chosen = {n: forms.parameter(n, spec, "learning_curve") for n, spec in main.items()}
    with forms.more("learning_curve") as is_open:
        for name, spec in rest.items():
            chosen[name] = forms.parameter(name, spec, "learning_curve", drawn=is_open)
    if not is_open:
        forms.tell_hidden(chosen, rest)
    return chosen


def _start(
    project: Project, c: ClassSummary, ready: Sequence[ClassSummary], config: dict[str, Any]
) -> None:
    """What will be done, how long it takes, and the button; or what is missing."""
    count, tested = c.parts["train"], c.parts["test"]
    if count < curve_config.FEWEST or not tested:
        lacks = (
            f"{count} training original{'s' * (count != 1)} and needs {curve_config.FEWEST}"
            if count < curve_config.FEWEST
            else "no test wafer, so nothing could be judged"
        )
        st.info(f"{guards.plain(c.name)} has {lacks}. Add wafers to it on the page Classes.")
        st.page_link("pages/1_Classes.py", label="Go to Classes", icon=":material/category:")
        return
    checked = curve_config.CurveConfig(**config)
    sizes = curve_config.sizes_of(count)
    others = sum(min(each.parts["train"], checked.others) for each in ready if each != c)
    seconds = curve_config.seconds_ahead(
        checked, sizes, others, sum(each.parts["test"] for each in ready)
    )
    trainings = len(sizes) * len(checked.made) * checked.seeds
    st.markdown(
        f"{', '.join(f'{size:,}' for size in sizes)} originals, each with "
        f"{', '.join(f'{made:,}' for made in checked.made)} made wafers: {trainings} trainings · "
        f"{tested:,} test wafers of the class judge · time without a GPU: about "
        f"{max(1, round(seconds / 60)):,} min"
    )
    if tested < TOO_FEW:
        st.caption(
            f":material/info: Fewer than {TOO_FEW} test wafers of the class: whether to stop "
            "cannot be told. Of wafers that you add, about one of seven goes there."
        )
    if st.button(
        "Find out", type="primary", key="learning_curve_start", icon=":material/timeline:"
    ):
        parameters = {"class": c.name, "config": config}
        jobs_panel.launch(submit.create_job(project.path, kind.NAME, parameters))


def _live(state: JobState) -> None:
    """The trainings that are done."""
    told = state.metric("training") if state.is_active else ()
    if not told:
        return
    figure = _frame("F1 on test wafers (higher is better)", sorted({t["size"] for t in told}))
    for place, made in enumerate(sorted({t["made"] for t in told})):
        mine = [t for t in told if t["made"] == made]
        figure.add_scatter(
            x=[t["size"] * _ASIDE**place for t in mine], y=[t["f1"] for t in mine],
            mode="markers", name=_named(made), marker={"color": _colour(place), "size": 9},
        )  # fmt: skip
    st.plotly_chart(figure, key=f"learning_curve_live_{state.id}")


def result(found: Mapping[str, Any], name: str) -> None:
    """What a study found: whether to go on, the curves, the figures.

    Args:
        found: As the job tells it.
        name: Of the study, for files and keys.
    """
    _TELL.get(found["verdict"]["key"], st.info)(
        guards.plain(found["sentence"]), icon=":material/timeline:"
    )
    for note in found.get("notes", []):
        st.caption(f":material/info: {guards.plain(note)}")
    st.plotly_chart(curves(found), key=f"learning_curve_f1_{name}")
    st.caption(
        "Bars: where the mean may lie (95 %: other lots, other luck). Dotted: the curve that the "
        "points without made wafers follow, on to twice as many originals."
    )
    if any(row["kid"]["value"] is not None for row in found["quality"]):
        st.plotly_chart(nearness(found), key=f"learning_curve_kid_{name}")
        st.caption("Small dots: repeats. KID is seen with WaferNet; 0 is as near as can be.")
    for title, table, file in (
        ("How well the class is found", figures(found), "f1"),
        ("How near the made wafers come", quality(found), "quality"),
    ):
        if table.empty:
            continue
        st.markdown(f"**{title}**")
        st.dataframe(
            table,
            hide_index=True,
            key=f"learning_curve_{file}_table_{name}",
            column_config={
                column: st.column_config.NumberColumn(format="%.3f")
                for column in table.columns
                if column not in ("originals", "made wafers") and "95 %" not in column
            },
        )
        st.download_button(
            "CSV",
            table.to_csv(index=False).encode("utf-8-sig"),
            f"{name}-{file}.csv",
            "text/csv",
            key=f"learning_curve_{file}_csv_{name}",
            icon=":material/download:",
        )
    changed = forms.differences(found["config"], curve_config.PARAMETERS)
    st.caption(
        f"Settings: {changed} · {found['test']['pictures']:,} test wafers of the class from "
        f"{found['test']['lots']:,} lots, {found['test']['all']:,} in all · "
        f"{jobs_panel.seconds_text(found['seconds'])} on {found['device']} · {found['created']}"
    )


def curves(found: Mapping[str, Any]) -> go.Figure:
    """F1 against the number of originals, one line for each number of made wafers."""
    rows = found["rows"]
    sizes = sorted({row["size"] for row in rows})
    law, twice = found.get("law"), 2 * sizes[-1]
    figure = _frame("F1 on test wafers (higher is better)", [*sizes, twice] if law else sizes)
    for place, made in enumerate(sorted({row["made"] for row in rows})):
        mine = [row for row in rows if row["made"] == made]
        f1 = [row["f1"] for row in mine]
        figure.add_scatter(
            x=[row["size"] * _ASIDE**place for row in mine],
            y=[each["value"] for each in f1],
            mode="lines+markers",
            name=_named(made),
            line={"color": _colour(place)},
            marker={"size": 9},
            error_y={
                "array": [(each["high"] or each["value"]) - each["value"] for each in f1],
                "arrayminus": [each["value"] - (each["low"] or each["value"]) for each in f1],
                "thickness": 1.5,
                "width": 5,
            },
            customdata=[row["size"] for row in mine],
            hovertemplate="%{customdata:,} originals, "
            + _named(made)
            + ": %{y:.3f}<extra></extra>",
        )
    if law:
        steps = [sizes[0] * (twice / sizes[0]) ** (k / 40) for k in range(41)]
        figure.add_scatter(
            x=steps, y=[law["top"] - law["scale"] * n ** -law["exponent"] for n in steps],
            mode="lines", name="fitted curve", hoverinfo="skip",
            line={"color": plots.GREY, "dash": "dot"},
        )  # fmt: skip
    return figure


def nearness(found: Mapping[str, Any]) -> go.Figure:
    """KID of made wafers against the number of originals, with its floor."""
    rows = [row for row in found["quality"] if row["kid"]["value"] is not None]
    figure = _frame("KID (lower is nearer to real)", [row["size"] for row in rows])
    for row in rows:
        values = row["kid"]["by_repeat"]
        figure.add_scatter(
            x=[row["size"]] * len(values), y=values, mode="markers", hoverinfo="skip",
            showlegend=False, opacity=0.4, marker={"color": plots.VERMILION, "size": 6},
        )  # fmt: skip
    figure.add_scatter(
        x=[row["size"] for row in rows], y=[row["kid"]["value"] for row in rows],
        mode="lines+markers", name="made wafers", line={"color": plots.VERMILION},
        marker={"size": 9}, hovertemplate="%{x:,} originals: %{y:.3f}<extra></extra>",
    )  # fmt: skip
    floor = rows[0]["kid"]["floor"]
    if floor is not None:
        figure.add_scatter(
            x=[row["size"] for row in rows], y=[floor] * len(rows), mode="lines",
            name="floor: originals among themselves",
            line={"color": plots.GREY, "dash": "dot"},
        )  # fmt: skip
    return figure.update_layout(height=260)


def figures(found: Mapping[str, Any]) -> pd.DataFrame:
    """One row for each number of originals and of made wafers."""
    rows = []
    for row in found["rows"]:
        told: dict[str, Any] = {"originals": row["size"], "made wafers": row["made"]}
        for key, title in (("f1", "F1 of the class"), ("macro_f1", "macro-F1")):
            told[title] = row[key]["value"]
            ends = row[key]["low"], row[key]["high"]
            told[f"{title}, 95 %"] = "" if None in ends else f"{ends[0]:.3f} to {ends[1]:.3f}"
        rows.append(told)
    return pd.DataFrame(rows)


def quality(found: Mapping[str, Any]) -> pd.DataFrame:
    """One row for each number of originals."""
    return pd.DataFrame(
        [
            {
                "originals": row["size"],
                "KID": row["kid"]["value"],
                "KID, floor": row["kid"]["floor"],
                "recall": row["recall"]["value"],
                "recall, floor": row["recall"]["floor"],
            }
            for row in found["quality"]
        ]
    )


def _named(made: int) -> str:
    return f"{made:,} made wafers" if made else "originals alone"


def _colour(place: int) -> str:
    return _COLOURS[place % len(_COLOURS)]


def _frame(y_title: str, sizes: Sequence[int]) -> go.Figure:
    ends = [math.log10(sizes[0]) - 0.06, math.log10(sizes[-1] * _ASIDE**3) + 0.06]
    return go.Figure().update_layout(
        height=360,
        margin={"l": 8, "r": 8, "t": 12, "b": 8},
        legend={"orientation": "h", "y": -0.25, "x": 0},
        xaxis={
            "title": "training originals of the class (each step to the right multiplies)",
            "type": "log", "range": ends, "tickvals": list(sizes),
            "ticktext": [f"{size:,}" for size in sizes], "fixedrange": True,
        },
        yaxis={"title": y_title},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
    )  # fmt: skip
