"""The preset Default, with the weights that ship."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch

from wafer_core.errors import InputError
from wafer_core.images import FAIL, NO_DIE, PASS, Picture, is_map
from wafer_core.metrics import copies
from wafer_core.networks.registry import WEIGHTS
from wafer_core.simulator import simulate_many
from wafer_core.tasks.augmentation.offline import AugmentConfig
from wafer_core.tasks.evaluation import class_agreement
from wafer_core.tasks.evaluation.diversity import as_vectors, compare_forms, report
from wafer_core.tasks.generation.dcgan.training import GanConfig
from wafer_core.tasks.generation.diffusion import generate as generate_default
from wafer_core.tasks.generation.diffusion import shipped
from wafer_core.tasks.generation.presets import RECIPES, GenerateResult, Step, generate
from wafers import disc, marked

CPU = torch.device("cpu")


def run(
    pictures: list[Picture],
    count: int,
    augmentation: AugmentConfig | None = None,
    **settings: float,
) -> GenerateResult:
    config = GanConfig.from_json({"preset": "default", "sweep": False, **settings})
    events = list(generate(pictures, count, config, CPU, augmentation))
    assert isinstance(events[-1], GenerateResult)
    return events[-1]


def density(pictures: list[Picture]) -> float:
    return float(np.mean([(p == FAIL).sum() / (p != NO_DIE).sum() for p in pictures]))


@pytest.fixture(scope="module")
def originals() -> list[Picture]:
    return simulate_many("Edge-Loc", 12, 3)


@pytest.fixture(scope="module")
def result(originals: list[Picture]) -> GenerateResult:
    return run(originals, 40, seed=1)


def test_the_weights_that_ship_are_genuine_and_small() -> None:
    assert (WEIGHTS / "wafergen.safetensors").stat().st_size <= 8 * 2**20
    network = shipped.load(CPU)
    assert not network.training


def test_dies_of_an_original_and_about_as_many_that_fail(
    originals: list[Picture], result: GenerateResult
) -> None:
    assert len(result.pictures) == len(result.borrowed) == 40
    assert max(np.bincount(result.borrowed)) - min(np.bincount(result.borrowed)) <= 1
    for made, index in zip(result.pictures, result.borrowed, strict=True):
        assert is_map(made)
        np.testing.assert_array_equal(made == NO_DIE, originals[index] == NO_DIE)
    assert density(result.pictures) == pytest.approx(density(originals), rel=0.3)


def test_the_pattern_is_kept(result: GenerateResult) -> None:
    """At the edge, and on one side of it: what makes an Edge-Loc."""
    lumps, outside = [], []
    for made in result.pictures:
        H, W = made.shape
        y, x = np.nonzero(made == FAIL)
        y, x = (2 * y + 1) / H - 1, (2 * x + 1) / W - 1
        rim = np.hypot(x, y) > 0.7
        outside.append(rim.mean())
        lumps.append(np.hypot(x[rim].mean(), y[rim].mean()))
    grid = [np.argwhere(p != NO_DIE) * 2.0 / p.shape - 1 for p in result.pictures]
    share = np.mean([(np.hypot(*g.T) > 0.7).mean() for g in grid])
    assert np.mean(outside) > share + 0.1
    assert np.mean(lumps) > 0.3


def test_nothing_repeats_an_original(originals: list[Picture], result: GenerateResult) -> None:
    near = copies.nearest(as_vectors(result.pictures), compare_forms(originals))
    assert not near.near.any()
    for one, other in pairwise(result.pictures):
        assert one.shape != other.shape or (one != other).any()
    assert result.details["near_copies"] == 0
    assert result.details["collapsed"] is False


def test_steps_are_told_and_costs_are_kept(
    originals: list[Picture], result: GenerateResult
) -> None:
    config = GanConfig(preset="default", sweep=False)
    events = list(generate(originals[:3], 2, config, CPU))
    steps = [e for e in events if isinstance(e, Step)]
    done = [step.name for step in steps if step.seconds is not None]
    assert done == list(RECIPES["default"].steps) == list(result.steps)
    assert [s.whole for s in steps] == sorted(s.whole for s in steps)
    cost = result.details["cost"]
    assert cost["network_bytes"] == pytest.approx(
        (WEIGHTS / "wafergen.safetensors").stat().st_size, rel=0.02
    )
    assert cost["total_seconds"] == pytest.approx(sum(result.steps.values()), abs=0.01)


def test_same_seed_same_wafers(originals: list[Picture]) -> None:
    first, again, other = (run(originals, 4, seed=seed) for seed in (5, 5, 6))
    for a, b in zip(first.pictures, again.pictures, strict=True):
        np.testing.assert_array_equal(a, b)
    assert any(
        a.shape != b.shape or (a != b).any()
        for a, b in zip(first.pictures, other.pictures, strict=True)
    )


def test_as_few_dies_come_along_as_is_good_enough(result: GenerateResult) -> None:
    fewest = generate_default.fewest_kept
    assert fewest([], 0.0) == 1  # nothing was compared
    assert fewest([0.10, 0.02, -0.01], 0.15) == 0  # all are good
    assert fewest([0.10, 0.02, -0.01], 0.05) == 1
    assert fewest([1.9, 1.1, 0.8], 0.15) == 1  # within one and a half of the best
    assert fewest([1.9, 1.3, 0.2], 0.15) == 2
    told = result.details["fit"]
    chosen = result.details["variation"]["kept"]
    assert list(chosen) == told["kept"][fewest(told["kid"], told["good"])]
    assert told["good"] > 0


def test_densities_are_compared_with_the_originals(originals: list[Picture]) -> None:
    result = run(originals, 10, sweep=True)
    assert result.sweep is not None
    told = result.details["sweep"]
    assert (told["setting"], told["values"]) == ("density", [0.5, 0.7, 1.0, 1.4, 2.0])
    assert told["failed"][-1] > 1.5 * told["failed"][0]  # more dies fail when asked
    assert told["kid"][2] < min(told["kid"][0], told["kid"][-1])


def test_copies_are_drawn_again(
    originals: list[Picture], monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    """The first drawing gives the originals back; none of them may stay."""
    rounds = []
    right = generate_default.draw

    def draw(*given: Any) -> Iterator[list[tuple[int, Picture]]]:
        grids = given[2]
        rounds.append(len(grids))
        if len(rounds) == 1:
            return iter([[(k, grid[::-1].copy()) for k, grid in enumerate(grids)]])
        return right(*given)

    monkeypatch.setattr(generate_default, "draw", draw)
    made = run(originals, 12)
    assert rounds[:2] == [12, 12]
    assert made.details["redrawn"] >= 12
    near = copies.nearest(as_vectors(made.pictures), compare_forms(originals))
    assert near.share <= 1 / 12


def test_a_direction_that_matters_is_kept() -> None:
    """Where no turn and no mirror is allowed, the failed corner stays where it was."""
    corner = []
    for seed in range(4):
        picture = marked(seed, 30)
        y, x = np.mgrid[:30, :30]
        picture[(picture != NO_DIE) & (x > 18) & (y < 12)] = FAIL
        corner.append(picture)
    still = AugmentConfig(rotation_range=0.0, horizontal_flip=False, vertical_flip=False)
    made = np.stack(run(corner, 16, still).pictures) == FAIL
    assert made[:, 3:12, 19:27].mean() > 3 * made[:, 18:27, 3:12].mean()


def test_grey_pictures_get_a_sentence(originals: list[Picture]) -> None:
    grey = np.random.default_rng(0).integers(1, 100, (20, 20)).astype(np.uint8)
    with pytest.raises(InputError, match="1 of 13 pictures of this class are no wafer maps"):
        run([*originals, grey], 3)


def test_one_picture_gets_a_sentence(originals: list[Picture]) -> None:
    with pytest.raises(InputError, match="has 1 different training picture"):
        run(originals[:1], 3)


def test_nearly_full_wafers_stay_maps() -> None:
    """A wafer without a passed die among them was once taken for a black and white picture."""
    full = []
    for seed in range(3):
        picture = disc(20)
        picture[picture == PASS] = FAIL
        picture[10, 8 + seed] = PASS
        full.append(picture)
    full[0][full[0] == PASS] = FAIL
    for made in run(full, 6).pictures:
        assert is_map(made)
    assert not is_map(full[0])  # what was given stays as it was


def test_closing_stops_it(originals: list[Picture]) -> None:
    running = generate(originals, 5000, GanConfig(preset="default"), CPU)
    assert isinstance(running, Iterator)
    next(running)
    running.close()  # type: ignore[attr-defined]
    assert list(running) == []


def test_a_collapse_is_said() -> None:
    different = [marked(k, 30) for k in range(30)]
    one = [different[0].copy() for _ in range(30)]
    for k, picture in enumerate(one):
        picture[10 + k % 5, 12] = FAIL
    said = report(one, different[1:], 0)
    assert said["collapsed"] is True
    assert "has collapsed" in str(said["said"])
    fine = report([marked(100 + k, 30) for k in range(30)], different, 0)
    assert fine["collapsed"] is False
    assert fine["near_copies"] == 0
    assert 0.8 < float(fine["diversity"]) < 1.2
    again = report([np.rot90(p).copy() for p in different], different, 0)
    assert again["near_copies"] == 1
    assert "100.0% repeat an original" in str(again["said"])


# -- other classes -------------------------------------------------------------------------------


def with_others(
    originals: list[Picture], others: dict[str, list[Picture]], count: int = 30
) -> GenerateResult:
    config = GanConfig(sweep=False, seed=1)
    return list(generate(originals, count, config, CPU, others=others))[-1]  # type: ignore[return-value]


def test_what_a_classifier_would_put_elsewhere_is_drawn_again(originals: list[Picture]) -> None:
    others = {name: simulate_many(name, 12, 4) for name in ("Center", "none", "Donut")}
    found = with_others(originals, others)
    belongs = class_agreement.membership(originals, others, seed=1)
    assert belongs is not None
    assert found.details["strangers"] == (~belongs(found.pictures)).sum() <= 3
    again = with_others(originals, others)
    assert all((a == b).all() for a, b in zip(found.pictures, again.pictures, strict=True))


def test_a_class_that_no_classifier_knows_ends_in_time(
    originals: list[Picture], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def refuse(pictures: list[Picture]) -> np.ndarray:
        asked.append(len(pictures))
        return np.zeros(len(pictures), bool)

    monkeypatch.setattr(class_agreement, "membership", lambda *_, **__: refuse)
    found = with_others(originals, {"Center": []})
    assert asked == [30] * 4  # as drawn first, and three times as many in all
    assert (found.details["redrawn"], found.details["strangers"]) == (90, 30)
    assert len(found.pictures) == 30


def test_nobody_can_tell_too_few_originals_or_one_class(originals: list[Picture]) -> None:
    assert class_agreement.membership(originals, {}) is None
    assert class_agreement.membership(originals, {"Center": originals[:4]}) is None
    assert class_agreement.membership(originals[:4], {"Center": originals}) is None
    assert with_others(originals, {}).details["strangers"] is None
