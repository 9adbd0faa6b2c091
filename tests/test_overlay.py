"""Overlays of training wafers for mixed-type classes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
import torch

from wafer_core.device import at_most_threads
from wafer_core.images import FAIL, NO_DIE, PASS, Picture
from wafer_core.networks.preparation import Preparation
from wafer_core.tasks.classification import overlay
from wafer_core.tasks.classification.config import TrainConfig
from wafer_core.tasks.classification.overlay import (
    OverlaySampler,
    classes_with_maps,
    overlay_pairs,
    without_isolated_failures,
)
from wafer_core.tasks.classification.train import train
from wafer_core.tasks.classification.train_data import TrainData

SIDE = 16
NAMES = ["A", "B", "A + B"]
MIXED = {"A + B": ("A", "B")}


def wafer(*failed: tuple[slice, slice]) -> Picture:
    """Dies everywhere; those of some rectangles fail."""
    picture = np.full((SIDE, SIDE), PASS, np.uint8)
    for rectangle in failed:
        picture[rectangle] = FAIL
    return picture


TOP, LEFT = (slice(0, 4), slice(0, SIDE)), (slice(0, SIDE), slice(0, 3))


def test_a_mixed_class_is_an_overlay_of_any_two_classes_that_share_no_pattern() -> None:
    names = ["A", "B", "C", "A + B", "B + C", "A + B + C"]
    combinations = {
        "A + B": ("A", "B"), "B + C": ("B", "C"), "A + B + C": ("A", "B", "C"),
    }  # fmt: skip
    assert overlay_pairs(names, combinations) == {3: [(1, 0)], 4: [(2, 1)], 5: [(3, 2), (4, 0)]}
    assert overlay_pairs(names, combinations, {0, 1, 2}) == {3: [(1, 0)], 4: [(2, 1)]}


def test_names_alone_combine_nothing() -> None:
    assert overlay_pairs(NAMES, {}) == {}


def test_a_class_that_combines_itself_or_a_missing_class_is_no_overlay() -> None:
    assert overlay_pairs(["A", "B"], {"A": ("A", "B")}) == {}
    assert overlay_pairs(NAMES, {"A + B": ("A", "C")}) == {}


def test_isolated_failures_are_removed_and_a_line_stays() -> None:
    line = (slice(2, 10), slice(5, 6))
    picture = wafer(line)
    picture[12, 12] = picture[0, 15] = FAIL  # isolated
    picture[15, 0] = NO_DIE
    expected = wafer((slice(3, 9), slice(5, 6)))  # its two ends have a single neighbour
    expected[15, 0] = NO_DIE
    np.testing.assert_array_equal(without_isolated_failures(picture), expected)


def overlays(
    pictures: list[Picture],
    turns: bool = False,
    combinations: Mapping[str, tuple[str, ...]] = MIXED,
) -> torch.Tensor:
    """Sixty inputs of the last class, after overlaying."""
    preparation = Preparation(SIDE)
    inputs = preparation.prepare_compact(pictures)
    labels = np.arange(len(NAMES))
    sampler = OverlaySampler(NAMES, combinations, pictures, labels, preparation, inputs)
    batch = inputs[[len(NAMES) - 1] * 60]
    label = torch.full((60,), len(NAMES) - 1)
    generator = torch.Generator().manual_seed(0)
    return sampler.overlay(batch, label, turns, generator).float() / 255


def test_a_wafer_is_overlaid_with_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overlay, "SHARE", 1.0)
    both = overlays([wafer(TOP), wafer(LEFT), wafer()])
    expected = Preparation(SIDE).prepare([wafer(TOP, LEFT)])
    torch.testing.assert_close(both, expected.expand_as(both))


def test_the_upper_wafer_is_rotated_where_that_keeps_the_class(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(overlay, "SHARE", 1.0)
    both = overlays([wafer(TOP), wafer(LEFT), wafer()], turns=True)
    forms = {tuple(row.flatten().tolist()) for row in both[:, 1]}
    # The lower pattern stays; the upper one is at any of the four sides.
    assert len(forms) == 7  # A below with B at four sides, B below with A at four, one in common
    assert all(row[1, :4].sum() == 4 * SIDE or row[1, :, :3].sum() == 3 * SIDE for row in both)


def test_some_wafers_of_the_mixed_class_are_kept() -> None:
    both = overlays([wafer(TOP), wafer(LEFT), wafer()])
    kept = (both[:, 1].sum((1, 2)) == 0).float().mean()
    assert 0.15 < kept < 0.45


def test_only_wafer_maps_of_mixed_classes_are_overlaid() -> None:
    grey = np.tile(np.arange(SIDE, dtype=np.uint8) * 9, (SIDE, 1))
    assert not overlays([wafer(TOP), grey, wafer()])[:, 1].any()
    assert classes_with_maps([wafer(TOP), grey, wafer()], np.arange(3)) == {0, 2}
    assert not overlays([wafer(TOP), wafer(LEFT), wafer()], combinations={})[:, 1].any()


def test_a_class_without_training_wafers_is_not_overlaid() -> None:
    preparation = Preparation(SIDE)
    pictures = [wafer(TOP), wafer()]
    inputs = preparation.prepare_compact(pictures)
    sampler = OverlaySampler(NAMES, MIXED, pictures, np.array([0, 2]), preparation, inputs)
    assert sampler.pairs == {}


def test_a_mixed_class_with_one_wafer_is_learned_from_overlays() -> None:
    """Its only wafer shows one position of each pattern; the overlays show all positions."""
    rng = np.random.default_rng(0)

    def spot() -> tuple[slice, slice]:
        y, x = rng.integers(3, 22, 2)
        return slice(y, y + 7), slice(x, x + 7)

    def wafer_of(*names: str) -> Picture:
        picture = np.full((32, 32), PASS, np.uint8)
        if "spot" in names:
            picture[spot()] = FAIL
        if "line" in names:
            picture[:, int(rng.integers(4, 28))] = FAIL
        return picture

    single = [wafer_of("spot") for _ in range(10)] + [wafer_of("line") for _ in range(10)]
    data = TrainData(
        ("spot", "line", "both"), [*single, wafer_of("spot", "line")],
        np.array([0] * 10 + [1] * 10 + [2]), [], np.zeros(0, np.int64),
        combinations={"both": ("spot", "line")},
    )  # fmt: skip
    test = [wafer_of("spot", "line") for _ in range(40)]

    config = TrainConfig(network="wafer_cnn", epochs=60, batch_size=4, balancing="balanced")
    with at_most_threads(1):  # with batches of four, threads wait for each other
        last = list(train(data, config, torch.device("cpu")))[-1].best_classifier()
    # 0.65 from its own wafer alone
    assert (last.predict_proba(test).argmax(1) == 2).mean() > 0.85
