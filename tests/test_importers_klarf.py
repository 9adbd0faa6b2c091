"""KLARF 1.2 and 1.8: hand-computed wafers, broken lines, image lists, units, several wafers."""

from __future__ import annotations

import time

import numpy as np
import pytest

from fab_writers import klarf_12, klarf_18
from wafer_core.errors import PictureError
from wafer_core.images import FAIL, PASS
from wafer_core.importers import klarf
from wafer_core.importers.die_maps import NO_BIN, Defect, DieMap, status

N = NO_BIN
#  upwards: (0, 1) above (-1, 0) (0, 0) (1, 0)
DIES = [(0, 1), (-1, 0), (0, 0), (1, 0)]
ROW = "1 10.5 20.25 1 0 0.5 0.75 0.5 3"  # a defect of 0.5 µm in die (1, 0)
ROW_18 = "1 10500 20250 1 0 500 3 N"
IMAGES = "DEFECTID XREL YREL XINDEX YINDEX CLASSNUMBER IMAGECOUNT IMAGELIST"


def read(text: str | bytes, **options: object) -> list[DieMap]:
    data = text.encode() if isinstance(text, str) else text
    assert klarf.recognises(data[:4096])
    return klarf.read(data, "a.001", **options)  # type: ignore[arg-type]


def read_one(text: str | bytes, **options: object) -> DieMap:
    (found,) = read(text, **options)
    return found


def notes(found: DieMap) -> str:
    return " ".join(str(note) for note in found.notes)


@pytest.mark.parametrize("text", [klarf_12(DIES, [ROW]), klarf_18([("W1", DIES, [ROW_18])])])
def test_a_wafer_in_both_versions(text: str) -> None:
    found = read_one(text)
    np.testing.assert_array_equal(found.bins, [[N, 1, N], [1, 1, 2]])  # y runs upwards
    np.testing.assert_array_equal(status(found), [[0, PASS, 0], [PASS, PASS, FAIL]])
    (defect,) = found.defects
    assert (defect.row, defect.column, defect.defect_class) == (1, 2, 3)
    assert (defect.x, defect.y, defect.size) == (10500, 20250, 500)  # nm
    assert (found.wafer, found.lot, found.product) == ("W1", "L1", "P 1")
    assert found.time == "2021-03-14T15:09:26"
    assert (found.aspect, found.notch) == (2.0, "down")
    assert (3, "Particle") in found.defect_classes
    assert found.notes == ()


def test_bytes_of_a_windows_program() -> None:
    text = "\ufeff" + klarf_12(DIES, [ROW]).replace("\n", "\r\n")
    assert read_one(text.encode()).dies == 4
    assert read_one(text.encode()).tester == "KLA 23"


def test_semicolons_in_quotes_end_no_statement() -> None:
    found = read_one(klarf_12(DIES, [ROW], DeviceID='"A;B"'))
    assert found.product == "A;B"
    assert found.defect_classes == ((0, "none; yet"), (3, "Particle"))


def test_defects_that_count_can_be_chosen() -> None:
    rows = [ROW, "2 0 0 -1 0 2.0 2.0 2.0 0", "3 0 0 0 0 NA NA NA NA"]
    text = klarf_12(DIES, rows)
    for options, failing in (
        ({}, 3),
        ({"classes": [3]}, 1),
        ({"classes": [0, 3]}, 2),
        ({"min_size": 1000.0}, 2),  # the one without a size may be large
        ({"classes": [3], "min_size": 1000.0}, 0),
    ):
        found = read_one(text, **options)
        assert (status(found) == FAIL).sum() == failing, options
        assert len(found.defects) == 3
        assert found.dies == 4
    unknown = read_one(text).defects[2]
    assert (unknown.size, unknown.defect_class) == (None, None)


def test_the_size_is_the_larger_side_where_there_is_no_diameter() -> None:
    columns = "DEFECTID XREL YREL XINDEX YINDEX XSIZE YSIZE CLASSNUMBER"
    found = read_one(klarf_12(DIES, ["1 0 0 0 0 0.5 0.75 3"], columns))
    assert found.defects[0].size == 750


def test_rows_may_be_broken_over_lines() -> None:
    broken = klarf_12(
        DIES, [ROW.replace(" 20.25 ", "\n 20.25\n "), ROW.replace("1 0 0.5", "0\n1 0.5")]
    )
    found = read_one(broken)
    assert [(d.row, d.column) for d in found.defects] == [(1, 2), (0, 1)]


@pytest.mark.parametrize(
    "rows",
    [
        ["1 0 0 0 0 3 0 0", "2 0 0 1 0 3 2 2 1 0 2 0", "3 0 0 -1 0 3 1 1 3 0"],  # counted
        ["1 0 0 0 0 3 0", "2 0 0 1 0 3 2 1 0 2 0", "3 0 0 -1 0 3 1 3 0"],  # not counted
        ["1 0 0 0 0 3 0 0", "2 0 0 1 0 3 2 2\n 1 0\n 2 0", "3 0 0 -1 0 3 1 1 3 0"],  # broken
    ],
)
def test_both_forms_of_image_lists(rows: list[str]) -> None:
    text = klarf_12(DIES, rows, IMAGES).replace("DefectList", 'TiffFileName "a.tif";\nDefectList')
    found = read_one(text)
    assert [d.images for d in found.defects] == [(), ("a.tif#1", "a.tif#2"), ("a.tif#3",)]
    assert [d.column for d in found.defects] == [1, 2, 0]
    single = read_one(text.replace("a.tif", "a.jpg"))
    assert single.defects[2].images == ("a.jpg",)


def test_images_of_version_18() -> None:
    row = '1 0 0 1 0 500 3 Images 2 { "a/b.jpg" "JPG" 1 "Patch", "c.jpg" "JPG" 1 "x" }'
    found = read_one(klarf_18([("W1", DIES, [row, ROW_18])]))
    assert [d.images for d in found.defects] == [("a/b.jpg", "c.jpg"), ()]


def test_a_list_may_be_continued_and_may_be_empty() -> None:
    text = klarf_12(DIES, [ROW]).replace(
        "EndOfFile", f"DefectList;\nDefectList\n {ROW};\nEndOfFile"
    )
    assert len(read_one(text).defects) == 2
    clean = read_one(klarf_12(DIES, []))
    assert (status(clean) == PASS).sum() == 4


def test_several_wafers_keep_their_own_fields_and_share_the_plan() -> None:
    first = klarf_12(DIES, [ROW]).replace("EndOfFile;", "")
    second = f'WaferID "W2";\nDeviceID "P 2";\nDefectList\n {ROW}\n {ROW};\n'
    third = klarf_12([(5, 5), (6, 5)], [], LotID='"L2"', WaferID='"W3"')
    found = read(first + second + third)
    assert [(m.wafer, m.lot, m.product) for m in found] == [
        ("W1", "L1", "P 1"),
        ("W2", "L1", "P 2"),
        ("W3", "L2", "P 1"),
    ]
    assert [(m.dies, len(m.defects)) for m in found] == [(4, 1), (4, 2), (2, 0)]
    assert ["wafer before" in notes(m) for m in found] == [False, True, False]


def test_several_wafers_of_version_18() -> None:
    text = klarf_18([("W1", DIES, [ROW_18]), ("W2", [(0, 0), (1, 0)], []), ("W3", None, [ROW_18])])
    found = read(text)
    assert [(m.wafer, m.lot, m.product, m.dies) for m in found] == [
        ("W1", "L1", "P 1", 4),
        ("W2", "L1", "P 1", 2),
        ("W3", "L1", "P 1", 2),
    ]
    assert "wafer before" in notes(found[2])


def test_plans_of_several_tests_are_joined_and_removed_dies_left_out() -> None:
    more = "SampleTestPlan 2\n 0 0\n 2 0;\nRemovedDieList 1\n -1 0;\nDefectRecordSpec"
    found = read_one(klarf_12(DIES, [ROW]).replace("DefectRecordSpec", more, 1))
    np.testing.assert_array_equal(found.bins, [[1, N, N], [1, 2, 1]])


def test_a_defect_outside_the_plan_adds_its_die() -> None:
    found = read_one(klarf_12(DIES, ["1 0 0 3 0 1 1 1 3"]))
    np.testing.assert_array_equal(found.bins, [[N, 1, N, N, N], [1, 1, 1, N, 2]])
    assert "1 die with a defect is not in the SampleTestPlan; it was added." in notes(found)


def test_a_defect_without_a_die_is_left_out() -> None:
    found = read_one(klarf_12(DIES, ["1 0 0 NA NA 1 1 1 3", ROW]))
    assert len(found.defects) == 1
    assert "1 defect without a die was left out" in notes(found)


def test_without_a_plan_all_dies_that_fit_on_the_wafer_are_taken() -> None:
    """A wafer of 240 mm with dies of 50 × 50 mm and its centre at a corner: 12 of 4 × 4 fit."""
    text = klarf_12([], ["1 0 0 0 0 1 1 1 3"], DiePitch="5e4 5e4", SampleSize="1 240")
    text = text.replace("SampleTestPlan 0\n;\n", "")
    found = read_one(text)
    np.testing.assert_array_equal(
        found.bins != N, [[0, 1, 1, 0], [1, 1, 1, 1], [1, 1, 1, 1], [0, 1, 1, 0]]
    )
    assert found.bins[1, 2] == 2  # die (0, 0) is right of and above the centre
    assert "all that fit on the wafer" in notes(found)
    unknown = read_one(text.replace("SampleSize 1 240;", ""))
    assert unknown.dies == 1
    assert "only those with a defect are known" in notes(unknown)


@pytest.mark.parametrize(
    ("side", "degrees", "bins", "place"),
    [
        ("UP", "180", [[2, 1, 1], [N, 1, N]], (0, 0, 9989500, 4979750)),
        ("LEFT", "90", [[N, 2], [1, 1], [N, 1]], (0, 1, 4979750, 10500)),
        ("RIGHT", "270", [[1, N], [1, 1], [2, N]], (2, 0, 20250, 9989500)),
    ],
)
def test_the_notch_is_turned_down_with_the_positions_of_defects(
    side: str, degrees: str, bins: object, place: tuple[int, ...]
) -> None:
    """Dies of 10 × 5 mm; the defect is 10.5 µm from the left and 20.25 µm from below."""
    for text in (
        klarf_12(DIES, [ROW], OrientationMarkLocation=side),
        klarf_18([("W1", DIES, [ROW_18])], degrees),
    ):
        found = read_one(text)
        np.testing.assert_array_equal(found.bins, bins)
        defect: Defect = found.defects[0]
        assert (defect.row, defect.column, defect.x, defect.y) == pytest.approx(place)
        assert found.notch == "down"
        assert found.aspect == (2.0 if side == "UP" else 0.5)
        assert "turned" in notes(found)


def test_a_wafer_of_which_there_is_only_a_name_is_left_out() -> None:
    found = read_one(klarf_12(DIES, [ROW]) + 'WaferID "W2";\nEndOfFile;\n')
    assert "1 wafer of the file has no dies and no defects" in notes(found)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            klarf_12(DIES, [ROW, "0 " + ROW, ROW]),
            "a.001: defect 2 of the DefectList does not have the values that DefectRecordSpec "
            "names (9); export the file again.",
        ),
        (
            klarf_12(DIES, ["1 0 0 0 0 3 0 0", "7 2 0 0 1 0 3 0 0"], IMAGES),
            "a.001: defect 2 of the DefectList does not have the values that DefectRecordSpec "
            "names (8); export the file again.",
        ),
        (
            klarf_12(DIES, [ROW]).replace("DefectRecordSpec", "Other"),
            "a.001: DefectRecordSpec is missing before the DefectList; export the file again.",
        ),
        (
            "FileVersion 1 2;\nLotID 1;\nEndOfFile;\n",
            "a.001: no wafer has a SampleTestPlan or a DefectList; export the file again with its "
            "dies.",
        ),
        (
            klarf_12(DIES, [ROW]).replace(" -1 0\n", " -1 x\n"),
            "a.001 could not be read as KLARF; it is damaged. Export it again.",
        ),
        (
            klarf_18([("W1", DIES, [ROW_18 + " 7"])]),
            "a.001 could not be read as KLARF; it is damaged. Export it again.",
        ),
        (
            klarf_18([("W1", DIES, [ROW_18])])[:900],
            "a.001: the file is cut off; export or copy it again.",
        ),
        (
            klarf_12(DIES, [ROW])[:-15],
            "a.001: the file is cut off; export or copy it again.",
        ),
        (
            klarf_12(DIES, [ROW]).partition("DefectList")[0],
            "a.001: the file is cut off; export or copy it again.",
        ),
        (
            klarf_12(DIES, [ROW]).replace("SampleTestPlan 4", "SampleTestPlan 5"),
            "a.001: SampleTestPlan states 5 dies and lists 4; export the file again.",
        ),
    ],
)
def test_broken_files_get_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(PictureError) as caught:
        read(text)
    assert str(caught.value) == sentence


def test_large_files_take_time_in_proportion_to_their_size() -> None:
    """A list that was copied for each die took minutes."""
    dies = [(x, y) for y in range(200) for x in range(200)]
    rows = [f"{k} 1 2 {x} {y} 500 3 N" for k, (x, y) in enumerate(dies[::2])]
    begin = time.perf_counter()
    found = read_one(klarf_18([("W1", dies, rows)]))
    assert (found.dies, len(found.defects)) == (40_000, 20_000)
    assert time.perf_counter() - begin < 20


def test_a_small_file_cannot_claim_memory_or_time(monkeypatch: pytest.MonkeyPatch) -> None:
    names = "".join(f"WaferID {k};\nDefectList;\n" for k in range(1200))
    text = klarf_12(DIES, []).replace("EndOfFile", names + "EndOfFile")
    with pytest.raises(PictureError, match="more than 1,000 wafers"):
        read(text)
    monkeypatch.setattr(klarf, "_MAX_DIES", 3)
    with pytest.raises(PictureError, match="more than 3 dies"):
        read(klarf_12(DIES, []))
    deep = klarf_18([("W1", DIES, [])]).replace("Field SlotNumber", "Record A { " * 30, 1)
    with pytest.raises(PictureError, match="could not be read as KLARF"):
        read(deep)


def test_other_files_are_not_recognised() -> None:
    for head in (b"", b"FileVersion 2 0;", b"Record of a file", b"\x02\x00\x00\x0a"):
        assert not klarf.recognises(head)
