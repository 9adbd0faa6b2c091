"""Pictures and wafer maps: conversion, resizing, hashes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from wafer_core import images
from wafer_core.errors import PictureError
from wafer_core.images import FAIL, NO_DIE, PASS


def disc(size: int = 20) -> images.Picture:
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    return np.where(np.hypot(x, y) <= size / 2, PASS, NO_DIE).astype(np.uint8)


maps = hnp.arrays(np.uint8, st.tuples(st.integers(4, 60), st.integers(4, 60)),
                  elements=st.sampled_from([NO_DIE, PASS, FAIL]))  # fmt: skip


def test_die_codes_become_the_three_values() -> None:
    codes = np.array([[0, 1, 2, 0]] * 4)
    assert images.from_die_codes(codes).tolist() == [[0, 127, 255, 0]] * 4


def test_other_codes_are_refused_with_the_file_name() -> None:
    with pytest.raises(PictureError, match=r"lot7\.npy: a wafer map is a table of 0"):
        images.from_die_codes(np.full((5, 5), 3), "lot7.npy")


def test_counts_and_yield_by_hand() -> None:
    picture = images.from_die_codes(np.array([[0, 1, 1, 2], [1, 1, 2, 0], [0, 1, 1, 1], [0] * 4]))
    counts = images.die_counts(picture)
    assert (counts.dies, counts.passed, counts.failed) == (9, 7, 2)
    assert counts.yield_fraction == pytest.approx(7 / 9)
    assert images.die_counts(np.zeros((4, 4), np.uint8)).yield_fraction is None


def test_binarised_pictures_are_not_maps() -> None:
    assert images.is_map(disc())
    assert not images.is_map(np.where(disc() == PASS, FAIL, NO_DIE).astype(np.uint8))
    assert not images.is_map(np.full((8, 8), 126, np.uint8))


@settings(max_examples=60, deadline=None)
@given(maps, st.integers(4, 70), st.integers(4, 70))
def test_resizing_a_map_keeps_its_values(picture: images.Picture, height: int, width: int) -> None:
    out = images.resize(picture, (height, width))
    assert out.shape == (height, width)
    if images.is_map(picture):
        assert set(np.unique(out)) <= {NO_DIE, PASS, FAIL}
        assert (out == FAIL).any() == (picture == FAIL).any()


@pytest.mark.parametrize("size", [8, 13, 48, 100])
def test_a_single_failed_die_stays_visible_at_any_place(size: int) -> None:
    for y, x in np.argwhere(disc(40) == PASS)[::17]:
        picture = disc(40)
        picture[y, x] = FAIL
        out = images.resize(picture, (size, size))
        rows, columns = np.nonzero(out == FAIL)
        assert len(rows) >= 1
        assert abs(rows.mean() + 0.5 - (y + 0.5) * size / 40) <= 1
        assert abs(columns.mean() + 0.5 - (x + 0.5) * size / 40) <= 1


@given(maps)
@settings(max_examples=30, deadline=None)
def test_png_round_trip_and_hashes(picture: images.Picture) -> None:
    assert np.array_equal(images.decode_png(images.encode_png(picture)), picture)
    assert images.orbit_hash(picture) == images.orbit_hash(np.rot90(picture)[:, ::-1].copy())


def test_the_content_hash_depends_on_the_shape() -> None:
    zeros = np.zeros((4, 9), np.uint8)
    assert images.content_hash(zeros) != images.content_hash(zeros.reshape(6, 6))


def test_a_damaged_stored_picture_is_a_clear_error() -> None:
    with pytest.raises(PictureError, match=r"a\.png is damaged"):
        images.decode_png(images.encode_png(disc())[:40], "a.png")


def test_batch_is_float_in_unit_range() -> None:
    batch = images.to_float([disc(20), disc(33)], (16, 24))
    assert batch.shape == (2, 1, 16, 24)
    assert batch.dtype == np.float32
    assert 0 <= batch.min() <= batch.max() <= 1
