"""A generation that runs: its steps with their times, losses, and wafers that improve."""

from __future__ import annotations

import streamlit as st

from pages.shared import jobs_panel, times
from pages.shared.charts import chart
from pages.shared.words import t, t_raw
from wafer_core import plots
from wafer_core.data.project import Project
from wafer_core.jobs import JobState
from wafer_core.messages import Message

KINDS = ("generate", "score")


def panel(project: Project) -> bool:
    """The active job of this page, or why the last one failed; nothing after a success.

    Returns:
        Whether a job is active.
    """
    return jobs_panel.project_jobs(project, KINDS, _below, "generate", show_done=False)


def _below(state: JobState) -> None:
    if state.is_active:
        details(state)


def details(state: JobState, class_name: str | None = None) -> None:
    """Steps, losses and example wafers of one class of a job.

    Args:
        state: The job.
        class_name: The class; ``None``: the one that the job works on.
    """
    epochs, steps = state.metric("gan_epoch"), state.metric("step")
    names = list(dict.fromkeys(str(e["class"]) for e in [*epochs, *steps]))
    name = class_name or (names[-1] if names else None)
    if name is None:
        return
    own = [e for e in epochs if e["class"] == name]
    left, right = st.columns([3, 2], gap="medium")
    with left:
        st.markdown(t("**{name}**", name=name))
        lines = [
            ":green[:material/check_circle:] "
            + t(
                "{step} · {time}",
                step=Message(str(step["title"])),
                time=times.duration(step["seconds"])
                if step["seconds"] >= 10
                else t_raw("{seconds:.1f} s", seconds=step["seconds"]),
            )
            for step in steps
            if step["class"] == name
        ]
        st.markdown("  \n".join(lines))
        if len(own) > 1:
            losses = {
                t_raw("discriminator"): [e["d_loss"] for e in own],
                t_raw("generator"): [e["g_loss"] for e in own],
            }
            axis = t_raw("loss (each network lowers its own)")
            epochs_axis = [e["epoch"] for e in own]
            figure = plots.curves(epochs_axis, losses, t_raw("Losses"), axis, translate=t_raw)
            chart(figure, f"generate_losses_{state.id}")
    with right:
        drawn = [e for e in own if e.get("samples")]
        path = state.folder / str(drawn[-1]["samples"]) if drawn else None
        if path is not None and path.exists():
            st.image(path.read_bytes(), width=280, alt=t_raw("Wafers generated so far"))
            st.caption(
                t(
                    "After epoch {epoch} of {epochs}",
                    epoch=drawn[-1]["epoch"],
                    epochs=drawn[-1]["epochs"],
                )
            )
