"""Class agreement: a classifier of originals, compared with held-out originals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from wafer_core.images import Picture
from wafer_core.metrics.shares import wilson
from wafer_core.progress import Progress
from wafer_core.simulator import simulate_many
from wafer_core.tasks.evaluation import class_agreement, sentences
from wafer_core.tasks.evaluation.class_agreement import Classes, agreement
from wafer_core.tasks.evaluation.scores import Score
from wafer_core.tasks.evaluation.scoring import score_synthetic

NAMES = ("Center", "Edge-Ring", "none")


def sets(count: int, seed: int) -> dict[str, list[Picture]]:
    return {name: simulate_many(name, count, seed + k) for k, name in enumerate(NAMES)}


@pytest.fixture(scope="module")
def classes() -> Classes:
    return Classes("Center", sets(8, 10), sets(6, 20))


# -- the score -----------------------------------------------------------------------------------


def test_pictures_of_the_class_agree_and_others_do_not(classes: Classes) -> None:
    good = agreement(simulate_many("Center", 20, 30), classes)
    assert good.value == good.same_counts
    assert good.value is not None
    assert good.value >= 0.9
    assert good.counts == {"made": 20, "real": 6, "others": 12, "training": 24, "classes": 3}
    assert good.baseline is not None
    assert good.reference is not None
    assert good.reference < 0.3 < 0.8 < good.baseline
    bad = agreement(simulate_many("Edge-Ring", 20, 31), classes)
    assert bad.value is not None
    assert bad.value <= 0.1
    assert bad.instead == "Edge-Ring"
    assert bad.details["instead"] >= 18
    assert bad.details["made"] == round(20 * bad.value)
    assert (bad.details["made_low"], bad.details["made_high"]) == wilson(round(20 * bad.value), 20)
    sentence = str(sentences.with_sentence(bad, "WaferNet").sentence)
    assert "Synthetic wafers are recognised less often than real ones." in sentence
    assert "assigned to “Edge-Ring”" in sentence
    assert "of 20 synthetic wafers to their class" in sentence


def test_the_classifier_is_not_trained_on_synthetic_or_held_out_pictures(
    classes: Classes, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[Picture]] = []
    train = class_agreement.train

    def spy(data: Any, *args: Any, **more: Any) -> Any:
        seen.append([*data.train_pictures, *data.validation_pictures])
        return train(data, *args, **more)

    monkeypatch.setattr(class_agreement, "train", spy)
    monkeypatch.setattr(class_agreement, "_cached", type(class_agreement._cached)())
    agreement(simulate_many("Center", 5, 77), classes)
    allowed = {p.tobytes() for each in classes.training.values() for p in each}
    assert [p.tobytes() in allowed for p in seen[0]] == [True] * 24
    # another run of the project, or another class of it, has the same classifier
    agreement(simulate_many("none", 5, 78), replace(classes, name="none"))
    assert len(seen) == 1
    agreement(simulate_many("none", 5, 78), Classes("none", sets(7, 10), classes.held_out))
    assert len(seen) == 2


def test_the_number_of_originals_per_class_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(class_agreement, "EACH", 6)
    training = {**sets(8, 10), "none": sets(5, 10)["none"]}
    counts = agreement(training["Center"], Classes("Center", training, {})).counts
    assert counts["training"] == 6 + 6 + 5


# -- where it is unknown --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda c: None, "needs a second class"),
        (lambda c: Classes("Center", {"Center": c.training["Center"]}, {}), "needs a second class"),
        (lambda c: replace(c, training={**c.training, "Center": c.training["Center"][:1]}),
         "at least 5 training originals of “Center”, and there are 1"),
        (lambda c: replace(c, training={k: v if k == "Center" else v[:4]
                                        for k, v in c.training.items()}),
         "another class with at least 5 training originals"),
        (lambda c: replace(c, training={}), "needs a second class"),
    ],
)  # fmt: skip
def test_too_few_originals_get_a_note(
    classes: Classes, change: Callable[[Classes], Classes | None], sentence: str
) -> None:
    score = agreement(simulate_many("Center", 3, 1), change(classes))
    assert score.value is None
    assert score.note is not None
    assert sentence in str(score.note)
    assert sentences.with_sentence(score, "").sentence == score.note
    assert str(score.note).endswith(".")


def test_without_synthetic_or_held_out_pictures(classes: Classes) -> None:
    none = agreement([], classes)
    assert none.value is None
    assert none.note is not None
    alone = sentences.with_sentence(
        agreement(classes.training["Center"], replace(classes, held_out={})), ""
    )
    assert alone.value == 1
    assert (alone.baseline, alone.reference, alone.place) == (None, None, None)
    assert "No originals of the class were held out" in str(alone.sentence)


@pytest.mark.parametrize(
    ("synthetic", "real", "sentence"),
    [
        ((90, 100), (90, 100), "No significant difference from real wafers"),
        ((50, 100), (95, 100), "recognised less often than real ones"),
        (
            (100, 100),
            (60, 100),
            "recognised more often than real ones, so they may vary too little",
        ),
        ((100, 100), (4, 10), "does not recognise the class reliably"),
    ],
)
def test_the_verdict(synthetic: Sequence[int], real: Sequence[int], sentence: str) -> None:
    details: dict[str, float | None] = {"instead": 0}
    for key, (hits, count) in (("made", synthetic), ("real", real)):
        ends = wilson(hits, count)
        assert ends is not None
        details |= {key: hits, f"{key}_low": ends[0], f"{key}_high": ends[1]}
    counts = {"made": synthetic[1], "real": real[1], "others": 0, "training": 50, "classes": 5}
    score = Score(
        "agreement", synthetic[0] / synthetic[1], baseline=real[0] / real[1], counts=counts,
        details=details,
    )  # fmt: skip
    assert sentence in str(sentences.with_sentence(score, "WaferNet").sentence)


def test_class_agreement_is_one_of_the_scores(classes: Classes) -> None:
    synthetic = simulate_many("Center", 20, 30)
    reported: list[float] = []
    scores = score_synthetic(
        synthetic, classes.training["Center"], classes.held_out["Center"], {}, classes=classes,
        on_progress=Progress(lambda share, _: reported.append(share)),
    )  # fmt: skip
    assert scores.scores["agreement"].value == agreement(synthetic, classes).value
    assert "Class agreement: " in str(scores.sentence)
    assert reported == sorted(reported)
    assert reported[-1] == 1
    assert len(scores.wafernet) == 64
    assert scores.wafernet.startswith(scores.weights)


def test_equal_pictures_in_every_class_do_not_break_it() -> None:
    """All classes hold the same wafer, so they cannot be separated."""
    plain = [np.full((12, 12), 127, np.uint8)] * 6
    every = {"a": plain, "b": plain}
    score = sentences.with_sentence(agreement(plain, Classes("a", every, every)), "")
    assert score.value in (0, 1)
    assert str(score.sentence).endswith(".")


def test_the_classifier_is_independent_of_the_names_and_order_of_the_classes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Generate passes each class first in turn, and score by name: one training is enough."""
    monkeypatch.setattr(class_agreement, "_cached", type(class_agreement._cached)())
    sets = [simulate_many(name, 8, seed=3) for name in ("Center", "Edge-Ring", "Scratch")]
    one = class_agreement.reference_classifier(sets)
    other = class_agreement.reference_classifier([sets[2], sets[0], sets[1]])
    assert other.classifier is one.classifier
    everything = [picture for each in sets for picture in each]
    assert (one.predict(everything) == np.repeat([0, 1, 2], 8)).mean() > 0.9
    np.testing.assert_array_equal(
        np.array([2, 0, 1])[other.predict(everything)], one.predict(everything)
    )
    assert class_agreement.membership(sets[1], {"a": sets[0], "b": sets[2]}) is not None
    assert len(class_agreement._cached) == 1
