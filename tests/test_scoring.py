"""Scores of made pictures: beside their floor and ceiling, never a NaN, from any number of them."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from wafer_core.images import NO_DIE, Picture
from wafer_core.networks import features
from wafer_core.simulator import simulate_many
from wafer_core.tasks.evaluation import comparison, sentences
from wafer_core.tasks.evaluation.scoring import GenerationScores, score_made
from wafers import marked

OTHERS = {"Donut": simulate_many("Donut", 20, 5), "none": simulate_many("none", 20, 6)}


@pytest.fixture(scope="module")
def training() -> list[Picture]:
    return simulate_many("Center", 20, 1)


@pytest.fixture(scope="module")
def held_out() -> list[Picture]:
    return simulate_many("Center", 16, 2)


@pytest.fixture(scope="module")
def good(training: list[Picture], held_out: list[Picture]) -> GenerationScores:
    """Made as well as can be: by what made the originals."""
    return score_made(simulate_many("Center", 40, 3), training, held_out, OTHERS)


def check(scores: GenerationScores) -> dict[str, Any]:
    """JSON of scores whose every figure is a finite number, or missing with a reason."""
    value = json.loads(json.dumps(scores.to_json(), allow_nan=False))
    assert list(value["scores"]) == list(sentences.SCORES)
    for score in value["scores"].values():
        assert score["sentence"].endswith(".")
        assert score["value"] is not None or score["note"]
        assert score["place"] is None or 0 <= score["place"] <= 1
    assert "nan" not in str(value).lower()
    return value


def test_good_pictures_lie_at_the_floor(good: GenerationScores) -> None:
    value = check(good)
    kid, recall = good.scores["kid"], good.scores["recall"]
    assert kid.place is not None
    assert kid.place < 0.05
    assert kid.ceiling_class in OTHERS
    assert kid.counts == {"made": 40, "real": 16, "each": 8, "subset": 8}
    assert recall.same_counts is not None
    assert recall.same_counts > 0.5
    assert good.scores["copies"].value == 0
    assert good.counts == {"made": 40, "training": 20, "held_out": 16, "real": 16}
    assert value["title"] == "WaferNet"
    assert "as real pictures differ among themselves" in good.sentence
    assert "16 originals that were not learned from" in good.sentence


def test_floor_and_ceiling_have_the_counts_of_the_figure(good: GenerationScores) -> None:
    for name in ("fid", "precision", "recall", "is"):
        score = good.scores[name]
        assert score.counts["each"] == 16
        assert None not in (score.same_counts, score.floor, score.ceiling)
    note = good.scores["fid"].note
    assert note is not None
    assert "rank-deficient" in note


def test_another_class_lies_at_the_ceiling(
    training: list[Picture], held_out: list[Picture]
) -> None:
    scores = score_made(simulate_many("Donut", 30, 9), training, held_out, OTHERS)
    place = scores.scores["kid"].place
    assert place is not None
    assert place > 0.5
    assert "as real pictures" not in scores.scores["kid"].sentence


def test_turned_originals_are_seen_as_copies_and_score_well_otherwise(
    training: list[Picture], held_out: list[Picture]
) -> None:
    made = [np.rot90(picture, k).copy() for picture in training for k in (1, 2)]
    scores = score_made(made, training, held_out, OTHERS)
    copies = scores.scores["copies"]
    assert copies.value == 1
    assert copies.floor == 0
    assert copies.details["copies"] == 40
    assert copies.details["distance"] == pytest.approx(0, abs=1e-5)
    assert copies.details["distance_among_originals"] > 0.3
    assert "it repeats what it was shown" in copies.sentence
    assert scores.scores["kid"].place == pytest.approx(0, abs=0.05)
    assert "100% are near copies" in scores.sentence


def test_a_collapsed_set_has_no_recall(training: list[Picture], held_out: list[Picture]) -> None:
    made = simulate_many("Center", 1, 4) * 30
    scores = score_made(made, training, held_out, OTHERS)
    recall, kid = scores.scores["recall"], scores.scores["kid"]
    assert recall.same_counts == 0
    assert kid.place is not None
    assert kid.place > 0.05


def test_the_seed_decides(training: list[Picture], held_out: list[Picture]) -> None:
    made = simulate_many("Center", 10, 3)

    def figures(seed: int) -> list[Any]:
        found = score_made(made, training, held_out, OTHERS, seed=seed)
        return [(s.value, s.same_counts, s.floor, s.ceiling) for s in found.scores.values()]

    assert figures(1) == figures(1)
    assert figures(1) != figures(2)


@pytest.mark.parametrize("made", [0, 1, 2, 3, 5])
@pytest.mark.parametrize("learned", [0, 1, 5])
@pytest.mark.parametrize("held", [0, 1, 3, 4, 9])
def test_few_pictures_are_told_and_never_a_defect(made: int, learned: int, held: int) -> None:
    wafers = [marked(n) for n in range(20)]
    scores = score_made(
        wafers[:made], wafers[5 : 5 + learned], wafers[10 : 10 + held], {"Other": wafers[:3]}
    )
    check(scores)
    kid = scores.scores["kid"]
    real = held if held >= comparison.FEWEST else learned + held
    assert (kid.value is None) == (made < 4 or real < 4)
    if kid.value is None:
        assert kid.note is not None
        assert kid.note.startswith("KID needs 4 or more made and real pictures")
        assert scores.sentence.startswith("KID needs 4")
    if held < comparison.FEWEST:
        assert f"because only {held} were held out" in scores.reference


def test_without_other_classes_there_is_no_ceiling(
    training: list[Picture], held_out: list[Picture]
) -> None:
    scores = score_made(simulate_many("Center", 8, 3), training, held_out, {})
    check(scores)
    assert {score.ceiling for score in scores.scores.values()} == {None}
    assert scores.scores["kid"].place is None
    assert "real pictures reach" in scores.scores["kid"].sentence


def test_of_many_classes_the_nearest_is_the_ceiling(held_out: list[Picture]) -> None:
    """Loc lies nearer to Center than these, and is found among more than are looked at whole."""
    far = {name: simulate_many(name, 20, 7) for name in ("Near-full", "Edge-Ring", "Random")}
    near = {"Center again": simulate_many("Center", 20, 8)}
    scores = score_made(simulate_many("Center", 20, 3), [], held_out, {**far, **OTHERS, **near})
    assert scores.scores["kid"].ceiling_class == "Center again"


def test_without_training_originals_two_halves_are_the_floor(held_out: list[Picture]) -> None:
    scores = score_made(held_out, [], held_out, OTHERS)
    check(scores)
    assert scores.scores["kid"].counts["subset"] == 8
    assert scores.scores["fid"].counts["each"] == 8
    assert scores.scores["fid"].value == pytest.approx(0, abs=1e-6)
    assert scores.scores["copies"].value == 1
    assert scores.scores["copies"].floor == 0  # each original against the others
    assert "given as real" in scores.reference


def test_a_lot_stays_in_one_half() -> None:
    lots = ["a"] * 5 + ["b"] * 4 + ["c"] + [None] * 6
    rng = np.random.default_rng(0)
    for left, right in comparison.halves(16, lots, 40, rng):
        assert sorted([*left, *right]) == list(range(16))
        for lot in ("a", "b", "c"):
            members = {i for i, each in enumerate(lots) if each == lot}
            assert members <= set(left.tolist()) or members <= set(right.tolist())
        assert 4 <= len(left) <= 12
    [(left, right)] = comparison.halves(9, ["one lot"] * 9, 1, rng)
    assert {len(left), len(right)} == {4, 5}


def test_grey_pictures_are_scored_too() -> None:
    rng = np.random.default_rng(1)
    grey = [rng.integers(1, 250, (24, 24), dtype=np.uint8) for _ in range(24)]
    scores = score_made(grey[:8], grey[8:16], grey[16:], {"Other": OTHERS["none"]})
    check(scores)
    assert scores.scores["copies"].value == 0
    turned = score_made([np.flipud(g).copy() for g in grey[8:16]], grey[8:16], grey[16:], {})
    assert turned.scores["copies"].value == 1


def test_wafers_without_a_failed_die_are_scored(held_out: list[Picture]) -> None:
    plain = [np.where(picture == NO_DIE, NO_DIE, 127).astype(np.uint8) for picture in held_out]
    check(score_made(plain, plain[:8], plain[8:], {"Center": held_out}))


def test_progress_rises_to_the_end(held_out: list[Picture]) -> None:
    told: list[float] = []
    made = simulate_many("Center", 70, 77)  # never seen before, in several batches
    score_made(made, [], held_out, OTHERS, progress=told.append)
    assert len(told) > 1
    assert told == sorted(told)
    assert told[-1] == 1


def test_more_pictures_than_are_looked_at(held_out: list[Picture]) -> None:
    scores = score_made(simulate_many("Center", 30, 3), [], held_out, {}, most=(12, 10))
    assert (scores.scores["kid"].counts["made"], scores.scores["kid"].counts["real"]) == (12, 10)
    assert scores.counts["made"] == 30


def test_what_was_seen_is_remembered_by_content(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    network = features.load("wafernet", torch.device("cpu"))
    wafers = [marked(n) for n in range(500, 506)]
    first = network.look([*wafers, wafers[2]])
    monkeypatch.setattr(network, "_look", lambda pictures: iter(()) if not pictures else 1 / 0)
    again = network.look(wafers[::-1])
    np.testing.assert_array_equal(again.features[::-1], first.features[:6])
    np.testing.assert_array_equal(first.features[2], first.features[6])
    np.testing.assert_allclose(first.probabilities.sum(1), 1, atol=1e-5)
    with pytest.raises(ZeroDivisionError):
        network.look([marked(777)])


def test_features_and_probabilities_are_those_of_the_classifier() -> None:
    import torch

    from wafer_core.networks import initial_weights
    from wafer_core.tasks.classification.pretrained import standard_classifier

    wafers = simulate_many("Scratch", 5, 3)
    seen = features.load("wafernet", torch.device("cpu")).look(wafers)
    classifier = standard_classifier()
    batch = classifier.preparation.prepare(wafers)
    with torch.inference_mode():
        expected = initial_weights.penultimate(classifier.network, batch)
        chances = (classifier.network(batch) / classifier.temperature).softmax(1)
    np.testing.assert_allclose(seen.features, expected, atol=1e-4)
    np.testing.assert_allclose(seen.probabilities, chances, atol=1e-4)


def test_a_place_is_known_only_between_two_ends() -> None:
    score = sentences.Score("kid", 0.2, None, 0.2, 0.1, 0.5, "Donut")
    assert score.place == pytest.approx(0.25)
    assert sentences.Score("kid", 0, None, 0.0, 0.1, 0.5, "Donut").place == 0
    assert sentences.Score("kid", 9, None, 9.0, 0.1, 0.5, "Donut").place == 1
    assert sentences.Score("kid", 9, None, 9.0, 0.5, 0.1, "Donut").place is None
    assert sentences.Score("recall", 0.5, None, 0.5, 0.9, 0.1, "Donut").place == pytest.approx(0.5)
    assert math.isclose(sentences.Score("recall", 0.9, None, 0.9, 0.9, 0.1, "Donut").place or 0, 0)
