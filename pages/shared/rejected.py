"""Files that could not be read, each with its reason, in one line of the page."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from pages.shared.words import t, t_raw, tn
from wafer_core.importers import Rejected

_MOST = 1000  # reasons in the table


def show_rejected(rejected: Sequence[Rejected]) -> None:
    """The reason of a single file, or the number of files with a button that shows all reasons."""
    if not rejected:
        return
    if len(rejected) == 1:
        st.warning(t(rejected[0].reason), icon=":material/error:")
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        told = tn("{count:,} file was left out.", "{count:,} files were left out.", len(rejected))
        st.warning(told, icon=":material/error:")
        with st.popover(t("Why?"), width="content"):
            st.dataframe(
                pd.DataFrame({"reason": [t_raw(each.reason) for each in rejected[:_MOST]]}),
                hide_index=True,
                height="content" if len(rejected) <= 8 else 320,
                width=640,
                column_config={
                    "reason": st.column_config.TextColumn(t_raw("reason"), width="large")
                },
            )
