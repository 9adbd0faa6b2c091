"""The job that multiplies classes by transforms.

Parameters: ``classes`` [{"name", "count"}], ``config`` (of ``AugmentConfig``; missing ones are
default), ``seed``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from wafer_core.data.synthetic_runs import undone_on_error
from wafer_core.errors import InputError
from wafer_core.workflows.workflow import Parameters, Workflow, class_list, known_only, whole_number

if TYPE_CHECKING:
    from wafer_core.data.project import Project, WaferClass
    from wafer_core.data.synthetic import MadePicture
    from wafer_core.jobs.context import JobContext
    from wafer_core.tasks.augmentation.offline import AugmentConfig


def check(parameters: Parameters) -> None:
    """Check what ``run`` reads."""
    from wafer_core.parameters import check_seed
    from wafer_core.tasks.augmentation.offline import MAX_COUNT, AugmentConfig

    known_only(parameters, ("classes", "config", "seed"), "augment")
    for entry in class_list(parameters.get("classes")):
        whole_number(entry.get("count"), f"count of “{entry['name']}”", 1, MAX_COUNT)
    AugmentConfig.from_json(parameters.get("config", {}))
    check_seed(parameters.get("seed", 0))


def run(context: JobContext) -> dict[str, Any]:
    """Make the pictures of one class after the other; returns the runs and counts."""
    from wafer_core.tasks.augmentation.offline import AugmentConfig

    config = AugmentConfig.from_json(context.parameters.get("config", {}))
    seed = int(context.parameters.get("seed", 0))
    entries = context.parameters["classes"]
    total = sum(entry["count"] for entry in entries)
    done = 0
    results = []
    with undone_on_error(context.project) as stored:
        for entry in entries:
            wafer_class = context.project.find_class(entry["name"])
            count = entry["count"]
            share = (done / total, count / total)
            run_name = made_by_transforms(context, wafer_class, count, config, seed, share)
            stored.append((wafer_class.slug, "augmented", run_name))
            results.append({"name": wafer_class.name, "run": run_name, "count": count})
            done += count
        context.check_cancelled()
    return {"classes": results, "count": done}


def made_by_transforms(
    context: JobContext,
    wafer_class: WaferClass,
    count: int,
    config: AugmentConfig,
    seed: int,
    share: tuple[float, float],
) -> str:
    """Store one run of pictures made by transforms; returns its name.

    Args:
        share: Where on the job's way this lies: begin and length, 0..1.
    """
    from wafer_core.data import synthetic

    def told() -> Iterator[MadePicture]:
        made = transforms_of(context.project, wafer_class, count, config, seed)
        for number, picture in enumerate(made):
            context.check_cancelled()
            context.progress(
                share[0] + share[1] * number / count,
                f"{wafer_class.name}: {number} of {count} pictures made",
            )
            yield picture

    info = {"method": "transforms", "config": config.to_json(), "seed": seed}
    return synthetic.add(context.project, wafer_class.slug, "augmented", told(), info)


def transforms_of(
    project: Project, wafer_class: WaferClass, count: int, config: AugmentConfig, seed: int
) -> Iterator[MadePicture]:
    """Pictures made from the training originals of a class.

    Raises:
        InputError: The class has none.
    """
    from wafer_core.data import manifest, pictures, synthetic
    from wafer_core.tasks.augmentation import offline

    slug = wafer_class.slug
    records = [r for r in pictures.originals(project, slug) if r.part == "train"]
    if not records:
        raise InputError(
            f"The class “{wafer_class.name}” has no pictures to train on; add some to it first."
        )
    originals = [manifest.load(project, slug, record) for record in records]
    for picture, index, drawn in offline.augment(originals, count, config, seed):
        yield synthetic.MadePicture(picture, records[index].file, drawn)


def _describe(parameters: Parameters) -> str:
    names = [entry["name"] for entry in parameters["classes"]]
    return f"Augment {names[0]}" if len(names) == 1 else f"Augment {len(names)} classes"


WORKFLOW = Workflow("Augment", run, check, _describe)
