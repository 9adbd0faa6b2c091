"""The job that scores a stored run of made pictures against originals it did not learn from.

Parameters: ``class`` (its name), ``run`` (of ``generated`` or ``augmented``; the newest generated
one where missing, else the newest augmented), ``features`` (of ``features.FEATURES``), ``weights``
(a file, for features that do not ship), ``seed``.

The scores are kept beside the run's pictures, one file for each feature network, and go with it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wafer_core.errors import InputError, ParameterError
from wafer_core.workflows.workflow import Parameters, Workflow, known_only

if TYPE_CHECKING:
    import torch

    from wafer_core.data.manifest import PictureRecord
    from wafer_core.data.project import Project, WaferClass
    from wafer_core.data.synthetic import MadeRun
    from wafer_core.images import Picture
    from wafer_core.jobs.context import JobContext
    from wafer_core.tasks.evaluation.class_agreement import Classes

FILE = "scores-{}.json"  # in the run's folder, by features
_OTHERS = 60  # originals of each other class that are compared, learned from, or judged by
_IN_ALL, _AT_LEAST = 3000, 10  # of all classes to learn from or judge by; but so many of each
_READ_SHARE = 0.1  # of the job's time, roughly

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Originals:
    """What made pictures of a class are held against."""

    training: list[Picture]
    held_out: list[Picture]
    lots: list[str | None]  # of the held-out ones
    others: dict[str, list[Picture]]  # by the other classes' names
    classes: Classes


def check(parameters: Parameters) -> None:
    """Check what ``run`` reads."""
    from wafer_core.networks.features import FEATURES
    from wafer_core.parameters import check_seed

    known_only(parameters, ("class", "run", "features", "weights", "seed"), "score")
    if not isinstance(parameters.get("class"), str):
        raise ParameterError(f"class is {parameters.get('class')!r}; give the name of a class.")
    if not isinstance(parameters.get("run"), str | None):
        raise ParameterError(f"run is {parameters['run']!r}; give the name of a run.")
    if parameters.get("features", "wafernet") not in tuple(FEATURES):
        raise ParameterError(
            f"There are no features {parameters['features']!r}; choose {' or '.join(FEATURES)}."
        )
    if not isinstance(parameters.get("weights"), str | None):
        raise ParameterError(f"weights is {parameters['weights']!r}; give the path of a file.")
    check_seed(parameters.get("seed", 0))


def run(context: JobContext) -> dict[str, Any]:
    """Score the run, keep the scores beside it; returns them."""
    parameters, project = context.parameters, context.project
    wafer_class = project.find_class(parameters["class"])
    chosen = find_run(project, wafer_class.slug, parameters.get("run"))
    context.progress(0.0, "Reading the pictures")

    def tell(fraction: float) -> None:
        context.check_cancelled()
        context.progress(_READ_SHARE + (1 - _READ_SHARE) * fraction, "Looking at the pictures")

    weights = parameters.get("weights")
    return score_stored(
        project,
        wafer_class,
        chosen,
        features=parameters.get("features", "wafernet"),
        weights=Path(weights) if weights else None,
        device=context.device,
        seed=int(parameters.get("seed", 0)),
        progress=tell,
    )


def score_stored(
    project: Project,
    wafer_class: WaferClass,
    made: MadeRun,
    *,
    features: str = "wafernet",
    weights: Path | None = None,
    device: torch.device | None = None,
    seed: int = 0,
    progress: Callable[[float], None] | None = None,
) -> dict[str, Any]:
    """Score a run and keep the scores beside its pictures.

    Args:
        project: Where.
        wafer_class: Of the run.
        made: The run.
        features: See ``scoring.score_made``, as the others.
        weights: The same.
        device: The same.
        seed: The same.
        progress: The same.

    Returns:
        JSON of the scores, with ``class`` and ``run``.

    Raises:
        WaferError: A picture is gone or damaged, or the network's weights are.
    """
    import numpy as np

    from wafer_core.data import manifest
    from wafer_core.files import write_json
    from wafer_core.tasks.evaluation.scoring import MOST, score_made

    slug, count = wafer_class.slug, len(made.records)
    chosen = np.random.default_rng((seed, 12)).permutation(count)[: MOST[0]]
    known = originals_of(project, slug)
    scores = score_made(
        [manifest.load(project, slug, made.records[i], made.origin, made.run) for i in chosen],
        known.training,
        known.held_out,
        known.others,
        classes=known.classes,
        features=features,
        weights=weights,
        device=device,
        lots=known.lots,
        seed=seed,
        progress=progress,
    )
    logger.info("%d of %d pictures scored in %.1f s", len(chosen), count, scores.seconds)
    value = {"class": wafer_class.name, "run": made.run, **scores.to_json(), "pictures": count}
    folder = manifest.class_folder(project, slug) / made.origin / made.run
    if folder.is_dir():  # else it was deleted meanwhile, and the answer is told all the same
        write_json(folder / FILE.format(features), value)
    return value


def told_scores(value: dict[str, Any] | None) -> dict[str, float | None]:
    """The figures that ``generate`` tells of a class, out of JSON of the scores, if any."""
    scores = value["scores"] if value else {}
    found = {f"{name}_score": scores.get(name, {}).get("value") for name in ("is", "fid", "kid")}
    return {**found, "class_agreement": scores.get("agreement", {}).get("value")}


def find_run(project: Project, slug: str, name: str | None) -> MadeRun:
    """A run of made pictures.

    Args:
        project: Where.
        slug: Of the class.
        name: Of the run; None: the newest generated one, else the newest augmented.

    Raises:
        InputError: There is no such run.
    """
    from wafer_core.data import synthetic

    origins = synthetic.ORIGINS
    runs = [run for origin in origins for run in synthetic.runs(project, slug, origin)]
    matching = [run for run in runs if name is None or run.run == name]
    if not matching:
        known = ", ".join(run.run for run in runs) or "none yet: generate some first"
        told = "There are no made pictures" if name is None else f"There is no run “{name}”"
        raise InputError(f"{told} in this class; its runs are: {known}.")
    return matching[-1]


def stored_scores(project: Project, slug: str, made: MadeRun) -> dict[str, dict[str, Any]]:
    """JSON of the scores of a run, by feature network; empty where it was never scored."""
    from wafer_core.data import manifest
    from wafer_core.files import read_json

    found: dict[str, dict[str, Any]] = {}
    folder = manifest.class_folder(project, slug) / made.origin / made.run
    for path in sorted(folder.glob(FILE.format("*"))):
        value = read_json(path)
        if isinstance(value, dict) and isinstance(value.get("scores"), dict):
            found[str(value.get("features"))] = value
    return found


def originals_of(project: Project, slug: str) -> Originals:
    """The originals of a class by what was learned from them, and some of every other class."""
    from wafer_core.data import manifest, pictures
    from wafer_core.tasks.evaluation.class_agreement import Classes

    training, held_out, lots = [], [], []
    for record in pictures.originals(project, slug):
        picture = manifest.load(project, slug, record)
        if record.part == "train":
            training.append(picture)
        else:
            held_out.append(picture)
            lots.append(record.group)
    others, name = {}, slug
    every = project.classes()
    most = min(_OTHERS, max(_AT_LEAST, _IN_ALL // len(every)))
    learned: dict[str, list[Picture]] = {}
    kept: dict[str, list[Picture]] = {}
    for each in every:
        if each.slug == slug:
            name, learned[each.name], kept[each.name] = each.name, training, held_out
            continue
        records = pictures.originals(project, each.slug)
        sets = (
            (records, _OTHERS),
            ([record for record in records if record.part == "train"], most),
            ([record for record in records if record.part != "train"], most),
        )
        others[each.name], learned[each.name], kept[each.name] = evenly(project, each.slug, sets)
    return Originals(training, held_out, lots, others, Classes(name, learned, kept))


def evenly(
    project: Project, slug: str, sets: Sequence[tuple[Sequence[PictureRecord], int]]
) -> list[list[Picture]]:
    """So many pictures of each set of a class at most; none is read twice."""
    import numpy as np

    from wafer_core.data import manifest

    loaded: dict[str, Picture] = {}
    found = []
    for records, most in sets:
        # evenly over the order they came in: neighbours are of one lot
        count = min(len(records), most)
        chosen = [records[i] for i in np.linspace(0, len(records) - 1, count).round().astype(int)]
        for record in chosen:
            if record.file not in loaded:
                loaded[record.file] = manifest.load(project, slug, record)
        found.append([loaded[record.file] for record in chosen])
    return found


def _describe(parameters: Parameters) -> str:
    return f"Score {parameters['class']}"


WORKFLOW = Workflow("Score", run, check, _describe, needs_device=True)
