"""Drawings of wafers: round, notch at the bottom, two colours, transparent where there is no die.

Drawings are RGBA with a transparent background, so that one drawing fits the light and the dark
theme.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Collection, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from wafer_core.errors import ParameterError
from wafer_core.images import FAIL, MAX_SIDE, NO_DIE, PASS, Picture, is_map, resize

# Okabe and Ito's vermillion and a paler sky blue: distinguishable by hue with every common colour
# vision deficiency and by lightness (2:1) in black and white, on white and on near-black.
PASS_COLOUR = "#94BFDF"
FAIL_COLOUR = "#D55E00"
RIM_COLOUR = "#808A96"
SELECTED_COLOUR = "#009E73"

RIM_FROM_SIZE = 96  # pixels; smaller drawings have no rim, which would take pixels from the dies
_RIM_MARGIN = 0.035  # distance between the dies and the rim, as a share of the side
_FADED = 0.25  # opacity where the heat map is 0
_GAP = 6  # pixels between the wafers of a contact sheet
_FRAME = 3  # pixels of the frame around a selected wafer
# Fonts with Hangul on Windows, macOS and Linux, tried in turn for captions beyond Latin.
_WIDE_FONTS = ("malgun.ttf", "AppleSDGothicNeo.ttc", "NotoSansCJK-Regular.ttc", "NanumGothic.ttf")


def _rgba(colour: str) -> tuple[int, int, int, int]:
    red, green, blue = bytes.fromhex(colour[1:])
    return red, green, blue, 255


_COLOURS = np.zeros((256, 4), np.uint8)
_COLOURS[NO_DIE] = 0
_COLOURS[PASS] = _rgba(PASS_COLOUR)
_COLOURS[FAIL] = _rgba(FAIL_COLOUR)


def draw(picture: Picture, size: int | None = None) -> Image.Image:
    """Draw one picture.

    A wafer map becomes a round wafer whatever the shape of its dies, and every failed die stays
    visible however small the drawing. From 96 pixels on it has a rim with the notch at the bottom.
    Any other picture is drawn in opaque grey with its own proportions.

    Args:
        picture: (H, W).
        size: Side of the square drawing in pixels; ``None``: one pixel per die, not stretched.

    Raises:
        ParameterError: ``size`` is not between 1 and 4096.
    """
    if size is None:
        return Image.fromarray(_COLOURS[picture]) if is_map(picture) else _grey(picture)
    if not 1 <= size <= MAX_SIDE:
        raise ParameterError(
            "A drawing cannot have {size} pixels per side; use 1 to {most}.",
            size=size,
            most=MAX_SIDE,
        )
    canvas = Image.new("RGBA", (size, size))
    if not is_map(picture):
        H, W = picture.shape
        scale = size / max(H, W)
        width, height = max(round(W * scale), 1), max(round(H * scale), 1)
        smooth = Image.Resampling.BOX if scale < 1 else Image.Resampling.NEAREST
        image = _grey(picture).resize((width, height), smooth)
        canvas.paste(image, ((size - width) // 2, (size - height) // 2))
        return canvas
    margin = round(size * _RIM_MARGIN) if size >= RIM_FROM_SIZE else 0
    canvas.paste(Image.fromarray(_COLOURS[_stretch(picture, size - 2 * margin)]), (margin, margin))
    if margin:
        canvas.alpha_composite(_rim(size))
    return canvas


def draw_heat(picture: Picture, heat: npt.NDArray[np.float64], size: int) -> Image.Image:
    """Draw a picture with a heat map as opacity: hot places in full colour, the others faded.

    The two colours keep their meaning, and the drawing reads the same on a light and on a dark
    background.

    Args:
        picture: (H, W).
        heat: (S, S) in [0, 1] over the whole picture.
        size: Side of the square drawing in pixels.

    Raises:
        ParameterError: ``size`` is not between 1 and 4096.
    """
    drawing = np.array(draw(picture, size))
    on_map = is_map(picture)
    H, W = (1, 1) if on_map else picture.shape
    margin = round(size * _RIM_MARGIN) if on_map and size >= RIM_FROM_SIZE else 0
    scale = (size - 2 * margin) / max(H, W)
    width, height = max(round(W * scale), 1), max(round(H * scale), 1)
    y, x = (size - height) // 2, (size - width) // 2
    bicubic = Image.Resampling.BICUBIC
    hot = np.asarray(Image.fromarray(heat.astype(np.float32)).resize((width, height), bicubic))
    # the square root makes half the heat look half as strong
    light = _FADED + (1 - _FADED) * np.sqrt(np.clip(hot, 0.0, 1.0))
    if on_map:  # the rim stays
        light[_stretch(picture, width) == NO_DIE] = 1.0
    inside = drawing[y : y + height, x : x + width, 3]
    inside[:] = inside * light
    return Image.fromarray(drawing)


def _grey(picture: Picture) -> Image.Image:
    return Image.fromarray(picture).convert("RGBA")


def _stretch(picture: Picture, side: int) -> Picture:
    """The map at ``side`` × ``side``: dies become even rectangles, or merge and keep the fails."""
    H, W = picture.shape
    if side < max(H, W):
        return resize(picture, (side, side))
    index = np.arange(side)
    return picture[np.ix_(index * H // side, index * W // side)]


@lru_cache(maxsize=32)
def _rim(size: int) -> Image.Image:
    """The wafer's edge with its notch at the bottom, on a transparent square."""
    fine = 4  # drawn four times larger and then reduced, for smooth lines
    side = size * fine
    image = Image.new("RGBA", (side, side), (*_rgba(RIM_COLOUR)[:3], 0))
    pen = ImageDraw.Draw(image)
    width = max(round(size / 160), 1) * fine
    edge = width / 2
    colour = _rgba(RIM_COLOUR)
    half = max(0.022 * side, 2.5 * fine)  # half the width of the notch; a real one is smaller
    middle, bottom = side / 2, side - edge
    # The circle is open at the notch: 90° points down.
    opening = float(np.degrees(np.arcsin(half / (side / 2 - edge))))
    pen.arc((0, 0, side - 1, side - 1), 90 + opening, 90 - opening + 360, fill=colour, width=width)
    notch = [(middle - half, bottom), (middle, bottom - 1.3 * half), (middle + half, bottom)]
    pen.line(notch, fill=colour, width=width, joint="curve")
    return image.resize((size, size), Image.Resampling.BOX)


def contact_sheet(
    pictures: Sequence[Picture],
    columns: int,
    cell: int = 96,
    selected: Collection[int] = (),
    captions: Sequence[str] = (),
) -> Image.Image:
    """Draw many pictures in one image, row by row: one request instead of a hundred.

    Args:
        pictures: The pictures, in order.
        columns: Pictures per row.
        cell: Side of one wafer in pixels, at least 16.
        selected: Indices of pictures to frame.
        captions: A line under each picture, cut to its width; empty, or one per picture.

    Raises:
        ParameterError: No column, cells too small, or the wrong number of captions.
    """
    if columns < 1 or not 16 <= cell <= MAX_SIDE:
        raise ParameterError(
            "A contact sheet cannot have {columns} columns with cells of {cell} pixels; use at "
            "least one column and cells of 16 to {most} pixels.",
            columns=columns,
            cell=cell,
            most=MAX_SIDE,
        )
    if captions and len(captions) != len(pictures):
        raise ParameterError(
            "There are {captions} captions for {pictures} pictures; give one for each.",
            captions=len(captions),
            pictures=len(pictures),
        )
    text_size = max(cell // 9, 10)
    line = text_size + 6 if captions else 0
    rows = -(-len(pictures) // columns)
    step_x, step_y = cell + _GAP, cell + line + _GAP
    sheet = Image.new("RGBA", (columns * step_x + _GAP, max(rows, 1) * step_y + _GAP))
    pen = ImageDraw.Draw(sheet)
    for index, picture in enumerate(pictures):
        x = _GAP + index % columns * step_x
        y = _GAP + index // columns * step_y
        sheet.paste(draw(picture, cell), (x, y))
        if index in selected:
            frame = (x - _FRAME, y - _FRAME, x + cell + _FRAME - 1, y + cell + line + _FRAME - 1)
            pen.rectangle(frame, outline=_rgba(SELECTED_COLOUR), width=_FRAME)
        if captions:
            font = _font(text_size, captions[index].isascii())
            text = _fit(captions[index], font, cell)
            place = (x + cell / 2, y + cell + line / 2)
            pen.text(place, text, fill=_rgba(RIM_COLOUR), font=font, anchor="mm")
    return sheet


@lru_cache(maxsize=32)
def _font(size: int, latin: bool) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    for name in () if latin else _WIDE_FONTS:
        try:
            return ImageFont.truetype(name, size)
        except OSError:
            continue
    return ImageFont.load_default(size)


def _fit(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    """The text cut to a width in pixels, with an ellipsis where it was cut."""
    text = " ".join(text.split())
    if font.getlength(text) <= width:
        return text
    # Every character is at least one pixel wide.
    text = text[:width]
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"


def to_png(image: Image.Image) -> bytes:
    """PNG bytes of a drawing."""
    stream = io.BytesIO()
    image.save(stream, "PNG", compress_level=4)
    return stream.getvalue()


def to_data_url(image: Image.Image) -> str:
    """A drawing as ``data:image/png;base64,…``, for an image column of a table."""
    return "data:image/png;base64," + base64.b64encode(to_png(image)).decode("ascii")
