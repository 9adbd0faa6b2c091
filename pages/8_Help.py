"""Help: the documents of the app with a search, frequent questions, and feedback."""

from __future__ import annotations

from urllib.parse import urlencode

import streamlit as st

from pages.help import documents, feedback_form
from pages.help.documents import Document, Section
from pages.shared import guards, layout
from pages.shared.words import escape, language, t, t_raw

QUESTIONS = "faq"  # each section of this document is a question

project = layout.start("Help")
found = {topic: documents.read(path) for topic, path in documents.paths(language()).items()}


def show(document: Document, section: Section) -> None:
    """The text and the pictures of a section."""
    query = "&" + urlencode(guards.address(project))
    for block in documents.blocks(section, document.path.parent, query):
        if isinstance(block, str):
            st.markdown(block)
        else:
            st.image(str(block[0]), alt=block[1])


def results(words: str) -> None:
    """The sections that a search found."""
    sections = documents.search(list(found.values()), words)
    if not sections:
        st.info(t("Nothing found for “{words}”. Try another word.", words=words))
    for place, section in enumerate(sections):
        title = f"{escape(section.document)} › {escape(section.title)}"
        with st.expander(title, expanded=place == 0):
            show(found[section.topic], section)


def topic(document: Document) -> None:
    """A whole document; questions open one by one."""
    for section in document.sections:
        if document.topic == QUESTIONS and section.level > 1:
            with st.expander(escape(section.title)):
                show(document, section)
            continue
        st.markdown(f"{'#' * (section.level + 1)} {escape(section.title)}")
        show(document, section)


with st.container(horizontal=True, vertical_alignment="center"):
    st.title(t("Help"), width="stretch", anchor=False)
    if st.button(t("Send feedback"), key="help_send", icon=":material/feedback:"):
        st.dialog(t("Send feedback"))(feedback_form.form)(project)
words = st.text_input(
    t("Search the documents"),
    key="help_search",
    placeholder=t_raw("For example: lot, yield, matrix"),
    icon=":material/search:",
)
if words.strip():
    results(words)
elif found:
    wanted = st.query_params.get("topic")
    if wanted in found and "help_topic" not in st.session_state:
        st.session_state["help_topic"] = wanted
    left, right = st.columns([2, 7], gap="large")
    chosen = left.radio(
        t("Topics"),
        list(found),
        format_func=lambda name: found[name].title,
        key="help_topic",
        label_visibility="collapsed",
    )
    st.query_params["topic"] = chosen
    with right:
        topic(found[chosen])
else:
    st.info(t("The documents are not installed on this server."))
feedback_form.received()
