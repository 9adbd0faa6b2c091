"""The job that finds out how many originals of a class are needed, and whether made ones do too.

Parameters: ``class`` (its name), ``config`` (of ``CurveConfig``).

Made pictures are made in memory and none is stored. Originals learn, choose and judge by the
project's fixed split.

Live: metric ``training`` {"repeat", "size", "made", "f1", "seconds"} for each training. Result:
what ``Curve.to_json`` says, with ``study`` (its name in ``studies``), ``config``, ``seconds``,
``device``, ``created``. A job that is stopped keeps the repeats that are done; a cancelled one
leaves nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from wafer_core.errors import ParameterError
from wafer_core.workflows.study import StudyJob, is_kept, read_originals
from wafer_core.workflows.train import trainable
from wafer_core.workflows.workflow import Parameters, Workflow, known_only, settings_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from wafer_core.data.dataset import Dataset
    from wafer_core.data.project import Project
    from wafer_core.jobs.context import JobContext
    from wafer_core.tasks.studies.curve_config import CurveConfig
    from wafer_core.tasks.studies.learning_curve import CurveData

NAME = "learning_curve"  # of the kind, and of its studies
_READ = 0.02  # share of the bar


def check(parameters: Parameters) -> None:
    """Check what ``run`` reads."""
    known_only(parameters, ("class", "config"), NAME)
    if not isinstance(parameters.get("class"), str):
        raise ParameterError(f"class is {parameters.get('class')!r}; give the name of a class.")
    config_of(parameters)


def config_of(parameters: Parameters) -> CurveConfig:
    """How the curve is drawn.

    Raises:
        ParameterError: A setting is unknown or cannot be used.
    """
    from wafer_core.tasks.studies.curve_config import PARAMETERS, CurveConfig

    return CurveConfig(**settings_of(parameters, (*PARAMETERS, "sizes", "made", "seed"), "a study"))


def is_result(found: Mapping[str, Any]) -> bool:
    """Whether a stored study holds what ``run`` returns: it may come from anybody."""
    from wafer_core.tasks.studies import curve_result

    return curve_result.is_result(found) and is_kept(found)


def run(context: JobContext) -> dict[str, Any]:
    """Read, train with more and more pictures, and keep what was found."""
    from wafer_core.tasks.studies.curve_result import Curve
    from wafer_core.tasks.studies.learning_curve import draw_curve

    config = config_of(context.parameters)
    wafer_class = context.project.find_class(context.parameters["class"])
    job = StudyJob(context)
    data = read_data(
        context.project, job.frozen, wafer_class.slug,
        lambda share: job.tell(_READ * share, "Reading the pictures"),
    )  # fmt: skip
    found: Curve | None = None
    for event in draw_curve(
        data, config, context.device,
        lambda share, text: job.tell(_READ + (1 - _READ) * share, text),
        context.stop_requested,
    ):  # fmt: skip
        if isinstance(event, Curve):
            found = event
        else:
            context.metric(
                "training",
                repeat=event.repeat,
                size=event.size,
                made=event.made,
                f1=event.f1(data.test_labels, data.target),
                seconds=event.training.seconds,
            )
    if found is None:
        raise TypeError("draw_curve() yielded no curve")
    return job.keep(NAME, found.to_json(), vars(config), originals_only=True)


def read_data(
    project: Project, frozen: Dataset, slug: str, tell: Callable[[float], None]
) -> CurveData:
    """Originals of the project, with one class to look at.

    Args:
        project: Where.
        frozen: Its pictures.
        slug: Of the class to look at.
        tell: Told the share that is read.

    Raises:
        InputError: Fewer than two classes can be learned, or this one cannot.
    """
    from wafer_core.errors import InputError
    from wafer_core.tasks.studies.curve_config import FEWEST
    from wafer_core.tasks.studies.learning_curve import CurveData

    used, _ = trainable(frozen)
    slugs = [each for each, _ in used.classes]
    if slug not in slugs:
        name = dict(frozen.classes).get(slug, slug)
        raise InputError(
            f"“{name}” has no training original; {FEWEST} or more are needed to see what more of "
            "them bring. Add some."
        )
    target = slugs.index(slug)
    train, test, test_labels, test_lots = read_originals(project, used, tell)
    own = [
        lot
        for lot, k in zip(train.train_keys or (), train.train_labels, strict=True)
        if k == target
    ]
    return CurveData(train, target, own, test, test_labels, test_lots)


def _describe(parameters: Parameters) -> str:
    return f"How many of {parameters['class']}?"


WORKFLOW = Workflow("How many do I need?", run, check, _describe, needs_device=True)
