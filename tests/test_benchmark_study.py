"""The study of leaking splits, and training on a whole file: splits, scores by hand, cells."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import machine
from benchmarks.quality import study, whole_file
from benchmarks.quality.study_scores import (
    chart,
    class_scores,
    leak,
    macro_f1,
    markdown,
    summarise,
)
from benchmarks.quality.study_wafers import (
    PROTOCOLS,
    TREATMENTS,
    Wafers,
    balanced,
    split_at_random,
    split_by_lots,
    thin,
)
from wafer_core.data.split import DEFAULT_FRACTIONS
from wafer_core.images import content_hash
from wafer_core.tasks.classification.config import TrainConfig
from wafers import data_file, marked

# -- wafers --------------------------------------------------------------------------------------


def some_wafers(lots: int = 40, each: int = 10) -> Wafers:
    """Some wafers of each lot, one in ten of class 1, the others of class 0."""
    count = lots * each
    labels = (np.arange(count) % 10 == 3).astype(np.int64)
    names = np.array([f"lot {k // each}" for k in range(count)])
    return Wafers([marked(k, 9) for k in range(count)], labels, names)


def lots_of(wafers: Wafers) -> set[str]:
    return set(wafers.lots.tolist())


def test_no_lot_is_in_two_splits_and_classes_keep_their_shares() -> None:
    splits = split_by_lots(some_wafers(), DEFAULT_FRACTIONS, seed=1)
    assert [len(some) for some in splits.values()] == [260, 80, 60]
    assert [some.counts(2)[1] for some in splits.values()] == [26, 8, 6]
    lots = [lots_of(some) for some in splits.values()]
    assert len(set.union(*lots)) == sum(map(len, lots)) == 40


def test_a_thinned_split_keeps_the_mix_of_classes() -> None:
    wafers = some_wafers()
    assert thin(wafers, 0.25, seed=0).counts(2) == [90, 10]
    assert thin(wafers, 0.0, seed=0).counts(2) == [1, 1]  # no class is lost
    assert thin(wafers, 1.0, seed=0).lots.tolist() == wafers.lots.tolist()


def test_balanced_classes_have_new_copies() -> None:
    wafers = some_wafers()
    found = balanced(wafers, seed=0)
    assert found.counts(2) == [200, 200]
    rare = [content_hash(p) for p, y in zip(found.pictures, found.labels, strict=True) if y == 1]
    originals = {content_hash(p) for p, y in zip(wafers.pictures, wafers.labels, strict=True) if y}
    assert sum(h in originals for h in rare) == 40
    assert lots_of(found.select(found.labels == 1)) <= lots_of(wafers.select(wafers.labels == 1))


def test_augmented_wafers_have_one_copy_each() -> None:
    wafers = some_wafers(4)
    found = TREATMENTS["augmented"].apply(wafers, 0)
    assert found.counts(2) == [72, 8]
    assert Counter(found.lots.tolist()) == dict.fromkeys(lots_of(wafers), 20)


@pytest.mark.parametrize("treatment", TREATMENTS)
def test_lots_first_augments_the_training_split_only(treatment: str) -> None:
    by_lots = split_by_lots(some_wafers(20), DEFAULT_FRACTIONS, seed=0)
    splits = PROTOCOLS["lots first"](by_lots, TREATMENTS[treatment], 0)
    assert splits["validation"] is by_lots["validation"]
    assert splits["test"] is by_lots["test"]
    assert lots_of(splits["train"]) <= lots_of(by_lots["train"])


def test_copies_first_leaks_but_never_uses_the_held_out_lots() -> None:
    by_lots = split_by_lots(some_wafers(), DEFAULT_FRACTIONS, seed=0)
    splits = PROTOCOLS["copies first"](by_lots, TREATMENTS["balanced"], 0)
    assert [len(some) for some in splits.values()] == [221, 68, 51]  # of 340
    assert lots_of(splits["train"]) & lots_of(splits["test"])
    for some in splits.values():
        assert not lots_of(some) & lots_of(by_lots["test"])


def test_a_random_split_has_each_picture_once() -> None:
    wafers = some_wafers(5)
    splits = split_at_random(wafers, DEFAULT_FRACTIONS, seed=0)
    found = [content_hash(p) for some in splits.values() for p in some.pictures]
    assert sorted(found) == sorted(content_hash(p) for p in wafers.pictures)


# -- scores --------------------------------------------------------------------------------------

UNEVEN = np.array([[8, 2], [1, 1]])


def test_scores_of_a_natural_and_a_balanced_mix() -> None:
    """By hand: with equal weights the predictions are 0.8, 0.2 and 0.5, 0.5."""
    np.testing.assert_allclose(
        class_scores(UNEVEN), [[8 / 9, 1 / 3], [0.8, 0.5], [16 / 19, 2 / 5]], rtol=1e-12
    )
    np.testing.assert_allclose(
        class_scores(UNEVEN, is_balanced=True),
        [[8 / 13, 5 / 7], [0.8, 0.5], [1.6 / 2.3, 1 / 1.7]],
        rtol=1e-12,
    )
    assert macro_f1(UNEVEN) == pytest.approx((16 / 19 + 2 / 5) / 2)


def test_a_class_without_wafers_does_not_count() -> None:
    with_third = np.array([[8, 2, 0], [1, 1, 0], [0, 0, 0]])
    assert np.isnan(class_scores(with_third)[:, 2]).all()
    assert macro_f1(with_third) == pytest.approx(float(macro_f1(UNEVEN)))


def test_many_confusion_matrices_can_be_scored_at_once() -> None:
    both = macro_f1(np.stack([UNEVEN, np.eye(2) * 3]), True)
    assert both.tolist() == [float(macro_f1(UNEVEN, True)), 1.0]


def cell(
    reported: Any, held_out: Any, protocol: str = "copies first", seed: int = 0,
    treatment: str = "natural",
) -> dict[str, Any]:  # fmt: skip
    """A finished cell with the first classes of the nine."""

    def tested(matrix: Any) -> dict[str, Any]:
        whole = np.zeros((9, 9), int)
        whole[: len(matrix), : len(matrix)] = matrix
        return {"confusion": whole.tolist(), "calibration_error": 0.0125}

    return {
        "protocol": protocol, "network": "wafer_cnn", "treatment": treatment, "seed": seed,
        "reported": tested(reported), "held_out": tested(held_out), "epochs": 7,
        "epoch_seconds": 1.5, "seconds": 11.0, "cpu_seconds": 10.0,
        "counts": {"train": [5] * 9, "validation": [2] * 9, "test": [1] * 9},
    }  # fmt: skip


def test_the_leak_is_the_difference_in_points() -> None:
    right = [[100, 0], [0, 100]]
    half = [[50, 50], [50, 50]]
    found = leak([cell(right, half)])
    assert (found.reported, found.true, found.points) == (1, 0.5, 50)
    assert 40 < found.low < 50 < found.high < 60
    found = leak([cell(half, half, seed=s) for s in range(3)])
    assert found.points == 0
    assert found.low < 0 < found.high


def test_the_leak_compares_the_same_classes_and_the_same_mix() -> None:
    """The second class is in one split only; balanced splits are compared in a balanced mix."""
    assert leak([cell([[9, 1], [0, 0]], [[9, 1], [5, 5]])]).points == pytest.approx(
        100 * (18 / 19 - 18 / 24)
    )
    assert leak([cell([[5, 5], [0, 10]], [[5, 5], [0, 1]], treatment="balanced")]).points == (
        pytest.approx(0)
    )


def test_a_summary_has_the_scores_of_both_mixes() -> None:
    found = summarise(cell([[10, 0], [0, 10]], UNEVEN, treatment="balanced"))
    assert found["held_out_natural"] == pytest.approx(float(macro_f1(UNEVEN)))
    assert found["held_out_balanced"] == pytest.approx(float(macro_f1(UNEVEN, True)))
    assert found["reported"] == 1


def test_the_chart_shows_reported_true_and_honest_scores() -> None:
    rows = [
        cell([[10, 0], [0, 10]], UNEVEN),
        cell(UNEVEN, [[5, 5], [5, 5]], protocol="lots first"),
    ]
    figure = chart([summarise(row) for row in rows])
    assert [list(bar.y) for bar in figure.data] == [["wafer_cnn natural"]] * 3
    assert [bar.x[0] for bar in figure.data] == pytest.approx([1, float(macro_f1(UNEVEN)), 0.5])


def test_pretrained_weights_are_marked_in_the_table() -> None:
    row = {**cell(UNEVEN, UNEVEN), "network": "wafernet"}
    rows = [row, cell(UNEVEN, UNEVEN, protocol="lots first")]
    text = markdown(rows, ["Of some lots."], is_contaminated=True)
    assert "| wafernet (pretrained on these lots) | natural |" in text
    assert "| wafer_cnn | natural |" in text
    assert "pretrained on these lots" not in markdown(rows, [], is_contaminated=False)


# -- cells ---------------------------------------------------------------------------------------


def test_the_defaults_are_trained_by_lots_only() -> None:
    found = list(study.cells([0], ["wafernet"], list(TREATMENTS)))
    assert len(found) == 7
    assert [c.protocol for c in found if c.treatment == "defaults"] == ["lots first"]


def test_cells_of_other_settings_data_or_weights_have_other_names() -> None:
    one = study.Cell(0, "wafernet", "natural", "lots first")
    common = {"data": "a", "weights": None, "wafers": 100, "device": "cpu"}
    config = TrainConfig(network="wafernet")
    names = {
        study.cell_name(one, config, common),
        study.cell_name(one, TrainConfig(network="wafernet", epochs=3), common),
        study.cell_name(one, config, {**common, "data": "b"}),
        study.cell_name(one, config, {**common, "weights": "w"}),
        study.cell_name(study.Cell(1, "wafernet", "natural", "lots first"), config, common),
    }
    assert len(names) == 5
    assert all(name.startswith("wafernet-natural-lots_first-100-seed") for name in names)


def test_a_network_from_scratch_does_not_depend_on_the_weights() -> None:
    one, config = study.Cell(0, "wafer_cnn", "natural", "lots first"), TrainConfig("wafer_cnn")
    common = {"data": "a", "weights": "v", "lots": [0.5, 0], "wafers": 100, "device": "cpu"}
    name = study.cell_name(one, config, common)
    assert name == study.cell_name(one, config, {**common, "weights": "w"})
    assert name != study.cell_name(one, config, {**common, "lots": [0.4, 0]})


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Nine classes with ten wafers each, from 15 lots."""
    return data_file(tmp_path / "wafers.npz", 90, [k // 6 for k in range(90)])


def start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *arguments: str) -> None:
    monkeypatch.setattr(study, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(machine, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(sys, "argv", ["study", *arguments])
    study.main()


def test_a_second_start_continues(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, data: Path
) -> None:
    """A run that fails in its third cell keeps two; the next one trains what is missing."""
    done: list[study.Cell] = []

    def run(one: study.Cell, *rest: Any) -> dict[str, Any]:
        if len(done) == 2 and not is_second:
            raise KeyboardInterrupt
        done.append(one)
        return {**cell(UNEVEN, UNEVEN), **vars(one)}

    monkeypatch.setattr(study, "run", run)
    arguments = str(data), "--networks", "wafer_cnn", "--treatments", "natural", "balanced"
    is_second = False
    with pytest.raises(KeyboardInterrupt):
        start(monkeypatch, tmp_path, *arguments)
    assert len(list((tmp_path / "cache").iterdir())) == 2
    is_second = True
    start(monkeypatch, tmp_path, *arguments)
    assert done == list(study.cells([0], ["wafer_cnn"], ["natural", "balanced"]))
    start(monkeypatch, tmp_path, *arguments)
    assert len(done) == 4


def test_no_cell_starts_after_the_last_minute(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, data: Path
) -> None:
    monkeypatch.setattr(study, "run", lambda *_: pytest.fail("it started"))
    start(monkeypatch, tmp_path, str(data), "--minutes", "0")
    assert not (tmp_path / "cache").exists()


def test_one_real_cell_from_file_to_results(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, data: Path
) -> None:
    start(
        monkeypatch, tmp_path, str(data), "--wafers", "45", "--networks", "wafer_cnn",
        "--treatments", "balanced", "--epochs", "wafer_cnn=1", "--device", "cpu",
    )  # fmt: skip
    (path,) = (tmp_path / "results").glob("study-*[0-9].json")
    rows = json.loads(path.read_text("utf-8"))["rows"]
    assert [(r["protocol"], r["epochs"]) for r in rows] == [("lots first", 1), ("copies first", 1)]
    assert all(0 <= r["held_out_balanced"] <= 1 for r in rows)
    text = path.with_suffix(".md").read_text("utf-8")
    assert "90 wafers from 15 lots. Thinned to 45" in text
    assert "Fixed number of epochs: wafer_cnn 1." in text


# -- the whole file ------------------------------------------------------------------------------


def test_scores_of_the_whole_file_are_means_over_seeds_in_both_mixes() -> None:
    nine = np.diag([100] * 8 + [1000])
    worse = nine.copy()
    worse[8, 0] = 100  # of 1100 without a pattern, a hundred are predicted as Center
    rows = [
        {"network": "head", "seed": 0, "trained_on": 0,
         "other_lots": {"confusion": nine.tolist(), "calibration_error": 0.01}},
        *(
            {"network": "wafernet", "seed": seed, "trained_on": 70, "epochs": 6, "seconds": 12.0,
             "own_test": {"confusion": nine.tolist()},
             "other_lots": {"confusion": found.tolist(), "calibration_error": 0.02}}
            for seed, found in enumerate((nine, worse))
        ),
    ]  # fmt: skip
    assert whole_file.scores_of(rows[0]["other_lots"]) == {"natural": 1, "balanced": 1}
    scores = whole_file.scores_of(rows[2]["other_lots"])
    # F1 of Center is 2/3 in the natural mix, 22/23 where each class has the same weight
    assert scores["natural"] == pytest.approx((7 + 2 / 3 + 2000 / 2100) / 9)
    assert scores["balanced"] == pytest.approx((7 + 22 / 23 + 20 / 21) / 9)
    head, wafernet = whole_file.summarise(rows)
    assert (head["seeds"], head["natural"]["macro_f1"]) == (1, 1)
    assert (wafernet["seeds"], wafernet["own_test"], wafernet["epochs"]) == (2, 1, 6)
    for mix in ("natural", "balanced"):
        assert wafernet[mix]["macro_f1"] == pytest.approx((1 + scores[mix]) / 2)
        assert wafernet[mix]["lowest"] == pytest.approx(scores[mix])
    np.testing.assert_allclose(wafernet["natural"]["per_class"][:, 0], [0.75, 1, (1 + 2 / 3) / 2])
    text = whole_file.markdown(
        rows, [100] * 8 + [1100], {"real_wafers": 90, "leave_groups_out": 0.25, "step": 80}
    )
    assert "90 wafers from 75% of the lots, 80 steps." in text
    assert "1,900 wafers of lots" in text
