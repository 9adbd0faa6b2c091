"""Files of testers among others in an import: by content, compressed, in a zip, damaged."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
from collections.abc import Callable

import numpy as np
import pytest

from fab_writers import Die, atdf, sinf, stdf, text_map
from wafer_core.images import FAIL, NO_DIE, PASS
from wafer_core.importers import Limits, Upload, scan

DIES = [Die(x, y, 1 if (x + y) % 2 else 7, bool((x + y) % 2)) for y in range(5) for x in range(5)]
EXPECTED = np.array([[PASS if (x + y) % 2 else FAIL for x in range(5)] for y in range(5)], np.uint8)
TESTER = stdf(DIES, flat="D", x_to="R", y_to="D")


def test_the_content_decides_whatever_the_file_is_called() -> None:
    for name in ("a.stdf", "a.std", "wafer_1", "a.dat"):
        (found,) = scan([Upload(name, TESTER)]).candidates
        np.testing.assert_array_equal(found.load().picture, EXPECTED)
        assert (found.group, found.class_name) == ("L1", None)


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_compressed_files_are_read(compress: Callable[[bytes], bytes]) -> None:
    (found,) = scan([Upload("a.stdf.gz", compress(TESTER))]).candidates
    np.testing.assert_array_equal(found.load().picture, EXPECTED)


def test_folders_of_a_zip_give_the_class() -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("set/Center/a.stdf", TESTER)
        archive.writestr("set/Donut/b.atd.gz", gzip.compress(atdf(DIES)))
        archive.writestr("set/Donut/c.sinf", sinf())
    found = scan([Upload("set.zip", content.getvalue())])
    assert [c.class_name for c in found.candidates] == ["Center", "Donut", "Donut"]
    assert not found.rejected
    assert all((c.load().picture == FAIL).any() for c in found.candidates)


def test_a_text_map_without_bin_table_says_which_bin_passes() -> None:
    (found,) = scan([Upload("map.txt", text_map().encode())]).candidates
    loaded = found.load()
    assert (loaded.picture == PASS).sum() == 5  # code 1 of the writer's disc
    assert "bin 1 was taken to pass" in " ".join(map(str, loaded.notes))


def test_a_map_of_few_dies_is_padded_with_places_without_dies() -> None:
    (found,) = scan([Upload("a.stdf", stdf([Die(0, 0, 7, False)]))]).candidates
    picture = found.load().picture
    assert picture.shape == (4, 4)
    assert (picture == FAIL).sum() == 1
    assert (picture == NO_DIE).sum() == 15


def test_the_intact_part_of_a_compressed_file_that_was_cut_off_is_kept() -> None:
    whole = stdf(DIES * 400, flat="D", x_to="R", y_to="D")
    packed = gzip.compress(whole, 0)
    (found,) = scan([Upload("a.stdf.gz", packed[: len(packed) // 2])]).candidates
    np.testing.assert_array_equal(found.load().picture, EXPECTED)


def test_a_bomb_is_refused_and_the_others_are_read() -> None:
    bomb = gzip.compress(b"0,1,2,0\n" * 3_000_000)
    found = scan([Upload("bomb.csv.gz", bomb), Upload("a.stdf", TESTER)])
    assert len(found.candidates) == 1
    assert "bomb.csv.gz" in str(found.rejected[0].reason)
    assert "unpacks to more than" in str(found.rejected[0].reason)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.gz", b"\x1f\x8bnothing"),
        ("a.bz2", b"BZhnothing at all"),
        ("a.stdf", TESTER[:6]),
        ("a.klarf", b"FileVersion 1 2;\nFileTimestamp 01-02-20"),
        ("notes.txt", b"Dear all, the tester is down again.\n"),
    ],
)
def test_damaged_and_other_files_get_a_sentence(name: str, data: bytes) -> None:
    found = scan([Upload(name, data)], limits=Limits())
    assert not found.candidates
    (refused,) = found.rejected
    assert str(refused.reason).startswith(name.removesuffix(".gz").removesuffix(".bz2"))
