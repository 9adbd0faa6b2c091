"""Wafer data files: .npy, .npz, .csv, good and bad."""

from __future__ import annotations

import io
import pickle
from pathlib import Path

import numpy as np
import pytest

from wafer_core.errors import PictureError
from wafer_core.images import FAIL, NO_DIE, PASS, Picture, from_die_codes
from wafer_core.importers import Limits, Scan, Upload, scan
from wafer_core.simulator import simulate_many

WAFERS = [w for p in ("Center", "Scratch") for w in simulate_many(p, 3, 0)]
CODES = [np.searchsorted([0, 127, 255], w).astype(np.uint8) for w in WAFERS]


def npy(array: object, **options: bool) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, **options)  # type: ignore[arg-type]
    return stream.getvalue()


def npz(**arrays: object) -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]
    return stream.getvalue()


def packed(**changes: object) -> bytes:
    """The format of the WM-811K development file: two classes of three wafers, two lots."""
    parts: dict[str, object] = {
        "dies": np.concatenate([c.ravel() for c in CODES]),
        "offsets": np.cumsum([0] + [c.size for c in CODES]),
        "shapes": np.array([c.shape for c in CODES], np.int16),
        "label": np.array([0, 0, 0, 1, 1, 1], np.uint8),
        "classes": np.array(["Center", "Scratch"]),
        "group": np.array([7, 7, 8, 8, 8, 8]),
    }
    parts.update(changes)
    return npz(**{k: v for k, v in parts.items() if v is not None})


def pictures(name: str, data: bytes) -> list[Picture]:
    found = scan([Upload(name, data)])
    assert found.rejected == []
    return [candidate.load().picture for candidate in found.candidates]


def refusal(name: str, data: bytes) -> str:
    """The error of a bad file, at scan or at load."""
    found: Scan = scan([Upload(name, data)])
    if found.rejected:
        return str(found.rejected[0].reason)
    with pytest.raises(PictureError) as caught:
        found.candidates[0].load()
    return str(caught.value)


def test_packed_wafers_with_labels_and_lots() -> None:
    found = scan([Upload("wm.npz", packed())])
    assert found.rejected == []
    assert [c.class_name for c in found.candidates] == ["Center"] * 3 + ["Scratch"] * 3
    assert [c.group for c in found.candidates] == ["wm:7"] * 2 + ["wm:8"] * 4
    assert found.candidates[4].name == "wm.npz[4]"
    for candidate, wafer in zip(found.candidates, WAFERS, strict=True):
        assert np.array_equal(candidate.load().picture, wafer)


def test_packed_wafers_from_the_disk_and_in_a_folder_of_a_class(tmp_path: Path) -> None:
    (tmp_path / "Ring").mkdir()
    (tmp_path / "Ring" / "wm.npz").write_bytes(packed(label=None, classes=None, group=None))
    found = scan([tmp_path])
    assert {c.class_name for c in found.candidates} == {"Ring"}
    assert {c.group for c in found.candidates} == {None}
    assert np.array_equal(found.candidates[5].load().picture, WAFERS[5])


def test_die_values_in_any_type_are_recognised() -> None:
    code, wafer = CODES[0], WAFERS[0]
    same = [code, code.astype(np.int64), code.astype(np.float32), wafer, wafer.astype(np.int32),
            code / 2, np.asfortranarray(code)]  # fmt: skip
    for array in same:
        assert np.array_equal(pictures("a.npy", npy(array))[0], wafer)
    ramp = np.linspace(0, 1, 100).reshape(10, 10)
    assert pictures("a.npy", npy(ramp))[0].ravel()[[0, 50, 99]].tolist() == [0, 129, 255]
    bright = (np.arange(100).reshape(10, 10) * 100).astype(np.uint16)
    assert pictures("a.npy", npy(bright))[0].max() == 255
    assert pictures("a.npy", npy(np.eye(9) * 255))[0].max() == 255


def test_stacks_and_colours() -> None:
    stack = np.stack([np.rot90(CODES[0], 2), CODES[0]])
    assert np.array_equal(pictures("a.npy", npy(stack))[1], WAFERS[0])
    tones = np.array([[0, 0, 0], [0, 160, 0], [220, 0, 0]], np.uint8)
    assert np.array_equal(pictures("a.npy", npy(tones[CODES[0]]))[0], WAFERS[0])
    assert np.array_equal(pictures("a.npy", npy(tones[stack]))[1], WAFERS[0])


def test_an_npz_of_plain_arrays_with_and_without_labels() -> None:
    stack = np.stack([np.rot90(CODES[0], 2), CODES[0]])
    found = scan([Upload("x/a.npz", npz(images=stack, labels=np.array(["ring", "none"])))])
    assert [c.class_name for c in found.candidates] == ["ring", "none"]
    assert found.candidates[1].name == "x/a.npz:images[1]"
    several = scan([Upload("x/a.npz", npz(first=CODES[0], second=CODES[1]))])
    assert [(c.name, c.class_name) for c in several.candidates] == [
        ("x/a.npz:first", "x"), ("x/a.npz:second", "x")
    ]  # fmt: skip
    numbers = scan([Upload("a.npz", npz(images=stack, label=[3, 4]))])
    assert [c.class_name for c in numbers.candidates] == ["3", "4"]


@pytest.mark.parametrize(
    ("array", "sentence"),
    [
        (np.zeros(5), "a.npy: an array of shape (5,) contains no pictures; give (height, width)"),
        (np.zeros((2, 2, 5, 5)), "shape (2, 2, 5, 5) contains no pictures"),
        (np.float64(3), "shape () contains no pictures"),
        (np.zeros((0, 5, 5), np.uint8), "the array is empty, shape (0, 5, 5)"),
        (np.full((9, 9), np.nan), "contains NaN or infinity; use 0 for no die"),
        (np.where(np.eye(9) > 0, np.inf, 0), "contains NaN or infinity"),
        (np.eye(9, dtype=int) * -2, "values from -2 to 0 are neither dies"),
        (np.eye(9) * 1e9, "values from 0 to 1e+09 are neither dies"),
        (np.eye(9, dtype=complex), "contains complex128 instead of numbers; save it as uint8"),
        (np.full((9, 9), "a"), "contains <U1 instead of numbers"),
        (np.full((9, 9), np.datetime64("2020-01-01")), "instead of numbers"),
        (np.zeros((9, 9), [("x", int)]), "the array contains records"),
        (np.zeros((9, 9), int), "every value is 0, so there is no wafer"),
        (np.eye(3, dtype=int) + 1, "3×3 pixels is outside the limits of 4 to 4096"),
    ],
)
def test_a_bad_array_is_a_clear_error(array: object, sentence: str) -> None:
    assert sentence in refusal("a.npy", npy(array))


class Evil:
    """An object whose unpickling calls a function."""

    def __reduce__(self) -> tuple[object, ...]:
        return (pytest.fail, ("a pickle was opened",))


def test_object_arrays_are_never_unpickled() -> None:
    evil = np.array([Evil(), 1], dtype=object)
    sentence = "_Fail”, which is not opened for security"
    assert sentence in refusal("a.npy", npy(evil, allow_pickle=True))
    found = scan([Upload("a.npz", npz(bad=evil, good=CODES[0]))])
    assert [c.name for c in found.candidates] == ["a.npz:good"]
    assert sentence in str(found.rejected[0].reason)
    assert sentence in refusal("a.npy", pickle.dumps(Evil()))


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "a.npy: the file is empty (0 bytes)"),
        (b"just text", "is not a NumPy array, or it is damaged; save it again with numpy.save"),
        (npy(CODES[0])[:40], "is not a NumPy array, or it is damaged"),
        (npy(CODES[0])[:200], "the file is cut off; it is too short for its array"),
    ],
)
def test_a_damaged_array_file_is_a_clear_error(data: bytes, sentence: str) -> None:
    assert sentence in refusal("a.npy", data)


def test_a_false_header_allocates_no_memory() -> None:
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (999999, 999999), }"
    header += b" " * (118 - len(header) - 1) + b"\n"
    data = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + b"\0" * 99
    assert "takes more than 2,048 MB; split it" in refusal("a.npy", data)
    small = scan([Upload("a.npy", npy(CODES[0]))], limits=Limits(max_array_bytes=10))
    assert "takes more than" in str(small.rejected[0].reason)


def test_millions_of_tiny_pictures_are_rejected_at_the_scan() -> None:
    """8 MB of ones in the shape (8,000,000, 1, 1) took 3.5 GB to list."""
    assert "contains 8,000,000 pictures" in refusal("a.npy", npy(np.ones((8_000_000, 1, 1), "u1")))
    assert "1×1 pixels are too small" in refusal("a.npy", npy(np.ones((900_000, 1, 1), "u1")))
    found = scan([Upload("a.npy", npy(np.ones((30, 4, 4))))], limits=Limits(max_pictures=20))
    assert "contains 30 pictures; split it" in str(found.rejected[0].reason)


@pytest.mark.parametrize(
    "shape", ["(True, 5, 5)", "(5, 5L)", "(" * 3000, "[" * 50_000, "{'a': 1}", "(-1, 5)", "1e3"]
)
def test_a_hostile_header_is_a_clear_error(shape: str) -> None:
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}".encode() + b"\n"
    data = b"\x93NUMPY\x02\x00" + len(header).to_bytes(4, "little") + header + b"\1" * 25
    assert refusal("a.npy", data).startswith("a.npy")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"offsets": np.array([0, 5])}, "dies, offsets and shapes do not match"),
        ({"offsets": np.full(7, -1)}, "do not match"),
        ({"offsets": np.linspace(0, 9, 7)}, "do not match"),
        ({"shapes": np.full((6, 2), -4)}, "do not match"),
        ({"shapes": np.int64(6)}, "do not match"),
        ({"dies": np.zeros((4, 4))}, "do not match"),
        ({"label": np.array([0, 0, 0, 0, 0, 9])}, "the labels 0 to 9 do not match the 2 names"),
        ({"label": np.array([0, 1])}, "the labels are int64 of shape (2,); give 6 numbers"),
        ({"label": np.linspace(0, 1, 6)}, "the labels are float64"),
        ({"group": np.array([1, 2])}, "the groups are int64 of shape (2,); give 6"),
        ({"dies": np.full(sum(c.size for c in CODES), 9)}, "0 (no die), 1 (pass) and 2 (fail)"),
    ],
)  # fmt: skip
def test_a_packed_file_that_does_not_match_is_a_clear_error(
    changes: dict[str, object], sentence: str
) -> None:
    assert sentence in refusal("wm.npz", packed(**changes))


def test_other_bad_npz_files() -> None:
    assert "is not a zip, or it is damaged" in refusal("a.npz", b"no zip")
    assert "contains no array of pictures" in refusal("a.npz", npz(labels=np.arange(3)))
    stack = np.stack([CODES[0]] * 2)
    sentence = refusal("a.npz", npz(images=stack, labels=np.arange(3)))
    assert "there are 2 pictures and labels of shape (3,)" in sentence


@pytest.mark.parametrize("separator", [",", ";", "\t", " ", ", "])
def test_a_table_of_die_values(separator: str) -> None:
    text = "\n".join(separator.join(map(str, row)) for row in CODES[0])
    assert np.array_equal(pictures("a.csv", text.encode())[0], WAFERS[0])
    dos = ("\ufeff" + text.replace("\n", "\r\n") + "\r\n\r\n").encode()
    assert np.array_equal(pictures("a.csv", dos)[0], WAFERS[0])


def test_a_table_of_decimals_is_fine() -> None:
    text = "0.0,1.0,1.0,0.0\n" + "1,2.0,1,1\n" * 3
    expected = from_die_codes(np.array([[0, 1, 1, 0]] + [[1, 2, 1, 1]] * 3))
    assert np.array_equal(pictures("a.csv", text.encode())[0], expected)
    assert {NO_DIE, PASS, FAIL} == set(np.unique(expected).tolist())


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "a.csv: the file is empty (0 bytes)"),
        (b"\n\n", "the table is empty"),
        (b"a,b,c\n1,1,2\n", "row 1 contains “a”; give a table of 0 (no die), 1 (pass) and 2"),
        (b"0,1,1,0\n0,1,what,0\n", "row 2 contains “what”"),
        (b"0,1,1,0\n0,1,1\n", "row 2 has 3 values and the first row has 4; give a rectangular"),
        (b"0,1\n2,0\n", "2×2 pixels is outside the limits of 4 to 4096"),
        (b"0,1\x00\x01", "is not a text file"),
        (b"0,0,0,0\n" * 4, "every value is 0, so there is no wafer"),
    ],
)
def test_a_bad_table_is_a_clear_error(data: bytes, sentence: str) -> None:
    assert sentence in refusal("a.csv", data)
