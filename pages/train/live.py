"""A training that runs: its steps with their times, and its curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from pages.shared import jobs_panel, times
from pages.shared.charts import chart
from pages.shared.words import t, t_raw
from wafer_core import plots
from wafer_core.data.project import Project
from wafer_core.data.reports import TrainingStep
from wafer_core.jobs import JobState


def panel(project: Project) -> bool:
    """The active training, or why the last one failed; nothing after a success.

    Returns:
        Whether a training is active.
    """
    return jobs_panel.project_jobs(project, ("train",), _live, "train", show_done=False)


def _live(state: JobState) -> None:
    if not state.is_active:
        return
    done = [TrainingStep.from_json(step) for step in state.metric("step")]
    epochs = state.metric("epoch")
    if len(epochs) < 2:  # one point is no curve
        steps(done, state)
        return
    left, right = st.columns([2, 5], gap="medium")
    with left:
        steps(done, state)
        st.caption(_pace(epochs))
    with right:
        curves(epochs, _best(epochs), "train_live", state.id)


def steps(done: Sequence[TrainingStep], state: JobState | None = None) -> None:
    """The steps of a training, one line each, with their times.

    Args:
        done: Those that have ended.
        state: The job, if it still runs: its current step is added.
    """
    lines = [
        ":green[:material/check_circle:] "
        + t("{step} · {time}", step=step.title, time=_duration(step.seconds))
        for step in done
    ]
    if state is not None and state.status == "running" and state.text.template:
        lines.append(f":material/progress_activity: {t(state.text)}")
    st.markdown("  \n".join(lines))


def _duration(seconds: float) -> str:
    """A duration, with tenths of a second where it is short."""
    return t_raw("{seconds:.1f} s", seconds=seconds) if seconds < 10 else times.duration(seconds)


def _best(epochs: Sequence[Mapping[str, Any]]) -> int | None:
    return max((row["epoch"] for row in epochs if row["is_best"]), default=None)


def _pace(epochs: Sequence[Mapping[str, Any]]) -> str:
    last = epochs[-1]
    return t(
        "Epoch {epoch} of at most {epochs} · {seconds:.2f} s per epoch · best epoch so far {best}",
        epoch=last["epoch"],
        epochs=last["epochs"],
        seconds=sum(row["seconds"] for row in epochs) / len(epochs),
        best=str(_best(epochs) or "–"),
    )


def curves(
    rows: Sequence[Mapping[str, Any]], best_epoch: float | None, page: str, name: str
) -> None:
    """Loss and validation scores over the epochs.

    Args:
        rows: One per epoch, with the fields of ``EpochResult``; at least two.
        best_epoch: Marked in both charts.
        page: Prefix of the charts' keys.
        name: Of the job or run, the end of the keys.
    """
    epochs = [row["epoch"] or 0 for row in rows]
    left, right = st.columns(2, gap="medium")
    with left:
        loss = {
            t_raw("training"): [row.get("train_loss") for row in rows],
            t_raw("validation"): [row.get("validation_loss") for row in rows],
        }
        axis = t_raw("loss (lower is better)")
        chart(
            plots.curves(epochs, loss, t_raw("Loss"), axis, best_epoch=best_epoch, translate=t_raw),
            f"{page}_loss_{name}",
        )
    with right:
        scores = {
            t_raw("macro-F1"): [row.get("macro_f1") for row in rows],
            t_raw("accuracy"): [row.get("accuracy") for row in rows],
        }
        axis = t_raw("score (higher is better)")
        title = t_raw("On validation wafers")
        figure = plots.curves(epochs, scores, title, axis, (0, 1), best_epoch, translate=t_raw)
        chart(figure, f"{page}_score_{name}")
