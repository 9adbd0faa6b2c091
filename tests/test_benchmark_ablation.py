"""The ablation benchmark: lots that stay apart, rows that are done once, differences by hand."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import machine
from benchmarks.quality import ablation
from wafer_core.simulator import PATTERNS
from wafer_core.tasks.studies.conditions import (
    CONDITIONS,
    SYNTHESIZERS,
    StudyData,
    SynthesisRequest,
)
from wafers import data_file, marked


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Nine classes with 20 wafers each, from 60 lots."""
    return data_file(tmp_path / "wafers.npz", count=180, lots=[k % 60 for k in range(180)])


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[str, StudyData]]:
    """The data of each training; training and making wafers are instant."""
    done: list[tuple[str, StudyData]] = []

    def train_row(data: StudyData, network: str, condition: str, *rest: Any) -> dict[str, Any]:
        done.append((condition, data))
        return {k: v for k, v in row(0, condition, 0.5).items() if k not in ablation.KEY}

    def synthesize(request: SynthesisRequest, *rest: Any) -> Any:
        return [marked(9000 + k, 12) for k in range(request.count)]

    monkeypatch.setattr(ablation, "train_row", train_row)
    monkeypatch.setattr(ablation, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(machine, "RESULTS", tmp_path / "results")
    for kind in SYNTHESIZERS:
        monkeypatch.setitem(SYNTHESIZERS, kind, synthesize)
    return done


def row(seed: int, condition: str, macro_f1: float, network: str = "wafer_cnn") -> dict[str, Any]:
    return {
        "network": network, "seed": seed, "condition": condition, "originals": 10,
        "synthetic": 100, "samples": None, "macro_f1": macro_f1, "seconds": 2.0, "tested": 90,
        "f1": dict.fromkeys(PATTERNS, 0.5),
    }  # fmt: skip


def start(monkeypatch: pytest.MonkeyPatch, path: Path, *arguments: str) -> None:
    monkeypatch.setattr(
        sys, "argv", ["ablation", str(path), "--networks", "wafer_cnn", "--originals", "2",
                      "--synthetic", "3", "--device", "cpu", *arguments]
    )  # fmt: skip
    ablation.main()


def test_no_lot_is_in_training_and_test(
    monkeypatch: pytest.MonkeyPatch, data: Path, trained: list[tuple[str, StudyData]]
) -> None:
    start(monkeypatch, data, "--seeds", "0", "1")
    assert [condition for condition, _ in trained] == [*CONDITIONS, *CONDITIONS]
    first, second = trained[0][1], trained[4][1]
    lot = {marked(k, 12).tobytes(): str(k % 60) for k in range(180)}
    for study in (first, second):
        originals = study.originals
        training = {
            lot[p.tobytes()] for p in (*originals.train_pictures, *originals.validation_pictures)
        }
        test = {lot[p.tobytes()] for p in study.test_pictures}
        assert not training & test
        assert len(training | test) <= 30  # the generator was pretrained on the other half
        assert originals.train_counts().max() == 2
        assert np.bincount(study.synthetic["generated"][1]).tolist() == [3] * 9
    assert {p.tobytes() for p in first.test_pictures} != {p.tobytes() for p in second.test_pictures}


def test_a_row_is_done_once(
    monkeypatch: pytest.MonkeyPatch, data: Path, trained: list[tuple[str, StudyData]],
    tmp_path: Path,
) -> None:  # fmt: skip
    keep = ("--keep", str(tmp_path / "kept"))
    start(monkeypatch, data, "--seeds", "0", "--conditions", "none", "generated", *keep)
    assert len(trained) == 2
    before = trained[1][1].synthetic["generated"]
    monkeypatch.setitem(SYNTHESIZERS, "generated", lambda *_: pytest.fail("made again"))
    start(monkeypatch, data, "--seeds", "0", *keep)
    assert [condition for condition, _ in trained] == ["none", "generated", "transforms", "both"]
    again = trained[3][1].synthetic["generated"]
    assert [p.tolist() for p in again[0]] == [p.tolist() for p in before[0]]
    assert again[1].tolist() == before[1].tolist()


def test_a_fixed_number_of_samples_gives_the_epochs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, data: Path
) -> None:
    """80 samples are five epochs of 15 wafers, and two of 42; trained for real."""
    monkeypatch.setattr(machine, "RESULTS", tmp_path)
    monkeypatch.setattr(ablation, "RESULTS", tmp_path)
    arguments = ("--conditions", "none", "transforms", "--samples", "80")
    start(monkeypatch, data, "--seeds", "0", *arguments)
    (path,) = tmp_path.glob("benefit-*.json")
    rows = json.loads(path.read_text("utf-8"))["rows"]
    assert [(r["condition"], r["pictures"], r["epochs"]) for r in rows] == [
        ("none", 15, 5), ("transforms", 42, 2),
    ]  # fmt: skip
    assert all(0 <= r["macro_f1"] <= 1 for r in rows)


def test_weights_pretrained_on_the_test_lots_are_refused(
    monkeypatch: pytest.MonkeyPatch, data: Path
) -> None:
    with pytest.raises(SystemExit):
        start(monkeypatch, data, "--networks", "wafernet")


def test_a_difference_by_hand() -> None:
    """Gaps of 2 and 4 points: mean 3, and Student's 12.706 times half of their distance."""
    rows = [row(0, "none", 0.50), row(1, "none", 0.60), row(0, "both", 0.52), row(1, "both", 0.64)]
    gap = ablation.difference(rows, "both", "none")
    assert gap == (pytest.approx(3), pytest.approx(12.706, abs=1e-3), 2)
    assert str(gap) == "+3.0 ± 12.7"
    assert str(ablation.difference(rows[:1] + rows[2:3], "both", "none")) == "+2.0"


def test_a_summary_has_means_differences_and_verdicts() -> None:
    scores = {"none": 0.5, "transforms": 0.525, "generated": 0.532, "both": 0.54}
    rows = [
        row(seed, condition, value + 0.01 * seed, network)
        for network in ("wafer_cnn", "wafernet")
        for seed in (0, 1)
        for condition, value in scores.items()
    ]
    found = {(r["network"], r["condition"]): r for r in ablation.summarise(rows)}
    generated = found["wafer_cnn", "generated"]
    assert (generated["macro_f1"], generated["lowest"]) == pytest.approx((0.537, 0.532))
    assert generated["seeds"] == 2
    assert generated["gaps"]["none"].points == pytest.approx(3.2)
    assert generated["gaps"]["transforms"].points == pytest.approx(0.7)
    assert found["wafer_cnn", "none"]["gaps"] == {}
    assert ablation.verdict(generated) == [
        "+3.2 points from none: goal +3 reached",
        "+0.7 points from transforms: goal +1 not reached",
    ]
    pretrained = ablation.verdict(found["wafernet", "generated"])
    assert all(sentence.endswith(": not significantly below") for sentence in pretrained)
    one_seed = ablation.summarise([r for r in rows if r["seed"] == 0])
    (alone,) = (r for r in one_seed if (r["network"], r["condition"]) == ("wafernet", "generated"))
    assert all("one seed gives no interval" in sentence for sentence in ablation.verdict(alone))
    assert ablation.markdown(rows).count("| generated |") == 4  # two tables
