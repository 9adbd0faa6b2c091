"""Overlays of training wafers, as new wafers of mixed-type classes.

If a project has the classes Center, Loc and “Center + Loc”, a wafer of Center overlaid with one of
Loc is a wafer of the third. Ten of each, rotated and reflected, give thousands of them. Training
draws new overlays for every batch; they are never used for validation or test.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch
from scipy.ndimage import convolve

from wafer_core.images import FAIL, PASS, Picture, is_map
from wafer_core.networks.preparation import Preparation

SHARE = 0.8  # of the wafers of such a class in a batch that are replaced by overlays
_NEIGHBOURS = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]])
_MAX_WAFERS = 300  # of a class that are overlaid; more only take memory
_MIN_NEIGHBOURS = 2  # a failed die with fewer failed neighbours is noise

Pairs = dict[int, list[tuple[int, int]]]


def overlay_pairs(
    names: Sequence[str],
    combinations: Mapping[str, Sequence[str]],
    usable: Collection[int] | None = None,
) -> Pairs:
    """The pairs of classes whose overlay gives a mixed-type class.

    “A + B + C” is an overlay of A and “B + C” as well as of B and “A + C”, if there are such
    classes.

    Args:
        names: Of all classes.
        combinations: For a mixed-type class the names of its single-pattern classes.
        usable: Indices of classes that have wafers to overlay; None: all.

    Returns:
        Index of a mixed-type class to pairs of indices.
    """
    patterns = [frozenset(combinations.get(name, (name,))) for name in names]
    pairs: Pairs = {}
    for index, whole in enumerate(patterns):
        if len(whole) < 2:
            continue
        # Only classes with some of the patterns; there are few, so that there are few pairs.
        parts = [k for k, part in enumerate(patterns) if part < whole]
        parts = [k for k in parts if usable is None or k in usable]
        found = [
            (a, b)
            for a in parts
            for b in parts
            if b < a and patterns[a] | patterns[b] == whole and not patterns[a] & patterns[b]
        ]
        if found:
            pairs[index] = found
    return pairs


def classes_with_maps(pictures: Sequence[Picture], labels: npt.NDArray[np.int64]) -> set[int]:
    """Indices of the classes that have wafer maps; other pictures are not overlaid."""
    return {label for label, p in zip(labels.tolist(), pictures, strict=True) if is_map(p)}


def without_isolated_failures(picture: Picture) -> Picture:
    """Remove isolated failed dies, so that an overlay does not have the noise of two wafers.

    Args:
        picture: (H, W) wafer map.
    """
    failed = picture == FAIL
    neighbours = convolve(failed.astype(np.uint8), _NEIGHBOURS, mode="constant")
    return np.where(failed & (neighbours < _MIN_NEIGHBOURS), PASS, picture).astype(np.uint8)


class OverlaySampler:
    """Overlays training wafers for the mixed-type classes of a batch.

    Attributes:
        pairs: Index of a mixed-type class to the pairs of classes that are overlaid for it.
    """

    def __init__(
        self,
        names: Sequence[str],
        combinations: Mapping[str, Sequence[str]],
        pictures: Sequence[Picture],
        labels: npt.NDArray[np.int64],
        preparation: Preparation,
        inputs: torch.Tensor,
    ) -> None:
        """Find the classes and prepare the upper wafers.

        Args:
            names: Of the classes.
            combinations: For a mixed-type class the names of its single-pattern classes.
            pictures: N training pictures; only wafer maps are overlaid.
            labels: (N,) index into ``names``.
            preparation: Of the network.
            inputs: uint8 (N, 3, S, S), the prepared pictures.
        """
        # Most projects have no mixed-type class: then no picture is read.
        is_mixed = bool(overlay_pairs(names, combinations))
        maps = np.array([is_mixed and is_map(p) for p in pictures], bool)
        self.pairs: Pairs = {}
        if is_mixed:
            self.pairs = overlay_pairs(names, combinations, set(labels[maps].tolist()))
        parts = {part for pairs in self.pairs.values() for pair in pairs for part in pair}
        self._members = {
            part: np.flatnonzero(maps & (labels == part))[:_MAX_WAFERS] for part in parts
        }
        indices = np.sort(np.concatenate([*self._members.values(), np.zeros(0, np.int64)]))
        self._row = {int(index): row for row, index in enumerate(indices)}
        self._upper = preparation.prepare_compact(
            [without_isolated_failures(pictures[index]) for index in indices]
        )
        self._inputs = inputs

    def share(self, labels: npt.NDArray[np.int64]) -> float:
        """Expected share of pictures with these labels (N,) that are replaced by overlays."""
        return SHARE * float(np.isin(labels, list(self.pairs)).mean())

    def overlay(
        self, batch: torch.Tensor, labels: torch.Tensor, turns: bool, generator: torch.Generator
    ) -> torch.Tensor:
        """Replace some wafers of mixed-type classes by new overlays.

        Args:
            batch: uint8 (N, 3, S, S), like the inputs; changed in place.
            labels: (N,).
            turns: Whether the upper wafer may be rotated and reflected.
            generator: On the CPU.
        """

        def draw(count: int) -> int:
            return int(torch.randint(count, (), generator=generator))

        for row, label in enumerate(labels.tolist()):
            pairs = self.pairs.get(label)
            if not pairs or float(torch.rand((), generator=generator)) >= SHARE:
                continue
            pair = pairs[draw(len(pairs))]
            first = draw(2)
            lower, upper = (self._members[part] for part in (pair[1 - first], pair[first]))
            below = self._inputs[lower[draw(len(lower))]].float() / 255
            above = self._upper[self._row[int(upper[draw(len(upper))])]].float() / 255
            if turns:
                above = torch.rot90(above, draw(4), (1, 2))
                above = above.flip(2) if draw(2) else above
            batch[row] = overlay_inputs(below, above).mul_(255).round_().to(torch.uint8)
        return batch


def overlay_inputs(below: torch.Tensor, above: torch.Tensor) -> torch.Tensor:
    """Overlay prepared wafers: a die fails if it fails on either.

    Args:
        below: (…, 3, S, S) in [0, 1], see ``Preparation``; the result has its wafer area.
        above: The same.
    """
    wafer = below[..., :1, :, :]
    failed = 1 - (1 - below[..., 1:2, :, :]) * (1 - above[..., 1:2, :, :])
    any_failed = torch.maximum(below[..., 2:, :, :], above[..., 2:, :, :])
    return torch.cat([wafer, torch.cat([failed, any_failed], -3) * (wafer > 0)], -3)
