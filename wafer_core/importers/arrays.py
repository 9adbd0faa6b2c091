"""Wafer data files: NumPy arrays and tables of die values. Pickles are never opened."""

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
from wafer_core.images import MIN_SIDE, from_die_codes
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
    """An array whose header is read at once and whose values are read when first needed."""

    def __init__(self, file: SourceFile, limits: Limits) -> None:
        self.file, self.name, self._limits = file, file.name, limits
        self._lock = threading.Lock()
        self._values: np.ndarray | None = None
        with file.open() as stream:
            self.shape, self.fortran, self.dtype = _header(stream, self.name)
        items = math.prod(self.shape)
        if items * self.dtype.itemsize > limits.max_array_bytes:
            raise PictureError(
                "{file}: an array of shape {shape} takes more than {most:,.0f} MB; split it into "
                "smaller ones.",
                file=self.name,
                shape=str(self.shape),
                most=limits.max_array_bytes / MEGA,
            )
        # A false header must not allocate memory for values that the file does not have.
        if items * self.dtype.itemsize > file.size:
            raise PictureError(
                "{file}: the file is cut off; it is too short for its array of shape {shape}. Save "
                "or copy it again.",
                file=self.name,
                shape=str(self.shape),
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
                        "{file}: the file is cut off; save or copy it again.", file=self.name
                    ) from exc
                self._values = flat.reshape(self.shape, order="F" if self.fortran else "C")
            return self._values


def _header(stream: IO[bytes], name: str) -> tuple[tuple[int, ...], bool, np.dtype]:
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
    if dtype.hasobject:
        raise PictureError(
            "{file}: the array contains Python objects, which are not opened for security; save "
            "plain numbers of one shape (dtype uint8).",
            file=name,
        )
    if dtype.names is not None or dtype.subdtype is not None or any(side < 0 for side in shape):
        raise PictureError(
            "{file}: the array contains records ({dtype}) instead of numbers; save it as uint8.",
            file=name,
            dtype=str(dtype)[:80],
        )
    return tuple(int(side) for side in shape), fortran, dtype


def array_candidates(
    file: SourceFile, limits: Limits, colours: Mapping[Colour, Role] | None = None
) -> Scan:
    """The pictures of one .npy, .npz or .csv file.

    - .npy: (H, W) or (N, H, W), or colours (H, W, 3) or (N, H, W, 3) of uint8.
    - .npz: ``dies``, ``offsets`` and ``shapes`` (all die values in one array, divided into wafers),
      or arrays as above. ``label`` or ``labels`` with ``classes`` give class names, ``group`` the
      lots.
    - .csv: one table of the die values 0, 1 and 2, separated by comma, semicolon, tab or space.

    Arrays of an .npz that cannot be used are rejected one by one.

    Raises:
        PictureError: The file cannot be used.
        ArchiveError: The .npz is a broken or hostile zip.
    """
    ending = file.name.lower().rpartition(".")[2]
    if not file.size:
        raise PictureError("{file}: the file is empty (0 bytes); export it again.", file=file.name)
    if ending == "csv":
        return Scan([Candidate(file.name, file.class_name, None, partial(_load_table, file))])
    if ending == "npz":
        return _npz(file, limits, colours)
    array = _Array(file, limits)
    return Scan(_pictures_of(array, [file.class_name], None, colours, limits))


def _npz(file: SourceFile, limits: Limits, colours: Mapping[Colour, Role] | None) -> Scan:
    archive, members = open_zip(file, limits)
    arrays: dict[str, _Array] = {}
    scan = Scan()
    for member in members:
        key = member.filename.removesuffix(".npy")
        try:
            arrays[key] = _Array(member_file(archive, member, f"{file.name}:{key}", None), limits)
        except PictureError as exc:
            scan.rejected.append(Rejected(f"{file.name}:{key}", exc.message))
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
        raise PictureError(
            "{file} contains no array of pictures; save at least one.", file=file.name
        )
    for array in arrays.values():
        count = array.shape[0] if len(array.shape) > 2 else 1
        has_labels = labels is not None and labels.shape == (count,)
        if labels is not None and not has_labels and len(arrays) == 1:
            raise PictureError(
                "{file}: there are {count:,} pictures and labels of shape {shape}; give one label "
                "per picture.",
                file=file.name,
                count=count,
                shape=str(labels.shape),
            )
        names = _class_names(file, labels if has_labels else None, classes, count)
        has_groups = groups is not None and groups.shape == (count,)
        lots = _group_names(file, groups if has_groups else None, count)
        try:
            scan.candidates += _pictures_of(array, names, lots, colours, limits)
        except PictureError as exc:
            scan.rejected.append(Rejected(array.name, exc.message))
    return scan


def _class_names(
    file: SourceFile, labels: _Array | None, classes: _Array | None, count: int
) -> list[str | None]:
    if labels is None:
        return [file.class_name] * count
    values = labels.values()
    if values.shape != (count,) or values.dtype.kind not in "uiUS":
        raise PictureError(
            "{file}: the labels are {dtype} of shape {shape}; give {count:,} numbers or names, one "
            "per picture.",
            file=labels.name,
            dtype=str(values.dtype),
            shape=str(values.shape),
            count=count,
        )
    if classes is None:
        return [_text(value) for value in values]
    known = [_text(value) for value in classes.values().ravel()]
    if values.dtype.kind in "US":
        return [_text(value) for value in values]
    if count and not (values.min() >= 0 and values.max() < len(known)):
        raise PictureError(
            "{file}: the labels {low} to {high} do not match the {count} names in “classes”; "
            "number them from 0.",
            file=labels.name,
            low=int(values.min()),
            high=int(values.max()),
            count=len(known),
        )
    return [known[value] for value in values.tolist()]


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _group_names(file: SourceFile, groups: _Array | None, count: int) -> list[str | None] | None:
    """Lot names start with the name of their file: lot 2 of another file is another lot."""
    if groups is None:
        return None
    values = groups.values()
    if values.shape != (count,) or values.dtype.kind not in "uiUS":
        raise PictureError(
            "{file}: the groups are {dtype} of shape {shape}; give {count:,} numbers or names, one "
            "per wafer.",
            file=groups.name,
            dtype=str(values.dtype),
            shape=str(values.shape),
            count=count,
        )
    stem = file.name.rpartition("/")[2].rpartition(".")[0]
    return [f"{stem}:{_text(value)}" for value in values.tolist()]


def _check_packed(
    file: SourceFile, arrays: Mapping[str, _Array]
) -> tuple[list[int], list[list[int]]]:
    """Offsets (N + 1) and shapes (N, 2) of the wafers in one array of die values."""
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
            and (sizes <= dies.shape[0]).all()  # otherwise their product may overflow
            and (np.diff(starts) == sizes[:, 0] * sizes[:, 1]).all()
            and starts[-1] <= dies.shape[0]
        )
    if not fits:
        raise PictureError(
            "{file}: dies, offsets and shapes do not match; wafer i must be "
            "dies[offsets[i]:offsets[i + 1]] with shape shapes[i].",
            file=file.name,
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
    limits: Limits,
) -> list[Candidate]:
    shape = array.shape
    colour = len(shape) in (3, 4) and shape[-1] in (3, 4) and array.dtype == np.uint8
    plain = len(shape) - colour
    if plain not in (2, 3):
        raise PictureError(
            "{file}: an array of shape {shape} contains no pictures; give (height, width) or "
            "(pictures, height, width).",
            file=array.name,
            shape=str(shape),
        )
    if array.dtype.kind not in "buif":
        raise PictureError(
            "{file}: the array contains {dtype} instead of numbers; save it as uint8.",
            file=array.name,
            dtype=str(array.dtype),
        )
    if 0 in shape:
        raise PictureError(
            "{file}: the array is empty, shape {shape}; save it again.",
            file=array.name,
            shape=str(shape),
        )
    count = shape[0] if plain == 3 else 1
    if count > limits.max_pictures:
        raise PictureError(
            "{file}: the array contains {count:,} pictures; split it into arrays of at most "
            "{most:,}.",
            file=array.name,
            count=count,
            most=limits.max_pictures,
        )
    if plain == 3 and min(shape[1:3]) < MIN_SIDE:  # do not list millions that cannot be stored
        raise PictureError(
            "{file}: pictures of {height}×{width} pixels are too small; each side needs at least "
            "{least}.",
            file=array.name,
            height=shape[1],
            width=shape[2],
            least=MIN_SIDE,
        )
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
            "{file} is not a text file; export the table as CSV.", file=file.name
        ) from exc
    rows: list[list[int]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        cells = re.split(r"\s*[,;\t]\s*|\s+", line.strip())
        row = [_die_value(cell, number, file.name) for cell in cells]
        if rows and len(row) != len(rows[0]):
            raise PictureError(
                "{file}: row {row} has {count} values and the first row has {first}; give a "
                "rectangular table of 0 (no die), 1 (pass) and 2 (fail).",
                file=file.name,
                row=number,
                count=len(row),
                first=len(rows[0]),
            )
        rows.append(row)
    if not rows:
        raise PictureError("{file}: the table is empty; export it again.", file=file.name)
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
            "{file}: row {row} contains “{cell}”; give a table of 0 (no die), 1 (pass) and 2 "
            "(fail) without headings.",
            file=name,
            row=number,
            cell=cell[:20],
        )
    return int(value)
