"""The job that names many pictures; a few are named at once, without a job.

Parameters: ``sources`` (paths; what came through a browser are uploads of the job), ``model`` (a
run or its name; the current one where missing, and before anything is trained the shipped one),
``review_below`` (what was chosen for the model where missing).

The answers are written to ``predictions.json`` in the job's folder, in the form of ``answers``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wafer_core.errors import InputError, ModelError
from wafer_core.workflows.workflow import Parameters, Workflow, known_only

if TYPE_CHECKING:
    import torch

    from wafer_core.data.project import Project
    from wafer_core.importers import Upload
    from wafer_core.jobs.context import JobContext
    from wafer_core.tasks.classification.train import Classifier

ANSWERS_FILE = "predictions.json"
STANDARD = "standard"  # the shipped model of the nine WM-811K patterns


def check(parameters: Parameters) -> None:
    """Check what ``run`` reads."""
    from wafer_core.tasks.classification.predict import check_threshold

    known_only(parameters, ("sources", "model", "review_below"), "predict")
    for source in parameters.get("sources", ()):
        if not Path(source).exists():
            raise InputError(f"{source} does not exist; check the path.")
    if parameters.get("review_below") is not None:
        check_threshold(parameters["review_below"])


def run(context: JobContext) -> dict[str, Any]:
    """Name the pictures; returns counts and where the answers lie."""
    from wafer_core.files import write_json
    from wafer_core.importers import Upload

    parameters = context.parameters
    context.progress(0.0, "Loading the model")
    name, classifier = find_classifier(context.project, parameters.get("model"), context.device)
    sources: list[Path | Upload] = [Path(path) for path in parameters.get("sources", ())]
    sources += [Upload(name, path.read_bytes()) for name, path in context.uploads]

    def tell(fraction: float) -> None:
        context.check_cancelled()
        context.progress(fraction, "Naming pictures")

    entries = answers(classifier, sources, parameters.get("review_below"), tell)
    write_json(context.folder / ANSWERS_FILE, entries, indent=None)
    bad = sum("error" in entry for entry in entries)
    return {
        "model": name,
        "file": ANSWERS_FILE,
        "count": len(entries) - bad,
        "rejected_count": bad,
    }


def answers(
    classifier: Classifier,
    sources: Sequence[Path | Upload],
    review_below: float | None = None,
    progress: Callable[[float], None] | None = None,
) -> list[dict[str, Any]]:
    """Name every picture in the sources.

    Args:
        classifier: Gives the probabilities.
        sources: Pictures, folders, zips and data files.
        review_below: Answers of a lower probability go to a person; ``None``: what was chosen for
            the model.
        progress: Called with the share done, 0 to 1; may raise to stop.

    Returns:
        ``{"file", "label", "verdict", "probabilities"}`` for each picture in order, then
        ``{"file", "error"}`` for each that could not be read. A file is named by the path that was
        given, and inside of a folder or a zip by the way to it.

    Raises:
        InputError: There is no picture at all.
    """
    from wafer_core.importers import Candidate, Rejected, Upload, scan
    from wafer_core.tasks.classification.predict import chosen_threshold, predict_candidates

    candidates: list[Candidate] = []
    rejected: list[Rejected] = []
    for source in sources:
        found = scan([source])
        if not isinstance(source, Upload):
            parent = source if source.is_dir() else source.parent
            found.candidates = [replace(c, name=str(parent / c.name)) for c in found.candidates]
            found.rejected = [replace(r, name=str(parent / r.name)) for r in found.rejected]
        candidates += found.candidates
        rejected += found.rejected
    if not candidates and not rejected:
        raise InputError("There is no picture to name; give pictures, a folder or a zip of them.")
    below = chosen_threshold(classifier) if review_below is None else review_below
    done = predict_candidates(classifier, candidates, below, progress)
    bad = [{"file": r.name, "error": r.reason} for r in rejected + done.rejected]
    return [prediction.to_json() for prediction in done.predictions] + bad


def find_classifier(
    project: Project, name: str | None, device: torch.device
) -> tuple[str, Classifier]:
    """Load a run, by its folder's name or the name people gave.

    Args:
        name: ``None`` takes the project's current model, and before anything is trained the
            shipped one; ``standard`` always takes that.

    Returns:
        The run's folder name (``standard`` for the shipped one), and the classifier.

    Raises:
        ModelError: There is no such run, or several have this name.
    """
    from wafer_core.data import models
    from wafer_core.names import same_name
    from wafer_core.tasks.classification.pretrained import standard_classifier
    from wafer_core.tasks.classification.train import Classifier

    run: str | None
    if name is None:
        run = models.current_model(project)
    else:
        matching = [m.run for m in models.list_models(project) if same_name(m.name, name)]
        if len(matching) > 1 and not (project.models_path / Path(name).name).is_dir():
            raise ModelError(
                f"Several models are called “{name}”: choose one of {', '.join(matching)}."
            )
        run = matching[0] if len(matching) == 1 else name
    if run is None or (run == STANDARD and not (project.models_path / STANDARD).exists()):
        return STANDARD, standard_classifier(device)
    return run, Classifier.load(models.model_folder(project, run), device)


def _describe(parameters: Parameters) -> str:
    sources = [Path(source).name for source in parameters.get("sources", ())]
    return f"Predict {sources[0]}" if len(sources) == 1 else "Predict pictures"


WORKFLOW = Workflow("Predict", run, check, _describe, needs_device=True)
