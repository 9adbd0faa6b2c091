"""How many do I need: nested sets, the data of each training, and when to stop collecting."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch

from wafer_core.errors import Cancelled, DataError, InputError, ParameterError
from wafer_core.files import json_value
from wafer_core.images import Picture
from wafer_core.metrics.paired import Difference
from wafer_core.progress import Progress
from wafer_core.simulator import simulate_many
from wafer_core.tasks.classification.train_data import TrainData
from wafer_core.tasks.studies import learning_curve
from wafer_core.tasks.studies.conditions import SynthesisRequest, Training
from wafer_core.tasks.studies.curve_result import CurveResult, Point, conclude
from wafer_core.tasks.studies.learning_curve import (
    CurveConfig,
    CurveData,
    draw_curve,
    nested_order,
    sizes_of,
)
from wafer_core.tasks.studies.stopping import (
    COLLECT,
    STOP,
    UNKNOWN,
    Evidence,
    SyntheticGain,
    decide,
)

NAMES = ("Center", "Donut", "none")
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def data() -> CurveData:
    """Three classes; Donut has twelve training originals of six lots, and ten test originals."""
    none = np.zeros(0, np.int64)
    train, test = ([p for k, n in enumerate(NAMES) for p in simulate_many(n, c, s + k)]
                   for c, s in ((12, 0), (10, 50)))  # fmt: skip
    return CurveData(
        TrainData(NAMES, train, np.repeat(np.arange(3), 12), [], none),
        1,
        [i // 2 for i in range(12)],
        test,
        np.repeat(np.arange(3), 10),
        [f"t{i // 2}" for i in range(30)],
    )


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Synthetic pictures are simulated instantly."""

    def by_generator(request: SynthesisRequest, device: Any, on_progress: Any) -> list[Picture]:
        on_progress(0.5)
        return simulate_many("Donut", request.count, 1000 + request.seed + len(request.pictures))

    monkeypatch.setattr(learning_curve, "by_generator", by_generator)


@pytest.fixture
def instant(monkeypatch: pytest.MonkeyPatch) -> None:
    """Instant trainings that predict every test picture correctly."""

    def train_condition(
        study: Any, condition: str, config: Any, device: Any, on_progress: Any
    ) -> Training:
        on_progress(0.5)
        return Training(condition, config.seed, study.test_labels, 9, 1, 0.1)

    monkeypatch.setattr(learning_curve, "train_condition", train_condition)


# -- which originals -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "sizes"),
    [
        (4, (2, 4)), (8, (4, 5, 8)), (15, (5, 7, 10, 15)), (21, (5, 10, 21)), (27, (5, 10, 20, 27)),
        (40, (5, 10, 22, 40)), (60, (5, 10, 22, 60)), (80, (22, 55, 80)), (140, (22, 55, 110, 140)),
        (600, (22, 55, 110, 220, 440, 600)), (5000, (22, 55, 110, 220, 440, 5000)),
    ],
)  # fmt: skip
def test_sizes_suit_the_number_of_originals(count: int, sizes: tuple[int, ...]) -> None:
    assert sizes_of(count) == sizes


def test_sizes_rise_to_all() -> None:
    for count in range(4, 700):
        sizes = sizes_of(count)
        assert len(sizes) >= 2
        assert all(2 <= a < b for a, b in pairwise(sizes))
        assert sizes[-1] == count


def test_sizes_can_be_requested() -> None:
    assert sizes_of(30, (50, 10, 20)) == (10, 20, 30)


def test_an_order_goes_lot_by_lot() -> None:
    """A lot is used up before the next one begins."""
    lots = ["a", "b", "c", "a", "b", "c", "c"]
    order = nested_order(lots, np.random.default_rng(0))
    assert sorted(order.tolist()) == list(range(7))
    ordered = [lots[i] for i in order]
    assert len([1 for a, b in pairwise(ordered) if a != b]) == 2
    orders = {tuple(nested_order(lots, np.random.default_rng(s)).tolist()) for s in range(20)}
    assert len(orders) > 10
    firsts = {lots[order[0]] for order in orders}
    assert firsts == {"a", "b", "c"}


# -- the trainings -------------------------------------------------------------------------------


def test_a_curve_of_simulated_wafers(
    data: CurveData, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, TrainData, int]] = []
    train_condition = learning_curve.train_condition

    def spy(study: Any, condition: str, config: Any, *more: Any) -> Training:
        seen.append((condition, study.train_data(condition), config.seed))
        return train_condition(study, condition, config, *more)

    monkeypatch.setattr(learning_curve, "train_condition", spy)
    shares: list[float] = []
    config = CurveConfig(seeds=2, others=6, sizes=(4,), made=(8,), seed=3)
    progress = Progress(lambda share, text: shares.append(share))
    *points, found = draw_curve(data, config, CPU, progress)
    assert isinstance(found, CurveResult)
    keys = [(p.repeat, p.size, p.synthetic) for p in points if isinstance(p, Point)]
    assert keys == [(r, s, m) for r in (0, 1) for s in (4, 12) for m in (0, 8)]
    assert shares == sorted(shares)
    assert 0.8 < shares[-1] <= 1
    own = {p.tobytes(): lot for p, lot in zip(data.class_originals(), data.lots, strict=True)}
    smaller: set[bytes] = set()
    for (_, size, synthetic), (condition, train_data, seed) in zip(keys, seen, strict=True):
        assert condition == ("generated" if synthetic else "none")
        assert train_data.train_counts().tolist() == [6, size + synthetic, 6]
        of_class = [
            picture.tobytes()
            for picture, label in zip(
                train_data.train_pictures, train_data.train_labels, strict=True
            )
            if label == 1
        ]
        originals = {picture for picture in of_class if picture in own}
        assert len(originals) == size
        if size == 4:
            smaller = originals
            assert len({own[picture] for picture in originals}) == 2  # four wafers in lots of two
        assert smaller <= originals
        assert seed in (3, 4)
    value = json.loads(json.dumps(json_value(found.to_json()), allow_nan=False))
    assert CurveResult.from_json(value) == found
    assert [(row["size"], row["made"]) for row in value["rows"]] == [(4, 0), (4, 8), (12, 0),
                                                                    (12, 8)]  # fmt: skip
    for row in value["rows"]:
        for score in (row["f1"], row["macro_f1"]):
            assert 0 <= score["low"] <= score["value"] <= score["high"] <= 1
            assert score["value"] == pytest.approx(np.mean(score["by_repeat"]))
    assert value["rows"][-1]["f1"]["value"] > 0.7
    for row in value["quality"]:
        assert row["kid"]["value"] is not None
        assert row["kid"]["floor"] == value["quality"][0]["kid"]["floor"]
        assert 0 <= row["recall"]["value"] <= 1
    assert value["test"] == {"pictures": 10, "lots": 5, "all": 30}
    sentence = str(found.verdict.sentence)
    assert sentence.startswith(f"{found.verdict.title}.")
    assert "Another 12 originals of Donut would change its F1" in sentence
    assert "8 synthetic wafers added to all originals change it by" in sentence


def test_a_stop_ends_after_a_repeat_and_a_cancel_at_once(
    data: CurveData, quick: None, instant: None
) -> None:
    config = CurveConfig(seeds=5, others=5, sizes=(4,), made=(0,))
    *points, found = draw_curve(data, config, CPU, should_stop=lambda: True)
    assert len(points) == 2
    assert isinstance(found, CurveResult)
    assert found.stopped
    assert found.verdict.key == UNKNOWN
    assert "was done only once" in str(found.verdict.sentence)

    def cancel(share: float, text: object) -> None:
        if share > 0.15:
            raise Cancelled

    with pytest.raises(Cancelled):
        list(draw_curve(data, config, CPU, Progress(cancel)))


def test_where_nothing_can_be_synthesized_the_curve_has_originals_only(
    data: CurveData, instant: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(request: SynthesisRequest, *more: Any) -> list[Picture]:
        raise InputError("They are all the same.")

    monkeypatch.setattr(learning_curve, "by_generator", refuse)
    config = CurveConfig(seeds=2, others=5, sizes=(4,), made=(0, 8))
    *_, found = draw_curve(data, config, CPU)
    assert isinstance(found, CurveResult)
    assert [row.synthetic for row in found.rows] == [0, 0]
    assert found.quality == ()
    assert found.verdict.synthetic is None
    assert [str(note) for note in found.notes] == [
        "With 4 originals no synthetic wafers could be made. They are all the same.",
        "With 12 originals no synthetic wafers could be made. They are all the same.",
    ]


# -- what is refused -----------------------------------------------------------------------------


def test_too_few_originals_to_train_or_to_test_on_are_refused(data: CurveData) -> None:
    pictures, labels = data.originals.train_pictures, data.originals.train_labels
    kept = [i for i, label in enumerate(labels) if label != 1 or i == 12]
    one = TrainData(NAMES, [pictures[i] for i in kept], labels[kept], [], labels[:0])
    with pytest.raises(
        InputError, match="“Donut” has 1 training original, but a learning curve needs"
    ):
        next(draw_curve(replace(data, originals=one, lots=[0]), CurveConfig(), CPU))
    nobody = replace(data, test_labels=np.zeros(30, np.int64))
    with pytest.raises(InputError, match="“Donut” has no original in the test split"):
        next(draw_curve(nobody, CurveConfig(), CPU))
    empty = replace(data, test_pictures=[], test_labels=labels[:0], test_lots=[])
    with pytest.raises(InputError, match="in the test split"):
        next(draw_curve(empty, CurveConfig(), CPU))
    alone = TrainData(("Donut",), data.class_originals(), labels[:12] * 0, [], labels[:0])
    with pytest.raises(InputError, match="two classes"):
        next(draw_curve(replace(data, originals=alone, target=0), CurveConfig(), CPU))


@pytest.mark.parametrize(
    "wrong",
    [{"seeds": 0}, {"others": 1}, {"network": "magic"}, {"sizes": (1,)}, {"sizes": ("5",)},
     {"made": (-1,)}, {"made": (99999,)}, {"sizes": 5}, {"made": (True,)}, {"seed": -1}],
)  # fmt: skip
def test_wrong_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ParameterError, match=next(iter(wrong))):
        CurveConfig(**wrong)


def test_numbers_are_sorted() -> None:
    config = CurveConfig(sizes=[20, 5, 20], made=[100])  # type: ignore[arg-type]
    assert (config.sizes, config.made) == ((5, 20), (0, 100))


# -- the result ----------------------------------------------------------------------------------


def test_scores_by_hand() -> None:
    """Class 1 of four pictures, two each: with 5 originals one is found, with 10 both are."""
    labels = np.array([0, 0, 1, 1])
    points = [
        Point(0, size, 0, Training("none", 0, np.array(predicted), 9, 1, 0.1))
        for size, predicted in ((5, [0, 0, 1, 0]), (10, [0, 0, 1, 1]))
    ]
    found = conclude(("a", "b"), 1, labels, list("wxyz"), points, [])
    first, second = found.rows
    assert first.f1.value == pytest.approx(2 / 3)
    assert first.macro_f1.value == pytest.approx((2 / 3 + 4 / 5) / 2)
    assert second.f1.value == pytest.approx(1)
    assert second.f1.low is not None
    assert second.f1.low < 0.9  # two of two correct is little evidence
    assert found.law is not None
    assert found.law.top == 1
    assert found.verdict.key == UNKNOWN
    assert "Only 2 test wafers of this class are available." in str(found.verdict.sentence)
    assert found.verdict.synthetic is None


def test_sizes_that_a_repeat_lacks_are_left_out() -> None:
    labels = np.array([0, 1])
    points = [
        Point(repeat, size, synthetic, Training("none", repeat, labels, 9, 1, 0.1))
        for repeat, size, synthetic in ((0, 5, 0), (0, 5, 100), (0, 10, 0), (1, 5, 0), (1, 10, 0))
    ]
    found = conclude(("a", "b"), 1, labels, ["x", "y"], points, [])
    assert [(row.size, row.synthetic) for row in found.rows] == [(5, 0), (10, 0)]


SIZES = (50, 100, 200)
ENOUGH = Evidence(tested=80, lots=20, repeats=3)


def resampled(at_50: float, at_100: float, at_200: float, spread: float) -> np.ndarray[Any, Any]:
    rng = np.random.default_rng(0)
    middle = np.array([at_50, at_100, at_200])
    return np.clip(middle + spread * rng.standard_normal((500, 3)), 0, 1)


@pytest.mark.parametrize(
    ("scores", "spread", "key"),
    [
        ((0.90, 0.90, 0.90), 0.002, STOP),
        ((0.50, 0.60, 0.68), 0.004, COLLECT),
        ((0.80, 0.82, 0.84), 0.05, UNKNOWN),
    ],
)
def test_when_to_stop(scores: tuple[float, float, float], spread: float, key: str) -> None:
    verdict = decide("Loc", SIZES, np.array(scores), resampled(*scores, spread), ENOUGH)
    assert verdict.key == key
    assert verdict.doubling is not None
    assert verdict.doubling.low <= verdict.doubling.value <= verdict.doubling.high
    assert "Another 200 originals of Loc" in str(verdict.sentence)


def test_scores_that_fall_are_noise_and_make_the_verdict_no_more_certain() -> None:
    """Ten points down with noise of five: twice as many originals could bring as many up."""
    scores = np.array([0.95, 0.90, 0.85])
    sample = resampled(0.95, 0.90, 0.85, 0.05)
    verdict = decide("Loc", SIZES, scores, sample, ENOUGH)
    assert verdict.doubling is not None
    assert verdict.doubling.value == pytest.approx(0, abs=1e-12)
    assert verdict.doubling.high > 0.02
    assert verdict.key == UNKNOWN


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"tested": 9}, "Only 9 test wafers of this class are available."),
        ({"tested": 1}, "Only 1 test wafer of this class is available."),
        ({"lots": 4}, "come from 4 lots"),
        ({"repeats": 1}, "the seed variance is unknown"),
    ],
)
def test_too_little_evidence_is_inconclusive(change: dict[str, int], sentence: str) -> None:
    flat, evidence = (0.9, 0.9, 0.9), replace(ENOUGH, **change)
    verdict = decide("Loc", SIZES, np.array(flat), resampled(*flat, 0.001), evidence)
    assert verdict.key == UNKNOWN
    assert str(verdict.sentence).startswith("Inconclusive. ")
    assert sentence in str(verdict.sentence)


@pytest.mark.parametrize(
    ("gain", "words"),
    [(0.3, "more than collecting"), (-0.2, "less than collecting"), (0.02, "adds more is unclear")],
)
def test_synthetic_wafers_are_compared_with_collecting(gain: float, words: str) -> None:
    scores = (0.7, 0.75, 0.79)
    sample = gain + 0.02 * np.random.default_rng(1).standard_normal(500)
    synthetic = SyntheticGain(400, Difference(gain, gain - 0.04, gain), sample)
    verdict = decide(
        "Loc", SIZES, np.array(scores), resampled(*scores, 0.02), ENOUGH, synthetic, enough=100
    )
    sentence = str(verdict.sentence)
    assert "400 synthetic wafers added to all originals change it by" in sentence
    assert words in sentence
    assert "With 100 originals F1 is the same as with all 200, within 2 points" in sentence


# -- stored results ------------------------------------------------------------------------------


@pytest.fixture
def stored() -> dict[str, Any]:
    """A result as it is stored."""
    labels = np.array([0, 1] * 3)
    points = [
        Point(repeat, size, 0, Training("none", repeat, labels, 9, 1, 0.1))
        for repeat in (0, 1)
        for size in (5, 10)
    ]
    found = conclude(("a", "b"), 1, labels, list("uvwxyz"), points, [])
    value: dict[str, Any] = json.loads(json.dumps(json_value(found.to_json())))
    return value


def test_a_result_with_plain_texts_of_an_older_version_can_be_read(stored: dict[str, Any]) -> None:
    stored["verdict"] |= {"title": "Cannot be told yet", "sentence": "Cannot be told yet: few."}
    stored["notes"] = ["One note."]
    found = CurveResult.from_json(stored)
    assert str(found.verdict.sentence) == "Cannot be told yet: few."
    assert [str(note) for note in found.notes] == ["One note."]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("rows",), []), (("rows",), "many"), (("rows", 0, "size"), 0),
        (("rows", 0, "size"), 1e9), (("rows", 0, "f1"), None),
        (("rows", 0, "f1", "value"), "high"), (("rows", 0, "macro_f1", "low"), [1]),
        (("verdict", "key"), "maybe"), (("law", "top"), None), (("test", "lots"), -1),
        (("notes",), [3]), (("class",), None), (("quality",), [{"size": 2}]),
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
        CurveResult.from_json(stored)
