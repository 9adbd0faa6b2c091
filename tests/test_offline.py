"""Offline augmentation of wafer maps and grey pictures."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from wafer_core.errors import InputError, ParameterError
from wafer_core.images import FAIL, NO_DIE, PASS, Picture, is_map
from wafer_core.parameters import parameters_of
from wafer_core.tasks.augmentation.affine import (
    FILL_MODES,
    affine,
    transform_grey,
    transform_map,
    wafer_grid,
)
from wafer_core.tasks.augmentation.offline import AugmentConfig, augment, augment_picture

NOTHING: dict[str, Any] = {
    "rotation_range": 0, "shear_range": 0, "horizontal_flip": False, "vertical_flip": False
}  # fmt: skip
STILL = {"rotation": 0.0, "shear": 0.0, "zoom": (1.0, 1.0), "shift": (0.0, 0.0)}


def round_wafer(height: int, width: int) -> Picture:
    """All dies pass; the wafer fills the picture."""
    y = (np.arange(height)[:, None] + 0.5) / height * 2 - 1
    x = (np.arange(width) + 0.5) / width * 2 - 1
    return np.where(y**2 + x**2 <= 1, PASS, NO_DIE).astype(np.uint8)


def radius(picture: Picture) -> np.ndarray:
    """Distance of each die from the centre, the wafer's edge at 1."""
    H, W = picture.shape
    y = (np.arange(H)[:, None] + 0.5) / H * 2 - 1
    x = (np.arange(W) + 0.5) / W * 2 - 1
    return np.hypot(y, x)


def move(picture: Picture, fill_mode: str = "nearest", cval: float = 0.0, **change: Any) -> Picture:
    settings = {**STILL, "flip": (False, False), **change}
    return transform_map(wafer_grid(picture), affine(**settings), fill_mode, cval)


def test_right_angles_and_reflections_are_exact() -> None:
    wafer = round_wafer(21, 21)
    rng = np.random.default_rng(0)
    wafer[(wafer == PASS) & (rng.random(wafer.shape) < 0.2)] = FAIL
    np.testing.assert_array_equal(move(wafer), wafer)
    np.testing.assert_array_equal(move(wafer, rotation=90), np.rot90(wafer, -1))
    np.testing.assert_array_equal(move(wafer, rotation=180), np.rot90(wafer, 2))
    np.testing.assert_array_equal(move(wafer, flip=(True, False)), wafer[::-1])
    np.testing.assert_array_equal(move(wafer, flip=(False, True)), wafer[:, ::-1])


def test_a_ring_on_oblong_dies_stays_a_ring() -> None:
    wafer = round_wafer(20, 60)
    ring = (radius(wafer) > 0.45) & (radius(wafer) < 0.7) & (wafer == PASS)
    wafer[ring] = FAIL
    for angle in (30, 45, 90):
        rotated = move(wafer, rotation=angle)
        failed = rotated == FAIL
        assert (failed & ring).sum() / (failed | ring).sum() > 0.8
        assert radius(wafer)[failed].max() < 0.8


def test_a_single_failed_die_never_vanishes_and_stays_single() -> None:
    counts = []
    for angle in range(0, 360, 7):
        wafer = round_wafer(23, 31)
        wafer[6, 12] = FAIL
        augmented = move(wafer, rotation=angle)
        y, x = np.argwhere(augmented == FAIL).mean(0)
        assert abs(radius(wafer)[round(y), round(x)] - radius(wafer)[6, 12]) < 0.12
        counts.append(int((augmented == FAIL).sum()))
    assert min(counts) == 1
    assert np.mean(counts) < 1.25


def test_a_thin_scratch_stays_in_one_piece() -> None:
    wafer = round_wafer(41, 41)
    wafer[20, 8:33] = FAIL
    for angle in range(0, 180, 11):
        failed = move(wafer, rotation=angle) == FAIL
        assert ndimage.label(failed, np.ones((3, 3)))[1] == 1
        assert 17 <= failed.sum() <= 32  # 25 dies; a diagonal of as many steps is longer


def test_counts_are_kept_on_average() -> None:
    rng = np.random.default_rng(1)
    wafer = round_wafer(40, 34)
    wafer[(wafer == PASS) & (rng.random(wafer.shape) < 0.1)] = FAIL
    wafer[10:18, 12:20] = FAIL
    before = (wafer == FAIL).sum()
    after = [
        (augmented == FAIL).sum() for augmented, _, _ in augment([wafer], 100, AugmentConfig(), 0)
    ]
    assert np.mean(after) == pytest.approx(before, rel=0.04)
    assert np.min(after) > 0.85 * before


@pytest.mark.parametrize(
    ("mode", "cval", "left"), [("constant", 0, PASS), ("constant", 250, FAIL), ("nearest", 0, FAIL),
                               ("reflect", 0, PASS), ("wrap", 0, PASS)]
)  # fmt: skip
def test_fill_modes_act_beyond_the_wafers_edge(mode: str, cval: float, left: int) -> None:
    wafer = round_wafer(21, 21)
    wafer[10, :2] = FAIL  # a defect on the left edge, then the wafer is moved to the right by 4
    augmented = move(wafer, mode, cval, shift=(0.0, -4 / 21))
    assert (augmented[10, 4:6] == FAIL).all()
    assert augmented[10, 0] == left
    np.testing.assert_array_equal(augmented == NO_DIE, wafer == NO_DIE)


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(4, 40),
    width=st.integers(4, 40),
    share=st.floats(0, 1),
    full=st.booleans(),
    seed=st.integers(0, 2**32),
    mode=st.sampled_from(FILL_MODES),
)
def test_maps_stay_maps(
    height: int, width: int, share: float, full: bool, seed: int, mode: str
) -> None:
    rng = np.random.default_rng(seed)
    wafer = np.full((height, width), PASS, np.uint8) if full else round_wafer(height, width)
    wafer[(wafer == PASS) & (rng.random(wafer.shape) < share)] = FAIL
    wafer[height // 2, width // 2] = PASS
    config = AugmentConfig(
        rotation_range=180, shear_range=0.5, zoom_range=0.5, width_shift_range=0.4,
        height_shift_range=0.4, brightness_range=(0.2, 2.0), channel_shift_range=90,
        fill_mode=mode, cval=255,
    )  # fmt: skip
    augmented, _ = augment_picture(wafer, config, rng)
    assert is_map(augmented)
    np.testing.assert_array_equal(augmented == NO_DIE, wafer == NO_DIE)


def test_grey_pictures_rotate_about_their_centre_with_square_pixels() -> None:
    picture = np.arange(24, dtype=np.uint8).reshape(4, 6)
    still = affine(**STILL, flip=(False, False))
    np.testing.assert_array_equal(transform_grey(picture, still, "nearest", 0, 1), picture)
    half_turn = affine(180, 0, (1, 1), (0, 0), (False, False))
    augmented = transform_grey(picture, half_turn, "nearest", 0, 1)
    np.testing.assert_array_equal(augmented, picture[::-1, ::-1])


def test_brightness_and_channel_shift_on_grey() -> None:
    picture = np.full((8, 8), 100, np.uint8)
    config = AugmentConfig(**NOTHING, brightness_range=(1.5, 1.5))
    assert (augment_picture(picture, config, np.random.default_rng(0))[0] == 150).all()
    config = AugmentConfig(**NOTHING, channel_shift_range=20)
    augmented, drawn = augment_picture(picture, config, np.random.default_rng(0))
    assert (augmented == round(100 + drawn["channel_shift"])).all()
    assert 80 <= augmented[0, 0] <= 120


def test_binary_pictures_stay_binary() -> None:
    picture = np.zeros((20, 20), np.uint8)
    picture[5:9, 4:12] = 255
    for augmented, _, _ in augment([picture], 20, AugmentConfig(), 0):
        assert set(np.unique(augmented)) <= {0, 255}


def test_pictures_depend_on_the_seed_and_not_on_the_count() -> None:
    wafers = [round_wafer(15 + n, 18) for n in range(5)]
    for wafer in wafers:
        wafer[4, 6:9] = FAIL
    short = list(augment(wafers, 7, AugmentConfig(), 3))
    long = list(augment(wafers, 20, AugmentConfig(), 3))
    for (a, i, drawn_a), (b, j, drawn_b) in zip(short, long, strict=False):
        np.testing.assert_array_equal(a, b)
        assert (i, drawn_a) == (j, drawn_b)
    assert np.bincount([index for _, index, _ in long]).tolist() == [4] * 5
    other = next(augment(wafers, 1, AugmentConfig(), 4))
    assert other[2] != short[0][2]


def test_a_slider_does_not_change_the_other_draws() -> None:
    wafer = round_wafer(12, 12)
    few, more = AugmentConfig(rotation_range=10), AugmentConfig(rotation_range=20, zoom_range=0.1)
    _, _, a = next(augment([wafer], 1, few, 0))
    _, _, b = next(augment([wafer], 1, more, 0))
    assert b["rotation"] == pytest.approx(2 * a["rotation"])
    assert b["shear"] == a["shear"]


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("rotation_range", float("nan")), ("rotation_range", -1), ("rotation_range", 181),
        ("rotation_range", "90"), ("rotation_range", True), ("rotation_range", None),
        ("horizontal_flip", 1), ("fill_mode", "mirror"), ("fill_mode", 3),
        ("brightness_range", 0.5), ("brightness_range", (1, 2, 3)), ("brightness_range", (2, 1)),
        ("brightness_range", (0, float("inf"))), ("brightness_range", "ab"),
        ("interpolation_order", 1.5), ("zoom_range", 1.0), ("cval", 256),
    ],
)  # fmt: skip
def test_invalid_settings_are_named(setting: str, value: object) -> None:
    with pytest.raises(ParameterError, match=setting):
        AugmentConfig.from_mapping({setting: value})


def test_invalid_calls_are_explained() -> None:
    wafer = round_wafer(9, 9)
    with pytest.raises(InputError, match="no pictures"):
        augment([], 3, AugmentConfig(), 0)
    for count in (0, -1, 10**9, 2.5, True):
        with pytest.raises(ParameterError, match="count"):
            augment([wafer], count, AugmentConfig(), 0)  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match="seed"):
        augment([wafer], 1, AugmentConfig(), -1)
    with pytest.raises(ParameterError, match="No transform is on"):
        augment([wafer], 1, AugmentConfig(**NOTHING), 0)
    with pytest.raises(ParameterError, match="no setting 'rotation'"):
        AugmentConfig.from_mapping({"rotation": 3})


def test_settings_round_trip_and_show_four_of_them_at_once() -> None:
    config = AugmentConfig(brightness_range=(0.5, 2))
    assert AugmentConfig.from_mapping(asdict(config)) == config
    parameters = parameters_of(AugmentConfig)
    main = [name for name, parameter in parameters.items() if parameter.main]
    assert main == ["rotation_range", "shear_range", "horizontal_flip", "vertical_flip"]
