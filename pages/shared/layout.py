"""The frame of every page: settings, menu with the steps, active jobs, language and theme."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from pages.shared import guards, jobs_panel, loaders, theme
from pages.shared.words import choose_language, escape, keep_language, t, t_raw, tn
from wafer_core.data.project import Project
from wafer_core.data.summary import Summary
from wafer_core.errors import ProjectError
from wafer_core.messages import N_

_ICON = Path(__file__).with_name("icon.png")  # Streamlit would load a named icon from the internet

STYLE = """<style>
.block-container {max-width: 1500px; padding: 2.6rem 2.2rem 4rem 2.2rem;}
section[data-testid="stSidebar"] .block-container {padding-top: 0.5rem;}
section[data-testid="stSidebar"] [data-testid="stSidebarHeader"] {height: 2.4rem; padding: 0;}
section[data-testid="stSidebar"] [data-testid="stSidebarUserContent"] {padding-bottom: 1rem;}
section[data-testid="stSidebar"] [data-testid="stVerticalBlock"] {gap: 0.55rem;}
section[data-testid="stSidebar"] .st-key-layout_steps {gap: 0.15rem;}
section[data-testid="stSidebar"] .st-key-layout_steps [data-testid="stCaptionContainer"]
  {margin: -0.25rem 0 0.3rem 2.1rem;}
[data-testid="stCaptionContainer"]
  {color: light-dark(#4A555F, #B5BCC4) !important; opacity: 1 !important;}
[data-testid="stBaseButton-primary"], [data-testid="stBaseButton-primaryFormSubmit"]
  {color: light-dark(#FFFFFF, #0B1520) !important;}
[data-testid="stFileUploaderDropzoneInstructions"] span {white-space: normal; overflow: visible;}
[data-testid="stMetricValue"] {font-size: 1.5rem;}
.js-plotly-plot .plotly .modebar {opacity: 0.35;}
</style>"""


@dataclass(frozen=True)
class Step:
    """One page of the way from wafers to a prediction."""

    key: str
    title: str
    page: str
    icon: str


STEPS = (
    Step("classes", N_("Classes"), "pages/1_Classes.py", ":material/category:"),
    Step("augment", N_("Augment"), "pages/2_Augment.py", ":material/flip:"),
    Step("generate", N_("Generate"), "pages/3_Generate.py", ":material/auto_awesome:"),
    Step("train", N_("Train"), "pages/4_Train.py", ":material/model_training:"),
    Step("predict", N_("Predict"), "pages/5_Predict.py", ":material/troubleshoot:"),
)
OTHERS = (
    Step("jobs", N_("Jobs"), "pages/6_Jobs.py", ":material/pending_actions:"),
    Step("explore", N_("Explore"), "pages/7_Explore.py", ":material/grid_on:"),
    Step("help", N_("Help"), "pages/8_Help.py", ":material/help:"),
)
LAST_PAGE = "layout_last_page"  # session state: key of the page before Help
_ADDRESSES = [s.page.partition("_")[2].removesuffix(".py") for s in (*STEPS, *OTHERS)]


def step(key: str) -> Step:
    """The page of this key."""
    return next(s for s in (*STEPS, *OTHERS) if s.key == key)


def start(title: str) -> Project | None:
    """Begin a page: configure it and draw the side bar.

    Args:
        title: For the browser's tab; English, translated here.

    Returns:
        The open project, if there is one.
    """
    keep_language()
    st.set_page_config(
        page_title=f"{t_raw(title)} · Teachable Wafer",
        page_icon=str(_ICON),
        layout="wide",
    )
    st.html(STYLE)
    current = next((s.key for s in (*STEPS, *OTHERS) if s.title == title), "home")
    if current != "help":
        st.session_state[LAST_PAGE] = current
    project = guards.open_project()
    with st.sidebar:
        _menu(project)
        with st.container(horizontal=True, vertical_alignment="center", key="layout_switches"):
            choose_language()
            theme.switch(_ADDRESSES)
        jobs_panel.sidebar_status()
    guards.show_note()
    return project


def link(key: str, project: Project | None, label: str | None = None) -> None:
    """A link to a page that keeps the project and the language.

    Args:
        key: Of the page.
        project: The open project.
        label: Markdown; the title of the page where missing.
    """
    target = step(key)
    st.page_link(
        target.page,
        label=label or t(target.title),
        icon=target.icon,
        query_params=guards.address(project),
    )


def _menu(project: Project | None) -> None:
    st.page_link(
        "app.py",
        label="**Teachable Wafer**",
        icon=":material/blur_circular:",
        query_params=guards.address(project),
    )
    if project is None:
        st.caption(t("Open or create a project to begin."))
    else:
        _steps(project)
    for item in OTHERS:
        link(item.key, project)


def _steps(project: Project) -> None:
    try:
        summary = loaders.summary(project)
        name = project.name
    except ProjectError as exc:
        st.error(t(exc))
        return
    st.markdown(f"###### :material/folder_open: {escape(name)}")
    done = _done(summary)
    with st.container(key="layout_steps"):
        for number, item in enumerate(STEPS, 1):
            link(item.key, project, f"{number} · {t(item.title)}")
            st.caption(done[item.key])


def _done(summary: Summary) -> dict[str, str]:
    """What each step has done so far, a few words each, as Markdown."""
    current = summary.current
    if current is None:
        trained, ready = t("no model yet"), t("uses the shipped model")
    else:
        ready = t("ready")
        if current.macro_f1 is None:
            trained = t("not tested")
        elif summary.changes:
            trained = t("macro-F1 {score:.2f} · out of date", score=current.macro_f1)
        else:
            trained = t("macro-F1 {score:.2f}", score=current.macro_f1)
    classes = tn("{count} class", "{count} classes", len(summary.classes))
    wafers = tn("{count:,} wafer", "{count:,} wafers", summary.originals)
    return {
        "classes": f"{classes} · {wafers}",
        "augment": tn("{count:,} wafer made", "{count:,} wafers made", summary.augmented),
        "generate": tn("{count:,} wafer made", "{count:,} wafers made", summary.generated),
        "train": trained,
        "predict": ready,
    }


def text_colour() -> str | None:
    """The colour of the page's text, for charts that write on colours; ``None``: not known yet."""
    chosen = st.context.theme.type
    colour: str | None = chosen and st.get_option(f"theme.{chosen}.textColor")
    return colour
