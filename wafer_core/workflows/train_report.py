"""The report of a training: test scores, remarks for the user, and the files of the run.

``report.json`` holds ``evaluation`` (macro-F1, accuracy, per class, confusion matrix, their 95%
``intervals``, and ``taught_before``: how many test wafers the initial weights were trained on),
``test_pictures`` (so that a page can show the wafers of a cell of the confusion matrix),
``config``, ``counts``, ``notes``, ``seconds``, ``epochs``, ``best_epoch``, ``device`` and ``hood``
(see ``tasks.classification.diagnostics``; ``data`` is the dataset's fingerprint).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from wafer_core.data import dataset
from wafer_core.data.class_combinations import describe
from wafer_core.data.dataset import Dataset
from wafer_core.data.project import Project
from wafer_core.files import json_value, write_bytes, write_json
from wafer_core.images import Picture
from wafer_core.messages import Message, counted, message
from wafer_core.metrics import cautions, design_effect, evaluate, intervals
from wafer_core.networks.initial_weights import FINE_TUNED
from wafer_core.networks.registry import NETWORKS
from wafer_core.networks.training_fingerprints import seen_in_pretraining
from wafer_core.tasks.classification.classifier import Classifier
from wafer_core.tasks.classification.config import TrainConfig
from wafer_core.tasks.classification.overlay import classes_with_maps, overlay_pairs
from wafer_core.tasks.classification.train_data import TrainData

_MIN_UNSEEN = 20  # test wafers that are not in the pretraining, for a score of their own


@dataclass(frozen=True)
class SplitReport:
    """Scores on the test split.

    Attributes:
        evaluation: JSON of the scores; ``None`` where the split is empty.
        pictures: JSON of the prediction for each test picture, in the order of the dataset.
        notes: Remarks that are stored with the run.
        cautions: Remarks on too few test wafers; pages derive them from the scores themselves.
    """

    evaluation: dict[str, Any] | None
    pictures: list[dict[str, Any]]
    notes: list[Message]
    cautions: list[Message]


def report_on_test(
    project: Project,
    used: Dataset,
    classifier: Classifier,
    network: str,
    pictures: Sequence[Picture],
    labels: npt.NDArray[np.int64],
    weights: str | None,
) -> SplitReport:
    """Score a classifier on the test split.

    Args:
        project: The project.
        used: Its classes and pictures.
        classifier: Trained.
        network: Its key in ``registry.NETWORKS``.
        pictures: N test pictures, in the order of the dataset.
        labels: (N,) class indices.
        weights: What its initial weights were pretrained on.
    """
    if not pictures:
        return SplitReport(
            None, [], [message("The test split is empty, so the accuracy is unknown.")], []
        )
    names = used.class_names
    probabilities = classifier.predict_proba(pictures)
    scores = evaluate(labels, probabilities, names)
    lots, _ = dataset.group_labels(project, used, "test")
    effect = design_effect(probabilities.argmax(1) == labels, lots)
    ends = intervals(scores.confusion, effect=effect).to_json(names)
    evaluation = {**scores.to_json(), "intervals": ends, "design_effect": effect}
    notes = []
    if weights == "wafers":
        evaluation["taught_before"], note = contamination(
            network, pictures, labels, probabilities, names
        )
        notes += [note] if note else []
    predictions = _predictions(used, probabilities)
    return SplitReport(evaluation, predictions, notes, cautions(evaluation, ends))


def contamination(
    network: str,
    pictures: Sequence[Picture],
    labels: npt.NDArray[np.int64],
    probabilities: npt.NDArray[np.float64],
    class_names: Sequence[str],
) -> tuple[dict[str, Any], Message | None]:
    """How many test pictures the initial weights were trained on, and the score of the others.

    Args:
        network: A key of ``registry.NETWORKS``.
        pictures: N test pictures.
        labels: (N,) class indices.
        probabilities: (N, C).
        class_names: C names.

    Returns:
        JSON for the report, and a remark if there are any.
    """
    seen = seen_in_pretraining(network, pictures)
    count, unseen = int(seen.sum()), int((~seen).sum())
    value: dict[str, Any] = {"pictures": count, "macro_f1_of_others": None}
    if not count:
        return value, None
    if unseen >= _MIN_UNSEEN:
        f1 = evaluate(labels[~seen], probabilities[~seen], class_names).macro_f1
        value["macro_f1_of_others"] = f1
        rest = message(
            "the macro-F1 of the other {unseen:,} is {score:.3f}", unseen=unseen, score=f1
        )
    elif unseen:
        rest = message("only {unseen:,} were unseen, too few to judge", unseen=unseen)
    else:
        rest = message("none was unseen")
    return value, message(
        "{count:,} of {total:,} test wafers are public ones (WM-811K) that the network was "
        "pretrained on, so the scores are a few points optimistic; {rest}.",
        count=count,
        total=len(seen),
        rest=rest,
    )


def training_notes(
    curve: Sequence[Mapping[str, Any]], data: TrainData, config: TrainConfig, stopped: bool
) -> list[Message]:
    """Remarks on how the training went.

    Args:
        curve: One row per epoch.
        data: That was trained on.
        config: With the numbers that were chosen.
        stopped: Whether the user stopped it.
    """
    notes = []
    best = max((row["epoch"] for row in curve if row["is_best"]), default=0)
    epochs = config.epochs or 0
    if config.joint and epochs > 1 and data.combinations:
        maps = classes_with_maps(data.train_pictures, data.train_labels)
        pairs = overlay_pairs(data.class_names, data.combinations, maps)
        classes = describe([data.class_names[index] for index in pairs])
        if classes is not None:
            notes.append(
                message(
                    "Wafers of other classes were overlaid to train {classes}.", classes=classes
                )
            )
    if not data.validation_pictures:
        notes.append(
            message(
                "The validation split is empty, so the best epoch could not be chosen; epoch "
                "{epoch:,} was kept.",
                epoch=best,
            )
        )
    if stopped:
        notes.append(
            message(
                "Stopped by you after epoch {epoch:,}; the best epoch so far was kept.",
                epoch=len(curve),
            )
        )
    elif len(curve) < epochs:
        notes.append(
            counted(
                "Stopped early after epoch {epoch:,} of {epochs:,}: no improvement for {count:,} "
                "epoch.",
                "Stopped early after epoch {epoch:,} of {epochs:,}: no improvement for {count:,} "
                "epochs.",
                config.patience,
                epoch=len(curve),
                epochs=epochs,
            )
        )
    pretrained = config.transfer == FINE_TUNED and NETWORKS[config.network].weights
    if pretrained and best == 1 and data.validation_pictures:
        if epochs == 1:
            notes.append(
                message(
                    "Only the final layer was trained: the network already separates your "
                    "classes, and fine-tuning would probably hurt. To force it, set Epochs."
                )
            )
        else:
            notes.append(
                message(
                    "Fine-tuning did not clearly improve the validation score, so the pretrained "
                    "features were kept and only the final layer was trained."
                )
            )
    return notes


def write_run(
    folder: Path,
    classifier: Classifier,
    name: str,
    report: Mapping[str, Any],
    frozen: Dataset,
    curve: Sequence[Mapping[str, Any]],
) -> None:
    """Write the files of a run.

    Args:
        folder: Where.
        classifier: The trained one.
        name: Of the run, for people.
        report: What ``files.json_value`` turns into ``report.json``.
        frozen: The dataset.
        curve: One row per epoch.
    """
    classifier.save(folder, {**classifier.extra, "name": name, "created": report["created"]})
    write_json(folder / "report.json", json_value(report), indent=None)
    write_json(folder / "dataset.json", frozen.to_json(), indent=None)
    write_bytes(folder / "curves.csv", _csv(curve))


def _predictions(used: Dataset, probabilities: npt.NDArray[np.float64]) -> list[dict[str, Any]]:
    """The prediction for each test picture, in the order of the dataset."""
    index = {slug: number for number, (slug, _) in enumerate(used.classes)}
    return [
        {
            "slug": entry.slug,
            "file": entry.file,
            "truth": index[entry.slug],
            "predicted": int(row.argmax()),
            "probabilities": row.tolist(),
        }
        for entry, row in zip(used.subset("test"), probabilities, strict=True)
    ]


def _csv(curve: Sequence[Mapping[str, Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(curve[0]), lineterminator="\n")
    writer.writeheader()
    for row in curve:
        writer.writerow({**row, "is_best": int(row["is_best"])})
    return text.getvalue().encode("utf-8")
