"""Drawings of wafers, contact sheets and heat maps."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from wafer_core import drawing
from wafer_core.drawing import contact_sheet, draw, draw_heat, to_data_url, to_png
from wafer_core.errors import ParameterError
from wafer_core.images import FAIL, PASS, from_die_codes
from wafer_core.simulator import simulate_many
from wafers import disc

PASS_RGBA = (0x94, 0xBF, 0xDF, 255)
FAIL_RGBA = (0xD5, 0x5E, 0x00, 255)
CROSS = from_die_codes(np.array([[0, 1, 1, 0], [1, 2, 1, 1], [1, 1, 1, 1], [0, 1, 1, 0]]))


def test_one_pixel_per_die_in_two_colours_and_no_die_transparent() -> None:
    image = draw(CROSS)
    assert (image.mode, image.size) == ("RGBA", (4, 4))
    assert image.getpixel((0, 0)) == (0, 0, 0, 0)
    assert image.getpixel((1, 0)) == PASS_RGBA
    assert image.getpixel((1, 1)) == FAIL_RGBA


def test_dies_become_even_squares_when_enlarged() -> None:
    pixels = np.asarray(draw(CROSS, 40))
    assert pixels.shape == (40, 40, 4)
    failed = (pixels == FAIL_RGBA).all(axis=2)
    assert failed[10:20, 10:20].all()
    assert failed.sum() == 100


def test_a_wafer_with_oblong_dies_is_round() -> None:
    oblong = np.repeat(CROSS, 3, axis=1)
    assert np.array_equal(np.asarray(draw(oblong, 60)), np.asarray(draw(CROSS, 60)))


def test_a_single_failed_die_of_a_large_wafer_stays_visible_in_a_thumbnail() -> None:
    picture = np.full((300, 280), PASS, np.uint8)
    picture[101, 77] = FAIL
    pixels = np.asarray(draw(picture, 32))
    assert (pixels == FAIL_RGBA).all(axis=2).sum() == 1


def test_the_rim_has_one_notch_at_the_bottom() -> None:
    picture = np.full((20, 20), PASS, np.uint8)
    alpha = np.asarray(draw(picture, 200))[:, :, 3]
    top, bottom = alpha[:2, 100].max(), alpha[-2:, 100].max()
    assert top == 255
    assert bottom == 0
    assert alpha[100, :2].max() == alpha[100, -2:].max() == 255
    small = np.asarray(draw(picture, drawing.RIM_FROM_SIZE - 1))
    assert (small == PASS_RGBA).all()  # too small for a rim


def test_the_two_colours_differ_in_lightness_and_contrast_with_both_themes() -> None:
    def luminance(colour: str) -> float:  # WCAG 2.2
        parts = np.array(list(bytes.fromhex(colour[1:]))) / 255
        linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    def contrast(first: str, second: str) -> float:
        low, high = sorted((luminance(first), luminance(second)))
        return (high + 0.05) / (low + 0.05)

    assert contrast(drawing.PASS_COLOUR, drawing.FAIL_COLOUR) > 1.9
    assert contrast(drawing.FAIL_COLOUR, "#FFFFFF") > 3
    assert contrast(drawing.FAIL_COLOUR, "#0E1117") > 3
    assert contrast(drawing.PASS_COLOUR, "#0E1117") > 3
    assert contrast(drawing.RIM_COLOUR, "#FFFFFF") > 3
    assert contrast(drawing.RIM_COLOUR, "#0E1117") > 3


def test_a_grey_picture_stays_grey_opaque_and_in_proportion() -> None:
    picture = np.full((10, 20), 200, np.uint8)
    image = draw(picture, 40)
    assert image.size == (40, 40)
    assert image.getpixel((20, 20)) == (200, 200, 200, 255)
    assert image.getpixel((20, 5)) == (0, 0, 0, 0)  # above it: 40 × 20 in the middle of 40 × 40
    assert draw(picture).size == (20, 10)
    tall = np.full((4096, 4), 9, np.uint8)
    assert draw(tall, 16).getpixel((7, 8)) == (9, 9, 9, 255)


def test_a_contact_sheet_holds_every_picture_once() -> None:
    sheet = contact_sheet([CROSS] * 5, columns=3, cell=40)
    assert sheet.size == (3 * 46 + 6, 2 * 46 + 6)
    pixels = np.asarray(sheet)
    assert (pixels == FAIL_RGBA).all(axis=2).sum() == 5 * 100
    assert not pixels[:, :, 3][52:92, 98:138].any()  # the sixth cell is empty
    assert not np.asarray(contact_sheet([], columns=3)).any()


def test_selected_pictures_are_framed_and_captions_get_a_line() -> None:
    plain = np.asarray(contact_sheet([CROSS] * 3, columns=3, cell=40))
    framed = np.asarray(contact_sheet([CROSS] * 3, columns=3, cell=40, selected={1}))
    changed = np.nonzero((plain != framed).any(axis=(0, 2)))[0]
    assert (changed.min(), changed.max()) == (52 - 3, 52 + 40 + 2)
    captioned = contact_sheet([CROSS] * 3, 3, 40, captions=["Center 0.91", "스크래치", "x" * 5000])
    assert captioned.height > plain.shape[0]
    beside = np.asarray(captioned)[50:, :, 3]
    assert beside[:, 6:46].any()
    assert not beside[:, :4].any()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"columns": 0}, "A contact sheet cannot have 0 columns .* use at least one column"),
        ({"columns": 2, "cell": 3}, "with cells of 3 pixels; use"),
        ({"columns": 2, "captions": ["a"]}, "There are 1 captions for 2 pictures"),
    ],
)
def test_an_impossible_sheet_is_a_clear_error(arguments: dict[str, object], sentence: str) -> None:
    with pytest.raises(ParameterError, match=sentence):
        contact_sheet([CROSS, CROSS], **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [0, -5, 5000])
def test_an_impossible_size_is_a_clear_error(size: int) -> None:
    with pytest.raises(ParameterError, match=f"cannot have {size} pixels .* use 1 to 4096"):
        draw(CROSS, size)


def test_simulated_wafers_can_be_drawn_at_any_size() -> None:
    for picture in simulate_many("Scratch", 3, 0):
        for size in (1, 7, 33, 95, 96, 131, 640):
            assert draw(picture, size).size == (size, size)


def test_png_and_data_url_hold_the_drawing() -> None:
    image = draw(CROSS, 100)
    back = Image.open(io.BytesIO(to_png(image)))
    assert np.array_equal(np.asarray(back), np.asarray(image))
    head, _, body = to_data_url(image).partition(",")
    assert head == "data:image/png;base64"
    assert base64.b64decode(body) == to_png(image)


def test_a_heat_map_fades_cold_places() -> None:
    picture = disc(20)
    heat = np.zeros((64, 64))
    heat[:, :32] = 1.0
    plain = np.array(draw(picture, 200))
    drawn = np.array(draw_heat(picture, heat, 200))
    np.testing.assert_array_equal(drawn[..., :3], plain[..., :3])
    assert drawn[100, 60, 3] == 255
    assert drawn[100, 140, 3] == 63  # a quarter
    rim = plain[..., :3] == (0x80, 0x8A, 0x96)
    np.testing.assert_array_equal(drawn[rim.all(2)], plain[rim.all(2)])
    assert (drawn[..., 3] <= plain[..., 3]).all()


@pytest.mark.parametrize("size", [40, 100, 333])
def test_a_heat_map_of_a_grey_picture_keeps_its_proportions(size: int) -> None:
    picture = np.full((20, 60), 90, np.uint8)
    drawn = np.array(draw_heat(picture, np.ones((64, 64)), size))
    np.testing.assert_array_equal(drawn, np.array(draw(picture, size)))
