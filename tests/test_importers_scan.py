"""Folders, drops and zips: what is found in them, and zips that mean harm."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from wafer_core.errors import PictureError
from wafer_core.images import encode_png
from wafer_core.importers import Candidate, Limits, Loaded, Upload, sample, scan
from wafer_core.importers.folders import read_folders
from wafer_core.simulator import simulate_many

WAFER = simulate_many("Loc", 1, 0)[0]
PNG = encode_png(WAFER)


def make_zip(*files: tuple[str | zipfile.ZipInfo, bytes], packed: bool = True) -> bytes:
    stream = io.BytesIO()
    method = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, data in files:
            archive.writestr(name, data)
    return stream.getvalue()


def found_in(data: bytes, limits: Limits | None = None) -> list[tuple[str, str | None]]:
    found = scan([Upload("a.zip", data)], limits=limits or Limits())
    assert found.rejected == []
    return [(c.name, c.class_name) for c in found.candidates]


def refusal(data: bytes, limits: Limits | None = None) -> str:
    """The error of a zip that is rejected as a whole."""
    found = scan([Upload("a.zip", data)], limits=limits or Limits())
    assert list(found.candidates) == []
    assert [r.name for r in found.rejected] == ["a.zip"]
    return str(found.rejected[0].reason)


@pytest.mark.parametrize(
    ("names", "classes"),
    [
        (["a.png"], [None]),
        (["Center/a.png", "Loc/b.png"], ["Center", "Loc"]),
        (["Center/a.png", "Center/b.png"], ["Center", "Center"]),
        (["all/Center/a.png", "all/b.png"], ["Center", None]),
        (["all/train/Center/a.png"], ["Center"]),
        (["Center/a.png", "b.png"], ["Center", None]),
        (["스크래치/a.png", "b/c.png"], ["스크래치", "b"]),
        ([], []),
    ],
)
def test_the_folder_names_the_class(names: list[str], classes: list[str | None]) -> None:
    assert [facts.class_name for facts in read_folders(names)] == classes


def test_a_folder_with_sub_folders(tmp_path: Path) -> None:
    for name in ("Loc/b.png", "Center/a.PNG", "top.png", ".hidden/x.png", "Loc/Thumbs.db",
                 "__MACOSX/Loc/b.png", "Loc/.DS_Store", "notes.txt"):  # fmt: skip
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(b"only text" if path.suffix == ".txt" else PNG)
    found = scan([tmp_path])
    assert [(c.name, c.class_name) for c in found.candidates] == [
        ("top.png", None),
        ("Center/a.PNG", "Center"),
        ("Loc/b.png", "Loc"),
    ]
    assert np.array_equal(found.candidates[1].load().picture, WAFER)
    assert [r.name for r in found.rejected] == ["notes.txt"]
    assert "files of this kind cannot be imported; use PNG" in str(found.rejected[0].reason)


def test_single_files_and_files_that_are_gone(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(PNG)
    found = scan([path, tmp_path / "missing.png"])
    assert [c.name for c in found.candidates] == ["a.png"]
    assert "missing.png: there is no such file or folder" in str(found.rejected[0].reason)
    path.unlink()
    with pytest.raises(PictureError, match=r"a.png: the file cannot be read"):
        found.candidates[0].load()


def test_a_file_with_an_unknown_extension_is_recognised_by_its_content() -> None:
    stream = io.BytesIO()
    np.save(stream, WAFER)
    found = scan([Upload("wafer.dat", PNG), Upload("array", stream.getvalue())])
    assert found.rejected == []
    assert all(np.array_equal(c.load().picture, WAFER) for c in found.candidates)


def test_a_file_name_that_is_not_utf8_can_be_stored(tmp_path: Path) -> None:
    """A file name with the byte ff could not be written to the manifest."""
    path = tmp_path / "a\udcff.png"
    path.write_bytes(PNG)
    (candidate,) = scan([path]).candidates
    assert candidate.name == "a?.png"
    assert np.array_equal(candidate.load().picture, WAFER)


def test_uploads_of_one_drop_are_one_source() -> None:
    found = scan([Upload("all\\Center\\a.png", PNG), Upload("all/b.png", PNG)])
    assert [(c.name, c.class_name) for c in found.candidates] == [
        ("all/Center/a.png", "Center"),
        ("all/b.png", None),
    ]


def test_names_of_uploads_are_never_paths(tmp_path: Path) -> None:
    for name in ("../../etc/a.png", "/etc/a.png", "C:\\a.png"):
        found = scan([Upload(name, PNG)])
        assert np.array_equal(found.candidates[0].load().picture, WAFER)


def test_nothing_is_decoded_before_it_is_wanted() -> None:
    found = scan([Upload("a.png", b"rubbish"), Upload("b.zip", make_zip(("c.png", b"rubbish")))])
    assert len(found.candidates) == 2
    assert found.rejected == []


def test_a_file_that_is_too_large_is_told() -> None:
    found = scan([Upload("a.png", PNG)], limits=Limits(max_file_bytes=10))
    with pytest.raises(PictureError, match=r"a.png: the file is larger than .* MB; reduce"):
        found.candidates[0].load()


def test_a_zip_of_a_folder(tmp_path: Path) -> None:
    data = make_zip(("all/", b""), ("all/Center/a.png", PNG), ("all/__MACOSX/x.png", b""),
                    ("all/Loc/b.png", PNG))  # fmt: skip
    assert found_in(data) == [("a.zip/all/Center/a.png", "Center"), ("a.zip/all/Loc/b.png", "Loc")]
    path = tmp_path / "b.zip"
    path.write_bytes(data)
    assert np.array_equal(scan([path]).candidates[1].load().picture, WAFER)
    inside = scan([Upload("Ring/b.zip", make_zip(("a.png", PNG))), Upload("x.png", PNG)])
    assert inside.candidates[0].class_name == "Ring"


def test_data_files_inside_of_a_zip() -> None:
    stream = io.BytesIO()
    np.savez(stream, images=np.stack([WAFER, WAFER]))
    data = make_zip(("Loc/a.npz", stream.getvalue()), ("Loc/b.csv", b"0,1,2,1\n" * 4))
    found = scan([Upload("a.zip", data)])
    assert [c.class_name for c in found.candidates] == ["Loc"] * 3
    assert np.array_equal(found.candidates[1].load().picture, WAFER)
    assert found.candidates[2].load().picture.shape == (4, 4)


@pytest.mark.parametrize(
    "name", ["../a.png", "x/../../a.png", "/etc/a.png", "C:/a.png", "..\\a.png", "\\a.png"]
)
def test_a_zip_that_points_outside_of_itself_is_refused(name: str) -> None:
    member = zipfile.ZipInfo("placeholder")
    member.filename = name
    sentence = refusal(make_zip(("good.png", PNG), (member, PNG)))
    assert sentence.startswith("a.zip: the zip is rejected because “")
    assert "points outside of it; pack only the folder with the pictures." in sentence


def test_a_zip_with_a_symlink_is_refused() -> None:
    link = zipfile.ZipInfo("a.png")
    link.create_system = 3
    link.external_attr = 0o120777 << 16
    assert "“a.png” is a link; pack the files themselves." in refusal(make_zip((link, b"/etc/x")))


def test_a_zip_with_a_password_is_refused() -> None:
    data = bytearray(make_zip(("a.png", PNG)))
    data[data.index(b"PK\x01\x02") + 8] |= 1
    assert "the zip has a password; pack it again without one." in refusal(bytes(data))


def test_a_zip_inside_of_a_zip_is_refused_and_the_rest_kept() -> None:
    found = scan([Upload("a.zip", make_zip(("b.zip", make_zip(("c.png", PNG))), ("d.png", PNG)))])
    assert [c.name for c in found.candidates] == ["a.zip/d.png"]
    reason = "a.zip/b.zip: a zip inside a zip is not opened; unpack it first."
    assert [str(r.reason) for r in found.rejected] == [reason]


def test_too_many_members_are_refused_before_they_are_listed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = make_zip(*[(f"{i}.png", b"") for i in range(30)])
    limits = Limits(max_members=20)
    sentence = "a.zip: the zip contains more than 20 files; split it into smaller ones."
    assert refusal(data, limits) == sentence
    liar = bytearray(data)  # an end record that says 1
    end = liar.rindex(b"PK\x05\x06")
    liar[end + 8 : end + 12] = struct.pack("<2H", 1, 1)
    assert refusal(bytes(liar), limits) == sentence
    monkeypatch.setattr(zipfile, "ZipFile", None)  # a million: refused by its end record alone
    end64 = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 10**6, 10**6, 10**8, 0)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, 0, 1)
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 2**32 - 1, 2**32 - 1, 0)
    assert "contains more than 20,000 files" in refusal(end64 + locator + end)


def test_a_bomb_is_refused_by_its_ratio() -> None:
    sentence = refusal(make_zip(("a.png", bytes(5 * 2**20))))
    assert "“a.png” would unpack to more than 200 times" in sentence
    many = make_zip(*[(f"{i}.png", bytes(2**19)) for i in range(10)])
    assert "would unpack to more than 200 times" in refusal(many)
    assert found_in(make_zip(("small.png", bytes(10_000)))) == [("a.zip/small.png", None)]


def test_a_zip_that_unpacks_to_too_much_is_refused() -> None:
    big = make_zip(*[(f"{i}.png", bytes(range(256)) * 40) for i in range(50)])
    assert "the zip would unpack to" in refusal(big, Limits(max_unpacked_bytes=100_000))


def test_a_member_that_lies_about_its_size_is_told() -> None:
    data = bytearray(make_zip(("a.png", PNG), ("b.png", PNG)))
    entry = data.index(b"PK\x01\x02")
    data[entry + 24 : entry + 28] = struct.pack("<L", len(PNG) // 2)  # says half of it
    found = scan([Upload("a.zip", bytes(data))])
    with pytest.raises(PictureError, match=r"a.zip/a.png "):
        found.candidates[0].load()
    assert np.array_equal(found.candidates[1].load().picture, WAFER)


def test_a_damaged_member_is_told_and_the_rest_kept() -> None:
    data = bytearray(make_zip(("a.png", PNG), ("b.png", PNG), packed=False))
    at = data.index(PNG)
    data[at + 50] ^= 0xFF
    found = scan([Upload("a.zip", bytes(data))])
    with pytest.raises(PictureError, match=r"a.zip/a.png is damaged inside the zip; pack it"):
        found.candidates[0].load()
    assert np.array_equal(found.candidates[1].load().picture, WAFER)


def test_a_strange_packing_method_is_told() -> None:
    data = bytearray(make_zip(("a.png", PNG)))
    entry = data.index(b"PK\x01\x02")
    data[entry + 10 : entry + 12] = struct.pack("<H", 99)
    found = scan([Upload("a.zip", bytes(data))])
    with pytest.raises(PictureError, match="packed with a method that is not supported"):
        found.candidates[0].load()


@pytest.mark.parametrize("data", [b"", b"te\0xt", make_zip(("a.png", PNG))[:-30]])
def test_a_broken_zip_is_told(data: bytes) -> None:
    sentence = "a.zip is not a zip, or it is damaged; pack or copy it again."
    assert refusal(data) == sentence


def nothing() -> Loaded:
    return Loaded(WAFER)


def test_a_sample_is_even_repeatable_and_in_order() -> None:
    candidates = [Candidate(f"{i:03}", "ab"[i % 2], None, nothing) for i in range(100)]
    candidates += [Candidate("x", None, None, nothing)]
    chosen = sample(candidates, 10, seed=0)
    names = [c.name for c in chosen]
    assert names == sorted(names)
    assert [sum(c.class_name == k for c in chosen) for k in ("a", "b", None)] == [10, 10, 1]
    assert chosen == sample(candidates, 10, seed=0)
    assert chosen != sample(candidates, 10, seed=1)
    assert sample(candidates, None, seed=0) == candidates
    # One class less does not change which ones of the others are chosen.
    only_a = [c for c in candidates if c.class_name == "a"]
    assert sample(only_a, 10, 0) == [c for c in chosen if c.class_name == "a"]
