"""Originals and synthetic wafers side by side, with the scores in large figures."""

from __future__ import annotations

import streamlit as st

from pages.generate import provenance, scores
from pages.shared import loaders
from pages.shared.words import t, t_raw
from wafer_core.data import manifest, pictures
from wafer_core.data.project import Project
from wafer_core.data.summary import ClassSummary
from wafer_core.data.synthetic import SyntheticRun
from wafer_core.sampling import evenly_spaced

REVEAL = "generate_reveal"  # session state: the run that is revealed when it is first shown
_COLUMNS, _ROWS, _CELL = 5, 5, 84
# The new wafers appear from left to right, once.
_STYLE = """<style>
@keyframes reveal {from {clip-path: inset(0 100% 0 0);} to {clip-path: inset(0 0 0 0);}}
@media (prefers-reduced-motion: no-preference) {
  .st-key-generate_revealed [data-testid="stImage"] {animation: reveal 1.6s ease-out;}
}
</style>"""


def show(project: Project, c: ClassSummary, run: SyntheticRun) -> None:
    """Some originals, some of the new wafers, and the scores."""
    key = f"{c.slug}/{run.origin}/{run.run}"
    is_new = st.session_state.get(REVEAL) == key
    if is_new:
        st.session_state[REVEAL] = None
        st.html(_STYLE)
    folder = manifest.class_folder(project, c.slug)
    originals = [r for r in pictures.originals(project, c.slug) if r.split == "train"]
    left, right = st.columns(2, gap="medium")
    for column, title, base, records, name in (
        (left, t("**Originals**"), folder / "originals", originals, "originals"),
        (right, t("**Synthetic**"), folder / run.origin / run.run, run.records,
         "revealed" if is_new else "shown"),
    ):  # fmt: skip
        some = [records[i] for i in evenly_spaced(len(records), _COLUMNS * _ROWS)]
        paths = tuple(str(base / record.file) for record in some)
        with column, st.container(key=f"generate_{name}"):
            st.markdown(title)
            if paths:
                st.image(
                    loaders.sheet(paths, _COLUMNS, _CELL),
                    width="stretch",
                    alt=t_raw("Original wafers of {name}", name=c.name)
                    if name == "originals"
                    else t_raw("Synthetic wafers of {name}", name=c.name),
                )
    scores.headline(project, c, run)
    st.caption(provenance.line(run))
