"""Files of a drop that were left out, each with its reason."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from pages.shared.words import t_raw, tn
from wafer_core.importers import Rejected

_AS_TEXT = 5  # files; more are listed in a table
_MOST = 1000


def show_rejected(rejected: Sequence[Rejected], is_open: bool = True) -> None:
    """List the files; nothing if there are none.

    Args:
        rejected: The files.
        is_open: Whether the reasons of a few files are shown without a click.
    """
    if not rejected:
        return
    title = tn("{count:,} file was left out", "{count:,} files were left out", len(rejected))
    few = len(rejected) <= _AS_TEXT
    with st.expander(title, icon=":material/error:", expanded=few and is_open):
        if few:
            for one in rejected:
                st.text(t_raw(one.reason))
            return
        st.dataframe(
            pd.DataFrame({"reason": [t_raw(one.reason) for one in rejected[:_MOST]]}),
            hide_index=True,
            height=200,
            column_config={
                "reason": st.column_config.TextColumn(t_raw("Reason"), width="large"),
            },
        )
