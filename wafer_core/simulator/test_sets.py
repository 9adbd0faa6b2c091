"""A test set of simulated wafers on disk: a folder of pictures, or one wafer data file."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from wafer_core import files
from wafer_core.errors import InputError
from wafer_core.images import FAIL, PASS, encode_png
from wafer_core.simulator.factorial import LevelWafer

TABLE = "levels.csv"


def write_test_set(wafers: Iterable[LevelWafer], output: Path, class_name: str) -> Path:
    """Write wafers, and last the table of their levels; nothing stays of half a set.

    Args:
        wafers: Of ``level_grid``.
        output: A new folder, for ``00000.png``, … and ``levels.csv``; or a file that ends in
            ``.npz``, which gets a table of its name beside it.
        class_name: What the wafers are labelled with in a data file.

    Returns:
        The table: a row a wafer, with its file or number, its levels and the value of each factor.

    Raises:
        InputError: Something lies there already.
        StorageError: The disk is full or refuses.
    """
    if output.exists():
        raise InputError(f"{output} is there already; name a new folder or file for the test set.")
    if output.suffix.lower() == ".npz":
        return _write_data_file(wafers, output, class_name)
    rows: list[dict[str, object]] = []
    try:
        for number, wafer in enumerate(wafers):
            name = f"{number:05d}.png"
            files.write_bytes(output / name, encode_png(wafer.picture), sync=False)
            rows.append({"file": name, **wafer.row()})
        files.write_bytes(output / TABLE, _table(rows))
    except BaseException:  # cancelled too: half a test set is none
        shutil.rmtree(output, ignore_errors=True)
        raise
    return output / TABLE


def _write_data_file(wafers: Iterable[LevelWafer], output: Path, class_name: str) -> Path:
    """Dies end to end with offsets and shapes, as the importers read them."""
    codes = np.zeros(256, np.uint8)  # 0 no die, 1 pass, 2 fail
    codes[PASS], codes[FAIL] = 1, 2
    dies, shapes, groups, rows = [], [], [], []
    for number, wafer in enumerate(wafers):
        dies.append(codes[wafer.picture].ravel())
        shapes.append(wafer.picture.shape)
        # wafers of a repetition differ by their levels alone: no split may part them
        groups.append(wafer.repetition)
        rows.append({"index": number, **wafer.row()})
    stream = io.BytesIO()
    np.savez_compressed(
        stream,
        dies=np.concatenate(dies),
        offsets=np.cumsum([0, *(len(d) for d in dies)]),
        shapes=np.array(shapes, np.int32),
        label=np.zeros(len(dies), np.int64),
        classes=np.array([class_name]),
        group=np.array(groups, np.int64),
    )
    table = output.with_suffix(".csv")
    files.write_bytes(table, _table(rows))
    files.write_bytes(output, stream.getvalue())
    return table


def _table(rows: list[dict[str, object]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode("utf-8")
