"""What an image is: conversion between files, pictures and arrays.

A *picture* is an 8-bit grey array (H, W). A *wafer map* is a picture with one pixel per die that
contains only ``NO_DIE``, ``PASS`` and ``FAIL``. Networks are fed float32 (N, 1, H, W) in [0, 1].
"""

from __future__ import annotations

import hashlib
import io
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from wafer_core.errors import PictureError

NO_DIE, PASS, FAIL = 0, 127, 255
MIN_SIDE, MAX_SIDE = 4, 4096  # pixels, of stored pictures

Picture = npt.NDArray[np.uint8]
_OF_CODE = np.array([NO_DIE, PASS, FAIL], np.uint8)


@dataclass(frozen=True)
class DieCounts:
    """Number of dies of one wafer map."""

    dies: int
    passed: int
    failed: int

    @property
    def yield_fraction(self) -> float | None:
        """Passed dies divided by all dies, 0 to 1; ``None`` without dies."""
        return self.passed / self.dies if self.dies else None


def check_picture(picture: Picture, name: str = "picture") -> Picture:
    """Return ``picture`` if it can be stored.

    Raises:
        PictureError: Wrong rank, type or size.
    """
    if picture.ndim != 2 or picture.dtype != np.uint8:
        raise PictureError(
            "{file}: an array of shape {shape} and type {dtype} is not a grey picture; use 8-bit "
            "values (uint8) of shape (height, width).",
            file=name,
            shape=str(picture.shape),
            dtype=str(picture.dtype),
        )
    H, W = picture.shape
    if not (MIN_SIDE <= H <= MAX_SIDE and MIN_SIDE <= W <= MAX_SIDE):
        raise PictureError(
            "{file}: {width}×{height} pixels is outside the limits of {least} to {most} pixels per "
            "side; crop or resize it.",
            file=name,
            width=W,
            height=H,
            least=MIN_SIDE,
            most=MAX_SIDE,
        )
    return picture


def is_map(picture: Picture) -> bool:
    """Whether a picture is a wafer map: only the three values, and at least one passed die.

    A picture with only 0 and 255 is a binarised grey picture, in which nothing marks the wafer's
    edge.
    """
    passed = picture == PASS
    return bool(passed.any() and (passed | (picture == FAIL) | (picture == NO_DIE)).all())


def from_die_codes(codes: npt.NDArray[np.generic], name: str = "array") -> Picture:
    """Wafer map from die codes (H, W): 0 no die, 1 passed, 2 failed.

    Raises:
        PictureError: Another rank or other values.
    """
    values = np.asarray(codes)
    is_small = values.dtype == np.uint8 and values.ndim == 2 and values.size > 0
    if is_small and values.max() <= 2:
        return check_picture(_OF_CODE[values], name)
    if values.ndim != 2 or not np.isin(values, (0, 1, 2)).all():
        raise PictureError(
            "{file}: a wafer map is a table of 0 (no die), 1 (pass) and 2 (fail); this one has "
            "shape {shape} or other values.",
            file=name,
            shape=str(values.shape),
        )
    return check_picture(_OF_CODE[values.astype(np.int64)], name)


def encode_png(picture: Picture) -> bytes:
    """The stored form: an 8-bit grey PNG; equal pictures give equal bytes."""
    if is_map(picture):
        return encode_levels(picture)
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "PNG", compress_level=6)
    return stream.getvalue()


def encode_levels(values: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]) -> bytes:
    """A grey PNG of 8 or 16 bits (H, W) without the row filters of photos.

    Wafer maps take half the time and four fifths of the bytes of Pillow's encoder. Source: PNG
    (Third Edition), W3C 2023, sections 5 and 11.
    """
    H, W = values.shape
    wide = values.dtype == np.uint16
    rows = np.zeros((H, 1 + W * (1 + wide)), np.uint8)  # each row begins with its filter, none
    rows[:, 1:] = values.astype(">u2").view(np.uint8).reshape(H, -1) if wide else values
    head = struct.pack(">IIBBBBB", W, H, 16 if wide else 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(rows.tobytes(), 6)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


def decode_png(data: bytes, name: str = "picture") -> Picture:
    """Read a picture that this package stored; uploads go through ``wafer_core.importers``.

    Raises:
        PictureError: It is damaged or was not stored by this package.
    """
    try:
        with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
            if image.mode != "L" or max(image.size) > MAX_SIDE:
                raise PictureError(
                    "{file} is not a stored grey picture; import it again.", file=name
                )
            return np.array(image)
    except (PictureError, MemoryError):
        raise
    except Exception as exc:  # a decoder may raise anything on damaged data
        raise PictureError("{file} is damaged; import it again.", file=name) from exc


def read_png(path: Path) -> Picture:
    """Read one stored picture.

    Raises:
        PictureError: Missing or damaged.
    """
    try:
        data = path.read_bytes()
    except OSError as exc:
        raise PictureError("{file} no longer exists; reload the page.", file=path.name) from exc
    return decode_png(data, path.name)


def content_hash(picture: Picture | npt.NDArray[np.uint16]) -> str:
    """SHA-256 (hex) of shape and pixels."""
    H, W = picture.shape
    return hashlib.sha256(f"{H}x{W}:".encode() + picture.tobytes()).hexdigest()


def orbit_hash(picture: Picture) -> str:
    """One hash for a picture and its seven other rotations and reflections (its dihedral orbit).

    A rotated copy of a training wafer in the test split would be a leak; this hash keeps the
    copies in one split.
    """
    orbit = [np.rot90(side, k) for side in (picture, picture[:, ::-1]) for k in range(4)]
    return min(content_hash(np.ascontiguousarray(copy)) for copy in orbit)


def die_counts(picture: Picture) -> DieCounts:
    """Count the dies of a wafer map; meaningless for other pictures."""
    counts = np.bincount(picture.ravel(), minlength=256)
    passed, failed = int(counts[PASS]), int(counts[FAIL])
    return DieCounts(passed + failed, passed, failed)


def resize(picture: Picture, size: tuple[int, int]) -> Picture:
    """Resize a picture.

    A wafer map keeps its three values, and every failed die stays visible: a new pixel is failed
    if it contains the centre of a failed die or its own centre lies on one; else passed if at
    least half of it is wafer; else no die. Other pictures are resampled smoothly.

    Args:
        picture: (H, W).
        size: New (height, width).
    """
    height, width = size
    H, W = picture.shape
    if picture.shape == size:
        return picture
    if not is_map(picture):
        smooth = Image.Resampling.BOX if height * width < H * W else Image.Resampling.BILINEAR
        return np.array(Image.fromarray(picture).resize((width, height), smooth))
    wafer = Image.fromarray((picture != NO_DIE).astype(np.float32))
    share = np.asarray(wafer.resize((width, height), Image.Resampling.BOX))
    out = np.where(share >= 0.5, PASS, NO_DIE).astype(np.uint8)
    rows = (2 * np.arange(height) + 1) * H // (2 * height)
    columns = (2 * np.arange(width) + 1) * W // (2 * width)
    out[picture[np.ix_(rows, columns)] == FAIL] = FAIL
    y, x = np.nonzero(picture == FAIL)
    out[(2 * y + 1) * height // (2 * H), (2 * x + 1) * width // (2 * W)] = FAIL
    return out


def to_float(pictures: Sequence[Picture], size: tuple[int, int]) -> npt.NDArray[np.float32]:
    """Pictures as one batch: float32 (N, 1, H, W) in [0, 1], all resized to ``size`` (H, W)."""
    H, W = size
    batch = np.empty((len(pictures), 1, H, W), np.float32)
    for index, picture in enumerate(pictures):
        batch[index, 0] = resize(picture, size)
    return batch / np.float32(255)
