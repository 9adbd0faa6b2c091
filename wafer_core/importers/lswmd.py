"""LSWMD.pkl: the table of WM-811K as it is downloaded, and tables that were saved like it.

The file is the pickle of a pandas table with one row a wafer: ``waferMap`` (0 no die, 1 pass, 2
fail), ``failureType`` and ``trianTestLabel`` (texts in arrays in arrays, empty where unknown),
``lotName``, ``waferIndex`` and ``dieSize``. It is read without pandas and without running anything,
see ``pickles``. Source: Wu, Jang, Chen 2015, doi 10.1109/TSM.2014.2364237.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, Any

import numpy as np

from wafer_core.errors import PictureError
from wafer_core.importers.die_maps import NO_BIN, DieMap
from wafer_core.importers.items import (
    Candidate,
    FoundFile,
    LazyCandidates,
    Limits,
    Loaded,
    Scan,
    SourceFile,
    decoding,
)
from wafer_core.importers.labels import Labels, clean_label
from wafer_core.importers.numbers import find_meaning, load_numbers
from wafer_core.importers.options import ReadOptions
from wafer_core.importers.pickles import Array, Made, read_array, read_pickle
from wafer_core.importers.pictures import storable
from wafer_core.messages import Message, message
from wafer_core.names import fold

FORMAT = "table of WM-811K"
_MAPS = ("wafermap", "wafermaps", "map", "maps")
_LABELS = ("failuretype", "label", "labels", "class", "pattern")
_LOTS = ("lotname", "lot", "lotid")
_WAFERS = ("waferindex", "wafer", "waferid", "slot")
_SPLITS = ("triantestlabel", "traintestlabel", "split")
_SPLIT_OF = {"training": "train", "train": "train", "test": "test", "validation": "validation"}


def recognises(head: bytes) -> bool:
    """Whether a file begins as a pickle of protocol 2 to 5."""
    return head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05")


def read_table(file: SourceFile, limits: Limits, options: ReadOptions) -> Scan:
    """The wafers of a pickled table.

    Raises:
        PictureError: It holds anything but plain arrays and such a table, or is damaged.
    """
    if file.size is not None and file.size > limits.max_pickle_bytes:
        raise PictureError(
            "{file}: the file is larger than {limit:.0f} MB; reduce or split it.",
            file=file.name,
            limit=limits.max_pickle_bytes / 2**20,
        )
    keep = file.path is None  # an unpacked file cannot be read from the middle
    with file.reading() as stream:
        value = read_pickle(stream, file.name, keep)
        with decoding(file.name):
            columns = _TableReader(stream).columns(value)
    maps = _find(columns, _MAPS)
    if maps is None:
        raise PictureError(
            "{file}: the pickle holds no table with a column waferMap; save wafer maps with "
            "numpy.savez.",
            file=file.name,
        )
    return Scan([_Table(file, columns, maps, options).found()])


@dataclass
class _Table:
    """The columns of a table of wafers."""

    file: SourceFile
    columns: dict[str, Sequence[Any]]
    maps: Sequence[Any]
    options: ReadOptions

    def found(self) -> FoundFile:
        """The wafers, with labels, lots and the split."""
        file, count = self.file, len(self.maps)
        labels = self._texts(_LABELS)
        known = None if labels is None else Labels.of(labels)
        lots, wafers = self._texts(_LOTS), self._texts(_WAFERS)
        splits = self._splits()
        stem = file.name.rpartition("/")[2].rpartition(".")[0]
        maps = _MapColumn(file, self.maps)
        options = self.options

        def create(index: int) -> Candidate:
            lot = None if lots is None else lots[index]
            label = file.class_name if known is None else known.names[index]
            name = f"{file.name}[{index}]"
            wafer = None if wafers is None else wafers[index]
            return Candidate(
                name,
                label,
                None if lot is None else f"{stem}:{lot}",
                lambda: maps.load(index, name, lot, wafer, options),
                file.split if splits is None else splits[index],
                None if known is not None else file.suggestion,
                known is not None and label is None,
            )

        notes: list[Message] = []
        if known is not None and (note := known.note(file.name)):
            notes.append(note)
        if splits is not None:
            notes.append(
                message(
                    "{file}: {train:,} wafers are labelled Training and {test:,} Test; this sets "
                    "the split.",
                    file=file.name,
                    train=splits.count("train"),
                    test=splits.count("test"),
                )
            )
        return FoundFile(file.name, FORMAT, LazyCandidates(count, create), tuple(notes))

    def _texts(self, names: Sequence[str]) -> list[str | None] | None:
        column = _find(self.columns, names)
        if column is None or len(column) != len(self.maps):
            return None
        known: dict[str, str] = {}
        found: list[str | None] = []
        for value in column:
            text = _text(value)
            found.append(None if text is None else known.setdefault(text, text))
        return found

    def _splits(self) -> list[str | None] | None:
        texts = self._texts(_SPLITS) if self.options.keep_split else None
        if texts is None:
            return None
        splits = [None if text is None else _SPLIT_OF.get(fold(text)) for text in texts]
        return splits if {"train", "test"} <= set(splits) else None


class _MapColumn:
    """The maps of a table, which are read from the file one by one."""

    def __init__(self, file: SourceFile, maps: Sequence[Any]) -> None:
        self._file, self._maps = file, maps
        self._lock = threading.Lock()
        self._stream: IO[bytes] | None = None

    def load(
        self, index: int, name: str, lot: str | None, wafer: str | None, options: ReadOptions
    ) -> Loaded:
        """One wafer.

        Raises:
            PictureError: It is damaged.
        """
        with self._lock:
            values = self._read(self._maps[index], name)
        if values.ndim != 2:
            raise PictureError("{file} is no map of (height, width); leave it out.", file=name)
        meaning = find_meaning(values, name)
        if meaning.kind == "mask":  # the format says 0 no die, 1 pass, 2 fail
            meaning = find_meaning(np.array([[0, 1, 2]]), name)
        loaded = load_numbers(values, meaning, name, options)
        picture = storable(loaded.picture, name)
        die_map = loaded.die_map
        if lot is not None and values.shape == picture.shape:
            bins = np.where(values > 0, values, NO_BIN).astype(np.uint16)
            die_map = DieMap(bins if die_map is None else die_map.bins, wafer or "", lot)
        return Loaded(picture, None, loaded.notes, die_map)

    def _read(self, value: Any, name: str) -> np.ndarray:
        if isinstance(value, Array):
            if self._stream is None and self._file.path is not None:
                self._stream = self._file.path.open("rb")
            value = read_array(value, self._stream, name)
        with decoding(name):
            return np.asarray(value)

    def __del__(self) -> None:
        if self._stream is not None:
            self._stream.close()


def _find(columns: dict[str, Sequence[Any]], names: Sequence[str]) -> Sequence[Any] | None:
    by_name = {"".join(c for c in fold(name) if c.isalnum()): name for name in columns}
    found = next((by_name[name] for name in names if name in by_name), None)
    return None if found is None else columns[found]


# -- pandas tables ---------------------------------------------------------------------------------


class _TableReader:
    """Finds the columns in the stand-ins of a pickled table."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def columns(self, value: Any) -> dict[str, Sequence[Any]]:
        """The columns of a table, or of a dictionary of columns; empty for something else."""
        if isinstance(value, dict):
            return {
                name: self._values(column)
                for name, column in value.items()
                if isinstance(column, list)
                or (isinstance(column, Array) and len(column.shape) == 1)
            }
        manager = value
        if isinstance(value, Made) and isinstance(value.state, dict):
            manager = value.state.get("_mgr", value.state.get("_data"))
        if not isinstance(manager, Made):
            return {}
        names, blocks = self._blocks(manager)
        return {
            names[place]: row
            for values, places in blocks
            for row, place in zip(self._rows(values), places, strict=True)
        }

    def _blocks(self, manager: Made) -> tuple[list[str], list[tuple[Any, list[int]]]]:
        """Names of the columns, and the blocks of values with the columns that each holds."""
        if manager.arguments:  # pandas 1.3 and newer: BlockManager(blocks, axes)
            blocks, axes = manager.arguments[:2]
            names = self._index(axes[0])
            made = [(block.arguments[0], block.arguments[1]) for block in blocks]
        else:
            state = manager.state
            if len(state) > 3 and isinstance(state[3], dict):  # pandas 0.14.1 and newer
                newer = state[3]["0.14.1"]
                names = self._index(newer["axes"][0])
                made = [(block["values"], block["mgr_locs"]) for block in newer["blocks"]]
            else:
                names = self._index(state[0][0])
                items = [[names.index(name) for name in self._index(each)] for each in state[2]]
                made = list(zip(state[1], items, strict=True))
        return names, [(values, self._places(places, len(names))) for values, places in made]

    def _index(self, value: Any) -> list[str]:
        """The names of columns: an index of texts, or of numbers."""
        data = value
        if isinstance(value, Made) and value.of.name == "_new_Index":
            content = value.arguments[1]
            data = (
                content["data"] if "data" in content else range(content["start"], content["stop"])
            )
        elif isinstance(value, Made) and isinstance(value.state, tuple):
            data = value.state[0]
        return [str(clean_label(each)) for each in self._values(data)]

    def _places(self, value: Any, count: int) -> list[int]:
        if isinstance(value, Made) and value.of.name == "slice":
            start, stop, step = value.arguments
            return list(range(count))[slice(start, stop, step)]
        return [int(each) for each in self._values(value)]

    def _rows(self, values: Any) -> list[Sequence[Any]]:
        """The columns of a block, which holds them as rows."""
        if not isinstance(values, Array):
            raise ValueError("no array")
        if len(values.shape) == 1:
            return [self._values(values)]
        height, width = values.shape
        if values.dtype is not None:
            return [row.tolist() for row in read_array(values, self._stream, "")]
        content = values.content
        if values.fortran:
            return [content[row::height] for row in range(height)]
        return [content[row * width : (row + 1) * width] for row in range(height)]

    def _values(self, value: Any) -> Any:
        """A list for an array of one axis."""
        if not isinstance(value, Array):
            return value
        return value.content if value.dtype is None else self._read(value).tolist()

    def _read(self, value: Array) -> np.ndarray:
        return read_array(value, self._stream, "")


def _text(value: Any) -> str | None:
    """A text in arrays in arrays, such as [['Edge-Ring']]."""
    for _ in range(4):
        if isinstance(value, Array):
            value = value.content if value.dtype is None else read_array(value, None, "").tolist()
    if isinstance(value, list):
        value = [each.content if isinstance(each, Array) else each for each in value]
    return clean_label(value)
