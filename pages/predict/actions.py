"""What can be done with a predicted wafer: add it to a class, or give it another class."""

from __future__ import annotations

import streamlit as st

from pages.predict.state import PredictedWafer, PredictState
from pages.shared import guards, loaders
from pages.shared.words import t, t_raw
from wafer_core.data import ingest, pictures
from wafer_core.data.project import Project


def class_actions(project: Project, state: PredictState, wafer: PredictedWafer) -> None:
    """*Relabel* for a wafer that is an original of this project, else *Add to class*."""
    place = loaders.originals_by_content(project).get(wafer.found.sha)
    if place is None:
        _add_to_class(project, state, wafer)
    else:
        _relabel(project, state, wafer, *place)


def _add_to_class(project: Project, state: PredictState, wafer: PredictedWafer) -> None:
    names = [c.name for c in project.classes()]
    label = wafer.prediction.label
    with st.popover(
        t("Add to class …"), icon=":material/playlist_add:", key=f"predict_add_popover_{wafer.id}"
    ):
        with st.form(f"predict_add_{wafer.id}", border=False):
            options = names if label in names else [*names, label]
            chosen = st.selectbox(
                t("Class"),
                options,
                index=options.index(label),
                format_func=t_raw_name,
                key=f"predict_add_class_{wafer.id}",
                accept_new_options=True,
                help=t("The wafer is stored as an original. Type a new name to add a class."),
            )
            submitted = st.form_submit_button(t("Add"), type="primary")
        if submitted and chosen:
            with guards.show_errors():
                report = ingest.import_candidates(project, [wafer.candidate], str(chosen))
                if report.rejected:
                    st.error(t("{reason}", reason=str(report.rejected[0].reason)))
                    return
                state.set_folder(wafer.id, str(chosen))
                guards.notify(
                    t("Added to {name}. Retrain to learn from it.", name=str(chosen))
                    if report.total
                    else t("{name} has this wafer already.", name=str(chosen))
                )
                st.rerun()


def _relabel(
    project: Project, state: PredictState, wafer: PredictedWafer, slug: str, file: str
) -> None:
    classes = {c.slug: c.name for c in project.classes()}
    own = classes.get(slug, slug)
    others = [other for other in classes if other != slug]
    with st.popover(
        t("Relabel …"),
        icon=":material/edit:",
        disabled=not others,
        key=f"predict_relabel_popover_{wafer.id}_{slug}",
    ):
        st.caption(t("This wafer is an original of the class {name}.", name=own))
        with st.form(f"predict_relabel_{wafer.id}", border=False):
            guess = [s for s in others if classes[s] == wafer.prediction.label]
            target = st.selectbox(
                t("Move to"),
                others,
                index=others.index(guess[0]) if guess else 0,
                format_func=lambda key: t_raw_name(classes[key]),
                key=f"predict_relabel_to_{wafer.id}",
            )
            submitted = st.form_submit_button(t("Relabel"), type="primary")
        if submitted and target:
            with guards.show_errors():
                pictures.move_pictures(project, slug, [file], target)
                state.set_folder(wafer.id, classes[target])
                guards.notify(
                    t("Moved from {old} to {new}. Retrain to learn from it.", old=own,
                      new=classes[target])
                )  # fmt: skip
                st.rerun()


def t_raw_name(name: str) -> str:
    """A class name as an option of a select box."""
    return t_raw("{name}", name=name)
