"""Picture files of any kind, converted to 8-bit grey pictures or wafer maps."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import IO

import numpy as np
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    ImageOps,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from wafer_core.errors import PictureError
from wafer_core.images import (
    FAIL,
    MAX_SIDE,
    NO_DIE,
    PASS,
    Picture,
    check_picture,
    resize,
)
from wafer_core.importers.colours import (
    Colour,
    ColourTable,
    FlatColours,
    Pixels,
    Role,
    die_resolution,
    flat_colours,
    guess,
    override,
    paint,
)
from wafer_core.importers.figures import read_figure
from wafer_core.importers.items import Limits, Loaded
from wafer_core.importers.numbers import MAX_CODE, find_meaning, load_numbers
from wafer_core.importers.options import ReadOptions
from wafer_core.messages import Message, message

PICTURE_ENDINGS = frozenset(
    (".png", ".jpg", ".jpeg", ".jpe", ".bmp", ".dib", ".tif", ".tiff", ".gif", ".webp")
)
# The readers are called directly instead of through Image.open, which emits a warning for a large
# picture before it can be rejected, and which would try some forty other formats too.
_READERS: tuple[tuple[bytes, Callable[[IO[bytes], str], ImageFile.ImageFile]], ...] = (
    (b"\x89PNG\r\n\x1a\n", PngImagePlugin.PngImageFile),
    (b"\xff\xd8\xff", JpegImagePlugin.JpegImageFile),
    (b"BM", BmpImagePlugin.BmpImageFile),
    (b"II*\0", TiffImagePlugin.TiffImageFile),
    (b"MM\0*", TiffImagePlugin.TiffImageFile),
    (b"II+\0", TiffImagePlugin.TiffImageFile),
    (b"MM\0+", TiffImagePlugin.TiffImageFile),
    (b"GIF8", GifImagePlugin.GifImageFile),
    (b"RIFF", WebPImagePlugin.WebPImageFile),
)
PICTURE_MAGICS = tuple(magic for magic, _ in _READERS)
_LINEAR = frozenset(("I;16", "I;16L", "I;16B", "I;16N", "I", "F"))
_DEFAULT_LIMITS = Limits()
_DEFAULT_OPTIONS = ReadOptions()
_CUT = message("The picture is a figure; it was cut to the wafer, without legend, axes and text.")


def decode_picture(
    data: bytes,
    name: str,
    options: ReadOptions = _DEFAULT_OPTIONS,
    limits: Limits = _DEFAULT_LIMITS,
) -> Loaded:
    """Read one picture file: PNG, JPEG, BMP, TIFF, GIF or WebP, whatever its file name extension.

    A photo is turned upright as its EXIF says. Of several pictures in one file the first is read.

    Args:
        data: The content of the file.
        name: Its name, for messages.
        options: What the user says about colours, bins and the box of a figure.
        limits: Limits of the import.

    Raises:
        PictureError: Not a picture, damaged, too large, or empty.
    """
    image = _open(data, name)
    width, height = image.size
    if width * height > limits.max_pixels:
        raise PictureError(
            "{file}: {width}×{height} pixels is too large (at most {most:.0f} million); reduce it "
            "and add it again.",
            file=name,
            width=width,
            height=height,
            most=limits.max_pixels / 1e6,
        )
    notes: tuple[Message, ...] = ()
    try:
        is_tiff = isinstance(image, TiffImagePlugin.TiffImageFile)  # its pages are read one by one
        frames = 1 if is_tiff else getattr(image, "n_frames", 1)
        if frames > 1:
            notes = (
                message(
                    "{file} contains {count} pictures; only the first was imported.",
                    file=name,
                    count=frames,
                ),
            )
        image.seek(0)
        image.load()
        upright = ImageOps.exif_transpose(image)
        if image.mode in _LINEAR:
            return _from_numbers(np.asarray(upright), name, options, notes)
        pixels, transparent = _pixels(upright)
    except PictureError:
        raise
    except Exception as exc:  # a decoder may raise anything on hostile bytes
        raise _damaged(name) from exc
    if transparent is not None and transparent.all():
        raise PictureError("{file}: the whole picture is transparent; export it again.", file=name)
    loaded = interpret(pixels, transparent, options, name)
    return replace(loaded, notes=(*notes, *loaded.notes))


def _from_numbers(
    values: np.ndarray, name: str, options: ReadOptions, notes: tuple[Message, ...] = ()
) -> Loaded:
    loaded = load_numbers(values, find_meaning(values, name), name, options)
    return replace(loaded, picture=storable(loaded.picture, name), notes=(*notes, *loaded.notes))


def _open(data: bytes, name: str) -> ImageFile.ImageFile:
    if not data:
        raise PictureError("{file}: the file is empty (0 bytes); export it again.", file=name)
    for magic, reader in _READERS:
        if data.startswith(magic):
            try:
                return reader(io.BytesIO(data), name)
            except Exception as exc:  # a decoder may raise anything on hostile bytes
                raise _damaged(name) from exc
    raise PictureError("{file} is not a picture; use PNG, JPEG, BMP, TIFF, GIF or WebP.", file=name)


def _damaged(name: str) -> PictureError:
    return PictureError(
        "{file}: the picture is damaged or cut off; export or copy it again.", file=name
    )


def _pixels(image: Image.Image) -> tuple[Pixels | Picture, np.ndarray | None]:
    """(H, W) grey or (H, W, 3) colours, and a mask (H, W) of the transparent pixels, if any."""
    if image.mode in ("1", "L") and "transparency" not in image.info:
        return np.asarray(image if image.mode == "L" else image.convert("L")), None
    if image.has_transparency_data:
        rgba = np.asarray(image.convert("RGBA"))
        transparent = rgba[:, :, 3] < 128
        pixels = np.where(transparent[:, :, None], 0, rgba[:, :, :3]).astype(np.uint8)
        return pixels, transparent if transparent.any() else None
    return np.asarray(image.convert("RGB")), None


def interpret(
    pixels: Pixels | Picture,
    transparent: np.ndarray | None = None,
    options: ReadOptions = _DEFAULT_OPTIONS,
    name: str = "picture",
) -> Loaded:
    """Decide whether pixels are a wafer map, a rendering or a figure of one, or a grey picture.

    Args:
        pixels: (H, W) or (H, W, 3), uint8.
        transparent: Mask (H, W); transparent pixels are no die.
        options: What the user says about colours, bins and the box of a figure.
        name: For messages.

    Raises:
        PictureError: Too small, or uniform.
    """
    colours = options.colours or None
    if pixels.ndim == 3:
        spread = pixels.max(axis=2).astype(np.int16) - pixels.min(axis=2)
        grey = np.asarray(Image.fromarray(pixels).convert("L")) if spread.max() <= 16 else None
    else:
        grey = pixels
    if grey is not None:
        values = np.flatnonzero(np.bincount(grey.ravel(), minlength=256))
        is_open = not colours and options.box is None
        if is_open and PASS in values and not set(values.tolist()) - {NO_DIE, PASS, FAIL}:
            return Loaded(storable(die_resolution(grey, exact=True), name))
        if values[-1] == values[0] and transparent is None:
            raise _uniform(name)
        if is_open and values[-1] <= MAX_CODE:
            return _from_numbers(grey, name, options)
        pixels = np.repeat(grey[:, :, None], 3, axis=2) if pixels.ndim == 2 else pixels
    if transparent is None and (figure := read_figure(pixels, colours, options.box)):
        return Loaded(storable(figure.picture, name), figure.colours, (_CUT,), box=figure.box)
    solid = pixels if transparent is None else pixels[~transparent][None]
    flat = flat_colours(solid)
    # Two greys are a binarised picture, unless chosen roles or transparency say otherwise.
    levels = 2 if transparent is not None or colours else 3
    if flat is None or (grey is not None and not levels <= len(flat.shares) <= 3):
        return Loaded(storable(_to_grey(pixels, grey), name))
    if transparent is None and len(flat.shares) < 2:
        if flat.exact:
            raise _uniform(name)
        return Loaded(storable(_to_grey(pixels, grey), name))
    return _map_from_colours(pixels, transparent, flat, colours, name)


def _uniform(name: str) -> PictureError:
    return PictureError(
        "{file}: every pixel has the same value, so there is no wafer; leave it out.", file=name
    )


def _map_from_colours(
    pixels: Pixels,
    transparent: np.ndarray | None,
    flat: FlatColours,
    chosen: Mapping[Colour, Role] | None,
    name: str,
) -> Loaded:
    shares = flat.shares
    known = np.array(list(shares))
    corners: list[Colour] = []
    for y, x in ((0, 0), (0, -1), (-1, 0), (-1, -1)):
        gaps = np.abs(known - pixels[y, x].astype(np.int64)).max(axis=1)
        corners.append(list(shares)[int(gaps.argmin())])
    roles = override(shares, guess(shares, corners, transparent is not None), chosen)
    picture = paint(pixels, roles)
    if transparent is not None:
        picture = np.where(transparent, NO_DIE, picture).astype(np.uint8)
    table = ColourTable(roles, shares)
    rows, columns = np.nonzero(picture.any(axis=1))[0], np.nonzero(picture.any(axis=0))[0]
    if not len(rows):
        raise PictureError(
            "{file}: no colour is a die; change the meaning of the colours.", file=name
        )
    # Renderings have margins; a wafer map ends at its dies.
    cropped = picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    small = die_resolution(cropped, flat.exact)
    if small.shape == cropped.shape and transparent is None:  # dies of 8.5 pixels, for example
        figure = read_figure(pixels, chosen, needs_clutter=False)
        if figure is not None:
            return Loaded(storable(figure.picture, name), figure.colours, box=figure.box)
    return Loaded(storable(small if min(small.shape) >= 4 else picture, name), table)


def _to_grey(pixels: Pixels, grey: Picture | None) -> Picture:
    return np.asarray(Image.fromarray(pixels).convert("L")) if grey is None else grey


def storable(picture: Picture, name: str) -> Picture:
    """The picture at a size that can be stored; larger ones are reduced.

    Raises:
        PictureError: Too small, or empty.
    """
    H, W = picture.shape
    if not picture.any():
        raise PictureError("{file}: the picture is empty (all black); leave it out.", file=name)
    if max(H, W) > MAX_SIDE:
        scale = MAX_SIDE / max(H, W)
        picture = resize(picture, (max(int(H * scale), 1), max(int(W * scale), 1)))
    return check_picture(np.ascontiguousarray(picture, np.uint8), name)


def looks_like_mask(data: bytes) -> bool:
    """Whether a picture has two levels only, as a mask that marks defects in another picture."""
    try:
        image = _open(data, "mask")
        if image.size[0] * image.size[1] > _DEFAULT_LIMITS.max_pixels:
            return False
        pixels = np.asarray(image.convert("L")).astype(np.int16)
    except MemoryError:
        raise
    except Exception:  # a decoder may raise anything on hostile bytes
        return False
    low, high = int(pixels.min()), int(pixels.max())
    at_ends = np.minimum(pixels - low, high - pixels) <= 12
    return bool(at_ends.mean() >= 0.97)
