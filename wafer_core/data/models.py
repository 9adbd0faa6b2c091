"""Trained models of a project: what each was trained on, its scores, whether it is out of date.

models/<run>/model.safetensors model.json report.json curves.csv dataset.json unknown.safetensors
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wafer_core import files, names
from wafer_core.data import dataset
from wafer_core.data.members import FILE_NAME, MEGABYTE, Member
from wafer_core.data.project import Project
from wafer_core.data.reports import RunReport
from wafer_core.errors import InputError, ModelError, ParameterError
from wafer_core.json_fields import REQUIRED, Fields
from wafer_core.messages import Message, message

TRAIN_AGAIN = message("Delete the model and train again.")
_MAX_DESCRIPTION, _MAX_REPORT, _MAX_CURVES = 16 * MEGABYTE, 64 * MEGABYTE, 16 * MEGABYTE


@dataclass(frozen=True)
class ModelDescription:
    """What the list of models shows of ``model.json``; ``networks.checkpoint`` reads all of it.

    Attributes:
        network: Key of the network.
        class_names: In class order.
        temperature: Divisor of the logits, fitted on the validation split.
        name: Display name; empty: that of the folder.
        created: ISO 8601, UTC.
        review_below: The chosen review threshold; ``None``: the default.
    """

    network: str
    class_names: tuple[str, ...]
    temperature: float | None
    name: str
    created: str
    review_below: float | None

    @classmethod
    def from_json(cls, value: object) -> ModelDescription:
        """Read ``model.json``.

        Raises:
            DataError: A value is missing, of the wrong type, or out of range.
        """
        fields = Fields(value)
        extra = Fields(fields.free("extra", {}))
        return cls(
            fields.text("network"),
            fields.texts("class_names", REQUIRED),
            fields.optional_number("temperature", 0.01, 100),
            names.visible(extra.text("name", "")),
            extra.text("created", ""),
            extra.optional_number("review_below", 0, 1),
        )


_FOLDER = rf"models/{FILE_NAME}"
MEMBERS = (
    Member(rf"{_FOLDER}/model\.json", ModelDescription.from_json, _MAX_DESCRIPTION),
    Member(rf"{_FOLDER}/report\.json", RunReport.from_json, _MAX_REPORT),
    Member(rf"{_FOLDER}/dataset\.json", dataset.Dataset.from_json, dataset.MAX_BYTES),
    Member(rf"{_FOLDER}/curves\.csv", None, _MAX_CURVES),
    Member(rf"{_FOLDER}/unknown\.safetensors", None, 64 * 2**20),
    Member(rf"{_FOLDER}/model\.safetensors", None, 2048 * MEGABYTE),
)


@dataclass(frozen=True)
class ModelRun:
    """One trained model, as the list of models shows it.

    Attributes:
        run: Its folder.
        name: Display name.
        network: Key of the network.
        created: ISO 8601, UTC.
        class_names: In class order.
        macro_f1: On the test split, 0 to 1; ``None`` without test pictures.
        accuracy: The same.
        test_count: Number of test pictures.
        train_count: Number of training pictures.
        seconds: Time of the training.
        damage: Why it cannot be used.
        temperature: Divisor of the logits, fitted on the validation split.
        review_below: The chosen review threshold; ``None``: the default.
    """

    run: str
    name: str
    network: str
    created: str
    class_names: tuple[str, ...]
    macro_f1: float | None
    accuracy: float | None
    test_count: int
    train_count: int
    seconds: float | None
    damage: Message | None = None
    temperature: float | None = None
    review_below: float | None = None


def model_folder(project: Project, run: str) -> Path:
    """Folder of one model.

    Raises:
        ModelError: There is no such model.
    """
    folder = project.models_path / run
    if not names.is_folder_name(run) or not (folder / "model.json").exists():
        raise ModelError(
            "There is no model “{name}” in this project; choose another one or train one.",
            name=run[:60],
        )
    return folder


def runs(project: Project) -> list[str]:
    """Folder names of all models, oldest first."""
    try:
        paths = list(project.models_path.iterdir())
    except OSError:  # none was trained
        return []
    return sorted(p.name for p in paths if p.name[0] != "." and (p / "model.json").exists())


def list_models(project: Project) -> tuple[ModelRun, ...]:
    """All models, newest first; a damaged one says what is wrong with it."""
    found = []
    for run in reversed(runs(project)):
        folder = project.models_path / run
        try:
            found.append(_read(folder))
        except InputError as exc:
            found.append(ModelRun(run, run, "", "", (), None, None, 0, 0, None, exc.message))
    return tuple(found)


def _read(folder: Path) -> ModelRun:
    model = _read_description(folder)
    report = _read_report(folder)
    scores = report.evaluation
    return ModelRun(
        folder.name,
        model.name or folder.name,
        model.network,
        model.created,
        model.class_names,
        scores.macro_f1 if scores else None,
        scores.accuracy if scores else None,
        scores.count if scores else 0,
        report.train_count,
        report.seconds,
        temperature=model.temperature,
        review_below=model.review_below,
    )


def _read_description(folder: Path) -> ModelDescription:
    return files.read_checked(
        folder / "model.json",
        ModelDescription.from_json,
        error=ModelError,
        remedy=TRAIN_AGAIN,
        max_bytes=_MAX_DESCRIPTION,
    )


def _read_report(folder: Path) -> RunReport:
    return files.read_checked(
        folder / "report.json",
        RunReport.from_json,
        error=ModelError,
        remedy=TRAIN_AGAIN,
        max_bytes=_MAX_REPORT,
    )


def current_model(project: Project) -> str | None:
    """The model that Predict uses: the chosen one, else the newest; ``None`` without models."""
    chosen = project.settings.current_model
    if chosen is not None and chosen in runs(project):
        return chosen
    return next((r.run for r in list_models(project) if r.damage is None), None)


def read_report(project: Project, run: str) -> RunReport:
    """The report of a model.

    Raises:
        ModelError: There is no such model, or its report is damaged.
    """
    return _read_report(model_folder(project, run))


def report(project: Project, run: str) -> dict[str, Any]:
    """The report of a model as stored, with its types checked.

    Raises:
        ModelError: There is no such model, or its report is damaged.
    """
    return dict(read_report(project, run).values)


def curves(project: Project, run: str) -> list[dict[str, float | None]]:
    """``curves.csv`` of a model: one row per epoch; empty if it is missing or damaged.

    Raises:
        ModelError: There is no such model.
    """
    path = model_folder(project, run) / "curves.csv"
    try:
        if path.stat().st_size > _MAX_CURVES:
            return []
        text = path.read_text("utf-8")
        rows = list(csv.DictReader(io.StringIO(text)))
    except (OSError, ValueError, csv.Error):
        return []
    return [{str(k): _number(v) for k, v in row.items() if k} for row in rows]


def _number(text: object) -> float | None:
    try:
        return float(str(text))
    except ValueError:
        return None


def trained_on(project: Project, run: str) -> dataset.Dataset:
    """The dataset that was frozen for a model.

    Raises:
        ModelError: There is no such model, or its dataset is damaged.
    """
    return dataset.read(model_folder(project, run), TRAIN_AGAIN)


def changes(project: Project, run: str) -> list[Message]:
    """What changed in the classes since a model was trained; empty if it is up to date.

    Raises:
        ModelError: There is no such model, or its dataset is damaged.
        ProjectError: A class is damaged.
    """
    return dataset.changes_since(trained_on(project, run), dataset.freeze(project))


def rename_model(project: Project, run: str, name: str) -> None:
    """Change a model's display name.

    Raises:
        ClassNameError: The name cannot be used.
        ModelError: There is no such model.
    """
    _update_extra(project, run, name=names.clean_name(name, "run"))


def set_review_below(project: Project, run: str, threshold: float) -> None:
    """Choose the review threshold of a model: less confident predictions need review.

    Raises:
        ParameterError: The threshold is not a probability.
        ModelError: There is no such model.
    """
    is_number = isinstance(threshold, int | float) and not isinstance(threshold, bool)
    if not is_number or not 0 <= threshold <= 1:
        raise ParameterError(
            "The review threshold is {value}; use a probability from 0 to 1.",
            value=repr(threshold),
        )
    _update_extra(project, run, review_below=float(threshold))


def _update_extra(project: Project, run: str, **changed: Any) -> None:
    with project.lock():
        folder = model_folder(project, run)
        _read_description(folder)
        value: Mapping[str, Any] = files.read_json(folder / "model.json")
        extra = {**(value.get("extra") or {}), **changed}
        files.write_json(folder / "model.json", {**value, "extra": extra})


def delete_model(project: Project, run: str) -> None:
    """Delete a model permanently.

    Raises:
        ModelError: There is no such model.
    """
    with project.lock():
        files.remove_folder(model_folder(project, run))
        if project.settings.current_model == run:
            project.set_current_model(None)
