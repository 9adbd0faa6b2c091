"""Search: rounds, gains with intervals, the time budget, and density matching."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
import torch

from wafer_core.errors import Cancelled, InputError, ParameterError
from wafer_core.images import PASS, Picture
from wafer_core.messages import Message
from wafer_core.metrics.folds import folds
from wafer_core.progress import SILENT, Progress
from wafer_core.simulator import simulate_many
from wafer_core.tasks.augmentation.policies import read_policy
from wafer_core.tasks.classification.config import TrainConfig
from wafer_core.tasks.search import density_matching, settings, space, trial
from wafer_core.tasks.search import search as searches
from wafer_core.tasks.search.density_matching import Candidate, match_density
from wafer_core.tasks.search.search import search
from wafer_core.tasks.search.settings import Outcome, SearchConfig, Trial
from wafer_core.tasks.search.trial import Evaluation, Round, SearchData, gain, rounds

CPU = torch.device("cpu")
NAMES = ("Center", "Edge-Ring", "Near-full")
Integers = np.ndarray


def make_data(train_each: int, validation_each: int, synthetic: int = 0) -> SearchData:
    """Simulated wafers; each is a group of its own."""
    pictures: list[Picture] = []
    labels: list[int] = []
    is_validation: list[bool] = []
    for validates, each in ((False, train_each), (True, validation_each)):
        for label, name in enumerate(NAMES):
            seed = 10 * label + validates
            pictures += simulate_many(name, each, seed)
            labels += [label] * each
            is_validation += [validates] * each
    groups = [str(k) for k in range(len(labels))]
    return SearchData(
        NAMES, pictures, np.array(labels), groups, np.array(is_validation),
        [np.full((9, 9), PASS, np.uint8)] * synthetic, np.zeros(synthetic, np.int64),
    )  # fmt: skip


# -- rounds ---------------------------------------------------------------------------------------


def test_folds_share_every_class_evenly() -> None:
    labels = np.repeat([0, 1, 2], [30, 10, 4])
    fold = folds(labels, [str(k) for k in range(44)], 3, 0)
    counts = np.array([np.bincount(fold[labels == c], minlength=3) for c in range(3)])
    assert counts.sum() == 44
    assert (counts.max(1) - counts.min(1) <= 1).all()
    assert (folds(labels, [str(k) for k in range(44)], 3, 0) == fold).all()
    assert (folds(labels, [str(k) for k in range(44)], 3, 1) != fold).any()


@pytest.mark.parametrize("seed", range(5))
def test_folds_keep_groups_together_and_every_class_in_training(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, 60)
    labels[0] = 4  # one wafer of a class of its own
    lots = [f"lot {k}" for k in rng.integers(0, 15, 60)]
    fold = folds(labels, lots, 3, seed)
    for lot in set(lots):
        assert len({int(f) for f, k in zip(fold, lots, strict=True) if k == lot}) == 1
    for k, c in itertools.product(range(3), range(5)):
        assert ((labels == c) & (fold != k)).any()
    assert fold[0] == -1


def test_a_large_validation_split_is_evaluated_on_alone() -> None:
    data = make_data(4, trial.MIN_VALIDATION, synthetic=5)
    (one,) = rounds(data, 0)
    assert (one.held_out == np.flatnonzero(data.is_validation)).all()
    assert len(one.data.train_pictures) == 12 + 5  # synthetic wafers are trained on
    assert "60 wafers of the validation split" in str(data.protocol())


def test_a_small_validation_split_gives_folds() -> None:
    data = make_data(4, trial.MIN_VALIDATION - 1, synthetic=5)
    three = rounds(data, 0)
    held_out = np.concatenate([one.held_out for one in three])
    assert sorted(held_out.tolist()) == list(range(len(data.pictures)))
    for one in three:
        assert len(one.data.train_pictures) + len(one.held_out) == len(data.pictures)
        assert not any(p.shape == (9, 9) for p in one.data.train_pictures)  # might leak
    assert "3-fold cross-validation" in str(data.protocol())


def test_wafers_that_cannot_be_evaluated_on_are_refused() -> None:
    with pytest.raises(InputError, match="enough wafers: 0"):
        list(search(make_data(1, 0), TrainConfig(), SearchConfig(), CPU))
    data = make_data(3, 1)
    one_lot = SearchData(**{**vars(data), "groups": ["lot"] * len(data.groups)})
    with pytest.raises(InputError, match="come from one lot"):
        list(search(one_lot, TrainConfig(), SearchConfig(), CPU))


# -- a trial --------------------------------------------------------------------------------------


@pytest.fixture
def epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trainings of twenty epochs whose network predicts Center for every wafer."""

    class Constant:
        def predict_proba(self, pictures: Sequence[Picture]) -> np.ndarray:
            return np.tile([0.8, 0.1, 0.1], (len(pictures), 1))

    class Epoch:
        epochs = 20

        def __init__(self, number: int) -> None:
            self.epoch, self.macro_f1 = number, number / 100

        def best_classifier(self) -> Constant:
            return Constant()

    def train(data: object, config: object, device: object, on_progress: Any) -> Iterator[Epoch]:
        for number in range(1, 21):
            on_progress(number / 20)
            yield Epoch(number)

    monkeypatch.setattr(trial, "train", train)


def tried(data: SearchData) -> tuple[Evaluation, list[float], list[tuple[int, float]]]:
    shares: list[float] = []
    scores: list[tuple[int, float]] = []
    found = trial.run_trial(
        rounds(data, 0),
        TrainConfig(),
        CPU,
        Progress(lambda share, text: shares.append(share)),
        lambda checkpoint, score: scores.append((checkpoint, score)),
    )
    return found, shares, scores


@pytest.mark.usefixtures("epochs")
def test_a_trial_on_the_validation_split_reports_scores_in_its_second_half() -> None:
    found, shares, scores = tried(make_data(1, trial.MIN_VALIDATION))
    assert shares == pytest.approx([k / 20 for k in range(1, 21)])
    assert scores == [(5, 0.10), (6, 0.12), (7, 0.14), (8, 0.16), (9, 0.18)]
    assert found.predicted.tolist() == [0] * 60
    assert found.macro_f1 == pytest.approx(0.5 / 3)  # F1 of Center: 2·20/(20+60)


@pytest.mark.usefixtures("epochs")
def test_a_trial_in_folds_reports_a_score_after_each_and_pools_the_predictions() -> None:
    data = make_data(4, 2)
    found, shares, scores = tried(data)
    assert shares == pytest.approx([(k // 20 + (k % 20 + 1) / 20) / 3 for k in range(60)])
    assert [number for number, _ in scores] == [1, 2, 3]
    assert sorted(found.held_out.tolist()) == list(range(18))
    assert (found.labels == data.labels[found.held_out]).all()
    assert found.macro_f1 == scores[-1][1] == pytest.approx(0.5 / 3)


# -- gain -----------------------------------------------------------------------------------------


def evaluation(
    labels: Sequence[int], predicted: Sequence[int], order: Integers | None = None
) -> Evaluation:
    index = np.arange(len(labels)) if order is None else order
    score = trial._macro_f1(np.array(labels), np.array(predicted), NAMES)
    return Evaluation(index, np.array(labels)[index], np.array(predicted)[index], score)


def groups(count: int, size: int = 1) -> list[str]:
    return [str(k // size) for k in range(count)]


def test_a_gain_is_the_difference_in_any_order() -> None:
    labels, correct = [0, 0, 1, 1, 2, 2] * 10, [0, 0, 1, 1, 2, 2] * 10
    wrong = [0, 1, 1, 1, 2, 2] * 10
    best = evaluation(labels, correct, np.random.default_rng(0).permutation(60))
    found = gain(best, evaluation(labels, wrong), groups(60), 3)
    # F1 of class 0: 2·10/(20+10) = 2/3, of class 1: 2·20/(20+30) = 4/5
    assert found.value == pytest.approx(1 - (2 / 3 + 4 / 5 + 1) / 3)
    assert 0 < found.low < found.value < found.high
    back = gain(evaluation(labels, wrong), best, groups(60), 3)
    assert back.value == pytest.approx(-found.value)
    assert (back.low, back.high) == pytest.approx((-found.high, -found.low), abs=0.01)


def test_equal_trials_have_no_gain() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 90)
    first = np.where(rng.random(90) < 0.8, labels, (labels + 1) % 3)
    second = np.where(rng.random(90) < 0.8, labels, (labels + 1) % 3)
    same = gain(evaluation(labels, first), evaluation(labels, first), groups(90), 3)
    assert same.value == 0
    assert -0.02 < same.low < 0 < same.high < 0.02
    found = gain(evaluation(labels, first), evaluation(labels, second), groups(90), 3)
    assert found.low < 0 < found.high


def test_wafers_of_few_lots_make_the_interval_of_a_gain_wider() -> None:
    labels, wrong = [0, 1, 2] * 20, [0, 1, 2] * 10 + [1, 1, 2] * 10
    pair = evaluation(labels, labels), evaluation(labels, wrong)
    single, of_lots = (gain(*pair, groups(60, size), 3) for size in (1, 15))
    assert single.value == of_lots.value
    assert of_lots.high - of_lots.low > 1.3 * (single.high - single.low)


# -- density matching -----------------------------------------------------------------------------


class FakeEvaluator:
    """Prefers weak operations, and blur and edge to all others."""

    def __init__(self, *_: object) -> None:
        pass

    def loss(self, policy: str) -> float:
        steps = read_policy(policy)[0]
        return sum(
            s.strength * s.probability + (s.operation not in ("blur", "edge")) for s in steps
        )


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trainings that take no time."""

    class Epoch:
        def best_classifier(self) -> None:
            pass

    def train(*_: object) -> Iterator[Epoch]:
        yield Epoch()

    monkeypatch.setattr(density_matching, "train", train)
    monkeypatch.setattr(density_matching, "_Evaluator", FakeEvaluator)


def matched(
    data: SearchData, has_time: Callable[[float], bool] = lambda share: True
) -> tuple[list[Candidate], str | None]:
    found: list[Candidate] = []
    matching = match_density(data, TrainConfig(), CPU, 0, SILENT, has_time)
    while True:
        try:
            found.append(next(matching))
        except StopIteration as end:
            return found, end.value


@pytest.mark.usefixtures("quick")
def test_candidates_get_better() -> None:
    found, policy = matched(make_data(4, 2))
    assert len(found) == 2 * (1 + density_matching.CANDIDATES)
    assert [c.half for c in found] == [1] * 101 + [2] * 101
    for half in (1, 2):
        own = [c for c in found if c.half == half]
        assert own[0].policy == "nothing 1 1"
        assert [c.number for c in own] == list(range(101))
        assert own[-1].best == min(c.loss for c in own[1:])
        early, late = (np.mean([c.loss for c in own[a:b]]) for a, b in ((1, 16), (70, 101)))
        assert late < early  # TPE models the losses
    assert policy is not None
    parts = read_policy(policy)
    assert 6 <= len(parts) <= 2 * density_matching.KEPT
    assert {s.operation for s in parts[0]} <= {"blur", "edge"}
    for step in itertools.chain(*parts):
        assert step.operation != "nothing"
        assert step.probability >= 0.3
        assert step.strength >= 0.2
    for half_parts in (parts[: len(parts) // 2], parts[len(parts) // 2 :]):
        pairs = [frozenset(s.operation for s in steps) for steps in half_parts]
        assert len(set(pairs)) == len(pairs)


@pytest.mark.usefixtures("quick")
def test_matching_ends_when_the_time_is_up() -> None:
    found, policy = matched(make_data(4, 2), lambda share: False)
    assert len(found) == 4  # in each half no augmentation and one candidate
    assert policy is not None
    assert len(read_policy(policy)) == 2


@pytest.mark.usefixtures("quick")
def test_wafers_that_cannot_be_halved_give_no_policy() -> None:
    assert matched(make_data(1, 3)) == ([], None)


# -- the search -----------------------------------------------------------------------------------


class Clock:
    """Time that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(searches, "time", made)
    return made


Worth = Callable[[TrainConfig], float]


def play(
    monkeypatch: pytest.MonkeyPatch,
    clock: Clock,
    worth: Worth,
    seconds: Callable[[TrainConfig], float] = lambda config: 10.0,
) -> list[TrainConfig]:
    """Trainings of given length that predict a given share of the wafers correctly."""
    tried: list[TrainConfig] = []

    def run_trial(
        trainings: Sequence[Round],
        config: TrainConfig,
        device: torch.device,
        on_progress: Progress,
        on_score: Callable[[int, float], None],
    ) -> Evaluation:
        tried.append(config)
        share = worth(config)
        if math.isnan(share):
            raise ParameterError("Training failed in epoch {epoch}.", epoch=1)
        for step in range(10):
            clock.now += seconds(config) / 10
            on_progress((step + 1) / 10)
            if step < 9:
                on_score(step + 1, share)
        held_out = np.concatenate([one.held_out for one in trainings])
        labels = np.concatenate([one.data.validation_labels for one in trainings])
        order = np.argsort(held_out)
        held_out, labels = held_out[order], labels[order]
        correct = np.arange(len(labels)) % 10 < round(10 * share)
        predicted = np.where(correct, labels, (labels + 1) % 3)
        score = trial._macro_f1(labels, predicted, NAMES)
        return Evaluation(held_out, labels, predicted, score)

    def matching(*given: Any) -> Iterator[Any]:
        clock.now += 10
        for number in range(3):
            yield Candidate(number, 1, "blur 1 1", 0.5, 0.5)
        return "blur 1 1"

    monkeypatch.setattr(searches, "run_trial", run_trial)
    monkeypatch.setattr(searches, "match_density", matching)
    return tried


def all_of(
    config: SearchConfig, data: SearchData | None = None, **given: Any
) -> tuple[list[Trial], list[Candidate], Outcome]:
    events = list(search(data or make_data(6, 21), TrainConfig(), config, CPU, **given))
    assert isinstance(events[-1], Outcome)
    trials = [e for e in events if isinstance(e, Trial)]
    assert tuple(trials) == events[-1].trials
    return trials, [e for e in events if isinstance(e, Candidate)], events[-1]


def test_every_augmentation_is_tried_and_the_best_confirmed(
    monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    worth = {"trivialaugment": 0.9, "randaugment": 0.8, "blur 1 1": 0.8}
    tried = play(monkeypatch, clock, lambda config: worth.get(config.policy, 0.6))
    trials, candidates, outcome = all_of(SearchConfig("augmentation", 10, seed=4))
    titles = [str(t.title) for t in trials]
    assert titles == ["Default", *searches.AUGMENTATIONS, "TrivialAugment", "Default"]
    assert [t.kind for t in trials] == ["default", *["augmentation"] * 4, "check", "check"]
    assert {c.seed for c in tried[:5]} == {4}
    assert {c.seed for c in tried[5:]} == {5}  # confirmed with another seed
    assert not tried[1].turns
    assert tried[1].rotation_share == 0
    assert str(outcome.title) == "TrivialAugment"
    assert outcome.settings == {"policy": "trivialaugment"}
    assert outcome.verdict == settings.BETTER
    assert outcome.gain == pytest.approx(outcome.score - outcome.default_score)
    assert outcome.gain_interval[0] > 0
    assert outcome.interval is not None
    assert outcome.interval[0] < outcome.score < outcome.interval[1]
    assert outcome.evaluated == 63
    assert outcome.candidates == 2  # no augmentation is not a candidate
    assert len(candidates) == 3
    assert [t.best for t in trials[:5]] == sorted(t.best or 0 for t in trials[:5])


def test_a_default_that_is_not_beaten_is_reported(
    monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    play(monkeypatch, clock, lambda c: 0.9 if c.policy == "default" and c.turns else 0.8)
    _, _, outcome = all_of(SearchConfig("augmentation", 10))
    assert outcome.verdict == settings.NO_BETTER
    assert outcome.gain < 0
    assert outcome.settings  # they can still be used


def test_seed_variance_does_not_pass_for_a_gain(
    monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    """The best trial of one seed is no better with the next."""
    play(monkeypatch, clock, lambda c: 0.9 if c.policy == "randaugment" and c.seed == 0 else 0.8)
    _, _, outcome = all_of(SearchConfig("augmentation", 10, seed=0))
    assert str(outcome.title) == "RandAugment"
    assert outcome.verdict == settings.NO_BETTER
    assert outcome.gain == 0


def test_settings_are_searched_within_the_time(
    monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    tried = play(monkeypatch, clock, lambda c: 0.9 if c.balancing == "natural" else 0.7)
    trials, _, outcome = all_of(SearchConfig("settings", 5, seed=1))
    assert clock.now <= 300
    assert clock.now > 250
    searched = [t for t in trials if t.kind == "settings"]
    assert len(searched) > 15
    assert {t.status for t in searched} == {"done", "given up"}  # the worse are pruned
    assert {c.network for c in tried} == {"wafernet", "wafer_cnn"}
    assert len({c.learning_rate for c in tried}) > 10
    assert {c.balancing for c in tried if c.transfer == "frozen"} >= {"natural"}
    searched_on = [c for c in tried[1:-1] if c.transfer == "fine-tuned"]
    assert len(searched_on) > 15
    for c in searched_on:
        assert 0 <= c.label_smoothing <= 0.2
        assert 0.005 <= c.weight_decay <= 0.5
        assert c.batch_size in space.BATCH_SIZES
        assert c.policy == "default"
    assert outcome.settings["balancing"] == "natural"
    assert outcome.verdict == settings.BETTER
    assert TrainConfig(**outcome.settings).balancing == "natural"


def test_both_searches_settings_on_the_best_augmentation(
    monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    tried = play(monkeypatch, clock, lambda c: 0.9 if c.policy == "blur 1 1" else 0.6)
    trials, _, outcome = all_of(SearchConfig("both", 10))
    assert {t.kind for t in trials} == {"default", "augmentation", "settings", "check"}
    varied = [c for c, t in zip(tried, trials, strict=True) if t.kind == "settings"]
    assert {c.policy for c in varied} == {"blur 1 1"}
    assert outcome.settings["policy"] == "blur 1 1"


def test_the_same_seed_proposes_the_same(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    found = []
    for _ in range(2):
        clock.now = 0.0
        tried = play(monkeypatch, clock, lambda c: c.weight_decay)
        all_of(SearchConfig("settings", 4, seed=7))
        found.append(list(tried))
    assert found[0] == found[1]


def test_the_number_of_trials_is_limited(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    play(monkeypatch, clock, lambda c: 0.5)
    trials, _, outcome = all_of(SearchConfig("both", 10, trials=2))
    assert sum(t.kind in ("augmentation", "settings") for t in trials) == 2
    assert [n for n in outcome.notes if str(n).startswith("Not tried: ")]


@pytest.mark.parametrize(("seconds", "least"), [(70.0, "5.3"), (40.0, "3"), (600.0, "45")])
def test_a_budget_too_small_for_a_trial_says_how_much_it_takes(
    monkeypatch: pytest.MonkeyPatch, clock: Clock, seconds: float, least: str
) -> None:
    play(monkeypatch, clock, lambda c: 0.5, lambda c: seconds)
    with pytest.raises(ParameterError, match="1 minutes are too few") as error:
        all_of(SearchConfig("both", 1))
    assert f"about {seconds / 60:.1f} minutes" in str(error.value)
    assert f"at least {least} minutes" in str(error.value)
    assert clock.now <= 60 + seconds / 10  # one step more at most


def test_without_time_to_confirm_a_note_says_so(
    monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    play(monkeypatch, clock, lambda c: 0.5 + 0.4 * (not c.turns))
    _, _, outcome = all_of(SearchConfig("augmentation", 0.5))
    assert clock.now <= 30 + 1
    assert outcome.verdict == settings.UNCONFIRMED
    assert "second training" in str(outcome.notes[-1])


def test_a_long_trial_is_cut_at_the_budget(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    play(monkeypatch, clock, lambda c: 0.5, lambda c: 500 if c.network == "wafer_cnn" else 10)
    trials, _, _ = all_of(SearchConfig("settings", 4, seed=1))
    assert clock.now <= 240 + 50
    assert "out of time" in {t.status for t in trials}


def test_settings_that_break_a_training_are_a_failed_trial(
    monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    play(monkeypatch, clock, lambda c: math.nan if c.balancing == "balanced" else 0.7)
    trials, _, outcome = all_of(SearchConfig("settings", 4, seed=1))
    assert {t.status for t in trials} >= {"done", "failed"}
    assert any("Training failed in epoch 1" in str(note) for note in outcome.notes)


def test_a_stopped_search_keeps_the_best_so_far(
    monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    play(monkeypatch, clock, lambda c: 0.9 if not c.turns else 0.6)
    config = SearchConfig("augmentation", 10)
    trials, _, outcome = all_of(config, should_stop=lambda: clock.now > 25)
    assert [t.kind for t in trials] == ["default", "augmentation"]
    assert str(outcome.title) == "No augmentation"
    assert outcome.verdict == settings.UNCONFIRMED
    assert "Stopped by you" in str(outcome.notes[0])
    clock.now = 0.0
    with pytest.raises(Cancelled, match="no result to keep"):
        all_of(config, should_stop=lambda: clock.now > 5)


def test_progress_follows_the_clock(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    play(monkeypatch, clock, lambda c: 0.5)
    reports: list[tuple[float, Message | None]] = []
    progress = Progress(lambda share, text: reports.append((share, text)))
    all_of(SearchConfig("augmentation", 10), on_progress=progress)
    shares = [share for share, _ in reports]
    assert shares == sorted(shares)
    assert 0 < shares[0] < shares[-1] < 1
    assert str(reports[0][1]) == "Trial 0: Default"
    assert str(reports[-1][1]) == "Repeating: Default"


@pytest.mark.parametrize(
    "wrong",
    [
        {"what": "everything"}, {"minutes": 0}, {"minutes": -1}, {"minutes": float("nan")},
        {"minutes": 2000}, {"minutes": "10"}, {"trials": -1}, {"trials": 1.5}, {"seed": -1},
    ],
)  # fmt: skip
def test_wrong_settings_of_a_search_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ParameterError, match=next(iter(wrong))):
        SearchConfig(**wrong)


def test_settings_are_described_in_one_line() -> None:
    line = space.describe({"learning_rate": 0.0003, "network": "wafernet", "epochs": 7})
    assert str(line) == "Learning rate 0.0003 · Network wafernet · Epochs 7"
    assert str(space.describe({"joint": False, "gone": 1})).endswith(" off")
    assert str(space.describe({})) == ""


# -- for real -------------------------------------------------------------------------------------


def test_a_small_search_for_real(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything together, on wafers that are easy to classify."""
    monkeypatch.setattr(density_matching, "CANDIDATES", 6)
    base = TrainConfig(network="wafer_cnn", epochs=4, average_turns=False)
    events = list(search(make_data(4, 2), base, SearchConfig("augmentation", 9, trials=2), CPU))
    outcome = events[-1]
    assert isinstance(outcome, Outcome)
    titles = [str(t.title) for t in outcome.trials]
    assert titles[:3] == ["Default", "No augmentation", "Searched policy"]
    assert [t.status for t in outcome.trials] == ["done"] * 5
    searched = outcome.trials[2].settings["policy"]
    assert len(read_policy(searched)) >= 2
    assert TrainConfig(policy=searched).policy == searched
    losses = [c.loss for c in events if isinstance(c, Candidate)]
    assert outcome.candidates == 12
    assert all(0 <= loss < 20 for loss in losses)
    assert outcome.evaluated == 18
    assert 0 < outcome.score <= 1
