"""How many do I need? Start the study for a class, watch it, read whether to keep collecting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

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
from wafer_core.messages import N_, Message, counted
from wafer_core.metrics.intervals import TOO_FEW
from wafer_core.parameters import parameters_of
from wafer_core.tasks.studies import charts, stopping
from wafer_core.tasks.studies.curve_result import CurveResult, Estimate
from wafer_core.tasks.studies.learning_curve import (
    MIN_ORIGINALS,
    CurveConfig,
    seconds_ahead,
    sizes_of,
)
from wafer_core.workflows import learning_curve as workflow
from wafer_core.workflows import submit
from wafer_core.workflows.study import StudyRecord

_BOXES = {stopping.STOP: st.success, stopping.COLLECT: st.warning, stopping.UNKNOWN: st.info}

HELP = N_(
    "A classifier is trained with some originals of a class, then with more, up to all that you "
    "have; each time also with synthetic wafers added. It is tested on your **test wafers**, which "
    "are real and were used for nothing else (**F1** of the class, 0 to 1, higher is better; one "
    "*point* is 0.01).\n\nThe curve rises fast at first and then ever slower. Its shape says what "
    "**twice as many originals** would add: if that is less than two points even at the upper end "
    "of its interval, you can stop collecting. Wafers of a lot are added together, as they come "
    "from the line.\n\nOnly this class gets synthetic wafers here, so many of them outweigh the "
    "other classes: that may explain a line below that of the originals.\n\nThe second chart shows "
    "how close the synthetic wafers are to real ones (**KID**, lower is closer), beside the value "
    "of originals among themselves."
)


class StoredCurve(NamedTuple):
    """A study as it is stored."""

    result: CurveResult
    record: StudyRecord

    @classmethod
    def from_json(cls, value: object) -> StoredCurve:
        """Read ``study.json``.

        Raises:
            DataError: A value is missing or of the wrong type.
        """
        return cls(CurveResult.from_json(value), StudyRecord.from_json(value))


def show(project: Project, summary: Summary) -> None:
    """The form, the job, and the newest result of the class."""
    st.caption(
        t(
            "Trains with more and more originals of a class, with and without synthetic wafers, "
            "and says whether you can stop collecting."
        ),
        help=t(HELP),
    )
    ready = [c for c in summary.classes if c.splits["train"]]
    if len(ready) < 2:
        st.info(
            t(
                "A classifier needs at least two classes with wafers; this project has {count}.",
                count=len(ready),
            )
        )
        layout.link("classes", project, t("Go to Classes"))
        return
    left, right = st.columns([2, 5], gap="medium")
    by_slug = {c.slug: c for c in ready}
    with left, guards.show_errors():
        slug = st.selectbox(
            t("Class"),
            list(by_slug),
            format_func=lambda slug: by_slug[slug].name,
            key="learning_curve_class",
            help=t("The class to examine; the others keep their originals."),
            persist_state="session",
        )
        config = forms.settings(
            CurveConfig,
            "learning_curve",
            skip=("sizes", "made"),
            titles={"network": network_title},
        )
    with right, guards.show_errors():
        chosen = by_slug[slug]
        _start(project, chosen, ready, config)
        is_active = jobs_panel.project_jobs(
            project, (workflow.NAME,), _live, workflow.NAME, show_done=False
        )
        nothing = t(
            "No result for {name} yet. Press “Find out”: the answer says what more originals would "
            "add, and whether synthetic wafers add more.",
            name=chosen.name,
        )
        studies.newest(
            project,
            _newest(project, chosen),
            StoredCurve.from_json,
            result,
            None if is_active else nothing,
        )


def _newest(project: Project, c: ClassSummary) -> stored.Study | None:
    """The newest study of a class; a damaged one may be of any class and is reported for all."""
    every = stored.list_studies(project, workflow.NAME)
    return next((s for s in every if s.damage or s.result.get("class") == c.name), None)


def _start(
    project: Project, c: ClassSummary, ready: Sequence[ClassSummary], config: dict[str, Any]
) -> None:
    """What will be done, how long it takes, and the button; or what is missing."""
    count, tested = c.splits["train"], c.splits["test"]
    if count < MIN_ORIGINALS or not tested:
        st.info(
            t(
                "{name} has {wafers} and needs at least {needed}. Add wafers on the Classes page.",
                name=c.name,
                wafers=counted(
                    "{count:,} training original", "{count:,} training originals", count
                ),
                needed=MIN_ORIGINALS,
            )
            if count < MIN_ORIGINALS
            else t(
                "{name} has no test wafers, so nothing can be tested. Add wafers on the Classes "
                "page.",
                name=c.name,
            )
        )
        layout.link("classes", project, t("Go to Classes"))
        return
    checked = CurveConfig(**config)
    sizes = sizes_of(count)
    others = sum(min(each.splits["train"], checked.others) for each in ready if each != c)
    seconds = seconds_ahead(checked, sizes, others, sum(each.splits["test"] for each in ready))
    st.markdown(
        t(
            "{sizes} originals, each with {made} synthetic wafers: {trainings:,} trainings · "
            "{wafers} of the class · time without a GPU: about {minutes:,} min",
            sizes=", ".join(f"{size:,}" for size in sizes),
            made=", ".join(f"{made:,}" for made in checked.made),
            trainings=len(sizes) * len(checked.made) * checked.seeds,
            wafers=counted("{count:,} test wafer", "{count:,} test wafers", tested),
            minutes=max(1, round(seconds / 60)),
        )
    )
    if tested < TOO_FEW:
        st.caption(
            ":material/info: "
            + t(
                "Fewer than {fewest} test wafers of the class: the result will be inconclusive. Of "
                "wafers that you add, about one in seven goes to the test split.",
                fewest=TOO_FEW,
            )
        )
    if st.button(
        t("Find out"), type="primary", key="learning_curve_start", icon=":material/timeline:"
    ):
        parameters = {"class": c.name, "config": config}
        jobs_panel.launch(submit.create_job(project.path, workflow.NAME, parameters))


def _live(state: JobState) -> None:
    """The trainings that are done."""
    done = state.metric("training") if state.is_active else ()
    if done:
        figure = charts.learning_curve_trainings(done, t_raw)
        chart(figure, f"learning_curve_live_{state.id}")


def result(found: StoredCurve, name: str) -> None:
    """What a study found: whether to keep collecting, the curves, the scores.

    Args:
        found: As stored.
        name: Of the study, for files and keys.
    """
    curve = found.result
    _BOXES[curve.verdict.key](t(curve.verdict.sentence), icon=":material/timeline:")
    for note in curve.notes:
        st.caption(f":material/info: {t(note)}")
    chart(charts.learning_curve(curve, t_raw), f"learning_curve_f1_{name}")
    st.caption(
        t(
            "Bars: 95% interval of the mean, with other lots and other seeds. Dotted: the curve "
            "fitted to the points without synthetic wafers, up to twice as many originals."
        )
    )
    if any(row.kid.value is not None for row in curve.quality):
        chart(charts.closeness(curve, t_raw), f"learning_curve_kid_{name}")
        st.caption(t("Small dots: repeats. KID is computed with WaferNet; 0 is best."))
    for title, table, file in (
        (t("**Scores of the class**"), scores(curve), "f1"),
        (t("**Realism of the synthetic wafers**"), quality(curve), "quality"),
    ):
        if not table.empty:
            st.markdown(title)
            _table(table, file, name)
    record = found.record
    st.caption(
        t(
            "Settings: {settings} · {wafers} of the class from {lots}, {all:,} in total · {time} "
            "on {device} · {created}",
            settings=forms.differences(record.config, parameters_of(CurveConfig)),
            wafers=counted("{count:,} test wafer", "{count:,} test wafers", curve.test_of_class),
            lots=counted("{count:,} lot", "{count:,} lots", curve.test_lots),
            all=curve.test_pictures,
            time=times.duration(record.seconds),
            device=Message.from_json(record.device),
            created=times.local(record.created),
        )
    )


def _table(table: pd.DataFrame, file: str, name: str) -> None:
    number, text = st.column_config.NumberColumn, st.column_config.TextColumn
    titles = {
        "originals": number(t_raw("originals")),
        "synthetic wafers": number(t_raw("synthetic wafers")),
        "F1": number(t_raw("F1 of the class"), format="%.3f"),
        "F1, 95%": text(t_raw("F1, 95% interval")),
        "macro-F1": number(t_raw("macro-F1"), format="%.3f"),
        "macro-F1, 95%": text(t_raw("macro-F1, 95% interval")),
        "KID": number("KID", format="%.3f"),
        "KID, baseline": number(t_raw("KID, real-real"), format="%.3f"),
        "recall": number(t_raw("recall"), format="%.3f"),
        "recall, baseline": number(t_raw("recall, real-real"), format="%.3f"),
    }
    st.dataframe(
        table,
        hide_index=True,
        key=f"learning_curve_{file}_table_{name}",
        placeholder="–",
        column_config={column: titles[column] for column in table.columns},
    )
    downloads.csv(table, f"{name}-{file}.csv", f"learning_curve_{file}_csv_{name}")


def scores(found: CurveResult) -> pd.DataFrame:
    """One row for each number of originals and of synthetic wafers."""
    return pd.DataFrame(
        [
            {
                "originals": row.size,
                "synthetic wafers": row.synthetic,
                "F1": row.f1.value,
                "F1, 95%": _interval(row.f1),
                "macro-F1": row.macro_f1.value,
                "macro-F1, 95%": _interval(row.macro_f1),
            }
            for row in found.rows
        ]
    )


def _interval(estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return ""
    return f"{estimate.low:.3f}–{estimate.high:.3f}"


def quality(found: CurveResult) -> pd.DataFrame:
    """One row for each number of originals."""
    return pd.DataFrame(
        [
            {
                "originals": row.size,
                "KID": row.kid.value,
                "KID, baseline": row.kid.baseline,
                "recall": row.recall.value,
                "recall, baseline": row.recall.baseline,
            }
            for row in found.quality
        ]
    )
