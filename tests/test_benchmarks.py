"""The benchmarks: drawing by lots, tables, and the scores that they compute from results."""

from __future__ import annotations

import argparse
import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest

from benchmarks import machine
from benchmarks.quality import (
    combinations as combos,
)
from benchmarks.quality import (
    few_shot,
    generation,
    geometry,
    physics,
    score_validation,
    wafernet,
)
from benchmarks.tables import grouped, interval, mean, number, table
from benchmarks.wafers import draw_few, left_out, lot_halves, lots_of, read_labelled
from wafer_core.errors import InputError
from wafer_core.images import FAIL, NO_DIE, PASS, Picture, content_hash
from wafer_core.importers import Candidate
from wafer_core.importers.items import Loaded
from wafer_core.simulator import PATTERNS
from wafers import data_file, disc, marked


def candidate(name: str, lot: str, picture: Picture) -> Candidate:
    return Candidate(f"{name} of {lot}", name, lot, lambda: Loaded(picture))


# -- wafers --------------------------------------------------------------------------------------


def test_a_pretraining_leaves_whole_lots_out(tmp_path: Path) -> None:
    wafers = read_labelled(data_file(tmp_path / "w.npz", 90, [k % 10 for k in range(90)]))
    assert len(wafers) == 90
    out = left_out(wafers, {"leave_groups_out": 0.3, "seed": 0})
    assert len(lots_of(out)) == 3
    assert len(out) == 27
    # fewer lots left out are the last ones of the same order
    fewer = left_out(wafers, {"leave_groups_out": 0.2, "seed": 0})
    assert set(lots_of(fewer)) < set(lots_of(out))
    assert lots_of(left_out(wafers, {"leave_groups_out": 0.3, "seed": 1})) != lots_of(out)


def test_the_halves_of_the_lots_hold_all_wafers_of_each_pattern(tmp_path: Path) -> None:
    wafers = read_labelled(data_file(tmp_path / "w.npz", 90, [k % 10 for k in range(90)]))
    halves = lot_halves(wafers, lots_of(wafers), np.random.default_rng(0))
    assert list(halves) == list(PATTERNS)
    first, second = (lots_of(c for sides in halves.values() for c in sides[k]) for k in (0, 1))
    assert len(first) == len(second) == 5
    assert not set(first) & set(second)
    assert all(len(a) + len(b) == 10 for a, b in halves.values())


def test_a_few_wafers_are_drawn_from_lots_that_are_not_tested(tmp_path: Path) -> None:
    wafers = read_labelled(data_file(tmp_path / "w.npz", 180, [k % 20 for k in range(180)]))
    drawn = draw_few(wafers, 3, 4, np.random.default_rng(0))
    assert drawn.data.train_counts().tolist() == [3] * 9
    assert np.bincount(drawn.data.validation_labels).tolist() == [1] * 9
    assert np.bincount(drawn.labels).tolist() == [4] * 9
    assert not set(drawn.data.train_groups or ()) & set(drawn.lots)
    scarce = draw_few(wafers, 30, 100, np.random.default_rng(0))  # ten in each half: 8 and 2
    assert scarce.data.train_counts().tolist() == [8] * 9
    assert np.bincount(scarce.data.validation_labels).tolist() == [2] * 9


# -- tables and files ----------------------------------------------------------------------------


def test_rows_are_grouped_and_averaged() -> None:
    rows = [{"a": 1, "x": 2.0}, {"a": 2, "x": 5.0}, {"a": 1, "x": 4.0}, {"a": 1}]
    assert [(key, mean(own, "x")) for key, own in grouped(rows, ("a",)).items()] == [
        ((1,), 3.0), ((2,), 5.0),
    ]  # fmt: skip
    assert math.isnan(mean([{"a": 1}], "x"))


def test_numbers_and_tables_in_markdown() -> None:
    assert table(["a", "b"], [[1, number(0.12345)]]) == [
        "| a | b |",
        "| --- | --- |",
        "| 1 | 0.123 |",
    ]
    assert [number(None), number(math.nan), number(2.5, 0)] == ["–", "–", "2"]
    assert interval([0.1, 0.25], 2) == "0.10–0.25"


def test_results_are_written_with_the_machine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(machine, "RESULTS", tmp_path / "results")
    machine.write_results("some", [{"x": 1}], "# Text\n\n", go.Figure())
    (path,) = (tmp_path / "results").glob("some-*[0-9].json")
    content = json.loads(path.read_text("utf-8"))
    assert content == {"machine": machine.describe_machine(), "rows": [{"x": 1}]}
    assert {p.name.removeprefix(path.stem) for p in path.parent.iterdir()} == {
        ".json", ".md", ".plotly.json",
    }  # fmt: skip


# -- combinations --------------------------------------------------------------------------------


def test_there_are_the_38_classes_of_mixedwm38() -> None:
    found = combos.combinations()
    assert Counter(map(len, found)) == {0: 1, 1: 8, 2: 13, 3: 12, 4: 4}
    assert len(set(found)) == 38
    assert {name for patterns in found for name in patterns} == set(PATTERNS) - {"none"}
    for patterns in found:
        assert not {"Center", "Donut"} <= set(patterns)
        assert not {"Edge-Loc", "Edge-Ring"} <= set(patterns)
        assert len(patterns) == 1 or not {"Near-full", "Random"} & set(patterns)


def test_an_overlay_fails_where_any_wafer_fails_and_adds_no_die() -> None:
    first = np.array([[NO_DIE, PASS, PASS], [FAIL, PASS, PASS]] * 2, np.uint8)
    other = np.array([[FAIL, FAIL, PASS], [PASS, NO_DIE, FAIL]] * 2, np.uint8)
    overlaid = combos.overlay_maps([first, other])
    assert overlaid.tolist() == [[NO_DIE, FAIL, PASS], [FAIL, PASS, FAIL]] * 2
    assert first[0, 1] == PASS  # the wafers are not changed


def test_an_overlay_is_resized_to_the_first_grid() -> None:
    larger = disc(20)
    larger[8:12, 4:6] = FAIL
    overlaid = combos.overlay_maps([disc(10), larger])
    assert overlaid.shape == (10, 10)
    assert np.argwhere(overlaid == FAIL).tolist() == [[4, 2], [5, 2]]


@pytest.mark.parametrize("name", combos.SIMULATED)
def test_no_simulated_wafer_is_in_two_splits(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    some = [(), ("Center",), ("Loc", "Scratch"), ("Donut", "Edge-Ring", "Loc")]
    monkeypatch.setattr(combos, "combinations", lambda: tuple(some))
    sources = dict.fromkeys(combos.SPLITS, combos.SIMULATED[name])
    drawn = combos.draw(sources, 3, 2, seed=5)
    data = drawn.data
    assert data.train_counts().tolist() == [3] * 4
    assert np.bincount(data.validation_labels).tolist() == [1] * 4
    assert np.bincount(drawn.labels).tolist() == [2] * 4
    assert data.class_names == ("none", "Center", "Loc + Scratch", "Donut + Edge-Ring + Loc")
    assert data.combinations["Loc + Scratch"] == ("Loc", "Scratch")
    hashes = [
        content_hash(p) for p in (*data.train_pictures, *data.validation_pictures, *drawn.pictures)
    ]
    assert len(set(hashes)) == len(hashes)
    again = combos.draw(sources, 3, 2, seed=5)
    assert [content_hash(p) for p in again.pictures] == hashes[-len(drawn.pictures) :]


def test_geometric_patterns_fail_where_their_shapes_are() -> None:
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


def test_more_patterns_mean_more_failures() -> None:
    def failed(patterns: combos.Patterns) -> float:
        wafers = [combos.plain(patterns, np.random.default_rng(seed)) for seed in range(6)]
        return float(np.mean([(p == FAIL).mean() for p in wafers]))

    assert failed(()) < failed(("Loc",)) < failed(("Loc", "Donut", "Edge-Loc", "Scratch"))


def test_overlaid_wafers_share_a_grid_where_there_is_one() -> None:
    """Donut is the rarest and chooses the grid; one of four Locs has it."""
    wafers = {name: [candidate(name, "L", disc(12))] for name in PATTERNS}
    spot = disc(20)
    spot[3, 10] = FAIL
    ring = disc(20)
    ring[10, 5] = FAIL
    wafers["Loc"] = [candidate("Loc", "L", p) for p in (*map(disc, (14, 15, 16)), spot)]
    wafers["Donut"] = [candidate("Donut", "L", ring)]
    source = combos.overlays_of([c for own in wafers.values() for c in own])
    overlaid = source(("Loc", "Donut"), np.random.default_rng(0))
    assert overlaid.shape == (20, 20)
    assert np.argwhere(overlaid == FAIL).tolist() == [[3, 10], [10, 5]]


def test_the_splits_of_real_wafers_have_different_lots() -> None:
    """Each lot has its own grid, so that the size of a wafer shows its lot."""
    size = {f"lot {k}": 12 + k for k in range(10)}
    found = [candidate(name, lot, disc(size[lot])) for lot in size for name in PATTERNS]
    sources = combos.real_sources(found, seed=3)
    drawn = {
        split: {
            source(patterns, np.random.default_rng(k)).shape[0]
            for patterns in ((), ("Loc",), ("Donut", "Scratch"))
            for k in range(30)
        }
        for split, source in sources.items()
    }
    assert [len(drawn[split]) for split in ("train", "validation", "test")] == [4, 2, 4]
    assert len(set.union(*drawn.values())) == 10


def test_a_missing_pattern_is_named() -> None:
    some = [candidate(name, "L", disc()) for name in PATTERNS if name != "Donut"]
    with pytest.raises(InputError, match="no wafer of Donut"):
        combos.overlays_of(some)


def test_a_source_with_few_wafers_gives_fewer() -> None:
    def two(patterns: combos.Patterns, rng: np.random.Generator) -> Picture:
        return marked(int(rng.integers(2)))

    found = combos.draw_different(two, (), 10, np.random.default_rng(0))
    assert sorted(map(content_hash, found)) == sorted(content_hash(marked(k)) for k in range(2))


def test_scores_of_combinations_are_means_over_seeds_and_counts() -> None:
    f1 = {combos.title(p): {1: 0.5, 4: 0.25}.get(len(p), 1.0) for p in combos.combinations()}
    row: dict[str, Any] = {
        "source": "plain", "per_class": 10, "network": "wafernet", "overlay": "yes",
        "macro_f1": 0.6, "interval": [0.5, 0.7], "accuracy": 0.61, "calibration_error": 0.02,
        "seconds": 20.0, "tested": 1900, "f1": f1, "seed": 0,
    }  # fmt: skip
    rows = [row, {**row, "seed": 1, "macro_f1": 0.7, "interval": [0.6, 0.8]}]
    (found,) = combos.summarise(rows)
    assert found["macro_f1"] == pytest.approx(0.65)
    assert found["interval"] == pytest.approx([0.55, 0.75])
    assert found["f1_by_count"] == {0: 1.0, 1: 0.5, 2: 1.0, 3: 1.0, 4: 0.25}
    assert "| Donut + Edge-Ring + Loc + Scratch | 0.25 |" in combos.markdown(rows, "On the data.")


def test_the_pretraining_is_described() -> None:
    config = {"step": 7, "real_wafers": 80, "simulated": 30, "leave_groups_out": 0.5}
    given = argparse.Namespace(data=None, weights=None)
    sentence = "WaferNet was pretrained for 7 steps on 80 real and 30 simulated wafers."
    assert combos.about(config, given) == sentence
    given.data = Path("d.npz")
    assert "too high" in combos.about(config, given)
    given.weights = Path("w.safetensors")
    assert combos.about(config, given) == (
        f"{sentence} The real wafers here are from the 50% of the lots that it left out."
    )


# -- scores from results -------------------------------------------------------------------------


def test_the_own_test_split_is_compared_with_other_lots() -> None:
    row = {"seed": 0, "own_test_macro_f1": 0.9, "own_test_interval": [0.84, 0.93], "macro_f1": 0.85}
    found = few_shot.compare_own_test([row, {**row, "seed": 1, "macro_f1": 0.83}])
    assert [r["points"] for r in found] == pytest.approx([5, 7])
    assert [r["is_inside"] for r in found] == [True, False]


def test_few_shot_scores_are_means_over_draws() -> None:
    row: dict[str, Any] = {
        "per_class": 5, "network": "wafernet", "macro_f1": 0.8, "accuracy": 0.9,
        "calibration_error": 0.01, "seconds": 3.0, "tested": 90,
        "f1": dict.fromkeys(PATTERNS, 0.5),
    }  # fmt: skip
    other = {**row, "macro_f1": 0.7, "f1": dict.fromkeys(PATTERNS, 0.7)}
    five, ten = wafernet.summarise([row, other, {**row, "per_class": 10}])
    assert (five["draws"], five["macro_f1"], five["lowest"]) == (2, pytest.approx(0.75), 0.7)
    assert five["f1"]["Loc"] == pytest.approx(0.6)
    assert (ten["per_class"], ten["draws"]) == (10, 1)


def test_presets_are_compared_with_classic_dcgan() -> None:
    row: dict[str, Any] = {
        "class": "Loc", "preset": "default", "kid": 0.1, "kid_baseline": 0.02, "recall": 0.7,
        "copies": 0.0, "cpu_seconds": 10.0,
    }  # fmt: skip
    rows = [
        row, {**row, "class": "Donut", "kid": 0.3, "recall": 0.5, "copies": 0.01},
        {**row, "preset": "classic", "kid": 0.6, "cpu_seconds": 400.0},
        {**row, "class": "Donut", "preset": "classic", "kid": 0.6, "cpu_seconds": 200.0},
    ]  # fmt: skip
    default, classic = generation.summarise(rows)
    assert (default["kid"], default["kid_baseline"]) == pytest.approx((0.2, 0.02))
    assert (default["enough_recall"], default["most_copies"]) == (1, 0.01)
    assert (default["compared"], default["third_of_kid"]) == (2, 1)
    assert default["times_faster"] == [20, 40]
    assert classic["times_faster"] is None


def test_scores_of_simulators_are_means_over_classes() -> None:
    rows = [
        {"source": source, "kid": kid, "baseline": 0.1, "precision": 0.5, "recall": 0.5,
         "agreement": agreement}
        for source, kid, agreement in (("fitted", 0.2, 1.0), ("fitted", 0.4, 0.5),
                                       ("from ranges", 0.6, None))
    ]  # fmt: skip
    found = physics.summarise(rows)
    assert found["fitted"]["kid"] == pytest.approx(0.3)
    assert found["fitted"]["agreement"] == 0.75
    assert found["from ranges"]["kid"] == 0.6


def test_degraded_wafers() -> None:
    picture = marked(3)
    failed = int((picture == FAIL).sum())
    rng = np.random.default_rng(0)
    moved = score_validation.move_failures(picture, 0.5, rng)
    assert (moved == FAIL).sum() == failed
    assert ((moved == FAIL) & (picture == FAIL)).sum() == failed - round(failed / 2)
    blurred = score_validation.blurred(picture, 1.0)
    assert (blurred == FAIL).sum() == failed
    assert ((blurred == NO_DIE) == (picture == NO_DIE)).all()
    ways = score_validation.degradations(score_validation.Wafers(None), "Donut")
    _, noise = ways["share of random dies"]
    (noisy,) = noise([picture], 1.0, rng)
    assert ((noisy == NO_DIE) == (picture == NO_DIE)).all()
    assert 0.3 < (noisy == FAIL).sum() / (picture != NO_DIE).sum() < 0.7
    _, collapse = ways["number of different wafers"]
    assert collapse([disc(9), disc(10), disc(11)], 2, rng)[2].shape == (9, 9)
    rows = [{"KID": value} for value in (0.1, 0.2, 0.2, 0.3)]
    assert score_validation.rises(rows, "KID") == 2
