"""Settings of a training as texts for tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd
import streamlit as st

from pages.shared import forms
from pages.shared.networks import network_title
from pages.shared.words import t_raw
from wafer_core.parameters import parameters_of
from wafer_core.tasks.classification.config import TrainConfig


def table(config: Mapping[str, Any], name: str) -> None:
    """The settings of a training, by their titles.

    Args:
        config: As stored in the report.
        name: End of the widget's key.
    """
    rows = texts(config, config)
    st.dataframe(
        pd.DataFrame(rows, columns=["setting", "value"]),
        key=f"train_settings_{name}",
        hide_index=True,
        height=280,
        column_config={
            "setting": st.column_config.TextColumn(t_raw("setting")),
            "value": st.column_config.TextColumn(t_raw("value"), width=130),
        },
    )


def texts(config: Mapping[str, Any], names: Iterable[str]) -> list[tuple[str, str]]:
    """Title and value of some settings; for tables.

    Args:
        config: As stored in the report.
        names: Of the settings; unknown ones are skipped.
    """
    specs = parameters_of(TrainConfig)
    return [
        (
            t_raw(specs[name].title),
            network_title(str(config.get(name)))
            if name == "network"
            else forms.value_text(config.get(name), specs[name]),
        )
        for name in names
        if name in specs
    ]
