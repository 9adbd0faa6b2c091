"""Does it help: the conditions, the result, and the advice."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch

from wafer_core.errors import Cancelled, DataError, InputError, ParameterError
from wafer_core.files import json_value
from wafer_core.metrics.paired import Difference
from wafer_core.parameters import parameters_of
from wafer_core.progress import SILENT, Progress
from wafer_core.tasks.classification.train_data import TrainData
from wafer_core.tasks.studies import ablation, advice, conditions
from wafer_core.tasks.studies.ablation import AblationConfig
from wafer_core.tasks.studies.ablation_result import AblationResult
from wafer_core.tasks.studies.advice import MATTERS, advise, needed
from wafer_core.tasks.studies.conditions import (
    CONDITIONS,
    SYNTHESIZERS,
    StudyData,
    SynthesisRequest,
    Training,
)
from wafers import disc, marked

CPU = torch.device("cpu")


def study_data(kinds: tuple[str, ...] = ("transforms", "generated"), tested: int = 6) -> StudyData:
    labels = np.array([0, 0, 0, 1, 1, 1])
    originals = TrainData(
        ("A", "B"), [marked(k) for k in range(6)], labels, [marked(9), marked(10)], np.array([0, 1])
    )
    added = {
        kind: ([marked(100 + k) for k in range(4)], np.array([0, 0, 1, 1])) if kind in kinds
        else ([], np.zeros(0, np.int64))
        for kind in SYNTHESIZERS
    }  # fmt: skip
    test = np.arange(tested) % 2
    return StudyData(originals, added, [marked(50 + k) for k in range(tested)], test,
                     [str(k // 2) for k in range(tested)])  # fmt: skip


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Instant trainings: originals only predict some test pictures wrongly, the others none."""
    done: list[tuple[str, int]] = []

    def train_condition(
        data: StudyData, condition: str, config: Any, device: Any, on_progress: Any
    ) -> Training:
        on_progress(0.5)
        done.append((condition, config.seed))
        predicted = data.test_labels.copy()
        if condition == "none":
            predicted[::4] = 1 - predicted[::4]
        return Training(condition, config.seed, predicted, 6, 2, 0.1)

    monkeypatch.setattr(ablation, "train_condition", train_condition)
    return done


# -- the conditions ------------------------------------------------------------------------------


def test_every_condition_has_the_same_originals_and_what_it_adds() -> None:
    data = study_data().check()
    assert data.conditions == ("none", "transforms", "generated", "both")
    counts = {name: len(data.train_data(name).train_pictures) for name in data.conditions}
    assert counts == {"none": 6, "transforms": 10, "generated": 10, "both": 14}
    for name in data.conditions:
        train_data = data.train_data(name)
        assert train_data.train_pictures[:6] == data.originals.train_pictures
        assert train_data.validation_pictures is data.originals.validation_pictures
        assert len(train_data.train_labels) == counts[name]
    labels = data.train_data("both").train_labels.tolist()
    assert labels == [0, 0, 0, 1, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1]


def test_a_condition_without_synthetic_pictures_is_left_out() -> None:
    assert study_data(("transforms",)).check().conditions == ("none", "transforms")
    with pytest.raises(InputError, match="nothing to compare"):
        study_data(()).check()


def test_an_empty_test_split_is_refused() -> None:
    with pytest.raises(InputError, match="The test split is empty"):
        study_data(tested=0).check()


def test_one_real_training_predicts_every_test_picture() -> None:
    shares: list[float] = []
    config = AblationConfig("wafer_cnn", epochs=2).training(3)
    done = conditions.train_condition(study_data(), "transforms", config, CPU, shares.append)
    assert done.predicted.shape == (6,)
    assert set(done.predicted) <= {0, 1}
    assert (done.condition, done.seed, done.pictures, done.epochs) == ("transforms", 3, 10, 2)
    assert shares == sorted(shares)
    assert 0 < shares[0] < shares[-1] <= 1


def test_synthetic_pictures_are_made_for_a_study() -> None:
    originals = [marked(k, 24) for k in range(4)]
    for kind, synthesize in SYNTHESIZERS.items():
        shares: list[float] = []
        found = synthesize(SynthesisRequest(originals, 5, 1), CPU, shares.append)
        assert len(found) == 5, kind
        assert {picture.shape for picture in found} == {(24, 24)}
        assert shares == sorted(shares)
        assert shares[-1] <= 1
    with pytest.raises(InputError):
        SYNTHESIZERS["generated"](SynthesisRequest([marked(1)], 5, 1), CPU, SILENT)


# -- settings ------------------------------------------------------------------------------------


def test_without_augmentation_only_the_pictures_vary() -> None:
    as_usual = AblationConfig(seed=4).training(2)
    assert (as_usual.turns, as_usual.seed, as_usual.network) == (True, 6, "wafernet")
    bare = AblationConfig(network="wafer_cnn", turns=False).training(0)
    assert not bare.turns
    assert not bare.joint
    assert not bare.average_turns
    assert bare.rotation_share == 0


@pytest.mark.parametrize(
    "settings",
    [{"network": "vgg"}, {"seeds": 0}, {"seeds": 21}, {"made": 0}, {"turns": "yes"},
     {"epochs": 0}, {"seed": -1}, {"network": None}],
)  # fmt: skip
def test_wrong_settings_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ParameterError):
        AblationConfig(**settings)


def test_settings_explain_themselves() -> None:
    for name, parameter in parameters_of(AblationConfig).items():
        assert parameter.help.endswith(".")
        assert parameter.default == getattr(AblationConfig(), name)


def test_work_grows_with_the_number_of_pictures() -> None:
    config = AblationConfig("wafer_cnn", epochs=3)
    assert ablation.samples_seen(100, config) == 300
    assert ablation.work(study_data(), "both", config) == 14 * 3
    # a fitted last layer is work too
    assert ablation.samples_seen(100, AblationConfig(epochs=3)) > 300


# -- the comparison -----------------------------------------------------------------------------


def test_every_condition_is_trained_with_every_seed(quick: list[tuple[str, int]]) -> None:
    shares: list[float] = []
    texts: list[str] = []

    def report(share: float, text: object) -> None:
        shares.append(share)
        texts.append(str(text))

    config = AblationConfig(seeds=2, seed=5)
    *trainings, found = ablation.compare(study_data(), config, CPU, Progress(report))
    assert quick == [(name, seed) for seed in (5, 6) for name in CONDITIONS]
    assert [(t.condition, t.seed) for t in trainings if isinstance(t, Training)] == quick
    assert shares == sorted(shares)
    assert shares[0] == 0
    assert shares[-1] < 1
    assert texts[0] == "Repeat 1 of 2: Originals only"
    assert isinstance(found, AblationResult)
    value = json.loads(json.dumps(json_value(found.to_json()), allow_nan=False))
    assert AblationResult.from_json(value) == found
    assert value["arms"]["both"]["macro_f1"] == 1
    # test labels 0 1 0 1 0 1, the first and fifth predicted wrongly: 1 of 3 and 3 of 3, 3/5 of “B”
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
    *_, found = ablation.compare(study_data(tested=60), AblationConfig(seeds=2), CPU)
    assert isinstance(found, AblationResult)
    assert found.advice.keep in ("transforms", "generated")
    assert found.advice.more_test is None


def test_a_cancelled_study_ends_within_a_training(quick: list[tuple[str, int]]) -> None:
    def report(share: float, text: object) -> None:
        if share > 0.3:
            raise Cancelled

    with pytest.raises(Cancelled):
        list(ablation.compare(study_data(), AblationConfig(), CPU, Progress(report)))
    assert len(quick) < 8


def test_a_stopped_study_keeps_whole_repeats(quick: list[tuple[str, int]]) -> None:
    config = AblationConfig(seeds=5)
    *_, found = ablation.compare(study_data(), config, CPU, should_stop=lambda: True)
    assert isinstance(found, AblationResult)
    assert found.stopped
    assert {seed for _, seed in quick} == {0}
    assert found.advice.more_repeats == 3  # with one training the seed variance is unknown


def test_two_real_trainings_and_their_scores() -> None:
    data = study_data(("transforms",))
    *trainings, found = ablation.compare(data, AblationConfig("wafer_cnn", seeds=1, epochs=1), CPU)
    assert [t.condition for t in trainings if isinstance(t, Training)] == ["none", "transforms"]
    assert isinstance(found, AblationResult)
    for training in trainings:
        assert isinstance(training, Training)
        (score,) = found.conditions[training.condition].macro_f1_by_seed
        assert ablation.macro_f1_of(data, training) == score


# -- the advice ---------------------------------------------------------------------------------


def advised(
    gains: dict[str, tuple[float, float, float]],
    others: dict[tuple[str, str], tuple[float, float, float]] | None = None,
    base: float = 0.7,
    **more: Any,
) -> advice.Advice:
    """Advice for gains over none (value, low, high), and differences between the others."""
    scores = {"none": base, **{name: base + gain[0] for name, gain in gains.items()}}
    found = {(name, "none"): Difference(*gain, 0.03, 0.0) for name, gain in gains.items()}
    found |= {pair: Difference(*gap, 0.03, 0.0) for pair, gap in (others or {}).items()}
    return advise(scores, found, **{"tested": 100, "lots": 40, "seeds": 3, **more})


def test_what_helps_significantly_is_kept() -> None:
    found = advised(
        {"transforms": (0.01, -0.02, 0.04), "generated": (0.05, 0.02, 0.08),
         "both": (0.055, 0.02, 0.09)},
        {("generated", "transforms"): (0.04, 0.01, 0.07),
         ("both", "generated"): (0.005, -0.02, 0.03)},
    )  # fmt: skip
    assert found.keep == "generated"
    sentence = str(found.sentence)
    assert sentence.startswith("Keep the generated wafers. On real test wafers, macro-F1 rises")
    assert "rises from 0.700 to 0.750: +5.0 points (95% interval +2.0 to +8.0)." in sentence
    assert "Adding transforms as well brings no measurable improvement." in sentence
    assert "Generated wafers are better than transforms: +4.0 points" in sentence


def test_both_are_kept_only_if_they_beat_each_alone() -> None:
    gains = {"transforms": (0.03, 0.01, 0.05), "both": (0.08, 0.05, 0.11)}
    assert advised(gains, {("both", "transforms"): (0.05, 0.02, 0.08)}).keep == "both"
    assert advised(gains, {("both", "transforms"): (0.05, -0.02, 0.08)}).keep == "transforms"
    unsure = {"transforms": (0.03, -0.01, 0.05), "both": (0.08, 0.05, 0.11)}
    assert advised(unsure).keep == "both"  # neither alone helps significantly


def test_which_of_two_is_better_may_be_unclear() -> None:
    gains = {"transforms": (0.05, 0.02, 0.08), "generated": (0.04, 0.01, 0.07)}
    found = advised(gains, {("generated", "transforms"): (-0.01, -0.03, 0.01)})
    assert found.keep == "transforms"
    assert "unclear whether transforms or generated wafers are better" in str(found.sentence)


def test_what_brings_less_than_two_points_is_not_kept() -> None:
    assert MATTERS == 0.02
    found = advised({"transforms": (0.004, -0.01, 0.018), "generated": (-0.03, -0.05, -0.01)})
    assert found.keep == "none"
    assert "Best result: transforms, +0.4 points" in str(found.sentence)
    assert "The score falls with generated wafers; leave these out." in str(found.sentence)


def test_a_wide_interval_says_how_many_more_wafers_are_needed() -> None:
    """Half a width of 6 points on 100 wafers, to detect 3: four times as many, so 300 more."""
    gain = Difference(0.03, -0.03, 0.09, 0.06, 0.0)
    assert needed(gain, 100, 3) == (300, None)
    found = advised({"generated": (0.015, -0.03, 0.09)})
    assert found.keep == "unknown"
    assert found.more_test == 130  # 3 points of half width, to detect 2: 225 in all, roughly
    assert "About 130 more test wafers would show a difference of 2 points" in str(found.sentence)


def test_where_trainings_differ_most_more_repeats_are_advised() -> None:
    """Half a width of 7 points from 4 repeats, 70 % of 2 points are allowed: 25 times as many."""
    gain = Difference(0.02, -0.07, 0.11, 0.01, 0.07)
    assert needed(gain, 100, 4) == (None, 20)  # as many as a study does
    assert needed(Difference(0.1, -0.05, 0.25, 0.01, 0.14), 100, 4) == (None, 16)


@pytest.mark.parametrize("few", [{"lots": 4, "tested": 40}, {"seeds": 1}])
def test_few_lots_or_one_repeat_decide_nothing(few: dict[str, int]) -> None:
    found = advised({"generated": (0.2, 0.1, 0.3)}, **few)
    assert found.keep == "unknown"
    assert ("add wafers from other lots" in str(found.sentence)) == ("lots" in few)
    assert (found.more_repeats == 3) == ("seeds" in few)


def test_advice_for_a_class_names_it() -> None:
    found = advised({"generated": (0.2, 0.1, 0.3)}, class_name="Ring")
    assert "On real test wafers, F1 of Ring rises from 0.700" in str(found.sentence)
    found = advised({"generated": (0.01, -0.1, 0.1)}, class_name="Ring", tested=1, lots=1)
    assert "Tested on 1 test wafer of Ring." in str(found.sentence)


@pytest.mark.parametrize("few", [{}, {"lots": 2}, {"seeds": 1}])
def test_at_a_ceiling_nothing_is_left_to_gain(few: dict[str, int]) -> None:
    """Not “about 600 more test wafers”, which could not show a gain either."""
    gains = {"transforms": (0.0, -0.03, 0.03), "generated": (0.0, -0.04, 0.04)}
    found = advised(gains, base=1.0, **few)
    assert (found.keep, found.more_test, found.more_repeats) == ("none", None, None)
    assert str(found.sentence) == (
        "Nothing left to gain: with originals only, macro-F1 is already 1.000 on 100 test wafers. "
        "More difficult test wafers could still show a difference."
    )
    harmful = {**gains, "generated": (-0.2, -0.3, -0.1)}
    assert "falls with generated wafers" in str(advised(harmful, base=1.0, **few).sentence)
    assert advised(gains, base=0.97, **few).keep == "unknown"


# -- stored results ------------------------------------------------------------------------------


@pytest.fixture
def stored(quick: list[tuple[str, int]]) -> dict[str, Any]:
    """A result as it is stored."""
    *_, found = ablation.compare(study_data(), AblationConfig(seeds=2), CPU)
    assert isinstance(found, AblationResult)
    value: dict[str, Any] = json.loads(json.dumps(json_value(found.to_json())))
    return value


def test_a_result_with_plain_texts_of_an_older_version_can_be_read(stored: dict[str, Any]) -> None:
    stored["advice"] |= {"title": "Keep both", "sentence": "Keep both. They help."}
    stored["arms"]["both"]["title"] = "With both"
    found = AblationResult.from_json(stored)
    assert str(found.advice.sentence) == "Keep both. They help."
    assert str(found.conditions["both"].title) == "With both"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("arms", "none", "macro_f1"), "high"), (("arms", "none", "macro_f1"), 7),
        (("arms", "none", "per_class"), {}), (("arms", "none", "seconds"), []),
        (("arms",), {}), (("arms", "more"), {}), (("advice", "keep"), "all"), (("advice",), None),
        (("advice_per_class", "Z"), {}), (("differences", 0, "arm"), "x"),
        (("differences", 0, "macro_f1", "low"), None), (("test", "per_class"), [3]),
        (("seeds",), ["0"]), (("class_names",), [1]),
    ],
)  # fmt: skip
def test_a_damaged_result_is_refused(
    stored: dict[str, Any], path: tuple[str | int, ...], value: object
) -> None:
    place: Any = stored
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(DataError):
        AblationResult.from_json(stored)


# -- pictures that are all alike -----------------------------------------------------------------


def test_transforms_work_on_blank_wafers_and_the_generator_refuses_them() -> None:
    blank = SynthesisRequest([disc(), disc()], 3, 0)
    assert len(SYNTHESIZERS["transforms"](blank, CPU, SILENT)) == 3
    with pytest.raises(InputError, match="1 different training picture"):
        SYNTHESIZERS["generated"](blank, CPU, SILENT)
