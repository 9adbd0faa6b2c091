"""Test wafers with their predictions: look at them, select them, move them to another class."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from pages.shared import guards, loaders, thumbnails
from pages.shared.words import t, t_raw, tn
from wafer_core.data import manifest, pictures
from wafer_core.data.project import Project
from wafer_core.data.reports import RunReport, StoredPrediction
from wafer_core.messages import counted

MAX_SHOWN = 48
_DRAWN, _SIZE = 96, 84  # pixels: of the drawing, and at least on the page
MOVED = "train_moved"  # session state: the last move, to undo it


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
    sheet(project, own, report.class_names, f"train_cell_{truth}_{predicted}")


def sheet(
    project: Project,
    predictions: Sequence[StoredPrediction],
    names: Sequence[str],
    key: str,
    with_names: bool = False,
) -> None:
    """Wafers that can be selected and moved to another class.

    Args:
        project: Theirs.
        predictions: In the order to show.
        names: Of the classes.
        key: Prefix of the widgets' keys.
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
    drawn = loaders.thumbnails(tuple(str(path_of(project, p)) for p in shown), _DRAWN)
    thumbnails.select(
        [
            thumbnails.Thumbnail(_id(p), url, _title(p, names), _caption(p, names, with_names))
            for p, url in zip(shown, drawn, strict=True)
        ],
        key,
        t_raw("Wafers"),
        _SIZE,
    )
    chosen = [p for p in shown if _id(p) in thumbnails.selected(key)]
    if chosen:
        _move_form(project, chosen, names, key)
    else:
        st.caption(t("Is a wafer mislabelled? Click it to move it to the right class."))


def _id(prediction: StoredPrediction) -> str:
    return f"{prediction.slug}/{prediction.file}"


def _caption(prediction: StoredPrediction, names: Sequence[str], with_name: bool) -> str:
    share = f"{max(prediction.probabilities):.0%}"
    return f"{share} {names[prediction.predicted]}" if with_name else share


def _title(prediction: StoredPrediction, names: Sequence[str]) -> str:
    """What a wafer says when the mouse is over it."""
    return t_raw(
        "{file}: labelled {truth}, predicted {predicted} ({share:.0%})",
        file=prediction.file,
        truth=names[prediction.truth],
        predicted=names[prediction.predicted],
        share=max(prediction.probabilities),
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
    st.session_state[MOVED] = Move(str(project.path), hashes, target, name)
    thumbnails.set_selected(key, ())
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
    last = st.session_state.get(MOVED)
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
    st.session_state.pop(MOVED, None)
    for slug, hashes in last.hashes.items():
        files = [r.file for r in pictures.originals(project, last.target) if r.sha in hashes]
        if files:
            pictures.move_pictures(project, last.target, files, slug)
