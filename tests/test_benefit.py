"""Does it help: the arms, what is told of them, and the advice."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch

from wafer_core.errors import Cancelled, InputError, ParameterError
from wafer_core.jobs.events import plain
from wafer_core.metrics.paired import Difference
from wafer_core.tasks.classification.config import TrainData
from wafer_core.tasks.studies import ablation, advice, conditions
from wafer_core.tasks.studies.ablation import AUTOMATIC, PARAMETERS, Benefit, BenefitConfig
from wafer_core.tasks.studies.advice import MATTERS, advise, needed
from wafer_core.tasks.studies.conditions import ARMS, MAKERS, Order, StudyData, Training
from wafers import disc, marked

CPU = torch.device("cpu")


def study_data(made: tuple[str, ...] = ("transforms", "generated"), tested: int = 6) -> StudyData:
    labels = np.array([0, 0, 0, 1, 1, 1])
    originals = TrainData(
        ("A", "B"), [marked(k) for k in range(6)], labels, [marked(9), marked(10)], np.array([0, 1])
    )
    added = {
        kind: ([marked(100 + k) for k in range(4)], np.array([0, 0, 1, 1])) if kind in made
        else ([], np.zeros(0, np.int64))
        for kind in MAKERS
    }  # fmt: skip
    test = np.arange(tested) % 2
    return StudyData(originals, added, [marked(50 + k) for k in range(tested)], test,
                     [str(k // 2) for k in range(tested)])  # fmt: skip


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Trainings that take no time: originals alone name half rightly, the others everything."""
    done: list[tuple[str, int]] = []

    def train_arm(data: StudyData, arm: str, config: Any, device: Any, tell: Any) -> Training:
        tell(0.5)
        done.append((arm, config.seed))
        called = data.test_labels.copy()
        if arm == "none":
            called[::4] = 1 - called[::4]
        return Training(arm, config.seed, called, 6, 2, 0.1)

    monkeypatch.setattr(ablation, "train_arm", train_arm)
    return done


# -- the arms ------------------------------------------------------------------------------------


def test_every_arm_learns_from_the_same_originals_and_what_it_adds() -> None:
    data = study_data().check()
    assert data.arms == ("none", "transforms", "generated", "both")
    counts = {arm: len(data.learning(arm).train_pictures) for arm in data.arms}
    assert counts == {"none": 6, "transforms": 10, "generated": 10, "both": 14}
    for arm in data.arms:
        learning = data.learning(arm)
        assert learning.train_pictures[:6] == data.originals.train_pictures
        assert learning.validation_pictures is data.originals.validation_pictures
        assert len(learning.train_labels) == counts[arm]
    assert data.learning("both").train_labels.tolist() == [0, 0, 0, 1, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1]


def test_an_arm_of_which_nothing_was_made_is_left_out() -> None:
    assert study_data(("transforms",)).check().arms == ("none", "transforms")
    with pytest.raises(InputError, match="nothing to compare"):
        study_data(()).check()


def test_without_a_test_picture_nothing_can_be_judged() -> None:
    with pytest.raises(InputError, match="No picture is in the test part"):
        study_data(tested=0).check()


def test_one_real_training_names_every_test_picture() -> None:
    told: list[float] = []
    config = BenefitConfig("wafer_cnn", epochs=2).training(3)
    done = conditions.train_arm(study_data(), "transforms", config, CPU, told.append)
    assert done.called.shape == (6,)
    assert set(done.called) <= {0, 1}
    assert (done.arm, done.seed, done.pictures, done.epochs) == ("transforms", 3, 10, 2)
    assert told == sorted(told)
    assert 0 < told[0] < told[-1] <= 1


def test_what_is_made_for_a_study() -> None:
    originals = [marked(k, 24) for k in range(4)]
    for kind, make in MAKERS.items():
        told: list[float] = []
        made = make(Order(originals, 5, 1), CPU, told.append)
        assert len(made) == 5, kind
        assert {picture.shape for picture in made} == {(24, 24)}
        assert told == sorted(told)
        assert told[-1] <= 1
    with pytest.raises(InputError):
        MAKERS["generated"](Order([marked(1)], 5, 1), CPU, told.append)


# -- settings ------------------------------------------------------------------------------------


def test_without_turns_nothing_varies_but_the_pictures() -> None:
    as_usual = BenefitConfig(seed=4).training(2)
    assert (as_usual.turns, as_usual.seed, as_usual.network) == (True, 6, "wafernet")
    bare = BenefitConfig(network="wafer_cnn", turns=False).training(0)
    assert not bare.turns
    assert not bare.joint
    assert not bare.average_turns
    assert bare.rotation_share == 0


@pytest.mark.parametrize(
    "settings",
    [{"network": "vgg"}, {"seeds": 0}, {"seeds": 21}, {"made": 0}, {"turns": "yes"},
     {"epochs": 0}, {"seed": -1}, {"network": None}],
)  # fmt: skip
def test_wrong_settings_are_told(settings: dict[str, Any]) -> None:
    with pytest.raises(ParameterError):
        BenefitConfig(**settings)


def test_settings_explain_themselves() -> None:
    for name, spec in PARAMETERS.items():
        assert spec.help.endswith(".")
        default = getattr(BenefitConfig(), name)
        assert (default is None) == (name in AUTOMATIC)
        assert default is None or spec.default == default


def test_more_pictures_are_more_work() -> None:
    config = BenefitConfig("wafer_cnn", epochs=3)
    assert ablation.looks(100, config) == 300
    assert ablation.work(study_data(), "both", config) == 14 * 3
    # a last layer that is fitted first counts too
    assert ablation.looks(100, BenefitConfig(epochs=3)) > 300


# -- the comparison -----------------------------------------------------------------------------


def test_every_arm_is_trained_with_every_seed(quick: list[tuple[str, int]]) -> None:
    shares: list[float] = []
    texts: list[str] = []

    def tell(share: float, text: str) -> None:
        shares.append(share)
        texts.append(text)

    *trainings, found = ablation.compare(study_data(), BenefitConfig(seeds=2, seed=5), CPU, tell)
    assert quick == [(arm, seed) for seed in (5, 6) for arm in ARMS]
    assert [(t.arm, t.seed) for t in trainings if isinstance(t, Training)] == quick
    assert shares == sorted(shares)
    assert shares[0] == 0
    assert shares[-1] < 1
    assert texts[0] == "Repeat 1 of 2: originals alone"
    assert isinstance(found, Benefit)
    value = found.to_json()
    assert json.loads(json.dumps(plain(value), allow_nan=False)) == value
    assert value["arms"]["both"]["macro_f1"] == 1
    # test labels 0 1 0 1 0 1, the first and fifth named wrongly: 1 of 3 and 3 of 3, 3/5 of “B”
    assert value["arms"]["none"]["per_class"] == pytest.approx({"A": 1 / 2, "B": 3 / 4})
    assert value["arms"]["none"]["macro_f1"] == pytest.approx(5 / 8)
    first = value["differences"][0]
    assert (first["arm"], first["against"]) == ("transforms", "none")
    assert first["macro_f1"]["value"] == pytest.approx(3 / 8)
    assert first["per_class"]["A"]["value"] == pytest.approx(1 / 2)
    pairs = [(d["arm"], d["against"]) for d in value["differences"]]
    assert ("generated", "transforms") in pairs
    assert ("both", "transforms") in pairs
    assert value["test"] == {"pictures": 6, "lots": 3, "per_class": {"A": 3, "B": 3}}
    assert value["advice"]["keep"] == "unknown"  # three lots are too few
    assert set(value["advice_per_class"]) == {"A", "B"}


def test_a_clear_gain_on_many_lots_is_kept(quick: list[tuple[str, int]]) -> None:
    *_, found = ablation.compare(study_data(tested=60), BenefitConfig(seeds=2), CPU)
    assert isinstance(found, Benefit)
    assert found.advice.keep in ("transforms", "generated")
    assert found.advice.more_test is None


def test_a_cancelled_study_ends_within_a_training(quick: list[tuple[str, int]]) -> None:
    def tell(share: float, text: str) -> None:
        if share > 0.3:
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        list(ablation.compare(study_data(), BenefitConfig(), CPU, tell))
    assert len(quick) < 8


def test_a_stopped_study_keeps_whole_repeats(quick: list[tuple[str, int]]) -> None:
    *_, found = ablation.compare(study_data(), BenefitConfig(seeds=5), CPU, None, lambda: True)
    assert isinstance(found, Benefit)
    assert found.stopped
    assert {seed for _, seed in quick} == {0}
    assert found.advice.more_repeats == 3  # of one training nobody knows what is luck


def test_two_real_trainings_and_what_they_say() -> None:
    data = study_data(("transforms",))
    *trainings, found = ablation.compare(data, BenefitConfig("wafer_cnn", seeds=1, epochs=1), CPU)
    assert [t.arm for t in trainings if isinstance(t, Training)] == ["none", "transforms"]
    assert isinstance(found, Benefit)
    (training,) = [t for t in found.trainings if t.arm == "none"]
    told = ablation.macro_f1_of(data, training)
    assert told == found.answers.macro_f1()[0, 0]


# -- the advice ---------------------------------------------------------------------------------


def told(
    gains: dict[str, tuple[float, float, float]],
    apart: dict[tuple[str, str], tuple[float, float, float]] | None = None,
    **more: Any,
) -> advice.Advice:
    """Advice for gains over none (value, low, high), and differences between the others."""
    figures = {"none": 0.7, **{arm: 0.7 + gain[0] for arm, gain in gains.items()}}
    found = {(arm, "none"): Difference(*gain, 0.03, 0.0) for arm, gain in gains.items()}
    found |= {pair: Difference(*gap, 0.03, 0.0) for pair, gap in (apart or {}).items()}
    return advise(figures, found, **{"tested": 100, "lots": 40, "seeds": 3, **more})


def test_what_helps_beyond_doubt_is_kept() -> None:
    found = told(
        {"transforms": (0.01, -0.02, 0.04), "generated": (0.05, 0.02, 0.08),
         "both": (0.055, 0.02, 0.09)},
        {("generated", "transforms"): (0.04, 0.01, 0.07),
         ("both", "generated"): (0.005, -0.02, 0.03)},
    )  # fmt: skip
    assert found.keep == "generated"
    assert "Macro-F1 on test wafers, all of them real, rises from 0.700 to 0.750" in found.sentence
    assert "+5.0 points (95 % interval +2.0 to +8.0)" in found.sentence
    assert "Adding the transforms as well brings no more" in found.sentence
    assert "better than transforms: +4.0 points" in found.sentence


def test_both_are_kept_only_if_they_beat_each_alone() -> None:
    gains = {"transforms": (0.03, 0.01, 0.05), "both": (0.08, 0.05, 0.11)}
    assert told(gains, {("both", "transforms"): (0.05, 0.02, 0.08)}).keep == "both"
    assert told(gains, {("both", "transforms"): (0.05, -0.02, 0.08)}).keep == "transforms"
    unsure = {"transforms": (0.03, -0.01, 0.05), "both": (0.08, 0.05, 0.11)}
    assert told(unsure).keep == "both"  # nothing alone helps beyond doubt


def test_which_of_two_does_it_may_stay_open() -> None:
    gains = {"transforms": (0.05, 0.02, 0.08), "generated": (0.04, 0.01, 0.07)}
    found = told(gains, {("generated", "transforms"): (-0.01, -0.03, 0.01)})
    assert found.keep == "transforms"
    assert "cannot be told apart" in found.sentence


def test_what_brings_less_than_two_points_is_not_kept() -> None:
    assert MATTERS == 0.02
    found = told({"transforms": (0.004, -0.01, 0.018), "generated": (-0.03, -0.05, -0.01)})
    assert found.keep == "none"
    assert "the most is +0.4 points" in found.sentence
    assert "It falls with the generated wafers" in found.sentence


def test_a_wide_interval_says_how_many_more_wafers_would_tell() -> None:
    """Half a width of 6 points on 100 wafers, to tell 3: four times as many, so 300 more."""
    gain = Difference(0.03, -0.03, 0.09, 0.06, 0.0)
    assert needed(gain, 100, 3) == (300, None)
    found = told({"generated": (0.015, -0.03, 0.09)})
    assert found.keep == "unknown"
    assert found.more_test == 130  # 3 points of half width, to tell 2: 225 in all, roughly
    assert "About 130 more would tell a difference of 2 points" in found.sentence


def test_where_trainings_differ_most_more_repeats_are_asked_for() -> None:
    """Half a width of 7 points from 4 repeats, 70 % of 2 points are allowed: 25 times as many."""
    gain = Difference(0.02, -0.07, 0.11, 0.01, 0.07)
    assert needed(gain, 100, 4) == (None, 20)  # as many as a study does
    assert needed(Difference(0.1, -0.05, 0.25, 0.01, 0.14), 100, 4) == (None, 16)


@pytest.mark.parametrize("few", [{"lots": 4, "tested": 40}, {"seeds": 1}])
def test_few_lots_or_one_repeat_decide_nothing(few: dict[str, int]) -> None:
    found = told({"generated": (0.2, 0.1, 0.3)}, **few)
    assert found.keep == "unknown"
    assert ("add wafers of other lots" in found.sentence) == ("lots" in few)
    assert (found.more_repeats == 3) == ("seeds" in few)


def test_advice_for_a_class_names_it() -> None:
    found = told({"generated": (0.2, 0.1, 0.3)}, of="Ring")
    assert "The F1 of Ring on test wafers" in found.sentence
    found = told({"generated": (0.01, -0.1, 0.1)}, of="Ring", tested=1, lots=1)
    assert "on 1 test wafer of Ring." in found.sentence


def test_a_blank_wafer_is_a_picture_like_any_other() -> None:
    """All originals alike: the generator cannot be asked, transforms make what they can."""
    alike = Order([disc(), disc()], 3, 0)
    assert len(MAKERS["transforms"](alike, CPU, lambda share: None)) == 3
    with pytest.raises(InputError, match="1 different training picture"):
        MAKERS["generated"](alike, CPU, lambda share: None)
