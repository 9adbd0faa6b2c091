"""Class agreement: judged by a classifier that saw originals alone, beside what real ones reach."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wafer_core.images import Picture
from wafer_core.metrics.shares import difference, wilson
from wafer_core.simulator import simulate_many
from wafer_core.tasks.evaluation import class_agreement as judging
from wafer_core.tasks.evaluation import sentences
from wafer_core.tasks.evaluation.class_agreement import Classes, agreement
from wafer_core.tasks.evaluation.scoring import score_made
from wafer_core.tasks.evaluation.sentences import Score

NAMES = ("Center", "Edge-Ring", "none")


def sets(count: int, seed: int) -> dict[str, list[Picture]]:
    return {name: simulate_many(name, count, seed + k) for k, name in enumerate(NAMES)}


@pytest.fixture(scope="module")
def classes() -> Classes:
    return Classes("Center", sets(8, 10), sets(6, 20))


# -- shares --------------------------------------------------------------------------------------


def test_wilson_by_hand() -> None:
    """Ten of ten: lower end n / (n + z²); none of none: nothing is known."""
    z = 1.959964
    assert wilson(10, 10) == pytest.approx((10 / (10 + z**2), 1.0))
    assert wilson(0, 10) == pytest.approx((0.0, z**2 / (10 + z**2)))
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)  # Newcombe 1998, table I
    assert wilson(0, 0) is None


def test_difference_of_shares_by_hand() -> None:
    """Newcombe 1998, table II, 56/70 against 48/80: 0.0524 to 0.3339."""
    assert difference((56, 70), (48, 80)) == pytest.approx((0.0524, 0.3339), abs=1e-4)
    assert difference((1, 1), (0, 0)) is None


@given(st.integers(1, 500), st.data())
def test_a_share_lies_in_its_interval(count: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, count))
    ends = wilson(hits, count)
    assert ends is not None
    assert 0 <= ends[0] <= hits / count <= ends[1] <= 1
    turned = difference((count - hits, count), (hits, count))
    same = difference((hits, count), (count - hits, count))
    assert turned is not None
    assert same is not None
    assert turned == pytest.approx((-same[1], -same[0]))


# -- the figure ----------------------------------------------------------------------------------


def test_pictures_of_the_class_agree_and_others_do_not(classes: Classes) -> None:
    good = agreement(simulate_many("Center", 20, 30), classes)
    assert good.value == good.same_counts
    assert good.value is not None
    assert good.value >= 0.9
    assert good.counts == {"made": 20, "real": 6, "others": 12, "training": 24, "classes": 3}
    assert good.floor is not None
    assert good.ceiling is not None
    assert good.ceiling < 0.3 < 0.8 < good.floor
    bad = agreement(simulate_many("Edge-Ring", 20, 31), classes)
    assert bad.value is not None
    assert bad.value <= 0.1
    assert bad.instead == "Edge-Ring"
    assert bad.details["instead"] >= 18
    assert bad.details["made"] == round(20 * bad.value)
    assert (bad.details["made_low"], bad.details["made_high"]) == wilson(round(20 * bad.value), 20)
    told = sentences.worded(bad, "WaferNet").sentence
    assert "made pictures are recognised less often than real ones" in told
    assert "taken for Edge-Ring" in told
    assert "of 20 made pictures in their class" in told


def test_the_classifier_never_sees_a_made_or_held_out_picture(
    classes: Classes, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[Picture]] = []
    train = judging.train

    def spy(data: Any, *args: Any, **more: Any) -> Any:
        seen.append([*data.train_pictures, *data.validation_pictures])
        return train(data, *args, **more)

    monkeypatch.setattr(judging, "train", spy)
    monkeypatch.setattr(judging, "_known", type(judging._known)())
    agreement(simulate_many("Center", 5, 77), classes)
    allowed = {p.tobytes() for each in classes.training.values() for p in each}
    assert [p.tobytes() in allowed for p in seen[0]] == [True] * 24
    # another run of the same project, or another of its classes, is judged by the same classifier
    agreement(simulate_many("none", 5, 78), replace(classes, name="none"))
    assert len(seen) == 1
    agreement(simulate_many("none", 5, 78), Classes("none", sets(7, 10), classes.held_out))
    assert len(seen) == 2


def test_a_class_takes_part_with_as_many_as_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "EACH", 6)
    training = {**sets(8, 10), "none": sets(5, 10)["none"]}
    counts = agreement(training["Center"], Classes("Center", training, {})).counts
    assert counts["training"] == 6 + 6 + 5


# -- where there is none -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda c: None, "another class to tell this one from"),
        (lambda c: Classes("Center", {"Center": c.training["Center"]}, {}), "another class to"),
        (lambda c: replace(c, training={**c.training, "Center": c.training["Center"][:1]}),
         "5 training originals of “Center” or more, so that a classifier can learn it, and there "
         "are 1"),
        (lambda c: replace(c, training={k: v if k == "Center" else v[:4]
                                        for k, v in c.training.items()}),
         "another class with 5 training originals or more"),
        (lambda c: replace(c, training={}), "another class to tell this one from"),
    ],
)  # fmt: skip
def test_too_few_to_learn_from_get_a_sentence(
    classes: Classes, change: Callable[[Classes], Classes | None], sentence: str
) -> None:
    score = agreement(simulate_many("Center", 3, 1), change(classes))
    assert score.value is None
    assert score.note is not None
    assert sentence in score.note
    assert sentences.worded(score, "").sentence == score.note
    assert score.note.endswith(".")


def test_without_made_or_held_out_pictures(classes: Classes) -> None:
    none = agreement([], classes)
    assert none.value is None
    assert none.note is not None
    alone = sentences.worded(
        agreement(classes.training["Center"], replace(classes, held_out={})), ""
    )
    assert alone.value == 1
    assert (alone.floor, alone.ceiling, alone.place) == (None, None, None)
    assert "No original of the class was held out" in alone.sentence


@pytest.mark.parametrize(
    ("made", "real", "sentence"),
    [
        ((90, 100), (90, 100), "as often as real ones, as far as so many can tell"),
        ((50, 100), (95, 100), "recognised less often than real ones"),
        ((100, 100), (60, 100), "more typical of the class than real ones; look at recall"),
        ((100, 100), (4, 10), "it hardly knows the class itself"),
    ],
)
def test_what_it_means(made: Sequence[int], real: Sequence[int], sentence: str) -> None:
    details: dict[str, float | None] = {"instead": 0}
    for key, (hits, count) in (("made", made), ("real", real)):
        ends = wilson(hits, count)
        assert ends is not None
        details |= {key: hits, f"{key}_low": ends[0], f"{key}_high": ends[1]}
    counts = {"made": made[1], "real": real[1], "others": 0, "training": 50, "classes": 5}
    score = Score(
        "agreement", made[0] / made[1], floor=real[0] / real[1], counts=counts, details=details
    )
    assert sentence in sentences.worded(score, "WaferNet").sentence


def test_scores_tell_it(classes: Classes) -> None:
    made = simulate_many("Center", 20, 30)
    told: list[float] = []
    scores = score_made(
        made, classes.training["Center"], classes.held_out["Center"], {}, classes=classes,
        progress=told.append,
    )  # fmt: skip
    assert scores.scores["agreement"].value == agreement(made, classes).value
    assert "are put in their class" in scores.sentence
    assert told == sorted(told)
    assert told[-1] == 1
    assert len(scores.wafernet) == 64
    assert scores.wafernet.startswith(scores.weights)


def test_pictures_of_one_kind_in_every_class_do_not_break_it() -> None:
    """All classes hold the same wafer: nothing can be told apart, and nothing breaks."""
    plain = [np.full((12, 12), 127, np.uint8)] * 6
    every = {"a": plain, "b": plain}
    score = sentences.worded(agreement(plain, Classes("a", every, every)), "")
    assert score.value in (0, 1)
    assert score.sentence.endswith(".")


def test_a_judge_is_the_same_whatever_the_classes_are_called_and_their_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Generate asks class by class, each first in turn, and score by name: one training does."""
    monkeypatch.setattr(judging, "_known", type(judging._known)())
    sets = [simulate_many(name, 8, seed=3) for name in ("Center", "Edge-Ring", "Scratch")]
    one = judging.judge_of(sets)
    other = judging.judge_of([sets[2], sets[0], sets[1]])
    assert other.classifier is one.classifier
    everything = [picture for each in sets for picture in each]
    assert (one.label(everything) == np.repeat([0, 1, 2], 8)).mean() > 0.9
    np.testing.assert_array_equal(
        np.array([2, 0, 1])[other.label(everything)], one.label(everything)
    )
    assert judging.membership(sets[1], {"a": sets[0], "b": sets[2]}) is not None
    assert len(judging._known) == 1
