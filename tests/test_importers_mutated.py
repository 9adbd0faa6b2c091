"""Mutated files of every fab format: a map or a sentence, nothing else, quickly and in bounds.

``WAFER_MUTATIONS=1000`` in the environment raises the number of files of each format.
"""

from __future__ import annotations

import os
import random
import re
import time
from collections.abc import Callable
from types import ModuleType

import pytest

from fab_writers import (
    NO_PLACE,
    Die,
    Stdf,
    atdf,
    e142,
    g85,
    klarf_12,
    klarf_18,
    sinf,
    stdf,
    text_map,
)
from wafer_core.errors import InputError
from wafer_core.importers import atdf as atdf_reader
from wafer_core.importers import klarf as klarf_reader
from wafer_core.importers import semi_xml as xml_reader
from wafer_core.importers import sinf as sinf_reader
from wafer_core.importers import stdf as stdf_reader
from wafer_core.importers import text_maps as text_reader
from wafer_core.importers.die_maps import DieMap, status

COUNT = int(os.environ.get("WAFER_MUTATIONS", "200"))
MAX_SECONDS = 5.0
MAX_ARRAY_BYTES = 300_000_000

DISC = [
    "".join(
        "." if (x - 9) ** 2 + (y - 8) ** 2 > 75 else "2" if (x * y) % 5 == 0 else "1"
        for x in range(19)
    )
    for y in range(17)
]
PLACES = [(x - 9, 8 - y) for y, row in enumerate(DISC) for x, code in enumerate(row) if code != "."]
DIES = [
    Die(x, y, 1 if (x + y) % 3 else 7, bool((x + y) % 3), soft=10, part_id=str(k))
    for k, (x, y) in enumerate([*PLACES, *PLACES[:20], (NO_PLACE, NO_PLACE)])
]
ROWS = [
    f"{k} {k}.5 {k}.25 {x} {y} 0.5 {k % 3} {k % 2}" + (" 1 1 0" if k % 2 else " 0")
    for k, (x, y) in enumerate(PLACES[::4])
]
COLUMNS = "DEFECTID XREL YREL XINDEX YINDEX DSIZE CLASSNUMBER IMAGECOUNT IMAGELIST"
ROWS_18 = [
    f'{k} 1 2 {x} {y} 500 3 Images 1 {{ "a" "JPG" 1 "b" }}' for k, (x, y) in enumerate(PLACES[::4])
]


def two_wafers() -> bytes:
    file = Stdf(">").mir().sdr("prober").wcr()
    for wafer in ("W1", "W2"):
        file.wir(wafer)
        for die in DIES[::2]:
            file.die(die)
        file.wrr(wafer)
    return file.bin(1, "P", "good").bin(7, "F", "open", soft=True).mrr().data()


FILES: dict[str, tuple[ModuleType, list[bytes]]] = {
    "stdf": (stdf_reader, [stdf(DIES), two_wafers()]),
    "atdf": (atdf_reader, [atdf(DIES), atdf(DIES, wcr=["L", "L", "U", "200", "4", "2"])]),
    "klarf 1.2": (klarf_reader, [klarf_12(PLACES, ROWS, COLUMNS).encode()]),
    "klarf 1.8": (klarf_reader, [klarf_18([("W1", PLACES, ROWS_18), ("W2", None, [])]).encode()]),
    "sinf": (sinf_reader, [sinf(DISC).encode(), sinf(DISC, FNLOC="90").encode()]),
    "e142": (xml_reader, [e142(DISC, Orientation="90").encode(), e142(DISC, "Ascii").encode()]),
    "g85": (xml_reader, [g85(DISC).encode()]),
    "text": (
        text_reader,
        [
            text_map(DISC, **{"Total Pass": "200", "Bin 2": "Fail"}).encode(),
            text_map([" ".join(row) for row in DISC]).encode(),
        ],
    ),
}


def flip_bits(data: bytearray, rng: random.Random) -> None:
    for _ in range(rng.choice([1, 1, 2, 5, 30])):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def truncate(data: bytearray, rng: random.Random) -> None:
    del data[rng.randrange(len(data)) :]


def swap_fields(data: bytearray, rng: random.Random) -> None:
    """Exchange two words, or two stretches where there are none."""
    words = [found.span() for found in re.finditer(rb"[\w.+-]+", bytes(data))]
    if len(words) < 4 or rng.random() < 0.3:
        cuts = sorted(rng.randrange(len(data)) for _ in range(4))
        first, second = (cuts[0], cuts[1]), (cuts[2], cuts[3])
    else:
        first, second = sorted(rng.sample(words, 2))
    a, b = data[slice(*first)], data[slice(*second)]
    data[slice(*second)] = a
    data[slice(*first)] = b


def change_numbers(data: bytearray, rng: random.Random) -> None:
    """Replace a word by one that numbers should not be."""
    words = [found.span() for found in re.finditer(rb"[\w.+-]+", bytes(data))]
    strange = [
        b"-1",
        b"99999999999999999999",
        b"1e308",
        b"nan",
        b"inf",
        b"\xff\xff",
        b"",
        b"0",
        b"x",
    ]
    for _ in range(rng.choice([1, 3])):
        first, last = rng.choice(words)
        if last <= len(data):
            data[first:last] = rng.choice(strange)


def repeat_or_drop(data: bytearray, rng: random.Random) -> None:
    first = rng.randrange(len(data))
    last = min(len(data), first + rng.randrange(1, 400))
    if rng.random() < 0.5:
        data[first:first] = data[first:last] * rng.choice([1, 3])
    else:
        del data[first:last]


MUTATIONS: list[Callable[[bytearray, random.Random], None]] = [
    flip_bits,
    truncate,
    swap_fields,
    change_numbers,
    repeat_or_drop,
]


def check(found: list[DieMap]) -> None:
    """A result must be usable whatever the file was."""
    assert found
    size = 0
    for die_map in found:
        picture = status(die_map)
        assert die_map.dies > 0
        assert picture.shape == die_map.bins.shape
        assert die_map.flags is None or die_map.flags.shape == picture.shape
        assert die_map.aspect is None or 0.01 <= die_map.aspect <= 100
        assert die_map.notch in (None, "down", "up", "left", "right")
        assert all(str(note) and "{" not in str(note) for note in die_map.notes)
        for defect in die_map.defects:
            assert die_map.bins.shape > (defect.row, defect.column) >= (0, 0)
        size += die_map.bins.nbytes
    assert size <= MAX_ARRAY_BYTES


@pytest.mark.parametrize("format_name", FILES)
def test_mutated_files(format_name: str) -> None:
    reader, originals = FILES[format_name]
    for data in originals:
        assert reader.recognises(data[:4096])
        check(reader.read(data, "a"))
    rng = random.Random(format_name)
    sentences = []
    for number in range(COUNT):
        data = bytearray(rng.choice(originals))
        rng.choice(MUTATIONS)(data, rng)
        begin = time.perf_counter()
        reader.recognises(bytes(data[:4096]))
        try:
            check(reader.read(bytes(data), "a"))
        except InputError as exc:
            sentences.append(str(exc))
        assert time.perf_counter() - begin < MAX_SECONDS, number
    assert all(re.fullmatch(r"a\b.*[.)]", sentence, re.DOTALL) for sentence in sentences)
    assert len(sentences) < COUNT
