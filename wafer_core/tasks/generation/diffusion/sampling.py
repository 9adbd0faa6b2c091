"""Draw new wafers: vary the density of failed dies of an original, then draw the dies."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from wafer_core.images import FAIL, NO_DIE, PASS, Picture
from wafer_core.networks.optimizer import mixed_precision
from wafer_core.networks.preparation import Preparation
from wafer_core.tasks.generation.diffusion.network import (
    BLURS,
    CELLS,
    FAILED,
    HIDDEN,
    MULTIPLE,
    PASSED,
    MaskedDiffusion,
    blur,
    draw_times,
)

_AREA = 64 * 32 * 32  # cells of a batch of canvases
_WASTE = 4096  # cells that can be computed in the fixed time of one more batch
# Rounds of drawing; the dies of a round are drawn independently. Twice as many take twice as long
# and bring nothing: on eight classes KID, recall and the accuracy of an independent classifier
# differ by no more than between two seeds.
ROUNDS = 4


@dataclass(frozen=True)
class Variation:
    """How much a new wafer may differ from its source.

    Attributes:
        turn: Maximum rotation in degrees.
        mirror_x: Whether to mirror left and right at random.
        mirror_y: Whether to mirror top and bottom at random.
        bend: Standard deviation of a smooth distortion of the angle, in radians.
        stretch: Standard deviation of the logarithm of a power of the radius, which keeps the
            centre and the edge in place.
        blur: Minimum and maximum blur, in cells of 24 per side.
        mixed: Maximum share of a second wafer in the density.
        neighbours: The second wafer is one of this many most similar ones.
        kept: Minimum and maximum share of dies that are copied from the distorted source before the
            others are drawn, which keeps thin lines connected.
        density_noise: Standard deviation of a number added to all logits of a density.
        density_shift: Mean of that number; above 0, more dies fail than on the originals.
    """

    turn: float = 180.0
    mirror_x: bool = True
    mirror_y: bool = True
    bend: float = 0.10
    stretch: float = 0.08
    blur: tuple[float, float] = (1.0, 1.5)
    mixed: float = 0.2
    neighbours: int = 3
    kept: tuple[float, float] = (0.2, 0.45)
    density_noise: float = 0.1
    density_shift: float = 0.0

    def wider(self, factor: float) -> Variation:
        """The same with more (``factor`` above 1) or less variation.

        The share of kept dies does not change: a thin line that is strongly bent must remain one.
        """
        return replace(
            self,
            bend=self.bend * factor,
            stretch=self.stretch * factor,
            density_noise=self.density_noise * factor,
            mixed=min(0.5, self.mixed * factor),
            blur=(min(BLURS[1], self.blur[0] * factor), min(BLURS[1], self.blur[1] * factor)),
        )


def to_cells(pictures: Sequence[Picture]) -> Tensor:
    """Share on the wafer and share of failed dies per cell, float32 (N, 2, 24, 24)."""
    return Preparation(CELLS).prepare(pictures)[:, :2].contiguous()


@dataclass(frozen=True, eq=False)
class Plan:
    """M wafers to be drawn.

    Attributes:
        density: (M, 24, 24) of failed dies, blurred.
        blurred: (M,) standard deviations of that blur, in cells.
        warps: (M, 10) parameters of the distortion of the source, see ``_source_position``.
        kept: (M,) share of dies that are copied from the distorted source.
    """

    density: Tensor
    blurred: Tensor
    warps: Tensor
    kept: Tensor

    @staticmethod
    def joined(plans: Sequence[Plan]) -> Plan:
        """Several plans as one: large batches are drawn faster than small ones."""
        return Plan(*(torch.cat([vars(p)[f.name] for p in plans]) for f in fields(Plan)))

    def canvas(
        self, number: int, source: Picture, rng: np.random.Generator
    ) -> npt.NDArray[np.uint8]:
        """Initial states (H, W) of a wafer: all dies are hidden except the copied ones."""
        H, W = source.shape
        hidden = np.where(source == NO_DIE, 0, HIDDEN).astype(np.uint8)
        share = float(self.kept[number])
        if share <= 0:
            return hidden
        y, x = torch.meshgrid(_centres(H), _centres(W), indexing="ij")
        from_x, from_y = (v[0].numpy() for v in _source_position(self.warps[number][None], y, x))
        rows = np.floor((from_y + 1) / 2 * H).astype(int).clip(0, H - 1)
        columns = np.floor((from_x + 1) / 2 * W).astype(int).clip(0, W - 1)
        inside = (np.abs(from_x) < 1) & (np.abs(from_y) < 1)
        copied = np.where(inside, source[rows, columns], NO_DIE)
        known = (hidden > 0) & (copied != NO_DIE) & (rng.random((H, W)) < share)
        return np.where(known, np.where(copied == FAIL, FAILED, PASSED), hidden).astype(np.uint8)


def vary(
    cells: Tensor,
    sources: Sequence[int],
    variation: Variation,
    generator: torch.Generator,
    similar: Tensor | None = None,
) -> Plan:
    """Plan new wafers, each from its source and a small share of a similar wafer.

    Args:
        cells: Of the originals, from ``to_cells``.
        sources: Index of an original for each of M new wafers.
        variation: How much they may differ.
        generator: On the CPU.
        similar: From ``most_similar``; computed if missing.
    """
    M, N = len(sources), len(cells)
    index = torch.as_tensor(list(sources))
    of_source = cells[index]  # (M, 2, 24, 24)
    wafer, failed = of_source[:, :1], of_source[:, 1:] * of_source[:, :1]
    if N > 1 and variation.mixed > 0:
        if similar is None:
            similar = most_similar(cells, variation)
        candidates = similar[index]  # (M, K, 3): index, quarter turns, mirrored
        chosen = torch.randint(candidates.shape[1], (M,), generator=generator)
        second = torch.stack(
            [
                _oriented(cells[int(k)], int(turns), bool(mirrored))
                for k, turns, mirrored in candidates[torch.arange(M), chosen]
            ]
        )  # (M, 2, 24, 24)
        share = (torch.rand(M, generator=generator) * variation.mixed)[:, None, None, None]
        failed = failed * (1 - share) + share * second[:, 1:] * second[:, :1]
        wafer = wafer * (1 - share) + share * second[:, :1]
    warps = _draw_warps(M, variation, generator)
    y, x = torch.meshgrid(_centres(CELLS), _centres(CELLS), indexing="ij")
    grid = torch.stack(_source_position(warps, y, x), 3)
    both = F.grid_sample(torch.cat([wafer, failed], 1), grid, align_corners=False)
    low, high = (math.log(value) for value in variation.blur)
    blurred = (low + (high - low) * torch.rand(M, generator=generator)).exp()
    density = blur(both[:, 1] / both[:, 0].clamp_min(1e-6), both[:, 0], blurred)
    if variation.density_noise or variation.density_shift:
        noise = variation.density_noise * torch.randn(M, 1, 1, generator=generator)
        density = torch.sigmoid(torch.logit(density, 1e-4) + (variation.density_shift + noise))
    low, high = variation.kept
    # copied dies would contradict a different density
    allowed = max(0.0, 1 - 2 * abs(variation.density_shift))
    kept = (low + (high - low) * torch.rand(M, generator=generator)) * allowed
    return Plan(density, blurred, warps, kept)


def _oriented(cells: Tensor, turns: int, mirrored: bool) -> Tensor:
    return torch.rot90(cells.flip(-1) if mirrored else cells, turns, (-2, -1))


def most_similar(cells: Tensor, variation: Variation) -> Tensor:
    """The most similar other wafers in any allowed orientation.

    Args:
        cells: (N, 2, 24, 24), from ``to_cells``.
        variation: Which orientations are allowed, and how many wafers to return.

    Returns:
        (N, K, 3): index, quarter turns and whether it is mirrored, the most similar first.
    """
    N = len(cells)
    smooth = blur(cells[:, 1], cells[:, 0], torch.full((N,), 2.0)).sqrt()
    turns = range(4) if variation.turn >= 90 else range(1)
    orientations = [(k, m) for m in range(1 + variation.mirror_x) for k in turns]
    oriented = torch.stack([_oriented(smooth, k, bool(m)) for k, m in orientations], 1).flatten(2)
    distance, best = torch.cdist(smooth.flatten(1), oriented.flatten(0, 1)).view(N, N, -1).min(2)
    distance.fill_diagonal_(torch.inf)
    count = min(variation.neighbours, N - 1)
    index = distance.topk(count, largest=False).indices  # (N, K)
    orientation = torch.tensor(orientations)[best.gather(1, index)]  # (N, K, 2)
    return torch.cat([index[:, :, None], orientation], 2)


def _centres(count: int) -> Tensor:
    """Centres of cells from -1 to 1."""
    return (2 * torch.arange(count) + 1) / count - 1


def _draw_warps(count: int, variation: Variation, generator: torch.Generator) -> Tensor:
    """Random parameters (count, 10) for ``_source_position``."""

    def uniform(number: int) -> Tensor:
        return torch.rand(count, number, generator=generator)

    turn = math.radians(variation.turn) * (2 * uniform(1) - 1)
    mirrors = (uniform(2) < 0.5) & torch.tensor([variation.mirror_x, variation.mirror_y])
    deviations = [variation.bend, variation.bend / 2, variation.stretch, variation.stretch]
    sizes = torch.tensor(deviations) * torch.randn(count, 4, generator=generator)
    return torch.cat([turn, mirrors.float(), sizes, 2 * math.pi * uniform(3)], 1)


def _source_position(warps: Tensor, y: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """Position on the source of each position on the new wafer; the edge maps to the edge.

    Args:
        warps: (M, 10), from ``_draw_warps``.
        y: (H, W) from -1 to 1.
        x: (H, W) from -1 to 1.

    Returns:
        x and y on the source, (M, H, W) each.
    """
    turn, mirror_x, mirror_y, bend, bend2, stretch, lean, a, b, c = (
        number[:, None, None] for number in warps.unbind(1)
    )
    radius, angle = torch.hypot(x, y)[None], torch.atan2(y, x)[None]
    source = angle + bend * (angle + a).sin() + bend2 * (2 * angle + b).sin()
    power = stretch + lean * (angle + c).cos()
    # corners are outside the wafer and only need a smooth continuation
    reach = radius.clamp_min(1e-4) ** torch.where(radius < 1, power, torch.zeros(())).exp()
    source = torch.where(mirror_x > 0, math.pi - source, source)
    source = torch.where(mirror_y > 0, -source, source) + turn
    return reach * source.cos(), reach * source.sin()


@torch.inference_mode()
def draw(
    network: MaskedDiffusion,
    plan: Plan,
    sources: Sequence[Picture],
    rng: np.random.Generator,
    device: torch.device,
    *,
    rounds: int = ROUNDS,
) -> Iterator[list[tuple[int, Picture]]]:
    """Draw the dies of planned wafers.

    Args:
        network: Pretrained.
        plan: Of N wafers.
        sources: N wafer maps, whose die grids are used.
        rng: Random generator.
        device: Where to compute.
        rounds: Of drawing; the dies of one round are drawn independently.

    Yields:
        For each batch, the numbers of its wafers and the wafers.
    """
    for members, side in _batches(sources):
        canvas = np.zeros((len(members), *side), np.uint8)
        times = np.full(canvas.shape, 2.0, np.float32)  # when a die is drawn, 0 to 1
        sizes = np.array([sources[k].shape for k in members], np.float32)
        for row, k in enumerate(members):
            H, W = sources[k].shape
            canvas[row, :H, :W] = plan.canvas(k, sources[k], rng)
            times[row, :H, :W] = draw_times(H, W, rng)
        state, when = torch.from_numpy(canvas).to(device), torch.from_numpy(times).to(device)
        chance = torch.from_numpy(rng.random(canvas.shape, np.float32)).to(device)
        density, blurred = plan.density[members].to(device), plan.blurred[members].to(device)
        sizes_on_device = torch.from_numpy(sizes).to(device)
        for step in range(1, rounds + 1):
            with mixed_precision(device):
                logits = network(density, blurred, state, sizes_on_device)
            failed = chance < torch.sigmoid(logits)
            now = state == HIDDEN
            if step < rounds:
                now &= when < step / rounds
            state = torch.where(now, torch.where(failed, FAILED, PASSED).to(state.dtype), state)
        drawn = state.cpu().numpy()
        yield [(k, _to_picture(drawn[row], sources[k])) for row, k in enumerate(members)]


def _batches(grids: Sequence[Picture]) -> Iterator[tuple[list[int], tuple[int, int]]]:
    """Batches of wafers of similar size, and the sides of a canvas that fits all of them."""
    sides = [tuple(-(-length // MULTIPLE) * MULTIPLE for length in grid.shape) for grid in grids]
    members: list[int] = []
    side = (0, 0)
    for k in sorted(range(len(grids)), key=lambda k: sides[k]):
        H, W = sides[k]
        larger = (max(side[0], H), max(side[1], W))
        area = larger[0] * larger[1] * (len(members) + 1)
        wasted = area - side[0] * side[1] * len(members) - H * W
        if members and (area > _AREA or wasted > _WASTE):
            yield members, side
            members, larger = [], (H, W)
        members.append(k)
        side = larger
    if members:
        yield members, side


def _to_picture(states: npt.NDArray[np.uint8], grid: Picture) -> Picture:
    H, W = grid.shape
    failed = states[:H, :W] == FAILED
    return np.where(grid == NO_DIE, NO_DIE, np.where(failed, FAIL, PASS)).astype(np.uint8)
