"""Help: the documents of the app, frequent questions, and feedback."""

from __future__ import annotations

import streamlit as st

from pages.shared import layout
from pages.shared.words import t

layout.start("Help")
st.title(t("Help"))
