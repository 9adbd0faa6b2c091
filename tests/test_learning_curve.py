"""How many do I need: nested sets, what is trained on what, and when to stop collecting."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch

from wafer_core.errors import Cancelled, InputError, ParameterError
from wafer_core.images import Picture
from wafer_core.metrics.paired import Difference
from wafer_core.simulator import simulate_many
from wafer_core.tasks.classification.config import TrainData
from wafer_core.tasks.studies import learning_curve
from wafer_core.tasks.studies.conditions import Order, Training
from wafer_core.tasks.studies.curve_config import CurveConfig, sizes_of
from wafer_core.tasks.studies.curve_result import Curve, Point, conclude
from wafer_core.tasks.studies.learning_curve import CurveData, draw_curve, nested
from wafer_core.tasks.studies.stopping import COLLECT, STOP, UNKNOWN, decide

NAMES = ("Center", "Donut", "none")
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def data() -> CurveData:
    """Three classes; Donut has twelve training originals of six lots, and ten that judge."""
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
    """Made pictures are simulated in no time."""

    def made(order: Order, device: Any, tell: Any) -> list[Picture]:
        tell(0.5)
        return simulate_many("Donut", order.count, 1000 + order.seed + len(order.pictures))

    monkeypatch.setattr(learning_curve, "by_generator", made)


@pytest.fixture
def instant(monkeypatch: pytest.MonkeyPatch) -> None:
    """A training that knows every test picture."""

    def train_arm(study: Any, arm: str, config: Any, device: Any, tell: Any) -> Training:
        tell(0.5)
        return Training(arm, config.seed, study.test_labels, 9, 1, 0.1)

    monkeypatch.setattr(learning_curve, "train_arm", train_arm)


# -- which originals -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "sizes"),
    [
        (4, (2, 4)), (8, (4, 5, 8)), (15, (5, 7, 10, 15)), (21, (5, 10, 21)), (27, (5, 10, 20, 27)),
        (40, (5, 10, 22, 40)), (60, (5, 10, 22, 60)), (80, (22, 55, 80)), (140, (22, 55, 110, 140)),
        (600, (22, 55, 110, 220, 440, 600)), (5000, (22, 55, 110, 220, 440, 5000)),
    ],
)  # fmt: skip
def test_sizes_are_those_that_there_are(count: int, sizes: tuple[int, ...]) -> None:
    assert sizes_of(count) == sizes


def test_sizes_rise_to_all() -> None:
    for count in range(4, 700):
        sizes = sizes_of(count)
        assert len(sizes) >= 2
        assert all(2 <= a < b for a, b in pairwise(sizes))
        assert sizes[-1] == count


def test_sizes_may_be_asked_for() -> None:
    assert sizes_of(30, (50, 10, 20)) == (10, 20, 30)


def test_an_order_goes_lot_by_lot() -> None:
    """Each beginning is part of every longer one by itself; a lot is used up before the next."""
    lots = ["a", "b", "c", "a", "b", "c", "c"]
    order = nested(lots, np.random.default_rng(0))
    assert sorted(order.tolist()) == list(range(7))
    came = [lots[i] for i in order]
    assert len([1 for a, b in pairwise(came) if a != b]) == 2
    orders = {tuple(nested(lots, np.random.default_rng(s)).tolist()) for s in range(20)}
    assert len(orders) > 10
    firsts = {lots[order[0]] for order in orders}
    assert firsts == {"a", "b", "c"}


# -- what is trained -----------------------------------------------------------------------------


def test_a_curve_of_simulated_wafers(
    data: CurveData, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, TrainData, int]] = []
    trained = learning_curve.train_arm

    def spy(study: Any, arm: str, config: Any, *more: Any) -> Training:
        seen.append((arm, study.learning(arm), config.seed))
        return trained(study, arm, config, *more)

    monkeypatch.setattr(learning_curve, "train_arm", spy)
    told: list[float] = []
    config = CurveConfig(seeds=2, others=6, sizes=(4,), made=(8,), seed=3)
    *points, found = draw_curve(data, config, CPU, lambda share, text: told.append(share))
    assert isinstance(found, Curve)
    keys = [(p.repeat, p.size, p.made) for p in points if isinstance(p, Point)]
    assert keys == [(r, s, m) for r in (0, 1) for s in (4, 12) for m in (0, 8)]
    assert told == sorted(told)
    assert 0.8 < told[-1] <= 1
    own = {p.tobytes(): lot for p, lot in zip(data.own(), data.lots, strict=True)}
    smaller: set[bytes] = set()
    for (_, size, made), (arm, learned, seed) in zip(keys, seen, strict=True):
        assert arm == ("generated" if made else "none")
        assert learned.train_counts().tolist() == [6, size + made, 6]
        mine = [p.tobytes() for p, label in zip(learned.train_pictures, learned.train_labels,
                                                strict=True) if label == 1]  # fmt: skip
        known = {p for p in mine if p in own}
        assert len(known) == size
        if size == 4:
            smaller = known
            assert len({own[p] for p in known}) == 2  # four wafers of lots of two
        assert smaller <= known
        assert seed in (3, 4)
    value = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert [(row["size"], row["made"]) for row in value["rows"]] == [(4, 0), (4, 8), (12, 0),
                                                                    (12, 8)]  # fmt: skip
    for row in value["rows"]:
        for figure in (row["f1"], row["macro_f1"]):
            assert 0 <= figure["low"] <= figure["value"] <= figure["high"] <= 1
            assert figure["value"] == pytest.approx(np.mean(figure["by_repeat"]))
    assert value["rows"][-1]["f1"]["value"] > 0.7
    for row in value["quality"]:
        assert row["kid"]["value"] is not None
        assert row["kid"]["floor"] == value["quality"][0]["kid"]["floor"]
        assert 0 <= row["recall"]["value"] <= 1
    assert value["test"] == {"pictures": 10, "lots": 5, "all": 30}
    assert value["sentence"].startswith(value["verdict"]["title"])
    assert "Another 12 originals of Donut would bring" in value["sentence"]
    assert "8 made wafers beside all originals bring" in value["sentence"]


def test_it_ends_after_a_repeat_when_asked_and_at_once_when_cancelled(
    data: CurveData, quick: None, instant: None
) -> None:
    config = CurveConfig(seeds=5, others=5, sizes=(4,), made=(0,))
    *points, found = draw_curve(data, config, CPU, should_stop=lambda: True)
    assert len(points) == 2
    assert isinstance(found, Curve)
    assert found.stopped
    assert found.verdict.key == UNKNOWN
    assert "everything was done once" in found.verdict.sentence

    def cancel(share: float, text: str) -> None:
        if share > 0.3:
            raise Cancelled("Cancelled.")

    with pytest.raises(Cancelled):
        list(draw_curve(data, config, CPU, cancel))


def test_where_nothing_can_be_made_originals_alone_are_told(
    data: CurveData, instant: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(order: Order, *more: Any) -> list[Picture]:
        raise InputError("They are all the same.")

    monkeypatch.setattr(learning_curve, "by_generator", none)
    config = CurveConfig(seeds=2, others=5, sizes=(4,), made=(0, 8))
    *_, found = draw_curve(data, config, CPU)
    assert isinstance(found, Curve)
    assert [row["made"] for row in found.rows] == [0, 0]
    assert found.quality == []
    assert found.verdict.made is None
    assert found.notes == (
        "With 4 originals no wafers could be made. They are all the same.",
        "With 12 originals no wafers could be made. They are all the same.",
    )


# -- what cannot be looked at --------------------------------------------------------------------


def test_one_original_or_none_to_judge_get_a_sentence(data: CurveData) -> None:
    pictures, labels = data.originals.train_pictures, data.originals.train_labels
    kept = [i for i, label in enumerate(labels) if label != 1 or i == 12]
    one = TrainData(NAMES, [pictures[i] for i in kept], labels[kept], [], labels[:0])
    with pytest.raises(InputError, match=r"“Donut” has 1 training original; 4 or more are needed"):
        next(draw_curve(replace(data, originals=one, lots=[0]), CurveConfig(), CPU))
    nobody = replace(data, test_labels=np.zeros(30, np.int64))
    with pytest.raises(InputError, match="No original of “Donut” is in the test part"):
        next(draw_curve(nobody, CurveConfig(), CPU))
    empty = replace(data, test_pictures=[], test_labels=labels[:0], test_lots=[])
    with pytest.raises(InputError, match="in the test part"):
        next(draw_curve(empty, CurveConfig(), CPU))
    alone = TrainData(("Donut",), data.own(), labels[:12] * 0, [], labels[:0])
    with pytest.raises(InputError, match="two classes"):
        next(draw_curve(replace(data, originals=alone, target=0), CurveConfig(), CPU))


@pytest.mark.parametrize(
    "wrong",
    [{"seeds": 0}, {"others": 1}, {"network": "magic"}, {"sizes": (1,)}, {"sizes": ("5",)},
     {"made": (-1,)}, {"made": (99999,)}, {"sizes": 5}, {"made": (True,)}, {"seed": -1}],
)  # fmt: skip
def test_wrong_settings_are_told(wrong: dict[str, Any]) -> None:
    with pytest.raises(ParameterError, match=next(iter(wrong))):
        CurveConfig(**wrong)


def test_settings_are_put_in_order() -> None:
    config = CurveConfig(sizes=[20, 5, 20], made=[100])  # type: ignore[arg-type]
    assert (config.sizes, config.made) == ((5, 20), (0, 100))


# -- what the trainings say ----------------------------------------------------------------------


def test_figures_by_hand() -> None:
    """Class 1 of four pictures, two each: with 5 originals one is found, with 10 both are."""
    labels = np.array([0, 0, 1, 1])
    trained = [
        Point(0, size, 0, Training("none", 0, np.array(called), 9, 1, 0.1))
        for size, called in ((5, [0, 0, 1, 0]), (10, [0, 0, 1, 1]))
    ]
    found = conclude(("a", "b"), 1, labels, list("wxyz"), trained, [])
    first, second = found.rows
    assert first["f1"]["value"] == pytest.approx(2 / 3)
    assert first["macro_f1"]["value"] == pytest.approx((2 / 3 + 4 / 5) / 2)
    assert second["f1"]["value"] == pytest.approx(1)
    assert second["f1"]["low"] < 0.9  # two of two: little is known
    assert found.law is not None
    assert found.law["top"] == 1
    assert found.verdict.key == UNKNOWN
    assert "only 2 test wafers of it can judge" in found.verdict.sentence
    assert found.verdict.made is None


def test_what_not_every_repeat_has_is_left_out() -> None:
    labels = np.array([0, 1])
    called = np.array([0, 1])
    trained = [
        Point(repeat, size, made, Training("none", repeat, called, 9, 1, 0.1))
        for repeat, size, made in ((0, 5, 0), (0, 5, 100), (0, 10, 0), (1, 5, 0), (1, 10, 0))
    ]
    found = conclude(("a", "b"), 1, labels, ["x", "y"], trained, [])
    assert [(row["size"], row["made"]) for row in found.rows] == [(5, 0), (10, 0)]


SIZES = (50, 100, 200)


def drawn(at_50: float, at_100: float, at_200: float, spread: float) -> np.ndarray[Any, Any]:
    rng = np.random.default_rng(0)
    middle = np.array([at_50, at_100, at_200])
    return np.clip(middle + spread * rng.standard_normal((500, 3)), 0, 1)


@pytest.mark.parametrize(
    ("figures", "spread", "key"),
    [
        ((0.90, 0.90, 0.90), 0.002, STOP),
        ((0.50, 0.60, 0.68), 0.004, COLLECT),
        ((0.80, 0.82, 0.84), 0.05, UNKNOWN),
    ],
)
def test_when_to_stop(figures: tuple[float, float, float], spread: float, key: str) -> None:
    verdict = decide(
        "Loc", SIZES, np.array(figures), drawn(*figures, spread), tested=80, lots=20, repeats=3
    )
    assert verdict.key == key
    assert verdict.doubling is not None
    assert verdict.doubling.low <= verdict.doubling.value <= verdict.doubling.high
    assert "Another 200 originals of Loc" in verdict.sentence


def test_figures_that_fall_are_luck_and_make_nothing_surer() -> None:
    """Ten points down by luck of five each: as many up could come with as many originals again."""
    figures = np.array([0.95, 0.90, 0.85])
    sample = drawn(0.95, 0.90, 0.85, 0.05)
    verdict = decide("Loc", SIZES, figures, sample, tested=80, lots=20, repeats=3)
    assert verdict.doubling is not None
    assert verdict.doubling.value == pytest.approx(0, abs=1e-12)
    assert verdict.doubling.high > 0.02
    assert verdict.key == UNKNOWN


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"tested": 9}, "only 9 test wafers of it can judge"),
        ({"tested": 1}, "only 1 test wafer of it can judge"),
        ({"lots": 4}, "come from 4 lots"),
        ({"repeats": 1}, "luck cannot be seen"),
    ],
)
def test_too_little_to_judge_by_cannot_be_told(change: dict[str, int], sentence: str) -> None:
    given = {"tested": 80, "lots": 20, "repeats": 3, **change}
    flat = (0.9, 0.9, 0.9)
    verdict = decide("Loc", SIZES, np.array(flat), drawn(*flat, 0.001), **given)  # type: ignore[arg-type]
    assert verdict.key == UNKNOWN
    assert verdict.sentence.startswith("Cannot be told yet: ")
    assert sentence in verdict.sentence


@pytest.mark.parametrize(
    ("gain", "words"),
    [(0.3, "more than collecting"), (-0.2, "less than collecting"), (0.02, "cannot be told apart")],
)
def test_made_wafers_are_held_against_collecting(gain: float, words: str) -> None:
    figures = (0.7, 0.75, 0.79)
    sample = drawn(*figures, 0.02)
    made = gain + 0.02 * np.random.default_rng(1).standard_normal(500)
    verdict = decide(
        "Loc", SIZES, np.array(figures), sample, made, made=Difference(gain, gain - 0.04, gain),
        count=400, enough=100, tested=80, lots=20, repeats=3,
    )  # fmt: skip
    assert "400 made wafers beside all originals bring" in verdict.sentence
    assert words in verdict.sentence
    assert "Already 100 do as well as all 200, within 2 points" in verdict.sentence
