"""The trained models of a project: what each was trained on, how good it is, whether it is stale.

models/<run>/model.safetensors model.json report.json curves.csv dataset.json
"""

from __future__ import annotations

import csv
import io
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wafer_core import files, names
from wafer_core.data import dataset
from wafer_core.data.project import Project
from wafer_core.errors import ModelError, ParameterError, ProjectError


@dataclass(frozen=True)
class ModelRun:
    """One trained model, as the list of runs shows it."""

    run: str  # folder
    name: str  # display name
    network: str
    created: str  # ISO 8601, UTC
    class_names: tuple[str, ...]
    macro_f1: float | None  # on the test part, 0 to 1; None where nothing could be tested
    accuracy: float | None
    test_count: int
    train_count: int
    seconds: float | None
    damage: str | None = None
    temperature: float | None = None  # divisor of the scores, fitted on the validation part
    review_below: float | None = None  # the threshold chosen for this model; None: the usual one


def model_folder(project: Project, run: str) -> Path:
    """Folder of one run.

    Raises:
        ModelError: There is no such run.
    """
    folder = project.models_path / run
    if not run or Path(run).name != run or run[0] == "." or not (folder / "model.json").exists():
        raise ModelError(f"There is no model “{run[:60]}” in this project; train one, or choose.")
    return folder


def list_models(project: Project) -> tuple[ModelRun, ...]:
    """All runs, the newest first; a damaged one says what is wrong with it."""
    if not project.models_path.is_dir():
        return ()
    runs = []
    for folder in project.models_path.iterdir():
        if folder.name[0] != "." and (folder / "model.json").exists():
            try:
                runs.append(_read(folder))
            except (ProjectError, KeyError, TypeError, ValueError) as exc:
                runs.append(
                    ModelRun(folder.name, folder.name, "", "", (), None, None, 0, 0, None, str(exc))
                )
    return tuple(sorted(runs, key=lambda r: r.run, reverse=True))


def _read(folder: Path) -> ModelRun:
    model = files.read_json(folder / "model.json")
    report = files.read_json(folder / "report.json")
    evaluation = report.get("evaluation") or {}
    extra = model["extra"]
    return ModelRun(
        folder.name,
        str(extra.get("name") or folder.name),
        str(model["network"]),
        str(extra.get("created", "")),
        tuple(map(str, model["class_names"])),
        evaluation.get("macro_f1"),
        evaluation.get("accuracy"),
        int(evaluation.get("count", 0)),
        int(report.get("train_count", 0)),
        report.get("seconds"),
        temperature=model.get("temperature"),
        review_below=_probability(extra.get("review_below")),
    )


def _probability(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and 0 <= value <= 1 else None


def current_model(project: Project) -> str | None:
    """The run that Predict uses: the chosen one, else the newest; ``None`` without models."""
    chosen = project.settings.current_model
    if chosen and (project.models_path / Path(chosen).name / "model.json").exists():
        return chosen
    runs = list_models(project)
    return next((r.run for r in runs if r.damage is None), None)


def report(project: Project, run: str) -> dict[str, Any]:
    """``report.json`` of a run.

    Raises:
        ModelError: No such run.
    """
    value = files.read_json(model_folder(project, run) / "report.json")
    if not isinstance(value, dict):
        raise ModelError(f"The report of “{run}” is damaged; train again.")
    return value


def curves(project: Project, run: str) -> list[dict[str, float | None]]:
    """``curves.csv`` of a run: one row an epoch."""
    path = model_folder(project, run) / "curves.csv"
    rows = csv.DictReader(io.StringIO(path.read_text("utf-8"))) if path.exists() else []
    return [{k: _number(v) for k, v in row.items()} for row in rows]


def _number(text: str | None) -> float | None:
    try:
        return float(text or "")
    except ValueError:
        return None


def trained_on(project: Project, run: str) -> dataset.Dataset:
    """The dataset that was frozen for a run."""
    value = files.read_json(model_folder(project, run) / "dataset.json")
    return dataset.Dataset.from_json(value)


def changes(project: Project, run: str) -> list[str]:
    """What changed in the classes since a run was trained; empty if the model is up to date."""
    return dataset.changes_since(trained_on(project, run), dataset.freeze(project))


def rename_model(project: Project, run: str, name: str) -> None:
    """Change a run's display name.

    Raises:
        ClassNameError: The name cannot be used.
    """
    _update_extra(project, run, name=names.clean_name(name, "run"))


def set_review_below(project: Project, run: str, threshold: float) -> None:
    """Choose below which probability this model's answers go to a person.

    Raises:
        ParameterError: The threshold is no probability.
        ModelError: No such run.
    """
    if _probability(threshold) is None:
        raise ParameterError(
            f"The review threshold is {threshold!r}; give a probability from 0 to 1."
        )
    _update_extra(project, run, review_below=float(threshold))


def _update_extra(project: Project, run: str, **changes: Any) -> None:
    with project.lock():
        path = model_folder(project, run) / "model.json"
        value = files.read_json(path)
        extra: Mapping[str, Any] = value.get("extra", {})
        files.write_json(path, {**value, "extra": {**extra, **changes}})


def delete_model(project: Project, run: str) -> None:
    """Delete a run for good (it can be trained again from its ``dataset.json``)."""
    with project.lock():
        folder = model_folder(project, run)
        hidden = folder.with_name(f"{files.TEMPORARY_PREFIX}{uuid.uuid4().hex}")
        with files.storage_errors(folder):
            folder.rename(hidden)
        shutil.rmtree(hidden, ignore_errors=True)
        if project.settings.current_model == run:
            project.set_current_model(None)
