"""The masked diffusion network, and how wafers are planned and drawn."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from wafer_core.images import FAIL, NO_DIE, Picture
from wafer_core.tasks.generation.diffusion import network
from wafer_core.tasks.generation.diffusion.network import (
    BLURS,
    CELLS,
    FAILED,
    HIDDEN,
    MaskedDiffusion,
    blur,
)
from wafer_core.tasks.generation.diffusion.sampling import Plan, Variation, draw, to_cells, vary
from wafers import disc

CPU = torch.device("cpu")
STILL = Variation(turn=0, mirror_x=False, mirror_y=False, bend=0, stretch=0, blur=(1, 1), mixed=0,
                  kept=(0, 0), density_noise=0)  # fmt: skip


def density_of(picture: Picture) -> float:
    return float((picture == FAIL).sum() / (picture != NO_DIE).sum())


def test_blur_by_hand() -> None:
    failed, wafer = torch.zeros(2, CELLS, CELLS), torch.ones(2, CELLS, CELLS)
    failed[0, 10, 12] = 1.0
    failed[1] = 0.3
    soft = blur(failed, wafer, torch.tensor([1.0, 3.0]))
    # Gaussian with σ = 1: the next cell has e^(-1/2) of the maximum, the diagonal one e^-1
    assert soft[0, 10, 13] / soft[0, 10, 12] == pytest.approx(np.exp(-0.5), abs=1e-3)
    assert soft[0, 11, 13] / soft[0, 10, 12] == pytest.approx(np.exp(-1.0), abs=1e-3)
    assert soft[0].sum() == pytest.approx(1.0, abs=1e-3)
    torch.testing.assert_close(soft[1], failed[1])  # a uniform density does not change


def test_blur_does_not_fade_at_the_edge() -> None:
    wafer = torch.zeros(1, CELLS, CELLS)
    wafer[:, 8:24, 8:24] = 1.0
    soft = blur(wafer * 0.5, wafer, torch.tensor([2.0]))
    torch.testing.assert_close(soft, torch.full_like(soft, 0.5))


def test_an_untrained_network_returns_the_density() -> None:
    torch.manual_seed(0)
    net = MaskedDiffusion().eval()
    canvas = torch.full((2, 24, 32), HIDDEN, dtype=torch.uint8)
    density = torch.full((2, CELLS, CELLS), 0.2)
    density[1] = 0.7
    sizes = torch.tensor([[24.0, 32.0], [20.0, 25.0]])
    with torch.inference_mode():
        chance = net(density, torch.full((2,), 2.0), canvas, sizes).sigmoid()
    assert chance.shape == (2, 24, 32)
    torch.testing.assert_close(chance[0], torch.full((24, 32), 0.2), atol=0.01, rtol=0)
    torch.testing.assert_close(chance[1], torch.full((24, 32), 0.7), atol=0.01, rtol=0)


def test_the_density_is_in_wafer_coordinates() -> None:
    """A wafer fills the square of the density on any canvas."""
    torch.manual_seed(0)
    net = MaskedDiffusion().eval()
    density = torch.full((1, CELLS, CELLS), 0.1)
    density[:, CELLS // 2 :] = 0.9  # the lower half fails
    for H, W in ((16, 24), (30, 30), (40, 17)):
        canvas = torch.zeros((1, 40, 40), dtype=torch.uint8)
        canvas[:, :H, :W] = HIDDEN
        with torch.inference_mode():
            chance = net(density, torch.ones(1), canvas, torch.tensor([[H, W]])).sigmoid()
        assert chance[0, : H // 2 - 2, :W].max() < 0.3
        assert chance[0, H // 2 + 2 : H, :W].min() > 0.7


def test_dies_that_are_drawn_together_are_not_neighbours() -> None:
    times = network.draw_times(30, 21, np.random.default_rng(0))
    for time in np.unique(times):
        y, x = np.nonzero(times == time)
        distance = np.maximum(abs(y[:, None] - y), abs(x[:, None] - x))
        assert distance[~np.eye(len(y), dtype=bool)].min() == network.LATTICE
    assert times.min() > 0
    assert times.max() < 1


def wedge(size: int = 40) -> Picture:
    """A wafer with failed dies in one quadrant, without any symmetry."""
    picture = disc(size)
    y, x = np.mgrid[:size, :size] / size - 0.5
    picture[(picture != NO_DIE) & (x > 0.1) & (y > 0.0) & (y < 0.25)] = FAIL
    return picture


def test_without_variation_the_density_is_that_of_the_source() -> None:
    cells = to_cells([wedge(), disc(30)])
    plan = vary(cells, [0, 1, 0], STILL, torch.Generator().manual_seed(0))
    density = plan.density
    assert plan.blurred.tolist() == [1.0, 1.0, 1.0]
    same = blur(cells[:, 1], cells[:, 0], torch.ones(2))
    inside = cells[0, 0] > 0.9
    assert (density[0] - same[0])[inside].abs().max() < 0.05
    assert density[1].max() < 1e-3
    torch.testing.assert_close(density[0], density[2])


def test_rotations_and_reflections_only_if_allowed() -> None:
    cells = to_cells([wedge()])
    chance = torch.Generator().manual_seed(0)

    def centroids(**settings: object) -> np.ndarray:
        plan = vary(cells, [0] * 24, replace(STILL, **settings), chance)  # type: ignore[arg-type]
        density = plan.density
        position = (2 * torch.arange(CELLS) + 1) / CELLS - 1
        density = density * (
            torch.hypot(position[:, None], position) < 0.9
        )  # extrapolated off the wafer
        total = density.sum((1, 2))
        return np.stack(
            [((density.sum(1) * position).sum(1) / total).numpy(),
             ((density.sum(2) * position).sum(1) / total).numpy()], 1
        )  # fmt: skip

    (x, y), *others = centroids()
    np.testing.assert_allclose(others, np.tile([[x, y]], (23, 1)), atol=1e-5)
    mirrored = centroids(mirror_x=True)
    assert set(np.sign(mirrored[:, 0])) == {-1.0, 1.0}
    np.testing.assert_allclose(np.abs(mirrored), np.tile([[x, y]], (24, 1)), atol=0.01)
    rotated = centroids(turn=180.0)
    np.testing.assert_allclose(np.hypot(*rotated.T), np.hypot(x, y), atol=0.03)
    assert np.ptp(np.arctan2(rotated[:, 1], rotated[:, 0])) > 4


def test_bending_keeps_edge_and_centre_in_place() -> None:
    ring, spot = disc(40), disc(40)
    y, x = np.mgrid[:40, :40] - 19.5
    ring[(ring != NO_DIE) & (np.hypot(x, y) > 17)] = FAIL
    spot[np.hypot(x, y) < 4] = FAIL
    variation = replace(STILL, bend=0.2, stretch=0.15, turn=180.0)
    chance = torch.Generator().manual_seed(1)
    density = vary(to_cells([ring, spot]), [0] * 10 + [1] * 10, variation, chance).density
    line = (2 * torch.arange(CELLS) + 1) / CELLS - 1
    radius = torch.hypot(line[:, None], line)
    rim, middle = (radius > 0.88) & (radius < 0.97), radius < 0.12
    assert density[:10, rim].mean() > 0.5
    assert density[:10, radius < 0.5].max() < 0.05
    assert density[10:, middle].mean() > 0.6
    assert density[10:, radius > 0.6].max() < 0.05


def test_the_share_of_the_second_wafer() -> None:
    cells = to_cells([disc(30), wedge(30)])
    mixed = replace(STILL, mixed=0.5, neighbours=1)
    plan = vary(cells, [0] * 50, mixed, torch.Generator().manual_seed(0))
    most = plan.density.amax((1, 2))
    assert most.max() <= 0.5
    assert 0.15 < most.mean() < 0.35


def test_the_density_shift_changes_the_number_of_failed_dies() -> None:
    cells = to_cells([wedge()])
    chance = torch.Generator()
    plain = vary(cells, [0], STILL, chance).density.mean()
    more = vary(cells, [0], replace(STILL, density_shift=0.7), chance).density.mean()
    fewer = vary(cells, [0], replace(STILL, density_shift=-0.7), chance).density.mean()
    assert fewer < plain < more


def test_kept_dies_are_those_of_the_distorted_source() -> None:
    original = wedge(30)
    still = replace(STILL, kept=(0.4, 0.4))
    random = np.random.default_rng(0)
    plan = vary(to_cells([original]), [0], still, torch.Generator())
    canvas = plan.canvas(0, original, random)
    known = canvas > HIDDEN
    assert known.sum() / (original != NO_DIE).sum() == pytest.approx(0.4, abs=0.06)
    np.testing.assert_array_equal((canvas == FAILED)[known], (original == FAIL)[known])
    np.testing.assert_array_equal(canvas == 0, original == NO_DIE)
    # exactly a quarter turn
    plan.warps[0, 0] = np.pi / 2
    rotated = plan.canvas(0, original, random)
    known = rotated > HIDDEN
    expected = [np.rot90(original, k) for k in (1, 3)]
    assert max(((rotated == FAILED) == (e == FAIL))[known].mean() for e in expected) > 0.99


def test_fewer_dies_are_kept_with_another_density() -> None:
    cells, chance = to_cells([wedge()]), torch.Generator()
    kept = [float(vary(cells, [0], replace(STILL, kept=(0.4, 0.4), density_shift=f), chance).kept)
            for f in (0.0, 0.25, 0.7)]  # fmt: skip
    np.testing.assert_allclose(kept, [0.4, 0.2, 0.0])


def test_a_wider_variation_stays_within_the_range_of_pretraining() -> None:
    wide = Variation().wider(1.5)
    assert wide.bend == pytest.approx(Variation().bend * 1.5)
    assert Variation().wider(100).blur[1] == BLURS[1]
    assert Variation().wider(100).mixed <= 0.5


def drawn(density: float, grids: list[Picture], seed: int = 0) -> list[Picture]:
    torch.manual_seed(0)
    net = MaskedDiffusion().eval()  # untrained: dies are independent
    found: dict[int, Picture] = {}
    N = len(grids)
    plan = Plan(torch.full((N, CELLS, CELLS), density), torch.ones(N), torch.zeros(N, 10),
                torch.zeros(N))  # fmt: skip
    for batch in draw(net, plan, grids, np.random.default_rng(seed), CPU):
        found |= dict(batch)
    return [found[k] for k in range(len(grids))]


def test_all_dies_are_drawn_and_the_grid_is_kept() -> None:
    grids = [disc(30), disc(17), disc(66)[:, :41], disc(130)]
    for picture, grid in zip(drawn(0.3, grids), grids, strict=True):
        np.testing.assert_array_equal(picture == NO_DIE, grid == NO_DIE)
        assert density_of(picture) == pytest.approx(0.3, abs=0.08)


def test_the_same_seed_gives_the_same_wafers() -> None:
    grids = [disc(30), disc(17)]
    first, again, other = drawn(0.3, grids), drawn(0.3, grids), drawn(0.3, grids, seed=1)
    for a, b, c in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(a, b)
        assert (a != c).any()


class Recorder(MaskedDiffusion):
    """Records the shapes of its canvases."""

    def __init__(self) -> None:
        super().__init__()
        self.canvases: list[tuple[int, ...]] = []

    def forward(self, density: Tensor, blurred: Tensor, canvas: Tensor, sizes: Tensor) -> Tensor:
        self.canvases.append(tuple(canvas.shape))
        return super().forward(density, blurred, canvas, sizes)


def canvases(grids: list[Picture]) -> list[tuple[int, ...]]:
    net, N = Recorder().eval(), len(grids)
    plan = Plan(torch.full((N, CELLS, CELLS), 0.3), torch.ones(N), torch.zeros(N, 10),
                torch.zeros(N))  # fmt: skip
    batches = list(draw(net, plan, grids, np.random.default_rng(0), CPU, rounds=1))
    assert sorted(number for batch in batches for number, _ in batch) == list(range(N))
    return net.canvases


def test_many_small_wafers_have_canvases_of_their_own() -> None:
    """Cells off the wafers are wasted time."""
    grids = [disc(height)[:, :width] for height in (16, 64) for width in (16, 64)] * 12
    found = canvases(grids)
    assert len(found) > 1
    assert sum(map(math.prod, found)) <= 1.1 * sum(grid.size for grid in grids)


def test_a_few_wafers_share_a_canvas_whatever_their_size() -> None:
    """One more batch would cost more than the cells that a small wafer wastes."""
    assert canvases([disc(16), disc(24), disc(40)]) == [(3, 40, 40)]
