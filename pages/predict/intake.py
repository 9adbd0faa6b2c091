"""New wafers for the list: dropped files, test wafers of the project, other colours or models."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import streamlit as st

from pages.predict.state import Drop, PredictedWafer, PredictState
from pages.shared import progress
from pages.shared.words import tn
from wafer_core.data import manifest, pictures
from wafer_core.data.project import Project
from wafer_core.importers import (
    Candidate,
    Colour,
    Loaded,
    ReadOptions,
    Rejected,
    Role,
    Upload,
    scan,
)
from wafer_core.importers.recognition import Observer
from wafer_core.tasks.classification import predict
from wafer_core.tasks.classification.classifier import Classifier

_QUICK = 100  # wafers that are predicted without a progress bar, in less than a second
WAITING = "predict_waiting"  # session state: (slug, file) of originals that another page sent
FILTERS = ("predict_classes", "predict_verdict", "predict_sort", "predict_page")  # widgets' keys


def take_files(state: PredictState, classifier: Classifier, uploads: Sequence[Upload]) -> None:
    """Read dropped files and add their wafers.

    A tree with folders that name classes shows its confusion matrix, other files the newest wafer.
    """
    found = scan(uploads, options=ReadOptions(state.roles))
    _add(state, classifier, Drop(tuple(uploads)), found.candidates, found.rejected)
    has_folders = any(c.class_name for c in found.candidates)
    state.next_view = "matrix" if has_folders else "wafer"


def take_samples(project: Project, state: PredictState, classifier: Classifier, count: int) -> bool:
    """Add test wafers of the project that are not in the list; ``False`` if there are no more."""
    listed = {(w.folder, w.candidate.name) for w in state.wafers if state.drops[w.drop].is_sample}
    left = [c for c in test_wafers(project) if (c.class_name, c.name) not in listed]
    order = np.random.default_rng(len(state.drops)).permutation(len(left))[:count]
    if not len(order):
        return False
    chosen = [left[int(position)] for position in order]
    _add(state, classifier, Drop(is_sample=True), chosen, [])
    state.next_view = "wafer"
    return True


def test_wafers(project: Project) -> list[Candidate]:
    """The originals that no model was trained on."""

    return [
        Candidate(
            record.source or record.file, c.name, record.group, _reader(project, c.slug, record)
        )
        for c in project.classes()
        for record in pictures.originals(project, c.slug)
        if record.split == "test"
    ]


def take_waiting(project: Project, state: PredictState, classifier: Classifier) -> bool:
    """Add the originals that another page sent here; ``False`` if there are none."""
    waiting: list[tuple[str, str]] = st.session_state.pop(WAITING, [])
    wanted: dict[str, set[str]] = {}
    for slug, file in waiting:
        wanted.setdefault(slug, set()).add(file)
    names = {c.slug: c.name for c in project.classes()}
    chosen = [
        Candidate(
            record.source or record.file, names[slug], record.group, _reader(project, slug, record)
        )
        for slug in wanted
        if slug in names
        for record in pictures.originals(project, slug)
        if record.file in wanted[slug]
    ]
    if not chosen:
        return False
    _add(state, classifier, Drop(is_sample=True), chosen, [])
    state.next_view = "wafer" if len(chosen) == 1 else "matrix"
    return True


def _reader(project: Project, slug: str, record: manifest.PictureRecord) -> Callable[[], Loaded]:
    return lambda: Loaded(manifest.load(project, slug, record))


def predict_again(state: PredictState, classifier: Classifier) -> None:
    """Another model predicts the wafers of the list."""
    candidates = [w.candidate for w in state.wafers]
    done, observer = _predict(state, classifier, candidates)
    state.replace_all(
        [
            replace(
                state.wafers[each.position],
                candidate=observer.keep(each.position, candidates[each.position]),
                prediction=each,
                found=observer.recognised[each.position],
            )
            for each in done.predictions
        ]
    )


def read_with_colours(
    state: PredictState, classifier: Classifier, roles: Mapping[Colour, Role]
) -> None:
    """Read all dropped files again with other meanings of their colours."""
    state.roles = dict(roles)
    by_file: dict[tuple[int, str], list[Candidate]] = {}
    for number, drop in enumerate(state.drops):
        if drop.uploads:
            for candidate in scan(drop.uploads, options=ReadOptions(state.roles)).candidates:
                by_file.setdefault((number, candidate.name), []).append(candidate)
    wafers: list[PredictedWafer] = []
    for wafer in state.wafers:
        same_name = by_file.get((wafer.drop, wafer.candidate.name))
        wafers.append(replace(wafer, candidate=same_name.pop(0)) if same_name else wafer)
    state.replace_all(wafers)
    predict_again(state, classifier)


def _add(
    state: PredictState,
    classifier: Classifier,
    drop: Drop,
    candidates: Sequence[Candidate],
    rejected: Sequence[Rejected],
) -> None:
    done, observer = _predict(state, classifier, candidates)
    state.rejected = [*rejected, *done.rejected]
    kept = [observer.keep(position, each) for position, each in enumerate(candidates)]
    state.add(drop, kept, done.predictions, observer.recognised)
    for key in FILTERS:  # the new wafers must be seen
        st.session_state.pop(key, None)


def _predict(
    state: PredictState, classifier: Classifier, candidates: Sequence[Candidate]
) -> tuple[predict.Predictions, Observer]:
    observer = Observer()
    watched = observer.watch(candidates)
    if len(candidates) <= _QUICK:
        done = predict.predict_candidates(classifier, watched, state.threshold)
    else:
        text = tn("Predicting {count:,} wafer …", "Predicting {count:,} wafers …", len(watched))
        with progress.bar(text) as report:
            done = predict.predict_candidates(classifier, watched, state.threshold, report)
    return done, observer
