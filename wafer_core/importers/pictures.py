"""Picture files of any kind, converted to 8-bit grey pictures or wafer maps."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import IO

import numpy as np
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
)

from wafer_core.errors import PictureError
from wafer_core.images import (
    FAIL,
    MAX_SIDE,
    NO_DIE,
    PASS,
    Picture,
    check_picture,
    from_die_codes,
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
from wafer_core.importers.items import Limits, Loaded
from wafer_core.messages import Message, message

PICTURE_ENDINGS = frozenset(
    (".png", ".jpg", ".jpeg", ".jpe", ".bmp", ".dib", ".tif", ".tiff", ".gif")
)
# The readers are called directly instead of through Image.open, which emits a warning for a large
# picture before it can be rejected, and which would try some forty other formats too.
_READERS: tuple[tuple[bytes, Callable[[IO[bytes], str], ImageFile.ImageFile]], ...] = (
    (b"\x89PNG\r\n\x1a\n", PngImagePlugin.PngImageFile),
    (b"\xff\xd8\xff", JpegImagePlugin.JpegImageFile),
    (b"BM", BmpImagePlugin.BmpImageFile),
    (b"II*\0", TiffImagePlugin.TiffImageFile),
    (b"MM\0*", TiffImagePlugin.TiffImageFile),
    (b"GIF8", GifImagePlugin.GifImageFile),
)
PICTURE_MAGICS = tuple(magic for magic, _ in _READERS)
_LINEAR = frozenset(("I;16", "I;16L", "I;16B", "I;16N", "I", "F"))
_DEFAULT_LIMITS = Limits()


def decode_picture(
    data: bytes,
    name: str,
    colours: Mapping[Colour, Role] | None = None,
    limits: Limits = _DEFAULT_LIMITS,
) -> Loaded:
    """Read one picture file: PNG, JPEG, BMP, TIFF or GIF, whatever its file name extension.

    Args:
        data: The content of the file.
        name: Its name, for messages.
        colours: Roles of colours that replace the guess where they match.
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
        frames = getattr(image, "n_frames", 1)
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
        if image.mode in _LINEAR:
            return Loaded(storable(grey_from_numbers(np.asarray(image), name), name), None, notes)
        pixels, transparent = _pixels(image)
    except PictureError:
        raise
    except Exception as exc:  # a decoder may raise anything on hostile bytes
        raise _damaged(name) from exc
    if transparent is not None and transparent.all():
        raise PictureError("{file}: the whole picture is transparent; export it again.", file=name)
    loaded = interpret(pixels, transparent, colours, name)
    return Loaded(loaded.picture, loaded.colours, notes)


def _open(data: bytes, name: str) -> ImageFile.ImageFile:
    if not data:
        raise PictureError("{file}: the file is empty (0 bytes); export it again.", file=name)
    for magic, reader in _READERS:
        if data.startswith(magic):
            try:
                return reader(io.BytesIO(data), name)
            except Exception as exc:  # a decoder may raise anything on hostile bytes
                raise _damaged(name) from exc
    raise PictureError("{file} is not a picture; use PNG, JPEG, BMP, TIFF or GIF.", file=name)


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
    colours: Mapping[Colour, Role] | None = None,
    name: str = "picture",
) -> Loaded:
    """Decide whether pixels are a wafer map, a rendering of one, or another grey picture.

    Args:
        pixels: (H, W) or (H, W, 3), uint8.
        transparent: Mask (H, W); transparent pixels are no die.
        colours: Roles that replace the guess where they match.
        name: For messages.

    Raises:
        PictureError: Too small, or uniform.
    """
    if pixels.ndim == 3:
        spread = pixels.max(axis=2).astype(np.int16) - pixels.min(axis=2)
        grey = np.asarray(Image.fromarray(pixels).convert("L")) if spread.max() <= 16 else None
    else:
        grey = pixels
    if grey is not None:
        values = np.flatnonzero(np.bincount(grey.ravel(), minlength=256))
        if colours is None and PASS in values and not set(values.tolist()) - {NO_DIE, PASS, FAIL}:
            return Loaded(storable(die_resolution(grey, exact=True), name))
        if colours is None and values[-1] in (1, 2):
            return Loaded(storable(from_die_codes(grey, name), name))
        if values[-1] == values[0] and transparent is None:
            raise _uniform(name)
        pixels = np.repeat(grey[:, :, None], 3, axis=2) if pixels.ndim == 2 else pixels
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


def grey_from_numbers(values: np.ndarray, name: str) -> Picture:
    """A picture from numbers of any type: a wafer map if they are die values, else grey.

    Die values are 0/1/2 or 0/127/255 (as fractions 0/0.5/1). Booleans become a binarised picture
    of 0 and 255. Other fractions from 0 to 1 and numbers up to 255 are grey; larger numbers, as in
    16-bit pictures, are scaled so that the brightest becomes 255.

    Args:
        values: (H, W), booleans, integers or floats.
        name: For messages.

    Raises:
        PictureError: Not numbers, not finite, negative, all the same, or too large.
    """
    if values.dtype.kind not in "buif":
        raise PictureError(
            "{file}: the array contains {dtype} instead of numbers; save it as uint8.",
            file=name,
            dtype=str(values.dtype),
        )
    if values.size == 0:
        raise PictureError(
            "{file}: the array is empty, shape {shape}; save it again.",
            file=name,
            shape=str(values.shape),
        )
    if values.dtype.kind == "b":
        return np.where(values, 255, 0).astype(np.uint8)
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise PictureError(
            "{file}: the array contains NaN or infinity; use 0 for no die, 1 for pass and 2 for "
            "fail.",
            file=name,
        )
    low, high = float(values.min()), float(values.max())
    if low < 0 or high > 65535:
        raise PictureError(
            "{file}: values from {low:g} to {high:g} are neither dies (0, 1, 2) nor grey (0 to "
            "255); convert the array first.",
            file=name,
            low=low,
            high=high,
        )
    if low == high:
        raise PictureError(
            "{file}: every value is {value:g}, so there is no wafer; leave it out.",
            file=name,
            value=low,
        )
    whole = values.dtype.kind in "ui"
    if (whole or high == 2) and high <= 2 and np.isin(values, (0, 1, 2)).all():
        return from_die_codes(values, name)
    if not whole and high <= 1:
        if np.isin(values, (0, 0.5, 1)).all() and (values == 0.5).any():
            return from_die_codes(values * 2, name)
        return np.asarray(np.rint(values * 255), np.uint8)
    if high <= 255:
        return np.asarray(np.rint(values), np.uint8)
    return np.asarray(np.rint(values.astype(np.float64) * (255 / high)), np.uint8)
