"""The frame of every page: settings, menu with the steps, running jobs, device."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from pages.shared import guards, jobs_panel, loaders
from pages.shared.guards import plain as plain
from wafer_core.data.project import Project
from wafer_core.data.summary import Summary
from wafer_core.errors import ProjectError

STYLE = """<style>
.block-container {max-width: 1500px; padding: 2.6rem 2.2rem 4rem 2.2rem;}
section[data-testid="stSidebar"] .block-container {padding-top: 0.5rem;}
section[data-testid="stSidebar"] [data-testid="stCaptionContainer"] {margin: -0.8rem 0 0 2.1rem;}
[data-testid="stMetricValue"] {font-size: 1.5rem;}
.js-plotly-plot .plotly .modebar {opacity: 0.35;}
</style>"""


@dataclass(frozen=True)
class Step:
    """One page of the way from wafers to an answer."""

    key: str
    title: str
    page: str
    icon: str


STEPS = (
    Step("classes", "Classes", "pages/1_Classes.py", ":material/category:"),
    Step("augment", "Augment", "pages/2_Augment.py", ":material/flip:"),
    Step("generate", "Generate", "pages/3_Generate.py", ":material/auto_awesome:"),
    Step("train", "Train", "pages/4_Train.py", ":material/model_training:"),
    Step("predict", "Predict", "pages/5_Predict.py", ":material/troubleshoot:"),
)


def step(key: str) -> Step:
    """The step of this key."""
    return next(s for s in STEPS if s.key == key)


def start(title: str) -> Project | None:
    """Begin a page: configure it and draw the side bar.

    Args:
        title: For the browser's tab.

    Returns:
        The open project, if there is one.
    """
    st.set_page_config(
        page_title=f"{title} · Teachable Wafer", page_icon=":material/blur_circular:", layout="wide"
    )
    st.html(STYLE)
    project = guards.open_project()
    guards.show_note()
    with st.sidebar:
        _menu(project)
        jobs_panel.sidebar_status()
    return project


def _menu(project: Project | None) -> None:
    st.page_link("app.py", label="**Teachable Wafer**", icon=":material/blur_circular:")
    if project is None:
        st.caption("Open or create a project to begin.")
        return
    try:
        summary = loaders.summary(project)
        name = project.name
    except ProjectError as exc:
        st.error(str(exc))
        return
    st.markdown(f"###### :material/folder_open: {plain(name)}")
    done = _done(summary)
    for number, item in enumerate(STEPS, 1):
        st.page_link(
            item.page,
            label=f"{number} · {item.title}",
            icon=item.icon,
            query_params={"project": project.path.name},
        )
        st.caption(done[item.key])
    st.page_link(
        "pages/6_Jobs.py",
        label="Jobs",
        icon=":material/pending_actions:",
        query_params={"project": project.path.name},
    )


def _done(summary: Summary) -> dict[str, str]:
    """What each step has done so far, a few words each."""
    current = summary.current
    if current is None:
        trained, ready = "no model yet", "needs a model"
    else:
        score = "not tested" if current.macro_f1 is None else f"macro-F1 {current.macro_f1:.2f}"
        trained = f"{score} · out of date" if summary.changes else score
        ready = "ready"
    count = len(summary.classes)
    return {
        "classes": f"{count} {'class' if count == 1 else 'classes'} · {summary.originals:,} wafers",
        "augment": f"{summary.augmented:,} made",
        "generate": f"{summary.generated:,} made",
        "train": trained,
        "predict": ready,
    }


def text_colour() -> str | None:
    """The colour of the page's text, for charts that write upon colours; None: nobody knows yet."""
    theme = st.context.theme.type
    colour: str | None = theme and st.get_option(f"theme.{theme}.textColor")
    return colour
