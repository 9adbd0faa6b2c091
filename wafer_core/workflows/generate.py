"""The job that makes new pictures of classes, by a GAN, by transforms or by the simulator.

Parameters: ``classes`` [{"name", "mode": "gan" (the default), "transforms" or "physics", "count",
"levels": of process factors, for physics}], ``config`` (of ``GanConfig``, without its seed),
``augment`` (of ``AugmentConfig``: how originals are multiplied, for the GAN and instead of it),
``seed``. Instead of the mode, "ai_use": true says a GAN and false transforms.

Live: metric ``step`` {"class", "step", "title", "seconds"} at the end of each step, and metric
``gan_epoch`` {"class", "epoch", "epochs", "d_loss", "g_loss", "seconds", "samples"}, where
``samples`` names a picture of 4 × 4 made ones in the job's folder, or is ``None``. Metric
``level`` {"class", "setting", "value", "kid", "failed", "is_best", "samples"} for each threshold
(Classic) or density (Default) that was compared; ``samples`` names a strip of eight pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from wafer_core.data.synthetic_runs import undone_on_error
from wafer_core.errors import InputError, ParameterError
from wafer_core.workflows.augment import made_by_transforms
from wafer_core.workflows.physics import check_levels, made_by_physics
from wafer_core.workflows.workflow import Parameters, Workflow, class_list, known_only, whole_number

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from wafer_core.data.manifest import PictureRecord
    from wafer_core.data.project import Project, WaferClass
    from wafer_core.images import Picture
    from wafer_core.jobs.context import JobContext
    from wafer_core.simulator.factorial import Level
    from wafer_core.tasks.generation.presets import GenerateResult

SAMPLES_FOLDER = "samples"
_WEIGHTS = {"gan": 20.0, "transforms": 1.0, "physics": 2.0}  # shares of a job's time, roughly
_TRAIN_BEGINS, _TRAIN_ENDS = 0.05, 0.95  # of one class's time


@dataclass(frozen=True)
class _Order:
    """One class to be made."""

    wafer_class: WaferClass
    records: list[PictureRecord]  # training originals
    count: int
    mode: str  # a key of MODES
    levels: dict[str, list[Level]]

    @property
    def weight(self) -> float:
        return _WEIGHTS[self.mode]


def check(parameters: Parameters) -> None:
    """Check what ``run`` reads."""
    from wafer_core.tasks.augmentation.offline import AugmentConfig
    from wafer_core.tasks.generation.dcgan.training import GanConfig
    from wafer_core.tasks.generation.presets import MAX_COUNT

    known_only(parameters, ("classes", "config", "augment", "seed"), "generate")
    for entry in class_list(parameters.get("classes")):
        title = f"“{entry['name']}”"
        known = ("name", "ai_use", "mode", "count", "levels")
        known_only(entry, known, f"generate, class {title},")
        whole_number(entry.get("count"), f"count of {title}", 1, MAX_COUNT)
        mode = mode_of(entry)
        if "levels" in entry:
            if mode != "physics":
                raise ParameterError(f"Only physics has levels; leave them out for {title}.")
            check_levels(entry["levels"], entry["count"], title)
    GanConfig.from_json({**parameters.get("config", {}), "seed": parameters.get("seed", 0)})
    AugmentConfig.from_json(parameters.get("augment", {}))


def mode_of(entry: Parameters) -> str:
    """How the pictures of a class entry are made: a key of ``MODES``.

    Raises:
        ParameterError: Neither ``mode`` nor ``ai_use`` says it, or they contradict.
    """
    title = f"“{entry.get('name')}”"
    ai_use, mode = entry.get("ai_use"), entry.get("mode")
    if "ai_use" in entry and not isinstance(ai_use, bool):
        raise ParameterError(f"ai_use of {title} is {ai_use!r}; give true or false.")
    if mode is None:
        return "transforms" if ai_use is False else "gan"
    if mode not in MODES:
        raise ParameterError(f"mode of {title} is {mode!r}; choose one of {', '.join(MODES)}.")
    if ai_use is not None and ai_use != (mode == "gan"):
        raise ParameterError(f"mode of {title} is {mode} and ai_use {ai_use}; give one of them.")
    return str(mode)


def run(context: JobContext) -> dict[str, Any]:
    """Make one class after the other; returns where the pictures lie, counts, times and scores."""
    orders = [_order(context.project, entry) for entry in context.parameters["classes"]]
    if len({order.wafer_class.slug for order in orders}) < len(orders):
        raise ParameterError("A class is listed twice under two spellings; list it once.")
    total = sum(order.weight for order in orders)
    done = 0.0
    results = []
    with undone_on_error(context.project) as stored:
        for order in orders:
            share = (done / total, order.weight / total)
            result = MODES[order.mode](context, order, share)
            origin = "augmented" if order.mode == "transforms" else "generated"
            stored.append((order.wafer_class.slug, origin, result["run"]))
            result.update(_scored(context, order, origin, result["run"], share))
            results.append(result)
            done += order.weight
        context.check_cancelled()
    return {"classes": results}


def _order(project: Project, entry: dict[str, Any]) -> _Order:
    """Look a class up and see that it can be made, before hours go into the one before it."""
    from wafer_core.data import pictures
    from wafer_core.tasks.generation.dcgan.training import MIN_PICTURES

    wafer_class = project.find_class(entry["name"])
    records = [r for r in pictures.originals(project, wafer_class.slug) if r.part == "train"]
    mode = mode_of(entry)
    need = MIN_PICTURES if mode == "gan" else 1
    if len(records) < need:
        have = f"{len(records)} picture{'s' * (len(records) != 1)} to learn from"
        raise InputError(
            f"The class “{wafer_class.name}” has {have} and needs {need} or more; add some to it."
        )
    return _Order(wafer_class, records, entry["count"], mode, entry.get("levels", {}))


def _result(
    context: JobContext, order: _Order, origin: str, run_name: str, more: dict[str, Any]
) -> dict[str, Any]:
    from wafer_core.data import manifest

    folder = manifest.class_folder(context.project, order.wafer_class.slug) / origin / run_name
    return {
        "name": order.wafer_class.name,
        "generated_image_path": str(folder),
        "count": order.count,
        "ai_use": order.mode == "gan",
        "mode": order.mode,
        "run": run_name,
        **more,
    }


def _scored(
    context: JobContext, order: _Order, origin: str, run_name: str, share: tuple[float, float]
) -> dict[str, Any]:
    """Scores of what was stored; where there are none, the sentence says why."""
    from wafer_core.data import synthetic
    from wafer_core.workflows.score import score_stored, told_scores

    wafer_class = order.wafer_class

    def tell(_: float) -> None:
        context.check_cancelled()
        context.progress(share[0] + share[1], f"{wafer_class.name}: scoring")

    tell(0.0)
    runs = synthetic.runs(context.project, wafer_class.slug, origin)
    made = next(run for run in runs if run.run == run_name)
    seed = int(context.parameters.get("seed", 0))
    try:
        value = score_stored(
            context.project, wafer_class, made, device=context.device, seed=seed, progress=tell
        )
    except InputError as exc:  # a damaged original is no reason to lose what was made
        return {**told_scores(None), "scores": None, "sentence": f"It could not be scored: {exc}"}
    return {**told_scores(value), "scores": value, "sentence": value["sentence"]}


def _by_transforms(
    context: JobContext, order: _Order, share: tuple[float, float]
) -> dict[str, Any]:
    from wafer_core.tasks.augmentation.offline import AugmentConfig

    config = AugmentConfig.from_json(context.parameters.get("augment", {}))
    seed = int(context.parameters.get("seed", 0))
    run_name = made_by_transforms(context, order.wafer_class, order.count, config, seed, share)
    return _result(context, order, "augmented", run_name, {})


def _by_physics(context: JobContext, order: _Order, share: tuple[float, float]) -> dict[str, Any]:
    run_name, info = made_by_physics(
        context, order.wafer_class, order.records, order.count, order.levels, share
    )
    more = {"pattern": info["pattern"], "fit": info["fit"], "steps": info["steps"]}
    return _result(context, order, "generated", run_name, more)


def _by_gan(context: JobContext, order: _Order, share: tuple[float, float]) -> dict[str, Any]:
    from wafer_core.data import synthetic

    slug = order.wafer_class.slug
    result = _learned(context, order, share)
    info = {"method": "gan", **result.details, "steps": result.steps}

    def made() -> Iterator[synthetic.MadePicture]:
        for number, (picture, index) in enumerate(
            zip(result.pictures, result.borrowed, strict=True)
        ):
            if number % 100 == 0:
                context.check_cancelled()
            grid_of = order.records[index].file
            yield synthetic.MadePicture(picture, None, {"grid_of": grid_of})

    run_name = synthetic.add(context.project, slug, "generated", made(), info)
    more = {"steps": {name: round(s, 3) for name, s in result.steps.items()}}
    return _result(context, order, "generated", run_name, more)


def _learned(context: JobContext, order: _Order, share: tuple[float, float]) -> GenerateResult:
    """Follow the steps of one class and tell them."""
    from wafer_core.data import manifest
    from wafer_core.device import CoreWatch
    from wafer_core.tasks.augmentation.offline import AugmentConfig
    from wafer_core.tasks.generation import presets
    from wafer_core.tasks.generation.dcgan.training import GanConfig, GanEpoch, GanProgress

    parameters = context.parameters
    config = GanConfig.from_json(
        {**parameters.get("config", {}), "seed": parameters.get("seed", 0)}
    )
    name, slug = order.wafer_class.name, order.wafer_class.slug
    originals = [manifest.load(context.project, slug, record) for record in order.records]

    watch = CoreWatch()

    def tell(fraction: float, text: str) -> None:
        watch.adapt()
        context.check_cancelled()
        context.progress(share[0] + share[1] * fraction, f"{name}: {text}")

    events = presets.generate(
        originals,
        order.count,
        config,
        context.device,
        AugmentConfig.from_json(parameters.get("augment", {})),
        _others(context.project, slug) if config.preset == "default" else None,
    )
    # the iterator is a generator: closing it frees the networks at once when the job is cancelled
    with closing(cast("Any", events)):
        for event in events:
            if isinstance(event, presets.GenerateResult):
                _tell_levels(context, name, slug, event)
                return event
            if isinstance(event, presets.Step):
                tell(event.whole, event.title)
                if event.seconds is not None:
                    context.metric(
                        "step",
                        **{"class": name, "step": event.name, "title": event.title},
                        seconds=event.seconds,
                    )
                continue
            spent = _TRAIN_BEGINS + (_TRAIN_ENDS - _TRAIN_BEGINS) * event.fraction
            tell(spent, f"epoch {event.epoch} of {event.epochs}")
            if isinstance(event, GanEpoch):
                context.metric(
                    "gan_epoch",
                    **{"class": name},
                    epoch=event.epoch,
                    epochs=event.epochs,
                    d_loss=event.d_loss,
                    g_loss=event.g_loss,
                    seconds=event.seconds,
                    samples=_store(context, slug, event.epoch, event.samples),
                )
            elif not isinstance(event, GanProgress):
                raise TypeError(f"generate() yielded {type(event).__name__}")
    raise TypeError("generate() ended without a result")


def _others(project: Project, slug: str) -> dict[str, list[Picture]]:
    """Some training originals of every other class: what the class is to be told from."""
    from wafer_core.data import pictures
    from wafer_core.tasks.evaluation.class_agreement import EACH
    from wafer_core.workflows.score import evenly

    found = {}
    for other in project.classes():
        if other.slug != slug:
            records = [r for r in pictures.originals(project, other.slug) if r.part == "train"]
            [found[other.name]] = evenly(project, other.slug, [(records, EACH)])
    return found


def _tell_levels(context: JobContext, name: str, slug: str, result: GenerateResult) -> None:
    """Tell what other thresholds or densities gave, with some pictures of each."""
    if result.sweep is None:
        return
    from wafer_core.files import write_bytes
    from wafer_core.images import encode_png

    sweep = result.sweep
    for level in sweep.levels:
        file = f"{SAMPLES_FOLDER}/{slug}-{sweep.setting}-{level.value:g}.png"
        write_bytes(context.folder / file, encode_png(level.strip), sync=False)
        context.metric(
            "level",
            **{"class": name, "setting": sweep.setting, "value": level.value, "kid": level.kid},
            failed=level.failed,
            is_best=level.value == sweep.best,
            samples=file,
        )


def _store(
    context: JobContext, slug: str, epoch: int, samples: npt.NDArray[np.uint8] | None
) -> str | None:
    """Store a grid of made pictures (N, H, W) as one picture; returns its name in the folder."""
    if samples is None:
        return None
    from wafer_core.files import write_bytes
    from wafer_core.images import encode_png

    N, H, W = samples.shape
    side = int(N**0.5)
    grid = samples[: side * side].reshape(side, side, H, W).swapaxes(1, 2)
    name = f"{SAMPLES_FOLDER}/{slug}-{epoch:05d}.png"
    write_bytes(context.folder / name, encode_png(grid.reshape(side * H, side * W)), sync=False)
    return name


# How pictures are made: the select box of the page and ``mode`` of a class entry.
MODES: dict[str, Callable[[JobContext, _Order, tuple[float, float]], dict[str, Any]]] = {
    "gan": _by_gan,
    "transforms": _by_transforms,
    "physics": _by_physics,
}


def _describe(parameters: Parameters) -> str:
    names = [entry["name"] for entry in parameters["classes"]]
    return f"Generate {names[0]}" if len(names) == 1 else f"Generate {len(names)} classes"


WORKFLOW = Workflow("Generate", run, check, _describe, needs_device=True)
