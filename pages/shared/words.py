"""Texts in the language of this tab: English is the key, gettext catalogues hold the others.

    t("Drop wafers here")                          a label or a sentence, as Markdown
    t("{name} was deleted.", name=c.name)          text fields are escaped for Markdown
    tn("{count:,} wafer", "{count:,} wafers", 3)   a number decides the form
    t(error), t(note)                              what core reports: errors and messages
    t_raw("class")                                 for tables, options and file names: no escape
    chart_text(c.name)                             a name in a plotly chart, which reads HTML

Widget keys are never translated, nor values that are stored.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any

import streamlit as st

from pages.shared import loaders
from wafer_core.errors import WaferError
from wafer_core.messages import Message

LANGUAGES = {"en": "English", "ko": "한국어"}
KEY = "words_language"  # session state; the URL carries it as ?lang=


_SIGNS = re.compile(r"[\\`*_{}\[\]()#+\-.!|$:~<>&]")
_ADDRESS = re.compile(r"(?<=:)(?=//)|(?<=www)(?=\.)|(?=@)", re.IGNORECASE)
_WORD_JOINER = "\u2060"  # invisible; interrupts what a browser would turn into a link


def language() -> str:
    """Code of the language of this tab: as chosen, as in the URL, or as the browser prefers."""
    chosen = st.session_state.get(KEY) or st.query_params.get("lang")
    if chosen not in LANGUAGES:
        chosen = str(st.context.locale or "").partition("-")[0]
    return chosen if chosen in LANGUAGES else "en"


def keep_language() -> None:
    """Keep the chosen language in the URL, also after a change of page."""
    asked = st.query_params.get("lang")
    if KEY in st.session_state:
        if asked != st.session_state[KEY]:
            st.query_params["lang"] = st.session_state[KEY]
    elif asked in LANGUAGES:
        st.session_state[KEY] = asked


def choose_language() -> None:
    """The select box of the side bar; the choice stays in the URL."""
    current = language()
    codes = list(LANGUAGES)

    def remember() -> None:
        st.session_state[KEY] = st.session_state["words_choice"]
        st.query_params["lang"] = st.session_state[KEY]

    st.selectbox(
        "Language · 언어",
        codes,
        index=codes.index(current),
        format_func=LANGUAGES.__getitem__,
        key="words_choice",
        on_change=remember,
        label_visibility="collapsed",
    )


def escape(text: str) -> str:
    """A name or another untrusted text as Markdown that shows it as it is."""
    no_links = _ADDRESS.sub(_WORD_JOINER, " ".join(text.split()))
    return _SIGNS.sub(lambda sign: f"\\{sign[0]}", no_links)


def chart_text(text: str) -> str:
    """A name or another untrusted text for a plotly chart, which interprets HTML."""
    return html.escape(text, quote=False)


def t(text: str | Message | WaferError, /, **fields: Any) -> str:
    """A text in the language of this tab, for Markdown: text fields are escaped.

    Args:
        text: An English template, or what core reports.
        fields: Of a template.
    """
    return _render(_message(text, fields), escape)


def t_raw(text: str | Message | WaferError, /, **fields: Any) -> str:
    """The same for places that are not Markdown: tables, charts, file names."""
    return _render(_message(text, fields), str)


def tn(singular: str, plural: str, count: int, /, **fields: Any) -> str:
    """A text whose form depends on ``count``, for Markdown."""
    return _render(Message(singular, {**fields, "count": count}, plural), escape)


def tn_raw(singular: str, plural: str, count: int, /, **fields: Any) -> str:
    """A text whose form depends on ``count``, for tables, charts and file names."""
    return _render(Message(singular, {**fields, "count": count}, plural), str)


def _message(text: str | Message | WaferError, fields: dict[str, Any]) -> Message:
    if isinstance(text, WaferError):
        return text.message
    return text if isinstance(text, Message) else Message(text, fields)


def _render(message: Message, show: Callable[[str], str]) -> str:
    catalogue = loaders.catalogue(language())

    def translate(template: str, plural: str | None, count: int) -> str:
        if plural is None:
            return catalogue.gettext(template) if template else ""
        return catalogue.ngettext(template, plural, count)

    return message.render(translate, show)
