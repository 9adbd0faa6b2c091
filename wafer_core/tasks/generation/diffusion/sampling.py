"""Draw new wafers of a class: vary where the dies of an original fail, and let dies fit that."""

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
from wafer_core.networks.optimizer import half
from wafer_core.networks.preparation import Preparation
from wafer_core.tasks.generation.diffusion.network import (
    BLURS,
    CELLS,
    FAILED,
    HIDDEN,
    MULTIPLE,
    PASSED,
    WaferGen,
    blur,
    turns_of,
)

_AREA = 64 * 32 * 32  # dies of a batch of canvases
_ALONE = 4096  # dies that could be drawn in the time that one more batch costs, however small
# Rounds in which dies are drawn, each from what the rounds before have left. Twice as many take
# twice as long and bring nothing: KID, recall and what an independent classifier says differ by no
# more than between two seeds, on eight classes.
STEPS = 4


@dataclass(frozen=True)
class Variation:
    """How far a new wafer may be from the one it descends from.

    Attributes:
        turn: Largest angle, in degrees.
        mirror_x: Whether left and right may change places.
        mirror_y: Whether top and bottom may change places.
        bend: Deviation of a smooth change of the directions, in radians.
        stretch: Deviation of the logarithm of a power of the radius: middle and rim stay.
        blur: Lowest and highest blur, in cells of 24 a side.
        mixed: Largest share that a second wafer may have of the density.
        neighbours: The second wafer is one of so many that are the most alike.
        kept: Lowest and highest share of the dies that are taken over from the warped original
            before the others are drawn: it keeps a thin line a line.
        level: Deviation of a number that is added to all logits of a density.
        fails: Mean of that number: above 0, more dies fail than on the originals.
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
    level: float = 0.1
    fails: float = 0.0

    def wider(self, factor: float) -> Variation:
        """The same, further from the originals (``factor`` above 1) or nearer to them.

        The dies that come along stay as many: a thin line that is bent far must still be one.
        """
        return replace(
            self,
            bend=self.bend * factor,
            stretch=self.stretch * factor,
            level=self.level * factor,
            mixed=min(0.5, self.mixed * factor),
            blur=(min(BLURS[1], self.blur[0] * factor), min(BLURS[1], self.blur[1] * factor)),
        )


def cells_of(pictures: Sequence[Picture]) -> Tensor:
    """Share on the wafer and share of failed dies, float32 (N, 2, 24, 24)."""
    return Preparation(CELLS).prepare(pictures)[:, :2].contiguous()


@dataclass(frozen=True, eq=False)
class Plan:
    """What is to be drawn: M wafers.

    Attributes:
        density: (M, 24, 24) of failed dies.
        blurred: (M,) how much, in cells.
        warps: (M, 10) numbers that say how the original is turned and bent, see ``_source``.
        kept: (M,) share of its dies that are taken over, warped.
    """

    density: Tensor
    blurred: Tensor
    warps: Tensor
    kept: Tensor

    @staticmethod
    def joined(plans: Sequence[Plan]) -> Plan:
        """Several as one: many wafers are drawn together faster than a few at a time."""
        return Plan(*(torch.cat([vars(p)[f.name] for p in plans]) for f in fields(Plan)))

    def canvas(
        self, number: int, original: Picture, random: np.random.Generator
    ) -> npt.NDArray[np.uint8]:  # fmt: skip
        """States of a wafer (H, W) before it is drawn: hidden, but for what is taken over."""
        H, W = original.shape
        hidden = np.where(original == NO_DIE, 0, HIDDEN).astype(np.uint8)
        share = float(self.kept[number])
        if share <= 0:
            return hidden
        y, x = torch.meshgrid(_line(H), _line(W), indexing="ij")
        from_x, from_y = (v[0].numpy() for v in _source(self.warps[number][None], y, x))
        rows = np.floor((from_y + 1) / 2 * H).astype(int).clip(0, H - 1)
        columns = np.floor((from_x + 1) / 2 * W).astype(int).clip(0, W - 1)
        inside = (np.abs(from_x) < 1) & (np.abs(from_y) < 1)
        taken = np.where(inside, original[rows, columns], NO_DIE)
        known = (hidden > 0) & (taken != NO_DIE) & (random.random((H, W)) < share)
        return np.where(known, np.where(taken == FAIL, FAILED, PASSED), hidden).astype(np.uint8)


def vary(
    cells: Tensor,
    parents: Sequence[int],
    variation: Variation,
    random: torch.Generator,
    donors: Tensor | None = None,
) -> Plan:
    """New wafers, each from one original and a little of one that is like it.

    Args:
        cells: Of the originals, from ``cells_of``.
        parents: For each new one, the wafer it descends from.
        variation: How far it may be from it.
        random: Where chance comes from; on the CPU.
        donors: From ``donors_of``, where it is asked for more than once.
    """
    M, N = len(parents), len(cells)
    who = torch.as_tensor(list(parents))
    own = cells[who]  # (M, 2, 24, 24)
    wafer, failed = own[:, :1], own[:, 1:] * own[:, :1]
    if N > 1 and variation.mixed > 0:
        if donors is None:
            donors = donors_of(cells, variation)
        other = donors[who]  # (M, K, 3): who, form, mirrored
        pick = other[torch.arange(M), torch.randint(other.shape[1], (M,), generator=random)]
        second = torch.stack(
            [_form(cells[int(j)], int(k), bool(m)) for j, k, m in pick]
        )  # (M, 2, 24, 24)
        share = (torch.rand(M, generator=random) * variation.mixed)[:, None, None, None]
        failed = failed * (1 - share) + share * second[:, 1:] * second[:, :1]
        wafer = wafer * (1 - share) + share * second[:, :1]
    warps = _warps(M, variation, random)
    y, x = torch.meshgrid(_line(CELLS), _line(CELLS), indexing="ij")
    grid = torch.stack(_source(warps, y, x), 3)
    both = F.grid_sample(torch.cat([wafer, failed], 1), grid, align_corners=False)
    low, high = (math.log(value) for value in variation.blur)
    blurred = (low + (high - low) * torch.rand(M, generator=random)).exp()
    density = blur(both[:, 1] / both[:, 0].clamp_min(1e-6), both[:, 0], blurred)
    if variation.level or variation.fails:
        shift = variation.fails + variation.level * torch.randn(M, 1, 1, generator=random)
        density = torch.sigmoid(torch.logit(density, 1e-4) + shift)
    low, high = variation.kept
    # dies that are taken over would hold against another density
    free = max(0.0, 1 - 2 * abs(variation.fails))
    kept = (low + (high - low) * torch.rand(M, generator=random)) * free
    return Plan(density, blurred, warps, kept)


def _form(cells: Tensor, turns: int, mirrored: bool) -> Tensor:
    return torch.rot90(cells.flip(-1) if mirrored else cells, turns, (-2, -1))


def donors_of(cells: Tensor, variation: Variation) -> Tensor:
    """For each wafer the others that are most like it: (N, K, 3) who, quarter turns, mirrored."""
    N = len(cells)
    smooth = blur(cells[:, 1], cells[:, 0], torch.full((N,), 2.0)).sqrt()
    turns = range(4) if variation.turn >= 90 else range(1)
    forms = [(k, m) for m in range(1 + variation.mirror_x) for k in turns]
    turned = torch.stack([_form(smooth, k, bool(m)) for k, m in forms], 1).flatten(2)
    distance, best = torch.cdist(smooth.flatten(1), turned.flatten(0, 1)).view(N, N, -1).min(2)
    distance.fill_diagonal_(torch.inf)
    count = min(variation.neighbours, N - 1)
    who = distance.topk(count, largest=False).indices  # (N, K)
    form = torch.tensor(forms)[best.gather(1, who)]  # (N, K, 2)
    return torch.cat([who[:, :, None], form], 2)


def _line(count: int) -> Tensor:
    """Middles of cells from −1 to 1."""
    return (2 * torch.arange(count) + 1) / count - 1


def _warps(count: int, variation: Variation, random: torch.Generator) -> Tensor:
    """Numbers (count, 10) for ``_source``."""

    def even(number: int) -> Tensor:
        return torch.rand(count, number, generator=random)

    turn = math.radians(variation.turn) * (2 * even(1) - 1)
    mirrors = (even(2) < 0.5) & torch.tensor([variation.mirror_x, variation.mirror_y])
    deviations = [variation.bend, variation.bend / 2, variation.stretch, variation.stretch]
    sizes = torch.tensor(deviations) * torch.randn(count, 4, generator=random)
    return torch.cat([turn, mirrors.float(), sizes, 2 * math.pi * even(3)], 1)


def _source(warps: Tensor, y: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """Where on the original each place lies; the rim stays the rim and the middle the middle.

    Args:
        warps: (M, 10), from ``_warps``.
        y: (H, W) from −1 to 1.
        x: (H, W) from −1 to 1.

    Returns:
        x and y on the original, (M, H, W) each.
    """
    turn, mirror_x, mirror_y, bend, bend2, stretch, lean, a, b, c = (
        number[:, None, None] for number in warps.unbind(1)
    )
    radius, angle = torch.hypot(x, y)[None], torch.atan2(y, x)[None]
    source = angle + bend * (angle + a).sin() + bend2 * (2 * angle + b).sin()
    power = stretch + lean * (angle + c).cos()
    # the corners lie beyond the rim and only need to go on smoothly
    reach = radius.clamp_min(1e-4) ** torch.where(radius < 1, power, torch.zeros(())).exp()
    source = torch.where(mirror_x > 0, math.pi - source, source)
    source = torch.where(mirror_y > 0, -source, source) + turn
    return reach * source.cos(), reach * source.sin()


@torch.inference_mode()
def draw(
    network: WaferGen,
    plan: Plan,
    originals: Sequence[Picture],
    random: np.random.Generator,
    device: torch.device,
    *,
    steps: int = STEPS,
) -> Iterator[list[tuple[int, Picture]]]:
    """Draw what is planned.

    Args:
        network: Taught.
        plan: Of N wafers.
        originals: N wafer maps that they descend from; their dies are taken over.
        random: Where chance comes from.
        device: Where to compute.
        steps: In so many rounds the dies are drawn; those of one round know nothing of each other.

    Yields:
        Batch by batch, numbers of the wafers and the wafers.
    """
    for members, side in _batches(originals):
        canvas = np.zeros((len(members), *side), np.uint8)
        turn = np.full(canvas.shape, 2.0, np.float32)  # when a die is drawn, 0 to 1
        sizes = np.array([originals[k].shape for k in members], np.float32)
        for row, k in enumerate(members):
            H, W = originals[k].shape
            canvas[row, :H, :W] = plan.canvas(k, originals[k], random)
            turn[row, :H, :W] = turns_of(H, W, random)
        state, when = torch.from_numpy(canvas).to(device), torch.from_numpy(turn).to(device)
        chance = torch.from_numpy(random.random(canvas.shape, np.float32)).to(device)
        guide, width = plan.density[members].to(device), plan.blurred[members].to(device)
        their_sizes = torch.from_numpy(sizes).to(device)
        for step in range(1, steps + 1):
            with half(device):
                logits = network(guide, width, state, their_sizes)
            failed = chance < torch.sigmoid(logits)
            now = state == HIDDEN
            if step < steps:
                now &= when < step / steps
            state = torch.where(now, torch.where(failed, FAILED, PASSED).to(state.dtype), state)
        drawn = state.cpu().numpy()
        yield [(k, _picture(drawn[row], originals[k])) for row, k in enumerate(members)]


def _batches(grids: Sequence[Picture]) -> Iterator[tuple[list[int], tuple[int, int]]]:
    """Wafers of about the same size, and the sides of a canvas that takes them all."""
    sides = [tuple(-(-length // MULTIPLE) * MULTIPLE for length in grid.shape) for grid in grids]
    members: list[int] = []
    side = (0, 0)
    for k in sorted(range(len(grids)), key=lambda k: sides[k]):
        H, W = sides[k]
        larger = (max(side[0], H), max(side[1], W))
        area = larger[0] * larger[1] * (len(members) + 1)
        wasted = area - side[0] * side[1] * len(members) - H * W
        if members and (area > _AREA or wasted > _ALONE):
            yield members, side
            members, larger = [], (H, W)
        members.append(k)
        side = larger
    if members:
        yield members, side


def _picture(drawn: npt.NDArray[np.uint8], grid: Picture) -> Picture:
    H, W = grid.shape
    failed = drawn[:H, :W] == FAILED
    return np.where(grid == NO_DIE, NO_DIE, np.where(failed, FAIL, PASS)).astype(np.uint8)
