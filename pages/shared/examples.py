"""One wafer of each class, for pages that have nothing to show yet."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from pages.shared import loaders
from pages.shared.words import t, t_raw
from wafer_core.data import manifest, pictures
from wafer_core.data.project import Project
from wafer_core.data.summary import ClassSummary

_COLUMNS, _CELL, _MAX = 5, 116, 20


def examples(project: Project, classes: Sequence[ClassSummary]) -> None:
    """The first training wafer of each class, with its name.

    Args:
        project: The project.
        classes: Those with training wafers; at most twenty are shown.
    """
    paths, names = [], []
    for c in classes[:_MAX]:
        record = next((r for r in pictures.originals(project, c.slug) if r.split == "train"), None)
        if record is not None:
            paths.append(str(manifest.class_folder(project, c.slug) / "originals" / record.file))
            names.append(c.name)
    if paths:
        st.markdown(t("**One training wafer of each class**"))
        st.image(
            loaders.sheet(tuple(paths), _COLUMNS, _CELL, tuple(names)),
            alt=t_raw("One training wafer of each class"),
        )
