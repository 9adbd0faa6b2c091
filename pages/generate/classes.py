"""The table of classes: what there is of each, and how many wafers are made by which method."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from pages.generate.form import OVERRIDES, Entry, Override
from pages.generate.methods import METHODS, NONE
from pages.shared.words import language, t, t_raw
from wafer_core.data.summary import ClassSummary
from wafer_core.tasks.generation.presets import MAX_COUNT
from wafer_core.workflows.generate import GAN

_NOTHING = ""  # method of a class that nothing is made of


def panel(usable: Sequence[ClassSummary], entries: Sequence[Entry]) -> None:
    """The table; a change in it sets a class apart from the form on the left.

    Args:
        usable: Classes with training wafers.
        entries: What is made of each, as the form and earlier changes say.
    """
    st.caption(t("Change method and number of single classes here. The form sets all others."))
    # one job has one generator: the one in the form
    generator = next((e.method for e in entries if e.method and METHODS[e.method].mode == GAN),
                     "auto")  # fmt: skip
    chosen = st.session_state.get("generate_method", "auto")
    if METHODS[chosen].mode == GAN:
        generator = chosen
    titles = {_NOTHING: t_raw(NONE)} | {
        key: t_raw(method.title)
        for key, method in METHODS.items()
        if method.mode != GAN or key == generator
    }
    table = pd.DataFrame(
        {
            "class": [e.wafer_class.name for e in entries],
            "originals": [e.wafer_class.splits["train"] for e in entries],
            "synthetic": [e.wafer_class.augmented + e.wafer_class.generated for e in entries],
            "method": [titles.get(e.method or _NOTHING, titles[_NOTHING]) for e in entries],
            "count": [e.count for e in entries],
        }
    )
    key = f"generate_table_{language()}_{st.session_state.get('generate_round', 0)}"
    number = st.column_config.NumberColumn
    edited = st.data_editor(
        table,
        key=f"{key}_{hash(tuple(map(tuple, table.to_numpy())))}",
        hide_index=True,
        disabled=["class", "originals", "synthetic"],
        column_config={
            "class": st.column_config.TextColumn(t_raw("class")),
            "originals": number(t_raw("training originals")),
            "synthetic": number(t_raw("synthetic so far")),
            "method": st.column_config.SelectboxColumn(
                t_raw("method"), options=list(titles.values()), required=True
            ),
            "count": number(
                t_raw("how many"), min_value=1, max_value=MAX_COUNT, step=10, required=True
            ),
        },
    )
    keys = {title: key for key, title in titles.items()}
    overrides = dict(st.session_state.get(OVERRIDES, {}))
    changed = False
    for entry, before, after in zip(
        entries, table.to_dict("records"), edited.to_dict("records"), strict=True
    ):
        if before != after:
            old = overrides.get(entry.wafer_class.slug, Override())
            overrides[entry.wafer_class.slug] = Override(
                old.method if before["method"] == after["method"] else keys[after["method"]],
                old.count if before["count"] == after["count"] else int(after["count"]),
            )
            changed = True
    if changed:
        st.session_state[OVERRIDES] = overrides
        st.rerun()
