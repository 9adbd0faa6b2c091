"""The job that multiplies classes by transforms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from wafer_core.data import manifest, pictures, synthetic
from wafer_core.data.project import Project, WaferClass
from wafer_core.data.synthetic import Batch, SyntheticPicture, SyntheticRun
from wafer_core.errors import InputError
from wafer_core.messages import N_, Message, message
from wafer_core.parameters import SEED, Settings, declare, nested, read_by
from wafer_core.progress import Progress
from wafer_core.tasks.augmentation import offline
from wafer_core.tasks.augmentation.offline import AugmentConfig
from wafer_core.workflows.class_entries import (
    ClassEntry,
    check_entries,
    class_list,
    classes_message,
)
from wafer_core.workflows.context import WorkflowContext
from wafer_core.workflows.workflow import Workflow


@dataclass(frozen=True)
class AugmentParameters(Settings):
    """Which classes to multiply, and how."""

    classes: tuple[ClassEntry, ...] = read_by(class_list(ClassEntry), ())
    config: AugmentConfig = nested(AugmentConfig)
    seed: int = declare(SEED)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_entries(self.classes)


def run(context: WorkflowContext, parameters: AugmentParameters) -> dict[str, Any]:
    """Make the wafers of one class after the other; returns the runs and counts."""
    project = context.project
    parts = context.progress.each([entry.count for entry in parameters.classes])
    results = []
    with synthetic.batch(project) as batch:
        for entry, part in zip(parameters.classes, parts, strict=True):
            wafer_class = project.find_class(entry.name)
            run = add_augmented(
                batch, project, wafer_class, entry.count, parameters.config, parameters.seed, part
            )
            results.append({"name": wafer_class.name, "run": run.run, "count": entry.count})
        context.begin_storing()
        batch.commit()
    return {"classes": results, "count": sum(entry.count for entry in parameters.classes)}


def add_augmented(
    batch: Batch,
    project: Project,
    wafer_class: WaferClass,
    count: int,
    config: AugmentConfig,
    seed: int,
    on_progress: Progress,
) -> SyntheticRun:
    """Add one run of wafers made by transforms to a batch.

    Raises:
        InputError: The class has no training originals.
    """

    def made() -> Iterator[SyntheticPicture]:
        wafers = augmented_wafers(project, wafer_class, count, config, seed)
        for number, wafer in enumerate(wafers):
            text = message(
                "{name}: {number:,} of {total:,} wafers made",
                name=wafer_class.name,
                number=number,
                total=count,
            )
            on_progress(number / count, text)
            yield wafer

    info = {"method": "transforms", "config": asdict(config), "seed": seed}
    return batch.add(wafer_class.slug, "augmented", made(), info)


def augmented_wafers(
    project: Project, wafer_class: WaferClass, count: int, config: AugmentConfig, seed: int
) -> Iterator[SyntheticPicture]:
    """Wafers made from the training originals of a class by transforms.

    Raises:
        InputError: The class has none.
    """
    slug = wafer_class.slug
    records = [r for r in pictures.originals(project, slug) if r.split == "train"]
    if not records:
        raise InputError(
            "The class “{name}” has no training wafers; add some first.", name=wafer_class.name
        )
    originals = [manifest.load(project, slug, record) for record in records]
    for picture, index, drawn in offline.augment(originals, count, config, seed):
        yield SyntheticPicture(picture, records[index].file, drawn)


def _describe(parameters: AugmentParameters) -> Message:
    return message("Augment {classes}", classes=classes_message(parameters.classes))


WORKFLOW = Workflow("augment", N_("Augment"), AugmentParameters, run, _describe)
