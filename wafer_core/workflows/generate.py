"""The job that makes new wafers of classes: by a generator, by transforms, or by the simulator.

Live: metric ``step`` {"class", "step", "title", "seconds"} at the end of each step, and those of
``generate_gan``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from wafer_core.data import pictures, synthetic
from wafer_core.data.manifest import PictureRecord
from wafer_core.data.project import Project, WaferClass
from wafer_core.data.synthetic import Batch, SyntheticRun
from wafer_core.errors import InputError, ParameterError
from wafer_core.messages import N_, Message, counted, message
from wafer_core.parameters import SEED, Parameter, Settings, declare, nested, read_by
from wafer_core.progress import Progress
from wafer_core.simulator.factorial import Level
from wafer_core.tasks.augmentation.offline import AugmentConfig
from wafer_core.tasks.generation.config import MIN_PICTURES, GenerationConfig
from wafer_core.tasks.generation.presets import MAX_COUNT
from wafer_core.workflows.augment import add_augmented
from wafer_core.workflows.class_entries import (
    ClassEntry,
    check_entries,
    class_list,
    classes_message,
)
from wafer_core.workflows.context import WorkflowContext
from wafer_core.workflows.generate_gan import add_generated
from wafer_core.workflows.score import headline_scores, score_stored
from wafer_core.workflows.simulate import add_simulated, check_cells, read_levels
from wafer_core.workflows.workflow import Workflow

GAN, TRANSFORMS, PHYSICS = "gan", "transforms", "physics"
_WEIGHTS = {GAN: 20.0, TRANSFORMS: 1.0, PHYSICS: 2.0}  # shares of a job's time, roughly
_SCORING = 0.1  # of a class's time, roughly


@dataclass(frozen=True)
class ClassToGenerate(ClassEntry):
    """One class to make wafers of. In JSON, ``ai_use`` may be given instead of ``mode``.

    Raises:
        ParameterError: Levels for another mode than ``physics``, or too many of them.
    """

    count: int = declare(
        Parameter(N_("Wafers"), N_("How many wafers to make."), 100, 1, MAX_COUNT, 1)
    )
    mode: str = declare(
        Parameter(
            N_("Method"),
            N_("A generator that learns the class, transforms, or the simulator fitted to it."),
            GAN,
            choices=(GAN, TRANSFORMS, PHYSICS),
            titles=(N_("Auto"), N_("Transforms"), N_("Simulator")),
        )
    )
    levels: Mapping[str, list[Level]] | None = read_by(read_levels)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.levels is not None and self.mode != PHYSICS:
            raise ParameterError("Only the mode physics has levels; leave them out.")
        check_cells(self.levels or {}, self.count)

    @classmethod
    def from_mapping(cls, values: object) -> Self:
        """Read an entry; ``ai_use``: true is the mode gan, false transforms."""
        if not isinstance(values, Mapping):
            return super().from_mapping(values)
        given = {name: value for name, value in values.items() if name != "ai_use"}
        if given.get("mode") is None:
            given.pop("mode", None)
        ai_use = values.get("ai_use")
        if "ai_use" in values and not isinstance(ai_use, bool):
            raise ParameterError("ai_use is {value}; give true or false.", value=repr(ai_use)[:80])
        if ai_use is False and "mode" not in given:
            given["mode"] = TRANSFORMS
        entry = super().from_mapping(given)
        if ai_use is not None and ai_use != (entry.mode == GAN):
            raise ParameterError(
                "mode is {mode} and ai_use is {ai_use}; give only one of them.",
                mode=entry.mode,
                ai_use=str(ai_use).lower(),
            )
        return entry


@dataclass(frozen=True)
class GenerateParameters(Settings):
    """Which classes to make wafers of, and how.

    Attributes:
        classes: The classes.
        config: Of the generator. Its seed is ``seed``.
        augment: How originals are multiplied for the generator, or instead of it.
        seed: The same seed makes the same wafers on the same machine.
    """

    classes: tuple[ClassToGenerate, ...] = read_by(class_list(ClassToGenerate), ())
    config: GenerationConfig = nested(GenerationConfig)
    augment: AugmentConfig = nested(AugmentConfig)
    seed: int = declare(SEED)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_entries(self.classes)
        object.__setattr__(self, "config", replace(self.config, seed=self.seed))


@dataclass(frozen=True)
class ClassWork:
    """One class to be made, with its training originals."""

    wafer_class: WaferClass
    records: list[PictureRecord]
    entry: ClassToGenerate


def run(context: WorkflowContext, parameters: GenerateParameters) -> dict[str, Any]:
    """Make one class after the other; returns the runs with counts, times and scores."""
    works = [_look_up(context.project, entry) for entry in parameters.classes]
    if len({work.wafer_class.slug for work in works}) < len(works):
        raise ParameterError("A class is listed twice in two spellings; list it once.")
    results = []
    parts = context.progress.each([_WEIGHTS[work.entry.mode] for work in works])
    with synthetic.batch(context.project) as batch:
        for work, part in zip(works, parts, strict=True):
            making, scoring = part.split(1.0 - _SCORING, _SCORING)
            run, more = MODES[work.entry.mode](context, batch, parameters, work, making)
            result = _result(context.project, work, run, more)
            scores = _scores(context, work.wafer_class, run, parameters.seed, scoring)
            results.append({**result, **scores})
        context.begin_storing()
        batch.commit()
    return {"classes": results}


def _look_up(project: Project, entry: ClassToGenerate) -> ClassWork:
    """Find a class and check that it can be made, before hours go into the class before it."""
    wafer_class = project.find_class(entry.name)
    records = [r for r in pictures.originals(project, wafer_class.slug) if r.split == "train"]
    needed = MIN_PICTURES if entry.mode == GAN else 1
    if len(records) < needed:
        raise InputError(
            counted(
                "The class “{name}” has {count:,} training wafer and needs at least {needed:,}; "
                "add some.",
                "The class “{name}” has {count:,} training wafers and needs at least {needed:,}; "
                "add some.",
                len(records),
                name=wafer_class.name,
                needed=needed,
            )
        )
    return ClassWork(wafer_class, records, entry)


def _result(
    project: Project, work: ClassWork, run: SyntheticRun, more: Mapping[str, Any]
) -> dict[str, Any]:
    folder = synthetic.run_folder(project, work.wafer_class.slug, run.origin, run.run)
    return {
        "name": work.wafer_class.name,
        "generated_image_path": str(folder),
        "count": work.entry.count,
        "ai_use": work.entry.mode == GAN,
        "mode": work.entry.mode,
        "run": run.run,
        **more,
    }


def _scores(
    context: WorkflowContext,
    wafer_class: WaferClass,
    run: SyntheticRun,
    seed: int,
    on_progress: Progress,
) -> dict[str, Any]:
    """Scores of the run; where there are none, the sentence is the reason."""
    text = message("{name}: scoring", name=wafer_class.name)
    on_progress(0.0, text)
    try:
        value = score_stored(
            context.project,
            wafer_class,
            run,
            device=context.device,
            seed=seed,
            on_progress=on_progress.named(text),
        )
    except InputError as exc:  # the wafers are good although a damaged original prevents scoring
        problem = message("The wafers could not be scored: {problem}", problem=exc.message)
        return {**headline_scores(None), "scores": None, "sentence": str(problem)}
    return {**headline_scores(value), "scores": value, "sentence": value["sentence"]}


Made = tuple[SyntheticRun, dict[str, Any]]  # the run, and more for the result


def _by_generator(
    context: WorkflowContext,
    batch: Batch,
    parameters: GenerateParameters,
    work: ClassWork,
    part: Progress,
) -> Made:
    run, steps = add_generated(
        context,
        batch,
        work.wafer_class,
        work.records,
        work.entry.count,
        parameters.config,
        parameters.augment,
        part,
    )
    return run, {"steps": steps}


def _by_transforms(
    context: WorkflowContext,
    batch: Batch,
    parameters: GenerateParameters,
    work: ClassWork,
    part: Progress,
) -> Made:
    run = add_augmented(
        batch,
        context.project,
        work.wafer_class,
        work.entry.count,
        parameters.augment,
        parameters.seed,
        part,
    )
    return run, {}


def _by_simulator(
    context: WorkflowContext,
    batch: Batch,
    parameters: GenerateParameters,
    work: ClassWork,
    part: Progress,
) -> Made:
    run, info = add_simulated(
        context,
        batch,
        work.wafer_class,
        work.records,
        work.entry.count,
        work.entry.levels or {},
        parameters.seed,
        part,
    )
    return run, {name: info[name] for name in ("pattern", "fit", "steps")}


Maker = Callable[[WorkflowContext, Batch, GenerateParameters, ClassWork, Progress], Made]
MODES: dict[str, Maker] = {
    GAN: _by_generator,
    TRANSFORMS: _by_transforms,
    PHYSICS: _by_simulator,
}


def _describe(parameters: GenerateParameters) -> Message:
    return message("Generate {classes}", classes=classes_message(parameters.classes))


WORKFLOW = Workflow(
    "generate", N_("Generate"), GenerateParameters, run, _describe, needs_device=True
)
