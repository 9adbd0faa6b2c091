"""Does it help? Start the study, watch it, and read which synthetic wafers to keep."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from pages.generate import studies
from pages.shared import downloads, forms, guards, jobs_panel, layout, times
from pages.shared.charts import chart
from pages.shared.networks import network_title
from pages.shared.words import t, t_raw
from wafer_core.data import studies as stored
from wafer_core.data.project import Project
from wafer_core.data.summary import ClassSummary, Summary
from wafer_core.jobs import JobState
from wafer_core.messages import N_, Message, counted, message
from wafer_core.metrics.paired import Difference
from wafer_core.networks import imagenet
from wafer_core.parameters import parameters_of
from wafer_core.tasks.studies import charts
from wafer_core.tasks.studies.ablation import (
    SYNTHETIC_PER_CLASS,
    AblationConfig,
    seconds_ahead,
)
from wafer_core.tasks.studies.ablation_result import AblationResult
from wafer_core.tasks.studies.advice import UNKNOWN
from wafer_core.tasks.studies.conditions import CONDITIONS
from wafer_core.workflows import ablation as workflow
from wafer_core.workflows import submit
from wafer_core.workflows.ablation import ORIGINS, StoredAblation

_FEW = 10  # test wafers of a class

HELP = N_(
    "The same classifier is trained four times: with your originals only, with transforms of them, "
    "with generated wafers, and with both. Each is tested on your **test wafers**, which are real "
    "and were used for nothing else. Synthetic wafers are worth keeping if more test wafers are "
    "predicted correctly.\n\n**Macro-F1** runs from 0 to 1, higher is better; every class has "
    "equal weight, however rare. One *point* is 0.01. Because training depends on chance, "
    "everything is repeated; and because test wafers are few, every difference has an "
    "**interval**: if it includes 0, the difference may be chance.\n\nWhere you have no transforms "
    "or no generated wafers of a class, they are made for the study and deleted afterwards."
)


def show(project: Project, summary: Summary) -> None:
    """The form, the job, and the newest result."""
    st.caption(
        t("Trains the same classifier with and without synthetic wafers; tests on real wafers."),
        help=t(HELP),
    )
    ready = [c for c in summary.classes if c.splits["train"]]
    if not _can_start(project, ready):
        return
    left, right = st.columns([2, 5], gap="medium")
    with left, guards.show_errors():
        config = forms.settings(
            AblationConfig,
            "benefit",
            titles={"network": network_title},
            below={"network": _missing_weights},
        )
    with right, guards.show_errors():
        _start(project, ready, config)
        is_active = jobs_panel.project_jobs(
            project, (workflow.NAME,), _live, workflow.NAME, show_done=False
        )
        nothing = t(
            "No result yet. Press “Find out”: the answer says which synthetic wafers to keep, and "
            "how certain that is."
        )
        studies.newest(
            project,
            stored.newest(project, workflow.NAME),
            StoredAblation.from_json,
            result,
            None if is_active else nothing,
        )


def _can_start(project: Project, ready: Sequence[ClassSummary]) -> bool:
    """Whether a study is possible; otherwise the page says what to do."""
    if len(ready) < 2:
        st.info(
            t(
                "A classifier needs at least two classes with wafers; this project has {count}.",
                count=len(ready),
            )
        )
    elif not any(c.splits["test"] for c in ready):
        st.info(
            t(
                "There are no test wafers, so nothing can be tested. Add more wafers: about one in "
                "seven goes to the test split."
            )
        )
    else:
        return True
    layout.link("classes", project, t("Go to Classes"))
    return False


def _missing_weights(network: str) -> None:
    if network in imagenet.NAMES and not imagenet.find(network):
        st.caption(t(imagenet.missing_message(network)))


def _start(project: Project, ready: Sequence[ClassSummary], config: dict[str, Any]) -> None:
    """What will be done, how long it takes, and the button."""
    names = st.multiselect(
        t("Classes whose synthetic wafers are used"),
        [c.name for c in ready],
        key="benefit_classes",
        placeholder=t_raw("all classes"),
        help=t("All classes are always trained and tested."),
    )
    part = [c for c in ready if not names or c.name in names]
    checked = AblationConfig(**config)
    counts, to_make = _counts(ready, part, checked)
    seconds = seconds_ahead(counts, to_make, checked)
    test = sum(c.splits["test"] for c in ready)
    st.markdown(
        t(
            "{trainings} trainings ({ways} ways, {repeats}) · {wafers} · time without a GPU: "
            "{time}",
            trainings=len(CONDITIONS) * checked.seeds,
            ways=len(CONDITIONS),
            repeats=counted("{count} repeat", "{count} repeats", checked.seeds),
            wafers=counted("{count:,} test wafer", "{count:,} test wafers", test),
            time=message("known after the first training")
            if seconds is None
            else message("about {time}", time=_roughly(seconds)),
        )
    )
    few = [f"{c.name} ({c.splits['test']})" for c in ready if c.splits["test"] < _FEW]
    if few:
        st.caption(
            ":material/info: "
            + t(
                "Fewer than {fewest} test wafers: {classes}. Only large differences can be "
                "detected there.",
                fewest=_FEW,
                classes=", ".join(few),
            )
        )
    if st.button(t("Find out"), type="primary", key="benefit_start", icon=":material/balance:"):
        parameters: dict[str, Any] = {"config": config}
        if names:
            parameters["classes"] = names
        jobs_panel.launch(submit.create_job(project.path, workflow.NAME, parameters))


def _roughly(seconds: float) -> str:
    """A duration that is only an estimate, to ten seconds or a minute."""
    if seconds < 90:
        return times.duration(max(10, round(seconds / 10) * 10))
    return t_raw("{minutes} min", minutes=round(seconds / 60))


def _counts(
    ready: Sequence[ClassSummary], part: Sequence[ClassSummary], config: AblationConfig
) -> tuple[dict[str, int], int]:
    """Training wafers of each condition, and how many the generator has to make."""
    originals = sum(c.splits["train"] for c in ready)
    added = dict.fromkeys(ORIGINS, 0)
    to_make = 0
    for c in part:
        present = {"transforms": c.augmented, "generated": c.generated}
        for name, have in present.items():
            count = config.made or max(present.values()) or SYNTHETIC_PER_CLASS
            added[name] += min(have, config.made or have) if have else count
            to_make += count if name == "generated" and not have else 0
    counts = {
        name: originals + sum(added[kind] for kind in condition.adds)
        for name, condition in CONDITIONS.items()
    }
    return counts, to_make


def _live(state: JobState) -> None:
    """The trainings that are done."""
    done = state.metric("training") if state.is_active else ()
    if done:
        trainings = [(str(training["arm"]), float(training["macro_f1"])) for training in done]
        chart(charts.ablation_trainings(trainings, t_raw), f"benefit_live_{state.id}")


def result(found: StoredAblation, name: str) -> None:
    """What a study found: the advice, the chart, each class, and where the wafers came from.

    Args:
        found: As stored.
        name: Of the study, for files and keys.
    """
    advice = found.result.advice
    box = st.info if advice.keep == UNKNOWN else st.success
    box(t(advice.sentence), icon=":material/balance:")
    for note in found.notes:
        st.caption(f":material/info: {t(note)}")
    chart(charts.ablation(found.result, t_raw), f"benefit_chart_{name}")
    st.caption(
        t(
            "Small dots: single trainings; large dots: their mean. Bars: 95% interval of the "
            "difference to originals only; one that crosses the dotted line may be chance."
        )
    )
    table = classes(found.result)
    titles = {condition.title: t_raw(condition.title) for condition in CONDITIONS.values()}
    f1 = st.column_config.NumberColumn
    st.dataframe(
        table,
        hide_index=True,
        key=f"benefit_table_{name}",
        placeholder="–",
        column_config={
            "class": st.column_config.TextColumn(t_raw("class")),
            "test wafers": st.column_config.NumberColumn(t_raw("test wafers")),
            "more test wafers": st.column_config.TextColumn(
                t_raw("more test wafers"), help=t("About how many more would decide.")
            ),
            "advice": st.column_config.TextColumn(
                t_raw("advice"), help=t("For this class alone; few test wafers say little.")
            ),
            **{
                title: f1(
                    text, format="%.3f", help=t("F1 of the class on test wafers, higher is better.")
                )
                for title, text in titles.items()
            },
        },
    )
    downloads.csv(table, f"{name}.csv", f"benefit_csv_{name}", N_("Classes (CSV)"))
    with st.expander(t("How it was done: wafers, settings, time"), key=f"benefit_how_{name}"):
        _how(found)


def classes(found: AblationResult) -> pd.DataFrame:
    """One row per class: test wafers, F1 of each condition, differences, and the advice."""
    rows = []
    for name in found.class_names:
        advice = found.advice_per_class.get(name)
        more = advice.more_test if advice else None
        row: dict[str, Any] = {
            "class": name,
            "test wafers": found.test_per_class[name],
            "advice": t_raw(advice.title) if advice else t_raw("No test wafers"),
            "more test wafers": t_raw("about {count:,}", count=more) if more else "",
        }
        for key, condition in found.conditions.items():
            row[CONDITIONS[key].title] = condition.per_class[name]
        for key, comparison in found.gains.items():
            gap = comparison.per_class[name]
            if gap is not None:
                title = t_raw("{condition}, points (95%)", condition=CONDITIONS[key].message)
                row[title] = _points(gap)
        rows.append(row)
    return pd.DataFrame(rows)


def _points(gap: Difference) -> str:
    return f"{100 * gap.value:+.1f} ({100 * gap.low:+.1f} … {100 * gap.high:+.1f})"


def _how(found: StoredAblation) -> None:
    """Where the synthetic wafers came from, and how the trainings went."""
    kinds = {kind: t_raw(CONDITIONS[kind].title) for kind in ORIGINS}
    words = {
        workflow.STORED: N_("stored"),
        workflow.MADE: N_("made for the study"),
        workflow.NONE: N_("none"),
    }
    sources = [
        {
            "class": name,
            **{
                kinds[kind]: f"{source.count:,} ({t_raw(words[source.source])})"
                for kind, source in of_class.items()
            },
        }
        for name, of_class in found.sources.items()
    ]
    if sources:
        st.dataframe(
            pd.DataFrame(sources),
            hide_index=True,
            column_config={"class": st.column_config.TextColumn(t_raw("class"))},
        )
    trainings = [
        {
            t_raw("training set"): t_raw(CONDITIONS[key].title),
            t_raw("training wafers"): condition.pictures,
            t_raw("epochs"): ", ".join(map(str, condition.epochs)),
            t_raw("seconds each"): round(sum(condition.seconds) / len(condition.seconds), 1),
        }
        for key, condition in found.result.conditions.items()
    ]
    st.dataframe(pd.DataFrame(trainings), hide_index=True)
    record = found.record
    config = {key: value for key, value in record.config.items() if value is not None}
    result, lots = found.result, found.result.test_lots
    wafers = counted("{count:,} test wafer", "{count:,} test wafers", result.test_pictures)
    if lots < result.test_pictures:  # else they have no lots
        from_lots = counted("{count:,} lot", "{count:,} lots", lots)
        wafers = message("{wafers} from {lots}", wafers=wafers, lots=from_lots)
    st.caption(
        t(
            "Settings: {settings} · seeds {seeds} · {wafers} · {time} on {device} · {created}",
            settings=forms.differences(config, parameters_of(AblationConfig)),
            seeds=", ".join(map(str, result.seeds)),
            wafers=wafers,
            time=times.duration(record.seconds),
            device=Message.from_json(record.device),
            created=times.local(record.created),
        )
    )
