"""Arrays that belong together: the arrays of one .npz, or the .npy files of one folder.

Which array holds maps, which one labels, lots, or class names is decided by shapes first and by
names second: ``x_train`` and ``y_train``, ``data.npy`` and ``label.npy``, ``arr_0`` and ``arr_1``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from wafer_core.errors import PictureError, WaferError
from wafer_core.images import MIN_SIDE, from_die_codes
from wafer_core.importers.archives import member_file, open_zip
from wafer_core.importers.arrays import StoredArray
from wafer_core.importers.folders import SPLIT_NAMES, word_list
from wafer_core.importers.items import (
    Candidate,
    FoundFile,
    LazyCandidates,
    Limits,
    Loaded,
    Rejected,
    Scan,
    SourceFile,
)
from wafer_core.importers.labels import MAX_COLUMNS, Labels, is_label_table, read_labels
from wafer_core.importers.numbers import Meaning, load_numbers
from wafer_core.importers.options import ReadOptions
from wafer_core.importers.pictures import interpret, storable
from wafer_core.messages import Message, message
from wafer_core.names import fold

FORMAT = "array"
_PACKED = {"dies", "offsets", "shapes"}
_LABELS = frozenset(
    word_list(
        "label labels y target targets class failuretype failure type types pattern "
        "patterns defect defects category"
    )
)
_GROUPS = frozenset(word_list("group groups lot lots lotname lotid"))
_CLASSES = frozenset(word_list("classes classnames names categories labelnames targetnames"))


@dataclass
class _Tokens:
    """What the name of an array says.

    Attributes:
        split: ``train``, ``validation`` or ``test``.
        role: ``labels``, ``groups``, ``classes``, or empty.
        rest: The name without these words.
    """

    split: str | None = None
    role: str = ""
    rest: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, key: str) -> _Tokens:
        found = cls()
        words = re.split(r"[\W_]+", fold(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", key)))
        joined = "".join(words)
        for role, known in (("classes", _CLASSES), ("groups", _GROUPS), ("labels", _LABELS)):
            if not found.role and joined in known:
                found.role = role
        for word in words:
            if word in SPLIT_NAMES and found.split is None:
                found.split = SPLIT_NAMES[word]
            elif word in _LABELS:
                found.role = found.role or "labels"
            elif word in _GROUPS:
                found.role = found.role or "groups"
            else:
                found.rest.append(word)
        return found


def read_npz(file: SourceFile, limits: Limits, options: ReadOptions) -> Scan:
    """The maps of an .npz.

    Raises:
        PictureError: It has no maps.
        ArchiveError: It is a broken or hostile zip.
    """
    archive, members = open_zip(file, limits)
    arrays: dict[str, StoredArray] = {}
    scan = Scan()
    for member in members:
        key = member.filename.removesuffix(".npy")
        inner = member_file(archive, member, file.named(f"{file.name}:{key}"))
        try:
            arrays[key] = StoredArray(inner, limits)
        except WaferError as exc:
            scan.rejected.append(Rejected(inner.name, exc.message))
    if not arrays and not scan.rejected:
        raise PictureError(
            "{file} contains no array of pictures; save at least one.", file=file.name
        )
    return read_set(file, arrays, limits, options, scan)


def read_npy_files(
    files: Mapping[str, SourceFile], limits: Limits, options: Callable[[str], ReadOptions]
) -> Scan:
    """The maps of the .npy files of one folder; labels may be in another file than their maps.

    Args:
        files: By name without the ending.
        limits: Limits of the import.
        options: By the name of the file.
    """
    scan = Scan()
    arrays: dict[str, StoredArray] = {}
    for key, file in files.items():
        try:
            if file.size == 0:
                raise PictureError(
                    "{file}: the file is empty (0 bytes); export it again.", file=file.name
                )
            arrays[key] = StoredArray(file, limits)
        except WaferError as exc:
            scan.rejected.append(Rejected(file.name, exc.message))
    if not arrays:
        return scan
    siblings = _Siblings(list(arrays.values()))
    stacks = {a.shape[0] for a in arrays.values() if len(a.shape) > 2 or a.dtype.hasobject}
    have_partners = any(
        len(a.shape) == 1 or (len(a.shape) == 2 and a.shape[0] in stacks) for a in arrays.values()
    )
    sets = [arrays] if have_partners else [{key: array} for key, array in arrays.items()]
    for each in sets:
        first = next(iter(each.values())).file
        try:
            read_set(first, each, limits, options(first.name), scan, siblings)
        except WaferError as exc:
            scan.rejected.append(Rejected(first.name, exc.message))
    return scan


class _Siblings:
    """Arrays side by side: whether any of them shows that 0, 1 and 2 are die codes."""

    def __init__(self, arrays: Sequence[StoredArray]) -> None:
        self._arrays = arrays
        self._has_codes: bool | None = None

    @property
    def has_codes(self) -> bool:
        if self._has_codes is None:
            self._has_codes = any(map(_shows_codes, self._arrays))
        return self._has_codes


def _shows_codes(array: StoredArray) -> bool:
    try:
        meaning = array.meaning()
    except WaferError:
        return False
    return meaning.kind in ("codes", "bins") and 2 in meaning.values and not meaning.zero_is_die


def read_set(
    file: SourceFile,
    arrays: Mapping[str, StoredArray],
    limits: Limits,
    options: ReadOptions,
    scan: Scan,
    siblings: _Siblings | None = None,
) -> Scan:
    """Add the maps of arrays that belong together to a scan; arrays are rejected one by one.

    Args:
        file: What holds them, for the class of its folder.
        arrays: By their names.
        limits: Limits of the import.
        options: What the user says.
        scan: What was found and rejected so far.
        siblings: Arrays of other files beside them.

    Raises:
        PictureError: There are no maps, or labels do not match.
    """
    if arrays.keys() >= _PACKED:
        scan.files.append(_packed(file, arrays, options))
        return scan
    tokens = {key: _Tokens.of(key) for key in arrays}
    classes = _class_list(arrays, tokens)
    arrays = _readable(arrays, tokens, scan)
    maps = {key: array for key, array in arrays.items() if _could_be_maps(array, tokens[key])}
    tables = _label_tables(maps)
    maps = {key: array for key, array in maps.items() if key not in tables}
    others = {key: array for key, array in arrays.items() if key not in maps}
    if not maps:
        for key, array in others.items():
            _reject(scan, array, tokens[key], file)
        return scan
    used: set[str] = set()
    found: list[FoundFile] = []
    siblings = siblings or _Siblings(list(maps.values()))
    splits = {tokens[key].split for key in maps}
    has_split = options.keep_split and "train" in splits and len(splits - {None}) > 1
    for key, array in maps.items():
        try:
            source = _MapArray(array, limits, options, siblings)
            source.check()
            label_key = _partner(key, "labels", source.count, others, tokens, len(maps))
            group_key = _partner(key, "groups", source.count, others, tokens, len(maps))
            used |= {k for k in (label_key, group_key) if k}
            split = tokens[key].split if has_split else None
            found.append(
                source.found(
                    file,
                    None
                    if label_key is None
                    else read_labels(
                        others[label_key].values(), classes, source.count, others[label_key].name
                    ),
                    None if group_key is None else others[group_key],
                    split,
                )
            )
        except WaferError as exc:
            scan.rejected.append(Rejected(array.name, exc.message))
    for key, array in others.items():
        if key not in used and tokens[key].role != "classes":
            _note_unused(scan, array, tokens[key], maps)
    scan.files += found
    return scan


def _reject(scan: Scan, array: StoredArray, tokens: _Tokens, file: SourceFile) -> None:
    if tokens.role:
        reason = PictureError(
            "{file} contains no array of pictures; save at least one.", file=file.name
        )
    else:
        reason = _no_pictures(array)
    scan.rejected.append(Rejected(array.name, reason.message))


def _note_unused(
    scan: Scan, array: StoredArray, tokens: _Tokens, maps: Mapping[str, StoredArray]
) -> None:
    if tokens.role == "labels":
        sizes = ", ".join(f"{each.shape[0]:,}" for each in maps.values() if each.shape)
        raise PictureError(
            "{file}: there are {count} pictures and labels of shape {shape}; give one label per "
            "picture.",
            file=array.name,
            count=sizes,
            shape=str(array.shape),
        )
    scan.notes.append(
        message(
            "{file}: an array of shape {shape} belongs to no map and was not read.",
            file=array.name,
            shape=str(array.shape),
        )
    )


# -- which array is what ---------------------------------------------------------------------------


def _could_be_maps(array: StoredArray, tokens: _Tokens) -> bool:
    if tokens.role in ("classes", "groups"):
        return False
    if array.dtype.hasobject:
        return tokens.role != "labels" and _holds_maps(array)
    is_column = len(array.shape) == 2 and array.shape[1] == 1
    is_text = array.dtype.kind in "US"
    return len(array.shape) >= 2 and not (tokens.role and (is_column or is_text))


def _readable(
    arrays: Mapping[str, StoredArray], tokens: Mapping[str, _Tokens], scan: Scan
) -> dict[str, StoredArray]:
    """The arrays without those of objects that are not opened, which are rejected."""
    found = {}
    for key, array in arrays.items():
        try:
            _could_be_maps(array, tokens[key])
            found[key] = array
        except WaferError as exc:
            scan.rejected.append(Rejected(array.name, exc.message))
    return found


def _holds_maps(array: StoredArray) -> bool:
    """Whether an array of objects holds arrays of two axes."""
    first = next(iter(array.values().ravel()), None)  # raises where it is refused
    return isinstance(first, np.ndarray) and first.ndim == 2


def _label_tables(maps: Mapping[str, StoredArray]) -> set[str]:
    """Tables (N, K) of 0 and 1 beside a stack of N maps: one-hot labels or flags."""
    stacks = {
        array.shape[0]
        for array in maps.values()
        if len(array.shape) > 2 or (array.dtype.hasobject and array.shape)
    }
    return {
        key
        for key, array in maps.items()
        if len(array.shape) == 2
        and array.shape[0] in stacks
        and array.shape[1] <= MAX_COLUMNS
        and is_label_table(array.values())
    }


def _class_list(
    arrays: Mapping[str, StoredArray], tokens: Mapping[str, _Tokens]
) -> list[str] | None:
    key = next((key for key in arrays if tokens[key].role == "classes"), None)
    if key is None:
        return None
    values = arrays[key].values().ravel().tolist()
    return [v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in values]


def _partner(
    key: str,
    role: str,
    count: int,
    others: Mapping[str, StoredArray],
    tokens: Mapping[str, _Tokens],
    stacks: int,
) -> str | None:
    """The array with the labels or lots of some maps; ``None`` without one."""
    fitting = [k for k, a in others.items() if a.shape and a.shape[0] == count]
    named = [k for k in fitting if tokens[k].role == role]
    same_split = [k for k in named if tokens[k].split == tokens[key].split]
    same_rest = [k for k in same_split or named if tokens[k].rest == tokens[key].rest]
    for found in (same_rest, same_split, named if stacks == 1 else []):
        if found:
            return found[0]
    unnamed = [
        k
        for k in fitting
        if not tokens[k].role
        and tokens[k].split == tokens[key].split
        and (len(others[k].shape) > 1 or _repeats(others[k]))
    ]
    if role == "labels" and not named and len(unnamed) == 1:
        return unnamed[0]  # such as arr_1 beside arr_0
    return None


def _repeats(array: StoredArray) -> bool:
    """Whether the values of a vector repeat, as labels do and numbers of wafers do not."""
    values = array.values()
    if values.dtype.kind not in "uiUSf":
        return False
    return len(np.unique(values)) <= min(256, max(2, len(values) // 2))


# -- the maps of one array -------------------------------------------------------------------------


class _MapArray:
    """One array of maps, whatever the order of its axes."""

    def __init__(
        self,
        array: StoredArray,
        limits: Limits,
        options: ReadOptions,
        siblings: _Siblings,
    ) -> None:
        self.array, self._limits, self._options = array, limits, options
        self._siblings = siblings
        shape = array.shape
        self.is_object = array.dtype.hasobject
        self.colour = (
            not self.is_object
            and len(shape) in (3, 4)
            and shape[-1] in (3, 4)
            and array.dtype == np.uint8
        )
        # a channel of its own, first or last: (N, H, W, 1), (N, 1, H, W)
        self.channel: int | None = None
        if len(shape) == 4 and not self.colour:
            self.channel = 3 if shape[3] in (1, 3) else 1 if shape[1] in (1, 3) else None
        elif len(shape) == 3 and not self.colour and shape[2] in (1, 3) and shape[1] > 3:
            self.channel = 2
        self.plain = len(shape) - self.colour - (self.channel is not None)
        self.is_stack = self.is_object or self.plain == 3
        self.count = math.prod(shape) if self.is_object else shape[0] if self.is_stack else 1

    def check(self) -> None:
        """Reject an array that holds no pictures, before its values are read.

        Raises:
            PictureError: The reason.
        """
        array, shape, limits = self.array, self.array.shape, self._limits
        if self.is_object:
            return
        if self.plain not in (2, 3):
            raise _no_pictures(array)
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
        if self.count > limits.max_pictures:
            raise PictureError(
                "{file}: the array contains {count:,} pictures; split it into arrays of at most "
                "{most:,}.",
                file=array.name,
                count=self.count,
                most=limits.max_pictures,
            )
        sides = [side for axis, side in enumerate(shape[1:], 1) if axis != self.channel][:2]
        if self.is_stack and min(sides) < MIN_SIDE:  # do not list millions that cannot be stored
            raise PictureError(
                "{file}: pictures of {height}×{width} pixels are too small; each side needs at "
                "least {least}.",
                file=array.name,
                height=sides[0],
                width=sides[1],
                least=MIN_SIDE,
            )

    def found(
        self,
        file: SourceFile,
        labels: Labels | None,
        groups: StoredArray | None,
        split: str | None,
    ) -> FoundFile:
        """The candidates, with their labels and lots."""
        source = self.array.file
        lots = None if groups is None else group_names(file, groups, self.count)
        names = None if labels is None else labels.names

        def create(index: int) -> Candidate:
            label = source.class_name if names is None else names[index]
            return Candidate(
                self._name(index),
                label,
                None if lots is None else lots[index],
                lambda: self._load(index),
                split or source.split,
                None if names is not None else source.suggestion,
                names is not None and label is None,
            )

        notes: list[Message] = []
        if labels is not None:
            notes += labels.notes
            if note := labels.note(source.name):
                notes.append(note)
        if split is not None:
            notes.append(
                message("The names of the arrays set the split: training, validation or test.")
            )
        return FoundFile(self.array.name, FORMAT, LazyCandidates(self.count, create), tuple(notes))

    def _name(self, index: int) -> str:
        return f"{self.array.name}[{index}]" if self.is_stack else self.array.name

    def _load(self, index: int) -> Loaded:
        name = self._name(index)
        values = self.array.values()
        if self.is_object:
            values = values.reshape(-1)
        one = values[index] if self.is_stack else values
        if not isinstance(one, np.ndarray) or one.ndim < 2:
            raise PictureError(
                "{file} is no array of (height, width); save all maps as arrays.", file=name
            )
        if self.colour and not self._is_one_hot(values):
            rgb = np.ascontiguousarray(one[:, :, :3])
            transparent = one[:, :, 3] < 128 if one.shape[2] == 4 else None
            clear = transparent is not None and transparent.any()
            return interpret(rgb, transparent if clear else None, self._options, name)
        if self.channel is not None or self.colour:
            axis = (2 if self.colour else self.channel or 0) - (self.is_stack and not self.colour)
            one = np.moveaxis(one, axis, -1)
            if one.shape[-1] == 3:
                return self._from_channels(values, one, name)
            one = one[..., 0]
        loaded = load_numbers(one, self._meaning(), name, self._options)
        return Loaded(storable(loaded.picture, name), None, loaded.notes, loaded.die_map)

    def _meaning(self) -> Meaning:
        meaning = self.array.meaning()
        if meaning.kind == "mask" and self._options.mask is None and self._siblings.has_codes:
            return Meaning("codes", frozenset({0, 1}))
        return meaning

    def _is_one_hot(self, values: np.ndarray) -> bool:
        """Whether three channels are no colours, but no die, pass and fail of each die."""
        if values.shape[-1] != 3:
            return False
        sample = values[:64] if self.is_stack else values
        return int(sample.max()) == 1 and bool((sample.sum(axis=-1) == 1).all())

    def _from_channels(self, values: np.ndarray, one: np.ndarray, name: str) -> Loaded:
        """A one-hot map, or colours from 0 to 1."""
        if np.isin(one, (0, 1)).all() and (one.sum(axis=-1) == 1).all():
            return Loaded(storable(from_die_codes(one.argmax(axis=-1), name), name))
        if one.dtype.kind == "f" and one.min() >= 0 and one.max() <= 1:
            one = one * 255
        if not (np.isfinite(one).all() and one.min() >= 0 and one.max() <= 255):
            raise _no_pictures(self.array)
        return interpret(np.ascontiguousarray(np.rint(one), np.uint8), None, self._options, name)


def _no_pictures(array: StoredArray) -> PictureError:
    return PictureError(
        "{file}: an array of shape {shape} contains no pictures; give (height, width) or "
        "(pictures, height, width).",
        file=array.name,
        shape=str(array.shape),
    )


def group_names(file: SourceFile, groups: StoredArray, count: int) -> list[str]:
    """Lot names start with the name of their file: lot 2 of another file is another lot.

    Raises:
        PictureError: They do not match the maps.
    """
    values = groups.values()
    if values.shape != (count,) or values.dtype.kind not in "uiUSO":
        raise PictureError(
            "{file}: the groups are {dtype} of shape {shape}; give {count:,} numbers or names, one "
            "per wafer.",
            file=groups.name,
            dtype=str(values.dtype),
            shape=str(values.shape),
            count=count,
        )
    stem = file.name.rpartition("/")[2].rpartition(".")[0]
    known: dict[object, str] = {}  # lots repeat: one text each
    for value in values.tolist():
        if value not in known:
            text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
            known[value] = f"{stem}:{text}"
    return [known[value] for value in values.tolist()]


# -- all dies in one array -------------------------------------------------------------------------


def _packed(file: SourceFile, arrays: Mapping[str, StoredArray], options: ReadOptions) -> FoundFile:
    """Wafers of different sizes in one array of dies, divided by offsets and shapes."""
    starts, sizes = _check_packed(file, arrays)
    count = len(sizes)
    tokens = {key: _Tokens.of(key) for key in arrays}
    rest = {key: array for key, array in arrays.items() if key not in _PACKED}
    classes = _class_list(rest, tokens)
    labels, lots = None, None
    for key, array in rest.items():
        if tokens[key].role == "labels" and labels is None:
            labels = read_labels(array.values(), classes, count, array.name)
        elif tokens[key].role == "groups" and lots is None:
            lots = group_names(file, array, count)
    dies = arrays["dies"]

    def load(index: int) -> Loaded:
        height, width = sizes[index].tolist()
        start = int(starts[index])
        name = f"{file.name}[{index}]"
        values = dies.values()[start : start + height * width].reshape(height, width)
        loaded = load_numbers(values, _packed_meaning(dies), name, options)
        return Loaded(storable(loaded.picture, name), None, loaded.notes, loaded.die_map)

    def create(index: int) -> Candidate:
        label = file.class_name if labels is None else labels.names[index]
        return Candidate(
            f"{file.name}[{index}]",
            label,
            None if lots is None else lots[index],
            lambda: load(index),
            file.split,
            None if labels is not None else file.suggestion,
            labels is not None and label is None,
        )

    notes = () if labels is None else labels.notes
    unlabelled = None if labels is None else labels.note(file.name)
    return FoundFile(
        file.name,
        FORMAT,
        LazyCandidates(count, create),
        notes if unlabelled is None else (*notes, unlabelled),
    )


def _packed_meaning(dies: StoredArray) -> Meaning:
    """What the dies mean; maps of 0 and 1 alone are wafers without a failed die here."""
    meaning = dies.meaning()
    if meaning.kind == "mask":
        return Meaning("codes", frozenset({0, 1}))
    if meaning.kind not in ("codes", "bins", "levels", "halves"):
        raise PictureError(
            "{file}: dies must be 0 (no die), 1 (pass) and 2 (fail), or bins; these are neither.",
            file=dies.name,
        )
    return meaning


def _check_packed(
    file: SourceFile, arrays: Mapping[str, StoredArray]
) -> tuple[np.ndarray, np.ndarray]:
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
    return starts, sizes
