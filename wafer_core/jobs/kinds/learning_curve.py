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

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from wafer_core.errors import ParameterError
from wafer_core.jobs.kinds.kind import Kind, Parameters, known_only
from wafer_core.jobs.kinds.train import trainable

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
    from wafer_core.tasks.parameters import check_names
    from wafer_core.tasks.studies.curve_config import PARAMETERS, CurveConfig

    config = parameters.get("config", {})
    if not isinstance(config, Mapping):
        raise ParameterError(f"config is {config!r}; give the settings of a study.")
    check_names(config, (*PARAMETERS, "sizes", "made", "seed"))
    return CurveConfig(**config)


def is_result(found: Mapping[str, Any]) -> bool:
    """Whether a stored study holds what ``run`` returns: it may come from anybody."""
    from wafer_core.tasks.studies import curve

    return (
        curve.is_result(found)
        and isinstance(found.get("config"), dict)
        and isinstance(found.get("seconds"), int | float)
        and all(isinstance(found.get(key), str) for key in ("device", "created"))
    )


def run(context: JobContext) -> dict[str, Any]:
    """Read, train with more and more pictures, and keep what was found."""
    from wafer_core.data import dataset, studies
    from wafer_core.device import CoreWatch, describe_device
    from wafer_core.jobs.events import plain
    from wafer_core.tasks.studies.curve import Curve
    from wafer_core.tasks.studies.learning_curve import draw_curve

    began = time.perf_counter()
    project, config = context.project, config_of(context.parameters)
    wafer_class = project.find_class(context.parameters["class"])
    frozen = dataset.freeze(project)
    watch = CoreWatch()

    def tell(share: float, text: str) -> None:
        watch.adapt()
        context.check_cancelled()
        context.progress(share, text)

    data = read_data(project, frozen, wafer_class.slug, lambda share: tell(share, "Reading"))
    found: Curve | None = None
    for event in draw_curve(
        data, config, context.device,
        lambda share, text: tell(_READ + (1 - _READ) * share, text),
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
    context.check_cancelled()
    result = {
        **found.to_json(),
        "config": {**vars(config)},
        "seconds": round(time.perf_counter() - began, 3),
        "device": describe_device(context.device),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    study = studies.save(project, NAME, plain(result), frozen)
    return {"study": study.id, **result}


def read_data(
    project: Project, frozen: Dataset, slug: str, tell: Callable[[float], None]
) -> CurveData:
    """Originals of the project, with one class to look at.

    Raises:
        InputError: Fewer than two classes can be learned, or this one cannot.
    """
    import numpy as np

    from wafer_core.data import dataset
    from wafer_core.errors import InputError
    from wafer_core.tasks.classification.training import TrainData
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
    parts: dict[str, Any] = {}
    for number, part in enumerate(("train", "validation", "test")):

        def reading(share: float, number: int = number) -> None:
            tell(_READ * (number + share) / 3)

        reading(0.0)
        parts[part] = dataset.load_part(project, used, part, False, reading)
    keys, _ = dataset.bonds(project, used, "train", False)
    test_keys, _ = dataset.bonds(project, used, "test", False)
    own = parts["train"][1] == slugs.index(slug)
    empty = np.zeros(0, np.int64)
    test_pictures, test_labels = parts["test"] if parts["test"][0] else ([], empty)
    return CurveData(
        TrainData(
            used.class_names,
            parts["train"][0],
            parts["train"][1],
            parts["validation"][0],
            parts["validation"][1],
            keys,
        ),
        slugs.index(slug),
        [keys[i] for i in np.flatnonzero(own)],
        test_pictures,
        test_labels,
        test_keys,
    )


def _describe(parameters: Parameters) -> str:
    return f"How many of {parameters['class']}?"


KIND = Kind("How many do I need?", run, check, _describe, needs_device=True)
