"""Auto: generation with the pretrained mchecked diffusion network."""

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
from wafer_core.tasks.generation.config import GenerationConfig
from wafer_core.tasks.generation.diffusion import generate as diffusion
from wafer_core.tasks.generation.diffusion import network
from wafer_core.tasks.generation.presets import RECIPES, generate
from wafer_core.tasks.generation.steps import GenerateResult, Step
from wafers import disc, marked

CPU = torch.device("cpu")


def run(
    pictures: list[Picture],
    count: int,
    augmentation: AugmentConfig | None = None,
    **settings: float,
) -> GenerateResult:
    config = GenerationConfig.from_mapping({"preset": "default", "sweep": False, **settings})
    events = list(generate(pictures, count, config, CPU, augmentation))
    assert isinstance(events[-1], GenerateResult)
    return events[-1]


def nearest(pictures: list[Picture], originals: list[Picture]) -> copies.Nearest:
    return copies.nearest(copies.vectors(pictures), copies.dihedral_vectors(originals))


def density(pictures: list[Picture]) -> float:
    return float(np.mean([(p == FAIL).sum() / (p != NO_DIE).sum() for p in pictures]))


@pytest.fixture(scope="module")
def originals() -> list[Picture]:
    return simulate_many("Edge-Loc", 12, 3)


@pytest.fixture(scope="module")
def result(originals: list[Picture]) -> GenerateResult:
    return run(originals, 40, seed=1)


def test_the_shipped_weights_are_genuine_and_small() -> None:
    assert (WEIGHTS / "wafergen.safetensors").stat().st_size <= 8 * 2**20
    assert not network.load(CPU).training


def test_wafers_have_the_dies_of_their_source_and_about_as_many_failed_ones(
    originals: list[Picture], result: GenerateResult
) -> None:
    assert len(result.pictures) == len(result.sources) == 40
    assert max(np.bincount(result.sources)) - min(np.bincount(result.sources)) <= 1
    for generated, index in zip(result.pictures, result.sources, strict=True):
        assert is_map(generated)
        np.testing.assert_array_equal(generated == NO_DIE, originals[index] == NO_DIE)
    assert density(result.pictures) == pytest.approx(density(originals), rel=0.3)


def test_the_pattern_is_kept(result: GenerateResult) -> None:
    """Edge-Loc: at the edge, and on one side of it."""
    lumps, outside = [], []
    for generated in result.pictures:
        H, W = generated.shape
        y, x = np.nonzero(generated == FAIL)
        y, x = (2 * y + 1) / H - 1, (2 * x + 1) / W - 1
        rim = np.hypot(x, y) > 0.7
        outside.append(rim.mean())
        lumps.append(np.hypot(x[rim].mean(), y[rim].mean()))
    grid = [np.argwhere(p != NO_DIE) * 2.0 / p.shape - 1 for p in result.pictures]
    share = np.mean([(np.hypot(*g.T) > 0.7).mean() for g in grid])
    assert np.mean(outside) > share + 0.1
    assert np.mean(lumps) > 0.3


def test_no_wafer_is_a_near_copy(originals: list[Picture], result: GenerateResult) -> None:
    assert nearest(result.pictures, originals).share == 0
    for one, other in pairwise(result.pictures):
        assert one.shape != other.shape or (one != other).any()
    assert result.details["near_copies"] == 0
    assert result.details["collapsed"] is False


def test_steps_are_reported_in_order_with_their_costs(
    originals: list[Picture], result: GenerateResult
) -> None:
    config = GenerationConfig(preset="default", sweep=False)
    events = list(generate(originals[:3], 2, config, CPU))
    steps = [e for e in events if isinstance(e, Step)]
    done = [step.name for step in steps if step.seconds is not None]
    assert done == list(RECIPES["default"].steps) == list(result.steps)
    assert [s.overall for s in steps] == sorted(s.overall for s in steps)
    cost = result.details["cost"]
    assert cost["network_bytes"] == pytest.approx(
        (WEIGHTS / "wafergen.safetensors").stat().st_size, rel=0.02
    )
    assert cost["total_seconds"] == pytest.approx(sum(result.steps.values()), abs=0.01)


def test_the_same_seed_gives_the_same_wafers(originals: list[Picture]) -> None:
    first, again, other = (run(originals, 4, seed=seed) for seed in (5, 5, 6))
    for a, b in zip(first.pictures, again.pictures, strict=True):
        np.testing.assert_array_equal(a, b)
    assert any(
        a.shape != b.shape or (a != b).any()
        for a, b in zip(first.pictures, other.pictures, strict=True)
    )


def test_the_lowest_share_of_kept_dies_that_is_good_enough_is_chosen(
    result: GenerateResult,
) -> None:
    fewest = diffusion.fewest_kept
    assert fewest([], 0.0) == 1  # none was compared
    assert fewest([0.10, 0.02, -0.01], 0.15) == 0  # all are good enough
    assert fewest([0.10, 0.02, -0.01], 0.05) == 1
    assert fewest([1.9, 1.1, 0.8], 0.15) == 1  # within 1.5 times the best
    assert fewest([1.9, 1.3, 0.2], 0.15) == 2
    fit = result.details["fit"]
    chosen = result.details["variation"]["kept"]
    assert list(chosen) == fit["kept"][fewest(fit["kid"], fit["good"])]
    assert fit["good"] > 0


def test_densities_are_compared_with_the_originals(originals: list[Picture]) -> None:
    result = run(originals, 10, sweep=True)
    assert result.sweep is not None
    sweep = result.details["sweep"]
    assert (sweep["setting"], sweep["values"]) == ("density", [0.5, 0.7, 1.0, 1.4, 2.0])
    assert sweep["failed"][-1] > 1.5 * sweep["failed"][0]
    assert sweep["kid"][2] < min(sweep["kid"][0], sweep["kid"][-1])


def test_near_copies_are_redrawn(
    originals: list[Picture], monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    """The first round returns the originals; none of them may remain."""
    rounds = []
    original_draw = diffusion.draw

    def draw(*given: Any) -> Iterator[list[tuple[int, Picture]]]:
        grids = given[2]
        rounds.append(len(grids))
        if len(rounds) == 1:
            return iter([[(k, grid[::-1].copy()) for k, grid in enumerate(grids)]])
        return original_draw(*given)

    monkeypatch.setattr(diffusion, "draw", draw)
    generated = run(originals, 12)
    assert rounds[:2] == [12, 12]
    assert generated.details["redrawn"] >= 12
    assert nearest(generated.pictures, originals).share <= 1 / 12


def test_without_rotations_and_reflections_the_direction_is_kept() -> None:
    """The failed corner stays where it was."""
    corner = []
    for seed in range(4):
        picture = marked(seed, 30)
        y, x = np.mgrid[:30, :30]
        picture[(picture != NO_DIE) & (x > 18) & (y < 12)] = FAIL
        corner.append(picture)
    still = AugmentConfig(rotation_range=0.0, horizontal_flip=False, vertical_flip=False)
    generated = np.stack(run(corner, 16, still).pictures) == FAIL
    assert generated[:, 3:12, 19:27].mean() > 3 * generated[:, 18:27, 3:12].mean()


def test_grey_pictures_are_refused(originals: list[Picture]) -> None:
    grey = np.random.default_rng(0).integers(1, 100, (20, 20)).astype(np.uint8)
    with pytest.raises(InputError, match="1 of 13 pictures of this class are not wafer maps"):
        run([*originals, grey], 3)


def test_a_single_picture_is_refused(originals: list[Picture]) -> None:
    with pytest.raises(InputError, match="has 1 different training picture"):
        run(originals[:1], 3)


def test_nearly_full_wafers_stay_maps() -> None:
    """A wafer without a passed die was once read as a black and white picture."""
    full = []
    for seed in range(3):
        picture = disc(20)
        picture[picture == PASS] = FAIL
        picture[10, 8 + seed] = PASS
        full.append(picture)
    full[0][full[0] == PASS] = FAIL
    for generated in run(full, 6).pictures:
        assert is_map(generated)
    assert not is_map(full[0])  # the input is not changed


def test_closing_stops_it(originals: list[Picture]) -> None:
    running = generate(originals, 5000, GenerationConfig(preset="default"), CPU)
    assert isinstance(running, Iterator)
    next(running)
    running.close()  # type: ignore[attr-defined]
    assert list(running) == []


# -- other classes -------------------------------------------------------------------------------


def with_others(
    originals: list[Picture], others: dict[str, list[Picture]], count: int = 30
) -> GenerateResult:
    config = GenerationConfig(sweep=False, seed=1)
    return list(generate(originals, count, config, CPU, others=others))[-1]  # type: ignore[return-value]


def test_wafers_that_a_classifier_assigns_to_another_class_are_redrawn(
    originals: list[Picture],
) -> None:
    others = {name: simulate_many(name, 12, 4) for name in ("Center", "none", "Donut")}
    found = with_others(originals, others)
    belongs = class_agreement.membership(originals, others, seed=1)
    assert belongs is not None
    assert found.details["rejected"] == (~belongs(found.pictures)).sum() <= 3
    again = with_others(originals, others)
    assert all((a == b).all() for a, b in zip(found.pictures, again.pictures, strict=True))


def test_redrawing_is_limited_if_a_classifier_rejects_everything(
    originals: list[Picture], monkeypatch: pytest.MonkeyPatch
) -> None:
    checked = []

    def refuse(pictures: list[Picture]) -> np.ndarray:
        checked.append(len(pictures))
        return np.zeros(len(pictures), bool)

    monkeypatch.setattr(class_agreement, "membership", lambda *_, **__: refuse)
    found = with_others(originals, {"Center": []})
    assert checked == [30] * 4  # the first draw and three redraws
    assert (found.details["redrawn"], found.details["rejected"]) == (90, 30)
    assert len(found.pictures) == 30


def test_there_is_no_classifier_with_too_few_originals_or_one_class(
    originals: list[Picture],
) -> None:
    assert class_agreement.membership(originals, {}) is None
    assert class_agreement.membership(originals, {"Center": originals[:4]}) is None
    assert class_agreement.membership(originals[:4], {"Center": originals}) is None
    assert with_others(originals, {}).details["rejected"] is None
