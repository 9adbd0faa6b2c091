"""Does it help? Start the study, watch it, and read what to keep."""

from __future__ import annotations

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
from wafer_core.networks import imagenet
from wafer_core.parameters import Parameter
from wafer_core.tasks.studies import ablation
from wafer_core.tasks.studies.advice import UNKNOWN
from wafer_core.tasks.studies.conditions import ARMS
from wafer_core.workflows import ablation as kind
from wafer_core.workflows import submit

SEED = Parameter(
    "Seed", "The same seed, wafers and machine give the same result again.", 0, 0, 2**31, 1
)
COLOURS = dict(zip(ARMS, (plots.GREY, plots.BLUE, plots.VERMILION, plots.GREEN), strict=True))
_FEW = 10  # test wafers of a class

_HELP = """
The same classifier is trained four times: with your originals alone, with transforms of them, with
generated wafers, and with both. Each is then asked to name your **test wafers**, which are real and
were used for nothing before. What was made is worth keeping if more of them are named rightly.

**Macro-F1** runs from 0 to 1, higher is better; each class counts the same, however rare. One
*point* is 0.01. Because a training also depends on luck, everything is repeated; and because test
wafers are few, every difference has an **interval**: if it spans 0, it may be chance.

Where you have no transforms or no generated wafers of a class, they are made for the study and
thrown away afterwards.
"""


def show(project: Project, summary: Summary) -> None:
    """The tab: the form, the job, and the newest result."""
    st.caption(
        "Trains the same classifier with and without made wafers, and lets real test wafers judge.",
        help=_HELP,
    )
    ready = [c for c in summary.classes if c.parts["train"]]
    if not _can_start(ready):
        return
    left, right = st.columns([2, 5], gap="large")
    with left, guards.errors_told():
        config = _settings()
    with right, guards.errors_told():
        _start(project, ready, config)
        under_way = jobs_panel.project_jobs(project, (kind.NAME,), _live, kind.NAME)
        nothing = (
            "No result yet. Press “Find out”: the answer says which made wafers to keep, and how "
            "sure that is."
        )
        found = stored.newest(project, kind.NAME)
        studies.newest(project, found, kind.is_result, result, None if under_way else nothing)


def _can_start(ready: Sequence[ClassSummary]) -> bool:
    """Whether a study can be made; else what to do is said."""
    if len(ready) < 2:
        st.info(
            "A classifier tells classes apart, so two classes with wafers are needed; this project "
            f"has {len(ready)}."
        )
    elif not any(c.parts["test"] for c in ready):
        st.info(
            "No wafer is in the test part, so nothing could be judged. Add more wafers: about one "
            "of seven goes there by itself."
        )
    else:
        return True
    st.page_link("pages/1_Classes.py", label="Go to Classes", icon=":material/category:")
    return False


def _settings() -> dict[str, Any]:
    """The form; every default is fine."""
    chosen: dict[str, Any] = {}

    def draw(main: bool, drawn: bool = True) -> None:
        for name, spec in ablation.PARAMETERS.items():
            if spec.main == main:
                optional = name in ablation.AUTOMATIC
                chosen[name] = forms.parameter(name, spec, "benefit", optional, drawn)
                network = chosen[name]
                if name == "network" and network in imagenet.NAMES and not imagenet.find(network):
                    st.caption(imagenet.missing_sentence(network))

    draw(main=True)
    with forms.more("benefit") as is_open:
        draw(main=False, drawn=is_open)
        chosen["seed"] = forms.parameter("seed", SEED, "benefit", drawn=is_open)
    if not is_open:
        hidden = {n: s for n, s in ablation.PARAMETERS.items() if not s.main}
        forms.tell_hidden(chosen, {**hidden, "seed": SEED})
    return chosen


def _start(project: Project, ready: Sequence[ClassSummary], config: dict[str, Any]) -> None:
    """What will be done, how long it takes, and the button."""
    names = st.multiselect(
        "Classes whose made wafers take part",
        [c.name for c in ready],
        key="benefit_classes",
        placeholder="all classes",
        help="All classes are always told apart; choose some to see what their made wafers bring.",
    )
    part = [c for c in ready if not names or c.name in names]
    checked = ablation.BenefitConfig(**config)
    counts, fresh = _counts(ready, part, checked)
    seconds = ablation.seconds_ahead(counts, fresh, checked)
    time = "told after the first" if seconds is None else f"about {_roughly(seconds)}"
    test = sum(c.parts["test"] for c in ready)
    st.markdown(
        f"{len(ARMS) * checked.seeds} trainings ({len(ARMS)} ways, {checked.seeds} "
        f"repeat{'s' * (checked.seeds != 1)}) · {test:,} test wafers judge · time without a GPU: "
        f"{time}"
    )
    few = [f"{c.name} ({c.parts['test']})" for c in ready if c.parts["test"] < _FEW]
    if few:
        st.caption(
            f":material/info: Fewer than {_FEW} test wafers: {guards.plain(', '.join(few))}. "
            "Differences must be large to be seen there."
        )
    if st.button("Find out", type="primary", key="benefit_start", icon=":material/balance:"):
        parameters: dict[str, Any] = {"config": config}
        if names:
            parameters["classes"] = names
        jobs_panel.launch(submit.create_job(project.path, kind.NAME, parameters))


def _roughly(seconds: float) -> str:
    """A duration that is only guessed, to a minute or ten seconds."""
    to = 10 if seconds < 90 else 60
    return jobs_panel.seconds_text(max(1, round(seconds / to)) * to).removesuffix(" 00 s")


def _counts(
    ready: Sequence[ClassSummary], part: Sequence[ClassSummary], config: ablation.BenefitConfig
) -> tuple[dict[str, int], int]:
    """Training wafers of each arm, and how many the generator must make for the study."""
    originals = sum(c.parts["train"] for c in ready)
    added = dict.fromkeys(kind.ORIGINS, 0)
    fresh = 0
    for c in part:
        stored = {"transforms": c.augmented, "generated": c.generated}
        for name, have in stored.items():
            count = config.made or max(stored.values()) or ablation.MADE
            added[name] += min(have, config.made or have) if have else count
            fresh += count if name == "generated" and not have else 0
    return {a: originals + sum(added[k] for k in arm.adds) for a, arm in ARMS.items()}, fresh


def _live(state: JobState) -> None:
    """The trainings that are done."""
    told = state.metric("training") if state.is_active else ()
    if not told:
        return
    figure = _frame("macro-F1 on test wafers (higher is better)")
    for arm in [a for a in ARMS if any(t["arm"] == a for t in told)]:
        mine = [t for t in told if t["arm"] == arm]
        _dots(figure, arm, [t["macro_f1"] for t in mine], 10)
    st.plotly_chart(figure, key=f"benefit_live_{state.id}")


def result(found: Mapping[str, Any], name: str) -> None:
    """What a study found: the advice, the chart, each class, where the wafers came from.

    Args:
        found: As the job tells it.
        name: Of the study, for files and keys.
    """
    advice = found["advice"]
    tell = st.info if advice["keep"] == UNKNOWN else st.success
    tell(guards.plain(advice["sentence"]), icon=":material/balance:")
    for note in found.get("notes", []):
        st.caption(f":material/info: {guards.plain(note)}")
    st.plotly_chart(chart(found), key=f"benefit_chart_{name}")
    st.caption(
        "Small dots: single trainings; large dots: their mean. Bars: where the mean may lie "
        "beside that of originals alone (95 %); one that crosses the dotted line may be chance."
    )
    table = classes(found)
    st.dataframe(
        table,
        hide_index=True,
        key=f"benefit_table_{name}",
        column_config={
            **{
                arm.title: st.column_config.NumberColumn(
                    format="%.3f", help="F1 of the class on test wafers; higher is better."
                )
                for arm in ARMS.values()
            },
            "advice": st.column_config.TextColumn(
                help="For wafers of this class alone; few test wafers say little."
            ),
        },
    )
    st.download_button(
        "Classes as CSV",
        table.to_csv(index=False).encode("utf-8-sig"),
        f"{name}.csv",
        "text/csv",
        key=f"benefit_csv_{name}",
        icon=":material/download:",
    )
    with st.expander("How it was done: wafers, settings, time", key=f"benefit_how_{name}"):
        _how(found)


def chart(found: Mapping[str, Any]) -> go.Figure:
    """Macro-F1 of each arm: its trainings, their mean, and the interval beside the first."""
    figure = _frame("macro-F1 on test wafers (higher is better)")
    base = found["arms"]["none"]["macro_f1"]
    figure.add_hline(y=base, line={"dash": "dot", "color": plots.GREY})
    gains = {d["arm"]: d["macro_f1"] for d in found["differences"] if d["against"] == "none"}
    for arm in [a for a in ARMS if a in found["arms"]]:
        told, gain = found["arms"][arm], gains.get(arm)
        _dots(figure, arm, told["macro_f1_by_seed"], 7, 0.45)
        bar = gain and {
            "array": [gain["high"] - gain["value"]],
            "arrayminus": [gain["value"] - gain["low"]],
            "color": COLOURS[arm],
            "thickness": 2,
            "width": 8,
        }
        hover = f"{told['title']}: {told['macro_f1']:.3f}"
        if gain:
            hover += (
                f"<br>{100 * gain['value']:+.1f} points beside originals alone"
                f"<br>95 %: {100 * gain['low']:+.1f} to {100 * gain['high']:+.1f}"
            )
        figure.add_scatter(
            x=[told["title"]], y=[told["macro_f1"]], mode="markers", error_y=bar,
            marker={"color": COLOURS[arm], "size": 14}, hovertext=[hover], hoverinfo="text",
        )  # fmt: skip
    return figure


def _dots(
    figure: go.Figure, arm: str, values: Sequence[float], size: int, opacity: float = 1.0
) -> None:
    """One small dot for each training of an arm."""
    title = ARMS[arm].title
    figure.add_scatter(
        x=[title] * len(values), y=list(values), mode="markers", opacity=opacity,
        marker={"color": COLOURS[arm], "size": size},
        hovertemplate=f"{title}, one training: %{{y:.3f}}<extra></extra>",
    )  # fmt: skip


def _frame(y_title: str) -> go.Figure:
    return go.Figure().update_layout(
        height=340,
        margin={"l": 8, "r": 8, "t": 12, "b": 8},
        showlegend=False,
        xaxis={"title": "what the classifier learned from", "type": "category", "fixedrange": True},
        yaxis={"title": y_title},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
    )


def classes(found: Mapping[str, Any]) -> pd.DataFrame:
    """One row a class: test wafers, F1 of each arm, differences in points, and the advice."""
    rows = []
    for name in found["class_names"]:
        row: dict[str, Any] = {"class": name, "test wafers": found["test"]["per_class"][name]}
        advice = found["advice_per_class"].get(name)
        row["advice"] = advice["title"] if advice else "No test wafer"
        more = advice and advice["more_test"]
        row["more test wafers"] = f"about {more:,}" if more else ""
        for told in found["arms"].values():
            row[told["title"]] = told["per_class"][name]
        for gain in found["differences"]:
            ends = gain["per_class"][name]
            if gain["against"] == "none" and ends:
                row[f"{ARMS[gain['arm']].title}, points (95 %)"] = (
                    f"{100 * ends['value']:+.1f} ({100 * ends['low']:+.1f} to "
                    f"{100 * ends['high']:+.1f})"
                )
        rows.append(row)
    return pd.DataFrame(rows)


def _how(found: Mapping[str, Any]) -> None:
    """Where the made wafers came from, and how the trainings went."""
    rows = [
        {"class": name, **{
            ARMS[k].title.removeprefix("With "): f"{told['count']:,} ({told['source']})"
            for k, told in kinds.items()
        }}
        for name, kinds in found.get("made", {}).items()
    ]  # fmt: skip
    st.dataframe(pd.DataFrame(rows), hide_index=True)
    trainings = [
        {
            "way": told["title"],
            "training wafers": told["pictures"],
            "epochs": ", ".join(map(str, told["epochs"])),
            "seconds each": round(sum(told["seconds"]) / len(told["seconds"]), 1),
        }
        for told in found["arms"].values()
    ]
    st.dataframe(pd.DataFrame(trainings), hide_index=True)
    changed = forms.differences(
        {k: v for k, v in found["config"].items() if v is not None}, ablation.PARAMETERS
    )
    pictures, lots = found["test"]["pictures"], found["test"]["lots"]
    from_lots = f" from {lots:,} lots" if lots < pictures else ""  # else they have none
    st.caption(
        f"Settings: {changed} · seeds {', '.join(map(str, found['seeds']))} · "
        f"{pictures:,} test wafers{from_lots} · "
        f"{jobs_panel.seconds_text(found['seconds'])} on {found['device']} · {found['created']}"
    )
