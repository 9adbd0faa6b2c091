"""Wafer data files: NumPy arrays and tables of die values. Nothing is ever unpickled."""

from __future__ import annotations

import io
import math
import re
import threading
from collections.abc import Mapping
from functools import partial
from typing import IO

import numpy as np
from numpy.lib import format as npy

from wafer_core.errors import PictureError
from wafer_core.images import from_die_codes
from wafer_core.importers.archives import member_file, open_zip
from wafer_core.importers.colours import Colour, Role
from wafer_core.importers.items import (
    MEGA,
    Candidate,
    Limits,
    Loaded,
    Rejected,
    Scan,
    SourceFile,
)
from wafer_core.importers.pictures import grey_from_numbers, interpret, storable

ARRAY_ENDINGS = frozenset((".npy", ".npz", ".csv"))
_LABEL_KEYS = ("label", "labels", "y")
_GROUP_KEYS = ("group", "groups")
_PACKED = {"dies", "offsets", "shapes"}
MAX_TABLE_BYTES = 64 * MEGA


class _Array:
    """An array whose header is known and whose values are read once, when first needed."""

    def __init__(self, file: SourceFile, limits: Limits) -> None:
        self.file, self.name, self._limits = file, file.name, limits
        self._lock = threading.Lock()
        self._values: np.ndarray | None = None
        with file.open() as stream:
            self.shape, self.fortran, self.dtype = _header(stream, self.name)
        items = math.prod(self.shape)
        if items * self.dtype.itemsize > limits.max_array_bytes:
            raise PictureError(
                f"{self.name}: an array of shape {self.shape} takes more than "
                f"{limits.max_array_bytes / MEGA:,.0f} MB; split it into smaller ones."
            )
        # A short file with a long header would make room for what never comes.
        if items * self.dtype.itemsize > file.size:
            raise PictureError(
                f"{self.name}: the file is cut off, it is too short for its array of shape "
                f"{self.shape}; save or copy it again."
            )

    def values(self) -> np.ndarray:
        with self._lock:
            if self._values is None:
                data = self.file.read(self._limits.max_array_bytes + MEGA)
                stream = io.BytesIO(data)
                _header(stream, self.name)
                count = math.prod(self.shape)
                try:
                    flat = np.frombuffer(data, self.dtype, count, offset=stream.tell())
                except ValueError as exc:
                    raise PictureError(
                        f"{self.name}: the file is cut off; save or copy it again."
                    ) from exc
                self._values = flat.reshape(self.shape, order="F" if self.fortran else "C")
            return self._values


def _header(stream: IO[bytes], name: str) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, order and type of a .npy file, read without touching its values."""
    try:
        version = npy.read_magic(stream)
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, fortran, dtype = read(stream)
    except (ValueError, EOFError, OSError, SyntaxError, TypeError, RecursionError) as exc:
        raise PictureError(
            f"{name}: this is no NumPy array, or it is damaged; save it again with numpy.save."
        ) from exc
    if dtype.hasobject:
        raise PictureError(
            f"{name}: the array holds Python objects, which are never opened for safety; "
            "save plain numbers of one shape (dtype uint8)."
        )
    if dtype.names is not None or dtype.subdtype is not None or any(side < 0 for side in shape):
        raise PictureError(
            f"{name}: the array holds records ({dtype}), not numbers; save it as uint8."
        )
    return shape, fortran, dtype


def array_candidates(
    file: SourceFile, limits: Limits, colours: Mapping[Colour, Role] | None = None
) -> Scan:
    """The pictures of one .npy, .npz or .csv file.

    - .npy: (H, W) or (N, H, W), or colours (H, W, 3) or (N, H, W, 3) of uint8.
    - .npz: ``dies``, ``offsets`` and ``shapes`` (one run of die values, cut into wafers), or arrays
      as above. ``label`` or ``labels`` with ``classes`` give class names, ``group`` the lots.
    - .csv: one table of the die values 0, 1 and 2 with comma, semicolon, tab or space.

    Arrays of an .npz that cannot be used are listed as rejected, beside those that can.

    Raises:
        PictureError: The file cannot be used.
        ArchiveError: The .npz is a broken or hostile zip.
    """
    ending = file.name.lower().rpartition(".")[2]
    if not file.size:
        raise PictureError(f"{file.name}: the file is empty (0 bytes); export it again.")
    if ending == "csv":
        return Scan([Candidate(file.name, file.class_name, None, partial(_load_table, file))])
    if ending == "npy":
        return Scan(_pictures_of(_Array(file, limits), [file.class_name], None, colours))
    return _npz(file, limits, colours)


def _npz(file: SourceFile, limits: Limits, colours: Mapping[Colour, Role] | None) -> Scan:
    archive, members = open_zip(file, limits)
    arrays: dict[str, _Array] = {}
    scan = Scan()
    for member in members:
        key = member.filename.removesuffix(".npy")
        try:
            arrays[key] = _Array(member_file(archive, member, f"{file.name}:{key}", None), limits)
        except PictureError as exc:
            scan.rejected.append(Rejected(f"{file.name}:{key}", str(exc)))
    labels = next((arrays.pop(k) for k in _LABEL_KEYS if k in arrays), None)
    classes = arrays.pop("classes", None)
    groups = next((arrays.pop(k) for k in _GROUP_KEYS if k in arrays), None)
    if arrays.keys() >= _PACKED:
        starts, sizes = _check_packed(file, arrays)
        count = len(sizes)
        names = _class_names(file, labels, classes, count)
        lots = _group_names(file, groups, count)
        dies = arrays["dies"]
        scan.candidates = [
            Candidate(
                f"{file.name}[{i}]",
                names[i],
                lots[i] if lots else None,
                partial(_load_packed, dies, start, (H, W), f"{file.name}[{i}]"),
            )
            for i, (start, (H, W)) in enumerate(zip(starts, sizes, strict=False))
        ]
        return scan
    if not arrays and not scan.rejected:
        raise PictureError(f"{file.name}: it holds no array with pictures; save some in it.")
    for array in arrays.values():
        count = array.shape[0] if len(array.shape) > 2 else 1
        mine = labels is not None and labels.shape == (count,)
        if labels is not None and not mine and len(arrays) == 1:
            raise PictureError(
                f"{file.name}: {count} pictures do not fit labels of shape {labels.shape}; "
                "give one label for each picture."
            )
        names = _class_names(file, labels if mine else None, classes, count)
        same = groups is not None and groups.shape == (count,)
        lots = _group_names(file, groups if same else None, count)
        try:
            scan.candidates += _pictures_of(array, names, lots, colours)
        except PictureError as exc:
            scan.rejected.append(Rejected(array.name, str(exc)))
    return scan


def _class_names(
    file: SourceFile, labels: _Array | None, classes: _Array | None, count: int
) -> list[str | None]:
    if labels is None:
        return [file.class_name] * count
    values = labels.values()
    if values.shape != (count,) or values.dtype.kind not in "uiUS":
        raise PictureError(
            f"{labels.name}: labels are {values.dtype} of shape {values.shape}; give {count} "
            "numbers or names, one for each picture."
        )
    if classes is None:
        return [_text(value) for value in values]
    known = [_text(value) for value in classes.values().ravel()]
    if values.dtype.kind in "US":
        return [_text(value) for value in values]
    if count and not (values.min() >= 0 and values.max() < len(known)):
        raise PictureError(
            f"{labels.name}: labels from {values.min()} to {values.max()} do not fit the "
            f"{len(known)} names in classes; number them from 0."
        )
    return [known[value] for value in values.tolist()]


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _group_names(file: SourceFile, groups: _Array | None, count: int) -> list[str | None] | None:
    """Lots carry the name of their file: lot 2 of another file is another lot."""
    if groups is None:
        return None
    values = groups.values()
    if values.shape != (count,) or values.dtype.kind not in "uiUS":
        raise PictureError(
            f"{groups.name}: groups are {values.dtype} of shape {values.shape}; give {count} "
            "numbers or names, one for each wafer."
        )
    stem = file.name.rpartition("/")[2].rpartition(".")[0]
    return [f"{stem}:{_text(value)}" for value in values.tolist()]


def _check_packed(
    file: SourceFile, arrays: Mapping[str, _Array]
) -> tuple[list[int], list[list[int]]]:
    """Offsets (N + 1) and shapes (N, 2) of wafers in one run of die values, if they fit it."""
    dies, offsets, shapes = (arrays[key] for key in ("dies", "offsets", "shapes"))
    starts, sizes = offsets.values(), shapes.values()
    fits = (
        len(dies.shape) == 1
        and starts.dtype.kind in "ui"
        and sizes.dtype.kind in "ui"
        and sizes.ndim == 2
        and sizes.shape[1] == 2
        and starts.shape == (len(sizes) + 1,)
    )
    if fits:
        starts, sizes = starts.astype(np.int64), sizes.astype(np.int64)
        fits = bool(
            starts[0] == 0
            and (sizes > 0).all()
            and (sizes <= dies.shape[0]).all()  # else their product may overflow
            and (np.diff(starts) == sizes[:, 0] * sizes[:, 1]).all()
            and starts[-1] <= dies.shape[0]
        )
    if not fits:
        raise PictureError(
            f"{file.name}: dies, offsets and shapes do not fit together; wafer i must be "
            "dies[offsets[i]:offsets[i + 1]] with shape shapes[i]."
        )
    return starts.tolist(), sizes.tolist()


def _load_packed(dies: _Array, start: int, shape: tuple[int, int], name: str) -> Loaded:
    H, W = shape
    values = dies.values()[start : start + H * W].reshape(H, W)
    return Loaded(storable(from_die_codes(values, name), name))


def _pictures_of(
    array: _Array,
    names: list[str | None],
    lots: list[str | None] | None,
    colours: Mapping[Colour, Role] | None,
) -> list[Candidate]:
    shape = array.shape
    colour = len(shape) in (3, 4) and shape[-1] in (3, 4) and array.dtype == np.uint8
    plain = len(shape) - colour
    if plain not in (2, 3):
        raise PictureError(
            f"{array.name}: an array of shape {shape} holds no pictures; give (height, width) or "
            "(pictures, height, width)."
        )
    if array.dtype.kind not in "buif":
        raise PictureError(
            f"{array.name}: the array holds {array.dtype}, not numbers; save it as uint8."
        )
    if 0 in shape:
        raise PictureError(f"{array.name}: the array is empty, shape {shape}; save it again.")
    count = shape[0] if plain == 3 else 1
    if len(names) != count:
        names = names[:1] * count
    return [
        Candidate(
            f"{array.name}[{i}]" if plain == 3 else array.name,
            names[i],
            lots[i] if lots else None,
            partial(_load_one, array, i if plain == 3 else None, colours),
        )
        for i in range(count)
    ]


def _load_one(array: _Array, index: int | None, colours: Mapping[Colour, Role] | None) -> Loaded:
    name = array.name if index is None else f"{array.name}[{index}]"
    values = array.values() if index is None else array.values()[index]
    if values.ndim == 3:
        rgb = np.ascontiguousarray(values[:, :, :3])
        transparent = values[:, :, 3] < 128 if values.shape[2] == 4 else None
        clear = transparent is not None and transparent.any()
        return interpret(rgb, transparent if clear else None, colours, name)
    return Loaded(storable(grey_from_numbers(values, name), name))


def _load_table(file: SourceFile) -> Loaded:
    """One map from a table of die values."""
    data = file.read(MAX_TABLE_BYTES)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise PictureError(
            f"{file.name}: this is no text, whatever its name says; export the table as CSV."
        ) from exc
    rows: list[list[int]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        cells = re.split(r"\s*[,;\t]\s*|\s+", line.strip())
        row = [_die_value(cell, number, file.name) for cell in cells]
        if rows and len(row) != len(rows[0]):
            raise PictureError(
                f"{file.name}: row {number} has {len(row)} values and the first has "
                f"{len(rows[0])}; give a rectangle of 0 (no die), 1 (pass) and 2 (fail)."
            )
        rows.append(row)
    if not rows:
        raise PictureError(f"{file.name}: the table is empty; export it again.")
    return Loaded(storable(from_die_codes(np.array(rows, np.int64), file.name), file.name))


def _die_value(cell: str, number: int, name: str) -> int:
    if cell in ("0", "1", "2"):
        return int(cell)
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if value not in (0, 1, 2):
        raise PictureError(
            f"{name}: row {number} holds “{cell[:20]}”; give a table of 0 (no die), 1 (pass) and "
            "2 (fail) without headings."
        )
    return int(value)
