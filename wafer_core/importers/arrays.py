"""NumPy files: one array each, whose header is checked before its values are read."""

from __future__ import annotations

import io
import math
import threading
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from wafer_core.errors import PictureError
from wafer_core.importers.items import MEGA, Limits, SourceFile, decoding
from wafer_core.importers.numbers import Meaning, find_meaning
from wafer_core.importers.pickles import Array, read_array, read_pickle

NPY_MAGIC = b"\x93NUMPY"
MAX_OBJECTS = 5_000_000


class StoredArray:
    """An array whose header is read at once and whose values are read when first needed.

    Attributes:
        file: Where it is stored.
        name: Of the file, for messages.
        shape: Of the array.
        dtype: Of its values; ``object`` for maps of different sizes.
    """

    def __init__(self, file: SourceFile, limits: Limits) -> None:
        self.file, self.name, self._limits = file, file.name, limits
        self._lock = threading.RLock()
        self._values: np.ndarray | None = None
        self._meaning: Meaning | None = None
        with file.reading() as stream:
            self.shape, self._fortran, self.dtype = _header(stream, self.name)
        if not self.dtype.hasobject:
            self._check_size(self.shape, self.dtype, file.size)
        elif math.prod(self.shape) > MAX_OBJECTS:
            raise PictureError(
                "{file}: an array of {count:,} objects is too large; split it.",
                file=self.name,
                count=math.prod(self.shape),
            )

    def _check_size(self, shape: tuple[int, ...], dtype: np.dtype[Any], size: int | None) -> None:
        items = math.prod(shape)
        if items * dtype.itemsize > self._limits.max_array_bytes:
            raise PictureError(
                "{file}: an array of shape {shape} takes more than {most:,.0f} MB; split it into "
                "smaller ones.",
                file=self.name,
                shape=str(shape),
                most=self._limits.max_array_bytes / MEGA,
            )
        # A false header must not allocate memory for values that the file does not have.
        if size is not None and items * dtype.itemsize > size:
            raise PictureError(
                "{file}: the file is cut off; it is too short for its array of shape {shape}. Save "
                "or copy it again.",
                file=self.name,
                shape=str(shape),
            )

    def values(self) -> np.ndarray:
        """The array; objects are arrays, texts or numbers.

        Raises:
            PictureError: It is cut off, too large, or holds objects that are not opened.
        """
        with self._lock:
            if self._values is None:
                self._values = self._read()
            return self._values

    def meaning(self) -> Meaning:
        """What the numbers of all its maps mean together."""
        with self._lock:
            if self._meaning is None:
                values = self.values()
                if self.dtype.hasobject:
                    maps = [np.asarray(each).ravel() for each in values]
                    if not all(each.dtype.kind in "buif" for each in maps):
                        raise self._not_maps()
                    values = np.concatenate(maps) if maps else np.zeros(0)
                self._meaning = find_meaning(values, self.name)
            return self._meaning

    def _not_maps(self) -> PictureError:
        return PictureError(
            "{file}: the array of objects contains something other than wafer maps; save the maps "
            "as one array, or as dies, offsets and shapes.",
            file=self.name,
        )

    def _read(self) -> np.ndarray:
        if self.dtype.hasobject:
            return self._read_objects()
        data = self.file.read(self._limits.max_array_bytes + MEGA)
        stream = io.BytesIO(data)
        _header(stream, self.name)
        count = math.prod(self.shape)
        try:
            flat = np.frombuffer(data, self.dtype, count, offset=stream.tell())
        except ValueError as exc:
            raise PictureError(
                "{file}: the file is cut off; save or copy it again.", file=self.name
            ) from exc
        return flat.reshape(self.shape, order="F" if self._fortran else "C")

    def _read_objects(self) -> np.ndarray:
        data = self.file.read(self._limits.max_array_bytes + MEGA)
        stream = io.BytesIO(data)
        _header(stream, self.name)
        found = read_pickle(stream, self.name, keep=True)
        with decoding(self.name):
            if not isinstance(found, Array) or found.shape != self.shape or found.dtype is not None:
                raise ValueError("the header says something else")
            flat = read_array(found, None, self.name).ravel()
            objects = np.empty(len(flat), object)
            for index, item in enumerate(flat):
                objects[index] = plain_object(item, self.name)
            return objects.reshape(self.shape)


def plain_object(item: Any, name: str, stream: IO[bytes] | None = None, depth: int = 0) -> Any:
    """An element of an array of objects: an array, a text, a number, or a list of these.

    Raises:
        PictureError: Something else, or nested too deeply.
    """
    if isinstance(item, Array):
        values = read_array(item, stream, name)
        if item.dtype is not None:
            return values
        item = values.ravel().tolist()
    if isinstance(item, list | tuple) and depth < 4:
        return [plain_object(each, name, stream, depth + 1) for each in item]
    if isinstance(item, bytes):
        return item.decode("utf-8", "replace")
    if item is None or isinstance(item, str | int | float):
        return item
    raise PictureError(
        "{file}: the array contains Python objects ({kind}), which are not opened for security; "
        "save plain numbers of one shape (dtype uint8).",
        file=name,
        kind=type(item).__name__,
    )


def _header(stream: IO[bytes], name: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, order and type of a .npy file, without reading its values."""
    try:
        version = npy.read_magic(stream)
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, fortran, dtype = read(stream)
    except PictureError:
        raise
    except Exception as exc:  # NumPy evaluates the header and may raise anything on damaged ones
        raise PictureError(
            "{file} is not a NumPy array, or it is damaged; save it again with numpy.save.",
            file=name,
        ) from exc
    is_bad = any(isinstance(side, bool) or side < 0 for side in shape)
    if dtype.names is not None or dtype.subdtype is not None or is_bad:
        raise PictureError(
            "{file}: the array contains records ({dtype}) instead of numbers; save it as uint8.",
            file=name,
            dtype=str(dtype)[:80],
        )
    return tuple(int(side) for side in shape), fortran, dtype
