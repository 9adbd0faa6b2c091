"""Wafers of a class from a generator that learns the class, for the workflow ``generate``.

Live: metric ``step`` {"class", "step", "title", "seconds"} at the end of each step; ``gan_epoch``
{"class", "epoch", "epochs", "d_loss", "g_loss", "seconds", "samples"}, where ``samples`` names a
picture of 4 × 4 wafers in the job's folder, or is null; and ``level`` {"class", "setting",
"value", "kid", "failed", "is_best", "samples"} for each threshold (Classic) or density (Default)
that was compared, where ``samples`` names a strip of eight wafers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from wafer_core.data import manifest, pictures
from wafer_core.data.manifest import PictureRecord
from wafer_core.data.project import Project, WaferClass
from wafer_core.data.synthetic import Batch, SyntheticPicture, SyntheticRun
from wafer_core.files import write_bytes
from wafer_core.images import Picture, encode_png
from wafer_core.messages import Message, message
from wafer_core.progress import Progress
from wafer_core.tasks.augmentation.offline import AugmentConfig
from wafer_core.tasks.evaluation.class_agreement import EACH
from wafer_core.tasks.generation import presets
from wafer_core.tasks.generation.config import DEFAULT, GenerationConfig
from wafer_core.tasks.generation.dcgan.training import GanEpoch, GanProgress
from wafer_core.tasks.generation.steps import GenerateResult, Step
from wafer_core.workflows.context import WorkflowContext

SAMPLES_FOLDER = "samples"
_TRAIN_BEGINS, _TRAIN_ENDS = 0.05, 0.95  # of one class's time


def add_generated(
    context: WorkflowContext,
    batch: Batch,
    wafer_class: WaferClass,
    records: list[PictureRecord],
    count: int,
    config: GenerationConfig,
    augmentation: AugmentConfig,
    on_progress: Progress,
) -> tuple[SyntheticRun, dict[str, float]]:
    """Learn a class and add one run of new wafers to a batch.

    Args:
        context: The job's; gets the metrics of this module.
        batch: The job's.
        wafer_class: The class.
        records: Its training originals.
        count: How many wafers to make.
        config: Of the generator.
        augmentation: How the originals are multiplied.
        on_progress: Covers this class.

    Returns:
        The run, and the seconds of each step.
    """
    project, slug = context.project, wafer_class.slug
    originals = [manifest.load(project, slug, record) for record in records]
    others = _other_classes(project, slug) if config.preset == DEFAULT else None
    context.adapt_threads()
    events = presets.generate(originals, count, config, context.device, augmentation, others)
    # The iterator is a generator: closing it frees the networks at once when the job is cancelled.
    with closing(cast("Any", events)):
        result = _follow(context, wafer_class, events, on_progress)
    info = {"method": "gan", **result.details, "steps": result.steps}

    def made() -> Iterator[SyntheticPicture]:
        pairs = zip(result.pictures, result.sources, strict=True)
        for number, (picture, index) in enumerate(pairs):
            if number % 100 == 0:
                context.check_cancelled()
            yield SyntheticPicture(picture, None, {"grid_of": records[index].file})

    run = batch.add(slug, "generated", made(), info)
    return run, {name: round(seconds, 3) for name, seconds in result.steps.items()}


def _follow(
    context: WorkflowContext,
    wafer_class: WaferClass,
    events: Iterable[presets.GenerateEvent],
    on_progress: Progress,
) -> GenerateResult:
    """Report the generator's events until its result."""
    name, slug = wafer_class.name, wafer_class.slug
    training = on_progress.part(_TRAIN_BEGINS, _TRAIN_ENDS)
    for event in events:
        match event:
            case GenerateResult():
                _report_sweep(context, name, slug, event)
                return event
            case Step():
                on_progress(event.overall, _of_class(name, Message(event.title)))
                if event.seconds is not None:
                    values = {"class": name, "step": event.name, "title": event.title}
                    context.metric("step", **values, seconds=event.seconds)
            case GanProgress() | GanEpoch():
                text = message(
                    "epoch {epoch:,} of {epochs:,}", epoch=event.epoch, epochs=event.epochs
                )
                training(event.fraction, _of_class(name, text))
                if isinstance(event, GanEpoch):
                    _report_epoch(context, name, slug, event)
    raise TypeError("generate() ended without a result")


def _of_class(name: str, text: Message) -> Message:
    return message("{name}: {text}", name=name, text=text)


def _other_classes(project: Project, slug: str) -> dict[str, list[Picture]]:
    """Some training originals of every other class, which the class must differ from."""
    found = {}
    for other in project.classes():
        if other.slug != slug:
            records = [r for r in pictures.originals(project, other.slug) if r.split == "train"]
            [found[other.name]] = pictures.load_evenly(project, other.slug, [(records, EACH)])
    return found


def _report_epoch(context: WorkflowContext, name: str, slug: str, epoch: GanEpoch) -> None:
    context.metric(
        "gan_epoch",
        **{"class": name},
        epoch=epoch.epoch,
        epochs=epoch.epochs,
        d_loss=epoch.d_loss,
        g_loss=epoch.g_loss,
        seconds=epoch.seconds,
        samples=_write_samples(context, slug, epoch.epoch, epoch.samples),
    )


def _report_sweep(context: WorkflowContext, name: str, slug: str, result: GenerateResult) -> None:
    """Report the scores of other thresholds or densities, with some wafers of each."""
    if result.sweep is None:
        return
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


def _write_samples(
    context: WorkflowContext, slug: str, epoch: int, samples: npt.NDArray[np.uint8] | None
) -> str | None:
    """Write sample wafers (N, H, W) as one picture; returns its path in the job's folder."""
    if samples is None:
        return None
    N, H, W = samples.shape
    side = int(N**0.5)
    grid = samples[: side * side].reshape(side, side, H, W).swapaxes(1, 2)  # (side, H, side, W)
    name = f"{SAMPLES_FOLDER}/{slug}-{epoch:05d}.png"
    write_bytes(context.folder / name, encode_png(grid.reshape(side * H, side * W)), sync=False)
    return name
