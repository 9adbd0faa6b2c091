"""Scores of synthetic pictures: with baseline and reference, never NaN, for any number of them."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from wafer_core.errors import DataError
from wafer_core.images import NO_DIE, Picture
from wafer_core.messages import Message
from wafer_core.networks import features
from wafer_core.progress import Progress
from wafer_core.simulator import simulate_many
from wafer_core.tasks.evaluation import comparison
from wafer_core.tasks.evaluation.scores import SCORES, Score
from wafer_core.tasks.evaluation.scoring import GenerationScores, score_synthetic
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
    """The best possible: from the same simulator as the originals."""
    return score_synthetic(simulate_many("Center", 40, 3), training, held_out, OTHERS)


def check(scores: GenerationScores) -> dict[str, Any]:
    """JSON of scores; every value is a finite number, or missing with a reason."""
    value = json.loads(json.dumps(scores.to_json(), allow_nan=False))
    assert list(value["scores"]) == list(SCORES)
    for score in value["scores"].values():
        assert str(Message.from_json(score["sentence"])).endswith(".")
        assert score["value"] is not None or score["note"]
        assert score["place"] is None or 0 <= score["place"] <= 1
    assert "nan" not in str(value).lower()
    assert GenerationScores.from_json(value).to_json() == value
    return value


def test_good_pictures_score_like_real_ones(good: GenerationScores) -> None:
    value = check(good)
    kid, recall = good.scores["kid"], good.scores["recall"]
    assert kid.place is not None
    assert kid.place < 0.05
    assert kid.reference_class in OTHERS
    assert kid.counts == {"made": 40, "real": 16, "each": 8, "subset": 8}
    assert recall.same_counts is not None
    assert recall.same_counts > 0.5
    assert good.scores["copies"].value == 0
    assert good.counts == {"made": 40, "training": 20, "held_out": 16, "real": 16}
    assert value["title"] == "WaferNet"
    assert "As realistic as real wafers: KID is " in str(good.sentence)
    assert "Compared with 16 originals that were not used for training." in str(good.sentence)


def test_baseline_and_reference_have_the_sample_size_of_the_score(good: GenerationScores) -> None:
    for name in ("fid", "precision", "recall", "is"):
        score = good.scores[name]
        assert score.counts["each"] == 16
        assert None not in (score.same_counts, score.baseline, score.reference)
    note = good.scores["fid"].note
    assert note is not None
    assert "rank-deficient" in str(note)


def test_a_sentence_names_the_value_that_is_compared(good: GenerationScores) -> None:
    """A table once showed FID 46.3 of all wafers beside a sentence with 50.1 of equal samples."""
    fid = good.scores["fid"]
    assert fid.value != fid.same_counts == fid.comparable
    assert f"FID (WaferNet) is {fid.comparable:.3g} with 16 wafers per side." in str(fid.sentence)
    assert good.scores["kid"].comparable == good.scores["kid"].value


def test_another_class_is_not_realistic(training: list[Picture], held_out: list[Picture]) -> None:
    scores = score_synthetic(simulate_many("Donut", 30, 9), training, held_out, OTHERS)
    place = scores.scores["kid"].place
    assert place is not None
    assert place > 0.5
    assert "ealistic: " in str(scores.scores["kid"].sentence)
    assert "As realistic" not in str(scores.scores["kid"].sentence)


def test_rotated_originals_are_near_copies_and_score_well_otherwise(
    training: list[Picture], held_out: list[Picture]
) -> None:
    synthetic = [np.rot90(picture, k).copy() for picture in training for k in (1, 2)]
    scores = score_synthetic(synthetic, training, held_out, OTHERS)
    copies = scores.scores["copies"]
    assert copies.value == 1
    assert copies.baseline == 0
    assert copies.details["copies"] == 40
    assert copies.details["distance"] == pytest.approx(0, abs=1e-5)
    assert copies.details["distance_among_originals"] > 0.3
    assert "The generator repeats its training data." in str(copies.sentence)
    assert scores.scores["kid"].place == pytest.approx(0, abs=0.05)
    assert "Near copies: 100%." in str(scores.sentence)


def test_a_collapsed_set_has_no_recall(training: list[Picture], held_out: list[Picture]) -> None:
    synthetic = simulate_many("Center", 1, 4) * 30
    scores = score_synthetic(synthetic, training, held_out, OTHERS)
    recall, kid = scores.scores["recall"], scores.scores["kid"]
    assert recall.same_counts == 0
    assert kid.place is not None
    assert kid.place > 0.05


def test_the_seed_determines_the_scores(training: list[Picture], held_out: list[Picture]) -> None:
    synthetic = simulate_many("Center", 10, 3)

    def values(seed: int) -> list[Any]:
        found = score_synthetic(synthetic, training, held_out, OTHERS, seed=seed)
        return [(s.value, s.same_counts, s.baseline, s.reference) for s in found.scores.values()]

    assert values(1) == values(1)
    assert values(1) != values(2)


@pytest.mark.parametrize("synthetic", [0, 1, 2, 3, 5])
@pytest.mark.parametrize("learned", [0, 1, 5])
@pytest.mark.parametrize("held", [0, 1, 3, 4, 9])
def test_too_few_pictures_get_a_note_and_never_fail(
    synthetic: int, learned: int, held: int
) -> None:
    wafers = [marked(n) for n in range(20)]
    scores = score_synthetic(
        wafers[:synthetic], wafers[5 : 5 + learned], wafers[10 : 10 + held], {"Other": wafers[:3]}
    )
    check(scores)
    kid = scores.scores["kid"]
    real = held if held >= comparison.FEWEST else learned + held
    assert (kid.value is None) == (synthetic < 4 or real < 4)
    if kid.value is None:
        assert kid.note is not None
        assert str(kid.note).startswith("KID needs at least 4 synthetic and 4 real wafers")
        assert str(scores.sentence).startswith("KID needs at least 4")
    if held < comparison.FEWEST:
        assert f"because only {held} were held out" in str(scores.reference)


def test_without_other_classes_there_is_no_reference(
    training: list[Picture], held_out: list[Picture]
) -> None:
    scores = score_synthetic(simulate_many("Center", 8, 3), training, held_out, {})
    check(scores)
    assert {score.reference for score in scores.scores.values()} == {None}
    assert scores.scores["kid"].place is None
    assert "The real-real baseline is " in str(scores.scores["kid"].sentence)


def test_the_nearest_of_many_classes_is_the_reference(held_out: list[Picture]) -> None:
    """It is found among more classes than are compared in full."""
    far = {name: simulate_many(name, 20, 7) for name in ("Near-full", "Edge-Ring", "Random")}
    near = {"Center again": simulate_many("Center", 20, 8)}
    scores = score_synthetic(
        simulate_many("Center", 20, 3), [], held_out, {**far, **OTHERS, **near}
    )
    assert scores.scores["kid"].reference_class == "Center again"


def test_without_training_originals_two_halves_are_the_baseline(held_out: list[Picture]) -> None:
    scores = score_synthetic(held_out, [], held_out, OTHERS)
    check(scores)
    assert scores.scores["kid"].counts["subset"] == 8
    assert scores.scores["fid"].counts["each"] == 8
    assert scores.scores["fid"].value == pytest.approx(0, abs=1e-6)
    assert scores.scores["copies"].value == 1
    assert scores.scores["copies"].baseline == 0  # each original against the others
    assert str(scores.reference) == "16 originals"


def test_a_lot_is_not_split() -> None:
    lots = ["a"] * 5 + ["b"] * 4 + ["c"] + [None] * 6
    rng = np.random.default_rng(0)
    for left, right in comparison.split_halves(16, lots, 40, rng):
        assert sorted([*left, *right]) == list(range(16))
        for lot in ("a", "b", "c"):
            members = {i for i, each in enumerate(lots) if each == lot}
            assert members <= set(left.tolist()) or members <= set(right.tolist())
        assert 4 <= len(left) <= 12
    [(left, right)] = comparison.split_halves(9, ["one lot"] * 9, 1, rng)
    assert {len(left), len(right)} == {4, 5}


def test_grey_pictures_are_scored_too() -> None:
    rng = np.random.default_rng(1)
    grey = [rng.integers(1, 250, (24, 24), dtype=np.uint8) for _ in range(24)]
    scores = score_synthetic(grey[:8], grey[8:16], grey[16:], {"Other": OTHERS["none"]})
    check(scores)
    assert scores.scores["copies"].value == 0
    flipped = score_synthetic([np.flipud(g).copy() for g in grey[8:16]], grey[8:16], grey[16:], {})
    assert flipped.scores["copies"].value == 1


def test_wafers_without_a_failed_die_are_scored(held_out: list[Picture]) -> None:
    plain = [np.where(picture == NO_DIE, NO_DIE, 127).astype(np.uint8) for picture in held_out]
    check(score_synthetic(plain, plain[:8], plain[8:], {"Center": held_out}))


def test_progress_rises_to_the_end(held_out: list[Picture]) -> None:
    reported: list[float] = []
    synthetic = simulate_many("Center", 70, 77)  # not cached, in several batches
    score_synthetic(
        synthetic,
        [],
        held_out,
        OTHERS,
        on_progress=Progress(lambda share, _: reported.append(share)),
    )
    assert len(reported) > 1
    assert reported == sorted(reported)
    assert reported[-1] == 1


def test_more_pictures_than_are_used(held_out: list[Picture]) -> None:
    scores = score_synthetic(simulate_many("Center", 30, 3), [], held_out, {}, most=(12, 10))
    assert (scores.scores["kid"].counts["made"], scores.scores["kid"].counts["real"]) == (12, 10)
    assert scores.counts["made"] == 30


def test_features_are_cached_by_content(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    network = features.load("wafernet", torch.device("cpu"))
    wafers = [marked(n) for n in range(500, 506)]
    first = network.extract([*wafers, wafers[2]])
    monkeypatch.setattr(network, "_extract", lambda pictures: iter(()) if not pictures else 1 / 0)
    again = network.extract(wafers[::-1])
    np.testing.assert_array_equal(again.features[::-1], first.features[:6])
    np.testing.assert_array_equal(first.features[2], first.features[6])
    np.testing.assert_allclose(first.probabilities.sum(1), 1, atol=1e-5)
    with pytest.raises(ZeroDivisionError):
        network.extract([marked(777)])


def test_features_and_probabilities_are_those_of_the_classifier() -> None:
    import torch

    from wafer_core.networks.penultimate import penultimate
    from wafer_core.tasks.classification.pretrained import standard_classifier

    wafers = simulate_many("Scratch", 5, 3)
    seen = features.load("wafernet", torch.device("cpu")).extract(wafers)
    classifier = standard_classifier()
    batch = classifier.preparation.prepare(wafers)
    with torch.inference_mode():
        expected = penultimate(classifier.network, batch)
        chances = (classifier.network(batch) / classifier.temperature).softmax(1)
    np.testing.assert_allclose(seen.features, expected, atol=1e-4)
    np.testing.assert_allclose(seen.probabilities, chances, atol=1e-4)


def test_the_place_is_known_only_between_baseline_and_reference() -> None:
    score = Score("kid", 0.2, None, 0.2, 0.1, 0.5, "Donut")
    assert score.place == pytest.approx(0.25)
    assert Score("kid", 0, None, 0.0, 0.1, 0.5, "Donut").place == 0
    assert Score("kid", 9, None, 9.0, 0.1, 0.5, "Donut").place == 1
    assert Score("kid", 9, None, 9.0, 0.5, 0.1, "Donut").place is None
    assert Score("recall", 0.5, None, 0.5, 0.9, 0.1, "Donut").place == pytest.approx(0.5)
    assert math.isclose(Score("recall", 0.9, None, 0.9, 0.9, 0.1, "Donut").place or 0, 0)


def test_stored_scores_of_older_versions_are_read() -> None:
    """They hold plain English, and no checksum of WaferNet."""
    old = {
        "features": "wafernet",
        "title": "WaferNet",
        "weights": "0123abcd",
        "counts": {"made": 40, "training": 20, "held_out": 16, "real": 16},
        "reference": "16 originals that were not learned from",
        "scores": {
            "kid": {
                "name": "kid", "value": 0.2, "spread": 0.01, "same_counts": 0.2, "floor": 0.1,
                "ceiling": 0.5, "ceiling_class": "Donut", "counts": {"made": 40, "subset": 8},
                "details": {"floor_spread": None}, "sentence": "25% of the way.", "note": None,
                "instead": None, "place": 0.25, "title": "KID", "better": "lower", "help": "…",
            }
        },
        "sentence": "25% of the way, not like real yet.",
        "seconds": 1.25,
    }  # fmt: skip
    found = GenerationScores.from_json(old)
    assert (found.wafernet, found.seconds) == ("0123abcd", 1.25)
    assert str(found.sentence) == "25% of the way, not like real yet."
    kid = found.scores["kid"]
    assert (kid.baseline, kid.reference, kid.reference_class) == (0.1, 0.5, "Donut")
    assert kid.place == pytest.approx(0.25)
    assert str(kid.sentence) == "25% of the way."
    for broken in ({}, {**old, "scores": {}}, {**old, "scores": {"kid": {"value": "high"}}}):
        with pytest.raises(DataError):
            GenerationScores.from_json(broken)
