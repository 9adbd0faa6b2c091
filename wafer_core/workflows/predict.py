"""The job that predicts many pictures; a few are predicted at once, without a job.

The predictions are written to ``predictions.json`` in the job's folder, as ``predictions_of``
returns them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from wafer_core.data import models
from wafer_core.data.project import Project
from wafer_core.errors import InputError, ModelError
from wafer_core.files import write_json
from wafer_core.importers import Candidate, Rejected, Upload, scan
from wafer_core.messages import N_, Message, message
from wafer_core.names import same_name
from wafer_core.parameters import Parameter, Settings, Text, declare
from wafer_core.tasks.classification.classifier import Classifier
from wafer_core.tasks.classification.predict import predict_candidates, review_threshold
from wafer_core.tasks.classification.pretrained import standard_classifier
from wafer_core.workflows.context import WorkflowContext
from wafer_core.workflows.import_files import check_sources
from wafer_core.workflows.workflow import Workflow

PREDICTIONS_FILE = "predictions.json"
STANDARD = "standard"  # the included model of the nine WM-811K patterns


@dataclass(frozen=True)
class PredictParameters(Settings):
    """What to predict, and with which model. Files from a browser are uploads of the job.

    Raises:
        InputError: A source does not exist.
    """

    sources: tuple[str, ...] = declare(
        Text(
            N_("Sources"),
            N_("Paths of pictures, wafer data files, folders or zips."),
            is_list=True,
        )
    )
    model: str | None = declare(
        Text(
            N_("Model"),
            N_(
                "A trained model. Without it, the project's current model, and before anything is "
                "trained the included model of the nine WM-811K patterns (standard)."
            ),
        )
    )
    review_below: float | None = declare(
        Parameter(
            N_("Review below"),
            N_(
                "Predictions with a lower probability get the verdict review instead of "
                "confident. Without it, the threshold chosen for the model on the Train page."
            ),
        )
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_sources(self.sources)


def run(context: WorkflowContext, parameters: PredictParameters) -> dict[str, Any]:
    """Predict the pictures; returns counts and the name of the file with the predictions."""
    context.progress(0.0, message("Loading the model"))
    name, classifier = find_classifier(context.project, parameters.model, context.device)
    sources: list[Path | Upload] = [Path(path) for path in parameters.sources]
    sources += [Upload(name, path.read_bytes()) for name, path in context.uploads]
    on_progress = context.progress.named(message("Predicting"))
    entries = predictions_of(classifier, sources, parameters.review_below, on_progress)
    write_json(context.folder / PREDICTIONS_FILE, entries, indent=None)
    bad = sum("error" in entry for entry in entries)
    return {
        "model": name,
        "file": PREDICTIONS_FILE,
        "count": len(entries) - bad,
        "rejected_count": bad,
    }


def predictions_of(
    classifier: Classifier,
    sources: Sequence[Path | Upload],
    review_below: float | None = None,
    on_progress: Callable[[float], None] | None = None,
) -> list[dict[str, Any]]:
    """Predict every picture in the sources.

    Args:
        classifier: Gives the probabilities.
        sources: Pictures, folders, zips and data files.
        review_below: Predictions with a lower probability get the verdict ``review``; ``None``:
            the threshold that was chosen for the model.
        on_progress: Called with the share done, 0 to 1; may raise to stop.

    Returns:
        ``{"file", "label", "verdict", "reason", "unknown_score", "probabilities"}`` for each
        picture in order, then
        ``{"file", "error"}`` for each that could not be read. A file is named by the path that was
        given, and inside a folder or a zip by the path to it.

    Raises:
        InputError: There is no picture at all.
    """
    candidates: list[Candidate] = []
    rejected: list[Rejected] = []
    for source in sources:
        found = scan([source])
        if not isinstance(source, Upload):
            parent = source if source.is_dir() else source.parent
            candidates += [replace(c, name=str(parent / c.name)) for c in found.candidates]
            rejected += [replace(r, name=str(parent / r.name)) for r in found.rejected]
        else:
            candidates += found.candidates
            rejected += found.rejected
    if not candidates and not rejected:
        raise InputError("There are no pictures to predict; give pictures, a folder or a zip.")
    below = review_threshold(classifier) if review_below is None else review_below
    done = predict_candidates(classifier, candidates, below, on_progress)
    bad = [{"file": r.name, "error": str(r.reason)} for r in rejected + done.rejected]
    return [prediction.to_json() for prediction in done.predictions] + bad


def find_classifier(
    project: Project, name: str | None, device: torch.device
) -> tuple[str, Classifier]:
    """Load a model by its folder's name or the name that people gave it.

    Args:
        project: The project.
        name: ``None`` takes the project's current model, and before anything is trained the
            included one; ``standard`` always takes that.
        device: Where to compute.

    Returns:
        The run's folder name (``standard`` for the included one), and the classifier.

    Raises:
        ModelError: There is no such model, or several have this name.
    """
    run: str | None
    if name is None:
        run = models.current_model(project)
    else:
        matching = [m.run for m in models.list_models(project) if same_name(m.name, name)]
        if len(matching) > 1 and not (project.models_path / Path(name).name).is_dir():
            raise ModelError(
                "Several models are called “{name}”; choose one of {runs}.",
                name=name,
                runs=", ".join(matching),
            )
        run = matching[0] if len(matching) == 1 else name
    if run is None or (run == STANDARD and not (project.models_path / STANDARD).exists()):
        return STANDARD, standard_classifier(device)
    return run, Classifier.load(models.model_folder(project, run), device)


def _describe(parameters: PredictParameters) -> Message:
    if len(parameters.sources) == 1:
        return message("Predict {name}", name=Path(parameters.sources[0]).name)
    return message("Predict pictures")


WORKFLOW = Workflow("predict", N_("Predict"), PredictParameters, run, _describe, needs_device=True)
