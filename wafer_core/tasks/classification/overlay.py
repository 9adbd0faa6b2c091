"""Classes that are several others at once, and new wafers of them.

Where a project has the classes Center, Loc and “Center + Loc”, a wafer of Center laid upon one of
Loc is a wafer of the third. With ten of each, turned and mirrored, that makes thousands of them,
where the class itself has ten. Training lays them anew for each batch; no other part ever sees one.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt
import torch
from scipy.ndimage import convolve

from wafer_core.images import FAIL, PASS, Picture, is_map
from wafer_core.networks.preparation import Preparation

SHARE = 0.8  # of the pictures of such a class in a batch that are laid anew
_JOINT = re.compile(r"\s*[+&,/_]\s*|\s+and\s+|\s*(?:및|그리고)\s*")
_LOOSE = re.compile(r"[\s-]+")
_HABIT = 3  # classes named so with a hyphen or a space: Edge-Loc by itself is no Edge and Loc
_NEIGHBOURS = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]])
_MOST = 300  # wafers of a class that are laid: more take only memory
_LONELY = 2  # a failed die with fewer failed neighbours belongs to no pattern


def joint_classes(
    names: Sequence[str], usable: Collection[int] | None = None
) -> dict[int, list[tuple[int, int]]]:
    """The classes that are named after several others, and which two classes make each of them.

    “A + B + C” is made of A and “B + C” as well as of B and “A + C”, as far as there are such
    classes. Names are joined by +, &, _, a comma, a stroke, or a word for “and”; by a hyphen or a
    space too where three classes or more are named so, of whole names of others.

    Args:
        names: Of all classes.
        usable: Those that have wafers to lay; None: all.
    """
    parts = _all_parts(names)
    found = {}
    for index, whole in enumerate(parts):
        if len(whole) < 2:
            continue
        # what shows only some of its patterns; few do, so that pairs of them are few
        some = [k for k, part in enumerate(parts) if part and part < whole]
        some = [k for k in some if usable is None or k in usable]
        pairs = [
            (a, b)
            for a in some
            for b in some
            if b < a and parts[a] | parts[b] == whole and not parts[a] & parts[b]
        ]
        if pairs:
            found[index] = pairs
    return found


def mention(names: Sequence[str], usable: Collection[int] | None = None) -> str:
    """Those classes for a sentence, “Center + Loc” and 28 more; empty where there is none."""
    found = [names[index] for index in joint_classes(names, usable)]
    if not found:
        return ""
    others = f" and {len(found) - 1} more" if len(found) > 1 else ""
    return f"“{found[0]}”{others}"


def with_maps(pictures: Sequence[Picture], labels: npt.NDArray[np.int64]) -> set[int]:
    """The classes that have wafer maps; other pictures are not laid on each other."""
    return {label for label, p in zip(labels.tolist(), pictures, strict=True) if is_map(p)}


def _all_parts(names: Sequence[str]) -> list[frozenset[str]]:
    """What each name is made of; a name that is nothing but itself is its only part."""
    parts = [_parts(name) for name in names]
    single = {next(iter(part)) for part in parts if len(part) == 1}
    loose = {
        index: pieces
        for index, part in enumerate(parts)
        if len(part) == 1 and (pieces := _pieces(next(iter(part)), single))
    }
    if len(loose) >= _HABIT:
        for index, pieces in loose.items():
            parts[index] = frozenset(pieces)
    return parts


def _parts(name: str) -> frozenset[str]:
    return frozenset(
        _LOOSE.sub("-", part.casefold()) for part in _JOINT.split(name.strip()) if part
    )


def _pieces(name: str, known: Collection[str]) -> list[str]:
    """The names of others that make up a name, joined by hyphens; none: it is not made of any."""
    words = name.split("-")

    @functools.cache  # each place is tried once, however many ways lead there
    def rest(start: int) -> list[str] | None:
        if start == len(words):
            return []
        for end in range(start + 1, len(words) + 1):
            piece = "-".join(words[start:end])
            if piece != name and piece in known and (more := rest(end)) is not None:
                return [piece, *more]
        return None

    found = rest(0) or []
    return found if len(set(found)) > 1 else []


def quiet(picture: Picture) -> Picture:
    """A wafer map without failed dies that stand alone: the noise of one wafer is enough for two.

    Args:
        picture: (H, W) wafer map.
    """
    failed = picture == FAIL
    around = convolve(failed.astype(np.uint8), _NEIGHBOURS, mode="constant")
    return np.where(failed & (around < _LONELY), PASS, picture).astype(np.uint8)


class JointWafers:
    """Lays training wafers on each other, for the classes that are several others at once."""

    def __init__(
        self,
        names: Sequence[str],
        pictures: Sequence[Picture],
        labels: npt.NDArray[np.int64],
        preparation: Preparation,
        inputs: torch.Tensor,
    ) -> None:
        """Find the classes, and prepare what is laid upon others.

        Args:
            names: Of the classes.
            pictures: N training pictures; only wafer maps are laid.
            labels: (N,) index into ``names``.
            preparation: How a picture becomes an input.
            inputs: uint8 (N, 3, S, S) of the pictures.
        """
        named = bool(joint_classes(names))  # most projects have none: then no picture is looked at
        maps = np.array([named and is_map(p) for p in pictures], bool)
        self.classes = joint_classes(names, set(labels[maps].tolist())) if named else {}
        parts = {part for pairs in self.classes.values() for pair in pairs for part in pair}
        self._of = {part: np.flatnonzero(maps & (labels == part))[:_MOST] for part in parts}
        above = np.sort(np.concatenate([*self._of.values(), np.zeros(0, np.int64)]))
        self._place = {int(index): place for place, index in enumerate(above)}
        self._above = preparation.prepare_compact([quiet(pictures[index]) for index in above])
        self._inputs = inputs

    def lay(
        self, batch: torch.Tensor, labels: torch.Tensor, turns: bool, generator: torch.Generator
    ) -> torch.Tensor:
        """A batch of which some wafers of joint classes are laid anew.

        Args:
            batch: uint8 (N, 3, S, S) as the inputs; changed in place.
            labels: (N,) of the same.
            turns: Whether the upper wafer may lie turned or mirrored.
            generator: On the CPU.
        """

        def one_of(count: int) -> int:
            return int(torch.randint(count, (), generator=generator))

        for row, label in enumerate(labels.tolist()):
            pairs = self.classes.get(label)
            if not pairs or float(torch.rand((), generator=generator)) >= SHARE:
                continue
            pair = pairs[one_of(len(pairs))]
            upper = one_of(2)
            low, high = (self._of[part] for part in (pair[1 - upper], pair[upper]))
            below = self._inputs[low[one_of(len(low))]].float() / 255
            above = self._above[self._place[int(high[one_of(len(high))])]].float() / 255
            if turns:
                above = torch.rot90(above, one_of(4), (1, 2))
                above = above.flip(2) if one_of(2) else above
            batch[row] = lay(below, above).mul_(255).round_().to(torch.uint8)
        return batch


def lay(below: torch.Tensor, above: torch.Tensor) -> torch.Tensor:
    """Two inputs (…, 3, S, S) in [0, 1] as one: a die fails where it fails on either.

    The wafer is the lower one's; see ``Preparation`` for the channels.
    """
    wafer = below[..., :1, :, :]
    failed = 1 - (1 - below[..., 1:2, :, :]) * (1 - above[..., 1:2, :, :])
    touched = torch.maximum(below[..., 2:, :, :], above[..., 2:, :, :])
    return torch.cat([wafer, torch.cat([failed, touched], -3) * (wafer > 0)], -3)
