"""Two runs on the same test wafers: hand-computed scores, who is right where, and what is worse."""

from __future__ import annotations

import json
import shutil
from typing import Any

import pytest

from wafer_core.data import models, pictures
from wafer_core.data.project import Project
from wafer_core.data.run_comparison import compare_runs, is_worse
from wafer_core.errors import InputError
from wafers import fill

OLD, NEW = "run-20260101-000000-000000", "run-20260102-000000-000000"


def rewrite(project: Project, run: str, **changes: Any) -> None:
    """Change fields of a run's report."""
    path = project.models_path / run / "report.json"
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **changes}), "utf-8")


def predictions(project: Project, run: str, rows: list[list[float]]) -> None:
    """Store these probabilities for the run's test wafers."""
    told = models.report(project, run)["test_pictures"]
    for picture, row in zip(told, rows, strict=True):
        picture["probabilities"] = row
        picture["predicted"] = row.index(max(row))
    rewrite(project, run, test_pictures=told)


RIGHT = [[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]]  # Alpha, Beta, Gamma
WRONG = [[0.1, 0.6, 0.3], [0.1, 0.8, 0.1], [0.7, 0.1, 0.2]]  # Beta, Beta, Alpha


@pytest.fixture
def two(trained: Project) -> Project:
    """Two runs on the same three test wafers, one of each class; the older one is in use."""
    (only,) = models.list_models(trained)
    folder = trained.models_path
    (folder / only.run).rename(folder / OLD)
    shutil.copytree(folder / OLD, folder / NEW)
    trained.set_current_model(OLD)
    predictions(trained, OLD, RIGHT)
    predictions(trained, NEW, WRONG)
    return trained


def test_scores_and_differences_are_those_of_the_hand(two: Project) -> None:
    found = compare_runs(two, OLD, NEW)
    assert (found.count, found.lots) == (3, 3)
    # second run: Alpha 0; Beta 2·1/(1 + 2) = 2/3; Gamma 0
    assert found.macro_f1 == pytest.approx((1.0, 2 / 9))
    assert found.accuracy == pytest.approx((1.0, 1 / 3))
    gap = found.macro_f1_difference
    assert gap.value == pytest.approx(2 / 9 - 1)
    assert gap.low < gap.value < gap.high
    assert found.accuracy_difference.value == pytest.approx(-2 / 3)
    assert -1 <= found.accuracy_difference.low <= -2 / 3 <= found.accuracy_difference.high <= 1
    assert [(c.name, c.count, c.f1) for c in found.per_class] == [
        ("Alpha", 1, (1.0, 0.0)),
        ("Beta", 1, (1.0, pytest.approx(2 / 3))),
        ("Gamma", 1, (1.0, 0.0)),
    ]
    assert found.confusion[0].tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    assert found.confusion[1].tolist() == [[0, 1, 0], [0, 1, 0], [1, 0, 0]]


def test_the_other_order_has_the_other_sign(two: Project) -> None:
    there, back = compare_runs(two, OLD, NEW), compare_runs(two, NEW, OLD)
    assert back.macro_f1_difference.value == -there.macro_f1_difference.value
    assert back.accuracy_difference.value == -there.accuracy_difference.value
    assert back.only_second == tuple(
        type(w)(w.slug, w.file, w.truth, w.predicted[::-1], w.confidence[::-1])
        for w in there.only_first
    )


def test_wafers_that_only_one_run_predicts_correctly(two: Project) -> None:
    found = compare_runs(two, OLD, NEW)
    assert found.only_second == ()
    # the most confident mistakes first
    assert [(w.truth, w.predicted, w.confidence) for w in found.only_first] == [
        ("Gamma", ("Gamma", "Alpha"), (0.8, 0.7)),
        ("Alpha", ("Alpha", "Beta"), (0.8, 0.6)),
    ]
    assert all((two.path / "classes" / w.slug / "originals" / w.file).exists()
               for w in found.only_first)  # fmt: skip


def test_settings_that_differ_are_listed_with_both_values(two: Project) -> None:
    assert compare_runs(two, OLD, NEW).settings == ()
    config = models.report(two, NEW)["config"]
    rewrite(two, NEW, config={**config, "epochs": 7, "zoom": 0.2})
    assert compare_runs(two, OLD, NEW).settings == (
        ("epochs", config["epochs"], 7),
        ("zoom", config["zoom"], 0.2),
    )


def test_only_wafers_that_both_were_tested_on_count(two: Project) -> None:
    told = models.report(two, OLD)["test_pictures"]
    rewrite(two, OLD, test_pictures=told[1:])
    found = compare_runs(two, OLD, NEW)
    assert found.count == 2
    assert [c.name for c in found.per_class] == ["Beta", "Gamma"]
    rewrite(two, OLD, test_pictures=[])
    with pytest.raises(InputError, match="no test wafers in common"):
        compare_runs(two, OLD, NEW)


def test_the_class_in_the_newer_run_is_the_truth(two: Project) -> None:
    """A test wafer that was moved to another class and then trained with."""
    frozen = models.trained_on(two, NEW)
    moved = next(e for e in frozen.subset("test") if e.slug == "gamma")
    path = two.models_path / NEW / "dataset.json"
    value = json.loads(path.read_text("utf-8"))
    value["entries"] = [
        ["alpha", *entry[1:]] if entry[3] == moved.file else entry for entry in value["entries"]
    ]
    path.write_text(json.dumps(value), "utf-8")
    told = models.report(two, NEW)["test_pictures"]
    told[2] |= {"slug": "alpha", "truth": 0}
    rewrite(two, NEW, test_pictures=told)
    found = compare_runs(two, OLD, NEW)
    assert [(c.name, c.count) for c in found.per_class] == [("Alpha", 2), ("Beta", 1)]
    assert [w.truth for w in found.only_second] == ["Alpha"]


def test_a_worse_run_is_found_out(two: Project) -> None:
    worse = is_worse(two, NEW, OLD)
    assert worse is not None
    assert worse.runs == (OLD, NEW)
    assert is_worse(two, OLD, NEW) is None  # better
    predictions(two, NEW, RIGHT)
    assert is_worse(two, NEW, OLD) is None  # equal


def test_other_classes_or_wafers_are_no_comparison(two: Project) -> None:
    names = models.report(two, OLD)["class_names"]
    rewrite(two, OLD, class_names=[*names[:2], "Delta"], evaluation=None)
    assert is_worse(two, NEW, OLD) is None
    rewrite(two, OLD, class_names=names, test_pictures=[])
    assert is_worse(two, NEW, OLD) is None


def test_wafers_of_one_lot_count_as_one(two: Project) -> None:
    """Two test wafers with the same group key are one lot."""
    before = compare_runs(two, OLD, NEW)
    fill(two, "Alpha", 1, start=500)
    assert compare_runs(two, OLD, NEW).lots == before.lots  # it was tested by neither
    for slug in ("alpha", "beta"):
        path = two.path / "classes" / slug / "originals" / "manifest.json"
        value = json.loads(path.read_text("utf-8"))
        for record in value["pictures"]:
            record["key"] = "group:lot 1"
        path.write_text(json.dumps(value), "utf-8")
    assert {r.key for r in pictures.originals(two, "alpha")} == {"group:lot 1"}
    assert compare_runs(two, OLD, NEW).lots == 2
