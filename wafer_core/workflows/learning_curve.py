"""The job that finds out how many originals of a class are needed, and whether synthetic ones do.

Synthetic wafers are made in memory and none is stored. Originals train, choose the epoch and test
by the project's fixed split.

Live: metric ``training`` {"repeat", "size", "made", "f1", "seconds"} for each training. Result:
``CurveResult.to_json`` with ``study`` (its name in ``studies``) and the fields of ``StudyRecord``.
A job that is stopped keeps the repeats that are done; a cancelled one leaves nothing.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from wafer_core.data import dataset
from wafer_core.data.dataset import Dataset
from wafer_core.data.project import Project
from wafer_core.errors import DataError
from wafer_core.messages import N_, Message, message
from wafer_core.parameters import Settings, Text, declare, nested
from wafer_core.progress import SILENT, Progress
from wafer_core.tasks.studies.curve_result import CurveResult
from wafer_core.tasks.studies.learning_curve import (
    CurveConfig,
    CurveData,
    draw_curve,
    too_few_originals,
)
from wafer_core.workflows.context import WorkflowContext
from wafer_core.workflows.study import StudyJob, StudyRecord, read_originals
from wafer_core.workflows.workflow import Workflow

NAME = "learning_curve"  # of the workflow, and of its studies
_READ, _TRAIN = 0.02, 0.98  # shares of the time, roughly


@dataclass(frozen=True)
class CurveParameters(Settings):
    """Which class to examine, and how."""

    class_name: str = declare(
        Text(
            N_("Class"),
            N_("Which class to find the needed number of originals for."),
            required=True,
            option="class",
        ),
        key="class",
    )
    config: CurveConfig = nested(CurveConfig)


def is_result(value: object) -> bool:
    """Whether a stored study can be shown; it may come from anybody."""
    try:
        CurveResult.from_json(value)
        StudyRecord.from_json(value)
    except DataError:
        return False
    return True


def run(context: WorkflowContext, parameters: CurveParameters) -> dict[str, Any]:
    """Read, train with more and more originals, and store what was found."""
    config = parameters.config
    wafer_class = context.project.find_class(parameters.class_name)
    job = StudyJob(context)
    read, train = context.progress.split(_READ, _TRAIN)
    data = read_data(context.project, job.frozen, wafer_class.slug, read)
    found: CurveResult | None = None
    for event in draw_curve(data, config, context.device, train, context.stop_requested):
        if isinstance(event, CurveResult):
            found = event
        else:
            context.metric(
                "training",
                repeat=event.repeat,
                size=event.size,
                made=event.synthetic,
                f1=event.f1(data.test_labels, data.target),
                seconds=event.training.seconds,
            )
    if found is None:
        raise TypeError("draw_curve() yielded no result")
    return job.keep(NAME, found.to_json(), asdict(config), originals_only=True)


def read_data(
    project: Project, frozen: Dataset, slug: str, on_progress: Progress = SILENT
) -> CurveData:
    """Read the originals of a project for a learning curve.

    Args:
        project: The project.
        frozen: Its pictures.
        slug: Of the class to examine.
        on_progress: Covers the reading.

    Raises:
        InputError: Fewer than two classes can be trained, or this one cannot.
    """
    used, _ = dataset.trainable(frozen)
    slugs = [each for each, _ in used.classes]
    if slug not in slugs:
        raise too_few_originals(dict(frozen.classes).get(slug, slug), 0)
    target = slugs.index(slug)
    train, test, test_labels, test_lots = read_originals(project, used, on_progress)
    lots = [
        lot
        for lot, label in zip(train.train_groups or (), train.train_labels, strict=True)
        if label == target
    ]
    return CurveData(train, target, lots, test, test_labels, test_lots)


def _describe(parameters: CurveParameters) -> Message:
    return message("How many wafers of {name}?", name=parameters.class_name)


WORKFLOW = Workflow(
    NAME, N_("How many do I need?"), CurveParameters, run, _describe, needs_device=True
)
