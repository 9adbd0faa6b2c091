"""Pictures of a class by the simulator, for the generate job."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from wafer_core.errors import ParameterError

if TYPE_CHECKING:
    from wafer_core.data.manifest import PictureRecord
    from wafer_core.data.project import WaferClass
    from wafer_core.data.synthetic import MadePicture
    from wafer_core.jobs.context import JobContext
    from wafer_core.simulator.factorial import Level, LevelWafer
    from wafer_core.simulator.fitted import PhysicsModel
    from wafer_core.tasks.generation.steps import Step

_FIT_SHARE = 0.5  # of a class's time, roughly


def check_levels(levels: object, count: int, title: str) -> dict[str, list[Level]]:
    """Return the levels of a class entry: ``{"ring_width": ["low", "high"]}``.

    Raises:
        ParameterError: They are no such thing, a factor or level is unknown, or there are more
            combinations than pictures.
    """
    from wafer_core.simulator import FACTORS

    if not isinstance(levels, Mapping):
        raise ParameterError(
            f'levels of {title} is {levels!r}; give {{"ring_width": ["low", "high"]}}.'
        )
    checked: dict[str, list[Level]] = {}
    for name, chosen in levels.items():
        if name not in FACTORS:
            raise ParameterError(
                f"“{name}” is no factor of {title}; choose among {', '.join(FACTORS)}."
            )
        if not isinstance(chosen, Sequence) or isinstance(chosen, str) or not chosen:
            raise ParameterError(f"{name} of {title} is {chosen!r}; give a list of levels.")
        values = [FACTORS[name].value(level, name) for level in chosen]
        if len(set(values)) < len(values):
            raise ParameterError(f"{name} of {title} lists a level twice; list each once.")
        checked[name] = list(chosen)
    cells = math.prod(len(chosen) for chosen in checked.values())
    if cells > count:
        raise ParameterError(
            f"The levels of {title} have {cells:,} combinations, more than the {count:,} pictures "
            "to make; make more pictures or take fewer levels."
        )
    return checked


def made_by_physics(
    context: JobContext,
    wafer_class: WaferClass,
    records: Sequence[PictureRecord],
    count: int,
    levels: Mapping[str, Sequence[Level]],
    share: tuple[float, float],
) -> tuple[str, dict[str, Any]]:
    """Fit the simulator to a class and store one run of wafers; returns its name and its info.

    Args:
        records: Training originals of the class.
        levels: Factors to vary over all combinations; what is not named is as in the class.
        share: Where on the job's way this lies: begin and length, 0..1.
    """
    import torch

    from wafer_core.data import manifest, synthetic
    from wafer_core.simulator import fit
    from wafer_core.tasks.generation.steps import Clock, StepInfo

    def tell(fraction: float, text: str) -> None:
        context.check_cancelled()
        context.progress(share[0] + share[1] * fraction, f"{wafer_class.name}: {text}")

    clock = Clock(
        {name: StepInfo(title, 1 / len(fit.STEPS)) for name, title in fit.STEPS.items()},
        torch.device("cpu"),
    )

    def ended(step: Step) -> None:
        named = {"class": wafer_class.name, "step": step.name, "title": step.title}
        context.metric("step", **named, seconds=step.seconds)

    seed = int(context.parameters.get("seed", 0))
    tell(0.0, "fitting the simulator")
    originals = [manifest.load(context.project, wafer_class.slug, record) for record in records]
    clock.begin("fit")
    model = fit.fit(originals, seed, wafer_class.name)
    ended(clock.end())
    tell(_FIT_SHARE, "simulating")
    clock.begin("simulate")
    wafers = _evenly(model, levels, count, seed)
    ended(clock.end())

    def made() -> Iterator[MadePicture]:
        for number, wafer in enumerate(wafers):
            if number % 100 == 0:
                tell(_FIT_SHARE + (1 - _FIT_SHARE) * number / count, f"{number} of {count} stored")
            values = {name: round(value, 4) for name, value in wafer.values.items()}
            details: dict[str, Any] = {"pattern": wafer.pattern, "factors": values}
            if levels:
                details |= {"cell": wafer.cell, "levels": dict(wafer.levels)}
            if wafer.grid_of is not None:
                details["grid_of"] = records[wafer.grid_of].file
            yield synthetic.MadePicture(wafer.picture, None, details)

    info = {
        "method": "physics",
        "seed": seed,
        "originals": len(records),
        "pattern": model.pattern,
        "fit": model.fit.to_json(),
        "factors": {
            name: [round(value, 4) for value in found]
            for name, found in model.factor_ranges().items()
        },
        "levels": {name: list(chosen) for name, chosen in levels.items()},
        "steps": {name: round(seconds, 3) for name, seconds in clock.seconds.items()},
        "cost": clock.cost([wafer.picture for wafer in wafers], 0),
    }
    run_name = synthetic.add(
        context.project, wafer_class.slug, "generated", made(), info
    )  # fmt: skip
    return run_name, info


def _evenly(
    model: PhysicsModel, levels: Mapping[str, Sequence[Level]], count: int, seed: int
) -> list[LevelWafer]:
    """Exactly ``count`` wafers; the cells of all levels differ by one at most."""
    from wafer_core.simulator.factorial import level_grid

    cells = math.prod(len(chosen) for chosen in levels.values())
    full, over = divmod(count, cells)
    wafers = level_grid(model, levels, full + (over > 0), seed)
    return [w for w in wafers if w.repetition < full or w.cell < over]
