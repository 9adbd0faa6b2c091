"""Picture files of every kind, good and bad."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from wafer_core.drawing import draw, to_png
from wafer_core.errors import PictureError
from wafer_core.images import FAIL, NO_DIE, PASS, Picture, encode_png
from wafer_core.importers import Limits, ReadOptions, Role, Upload, decode_picture, scan
from wafer_core.simulator import PATTERNS, simulate_many

WAFER = simulate_many("Loc", 1, 0)[0]
SCHEMES = {
    "matplotlib's viridis": ((68, 1, 84), (33, 145, 140), (253, 231, 37)),
    "green and red on white": ((255, 255, 255), (0, 160, 0), (220, 0, 0)),
    "blue and red on black": ((0, 0, 0), (30, 60, 220), (230, 30, 30)),
    "sky and vermillion on white": ((255, 255, 255), (148, 191, 223), (213, 94, 0)),
}


def save(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)  # type: ignore[arg-type]
    return stream.getvalue()


def render(picture: Picture, scheme: str = "green and red on white", scale: int = 1) -> Image.Image:
    tones = np.zeros((256, 3), np.uint8)
    tones[[NO_DIE, PASS, FAIL]] = SCHEMES[scheme]
    return Image.fromarray(np.repeat(np.repeat(tones[picture], scale, 0), scale, 1))


def read(data: bytes) -> Picture:
    return decode_picture(data, "a.png").picture


def test_a_stored_map_comes_back_as_it_was() -> None:
    loaded = decode_picture(encode_png(WAFER), "a.png")
    assert np.array_equal(loaded.picture, WAFER)
    assert loaded.colours is None
    assert loaded.notes == ()


def test_a_grey_picture_is_left_alone() -> None:
    grey = np.random.default_rng(0).integers(0, 256, (30, 40)).astype(np.uint8)
    assert np.array_equal(read(save(Image.fromarray(grey))), grey)


def test_a_binarised_grey_picture_is_no_map() -> None:
    binary = np.where(WAFER == FAIL, 255, 0).astype(np.uint8)
    assert np.array_equal(read(save(Image.fromarray(binary))), binary)
    one_bit = Image.fromarray(binary).convert("1")
    assert np.array_equal(read(save(one_bit)), binary)


def test_die_codes_and_almost_right_greys_become_a_map() -> None:
    codes = np.searchsorted([0, 127, 255], WAFER).astype(np.uint8)
    assert np.array_equal(read(save(Image.fromarray(codes))), WAFER)
    almost = np.where(WAFER == PASS, 128, WAFER).astype(np.uint8)
    assert np.array_equal(read(save(Image.fromarray(almost))), WAFER)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "GIF"])
def test_every_lossless_format(kind: str) -> None:
    assert np.array_equal(read(save(Image.fromarray(WAFER), kind)), WAFER)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("scale", [1, 3, 8])
def test_the_colours_of_usual_renderings_are_guessed(scheme: str, scale: int) -> None:
    loaded = decode_picture(save(render(WAFER, scheme, scale)), "a.png")
    assert np.array_equal(loaded.picture, WAFER)
    assert loaded.colours is not None
    assert loaded.colours.roles == dict(
        zip(SCHEMES[scheme], (Role.NO_DIE, Role.PASS, Role.FAIL), strict=True)
    )
    assert sum(loaded.colours.shares.values()) == pytest.approx(1)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_jpeg_noise_is_cleaned_and_dies_are_found(pattern: str) -> None:
    for wafer in simulate_many(pattern, 3, 1):
        picture = read(save(render(wafer, scale=9), "JPEG", quality=90))
        assert picture.shape == wafer.shape
        assert np.mean(picture != wafer) < 0.02


def test_margins_around_a_rendering_are_cut_off() -> None:
    large = Image.new("RGB", (700, 660), "white")
    large.paste(render(WAFER, scale=7), (31, 17))
    assert np.array_equal(read(save(large)), WAFER)


def test_our_own_drawings_come_back_as_maps() -> None:
    for wafer in simulate_many("Donut", 4, 3):
        assert np.array_equal(read(to_png(draw(wafer, 480))), wafer)


def test_the_users_colours_replace_the_guess() -> None:
    _, green, red = SCHEMES["green and red on white"]
    data = save(render(WAFER))
    swapped = decode_picture(data, "a.png", ReadOptions({green: Role.FAIL, red: Role.PASS})).picture
    expected = np.select([WAFER == PASS, WAFER == FAIL], [FAIL, PASS], NO_DIE)
    assert np.array_equal(swapped, expected)
    nothing = dict.fromkeys(SCHEMES["green and red on white"], Role.NO_DIE)
    with pytest.raises(PictureError, match="no colour is a die; change the meaning of the colours"):
        decode_picture(data, "a.png", ReadOptions(nothing))


def test_a_colour_photograph_becomes_grey() -> None:
    rng = np.random.default_rng(0)
    photo = np.cumsum(rng.normal(0, 2, (90, 120, 3)), axis=1) + 128
    image = Image.fromarray(np.clip(photo, 0, 255).astype(np.uint8))
    for kind in ("PNG", "JPEG"):
        loaded = decode_picture(save(image, kind), "a.png")
        assert loaded.colours is None
        assert loaded.picture.shape == (90, 120)


def test_palette_cmyk_and_alpha_are_understood() -> None:
    image = render(WAFER, scale=4)
    assert np.array_equal(read(save(image.quantize(8))), WAFER)
    assert np.array_equal(read(save(image.convert("CMYK"), "TIFF")), WAFER)
    cmyk_jpeg = read(save(render(WAFER, scale=8).convert("CMYK"), "JPEG", quality=95))
    assert cmyk_jpeg.shape == WAFER.shape
    transparent = image.convert("RGBA")
    transparent.putalpha(Image.fromarray((np.asarray(image).min(2) < 255).astype(np.uint8) * 255))
    assert np.array_equal(read(save(transparent)), WAFER)
    grey_alpha = Image.merge("LA", [Image.fromarray(WAFER), Image.new("L", WAFER.T.shape, 255)])
    assert np.array_equal(read(save(grey_alpha)), WAFER)


def test_a_palette_with_transparency_is_read() -> None:
    image = Image.fromarray(np.searchsorted([0, 127, 255], WAFER).astype(np.uint8), "P")
    image.putpalette([9, 9, 9, 0, 160, 0, 220, 0, 0])
    assert np.array_equal(read(save(image, transparency=0)), WAFER)


def test_sixteen_bits_are_scaled_to_the_brightest() -> None:
    wide = np.array([0, 127 * 257, 65535], np.uint16)[np.searchsorted([0, 127, 255], WAFER)]
    assert np.array_equal(read(save(Image.fromarray(wide))), WAFER)
    assert np.array_equal(read(save(Image.fromarray(wide), "TIFF")), WAFER)
    twelve_bits = np.linspace(0, 4095, 400).reshape(20, 20).astype(np.uint16)
    grey = read(save(Image.fromarray(twelve_bits)))
    assert (grey.min(), grey.max()) == (0, 255)


def test_only_the_first_picture_of_an_animation_is_taken_and_that_is_told() -> None:
    frames = [Image.fromarray(np.roll(WAFER, k, axis=0)) for k in range(3)]
    for kind in ("GIF", "PNG", "WebP"):
        data = save(frames[0], kind, lossless=True, save_all=True, append_images=frames[1:])
        loaded = decode_picture(data, f"moving.{kind.lower()}")
        assert np.array_equal(loaded.picture, WAFER)
        (note,) = loaded.notes
        assert str(note) == (
            f"moving.{kind.lower()} contains 3 pictures; only the first was imported."
        )


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that claims to be huge."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = zlib.compress(b"\0" * 1000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def test_a_bomb_is_refused_before_it_is_decoded() -> None:
    with pytest.raises(
        PictureError, match=r"bomb.png: 30000×30000 pixels is too large .* reduce it"
    ):
        decode_picture(bomb(30_000, 30_000), "bomb.png")
    with pytest.raises(PictureError, match="is too large"):
        decode_picture(encode_png(WAFER), "a.png", limits=Limits(max_pixels=100))


def test_a_large_photograph_is_shrunk_to_what_can_be_stored() -> None:
    grey = np.tile(np.arange(5000, dtype=np.uint32) % 251, (50, 1)).astype(np.uint8)
    assert read(save(Image.fromarray(grey))).shape == (40, 4096)


NOISE = np.random.default_rng(0).integers(0, 256, (64, 64)).astype(np.uint8)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", r"a.png: the file is empty \(0 bytes\); export it again"),
        (b"hello, I am text", r"a.png is not a picture; use PNG"),
        (b"<html></html>", "is not a picture"),
        (b"%PDF-1.7", "is not a picture"),
        (b"\x89PNG\r\n\x1a\n", "the picture is damaged or cut off; export or copy it again"),
        (save(Image.fromarray(NOISE))[:2000], "damaged or cut off"),
        (save(Image.fromarray(NOISE), "JPEG")[:700], "damaged or cut off"),
        (save(Image.fromarray(NOISE), "BMP")[:700], "damaged or cut off"),
        (save(Image.fromarray(NOISE), "TIFF")[:700], "damaged or cut off"),
        (save(Image.fromarray(NOISE), "GIF")[:700], "damaged or cut off"),
        (save(Image.new("L", (50, 50), 0)), "every pixel has the same value"),
        (save(Image.new("RGB", (50, 50), "red")), "every pixel has the same value"),
        (save(Image.new("RGBA", (50, 50))), "the whole picture is transparent"),
        (save(Image.fromarray(NOISE[:2, :9])), "9×2 pixels is outside the limits of 4 to 4096"),
        (save(Image.fromarray(np.full((9, 9), np.nan, np.float32)), "TIFF"), "NaN or infinity"),
    ],
)  # fmt: skip
def test_a_bad_picture_is_a_clear_error(data: bytes, sentence: str) -> None:
    with pytest.raises(PictureError, match=sentence):
        decode_picture(data, "a.png")


def test_an_ending_does_not_decide_what_a_picture_is() -> None:
    assert np.array_equal(
        decode_picture(save(Image.fromarray(WAFER), "BMP"), "a.png").picture, WAFER
    )


def test_a_bad_picture_does_not_take_the_good_ones_with_it() -> None:
    good, bad = Upload("a/good.png", encode_png(WAFER)), Upload("a/bad.png", b"no")
    found = scan([bad, good])
    assert [c.name for c in found.candidates] == ["a/bad.png", "a/good.png"]
    assert np.array_equal(found.candidates[1].load().picture, WAFER)
    with pytest.raises(PictureError, match=r"a/bad.png is not a picture"):
        found.candidates[0].load()


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(["PNG", "JPEG", "BMP", "TIFF", "GIF"]),
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=20),
)
def test_flipped_bytes_give_a_picture_or_a_clear_error(
    kind: str, changes: list[tuple[int, int]]
) -> None:
    data = bytearray(CORRUPTIBLE[kind])
    for place, value in changes:
        data[8 + place % (len(data) - 8)] = value
    with contextlib.suppress(PictureError):  # anything else is a defect
        assert decode_picture(bytes(data), "a.png").picture.dtype == np.uint8


CORRUPTIBLE: dict[str, bytes] = {
    kind: save(Image.fromarray(NOISE[:24, :24]), kind)
    for kind in ("PNG", "JPEG", "BMP", "TIFF", "GIF")
}
