"""The job that trains a network on a project's wafers and tests it on the test split.

Live: metric ``epoch`` with the fields of ``EpochResult``. Result: ``{"run", "macro_f1",
"accuracy", "per_class", …}`` on the test split. The files of the run: see ``train_report``.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from wafer_core.data import dataset, models
from wafer_core.data.dataset import Dataset
from wafer_core.data.project import Project
from wafer_core.device import describe_device
from wafer_core.files import new_folder
from wafer_core.messages import N_, Message, message
from wafer_core.names import clean_name, timestamp_name
from wafer_core.networks.initial_weights import initialize
from wafer_core.networks.registry import NETWORKS
from wafer_core.parameters import Settings, Text, declare, nested
from wafer_core.progress import Progress
from wafer_core.tasks.classification import diagnostics
from wafer_core.tasks.classification.classifier import Classifier
from wafer_core.tasks.classification.config import TrainConfig
from wafer_core.tasks.classification.train import EpochResult, train
from wafer_core.tasks.classification.train_data import TrainData
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
            N_("Name of the run. Without it, the network's name and a number."),
            names="run",
        )
    )


def run(context: WorkflowContext, parameters: TrainParameters) -> dict[str, Any]:
    """Freeze the dataset, read, train and test; the run appears at once and complete."""
    began = time.perf_counter()
    project = context.project
    config = parameters.config
    frozen = dataset.freeze(project)
    used, notes = dataset.trainable(frozen)
    reading, training, testing = context.progress.split(_READ, _TRAIN, _TEST)
    data = _read_train_data(project, used, reading)
    initial = initialize(config.network, len(used.classes), config.transfer, config.seed)
    notes += [initial.note] if initial.note else []
    context.adapt_threads()
    curve, classifier = _train(context, data, config, training)
    config = TrainConfig.from_mapping(classifier.config)  # with the numbers that were chosen
    stopped = context.stop_requested()
    notes += training_notes(curve, data, config, stopped)

    read_test, examine = testing.named(message("Testing on the test split")).split(0.5, 0.5)
    read_test(0.0)
    pictures, labels = dataset.load_split(project, used, "test", on_progress=read_test)
    context.check_cancelled()
    tested = report_on_test(
        project, used, classifier, config.network, pictures, labels, initial.weights
    )
    notes += tested.notes
    examine(0.5, message("Computing diagnostics"))
    diagnosed = diagnostics.examine(
        classifier.network,
        initial,
        classifier.preparation,
        data.validation_pictures,
        context.device,
    )
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
        "device": str(describe_device(context.device)),
    }
    run_name = timestamp_name("run")
    project.models_path.mkdir(exist_ok=True)
    context.check_cancelled()
    with new_folder(project.models_path / run_name) as folder:
        write_run(folder, classifier, name, report, frozen, curve)
    project.set_current_model(run_name)
    evaluation = tested.evaluation or {}
    return {
        "run": run_name,
        "macro_f1": evaluation.get("macro_f1"),
        "accuracy": evaluation.get("accuracy"),
        "per_class": evaluation.get("per_class", {}),
        "name": name,
        "epochs": len(curve),
        "seconds": round(seconds, 3),
        "notes": notes + tested.cautions,
    }


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
    context: WorkflowContext, data: TrainData, config: TrainConfig, on_progress: Progress
) -> tuple[list[dict[str, Any]], Classifier]:
    """Train epoch by epoch until the end or a stop request; returns the curve and the best."""
    curve: list[dict[str, Any]] = []
    last: EpochResult | None = None

    def report(fraction: float) -> None:
        epoch = len(curve) + 1
        text = (
            message("Epoch {epoch:,}", epoch=epoch)
            if last is None
            else message("Epoch {epoch:,} of at most {epochs:,}", epoch=epoch, epochs=last.epochs)
        )
        on_progress(fraction, text)

    for last in train(data, config, context.device, on_progress=report):
        point = {name: getattr(last, name) for name in _POINT}
        curve.append(point)
        context.metric("epoch", **point, epochs=last.epochs)
        if context.stop_requested():
            break
    if last is None:
        raise TypeError("train() yielded no epoch")
    return curve, last.best_classifier()


def _default_name(project: Project, network: str) -> str:
    return f"{NETWORKS[network].title.split(' (')[0]} {len(models.list_models(project)) + 1}"


def _describe(parameters: TrainParameters) -> Message:
    name = parameters.name or NETWORKS[parameters.config.network].title
    return message("Train {name}", name=name)


WORKFLOW = Workflow("train", N_("Train"), TrainParameters, run, _describe, needs_device=True)
