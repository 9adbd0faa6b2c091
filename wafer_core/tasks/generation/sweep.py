"""Made pictures at several levels of one setting, each compared with the originals.

Classic has the threshold from which a made die counts as failed, 40 to 210; Default has the density
of failed dies. A level that is too low or too high is seen at once, and KID says it in a number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from wafer_core.images import Picture, die_counts, is_map, resize
from wafer_core.metrics.generation import squared_mmd
from wafer_core.networks import features

THRESHOLDS = tuple(range(40, 211, 10))
DENSITIES = (0.5, 0.7, 1.0, 1.4, 2.0)
_SHOWN, _SIDE = 8, 48  # pictures of a strip, and their side in pixels
_ORIGINALS = 300  # that are looked at


@dataclass(frozen=True, eq=False)
class Level:
    """What was made at one level."""

    value: float
    kid: float  # against the originals; lower is better, about 0 is as good as real
    failed: float | None  # mean share of failed dies, 0 to 1; None: no wafer maps
    strip: Picture  # some of the pictures, side by side


@dataclass(frozen=True, eq=False)
class Sweep:
    """All levels of a setting, from low to high."""

    setting: str  # a key of ``gan.PARAMETERS``
    levels: tuple[Level, ...]
    counts: tuple[int, int]  # pictures a level, and originals

    @property
    def best(self) -> float:
        """The level with the lowest KID."""
        return min(self.levels, key=lambda level: level.kid).value

    def to_json(self) -> dict[str, Any]:
        """Plain values, without the pictures."""
        return {
            "setting": self.setting,
            "values": [level.value for level in self.levels],
            "kid": [round(level.kid, 5) for level in self.levels],
            "failed": [level.failed for level in self.levels],
            "best": self.best,
            "counts": list(self.counts),
            "features": "wafernet",
        }


def compare(
    setting: str,
    made: Mapping[float, Sequence[Picture]],
    originals: Sequence[Picture],
    device: torch.device,
) -> Sweep:
    """Compare what was made at each level with the originals, in WaferNet's features.

    Args:
        setting: Its name.
        made: For each level, two or more pictures.
        originals: Two or more. Those that were learned from flatter all levels alike.
        device: Where to compute.

    Raises:
        InputError: Too few pictures.
        ModelError: WaferNet's weights are missing.
    """
    network = features.load("wafernet", device)
    real = network.look(originals[:_ORIGINALS]).features
    levels = []
    for value, pictures in sorted(made.items()):
        kid = squared_mmd(network.look(pictures).features, real)
        shares = [counts.failed / counts.dies for counts in map(die_counts, pictures)
                  if counts.dies]  # fmt: skip
        maps = all(is_map(picture) for picture in pictures)
        failed = round(float(np.mean(shares)), 5) if maps and shares else None
        levels.append(Level(float(value), kid, failed, strip(pictures)))
    count = min(len(pictures) for pictures in made.values())
    return Sweep(setting, tuple(levels), (count, len(real)))


def strip(pictures: Sequence[Picture]) -> Picture:
    """The first eight pictures side by side, with a dark line between them."""
    some = [np.pad(resize(p, (_SIDE, _SIDE)), ((0, 0), (0, 2))) for p in pictures[:_SHOWN]]
    return np.concatenate(some, 1)
