"""The benchmark of made wafers: lots that stay apart, rows that are done once, the table."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import machine
from benchmarks.quality import ablation
from wafer_core.images import FAIL, NO_DIE, PASS
from wafer_core.simulator import PATTERNS
from wafer_core.tasks.studies.conditions import ARMS, MAKERS, Order, StudyData
from wafers import marked


@pytest.fixture
def data_file(tmp_path: Path) -> Path:
    """Nine classes, 20 wafers each, of 60 lots."""
    pictures = [marked(k, 12) for k in range(180)]
    codes = [np.searchsorted([NO_DIE, PASS, FAIL], p).astype(np.uint8).ravel() for p in pictures]
    path = tmp_path / "wafers.npz"
    np.savez(
        path, dies=np.concatenate(codes), offsets=np.arange(181) * 144,
        shapes=np.full((180, 2), 12), label=np.arange(180) % 9, classes=np.array(PATTERNS),
        group=np.arange(180) % 60,
    )  # fmt: skip
    return path


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[str, StudyData]]:
    """What was trained; it takes no time, and making neither."""
    done: list[tuple[str, StudyData]] = []

    def one(data: StudyData, network: str, arm: str, *rest: Any) -> dict[str, Any]:
        done.append((arm, data))
        return {k: v for k, v in row(0, arm, 0.5).items() if k not in ablation.KEY}

    def made(order: Order, *rest: Any) -> Any:
        return [marked(9000 + k, 12) for k in range(order.count)]

    monkeypatch.setattr(ablation, "one", one)
    monkeypatch.setattr(ablation, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(machine, "RESULTS", tmp_path / "results")
    for kind in MAKERS:
        monkeypatch.setitem(MAKERS, kind, made)
    return done


def row(seed: int, arm: str, macro_f1: float, network: str = "wafer_cnn") -> dict[str, Any]:
    return {
        "network": network, "seed": seed, "arm": arm, "originals": 10, "made": 100, "looks": None,
        "macro_f1": macro_f1, "seconds": 2.0, "judged": 90, "f1": dict.fromkeys(PATTERNS, 0.5),
    }  # fmt: skip


def start(monkeypatch: pytest.MonkeyPatch, path: Path, *words: str) -> None:
    monkeypatch.setattr(
        sys, "argv", ["benefit", str(path), "--networks", "wafer_cnn", "--originals", "2",
                      "--made", "3", "--device", "cpu", *words]
    )  # fmt: skip
    ablation.main()


def test_lots_of_originals_do_not_judge(
    monkeypatch: pytest.MonkeyPatch, data_file: Path, trained: list[tuple[str, StudyData]]
) -> None:
    start(monkeypatch, data_file, "--seeds", "0", "1")
    assert [arm for arm, _ in trained] == [*ARMS, *ARMS]
    first, second = trained[0][1], trained[4][1]
    lot = {marked(k, 12).tobytes(): str(k % 60) for k in range(180)}
    for data in (first, second):
        known = {
            lot[p.tobytes()]
            for p in (*data.originals.train_pictures, *data.originals.validation_pictures)
        }
        judging = {lot[p.tobytes()] for p in data.test_pictures}
        assert not known & judging
        assert len(known | judging) <= 30  # the other half taught the generator
        assert data.originals.train_counts().max() == 2
        assert np.bincount(data.made["generated"][1]).tolist() == [3] * 9
    assert {p.tobytes() for p in first.test_pictures} != {p.tobytes() for p in second.test_pictures}


def test_a_row_is_done_once(
    monkeypatch: pytest.MonkeyPatch, data_file: Path, trained: list[tuple[str, StudyData]],
    tmp_path: Path,
) -> None:  # fmt: skip
    keep = ("--keep", str(tmp_path / "kept"))
    start(monkeypatch, data_file, "--seeds", "0", "--arms", "none", "generated", *keep)
    assert len(trained) == 2
    before = trained[1][1].made["generated"]
    # whatever a later start may make, what was kept is taken
    monkeypatch.setitem(MAKERS, "generated", lambda *_: pytest.fail("made again"))
    start(monkeypatch, data_file, "--seeds", "0", *keep)
    assert [arm for arm, _ in trained] == ["none", "generated", "transforms", "both"]
    again = trained[3][1].made["generated"]
    assert [p.tolist() for p in again[0]] == [p.tolist() for p in before[0]]
    assert again[1].tolist() == before[1].tolist()


def test_one_real_row(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, data_file: Path) -> None:
    monkeypatch.setattr(machine, "RESULTS", tmp_path)
    monkeypatch.setattr(ablation, "RESULTS", tmp_path)
    start(monkeypatch, data_file, "--seeds", "0", "--arms", "none", "transforms", "--looks", "80")
    (path,) = tmp_path.glob("benefit-*.md")
    text = path.read_text("utf-8")
    assert "| wafer_cnn | 2 | 3 | 80 | none | 1 |" in text
    (found,) = tmp_path.glob("benefit-*.json")
    assert '"epochs": 4' in found.read_text("utf-8")  # 80 looks at 18 wafers
    assert '"epochs": 2' in found.read_text("utf-8")  # and at 45


def test_weights_that_saw_the_judging_lots_are_not_taken(
    monkeypatch: pytest.MonkeyPatch, data_file: Path
) -> None:
    with pytest.raises(SystemExit):
        start(monkeypatch, data_file, "--networks", "wafernet")


def test_a_difference_by_hand() -> None:
    """Gaps of 2 and 4 points: mean 3, and Student's 12.706 times half of their distance."""
    rows = [row(0, "none", 0.50), row(1, "none", 0.60), row(0, "both", 0.52), row(1, "both", 0.64)]
    value, half, seeds = ablation.difference(rows, "both", "none")
    assert (value, half, seeds) == (pytest.approx(3), pytest.approx(12.706, abs=1e-3), 2)
    assert ablation.text((value, half, seeds)) == "+3.0 ± 12.7"
    assert ablation.text(ablation.difference(rows[:1] + rows[2:3], "both", "none")) == "+2.0"


def test_the_table_says_whether_the_goal_is_reached() -> None:
    figures = {"none": 0.5, "transforms": 0.525, "generated": 0.532, "both": 0.54}
    rows = [
        row(seed, arm, value + 0.01 * seed, network)
        for network in ("wafer_cnn", "wafernet")
        for seed in (0, 1)
        for arm, value in figures.items()
    ]
    text = ablation.table(rows)
    assert (
        "| wafer_cnn | 10 | 100 | as usual | generated | 2 | 0.537 | 0.532 | +3.2 ± 0.0 |" in text
    )
    assert (
        "wafer_cnn, 100 made, looks as usual, 2 seeds: generated is +3.2 points against none, goal "
        "+3: reached; +0.7 points against transforms, goal +1: not reached."
    ) in text
    assert "wafernet, 100 made, looks as usual, 2 seeds: generated is +3.2 points against none: "
    assert "not significantly below" in text
    alone = ablation.table([r for r in rows if r["seed"] == 0])
    assert "significantly below" not in alone
    assert "+3.2 points against none: one seed cannot tell how sure that is" in alone
