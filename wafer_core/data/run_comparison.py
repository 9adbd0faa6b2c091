"""Two trained models compared on the test wafers that both were evaluated on.

Training sets and classes may have changed between two runs, so only wafers that are in the test
split of both count, and the class in the newer run is taken as the truth. Predictions are those
stored in ``report.json``: no network is loaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from wafer_core.data import dataset, models
from wafer_core.data.project import Project
from wafer_core.data.reports import RunReport
from wafer_core.errors import InputError
from wafer_core.metrics import confusion_matrix
from wafer_core.metrics.paired import PRIOR, Difference, Predictions, differences, lot_bootstrap

_RESAMPLES = 2000


@dataclass(frozen=True)
class Wafer:
    """What both runs predicted for one test wafer.

    Attributes:
        slug: Folder of its class in the newer run.
        file: Its file there.
        truth: Name of that class.
        predicted: Names predicted by the first and the second run.
        confidence: The probabilities of these predictions.
    """

    slug: str
    file: str
    truth: str
    predicted: tuple[str, str]
    confidence: tuple[float, float]


@dataclass(frozen=True)
class ClassDifference:
    """F1 of one class in both runs.

    Attributes:
        name: The class.
        count: Test wafers of it.
        f1: In the first and the second run, 0 to 1.
        difference: Second minus first; ``None`` without test wafers.
    """

    name: str
    count: int
    f1: tuple[float, float]
    difference: Difference | None


@dataclass(frozen=True, eq=False)
class RunComparison:
    """How two runs differ; all differences are second minus first.

    Attributes:
        runs: Folders of the first and the second run.
        count: Test wafers that both were evaluated on, N.
        lots: Number of lots that they come from.
        class_names: C names: the classes of both runs.
        macro_f1: Of the first and the second run on these wafers, 0 to 1.
        accuracy: The same.
        macro_f1_difference: With its 95 % interval.
        accuracy_difference: The same.
        per_class: F1 of each class that has test wafers.
        confusion: (C, C) counts of each run; rows are true classes.
        settings: Name and both values of every training setting that differs.
        only_first: Wafers that only the first run predicts correctly, the most confident mistakes
            of the second first.
        only_second: The reverse.
    """

    runs: tuple[str, str]
    count: int
    lots: int
    class_names: tuple[str, ...]
    macro_f1: tuple[float, float]
    accuracy: tuple[float, float]
    macro_f1_difference: Difference
    accuracy_difference: Difference
    per_class: tuple[ClassDifference, ...]
    confusion: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]
    settings: tuple[tuple[str, Any, Any], ...]
    only_first: tuple[Wafer, ...]
    only_second: tuple[Wafer, ...]


def compare_runs(project: Project, first: str, second: str) -> RunComparison:
    """Compare two runs on their common test wafers.

    Args:
        project: Holds both.
        first: Folder of one run.
        second: Folder of the other.

    Raises:
        InputError: No wafer was in the test split of both.
        ModelError: There is no such run, or its report is damaged.
    """
    reports = models.read_report(project, first), models.read_report(project, second)
    tested = _tested(project, first, reports[0]), _tested(project, second, reports[1])
    newer = 1 if second >= first else 0  # folder names begin with the time
    common = [sha for sha in tested[newer] if sha in tested[1 - newer]]
    if not common:
        raise InputError("The two runs have no test wafers in common, so they cannot be compared.")
    truths = [tested[newer][sha] for sha in common]
    class_names = tuple(
        dict.fromkeys([*reports[newer].class_names, *reports[1 - newer].class_names])
    )
    index = {name: i for i, name in enumerate(class_names)}
    labels = np.array([index[wafer.truth] for wafer in truths], np.int64)
    predicted = np.array(
        [[index[tested[k][sha].predicted] for sha in common] for k in (0, 1)], np.int64
    )
    lots = _lots(project, second if newer else first)
    predictions = Predictions(
        labels, predicted[:, None], [lots.get(sha, sha) for sha in common], len(class_names)
    )
    [(macro_f1, per_class)] = differences(predictions, [(1, 0)], resamples=_RESAMPLES)
    scores = predictions.macro_f1()[:, 0]
    f1 = predictions.f1()[:, 0]  # (2, C)
    support = np.bincount(labels, minlength=len(class_names))
    correct = predicted == labels
    wafers = [
        Wafer(
            truth.slug, truth.file, truth.truth,
            (tested[0][sha].predicted, tested[1][sha].predicted),
            (tested[0][sha].confidence, tested[1][sha].confidence),
        )
        for sha, truth in zip(common, truths, strict=True)
    ]  # fmt: skip
    return RunComparison(
        (first, second),
        len(common),
        predictions.lot_count,
        class_names,
        (float(scores[0]), float(scores[1])),
        (float(correct[0].mean()), float(correct[1].mean())),
        macro_f1,
        _accuracy_difference(predictions),
        tuple(
            ClassDifference(name, int(support[c]), (float(f1[0, c]), float(f1[1, c])), per_class[c])
            for c, name in enumerate(class_names)
            if support[c]
        ),
        (
            confusion_matrix(labels, predicted[0], len(class_names)),
            confusion_matrix(labels, predicted[1], len(class_names)),
        ),
        _settings(reports),
        _correct_only(0, wafers, correct),
        _correct_only(1, wafers, correct),
    )


@dataclass(frozen=True)
class _Tested:
    """One test wafer of one run."""

    slug: str
    file: str
    truth: str
    predicted: str
    confidence: float


def _tested(project: Project, run: str, report: RunReport) -> dict[str, _Tested]:
    """Test wafers of a run, by the hash of their content."""
    names = report.class_names
    originals = models.trained_on(project, run).subset("test")
    sha_of = {(entry.slug, entry.file): entry.sha for entry in originals}
    found: dict[str, _Tested] = {}
    for p in report.predictions:
        sha = sha_of.get((p.slug, p.file))
        if sha is not None:
            wafer = _Tested(
                p.slug, p.file, names[p.truth], names[p.predicted], max(p.probabilities)
            )
            found.setdefault(sha, wafer)
    return found


def _lots(project: Project, run: str) -> dict[str, str]:
    """Lot of every test wafer of a run, by the hash of its content."""
    frozen = models.trained_on(project, run)
    labels, _ = dataset.group_labels(project, frozen, "test")
    return {e.sha: label for e, label in zip(frozen.subset("test"), labels, strict=True)}


def _accuracy_difference(predictions: Predictions) -> Difference:
    """Accuracy of the second minus that of the first, with a paired interval by lots."""
    rng = np.random.default_rng(0)
    # wafers that only one of the two predicts correctly, added as in ``metrics.paired``
    only_second, only_first = rng.gamma(PRIOR, 1.0, (2, _RESAMPLES))
    drawn = np.zeros(_RESAMPLES)
    for rows, correct, _, support in lot_bootstrap(
        predictions, predictions.present, _RESAMPLES, rng
    ):
        gained = (correct[:, 1, 0] - correct[:, 0, 0]).sum(-1) + (only_second - only_first)[rows]
        drawn[rows] = gained / (support[:, 0, 0].sum(-1) + (only_second + only_first)[rows])
    correct = (predictions.predicted[:, 0] == predictions.labels).mean(1)
    value = float(correct[1] - correct[0])
    low, high = (float(end) for end in np.percentile(drawn, (2.5, 97.5)))
    return Difference(value, min(low, value), max(high, value))


def _settings(reports: Sequence[RunReport]) -> tuple[tuple[str, Any, Any], ...]:
    """The network and the settings of the training in which two runs differ."""
    first, second = ({"network": r.network, **r.config} for r in reports)
    names = dict.fromkeys([*first, *second])
    return tuple(
        (name, first.get(name), second.get(name))
        for name in names
        if first.get(name) != second.get(name)
    )


def _correct_only(
    which: int, wafers: Sequence[Wafer], correct: npt.NDArray[np.bool_]
) -> tuple[Wafer, ...]:
    """Wafers that one run predicts correctly and the other does not."""
    chosen = np.flatnonzero(correct[which] & ~correct[1 - which])
    found = [wafers[i] for i in chosen.tolist()]
    return tuple(sorted(found, key=lambda wafer: -wafer.confidence[1 - which]))


def is_worse(project: Project, new: str, current: str) -> RunComparison | None:
    """Whether a new run is worse than the one in use, on the same test wafers.

    Returns:
        The comparison (first: the run in use) if the macro-F1 of the new run is lower; ``None`` if
        it is not, or if the two cannot be compared because the classes or the test wafers changed.

    Raises:
        WaferError: A report cannot be read.
    """
    before, after = (set(models.read_report(project, run).class_names) for run in (current, new))
    if before != after:
        return None
    try:
        comparison = compare_runs(project, current, new)
    except InputError:
        return None
    return comparison if comparison.macro_f1_difference.value < 0 else None
