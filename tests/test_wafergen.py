"""The generator that ships: its network, how it is taught, and how it draws."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from wafer_core.errors import InputError, ModelError, ParameterError
from wafer_core.images import FAIL, NO_DIE, Picture
from wafer_core.networks import checkpoint
from wafer_core.pretraining import dies as shelves
from wafer_core.pretraining import wafergen as pretrain
from wafer_core.pretraining import wafers as pretrain_wafers
from wafer_core.simulator import simulate_many
from wafer_core.tasks.generation.diffusion import network
from wafer_core.tasks.generation.diffusion.network import (
    BLURS,
    CELLS,
    FAILED,
    HIDDEN,
    PASSED,
    WaferGen,
    blur,
)
from wafer_core.tasks.generation.diffusion.sampling import Plan, Variation, cells_of, draw, vary
from wafers import disc

CPU = torch.device("cpu")
STILL = Variation(turn=0, mirror_x=False, mirror_y=False, bend=0, stretch=0, blur=(1, 1), mixed=0,
                  kept=(0, 0), level=0)  # fmt: skip


def density_of(picture: Picture) -> float:
    return float((picture == FAIL).sum() / (picture != NO_DIE).sum())


def test_blur_by_hand() -> None:
    failed, wafer = torch.zeros(2, CELLS, CELLS), torch.ones(2, CELLS, CELLS)
    failed[0, 10, 12] = 1.0
    failed[1] = 0.3
    soft = blur(failed, wafer, torch.tensor([1.0, 3.0]))
    # a Gauss bell of deviation 1: beside the top e^(−1/2) of it, one further in each direction e^−1
    assert soft[0, 10, 13] / soft[0, 10, 12] == pytest.approx(np.exp(-0.5), abs=1e-3)
    assert soft[0, 11, 13] / soft[0, 10, 12] == pytest.approx(np.exp(-1.0), abs=1e-3)
    assert soft[0].sum() == pytest.approx(1.0, abs=1e-3)
    torch.testing.assert_close(soft[1], failed[1])  # what is even stays as it is


def test_blur_does_not_fade_at_the_rim() -> None:
    wafer = torch.zeros(1, CELLS, CELLS)
    wafer[:, 8:24, 8:24] = 1.0
    soft = blur(wafer * 0.5, wafer, torch.tensor([2.0]))
    torch.testing.assert_close(soft, torch.full_like(soft, 0.5))


def test_before_it_is_taught_it_says_the_density_itself() -> None:
    torch.manual_seed(0)
    network = WaferGen().eval()
    canvas = torch.full((2, 24, 32), HIDDEN, dtype=torch.uint8)
    density = torch.full((2, CELLS, CELLS), 0.2)
    density[1] = 0.7
    sizes = torch.tensor([[24.0, 32.0], [20.0, 25.0]])
    with torch.inference_mode():
        chance = network(density, torch.full((2,), 2.0), canvas, sizes).sigmoid()
    assert chance.shape == (2, 24, 32)
    torch.testing.assert_close(chance[0], torch.full((24, 32), 0.2), atol=0.01, rtol=0)
    torch.testing.assert_close(chance[1], torch.full((24, 32), 0.7), atol=0.01, rtol=0)


def test_it_reads_the_density_in_the_coordinates_of_the_wafer() -> None:
    """A wafer fills the square of the density whatever its canvas."""
    torch.manual_seed(0)
    network = WaferGen().eval()
    density = torch.full((1, CELLS, CELLS), 0.1)
    density[:, CELLS // 2 :] = 0.9  # the lower half fails
    for H, W in ((16, 24), (30, 30), (40, 17)):
        canvas = torch.zeros((1, 40, 40), dtype=torch.uint8)
        canvas[:, :H, :W] = HIDDEN
        with torch.inference_mode():
            chance = network(density, torch.ones(1), canvas, torch.tensor([[H, W]])).sigmoid()
        assert chance[0, : H // 2 - 2, :W].max() < 0.3
        assert chance[0, H // 2 + 2 : H, :W].min() > 0.7


def test_dies_drawn_at_once_lie_apart() -> None:
    turns = network.turns_of(30, 21, np.random.default_rng(0))
    for turn in np.unique(turns):
        y, x = np.nonzero(turns == turn)
        apart = np.maximum(abs(y[:, None] - y), abs(x[:, None] - x))
        assert apart[~np.eye(len(y), dtype=bool)].min() == network.LATTICE
    assert turns.min() > 0
    assert turns.max() < 1


def test_batches_hide_known_dies_only_and_turn_all_parts_alike() -> None:
    pictures = simulate_many("Loc", 6, 0) + simulate_many("Scratch", 6, 1)
    shelf = shelves.shelf(pictures, np.repeat([0, 1], 6), np.arange(12))
    batches = shelves.Batches(shelf, 16, 0)
    for _ in range(4):
        batch = batches.draw()
        assert not batch.hide[batch.canvas == 0].any()
        for row in range(len(batch.canvas)):
            H, W = (int(n) for n in batch.sizes[row])
            assert batch.canvas[row, H:].sum() == batch.canvas[row, :, W:].sum() == 0
            dies = batch.canvas[row, :H, :W].numpy()
            again = np.where(dies == 0, 0, np.where(dies == FAILED, 255, 127)).astype(np.uint8)
            torch.testing.assert_close(cells_of([again])[0], batch.cells[row], atol=3e-3, rtol=0)


def test_large_wafers_are_thinned_not_made_denser() -> None:
    rng = np.random.default_rng(0)
    large = np.where(rng.random((300, 280)) < 0.2, 255, 127).astype(np.uint8)
    small = shelves.states(large)
    assert small.shape == (100, 94) or small.shape == (100, 93)
    assert (small == FAILED).mean() == pytest.approx(0.2, abs=0.02)
    assert set(np.unique(small)) == {PASSED, FAILED}


def test_the_lots_left_out_are_those_of_wafernet() -> None:
    group = np.repeat(np.arange(20), 3)
    prepared = pretrain_wafers.labelled(
        torch.zeros(60, 3, 2, 2, dtype=torch.uint8),
        torch.arange(60) % 9,
        torch.from_numpy(group),
    )
    teach, _ = pretrain_wafers.split(prepared, 0.5, 3)
    out = shelves.lots_left_out(group, 0.5, 3)
    assert sorted(set(group[~out])) == sorted(set(teach.group.tolist()))
    assert len(set(group[out])) == 10


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network taught for a few steps on simulated wafers."""
    output = tmp_path_factory.mktemp("weights") / "small.safetensors"
    config = pretrain.PretrainConfig(steps=3, batch_size=4, simulated=12)
    (*_, last) = pretrain.pretrain(config, CPU, output)
    assert last.step == 3
    assert np.isfinite([last.loss, last.score]).all()
    return output


def test_teaching_stores_what_can_be_loaded(taught: Path) -> None:
    from wafer_core.tasks.generation.diffusion import shipped

    network = shipped.load(CPU, taught.parent, "small")
    description = json.loads(taught.with_suffix(".json").read_text())
    assert description["config"]["step"] == 3
    assert description["config"]["real_wafers"] == 0
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert not list(taught.parent.glob("*partial*"))


def test_weights_that_were_changed_are_refused(taught: Path, tmp_path: Path) -> None:
    from wafer_core.tasks.generation.diffusion import shipped

    tensors = WaferGen()
    checkpoint.save(tmp_path, tensors, {"network": "wafergen"}, "other")
    (tmp_path / "other.safetensors").write_bytes(taught.read_bytes())
    with pytest.raises(ModelError, match="checksum differs"):
        shipped.load(CPU, tmp_path, "other")
    checkpoint.save(tmp_path, tensors, {"network": "wafernet"}, "odd")
    with pytest.raises(ModelError, match="does not describe a generator"):
        shipped.load(CPU, tmp_path, "odd")


def test_a_second_run_begins_with_the_first(taught: Path, tmp_path: Path) -> None:
    output = tmp_path / "next.safetensors"
    config = pretrain.PretrainConfig(steps=1, batch_size=4, simulated=12, learning_rate=1e-9)
    list(pretrain.pretrain(config, CPU, output, start=taught))
    before, checksum = checkpoint.read_tensors(taught.parent, "small")
    after, _ = checkpoint.read_tensors(tmp_path, "next")
    for name, tensor in before.items():
        torch.testing.assert_close(after[name], tensor, atol=1e-6, rtol=0)
    assert json.loads((tmp_path / "next.json").read_text())["config"]["start"] == checksum


def test_teaching_on_real_wafers_leaves_lots_out(tmp_path: Path) -> None:
    pictures = simulate_many("Center", 16, 0)
    shelf = shelves.shelf(pictures, np.zeros(16, np.int64), np.arange(16) // 2)
    output = tmp_path / "w.safetensors"
    config = pretrain.PretrainConfig(steps=1, batch_size=4, simulated=4, leave_groups_out=0.25)
    list(pretrain.pretrain(config, CPU, output, shelf))
    assert json.loads((tmp_path / "w.json").read_text())["config"]["real_wafers"] == 12
    with pytest.raises(InputError, match="16 wafers would teach and 0 judge"):
        list(pretrain.pretrain(replace(config, leave_groups_out=0.0), CPU, output, shelf))


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"leave_groups_out": 1.0}, {"minutes": 0.0}])
def test_settings_that_make_no_sense(wrong: dict[str, float]) -> None:
    with pytest.raises(ParameterError):
        pretrain.PretrainConfig(**wrong)  # type: ignore[arg-type]


def test_the_command_tells_what_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["pretrain", "--output", str(tmp_path / "w.safetensors"), "--steps", "0"]
    monkeypatch.setattr("sys.argv", words)
    assert pretrain.main() == 2
    assert "at least one step" in capsys.readouterr().err


def wedge(size: int = 40) -> Picture:
    """A wafer that fails in a quarter, to be turned and mirrored."""
    picture = disc(size)
    y, x = np.mgrid[:size, :size] / size - 0.5
    picture[(picture != NO_DIE) & (x > 0.1) & (y > 0.0) & (y < 0.25)] = FAIL
    return picture


def test_without_variation_a_density_is_that_of_its_original() -> None:
    cells = cells_of([wedge(), disc(30)])
    plan = vary(cells, [0, 1, 0], STILL, torch.Generator().manual_seed(0))
    density = plan.density
    assert plan.blurred.tolist() == [1.0, 1.0, 1.0]
    same = blur(cells[:, 1], cells[:, 0], torch.ones(2))
    inside = cells[0, 0] > 0.9
    assert (density[0] - same[0])[inside].abs().max() < 0.05
    assert density[1].max() < 1e-3
    torch.testing.assert_close(density[0], density[2])


def test_turns_and_mirrors_only_where_allowed() -> None:
    cells = cells_of([wedge()])
    chance = torch.Generator().manual_seed(0)

    def middles(**settings: object) -> np.ndarray:
        plan = vary(cells, [0] * 24, replace(STILL, **settings), chance)  # type: ignore[arg-type]
        density = plan.density
        place = (2 * torch.arange(CELLS) + 1) / CELLS - 1
        density = density * (torch.hypot(place[:, None], place) < 0.9)  # off the wafer it goes on
        total = density.sum((1, 2))
        return np.stack(
            [((density.sum(1) * place).sum(1) / total).numpy(),
             ((density.sum(2) * place).sum(1) / total).numpy()], 1
        )  # fmt: skip

    (x, y), *others = middles()
    np.testing.assert_allclose(others, np.tile([[x, y]], (23, 1)), atol=1e-5)
    mirrored = middles(mirror_x=True)
    assert set(np.sign(mirrored[:, 0])) == {-1.0, 1.0}
    np.testing.assert_allclose(np.abs(mirrored), np.tile([[x, y]], (24, 1)), atol=0.01)
    turned = middles(turn=180.0)
    np.testing.assert_allclose(np.hypot(*turned.T), np.hypot(x, y), atol=0.03)
    assert np.ptp(np.arctan2(turned[:, 1], turned[:, 0])) > 4


def test_bending_keeps_the_rim_the_rim_and_the_middle_the_middle() -> None:
    ring, spot = disc(40), disc(40)
    y, x = np.mgrid[:40, :40] - 19.5
    ring[(ring != NO_DIE) & (np.hypot(x, y) > 17)] = FAIL
    spot[np.hypot(x, y) < 4] = FAIL
    variation = replace(STILL, bend=0.2, stretch=0.15, turn=180.0)
    chance = torch.Generator().manual_seed(1)
    density = vary(cells_of([ring, spot]), [0] * 10 + [1] * 10, variation, chance).density
    line = (2 * torch.arange(CELLS) + 1) / CELLS - 1
    radius = torch.hypot(line[:, None], line)
    rim, middle = (radius > 0.88) & (radius < 0.97), radius < 0.12
    assert density[:10, rim].mean() > 0.5
    assert density[:10, radius < 0.5].max() < 0.05
    assert density[10:, middle].mean() > 0.6
    assert density[10:, radius > 0.6].max() < 0.05


def test_a_second_wafer_gives_its_share() -> None:
    cells = cells_of([disc(30), wedge(30)])
    mixed = replace(STILL, mixed=0.5, neighbours=1)
    plan = vary(cells, [0] * 50, mixed, torch.Generator().manual_seed(0))
    most = plan.density.amax((1, 2))
    assert most.max() <= 0.5
    assert 0.15 < most.mean() < 0.35


def test_more_and_fewer_dies_fail_when_asked() -> None:
    cells = cells_of([wedge()])
    chance = torch.Generator()
    plain = vary(cells, [0], STILL, chance).density.mean()
    more = vary(cells, [0], replace(STILL, fails=0.7), chance).density.mean()
    fewer = vary(cells, [0], replace(STILL, fails=-0.7), chance).density.mean()
    assert fewer < plain < more


def test_dies_that_are_taken_over_are_those_of_the_warped_original() -> None:
    original = wedge(30)
    still = replace(STILL, kept=(0.4, 0.4))
    random = np.random.default_rng(0)
    plan = vary(cells_of([original]), [0], still, torch.Generator())
    canvas = plan.canvas(0, original, random)
    known = canvas > HIDDEN
    assert known.sum() / (original != NO_DIE).sum() == pytest.approx(0.4, abs=0.06)
    np.testing.assert_array_equal((canvas == FAILED)[known], (original == FAIL)[known])
    np.testing.assert_array_equal(canvas == 0, original == NO_DIE)
    # a quarter turn, exactly: what lay to the right lies above or below
    plan.warps[0, 0] = np.pi / 2
    turned = plan.canvas(0, original, random)
    known = turned > HIDDEN
    ways = [np.rot90(original, k) for k in (1, 3)]
    assert max(((turned == FAILED) == (way == FAIL))[known].mean() for way in ways) > 0.99


def test_another_density_takes_fewer_dies_over() -> None:
    cells, chance = cells_of([wedge()]), torch.Generator()
    kept = [float(vary(cells, [0], replace(STILL, kept=(0.4, 0.4), fails=f), chance).kept)
            for f in (0.0, 0.25, 0.7)]  # fmt: skip
    np.testing.assert_allclose(kept, [0.4, 0.2, 0.0])


def test_wider_is_further_and_stays_within_what_the_network_knows() -> None:
    wide = Variation().wider(1.5)
    assert wide.bend == pytest.approx(Variation().bend * 1.5)
    assert Variation().wider(100).blur[1] == BLURS[1]
    assert Variation().wider(100).mixed <= 0.5


def drawn(density: float, grids: list[Picture], seed: int = 0) -> list[Picture]:
    torch.manual_seed(0)
    network = WaferGen().eval()  # says the density itself: dies are independent
    made: dict[int, Picture] = {}
    N = len(grids)
    plan = Plan(torch.full((N, CELLS, CELLS), density), torch.ones(N), torch.zeros(N, 10),
                torch.zeros(N))  # fmt: skip
    for part in draw(network, plan, grids, np.random.default_rng(seed), CPU):
        made |= dict(part)
    return [made[k] for k in range(len(grids))]


def test_every_die_is_drawn_once_and_the_grid_is_kept() -> None:
    grids = [disc(30), disc(17), disc(66)[:, :41], disc(130)]
    for made, grid in zip(drawn(0.3, grids), grids, strict=True):
        np.testing.assert_array_equal(made == NO_DIE, grid == NO_DIE)
        assert density_of(made) == pytest.approx(0.3, abs=0.08)


def test_same_seed_same_wafers() -> None:
    grids = [disc(30), disc(17)]
    first, again, other = drawn(0.3, grids), drawn(0.3, grids), drawn(0.3, grids, seed=1)
    for a, b, c in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(a, b)
        assert (a != c).any()


class Watched(WaferGen):
    """Keeps the sizes of the canvases that it is asked about."""

    def __init__(self) -> None:
        super().__init__()
        self.canvases: list[tuple[int, ...]] = []

    def forward(self, density: Tensor, blurred: Tensor, canvas: Tensor, sizes: Tensor) -> Tensor:
        self.canvases.append(tuple(canvas.shape))
        return super().forward(density, blurred, canvas, sizes)


def canvases(grids: list[Picture]) -> list[tuple[int, ...]]:
    network, N = Watched().eval(), len(grids)
    plan = Plan(torch.full((N, CELLS, CELLS), 0.3), torch.ones(N), torch.zeros(N, 10),
                torch.zeros(N))  # fmt: skip
    parts = list(draw(network, plan, grids, np.random.default_rng(0), CPU, steps=1))
    assert sorted(number for part in parts for number, _ in part) == list(range(N))
    return network.canvases


def test_many_small_wafers_are_not_drawn_on_the_canvases_of_large_ones() -> None:
    """What is drawn beside a wafer is time for nothing."""
    grids = [disc(height)[:, :width] for height in (16, 64) for width in (16, 64)] * 12
    found = canvases(grids)
    assert len(found) > 1
    assert sum(map(math.prod, found)) <= 1.1 * sum(grid.size for grid in grids)


def test_a_few_wafers_are_drawn_together_whatever_their_size() -> None:
    """A batch of its own would cost more than the room that a small wafer wastes."""
    assert canvases([disc(16), disc(24), disc(40)]) == [(3, 40, 40)]
