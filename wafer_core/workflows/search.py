"""The job that searches settings and an augmentation policy for a project, within some minutes.

Parameters: ``config`` (of ``SearchConfig``), ``turns`` (false where the direction of a pattern
matters), ``name`` (of the preset; made where missing).

Live: metric ``trial`` with the fields of ``Trial`` (``settings`` as a line) and ``candidate`` with
those of ``Candidate``. Result: ``{"preset", "settings", "score", "interval", "default_score",
"gain", "gain_interval", "verdict", "judged", "protocol", "trials", …}``. The preset is stored at
the end, or when the job is stopped; a cancelled job leaves none. The test part is not read.
"""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from wafer_core.errors import ParameterError
from wafer_core.names import clean_name
from wafer_core.workflows.train import trainable
from wafer_core.workflows.workflow import Parameters, Workflow, known_only, settings_of

if TYPE_CHECKING:
    from wafer_core.jobs.context import JobContext
    from wafer_core.tasks.search.settings import Outcome, SearchConfig
    from wafer_core.tasks.search.trial import SearchData

_READ = 0.02  # share of the bar for reading


def check(parameters: Parameters) -> None:
    """Check what ``run`` reads."""
    known_only(parameters, ("config", "turns", "name"), "search")
    if parameters.get("name") is not None:
        clean_name(parameters["name"], "preset")
    if not isinstance(parameters.get("turns", True), bool):
        raise ParameterError(f"turns is {parameters['turns']!r}; it must be true or false.")
    config_of(parameters)


def config_of(parameters: Parameters) -> SearchConfig:
    """What is searched and for how long.

    Raises:
        ParameterError: A setting is unknown or cannot be used.
    """
    from wafer_core.tasks.search.settings import PARAMETERS, SearchConfig

    return SearchConfig(**settings_of(parameters, (*PARAMETERS, "seed"), "a search"))


def run(context: JobContext) -> dict[str, Any]:
    """Read training and validation part, search, and leave the best as a preset."""
    from wafer_core.data import presets
    from wafer_core.device import CoreWatch, describe_device
    from wafer_core.jobs.events import plain
    from wafer_core.tasks.classification.config import TrainConfig
    from wafer_core.tasks.search.search import search
    from wafer_core.tasks.search.settings import Outcome, Trial
    from wafer_core.tasks.search.space import describe

    began = time.perf_counter()
    config = config_of(context.parameters)
    base = TrainConfig(turns=context.parameters.get("turns", True))
    data, notes = read_data(context)
    watch = CoreWatch()

    def step(share: float, text: str) -> None:
        watch.adapt()
        context.check_cancelled()
        context.progress(_READ + (1 - _READ) * share, text)

    outcome: Outcome | None = None
    for event in search(data, base, config, context.device, step, context.stop_requested):
        if isinstance(event, Outcome):
            outcome = event
        elif isinstance(event, Trial):
            told = {**asdict(event), "settings": describe(event.settings)}
            context.metric("trial", **told)
        else:
            context.metric("candidate", **asdict(event))
    if outcome is None:
        raise TypeError("search() yielded no outcome")
    context.check_cancelled()
    settings = dict(outcome.settings)
    if not base.turns:
        settings["turns"] = False
    result = {
        **told_of(outcome),
        "notes": [*notes, *outcome.notes],
        "what": config.what,
        "minutes": config.minutes,
        "seed": config.seed,
        "seconds": round(time.perf_counter() - began, 3),
        "device": describe_device(context.device),
    }
    name = context.parameters.get("name") or presets.free_name(context.project, "Search")
    preset = presets.save_preset(context.project, name, plain(settings), plain(result))
    return {"preset": preset.name, "settings": settings, **result}


def told_of(outcome: Outcome) -> dict[str, Any]:
    """What a search measured, for the preset and the result."""
    from wafer_core.tasks.search.settings import VERDICTS

    return {
        "title": outcome.title,
        "score": outcome.score,
        "interval": outcome.interval,
        "default_score": outcome.default_score,
        "gain": outcome.gain,
        "gain_interval": outcome.gain_interval,
        "verdict": VERDICTS[outcome.verdict],
        "judged": outcome.judged,
        "protocol": outcome.protocol,
        "trials": len(outcome.trials),
        "candidates": outcome.candidates,
    }


def read_data(context: JobContext) -> tuple[SearchData, list[str]]:
    """The training and validation part as they are now, and sentences on what was left out."""
    import numpy as np

    from wafer_core.data import dataset, pictures
    from wafer_core.tasks.search.trial import SearchData

    project = context.project
    used, notes = trainable(dataset.freeze(project))

    def tell(share: float) -> None:
        context.check_cancelled()
        context.progress(_READ * share, "Reading the pictures")

    tell(0.0)
    train, train_labels = dataset.load_part(project, used, "train", progress=tell)
    validation, validation_labels = dataset.load_part(project, used, "validation")
    entries = used.part("train")
    key = {
        (slug, record.file): record.key or record.sha
        for slug, _ in used.classes
        for record in pictures.originals(project, slug)
    }
    original = np.array([entry.origin == "originals" for entry in entries], bool)
    kept = [*used.part("train", include_made=False), *used.part("validation")]
    data = SearchData(
        used.class_names,
        [*(train[i] for i in np.flatnonzero(original)), *validation],
        np.concatenate([train_labels[original], validation_labels]),
        [key.get((entry.slug, entry.file), entry.sha) for entry in kept],
        np.arange(len(kept)) >= original.sum(),
        [train[i] for i in np.flatnonzero(~original)],
        train_labels[~original],
    )
    if len(data.made_pictures) and not data.has_validation:
        notes.append(
            f"{len(data.made_pictures):,} made wafers were left out of the search: the original of "
            "one could be among those that judge."
        )
    return data, notes


def _describe(parameters: Parameters) -> str:
    what = {"both": "settings and augmentation"}.get(
        config_of(parameters).what, config_of(parameters).what
    )
    return f"Search {what}"


WORKFLOW = Workflow("Search", run, check, _describe, needs_device=True)
