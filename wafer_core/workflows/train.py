"""The job that trains a network on a project's pictures and judges it on the test part.

Parameters: ``config`` (of ``TrainConfig``), ``name`` (shown in the list of runs; made where
missing).

Live: metric ``epoch`` with the fields of ``EpochResult``. Result: ``{"run", "macro_f1",
"accuracy", "per_class", …}`` on the test part.

``report.json`` of the run holds ``evaluation`` (macro-F1, accuracy, per class, confusion, their
95 % ``intervals``, ``taught_before``: how many test wafers taught the weights it started from),
``test_pictures`` (so that a page can show the pictures of a confusion cell), ``config``,
``counts``, ``notes`` (sentences for the user), ``seconds``, ``epochs``, ``best_epoch``, ``device``,
``hood`` (see ``tasks.classification.hood``; ``data`` is the dataset's fingerprint).
"""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from wafer_core.errors import InputError
from wafer_core.jobs.events import plain
from wafer_core.names import clean_name
from wafer_core.workflows.workflow import Parameters, Workflow, known_only, settings_of

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from wafer_core.data.dataset import Dataset
    from wafer_core.images import Picture
    from wafer_core.jobs.context import JobContext
    from wafer_core.tasks.classification.config import TrainConfig, TrainData
    from wafer_core.tasks.classification.train import Classifier, EpochResult

_FEWEST_LEFT = 20  # test wafers that taught no weights, for a figure of their own
_READ, _TRAIN, _JUDGE = 0.05, 0.90, 0.05  # shares of the time


def check(parameters: Parameters) -> None:
    """Check what ``run`` reads."""
    known_only(parameters, ("config", "name"), "train")
    if parameters.get("name") is not None:
        clean_name(parameters["name"], "run")
    config_of(parameters)


def config_of(parameters: Parameters) -> TrainConfig:
    """The settings of a training.

    Raises:
        ParameterError: One is unknown or cannot be used.
    """
    from wafer_core.tasks.classification.config import PARAMETERS, TrainConfig

    return TrainConfig(**settings_of(parameters, (*PARAMETERS, "seed"), "a training"))


def run(context: JobContext) -> dict[str, Any]:
    """Freeze, read, train, judge; the run appears at once and whole."""
    from wafer_core.data import dataset, models
    from wafer_core.device import describe_device
    from wafer_core.files import new_folder, write_bytes, write_json
    from wafer_core.metrics import design_effect, doubts, evaluate, intervals
    from wafer_core.names import timestamp_name
    from wafer_core.networks import initial_weights
    from wafer_core.networks.registry import NETWORKS
    from wafer_core.tasks.classification import diagnostics
    from wafer_core.tasks.classification.config import TrainConfig, TrainData

    project = context.project
    config = config_of(context.parameters)
    frozen = dataset.freeze(project)
    used, notes = trainable(frozen)

    def read(part: str, begin: float, length: float) -> Any:
        def tell(fraction: float) -> None:
            context.check_cancelled()
            context.progress(begin + length * fraction, "Reading the pictures")

        tell(0.0)
        return dataset.load_part(project, used, part, progress=tell)

    began = time.perf_counter()
    train_pictures, train_labels = read("train", 0.0, 0.8 * _READ)
    validation_pictures, validation_labels = read("validation", 0.8 * _READ, 0.2 * _READ)
    data = TrainData(
        used.class_names, train_pictures, train_labels, validation_pictures, validation_labels,
        *dataset.bonds(project, used, "train"),
    )  # fmt: skip
    start = initial_weights.begin(config.network, len(used.classes), config.transfer, config.seed)
    notes += [start.note] if start.note else []
    curve, classifier = _trained(context, data, config)
    config = TrainConfig(**classifier.config)  # with the numbers that were chosen
    notes += _notes(curve, data, config, stopped=context.stop_requested())

    context.progress(_READ + _TRAIN, "Judging on the test part")
    test_pictures, test_labels = read("test", _READ + _TRAIN, 0.5 * _JUDGE)
    context.check_cancelled()
    evaluation = None
    unsure: list[str] = []
    told: list[dict[str, Any]] = []
    if test_pictures:
        probabilities = classifier.predict_proba(test_pictures)
        judged = evaluate(test_labels, probabilities, used.class_names)
        lots, _ = dataset.bonds(project, used, "test")
        effect = design_effect(probabilities.argmax(1) == test_labels, lots)
        ends = intervals(judged.confusion, effect=effect).to_json(used.class_names)
        evaluation = {**judged.to_json(), "intervals": ends, "design_effect": effect}
        unsure = doubts(evaluation, ends)
        told = _told(used, probabilities)
        if start.weights == "wafers":
            evaluation["taught_before"], note = _taught_before(
                config.network, test_pictures, test_labels, probabilities, used.class_names
            )
            notes += [note] if note else []
    else:
        notes.append("No picture is left for the test part, so how good it is stays unknown.")
    context.progress(_READ + _TRAIN + 0.9 * _JUDGE, "Looking under the hood")
    looked = diagnostics.examine(
        classifier.network, start, classifier.preparation, validation_pictures, context.device
    )
    seconds = time.perf_counter() - began

    run_name = timestamp_name("run")
    created = datetime.now(UTC).isoformat(timespec="seconds")
    network_title = NETWORKS[config.network].title.split(" (")[0]
    title = context.parameters.get("name") or (
        f"{network_title} {len(models.list_models(project)) + 1}"
    )
    report = {
        "schema": 1,
        "created": created,
        "network": config.network,
        "config": asdict(config),
        "class_names": used.class_names,
        "evaluation": evaluation,
        "test_pictures": told,
        "train_count": len(train_pictures),
        "validation_count": len(validation_pictures),
        "counts": frozen.counts(),
        "epochs": len(curve),
        "best_epoch": max((p["epoch"] for p in curve if p["is_best"]), default=len(curve)),
        "stopped": context.stop_requested(),
        "notes": notes,
        "hood": {**looked, "data": frozen.fingerprint},
        "seconds": seconds,
        "device": describe_device(context.device),
    }
    project.models_path.mkdir(exist_ok=True)
    context.check_cancelled()
    with new_folder(project.models_path / run_name) as folder:
        classifier.save(folder, {"name": clean_name(title, "run"), "created": created})
        write_json(folder / "report.json", plain(report), indent=None)
        write_json(folder / "dataset.json", frozen.to_json(), indent=None)
        write_bytes(folder / "curves.csv", _csv(curve))
    project.set_current_model(run_name)
    told_evaluation = evaluation or {}
    return {
        "run": run_name,
        "macro_f1": told_evaluation.get("macro_f1"),
        "accuracy": told_evaluation.get("accuracy"),
        "per_class": told_evaluation.get("per_class", {}),
        "name": title,
        "epochs": len(curve),
        "seconds": round(seconds, 3),
        "notes": notes + unsure,  # the report's page sees for itself how few there are
    }


def _taught_before(
    network: str,
    pictures: Sequence[Picture],
    labels: npt.NDArray[np.int64],
    probabilities: npt.NDArray[np.float64],
    class_names: Sequence[str],
) -> tuple[dict[str, Any], str | None]:
    """How many test pictures taught the weights it started from, and what the others say."""
    from wafer_core.metrics import evaluate
    from wafer_core.networks.training_fingerprints import were_seen

    known = were_seen(network, pictures)
    value: dict[str, Any] = {"pictures": int(known.sum()), "macro_f1_of_others": None}
    if not known.any():
        return value, None
    left = int((~known).sum())
    told = f"the other {left} are too few to judge by" if left else "none is left to judge honestly"
    if left >= _FEWEST_LEFT:
        others = evaluate(labels[~known], probabilities[~known], class_names).macro_f1
        value["macro_f1_of_others"] = others
        told = f"the macro-F1 of the other {left} is {others:.3f}"
    return value, (
        f"{int(known.sum())} of the {len(known)} test wafers are public ones (WM-811K) that the "
        f"network was taught with before, so the figures are some points too good: {told}."
    )


def trainable(frozen: Dataset) -> tuple[Dataset, list[str]]:
    """The classes that a network can learn, and a sentence for each that it cannot.

    Raises:
        InputError: Fewer than two classes have a training picture.
    """
    from wafer_core.data.dataset import Dataset

    have = {entry.slug for entry in frozen.entries if entry.part == "train"}
    classes = tuple((slug, name) for slug, name in frozen.classes if slug in have)
    if len(classes) < 2:
        told = f"only “{classes[0][1]}” has" if classes else "none has"
        raise InputError(
            f"Training needs two classes with pictures, and {told} any; add classes and pictures."
        )
    empty = [name for slug, name in frozen.classes if slug not in have]
    notes = [f"The class “{name}” has no pictures to train on and was left out." for name in empty]
    entries = tuple(entry for entry in frozen.entries if entry.slug in have)
    return Dataset(classes, entries), notes


def _trained(
    context: JobContext, data: TrainData, config: TrainConfig
) -> tuple[list[dict[str, Any]], Classifier]:
    """Train epoch by epoch, as long as the user lets it."""
    from wafer_core.device import CoreWatch
    from wafer_core.tasks.classification.train import train

    curve: list[dict[str, Any]] = []
    watch = CoreWatch()
    last: EpochResult | None = None

    def step(done: float) -> None:
        watch.adapt()
        context.check_cancelled()
        text = f"Epoch {len(curve) + 1}"
        if last is not None:
            text += f" of at most {last.epochs}"
        context.progress(_READ + _TRAIN * done, text)

    for last in train(data, config, context.device, on_batch=step):
        point = {
            "epoch": last.epoch,
            "train_loss": last.train_loss,
            "validation_loss": last.validation_loss,
            "accuracy": last.accuracy,
            "macro_f1": last.macro_f1,
            "seconds": last.seconds,
            "is_best": last.is_best,
        }
        curve.append(point)
        context.metric("epoch", **point, epochs=last.epochs)
        if context.stop_requested():
            break
    if last is None:
        raise TypeError("train() yielded no epoch")
    return curve, last.best_classifier()


def _notes(
    curve: Sequence[Mapping[str, Any]], data: TrainData, config: TrainConfig, stopped: bool
) -> list[str]:
    """What the user should know about how it went."""
    from wafer_core.networks.initial_weights import FINE_TUNED
    from wafer_core.networks.registry import NETWORKS
    from wafer_core.tasks.classification.overlay import mention, with_maps

    notes = []
    lays = config.joint and (config.epochs or 0) > 1 and mention(data.class_names)
    maps = with_maps(data.train_pictures, data.train_labels) if lays else ()
    if lays and (joint := mention(data.class_names, maps)):
        notes.append(
            f"Wafers of other classes were laid on each other for {joint} to learn from, as the "
            "name says."
        )
    best = max((row["epoch"] for row in curve if row["is_best"]), default=0)
    if not data.validation_pictures:
        notes.append(
            "No picture is left for the validation part, so that no epoch could be chosen by it: "
            f"number {best} was kept."
        )
    if stopped:
        notes.append(f"Stopped by you after epoch {len(curve)}; the best epoch so far was kept.")
    elif len(curve) < (config.epochs or 0):
        notes.append(
            f"Stopped early after epoch {len(curve)} of {config.epochs}: nothing better came for "
            f"{config.patience} epochs."
        )
    if config.transfer == FINE_TUNED and NETWORKS[config.network].weights and best == 1:
        if config.epochs == 1:
            notes.append(
                "Only the last layer learned: it tells these wafers apart well already, and "
                "fine-tuning rather takes from what the network knows. Set the epochs by hand to "
                "try."
            )
        elif data.validation_pictures:
            notes.append(
                "Fine-tuning did not clearly gain on the validation part, so the network kept its "
                "own eye and only its last layer learned."
            )
    return notes


def _told(used: Dataset, probabilities: Any) -> list[dict[str, Any]]:
    """What the network said of each test picture, in the order of the dataset."""
    index = {slug: number for number, (slug, _) in enumerate(used.classes)}
    return [
        {
            "slug": entry.slug,
            "file": entry.file,
            "truth": index[entry.slug],
            "predicted": int(row.argmax()),
            "probabilities": row.tolist(),
        }
        for entry, row in zip(used.part("test"), probabilities, strict=True)
    ]


def _csv(curve: Sequence[Mapping[str, Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(curve[0]), lineterminator="\n")
    writer.writeheader()
    for point in curve:
        writer.writerow({**point, "is_best": int(point["is_best"])})
    return text.getvalue().encode("utf-8")


def _describe(parameters: Parameters) -> str:
    from wafer_core.networks.registry import NETWORKS

    return f"Train {parameters.get('name') or NETWORKS[config_of(parameters).network].title}"


WORKFLOW = Workflow("Train", run, check, _describe, needs_device=True)
