"""The job that searches settings and an augmentation policy for a project.

Live: metric ``trial`` with the fields of ``Trial`` (``settings`` as a text) and ``candidate`` with
those of ``Candidate``. Result: ``{"preset", "settings", "score", "interval", "default_score",
"gain", "gain_interval", "verdict", "judged", "protocol", "trials", …}``. The best settings are
stored as a preset at the end, or when the job is stopped; a cancelled job leaves none. The test
split is not read.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from wafer_core.data import dataset, presets
from wafer_core.device import describe_device
from wafer_core.files import json_value
from wafer_core.messages import N_, Message, counted, message
from wafer_core.parameters import Parameter, Settings, Text, declare, nested
from wafer_core.progress import Progress
from wafer_core.tasks.classification.config import TrainConfig
from wafer_core.tasks.search import search as task
from wafer_core.tasks.search.settings import VERDICTS, Outcome, SearchConfig, Trial
from wafer_core.tasks.search.space import describe
from wafer_core.tasks.search.trial import SearchData
from wafer_core.workflows.context import WorkflowContext
from wafer_core.workflows.workflow import Workflow

_READ, _SEARCH = 0.02, 0.98  # shares of the time, roughly


@dataclass(frozen=True)
class SearchParameters(Settings):
    """What to search, and the name of the preset."""

    config: SearchConfig = nested(SearchConfig)
    turns: bool = declare(
        Parameter(
            N_("Rotations and reflections"),
            N_(
                "A pattern keeps its class when the wafer is rotated by 90 degrees or mirrored. "
                "Switch off if directions matter."
            ),
            True,
            main=True,
        )
    )
    name: str | None = declare(
        Text(
            N_("Name"),
            N_("How the preset is listed for training. Without it, Search and a number."),
            names="preset",
        )
    )


def run(context: WorkflowContext, parameters: SearchParameters) -> dict[str, Any]:
    """Read the training and validation split, search, and store the best as a preset."""
    began = time.perf_counter()
    config = parameters.config
    base = TrainConfig(turns=parameters.turns)
    read, searching = context.progress.split(_READ, _SEARCH)
    data, notes = read_data(context, read)
    context.adapt_threads()
    outcome: Outcome | None = None
    for event in task.search(data, base, config, context.device, searching, context.stop_requested):
        if isinstance(event, Outcome):
            outcome = event
        elif isinstance(event, Trial):
            context.metric("trial", **{**asdict(event), "settings": describe(event.settings)})
        else:
            context.metric("candidate", **asdict(event))
    if outcome is None:
        raise TypeError("search() yielded no outcome")
    settings = dict(outcome.settings)
    if not base.turns:
        settings["turns"] = False
    result = {
        **summary(outcome),
        "notes": [*notes, *outcome.notes],
        "what": config.what,
        "minutes": config.minutes,
        "seed": config.seed,
        "seconds": round(time.perf_counter() - began, 3),
        "device": describe_device(context.device),
    }
    name = parameters.name or presets.free_name(context.project, "Search")
    context.begin_storing()
    preset = presets.save_preset(context.project, name, json_value(settings), json_value(result))
    return {"preset": preset.name, "settings": settings, **result}


def summary(outcome: Outcome) -> dict[str, Any]:
    """What a search found, for the preset and the result."""
    return {
        "title": outcome.title,
        "score": outcome.score,
        "interval": outcome.interval,
        "default_score": outcome.default_score,
        "gain": outcome.gain,
        "gain_interval": outcome.gain_interval,
        "verdict": Message(VERDICTS[outcome.verdict]),
        "judged": outcome.evaluated,
        "protocol": outcome.protocol,
        "trials": len(outcome.trials),
        "candidates": outcome.candidates,
    }


def read_data(context: WorkflowContext, on_progress: Progress) -> tuple[SearchData, list[Message]]:
    """The training and validation split as they are now, and remarks on what was left out."""
    project = context.project
    used, notes = dataset.trainable(dataset.freeze(project))
    reading = on_progress.named(message("Reading the wafers"))
    reading(0.0)
    train, train_labels = dataset.load_split(project, used, "train", on_progress=reading)
    validation, validation_labels = dataset.load_split(project, used, "validation")
    groups, is_synthetic = dataset.group_labels(project, used, "train")
    validation_groups, _ = dataset.group_labels(project, used, "validation")
    originals = np.flatnonzero(~is_synthetic).tolist()
    synthetic = np.flatnonzero(is_synthetic).tolist()
    data = SearchData(
        used.class_names,
        [*(train[i] for i in originals), *validation],
        np.concatenate([train_labels[originals], validation_labels]),
        [*(groups[i] for i in originals), *validation_groups],
        np.arange(len(originals) + len(validation)) >= len(originals),
        [train[i] for i in synthetic],
        train_labels[synthetic],
        used.combinations,
    )
    left_out = len(synthetic)
    if left_out and not data.uses_validation:
        notes.append(
            counted(
                "{count:,} synthetic wafer was left out of the search: its original could be "
                "among the wafers that evaluate a trial.",
                "{count:,} synthetic wafers were left out of the search: the original of one "
                "could be among the wafers that evaluate a trial.",
                left_out,
            )
        )
    return data, notes


_TITLES = {
    "both": N_("Search settings and augmentation"),
    "augmentation": N_("Search augmentation"),
    "settings": N_("Search settings"),
}


def _describe(parameters: SearchParameters) -> Message:
    return Message(_TITLES[parameters.config.what])


WORKFLOW = Workflow("search", N_("Search"), SearchParameters, run, _describe, needs_device=True)
