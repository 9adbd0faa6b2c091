"""What the benchmarks compute by themselves: combinations, splits, copies, figures, tables."""

from __future__ import annotations

import argparse
import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import machine
from benchmarks.quality import combinations as combos
from benchmarks.quality import few_shot, geometry, study, whole_file
from benchmarks.quality.study_table import chart, figures, leak, macro_f1, summary, table
from benchmarks.quality.study_wafers import (
    PROTOCOLS,
    TREATMENTS,
    Wafers,
    at_random,
    balanced,
    by_lots,
    thin,
)
from wafer_core.data.split import DEFAULT_FRACTIONS
from wafer_core.errors import InputError
from wafer_core.images import FAIL, NO_DIE, PASS, Picture, content_hash
from wafer_core.importers import Candidate
from wafer_core.importers.items import Loaded
from wafer_core.simulator import PATTERNS
from wafer_core.tasks.classification.train import TrainConfig
from wafers import disc, marked

# ---- combinations ----


def test_there_are_the_38_classes_of_mixedwm38() -> None:
    found = combos.combinations()
    assert Counter(map(len, found)) == {0: 1, 1: 8, 2: 13, 3: 12, 4: 4}
    assert len(set(found)) == 38
    assert {name for patterns in found for name in patterns} == set(PATTERNS) - {"none"}
    for patterns in found:
        assert not {"Center", "Donut"} <= set(patterns)
        assert not {"Edge-Loc", "Edge-Ring"} <= set(patterns)
        assert len(patterns) == 1 or not {"Near-full", "Random"} & set(patterns)


def test_a_die_fails_where_it_fails_on_any_and_no_die_is_invented() -> None:
    first = np.array([[NO_DIE, PASS, PASS], [FAIL, PASS, PASS]] * 2, np.uint8)
    other = np.array([[FAIL, FAIL, PASS], [PASS, NO_DIE, FAIL]] * 2, np.uint8)
    laid = combos.lay([first, other])
    assert laid.tolist() == [[NO_DIE, FAIL, PASS], [FAIL, PASS, FAIL]] * 2
    assert first[0, 1] == PASS  # the wafers themselves stay


def test_a_wafer_of_another_grid_is_brought_to_that_of_the_first() -> None:
    larger = disc(20)
    larger[8:12, 4:6] = FAIL
    laid = combos.lay([disc(10), larger])
    assert laid.shape == (10, 10)
    assert np.argwhere(laid == FAIL).tolist() == [[4, 2], [5, 2]]


@pytest.mark.parametrize("name", combos.SIMULATED)
def test_no_simulated_wafer_is_in_two_parts(name: str) -> None:
    sources = dict.fromkeys(combos.PARTS, combos.SIMULATED[name])
    data, judged, truth = combos.draw(sources, 3, 2, seed=5)
    assert np.bincount(data.train_labels).tolist() == [3] * 38
    assert np.bincount(data.validation_labels).tolist() == [1] * 38
    assert np.bincount(truth).tolist() == [2] * 38
    assert data.class_names[0] == "none"
    assert data.class_names[-1] == "Donut + Edge-Ring + Loc + Scratch"
    hashes = [content_hash(p) for p in (*data.train_pictures, *data.validation_pictures, *judged)]
    assert len(set(hashes)) == len(hashes)
    again = combos.draw(sources, 3, 2, seed=5)
    assert [content_hash(p) for p in again[1]] == hashes[-len(judged) :]


def test_geometry_fails_where_its_shapes_lie() -> None:
    line = (2 * np.arange(geometry.SIDE) + 1) / geometry.SIDE - 1
    radius = np.hypot(*np.meshgrid(line, line))

    def share(patterns: combos.Patterns, low: float, high: float) -> float:
        """Of the dies in a ring that fail, on the mean of 30 wafers."""
        rng = np.random.default_rng(0)
        ring = (radius >= low) & (radius < high)
        return float(
            np.mean([(geometry.draw(patterns, rng) == FAIL)[ring].mean() for _ in range(30)])
        )

    noise = share((), 0, 1)
    assert 0.01 <= noise <= 0.08
    assert share(("Center",), 0, 0.05) > 0.7 > 0.1 > share(("Center",), 0.5, 1)
    assert share(("Donut",), 0, 0.1) < 0.1 < 0.3 < share(("Donut",), 0.4, 0.45)
    assert share(("Edge-Ring",), 0.95, 1) > 0.7 > 0.1 > share(("Edge-Ring",), 0, 0.8)
    assert share(("Edge-Loc",), 0.9, 1) > noise > share(("Edge-Loc",), 0, 0.7) - 0.02
    both = share(("Center", "Edge-Ring"), 0, 0.05), share(("Center", "Edge-Ring"), 0.95, 1)
    assert min(both) > 0.7
    assert 0.2 < share(("Random",), 0, 1) < 0.5 < 0.6 < share(("Near-full",), 0, 1)


def test_more_failures_lie_on_a_plain_wafer_with_more_patterns() -> None:
    def failed(patterns: combos.Patterns) -> float:
        made = [combos.plain(patterns, np.random.default_rng(seed)) for seed in range(12)]
        return float(np.mean([(p == FAIL).mean() for p in made]))

    assert failed(()) < failed(("Loc",)) < failed(("Loc", "Donut", "Edge-Loc", "Scratch"))


def candidate(number: int, name: str, group: str, picture: Picture) -> Candidate:
    return Candidate(f"{number}", name, group, lambda: Loaded(picture))


def test_laid_wafers_share_a_grid_where_there_is_one() -> None:
    """Donut is the rarest, so that its grid counts; of two Locs one fits."""
    full = {name: [candidate(9, name, "L", disc(12))] for name in PATTERNS}
    spot = disc(20)
    spot[3, 10] = FAIL
    ring = disc(20)
    ring[10, 5] = FAIL
    many = [candidate(k, "Loc", "L", disc(14 + k)) for k in range(3)]
    full["Loc"] = [*many, candidate(4, "Loc", "L", spot)]
    full["Donut"] = [candidate(5, "Donut", "L", ring)]
    source = combos.pool([c for mine in full.values() for c in mine])
    laid = source(("Loc", "Donut"), np.random.default_rng(0))
    assert laid.shape == (20, 20)
    assert np.argwhere(laid == FAIL).tolist() == [[3, 10], [10, 5]]


def test_lots_of_real_wafers_stay_apart() -> None:
    """Each lot has its own grid, so that a wafer tells where it comes from."""
    size = {f"lot {k}": 12 + k for k in range(10)}
    found = [
        candidate(k, name, lot, disc(size[lot])) for k, lot in enumerate(size) for name in PATTERNS
    ]
    sources = combos.lay_real(found, seed=3)
    drawn = {
        part: {
            source(patterns, np.random.default_rng(k)).shape[0]
            for patterns in ((), ("Loc",), ("Donut", "Scratch"))
            for k in range(30)
        }
        for part, source in sources.items()
    }
    assert [len(drawn[part]) for part in ("train", "validation", "test")] == [4, 2, 4]
    assert len(set.union(*drawn.values())) == 10


def test_a_pattern_that_is_missing_is_named() -> None:
    some = [candidate(0, name, "L", disc()) for name in PATTERNS if name != "Donut"]
    with pytest.raises(InputError, match="no wafer of Donut"):
        combos.pool(some)


def test_where_there_are_no_more_wafers_there_are_fewer() -> None:
    def two(patterns: combos.Patterns, rng: np.random.Generator) -> Picture:
        return marked(int(rng.integers(2)))

    made = combos.different(two, (), 10, np.random.default_rng(0))
    assert sorted(map(content_hash, made)) == sorted(content_hash(marked(k)) for k in range(2))


def test_the_table_of_combinations_means_over_seeds_and_counts() -> None:
    f1 = {combos.title(p): {1: 0.5, 4: 0.25}.get(len(p), 1.0) for p in combos.combinations()}
    row = {
        "source": "plain", "per_class": 10, "network": "wafernet", "laid": "yes", "macro_f1": 0.6,
        "interval": [0.5, 0.7], "accuracy": 0.61, "calibration_error": 0.02, "seconds": 20.0,
        "judged": 1900, "f1": f1,
    }  # fmt: skip
    rows = [{**row, "seed": 0}, {**row, "seed": 1, "macro_f1": 0.7, "interval": [0.6, 0.8]}]
    text = combos.table(rows, "said of them")
    assert (
        "| plain | 10 | wafernet | yes | 0.650 | 0.550–0.750 | 0.610 | 0.020 | 20 | 1900 | 1.00 | "
        in (text)
    )
    assert "| 1.00 | 0.50 | 1.00 | 1.00 | 0.25 |" in text
    assert "said of them" in text
    assert "| Donut + Edge-Ring + Loc + Scratch | 0.25 |" in text


def test_the_table_says_what_the_weights_have_seen() -> None:
    config = {"step": 7, "real_wafers": 80, "simulated": 30, "leave_groups_out": 0.5}
    given = argparse.Namespace(data=None, weights=None)
    alone = "WaferNet starts from weights of 7 steps on 80 real wafers and 30 simulated ones"
    assert combos.known(config, given) == f"{alone}."
    given.data = Path("d.npz")
    assert "too good" in combos.known(config, given)
    given.weights = Path("w.safetensors")
    assert combos.known(config, given) == (
        f"{alone}. The real ones here are of the 50 % of the lots that this left out."
    )


# ---- the study: wafers ----


def some_wafers(lots: int = 40, each: int = 10) -> Wafers:
    """Of each lot some wafers, one in ten of class 1, the others of class 0."""
    count = lots * each
    labels = (np.arange(count) % 10 == 3).astype(np.int64)
    groups = np.array([f"lot {k // each}" for k in range(count)])
    return Wafers([marked(k) for k in range(count)], labels, groups)


def lots_of(wafers: Wafers) -> set[str]:
    return set(wafers.groups.tolist())


def test_no_lot_is_in_two_parts_and_classes_keep_their_shares() -> None:
    wafers = some_wafers()
    parts = by_lots(wafers, DEFAULT_FRACTIONS, seed=1)
    assert [len(part) for part in parts.values()] == [260, 80, 60]
    assert [part.counts(2)[1] for part in parts.values()] == [26, 8, 6]
    lots = [lots_of(part) for part in parts.values()]
    assert len(set.union(*lots)) == sum(map(len, lots)) == 40


def test_a_thinned_part_keeps_the_mix_and_its_lots() -> None:
    wafers = some_wafers()
    thinned = thin(wafers, 0.25, seed=0)
    assert thinned.counts(2) == [90, 10]
    assert thin(wafers, 0.0, seed=0).counts(2) == [1, 1]  # no class is lost
    assert thin(wafers, 1.0, seed=0).groups.tolist() == wafers.groups.tolist()


def test_balanced_is_as_many_of_each_and_copies_are_new() -> None:
    wafers = some_wafers()
    made = balanced(wafers, seed=0)
    assert made.counts(2) == [200, 200]
    rare = [content_hash(p) for p, y in zip(made.pictures, made.labels, strict=True) if y == 1]
    originals = {content_hash(p) for p, y in zip(wafers.pictures, wafers.labels, strict=True) if y}
    assert sum(h in originals for h in rare) == 40
    assert lots_of(made.take(made.labels == 1)) <= lots_of(wafers.take(wafers.labels == 1))


def test_one_copy_of_each() -> None:
    wafers = some_wafers(4)
    made = TREATMENTS["augmented"].apply(wafers, 0)
    assert made.counts(2) == [72, 8]
    assert Counter(made.groups.tolist()) == dict.fromkeys(lots_of(wafers), 20)


@pytest.mark.parametrize("treatment", TREATMENTS)
def test_lots_first_multiplies_training_lots_only(treatment: str) -> None:
    pool = by_lots(some_wafers(), DEFAULT_FRACTIONS, seed=0)
    parts = PROTOCOLS["lots first"](pool, TREATMENTS[treatment], 0)
    assert parts["validation"] is pool["validation"]
    assert parts["test"] is pool["test"]
    assert lots_of(parts["train"]) <= lots_of(pool["train"])


def test_copies_first_leaks_but_never_touches_the_lots_held_out() -> None:
    pool = by_lots(some_wafers(), DEFAULT_FRACTIONS, seed=0)
    parts = PROTOCOLS["copies first"](pool, TREATMENTS["balanced"], 0)
    assert [len(part) for part in parts.values()] == [221, 68, 51]  # of 340
    assert lots_of(parts["train"]) & lots_of(parts["test"])
    for part in parts.values():
        assert not lots_of(part) & lots_of(pool["test"])


def test_a_split_at_random_takes_each_picture_once() -> None:
    wafers = some_wafers(5)
    parts = at_random(wafers, DEFAULT_FRACTIONS, seed=0)
    found = [content_hash(p) for part in parts.values() for p in part.pictures]
    assert sorted(found) == sorted(content_hash(p) for p in wafers.pictures)


# ---- the study: figures ----

UNEVEN = np.array([[8, 2], [1, 1]])


def test_figures_of_a_natural_and_a_balanced_mix() -> None:
    """By hand: weighted to the same, the answers are 0.8, 0.2 and 0.5, 0.5."""
    np.testing.assert_allclose(
        figures(UNEVEN), [[8 / 9, 1 / 3], [0.8, 0.5], [16 / 19, 2 / 5]], rtol=1e-12
    )
    np.testing.assert_allclose(
        figures(UNEVEN, is_balanced=True),
        [[8 / 13, 5 / 7], [0.8, 0.5], [1.6 / 2.3, 1 / 1.7]],
        rtol=1e-12,
    )
    assert macro_f1(UNEVEN) == pytest.approx((16 / 19 + 2 / 5) / 2)


def test_a_class_without_wafers_does_not_count() -> None:
    with_third = np.array([[8, 2, 0], [1, 1, 0], [0, 0, 0]])
    assert np.isnan(figures(with_third)[:, 2]).all()
    assert macro_f1(with_third) == pytest.approx(float(macro_f1(UNEVEN)))


def test_figures_take_many_confusions_at_once() -> None:
    both = macro_f1(np.stack([UNEVEN, np.eye(2) * 3]), True)
    assert both.tolist() == [float(macro_f1(UNEVEN, True)), 1.0]


def cell(
    reported: Any, held_out: Any, protocol: str = "copies first", seed: int = 0,
    treatment: str = "natural",
) -> dict[str, Any]:  # fmt: skip
    """A finished cell with the first classes of the nine."""

    def nine(matrix: Any) -> dict[str, Any]:
        whole = np.zeros((9, 9), int)
        whole[: len(matrix), : len(matrix)] = matrix
        return {"confusion": whole.tolist(), "calibration_error": 0.0125}

    return {
        "protocol": protocol, "network": "wafer_cnn", "treatment": treatment, "seed": seed,
        "reported": nine(reported), "held_out": nine(held_out), "epochs": 7, "epoch_seconds": 1.5,
        "seconds": 11.0, "cpu_seconds": 10.0,
        "counts": {"train": [5] * 9, "validation": [2] * 9, "test": [1] * 9},
    }  # fmt: skip


def test_the_leak_is_the_difference_in_points() -> None:
    right = [[100, 0], [0, 100]]
    half = [[50, 50], [50, 50]]
    found = leak([cell(right, half)])
    assert (found.reported, found.truth, found.points) == (1, 0.5, 50)
    assert 40 < found.low < 50 < found.high < 60
    found = leak([cell(half, half, seed=s) for s in range(3)])
    assert found.points == 0
    assert found.low < 0 < found.high


def test_the_leak_compares_the_classes_of_both_and_the_same_mix() -> None:
    """The second class is in one part only; balanced ones are judged on a balanced mix."""
    assert leak([cell([[9, 1], [0, 0]], [[9, 1], [5, 5]])]).points == pytest.approx(
        100 * (18 / 19 - 18 / 24)
    )
    assert leak([cell([[5, 5], [0, 10]], [[5, 5], [0, 1]], treatment="balanced")]).points == (
        pytest.approx(0)
    )


def test_the_table_sets_both_protocols_side_by_side() -> None:
    rows = [
        cell([[10, 0], [0, 10]], UNEVEN),
        cell(UNEVEN, [[9, 1], [0, 10]], protocol="lots first"),
    ]
    text = table(rows, ["Of some lots."], is_seen=False)
    assert "| wafer_cnn | natural | 1.000 | 0.621 | +37.9 | " in text
    assert "| wafer_cnn | natural | 0.950 | 0.950 | 0.950 | 0.013 | 45 | 7 | 1.5 | 11 | 10" in text
    assert "| 1.00 / 0.90 / 0.95 | 0.91 / 1.00 / 0.95 | – | – |" in text
    assert "have seen" not in text
    assert "Of some lots." in text
    assert "| lots held out, natural | 10 | 2 | 0 |" in text
    assert "| trained on, lots first, natural | 5 | 5 |" in text


def test_rows_of_weights_that_know_the_lots_are_marked() -> None:
    row = {**cell(UNEVEN, UNEVEN), "network": "wafernet"}
    text = table([row, cell(UNEVEN, UNEVEN)], [], is_seen=True)
    assert "| wafernet (weights have seen these lots) | natural | 0.621 | " in text
    assert "| wafer_cnn | natural | 0.621 | 0.621 | +0.0 | " in text
    assert "| not run |" in text


def test_bars_are_as_long_as_their_figures() -> None:
    rows = [
        cell([[10, 0], [0, 10]], UNEVEN),
        cell(UNEVEN, [[5, 5], [5, 5]], protocol="lots first"),
    ]
    bars = [
        float(each.attrib["width"])
        for each in ElementTree.fromstring(chart(rows)).iter("{http://www.w3.org/2000/svg}rect")
        if each.attrib.get("height") == "17"
    ]
    assert bars == pytest.approx([480, 480 * float(macro_f1(UNEVEN)), 240], abs=0.1)


def test_a_summary_holds_the_figures_of_both_mixes() -> None:
    found = summary(cell([[10, 0], [0, 10]], UNEVEN, treatment="balanced"))
    assert found["held_out_natural"] == pytest.approx(float(macro_f1(UNEVEN)))
    assert found["held_out_balanced"] == pytest.approx(float(macro_f1(UNEVEN, True)))
    assert found["reported"] == 1


# ---- the study: cells ----


def test_program_defaults_are_trained_by_lots_only() -> None:
    found = list(study.cells([0], ["wafernet"], list(TREATMENTS)))
    assert len(found) == 7
    assert [c.protocol for c in found if c.treatment == "defaults"] == ["lots first"]


def test_a_cell_of_other_settings_data_or_weights_has_another_name() -> None:
    cell_ = study.Cell(0, "wafernet", "natural", "lots first")
    common = {"data": "a", "weights": None, "wafers": 100, "device": "cpu"}
    config = TrainConfig(network="wafernet")
    names = {
        study.cell_name(cell_, config, common),
        study.cell_name(cell_, TrainConfig(network="wafernet", epochs=3), common),
        study.cell_name(cell_, config, {**common, "data": "b"}),
        study.cell_name(cell_, config, {**common, "weights": "w"}),
        study.cell_name(study.Cell(1, "wafernet", "natural", "lots first"), config, common),
    }
    assert len(names) == 5
    assert all(name.startswith("wafernet-natural-lots_first-100-seed") for name in names)


def test_a_network_that_starts_from_nothing_stays_when_wafernet_has_new_weights() -> None:
    cell_, config = study.Cell(0, "wafer_cnn", "natural", "lots first"), TrainConfig("wafer_cnn")
    common = {"data": "a", "weights": "v", "lots": [0.5, 0], "wafers": 100, "device": "cpu"}
    name = study.cell_name(cell_, config, common)
    assert name == study.cell_name(cell_, config, {**common, "weights": "w"})
    assert name != study.cell_name(cell_, config, {**common, "lots": [0.4, 0]})


@pytest.fixture
def data_file(tmp_path: Path) -> Path:
    """Nine classes, 30 wafers each, of 45 lots."""
    pictures = [marked(k, 12) for k in range(270)]
    codes = [np.searchsorted([NO_DIE, PASS, FAIL], p).astype(np.uint8).ravel() for p in pictures]
    path = tmp_path / "wafers.npz"
    np.savez(
        path, dies=np.concatenate(codes), offsets=np.arange(271) * 144,
        shapes=np.full((270, 2), 12), label=np.arange(270) % 9, classes=np.array(PATTERNS),
        group=np.arange(270) // 6,
    )  # fmt: skip
    return path


def start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *words: str) -> None:
    monkeypatch.setattr(study, "CELLS", tmp_path / "cells")
    monkeypatch.setattr(machine, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(sys, "argv", ["study", *words])
    study.main()


def test_a_second_start_goes_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, data_file: Path
) -> None:
    """A run that dies in its third cell keeps two; the next one trains what is missing."""
    done: list[study.Cell] = []

    def fake(cell_: study.Cell, *rest: Any) -> dict[str, Any]:
        if len(done) == 2 and not is_second:
            raise KeyboardInterrupt
        done.append(cell_)
        return {**cell(UNEVEN, UNEVEN), **vars(cell_)}

    monkeypatch.setattr(study, "run", fake)
    words = str(data_file), "--networks", "wafer_cnn", "--treatments", "natural", "balanced"
    is_second = False
    with pytest.raises(KeyboardInterrupt):
        start(monkeypatch, tmp_path, *words)
    assert len(list((tmp_path / "cells").iterdir())) == 2
    is_second = True
    start(monkeypatch, tmp_path, *words)
    assert done == list(study.cells([0], ["wafer_cnn"], ["natural", "balanced"]))
    start(monkeypatch, tmp_path, *words)
    assert len(done) == 4
    written = {path.suffix for path in (tmp_path / "results").iterdir()}
    assert written == {".json", ".md", ".svg"}


def test_no_cell_begins_after_the_last_minute(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, data_file: Path
) -> None:
    monkeypatch.setattr(study, "run", lambda *_: pytest.fail("it began"))
    start(monkeypatch, tmp_path, str(data_file), "--minutes", "0")
    assert not (tmp_path / "cells").exists()


def test_one_real_cell_from_file_to_table(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, data_file: Path
) -> None:
    start(
        monkeypatch, tmp_path, str(data_file), "--wafers", "90", "--networks", "wafer_cnn",
        "--treatments", "balanced", "--epochs", "wafer_cnn=1", "--device", "cpu",
    )  # fmt: skip
    (markdown,) = (tmp_path / "results").glob("*.md")
    text = markdown.read_text("utf-8")
    assert "270 wafers of 45 lots. Thinned to 90" in text
    assert "Epochs limited by hand: wafer_cnn 1." in text
    assert text.count("| wafer_cnn | balanced |") == 4


# ---- few-shot ----


def test_what_the_app_reports_stands_beside_other_lots() -> None:
    row = {
        "seed": 0, "own_test_macro_f1": 0.9, "own_test_interval": [0.84, 0.93],
        "own_test_count": 81, "own_test_calibration_error": 0.05, "macro_f1": 0.85,
        "calibration_error": 0.03,
    }  # fmt: skip
    lines = few_shot.own_test([row, {**row, "seed": 1, "macro_f1": 0.83}])
    assert lines[-3:] == [
        "| 0 | 0.900 | 0.840–0.930 | 81 | 0.850 | +5.0 | yes | 0.050 | 0.030 |",
        "| 1 | 0.900 | 0.840–0.930 | 81 | 0.830 | +7.0 | no | 0.050 | 0.030 |",
        "| mean | 0.900 | | | 0.840 | +6.0 | | 0.050 | 0.030 |",
    ]


# ---- the whole file ----


def test_rows_of_the_whole_file_are_means_over_seeds_in_both_mixes() -> None:
    nine = np.diag([100] * 8 + [1000])
    worse = nine.copy()
    worse[8, 0] = 100  # of 1100 without a pattern, a hundred are called Center
    rows = [
        {"network": "as it is", "seed": 0, "trained_on": 0,
         "other_lots": {"confusion": nine.tolist(), "calibration_error": 0.01}},
        *(
            {"network": "wafernet", "seed": seed, "trained_on": 70, "epochs": 6, "seconds": 12.0,
             "own_test": {"confusion": nine.tolist()},
             "other_lots": {"confusion": found.tolist(), "calibration_error": 0.02}}
            for seed, found in enumerate((nine, worse))
        ),
    ]  # fmt: skip
    assert whole_file.summary(rows[0]["other_lots"]) == {"natural": 1, "balanced": 1}
    found = whole_file.summary(rows[2]["other_lots"])
    # F1 of Center is 2/3 where it is drowned, 22/23 where each class counts the same
    assert found["natural"] == pytest.approx((7 + 2 / 3 + 2000 / 2100) / 9)
    assert found["balanced"] == pytest.approx((7 + 22 / 23 + 20 / 21) / 9)
    taught = {"real_wafers": 90, "leave_groups_out": 0.25, "step": 80}
    text = whole_file.table(rows, [100] * 8 + [1100], taught)
    assert "90 wafers, 75 % of the lots, 80 steps." in text
    assert "1900 wafers of lots that neither" in text
    natural, balanced = ((1 + found[mix]) / 2 for mix in ("natural", "balanced"))
    line = next(line for line in text.splitlines() if line.startswith("| wafernet | 2 | 70 | 6 |"))
    assert f"| {natural:.3f} | {found['natural']:.3f} | " in line
    assert f"| {balanced:.3f} | {found['balanced']:.3f} | " in line
    assert line.endswith("| 0.020 | 1.000 | 12 |")
    assert "| as it is | 1 | 0 | 0 | 1.000 | 1.000 | " in text
    assert "| wafernet | natural | 0.75 / 1.00 / 0.83 | " in text
