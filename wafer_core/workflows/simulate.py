"""Wafers of a class from the simulator, for the workflow ``generate`` (mode ``physics``)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch

from wafer_core.data import manifest
from wafer_core.data.manifest import PictureRecord
from wafer_core.data.project import WaferClass
from wafer_core.data.synthetic import Batch, SyntheticPicture, SyntheticRun
from wafer_core.errors import ParameterError
from wafer_core.messages import message
from wafer_core.progress import Progress
from wafer_core.simulator import FACTORS, fit
from wafer_core.simulator.factorial import DesignWafer, Level, factorial_design
from wafer_core.simulator.fitted import PhysicsModel
from wafer_core.tasks.generation.steps import Step, StepInfo, StepTimer
from wafer_core.workflows.context import WorkflowContext

_FIT_SHARE = 0.5  # of a class's time, roughly
_REPORT_EVERY = 100  # wafers


def read_levels(value: object) -> dict[str, list[Level]]:
    """The levels of a class entry, from JSON: {"ring_width": ["low", "high"]}.

    Raises:
        ParameterError: It is something else, or a factor or level is unknown.
    """
    if not isinstance(value, Mapping):
        raise ParameterError(
            "levels is {value}; give an object such as {example}.",
            value=repr(value)[:80],
            example='{"ring_width": ["low", "high"]}',
        )
    checked: dict[str, list[Level]] = {}
    for name, chosen in value.items():
        if name not in FACTORS:
            raise ParameterError(
                "There is no factor “{name}”; choose from {known}.",
                name=str(name),
                known=", ".join(FACTORS),
            )
        if not isinstance(chosen, Sequence) or isinstance(chosen, str) or not chosen:
            raise ParameterError(
                "{name} is {value}; give a list of levels.", name=name, value=repr(chosen)[:80]
            )
        values = [FACTORS[name].value(level, name) for level in chosen]
        if len(set(values)) < len(values):
            raise ParameterError("{name} lists a level twice; list each once.", name=name)
        checked[name] = list(chosen)
    return checked


def check_cells(levels: Mapping[str, Sequence[Level]], count: int) -> None:
    """Refuse more combinations of levels than wafers.

    Raises:
        ParameterError: With both numbers.
    """
    cells = math.prod(len(chosen) for chosen in levels.values())
    if cells > count:
        raise ParameterError(
            "The levels have {cells:,} combinations, more than the {count:,} wafers to make; make "
            "more wafers or choose fewer levels.",
            cells=cells,
            count=count,
        )


def add_simulated(
    context: WorkflowContext,
    batch: Batch,
    wafer_class: WaferClass,
    records: Sequence[PictureRecord],
    count: int,
    levels: Mapping[str, Sequence[Level]],
    seed: int,
    on_progress: Progress,
) -> tuple[SyntheticRun, dict[str, Any]]:
    """Fit the simulator to a class and add one run of wafers to a batch.

    Args:
        context: The job's; gets a metric ``step`` at the end of each step.
        batch: The job's.
        wafer_class: The class.
        records: Its training originals.
        count: How many wafers to make.
        levels: Factors to vary over all combinations; the others are as in the class.
        seed: The same seed makes the same wafers.
        on_progress: Covers this class.

    Returns:
        The run and its info.
    """
    project, name = context.project, wafer_class.name
    timer = StepTimer(
        {key: StepInfo(title, 1 / len(fit.STEPS)) for key, title in fit.STEPS.items()},
        torch.device("cpu"),
    )

    def end_step(step: Step) -> None:
        values = {"class": name, "step": step.name, "title": step.title, "seconds": step.seconds}
        context.metric("step", **values)

    on_progress(0.0, message("{name}: fitting the simulator", name=name))
    originals = [manifest.load(project, wafer_class.slug, record) for record in records]
    timer.begin("fit")
    model = fit.fit(originals, seed, name)
    end_step(timer.end())
    on_progress(_FIT_SHARE, message("{name}: simulating", name=name))
    timer.begin("simulate")
    wafers = _balanced(model, levels, count, seed)
    end_step(timer.end())
    storing = on_progress.part(_FIT_SHARE, 1.0, message("{name}: storing", name=name))

    def made() -> Iterator[SyntheticPicture]:
        for number, wafer in enumerate(wafers):
            if number % _REPORT_EVERY == 0:
                storing(number / count)
            values = {factor: round(value, 4) for factor, value in wafer.values.items()}
            details: dict[str, Any] = {"pattern": wafer.pattern, "factors": values}
            if levels:
                details |= {"cell": wafer.cell, "levels": dict(wafer.levels)}
            if wafer.source is not None:
                details["grid_of"] = records[wafer.source].file
            yield SyntheticPicture(wafer.picture, None, details)

    info = {
        "method": "physics",
        "seed": seed,
        "originals": len(records),
        "pattern": model.pattern,
        "fit": model.fit.to_json(),
        "factors": {
            factor: [round(value, 4) for value in found]
            for factor, found in model.factor_ranges().items()
        },
        "levels": {factor: list(chosen) for factor, chosen in levels.items()},
        "steps": {step: round(seconds, 3) for step, seconds in timer.seconds.items()},
        "cost": timer.cost([wafer.picture for wafer in wafers], 0),
    }
    return batch.add(wafer_class.slug, "generated", made(), info), info


def _balanced(
    model: PhysicsModel, levels: Mapping[str, Sequence[Level]], count: int, seed: int
) -> list[DesignWafer]:
    """Exactly ``count`` wafers; the numbers in two cells differ by one at most."""
    cells = math.prod(len(chosen) for chosen in levels.values())
    full, extra = divmod(count, cells)
    wafers = factorial_design(model, levels, full + (extra > 0), seed)
    return [w for w in wafers if w.repetition < full or w.cell < extra]
