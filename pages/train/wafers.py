"""Test wafers with their predictions: look at them, select them, move them to another class."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from pages.shared import gallery, guards, loaders
from pages.shared.charts import chart
from pages.shared.words import chart_text, t, t_raw, tn
from wafer_core.data import manifest, pictures
from wafer_core.data.project import Project
from wafer_core.data.reports import RunReport, StoredPrediction
from wafer_core.messages import counted

MAX_SHOWN = 48
_CELL = 104  # pixels
_MOVED = "train_moved"  # session state: the last move, to undo it


@dataclass(frozen=True)
class Move:
    """Originals that were moved to another class.

    Attributes:
        project: Folder of the project.
        hashes: Content hashes of the wafers, by the slug of the class that they came from.
        target: Slug of the class that they were moved to.
        name: Its name.
    """

    project: str
    hashes: Mapping[str, tuple[str, ...]]
    target: str
    name: str


def path_of(project: Project, prediction: StoredPrediction) -> Path:
    """The file of a test wafer."""
    return manifest.class_folder(project, prediction.slug) / "originals" / prediction.file


def present(project: Project, predictions: Sequence[StoredPrediction]) -> list[StoredPrediction]:
    """Those whose wafer is still in its class."""
    files: dict[str, set[str]] = {}
    classes = {c.slug for c in project.classes()}
    for slug in {p.slug for p in predictions} & classes:
        files[slug] = {record.file for record in pictures.originals(project, slug)}
    return [p for p in predictions if p.file in files.get(p.slug, ())]


def cell(project: Project, report: RunReport, truth: int, predicted: int) -> None:
    """The test wafers of one cell of the confusion matrix, the most confident first."""
    own = [p for p in report.predictions if (p.truth, p.predicted) == (truth, predicted)]
    own.sort(key=lambda p: -p.probabilities[predicted])
    st.markdown(
        t(
            "{wafers} of “{truth}” predicted as “{predicted}”, the most confident first",
            wafers=counted("**{count:,}** wafer", "**{count:,}** wafers", len(own)),
            truth=report.class_names[truth],
            predicted=report.class_names[predicted],
        )
    )
    sheet(project, own, report.class_names, f"train_cell_{truth}_{predicted}", columns=6)


def sheet(
    project: Project,
    predictions: Sequence[StoredPrediction],
    names: Sequence[str],
    key: str,
    columns: int = 4,
    with_names: bool = False,
) -> None:
    """Wafers that can be selected and moved to another class.

    Args:
        project: Theirs.
        predictions: In the order to show.
        names: Of the classes.
        key: Prefix of the widgets' keys.
        columns: Wafers side by side.
        with_names: Whether to write the predicted class below each.
    """
    kept = present(project, predictions)
    if len(kept) < len(predictions):
        st.caption(
            tn(
                "{count:,} wafer has been moved or deleted since.",
                "{count:,} wafers have been moved or deleted since.",
                len(predictions) - len(kept),
            )
        )
    _undo(project)
    if not kept:
        return
    shown = kept[:MAX_SHOWN]
    paths = tuple(str(path_of(project, p)) for p in shown)
    captions = tuple(
        f"{max(p.probabilities):.0%}" + (f" {names[p.predicted]}" if with_names else "")
        for p in shown
    )
    hover = [_hover(p, names) for p in shown]
    version = f"{key}_{hash(paths)}_{st.session_state.get(f'{key}_round', 0)}"
    event = chart(
        gallery.sheet_figure(
            loaders.sheet(paths, columns, _CELL, captions), len(shown), hover, columns, _CELL + 14
        ),
        f"{version}_sheet",
        on_select="rerun",
        selection_mode=("points", "box"),
    )
    chosen = [shown[i] for i in sorted(set(event["selection"]["point_indices"])) if i < len(shown)]
    if chosen:
        _move_form(project, chosen, names, key)
    else:
        st.caption(t("Is a wafer mislabelled? Click it to move it to the right class."))


def _hover(prediction: StoredPrediction, names: Sequence[str]) -> str:
    return "<br>".join(
        (
            chart_text(prediction.file),
            chart_text(t_raw("labelled {name}", name=names[prediction.truth])),
            chart_text(
                t_raw(
                    "predicted {name}, {share:.0%}",
                    name=names[prediction.predicted],
                    share=max(prediction.probabilities),
                )
            ),
        )
    )


def _move_form(
    project: Project, chosen: Sequence[StoredPrediction], names: Sequence[str], key: str
) -> None:
    """Where to move the selected wafers: the predicted class with one click, or another one."""
    classes = {c.slug: c.name for c in project.classes()}
    by_name = {name: slug for slug, name in classes.items()}
    predicted = {names[p.predicted] for p in chosen}
    wrong = all(p.truth != p.predicted for p in chosen)
    with st.container(border=True, horizontal=True, vertical_alignment="bottom"):
        st.markdown(
            tn("**{count:,}** wafer selected", "**{count:,}** wafers selected", len(chosen))
        )
        if wrong and len(predicted) == 1 and (name := predicted.pop()) in by_name:
            st.button(
                t("Move to “{name}”", name=name),
                key="train_move",
                type="primary",
                icon=":material/drive_file_move:",
                on_click=guards.attempt,
                args=(move, project, chosen, by_name[name], name, key),
            )
        target = st.selectbox(
            t("Another class"),
            list(classes),
            index=None,
            format_func=classes.__getitem__,
            key=f"{key}_target",
            placeholder=t_raw("Another class"),
            label_visibility="collapsed",
            width=200,
        )
        if target is not None:
            st.button(
                t("Move"),
                key="train_move_other",
                on_click=guards.attempt,
                args=(move, project, chosen, target, classes[target], key),
            )


def move(
    project: Project, chosen: Sequence[StoredPrediction], target: str, name: str, key: str
) -> None:
    """Move wafers to another class, as ``on_click``.

    Raises:
        WaferError: None of them is there any more, or the class is gone.
    """
    files: dict[str, list[str]] = defaultdict(list)
    for prediction in chosen:
        if prediction.slug != target:
            files[prediction.slug].append(prediction.file)
    hashes = {}
    count = 0
    for slug, own in files.items():
        hashes[slug] = tuple(r.sha for r in pictures.originals(project, slug) if r.file in own)
        count += pictures.move_pictures(project, slug, own, target)
    st.session_state[_MOVED] = Move(str(project.path), hashes, target, name)
    st.session_state[f"{key}_round"] = st.session_state.get(f"{key}_round", 0) + 1
    guards.notify(
        tn(
            "{count:,} wafer moved to “{name}”.",
            "{count:,} wafers moved to “{name}”.",
            count,
            name=name,
        )
    )


def _undo(project: Project) -> None:
    """The button that undoes the last move."""
    last = st.session_state.get(_MOVED)
    if not isinstance(last, Move) or last.project != str(project.path):
        return
    count = sum(map(len, last.hashes.values()))
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(
            tn(
                "{count:,} wafer moved to “{name}”. Train again to include it.",
                "{count:,} wafers moved to “{name}”. Train again to include them.",
                count,
                name=last.name,
            ),
            width="content",
        )
        st.button(
            t("Undo"),
            key="train_move_undo",
            type="tertiary",
            icon=":material/undo:",
            on_click=guards.attempt,
            args=(_move_back, project, last),
        )


def _move_back(project: Project, last: Move) -> None:
    st.session_state.pop(_MOVED, None)
    for slug, hashes in last.hashes.items():
        files = [r.file for r in pictures.originals(project, last.target) if r.sha in hashes]
        if files:
            pictures.move_pictures(project, last.target, files, slug)
