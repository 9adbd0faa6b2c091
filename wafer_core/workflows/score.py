"""The job that scores a stored run of synthetic wafers against originals it was not made from.

The scores are kept beside the run's pictures, one file for each feature network.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from wafer_core import images
from wafer_core.data import manifest, pictures, synthetic
from wafer_core.data.project import Project, WaferClass
from wafer_core.data.synthetic import SyntheticRun
from wafer_core.files import json_value
from wafer_core.images import Picture
from wafer_core.messages import N_, Message, message
from wafer_core.networks.features import FEATURES
from wafer_core.parameters import SEED, Parameter, Settings, Text, declare
from wafer_core.progress import SILENT, Progress
from wafer_core.tasks.evaluation import scoring
from wafer_core.tasks.evaluation.class_agreement import Classes
from wafer_core.workflows.context import WorkflowContext
from wafer_core.workflows.workflow import Workflow

_OTHERS = 60  # originals of each other class that are compared
_IN_ALL, _AT_LEAST = 3000, 10  # of all classes for class agreement; but at least so many of each
_READ_SHARE = 0.1  # of the job's time, roughly

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ScoreParameters(Settings):
    """Which run to score, and with which features."""

    class_name: str = declare(
        Text(
            N_("Class"),
            N_("Which class the synthetic wafers were made for."),
            required=True,
            option="class",
        ),
        key="class",
    )
    run: str | None = declare(
        Text(N_("Run"), N_("The run to score. Without it, the newest of the class."))
    )
    features: str = declare(
        Parameter(
            N_("Features"),
            N_(
                "The network whose features are compared. WaferNet is included; Inception, used in "
                "published figures, needs its weights."
            ),
            "wafernet",
            choices=tuple(FEATURES),
        )
    )
    weights: str | None = declare(
        Text(N_("Weights"), N_("A file with the weights of features that are not included."))
    )
    seed: int = declare(SEED)


@dataclass(frozen=True)
class Originals:
    """What synthetic wafers of a class are compared with.

    Attributes:
        training: Originals of the class that they were made from.
        held_out: The other originals of the class.
        lots: Of the held-out originals.
        others: Originals of the other classes, by name.
        classes: Originals for class agreement.
    """

    training: list[Picture]
    held_out: list[Picture]
    lots: list[str | None]
    others: dict[str, list[Picture]]
    classes: Classes


def run(context: WorkflowContext, parameters: ScoreParameters) -> dict[str, Any]:
    """Score the run, keep the scores beside it and return them."""
    project = context.project
    wafer_class = project.find_class(parameters.class_name)
    chosen = synthetic.find_run(project, wafer_class.slug, parameters.run)
    context.progress(0.0, message("Reading the wafers"))
    return score_stored(
        project,
        wafer_class,
        chosen,
        features=parameters.features,
        weights=Path(parameters.weights) if parameters.weights else None,
        device=context.device,
        seed=parameters.seed,
        on_progress=context.progress.part(_READ_SHARE, 1.0, message("Comparing the wafers")),
    )


def score_stored(
    project: Project,
    wafer_class: WaferClass,
    made: SyntheticRun,
    *,
    features: str = "wafernet",
    weights: Path | None = None,
    device: torch.device | None = None,
    seed: int = 0,
    on_progress: Progress = SILENT,
) -> dict[str, Any]:
    """Score a run and keep the scores beside its pictures.

    Args:
        project: The project.
        wafer_class: The class of the run.
        made: The run.
        features: See ``scoring.score_synthetic``, as for the other arguments.
        weights: The same.
        device: The same.
        seed: The same.
        on_progress: The same.

    Returns:
        JSON of the scores, with ``class`` and ``run``.

    Raises:
        WaferError: A picture or the network's weights are missing or damaged.
    """
    slug, count = wafer_class.slug, len(made.records)
    chosen = np.random.default_rng((seed, 12)).permutation(count)[: scoring.MOST[0]]
    known = originals_of(project, slug)
    scores = scoring.score_synthetic(
        [images.read_png(made.folder / made.records[i].file) for i in chosen],
        known.training,
        known.held_out,
        known.others,
        classes=known.classes,
        features=features,
        weights=weights,
        device=device,
        lots=known.lots,
        seed=seed,
        on_progress=on_progress,
    )
    logger.info("%d of %d wafers scored in %.1f s", len(chosen), count, scores.seconds)
    value = {"class": wafer_class.name, "run": made.run, **scores.to_json(), "pictures": count}
    synthetic.write_scores(made, json_value(value))
    return value


def headline_scores(value: dict[str, Any] | None) -> dict[str, float | None]:
    """The scores that ``generate`` reports for a class, from JSON of the scores, if any."""
    scores = value["scores"] if value else {}
    found = {f"{name}_score": scores.get(name, {}).get("value") for name in ("is", "fid", "kid")}
    return {**found, "class_agreement": scores.get("agreement", {}).get("value")}


def originals_of(project: Project, slug: str) -> Originals:
    """The originals of a class, and some of every other class."""
    training, held_out, lots = [], [], []
    for record in pictures.originals(project, slug):
        picture = manifest.load(project, slug, record)
        if record.split == "train":
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
            ([record for record in records if record.split == "train"], most),
            ([record for record in records if record.split != "train"], most),
        )
        others[each.name], learned[each.name], kept[each.name] = pictures.load_evenly(
            project, each.slug, sets
        )
    return Originals(training, held_out, lots, others, Classes(name, learned, kept))


def _describe(parameters: ScoreParameters) -> Message:
    return message("Score {name}", name=parameters.class_name)


WORKFLOW = Workflow("score", N_("Score"), ScoreParameters, run, _describe, needs_device=True)
