"""The job that trains a network on a project's wafers and tests it on the test split.

Live: metric ``epoch`` with the fields of ``EpochResult``, and metric ``step`` {"title",
"seconds"} at the end of each step. Result: ``{"run", "macro_f1", "accuracy", "per_class", …}`` on
the test split, and ``is_current``: a run with a lower macro-F1 than the one in use, on the same
test wafers, is kept but not used. The files of the run: see ``train_report``.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from wafer_core.data import dataset, models
from wafer_core.data.dataset import Dataset
from wafer_core.data.project import Project
from wafer_core.data.run_comparison import is_worse
from wafer_core.device import describe_device
from wafer_core.errors import WaferError
from wafer_core.files import new_folder
from wafer_core.messages import N_, Message, message
from wafer_core.names import clean_name, timestamp_name
from wafer_core.networks.initial_weights import InitialNetwork, initialize
from wafer_core.networks.registry import NETWORKS
from wafer_core.parameters import Settings, Text, declare, nested
from wafer_core.progress import Progress
from wafer_core.tasks.classification import detector, diagnostics, input_check
from wafer_core.tasks.classification.classifier import Classifier
from wafer_core.tasks.classification.config import TrainConfig
from wafer_core.tasks.classification.train import EpochResult, train
from wafer_core.tasks.classification.train_data import TrainData
from wafer_core.tasks.classification.unknown import UnknownDetector
from wafer_core.workflows.context import WorkflowContext
from wafer_core.workflows.train_report import report_on_test, training_notes, write_run
from wafer_core.workflows.workflow import Workflow

_READ, _TRAIN, _TEST = 0.05, 0.93, 0.02  # shares of the time, roughly
_POINT = ("epoch", "train_loss", "validation_loss", "accuracy", "macro_f1", "seconds", "is_best")


@dataclass(frozen=True)
class TrainParameters(Settings):
    """Settings of the training, and the name of the run."""

    config: TrainConfig = nested(TrainConfig)
    name: str | None = declare(
        Text(
            N_("Name"),
            N_("How the run is listed. Without it, the network's name and a number."),
            names="run",
        )
    )


def run(context: WorkflowContext, parameters: TrainParameters) -> dict[str, Any]:
    """Freeze the dataset, read, train and test; the run appears at once and complete."""
    began = time.perf_counter()
    steps = _Steps(context)
    project = context.project
    config = parameters.config
    frozen = dataset.freeze(project)
    used, notes = dataset.trainable(frozen)
    reading, training, testing = context.progress.split(_READ, _TRAIN, _TEST)
    data = _read_train_data(project, used, reading)
    steps.end(message("Reading the wafers"))
    initial = initialize(config.network, len(used.classes), config.transfer, config.seed)
    notes += [initial.note] if initial.note else []
    context.adapt_threads()
    curve, classifier = _train(context, data, config, initial, training, steps)
    classifier.extra[input_check.KEY] = input_check.kind_of(data.train_pictures)
    classifier.unknown = _fit_detector(project, used, data, classifier)
    config = TrainConfig.from_mapping(classifier.config)  # with the numbers that were chosen
    stopped = context.stop_requested()
    notes += training_notes(curve, data, config, stopped)
    notes += detector.notes(classifier.unknown)

    read_test, examine = testing.named(message("Testing on the test split")).split(0.5, 0.5)
    read_test(0.0)
    pictures, labels = dataset.load_split(project, used, "test", on_progress=read_test)
    context.check_cancelled()
    tested = report_on_test(
        project, used, classifier, config.network, pictures, labels, initial.weights
    )
    notes += tested.notes
    steps.end(message("Testing on the test split"))
    examine(0.5, message("Computing diagnostics"))
    diagnosed = diagnostics.examine(
        classifier.network,
        initial,
        classifier.preparation,
        data.validation_pictures,
        context.device,
    )
    steps.end(message("Computing diagnostics"))
    seconds = time.perf_counter() - began
    name = clean_name(parameters.name or _default_name(project, config.network), "run")
    report = {
        "schema": 1,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "network": config.network,
        "config": asdict(config),
        "class_names": used.class_names,
        "evaluation": tested.evaluation,
        "test_pictures": tested.pictures,
        "train_count": len(data.train_pictures),
        "validation_count": len(data.validation_pictures),
        "counts": frozen.counts(),
        "epochs": len(curve),
        "best_epoch": max((p["epoch"] for p in curve if p["is_best"]), default=len(curve)),
        "stopped": stopped,
        "notes": notes,
        "hood": {**diagnosed, "data": frozen.fingerprint},
        "seconds": seconds,
        "steps": steps.done,
        "device": describe_device(context.device),
    }
    run_name, in_use = timestamp_name("run"), models.current_model(project)
    context.begin_storing()
    with new_folder(project.models_path / run_name) as folder:
        write_run(folder, classifier, name, report, frozen, curve)
    is_current, note = _use_unless_worse(project, run_name, in_use)
    evaluation = tested.evaluation or {}
    return {
        "run": run_name,
        "macro_f1": evaluation.get("macro_f1"),
        "accuracy": evaluation.get("accuracy"),
        "per_class": evaluation.get("per_class", {}),
        "name": name,
        "epochs": len(curve),
        "seconds": round(seconds, 3),
        "notes": notes + tested.cautions + note,
        "is_current": is_current,
    }


def _fit_detector(
    project: Project, used: Dataset, data: TrainData, classifier: Classifier
) -> UnknownDetector | None:
    """The detector of unknown wafers, from the originals of both splits."""
    synthetic = data.train_synthetic
    own = [i for i in range(len(data.train_pictures)) if synthetic is None or not synthetic[i]]
    lots, made = dataset.group_labels(project, used, "validation")
    real = [i for i, is_made in enumerate(made) if not is_made]
    return detector.fit_detector(
        classifier,
        ([data.train_pictures[i] for i in own], data.train_labels[own]),
        ([data.validation_pictures[i] for i in real], [str(lots[i] or i) for i in real]),
    )


class _Steps:
    """The steps of a training with their times, reported live and stored with the run.

    Attributes:
        done: JSON of each step.
    """

    def __init__(self, context: WorkflowContext) -> None:
        self._context = context
        self._began = time.perf_counter()
        self.done: list[dict[str, Any]] = []

    def end(self, title: Message) -> None:
        """Record the step that has just ended; the next one begins now."""
        now = time.perf_counter()
        step = {"title": title, "seconds": round(now - self._began, 3)}
        self._began = now
        self.done.append(step)
        self._context.metric("step", **step)


def _use_unless_worse(
    project: Project, run_name: str, in_use: str | None
) -> tuple[bool, list[Message]]:
    """Make a run the current model, unless the one in use is better on the same test wafers.

    Args:
        project: The project.
        run_name: The new run.
        in_use: The run in use before; ``None``: this is the first.

    Returns:
        Whether it is the current model now, and what to tell the user if it is not.
    """
    worse = None
    if in_use is not None:
        # A report that cannot be read is no reason to lose the new run.
        with contextlib.suppress(WaferError):
            worse = is_worse(project, run_name, in_use)
    if worse is None:
        project.set_current_model(run_name)
        return True, []
    project.set_current_model(in_use)  # else the newest run would be used
    known = {model.run: model.name for model in models.list_models(project)}
    gap = worse.macro_f1_difference
    note = message(
        "Not in use: on the same {count:,} test wafers, macro-F1 is {gap:.3f} lower than with "
        "“{name}” (95% interval {low:+.3f} to {high:+.3f}), which stays the current model.",
        count=worse.count,
        gap=-gap.value,
        name=known.get(in_use or "", ""),
        low=gap.low,
        high=gap.high,
    )
    return False, [note]


def _read_train_data(project: Project, used: Dataset, on_progress: Progress) -> TrainData:
    """Read the training and validation split."""
    text = message("Reading the wafers")
    read_train, read_validation = on_progress.named(text).split(0.8, 0.2)
    read_train(0.0)
    pictures, labels = dataset.load_split(project, used, "train", on_progress=read_train)
    validation, validation_labels = dataset.load_split(
        project, used, "validation", on_progress=read_validation
    )
    groups, synthetic = dataset.group_labels(project, used, "train")
    return TrainData(
        used.class_names,
        pictures,
        labels,
        validation,
        validation_labels,
        groups,
        synthetic,
        used.combinations,
    )


def _train(
    context: WorkflowContext,
    data: TrainData,
    config: TrainConfig,
    initial: InitialNetwork,
    on_progress: Progress,
    steps: _Steps,
) -> tuple[list[dict[str, Any]], Classifier]:
    """Train epoch by epoch until the end or a stop request; returns the curve and the best."""
    curve: list[dict[str, Any]] = []
    last: EpochResult | None = None
    # The first epoch of a pretrained network only fits its last layer.
    head = message("Fitting the last layer and choosing its regularization")
    fits_head = initial.weights is not None

    def report(fraction: float) -> None:
        if last is None:
            text = head if fits_head else message("Epoch {epoch:,}", epoch=1)
        else:
            text = message(
                "Epoch {epoch:,} of at most {epochs:,}", epoch=len(curve) + 1, epochs=last.epochs
            )
        on_progress(fraction, text)

    for last in train(data, config, context.device, report, initial):
        point = {name: getattr(last, name) for name in _POINT}
        curve.append(point)
        context.metric("epoch", **point, epochs=last.epochs)
        if fits_head and len(curve) == 1:
            steps.end(head)
        if context.stop_requested():
            break
    if last is None:
        raise TypeError("train() yielded no epoch")
    if len(curve) > fits_head:
        title = N_("Fine-tuning all layers") if fits_head else N_("Training all layers")
        steps.end(Message(title))
    best = last.best_classifier()
    steps.end(message("Calibrating the probabilities"))
    return curve, best


def _default_name(project: Project, network: str) -> str:
    return f"{NETWORKS[network].title.split(' (')[0]} {len(models.list_models(project)) + 1}"


def _describe(parameters: TrainParameters) -> Message:
    name = parameters.name or NETWORKS[parameters.config.network].title
    return message("Train {name}", name=name)


WORKFLOW = Workflow("train", N_("Train"), TrainParameters, run, _describe, needs_device=True)
