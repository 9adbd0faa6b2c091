"""Labelled wafers of a data file, split by lots."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from wafer_core.images import Picture
from wafer_core.importers import Candidate, scan
from wafer_core.simulator import PATTERNS
from wafer_core.tasks.classification.train_data import TrainData

Labels = npt.NDArray[np.int64]


def read_labelled(path: Path) -> list[Candidate]:
    """The wafers of the nine patterns that have a lot."""
    return [c for c in scan([path]).candidates if c.class_name in PATTERNS and c.group]


def lots_of(candidates: Iterable[Candidate]) -> list[str]:
    """Different lots, sorted."""
    return sorted({str(c.group) for c in candidates})


def left_out(candidates: Sequence[Candidate], config: Mapping[str, Any]) -> list[Candidate]:
    """Wafers of the lots that a pretraining left out, see ``pretraining.wafers.split``.

    Args:
        candidates: All wafers of the file that it was pretrained on.
        config: Settings of the pretraining.
    """
    lots = list(dict.fromkeys(c.group for c in candidates))
    order = np.random.default_rng(config["seed"]).permutation(len(lots))
    out = order[len(order) - round(config["leave_groups_out"] * len(order)) :]
    names = {lots[k] for k in out}
    return [c for c in candidates if c.group in names]


def lot_halves(
    candidates: Sequence[Candidate], lots: Sequence[str], rng: np.random.Generator
) -> dict[str, tuple[list[Candidate], list[Candidate]]]:
    """The wafers of each pattern in a random half of the lots, and in the other half, shuffled."""
    first = set(rng.permutation(lots)[: len(lots) // 2].tolist())
    halves = {}
    for name in PATTERNS:
        own = [c for c in candidates if c.class_name == name]
        sides = [[c for c in own if (c.group in first) is is_first] for is_first in (True, False)]
        one, other = ([side[k] for k in rng.permutation(len(side))] for side in sides)
        halves[name] = one, other
    return halves


def load(candidates: Iterable[Candidate]) -> list[Picture]:
    """Their pictures."""
    return [c.load().picture for c in candidates]


@dataclass(frozen=True, eq=False)
class FewShot:
    """A few wafers per class to train on, and wafers of other lots to test on.

    Attributes:
        data: Training and validation wafers of the nine patterns.
        pictures: N test wafers.
        labels: (N,) class indices.
        lots: N lot names.
    """

    data: TrainData
    pictures: list[Picture]
    labels: Labels
    lots: list[str]


def draw_few(
    candidates: Sequence[Candidate], per_class: int, test_per_class: int, rng: np.random.Generator
) -> FewShot:
    """Draw the training wafers from half of the lots and the test wafers from the other half.

    For each four training wafers there is about one validation wafer (a third of ``per_class``).

    Args:
        candidates: To draw from.
        per_class: Training wafers of a class; fewer where there are not enough.
        test_per_class: Test wafers of a class at most.
        rng: Draws lots and wafers.
    """
    validation_each = max(1, per_class // 3)
    splits: dict[str, list[tuple[Candidate, int]]] = {"train": [], "validation": [], "test": []}
    for label, halves in enumerate(lot_halves(candidates, lots_of(candidates), rng).values()):
        chosen = halves[0][: per_class + validation_each]
        cut = round(len(chosen) * per_class / (per_class + validation_each))
        for split, found in (
            ("train", chosen[:cut]),
            ("validation", chosen[cut:]),
            ("test", halves[1][:test_per_class]),
        ):
            splits[split] += [(candidate, label) for candidate in found]

    def parts(split: str) -> tuple[list[Picture], Labels, list[str]]:
        own = splits[split]
        labels = np.array([label for _, label in own], np.int64)
        return load(c for c, _ in own), labels, [str(c.group) for c, _ in own]

    train, train_labels, lots = parts("train")
    data = TrainData(PATTERNS, train, train_labels, *parts("validation")[:2], lots)
    return FewShot(data, *parts("test"))
