"""The wafers of the pretraining: simulated and real ones, single and overlaid."""

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
from wafer_core.tasks.classification.overlay import overlay_inputs

_NONE = PATTERNS.index("none")
# Classes are drawn in proportion to this power of their size: 1 is natural, 0 is balanced.
_CLASS_POWER = 0.25
_MAX_VALIDATION = 300  # wafers per class
_CHUNK = 512  # pictures prepared at once


@dataclass(frozen=True, eq=False)
class Wafers:
    """Prepared wafers with their targets.

    Attributes:
        inputs: uint8 (N, 3, S, S), see ``Preparation.prepare_compact``.
        label: int64 (N,) index into ``PATTERNS``, −1 if there are several patterns.
        parts: float32 (N, 8), 1 for each of ``PARTS`` that is present.
        group: int64 (N,) number of the lot; −1 for simulated wafers.
        chance: float32 (N,) weight with which a wafer is drawn.
        fingerprint: int32 (N,) see ``training_fingerprints``; 0 for simulated wafers.
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
        first, second = vars(self), vars(other)
        return Wafers(**{name: torch.cat([first[name], second[name]]) for name in first})

    def take(self, chosen: torch.Tensor) -> Wafers:
        """Some of them, by indices or a mask."""
        return Wafers(**{name: value[chosen] for name, value in vars(self).items()})

    def draw(self, count: int, generator: torch.Generator) -> Wafers:
        """A random sample with replacement, in proportion to ``chance``."""
        return self.take(torch.multinomial(self.chance, count, True, generator=generator))

    def single(self) -> Wafers:
        """Those with at most one pattern."""
        return self.take(self.label >= 0)


@dataclass(frozen=True, eq=False)
class Shapes:
    """Prepared wafers with unnamed shapes, see ``families``.

    Attributes:
        inputs: uint8 (N, 3, S, S), see ``Preparation.prepare_compact``.
        family: int64 (N,).
        cells: uint8 (N, K, 16, 16), how much of each cell each kind of shape covers, in 1/255.
    """

    inputs: torch.Tensor
    family: torch.Tensor
    cells: torch.Tensor

    def draw(self, count: int, generator: torch.Generator) -> Shapes:
        """A random sample with replacement."""
        chosen = torch.randint(len(self.family), (count,), generator=generator)
        return Shapes(self.inputs[chosen], self.family[chosen], self.cells[chosen])

    def stacked(self) -> torch.Tensor:
        """Inputs and targets (N, 3 + K, S, S) in [0, 1], to be transformed together."""
        S = self.inputs.shape[-1]
        cells = F.interpolate(self.cells.float() / 255, size=(S, S))
        return torch.cat([self.inputs.float() / 255, cells], 1)


def with_shapes(count: int, seed: int, preparation: Preparation) -> Shapes:
    """Wafers with unnamed shapes, of all families in turn."""
    inputs, family, cells = [], [], []
    part: list[Picture] = []
    for picture, index, covered in shapes(count, seed):
        part.append(picture)
        family.append(index)
        cells.append(torch.from_numpy(covered))
        if len(part) == _CHUNK:
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
    """Wafers with one label each; rare classes are drawn more often than their share."""
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
    """Simulated wafers with up to four patterns, but none of those in ``without``."""
    pictures: list[Picture] = []
    targets = []
    excluded = np.array([name in without for name in PARTS])
    for picture, target in composites(count, seed):
        if not (target[excluded].any() or ("none" in without and not target.any())):
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
        raise InputError(
            "{path} holds no wafers that can be read; give a wafer data file.", path=str(path)
        )
    for candidate in candidates:
        if candidate.class_name not in PATTERNS or candidate.group is None:
            raise InputError(
                "{path}: {wafer} has the class {label} and the lot {lot}; pretraining needs one of "
                "{patterns} and a lot.",
                path=str(path),
                wafer=candidate.name,
                label=repr(candidate.class_name),
                lot=repr(candidate.group),
                patterns=", ".join(PATTERNS),
            )
    label = torch.tensor([PATTERNS.index(str(c.class_name)) for c in candidates])
    # In the order of the file, so that the split does not depend on the names of lots.
    number = {group: k for k, group in enumerate(dict.fromkeys(c.group for c in candidates))}
    group = torch.tensor([number[c.group] for c in candidates])
    inputs, hashes = [], []
    for start in range(0, len(candidates), _CHUNK):
        pictures = [c.load().picture for c in candidates[start : start + _CHUNK]]
        inputs.append(preparation.prepare_compact(pictures))
        hashes.append(torch.from_numpy(fingerprints(pictures)))
    return labelled(torch.cat(inputs), label, group, torch.cat(hashes))


def split(
    wafers: Wafers, left_out: float, seed: int, without: Sequence[str] = ()
) -> tuple[Wafers, Wafers]:
    """Training wafers, and validation wafers of other lots, at most 300 per class.

    Args:
        wafers: Real ones.
        left_out: Share of lots used for validation.
        seed: Of the split.
        without: Patterns left out of the training wafers.

    Raises:
        InputError: One of the two is empty.
    """
    generator = np.random.default_rng(seed)
    lots = generator.permutation(np.unique(wafers.group.numpy()))
    out = lots[len(lots) - round(left_out * len(lots)) :]
    is_out = np.isin(wafers.group.numpy(), out)
    names = np.array(PATTERNS)[wafers.label.numpy()]
    kept = np.flatnonzero(~is_out & ~np.isin(names, without))
    validation = np.concatenate(
        [
            generator.permutation(np.flatnonzero(is_out & (names == name)))[:_MAX_VALIDATION]
            for name in PATTERNS
        ]
    )
    if not len(kept) or not len(validation):
        raise InputError(
            "{training} wafers would be used for training and {validation} for validation; leave "
            "out another share of lots or give a larger file.",
            training=len(kept),
            validation=len(validation),
        )
    train = wafers.take(torch.from_numpy(kept))
    reweighted = labelled(train.inputs, train.label, train.group, train.fingerprint)
    return reweighted, wafers.take(torch.from_numpy(validation))


def overlay(
    batch: Wafers, share: float, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Overlay some wafers with another one of the batch: a die fails if it fails on either.

    Overlaying a wafer without a pattern adds noise and keeps the label.

    Args:
        batch: N wafers.
        share: Of wafers that are overlaid.
        generator: On the CPU.

    Returns:
        ``clean`` (N, 3, S, S) in [0, 1] without such noise, ``inputs`` with it, ``label`` (N,), −1
        if there are several patterns, and ``parts`` (N, 8).
    """
    lower = batch.inputs.float() / 255
    order = torch.randperm(len(batch), generator=generator)
    upper, parts = lower[order], batch.parts[order]
    full = torch.tensor([name in ("Near-full", "Random") for name in PARTS])
    chosen = torch.rand(len(batch), generator=generator) < share
    chosen &= ~(
        batch.parts[:, full].any(1) | parts[:, full].any(1)
    )  # they hide every other pattern
    both = overlay_inputs(lower, upper)
    inputs = torch.where(chosen[:, None, None, None], both, lower)
    noise = parts.sum(1) == 0
    clean = torch.where((chosen & ~noise)[:, None, None, None], both, lower)
    union = torch.where(chosen[:, None], torch.maximum(batch.parts, parts), batch.parts)
    label = torch.where(chosen & (batch.parts.sum(1) == 0), batch.label[order], batch.label)
    label = torch.where(union.sum(1) > 1, -1, label)
    return clean, inputs, label, union
