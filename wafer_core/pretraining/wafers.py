"""The wafers that pre-training draws from: simulated and real ones, alone and merged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from wafer_core.errors import InputError
from wafer_core.images import Picture
from wafer_core.importers import scan
from wafer_core.networks.preparation import Preparation
from wafer_core.networks.training_fingerprints import fingerprints
from wafer_core.pretraining.composites import PARTS, composites
from wafer_core.pretraining.families import shapes
from wafer_core.simulator import PATTERNS
from wafer_core.tasks.classification.overlay import lay

_NONE = PATTERNS.index("none")
# the chance to draw a class goes with its size to this power: between natural (1) and balanced (0)
_CLASS_POWER = 0.25
_JUDGED = 300  # wafers a class at most
_AT_ONCE = 512  # pictures prepared in one go


@dataclass(frozen=True, eq=False)
class Wafers:
    """Prepared wafers and what is known of each.

    Attributes:
        inputs: uint8 (N, 3, S, S), see ``Preparation.prepare_compact``.
        label: int64 (N,) index into ``PATTERNS``, −1 where there are several.
        parts: float32 (N, 8), 1 for each of ``PARTS`` that is there.
        group: int64 (N,) lots, numbered.
        chance: float32 (N,) to be drawn.
        fingerprint: int32 (N,) of real wafers, see ``seen.fingerprints``; else 0.
    """

    inputs: torch.Tensor
    label: torch.Tensor
    parts: torch.Tensor
    group: torch.Tensor
    chance: torch.Tensor
    fingerprint: torch.Tensor

    def __len__(self) -> int:
        return len(self.inputs)

    def __add__(self, other: Wafers) -> Wafers:
        mine, theirs = vars(self), vars(other)
        return Wafers(**{name: torch.cat([mine[name], theirs[name]]) for name in mine})

    def take(self, chosen: torch.Tensor) -> Wafers:
        """Those of some indices or a mask."""
        return Wafers(**{name: value[chosen] for name, value in vars(self).items()})

    def draw(self, count: int, generator: torch.Generator) -> Wafers:
        """Some at random, each by its chance, with repetition."""
        return self.take(torch.multinomial(self.chance, count, True, generator=generator))

    def single(self) -> Wafers:
        """Those with one pattern at most."""
        return self.take(self.label >= 0)


@dataclass(frozen=True, eq=False)
class Shapes:
    """Prepared wafers with shapes that have no name, see ``families``.

    Attributes:
        inputs: uint8 (N, 3, S, S), see ``Preparation.prepare_compact``.
        family: int64 (N,).
        cells: uint8 (N, K, 16, 16), how much of each cell each kind of shape covers.
    """

    inputs: torch.Tensor
    family: torch.Tensor
    cells: torch.Tensor

    def draw(self, count: int, generator: torch.Generator) -> Shapes:
        """Some at random, with repetition."""
        chosen = torch.randint(len(self.family), (count,), generator=generator)
        return Shapes(self.inputs[chosen], self.family[chosen], self.cells[chosen])

    def stacked(self) -> torch.Tensor:
        """(N, 3 + K, S, S) in [0, 1], so that inputs and answers can be turned together."""
        S = self.inputs.shape[-1]
        cells = F.interpolate(self.cells.float() / 255, size=(S, S))
        return torch.cat([self.inputs.float() / 255, cells], 1)


def with_shapes(count: int, seed: int, preparation: Preparation) -> Shapes:
    """Wafers of all families in turn."""
    inputs, family, cells = [], [], []
    part: list[Picture] = []
    for picture, index, covered in shapes(count, seed):
        part.append(picture)
        family.append(index)
        cells.append(torch.from_numpy(covered))
        if len(part) == _AT_ONCE:
            inputs.append(preparation.prepare_compact(part))
            part = []
    inputs.append(preparation.prepare_compact(part))
    return Shapes(torch.cat(inputs), torch.tensor(family), torch.stack(cells))


def labelled(
    inputs: torch.Tensor,
    label: torch.Tensor,
    group: torch.Tensor,
    fingerprint: torch.Tensor | None = None,
) -> Wafers:
    """Wafers with one label each; rare classes get more than their share of draws."""
    if fingerprint is None:
        fingerprint = torch.zeros(len(label), dtype=torch.int32)
    parts = torch.zeros(len(label), len(PARTS))
    for index, name in enumerate(PARTS):
        parts[label == PATTERNS.index(name), index] = 1
    frequency = torch.bincount(label, minlength=len(PATTERNS)).clamp_min(1).float()
    chance = frequency[label] ** (_CLASS_POWER - 1)
    return Wafers(inputs, label, parts, group, chance, fingerprint)


def simulated(
    count: int, seed: int, preparation: Preparation, without: Sequence[str] = ()
) -> Wafers:
    """Simulated wafers with no, one, or up to four patterns, but none of ``without``."""
    pictures: list[Picture] = []
    targets = []
    forbidden = np.array([name in without for name in PARTS])
    for picture, target in composites(count, seed):
        if not (target[forbidden].any() or ("none" in without and not target.any())):
            pictures.append(picture)
            targets.append(target)
    parts = torch.from_numpy(np.stack(targets))
    number = parts.sum(1)
    label = torch.tensor([PATTERNS.index(name) for name in PARTS])[parts.argmax(1)]
    label = torch.where(number == 0, _NONE, label)
    label = torch.where(number > 1, -1, label)
    group = torch.full_like(label, -1)
    return Wafers(
        preparation.prepare_compact(pictures), label, parts, group, torch.ones(len(pictures)),
        torch.zeros(len(pictures), dtype=torch.int32),
    )  # fmt: skip


def read(path: Path, preparation: Preparation) -> Wafers:
    """The labelled wafers of a data file.

    Raises:
        InputError: A wafer of another class than the nine, without a group, or none at all.
    """
    candidates = scan([path]).candidates
    if not candidates:
        raise InputError(f"{path} holds no wafers that can be read; give a wafer data file.")
    for candidate in candidates:
        if candidate.class_name not in PATTERNS or candidate.group is None:
            raise InputError(
                f"{path}: {candidate.name} has the class {candidate.class_name!r} and the group "
                f"{candidate.group!r}; pre-training needs one of {', '.join(PATTERNS)} and a lot."
            )
    label = torch.tensor([PATTERNS.index(str(c.class_name)) for c in candidates])
    # in the order of the file, so that names of lots do not decide which are left out
    number = {group: k for k, group in enumerate(dict.fromkeys(c.group for c in candidates))}
    group = torch.tensor([number[c.group] for c in candidates])
    inputs, found = [], []
    for start in range(0, len(candidates), _AT_ONCE):
        pictures = [c.load().picture for c in candidates[start : start + _AT_ONCE]]
        inputs.append(preparation.prepare_compact(pictures))
        found.append(torch.from_numpy(fingerprints(pictures)))
    return labelled(torch.cat(inputs), label, group, torch.cat(found))


def split(
    wafers: Wafers, left_out: float, seed: int, without: Sequence[str] = ()
) -> tuple[Wafers, Wafers]:
    """Those that teach, and at most 300 a class of lots that are left out, which judge.

    Args:
        wafers: Real ones.
        left_out: Share of lots.
        seed: Draws the lots.
        without: Patterns that do not teach.

    Raises:
        InputError: One of the two is empty.
    """
    generator = np.random.default_rng(seed)
    lots = generator.permutation(np.unique(wafers.group.numpy()))
    out = lots[len(lots) - round(left_out * len(lots)) :]
    is_out = np.isin(wafers.group.numpy(), out)
    names = np.array(PATTERNS)[wafers.label.numpy()]
    kept = np.flatnonzero(~is_out & ~np.isin(names, without))
    judged = np.concatenate(
        [
            generator.permutation(np.flatnonzero(is_out & (names == name)))[:_JUDGED]
            for name in PATTERNS
        ]
    )
    if not len(kept) or not len(judged):
        raise InputError(
            f"{len(kept)} wafers would teach and {len(judged)} judge; leave out another share of "
            "lots or give a larger file."
        )
    teach = wafers.take(torch.from_numpy(kept))
    again = labelled(teach.inputs, teach.label, teach.group, teach.fingerprint)
    return again, wafers.take(torch.from_numpy(judged))


def merge(
    batch: Wafers, share: float, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Lay a second wafer of the batch upon some of them: a die fails where it fails on either.

    A wafer without a pattern, laid upon another, is noise and changes no name.

    Returns:
        ``clean`` (N, 3, S, S) in [0, 1] without such noise, ``inputs`` with it, ``label`` (N,), −1
        where there are several patterns now, and ``parts`` (N, 8).
    """
    own = batch.inputs.float() / 255
    order = torch.randperm(len(batch), generator=generator)
    other, parts = own[order], batch.parts[order]
    full = torch.tensor([name in ("Near-full", "Random") for name in PARTS])
    chosen = torch.rand(len(batch), generator=generator) < share
    chosen &= ~(batch.parts[:, full].any(1) | parts[:, full].any(1))  # they would hide the rest
    both = lay(own, other)
    inputs = torch.where(chosen[:, None, None, None], both, own)
    noise = parts.sum(1) == 0
    clean = torch.where((chosen & ~noise)[:, None, None, None], both, own)
    union = torch.where(chosen[:, None], torch.maximum(batch.parts, parts), batch.parts)
    label = torch.where(chosen & (batch.parts.sum(1) == 0), batch.label[order], batch.label)
    label = torch.where(union.sum(1) > 1, -1, label)
    return clean, inputs, label, union
