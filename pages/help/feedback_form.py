"""Send feedback, and the list of what users sent."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from pages.shared import guards, layout, times
from pages.shared.words import language, t, t_raw
from wafer_core.data import feedback, workspace
from wafer_core.data.project import Project
from wafer_core.messages import N_

PAGES = ("home", *(step.key for step in layout.STEPS), *(step.key for step in layout.OTHERS))
FACTS = {
    "classes": N_("classes"),
    "originals": N_("originals"),
    "augmented": N_("augmented"),
    "generated": N_("generated"),
    "network": N_("network"),
    "macro_f1": N_("macro-F1"),
}


def page_title(key: str) -> str:
    """The title of a page in the language of this tab."""
    return t_raw("Home") if key == "home" else t_raw(layout.step(key).title)


def form(project: Project | None) -> None:
    """The content of the dialog."""
    facts: dict[str, Any] = {}
    if project is not None:
        with guards.show_errors():
            facts = feedback.project_facts(project)
    with st.form("help_feedback", border=False):
        text = st.text_area(
            t("What happened, or what is missing?"),
            key="help_text",
            height=140,
            max_chars=feedback.MAX_TEXT,
        )
        last = st.session_state.get(layout.LAST_PAGE, "home")
        page = st.selectbox(
            t("Page"),
            PAGES,
            index=PAGES.index(last) if last in PAGES else 0,
            format_func=page_title,
            key="help_page",
        )
        contact = st.text_input(
            t("How can we reach you? (optional)"), key="help_contact", max_chars=200
        )
        wants_facts = bool(facts) and st.checkbox(
            t("Add facts about the open project, numbers only: {facts}", facts=_line(facts)),
            key="help_facts",
        )
        if st.form_submit_button(t("Send"), type="primary"):
            with guards.show_errors():
                home = workspace.workspace_path()
                sent = feedback.keep(
                    home,
                    feedback.Feedback(
                        text,
                        page,
                        language(),
                        facts if wants_facts else {},
                        contact.strip(),
                    ),
                )
                feedback.deliver_in_background(home, sent)
                guards.notify(t("Thank you. The feedback was stored on this server."))
                st.rerun()


def _line(facts: dict[str, Any]) -> str:
    from wafer_core.networks.registry import NETWORKS  # brings torch, which only this dialog needs

    parts = []
    for key, title in FACTS.items():
        value = facts.get(key)
        if value in NETWORKS:
            value = t_raw(NETWORKS[str(value)].title)
        if value is not None:
            shown = f"{value:.2f}" if isinstance(value, float) else str(value)
            parts.append(f"{t_raw(title)} {shown}")
    return ", ".join(parts)


def received() -> None:
    """What users sent, for the people who run the server."""
    found = feedback.list_feedback(workspace.workspace_path())
    if not found.entries and not found.damaged:
        return
    title = t("Feedback received ({count})", count=len(found.entries))
    with st.expander(title, icon=":material/inbox:"):
        st.dataframe(
            pd.DataFrame(
                {
                    "time": [times.local(entry.created) for entry in found.entries],
                    "page": [
                        page_title(e.page) if e.page in PAGES else e.page for e in found.entries
                    ],
                    "text": [entry.text for entry in found.entries],
                    "contact": [entry.contact for entry in found.entries],
                    "project": [_line(dict(entry.project)) for entry in found.entries],
                    "delivery": [_delivery(entry) for entry in found.entries],
                }
            ),
            hide_index=True,
            key="help_received",
            column_config={
                "time": t_raw("Time"),
                "page": t_raw("Page"),
                "text": st.column_config.TextColumn(t_raw("Feedback"), width="large"),
                "contact": t_raw("Contact"),
                "project": t_raw("Project"),
                "delivery": t_raw("Delivery"),
            },
        )
        for path in found.damaged:
            st.caption(t("{file} is damaged and is not shown; delete it.", file=path.name))


def _delivery(entry: feedback.Feedback) -> str:
    if not entry.deliveries:
        return t_raw("stored here")
    errors = [each.error for each in entry.deliveries if each.error is not None]
    return t_raw(errors[0]) if errors else t_raw("delivered")
