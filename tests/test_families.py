"""Simulated wafers with unnamed shapes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from wafer_core.images import FAIL, NO_DIE, is_map
from wafer_core.networks.preparation import Preparation
from wafer_core.pretraining.families import CELLS, FAMILIES, KINDS, shapes
from wafer_core.pretraining.wafers import with_shapes


def test_the_families_come_in_turn_and_the_first_has_no_shape() -> None:
    made = list(shapes(FAMILIES + 2, 0))
    assert [family for _, family, _ in made] == [*range(FAMILIES), 0, 1]
    assert all(is_map(picture) for picture, _, _ in made)
    assert not made[0][2].any()
    assert not made[FAMILIES][2].any()
    assert all(covered.shape == (len(KINDS), CELLS, CELLS) for _, _, covered in made)
    assert sum(covered.any() for _, _, covered in made) > 0.9 * FAMILIES


def test_the_seed_decides_the_wafers_but_not_the_families() -> None:
    one, two, other = list(shapes(30, 5)), list(shapes(30, 5)), list(shapes(30, 6))
    for (a, _, x), (b, _, y) in zip(one, two, strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(x, y)
    assert all(
        a.shape != b.shape or (a != b).any()
        for (a, _, _), (b, _, _) in zip(one, other, strict=True)
    )
    # The kinds of shapes of a family do not depend on the seed.
    for (_, _, x), (_, _, y) in zip(one, other, strict=True):
        same = (x > 127).any((1, 2)) == (y > 127).any((1, 2))
        assert same.mean() >= 0.8


def test_dies_fail_more_often_inside_a_shape() -> None:
    inside, outside = [], []
    for picture, _, covered in shapes(FAMILIES, 1):
        H, W = picture.shape
        rows, columns = np.arange(H) * CELLS // H, np.arange(W) * CELLS // W
        somewhere = covered.max(0)[np.ix_(rows, columns)] > 200
        on_wafer = picture != NO_DIE
        if (on_wafer & somewhere).any() and (on_wafer & ~somewhere).any():
            inside.append((picture[on_wafer & somewhere] == FAIL).mean())
            outside.append((picture[on_wafer & ~somewhere] == FAIL).mean())
    assert len(inside) > 100
    assert np.mean(inside) > np.mean(outside) + 0.15


def test_zero_wafers() -> None:
    assert list(shapes(0, 0)) == []


def test_inputs_and_targets_can_be_stacked() -> None:
    made = with_shapes(20, 0, Preparation(64))
    assert made.inputs.shape == (20, 3, 64, 64)
    assert made.family.tolist() == list(range(20))
    some = made.draw(7, torch.Generator().manual_seed(0))
    assert len(some.family) == 7
    stacked = some.stacked()
    assert stacked.shape == (7, 3 + len(KINDS), 64, 64)
    torch.testing.assert_close(stacked[:, 3:, ::4, ::4], some.cells.float() / 255)
    assert float(stacked.max()) == pytest.approx(1)
