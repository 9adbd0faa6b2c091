"""Buttons that download a table."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from pages.shared.words import t
from wafer_core.messages import N_

CSV = N_("Download (CSV)")


def csv(table: pd.DataFrame, file_name: str, key: str, label: str = CSV) -> None:
    """A button that downloads a table as CSV, readable by Excel in any language.

    Args:
        table: Without its index.
        file_name: Of the download.
        key: Of the button.
        label: English, translated here.
    """
    st.download_button(
        t(label),
        table.to_csv(index=False).encode("utf-8-sig"),
        file_name,
        "text/csv",
        key=key,
        icon=":material/download:",
    )
