"""What Predict keeps between reruns: the wafers of this tab with their predictions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import streamlit as st

from wafer_core.data import folder_names
from wafer_core.data.folder_names import FolderMatch
from wafer_core.data.project import Project
from wafer_core.errors import ProjectError
from wafer_core.images import Picture
from wafer_core.importers import Candidate, Colour, Loaded, Rejected, Role, Upload
from wafer_core.importers.recognition import Recognised
from wafer_core.tasks.classification import predict
from wafer_core.tasks.classification.predict import Prediction
from wafer_core.tasks.classification.predictions import PredictionRow

_KEY = "predict_state"  # session state
_PICTURES_KEPT = 8  # the last wafers shown large: a picture of 4,000 pixels takes a second to read


@dataclass(frozen=True)
class Drop:
    """Files that came together.

    Attributes:
        uploads: The files, to read them again with other colours; none for test wafers.
        is_sample: Whether these are test wafers of the project.
    """

    uploads: tuple[Upload, ...] = ()
    is_sample: bool = False


@dataclass(frozen=True)
class PredictedWafer:
    """One wafer of the list.

    Attributes:
        id: Counts the wafers of this tab.
        drop: Index of its drop.
        candidate: Reads its picture.
        found: What was recognised.
        prediction: Of the current model.
        folder: Name of its folder or label in a data file, or its class in the project.
    """

    id: int
    drop: int
    candidate: Candidate
    found: Recognised
    prediction: Prediction
    folder: str | None


@dataclass
class PredictState:
    """The wafers of one project in one tab.

    Attributes:
        project: Path of the project.
        run: Model of the predictions.
        threshold: Probability below which a wafer needs review.
        drops: In the order they came.
        wafers: In the order they came.
        rejected: Files of the last drop that could not be read.
        selected: Id of the wafer that is shown large.
        cell: Chosen cell of the confusion matrix: true and predicted class.
        roles: Roles of flat colours as the user corrected them.
        next_view: What to show beside the list in the next run: a key of ``results.VIEWS``.
        thumbnails: Small drawings by wafer id, as data URLs.
        next_id: Of the next wafer.
    """

    project: str
    run: str = ""
    threshold: float = predict.REVIEW_BELOW
    drops: list[Drop] = field(default_factory=list)
    wafers: list[PredictedWafer] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    selected: int | None = None
    cell: tuple[str, str] | None = None
    roles: dict[Colour, Role] = field(default_factory=dict)
    next_view: str | None = None
    thumbnails: dict[int, str] = field(default_factory=dict)
    next_id: int = 0
    _pictures: dict[int, Loaded] = field(default_factory=dict)
    _shown: set[tuple[str, int]] = field(default_factory=set)

    def add(
        self,
        drop: Drop,
        candidates: Sequence[Candidate],
        predictions: Iterable[Prediction],
        recognised: dict[int, Recognised],
    ) -> None:
        """Add the wafers of a drop and select the first of them as the list shows it."""
        self.drops.append(drop)
        new = [
            PredictedWafer(
                self.next_id + number,
                len(self.drops) - 1,
                candidates[each.position],
                recognised[each.position],
                each,
                each.truth,
            )
            for number, each in enumerate(predictions)
        ]
        self.next_id += len(new)
        self.wafers += new
        if new:
            self.selected = newest_first(new)[0].id
            self.cell = None

    def replace_all(self, wafers: list[PredictedWafer]) -> None:
        """Exchange the wafers for others with the same ids."""
        self.wafers = wafers
        self.thumbnails.clear()
        self._pictures.clear()
        self._shown.clear()
        self.cell = None

    def set_threshold(self, threshold: float) -> None:
        """Give every wafer its verdict anew."""
        self.threshold = threshold
        self.wafers = [
            replace(wafer, prediction=wafer.prediction.judged(threshold)) for wafer in self.wafers
        ]

    def set_folder(self, wafer_id: int, folder: str) -> None:
        """A wafer was given another class."""
        self.wafers = [replace(w, folder=folder) if w.id == wafer_id else w for w in self.wafers]

    def has_shown(self, model: str, wafer: PredictedWafer) -> bool:
        """Whether the heat map of a wafer was drawn before; notes that it is now."""
        key = (model, wafer.id)
        if key in self._shown:
            return True
        self._shown.add(key)
        return False

    def loaded(self, wafer: PredictedWafer) -> Loaded:
        """The wafer's picture and colours, kept for the next reruns.

        Raises:
            PictureError: It is gone or damaged.
        """
        if wafer.id not in self._pictures:
            loaded = wafer.candidate.load()
            while len(self._pictures) >= _PICTURES_KEPT:
                self._pictures.pop(next(iter(self._pictures)))
            self._pictures[wafer.id] = loaded
        return self._pictures[wafer.id]

    def picture(self, wafer: PredictedWafer) -> Picture:
        """The wafer's picture.

        Raises:
            PictureError: It is gone or damaged.
        """
        return self.loaded(wafer).picture


def of_project(project: Project) -> PredictState:
    """The state of this tab; another project starts anew."""
    state = st.session_state.get(_KEY)
    if not isinstance(state, PredictState) or state.project != str(project.path):
        state = st.session_state[_KEY] = PredictState(str(project.path))
    return state


def clear(state: PredictState) -> None:
    """Forget all wafers; the model stays."""
    st.session_state[_KEY] = PredictState(state.project, state.run, state.threshold)


def folders(project: Project, state: PredictState) -> FolderMatch:
    """Which folder of the dropped trees is which class of the model."""
    names = [w.folder for w in state.wafers if w.folder is not None]
    class_names = list(state.wafers[0].prediction.probabilities) if state.wafers else []
    try:
        remembered = folder_names.read_folder_names(project)
    except ProjectError:  # asked for again and then written anew
        remembered = folder_names.FolderNames()
    return folder_names.match_folders(names, class_names, remembered)


def row(wafer: PredictedWafer, match: FolderMatch) -> PredictionRow:
    """A wafer as a row of the CSV file and of the report."""
    truth = match.known.get(wafer.folder or "")
    return PredictionRow(wafer.prediction, truth, wafer.found.dies, wafer.found.failed)


def newest_first(wafers: Iterable[PredictedWafer]) -> list[PredictedWafer]:
    """The newest drop first; within a drop unknown wafers, then the least certain."""
    return sorted(
        wafers,
        key=lambda w: (-w.drop, w.prediction.urgency, w.id),
    )
