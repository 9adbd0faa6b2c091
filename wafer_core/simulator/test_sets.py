"""Write a test set of simulated wafers: a folder of pictures, or one wafer data file."""

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
from wafer_core.simulator.factorial import DesignWafer

TABLE = "levels.csv"


def write_test_set(wafers: Iterable[DesignWafer], output: Path, class_name: str) -> Path:
    """Write wafers and a table of their levels; an incomplete set is removed.

    Args:
        wafers: From ``factorial_design``.
        output: A new folder, for ``00000.png``, … and ``levels.csv``; or a file that ends in
            ``.npz``, with a table of the same name next to it.
        class_name: Label of the wafers in a data file.

    Returns:
        The table, one row per wafer: its file or number, its levels and the value of each factor.

    Raises:
        InputError: The output already exists.
        StorageError: The disk is full or not writable.
    """
    if output.exists():
        raise InputError(
            "{output} already exists; choose a new folder or file for the test set.",
            output=str(output),
        )
    if output.suffix.lower() == ".npz":
        return _write_data_file(wafers, output, class_name)
    rows: list[dict[str, object]] = []
    try:
        for number, wafer in enumerate(wafers):
            name = f"{number:05d}.png"
            files.write_bytes(output / name, encode_png(wafer.picture), sync=False, parents=True)
            rows.append({"file": name, **wafer.row()})
        files.write_bytes(output / TABLE, _table(rows))
    except BaseException:  # also when cancelled: an incomplete test set is useless
        shutil.rmtree(output, ignore_errors=True)
        raise
    return output / TABLE


def _write_data_file(wafers: Iterable[DesignWafer], output: Path, class_name: str) -> Path:
    """Concatenated dies with offsets and shapes, as the importers read them."""
    codes = np.zeros(256, np.uint8)  # 0 no die, 1 pass, 2 fail
    codes[PASS], codes[FAIL] = 1, 2
    dies, shapes, groups, rows = [], [], [], []
    for number, wafer in enumerate(wafers):
        dies.append(codes[wafer.picture].ravel())
        shapes.append(wafer.picture.shape)
        # wafers of a repetition differ only by their levels and must stay in one split
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
    files.write_bytes(table, _table(rows), parents=True)
    files.write_bytes(output, stream.getvalue(), parents=True)
    return table


def _table(rows: list[dict[str, object]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode("utf-8")
