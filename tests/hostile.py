"""Hostile and damaged input, made by generators: files, folders, project zips, names, parameters.

Each generator yields (name, value); the name says what is wrong, and a test reports it. Everything
is small on the disk: what is large is large only after unpacking. The inputs were found by attack
on earlier versions, and by what the readers of each format check.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import socket
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from wafers import marked

Files = Iterator[tuple[str, bytes]]

# -- names ---------------------------------------------------------------------------------------

# What Markdown, HTML, KaTeX and plotly would interpret; each must be shown as it is.
MARKED_UP = (
    "![i](http://198.51.100.7/x.png)",
    "[Click](http://198.51.100.7/)",
    "<b>bold</b>",
    "<img src=x onerror=alert(1)>",
    "<a href='http://198.51.100.7'>x</a>",
    "$\\frac{1}{0}$ and $$x^2$$",
    "http://198.51.100.7/visit",
    "www.198-51-100-7.example",
    "# heading",
    "- item",
    "> quote",
    ":red[alarm] :material/delete:",
    ":smile:",
    "`code`",
    "~~gone~~ **bold** _it_",
    "| a | b |",
    "&lt;b&gt; &amp; &#x41;",
    "a\\*b",
    "{name} {0} %s {count:,}",
    "=HYPERLINK(\"http://198.51.100.7\")",
    "+1+1",
    "-1+1",
    "@SUM(A1)",
    "{{7*7}} ${7*7} <%= 7*7 %>",
    "a@b.example",
)  # fmt: skip
# Names that nobody could tell apart, see or read.
UNUSABLE = (
    "", " ", "\u200b", "\u200d\u200c", "\ufeff", "\u2060", "\u00ad", "\u3164", "\u2800", "\u0301",
    "\u202eabc", "abc\u202dx", "\u2066x\u2069", "a\u2067b", "x" * 81, "x" * 5000, ".", "..", "...",
    "CON", "nul.png", "com1", "a\x00b", "a\x1bb", "a\x7fb", "\ud800", "\ue000", "\x85\x07",
)  # fmt: skip
# Names for ``?project=``, ``--project``, ``--model`` and other parameters.
PARTS = (
    "x" * 300, "x" * 70_000, "ß" * 200, "../../etc/passwd", "..", ".", "/", "/etc/passwd", "a/b",
    "a\\b", "C:\\x", "\0", "a\0b", "a\nb", "\u202ex", "\ud800", ".trash", ".lock", "CON", "~", "~root",
    "*", "?", "%2e%2e%2f", "-x", "--help", "$(id)", "`id`", "; ls", "None", "null", "0", " ", "\u200b",
    *MARKED_UP[:8],
)  # fmt: skip


# -- pictures ------------------------------------------------------------------------------------


def picture_bytes(kind: str, number: int = 7) -> bytes:
    """One small wafer in a picture format."""
    stream = io.BytesIO()
    Image.fromarray(marked(number)).save(stream, kind)
    return stream.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    """One chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of(
    width: int, height: int, depth: int = 8, colour: int = 0, data: bytes | None = None, more: bytes = b"",
) -> bytes:  # fmt: skip
    """A PNG whose header claims what is given, whatever its data are."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    packed = zlib.compress(b"\0" * 100) if data is None else data
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + more
        + chunk(b"IDAT", packed)
        + chunk(b"IEND", b"")
    )


def tiff_of(
    entries: list[tuple[int, int, int, int]], following: int = 0, data: bytes = b""
) -> bytes:
    """A little-endian TIFF with one directory of (tag, type, count, value)."""
    directory = struct.pack("<H", len(entries))
    for tag, kind, count, value in entries:
        directory += struct.pack("<HHII", tag, kind, count, value & 0xFFFFFFFF)
    return b"II*\0" + struct.pack("<I", 8) + directory + struct.pack("<I", following) + data


def pages_of(count: int) -> bytes:
    """A TIFF of many pages that all show the same strip."""
    size = 2 + 12 * 6 + 4
    head = 8 + 4
    entries = (
        (256, 3, 1, 2),
        (257, 3, 1, 2),
        (258, 3, 1, 8),
        (259, 3, 1, 1),
        (273, 4, 1, 8),
        (279, 4, 1, 4),
    )
    directory = struct.pack("<H", 6) + b"".join(struct.pack("<HHII", *e) for e in entries)
    following = (*(head + size * page for page in range(1, count)), 0)
    pages = b"".join(directory + struct.pack("<I", place) for place in following)
    return b"II*\0" + struct.pack("<I", head) + b"\x7f" * 4 + pages


def bad_pictures() -> Files:
    """Pictures that cannot be read, or that would take the memory of the server."""
    for ending in ("png", "jpg", "bmp", "tif", "gif", "npy", "npz", "csv", "zip", "txt"):
        yield f"empty.{ending}", b""
    formats = {"png": "PNG", "jpg": "JPEG", "bmp": "BMP", "tif": "TIFF", "gif": "GIF"}
    for ending, kind in formats.items():
        good = picture_bytes(kind)
        for share in (0.05, 0.3, 0.6, 0.95):
            yield f"cut-{share}.{ending}", good[: max(1, int(len(good) * share))]
        for seed in range(6):
            rng = np.random.default_rng((seed, len(good)))
            flipped = bytearray(good)
            for place in rng.integers(4, len(good), 8):
                flipped[place] = rng.integers(256)
            yield f"flipped-{seed}.{ending}", bytes(flipped)
        yield f"magic-only.{ending}", good[:8]
        yield f"magic-and-zeros.{ending}", good[:12] + b"\0" * 4000
    yield "no-palette.png", png_of(20, 20, 8, 3)
    yield "bits-3.png", png_of(20, 20, 3, 0)
    yield "colour-7.png", png_of(20, 20, 8, 7)
    yield "no-size.png", png_of(0, 0)
    yield "huge.png", png_of(2**31 - 1, 2**31 - 1)
    yield "large-zeros.png", png_of(30_000, 30_000, 8, 0, zlib.compress(b"\0" * 30_001 * 2_000))
    yield "long-text.png", png_of(20, 20, more=chunk(b"zTXt", b"a\0\0" + zlib.compress(b"a" * 80_000_000)))  # fmt: skip
    yield "long-profile.png", png_of(20, 20, more=chunk(b"iCCP", b"a\0\0" + zlib.compress(b"a" * 80_000_000)))  # fmt: skip
    yield "bad-lengths.png", b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 2**32 - 1) + b"IHDR"
    yield "no-data.png", b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 9, 9, 8, 0, 0, 0, 0))  # fmt: skip
    yield "not-a-number.png", png_of(20, 20, more=chunk(b"gAMA", b""))
    yield "animated.png", png_of(20, 20, more=chunk(b"acTL", struct.pack(">II", 2**31 - 1, 0)))
    yield "thin.png", png_of(1, 31_000_000)
    yield "huge.bmp", b"BM" + struct.pack("<IHHIIiiHHIIiiII", 99, 0, 0, 54, 40, 2**31 - 1, -(2**31), 1, 24, 0, 0, 0, 0, 0, 0)  # fmt: skip
    yield "runs.bmp", b"BM" + struct.pack("<IHHIIiiHHIIiiII", 99, 0, 0, 54, 40, 5000, 5000, 1, 8, 1, 0, 0, 0, 0, 0) + b"\0\2\xff\xff" * 9  # fmt: skip
    yield "bits-7.bmp", b"BM" + struct.pack("<IHHIIiiHHIIiiII", 99, 0, 0, 54, 40, 9, 9, 1, 7, 0, 0, 0, 0, 0, 0)  # fmt: skip
    yield "huge.gif", b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0, 0, 0) + b"\x2c" + b"\0" * 9
    yield "no-frames.gif", b"GIF89a" + struct.pack("<HHBBB", 9, 9, 0, 0, 0) + b";"
    yield "endless.tif", tiff_of([(256, 3, 1, 9), (257, 3, 1, 9)], following=8)
    yield "huge.tif", tiff_of([(256, 4, 1, 2**31), (257, 4, 1, 2**31), (258, 3, 1, 8), (273, 4, 1, 8), (279, 4, 1, 2**31)])  # fmt: skip
    yield "many-values.tif", tiff_of([(256, 3, 1, 9), (257, 3, 1, 9), (273, 4, 2**30, 8)])
    yield "unknown-method.tif", tiff_of([(256, 3, 1, 9), (257, 3, 1, 9), (258, 3, 1, 8), (259, 3, 1, 34712), (273, 4, 1, 8)])  # fmt: skip
    yield "pages.tif", pages_of(60_000)
    yield "far-directory.tif", b"II*\0" + struct.pack("<I", 2**31)
    for kind, dtype in (("float", "f4"), ("float64", "f8")):
        for name, value in (("nan", np.nan), ("inf", np.inf)):
            stream = io.BytesIO()
            np.save(stream, np.full((20, 20), value, dtype))
            yield f"{kind}-{name}.npy", stream.getvalue()
    yield "text.png", b"not a picture"
    yield "program.png", b"\x7fELF" + b"\0" * 200
    yield "page.png", b"<html><script>alert(1)</script></html>"
    yield "drawing.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>"
    yield "paper.pdf", b"%PDF-1.7\n"
    yield "script.py", b"import os\nos.system('id')\n"
    yield "wafers.pkl", pickle.dumps(Bomb())
    yield "pickle.png", pickle.dumps(Bomb())
    yield "no-ending", b"\0" * 100


class Bomb:
    """Would create a file if it was unpickled."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (Path("unpickled-by-a-reader"),)


# -- arrays --------------------------------------------------------------------------------------


def npy_of(header: str, data: bytes = b"", version: bytes = b"\1\0") -> bytes:
    """A .npy whose header is any text."""
    text = header.encode("latin1") + b"\n"
    size = struct.pack("<H" if version == b"\1\0" else "<I", len(text))
    return b"\x93NUMPY" + version + size + text + data


def saved(array: Any, allow_pickle: bool = False) -> bytes:
    """An array as .npy."""
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=allow_pickle)
    return stream.getvalue()


def npz_of(method: int = zipfile.ZIP_DEFLATED, /, **members: bytes) -> bytes:
    """A .npz of raw members."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data)
    return stream.getvalue()


def bad_arrays() -> Files:
    """Arrays with false headers, without numbers, or with more pictures than memory."""
    shapes = ("(True, 5, 5)", "(-1, 5, 5)", "(5,)", "()", "(0, 5, 5)", "(1, 1)", "(5, 5, 5, 5, 5)",
              "(10**6, 10**6)", "(99999999999, 9, 9)", "(2**62, 4, 4)", "'ab'", "None", "(1.5, 5)",
              "[5, 5]", "(5, 5", "{}", "(" * 90 + ")" * 90, "(9, 9, 9" + ", 9" * 300 + ")",
              "((5,), 5)", "(False, False)", "(5000000000, 1, 1)")  # fmt: skip
    for number, shape in enumerate(shapes):
        header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}"
        yield f"shape-{number}.npy", npy_of(header, b"\1" * 125)
    types = ("|O", "|V9", "|S5", "<U5", "<M8[s]", "<c8", "|u99", "'; import os", "<f16", "[('a', '<i4')]",
             "[('a', '|O')]", ">f2", "", "('<i4', (5, 5))")  # fmt: skip
    for number, descr in enumerate(types):
        shown = descr if descr.startswith(("[", "(")) else repr(descr)
        header = f"{{'descr': {shown}, 'fortran_order': False, 'shape': (9, 9), }}"
        yield f"type-{number}.npy", npy_of(header, b"\1" * 2000)
    yield "code.npy", npy_of("__import__('os').system('id')")
    yield "long-header.npy", npy_of("{'descr': '|u1', " + " " * 60_000 + "}", b"")
    yield "deep-header.npy", npy_of("[" * 60_000)
    yield "version-9.npy", npy_of("{}", version=b"\x09\0")
    yield "huge-header.npy", b"\x93NUMPY\2\0" + struct.pack("<I", 2**32 - 1) + b"{"
    yield "magic.npy", b"\x93NUMPY"
    yield "one-byte.npy", b"\x93"
    yield "text.npy", b"0 1 2\n"
    yield "pickle.npy", pickle.dumps(Bomb())
    yield "objects.npy", saved(np.array([Bomb(), None], object), allow_pickle=True)
    yield "cut.npy", saved(np.ones((50, 30, 30), np.uint8))[:2000]
    yield "codes.npy", saved(np.arange(400, dtype=np.int64).reshape(20, 20) - 99)
    yield "booleans.npy", saved(np.ones((20, 20), bool))
    yield "big-numbers.npy", saved(np.full((20, 20), 2**63, np.uint64))
    yield "complex.npy", saved(np.ones((20, 20), complex))
    yield "tiny-pictures.npy", saved(np.ones((8_000_000, 1, 1), np.uint8))
    yield "thin-pictures.npy", saved(np.ones((900_000, 9, 1), np.uint8))
    yield "many-pictures.npy", saved(np.ones((60_000, 5, 5), np.uint8))
    yield "text-instead.npz", b"PK\3\4 and no more"
    yield "no-arrays.npz", npz_of()
    yield "no-array-in-it.npz", npz_of(a=b"no array")
    yield "pickle-in-it.npz", npz_of(a=pickle.dumps(Bomb()))
    yield "objects-in-it.npz", npz_of(a=saved(np.array([Bomb()], object), allow_pickle=True))
    yield "false-size.npz", npz_of(a=npy_of("{'descr': '|u1', 'fortran_order': False, 'shape': (40000, 40000), }"))  # fmt: skip
    yield "zeros.npz", npz_of(a=saved(np.zeros((3000, 200, 200), np.uint8)))
    yield "million-zeros.npz", npz_of(a=saved(np.zeros((1_000_000, 12, 12), np.uint8)))
    good = {"dies": saved(np.ones(800, np.uint8)), "offsets": saved(np.array([0, 400, 800])), "shapes": saved(np.array([[20, 20], [20, 20]]))}  # fmt: skip
    replaced: dict[str, Any] = {
        "offsets": [[], [0], [0, -1, 5], [0, 2**62, 2**63 - 1], [5, 400, 800], [0.5, 1, 2], [0, 800, 400], [[0, 1]]],
        "shapes": [[[-20, -20]] * 2, [[0, 0]] * 2, [[2**32, 2**32]] * 2, [20, 20], [["a", "b"]] * 2, [[20]] * 2],
        "dies": [[[1, 2]], ["a"], [1.5] * 800, [7] * 800, [], [True] * 800],
        "label": [[0], [0, 99], [-1, -2], [1.5, 2], [[0, 1]], ["\u202ea", "\u200b"], ["", " "], ["x" * 5000] * 2],
        "classes": [[], [1, 2], [["a"]], ["a\0b"]],
        "group": [[0], [0.5, 1], [[0, 1]]],
    }  # fmt: skip
    for key, values in replaced.items():
        for number, value in enumerate(values):
            members = {**good, key: saved(np.array(value))}
            if key == "classes":
                members["label"] = saved(np.array([0, 1]))
            yield f"packed-{key}-{number}.npz", npz_of(**members)
    yield "packed-cut.npz", npz_of(**good)[:-40]
    packed = bytearray(npz_of(zipfile.ZIP_LZMA, **good))
    for place in range(60, 100):
        packed[place] ^= 0x5A
    yield "damaged-lzma.npz", bytes(packed)


# -- tables --------------------------------------------------------------------------------------


def bad_tables() -> Files:
    """CSV files that are no table of dies, or a table too large."""
    yield "header-only.csv", b"x,y,bin\n"
    yield "words.csv", b"the quick,brown fox\njumps,over\n"
    yield "binary.csv", bytes(range(256)) * 40
    yield "zeros.csv", b"\0" * 5000
    yield "utf-16.csv", "0,1,2\n1,1,1\n".encode("utf-16")
    yield "latin.csv", "Größe,x\n1,2\n".encode("latin1")
    yield "quote.csv", b'"' + b"1,2,0\n" * 500
    yield "many-quotes.csv", b'"' * 100_001
    yield "one-line.csv", b"1," * 1_500_000
    yield "columns.csv", b",".join([b"c"] * 60_000) + b"\n" + b",".join([b"1"] * 60_000)
    yield "ragged.csv", b"1,1,1\n1,1\n1\n"
    yield "huge-number.csv", b"1e999,1\n1,1\n"
    yield "digits.csv", b"9" * 5000 + b",1\n1,1\n"
    yield "nan.csv", b"nan,1,1\n1,1,1\n1,1,1\n"
    yield "formula.csv", b"=cmd|' /C calc'!A0,1\n1,1\n"
    yield "far-dies.csv", b"x,y,bin\n0,0,1\n1000000000,1000000000,1\n-1000000000,5,2\n"
    yield "same-die.csv", b"x,y,bin\n" + b"3,3,1\n" * 2000
    yield "fraction.csv", b"x,y,bin\n0.5,1.5,1\n"
    yield "only-newlines.csv", b"\n" * 100_000
    yield "many-rows.csv", b"1,1\n" * 2_000_000
    yield "many-dies.csv", b"x,y,bin\n" + b"1,1,1\n" * 400_000
    yield "long-cell.csv", b"1," + b"x" * 3_000_000 + b"\n"
    yield "surrogate.csv", b"\xed\xa0\x80,1\n"
    yield "minus.csv", b"-1,-1\n-1,-1\n"


# -- zips ----------------------------------------------------------------------------------------


def zip_of(
    *members: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED
) -> bytes:
    """A zip of these members."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return stream.getvalue()


def named_in_zip(name: str, mode: int = 0) -> zipfile.ZipInfo:
    """A member with a Unix mode."""
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return info


def bad_zips() -> Files:
    """Zips that unpack to too much, point outside, or are damaged."""
    good = picture_bytes("PNG")
    yield "nothing-in-it.zip", zip_of()
    yield "only-folders.zip", zip_of(("a/", b""), ("b/", b""))
    yield (
        "only-junk.zip",
        zip_of((".DS_Store", b"x"), ("__MACOSX/a.png", b"x"), ("Thumbs.db", b"x")),
    )
    yield "bomb.zip", zip_of(("a/x.png", b"\0" * 60_000_000))
    yield "array-bomb.zip", zip_of(("a/x.npy", saved(np.zeros((6_000, 100, 100), np.uint8))))
    yield "nested.zip", zip_of(("a/x.zip", zip_of(("y.png", good))))
    yield "members.zip", zip_of(*((f"a/{i}", b"") for i in range(20_001)))
    for number, path in enumerate(
        ("/etc/x.png", "../x.png", "a/../../x.png", "C:/x.png", "..\\x.png", "\\\\host\\x.png", "a/./../../b/x.png")
    ):  # fmt: skip
        yield f"outside-{number}.zip", zip_of((path, good))
    yield "link.zip", zip_of((named_in_zip("a/x.png", 0o120777), b"/etc/passwd"))
    yield "pipe.zip", zip_of((named_in_zip("a/x.png", 0o010666), b""))
    yield "device.zip", zip_of((named_in_zip("a/x.png", 0o020666), b""))
    for number, name in enumerate(("a/" + "x" * 5000 + ".png", "a" + "/b" * 800 + "/x.png", "a/\n.png", "a/CON.png", "a/ .png", "a/\u202egnp.exe", "a//x.png")):  # fmt: skip
        yield f"name-{number}.zip", zip_of((name, b"no picture"))
    for number, name in enumerate(UNUSABLE[1:12]):
        yield f"class-{number}.zip", zip_of((f"{name}/x.png", good))
    yield "classes.zip", zip_of(*((f"c{i}/x.png", good) for i in range(201)))
    whole = zip_of(("a/x.png", good), ("b/y.png", picture_bytes("BMP")))
    for share in (0.1, 0.5, 0.9, 0.98):
        yield f"cut-{share}.zip", whole[: int(len(whole) * share)]
    for seed in range(12):
        rng = np.random.default_rng(seed)
        flipped = bytearray(whole)
        for place in rng.integers(0, len(whole), 12):
            flipped[place] = rng.integers(256)
        yield f"flipped-{seed}.zip", bytes(flipped)
    for name, method in (("bz2", zipfile.ZIP_BZIP2), ("lzma", zipfile.ZIP_LZMA)):
        packed = bytearray(zip_of(("a/x.png", good), method=method))
        for place in range(50, 90):
            packed[place] ^= 0x33
        yield f"damaged-{name}.zip", bytes(packed)
    yield "password.zip", patched(whole, flag=1)
    yield "method-99.zip", patched(whole, method=99)
    yield "method-9.zip", patched(whole, method=9)
    yield "false-sizes.zip", patched(whole, size=2**31)
    yield "end-only.zip", b"PK\5\6" + b"\0" * 18
    yield "end-claims-more.zip", b"PK\5\6" + struct.pack("<4H2LH", 0, 0, 65535, 65535, 2**31, 0, 0)
    yield "zip-64.zip", b"PK\6\6" + b"\xff" * 60 + b"PK\6\7" + struct.pack("<LQL", 0, 0, 1) + b"PK\5\6" + b"\xff" * 18  # fmt: skip
    yield "overlapping.zip", overlapping(good)
    yield "text.zip", b"not a zip"
    yield "project.zip", zip_of(("p/project.json", b"{}"))


def patched(
    data: bytes, flag: int | None = None, method: int | None = None, size: int | None = None
) -> bytes:
    """A zip with fields of its directory and its local headers overwritten."""
    out = bytearray(data)
    for magic, at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        place = out.find(magic)
        while place >= 0:
            if flag is not None:
                struct.pack_into("<H", out, place + at, flag)
            if method is not None:
                struct.pack_into("<H", out, place + at + 2, method)
            if size is not None:
                struct.pack_into("<L", out, place + at + 16, size)
            place = out.find(magic, place + 4)
    return bytes(out)


def overlapping(data: bytes, count: int = 3000) -> bytes:
    """A zip whose directory lists one member many times (a “better zip bomb”)."""
    first = zip_of(("a/x.png", data + b"\0" * 900_000))
    end = first.rfind(b"PK\5\6")
    start = first.find(b"PK\1\2")
    entry = first[start:end]
    body = first[:start] + entry * count
    return body + struct.pack(
        "<4s4H2LH", b"PK\5\6", 0, 0, count, count, len(entry) * count, start, 0
    )


def bad_files() -> Files:
    """All of the above."""
    yield from bad_pictures()
    yield from bad_arrays()
    yield from bad_tables()
    yield from bad_zips()


def bad_places(folder: Path) -> Iterator[Path]:
    """Paths that are no files, or whose names are no text."""
    pipe = folder / "pipe.png"
    os.mkfifo(pipe)
    yield pipe
    device = folder / "device.png"
    device.symlink_to("/dev/zero")
    yield device
    loop = folder / "loop.png"
    loop.symlink_to(loop)
    yield loop
    broken = folder / "broken.png"
    broken.symlink_to(folder / "gone.png")
    yield broken
    named = folder / "folder.png"
    named.mkdir()
    yield named
    around = folder / "around"
    around.mkdir()
    (around / "back").symlink_to(around)
    yield around
    listening = socket.socket(socket.AF_UNIX)
    place = os.getcwd()
    os.chdir(folder)  # a socket's path has 107 bytes at most
    try:
        listening.bind("socket.png")
    finally:
        os.chdir(place)
        listening.close()
    yield folder / "socket.png"
    for raw in (
        b"not-\xff-text.png",
        b"new\nline.png",
        "\u202egnp.exe.png".encode(),
        b"x" * 251 + b".png",
    ):
        path = Path(os.fsdecode(os.fsencode(folder) + b"/" + raw))
        path.write_bytes(b"no picture")
        yield path
    yield folder / ("x" * 300)
    yield folder / "gone.png"
    yield Path("/dev/zero")
    yield Path("/dev/stdin")
    yield Path("/proc/self/mem")
    yield Path("/proc/self/pagemap")


# -- projects ------------------------------------------------------------------------------------

JUNK: tuple[Any, ...] = (None, [], {}, 5, -1, "x", True, 1e300, [[]], {"a": []}, "x" * 400, 10**40)


def places_in(value: Any, most: int = 40) -> Iterator[tuple[str | int, ...]]:
    """Paths to the values of a JSON file, the first of each list only."""
    found = 0

    def walk(part: Any, way: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
        nonlocal found
        pairs: list[tuple[str | int, Any]] = []
        if isinstance(part, dict):
            pairs = list(part.items())
        elif isinstance(part, list) and part:
            pairs = [(0, part[0])]
        for key, item in pairs:
            if found >= most:
                return
            found += 1
            yield (*way, key)
            yield from walk(item, (*way, key))

    yield from walk(value, ())


def damaged(value: Any, seed: int) -> tuple[str, bytes]:
    """A JSON value with one place replaced or removed, or no JSON at all; and what was done."""
    rng = np.random.default_rng(seed)
    raw = (b"", b"[]", b"null", b"5", b'"x"', b"{", b"\xff\xfe", b"[" * 50_000, b'{"a": NaN}', b'"\\ud800"')  # fmt: skip
    places = list(places_in(value))
    if not places or seed % 4 == 0:
        data = raw[int(rng.integers(len(raw)))]
        return repr(data[:10]), data
    way = places[int(rng.integers(len(places)))]
    new = JUNK[int(rng.integers(len(JUNK)))]
    copy = json.loads(json.dumps(value))
    place = copy
    for key in way[:-1]:
        place = place[key]
    if seed % 4 == 1:
        del place[way[-1]]
        return f"{'.'.join(map(str, way))} removed", json.dumps(copy).encode()
    place[way[-1]] = new
    return f"{'.'.join(map(str, way))} = {str(new)[:20]}", json.dumps(copy).encode()


def damaged_projects(project: Path, count: int) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Copies of a project with damage, as files by their path in the project.

    In each copy one JSON file of every kind (settings, class, manifest, run, model, report,
    dataset, study, preset, job, trash) is damaged in another place, so that a few copies cover many
    kinds of damage; every third copy keeps its ``project.json``, so that it can be opened.

    Args:
        project: A project with a model, synthetic runs, a study, a preset, jobs, and trash.
        count: Number of copies.
    """
    good = {
        path.relative_to(project).as_posix(): path.read_bytes()
        for path in sorted(project.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }
    kinds: dict[str, list[str]] = {}
    for path in good:
        if path.endswith((".json", ".jsonl", ".csv")):
            kinds.setdefault(path.rpartition("/")[2], []).append(path)
    for number in range(count):
        changed = dict(good)
        done = []
        for offset, (kind, paths) in enumerate(sorted(kinds.items())):
            if kind == "project.json" and number % 3:
                continue
            path = paths[(number + offset) % len(paths)]
            seed = number * 31 + offset
            if kind.endswith(".json"):
                what, changed[path] = damaged(json.loads(good[path]), seed)
            else:
                what, changed[path] = damaged_lines(good[path], seed)
            done.append(f"{path}: {what}")
        yield "; ".join(done), changed


def damaged_lines(data: bytes, seed: int) -> tuple[str, bytes]:
    """JSON lines or a table of numbers with one line replaced."""
    rng = np.random.default_rng(seed)
    lines = data.splitlines() or [b""]
    at = int(rng.integers(len(lines)))
    raw = (b"", b"[]", b"null", b"{", b"\xff\xfe\0", b'{"t": "x", "type": 5}', b'{"t": 1, "type": "progress", "fraction": "x"}',
           b'{"t": 1e300, "type": "metric", "name": [], "values": 5}', b'{"t": 1, "type": "start", "process": 5}',
           b'{"t": 1, "m": [], "type": "result", "result": 5}', b'"' * 99, b"1,2,3,4,5,6,7,8,9", b"nan,inf")  # fmt: skip
    if lines[at].startswith(b"{") and seed % 2:
        what, lines[at] = damaged(json.loads(lines[at]), seed)
        return f"line {at}: {what}", b"\n".join(lines) + b"\n"
    lines[at] = raw[int(rng.integers(len(raw)))]
    return f"line {at} = {lines[at][:20]!r}", b"\n".join(lines) + b"\n"


def write_project(folder: Path, contents: dict[str, bytes]) -> None:
    """Write a project's files."""
    for path, data in contents.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)


def zip_project(contents: dict[str, bytes], top: str = "p") -> bytes:
    """The zip of a project's files, without jobs and trash, as a download has them."""
    kept = {p: d for p, d in contents.items() if not p.startswith(("jobs/", ".trash/", "imports/"))}
    return zip_of(*((f"{top}/{path}", data) for path, data in kept.items()))
